/*
 * harden.c
 *		A SQLite file is hostile until proved otherwise: what is switched off, what
 *		is limited, and what an SQL statement on it may do.
 *
 * Follows https://www.sqlite.org/security.html.  Schema text of the file takes
 * part in our statements (views, generated columns, expression indexes), so the
 * authorizer judges those as well as ours: reading is allowed, nothing else, and
 * functions that reach outside the database are refused by name.
 *
 * Callbacks run inside SQLite and must neither throw nor allocate: they only
 * return what SQLite shall do, and the caller looks for interrupts afterwards.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "sqlite_internal.h"

/* Virtual machine steps between two looks at pending interrupts: well under 1 ms. */
#define PROGRESS_STEPS 2000

/* SQLite's page cache; its own default, in the form that means KiB. */
#define CACHE_SIZE "-2000"

/* Longest sleep between two tries for a lock, in ms. */
#define BUSY_SLEEP 20

/*
 * Stops the statement for a cancel or the backend's end alone.  Other interrupts
 * (a barrier, a sinval catchup) pend as well and are served between two steps: a
 * statement that was stopped for one of them could not go on.
 */
static int
progress(void *arg)
{
	return QueryCancelPending || ProcDiePending ? 1 : 0;
}

/*
 * Called when a lock is not free.  sqlite3_busy_timeout() would sleep through a
 * cancel, hence a handler of our own that sleeps on the latch.
 */
static int
busy(void *arg, int tries)
{
	SfmFile    *file = arg;
	int64		now = GetCurrentTimestamp();

	if (file->busy_since == 0 || tries == 0)
		file->busy_since = now;
	if (QueryCancelPending || ProcDiePending ||
		now - file->busy_since >= (int64) file->busy_timeout * 1000)
		return 0;
	/* Not WL_EXIT_ON_PM_DEATH: exiting in here would close the handle that is in use. */
	if (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH,
				  Min(BUSY_SLEEP, tries + 1), PG_WAIT_EXTENSION) & WL_POSTMASTER_DEATH)
		return 0;
	ResetLatch(MyLatch);
	return 1;
}

static bool
pragma_is_harmless(const char *name)
{
	static const char *const harmless[] = {
		"data_version", "encoding", "foreign_key_list", "index_list", "index_xinfo",
		"page_count", "schema_version", "table_list", "table_xinfo"
	};

	for (int i = 0; i < lengthof(harmless); i++)
		if (pg_strcasecmp(name, harmless[i]) == 0)
			return true;
	return false;
}

/* Functions that read or write elsewhere, load code, or hand out pointers. */
static bool
function_is_dangerous(const char *name)
{
	static const char *const dangerous[] = {
		"edit", "fts3_tokenizer", "load_extension", "lsdir", "readfile", "shell_add_schema",
		"sqlite_rename_column", "sqlite_rename_table",
		"writefile"
	};

	for (int i = 0; i < lengthof(dangerous); i++)
		if (pg_strcasecmp(name, dangerous[i]) == 0)
			return true;
	return false;
}

/* Not foreach(): a callback must not look for interrupts. */
static bool
is_listed(const List *names, const char *name)
{
	for (int i = 0; i < list_length(names); i++)
		if (pg_strcasecmp(name, list_nth(names, i)) == 0)
			return true;
	return false;
}

/* A table that no CREATE made: the library's own, pragma_... among them. */
static bool
is_module(const SfmFile *file, const char *table)
{
	return pg_strncasecmp(table, "pragma_", 7) == 0 || is_listed(file->modules, table);
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *database,
		  const char *from)
{
	const SfmFile *file = arg;

	switch (action)
	{
		case SQLITE_READ:
			/* from: the view that reads */
			return from && a && file->trusted && is_module(file, a) ? SQLITE_DENY : SQLITE_OK;
		case SQLITE_SELECT:
		case SQLITE_RECURSIVE:
		case SQLITE_TRANSACTION:
			return SQLITE_OK;
		case SQLITE_PRAGMA:
			return a && pragma_is_harmless(a) ? SQLITE_OK : SQLITE_DENY;
		case SQLITE_UPDATE:
			/*
			 * SQLite declares a table-valued function (pragma_..., json_each) by
			 * its CREATE TABLE, whose nested parse asks for this; nothing is
			 * written.
			 */
			return a && strcmp(a, "sqlite_master") == 0 ? SQLITE_OK : SQLITE_DENY;
		case SQLITE_FUNCTION:
			return b && (function_is_dangerous(b) || is_listed(file->refused, b)) ? SQLITE_DENY : SQLITE_OK;
		default:
			return SQLITE_DENY;
	}
}

static int
compare_bytes(void *arg, int alen, const void *a, int blen, const void *b)
{
	int			result = memcmp(a, b, Min(alen, blen));

	return result != 0 ? result : alen - blen;
}

/*
 * A collation that the application registers and we do not know.  Comparing
 * bytes lets rows be read; that it is not the collation is for the catalog's
 * reader to say.
 */
static void
unknown_collation(void *arg, sqlite3 *db, int encoding, const char *name)
{
	(void) sqlite3_create_collation_v2(db, name, encoding, NULL, compare_bytes, NULL);
}

static bool
is_json_function(const char *name)
{
	return pg_strncasecmp(name, "json", 4) == 0 || strncmp(name, "->", 2) == 0;
}

/* The library's virtual tables, but for JSON's, which reach nothing but their arguments. */
static void
list_modules(SfmFile *file)
{
	sqlite3_stmt *stmt;
	int			rc = sqlite3_prepare_v2(file->db, "PRAGMA module_list", -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		sfm_throw(file, rc, NULL);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		const char *name = (const char *) sqlite3_column_text(stmt, 0);

		if (name && pg_strncasecmp(name, "json_", 5) != 0)
			file->modules = lappend(file->modules, MemoryContextStrdup(file->mcxt, name));
	}
	(void) sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		sfm_throw(file, rc, NULL);
}

/*
 * Whether the schema of the file is trusted from now on: only where it may call JSON
 * functions that this SQLite does not mark.
 */
void
sfm_trust_schema(SfmFile *file, bool calls_json)
{
	int			rc;

	file->trusted = calls_json && file->json_unmarked;
	rc = sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, file->trusted ? 1 : 0, NULL);
	if (rc != SQLITE_OK)
		sfm_throw(file, rc, NULL);
}

/*
 * SQLite 3.40 does not mark its JSON functions as innocuous: without trust in its schema,
 * a file that has one in an index, generated column or view cannot be read at all.  For
 * such a file the authorizer stands in for the switch (sfm_trust_schema()): it refuses
 * every function that lacks the mark, but for JSON's, and to views the library's virtual
 * tables.  Elsewhere the switch does.
 */
static void
list_functions(SfmFile *file)
{
	sqlite3_stmt *stmt;
	int			rc = sqlite3_prepare_v2(file->db, "PRAGMA function_list", -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		sfm_throw(file, rc, NULL);
	/* name, builtin, type, encoding, number of arguments, flags */
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		const char *name = (const char *) sqlite3_column_text(stmt, 0);

		if (name == NULL || (sqlite3_column_int(stmt, 5) & SQLITE_INNOCUOUS))
			continue;
		if (sqlite3_column_int(stmt, 1) && is_json_function(name))
			file->json_unmarked = true;
		else
			file->refused = lappend(file->refused, MemoryContextStrdup(file->mcxt, name));
	}
	(void) sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		sfm_throw(file, rc, NULL);
	if (file->json_unmarked)
		list_modules(file);
	/* Parsing the schema asks already, and runs nothing; sfm_file_begin() decides. */
	sfm_trust_schema(file, true);
}

static void
pragma(SfmFile *file, const char *sql)
{
	int			rc = sqlite3_exec(file->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		sfm_throw(file, rc, NULL);
}

/* Configures a handle that was just opened; before anything is read through it. */
void
sfm_harden(SfmFile *file)
{
	static const struct
	{
		int			option;
		int			value;
	}			config[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
		{SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
		{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
		{SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
		/* Closing must not write the file of a running application. */
		{SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
		/* Definitions of old files say "x" and mean the string; views are DML. */
		{SQLITE_DBCONFIG_DQS_DDL, 1},
		{SQLITE_DBCONFIG_DQS_DML, 1},
	};
	/* Where the library was built with less, that holds. */
	static const struct
	{
		int			id;
		int			value;
	}			limits[] = {
		{SQLITE_LIMIT_LENGTH, 1000000000},
		{SQLITE_LIMIT_SQL_LENGTH, 100 * 1024 * 1024},
		{SQLITE_LIMIT_EXPR_DEPTH, 1000},
		{SQLITE_LIMIT_COMPOUND_SELECT, 500},
		{SQLITE_LIMIT_VDBE_OP, 10000000},
		{SQLITE_LIMIT_FUNCTION_ARG, 127},
		{SQLITE_LIMIT_ATTACHED, 0},
		{SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50000},
		{SQLITE_LIMIT_TRIGGER_DEPTH, 1},
		{SQLITE_LIMIT_WORKER_THREADS, 0},
	};
	sqlite3    *db = file->db;

	for (int i = 0; i < lengthof(config); i++)
	{
		int			rc = sqlite3_db_config(db, config[i].option, config[i].value, NULL);

		if (rc != SQLITE_OK)
			sfm_throw(file, rc, NULL);
	}
	for (int i = 0; i < lengthof(limits); i++)
		sqlite3_limit(db, limits[i].id, Min(limits[i].value, sqlite3_limit(db, limits[i].id, -1)));

	(void) sqlite3_busy_handler(db, busy, file);
	sqlite3_progress_handler(db, PROGRESS_STEPS, progress, NULL);
	(void) sqlite3_collation_needed(db, NULL, unknown_collation);

	sfm_add_functions(file);

	/* These read nothing of the file yet. */
	list_functions(file);
	pragma(file, "PRAGMA mmap_size = 0");
	pragma(file, "PRAGMA cell_size_check = ON");
	pragma(file, "PRAGMA query_only = ON");
	/* What a view sorts counts as memory: SQLite's temporary files have no limit. */
	pragma(file, "PRAGMA temp_store = MEMORY");
	/* Reads the schema; else a size that the file's header names would hold. */
	pragma(file, "PRAGMA cache_size = " CACHE_SIZE);

	(void) sqlite3_set_authorizer(db, authorize, file);
}
