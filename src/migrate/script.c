/*
 * script.c
 *		sqlite_mig.script(): the statements that migrate() would run on an unchanged
 *		source, from BEGIN to COMMIT.
 *
 * The source is surveyed once, so that types, NOT NULLs and orphans are what a run
 * would find.  A statement by hand cannot listen to the scan as a migration does:
 * the load is INSERT ... SELECT throughout, and verification compares what the
 * foreign table gives with what the target holds.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_migrate.h"

typedef struct Script
{
	ReturnSetInfo *rsinfo;
	int			steps;
} Script;

static void
put(Script *script, const char *phase, const SfmPlanTable *table, const char *statement)
{
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = Int32GetDatum(++script->steps);
	values[1] = CStringGetTextDatum(phase);
	values[2] = table ? CStringGetTextDatum(sfm_name_to_server(table->source->name)) : (Datum) 0;
	nulls[2] = table == NULL;
	values[3] = CStringGetTextDatum(statement);
	tuplestore_putvalues(script->rsinfo->setResult, script->rsinfo->setDesc, values, nulls);
}

static void
put_objects(Script *script, const SfmPlan *plan, SfmPhase phase, const char *name)
{
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);

		if (object->phase != phase || object->target_sql == NULL)
			continue;
		put(script, name, object->table, object->target_sql);
		if (object->extra_sql)
			put(script, name, object->table, object->extra_sql);
	}
}

/* Where SQLite's AUTOINCREMENT counted further than the rows, the number to go on from. */
static void
put_sequence(Script *script, SfmPlan *plan, const SfmPlanTable *table)
{
	int64		reached = sfm_source_reached(plan, table);

	if (reached > 0)
		put(script, "sequences", table,
			sfm_ddl_restart(plan, table, reached == PG_INT64_MAX ? reached : reached + 1));
}

/* The sequences of existing targets, where the caller may set them. */
static void
put_existing_sequences(Script *script, const SfmPlan *plan)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (sfm_target_is_loaded(plan, table) && sfm_table_ownercheck(table->relid, GetUserId()))
			appendStringInfo(&names, "%s%s", names.len ? ", " : "",
							 sfm_literal(sfm_name_to_server(table->source->name)));
	}
	if (names.len > 0)
		put(script, "sequences", NULL,
			psprintf("SELECT * FROM sqlite_mig.fix_sequences(%s, %s, include => ARRAY[%s])",
					 sfm_literal(plan->options->source), sfm_literal(plan->options->target_schema), names.data));
}

static void
put_table(Script *script, SfmPlan *plan, SfmPlanTable *table)
{
	if (table->status == SFM_STATUS_SKIPPED)
		return;
	if (table->exists)
		return;
	if (sfm_counting_column(table))
		put(script, "tables", table, sfm_ddl_create_sequence(plan, table));
	put(script, "tables", table, sfm_ddl_create_table(plan, table));
	if (sfm_counting_column(table))
		put(script, "tables", table, sfm_ddl_own_sequence(plan, table));
}

static void
put_rows(Script *script, SfmPlan *plan, SfmPlanTable *table)
{
	if (table->status == SFM_STATUS_SKIPPED)
		return;
	table->foreign_table = sfm_qualify(plan->staging, table->target);
	put(script, "source", table, sfm_ddl_foreign_table(plan, table));
	put(script, "rows", table, sfm_ddl_insert(plan, table));
}

/*
 * Source and target must agree in their number of rows and, where the target held
 * none before, in a sum over the text of all rows; a difference ends the script.
 */
static void
put_verification(Script *script, const SfmPlan *plan, const SfmPlanTable *table)
{
	char	   *columns = sfm_check_columns(table);
	char	   *what;
	char	   *block;
	int64		before = plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE || sfm_is_upsert(plan, table) ?
		0 : table->rows_before;

	if (table->status == SFM_STATUS_SKIPPED || plan->options->verify == SFM_METHOD_NONE)
		return;
	what = plan->options->verify == SFM_METHOD_CHECKSUM && !table->exists ?
		psprintf("(count(*), sum(hashtextextended(ROW(%s)::text, 0)::numeric))", columns) :
		pstrdup("count(*)");
	block = psprintf("BEGIN IF (SELECT %s FROM %s) IS DISTINCT FROM (SELECT %s%s FROM %s) THEN"
					 " RAISE EXCEPTION 'source and target of table %% differ', %s; END IF; END",
					 what, table->foreign_table, what,
					 before > 0 ? psprintf(" - %lld", (long long) before) : "",
					 sfm_checked_rows(plan, table), quote_literal_cstr(table->qualified));
	put(script, "verification", table, psprintf("DO LANGUAGE plpgsql %s", quote_literal_cstr(block)));
}

static void
put_all(Script *script, SfmPlan *plan)
{
	bool		rows = plan->options->scope != SFM_SCOPE_SCHEMA;
	ListCell   *lc;
	ListCell   *statement;
	char	   *statement_text;

	plan->staging = "sqlite_mig_source";
	plan->staging_server = OidIsValid(plan->source->serverid) ?
		plan->options->source : plan->staging;
	put(script, "begin", NULL, "BEGIN");
	if (!plan->schema_exists)
		put(script, "schema", NULL, sfm_ddl_create_schema(plan));
	if (rows)
	{
		put(script, "source", NULL, psprintf("CREATE SCHEMA %s", plan->staging));
		if (!OidIsValid(plan->source->serverid))
			put(script, "source", NULL, sfm_ddl_create_server(plan));
	}
	foreach(statement, sfm_aside_away_statements(plan))
		put(script, "existing tables", NULL, lfirst(statement));
	if ((statement_text = sfm_ddl_clear(plan, SFM_STATUS_REPLACED, "DROP TABLE")))
		put(script, "tables", NULL, statement_text);
	if (rows && plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE &&
		(statement_text = sfm_ddl_clear(plan, SFM_STATUS_LOADED, "TRUNCATE TABLE")))
		put(script, "tables", NULL, statement_text);
	foreach(lc, plan->tables)
		put_table(script, plan, lfirst(lc));
	if (rows)
		foreach(lc, plan->tables)
			put_rows(script, plan, lfirst(lc));
	foreach(statement, sfm_aside_back_statements(plan))
		put(script, "existing tables", NULL, lfirst(statement));
	put_objects(script, plan, SFM_PHASE_KEY, "keys");
	put_objects(script, plan, SFM_PHASE_INDEX, "indexes");
	put_objects(script, plan, SFM_PHASE_CHECK, "checks");
	put_objects(script, plan, SFM_PHASE_FOREIGN_KEY, "foreign keys");
	put_objects(script, plan, SFM_PHASE_VIEW, "views");
	foreach(lc, plan->tables)
		put_sequence(script, plan, lfirst(lc));
	if (rows)
		put_existing_sequences(script, plan);
	if (rows)
		foreach(lc, plan->tables)
			put_verification(script, plan, lfirst(lc));
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		put(script, "analyze", table, psprintf("ANALYZE %s", table->qualified));
		if (!table->exists && OidIsValid(plan->options->owner))
			put(script, "owner", table, sfm_ddl_owner(plan, table));
		foreach(statement, table->restore)
			put(script, "owner", table, lfirst(statement));
	}
	if (rows)
	{
		foreach(lc, plan->tables)
			if (((SfmPlanTable *) lfirst(lc))->foreign_table)
				put(script, "source", lfirst(lc), psprintf("DROP FOREIGN TABLE %s",
														   ((SfmPlanTable *) lfirst(lc))->foreign_table));
		if (!OidIsValid(plan->source->serverid))
			put(script, "source", NULL, psprintf("DROP SERVER %s", plan->staging));
		put(script, "source", NULL, psprintf("DROP SCHEMA %s", plan->staging));
	}
	put(script, "commit", NULL, "COMMIT");
}

/*
 * Misfits and orphans that are made NULL or rejected need somebody who listens to
 * the scan and deletes rows until none is an orphan: more than statements can say.
 */
static void
refuse_listening(const SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			if (column->misfits.n > 0 && !column->resolved &&
				(column->on_misfit == SFM_MISFITS_NULL || column->on_misfit == SFM_MISFITS_REJECT))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("script() cannot express on_misfit => '%s', and column \"%s\" of table \"%s\" holds misfits",
								column->on_misfit == SFM_MISFITS_NULL ? "null" : "reject",
								sfm_name_to_server(column->source->name),
								sfm_name_to_server(table->source->name)),
						 errhint("Use migrate(), or choose a type that holds them in \"types\".")));
		}
	}
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("script() cannot express on_orphan => 'reject'"),
				 errhint("Use migrate(), or on_orphan => 'not_valid'.")));
}

/* sqlite_mig.script(<the arguments of migrate>).  Writes nothing. */
void
sfm_script(FunctionCallInfo fcinfo)
{
	Script		script = {(ReturnSetInfo *) fcinfo->resultinfo, 0};
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	SfmOptions *options;
	SfmSource  *source;
	SfmPlan    *plan;
	ListCell   *lc;
	int			level;

	sfm_require_read_committed("script");
	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(mcxt);
	options = sfm_options_from_call(fcinfo);
	options->only_looks = true;
	level = sfm_safe_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(mcxt);

	options->types = sfm_type_rules(options->types_json);
	source = sfm_source_open(options->source);
	plan = sfm_plan_build(options, source);
	sfm_plan_survey(plan);
	foreach(lc, plan->tables)
		if (!((SfmPlanTable *) lfirst(lc))->exists)
			sfm_plan_defaults(plan, lfirst(lc));
	sfm_plan_objects(plan);
	refuse_listening(plan);
	sfm_plan_orphans(plan);
	put_all(&script, plan);

	sfm_source_keys_drop(plan);
	sfm_source_close(source);
	SPI_finish();
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}
