/*
 * fdw.c
 *		The wrapper's callbacks put together, EXPLAIN, and the refusal to write.
 *
 * Reading alone is offered.  INSERT, UPDATE and DELETE are refused while they are
 * planned, with a message that says why; COPY and rows routed to a foreign
 * partition are refused by PostgreSQL, which finds no callback for them.
 */
#include "postgres.h"

#include "compat.h"
#include SFM_EXPLAIN_HEADER
#include SFM_EXPLAIN_STATE_HEADER
#include "nodes/value.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "fdw_internal.h"
#include "sfm_names.h"

/* ExplainForeignScan: under VERBOSE, the query and what is bound to ?1, ?2 ... */
static void
explain_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);

	if (!es->verbose)
		return;
	/* the query is in UTF-8, as SQLite has it */
	ExplainPropertyText("SQLite query",
						sfm_name_to_server(strVal(list_nth(plan->fdw_private, SFM_PLAN_SQL))),
						es);
	if (plan->fdw_exprs != NIL)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, NIL);

		ExplainPropertyText("SQLite parameters",
							deparse_expression((Node *) plan->fdw_exprs, context, true, false),
							es);
	}
}

/* IsForeignRelUpdatable: no command at all; the information schema says so. */
static int
is_updatable(Relation rel)
{
	return 0;
}

/* PlanForeignModify: always raises 0A000. */
static List *
plan_modify(PlannerInfo *root, ModifyTable *plan, Index result_relation, int subplan_index)
{
	Oid			relid = planner_rt_fetch(result_relation, root)->relid;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign table \"%s\" is read-only", get_rel_name(relid)),
			 errdetail("sqlite_fdw_mig reads SQLite files and never writes them.")));
}

/*
 * IsForeignScanParallelSafe: a worker would have a connection and a snapshot of
 * its own.
 */
static bool
is_parallel_safe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return false;
}

/* Fills the table that the handler function returns. */
void
sfm_fdw_fill_routine(FdwRoutine *routine)
{
	routine->GetForeignRelSize = sfm_get_rel_size;
	routine->GetForeignPaths = sfm_get_paths;
	routine->GetForeignPlan = sfm_get_plan;
	routine->BeginForeignScan = sfm_begin_scan;
	routine->IterateForeignScan = sfm_iterate_scan;
	routine->ReScanForeignScan = sfm_rescan;
	routine->EndForeignScan = sfm_end_scan;
	routine->ExplainForeignScan = explain_scan;
	routine->IsForeignRelUpdatable = is_updatable;
	routine->PlanForeignModify = plan_modify;
	routine->AnalyzeForeignTable = sfm_analyze_table;
	routine->ImportForeignSchema = sfm_import_schema;
	routine->IsForeignScanParallelSafe = is_parallel_safe;
}
