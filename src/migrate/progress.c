/*
 * progress.c
 *		The runs that are going on, as other sessions see them.
 *
 * Each run has a small segment of dynamic shared memory, and publishes its handle
 * in the tag of an advisory lock that no SQL function can take (their fourth field
 * is 1 or 2).  Readers find the tags in the lock table and attach the segments.
 * So nothing must be preloaded, and other commands' progress reports, CREATE
 * INDEX's say, do not disturb ours.
 *
 * Concurrency: a segment has one writer, the backend whose run it is.  Counters
 * are atomics, each right for itself.  Names are written under a change count
 * that is odd meanwhile; readers copy again until it was even and stayed the
 * same.  What never changes is written before the lock is taken.  Nothing in a
 * segment is a pointer.
 *
 * Lifetime: segment and lock belong to the resource owner current at the begin, so
 * that an abort of the (sub)transaction, and the end of the backend, take them
 * away.  The callbacks here only forget what is gone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "sfm_progress.h"

/* Tells our tags and segments from others'; to change with the segment's layout. */
#define PROGRESS_MAGIC 0x53464d31
#define PROGRESS_LOCK_FIELD4 0x5153

#define SOURCE_SIZE 1024
#define PHASE_SIZE 64
#define TABLE_SIZE (4 * NAMEDATALEN + 8)	/* two names, every character quoted */

typedef struct ProgressNames
{
	char		phase[PHASE_SIZE];
	char		target_table[TABLE_SIZE];
} ProgressNames;

typedef struct ProgressSegment
{
	uint32		magic;
	int			pid;
	Oid			database;
	Oid			user;
	TimestampTz started_at;
	char		source[SOURCE_SIZE];
	char		target_schema[TABLE_SIZE];
	pg_atomic_uint32 change_count;	/* odd while names are written */
	ProgressNames names;
	pg_atomic_uint32 tables_done;
	pg_atomic_uint32 tables_total;
	pg_atomic_uint64 rows_done;
	pg_atomic_uint64 rows_total;	/* -1: unknown */
} ProgressSegment;

/* A run of this backend; the innermost first. */
typedef struct ProgressRun
{
	struct ProgressRun *outer;
	SubTransactionId subxact;	/* what it goes away with */
	ResourceOwner owner;		/* of segment and lock */
	dsm_segment *segment;		/* NULL: invisible */
	ProgressSegment *shared;
	LOCKTAG		tag;
} ProgressRun;

static ProgressRun *runs = NULL;

/* The innermost run's segment, or NULL: what reports look at. */
static ProgressSegment *current = NULL;

static void
pop_run(void)
{
	runs = runs->outer;
	current = runs ? runs->shared : NULL;
}

/* Copies a text, cut between characters where it is too long. */
static void
copy_text(char *to, const char *from, int size)
{
	int			len = from ? strlen(from) : 0;

	if (len >= size)
		len = pg_mbcliplen(from, len, size - 1);
	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

static void
fill_segment(ProgressSegment *shared, const char *source, const char *target_schema)
{
	memset(shared, 0, sizeof(*shared));
	shared->magic = PROGRESS_MAGIC;
	shared->pid = MyProcPid;
	shared->database = MyDatabaseId;
	shared->user = GetUserId();
	shared->started_at = GetCurrentTimestamp();
	copy_text(shared->source, source, SOURCE_SIZE);
	copy_text(shared->target_schema, target_schema, TABLE_SIZE);
	copy_text(shared->names.phase, "planning", PHASE_SIZE);
	pg_atomic_init_u32(&shared->change_count, 0);
	pg_atomic_init_u32(&shared->tables_done, 0);
	pg_atomic_init_u32(&shared->tables_total, 0);
	pg_atomic_init_u64(&shared->rows_done, 0);
	pg_atomic_init_u64(&shared->rows_total, (uint64) -1);
}

void
sfm_progress_begin(const char *source, const char *target_schema)
{
	ProgressRun *run = MemoryContextAllocZero(TopTransactionContext, sizeof(ProgressRun));

	run->subxact = GetCurrentSubTransactionId();
	run->owner = CurrentResourceOwner;
	run->segment = dsm_create(sizeof(ProgressSegment), DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (run->segment == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("the progress of this run will not be visible"),
				 errdetail("The server has no dynamic shared memory segment to spare.")));
	else
	{
		run->shared = dsm_segment_address(run->segment);
		fill_segment(run->shared, source, target_schema);
		SET_LOCKTAG_ADVISORY(run->tag, MyDatabaseId, PROGRESS_MAGIC,
							 dsm_segment_handle(run->segment), PROGRESS_LOCK_FIELD4);
		(void) LockAcquire(&run->tag, ShareLock, false, true);
	}
	run->outer = runs;
	runs = run;
	current = run->shared;
}

/* Ends the innermost run, in the function call that began it; nothing without one. */
void
sfm_progress_end(void)
{
	ProgressRun *run = runs;
	ResourceOwner owner = CurrentResourceOwner;

	if (run == NULL)
		return;
	pop_run();
	if (run->segment != NULL)
	{
		CurrentResourceOwner = run->owner;
		LockRelease(&run->tag, ShareLock, false);
		CurrentResourceOwner = owner;
		dsm_detach(run->segment);
	}
	pfree(run);
}

/* Nothing that could raise an error may stand between these two. */
static inline void
begin_change(ProgressSegment *shared)
{
	pg_atomic_write_u32(&shared->change_count, pg_atomic_read_u32(&shared->change_count) + 1);
	pg_write_barrier();
}

static inline void
end_change(ProgressSegment *shared)
{
	pg_write_barrier();
	pg_atomic_write_u32(&shared->change_count, pg_atomic_read_u32(&shared->change_count) + 1);
}

static void
change_names(const ProgressNames *names)
{
	begin_change(current);
	current->names = *names;
	end_change(current);
}

void
sfm_progress_phase(const char *phase)
{
	ProgressNames names;

	if (current == NULL)
		return;
	memset(&names, 0, sizeof(names));
	copy_text(names.phase, phase, PHASE_SIZE);
	change_names(&names);
	sfm_progress_rows(0, -1);
}

void
sfm_progress_table(const char *target_table)
{
	ProgressNames names;

	if (current == NULL)
		return;
	names = current->names;
	copy_text(names.target_table, target_table, TABLE_SIZE);
	change_names(&names);
	sfm_progress_rows(0, -1);
}

void
sfm_progress_tables(int done, int total)
{
	if (current == NULL)
		return;
	pg_atomic_write_u32(&current->tables_done, done);
	pg_atomic_write_u32(&current->tables_total, total);
}

void
sfm_progress_rows(int64 done, int64 total)
{
	if (current == NULL)
		return;
	pg_atomic_write_u64(&current->rows_done, (uint64) done);
	pg_atomic_write_u64(&current->rows_total, (uint64) total);
}

/*
 * End of transactions
 */

static void
progress_xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
	{
		runs = NULL;
		current = NULL;
	}
}

static void
progress_subxact_callback(SubXactEvent event, SubTransactionId subxact,
						  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB || event == SUBXACT_EVENT_COMMIT_SUB)
		while (runs != NULL && runs->subxact == subxact)
			pop_run();
}

void
sfm_progress_init(void)
{
	RegisterXactCallback(progress_xact_callback, NULL);
	RegisterSubXactCallback(progress_subxact_callback, NULL);
}

/*
 * Readers
 */

/* A consistent copy of the names. */
static void
read_names(ProgressSegment *shared, ProgressNames *names)
{
	for (;;)
	{
		uint32		before = pg_atomic_read_u32(&shared->change_count);
		uint32		after;

		pg_read_barrier();
		memcpy(names, &shared->names, sizeof(*names));
		pg_read_barrier();
		after = pg_atomic_read_u32(&shared->change_count);
		if (before == after && before % 2 == 0)
			return;
		CHECK_FOR_INTERRUPTS();
	}
}

static bool
may_see(Oid user)
{
	return has_privs_of_role(GetUserId(), user) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

static void
put_name(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	if (text != NULL)
		*value = DirectFunctionCall1(namein, CStringGetDatum(text));
}

static void
put_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text[0] == '\0';
	if (!*isnull)
		*value = CStringGetTextDatum(text);
}

#define PROGRESS_COLUMNS 12

/* One row, or none: a segment that is not a run's, or one that the user may not see. */
static void
emit_run(ReturnSetInfo *rsinfo, ProgressSegment *shared, int pid)
{
	ProgressNames names;
	Datum		values[PROGRESS_COLUMNS] = {0};
	bool		nulls[PROGRESS_COLUMNS] = {0};
	int64		rows_total;

	if (shared->magic != PROGRESS_MAGIC || shared->pid != pid || !may_see(shared->user))
		return;
	read_names(shared, &names);
	rows_total = (int64) pg_atomic_read_u64(&shared->rows_total);

	values[0] = Int32GetDatum(pid);
	put_name(&values[1], &nulls[1], get_database_name(shared->database));
	put_name(&values[2], &nulls[2], GetUserNameFromId(shared->user, true));
	put_text(&values[3], &nulls[3], shared->source);
	put_text(&values[4], &nulls[4], shared->target_schema);
	put_text(&values[5], &nulls[5], names.phase);
	put_text(&values[6], &nulls[6], names.target_table);
	values[7] = Int32GetDatum((int32) pg_atomic_read_u32(&shared->tables_done));
	values[8] = Int32GetDatum((int32) pg_atomic_read_u32(&shared->tables_total));
	values[9] = Int64GetDatum((int64) pg_atomic_read_u64(&shared->rows_done));
	values[10] = Int64GetDatum(rows_total);
	nulls[10] = rows_total < 0;
	values[11] = TimestampTzGetDatum(shared->started_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Calls emit_run() for the segment, attached for that time where it is not ours. */
static void
visit_segment(ReturnSetInfo *rsinfo, dsm_handle handle, int pid)
{
	dsm_segment *segment = dsm_find_mapping(handle);
	bool		ours = segment != NULL;

	if (!ours)
		segment = dsm_attach(handle);
	if (segment == NULL)
		return;					/* ended meanwhile */
	if (dsm_segment_map_length(segment) >= sizeof(ProgressSegment))
		emit_run(rsinfo, dsm_segment_address(segment), pid);
	if (!ours)
		dsm_detach(segment);
}

Datum
sfm_progress_srf(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	LockData   *locks;

	InitMaterializedSRF(fcinfo, 0);
	locks = GetLockStatusData();
	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->locktag.locktag_type == LOCKTAG_ADVISORY &&
			lock->locktag.locktag_field2 == PROGRESS_MAGIC &&
			lock->locktag.locktag_field4 == PROGRESS_LOCK_FIELD4 &&
			lock->holdMask != 0)
			visit_segment(rsinfo, lock->locktag.locktag_field3, lock->pid);
	}
	return (Datum) 0;
}
