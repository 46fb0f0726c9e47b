/*
 * functions.c
 *		SQLite's text functions that search or match, in a form that can be cancelled.
 *
 * A view or a generated column of the file may call them on values of any size.  The
 * library's own take time in proportion to the product of both lengths (a megabyte in
 * a megabyte: a minute; ten in ten: hours), and nothing can stop them: the progress
 * handler runs between the steps of a statement, not inside one.  These give the same
 * results and look for a cancel as they go; instr and replace take time in proportion
 * to the sum.
 *
 * Callbacks inside SQLite: they neither throw nor palloc.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sqlite_internal.h"

/* Steps between two looks for a cancel. */
#define LOOK_EVERY 65536

typedef struct Watch
{
	int			steps;
	bool		cancelled;
} Watch;

/* To be called at each step; false: stop. */
static inline bool
go_on(Watch *watch)
{
	if (++watch->steps >= LOOK_EVERY)
	{
		watch->steps = 0;
		watch->cancelled = QueryCancelPending || ProcDiePending;
	}
	return !watch->cancelled;
}

/* A string argument; false where it is NULL, or there is no memory for it. */
static bool
text_argument(sqlite3_value *value, const unsigned char **text, int64 *len)
{
	*text = sqlite3_value_text(value);
	*len = *text ? sqlite3_value_bytes(value) : 0;
	return *text != NULL;
}

static inline bool
is_continuation(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/*
 * instr(X, Y): the place of Y in X, from 1; 0 where it is not.  In bytes when both are
 * blobs, else in characters.
 */
static void
instr(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	int			x_type = sqlite3_value_type(argv[0]);
	int			y_type = sqlite3_value_type(argv[1]);
	bool		bytes = x_type == SQLITE_BLOB && y_type == SQLITE_BLOB;
	const unsigned char *x;
	const unsigned char *y;
	const unsigned char *found;
	int64		xlen;
	int64		ylen;
	int64		place = 1;
	Watch		watch = {0};

	if (x_type == SQLITE_NULL || y_type == SQLITE_NULL)
		return;
	if (bytes)
	{
		x = sqlite3_value_blob(argv[0]);
		y = sqlite3_value_blob(argv[1]);
		xlen = sqlite3_value_bytes(argv[0]);
		ylen = sqlite3_value_bytes(argv[1]);
	}
	else if (!text_argument(argv[0], &x, &xlen) || !text_argument(argv[1], &y, &ylen))
	{
		sqlite3_result_error_nomem(context);
		return;
	}
	if (ylen == 0)
	{
		sqlite3_result_int64(context, 1);
		return;
	}
	/* Characters begin where the text does and at each byte that continues none. */
	if (!bytes && is_continuation(y[0]))
		found = xlen >= ylen && memcmp(x, y, ylen) == 0 ? x : NULL;
	else
		found = xlen > 0 ? memmem(x, xlen, y, ylen) : NULL;
	if (found == NULL)
	{
		sqlite3_result_int64(context, 0);
		return;
	}
	if (bytes)
		place += found - x;
	else
		for (const unsigned char *p = x + 1; p <= found && go_on(&watch); p++)
			place += !is_continuation(*p);
	if (watch.cancelled)
		sqlite3_result_error_code(context, SQLITE_INTERRUPT);
	else
		sqlite3_result_int64(context, place);
}

/* replace(X, Y, Z): X with Z for each Y, from the left. */
static void
replace(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	int64		limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
	const unsigned char *x;
	const unsigned char *y;
	const unsigned char *z;
	const unsigned char *found;
	int64		xlen;
	int64		ylen;
	int64		zlen;
	int64		rest;
	int64		size;
	char	   *out;
	char	   *to;
	Watch		watch = {0};

	if (!text_argument(argv[0], &x, &xlen) || !text_argument(argv[1], &y, &ylen))
		return;
	if (y[0] == '\0')
	{
		if (sfm_sqlite_dialect()->replace_gives_text)
			sqlite3_result_text64(context, (const char *) x, xlen, SQLITE_TRANSIENT, SQLITE_UTF8);
		else
			sqlite3_result_value(context, argv[0]);
		return;
	}
	if (!text_argument(argv[2], &z, &zlen))
		return;

	size = xlen;
	for (const unsigned char *p = x; (found = memmem(p, x + xlen - p, y, ylen)) != NULL; p = found + ylen)
	{
		size += zlen - ylen;
		if (!go_on(&watch))
		{
			sqlite3_result_error_code(context, SQLITE_INTERRUPT);
			return;
		}
	}
	if (size > limit)
	{
		sqlite3_result_error_toobig(context);
		return;
	}
	out = to = sqlite3_malloc64(size + 1);
	if (out == NULL)
	{
		sqlite3_result_error_nomem(context);
		return;
	}
	rest = xlen;
	while ((found = memmem(x, rest, y, ylen)) != NULL)
	{
		memcpy(to, x, found - x);
		to += found - x;
		memcpy(to, z, zlen);
		to += zlen;
		rest -= found + ylen - x;
		x = found + ylen;
	}
	memcpy(to, x, rest);
	sqlite3_result_text64(context, out, size, sqlite3_free, SQLITE_UTF8);
}

/* The bytes of a character, whatever they are. */
static inline int64
char_length(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *start = p;

	if (*p++ >= 0xC0)
		while (p < end && is_continuation(*p))
			p++;
	return p - start;
}

/* Bytes of the character of a set that text begins with, or ends with; 0: none. */
static int64
in_set(const unsigned char *text, int64 len, bool at_end, const unsigned char *set, int64 setlen,
	   Watch *watch)
{
	const unsigned char *end = set + setlen;
	int64		n;

	for (; set < end && *set && go_on(watch); set += n)
	{
		n = char_length(set, end);
		if (n <= len && memcmp(at_end ? text + len - n : text, set, n) == 0)
			return n;
	}
	return 0;
}

#define TRIM_LEFT 1
#define TRIM_RIGHT 2

/* trim, ltrim, rtrim: without the characters of a set, or blanks, at the ends. */
static void
trim(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	intptr_t	ends = (intptr_t) sqlite3_user_data(context);
	const unsigned char *text;
	const unsigned char *set = (const unsigned char *) " ";
	int64		len;
	int64		setlen = 1;
	int64		n;
	Watch		watch = {0};

	if (!text_argument(argv[0], &text, &len) ||
		(argc == 2 && !text_argument(argv[1], &set, &setlen)))
		return;
	while ((ends & TRIM_LEFT) && len > 0 && (n = in_set(text, len, false, set, setlen, &watch)) > 0)
	{
		text += n;
		len -= n;
	}
	while ((ends & TRIM_RIGHT) && len > 0 && (n = in_set(text, len, true, set, setlen, &watch)) > 0)
		len -= n;
	if (watch.cancelled)
		sqlite3_result_error_code(context, SQLITE_INTERRUPT);
	else
		sqlite3_result_text64(context, (const char *) text, len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/*
 * LIKE and GLOB
 */
typedef struct Pattern
{
	uint32		all;			/* % or *; 0: none */
	uint32		one;			/* _ or ?; 0: none */
	uint32		escape;			/* 0: none */
	bool		sets;			/* [...] */
	bool		fold;			/* ASCII letters match in either case */
} Pattern;

/* A code point as the library reads it, invalid bytes included; 0 at the end. */
static uint32
read_char(const unsigned char **p)
{
	uint32		c = *(*p)++;

	if (c < 0xC0)
		return c;
	c &= c < 0xE0 ? 0x1F : c < 0xF0 ? 0x0F : c < 0xF8 ? 0x07 : c < 0xFC ? 0x03 : c < 0xFE ? 0x01 : 0;
	while (is_continuation(**p))
		c = (c << 6) + (*(*p)++ & 0x3F);
	if (c < 0x80 || (c & 0xFFFFF800) == 0xD800 || (c & 0xFFFFFFFE) == 0xFFFE)
		c = 0xFFFD;
	return c;
}

static inline uint32
fold(uint32 c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Whether a character is in the set [...] that *p is behind the bracket of; *p goes behind it. */
static bool
matches_set(const unsigned char **p, uint32 c)
{
	bool		seen = false;
	bool		invert = false;
	uint32		prior = 0;
	uint32		next = read_char(p);

	if (next == '^')
	{
		invert = true;
		next = read_char(p);
	}
	if (next == ']')
	{
		seen = c == ']';
		next = read_char(p);
	}
	while (next != 0 && next != ']')
	{
		if (next == '-' && **p != ']' && **p != '\0' && prior > 0)
		{
			next = read_char(p);
			seen |= c >= prior && c <= next;
			prior = 0;
		}
		else
		{
			seen |= c == next;
			prior = next;
		}
		next = read_char(p);
	}
	return next != 0 && seen != invert;
}

/*
 * Whether a string matches, both ending with NUL.  When a part behind % does not
 * match, it is tried one character later; parts before the last % need no other try.
 */
static bool
matches(const Pattern *pattern, const unsigned char *p, const unsigned char *s, Watch *watch)
{
	const unsigned char *after_all = NULL;	/* behind the last % */
	const unsigned char *tried = NULL;	/* where that part was tried */

	while (go_on(watch))
	{
		uint32		c = read_char(&p);
		bool		good;

		if (pattern->all && c == pattern->all)
		{
			after_all = p;
			tried = s;
			continue;
		}
		if (c == 0)
			good = *s == '\0';
		else if (*s == '\0')
			return false;
		else if (pattern->sets && c == '[')
			good = matches_set(&p, read_char(&s));
		else if (pattern->one && c == pattern->one)
		{
			(void) read_char(&s);
			good = true;
		}
		else
		{
			uint32		d = read_char(&s);

			if (pattern->escape && c == pattern->escape)
				c = read_char(&p);
			if (c == 0)
				return false;
			good = c == d || (pattern->fold && fold(c) == fold(d));
		}
		if (good && c == 0)
			return true;
		if (good)
			continue;
		if (after_all == NULL || *tried == '\0')
			return false;
		(void) read_char(&tried);
		p = after_all;
		s = tried;
	}
	return false;
}

/* like(pattern, string [, escape]) and glob(pattern, string) */
static void
like(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	Pattern		pattern = *(const Pattern *) sqlite3_user_data(context);
	int			limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1);
	const unsigned char *p;
	const unsigned char *s;
	bool		result;
	Watch		watch = {0};

	/* as Debian builds it */
	if (sqlite3_compileoption_used("LIKE_DOESNT_MATCH_BLOBS") &&
		(sqlite3_value_type(argv[0]) == SQLITE_BLOB || sqlite3_value_type(argv[1]) == SQLITE_BLOB))
	{
		sqlite3_result_int(context, 0);
		return;
	}
	if (sqlite3_value_bytes(argv[0]) > limit)
	{
		sqlite3_result_error(context, "LIKE or GLOB pattern too complex", -1);
		return;
	}
	if (argc == 3)
	{
		const unsigned char *escape = sqlite3_value_text(argv[2]);

		if (escape == NULL)
			return;
		pattern.escape = *escape ? read_char(&escape) : 0;
		if (pattern.escape == 0 || *escape != '\0')
		{
			sqlite3_result_error(context, "ESCAPE expression must be a single character", -1);
			return;
		}
		if (pattern.escape == pattern.all)
			pattern.all = 0;
		if (pattern.escape == pattern.one)
			pattern.one = 0;
	}
	p = sqlite3_value_text(argv[0]);
	s = sqlite3_value_text(argv[1]);
	if (p == NULL || s == NULL)
		return;
	result = matches(&pattern, p, s, &watch);
	if (watch.cancelled)
		sqlite3_result_error_code(context, SQLITE_INTERRUPT);
	else
		sqlite3_result_int(context, result);
}

/*
 * json_patch() and jsonb_patch(): the library's take time in proportion to the
 * product of their arguments' members, and we have none of our own.  An error when
 * they are called, and not before, so that the file's other columns can be read.
 */
static void
refused(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	sqlite3_result_error(context, "json_patch() is not evaluated, since it could not be cancelled", -1);
}

/* Puts these functions in the place of the library's. */
void
sfm_add_functions(SfmFile *file)
{
	static const Pattern like_pattern = {.all = '%', .one = '_', .fold = true};
	static const Pattern glob_pattern = {.all = '*', .one = '?', .sets = true};
	static const struct
	{
		const char *name;
		int			nargs;
		void		(*function) (sqlite3_context *, int, sqlite3_value **);
		const void *data;
	}			functions[] = {
		{"instr", 2, instr, NULL},
		{"replace", 3, replace, NULL},
		{"ltrim", 1, trim, (void *) TRIM_LEFT},
		{"ltrim", 2, trim, (void *) TRIM_LEFT},
		{"rtrim", 1, trim, (void *) TRIM_RIGHT},
		{"rtrim", 2, trim, (void *) TRIM_RIGHT},
		{"trim", 1, trim, (void *) (TRIM_LEFT | TRIM_RIGHT)},
		{"trim", 2, trim, (void *) (TRIM_LEFT | TRIM_RIGHT)},
		{"like", 2, like, &like_pattern},
		{"like", 3, like, &like_pattern},
		{"glob", 2, like, &glob_pattern},
		{"json_patch", 2, refused, NULL},
		{"jsonb_patch", 2, refused, NULL},
	};

	(void) sfm_sqlite_dialect();	/* known from here on: a callback may not raise errors */
	for (int i = 0; i < lengthof(functions); i++)
	{
		int			rc = sqlite3_create_function_v2(file->db, functions[i].name, functions[i].nargs,
													SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
													unconstify(void *, functions[i].data),
													functions[i].function, NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			sfm_throw(file, rc, NULL);
	}
}
