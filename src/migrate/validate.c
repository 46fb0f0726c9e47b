/*
 * validate.c
 *		Foreign keys between tables that the call made, checked by several processes.
 *
 * ALTER TABLE checks one key after the other, in one process.  Here tasks look for rows
 * without a parent, a key each, by the condition that counts them where a key is made
 * NOT VALID; a key that has none is then added as CREATE TABLE adds its keys: valid, and
 * without a look at the rows.  One that has orphans, or could not be looked at here, is
 * added the ordinary way (create.c), which finds what there is to say.
 *
 * Nobody else sees the tables before the commit, so that what was found stays true; but
 * an event trigger could change rows meanwhile, and then this is not done.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "sfm_crew.h"
#include "sfm_migrate.h"

/* Rows of child and parent together, from which on it pays to share. */
#define ROWS_TO_SHARE 100000

struct SfmOrphansTask
{
	SfmCrewTask task;
	bool		found;
	char		sql[FLEXIBLE_ARRAY_MEMBER]; /* whether there are any */
};

/*
 * Looks whether a foreign key has orphans.  In any process of the crew.
 */
void
sfm_find_orphans(SfmOrphansTask *task)
{
	/* one process, with the memory that RI_Initial_Check() takes for its join */
	const char *const settings[][2] = {
		{"work_mem", psprintf("%d", maintenance_work_mem)},
		{"hash_mem_multiplier", "1"},
		{"max_parallel_workers_per_gather", "0"}
	};
	int			level = NewGUCNestLevel();
	bool		isnull;

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(task->sql, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "query failed: %s", task->sql);
	task->found = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	AtEOXact_GUC(true, level);
}

/* Whether both ends are tables of the call, and of types that any process may compare. */
static bool
can_share(const SfmObject *object)
{
	const SfmForeignKey *fk = object->fk;
	const int  *numbers;

	if (object->phase != SFM_PHASE_FOREIGN_KEY || object->target_sql == NULL ||
		object->table->exists || object->parent->exists)
		return false;
	numbers = sfm_parent_columns(fk, object->parent->source);
	for (int i = 0; i < fk->ncolumns; i++)
	{
		const SfmType *child = &sfm_plan_column(object->table, fk->columns[i])->type;
		const SfmType *parent = &sfm_plan_column(object->parent, numbers[i])->type;

		if (child->kind == SFM_KIND_INPUT || child->typid != parent->typid)
			return false;
	}
	return true;
}

static SfmOrphansTask *
make_task(const SfmObject *object, const char *condition)
{
	char	   *sql = psprintf("SELECT EXISTS (SELECT FROM %s c WHERE %s)", sfm_target_rows(object->table), condition);
	Size		size = offsetof(SfmOrphansTask, sql) + strlen(sql) + 1;
	SfmOrphansTask *task = palloc0(size);

	task->task.work = SFM_CREW_ORPHANS;
	task->task.size = size;
	task->task.parts = 1;
	task->task.cost = object->table->target_rows + object->parent->target_rows;
	strcpy(task->sql, sql);
	return task;
}

/*
 * Looks for orphans of the planned foreign keys, where jobs and the settings allow more
 * than one process and it pays.  Marks those that have none as checked.
 */
void
sfm_check_keys_together(SfmPlan *plan)
{
	MemoryContext work;
	List	   *tasks = NIL;
	List	   *objects = NIL;
	double		cost = 0;
	ListCell   *lc;

	if (max_parallel_maintenance_workers == 0)
		return;
	work = sfm_work_begin();
	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		char	   *condition = can_share(object) ? sfm_target_orphans(object) : NULL;

		if (condition == NULL)
			continue;
		objects = lappend(objects, object);
		tasks = lappend(tasks, make_task(object, condition));
		cost += ((SfmCrewTask *) llast(tasks))->cost;
	}
	if (cost >= ROWS_TO_SHARE && sfm_crew_workers(list_length(tasks)) > 0 && !sfm_has_event_triggers())
	{
		sfm_crew_run(tasks, sfm_crew_workers(list_length(tasks)), 0);
		foreach(lc, tasks)
			((SfmObject *) list_nth(objects, foreach_current_index(lc)))->checked =
				!((SfmOrphansTask *) lfirst(lc))->found;
	}
	sfm_work_end(work);
}

/* Adds a foreign key that was checked: the statement with what CREATE TABLE sets for its own keys. */
void
sfm_add_checked_key(const SfmObject *object)
{
	List	   *parsed = raw_parser(object->target_sql, RAW_PARSE_DEFAULT);
	AlterTableStmt *stmt = castNode(AlterTableStmt, linitial_node(RawStmt, parsed)->stmt);
	Constraint *key = castNode(Constraint, linitial_node(AlterTableCmd, stmt->cmds)->def);
	PlannedStmt *wrapper = makeNode(PlannedStmt);

	key->skip_validation = true;
	key->initially_valid = true;
	wrapper->commandType = CMD_UTILITY;
	wrapper->utilityStmt = (Node *) stmt;
	wrapper->stmt_location = -1;
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(wrapper, object->target_sql, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	PopActiveSnapshot();
	CommandCounterIncrement();
}
