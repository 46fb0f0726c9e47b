/*
 * load.c
 *		Rows: the foreign tables through which they are read, and the load of one
 *		table.
 *
 * The foreign tables live in a schema of their own, with a server of their own when
 * the source was named by its path; both belong to the caller and are gone when the
 * call ends.  The caller needs no right to make them: they are made as the owner of
 * the foreign data wrapper and handed over, after the caller's right to read the
 * file was checked (source.c).
 */
#include "postgres.h"

#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"

#include "sfm_migrate.h"
#include "sfm_progress.h"

/* Runs a statement as the owner of the foreign data wrapper. */
static void
exec_as_wrapper_owner(const char *sql)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperByName("sqlite_fdw_mig", false);
	Oid			save_userid;
	int			save_context;

	GetUserIdAndSecContext(&save_userid, &save_context);
	SetUserIdAndSecContext(wrapper->owner, save_context | SECURITY_LOCAL_USERID_CHANGE);
	sfm_exec(sql);
	SetUserIdAndSecContext(save_userid, save_context);
}

/* Makes the schema and, for a path, the server. */
void
sfm_staging_create(SfmPlan *plan)
{
	const char *caller = quote_identifier(GetUserNameFromId(GetUserId(), false));

	/* Anybody may have made a schema of that name. */
	plan->staging = psprintf("sqlite_mig_source_%d", MyProcPid);
	for (int i = 1; OidIsValid(get_namespace_oid(plan->staging, true)) ||
		 OidIsValid(get_foreign_server_oid(plan->staging, true)); i++)
		plan->staging = psprintf("sqlite_mig_source_%d_%d", MyProcPid, i);
	exec_as_wrapper_owner(psprintf("CREATE SCHEMA %s AUTHORIZATION %s",
								   quote_identifier(plan->staging), caller));
	if (OidIsValid(plan->source->serverid))
	{
		plan->staging_server = GetForeignServer(plan->source->serverid)->servername;
		return;
	}
	plan->staging_server = plan->staging;
	exec_as_wrapper_owner(sfm_ddl_create_server(plan));
	exec_as_wrapper_owner(psprintf("ALTER SERVER %s OWNER TO %s",
								   quote_identifier(plan->staging_server), caller));
	sfm_connection_lend(plan->source->file,
						get_foreign_server_oid(plan->staging_server, false));
}

/*
 * Makes the foreign table of one source table, anew when it has one.  It has the target's
 * name, since errors show it in their context.
 */
void
sfm_staging_add(SfmPlan *plan, SfmPlanTable *table)
{
	MemoryContext work = sfm_work_begin();

	if (table->foreign_table != NULL)
		sfm_execf("DROP FOREIGN TABLE %s", table->foreign_table);
	table->foreign_table = sfm_keep(plan, sfm_qualify(plan->staging, table->target));
	sfm_exec(sfm_ddl_foreign_table(plan, table));
	sfm_work_end(work);
	table->foreign_relid = get_relname_relid(table->target, get_namespace_oid(plan->staging, false));
}

/* Drops what sfm_staging_create() and sfm_staging_add() made. */
void
sfm_staging_drop(SfmPlan *plan)
{
	int			level = NewGUCNestLevel();
	ListCell   *lc;

	/* CASCADE would name each foreign table in a NOTICE. */
	(void) set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	sfm_execf("DROP SCHEMA %s CASCADE", quote_identifier(plan->staging));
	if (!OidIsValid(plan->source->serverid))
		sfm_execf("DROP SERVER %s", quote_identifier(plan->staging_server));
	AtEOXact_GUC(true, level);
	foreach(lc, plan->tables)
		((SfmPlanTable *) lfirst(lc))->foreign_table = NULL;
}

/*
 * A small table is read sooner by the backend itself: asking the reader for a scan and
 * waiting for it takes a quarter of a millisecond.  How many bytes its rows have is not
 * known, but what tables have on average is.
 */
#define ROWS_TO_PREFETCH 200
#define BYTES_TO_PREFETCH (100 * 1024)

static bool
is_prefetched(const SfmPlan *plan, const SfmTable *table)
{
	return table->rowids < 0 || table->rowids >= ROWS_TO_PREFETCH ||
		sfm_file_identity(plan->source->file)->size / list_length(plan->tables) >= BYTES_TO_PREFETCH;
}

static void
report_progress(SfmScanSink *sink)
{
	SfmPlanTable *table = sink->private_data;

	sfm_progress_rows(sink->source_rows, (int64) table->source->rows_estimate);
}

/*
 * A sink for the scan of a table.  A quiet one deals with misfits alike, for a second scan,
 * and tells nobody.
 */
SfmScanSink *
sfm_load_sink(const SfmPlan *plan, SfmPlanTable *table, bool quiet)
{
	SfmScanSink *sink = palloc0(sizeof(SfmScanSink));
	SfmType    *types = palloc(sizeof(SfmType) * table->ncolumns);

	sink->relid = table->foreign_relid;
	sink->table = table->source;
	sink->mcxt = plan->mcxt;
	sink->ncolumns = table->ncolumns;
	sink->columns = palloc0(sizeof(SfmSinkColumn) * table->ncolumns);
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmMisfitAction action = table->columns[i].on_misfit;

		sink->columns[i].on_misfit = action == SFM_MISFITS_NULL ? SFM_ON_MISFIT_NULL :
			action == SFM_MISFITS_REJECT ? SFM_ON_MISFIT_REJECT : SFM_ON_MISFIT_COLLECT;
		sink->columns[i].soft_apart = sfm_soft_apart(&table->columns[i]);
		sink->columns[i].planned = table->columns[i].type;
		types[i] = table->columns[i].type;
	}
	if (quiet)
		return sink;
	if (plan->options->verify == SFM_METHOD_CHECKSUM)
	{
		sink->hash = sfm_rowhash_create(table->ncolumns, types);
		if (sfm_rowhash_is_plain(table->ncolumns, types))
			sink->plain_types = types;
	}
	if (is_prefetched(plan, table->source))
		sink->prefetch = plan->source->prefetch;
	sink->reject = sfm_reject_misfit;
	sink->progress = report_progress;
	sink->private_data = table;
	return sink;
}

/*
 * What the scan found goes into the plan.  nulls_found is of the rows that were
 * returned; of those that were only gone through, the counts of NULLs tell.
 */
static void
keep_findings(SfmPlanTable *table, const SfmScanSink *sink, const bool *not_null,
			  const bool *nulls_found)
{
	table->source_rows = sink->source_rows;
	table->rejected_rows = sink->rejected_rows;
	table->source_sum = sink->checksum;
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		/* Misfits are told of the first reading; after widening there are none. */
		if (!table->dirty || sink->columns[i].misfits.n > 0)
		{
			column->misfits = sink->columns[i].misfits;
			column->resolved = false;
		}
		if (sink->columns[i].soft_apart)
			column->soft = sink->columns[i].soft;
		column->seen = sink->columns[i].seen;
		column->nulled = sink->columns[i].nulled;
		if (nulls_found[i] || (sink->collecting && not_null[i] &&
							   column->seen.n[SFM_NULL] + column->nulled > 0))
			column->nulls_found = true;
	}
}

/*
 * Loads one table, whose target and foreign table exist.  When a value does not
 * fit, or a NULL stands where NOT NULL is declared, no more rows are written, but
 * the rest is gone through, and table->loaded stays false: sfm_plan_widen() then
 * says what to do.
 */
void
sfm_load_table(SfmPlan *plan, SfmPlanTable *table)
{
	MemoryContext work = sfm_work_begin();
	SfmScanSink *sink = sfm_load_sink(plan, table, false);
	bool	   *not_null = palloc0(sizeof(bool) * table->ncolumns);
	bool	   *nulls_found = palloc0(sizeof(bool) * table->ncolumns);
	const char *obstacle = sfm_fast_obstacle(table->relid, table->ncolumns);

	for (int i = 0; i < table->ncolumns; i++)
		not_null[i] = table->columns[i].not_null && !table->columns[i].nulls_found;

	sfm_reject_reset(table);
	sfm_sink_attach(sink);
	if (obstacle == NULL)
	{
		table->target_rows = sfm_load_fast(table->relid, sfm_ddl_select(table), sink, not_null,
										   nulls_found);
		table->fast_rows = table->target_rows;
	}
	else
	{
		sfm_exec(sfm_ddl_insert(plan, table));
		table->target_rows = SPI_processed;
	}
	sfm_sink_detach(sink);
	keep_findings(table, sink, not_null, nulls_found);
	table->loaded = !sink->collecting;
	sfm_work_end(work);
	if (obstacle != NULL && !table->exists)
		sfm_note(table, "Rows went through INSERT instead of being written directly, since %s.",
				 obstacle);
}
