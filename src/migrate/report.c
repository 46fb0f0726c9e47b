/*
 * report.c
 *		What a DBA is told: the result set, the NOTICEs, the last notes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "sfm_migrate.h"

/* A list of strings as text[]. */
Datum
sfm_text_array(List *strings)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	ListCell   *lc;

	foreach(lc, strings)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, list_length(strings), TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* The word of the column "status". */
const char *
sfm_status_word(const SfmPlan *plan, const SfmPlanTable *table)
{
	if (table->status == SFM_STATUS_SKIPPED)
		return "skipped";
	if (plan->options->dry_run)
		return "planned";
	return table->status == SFM_STATUS_CREATED ? "created" :
		table->status == SFM_STATUS_REPLACED ? "replaced" : "loaded";
}

static Datum
interval_from_us(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return IntervalPGetDatum(interval);
}

/* One row of migrate()'s result. */
void
sfm_report_row(ReturnSetInfo *rsinfo, const SfmPlan *plan, const SfmPlanTable *table)
{
	Datum		values[11];
	bool		nulls[11] = {false};
	bool		counted = table->loaded ||
		(plan->options->dry_run && table->status != SFM_STATUS_SKIPPED);

	values[0] = CStringGetTextDatum(sfm_name_to_server(table->source->name));
	values[1] = CStringGetTextDatum(table->qualified);
	values[2] = CStringGetTextDatum(sfm_status_word(plan, table));
	values[3] = Int64GetDatum(table->source_rows);
	values[4] = Int64GetDatum(table->target_rows);
	values[5] = Int64GetDatum(table->rejected_rows);
	nulls[3] = nulls[4] = nulls[5] = !counted;
	values[6] = BoolGetDatum(table->verified);
	nulls[6] = !table->was_verified;
	values[7] = Int64GetDatum(table->sequence_value);
	nulls[7] = !table->has_sequence;
	values[8] = Int64GetDatum(table->target_bytes);
	nulls[8] = plan->options->dry_run || table->status == SFM_STATUS_SKIPPED;
	values[9] = interval_from_us(table->elapsed_us);
	values[10] = sfm_text_array(table->notes);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* A foreign key that an index serves. */
typedef struct IndexedKey
{
	Oid			relid;
	NameData	constraint;		/* padded with zeros */
} IndexedKey;

static void
fill_indexed_key(IndexedKey *key, Oid relid, const char *constraint)
{
	memset(key, 0, sizeof(*key));
	key->relid = relid;
	namestrcpy(&key->constraint, constraint);
}

/*
 * The plan's foreign keys of which an index begins with the columns.  One query for
 * all: planning it costs more than answering it.
 */
static HTAB *
indexed_keys(SfmPlan *plan)
{
	HASHCTL		control = {0};
	HTAB	   *keys;
	StringInfoData relids;
	ListCell   *lc;

	control.keysize = control.entrysize = sizeof(IndexedKey);
	control.hcxt = CurrentMemoryContext;
	keys = hash_create("SQLite foreign keys", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	initStringInfo(&relids);
	foreach(lc, plan->tables)
		appendStringInfo(&relids, "%s%u", relids.len ? "," : "",
						 ((SfmPlanTable *) lfirst(lc))->relid);
	if (SPI_execute(psprintf("SELECT c.conrelid::bigint, c.conname::text FROM pg_constraint c"
							 " WHERE c.contype = 'f' AND c.conrelid = ANY ('{%s}'::oid[])"
							 " AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL"
							 "   AND (i.indkey::int2[])[0:array_length(c.conkey, 1) - 1] @> c.conkey)",
							 relids.data), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read foreign keys");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		IndexedKey	key;
		bool		isnull;

		fill_indexed_key(&key, (Oid) DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)),
						 SPI_getvalue(row, SPI_tuptable->tupdesc, 2));
		(void) hash_search(keys, &key, HASH_ENTER, NULL);
	}
	SPI_freetuptable(SPI_tuptable);
	return keys;
}

/* A foreign key's columns are best indexed; SQLite files often have no such index. */
static void
note_unindexed_foreign_keys(SfmPlan *plan)
{
	HTAB	   *indexed = indexed_keys(plan);
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		StringInfoData columns;
		IndexedKey	key;
		bool		found;

		if (object->fk == NULL || object->status == SFM_OBJECT_LEFT_OUT || object->target_sql == NULL)
			continue;
		fill_indexed_key(&key, object->table->relid, object->constraint);
		(void) hash_search(indexed, &key, HASH_FIND, &found);
		if (found)
			continue;
		initStringInfo(&columns);
		for (int i = 0; i < object->fk->ncolumns; i++)
			appendStringInfo(&columns, "%s%s", i ? ", " : "",
							 quote_identifier(sfm_plan_column(object->table, object->fk->columns[i])->target));
		sfm_note(object->table, "No index begins with the columns of foreign key %s; deleting from %s then reads the whole table. To add one: CREATE INDEX ON %s (%s)",
				 quote_identifier(object->constraint), object->parent->qualified,
				 object->table->qualified, columns.data);
	}
	hash_destroy(indexed);
}

/* A table under a publication needs an identity for its UPDATEs and DELETEs. */
static void
note_replica_identity(SfmPlanTable *table)
{
	bool		isnull;

	if (sfm_query_int64(psprintf("SELECT count(*) FROM pg_class c WHERE c.oid = %u AND c.relkind IN ('r', 'p')"
								 " AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS"
								 "      (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))"
								 " AND EXISTS (SELECT FROM pg_publication_tables t WHERE t.schemaname = c.relnamespace::regnamespace::text"
								 "             AND t.tablename = c.relname)", table->relid), &isnull) > 0)
		sfm_note(table, "A publication covers the table, which has no primary key: UPDATE and DELETE will fail until it has one or ALTER TABLE %s REPLICA IDENTITY FULL is run.",
				 table->qualified);
}

static void
note_date_range(SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];
		Oid			output;
		bool		is_varlena;

		if (!column->seen.has_minmax || !column->target_dates.known)
			continue;
		getTypeOutputInfo(column->type.typid, &output, &is_varlena);
		sfm_note(table, "Column %s runs from %s to %s in the source, and from %s to %s here.",
				 quote_identifier(column->target),
				 OidOutputFunctionCall(output, column->seen.min),
				 OidOutputFunctionCall(output, column->seen.max),
				 OidOutputFunctionCall(output, column->target_dates.min),
				 OidOutputFunctionCall(output, column->target_dates.max));
	}
}

/* What a DBA would look at next; at the end of the run. */
void
sfm_final_notes(SfmPlan *plan)
{
	ListCell   *lc;
	bool		has_publication;
	bool		isnull;

	note_unindexed_foreign_keys(plan);
	has_publication = sfm_query_int64("SELECT count(*) FROM pg_publication", &isnull) > 0;
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		if (has_publication)
			note_replica_identity(table);
		note_date_range(table);
	}
}
