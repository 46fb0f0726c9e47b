/*
 * sfm_crew.h
 *		Pieces of work on tables of the call that several processes share (crew.c).
 */
#ifndef SFM_CREW_H
#define SFM_CREW_H

#include "utils/dsa.h"

/* What a task is about, and so what it is the beginning of. */
typedef enum SfmCrewWork
{
	SFM_CREW_BUILD				/* SfmBuildTask */
} SfmCrewWork;

/*
 * The head of every task.  Processes see a copy of the whole struct in shared memory, so
 * that it must not point anywhere; what they change in it is in the caller's afterwards.
 */
typedef struct SfmCrewTask
{
	SfmCrewWork work;
	Size		size;			/* of the whole struct */
	double		cost;			/* by any measure: dear tasks are begun first */
	int64		elapsed_us;		/* what it took */
} SfmCrewTask;

extern int	sfm_crew_workers(int ntasks);
extern void sfm_crew_run(List *tasks, int nworkers);

/* An index whose file is to be filled (build.c). */
typedef struct SfmBuildTask
{
	SfmCrewTask task;
	Oid			table;
	Oid			index;
	double		heap_tuples;	/* what it found */
	double		index_tuples;
} SfmBuildTask;

extern void sfm_build_index(SfmBuildTask *task);

#endif							/* SFM_CREW_H */
