/*
 * crew.c
 *		Tasks that parallel workers and the backend itself take one after the other
 *		until none is left.
 *
 * Workers share the backend's transaction and so see the tables that it made.  They may
 * not insert rows nor write the catalog (heap_prepare_insert() and others refuse it), so
 * that a task only reads tables, or fills the file of an index as a task of its own.
 *
 * An error in any process ends the call of sfm_crew_run() by that error.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "port/atomics.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "sfm_crew.h"
#include "sfm_migrate.h"

#define KEY_CREW UINT64CONST(1)
/* The least that maintenance_work_mem can be, in kB. */
#define LEAST_MEMORY 1024

/* What tasks are about, by SfmCrewWork. */
static const char *const work_words[] = {"indexes", "tables", "foreign keys"};

/* A part of a task, which one process takes. */
typedef struct Turn
{
	Size		task;			/* where it is, from the start of SfmCrew */
	int			part;
} Turn;

struct SfmCrew
{
	int			nturns;
	int			memory;			/* maintenance_work_mem of each process, in kB */
	pg_atomic_uint32 next;		/* turn that nobody has taken */
	pg_atomic_uint32 helped;	/* turns that workers took */
	pg_atomic_uint64 used;		/* up to here it is used, from the start of SfmCrew */
	Size		size;			/* of all of it */
	Turn		turns[FLEXIBLE_ARRAY_MEMBER];
	/* follow: the tasks, then room for what they have to say */
};

extern PGDLLEXPORT void sqlite_fdw_mig_crew_main(dsm_segment *segment, shm_toc *toc);

static SfmCrewTask *
task_at(SfmCrew *crew, Size where)
{
	return (SfmCrewTask *) ((char *) crew + where);
}

static void
do_part(SfmCrew *crew, SfmCrewTask *task, int part)
{
	switch (task->work)
	{
		case SFM_CREW_BUILD:
			sfm_build_index((SfmBuildTask *) task);
			break;
		case SFM_CREW_CHECK:
			sfm_check_part(crew, (SfmCheckTask *) task, part);
			break;
		case SFM_CREW_ORPHANS:
			sfm_find_orphans((SfmOrphansTask *) task);
			break;
	}
}

/* Takes turns until there are no more. */
static void
take_turns(SfmCrew *crew)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration task",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	int			level = NewGUCNestLevel();
	uint32		n;

	(void) set_config_option("maintenance_work_mem", psprintf("%d", crew->memory), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	while ((n = pg_atomic_fetch_add_u32(&crew->next, 1)) < crew->nturns)
	{
		const Turn *turn = &crew->turns[n];
		SfmCrewTask *task = task_at(crew, turn->task);
		TimestampTz began = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		do_part(crew, task, turn->part);
		if (IsParallelWorker())
			pg_atomic_fetch_add_u32(&crew->helped, 1);
		if (turn->part == 0)
			task->elapsed_us = GetCurrentTimestamp() - began;
		MemoryContextReset(mcxt);
	}
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}

/* Where a parallel worker begins. */
void
sqlite_fdw_mig_crew_main(dsm_segment *segment, shm_toc *toc)
{
	take_turns(shm_toc_lookup(toc, KEY_CREW, false));
}

/*
 * Hands bytes, once a task, to the caller of sfm_crew_run(), in task->heard.  They get
 * lost, and heard is NULL, where there is no more room.
 */
void
sfm_crew_say(SfmCrew *crew, SfmCrewTask *task, const char *data, Size size)
{
	uint64		at = pg_atomic_read_u64(&crew->used);

	do
	{
		if (size > crew->size - at)
			return;
	} while (!pg_atomic_compare_exchange_u64(&crew->used, &at, at + size));
	memcpy((char *) crew + at, data, size);
	task->said = at;
	task->said_size = size;
}

/* Takes over what processes did to a task. */
static void
finish_task(SfmCrew *crew, SfmCrewTask *task, const SfmCrewTask *done)
{
	memcpy(task, done, done->size);
	task->heard = NULL;
	if (task->said_size == 0)
		return;
	task->heard = palloc(task->said_size);
	memcpy(task->heard, (char *) crew + task->said, task->said_size);
}

static int
by_cost(const ListCell *a, const ListCell *b)
{
	double		first = ((const SfmCrewTask *) lfirst(a))->cost;
	double		second = ((const SfmCrewTask *) lfirst(b))->cost;

	return first > second ? -1 : first < second;
}

/* Whether somebody hears of commands and may act on them. */
bool
sfm_has_event_triggers(void)
{
	return sfm_query_text("SELECT 1 FROM pg_event_trigger WHERE evtenabled <> 'D'") != NULL;
}

/* How many workers shall help with so many parts: what jobs and the settings allow. */
int
sfm_crew_workers(int nparts)
{
	return Max(Min(nparts - 1, max_parallel_maintenance_workers), 0);
}

/* What the shared memory holds, and how much of it that is; NULL: only how much. */
static Size
lay_out(List *tasks, SfmCrew *crew)
{
	int			nturns = 0;
	Size		size;
	ListCell   *lc;

	foreach(lc, tasks)
		nturns += ((SfmCrewTask *) lfirst(lc))->parts;
	size = MAXALIGN(offsetof(SfmCrew, turns) + sizeof(Turn) * nturns);
	nturns = 0;
	foreach(lc, tasks)
	{
		SfmCrewTask *task = lfirst(lc);

		if (crew)
		{
			memcpy(task_at(crew, size), task, task->size);
			for (int i = 0; i < task->parts; i++)
			{
				crew->turns[nturns].task = size;
				crew->turns[nturns++].part = i;
			}
			crew->nturns = nturns;
		}
		size += MAXALIGN(task->size);
	}
	return size;
}

/*
 * Does all tasks, a list of SfmCrewTask *, in this process and up to nworkers parallel
 * workers.  They share maintenance_work_mem, and room for so many bytes that they say.
 */
void
sfm_crew_run(List *tasks, int nworkers, Size room)
{
	ParallelContext *context;
	SfmCrew    *crew;
	Size		size;
	ListCell   *lc;

	tasks = list_copy(tasks);
	list_sort(tasks, by_cost);
	size = lay_out(tasks, NULL);

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	EnterParallelMode();
	context = CreateParallelContext("sqlite_fdw_mig", "sqlite_fdw_mig_crew_main", nworkers);
	shm_toc_estimate_chunk(&context->estimator, size + room);
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);

	crew = shm_toc_allocate(context->toc, size + room);
	(void) lay_out(tasks, crew);
	crew->memory = Max(maintenance_work_mem / (context->nworkers + 1), LEAST_MEMORY);
	crew->size = size + room;
	pg_atomic_init_u64(&crew->used, size);
	pg_atomic_init_u32(&crew->next, 0);
	pg_atomic_init_u32(&crew->helped, 0);
	shm_toc_insert(context->toc, KEY_CREW, crew);

	LaunchParallelWorkers(context);
	take_turns(crew);
	WaitForParallelWorkersToFinish(context);
	ereport(DEBUG1,
			(errmsg_internal("%d parallel workers did %u of %d parts of %d tasks: %s", context->nworkers_launched,
							 pg_atomic_read_u32(&crew->helped), crew->nturns, list_length(tasks),
							 work_words[((SfmCrewTask *) linitial(tasks))->work])));
	size = MAXALIGN(offsetof(SfmCrew, turns) + sizeof(Turn) * crew->nturns);
	foreach(lc, tasks)
	{
		const SfmCrewTask *done = task_at(crew, size);

		finish_task(crew, lfirst(lc), done);
		size += MAXALIGN(done->size);
	}
	DestroyParallelContext(context);
	ExitParallelMode();
	PopActiveSnapshot();
	list_free(tasks);
}
