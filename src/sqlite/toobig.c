/*
 * toobig.c
 *		Which value it was that SQLite found too long to read.
 *
 * SQLite refuses it while it steps to its row, and does not say which one it is.  It is
 * looked for once the error is certain, column by column; a cancel ends the search.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "sfm_names.h"
#include "sqlite_internal.h"

/* Steps through a query to its end, or to what stops it; the last row's first cell. */
static int
last_before_end(SfmFile *file, const char *sql, sqlite3_int64 *last)
{
	sqlite3_stmt *stmt;
	int			rc = sqlite3_prepare_v2(file->db, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*last = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

/* "row 7, column x" for a column whose reading ends so; NULL where it does not. */
static char *
look_in_column(SfmFile *file, const char *table, const char *column)
{
	const char *quoted = sfm_quote_name(table);
	const char *name = sfm_name_to_server(column);
	sqlite3_int64 row = PG_INT64_MIN;
	int			rc = last_before_end(file, psprintf("SELECT rowid, s.%s FROM main.%s s ORDER BY rowid",
													sfm_quote_name(column), quoted), &row);

	/* no rowid: the column alone */
	if (rc == SQLITE_ERROR)
		return last_before_end(file, psprintf("SELECT 0, s.%s FROM main.%s s",
											  sfm_quote_name(column), quoted), &row) == SQLITE_TOOBIG ?
			psprintf("column \"%s\"", name) : NULL;
	if (rc != SQLITE_TOOBIG ||
		last_before_end(file, psprintf("SELECT min(rowid) FROM main.%s WHERE rowid > " INT64_FORMAT,
									   quoted, (int64) row), &row) != SQLITE_DONE)
		return NULL;
	return psprintf("row " INT64_FORMAT ", column \"%s\"", (int64) row, name);
}

/*
 * Where the value is that is too long: "row 7, column x"; NULL when it is not found.
 * table is its name as in messages.  Raises nothing of SQLite's.
 */
char *
sfm_locate_too_big(SfmFile *file, const char *table)
{
	char	   *source = sfm_name_to_source(table);
	char	   *found = NULL;
	sqlite3_stmt *columns;

	if (sqlite3_prepare_v2(file->db, psprintf("PRAGMA main.table_xinfo(%s)", sfm_quote_name(source)),
						   -1, &columns, NULL) != SQLITE_OK)
		return NULL;
	while (found == NULL && sqlite3_step(columns) == SQLITE_ROW)
	{
		const char *column = (const char *) sqlite3_column_text(columns, 1);

		if (column)
			found = look_in_column(file, source, column);
	}
	sqlite3_finalize(columns);
	return found;
}
