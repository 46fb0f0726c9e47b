/*
 * text.c
 *		Text of a SQLite file as text of the database.
 *
 * SQLite verifies nothing, so every text is verified here: UTF-8 without NUL
 * bytes.  A database in another encoding gets it converted, by the conversion
 * that PostgreSQL itself would use, without an error for what that cannot write;
 * one in SQL_ASCII, which means any bytes, gets the UTF-8 as it is.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "sfm_sqlite.h"

/*
 * Whether text is ASCII without a NUL, which is valid and the same in every
 * database encoding.  Most text is, and most is short, where PostgreSQL's own
 * verification goes byte by byte.  With a byte of 1 to 127, neither it nor it less
 * one has its high bit set.
 */
static inline bool
is_plain_ascii(const char *text, int len)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	uint64		bits = 0;
	uint64		chunk;
	int			i = 0;

	for (; i + 8 <= len; i += 8)
	{
		memcpy(&chunk, text + i, 8);
		bits |= chunk | (chunk - ones);
	}
	for (; i < len; i++)
		bits |= (unsigned char) text[i] | ((unsigned char) text[i] - UINT64CONST(1));
	return (bits & (ones * 0x80)) == 0;
}

/*
 * See sfm_sqlite.h.  The encoding of a database never changes, but its default
 * conversion may be dropped and made anew, so that it is looked up each time: that is
 * a search in a cache, and only for text beyond ASCII.
 */
bool
sfm_utf8_to_database(const char **text, int *len)
{
	int			encoding = GetDatabaseEncoding();
	size_t		size = (size_t) *len * MAX_CONVERSION_GROWTH + 1;
	Oid			proc;
	char	   *converted;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII || is_plain_ascii(*text, *len))
		return true;
	proc = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(proc))
		return false;
	/* the buffer's size is an int there */
	size = Min(size, PG_INT32_MAX);
	converted = MemoryContextAllocHuge(CurrentMemoryContext, size);
	if (pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, *text), *len,
									  (unsigned char *) converted, (int) size, true) != *len)
	{
		pfree(converted);
		return false;
	}
	*text = converted;
	*len = strlen(converted);
	return true;
}

/* Whether the text is UTF-8 without NUL bytes. */
bool
sfm_valid_utf8(const SfmValue *value)
{
	return !value->bad_encoding &&
		(is_plain_ascii(value->u.p, value->len) ||
		 pg_encoding_verifymbstr(PG_UTF8, value->u.p, value->len) == value->len);
}
