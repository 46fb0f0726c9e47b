/*
 * read_json.c
 *		A JSON reader that reports what it reads, part by part.
 *
 * It takes what PostgreSQL's json type takes.  PostgreSQL's own parser is not
 * used: it recurses, raises errors for depth, and copies every string, which
 * makes it several times slower; and it cannot be had without a server in a
 * form that does not change between releases.
 *
 * Open containers are kept as one bit each, so that hostile nesting costs
 * neither stack nor memory.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "sfm_read.h"

typedef struct JsonReader
{
	const char *p;
	const char *end;
	SfmJsonAction action;
	void	   *arg;
	bool		stopped;
	bool		canonical;
	int			depth;
	uint8		objects[SFM_JSON_MAX_DEPTH / 8];	/* a bit a level: is an object */
} JsonReader;

static inline bool
report(JsonReader *r, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	if (r->action != NULL && !r->action(r->arg, event, text, len, escaped))
		r->stopped = true;
	return !r->stopped;
}

/* Passes over white space; blanks: how many jsonb prints here. */
static inline void
skip_space(JsonReader *r, int blanks)
{
	const char *start = r->p;

	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
	if (r->p - start != blanks || (blanks == 1 && *start != ' '))
		r->canonical = false;
}

static inline bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* An escape; r->p is behind the backslash. */
static bool
read_escape(JsonReader *r)
{
	if (r->p == r->end)
		return false;
	switch (*r->p++)
	{
		case '"':
		case '\\':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			return true;
		case '/':
			r->canonical = false;
			return true;
		case 'u':
			r->canonical = false;
			if (r->end - r->p < 4)
				return false;
			for (int i = 0; i < 4; i++)
				if (!is_hex(*r->p++))
					return false;
			return true;
		default:
			return false;
	}
}

/*
 * Passes over bytes that a string holds as they are, eight at a time.  With a byte
 * xor'ed by the quote, or the backslash, 0 is what is looked for; (v - n) & ~v has
 * its high bit set in the lowest byte of v that is below n.  A borrow may set it in
 * bytes above, too, where that no longer matters.
 */
static inline void
skip_plain(JsonReader *r)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	const uint64 highs = UINT64CONST(0x8080808080808080);

	while (r->end - r->p >= 8)
	{
		uint64		v;
		uint64		quote;
		uint64		backslash;

		memcpy(&v, r->p, 8);
		quote = v ^ (ones * '"');
		backslash = v ^ (ones * '\\');
		if ((((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) |
			 ((backslash - ones) & ~backslash)) & highs)
			return;
		r->p += 8;
	}
}

/* A string, r->p on its quote.  PostgreSQL refuses bare control characters. */
static bool
read_string(JsonReader *r, SfmJsonEvent event)
{
	const char *start = ++r->p;
	bool		escaped = false;

	skip_plain(r);
	for (;;)
	{
		unsigned char c;

		if (r->p == r->end)
			return false;
		c = (unsigned char) *r->p++;
		if (c == '"')
			return report(r, event, start, r->p - 1 - start, escaped);
		if (c == '\\')
		{
			escaped = true;
			if (!read_escape(r))
				return false;
		}
		else if (c < 0x20)
			return false;
	}
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
		r->canonical = false;
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (!skip_digits(r))
			return false;
	}
	return report(r, SFM_JSON_NUMBER, start, r->p - start, false);
}

static bool
read_word(JsonReader *r, const char *word, int len, SfmJsonEvent event)
{
	if (r->end - r->p < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p += len;
	return report(r, event, NULL, 0, false);
}

static bool
read_scalar(JsonReader *r)
{
	if (r->p == r->end)
		return false;
	switch (*r->p)
	{
		case '"':
			return read_string(r, SFM_JSON_STRING);
		case 't':
			return read_word(r, "true", 4, SFM_JSON_TRUE);
		case 'f':
			return read_word(r, "false", 5, SFM_JSON_FALSE);
		case 'n':
			return read_word(r, "null", 4, SFM_JSON_NULL);
		default:
			return read_number(r);
	}
}

static inline bool
in_object(const JsonReader *r)
{
	return (r->objects[(r->depth - 1) / 8] >> ((r->depth - 1) % 8)) & 1;
}

static inline bool
open_container(JsonReader *r, bool object)
{
	uint8		bit = 1 << (r->depth % 8);

	if (object)
		r->objects[r->depth / 8] |= bit;
	else
		r->objects[r->depth / 8] &= ~bit;
	r->depth++;
	r->p++;
	return report(r, object ? SFM_JSON_OBJECT_START : SFM_JSON_ARRAY_START, r->p - 1, 1, false);
}

static inline bool
close_container(JsonReader *r)
{
	bool		object = in_object(r);

	r->depth--;
	r->p++;
	return report(r, object ? SFM_JSON_OBJECT_END : SFM_JSON_ARRAY_END, r->p - 1, 1, false);
}

/* A key and its colon, up to where the value begins. */
static bool
read_key(JsonReader *r)
{
	if (r->p == r->end || *r->p != '"' || !read_string(r, SFM_JSON_KEY))
		return false;
	skip_space(r, 0);
	if (r->p == r->end || *r->p != ':')
		return false;
	r->p++;
	skip_space(r, 1);
	return true;
}

/* After a value: ends containers and passes a comma.  *done: the document is over. */
static bool
after_value(JsonReader *r, bool *done)
{
	*done = false;
	for (;;)
	{
		skip_space(r, 0);
		if (r->depth == 0)
		{
			*done = true;
			return r->p == r->end;
		}
		if (r->p == r->end)
			return false;
		if (*r->p == ',')
		{
			r->p++;
			skip_space(r, 1);
			return !in_object(r) || read_key(r);
		}
		if (*r->p != (in_object(r) ? '}' : ']') || !close_container(r))
			return false;
	}
}

/* One value, containers being entered as far as their first member. */
static bool
read_value(JsonReader *r, bool *deep)
{
	for (;;)
	{
		bool		object;

		if (r->p == r->end)
			return false;
		if (*r->p != '{' && *r->p != '[')
			return read_scalar(r);
		if (r->depth == SFM_JSON_MAX_DEPTH)
		{
			*deep = true;
			return false;
		}
		object = (*r->p == '{');
		if (!open_container(r, object))
			return false;
		skip_space(r, 0);
		if (r->p < r->end && *r->p == (object ? '}' : ']'))
			return close_container(r);
		if (object && !read_key(r))
			return false;
	}
}

SfmReadJson
sfm_read_json(const char *text, int len, SfmJsonAction action, void *arg, bool *canonical)
{
	JsonReader	r;
	bool		deep = false;
	bool		done = false;
	bool		ok = true;

	r.p = text;
	r.end = text + len;
	r.action = action;
	r.arg = arg;
	r.stopped = false;
	r.canonical = true;
	r.depth = 0;
	skip_space(&r, 0);
	while (ok && !done)
		ok = read_value(&r, &deep) && after_value(&r, &done);
	*canonical = r.canonical;
	if (ok)
		return SFM_READ_JSON_OK;
	if (r.stopped)
		return SFM_READ_JSON_STOPPED;
	return deep ? SFM_READ_JSON_DEEP : SFM_READ_JSON_SYNTAX;
}

/* Four hex digits, known to be such. */
static unsigned
hex4(const char *p)
{
	unsigned	value = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		value = value << 4 | (unsigned) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* UTF-8 of a code point; returns its length. */
static int
put_utf8(unsigned code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xC0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xE0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3F));
		out[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3F));
	out[2] = (char) (0x80 | (code >> 6 & 0x3F));
	out[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/* The code point of \uXXXX at *p, which is on its first digit and is moved behind it. */
static SfmJsonUnescape
read_code_point(const char **p, const char *end, unsigned *code)
{
	*code = hex4(*p);
	*p += 4;
	if (*code == 0)
		return SFM_UNESCAPE_NUL;
	if (*code >= 0xDC00 && *code <= 0xDFFF)
		return SFM_UNESCAPE_SURROGATE;
	if (*code >= 0xD800 && *code <= 0xDBFF)
	{
		unsigned	second;

		if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
			return SFM_UNESCAPE_SURROGATE;
		second = hex4(*p + 2);
		if (second < 0xDC00 || second > 0xDFFF)
			return SFM_UNESCAPE_SURROGATE;
		*p += 6;
		*code = 0x10000 + ((*code - 0xD800) << 10) + (second - 0xDC00);
	}
	return SFM_UNESCAPE_OK;
}

SfmJsonUnescape
sfm_json_unescape(const char *text, int len, char *out, int *outlen)
{
	const char *p = text;
	const char *end = text + len;
	char	   *to = out;

	while (p < end)
	{
		SfmJsonUnescape result;
		unsigned	code;

		if (*p != '\\')
		{
			*to++ = *p++;
			continue;
		}
		p++;
		switch (*p++)
		{
			case 'b':
				*to++ = '\b';
				break;
			case 'f':
				*to++ = '\f';
				break;
			case 'n':
				*to++ = '\n';
				break;
			case 'r':
				*to++ = '\r';
				break;
			case 't':
				*to++ = '\t';
				break;
			case 'u':
				result = read_code_point(&p, end, &code);
				if (result != SFM_UNESCAPE_OK)
					return result;
				to += put_utf8(code, to);
				break;
			default:			/* quote, backslash, slash */
				*to++ = p[-1];
				break;
		}
	}
	*outlen = to - out;
	return SFM_UNESCAPE_OK;
}
