/*
 * sfm_progress.h
 *		How far a running migration is, for the view sqlite_mig.progress.
 *
 * A run begins, reports, and ends, all within one call of a function; the other
 * functions do nothing outside of one.  An error ends it too: it disappears with
 * the transaction or subtransaction that began it.  Runs may nest: reports are
 * the innermost one's.
 */
#ifndef SFM_PROGRESS_H
#define SFM_PROGRESS_H

#include "fmgr.h"

/*
 * Begins a run and makes it visible to other sessions.  Where the server has no
 * shared memory segment to spare, a WARNING says so and the run is invisible.
 */
extern void sfm_progress_begin(const char *source, const char *target_schema);
extern void sfm_progress_end(void);

/* What is going on: a short phrase.  Sets the table to none. */
extern void sfm_progress_phase(const char *phase);

/* The table that it is going on with, schema-qualified; NULL: none.  Sets the rows to unknown. */
extern void sfm_progress_table(const char *target_table);

extern void sfm_progress_tables(int done, int total);

/* total -1: unknown.  A pair of plain stores: may be called for each row. */
extern void sfm_progress_rows(int64 done, int64 total);

/* Called by _PG_init: (sub)transaction callbacks. */
extern void sfm_progress_init(void);

/*
 * The function behind the view: SETOF record (pid int, datname name, usename name,
 * source text, target_schema text, phase text, target_table text, tables_done int,
 * tables_total int, rows_done bigint, rows_total bigint, started_at timestamptz).
 * VOLATILE, PARALLEL RESTRICTED.
 */
extern Datum sfm_progress_srf(FunctionCallInfo fcinfo);

#endif							/* SFM_PROGRESS_H */
