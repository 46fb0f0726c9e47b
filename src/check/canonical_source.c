/*
 * canonical_source.c
 *		SQLite values brought to canonical bytes, by their column's decision.
 *
 * This is a reader of its own for every type: nothing of the converters in
 * src/value is used, so that a fault there shows as a checksum that differs.  It
 * takes exactly what the type table says that a type holds, lengths and
 * precisions included; any other value has no canonical bytes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "check_internal.h"

/*
 * Booleans: 0 and 1, and the words that PostgreSQL takes, which are those below
 * and their beginnings as far as these are clear ("o" is not).
 */
static bool
read_boolean_word(const char *text, int len, bool *result)
{
	static const struct
	{
		const char *word;
		int			at_least;
		bool		value;
	}			words[] = {
		{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
		{"on", 2, true}, {"off", 2, false}, {"1", 1, true}, {"0", 1, false}
	};

	/* PostgreSQL's input function passes over white space around the word */
	while (len > 0 && strchr(" \t\n\v\f\r", text[0]) != NULL && text[0] != '\0')
		text++, len--;
	while (len > 0 && strchr(" \t\n\v\f\r", text[len - 1]) != NULL && text[len - 1] != '\0')
		len--;
	for (int i = 0; i < lengthof(words); i++)
		if (len >= words[i].at_least && len <= strlen(words[i].word) &&
			pg_strncasecmp(text, words[i].word, len) == 0)
		{
			*result = words[i].value;
			return true;
		}
	return false;
}

static bool
source_bool(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	bool		result;

	if (value->cls == SFM_TEXT)
	{
		if (value->bad_encoding || !read_boolean_word(value->u.p, value->len, &result))
			return false;
	}
	else if (value->cls == SFM_INTEGER && (value->u.i == 0 || value->u.i == 1))
		result = value->u.i == 1;
	else if (value->cls == SFM_REAL && (value->u.r == 0.0 || value->u.r == 1.0))
		result = value->u.r == 1.0;
	else
		return false;
	sfm_put_bool(hasher, result);
	return true;
}

static bool
source_int(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	int64		whole;

	if (!sfm_source_whole(value, &whole))
		return false;
	if (column->type.kind == SFM_KIND_INT2 && (whole < PG_INT16_MIN || whole > PG_INT16_MAX))
		return false;
	if (column->type.kind == SFM_KIND_INT4 && (whole < PG_INT32_MIN || whole > PG_INT32_MAX))
		return false;
	sfm_put_int64(hasher, SFM_TAG_INTEGER, whole);
	return true;
}

/* Reals, and integers that a double holds. */
static bool
read_double(const SfmValue *value, double *x)
{
	if (value->cls == SFM_REAL)
	{
		*x = value->u.r;
		return true;
	}
	if (value->cls != SFM_INTEGER)
		return false;
	*x = (double) value->u.i;
	/* 2^63 itself is no int64 */
	return *x < 9223372036854775808.0 && (int64) *x == value->u.i;
}

static bool
source_float8(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	double		x;

	if (!read_double(value, &x))
		return false;
	sfm_put_float(hasher, x);
	return true;
}

/*
 * A real that real (float4) holds so that both have the same shortest decimal
 * form.  The canonical bytes are those of the double: the target's side reads
 * the float4's shortest decimal form as a double, which then is the very same.
 */
static bool
source_float4(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	char		narrow[FLOAT_SHORTEST_DECIMAL_LEN];
	double		x;

	if (!read_double(value, &x))
		return false;
	float_to_shortest_decimal_buf((float) x, narrow);
	if (strtod(narrow, NULL) != x)
		return false;
	sfm_put_float(hasher, x);
	return true;
}

static bool
source_numeric(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	SfmDigits	decimal;
	char		buffer[SFM_REAL_BUFFER];

	switch (value->cls)
	{
		case SFM_INTEGER:
			sfm_source_decimal_int(value->u.i, &decimal, buffer);
			break;
		case SFM_REAL:
			sfm_source_decimal_real(value->u.r, &decimal, buffer);
			break;
		case SFM_TEXT:
			if (value->bad_encoding ||
				!sfm_source_decimal_text(value->u.p, value->len, &decimal))
				return false;
			break;
		default:
			return false;
	}
	if (!sfm_source_decimal_fits(&decimal, column->type.typmod))
		return false;
	sfm_put_decimal(hasher, &decimal);
	return true;
}

/*
 * Valid UTF-8 goes into the database's encoding in pieces, so that memory does
 * not grow with the value.  What becomes of each piece is handed on; false when
 * there is a character that the encoding does not have.
 */
#define PIECE 8192

static bool
each_converted_piece(const char *text, int len, void (*piece) (void *arg, const char *text, int len),
					 void *arg)
{
	int			encoding = GetDatabaseEncoding();
	Oid			proc = FindDefaultConversionProc(PG_UTF8, encoding);
	unsigned char converted[PIECE * MAX_CONVERSION_GROWTH + 1];

	if (!OidIsValid(proc))
		return false;
	while (len > 0)
	{
		int			n = Min(len, PIECE);

		/* a piece ends with a character */
		while (n < len && ((unsigned char) text[n] & 0xC0) == 0x80)
			n--;
		if (pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
										  (unsigned char *) unconstify(char *, text), n,
										  converted, sizeof(converted), true) != n)
			return false;
		piece(arg, (char *) converted, strlen((char *) converted));
		text += n;
		len -= n;
	}
	return true;
}

/* A database in SQL_ASCII takes UTF-8 as it is. */
static inline bool
converts(void)
{
	return GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
}

static void
ignore_piece(void *arg, const char *text, int len)
{
}

bool
sfm_source_text_valid(const char *text, int len)
{
	return pg_encoding_verifymbstr(PG_UTF8, text, len) == len &&
		(!converts() || each_converted_piece(text, len, ignore_piece, NULL));
}

static void
count_piece(void *arg, const char *text, int len)
{
	*(int64 *) arg += pg_mbstrlen_with_len(text, len);
}

/* The length of valid text, in the characters of the database's encoding. */
static int64
text_characters(const char *text, int len)
{
	int64		n = 0;

	if (converts())
		each_converted_piece(text, len, count_piece, &n);
	else if (GetDatabaseEncoding() == PG_SQL_ASCII)
		n = len;
	else
		for (int i = 0; i < len; i++)
			n += ((unsigned char) text[i] & 0xC0) != 0x80;
	return n;
}

/* The bytes of a value that stands in a column of any class; buffer is for numbers. */
static const char *
value_bytes(const SfmValue *value, char *buffer, int *len)
{
	if (value->cls == SFM_INTEGER || value->cls == SFM_REAL)
	{
		*len = sfm_source_number_text(value, buffer);
		return buffer;
	}
	*len = value->len;
	return value->u.p;
}

/* text, varchar(n), char(n) */
static bool
source_text(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	char		buffer[SFM_REAL_BUFFER];
	const char *text;
	int			len;

	if (value->cls != SFM_TEXT && !column->type.mixed)
		return false;
	text = value_bytes(value, buffer, &len);
	if (len > SFM_MAX_FIELD || ((value->cls == SFM_TEXT || value->cls == SFM_BLOB) &&
							(value->bad_encoding || !sfm_source_text_valid(text, len))))
		return false;
	if (column->type.kind != SFM_KIND_TEXT && column->type.typmod >= (int32) VARHDRSZ)
	{
		int			limit = column->type.typmod - VARHDRSZ;

		if (len > limit && text_characters(text, len) > limit)
			return false;
	}
	/* char(n) pads with blanks and loses those that were there */
	if (column->type.kind == SFM_KIND_BPCHAR && len > 0 && text[len - 1] == ' ')
		return false;
	sfm_put_string(hasher, SFM_TAG_TEXT, text, len);
	return true;
}

static bool
source_bytea(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	char		buffer[SFM_REAL_BUFFER];
	const char *bytes;
	int			len;

	if (value->cls != SFM_BLOB && !column->type.mixed)
		return false;
	bytes = value_bytes(value, buffer, &len);
	if (len > SFM_MAX_FIELD)
		return false;
	sfm_put_string(hasher, SFM_TAG_BYTES, bytes, len);
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 32 hex digits, bare or as 8-4-4-4-12; or the 16 bytes themselves. */
static bool
source_uuid(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	uint8		uuid[16];
	uint8	   *to;
	const char *p = value->u.p;

	if (value->cls == SFM_BLOB && value->len == 16)
		memcpy(uuid, p, 16);
	else if (value->cls == SFM_TEXT && !value->bad_encoding &&
			 (value->len == 32 || value->len == 36))
	{
		for (int i = 0; i < 16; i++, p += 2)
		{
			int			high;
			int			low;

			if (value->len == 36 && (i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
				return false;
			high = hex_digit(p[0]);
			low = hex_digit(p[1]);
			if (high < 0 || low < 0)
				return false;
			uuid[i] = high << 4 | low;
		}
	}
	else
		return false;
	to = sfm_put_room(hasher, 17);
	to[0] = SFM_TAG_UUID;
	memcpy(to + 1, uuid, 16);
	return true;
}

static void
append_piece(void *arg, const char *text, int len)
{
	appendBinaryStringInfo((StringInfo) arg, text, len);
}

/*
 * Calls the type's input function; false when it refuses the text.  Where there
 * are no soft errors it takes a subtransaction to go on after one, which a
 * parallel operation does not allow: there the error is raised.
 */
#ifdef SFM_SOFT_INPUT
static bool
call_input(SfmHashColumn *column, char *text, int32 typmod, Datum *result)
{
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	return InputFunctionCallSafe(&column->input, text, column->typioparam,
								 typmod, (Node *) &escontext, result);
}
#else
static bool
call_input(SfmHashColumn *column, char *text, int32 typmod, Datum *result)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	if (IsInParallelMode())
	{
		*result = InputFunctionCall(&column->input, text, column->typioparam,
									typmod);
		return true;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		*result = InputFunctionCall(&column->input, text, column->typioparam,
									typmod);
		ReleaseCurrentSubTransaction();
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
	if (error == NULL)
		return true;
	if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
		return false;
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
			/* data, constraint, name, feature, limit, and what hstore raises: about the value */
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return false;
		default:
			ReThrowError(error);
	}
	return false;
}
#endif

/* The same; false also when the column's length or precision changes the value. */
bool
sfm_source_call_input(SfmHashColumn *column, char *text, Datum *result)
{
	Datum		whole;

	if (!call_input(column, text, column->type.typmod, result))
		return false;
	return column->type.typmod < 0 ||
		(call_input(column, text, -1, &whole) &&
		 strcmp(OutputFunctionCall(&column->output, *result), OutputFunctionCall(&column->output, whole)) == 0);
}

/*
 * Any other type: what its output function makes of what its input function
 * makes of the text.
 */
static bool
source_input(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	char		buffer[SFM_REAL_BUFFER];
	const char *bytes;
	int			len;
	char	   *container;
	bool		refused;
	Datum		datum;
	StringInfoData text;

	if (value->cls == SFM_BLOB)
		return false;
	if (column->type.typid == INTERVALOID)
	{
		bool		own;
		bool		put = sfm_source_interval(column, value, hasher, &own);

		if (own)
			return put;
	}
	bytes = value_bytes(value, buffer, &len);
	container = sfm_source_container(column, value, &refused);
	if (refused)
		return false;
	if (container)
	{
		bytes = container;
		len = strlen(container);
	}
	if (len > column->max_len ||
		(value->cls == SFM_TEXT && (value->bad_encoding || !sfm_source_text_valid(bytes, len))))
		return false;
	initStringInfo(&text);
	if (converts())
		each_converted_piece(bytes, len, append_piece, &text);
	else
		appendBinaryStringInfo(&text, bytes, len);
	if (!sfm_source_call_input(column, text.data, &datum) ||
		!sfm_source_kept(column->type.typid, text.data, datum))
		return false;
	column->target(column, datum, hasher);
	return true;
}

/* Chooses the column's reader. */
void
sfm_source_init(SfmHashColumn *column)
{
	static const SfmSourceFn functions[SFM_NKINDS] = {
		[SFM_KIND_BOOL] = source_bool,
		[SFM_KIND_INT2] = source_int,
		[SFM_KIND_INT4] = source_int,
		[SFM_KIND_INT8] = source_int,
		[SFM_KIND_FLOAT4] = source_float4,
		[SFM_KIND_FLOAT8] = source_float8,
		[SFM_KIND_NUMERIC] = source_numeric,
		[SFM_KIND_TEXT] = source_text,
		[SFM_KIND_VARCHAR] = source_text,
		[SFM_KIND_BPCHAR] = source_text,
		[SFM_KIND_BYTEA] = source_bytea,
		[SFM_KIND_DATE] = sfm_source_date,
		[SFM_KIND_TIME] = sfm_source_time,
		[SFM_KIND_TIMESTAMP] = sfm_source_timestamp,
		[SFM_KIND_TIMESTAMPTZ] = sfm_source_timestamp,
		[SFM_KIND_JSON] = sfm_source_json,
		[SFM_KIND_JSONB] = sfm_source_jsonb,
		[SFM_KIND_UUID] = source_uuid,
		[SFM_KIND_INPUT] = source_input
	};

	column->source = functions[column->type.kind];
	if (column->type.kind == SFM_KIND_INPUT || OidIsValid(column->domain))
	{
		Oid			function;

		/* name alone is cut without an error */
		column->max_len = getBaseType(column->type.typid) == NAMEOID ?
			NAMEDATALEN - 1 : SFM_MAX_FIELD;
		getTypeInputInfo(column->type.typid, &function, &column->typioparam);
		fmgr_info(function, &column->input);
	}
}
