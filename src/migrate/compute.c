/*
 * compute.c
 *		Whether PostgreSQL computes for a table's generated columns what SQLite has there.
 *
 * The source's rows are read once, converted as they will be stored, and given to the
 * columns' expressions in batches, as arrays: that needs no table, so that a dry run and
 * a script find what the run finds.
 */
#include "postgres.h"

#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "compat.h"
#include "sfm_migrate.h"

#define BATCH_ROWS 1000
#define BATCH_BYTES (8 * 1024 * 1024)

/* The values of one column in a batch. */
typedef struct Values
{
	SfmConv    *conv;
	Oid			array_type;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum		values[BATCH_ROWS];
	bool		nulls[BATCH_ROWS];
} Values;

typedef struct Check
{
	SfmPlanTable *table;
	Values	   *columns;
	MemoryContext batch;		/* holds the values */
	int			rows;
	Size		bytes;
	Oid		   *array_types;
	Datum	   *arrays;
	const char *sql;			/* of the generated column that is checked now */
	int64		different;
} Check;

static void
begin_check(Check *check, SfmPlanTable *table)
{
	memset(check, 0, sizeof(*check));
	check->table = table;
	check->columns = palloc0(sizeof(Values) * table->ncolumns);
	check->array_types = palloc(sizeof(Oid) * table->ncolumns);
	check->arrays = palloc(sizeof(Datum) * table->ncolumns);
	check->batch = AllocSetContextCreate(CurrentMemoryContext, "generated column check",
										 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < table->ncolumns; i++)
	{
		Values	   *column = &check->columns[i];
		SfmType	   *type = &table->columns[i].type;

		column->conv = sfm_conv_create(type);
		get_typlenbyvalalign(type->typid, &column->typlen, &column->typbyval, &column->typalign);
		check->array_types[i] = column->array_type = get_array_type(type->typid);
	}
}

/* Adds a row, unless a value keeps it out of the target. */
static void
add_row(Check *check, SfmStmt *stmt, int first_cell)
{
	for (int i = 0; i < check->table->ncolumns; i++)
	{
		Values	   *column = &check->columns[i];
		Datum	   *datum = &column->values[check->rows];
		SfmValue	value;
		SfmFit		fit;

		sfm_column(stmt, first_cell + i, &value);
		fit = sfm_convert(column->conv, &value, datum);
		if (SFM_IS_MISFIT(fit) && check->table->columns[i].on_misfit != SFM_MISFITS_NULL)
			return;
		column->nulls[check->rows] = fit != SFM_FIT;
		if (fit == SFM_FIT && column->typlen == -1)
			check->bytes += VARSIZE_ANY(DatumGetPointer(*datum));
	}
	check->rows++;
}

static bool
count_different(void *arg)
{
	Check	   *check = arg;
	bool		isnull;

	if (SPI_execute_with_args(check->sql, check->table->ncolumns, check->array_types, check->arrays,
							  NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "query failed: %s", check->sql);
	check->different = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												   &isnull));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

/* What stands in an array's place in the query, named as the table's columns are. */
static char *
check_sql(const SfmPlanTable *table, const SfmPlanColumn *column)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT count(*) FROM unnest(");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s$%d", i ? ", " : "", i + 1);
	appendStringInfo(&sql, ") AS r(%s) WHERE %s IS DISTINCT FROM (%s)", sfm_check_columns(table),
					 quote_identifier(column->target), column->generated_sql);
	return sql.data;
}

/* What PostgreSQL takes for immutable counts, not what the translator does. */
static bool
check_immutable(void *arg)
{
	Check	   *check = arg;
	SPIPlanPtr	plan = SPI_prepare(check->sql, check->table->ncolumns, check->array_types);
	CachedPlanSource *source;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	source = linitial(SPI_plan_get_plan_sources(plan));
	if (contain_mutable_functions(linitial(source->query_list)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("it needs a function that is not immutable in PostgreSQL")));
	SPI_freeplan(plan);
	return true;
}

static void
give_up(SfmPlanColumn *column, char *why)
{
	column->generated_sql = NULL;
	column->generated_why = why;
}

static void
check_batch(Check *check, int64 *different)
{
	for (int i = 0; i < check->table->ncolumns; i++)
	{
		Values	   *column = &check->columns[i];
		int			lower = 1;

		check->arrays[i] = PointerGetDatum(construct_md_array(column->values, column->nulls, 1,
															  &check->rows, &lower,
															  check->table->columns[i].type.typid,
															  column->typlen, column->typbyval,
															  column->typalign));
	}
	for (int i = 0; i < check->table->ncolumns; i++)
	{
		SfmPlanColumn *column = &check->table->columns[i];
		char	   *message;

		if (column->generated_sql == NULL)
			continue;
		check->sql = check_sql(check->table, column);
		if (sfm_try_work(count_different, check, NULL, &message))
			different[i] += check->different;
		else
			give_up(column, MemoryContextStrdup(GetMemoryChunkContext(different),
												psprintf("PostgreSQL could not compute it: %s", message)));
	}
}

static void
check_rows(SfmPlan *plan, Check *check, int64 *different)
{
	const SfmPlanTable *table = check->table;
	const char **names = palloc(sizeof(char *) * table->ncolumns);
	MemoryContext old;
	SfmStmt    *stmt;
	bool		has_rowid;
	bool		more = true;

	for (int i = 0; i < table->ncolumns; i++)
		names[i] = table->columns[i].source->name;
	stmt = sfm_prepare(plan->source->file,
					   sfm_select_sql(table->source, table->ncolumns, names, &has_rowid),
					   sfm_name_to_server(table->source->name));
	old = MemoryContextSwitchTo(check->batch);
	while (more)
	{
		more = sfm_step(stmt);
		if (more)
			add_row(check, stmt, has_rowid ? 1 : 0);
		if (check->rows == 0 || (more && check->rows < BATCH_ROWS && check->bytes < BATCH_BYTES))
			continue;
		check_batch(check, different);
		MemoryContextReset(check->batch);
		check->rows = 0;
		check->bytes = 0;
	}
	MemoryContextSwitchTo(old);
	sfm_finalize(stmt);
}

/*
 * Compares, for every row of the source, what PostgreSQL computes for the table's
 * generated columns with what SQLite has; those that differ lose their generated_sql and
 * get a generated_why.  The types must be those that the rows will be stored in; a row
 * with a value that does not fit them is not compared.
 */
void
sfm_check_generated(SfmPlan *plan, SfmPlanTable *table)
{
	int64	   *different = palloc0(sizeof(int64) * table->ncolumns);
	bool		any = false;
	Check		check;

	for (int i = 0; i < table->ncolumns; i++)
		any |= table->columns[i].generated_sql != NULL;
	if (!any)
		return;
	begin_check(&check, table);
	for (int i = 0; i < table->ncolumns; i++)
		if (!OidIsValid(check.columns[i].array_type))
		{
			for (int j = 0; j < table->ncolumns; j++)
				if (table->columns[j].generated_sql)
					give_up(&table->columns[j],
							psprintf("column %s has a type without arrays, by which rows are compared",
									 quote_identifier(table->columns[i].target)));
			return;
		}
	for (int i = 0; i < table->ncolumns; i++)
	{
		char	   *message;

		if (table->columns[i].generated_sql == NULL)
			continue;
		check.sql = check_sql(table, &table->columns[i]);
		if (!sfm_try_work(check_immutable, &check, NULL, &message))
			give_up(&table->columns[i], message);
	}
	check_rows(plan, &check, different);
	for (int i = 0; i < table->ncolumns; i++)
		if (different[i] > 0 && table->columns[i].generated_sql)
			give_up(&table->columns[i], psprintf("PostgreSQL computes another value in %s",
												 sfm_counted(different[i], "row")));
	MemoryContextDelete(check.batch);
	pfree(check.columns);
}
