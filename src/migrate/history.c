/*
 * history.c
 *		What a run decided and found, into the tables of schema sqlite_mig.
 *
 * Only these functions write them: the statements run as the tables' owner, with
 * nothing but parameters from the run, so that no role can forge a row and none
 * needs a right on the tables.  The rows carry the caller's name, by which the
 * policies of the tables show each role its own runs.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "sfm_migrate.h"

#define MAX_PARAMS 20
#define BATCH_ROWS 1000

/*
 * A statement with its parameters' types, and the values of one execution; or, in a
 * batch, of many rows, which go in by one execution with an array a parameter: to
 * start a statement costs more than the row.
 */
typedef struct Insert
{
	SPIPlanPtr	plan;
	int			nparams;
	Oid		   *types;			/* of a row's values */
	int			n;				/* values of the row so far */
	Datum		values[MAX_PARAMS];
	bool		nulls[MAX_PARAMS];
	/* batches */
	MemoryContext mcxt;			/* NULL: no batch */
	int			rows;
	Datum	   *column_values[MAX_PARAMS];
	bool	   *column_nulls[MAX_PARAMS];
} Insert;

static void
prepare(Insert *insert, const char *sql, int n, Oid *types)
{
	insert->plan = SPI_prepare(sql, n, types);
	if (insert->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	insert->nparams = n;
	insert->types = types;
	insert->n = 0;
	insert->mcxt = NULL;
}

/* The same for a statement whose parameters are arrays of these types. */
static void
prepare_batch(Insert *insert, const char *sql, int n, Oid *types)
{
	Oid			arrays[MAX_PARAMS];

	for (int i = 0; i < n; i++)
	{
		arrays[i] = get_array_type(types[i]);
		insert->column_values[i] = palloc(sizeof(Datum) * BATCH_ROWS);
		insert->column_nulls[i] = palloc(sizeof(bool) * BATCH_ROWS);
	}
	prepare(insert, sql, n, arrays);
	insert->types = types;
	insert->mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration history",
										 ALLOCSET_DEFAULT_SIZES);
	insert->rows = 0;
}

static void
put(Insert *insert, Datum value, bool isnull)
{
	insert->values[insert->n] = value;
	insert->nulls[insert->n++] = isnull;
}

static void
put_text(Insert *insert, const char *text)
{
	MemoryContext old = MemoryContextSwitchTo(insert->mcxt ? insert->mcxt : CurrentMemoryContext);

	put(insert, text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
	MemoryContextSwitchTo(old);
}

static void
put_int64(Insert *insert, int64 value, bool isnull)
{
	put(insert, Int64GetDatum(value), isnull);
}

static void
execute_plan(SPIPlanPtr plan, Datum *values, const char *nulls)
{
	MemoryContext mcxt = CurrentMemoryContext;
	int			rc = SPI_execute_plan(plan, values, nulls, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	MemoryContextSwitchTo(mcxt);	/* SPI leaves its own as the current one */
}

/* Writes the rows of the batch. */
static void
flush(Insert *insert)
{
	Datum		arrays[MAX_PARAMS];
	int			lower = 1;

	if (insert->rows > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(insert->mcxt);

		for (int i = 0; i < insert->nparams; i++)
		{
			int16		len;
			bool		byval;
			char		align;

			get_typlenbyvalalign(insert->types[i], &len, &byval, &align);
			arrays[i] = PointerGetDatum(construct_md_array(insert->column_values[i],
														   insert->column_nulls[i], 1,
														   &insert->rows, &lower,
														   insert->types[i], len, byval, align));
		}
		MemoryContextSwitchTo(old);
		execute_plan(insert->plan, arrays, NULL);
		insert->rows = 0;
	}
	MemoryContextReset(insert->mcxt);
}

/* Writes the row, or keeps it for the batch. */
static void
execute(Insert *insert)
{
	char		nulls[MAX_PARAMS];

	Assert(insert->n == insert->nparams);
	insert->n = 0;
	if (insert->mcxt == NULL)
	{
		for (int i = 0; i < insert->nparams; i++)
			nulls[i] = insert->nulls[i] ? 'n' : ' ';
		execute_plan(insert->plan, insert->values, nulls);
		return;
	}
	for (int i = 0; i < insert->nparams; i++)
	{
		insert->column_values[i][insert->rows] = insert->values[i];
		insert->column_nulls[i][insert->rows] = insert->nulls[i];
	}
	if (++insert->rows == BATCH_ROWS)
		flush(insert);
}

static int64
write_migration(SfmPlan *plan, const char *migrated_by, const char *options)
{
	static Oid	types[] = {TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, TEXTOID,
		TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID};
	const SfmFileIdentity *identity = sfm_file_identity(plan->source->file);
	Insert		insert;
	int64		source_rows = 0;
	int64		target_rows = 0;
	int64		rejected_rows = 0;
	int64		fast_rows = 0;
	bool		isnull;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!table->loaded)
			continue;
		source_rows += table->source_rows;
		target_rows += table->target_rows;
		rejected_rows += table->rejected_rows;
		fast_rows += table->fast_rows;
	}
	prepare(&insert,
			"INSERT INTO sqlite_mig.migration (source, source_bytes, source_modified_at, source_inode,"
			" source_wal_bytes, source_schema_version, sqlite_version, target_schema, options, started_at,"
			" finished_at, tables, source_rows, target_rows, rejected_rows, fast_rows, migrated_by)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, clock_timestamp(), $11, $12, $13, $14, $15, $16)"
			" RETURNING id", lengthof(types), types);
	put_text(&insert, plan->source->path);
	put_int64(&insert, identity->size, false);
	put(&insert, TimestampTzGetDatum(identity->mtime_us -
									 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY), false);
	put_int64(&insert, identity->inode, false);
	put_int64(&insert, identity->wal_size, identity->wal_size < 0);
	put_int64(&insert, sfm_file_schema_version(plan->source->file), false);
	put_text(&insert, sfm_sqlite_version());
	put_text(&insert, plan->options->target_schema);
	put_text(&insert, options);
	put(&insert, TimestampTzGetDatum(plan->started_at), false);
	put_int64(&insert, list_length(plan->tables), false);
	put_int64(&insert, source_rows, false);
	put_int64(&insert, target_rows, false);
	put_int64(&insert, rejected_rows, false);
	put_int64(&insert, fast_rows, false);
	put_text(&insert, migrated_by);
	execute(&insert);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
write_tables(SfmPlan *plan, int64 id, const char *migrated_by)
{
	static Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, BOOLOID,
		INT8OID, INT8OID, INT8OID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID};
	Insert		insert;
	ListCell   *lc;
	bool		checksum = plan->options->verify == SFM_METHOD_CHECKSUM;

	prepare(&insert,
			"INSERT INTO sqlite_mig.migration_table VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
			" $11 * '1 microsecond'::interval, $12, $13, $14, $15)", lengthof(types), types);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		bool		moved = table->loaded;
		MemoryContext work = sfm_work_begin();

		put_int64(&insert, id, false);
		put_text(&insert, sfm_name_to_server(table->source->name));
		put_text(&insert, table->qualified);
		put_text(&insert, sfm_status_word(plan, table));
		put_int64(&insert, table->source_rows, !moved);
		put_int64(&insert, table->target_rows, !moved);
		put_int64(&insert, table->rejected_rows, !moved);
		put(&insert, BoolGetDatum(table->verified), !table->was_verified);
		put_int64(&insert, table->sequence_value, !table->has_sequence);
		put_int64(&insert, table->target_bytes, table->status == SFM_STATUS_SKIPPED);
		put_int64(&insert, table->elapsed_us, false);
		put(&insert, sfm_text_array(table->notes), false);
		put_text(&insert, moved && checksum ? sfm_checksum_text(&table->source_sum) : NULL);
		put_text(&insert, moved && checksum ? sfm_checksum_text(&table->target_sum) : NULL);
		put_text(&insert, migrated_by);
		execute(&insert);
		sfm_work_end(work);
	}
}

static void
write_columns(SfmPlan *plan, int64 id, const char *migrated_by)
{
	static Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
		INT8OID, INT8OID, TEXTOID, TEXTOID};
	Insert		insert;
	ListCell   *lc;

	prepare_batch(&insert,
				  "INSERT INTO sqlite_mig.migration_column SELECT * FROM"
				  " unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
				  lengthof(types), types);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			put_int64(&insert, id, false);
			put_text(&insert, sfm_name_to_server(table->source->name));
			put_text(&insert, sfm_name_to_server(column->source->name));
			put_text(&insert, column->source->declared_type ?
					 sfm_name_to_server(column->source->declared_type) : NULL);
			put_text(&insert, column->target);
			put_text(&insert, sfm_type_name(&column->type));
			put_text(&insert, sfm_reading_name(column->type.reading));
			put_int64(&insert, column->seen.spelled, false);
			put_int64(&insert, column->misfits.n, false);
			put_int64(&insert, column->nulled, false);
			put_text(&insert, column->note);
			put_text(&insert, migrated_by);
			execute(&insert);
		}
	}
	flush(&insert);
}

static void
write_objects(SfmPlan *plan, int64 id, const char *migrated_by)
{
	static const char *const words[] = {"migrated", "translated", "left_out"};
	static Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID};
	Insert		insert;
	ListCell   *lc;

	prepare_batch(&insert,
				  "INSERT INTO sqlite_mig.migration_object SELECT * FROM"
				  " unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)", lengthof(types), types);
	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);

		put_int64(&insert, id, false);
		put_text(&insert, object->kind);
		put_text(&insert, object->source_table ? sfm_name_to_server(object->source_table) : NULL);
		put_text(&insert, object->name ? sfm_name_to_server(object->name) : NULL);
		put_text(&insert, object->source_sql ? sfm_name_to_server(object->source_sql) : NULL);
		put_text(&insert, object->target_sql);
		put_text(&insert, words[object->status]);
		put_text(&insert, object->note);
		put_text(&insert, migrated_by);
		execute(&insert);
	}
	flush(&insert);
}

static void
write_rejects(SfmPlan *plan, int64 id, const char *migrated_by)
{
	static Oid	types[] = {INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Insert		insert;
	ListCell   *lc;

	prepare(&insert, "INSERT INTO sqlite_mig.rejected_row VALUES ($1, $2, $3, $4, $5::jsonb, $6)",
			lengthof(types), types);
	foreach(lc, plan->tables)
		sfm_reject_write(insert.plan, id, lfirst(lc), migrated_by);
}

/*
 * Records the run; returns its id.  Runs in the call's transaction, so that only
 * committed runs are in the tables.
 */
int64
sfm_history_write(SfmPlan *plan)
{
	char	   *migrated_by = GetUserNameFromId(GetUserId(), false);
	char	   *options = sfm_options_json(plan->options);
	Relation	rel = table_open(get_relname_relid("migration", get_namespace_oid("sqlite_mig", false)),
								 AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;
	Oid			save_userid;
	int			save_context;
	int64		id;

	table_close(rel, AccessShareLock);
	GetUserIdAndSecContext(&save_userid, &save_context);
	SetUserIdAndSecContext(owner, save_context | SECURITY_LOCAL_USERID_CHANGE);
	id = write_migration(plan, migrated_by, options);
	write_tables(plan, id, migrated_by);
	write_columns(plan, id, migrated_by);
	write_objects(plan, id, migrated_by);
	write_rejects(plan, id, migrated_by);
	SetUserIdAndSecContext(save_userid, save_context);
	return id;
}
