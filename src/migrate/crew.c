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
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "sfm_crew.h"
#include "sfm_migrate.h"

#define KEY_CREW UINT64CONST(1)
#define KEY_AREA UINT64CONST(2)
/* The least that maintenance_work_mem can be, in kB. */
#define LEAST_MEMORY 1024

/* A part of a task, which one process takes. */
typedef struct Turn
{
	Size		task;			/* where it is, from the start of CrewShared */
	int			part;
} Turn;

typedef struct CrewShared
{
	int			nturns;
	int			memory;			/* maintenance_work_mem of each process, in kB */
	pg_atomic_uint32 next;		/* turn that nobody has taken */
	pg_atomic_uint32 helped;	/* turns that workers took */
	Turn		turns[FLEXIBLE_ARRAY_MEMBER];
	/* follow: the tasks */
} CrewShared;

struct SfmCrew
{
	CrewShared *shared;
	dsa_area   *area;			/* for what tasks have to say; NULL: there is none */
};

extern PGDLLEXPORT void sqlite_fdw_mig_crew_main(dsm_segment *segment, shm_toc *toc);

static SfmCrewTask *
task_at(CrewShared *shared, Size where)
{
	return (SfmCrewTask *) ((char *) shared + where);
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
	}
}

/* Takes turns until there are no more. */
static void
take_turns(SfmCrew *crew)
{
	CrewShared *shared = crew->shared;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration task",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	int			level = NewGUCNestLevel();
	uint32		n;

	(void) set_config_option("maintenance_work_mem", psprintf("%d", shared->memory), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	while ((n = pg_atomic_fetch_add_u32(&shared->next, 1)) < shared->nturns)
	{
		const Turn *turn = &shared->turns[n];
		SfmCrewTask *task = task_at(shared, turn->task);
		TimestampTz began = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		do_part(crew, task, turn->part);
		if (IsParallelWorker())
			pg_atomic_fetch_add_u32(&shared->helped, 1);
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
	SfmCrew		crew;

	crew.shared = shm_toc_lookup(toc, KEY_CREW, false);
	crew.area = dsa_attach_in_place(shm_toc_lookup(toc, KEY_AREA, false), segment);
	take_turns(&crew);
	dsa_detach(crew.area);
}

/*
 * Hands bytes, once a task, to the caller of sfm_crew_run(), in task->heard.  They get
 * lost, and heard is NULL, where there is no more shared memory.
 */
void
sfm_crew_say(SfmCrew *crew, SfmCrewTask *task, const char *data, Size size)
{
	if (crew->area == NULL || size == 0)
		return;
	task->said = dsa_allocate_extended(crew->area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
	if (!DsaPointerIsValid(task->said))
		return;
	memcpy(dsa_get_address(crew->area, task->said), data, size);
	task->heard_size = size;
}

/* Takes over what processes did to a task. */
static void
finish_task(SfmCrew *crew, SfmCrewTask *task, const SfmCrewTask *done)
{
	memcpy(task, done, done->size);
	task->heard = NULL;
	if (!DsaPointerIsValid(task->said))
		return;
	task->heard = MemoryContextAllocHuge(CurrentMemoryContext, task->heard_size);
	memcpy(task->heard, dsa_get_address(crew->area, task->said), task->heard_size);
}

static int
by_cost(const ListCell *a, const ListCell *b)
{
	double		first = ((const SfmCrewTask *) lfirst(a))->cost;
	double		second = ((const SfmCrewTask *) lfirst(b))->cost;

	return first > second ? -1 : first < second;
}

/* How many workers shall help with so many parts: what jobs and the settings allow. */
int
sfm_crew_workers(int nparts)
{
	return Max(Min(nparts - 1, max_parallel_maintenance_workers), 0);
}

/* What the shared memory holds, and how much of it there is. */
static Size
lay_out(List *tasks, CrewShared *shared)
{
	int			nturns = 0;
	Size		size;
	ListCell   *lc;

	foreach(lc, tasks)
		nturns += ((SfmCrewTask *) lfirst(lc))->parts;
	size = MAXALIGN(offsetof(CrewShared, turns) + sizeof(Turn) * nturns);
	if (shared)
		shared->nturns = 0;
	foreach(lc, tasks)
	{
		SfmCrewTask *task = lfirst(lc);

		if (shared)
		{
			memcpy(task_at(shared, size), task, task->size);
			for (int i = 0; i < task->parts; i++)
			{
				shared->turns[shared->nturns].task = size;
				shared->turns[shared->nturns++].part = i;
			}
		}
		size += MAXALIGN(task->size);
	}
	return size;
}

/*
 * Does all tasks, a list of SfmCrewTask *, in this process and up to nworkers parallel
 * workers.  They share maintenance_work_mem.
 */
void
sfm_crew_run(List *tasks, int nworkers)
{
	Size		area_size = dsa_minimum_size();
	ParallelContext *context;
	SfmCrew		crew;
	char	   *area;
	Size		size;
	Size		at;
	ListCell   *lc;

	tasks = list_copy(tasks);
	list_sort(tasks, by_cost);
	size = lay_out(tasks, NULL);

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	EnterParallelMode();
	context = CreateParallelContext("sqlite_fdw_mig", "sqlite_fdw_mig_crew_main", nworkers);
	shm_toc_estimate_chunk(&context->estimator, size);
	shm_toc_estimate_chunk(&context->estimator, area_size);
	shm_toc_estimate_keys(&context->estimator, 2);
	InitializeParallelDSM(context);

	crew.shared = shm_toc_allocate(context->toc, size);
	(void) lay_out(tasks, crew.shared);
	crew.shared->memory = Max(maintenance_work_mem / (context->nworkers + 1), LEAST_MEMORY);
	pg_atomic_init_u32(&crew.shared->next, 0);
	pg_atomic_init_u32(&crew.shared->helped, 0);
	shm_toc_insert(context->toc, KEY_CREW, crew.shared);
	area = shm_toc_allocate(context->toc, area_size);
	/* without a segment there are no workers, and the area could not grow */
	crew.area = context->seg == NULL ? NULL :
		dsa_create_in_place(area, area_size, LWTRANCHE_PARALLEL_QUERY_DSA, context->seg);
	shm_toc_insert(context->toc, KEY_AREA, area);

	LaunchParallelWorkers(context);
	take_turns(&crew);
	WaitForParallelWorkersToFinish(context);
	ereport(DEBUG1,
			(errmsg_internal("%d parallel workers did %u of %d parts of %d tasks", context->nworkers_launched,
							 pg_atomic_read_u32(&crew.shared->helped), crew.shared->nturns,
							 list_length(tasks))));
	at = MAXALIGN(offsetof(CrewShared, turns) + sizeof(Turn) * crew.shared->nturns);
	foreach(lc, tasks)
	{
		const SfmCrewTask *done = task_at(crew.shared, at);

		finish_task(&crew, lfirst(lc), done);
		at += MAXALIGN(done->size);
	}
	if (crew.area)
		dsa_detach(crew.area);
	DestroyParallelContext(context);
	ExitParallelMode();
	PopActiveSnapshot();
	list_free(tasks);
}
