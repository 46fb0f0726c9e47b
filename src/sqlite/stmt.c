/*
 * stmt.c
 *		Statements on a SQLite file: prepare, bind, step, read.
 *
 * A statement belongs to the memory context in which it was prepared; a reset
 * callback finalizes it there, so that no error path can forget it.  The file
 * keeps a list of its statements, since closing it must finalize them first.
 *
 * Cells are read once, as SfmValue, by storage class and without any accessor
 * that would make SQLite convert a value: text and blobs through
 * sqlite3_value_blob(), numbers through their own accessor.  sqlite3_column_value()
 * gives an "unprotected" value; connections are opened without mutexes and used by
 * one thread, where the documentation knows no difference (c3ref/value.html).
 *
 * Text of a UTF-16 file is converted here rather than by SQLite, which writes
 * U+FFFD for a lone surrogate: a change that nobody would be told of.
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "sqlite_internal.h"

static void
finalize(SfmStmt *stmt)
{
	if (stmt->file == NULL)
		return;
	dlist_delete(&stmt->node);
	stmt->file = NULL;
	sqlite3_finalize(stmt->stmt);
	stmt->stmt = NULL;
}

static void
finalize_callback(void *arg)
{
	finalize((SfmStmt *) arg);
}

/*
 * Prepares one statement, in CurrentMemoryContext.  table is what error messages
 * name, may be NULL and must live as long as the statement.
 */
SfmStmt *
sfm_prepare(SfmFile *file, const char *sql, const char *table)
{
	SfmStmt    *stmt = palloc0(sizeof(SfmStmt));
	int			rc;

	stmt->table = table;
	stmt->mcxt = CurrentMemoryContext;
	rc = sqlite3_prepare_v3(file->db, sql, -1, 0, &stmt->stmt, NULL);
	if (rc != SQLITE_OK || stmt->stmt == NULL)
		sfm_throw(file, rc, table);

	/* Nothing between here and the registration can throw. */
	stmt->file = file;
	dlist_push_head(&file->statements, &stmt->node);
	stmt->callback.func = finalize_callback;
	stmt->callback.arg = stmt;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &stmt->callback);

	if (file->utf16)
	{
		int			n = sqlite3_column_count(stmt->stmt);

		stmt->utf16_buffers = palloc0(sizeof(char *) * Max(n, 1));
		stmt->utf16_sizes = palloc0(sizeof(int) * Max(n, 1));
	}
	return stmt;
}

/* Finalizes now; the context's callback finds nothing left to do. */
void
sfm_finalize(SfmStmt *stmt)
{
	finalize(stmt);
}

/* Finalizes all that is prepared on the file; before it is closed.  Never throws. */
void
sfm_finalize_all(SfmFile *file)
{
	while (!dlist_is_empty(&file->statements))
		finalize(dlist_head_element(SfmStmt, node, &file->statements));
}

static void
check_bind(SfmStmt *stmt, int rc)
{
	if (rc != SQLITE_OK)
		sfm_throw(stmt->file, rc, stmt->table);
}

/* Parameters count from 1.  A statement that was stepped must be reset first. */
void
sfm_bind_null(SfmStmt *stmt, int n)
{
	check_bind(stmt, sqlite3_bind_null(stmt->stmt, n));
}

void
sfm_bind_int64(SfmStmt *stmt, int n, int64 value)
{
	check_bind(stmt, sqlite3_bind_int64(stmt->stmt, n, value));
}

/* utf8 is copied; len in bytes. */
void
sfm_bind_text(SfmStmt *stmt, int n, const char *utf8, int len)
{
	check_bind(stmt, sqlite3_bind_text(stmt->stmt, n, utf8, len, SQLITE_TRANSIENT));
}

/*
 * Goes to the next row; false at the end.  Raises SQLite's errors, and the
 * interrupt that the progress handler noticed inside a long step.
 */
bool
sfm_step(SfmStmt *stmt)
{
	int			rc;

	CHECK_FOR_INTERRUPTS();
	if (stmt->file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the SQLite file was closed while it was being read")));
	stmt->file->busy_since = 0;
	rc = sqlite3_step(stmt->stmt);
	if (likely(rc == SQLITE_ROW))
		return true;
	if (rc == SQLITE_DONE)
		return false;
	sfm_throw(stmt->file, rc, stmt->table);
}

/* Makes the statement ready to be bound and stepped again. */
void
sfm_reset(SfmStmt *stmt)
{
	/* The result repeats the error of the last step, which was raised then. */
	if (stmt->file != NULL)
		sqlite3_reset(stmt->stmt);
}

int
sfm_column_count(SfmStmt *stmt)
{
	return sqlite3_column_count(stmt->stmt);
}

/*
 * UTF-16 in the file's byte order to UTF-8.  Returns the length, or -1 for what
 * is no valid UTF-16.  to has room for 3 bytes a unit.
 */
static int
utf16_to_utf8(const unsigned char *from, int nbytes, bool big_endian, char *to)
{
	unsigned char *out = (unsigned char *) to;
	int			lo = big_endian ? 1 : 0;

	if (nbytes % 2 != 0)
		return -1;
	for (int i = 0; i < nbytes; i += 2)
	{
		pg_wchar	c = from[i + lo] | (from[i + 1 - lo] << 8);

		if (c >= 0xD800 && c <= 0xDFFF)
		{
			pg_wchar	low;

			if (c >= 0xDC00 || i + 3 >= nbytes)
				return -1;
			low = from[i + 2 + lo] | (from[i + 3 - lo] << 8);
			if (low < 0xDC00 || low > 0xDFFF)
				return -1;
			c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
			i += 2;
		}
		unicode_to_utf8(c, out);
		out += pg_utf_mblen(out);
	}
	return (char *) out - to;
}

/* Turns a text of a UTF-16 file, raw bytes in *value, into UTF-8 where it is valid. */
static void
read_utf16(SfmStmt *stmt, int i, SfmValue *value)
{
	int64		need = (int64) value->len / 2 * 3 + 1;
	int			len;

	if (need > stmt->utf16_sizes[i])
	{
		MemoryContext old = MemoryContextSwitchTo(stmt->mcxt);

		if (stmt->utf16_buffers[i])
			pfree(stmt->utf16_buffers[i]);
		stmt->utf16_buffers[i] = NULL;
		stmt->utf16_sizes[i] = 0;
		stmt->utf16_buffers[i] = MemoryContextAllocHuge(stmt->mcxt, need);
		stmt->utf16_sizes[i] = (int) Min(need, INT_MAX);
		MemoryContextSwitchTo(old);
	}
	len = utf16_to_utf8((const unsigned char *) value->u.p, value->len,
						stmt->file->encoding[6] == 'b', stmt->utf16_buffers[i]);
	if (len < 0)
	{
		value->bad_encoding = true;
		return;
	}
	value->u.p = stmt->utf16_buffers[i];
	value->len = len;
}

/*
 * Reads cell i (from 0) of the current row.  Text and blobs stay valid until the
 * next step, reset or finalize.
 */
void
sfm_column(SfmStmt *stmt, int i, SfmValue *value)
{
	sqlite3_value *v = sqlite3_column_value(stmt->stmt, i);

	value->bad_encoding = false;
	switch (sqlite3_value_type(v))
	{
		case SQLITE_INTEGER:
			value->cls = SFM_INTEGER;
			value->u.i = sqlite3_value_int64(v);
			break;
		case SQLITE_FLOAT:
			value->cls = SFM_REAL;
			value->u.r = sqlite3_value_double(v);
			break;
		case SQLITE_NULL:
			value->cls = SFM_NULL;
			break;
		case SQLITE_TEXT:
			value->cls = SFM_TEXT;
			value->u.p = sqlite3_value_blob(v);
			/* bytes16 leaves UTF-16 text as it is, bytes would convert it */
			value->len = stmt->file->utf16 ? sqlite3_value_bytes16(v) : sqlite3_value_bytes(v);
			if (value->u.p == NULL)
			{
				/* no pointer for a text that has bytes: out of memory */
				if (value->len != 0)
					sfm_throw(stmt->file, SQLITE_NOMEM, stmt->table);
				value->u.p = "";
			}
			if (stmt->file->utf16)
				read_utf16(stmt, i, value);
			break;
		default:
			value->cls = SFM_BLOB;
			value->u.p = sqlite3_value_blob(v);
			value->len = sqlite3_value_bytes(v);
			if (value->u.p == NULL)
			{
				if (value->len != 0)
					sfm_throw(stmt->file, SQLITE_NOMEM, stmt->table);
				value->u.p = "";
			}
			break;
	}
}

/* Cell i as SQLite converts it to an integer. */
int64
sfm_column_int64(SfmStmt *stmt, int i)
{
	return sqlite3_column_int64(stmt->stmt, i);
}

/*
 * Cell i as a palloc'd string in UTF-8, NULL for NULL.  For names and SQL texts,
 * which cannot hold a NUL byte unless the file is damaged.
 */
char *
sfm_column_cstring(SfmStmt *stmt, int i)
{
	const unsigned char *text = sqlite3_column_text(stmt->stmt, i);
	int			len;

	if (text == NULL)
	{
		if (sqlite3_column_type(stmt->stmt, i) != SQLITE_NULL)
			sfm_throw(stmt->file, SQLITE_NOMEM, stmt->table);
		return NULL;
	}
	len = sqlite3_column_bytes(stmt->stmt, i);
	if (strlen((const char *) text) != len ||
		pg_encoding_verifymbstr(PG_UTF8, (const char *) text, len) != len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the schema of SQLite file \"%s\" holds a name or a statement that is no valid text",
						stmt->file->path)));
	return pnstrdup((const char *) text, len);
}
