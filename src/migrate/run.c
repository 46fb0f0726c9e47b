/*
 * run.c
 *		sqlite_mig.migrate(): the plan carried out, in the caller's transaction.
 *
 * The order: arguments; the lock on the target schema; the source opened in its
 * read transaction; the plan; then, unless it is a dry run, tables and rows; types
 * widened and tables loaded again where the rows ask for it; keys, indexes, foreign
 * keys; sequences; verification against the rows as they now stand; ANALYZE;
 * history.  Anything that goes wrong is an error, and leaves the target as it was.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sfm_migrate.h"
#include "sfm_progress.h"

/* Begins a measured piece of work on a table. */
#define SFM_CLOCK_START(clock) TimestampTz clock = GetCurrentTimestamp()
#define SFM_CLOCK_STOP(clock, table) ((table)->elapsed_us += GetCurrentTimestamp() - (clock))

static bool
takes_rows(const SfmPlan *plan, const SfmPlanTable *table)
{
	return table->status != SFM_STATUS_SKIPPED && plan->options->scope != SFM_SCOPE_SCHEMA;
}

static void
create_target(SfmPlan *plan, SfmPlanTable *table)
{
	MemoryContext work;

	sfm_plan_defaults(plan, table);
	work = sfm_work_begin();
	if (sfm_counting_column(table))
		sfm_exec(sfm_ddl_create_sequence(plan, table));
	sfm_exec(sfm_ddl_create_table(plan, table));
	if (sfm_counting_column(table))
		sfm_exec(sfm_ddl_own_sequence(plan, table));
	sfm_work_end(work);
	table->relid = get_relname_relid(table->target,
									 get_namespace_oid(plan->options->target_schema, false));
}

/* An existing target before its rows come. */
static void
prepare_existing(SfmPlan *plan, SfmPlanTable *table)
{
	if (table->dirty)
		return;					/* done before the first reading */
	if (table->rows_before > 0 && plan->options->verify == SFM_METHOD_CHECKSUM &&
		!sfm_is_upsert(plan, table))
		sfm_check_before(plan, table);
}

static void
load(SfmPlan *plan, SfmPlanTable *table)
{
	SFM_CLOCK_START(clock);

	sfm_progress_table(table->qualified);
	if (!table->exists)
		create_target(plan, table);
	else if (takes_rows(plan, table))
		prepare_existing(plan, table);
	if (takes_rows(plan, table))
	{
		sfm_staging_add(plan, table);
		if (table->exists)
			sfm_load_existing(plan, table);
		else
			sfm_load_table(plan, table);
	}
	SFM_CLOCK_STOP(clock, table);
}

/* Makes room for the second load of a table whose first one met misfits. */
static void
discard_first_load(SfmPlanTable *table)
{
	if (table->exists)
		return;					/* rolled back by sfm_load_existing() */
	/* TRUNCATE gives the space back at once, DROP only at commit. */
	sfm_execf("TRUNCATE TABLE %s", table->qualified);
	sfm_execf("DROP TABLE %s", table->qualified);
}

/*
 * Loads the tables again whose types or NOT NULLs changed.  Every value fits then,
 * as the new types were made from all of them.
 */
static void
load_again(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->dirty)
			discard_first_load(table);
	}
	sfm_keep_out(plan);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!table->dirty)
			continue;
		load(plan, table);
		if (table->loaded)
			continue;
		sfm_plan_raise_misfits(plan);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("table \"%s\" holds NULLs that its first reading did not meet",
						sfm_name_to_server(table->source->name))));
	}
}

/* Runs what sfm_ddl_clear() says for the targets with this status. */
static void
clear_targets(SfmPlan *plan, SfmTableStatus status, const char *command)
{
	char	   *sql = sfm_ddl_clear(plan, status, command);
	ListCell   *lc;

	if (sql == NULL)
		return;
	sfm_exec(sql);
	foreach(lc, plan->tables)
		if (((SfmPlanTable *) lfirst(lc))->status == status)
			((SfmPlanTable *) lfirst(lc))->rows_before = 0;
}

static void
load_all(SfmPlan *plan)
{
	ListCell   *lc;
	int			done = 0;

	sfm_aside_away(plan);
	clear_targets(plan, SFM_STATUS_REPLACED, "DROP TABLE");
	if (plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE && plan->options->scope != SFM_SCOPE_SCHEMA)
		clear_targets(plan, SFM_STATUS_LOADED, "TRUNCATE TABLE");
	/* Keys that can wait do: rows come table by table. */
	sfm_exec("SET CONSTRAINTS ALL DEFERRED");
	sfm_progress_phase("loading");
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		sfm_progress_tables(done++, list_length(plan->tables));
		if (table->status != SFM_STATUS_SKIPPED)
			load(plan, table);
	}
	if (plan->options->scope != SFM_SCOPE_SCHEMA && sfm_plan_widen(plan))
	{
		sfm_progress_phase("loading again");
		load_again(plan);
	}
}

/* SQLite's own count, asked of SQLite and not of our scan. */
static void
count_source(SfmPlan *plan, SfmPlanTable *table)
{
	SfmStmt    *stmt = sfm_prepare(plan->source->file,
								   psprintf("SELECT count(*) FROM main.%s",
											sfm_quote_name(table->source->name)),
								   table->source->name);

	if (sfm_step(stmt))
		table->source_count = sfm_column_int64(stmt, 0);
	sfm_finalize(stmt);
}

static void
balance_books(const SfmPlanTable *table)
{
	if (table->source_rows == table->target_rows + table->rejected_rows)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("table %s did not take all rows", table->qualified),
			 errdetail("%lld rows were read, %lld were written and %lld rejected.",
					   (long long) table->source_rows, (long long) table->target_rows,
					   (long long) table->rejected_rows),
			 errhint("A trigger, rule or policy of the target may have kept rows out.")));
}

static void
finish_tables(SfmPlan *plan)
{
	ListCell   *lc;
	int			done = 0;

	sfm_progress_phase("verifying");
	sfm_find_sequences(plan);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		TimestampTz clock;
		MemoryContext work;

		sfm_progress_tables(done++, list_length(plan->tables));
		sfm_read_back(plan, foreach_current_index(lc));
		clock = GetCurrentTimestamp();
		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		work = sfm_work_begin();
		sfm_progress_table(table->qualified);
		sfm_set_sequence(plan, table);
		if (table->loaded)
		{
			count_source(plan, table);
			balance_books(table);
			sfm_verify_table(plan, table);
		}
		if (!table->analyzed)
			sfm_execf("ANALYZE %s", table->qualified);
		SFM_CLOCK_STOP(clock, table);
		if (table->loaded)
			ereport(NOTICE,
					(errmsg("table %s: %s%s", table->qualified,
							sfm_counted(table->target_rows, "row"), table->verified ? ", verified" : "")));
		sfm_work_end(work);
	}
}

/* Owner, grants and comments. */
static void
hand_over(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		ListCell   *statement;

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		if (!table->exists && table->status == SFM_STATUS_CREATED && OidIsValid(plan->options->owner))
			sfm_exec(sfm_ddl_owner(plan, table));
		foreach(statement, table->restore)
			sfm_exec(lfirst(statement));
	}
}

/* The sizes of all targets, by one query; of a partitioned one that of its partitions here. */
static void
measure_targets(SfmPlan *plan)
{
	StringInfoData relids;
	ListCell   *lc;

	/* one entry a table: skipped ones that do not exist have 0, and no size */
	initStringInfo(&relids);
	foreach(lc, plan->tables)
		appendStringInfo(&relids, "%s%u", relids.len ? "," : "",
						 ((SfmPlanTable *) lfirst(lc))->relid);
	if (SPI_execute(psprintf("SELECT coalesce((SELECT sum(pg_total_relation_size(relid))::bigint"
							 "  FROM pg_partition_tree(t.oid) WHERE isleaf), pg_total_relation_size(t.oid)) FROM"
							 " unnest('{%s}'::oid[]) WITH ORDINALITY t (oid, n) ORDER BY t.n",
							 relids.data), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the sizes of tables");
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		bool		isnull;

		table->target_bytes = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[foreach_current_index(lc)],
														  SPI_tuptable->tupdesc, 1, &isnull));
		if (isnull)
			table->target_bytes = 0;
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Raises settings that make the call fast, for its time, where the DBA left them at
 * their defaults.
 */
static void
raise_settings(SfmPlan *plan)
{
	char	   *names = sfm_query_text("SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'default'"
									   " AND (name = 'maintenance_work_mem' AND setting::bigint < 262144"
									   "      OR name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))");

	if (names && strstr(names, "maintenance_work_mem"))
	{
		(void) set_config_option("maintenance_work_mem", "256MB", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		plan->notes = lappend(plan->notes, "maintenance_work_mem was at its default and is 256MB for this call.");
	}
	if (names && strstr(names, "default_toast_compression"))
	{
		(void) set_config_option("default_toast_compression", "lz4", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		plan->notes = lappend(plan->notes, "default_toast_compression was at its default and is lz4 for this call.");
	}
}

/* The commands that the call runs take no more parallel workers than jobs says. */
static void
limit_workers(const SfmOptions *options)
{
	static const char *const names[] = {"max_parallel_maintenance_workers",
	"max_parallel_workers_per_gather"};

	if (options->jobs < 0)
		return;
	for (int i = 0; i < lengthof(names); i++)
		if (atoi(GetConfigOption(names[i], false, false)) > options->jobs)
			(void) set_config_option(names[i], psprintf("%d", options->jobs), PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
run_plan(SfmPlan *plan)
{
	if (!plan->schema_exists)
		sfm_exec(sfm_ddl_create_schema(plan));
	if (plan->options->scope != SFM_SCOPE_SCHEMA)
		sfm_staging_create(plan);
	else
		sfm_plan_survey(plan);
	sfm_keep_out(plan);
	load_all(plan);

	sfm_progress_phase("keys and indexes");
	sfm_aside_back(plan);
	sfm_plan_objects(plan);
	sfm_build_together(plan);
	sfm_create_objects(plan, SFM_PHASE_KEY);
	sfm_create_objects(plan, SFM_PHASE_INDEX);
	sfm_create_objects(plan, SFM_PHASE_CHECK);
	sfm_progress_phase("foreign keys");
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
		sfm_reject_orphans(plan);
	sfm_check_keys_together(plan);
	sfm_create_objects(plan, SFM_PHASE_FOREIGN_KEY);
	sfm_create_objects(plan, SFM_PHASE_VIEW);
	finish_tables(plan);
	if (plan->options->scope != SFM_SCOPE_SCHEMA)
		sfm_staging_drop(plan);
	hand_over(plan);
	measure_targets(plan);
	sfm_exec("SET CONSTRAINTS ALL IMMEDIATE");
	sfm_plan_misfit_notes(plan);
	sfm_final_notes(plan);
	(void) sfm_history_write(plan);
}

static void
dry_run(SfmPlan *plan)
{
	sfm_plan_survey(plan);
	if (plan->options->scope != SFM_SCOPE_SCHEMA)
		sfm_foretell(plan);
	for (int i = 0; i < list_length(plan->tables); i++)
	{
		SfmPlanTable *table = list_nth(plan->tables, i);

		if (!table->exists)
			sfm_plan_defaults(plan, table);
		table->target_rows = table->source_rows - table->rejected_rows;
	}
	sfm_plan_objects(plan);
	sfm_foresee_checks(plan);
	sfm_plan_orphans(plan);
	for (int i = 0; i < list_length(plan->tables); i++)
		sfm_foresee_sequence(plan, list_nth(plan->tables, i));
	sfm_plan_misfit_notes(plan);
	sfm_final_notes(plan);
}

static void
report(ReturnSetInfo *rsinfo, SfmPlan *plan)
{
	ListCell   *lc;
	int64		rows = 0;
	int			verified = 0;
	int			left_out = 0;

	foreach(lc, plan->notes)
		ereport(NOTICE, (errmsg("%s", (char *) lfirst(lc))));
	foreach(lc, plan->objects)
		if (((SfmObject *) lfirst(lc))->status == SFM_OBJECT_LEFT_OUT)
			left_out++;
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		rows += table->target_rows;
		verified += table->verified;
		sfm_report_row(rsinfo, plan, table);
	}
	ereport(NOTICE,
			(errmsg("%s, %s, %d verified, %s left out%s",
					sfm_counted(list_length(plan->tables), "table"), sfm_counted(rows, "row"), verified,
					sfm_counted(left_out, "object"),
					plan->options->dry_run ? " (dry run: nothing was written)" : ""),
			 left_out > 0 && !plan->options->dry_run ?
			 errhint("SELECT * FROM sqlite_mig.migration_object WHERE status = 'left_out' names them.") : 0));
}

/* Lets a background worker read the file ahead, where rows will be loaded and jobs allow it. */
static const char *
prefetch(const SfmOptions *options, SfmSource *source)
{
	if (options->dry_run || options->jobs == 0 || options->scope == SFM_SCOPE_SCHEMA)
		return NULL;
	return sfm_source_prefetch(source);
}

/*
 * sqlite_mig.migrate(...).  Fills the caller's result set, a row a table, when all
 * is done.
 */
void
sfm_migrate(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	SfmOptions *options;
	SfmSource  *source;
	SfmPlan    *plan;
	TimestampTz started_at = GetCurrentTimestamp();
	const char *read_alone;
	int			level;

	sfm_require_read_committed("migrate");
	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(mcxt);
	options = sfm_options_from_call(fcinfo);
	if (!options->dry_run)
		PreventCommandIfReadOnly("sqlite_mig.migrate()");
	level = sfm_safe_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(mcxt);

	options->types = sfm_type_rules(options->types_json);
	sfm_progress_begin(options->source, options->target_schema);
	sfm_target_lock_schema(options->target_schema);
	source = sfm_source_open(options->source);
	read_alone = prefetch(options, source);
	plan = sfm_plan_build(options, source);
	plan->started_at = started_at;
	if (read_alone)
		plan->notes = lappend(plan->notes,
							  psprintf("One process read the file, since %s.", read_alone));
	if (options->dry_run)
		dry_run(plan);
	else
	{
		raise_settings(plan);
		limit_workers(options);
		run_plan(plan);
	}
	report(rsinfo, plan);
	sfm_source_keys_drop(plan);
	sfm_source_close(source);
	sfm_progress_end();
	SPI_finish();
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}
