/*
 * source_json.c
 *		JSON text as SQLite holds it: checked (json), and brought to its meaning
 *		(jsonb).
 *
 * json keeps the text, so its canonical bytes are the text once it is known to
 * be valid JSON (RFC 8259).  jsonb keeps what the text says: its canonical bytes
 * are those of json_hasher.c, made in one pass.  What jsonb would change or
 * refuse has none: a key given twice, \u0000, half a surrogate pair, a number
 * that numeric does not hold, a string over 256 MB.  Nor has what is nested deeper
 * than SFM_JSON_MAX_DEPTH.
 *
 * The reader does not recurse: an open container costs one byte.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "compat.h"
#include "check_internal.h"

typedef struct JsonReader
{
	const char *p;
	const char *end;
	SfmJsonHasher *json;		/* NULL: only check */
	int			depth;
	char		open[SFM_JSON_MAX_DEPTH];	/* '{' or '[' of each open container */
	StringInfoData decoded;		/* a string that has escapes; data NULL until needed */
} JsonReader;

static inline void
skip_space(JsonReader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/*
 * The row gets the bytes of the outermost value as soon as that is complete, so
 * that nothing must follow it: to be asked before.
 */
static inline bool
may_complete(JsonReader *r)
{
	if (r->depth > 0)
		return true;
	skip_space(r);
	return r->p == r->end;
}

/* The four digits of \uXXXX; r->p is behind the u. */
static bool
read_hex4(JsonReader *r, pg_wchar *code)
{
	*code = 0;
	if (r->end - r->p < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		char		c = *r->p++;

		*code <<= 4;
		if (c >= '0' && c <= '9')
			*code |= c - '0';
		else if (c >= 'a' && c <= 'f')
			*code |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			*code |= c - 'A' + 10;
		else
			return false;
	}
	return true;
}

/*
 * \uXXXX, or two of them that make a pair.  json lets any four digits stand,
 * since it keeps them as they are.
 */
static bool
read_unicode(JsonReader *r)
{
	pg_wchar	code;
	pg_wchar	second;
	unsigned char utf8[4];

	if (!read_hex4(r, &code))
		return false;
	if (r->json == NULL)
		return true;
	if (is_utf16_surrogate_first(code))
	{
		if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
			return false;
		r->p += 2;
		if (!read_hex4(r, &second) || !is_utf16_surrogate_second(second))
			return false;
		code = surrogate_pair_to_codepoint(code, second);
	}
	else if (code == 0 || is_utf16_surrogate_second(code))
		return false;
	/* where the encoding is unknown, PostgreSQL takes no escape past ASCII */
	if (code > 0x7f && GetDatabaseEncoding() == PG_SQL_ASCII)
		return false;
	unicode_to_utf8(code, utf8);
	appendBinaryStringInfo(&r->decoded, (char *) utf8, pg_utf_mblen(utf8));
	return true;
}

static bool
read_escape(JsonReader *r)
{
	char		c;

	if (r->p == r->end)
		return false;
	switch (*r->p++)
	{
		case '"':
			c = '"';
			break;
		case '\\':
			c = '\\';
			break;
		case '/':
			c = '/';
			break;
		case 'b':
			c = '\b';
			break;
		case 'f':
			c = '\f';
			break;
		case 'n':
			c = '\n';
			break;
		case 'r':
			c = '\r';
			break;
		case 't':
			c = '\t';
			break;
		case 'u':
			return read_unicode(r);
		default:
			return false;
	}
	if (r->json != NULL)
		appendStringInfoChar(&r->decoded, c);
	return true;
}

#define EACH_BYTE UINT64CONST(0x0101010101010101)
#define HIGH_BITS UINT64CONST(0x8080808080808080)

/* High bits where a byte is 0; some may be set above one that is. */
static inline uint64
zero_bytes(uint64 word)
{
	return (word - EACH_BYTE) & ~word & HIGH_BITS;
}

/* Moves to less than 8 bytes before the next quote, backslash or control character. */
static inline void
skip_plain(JsonReader *r)
{
	while (r->end - r->p >= 8)
	{
		uint64		word;

		memcpy(&word, r->p, 8);
		if (zero_bytes(word ^ EACH_BYTE * '"') | zero_bytes(word ^ EACH_BYTE * '\\') |
			((word - EACH_BYTE * 0x20) & ~word & HIGH_BITS))
			break;
		r->p += 8;
	}
}

/* A string; r->p is behind its first quote.  What it says is valid until the next one. */
static bool
read_string(JsonReader *r, const char **text, uint32 *len)
{
	const char *start = r->p;
	const char *plain = r->p;	/* first byte not yet decoded */
	bool		escapes = false;

	for (;;)
	{
		unsigned char c;

		skip_plain(r);
		do
		{
			if (r->p == r->end)
				return false;
			c = (unsigned char) *r->p++;
		} while (c != '"' && c != '\\' && c >= 0x20);
		if (c == '"')
			break;
		if (c != '\\')
			return false;
		if (r->json != NULL)
		{
			if (!escapes)
			{
				if (r->decoded.data == NULL)
					initStringInfo(&r->decoded);
				resetStringInfo(&r->decoded);
			}
			appendBinaryStringInfo(&r->decoded, plain, r->p - 1 - plain);
		}
		escapes = true;
		if (!read_escape(r))
			return false;
		plain = r->p;
	}
	if (!escapes || r->json == NULL)
	{
		*text = start;
		*len = r->p - 1 - start;
	}
	else
	{
		appendBinaryStringInfo(&r->decoded, plain, r->p - 1 - plain);
		*text = r->decoded.data;
		*len = r->decoded.len;
		if (GetDatabaseEncoding() != PG_UTF8 && !sfm_source_text_valid(*text, *len))
			return false;
	}
	return r->json == NULL || *len <= JENTRY_OFFLENMASK;
}

static inline bool
skip_digits(JsonReader *r)
{
	const char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

static bool
read_number(JsonReader *r)
{
	const char *start = r->p;
	SfmDigits	decimal;

	if (*r->p == '-')
		r->p++;
	if (r->p < r->end && *r->p == '0')
		r->p++;
	else if (!skip_digits(r))
		return false;
	if (r->p < r->end && *r->p == '.')
	{
		r->p++;
		if (!skip_digits(r))
			return false;
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E'))
	{
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (!skip_digits(r))
			return false;
	}
	if (r->json == NULL)
		return true;
	if (!sfm_source_decimal_text(start, r->p - start, &decimal) ||
		!sfm_source_decimal_fits(&decimal, -1) || !may_complete(r))
		return false;
	sfm_json_decimal(r->json, &decimal);
	return true;
}

static bool
read_word(JsonReader *r, const char *word, int len, uint8 tag)
{
	if (r->end - r->p < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p += len;
	if (!may_complete(r))
		return false;
	if (r->json != NULL)
		sfm_json_tag(r->json, tag);
	return true;
}

static bool
read_scalar(JsonReader *r)
{
	const char *text;
	uint32		len;

	if (r->p == r->end)
		return false;
	switch (*r->p)
	{
		case '"':
			r->p++;
			if (!read_string(r, &text, &len) || !may_complete(r))
				return false;
			if (r->json != NULL)
				sfm_json_string(r->json, text, len);
			return true;
		case 't':
			return read_word(r, "true", 4, SFM_TAG_JSON_TRUE);
		case 'f':
			return read_word(r, "false", 5, SFM_TAG_JSON_FALSE);
		case 'n':
			return read_word(r, "null", 4, SFM_TAG_JSON_NULL);
		default:
			return read_number(r);
	}
}

/* A key and its colon. */
static bool
read_key(JsonReader *r)
{
	const char *text;
	uint32		len;

	skip_space(r);
	if (r->p == r->end || *r->p++ != '"' || !read_string(r, &text, &len))
		return false;
	if (r->json != NULL)
		sfm_json_key(r->json, text, len);
	skip_space(r);
	return r->p < r->end && *r->p++ == ':';
}

/*
 * What follows a complete value: the ends of containers, up to a comma or the
 * end of the text.  *more is set when another value must come.
 */
static bool
read_after_value(JsonReader *r, bool *more)
{
	*more = false;
	for (;;)
	{
		char		top;

		skip_space(r);
		if (r->depth == 0)
			return r->p == r->end;
		if (r->p == r->end)
			return false;
		top = r->open[r->depth - 1];
		if (*r->p == ',')
		{
			r->p++;
			*more = true;
			return top == '[' || read_key(r);
		}
		if (*r->p != (top == '{' ? '}' : ']'))
			return false;
		r->p++;
		r->depth--;
		if (!may_complete(r) || (r->json != NULL && !sfm_json_end(r->json)))
			return false;
	}
}

/* One JSON text, to its end. */
static bool
read_json(JsonReader *r)
{
	bool		more = true;

	while (more)
	{
		char		c;

		CHECK_FOR_INTERRUPTS();
		skip_space(r);
		c = r->p < r->end ? *r->p : '\0';
		if (c == '{' || c == '[')
		{
			r->p++;
			if (r->depth == SFM_JSON_MAX_DEPTH)
				return false;
			r->open[r->depth++] = c;
			if (r->json != NULL)
				sfm_json_begin(r->json, c == '{');
			skip_space(r);
			/* an empty one ends at once, in read_after_value() */
			if (r->p == r->end)
				return false;
			if (*r->p != (c == '{' ? '}' : ']'))
			{
				if (c == '{' && !read_key(r))
					return false;
				continue;
			}
		}
		else if (!read_scalar(r))
			return false;
		if (!read_after_value(r, &more))
			return false;
	}
	return true;
}

static bool
read_text(const SfmValue *value, SfmJsonHasher *json)
{
	JsonReader	r;

	if (value->bad_encoding || value->len > SFM_MAX_FIELD ||
		!sfm_source_text_valid(value->u.p, value->len))
		return false;
	r.p = value->u.p;
	r.end = value->u.p + value->len;
	r.json = json;
	r.decoded.data = NULL;
	r.depth = 0;
	return read_json(&r);
}

/* JSON has no infinities. */
static bool
is_json_number(const SfmValue *value)
{
	return value->cls == SFM_INTEGER || (value->cls == SFM_REAL && !isinf(value->u.r));
}

bool
sfm_source_json(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	char		number[SFM_REAL_BUFFER];

	if (value->cls == SFM_TEXT)
	{
		if (!read_text(value, NULL))
			return false;
		sfm_put_string(hasher, SFM_TAG_JSON_TEXT, value->u.p, value->len);
		return true;
	}
	if (!is_json_number(value))
		return false;
	sfm_put_string(hasher, SFM_TAG_JSON_TEXT, number, sfm_source_number_text(value, number));
	return true;
}

bool
sfm_source_jsonb(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	SfmDigits	decimal;
	char		number[SFM_REAL_BUFFER];

	if (value->cls == SFM_TEXT)
	{
		/* the row's hasher gets the value only when all of it was read */
		sfm_json_start(column->json, hasher, true);
		return read_text(value, column->json);
	}
	if (!is_json_number(value))
		return false;
	if (value->cls == SFM_INTEGER)
		sfm_source_decimal_int(value->u.i, &decimal, number);
	else
		sfm_source_decimal_real(value->u.r, &decimal, number);
	sfm_put_decimal(hasher, &decimal);
	return true;
}
