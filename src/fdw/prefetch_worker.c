/*
 * prefetch_worker.c
 *		The background worker that reads a SQLite file ahead of its backend.
 *
 * It has no database connection and no transaction: all it does is to open the
 * file that the segment names, as hardened as the backend does, and to answer
 * requests until the backend detaches the queues.  The right to read the file was
 * checked by the backend, which started it.
 *
 * An error is sent to the backend, as parallel workers do, and ends the worker.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "prefetch.h"

/* Rows are sent when this much has come together. */
#define BATCH_BYTES (32 * 1024)

extern PGDLLEXPORT void sqlite_fdw_mig_prefetch_main(Datum arg);

static SfmFile *the_file = NULL;

static void
close_file(int code, Datum arg)
{
	SfmFile    *file = the_file;

	the_file = NULL;
	sfm_file_close(file);
}

/* Sends a message; the worker ends, without an error, when nobody wants it any more. */
static void
send_message(shm_mq_handle *queue, StringInfo message, bool flush)
{
	if (shm_mq_send(queue, message->len, message->data, false, flush) != SHM_MQ_SUCCESS)
		proc_exit(0);
}

static void
begin(SfmPrefetchShared *shared, shm_mq_handle *queue)
{
	StringInfoData reply;

	if (the_file == NULL)
	{
		SfmOpenOptions options = {0};

		options.path = shared->path;
		options.busy_timeout = shared->busy_timeout;
		the_file = sfm_file_open(&options);
	}
	else
		sfm_file_end(the_file);
	sfm_file_begin(the_file);
	/* A private copy is made at one moment, which is not the backend's. */
	if (!sfm_file_is_shared(the_file))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("SQLite file \"%s\" can be read from a private copy only", shared->path)));
	initStringInfo(&reply);
	appendStringInfoChar(&reply, SFM_REPLY_BEGUN);
	send_message(queue, &reply, true);
	pfree(reply.data);
}

/* A request taken apart; types point into it. */
typedef struct ScanTask
{
	const SfmScanRequest *request;
	const SfmType *types;
	const char *sql;
	const char *table;
} ScanTask;

static ScanTask
read_request(const char *data)
{
	ScanTask		scan;

	scan.request = (const SfmScanRequest *) data;
	data += MAXALIGN(sizeof(SfmScanRequest));
	scan.types = (const SfmType *) data;
	if (scan.request->hash)
		data += sizeof(SfmType) * scan.request->ncolumns;
	scan.sql = data;
	scan.table = data + scan.request->sql_len;
	return scan;
}

/* Begins a batch: its header, to be completed when it is sent. */
static void
start_batch(StringInfo batch, char kind, int64 rows)
{
	SfmBatch	header = {.kind = kind, .rows = rows};

	resetStringInfo(batch);
	appendBinaryStringInfo(batch, (char *) &header, sizeof(header));
}

/* Reads the current row's cells from first on; returns the bytes of its texts and blobs. */
static int64
read_row(SfmStmt *stmt, SfmValue *values, int first, int n)
{
	int64		bytes = 0;

	for (int i = first; i < n; i++)
	{
		sfm_column(stmt, i, &values[i]);
		if (values[i].cls == SFM_TEXT || values[i].cls == SFM_BLOB)
			bytes += values[i].len;
	}
	return bytes;
}

static void
run_scan(const char *data, shm_mq_handle *queue)
{
	ScanTask		scan = read_request(data);
	int			n = scan.request->ncolumns + 1;
	int			rowid_cell = scan.request->rowid_cell;
	int			first = SFM_FIRST_CELL(rowid_cell);
	SfmValue   *values = palloc(sizeof(SfmValue) * n);
	SfmRowHash *hash = scan.request->hash ?
		sfm_rowhash_create(scan.request->ncolumns, scan.types) : NULL;
	SfmStmt    *stmt = sfm_prepare(the_file, scan.sql, scan.table);
	StringInfoData batch;
	int64		in_batch = 0;
	int64		rows = 0;

	initStringInfo(&batch);
	start_batch(&batch, SFM_REPLY_ROWS, 0);
	while (sfm_step(stmt))
	{
		SfmWireRow	row = {0};

		row.too_big = read_row(stmt, values, first, n) > SFM_TOO_BIG;
		if (hash != NULL && !row.too_big)
		{
			SfmChecksum sum = {0};

			row.hashed = sfm_rowhash_add_source(hash, values + 1, NULL, &sum) < 0;
			row.lo = sum.lo;
			row.hi = sum.hi;
		}
		if (row.too_big)
			sfm_wire_put(&batch, &row, values + rowid_cell, 1);
		else
			sfm_wire_put(&batch, &row, values + first, n - first);
		in_batch++;
		rows++;
		if (batch.len >= BATCH_BYTES)
		{
			((SfmBatch *) batch.data)->rows = in_batch;
			send_message(queue, &batch, false);
			start_batch(&batch, SFM_REPLY_ROWS, 0);
			in_batch = 0;
		}
	}
	sfm_finalize(stmt);
	((SfmBatch *) batch.data)->rows = in_batch;
	if (in_batch > 0)
		send_message(queue, &batch, false);
	start_batch(&batch, SFM_REPLY_END, rows);
	send_message(queue, &batch, true);
}

static void
serve(SfmPrefetchShared *shared, shm_mq_handle *requests, shm_mq_handle *rows)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "SQLite scan",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		Size		len;
		void	   *data;

		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		if (shm_mq_receive(requests, &len, &data, false) != SHM_MQ_SUCCESS)
			return;
		switch (*(char *) data)
		{
			case SFM_REQUEST_BEGIN:
				begin(shared, rows);
				break;
			case SFM_REQUEST_SCAN:
				run_scan(data, rows);
				break;
			default:
				elog(ERROR, "unknown request %d", *(char *) data);
		}
	}
}

/* Where the worker begins; arg is the handle of its segment. */
void
sqlite_fdw_mig_prefetch_main(Datum arg)
{
	dsm_segment *segment;
	SfmPrefetchShared *shared;
	shm_mq_handle *requests;
	shm_mq_handle *rows;
	shm_mq	   *queue;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "SQLite reader");
	MemoryContextSwitchTo(TopMemoryContext);

	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		proc_exit(0);			/* the backend is gone already */
	shared = dsm_segment_address(segment);
	if (shared->magic != SFM_PREFETCH_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("background worker of sqlite_fdw_mig met a segment of another version")));
	queue = (shm_mq *) ((char *) shared + SFM_REQUESTS_AT);
	shm_mq_set_receiver(queue, MyProc);
	requests = shm_mq_attach(queue, segment, NULL);
	queue = (shm_mq *) ((char *) shared + SFM_ROWS_AT);
	shm_mq_set_sender(queue, MyProc);
	rows = shm_mq_attach(queue, segment, NULL);
	pq_redirect_to_shm_mq(segment, rows);

	SetDatabaseEncoding(shared->encoding);
	SetConfigOption("sqlite_fdw_mig.sqlite_memory", shared->sqlite_memory, PGC_SUSET,
					PGC_S_OVERRIDE);
	before_shmem_exit(close_file, (Datum) 0);
	serve(shared, requests, rows);
	proc_exit(0);
}
