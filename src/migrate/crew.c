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

typedef struct CrewShared
{
	int			ntasks;
	int			memory;			/* maintenance_work_mem of each process, in kB */
	pg_atomic_uint32 next;		/* task that nobody has taken */
	Size		offsets[FLEXIBLE_ARRAY_MEMBER]; /* of the tasks, from here */
} CrewShared;

extern PGDLLEXPORT void sqlite_fdw_mig_crew_main(dsm_segment *segment, shm_toc *toc);

static SfmCrewTask *
nth_task(CrewShared *shared, int n)
{
	return (SfmCrewTask *) ((char *) shared + shared->offsets[n]);
}

/* Does tasks until there are no more. */
static void
do_tasks(CrewShared *shared)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration task",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	int			level = NewGUCNestLevel();
	uint32		n;

	(void) set_config_option("maintenance_work_mem", psprintf("%d", shared->memory), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	while ((n = pg_atomic_fetch_add_u32(&shared->next, 1)) < shared->ntasks)
	{
		SfmCrewTask *task = nth_task(shared, n);
		TimestampTz began = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		switch (task->work)
		{
			case SFM_CREW_BUILD:
				sfm_build_index((SfmBuildTask *) task);
				break;
		}
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
	do_tasks(shm_toc_lookup(toc, KEY_CREW, false));
}

static int
by_cost(const ListCell *a, const ListCell *b)
{
	double		first = ((const SfmCrewTask *) lfirst(a))->cost;
	double		second = ((const SfmCrewTask *) lfirst(b))->cost;

	return first > second ? -1 : first < second;
}

/* How many workers shall help with so many tasks: what jobs and the settings allow. */
int
sfm_crew_workers(int ntasks)
{
	return Max(Min(ntasks - 1, max_parallel_maintenance_workers), 0);
}

/*
 * Does all tasks, a list of SfmCrewTask *, in this process and up to nworkers parallel
 * workers.  They share maintenance_work_mem.
 */
void
sfm_crew_run(List *tasks, int nworkers)
{
	Size		size = offsetof(CrewShared, offsets) + sizeof(Size) * list_length(tasks);
	ParallelContext *context;
	CrewShared *shared;
	ListCell   *lc;

	tasks = list_copy(tasks);
	list_sort(tasks, by_cost);
	foreach(lc, tasks)
		size = MAXALIGN(size) + ((SfmCrewTask *) lfirst(lc))->size;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	EnterParallelMode();
	context = CreateParallelContext("sqlite_fdw_mig", "sqlite_fdw_mig_crew_main", nworkers);
	shm_toc_estimate_chunk(&context->estimator, size);
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);

	shared = shm_toc_allocate(context->toc, size);
	shared->ntasks = list_length(tasks);
	shared->memory = Max(maintenance_work_mem / (context->nworkers + 1), LEAST_MEMORY);
	pg_atomic_init_u32(&shared->next, 0);
	size = offsetof(CrewShared, offsets) + sizeof(Size) * list_length(tasks);
	foreach(lc, tasks)
	{
		SfmCrewTask *task = lfirst(lc);

		shared->offsets[foreach_current_index(lc)] = MAXALIGN(size);
		memcpy(nth_task(shared, foreach_current_index(lc)), task, task->size);
		size = MAXALIGN(size) + task->size;
	}
	shm_toc_insert(context->toc, KEY_CREW, shared);

	LaunchParallelWorkers(context);
	do_tasks(shared);
	WaitForParallelWorkersToFinish(context);
	foreach(lc, tasks)
	{
		SfmCrewTask *task = lfirst(lc);

		memcpy(task, nth_task(shared, foreach_current_index(lc)), task->size);
	}
	DestroyParallelContext(context);
	ExitParallelMode();
	PopActiveSnapshot();
	list_free(tasks);
}
