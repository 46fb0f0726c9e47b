/*
 * sfm_fdw.h
 *		The foreign data wrapper, as the SQL-callable front door and the migration
 *		see it.
 */
#ifndef SFM_FDW_H
#define SFM_FDW_H

#include "foreign/fdwapi.h"
#include "nodes/pg_list.h"
#include "sfm_catalog.h"
#include "sfm_rowhash.h"
#include "sfm_value.h"

/* connection.c: one SQLite connection a server and backend, one snapshot a transaction */

/*
 * The open file of a foreign server, in its read transaction.  Opened on first
 * use, kept across statements, dropped when the server's options change or the
 * file is replaced; the read transaction ends with the PostgreSQL transaction.
 */
extern SfmFile *sfm_connection_for_server(Oid serverid);
extern bool sfm_connection_in_use(Oid serverid);	/* this transaction has used it already */

/*
 * The same for a path, without a server: opened, its read transaction begun,
 * closed by sfm_connection_close_path() or at the end of the (sub)transaction in which
 * it was opened.  sfm_connection_lend() makes a server use this very file until
 * then, so that what is read through foreign tables is the same snapshot.
 */
extern SfmFile *sfm_connection_open_path(const char *path, int busy_timeout);
extern void sfm_connection_lend(SfmFile *file, Oid serverid);
extern void sfm_connection_close_path(SfmFile *file);	/* ereports if an immutable source changed */

/* Called by _PG_init: (sub)transaction callbacks, syscache invalidation. */
extern void sfm_connection_init(void);

/* options.c */
#define SFM_DEFAULT_BUSY_TIMEOUT 5000	/* ms */
extern void sfm_validate_options(List *options, Oid catalog);	/* the validator */
extern const char *sfm_option(List *options, const char *name);	/* string, or NULL */
extern char *sfm_server_database(Oid serverid);	/* option "database" */
extern int	sfm_server_busy_timeout(Oid serverid);
extern void sfm_check_path_privilege(Oid roleid);	/* superuser or pg_read_server_files, else 42501 */

/* What a foreign table's column reads, from its options. */
typedef struct SfmForeignColumn
{
	AttrNumber	attnum;
	char	   *source_name;	/* column_name option, or the attribute's name */
	SfmType		type;
} SfmForeignColumn;

/* The source table's name; *columns (one per attribute, attnum 0 for dropped ones) may be NULL. */
extern char *sfm_foreign_table(Oid relid, SfmForeignColumn **columns);

/* The FDW's callbacks (plan.c, scan.c, analyze.c, import.c), put into the routine by the front door. */
extern void sfm_fdw_fill_routine(FdwRoutine *routine);

/*
 * scan sink
 *		How a migration listens to the scan of a foreign table that it created.
 *
 * Without a sink, a misfit is an error.  With one attached for the relation, the
 * scan reads all live columns in order, and per row: converts; handles each
 * misfit by its column's policy; adds the row to the source checksum (rows that
 * are rejected excepted); and returns it.  From the first misfit under
 * SFM_ON_MISFIT_COLLECT on it returns no more rows but goes through the rest of
 * the table, so that the misfits and what was seen describe all of it.
 */
typedef enum SfmOnMisfit
{
	SFM_ON_MISFIT_COLLECT,		/* widen, error: describe all of them, the caller decides */
	SFM_ON_MISFIT_NULL,
	SFM_ON_MISFIT_REJECT
} SfmOnMisfit;

typedef struct SfmSinkColumn
{
	SfmOnMisfit on_misfit;		/* the caller's choice */
	bool		fixed;			/* SfmType.fixed of the conversion, which no option says */
	bool		soft_apart;		/* soft misfits are collected apart, whatever on_misfit says */
	SfmType		planned;		/* with soft_apart: the decision, which options of the
								 * foreign table do not tell in full */
	SfmMisfits	misfits;		/* filled by the scan */
	SfmMisfits	soft;			/* the same, with soft_apart */
	SfmSeen		seen;			/* filled when the scan ends */
	int64		nulled;			/* values that became NULL by policy, '' included */
} SfmSinkColumn;

/*
 * A background worker that reads the file ahead of the scans that feed sinks
 * (prefetch.c).
 */
typedef struct SfmPrefetch SfmPrefetch;
extern SfmPrefetch *sfm_prefetch_start(SfmFile *file, const char **why_not);
extern void sfm_prefetch_stop(SfmPrefetch *prefetch);

typedef struct SfmScanSink SfmScanSink;
struct SfmScanSink
{
	Oid			relid;			/* the foreign table */
	const SfmTable *table;		/* what it reads, for the planner */
	MemoryContext mcxt;			/* where the sink and what it collects live */
	int			ncolumns;		/* live columns of the foreign table, in order */
	SfmSinkColumn *columns;
	SfmPrefetch *prefetch;		/* reads ahead; NULL: nobody does */
	SfmRowHash *hash;			/* NULL: no checksum wanted */
	const SfmType *plain_types;	/* the columns' types, where sfm_rowhash_is_plain(); or NULL */
	SfmChecksum checksum;		/* of the rows that arrived */
	int64		source_rows;	/* rows read */
	int64		rejected_rows;
	bool		collecting;		/* a misfit under COLLECT was met: no more rows come */
	void		(*reject) (SfmScanSink *sink, bool has_rowid, int64 rowid, int column,
						   SfmFit fit, const SfmValue *values);
	void		(*progress) (SfmScanSink *sink);	/* now and then; may be NULL */
	void	   *private_data;	/* the caller's */
};

/*
 * At most one sink a relation.  The scan looks it up when it begins.  Attached
 * sinks are forgotten at the end of the transaction or of the subtransaction that
 * attached them.
 */
extern void sfm_sink_attach(SfmScanSink *sink);
extern void sfm_sink_detach(SfmScanSink *sink);
extern SfmScanSink *sfm_sink_find(Oid relid);

/*
 * The columns of one source table, run through converters without a foreign
 * table: what dry_run, inspect, script and IMPORT's search for a reading use.
 * Calls row() for each row after the converters have seen it, when given; rowid is
 * NULL where the table has none that can be read.
 */
typedef struct SfmSurveyColumn
{
	const char *name;
	SfmConv    *conv;
	bool		soft_apart;		/* as in SfmSinkColumn */
	SfmMisfits	misfits;
	SfmMisfits	soft;
	SfmFit		fit;			/* of the current row, for row() */
	Datum		datum;			/* likewise, where it fits */
} SfmSurveyColumn;

extern int64 sfm_survey(SfmFile *file, const SfmTable *table, int ncolumns,
						SfmSurveyColumn *columns,
						void (*row) (void *arg, const int64 *rowid, const SfmValue *values),
						void *arg);

/* deparse.c: "SELECT ... FROM ..." on the source for these columns; rowid first when the table has one */
extern char *sfm_select_sql(const SfmTable *table, int ncolumns, const char *const *names,
							bool *rowid_first);

#endif							/* SFM_FDW_H */
