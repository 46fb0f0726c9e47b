/*
 * sqlite_fdw_mig.c
 *		The front door: module magic, initialization, the FDW's handler and
 *		validator, the SQL-callable entry points.
 *
 * Entry points are exported by name; everything else in the module is hidden (see
 * include/compat.h).  The work is in src/.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "fmgr.h"

#include "compat.h"
#include "sfm_fdw.h"
#include "sfm_migrate.h"
#include "sfm_progress.h"
#include "sfm_sqlite.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

SFM_FUNCTION(sqlite_fdw_mig_handler);
SFM_FUNCTION(sqlite_fdw_mig_validator);
SFM_FUNCTION(sqlite_fdw_mig_migrate);
SFM_FUNCTION(sqlite_fdw_mig_script);
SFM_FUNCTION(sqlite_fdw_mig_inspect);
SFM_FUNCTION(sqlite_fdw_mig_verify);
SFM_FUNCTION(sqlite_fdw_mig_fix_sequences);
SFM_FUNCTION(sqlite_fdw_mig_progress);

/* Called once when the module is loaded into a backend. */
void
_PG_init(void)
{
	sfm_memory_init();
	sfm_connection_init();
	sfm_progress_init();
#ifdef SFM_FAULTS
	sfm_fault_init();
#endif
}

/* sqlite_mig.fdw_handler() */
Datum
sqlite_fdw_mig_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	sfm_fdw_fill_routine(routine);
	PG_RETURN_POINTER(routine);
}

/* sqlite_mig.fdw_validator(options text[], catalog oid) */
Datum
sqlite_fdw_mig_validator(PG_FUNCTION_ARGS)
{
	sfm_validate_options(untransformRelOptions(PG_GETARG_DATUM(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* sqlite_mig.migrate(...), see docs/reference.md */
Datum
sqlite_fdw_mig_migrate(PG_FUNCTION_ARGS)
{
	sfm_migrate(fcinfo);
	return (Datum) 0;
}

/* sqlite_mig.script(...) */
Datum
sqlite_fdw_mig_script(PG_FUNCTION_ARGS)
{
	sfm_script(fcinfo);
	return (Datum) 0;
}

/* sqlite_mig.inspect(...) */
Datum
sqlite_fdw_mig_inspect(PG_FUNCTION_ARGS)
{
	sfm_inspect(fcinfo);
	return (Datum) 0;
}

/* sqlite_mig.verify(...) */
Datum
sqlite_fdw_mig_verify(PG_FUNCTION_ARGS)
{
	sfm_verify(fcinfo);
	return (Datum) 0;
}

/* sqlite_mig.fix_sequences(...) */
Datum
sqlite_fdw_mig_fix_sequences(PG_FUNCTION_ARGS)
{
	sfm_fix_sequences(fcinfo);
	return (Datum) 0;
}

/* sqlite_mig.progress(), behind the view of that name */
Datum
sqlite_fdw_mig_progress(PG_FUNCTION_ARGS)
{
	return sfm_progress_srf(fcinfo);
}
