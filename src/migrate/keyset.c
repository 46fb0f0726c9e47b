/*
 * keyset.c
 *		Columns of the source's rows as a relation that queries can name.
 *
 * What is read from SQLite goes, as the target's types have it, into a tuplestore, which
 * spills to disk, and queries see it as an ephemeral relation, as triggers see their
 * transition tables.  So a set of keys can be joined with the target's rows where no
 * foreign table can be made, in a read-only transaction, or more than once.  Visible in
 * queries of the SPI connection that made it, until that ends.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/queryenvironment.h"
#include "utils/tuplestore.h"

#include "sfm_migrate.h"

struct SfmKeySet
{
	char	   *name;
	TupleDesc	desc;
	Tuplestorestate *rows;
	int			memory;			/* kB, for them */
	EphemeralNamedRelation relation;
};

static void
show(SfmKeySet *set)
{
	int			rc;

	set->relation->reldata = set->rows;
	set->relation->md.enrtuples = tuplestore_tuple_count(set->rows);
	rc = SPI_register_relation(set->relation);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(rc));
}

static void
hide(SfmKeySet *set)
{
	int			rc = SPI_unregister_relation(set->name);

	if (rc != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "SPI_unregister_relation failed: %s", SPI_result_code_string(rc));
}

/*
 * An empty set in CurrentMemoryContext; its columns have these names and types.  The name
 * is an identifier that no other set of the SPI connection has.  Of its rows so many kB
 * are kept in memory.
 */
SfmKeySet *
sfm_keyset_create(const char *name, int ncolumns, char *const *names, const Oid *types, int memory)
{
	SfmKeySet  *set = palloc0(sizeof(SfmKeySet));

	set->name = pstrdup(name);
	set->desc = CreateTemplateTupleDesc(ncolumns);
	for (int i = 0; i < ncolumns; i++)
		TupleDescInitEntry(set->desc, i + 1, names[i], types[i], -1, 0);
	set->memory = memory;
	set->rows = tuplestore_begin_heap(false, false, memory);
	set->relation = palloc0(sizeof(EphemeralNamedRelationData));
	set->relation->md.name = set->name;
	set->relation->md.reliddesc = InvalidOid;
	set->relation->md.tupdesc = set->desc;
	set->relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	return set;
}

void
sfm_keyset_put(SfmKeySet *set, const Datum *values, const bool *isnull)
{
	tuplestore_putvalues(set->rows, set->desc, unconstify(Datum *, values), unconstify(bool *, isnull));
}

/* All rows are in it: from now on queries see it. */
void
sfm_keyset_finish(SfmKeySet *set)
{
	show(set);
}

/* The set's name, as it stands behind FROM. */
const char *
sfm_keyset_name(const SfmKeySet *set)
{
	return quote_identifier(set->name);
}

/* A receiver that puts a query's rows into a tuplestore. */
typedef struct KeptReceiver
{
	DestReceiver pub;
	Tuplestorestate *rows;
} KeptReceiver;

static void
kept_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
kept_nothing(DestReceiver *self)
{
}

static bool
kept_receive(TupleTableSlot *slot, DestReceiver *self)
{
	tuplestore_puttupleslot(((KeptReceiver *) self)->rows, slot);
	return true;
}

/* Whether it has a column of this name. */
bool
sfm_keyset_has_column(const SfmKeySet *set, const char *name)
{
	for (int i = 0; i < set->desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(set->desc, i)->attname), name) == 0)
			return true;
	return false;
}

/* How many of its rows "c" fulfil a condition. */
int64
sfm_keyset_count(const SfmKeySet *set, const char *condition)
{
	bool		isnull;

	return sfm_query_int64(psprintf("SELECT count(*) FROM %s c WHERE %s", sfm_keyset_name(set), condition), &isnull);
}

/* Takes the rows "c" out that fulfil a condition; returns their number. */
int64
sfm_keyset_remove(SfmKeySet *set, const char *condition)
{
	KeptReceiver receiver = {0};
	SPIExecuteOptions options = {0};
	int64		removed = sfm_keyset_count(set, condition);
	int			rc;

	if (removed == 0)
		return 0;
	receiver.pub.rStartup = kept_startup;
	receiver.pub.receiveSlot = kept_receive;
	receiver.pub.rShutdown = kept_nothing;
	receiver.pub.rDestroy = kept_nothing;
	receiver.pub.mydest = DestNone;
	receiver.rows = tuplestore_begin_heap(false, false, set->memory);
	options.dest = (DestReceiver *) &receiver;
	rc = SPI_execute_extended(psprintf("SELECT * FROM %s c WHERE (%s) IS NOT TRUE", sfm_keyset_name(set), condition),
							  &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(rc));
	hide(set);
	tuplestore_end(set->rows);
	set->rows = receiver.rows;
	show(set);
	return removed;
}

/* Forgets the rows; the name is free again. */
void
sfm_keyset_drop(SfmKeySet *set)
{
	hide(set);
	tuplestore_end(set->rows);
	pfree(set);
}
