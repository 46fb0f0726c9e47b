/*
 * build.c
 *		Keys and indexes of tables that the call loaded, built by several processes,
 *		each a whole index.
 *
 * PostgreSQL's own parallel build shares out one index: its workers sort, one process
 * writes.  That gains little on a table of ordinary size and nothing on a small one.
 * Here the backend makes the catalog's entries first, as ALTER TABLE does before it
 * writes a table anew; then processes fill the files, through the access method's
 * ambuild(); then constraints are put on the indexes that need one.
 *
 * What can run others' code (expressions, WHERE clauses), what event triggers would have
 * to hear of, and an index that takes most of the time by itself, goes the ordinary way
 * (create.c).  So does all of it where one fails, for the same messages and consequences.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "sfm_crew.h"
#include "sfm_migrate.h"

/* What is read for an index, in rows, before it pays to share. */
#define ROWS_A_TASK 5000
#define ROWS_TO_SHARE 100000
/* How much faster PostgreSQL's own workers make one index, at best: 1.1 was measured on two cores. */
#define OWN_GAIN 1.5

/*
 * Fills the file of an index.  In any process of the crew.
 */
void
sfm_build_index(SfmBuildTask *task)
{
	/* the locks that PostgreSQL's own workers take */
	Relation	table = table_open(task->table, ShareLock);
	Relation	index = index_open(task->index, AccessExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	IndexBuildResult *result = index->rd_indam->ambuild(table, index, info);

	/* index_build() would set indcheckxmin, but the catalog is not a worker's to write */
	if (info->ii_BrokenHotChain)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has rows that were updated", RelationGetRelationName(table))));
	task->heap_tuples = result->heap_tuples;
	task->index_tuples = result->index_tuples;
	index_close(index, NoLock);
	table_close(table, NoLock);
}

/* Makes the catalog's entries of an index whose file is filled later. */
static Oid
define_index(const SfmObject *object)
{
	List	   *parsed = raw_parser(object->index_sql, RAW_PARSE_DEFAULT);
	IndexStmt  *stmt = castNode(IndexStmt, linitial_node(RawStmt, parsed)->stmt);
	Oid			relid = object->table->relid;
	Oid			result;

	stmt = transformIndexStmt(relid, stmt, object->index_sql);
	result = sfm_define_index(relid, stmt);
	CommandCounterIncrement();
	return result;
}

/* Reads and compares so many rows, the measure of what an index costs. */
static double
cost_of(const SfmObject *object)
{
	return object->table->target_rows;
}

/* Whether all types have an order; one that has none would end the work on all indexes. */
static bool
has_order(const SfmObject *object)
{
	const SfmTable *source = object->table->source;
	int			n = object->index ? object->index->ncolumns : source->nkeys;

	for (int i = 0; i < n; i++)
	{
		int			number = object->index ? object->index->columns[i].column : source->keys[i];

		if (!OidIsValid(GetDefaultOpClass(sfm_plan_column(object->table, number)->type.typid, BTREE_AM_OID)))
			return false;
	}
	return true;
}

static bool
can_share(const SfmObject *object)
{
	/* what went the fast way is a plain table of our own, without older versions of rows */
	return object->index_sql != NULL && has_order(object) && object->extra_sql == NULL && !object->table->exists &&
		object->table->fast_rows == object->table->target_rows &&
		object->table->target_rows >= ROWS_A_TASK;
}

static SfmObject *
dearest(List *objects)
{
	SfmObject  *result = linitial(objects);
	ListCell   *lc;

	foreach(lc, objects)
		if (cost_of(lfirst(lc)) > cost_of(result))
			result = lfirst(lc);
	return result;
}

/*
 * The keys and indexes that several processes shall build; NIL where it does not pay.
 * Without one that would take most of the time by itself: the workers of PostgreSQL's own
 * parallel build help with such.
 */
static List *
choose_objects(const SfmPlan *plan)
{
	List	   *chosen = NIL;
	double		total = 0;
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);

		if ((object->phase != SFM_PHASE_KEY && object->phase != SFM_PHASE_INDEX) ||
			object->target_sql == NULL || !can_share(object))
			continue;
		chosen = lappend(chosen, object);
		total += cost_of(object);
	}
	while (chosen != NIL && cost_of(dearest(chosen)) * OWN_GAIN > total)
	{
		SfmObject  *alone = dearest(chosen);

		total -= cost_of(alone);
		chosen = list_delete_ptr(chosen, alone);
	}
	return total >= ROWS_TO_SHARE && sfm_crew_workers(list_length(chosen)) > 0 ? chosen : NIL;
}

/* Makes all of a list of objects; an error undoes them. */
static bool
build_together(void *arg)
{
	List	   *objects = arg;
	List	   *tasks = NIL;
	ListCell   *lc;

	foreach(lc, objects)
	{
		const SfmObject *object = lfirst(lc);
		SfmBuildTask *task = palloc0(sizeof(SfmBuildTask));

		task->task.work = SFM_CREW_BUILD;
		task->task.size = sizeof(SfmBuildTask);
		task->task.parts = 1;
		task->task.cost = cost_of(object);
		task->table = object->table->relid;
		task->index = define_index(object);
		tasks = lappend(tasks, task);
	}
	sfm_crew_run(tasks, sfm_crew_workers(list_length(tasks)), 0);
	foreach(lc, tasks)
	{
		const SfmBuildTask *task = lfirst(lc);
		SfmObject  *object = list_nth(objects, foreach_current_index(lc));

		sfm_set_size(task->table, task->heap_tuples);
		sfm_set_size(task->index, task->index_tuples);
		if (object->attach_sql)
			sfm_exec(object->attach_sql);
	}
	list_free_deep(tasks);
	return true;
}

/*
 * Makes the keys and indexes that several processes can build, where jobs and settings
 * allow more than one.  The others, or all where one failed, are left to
 * sfm_create_objects().
 */
void
sfm_build_together(SfmPlan *plan)
{
	List	   *objects = choose_objects(plan);
	char	   *message;
	ListCell   *lc;

	if (objects == NIL || sfm_early_pruning() || sfm_has_event_triggers())
		return;
	if (!sfm_try_work(build_together, objects, NULL, &message))
	{
		plan->notes = lappend(plan->notes,
							  psprintf("Keys and indexes were built one after the other, since one failed: %s.",
									   message));
		return;
	}
	foreach(lc, objects)
		((SfmObject *) lfirst(lc))->made = true;
}
