/*
 * sql.c
 *		SPI in the form that the migration needs: statements with their errors, one
 *		value, and a statement whose failure costs only itself.
 *
 * All of it runs with the caller's rights.  sfm_safe_settings() pins what could
 * change the meaning of a statement: names are looked up in pg_catalog alone, and
 * dates, numbers and intervals are written in one way.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "sfm_migrate.h"

/* SPI_execute(), which else leaves its own memory context as the current one. */
static void
execute(const char *sql, long limit)
{
	MemoryContext mcxt = CurrentMemoryContext;
	int			rc = SPI_execute(sql, false, limit);

	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	MemoryContextSwitchTo(mcxt);
}

/* Runs one statement and forgets its rows.  Errors are PostgreSQL's. */
void
sfm_exec(const char *sql)
{
	execute(sql, 0);
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Whether an object's failure with this SQLSTATE costs only the object: what it
 * says is wrong with the object or its rows, not with the server or the session.
 */
static bool
costs_only_itself(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case MAKE_SQLSTATE('0', 'A', '0', '0', '0'):
		case MAKE_SQLSTATE('2', '2', '0', '0', '0'):
		case MAKE_SQLSTATE('2', '3', '0', '0', '0'):
		case MAKE_SQLSTATE('4', '2', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '4', '0', '0', '0'):
			return true;
		default:
			return false;
	}
}

/*
 * Runs work(arg) in a subtransaction, which is kept when it returns true and
 * undone when it returns false.  NULL when it ended so; else what it raised, after
 * the subtransaction was undone.  An error may not just pass through: the
 * transaction above would be left in the state of the subtransaction.
 */
ErrorData *
sfm_subtransaction(bool (*work) (void *arg), void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		if (work(arg))
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * The same; false when it failed in a way that concerns it alone.  Then *sqlstate, unless
 * that is NULL, and *message (palloc'd, with the detail) say why.  Any other error is raised.
 */
bool
sfm_try_work(bool (*work) (void *arg), void *arg, int *sqlstate, char **message)
{
	ErrorData  *error = sfm_subtransaction(work, arg);

	if (error == NULL)
		return true;
	if (!costs_only_itself(error->sqlerrcode))
		ReThrowError(error);
	if (sqlstate)
		*sqlstate = error->sqlerrcode;
	*message = error->detail ?
		psprintf("%s (%s)", error->message, error->detail) : pstrdup(error->message);
	FreeErrorData(error);
	return false;
}

/* The same, of which nobody asks why. */
bool
sfm_try(bool (*work) (void *arg), void *arg)
{
	ErrorData  *error = sfm_subtransaction(work, arg);

	if (error == NULL)
		return true;
	if (!costs_only_itself(error->sqlerrcode))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}


static bool
exec_work(void *arg)
{
	sfm_exec((const char *) arg);
	return true;
}

/*
 * Runs one statement in a subtransaction.  False when it failed in a way that
 * concerns it alone; then *sqlstate and *message (palloc'd, with the detail) say
 * why.  Any other error is raised.
 */
bool
sfm_try_exec(const char *sql, int *sqlstate, char **message)
{
	return sfm_try_work(exec_work, unconstify(char *, sql), sqlstate, message);
}

/* The first column of a query's first row as bigint; no row counts as NULL. */
int64
sfm_query_int64(const char *sql, bool *isnull)
{
	int64		result = 0;

	execute(sql, 1);
	*isnull = true;
	if (SPI_processed > 0)
		result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull));
	SPI_freetuptable(SPI_tuptable);
	return *isnull ? 0 : result;
}

/* The first column of a query's first row as text, palloc'd; NULL for none. */
char *
sfm_query_text(const char *sql)
{
	char	   *result = NULL;

	execute(sql, 1);
	if (SPI_processed > 0)
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/* Rows of a query, all columns as text or NULL: a list of char *[]; palloc'd. */
List *
sfm_query_rows(const char *sql)
{
	List	   *result = NIL;

	execute(sql, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int			n = SPI_tuptable->tupdesc->natts;
		char	  **row = palloc(sizeof(char *) * n);

		for (int j = 0; j < n; j++)
			row[j] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1);
		result = lappend(result, row);
	}
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * Begins a level of settings for the call, which an error undoes and which
 * AtEOXact_GUC(true, level) ends.
 */
int
sfm_safe_settings(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"extra_float_digits", "1"},
		{"standard_conforming_strings", "on"},
		{"check_function_bodies", "on"},
		{"row_security", "on"},
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/*
 * With one snapshot for the whole transaction, a lock taken later does not make
 * what others committed before it visible: rows would be counted and compared
 * that are not the ones that the locked table holds.
 */
void
sfm_require_read_committed(const char *function)
{
	if (!IsolationUsesXactSnapshot())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("%s() cannot run in a transaction with isolation level %s", function,
					IsolationIsSerializable() ? "SERIALIZABLE" : "REPEATABLE READ"),
			 errdetail("What it finds and counts must be seen by snapshots taken after its locks."),
			 errhint("Use READ COMMITTED.")));
}

/* "1 row", "3 rows"; palloc'd. */
char *
sfm_counted(int64 n, const char *what)
{
	return psprintf("%lld %s%s", (long long) n, what, n == 1 ? "" : "s");
}

/* schema.name, each quoted where needed; palloc'd. */
char *
sfm_qualify(const char *schema, const char *name)
{
	return quote_qualified_identifier(schema, name);
}

/* A text as SQL literal; palloc'd. */
char *
sfm_literal(const char *text)
{
	return quote_literal_cstr(text);
}
