/*
 * check_parallel.c
 *		Tables that the call made, read back by several processes: many small tables at
 *		once, or parts of a large one, whose sums add up (rowhash.c).
 *
 * A small table's statistics are computed from the same reading (statistics.c), or from as
 * many readings as processes compute them.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "sfm_crew.h"
#include "sfm_migrate.h"

/* So many pages are worth a process of their own; ANALYZE reads 30,000 at its default. */
#define PAGES_A_PART 4096
/* It pays to start workers for so many pages, with so many more for what a table costs. */
#define PAGES_TO_SHARE 256
#define PAGES_A_TABLE 8
/* The statistics of a table are worth several processes when it takes so many times what each would do. */
#define SHARES_TO_SPLIT 1.5
/* Tables read at once, and what is computed of them: in shared memory together. */
#define TABLES_AT_ONCE 100
#define ROOM_A_COLUMN (16 * 1024)
#define MOST_ROOM (8 * 1024 * 1024)

/* One column to be checked. */
typedef struct CheckColumn
{
	AttrNumber	attnum;
	SfmType		type;
} CheckColumn;

struct SfmCheckTask
{
	SfmCrewTask task;
	Oid			relid;
	bool		sums;			/* sums are asked for */
	bool		statistics;		/* statistics are; then there is one part */
	int			group;			/* of columns, so many, whose statistics this task computes */
	int			ngroups;
	double		rows;			/* that the table has */
	int			ncolumns;
	Size		scan;			/* where the scan that parts share is, from here */
	/* follow: ncolumns times CheckColumn, for each part an SfmTargetSum, the scan */
};

#define COLUMNS_AT MAXALIGN(sizeof(SfmCheckTask))
#define SUMS_AT(ncolumns) (COLUMNS_AT + MAXALIGN(sizeof(CheckColumn) * (ncolumns)))

static CheckColumn *
task_columns(SfmCheckTask *task)
{
	return (CheckColumn *) ((char *) task + COLUMNS_AT);
}

static SfmTargetSum *
nth_sum(SfmCheckTask *task, int n)
{
	return (SfmTargetSum *) ((char *) task + SUMS_AT(task->ncolumns) + SFM_TARGET_SUM_SIZE(task->ncolumns) * n);
}

static SfmTargetAdder *
begin_sums(SfmCheckTask *task)
{
	SfmType    *types = palloc(sizeof(SfmType) * task->ncolumns);

	for (int i = 0; i < task->ncolumns; i++)
		types[i] = task_columns(task)[i].type;
	return sfm_target_adder(task->ncolumns, types);
}

/*
 * Reads one process's share of the rows.  In any process of the crew.
 */
void
sfm_check_part(SfmCrew *crew, SfmCheckTask *task, int part)
{
	Relation	rel = table_open(task->relid, AccessShareLock);
	TableScanDesc scan = table_beginscan_parallel(rel, (ParallelTableScanDesc) ((char *) task + task->scan));
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	const CheckColumn *columns = task_columns(task);
	Datum	   *values = palloc(sizeof(Datum) * task->ncolumns);
	bool	   *isnull = palloc(sizeof(bool) * task->ncolumns);
	SfmTargetAdder *adder = task->sums ? begin_sums(task) : NULL;
	SfmSampler *sampler = task->statistics ?
		sfm_sampler_begin(rel, task->rows, task->group, task->ngroups) : NULL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (sampler)
			sfm_sampler_add(sampler, slot);
		if (adder == NULL)
			continue;
		slot_getallattrs(slot);
		for (int i = 0; i < task->ncolumns; i++)
		{
			values[i] = slot->tts_values[columns[i].attnum - 1];
			isnull[i] = slot->tts_isnull[columns[i].attnum - 1];
		}
		sfm_target_add(adder, values, isnull, nth_sum(task, part));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	if (sampler)
	{
		StringInfoData statistics;

		initStringInfo(&statistics);
		sfm_sampler_end(sampler, &statistics);
		sfm_crew_say(crew, &task->task, statistics.data, statistics.len);
	}
	table_close(rel, NoLock);
}

/* The pages of a table and of what it has out of line. */
static BlockNumber
pages_to_read(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	if (OidIsValid(rel->rd_rel->reltoastrelid))
		pages += pages_to_read(rel->rd_rel->reltoastrelid);
	table_close(rel, NoLock);
	return pages;
}

/* Whether the rows can be read without the executor, and by functions that any process may call. */
static bool
is_plain(const SfmPlanTable *table)
{
	bool		result;
	SfmType    *types;

	/* what went the fast way is a plain table of our own */
	if (table->status == SFM_STATUS_SKIPPED || table->exists || !table->loaded ||
		table->fast_rows != table->target_rows || table->ncolumns == 0)
		return false;
	types = sfm_column_types(table);
	result = sfm_rowhash_is_plain(table->ncolumns, types);
	pfree(types);
	return result;
}

/* What is to be read of a table; NULL: nothing, or not by the crew. */
static SfmCheckTask *
make_task(const SfmPlan *plan, const SfmPlanTable *table, bool may_compute)
{
	int			n = table->ncolumns;
	bool		sums = plan->options->verify == SFM_METHOD_CHECKSUM;
	BlockNumber pages;
	int			parts;
	bool		statistics;
	Relation	rel;
	Size		sums_end;
	Size		size;
	SfmCheckTask *task;

	if (!is_plain(table))
		return NULL;
	pages = pages_to_read(table->relid);
	parts = 1 + Min(pages / PAGES_A_PART, max_parallel_maintenance_workers);
	statistics = may_compute && parts == 1 && sfm_statistics_are_plain(table->relid);
	if (!sums && !statistics)
		return NULL;

	rel = table_open(table->relid, AccessShareLock);
	sums_end = SUMS_AT(n) + SFM_TARGET_SUM_SIZE(n) * parts;
	size = sums_end + table_parallelscan_estimate(rel, GetActiveSnapshot());
	task = palloc0(size);
	task->task.work = SFM_CREW_CHECK;
	task->task.size = size;
	task->task.parts = parts;
	task->task.cost = (double) (pages + PAGES_A_TABLE) / parts;
	task->relid = table->relid;
	task->sums = sums;
	task->statistics = statistics;
	task->ngroups = 1;
	task->rows = table->target_rows;
	task->ncolumns = n;
	task->scan = sums_end;
	for (int i = 0; i < n; i++)
	{
		task_columns(task)[i].attnum = get_attnum(table->relid, table->columns[i].target);
		task_columns(task)[i].type = table->columns[i].type;
	}
	table_parallelscan_initialize(rel, (ParallelTableScanDesc) ((char *) task + task->scan), GetActiveSnapshot());
	table_close(rel, NoLock);
	return task;
}

/* The same for another group of a table's columns. */
static SfmCheckTask *
copy_task(const SfmCheckTask *task, int group)
{
	SfmCheckTask *result = palloc(task->task.size);

	memcpy(result, task, task->task.size);
	result->sums = false;
	result->group = group;
	return result;
}

/* What is to be read, and of which tables. */
typedef struct Reading
{
	List	   *tasks;
	List	   *tables;			/* for each task its table */
	double		cost;
	int			parts;
	Size		room;			/* for statistics */
} Reading;

static void
add_task(Reading *reading, SfmCheckTask *task, SfmPlanTable *table)
{
	reading->tasks = lappend(reading->tasks, task);
	reading->tables = lappend(reading->tables, table);
	reading->cost += task->task.cost * task->task.parts;
	reading->parts += task->task.parts;
}

/*
 * Has the statistics of a table that the others would wait for computed by several
 * processes, some of the columns each.  They all read it: most of the time goes into
 * sorting samples.
 */
static void
split_tasks(Reading *reading)
{
	int			processes = Min(max_parallel_maintenance_workers, max_parallel_workers) + 1;
	double		cost = reading->cost;
	int			n = list_length(reading->tasks);

	for (int i = 0; i < n; i++)
	{
		SfmCheckTask *task = list_nth(reading->tasks, i);

		if (!task->statistics || task->task.cost * processes <= SHARES_TO_SPLIT * cost)
			continue;
		task->ngroups = Min(processes, task->ncolumns);
		for (int group = 1; group < task->ngroups; group++)
			add_task(reading, copy_task(task, group), list_nth(reading->tables, i));
	}
}

static void
take_result(SfmPlanTable *table, SfmCheckTask *task)
{
	if (task->group == 0)
		table->elapsed_us += task->task.elapsed_us;
	if (task->sums)
	{
		SfmTargetSum *sum = palloc0(SFM_TARGET_SUM_SIZE(task->ncolumns));

		for (int i = 0; i < task->task.parts; i++)
			sfm_target_merge(sum, nth_sum(task, i), task->ncolumns);
		sfm_take_target_sum(table, sum);
		table->read_back = true;
	}
	/* the first group's task comes before the others' */
	if (task->statistics)
		table->analyzed = task->task.heard != NULL && (table->analyzed || task->group == 0);
	if (task->task.heard)
		sfm_statistics_store(table->relid, task->task.heard, task->task.said_size);
	if (table->analyzed && task->group == task->ngroups - 1)
		sfm_statistics_done(table->relid, table->target_rows);
}

/* Reads all of it and takes the results, unless there is but one part. */
static void
read_together(Reading *reading)
{
	int			nworkers = sfm_crew_workers(reading->parts);
	ListCell   *lc;

	if (nworkers == 0)
		return;
	sfm_crew_run(reading->tasks, nworkers, Min(reading->room, MOST_ROOM));
	foreach(lc, reading->tasks)
		take_result(list_nth(reading->tables, foreach_current_index(lc)), lfirst(lc));
}

/*
 * Before table n of the plan is finished: reads it back, and with it those that follow,
 * where jobs and the settings allow several processes and it pays.  Stores the statistics
 * that were computed on the way.  Sets read_back and analyzed of the tables.
 */
void
sfm_read_back(SfmPlan *plan, int n)
{
	Reading		reading = {0};
	bool		may_compute;
	MemoryContext work;

	if (n % TABLES_AT_ONCE != 0 || max_parallel_maintenance_workers == 0)
		return;
	work = sfm_work_begin();
	/* they may have asked for other statistics */
	may_compute = !sfm_has_event_triggers();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = n; i < Min(n + TABLES_AT_ONCE, list_length(plan->tables)); i++)
	{
		SfmPlanTable *table = list_nth(plan->tables, i);
		SfmCheckTask *task = make_task(plan, table, may_compute);

		if (task == NULL)
			continue;
		add_task(&reading, task, table);
		if (task->statistics)
			reading.room += (Size) ROOM_A_COLUMN * task->ncolumns;
	}
	if (reading.cost >= PAGES_TO_SHARE)
	{
		split_tasks(&reading);
		read_together(&reading);
	}
	PopActiveSnapshot();
	sfm_work_end(work);
}
