/*
 * prefetch.h
 *		What the two ends of a prefetching reader share: the segment, the messages,
 *		the form of a row.
 *
 * A migration's backend may have a background worker read the SQLite file ahead of
 * it.  The worker has its own connection on the same state of the file, knows
 * nothing of PostgreSQL's catalogs or transactions, and hands over SQLite's values as
 * they are, with each row's checksum; all that is decided about them is decided in
 * the backend.
 *
 * Everything goes through one segment of shared memory with two queues (shm_mq):
 * requests to the worker, rows from it.  The first byte of a message tells its kind;
 * errors are the server's own ErrorResponse.
 */
#ifndef SFM_PREFETCH_H
#define SFM_PREFETCH_H

#include "lib/stringinfo.h"
#include "libpq/pqmq.h"
#include "storage/shm_mq.h"

#include "fdw_internal.h"

/* To change with the layout of the segment or of the messages. */
#define SFM_PREFETCH_MAGIC 0x53464d51

#define SFM_REQUEST_QUEUE (64 * 1024)
#define SFM_ROW_QUEUE (1024 * 1024)

typedef struct SfmPrefetchShared
{
	uint32		magic;
	int			encoding;		/* of the database */
	int			busy_timeout;	/* ms, for SQLite's locks */
	char		sqlite_memory[32];	/* the setting of that name */
	char		path[MAXPGPATH];
} SfmPrefetchShared;

/* The queues follow the header. */
#define SFM_REQUESTS_AT MAXALIGN(sizeof(SfmPrefetchShared))
#define SFM_ROWS_AT (SFM_REQUESTS_AT + SFM_REQUEST_QUEUE)
#define SFM_SEGMENT_SIZE (SFM_ROWS_AT + SFM_ROW_QUEUE)

/* to the worker */
#define SFM_REQUEST_BEGIN 'B'	/* begin a read transaction, in place of the last one */
#define SFM_REQUEST_SCAN 'S'	/* SfmScanRequest, types, query, name of the table */
/* from the worker; 'E' is an error, 'N' a notice */
#define SFM_REPLY_BEGUN 'R'
#define SFM_REPLY_ROWS 'D'		/* SfmBatch, rows */
#define SFM_REPLY_END 'Z'		/* SfmBatch: the scan's number of rows */

typedef struct SfmScanRequest
{
	char		kind;
	bool		hash;			/* rows come with their checksum */
	int			ncolumns;		/* without the rowid, which comes first */
	int			rowid_cell;		/* where the rowid is; not 0: in a column, and the first cell is not read */
	int			sql_len;		/* with its terminating zero */
	/* follow: ncolumns times SfmType where hash, the query, the table's name */
} SfmScanRequest;

typedef struct SfmBatch
{
	char		kind;
	int64		rows;
	/* follow: rows */
} SfmBatch;

/*
 * A row, its length a multiple of 8: this header, then each cell, the rowid's
 * first unless a column has it.
 */
typedef struct SfmWireRow
{
	bool		hashed;			/* lo and hi are set */
	bool		too_big;		/* only the rowid follows: the backend reads the row itself */
	uint64		lo;
	uint64		hi;
} SfmWireRow;

/* A cell: this, then 8 bytes of number, or len bytes padded to 8, or nothing for NULL. */
typedef struct SfmWireCell
{
	int32		len;
	uint8		cls;
	bool		bad_encoding;
	uint16		unused;
} SfmWireCell;

/* What makes a row too big for the queue, in bytes. */
#define SFM_TOO_BIG (4 * 1024 * 1024)

/* prefetch_row.c */
extern void sfm_wire_put(StringInfo to, const SfmWireRow *row, const SfmValue *values, int n);
extern const char *sfm_wire_get(const char *from, SfmWireRow *row, SfmValue *values, int n);

#endif							/* SFM_PREFETCH_H */
