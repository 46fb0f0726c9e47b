/*
 * sequences.c
 *		The next INSERT gets a free id: sequences are set past the data and past what
 *		SQLite's AUTOINCREMENT counted.
 *
 * By ALTER ... RESTART, which is transactional: setval() is not, and a run that is
 * rolled back would leave the sequence moved.  A sequence that this very call made
 * goes away with it, and there setval() saves a file.  Never backwards.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "common/int.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_migrate.h"

/* One sequence that a column owns. */
typedef struct OwnedSequence
{
	Oid			relid;
	char	   *table;			/* qualified */
	char	   *column;
	bool		is_integer;		/* of the column's type */
	Oid			seqid;
	char	   *sequence;		/* qualified */
	int64		increment;
	int64		min;
	int64		max;
	bool		fresh;			/* made by this call: nothing was drawn from it yet */
} OwnedSequence;

/* The identity column of a table that is created; NULL without one. */
SfmPlanColumn *
sfm_identity_column(const SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].identity)
			return &table->columns[i];
	return NULL;
}

/* The column whose default counts on in place of an identity; NULL without one. */
SfmPlanColumn *
sfm_counting_column(const SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].counts)
			return &table->columns[i];
	return NULL;
}

/*
 * The sequences that columns of relations matching a condition on pg_class c own:
 * serial, identity, or ALTER SEQUENCE OWNED BY.
 */
static List *
owned_sequences(const char *condition)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *result = NIL;
	SPITupleTable *rows;

	if (SPI_execute(psprintf("SELECT c.oid::bigint, format('%%I.%%I', n.nspname, c.relname), a.attname::text,"
							 "       s.oid::bigint, format('%%I.%%I', sn.nspname, s.relname),"
							 "       q.seqincrement, q.seqmin, q.seqmax, (a.atttypid IN (20, 21, 23))::int::bigint"
							 "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
							 "  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid"
							 "       AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
							 "  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
							 "  JOIN pg_namespace sn ON sn.oid = s.relnamespace"
							 "  JOIN pg_sequence q ON q.seqrelid = s.oid"
							 "  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid"
							 " WHERE %s ORDER BY c.oid, a.attnum", condition), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read sequences");
	rows = SPI_tuptable;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);
		OwnedSequence *sequence = palloc0(sizeof(OwnedSequence));
		HeapTuple	row = rows->vals[i];
		bool		isnull;

#define INT64_COLUMN(n) DatumGetInt64(SPI_getbinval(row, rows->tupdesc, n, &isnull))
		sequence->relid = (Oid) INT64_COLUMN(1);
		sequence->table = SPI_getvalue(row, rows->tupdesc, 2);
		sequence->column = SPI_getvalue(row, rows->tupdesc, 3);
		sequence->seqid = (Oid) INT64_COLUMN(4);
		sequence->sequence = SPI_getvalue(row, rows->tupdesc, 5);
		sequence->increment = INT64_COLUMN(6);
		sequence->min = INT64_COLUMN(7);
		sequence->max = INT64_COLUMN(8);
		sequence->is_integer = INT64_COLUMN(9) != 0;
		result = lappend(result, sequence);
		MemoryContextSwitchTo(old);
#undef INT64_COLUMN
	}
	SPI_freetuptable(rows);
	return result;
}

/* How far ids go: the furthest of what was noted. */
typedef struct Reached
{
	bool		any;
	int64		value;
	bool		up;				/* the sequence counts upwards */
} Reached;

static void
note_reached(Reached *reached, int64 value)
{
	if (!reached->any || (reached->up ? value > reached->value : value < reached->value))
		reached->value = value;
	reached->any = true;
}

/* Makes next the value that the sequence gives next. */
static void
restart(const OwnedSequence *sequence, int64 next)
{
	if (sequence->fresh)
		(void) DirectFunctionCall3(setval3_oid, ObjectIdGetDatum(sequence->seqid),
								   Int64GetDatum(next), BoolGetDatum(false));
	else
		sfm_execf("ALTER SEQUENCE %s RESTART WITH %lld", sequence->sequence, (long long) next);
}

/* What a sequence counts on from: the value before the one that it gives next. */
static int64
counts_from(const OwnedSequence *sequence)
{
	bool		isnull;

	if (sequence->fresh)
		return sequence->min - 1;	/* it starts at its least value and goes up by 1 */
	return sfm_query_int64(psprintf("SELECT CASE WHEN is_called THEN last_value::numeric ELSE"
									" greatest(least(last_value::numeric - %lld, 9223372036854775807), -9223372036854775808) END::bigint"
									" FROM %s", (long long) sequence->increment, sequence->sequence),
						   &isnull);
}

/*
 * Moves a sequence so that its next value lies past what was reached, never
 * backwards.  *old and *new are what it counts on from.
 * Returns false when no value is left past that.
 */
static bool
advance(const OwnedSequence *sequence, const Reached *reached, int64 *old, int64 *new)
{
	int64		next;

	*old = counts_from(sequence);
	*new = *old;
	if (!reached->any || (reached->up ? reached->value <= *old : reached->value >= *old))
		return true;
	*new = reached->value;
	if (pg_add_s64_overflow(reached->value, sequence->increment, &next) ||
		next > sequence->max)
	{
		/* The next value is one that is taken: an INSERT fails instead of repeating it. */
		restart(sequence, Min(reached->value, sequence->max));
		return false;
	}
	if (next < sequence->min)
	{
		*new = *old;
		return true;
	}
	restart(sequence, next);
	return true;
}

/* The greatest value in the sequence's direction that its column holds. */
static bool
column_reached(const OwnedSequence *sequence, int64 *reached)
{
	const char *column = quote_identifier(sequence->column);
	bool		isnull;

	/* Ids in a column of another type are those values that read as integers. */
	if (!sequence->is_integer)
		column = psprintf("CASE WHEN %s::text ~ '^-?[0-9]{1,18}$' THEN %s::text::bigint END",
						  column, column);
	*reached = sfm_query_int64(psprintf("SELECT %s(%s)::bigint FROM %s",
										sequence->increment > 0 ? "max" : "min",
										column, sequence->table), &isnull);
	return !isnull;
}

/* The greatest id of a source table whose INTEGER PRIMARY KEY is its rowid; false: no row. */
static bool
greatest_rowid(SfmFile *file, const SfmTable *table, int64 *id)
{
	const char *column = table->columns[table->rowid_column].name;
	SfmStmt    *stmt = sfm_prepare(file, psprintf("SELECT max(s.%s) FROM main.%s s",
												  sfm_quote_name(column),
												  sfm_quote_name(table->name)),
								   table->name);
	SfmValue	value = {SFM_NULL};

	if (sfm_step(stmt))
		sfm_column(stmt, 0, &value);
	sfm_finalize(stmt);
	*id = value.u.i;
	return value.cls == SFM_INTEGER;
}

/*
 * How far the ids of a table that will be created go in the source, by its rows and
 * by AUTOINCREMENT; 0 where they start at 1, or the table has no identity column.
 */
int64
sfm_source_reached(const SfmPlan *plan, const SfmPlanTable *table)
{
	SfmPlanColumn *column = sfm_identity_column(table) ? sfm_identity_column(table) :
		sfm_counting_column(table);
	int64		reached = 0;
	int64		value;

	if (column == NULL)
		return 0;
	if (plan->options->scope != SFM_SCOPE_SCHEMA &&
		greatest_rowid(plan->source->file, table->source, &value))
		reached = Max(reached, value);
	if (table->source->counted)
		reached = Max(reached, table->source->count);
	return reached;
}

/* What is said of a column whose sequence has no value left. */
static void
note_exhausted(SfmPlanTable *table, const char *column)
{
	sfm_note(table, "Column %s holds the last value of its sequence; no id is left for the next INSERT.",
			 quote_identifier(column));
}

/* What is said of a table whose row in sqlite_sequence was passed over. */
static void
note_odd_count(SfmPlanTable *table)
{
	sfm_note(table, "Its row in sqlite_sequence holds no integer and was ignored.");
}

/* For dry_run: what sfm_set_sequence() will do for a table that is created. */
void
sfm_foresee_sequence(SfmPlan *plan, SfmPlanTable *table)
{
	SfmPlanColumn *column = sfm_identity_column(table) ? sfm_identity_column(table) :
		sfm_counting_column(table);

	if (table->status == SFM_STATUS_SKIPPED || column == NULL)
		return;
	table->has_sequence = true;
	table->sequence_value = sfm_source_reached(plan, table);
	if (table->source->odd_count)
		note_odd_count(table);
	if (table->sequence_value >= (column->type.kind == SFM_KIND_INT2 ? PG_INT16_MAX :
								  column->type.kind == SFM_KIND_INT4 ? PG_INT32_MAX : PG_INT64_MAX))
		note_exhausted(table, column->target);
}

static int
by_relid(const ListCell *a, const ListCell *b)
{
	Oid			left = ((const SfmPlanTable *) lfirst(a))->relid;
	Oid			right = ((const SfmPlanTable *) lfirst(b))->relid;

	return left < right ? -1 : left > right;
}

/*
 * Finds the sequences of all tables of the plan.  By one query, whose planning
 * alone costs more than the rest of what a small table needs.
 */
void
sfm_find_sequences(SfmPlan *plan)
{
	List	   *tables = NIL;
	List	   *sequences;
	StringInfoData relids;
	ListCell   *lc;
	int			i = 0;

	initStringInfo(&relids);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		tables = lappend(tables, table);
		appendStringInfo(&relids, "%s%u", relids.len ? "," : "", table->relid);
	}
	list_sort(tables, by_relid);
	sequences = owned_sequences(psprintf("c.oid = ANY ('{%s}'::oid[])", relids.data));
	/* both lists are in the order of the tables' OIDs */
	foreach(lc, sequences)
	{
		OwnedSequence *sequence = lfirst(lc);
		SfmPlanTable *table = list_nth(tables, i);

		while (table->relid != sequence->relid)
			table = list_nth(tables, ++i);
		sequence->fresh = !table->exists && sequence->increment == 1;
		table->sequences = lappend(table->sequences, sequence);
	}
}

/* How far the ids of a sequence's column go in the rows that are there. */
static bool
rows_reached(const SfmPlan *plan, const SfmPlanTable *table, const OwnedSequence *sequence,
			 bool is_rowid, int64 *reached)
{
	/*
	 * SQLite knows its greatest rowid without a search.  It may be that of a row that was
	 * rejected, which can still be mended and inserted.
	 */
	if (is_rowid && sequence->fresh && table->loaded)
		return greatest_rowid(plan->source->file, table->source, reached);
	return column_reached(sequence, reached);
}

/*
 * After the rows of a table are there, and sfm_find_sequences() was called: sets the
 * sequences of its columns, and table->sequence_value to what the ids count on from.
 */
void
sfm_set_sequence(SfmPlan *plan, SfmPlanTable *table)
{
	SfmPlanColumn *rowid = table->source->rowid_column < 0 ? NULL :
		sfm_plan_column(table, table->source->rowid_column);
	ListCell   *lc;

	foreach(lc, table->sequences)
	{
		OwnedSequence *sequence = lfirst(lc);
		bool		is_rowid = rowid && strcmp(rowid->target, sequence->column) == 0;
		Reached		reached = {false, 0, sequence->increment > 0};
		int64		value;
		int64		old;

		if (!sfm_table_ownercheck(sequence->seqid, GetUserId()))
		{
			sfm_note(table, "Sequence %s was not set, since only its owner may; its owner can run sqlite_mig.fix_sequences().",
					 sequence->sequence);
			continue;
		}
		if (rows_reached(plan, table, sequence, is_rowid, &value))
			note_reached(&reached, value);
		if (is_rowid && reached.up && table->source->counted)
			note_reached(&reached, table->source->count);
		if (is_rowid && reached.up && table->source->odd_count)
			note_odd_count(table);
		if (!advance(sequence, &reached, &old, &value))
			note_exhausted(table, sequence->column);
		if (is_rowid || !table->has_sequence)
		{
			table->has_sequence = true;
			table->sequence_value = value;
		}
	}
}

/*
 * The chosen source table whose rows go to the sequence's table, and whose rowid is
 * the sequence's column; NULL when there is none.
 */
static const SfmTable *
source_table(List *chosen, Oid schema, const OwnedSequence *sequence)
{
	ListCell   *lc;

	foreach(lc, chosen)
	{
		SfmTable   *table = lfirst(lc);
		char	   *target = sfm_fold_name(table->name, SFM_IDENTIFIERS_LOWER);

		if (table->kind == SFM_REL_TABLE &&
			sfm_target_find(schema, table->name, SFM_IDENTIFIERS_LOWER, &target) == sequence->relid)
			return table;
	}
	return NULL;
}

/* Whether the sequence's column holds the source table's rowid. */
static bool
serves_rowid(const SfmTable *table, const OwnedSequence *sequence)
{
	const char *column;

	if (table->rowid_column < 0)
		return false;
	column = table->columns[table->rowid_column].name;
	return strcmp(sfm_name_to_server(column), sequence->column) == 0 ||
		strcmp(sfm_fold_name(column, SFM_IDENTIFIERS_LOWER), sequence->column) == 0 ||
		strcmp(sfm_fold_name(column, SFM_IDENTIFIERS_SNAKE_CASE), sequence->column) == 0;
}

static void
put_row(ReturnSetInfo *rsinfo, const OwnedSequence *sequence, int64 old, int64 new)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = CStringGetTextDatum(sequence->table);
	values[1] = CStringGetTextDatum(sequence->column);
	values[2] = CStringGetTextDatum(sequence->sequence);
	values[3] = Int64GetDatum(old);
	values[4] = Int64GetDatum(new);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The sequences that include and exclude leave; names are the source's, else the target's. */
static List *
chosen_sequences(List *sequences, List *include, List *exclude)
{
	List	   *names = NIL;
	List	   *result = NIL;
	bool	   *chosen;
	ListCell   *lc;

	foreach(lc, sequences)
		names = lappend(names, get_rel_name(((OwnedSequence *) lfirst(lc))->relid));
	chosen = sfm_select_names(names, include, exclude);
	foreach(lc, sequences)
		if (chosen[foreach_current_index(lc)])
			result = lappend(result, lfirst(lc));
	return result;
}

/*
 * sqlite_mig.fix_sequences(source, target_schema, include, exclude): a row a
 * sequence with what it counted on from before and after.
 */
void
sfm_fix_sequences(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *schema = sfm_required_text(fcinfo, 1, "target_schema");
	List	   *include = sfm_text_list(fcinfo, 2, "include");
	List	   *exclude = sfm_text_list(fcinfo, 3, "exclude");
	Oid			nspid;
	SfmSource  *source = NULL;
	SfmCatalog *catalog;
	List	   *chosen = NIL;
	List	   *sequences;
	ListCell   *lc;
	int			level;

	sfm_require_read_committed("fix_sequences");
	InitMaterializedSRF(fcinfo, 0);
	nspid = get_namespace_oid(schema, false);
	level = sfm_safe_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	sfm_target_lock_schema(schema);
	sequences = owned_sequences(psprintf("c.relnamespace = %u", nspid));
	if (PG_ARGISNULL(0))
		sequences = chosen_sequences(sequences, include, exclude);
	else
	{
		source = sfm_source_open(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		catalog = sfm_catalog_read(source->file);
		sfm_catalog_read_counts(source->file, catalog);
		chosen = sfm_selected_tables(catalog, include, exclude);
	}
	foreach(lc, sequences)
	{
		OwnedSequence *sequence = lfirst(lc);
		Reached		reached = {false, 0, sequence->increment > 0};
		const SfmTable *from = source ? source_table(chosen, nspid, sequence) : NULL;
		int64		old;
		int64		value;

		/* With a source, other tables than its chosen ones are not meant. */
		if (source && from == NULL)
			continue;
		if (!sfm_table_ownercheck(sequence->seqid, GetUserId()))
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_SEQUENCE, sequence->sequence);
		/* Nobody may insert between the look at the rows and the end of the transaction. */
		LockRelationOid(sequence->relid, ShareRowExclusiveLock);
		if (column_reached(sequence, &value))
			note_reached(&reached, value);
		if (from && reached.up && from->counted && serves_rowid(from, sequence))
			note_reached(&reached, from->count);
		if (!advance(sequence, &reached, &old, &value))
			ereport(WARNING,
					(errmsg("column \"%s\" of table %s holds the last value of its sequence",
							sequence->column, sequence->table)));
		put_row(rsinfo, sequence, old, value);
	}
	if (source)
		sfm_source_close(source);
	SPI_finish();
	AtEOXact_GUC(true, level);
}
