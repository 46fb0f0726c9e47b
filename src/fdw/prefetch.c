/*
 * prefetch.c
 *		The backend's end of a prefetching reader: starting the worker on the
 *		state of the file that the backend sees, asking it for scans, taking rows.
 *
 * One state of the file: in rollback-journal mode nobody can commit while the
 * backend has its read transaction, in WAL mode somebody can between two processes'
 * first reads.  Without sqlite3_snapshot_open(), which Debian's library lacks, a
 * third connection that has no transaction tells: its PRAGMA data_version changes
 * with every commit of others.  So it is asked, both transactions begin, and it is
 * asked again; when the answers differ, all of it is done once more.
 *
 * Lifetime: the segment belongs to the resource owner current at the start.  With it
 * go the queues, and the worker is told to end, however the call ends.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "prefetch.h"

/* Smaller files are read before a worker is up. */
#define LEAST_BYTES (16 * 1024 * 1024)

/* How often the file may be written to while both transactions begin. */
#define TRIES 5

struct SfmPrefetch
{
	SfmFile    *file;			/* the backend's */
	dsm_segment *segment;
	BackgroundWorkerHandle *worker; /* in TopMemoryContext */
	shm_mq_handle *requests;
	shm_mq_handle *rows;
};

/* When the segment is detached before the worker has ended.  Never throws. */
static void
end_worker(dsm_segment *segment, Datum arg)
{
	BackgroundWorkerHandle *worker = (BackgroundWorkerHandle *) DatumGetPointer(arg);

	TerminateBackgroundWorker(worker);
	pfree(worker);
}

static bool
start_worker(SfmPrefetch *prefetch)
{
	SfmPrefetchShared *shared;
	BackgroundWorker worker = {0};
	MemoryContext old;
	bool		started;
	shm_mq	   *requests;
	shm_mq	   *rows;

	prefetch->segment = dsm_create(SFM_SEGMENT_SIZE, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (prefetch->segment == NULL)
		return false;
	shared = dsm_segment_address(prefetch->segment);
	shared->magic = SFM_PREFETCH_MAGIC;
	shared->encoding = GetDatabaseEncoding();
	shared->busy_timeout = sfm_file_busy_timeout(prefetch->file);
	strlcpy(shared->sqlite_memory, GetConfigOption("sqlite_fdw_mig.sqlite_memory", false, false),
			sizeof(shared->sqlite_memory));
	strlcpy(shared->path, sfm_file_path(prefetch->file), sizeof(shared->path));
	requests = shm_mq_create((char *) shared + SFM_REQUESTS_AT, SFM_REQUEST_QUEUE);
	rows = shm_mq_create((char *) shared + SFM_ROWS_AT, SFM_ROW_QUEUE);
	shm_mq_set_sender(requests, MyProc);
	shm_mq_set_receiver(rows, MyProc);
	/* before there is a worker: whatever fails from here on, it finds the queues detached */
	prefetch->requests = shm_mq_attach(requests, prefetch->segment, NULL);
	prefetch->rows = shm_mq_attach(rows, prefetch->segment, NULL);

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(prefetch->segment));
	snprintf(worker.bgw_name, BGW_MAXLEN, "sqlite_fdw_mig reader for PID %d", MyProcPid);
	strlcpy(worker.bgw_type, "sqlite_fdw_mig reader", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "sqlite_fdw_mig", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sqlite_fdw_mig_prefetch_main", BGW_MAXLEN);

	/* It is needed when an abort has deleted our context already. */
	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &prefetch->worker);
	MemoryContextSwitchTo(old);
	if (!started)
	{
		dsm_detach(prefetch->segment);
		return false;
	}
	shm_mq_set_handle(prefetch->requests, prefetch->worker);
	shm_mq_set_handle(prefetch->rows, prefetch->worker);
	on_dsm_detach(prefetch->segment, end_worker, PointerGetDatum(prefetch->worker));
	return true;
}

static void
throw_lost(const SfmPrefetch *prefetch)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("lost the background worker that reads SQLite file \"%s\"",
					sfm_file_path(prefetch->file)),
			 errhint("The server log may tell why. With jobs => 0 one process does it all.")));
}

static void
send_request(SfmPrefetch *prefetch, const char *data, Size len)
{
	if (shm_mq_send(prefetch->requests, len, data, false, true) != SHM_MQ_SUCCESS)
		throw_lost(prefetch);
}

/*
 * The next message that is no notice, valid until the next one is received.  False
 * when the worker sent an error or is gone: *error then has the former, or is empty.
 */
static bool
receive(SfmPrefetch *prefetch, char **data, ErrorData *error)
{
	Size		len;
	void	   *message;

	memset(error, 0, sizeof(*error));
	for (;;)
	{
		StringInfoData text;

		if (shm_mq_receive(prefetch->rows, &len, &message, false) != SHM_MQ_SUCCESS)
			return false;
		*data = message;
		if (**data != 'E' && **data != 'N')
			return true;
		initStringInfo(&text);
		appendBinaryStringInfo(&text, *data + 1, len - 1);
		pq_parse_errornotice(&text, error);
		/* that the worker dies is no reason for the backend to */
		error->elevel = Min(error->elevel, ERROR);
		if (**data == 'E')
			return false;
		ThrowErrorData(error);
	}
}

/* The same, where only rows are expected: raises what went wrong. */
static char *
receive_rows(SfmPrefetch *prefetch)
{
	ErrorData	error;
	char	   *data;

	if (receive(prefetch, &data, &error))
		return data;
	CHECK_FOR_INTERRUPTS();
	if (error.elevel >= ERROR)
		ThrowErrorData(&error);
	throw_lost(prefetch);
	return NULL;				/* not reached */
}

/*
 * Begins both read transactions, between two looks of an idle connection.  Returns
 * NULL, or why the worker is of no use.
 */
static const char *
begin_together(SfmPrefetch *prefetch, SfmFile *idle)
{
	for (int i = 0; i < TRIES; i++)
	{
		int64		version;
		ErrorData	error;
		char	   *data;
		char		request = SFM_REQUEST_BEGIN;

		sfm_file_end(prefetch->file);
		version = sfm_file_data_version(idle);
		sfm_file_begin(prefetch->file);
		send_request(prefetch, &request, 1);
		if (!receive(prefetch, &data, &error))
		{
			CHECK_FOR_INTERRUPTS();
			return error.message ? error.message : "the background worker could not be started";
		}
		if (sfm_file_data_version(idle) == version)
			return NULL;
	}
	return "the file was written to each time they began";
}

/*
 * Starts a worker that reads the file along with the caller, whose read transaction
 * begins anew: nothing may have been read in it.  Returns NULL where none is of use
 * or to be had; *why_not is then a clause for the notes, or NULL when there is
 * nothing to tell.  The worker ends with sfm_prefetch_stop(), or with the
 * (sub)transaction.  Raises what the file's own opening and beginning raise.
 */
SfmPrefetch *
sfm_prefetch_start(SfmFile *file, const char **why_not)
{
	SfmPrefetch *prefetch;
	SfmFile    *idle;
	SfmOpenOptions options = {0};

	*why_not = NULL;
	if (sfm_file_identity(file)->size + Max(sfm_file_identity(file)->wal_size, 0) < LEAST_BYTES ||
		!sfm_file_is_shared(file))
		return NULL;
	prefetch = palloc0(sizeof(SfmPrefetch));
	prefetch->file = file;
	if (!start_worker(prefetch))
	{
		*why_not = "no background worker was free (max_worker_processes)";
		return NULL;
	}
	options.path = sfm_file_path(file);
	options.busy_timeout = sfm_file_busy_timeout(file);
	idle = sfm_file_open(&options);
	PG_TRY();
	{
		*why_not = begin_together(prefetch, idle);
	}
	PG_FINALLY();
	{
		sfm_file_close(idle);
	}
	PG_END_TRY();
	if (*why_not == NULL)
		return prefetch;
	dsm_detach(prefetch->segment);
	return NULL;
}

/* Ends the worker, and waits for it: its lock on the file is gone then. */
void
sfm_prefetch_stop(SfmPrefetch *prefetch)
{
	/* it ends by itself when the queues are gone, and leaves no FATAL in the log */
	cancel_on_dsm_detach(prefetch->segment, end_worker, PointerGetDatum(prefetch->worker));
	dsm_detach(prefetch->segment);
	(void) WaitForBackgroundWorkerShutdown(prefetch->worker);
	pfree(prefetch->worker);
	pfree(prefetch);
}

/* A scan that the worker does. */
struct SfmPrefetchScan
{
	SfmPrefetch *prefetch;
	const char *sql;
	const char *table;
	const char *rowid_name;
	int			first;			/* cells before this one do not come */
	int			ncells;			/* all of them */
	const char *next;			/* the next row, in the current message */
	int64		left;			/* rows that are left in it */
	int64		rows;			/* taken so far */
	bool		ended;
	SfmStmt    *big;			/* reads a row that was too big for the queue */
	MemoryContext mcxt;			/* where the scan lives */
};

/*
 * Asks for all rows of a query, which has no parameters and no WHERE and begins with
 * the rowid; rowid_cell is a later cell where a column is the rowid, and then the first
 * is not read.  table is for messages.  hash_types, when given, are those of the
 * columns without the rowid, and rows come with their checksum.
 */
SfmPrefetchScan *
sfm_prefetch_scan(SfmPrefetch *prefetch, const char *sql, const char *table,
				  const char *rowid_name, int ncolumns, int rowid_cell, const SfmType *hash_types)
{
	SfmPrefetchScan *scan = palloc0(sizeof(SfmPrefetchScan));
	char		header[MAXALIGN(sizeof(SfmScanRequest))] = {0};
	SfmScanRequest *request = (SfmScanRequest *) header;
	StringInfoData message;

	scan->mcxt = CurrentMemoryContext;
	scan->prefetch = prefetch;
	scan->sql = sql;
	scan->table = table;
	scan->rowid_name = rowid_name;
	scan->first = SFM_FIRST_CELL(rowid_cell);
	scan->ncells = ncolumns + 1;

	request->kind = SFM_REQUEST_SCAN;
	request->hash = hash_types != NULL;
	request->ncolumns = ncolumns;
	request->rowid_cell = rowid_cell;
	request->sql_len = strlen(sql) + 1;
	initStringInfo(&message);
	appendBinaryStringInfo(&message, header, sizeof(header));
	if (hash_types != NULL)
		appendBinaryStringInfo(&message, (const char *) hash_types, sizeof(SfmType) * ncolumns);
	appendBinaryStringInfo(&message, sql, request->sql_len);
	appendBinaryStringInfo(&message, table, strlen(table) + 1);
	send_request(prefetch, message.data, message.len);
	pfree(message.data);
	return scan;
}

/* Takes the next message; false when it says that there are no more rows. */
static bool
next_batch(SfmPrefetchScan *scan)
{
	char	   *data = receive_rows(scan->prefetch);
	SfmBatch   *batch = (SfmBatch *) data;

	if (batch->kind == SFM_REPLY_END)
	{
		scan->ended = true;
		if (batch->rows != scan->rows)
			elog(ERROR, "background worker read %lld rows of table \"%s\", of which %lld arrived",
				 (long long) batch->rows, scan->table, (long long) scan->rows);
		return false;
	}
	Assert(batch->kind == SFM_REPLY_ROWS);
	scan->next = data + sizeof(SfmBatch);
	scan->left = batch->rows;
	return true;
}

/* The row with this rowid, read here. */
static void
read_big(SfmPrefetchScan *scan, int64 rowid, SfmValue *values)
{
	if (scan->big == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->mcxt);

		scan->big = sfm_prepare(scan->prefetch->file,
								psprintf("%s WHERE " SFM_ALIAS ".%s = ?1", scan->sql,
										 scan->rowid_name), scan->table);
		MemoryContextSwitchTo(old);
	}
	else
		sfm_reset(scan->big);
	sfm_bind_int64(scan->big, 1, rowid);
	if (!sfm_step(scan->big))
		elog(ERROR, "row %lld of table \"%s\" is not in the backend's state of the file",
			 (long long) rowid, scan->table);
	for (int i = scan->first; i < scan->ncells; i++)
		sfm_column(scan->big, i, &values[i]);
}

/*
 * The next row: its cells, the rowid's first where it is read, valid until the next call;
 * false at the end.  *sum has the row's checksum, or 0 rows where it came without.  Raises
 * the worker's errors.
 */
bool
sfm_prefetch_next(SfmPrefetchScan *scan, SfmValue *values, SfmChecksum *sum)
{
	SfmWireRow	row;

	CHECK_FOR_INTERRUPTS();
	while (scan->left == 0)
		if (scan->ended || !next_batch(scan))
			return false;
	scan->next = sfm_wire_get(scan->next, &row, values + scan->first, scan->ncells - scan->first);
	scan->left--;
	scan->rows++;
	if (row.too_big)
		read_big(scan, values[scan->first].u.i, values);
	sum->rows = row.hashed ? 1 : 0;
	sum->lo = row.lo;
	sum->hi = row.hi;
	return true;
}

/* Ends the scan; rows that were not taken are passed over. */
void
sfm_prefetch_end(SfmPrefetchScan *scan)
{
	while (!scan->ended)
	{
		scan->rows += scan->left;
		(void) next_batch(scan);
	}
	if (scan->big)
		sfm_finalize(scan->big);
}
