/*
 * values_fuzz.c
 *		A libFuzzer target for the readers of numbers, booleans, UUIDs, dates and JSON.
 *
 * Each input goes to every reader of src/value, and to the readers that the
 * checksum has of its own, in src/check: what one takes the other must take, as
 * the same value.  What is read is also printed, and must read back to itself; a
 * spelling that a reader calls canonical must be the one that is printed.  The
 * first eight bytes are an integer and a real besides, for the readings of numbers
 * in date columns.
 *
 * src/check is built for the server.  What it calls of one is at the end of this
 * file; the rest of it, which these types do not reach, stays unresolved.
 */
#include "postgres.h"

#include <math.h>
#include <time.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "check_internal.h"
#include "memory.h"

static const uint8 *input;		/* what is being read, for messages */
static size_t input_len;

/* Ends the process, for libFuzzer to keep the input. */
static void
differ(const char *what)
{
	fprintf(stderr, "%s: \"", what);
	fwrite(input, 1, input_len, stderr);
	fprintf(stderr, "\"\n");
	abort();
}

static void
require(bool holds, const char *what)
{
	if (!holds)
		differ(what);
}

/* ------------------------------------------------- what both sides come to */

/* Whether src/check takes the value as this type, and the bytes that it makes of it. */
static bool
check_reads(SfmKind kind, SfmReading reading, const SfmValue *value, SfmHasher *hasher)
{
	static SfmHashColumn columns[SFM_NKINDS];
	SfmHashColumn *column = &columns[kind];

	if (column->source == NULL)
	{
		column->type.typmod = -1;
		column->type.kind = kind;
		sfm_source_init(column);
	}
	column->type.reading = reading;
	column->json = kind == SFM_KIND_JSONB ? sfm_json_hasher_create() : NULL;
	sfm_hasher_init(hasher, NULL);
	return column->source(column, value, hasher);
}

/* expected: the bytes for what src/value made of it; NULL when it did not take it. */
static void
agree(SfmKind kind, SfmReading reading, const SfmValue *value, SfmHasher *expected, const char *what)
{
	SfmHasher	checked;
	SfmHash128	a;
	SfmHash128	b;

	if (check_reads(kind, reading, value, &checked) != (expected != NULL))
		differ(expected != NULL ? psprintf("%s: only src/value takes it", what) :
			   psprintf("%s: only src/check takes it", what));
	if (expected == NULL)
		return;
	a = sfm_hasher_finish(&checked);
	b = sfm_hasher_finish(expected);
	require(a.lo == b.lo && a.hi == b.hi, psprintf("%s: read differently", what));
}

static void
agree_int64(SfmKind kind, SfmReading reading, const SfmValue *value, bool taken, uint8 tag,
			int64 result, const char *what)
{
	SfmHasher	expected;

	sfm_hasher_init(&expected, NULL);
	if (taken)
		sfm_put_int64(&expected, tag, result);
	agree(kind, reading, value, taken ? &expected : NULL, what);
}

static bool
is_text(const char *text, int len, const char *printed)
{
	return len == strlen(printed) && memcmp(text, printed, len) == 0;
}

/* ------------------------------------------------------------------ numbers */

static void
fuzz_integer(const SfmValue *value)
{
	int64		i = 0;
	bool		canonical = false;
	bool		ok = sfm_read_integer(value->u.p, value->len, &i, &canonical) == SFM_READ_INTEGER_OK;

	agree_int64(SFM_KIND_INT8, SFM_READING_NONE, value, ok, SFM_TAG_INTEGER, i, "integer");
	if (ok)
		require(canonical == is_text(value->u.p, value->len, psprintf(INT64_FORMAT, i)),
				"integer: canonical");
}

/*
 * The coefficient of a decimal as src/check wants it, found in the text by what
 * src/value says of it.
 */
static void
digits_of(const char *text, int len, const SfmDecimalText *decimal, SfmDigits *digits)
{
	char	   *copy = palloc(len + 1);
	int			n = 0;

	memset(digits, 0, sizeof(*digits));
	if (decimal->zero)
		return;
	digits->negative = decimal->negative;
	digits->exponent = -decimal->min_scale;
	digits->ndigits = decimal->int_digits + decimal->min_scale;
	for (int i = 0; i < len && text[i] != 'e' && text[i] != 'E'; i++)
		if (text[i] >= '0' && text[i] <= '9' && (n > 0 || text[i] != '0'))
			copy[n++] = text[i];
	require(n >= digits->ndigits, "decimal: fewer digits than counted");
	for (int i = digits->ndigits; i < n; i++)
		require(copy[i] == '0', "decimal: more digits than counted");
	if (decimal->small)
	{
		int64		small = decimal->mantissa;

		for (int i = digits->ndigits; i < n; i++)
			small /= 10;
		digits->small = small;
	}
	else if (digits->ndigits <= SFM_SMALL_DIGITS)
		digits->small = strtoll(pnstrdup(copy, digits->ndigits), NULL, 10);
	digits->piece[0] = copy;
	digits->piece_len[0] = digits->ndigits;
}

/* numeric's limits, of zeros that were written too */
static bool
numeric_holds(const SfmDecimalText *decimal)
{
	return decimal->scale <= 16383 && decimal->scale >= -131072 && decimal->int_digits <= 131072;
}

/* The same number, however it is spelled; of up to 18 digits. */
static bool
decimals_equal(const SfmDecimalText *a, const SfmDecimalText *b)
{
	int64		x = a->mantissa;
	int64		y = b->mantissa;

	if (a->zero || b->zero)
		return a->zero && b->zero;
	if (!a->small || !b->small || a->negative != b->negative ||
		a->min_scale != b->min_scale)
		return false;
	while (x % 10 == 0)
		x /= 10;
	while (y % 10 == 0)
		y /= 10;
	return x == y;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?, and not -0 */
static bool
is_plain_decimal(const char *text, int len, bool zero)
{
	char	   *copy = pnstrdup(text, len);
	char	   *p = copy + (*copy == '-');
	int			whole = strspn(p, "0123456789");
	int			fraction = 0;

	if (strlen(copy) != len || whole == 0 || (whole > 1 && *p == '0') || (zero && *copy == '-'))
		return false;
	p += whole;
	if (*p == '.')
	{
		fraction = strspn(++p, "0123456789");
		if (fraction == 0)
			return false;
		p += fraction;
	}
	return *p == '\0';
}

static void
fuzz_decimal(const SfmValue *value)
{
	SfmDecimalText decimal;
	SfmDecimalText again;
	SfmHasher	expected;
	SfmDigits	digits;
	char	   *respelled;
	bool		ok = sfm_read_decimal(value->u.p, value->len, &decimal);

	sfm_hasher_init(&expected, NULL);
	if (!ok || !numeric_holds(&decimal))
	{
		agree(SFM_KIND_NUMERIC, SFM_READING_NONE, value, NULL, "decimal");
		return;
	}
	digits_of(value->u.p, value->len, &decimal, &digits);
	sfm_put_decimal(&expected, &digits);
	agree(SFM_KIND_NUMERIC, SFM_READING_NONE, value, &expected, "decimal");
	require(decimal.canonical == is_plain_decimal(value->u.p, value->len, decimal.zero),
			"decimal: canonical");

	/* the same number with another exponent, from its digits alone */
	respelled = psprintf("%s%se%d", decimal.negative ? "-" : "+",
						 digits.ndigits == 0 ? "0" : pnstrdup(digits.piece[0], digits.ndigits),
						 digits.exponent);
	require(sfm_read_decimal(respelled, strlen(respelled), &again), "decimal: its digits");
	require(again.min_scale == decimal.min_scale && again.int_digits == decimal.int_digits &&
			!again.canonical, "decimal: read back");
	if (decimal.small)
		require(decimals_equal(&decimal, &again), "decimal: equal to itself");
}

/* The decimal that a real stands for reads back to it, and so does its text. */
static void
fuzz_real(const SfmValue *value)
{
	char		buffer[SFM_REAL_BUFFER];
	SfmDigits	digits;
	char	   *text;

	buffer[sfm_source_number_text(value, buffer)] = '\0';
	require(isinf(value->u.r) || strtod(buffer, NULL) == value->u.r, "real: its text");
	if (isinf(value->u.r))
		return;
	sfm_source_decimal_real(value->u.r, &digits, buffer);
	if (digits.ndigits <= SFM_SMALL_DIGITS)
		text = psprintf("%s" INT64_FORMAT "e%d", digits.negative ? "-" : "", digits.small, digits.exponent);
	else
		text = psprintf("%s%s%se%d", digits.negative ? "-" : "",
						pnstrdup(digits.piece[0], digits.piece_len[0]),
						pnstrdup(digits.piece[1], digits.piece_len[1]), digits.exponent);
	require(strtod(text, NULL) == value->u.r, "real: its decimal");
}

/* -------------------------------------------------------------------- words */

static void
fuzz_words(const SfmValue *value)
{
	SfmHasher	expected;
	bool		truth = false;
	bool		ok = sfm_read_bool(value->u.p, value->len, &truth);
	unsigned char uuid[SFM_UUID_BYTES];
	bool		canonical = false;
	char		printed[37] = "";

	sfm_hasher_init(&expected, NULL);
	if (ok)
		sfm_put_bool(&expected, truth);
	agree(SFM_KIND_BOOL, SFM_READING_NONE, value, ok ? &expected : NULL, "boolean");

	sfm_hasher_init(&expected, NULL);
	ok = sfm_read_uuid(value->u.p, value->len, uuid, &canonical);
	if (ok)
	{
		sfm_put_tag(&expected, SFM_TAG_UUID);
		sfm_put_bytes(&expected, uuid, SFM_UUID_BYTES);
		for (int i = 0; i < SFM_UUID_BYTES; i++)
			sprintf(printed + strlen(printed), "%s%02x",
					i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
		require(canonical == is_text(value->u.p, value->len, printed), "uuid: canonical");
	}
	agree(SFM_KIND_UUID, SFM_READING_NONE, value, ok ? &expected : NULL, "uuid");
}

/* -------------------------------------------------------------------- dates */

/* A time of day as PostgreSQL prints it. */
static char *
clock_text(int64 us)
{
	char	   *text = psprintf("%02d:%02d:%02d.%06d", (int) (us / INT64CONST(3600000000)),
								(int) (us / 60000000 % 60), (int) (us / 1000000 % 60), (int) (us % 1000000));
	int			len = strlen(text);

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	/* whole seconds end in a zero that belongs to them */
	text[Max(len, 8)] = '\0';
	return text;
}

/* The calendar is the C library's. */
static char *
date_text(int32 days)
{
	time_t		seconds = ((int64) days + 10957) * 86400;
	struct tm	tm;

	require(gmtime_r(&seconds, &tm) != NULL, "date: no such day");
	return psprintf("%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void
fuzz_date_text(const SfmValue *value)
{
	SfmDateTime dt;
	int64		time = 0;
	bool		canonical = false;
	bool		ok = sfm_read_datetime(value->u.p, value->len, &dt);

	agree_int64(SFM_KIND_TIMESTAMPTZ, SFM_READING_NONE, value, ok, SFM_TAG_TIMESTAMPTZ,
				ok ? sfm_datetime_usecs(&dt) : 0, "timestamptz");
	agree_int64(SFM_KIND_TIMESTAMP, SFM_READING_NONE, value, ok && !dt.has_offset, SFM_TAG_TIMESTAMP,
				ok ? sfm_datetime_usecs(&dt) : 0, "timestamp");
	agree_int64(SFM_KIND_DATE, SFM_READING_NONE, value, ok && !dt.has_offset && dt.time == 0, SFM_TAG_DATE,
				ok ? dt.days : 0, "date");
	if (ok)
		require(dt.canonical ==
				((!dt.has_offset || dt.offset == 0) &&
				 is_text(value->u.p, value->len,
						 psprintf("%s%s%s%s", date_text(dt.days), dt.has_time ? " " : "",
								  dt.has_time ? clock_text(dt.time) : "", dt.has_offset ? "+00" : ""))),
				"date-time: canonical");

	ok = sfm_read_time(value->u.p, value->len, &time, &canonical);
	agree_int64(SFM_KIND_TIME, SFM_READING_NONE, value, ok, SFM_TAG_TIME, time, "time");
	if (ok)
		require(canonical == is_text(value->u.p, value->len, clock_text(time)), "time: canonical");
}

/* A number in a date column, by each reading; what it means can be written as text. */
static void
fuzz_date_number(const SfmValue *value)
{
	for (SfmReading reading = SFM_READING_NONE; reading <= SFM_READING_CALENDAR; reading++)
	{
		int64		us = 0;
		bool		rounded;
		bool		ok = value->cls == SFM_INTEGER ? sfm_read_date_integer(reading, value->u.i, &us) :
			sfm_read_date_real(reading, value->u.r, &us, &rounded);
		int64		time = ((us % SFM_USECS_PER_DAY) + SFM_USECS_PER_DAY) % SFM_USECS_PER_DAY;
		SfmDateTime again;
		char	   *text;

		agree_int64(SFM_KIND_TIMESTAMPTZ, reading, value, ok, SFM_TAG_TIMESTAMPTZ, us, "a number as timestamptz");
		agree_int64(SFM_KIND_DATE, reading, value, ok && time == 0, SFM_TAG_DATE, us / SFM_USECS_PER_DAY,
					"a number as date");
		if (!ok)
			continue;
		text = psprintf("%s %s", date_text((int32) ((us - time) / SFM_USECS_PER_DAY)), clock_text(time));
		require(sfm_read_datetime(text, strlen(text), &again) && sfm_datetime_usecs(&again) == us &&
				again.canonical, "a number as date-time: read back");
	}
}

/* --------------------------------------------------------------------- JSON */

/* What the events of a document are made into: its hash, and itself anew. */
typedef struct Document
{
	SfmJsonHasher *json;
	StringInfoData text;
	bool		comma;			/* a member or element came before */
	bool		no_jsonb;		/* jsonb would change or refuse it */
} Document;

/* A key or string without escapes; NULL where it has none. */
static char *
unescaped(const char *text, int len, int *outlen)
{
	char	   *out = palloc(len);

	if (sfm_json_unescape(text, len, out, outlen) != SFM_UNESCAPE_OK)
		return NULL;
	require(*outlen <= len, "JSON: longer without escapes");
	return out;
}

static void
json_number(Document *d, const char *text, int len)
{
	SfmDecimalText decimal;
	SfmDigits	digits;

	require(sfm_read_decimal(text, len, &decimal), "JSON: a number that is none");
	if (!numeric_holds(&decimal))
		d->no_jsonb = true;
	if (d->no_jsonb)
		return;
	digits_of(text, len, &decimal, &digits);
	sfm_json_decimal(d->json, &digits);
}

static void
json_word(Document *d, const char *word, uint8 tag)
{
	appendStringInfoString(&d->text, word);
	if (!d->no_jsonb)
		sfm_json_tag(d->json, tag);
}

/* A key or a string, which may have no text. */
static void
json_string(Document *d, bool key, const char *text, int len, bool escaped)
{
	int			decoded_len;
	char	   *decoded = unescaped(text, len, &decoded_len);

	require(escaped == (memchr(text, '\\', len) != NULL), "JSON: escaped");
	if (decoded == NULL)
		d->no_jsonb = true;
	if (d->no_jsonb)
		return;
	if (key)
		sfm_json_key(d->json, decoded, decoded_len);
	else
		sfm_json_string(d->json, decoded, decoded_len);
}

static bool
json_event(void *arg, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	Document   *d = arg;
	bool		ends = event == SFM_JSON_OBJECT_END || event == SFM_JSON_ARRAY_END;

	if (d->comma && !ends)
		appendStringInfoString(&d->text, ", ");
	d->comma = true;
	switch (event)
	{
		case SFM_JSON_OBJECT_START:
		case SFM_JSON_ARRAY_START:
			appendStringInfoChar(&d->text, event == SFM_JSON_OBJECT_START ? '{' : '[');
			d->comma = false;
			if (!d->no_jsonb)
				sfm_json_begin(d->json, event == SFM_JSON_OBJECT_START);
			break;
		case SFM_JSON_OBJECT_END:
		case SFM_JSON_ARRAY_END:
			appendStringInfoChar(&d->text, event == SFM_JSON_OBJECT_END ? '}' : ']');
			if (!d->no_jsonb && !sfm_json_end(d->json))
				d->no_jsonb = true;
			break;
		case SFM_JSON_KEY:
		case SFM_JSON_STRING:
			appendStringInfoChar(&d->text, '"');
			appendBinaryStringInfo(&d->text, text, len);
			appendStringInfoString(&d->text, event == SFM_JSON_KEY ? "\": " : "\"");
			d->comma = event == SFM_JSON_STRING;
			json_string(d, event == SFM_JSON_KEY, text, len, escaped);
			break;
		case SFM_JSON_NUMBER:
			appendBinaryStringInfo(&d->text, text, len);
			json_number(d, text, len);
			break;
		case SFM_JSON_TRUE:
			json_word(d, "true", SFM_TAG_JSON_TRUE);
			break;
		case SFM_JSON_FALSE:
			json_word(d, "false", SFM_TAG_JSON_FALSE);
			break;
		case SFM_JSON_NULL:
			json_word(d, "null", SFM_TAG_JSON_NULL);
			break;
	}
	return true;
}

static void
fuzz_json(const SfmValue *value)
{
	Document	d = {0};
	SfmHasher	hasher;
	bool		canonical;
	bool		again;
	bool		ok;

	d.json = sfm_json_hasher_create();
	initStringInfo(&d.text);
	sfm_hasher_init(&hasher, NULL);
	sfm_json_start(d.json, &hasher, true);
	ok = sfm_read_json(value->u.p, value->len, json_event, &d, &canonical) == SFM_READ_JSON_OK;

	/* invalid text is refused before it comes here */
	if (pg_encoding_verifymbstr(PG_UTF8, value->u.p, value->len) != value->len)
		return;
	agree(SFM_KIND_JSONB, SFM_READING_NONE, value, ok && !d.no_jsonb ? &hasher : NULL, "jsonb");
	sfm_hasher_init(&hasher, NULL);
	if (ok)
		sfm_put_string(&hasher, SFM_TAG_JSON_TEXT, value->u.p, value->len);
	agree(SFM_KIND_JSON, SFM_READING_NONE, value, ok ? &hasher : NULL, "json");
	if (!ok)
		return;
	require(!canonical || (d.text.len == value->len && memcmp(d.text.data, value->u.p, value->len) == 0),
			"JSON: canonical");
	require(sfm_read_json(d.text.data, d.text.len, NULL, NULL, &again) == SFM_READ_JSON_OK,
			"JSON: does not read back");
}

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	SfmValue	text = {SFM_TEXT, false, (int) size, {.p = (const char *) data}};
	SfmValue	integer = {SFM_INTEGER};
	SfmValue	real = {SFM_REAL};

	input = data;
	input_len = size;
	fuzz_integer(&text);
	fuzz_decimal(&text);
	fuzz_words(&text);
	fuzz_date_text(&text);
	fuzz_json(&text);
	memcpy(&integer.u.i, data, Min(size, 8));
	fuzz_date_number(&integer);
	memcpy(&real.u.r, data, Min(size, 8));
	/* SQLite stores NaN as NULL */
	if (!isnan(real.u.r))
	{
		fuzz_real(&real);
		fuzz_date_number(&real);
	}
	free_all();
	return 0;
}

/* --------------------------------------- what src/check calls of the server */

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;

void
ProcessInterrupts(void)
{
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

int
pg_lltoa(int64 value, char *a)
{
	return sprintf(a, INT64_FORMAT, value);
}
