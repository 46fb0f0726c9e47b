/*
 * verify.c
 *		sqlite_mig.verify(): source against target at any time later, with the
 *		decisions that the run wrote down.
 *
 * Nothing of the load is used: the source's rows are read and hashed by
 * src/check from SQLite's values, the target's from a query.  Reads only.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_migrate.h"

/* One column as the run decided. */
typedef struct VerifyColumn
{
	char	   *source;
	char	   *target;
	SfmType		type;
	bool		null_misfits;
} VerifyColumn;

typedef struct VerifyRun
{
	int64		id;
	bool		among_others;	/* it appended or upserted: the target may hold other rows */
	bool		nulls_misfits;	/* on_misfit was null */
	List	   *rules;			/* of SfmTypeRule */
} VerifyRun;

static VerifyRun *
find_run(const SfmSource *source, const char *schema, bool any, int64 id)
{
	VerifyRun  *run = palloc0(sizeof(VerifyRun));
	List	   *rows;
	char	  **row;

	rows = sfm_query_rows(any ?
					  psprintf("SELECT id, options->>'if_exists', options->'types', options->>'on_misfit' FROM sqlite_mig.migration"
							   " WHERE source = %s AND target_schema = %s ORDER BY EXISTS (SELECT FROM sqlite_mig.migration_table t"
							   "  WHERE t.migration_id = id AND t.source_rows IS NOT NULL) DESC, id DESC LIMIT 1",
							   sfm_literal(source->path), sfm_literal(schema)) :
					  psprintf("SELECT id, options->>'if_exists', options->'types', options->>'on_misfit' FROM sqlite_mig.migration"
							   " WHERE id = %lld AND target_schema = %s", (long long) id, sfm_literal(schema)));
	if (rows == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 any ? errmsg("no migration of \"%s\" into schema \"%s\" is recorded", source->path, schema) :
				 errmsg("no migration %lld into schema \"%s\" is recorded", (long long) id, schema),
				 errhint("A role sees its own runs in sqlite_mig.migration.")));
	row = linitial(rows);
	run->id = pg_strtoint64(row[0]);
	run->nulls_misfits = strcmp(row[3], "null") == 0;
	run->among_others = strcmp(row[1], "append") == 0 || strcmp(row[1], "upsert") == 0;
	run->rules = sfm_type_rules(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(row[2]))));
	return run;
}

/* The decisions of the run for one table. */
static VerifyColumn *
read_columns(const VerifyRun *run, const SfmTable *table, bool created, int *n)
{
	List	   *rows = sfm_query_rows(psprintf("SELECT source_column, target_column, target_type, reading, nulled > 0"
										   " FROM sqlite_mig.migration_column WHERE migration_id = %lld AND source_table = %s",
										   (long long) run->id, sfm_literal(sfm_name_to_server(table->name))));
	VerifyColumn *columns = palloc0(sizeof(VerifyColumn) * Max(list_length(rows), 1));
	ListCell   *lc;

	*n = 0;
	/* In the source's order, which the checksum depends on. */
	for (int i = 0; i < table->ncolumns; i++)
		foreach(lc, rows)
		{
			char	  **row = lfirst(lc);
			VerifyColumn *column = &columns[*n];
			SfmTypeRule *rule;
			Oid			typid;
			int32		typmod;

			if (strcmp(row[0], sfm_name_to_server(table->columns[i].name)) != 0)
				continue;
			sfm_parse_type_string(row[2], &typid, &typmod);
			column->source = table->columns[i].name;
			column->target = row[1];
			column->type = sfm_type_for_oid(typid, typmod);
			if (row[3])
				(void) sfm_reading_from_name(row[3], &column->type.reading);
			rule = sfm_find_rule(run->rules, table, &table->columns[i]);
			column->type.empty_as_null = rule && rule->empty_as_null;
			column->null_misfits = strcmp(row[4], "t") == 0 &&
				(rule && rule->has_on_misfit ? rule->on_misfit == SFM_MISFITS_NULL : run->nulls_misfits);
			/*
			 * What the type had to take arrived, so taking more here changes nothing;
			 * but where misfits of a created column became NULL, its type was strict.
			 */
			column->type.mixed = column->type.fixed = !(created && column->null_misfits);
			(*n)++;
		}
	return columns;
}

/*
 * Rows and, unless it is NULL, sum of the source, without the rows that were rejected,
 * whose number is returned; a value that the run's type cannot hold is noted.  keys, unless
 * NULL, receives the keys of the rows that arrived.
 */
static int64
check_source(SfmFile *file, const SfmTable *table, int n, const VerifyColumn *columns,
			 SfmRejected *rejected, SfmVerifyKeys *keys, SfmChecksum *sum, int64 *rows, List **notes)
{
	char	   *sql;
	int64		skipped = 0;
	const char **names = palloc(sizeof(char *) * n);
	SfmType    *types = palloc(sizeof(SfmType) * n);
	bool	   *null_misfits = palloc(sizeof(bool) * n);
	SfmValue   *values = palloc(sizeof(SfmValue) * n);
	SfmChecksum ignored = {0};
	SfmRowHash *hash;
	SfmStmt    *stmt;
	bool		has_rowid;
	bool		misfit = false;

	for (int i = 0; i < n; i++)
	{
		names[i] = columns[i].source;
		types[i] = columns[i].type;
		null_misfits[i] = columns[i].null_misfits;
	}
	hash = sfm_rowhash_create(n, types);
	sql = sfm_select_sql(table, n, names, &has_rowid);
	/* a table is read in the order of its rowids, but an index that covers the query is not */
	if (has_rowid && rejected->with_rowid > 0)
		sql = psprintf("%s ORDER BY 1", sql);
	stmt = sfm_prepare(file, sql, table->name);
	while (sfm_step(stmt))
	{
		int			bad;

		for (int i = 0; i < n; i++)
			sfm_column(stmt, has_rowid ? i + 1 : i, &values[i]);
		(*rows)++;
		if (has_rowid && sfm_rejected_has(rejected, sfm_column_int64(stmt, 0)))
		{
			skipped++;
			continue;
		}
		bad = sfm_rowhash_add_source(hash, values, null_misfits, sum ? sum : &ignored);
		if (bad >= 0 && skipped < rejected->with_rowid + rejected->without_rowid)
		{
			skipped++;
			continue;
		}
		if (keys)
			sfm_verify_keys_put(keys, values);
		if (bad >= 0 && !misfit)
		{
			misfit = true;
			*notes = lappend(*notes, psprintf("Column %s now holds a value that does not fit type %s: %s.",
											  columns[bad].source, sfm_type_name(&types[bad]),
											  sfm_value_for_message(&values[bad])));
		}
	}
	sfm_finalize(stmt);
	sfm_rowhash_free(hash);
	return skipped;
}

/* Whether the run's rows are told from others by their keys; then keys are gathered. */
static SfmVerifyKeys *
begin_keys(const VerifyRun *run, const char *target, int n, const VerifyColumn *columns)
{
	char	  **names = palloc(sizeof(char *) * Max(n, 1));
	SfmType    *types = palloc(sizeof(SfmType) * Max(n, 1));

	if (!run->among_others)
		return NULL;
	for (int i = 0; i < n; i++)
	{
		names[i] = columns[i].target;
		types[i] = columns[i].type;
	}
	return sfm_verify_keys_begin(target, n, names, types);
}

static int64
count_rows(SfmFile *file, const SfmTable *table)
{
	SfmStmt    *stmt = sfm_prepare(file, psprintf("SELECT count(*) FROM main.%s",
												  sfm_quote_name(table->name)), table->name);
	int64		rows = sfm_step(stmt) ? sfm_column_int64(stmt, 0) : 0;

	sfm_finalize(stmt);
	return rows;
}

/* The query of the target's rows that the run brought. */
static char *
target_query(const char *target, int n, const VerifyColumn *columns, SfmVerifyKeys *keys)
{
	List	   *names = NIL;
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < n; i++)
	{
		names = lappend(names, columns[i].target);
		appendStringInfo(&sql, "%s%s", i ? ", " : "SELECT ", quote_identifier(columns[i].target));
	}
	if (keys)
		return sfm_verify_keys_query(keys, names);
	appendStringInfo(&sql, " FROM %s", sfm_relation_rows(target));
	return sql.data;
}

static void
check_target(const char *query, int n, const VerifyColumn *columns, SfmChecksum *sum)
{
	SfmType    *types = palloc(sizeof(SfmType) * n);

	for (int i = 0; i < n; i++)
		types[i] = columns[i].type;
	*sum = sfm_target_sum(query, n, types)->checksum;
}

static void
verify_table(ReturnSetInfo *rsinfo, const VerifyRun *run, SfmFile *file, const SfmTable *table,
			 const char *target, bool created, SfmMethod method)
{
	SfmChecksum source_sum = {0};
	SfmChecksum target_sum = {0};
	int64		source_rows = 0;
	bool		checksum = method == SFM_METHOD_CHECKSUM;
	bool		verified;
	bool		isnull;
	List	   *notes = NIL;
	SfmRejected *rejected = sfm_rejected_open(run->id, sfm_name_to_server(table->name));
	int64		skipped;
	int			n;
	VerifyColumn *columns = read_columns(run, table, created, &n);
	SfmVerifyKeys *keys = begin_keys(run, target, n, columns);
	char	   *query;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (checksum || keys)
		skipped = check_source(file, table, n, columns, rejected, keys, checksum ? &source_sum : NULL,
							   &source_rows, &notes);
	else
	{
		source_rows = count_rows(file, table);
		skipped = rejected->with_rowid + rejected->without_rowid;
	}
	query = target_query(target, n, columns, keys);
	if (checksum)
		check_target(query, n, columns, &target_sum);
	else
		target_sum.rows = sfm_query_int64(psprintf("SELECT count(*) FROM (%s) q", query), &isnull);
	if (keys)
	{
		sfm_verify_keys_end(keys);
		notes = lappend(notes, "Compared by primary key: rows of the target that have other keys were not looked at.");
	}
	verified = source_rows == target_sum.rows + skipped &&
		(!checksum || sfm_checksum_equal(&source_sum, &target_sum));
	nulls[6] = method == SFM_METHOD_NONE;
	if (!verified && run->among_others && keys == NULL && target_sum.rows > source_rows)
	{
		nulls[6] = true;
		notes = lappend(notes, "The run put its rows among others, and no primary key tells them apart, so the table cannot be compared as a whole.");
	}
	else if (!verified && rejected->without_rowid > 0)
	{
		nulls[6] = true;
		notes = lappend(notes, "The run rejected rows that have no rowid to tell them by, so the table cannot be compared as a whole.");
	}
	else if (!verified)
		notes = lappend(notes, source_rows != target_sum.rows + skipped ?
						"Source and target differ in their number of rows." :
						"Source and target differ in at least one value.");

	sfm_rejected_close(rejected);

	values[0] = CStringGetTextDatum(sfm_name_to_server(table->name));
	values[1] = CStringGetTextDatum(target);
	values[2] = Int64GetDatum(source_rows);
	values[3] = Int64GetDatum(target_sum.rows);
	values[4] = checksum ? CStringGetTextDatum(sfm_checksum_text(&source_sum)) : (Datum) 0;
	values[5] = checksum ? CStringGetTextDatum(sfm_checksum_text(&target_sum)) : (Datum) 0;
	nulls[4] = nulls[5] = !checksum;
	values[6] = BoolGetDatum(verified);
	values[7] = sfm_text_array(notes);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* sqlite_mig.verify(source, target_schema, include, exclude, method, migration_id): a row a table. */
void
sfm_verify(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite verification",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	char	   *name = sfm_required_text(fcinfo, 0, "source");
	char	   *schema = sfm_required_text(fcinfo, 1, "target_schema");
	List	   *include = sfm_text_list(fcinfo, 2, "include");
	List	   *exclude = sfm_text_list(fcinfo, 3, "exclude");
	SfmMethod	method = sfm_method_from_word("method", sfm_required_text(fcinfo, 4, "method"));
	SfmSource  *source;
	SfmCatalog *catalog;
	VerifyRun  *run;
	List	   *selected;
	List	   *targets;
	ListCell   *lc;
	int			level;

	MemoryContextSwitchTo(old);
	InitMaterializedSRF(fcinfo, 0);
	level = sfm_safe_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(mcxt);
	source = sfm_source_open(name);
	run = find_run(source, schema, PG_ARGISNULL(5), PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5));
	catalog = sfm_catalog_read(source->file);
	selected = sfm_selected_tables(catalog, include, exclude);
	targets = sfm_query_rows(psprintf("SELECT source_table, target_table, status FROM sqlite_mig.migration_table"
								  " WHERE migration_id = %lld AND status <> 'skipped' AND source_rows IS NOT NULL"
								  " ORDER BY source_table", (long long) run->id));
	foreach(lc, targets)
	{
		char	  **row = lfirst(lc);
		SfmTable   *table = sfm_catalog_find(catalog, sfm_name_to_source(row[0]));

		if (table == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table \"%s\" is no longer in the source", row[0])));
		if (list_member_ptr(selected, table))
			verify_table(rsinfo, run, source->file, table, row[1], strcmp(row[2], "loaded") != 0,
						 method);
	}
	sfm_source_close(source);
	SPI_finish();
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}
