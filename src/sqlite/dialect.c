/*
 * dialect.c
 *		What expressions give in the SQLite library in use, where releases differ.
 *
 * The library is asked rather than its number looked up: some of this depends on how it
 * was built, or was carried over into older releases.
 */
#include "postgres.h"

#include "sqlite_internal.h"

/*
 * Whether a query's one value is true; what the library does not know is false.  Closes
 * the database before it raises an error.
 */
static bool
is_true(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	bool		result = false;
	int			rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
	{
		rc = sqlite3_step(stmt);
		result = rc == SQLITE_ROW && sqlite3_column_int(stmt, 0) != 0;
		(void) sqlite3_finalize(stmt);
	}
	if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_ERROR)
	{
		(void) sqlite3_close(db);
		sfm_throw_open(":memory:", rc, NULL);
	}
	return result;
}

/* See sfm_sqlite.h.  Asked once; an error leaves nothing behind. */
const SfmSqliteDialect *
sfm_sqlite_dialect(void)
{
	static SfmSqliteDialect dialect;
	static bool known = false;
	sqlite3    *db;
	int			rc;

	if (known)
		return &dialect;
	rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL);
	if (rc != SQLITE_OK)
	{
		(void) sqlite3_close(db);
		sfm_throw_open(":memory:", rc, NULL);
	}
	dialect.real_digits = is_true(db, "SELECT CAST(1.0 / 3 AS TEXT) = '0.333333333333333'") ? 15 : 17;
	if (is_true(db, "SELECT printf('%.2f', 1.005) = '1.01'"))
		dialect.rounding = SFM_ROUND_NEAR_HALVES;
	else
		dialect.rounding = dialect.real_digits == 15 ? SFM_ROUND_CUT_DIGITS : SFM_ROUND_18_DIGITS;
	/* with a modifier it computes, in milliseconds */
	dialect.cuts_seconds = is_true(db, "SELECT time('00:00:00.9999', '+0 days') = '00:00:00'");
	dialect.json_valid_null = is_true(db, "SELECT json_valid(NULL) IS NULL");
	dialect.replace_gives_text = is_true(db, "SELECT typeof(replace(1, '', '')) = 'text'");
	(void) sqlite3_close(db);
	known = true;
	return &dialect;
}
