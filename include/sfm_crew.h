/*
 * sfm_crew.h
 *		Pieces of work on tables of the call that several processes share (crew.c).
 */
#ifndef SFM_CREW_H
#define SFM_CREW_H

/* What a task is about, and so what it is the beginning of. */
typedef enum SfmCrewWork
{
	SFM_CREW_BUILD,				/* SfmBuildTask */
	SFM_CREW_CHECK,				/* SfmCheckTask */
	SFM_CREW_ORPHANS			/* SfmOrphansTask */
} SfmCrewWork;

/*
 * The head of every task.  Processes see a copy of the whole struct in shared memory, so
 * that it must not point anywhere; what they change in it is in the caller's afterwards.
 */
typedef struct SfmCrewTask
{
	SfmCrewWork work;
	Size		size;			/* of the whole struct */
	int			parts;			/* so many processes may work on it at once */
	double		cost;			/* by any measure: dear tasks are begun first */
	/* results */
	int64		elapsed_us;		/* of its first part */
	Size		said;			/* for crew.c alone */
	Size		said_size;
	char	   *heard;			/* what sfm_crew_say() said, palloc'd; NULL: nothing */
} SfmCrewTask;

typedef struct SfmCrew SfmCrew;

extern bool sfm_has_event_triggers(void);
extern int	sfm_crew_workers(int nparts);
extern void sfm_crew_run(List *tasks, int nworkers, Size room);
extern void sfm_crew_say(SfmCrew *crew, SfmCrewTask *task, const char *data, Size size);

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

/* A table whose rows are to be read back (check_parallel.c). */
typedef struct SfmCheckTask SfmCheckTask;

extern void sfm_check_part(SfmCrew *crew, SfmCheckTask *task, int part);

/* A foreign key whose orphans are looked for (validate.c). */
typedef struct SfmOrphansTask SfmOrphansTask;

extern void sfm_find_orphans(SfmOrphansTask *task);

#endif							/* SFM_CREW_H */
