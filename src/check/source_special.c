/*
 * source_special.c
 *		Intervals, domains, and JSON in array and hstore columns, as the source holds
 *		them.
 *
 * As everywhere in src/check, nothing of the converters is used: dates by
 * PostgreSQL's calendar, JSON by its parser.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/jsonapi.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "executor/executor.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/expandeddatum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "check_internal.h"

/*
 * Intervals
 */

static void
put_interval(SfmHasher *hasher, int64 months, int64 usecs)
{
	sfm_put_int64(hasher, SFM_TAG_INTERVAL, months);
	sfm_put_int64(hasher, SFM_TAG_INTERVAL, usecs);
}

/* The target's side: days count 24 hours, as in interval's own comparison. */
void
sfm_target_interval(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	Interval   *interval = DatumGetIntervalP(value);

	put_interval(hasher, interval->month,
				 (int64) ((uint64) interval->day * USECS_PER_DAY + (uint64) interval->time));
}

/* ".123456" at the end of a text, in microseconds; false when it is something else. */
static bool
read_fraction(const char *p, int64 *usecs)
{
	int			n;

	*usecs = 0;
	if (*p == '\0')
		return true;
	if (*p++ != '.' || strspn(p, "0123456789") != strlen(p))
		return false;
	for (n = 0; n < 6; n++)
		*usecs = *usecs * 10 + (*p != '\0' ? *p++ - '0' : 0);
	return strspn(p, "0") == strlen(p);
}

/* Whether a text begins with YYYY-MM-DD. */
static bool
is_dated(const char *text)
{
	return strspn(text, "0123456789") == 4 && text[4] == '-' &&
		strspn(text + 5, "0123456789") == 2 && text[7] == '-' && strspn(text + 8, "0123456789") == 2;
}

/* A point in time: how far it is from 1970. */
static bool
usecs_since_1970(const char *text, int64 *usecs)
{
	int			y;
	int			m;
	int			d;
	int			hour = 0;
	int			minute = 0;
	int			second = 0;
	int			end = 0;
	int64		fraction;

	if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &end) != 3 || end != 10)
		return false;
	text += end;
	if (*text == ' ' || *text == 'T')
	{
		end = 0;
		if (sscanf(text + 1, "%2d:%2d%n", &hour, &minute, &end) != 2 || end != 5)
			return false;
		text += 1 + end;
		end = 0;
		if (sscanf(text, ":%2d%n", &second, &end) == 1 && end == 3)
			text += end;
	}
	if (!read_fraction(text, &fraction))
		return false;
	*usecs = (date2j(y, m, d) - UNIX_EPOCH_JDATE) * USECS_PER_DAY +
		((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + fraction;
	return true;
}

/*
 * .NET's [-][d.]hh:mm:ss[.fffffff]; false: something else.  *exact: no digit of the
 * fraction is lost.
 */
static bool
usecs_of_timespan(const char *text, int64 *usecs, bool *exact)
{
	int			sign = text[0] == '-' ? -1 : 1;
	int			days = 0;
	int			hour;
	int			minute;
	int			second;
	int			end = 0;
	int64		fraction;

	if (text[0] == '-')
		text++;
	if (text[0] < '0' || text[0] > '9')
		return false;
	if (text[strspn(text, "0123456789")] == '.')
	{
		if (sscanf(text, "%9d.%n", &days, &end) != 1 || end == 0)
			return false;
		text += end;
	}
	end = 0;
	if (sscanf(text, "%9d:%2d:%2d%n", &hour, &minute, &second, &end) != 3 || end == 0)
		return false;
	text += end;
	if (*text != '\0' && (*text != '.' || strspn(text + 1, "0123456789") != strlen(text + 1)))
		return false;
	*exact = read_fraction(text, &fraction);
	*usecs = sign * ((days * 24 + hour) * USECS_PER_HOUR + minute * USECS_PER_MINUTE +
					 second * USECS_PER_SEC + fraction);
	return true;
}

/*
 * The source's side: false, having put nothing, where the value has no canonical form.
 * *own is false when it is in none of the forms that apps write, so that the type's input
 * function decides.
 */
bool
sfm_source_interval(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher, bool *own)
{
	bool		exact = true;
	int64		usecs = 0;
	int64		unit = column->type.reading == SFM_READING_UNIX ? USECS_PER_SEC :
		column->type.reading == SFM_READING_UNIX_MS ? 1000 : 1;
	char	   *text;

	*own = true;
	switch (value->cls)
	{
		case SFM_INTEGER:
			if (pg_mul_s64_overflow(value->u.i, unit, &usecs))
				return false;
			break;
		case SFM_REAL:
			if (unit == 1 || !(fabs(value->u.r) < 9.2e18 / unit))
				return false;
			usecs = (int64) rint(value->u.r * unit);
			break;
		case SFM_TEXT:
			text = pnstrdup(value->u.p, value->len);
			if (is_dated(text))
				exact = usecs_since_1970(text, &usecs);
			else
				*own = usecs_of_timespan(text, &usecs, &exact);
			if (!*own || !exact)
				return false;
			break;
		default:
			return false;
	}
	if (column->type.typmod >= 0)
	{
		Datum		datum;

		if (!sfm_source_call_input(column, psprintf(INT64_FORMAT " microseconds", usecs), &datum))
			return false;
	}
	put_interval(hasher, 0, usecs);
	return true;
}

/*
 * Types of which the input function takes more than the type holds
 */

/* Whether the value says what the text says; only asked of types that may not. */
bool
sfm_source_kept(Oid typid, char *text, Datum datum)
{
	char	   *number = text + strspn(text, " +");
	int64		seconds;

	switch (typid)
	{
		case CHAROID:
			return text[0] == '\0' || text[1] == '\0';
		case OIDOID:
		case XIDOID:
		case CIDOID:
			return *number != '-';
		case MONEYOID:
			/* with a sign of a currency or groups of digits it is none that SQLite had as a number */
			if (strspn(number, "-0123456789.") != strlen(number))
				return true;
			return DatumGetBool(DirectFunctionCall2(numeric_eq, DirectFunctionCall1(cash_numeric, datum),
													DirectFunctionCall3(numeric_in, CStringGetDatum(number),
																		ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
		case TIMETZOID:
			number = strchr(text, '.');
			return number == NULL || read_fraction(pnstrdup(number, 1 + strspn(number + 1, "0123456789")), &seconds);
		default:
			return true;
	}
}

/*
 * Domains
 */

/* The value in the type beneath the domain; false where only a reading makes it one. */
static bool
value_beneath(SfmHashColumn *column, const SfmValue *value, Datum *datum)
{
	char		number[SFM_REAL_BUFFER];
	char	   *text;

	if (column->type.kind == SFM_KIND_BYTEA)
		return false;
	if (value->cls == SFM_INTEGER || value->cls == SFM_REAL)
	{
		int64		whole;
		int			len = sfm_source_number_text(value, number);

		if (column->type.kind == SFM_KIND_DATE || column->type.kind == SFM_KIND_TIMESTAMP ||
			column->type.kind == SFM_KIND_TIMESTAMPTZ || column->type.typid == INTERVALOID)
			return false;
		text = sfm_source_whole(value, &whole) && column->type.kind <= SFM_KIND_INT8 ?
			psprintf(INT64_FORMAT, whole) : pnstrdup(number, len);
	}
	else
	{
		bool		refused;

		if (!sfm_source_text_valid(value->u.p, value->len))
			return false;
		text = sfm_source_container(column, value, &refused);
		if (text == NULL)
			text = pnstrdup(value->u.p, value->len);
		if (GetDatabaseEncoding() != PG_UTF8)
			text = pg_any_to_server(text, strlen(text), PG_UTF8);
	}
	return sfm_source_call_input(column, text, datum);
}

bool
sfm_source_domain_takes(SfmHashColumn *column, const SfmValue *value)
{
	Datum		datum;
	bool		takes = true;
	ListCell   *lc;

	if (!value_beneath(column, value, &datum))
		return true;			/* the type beneath decides */
	UpdateDomainConstraintRef(column->checks);
	foreach(lc, column->checks->constraints)
	{
		DomainConstraintState *check = lfirst(lc);

		if (check->constrainttype != DOM_CONSTRAINT_CHECK)
			continue;
		column->econtext->domainValue_datum =
			MakeExpandedObjectReadOnly(datum, false, column->checks->tcache->typlen);
		column->econtext->domainValue_isNull = false;
		takes = takes && ExecCheck(check->check_exprstate, column->econtext);
	}
	ReScanExprContext(column->econtext);
	return takes;
}

/*
 * JSON for arrays and hstore: the text that the type's input function takes
 */
typedef struct JsonState
{
	StringInfoData out;
	bool		hstore;
	JsonLexContext *lex;		/* set: elements are JSON, and taken as written */
	const char *element;		/* where such a one begins */
	char		delimiter;
	int			depth;
	bool		comma;			/* a delimiter is due before the next element */
	List	   *names;			/* hstore: keys so far */
	bool		bad;
} JsonState;

static void
put_element(JsonState *state, const char *text)
{
	if (text == NULL)
	{
		appendStringInfoString(&state->out, "NULL");
		return;
	}
	appendStringInfoChar(&state->out, '"');
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(&state->out, '\\');
		appendStringInfoChar(&state->out, *text);
	}
	appendStringInfoChar(&state->out, '"');
}

static void
next_element(JsonState *state)
{
	if (state->comma)
		appendStringInfoChar(&state->out, state->delimiter);
	state->comma = true;
}

static SFM_JSON_RESULT
array_start(void *arg)
{
	JsonState  *state = arg;

	state->bad |= state->hstore;
	if (state->depth++ > 0 && state->lex == NULL)
		next_element(state);
	if (state->lex == NULL || state->depth == 1)
	{
		appendStringInfoChar(&state->out, '{');
		state->comma = false;
	}
	SFM_JSON_RETURN;
}

static SFM_JSON_RESULT
array_end(void *arg)
{
	JsonState  *state = arg;

	state->depth--;
	if (state->lex == NULL || state->depth == 0)
	{
		appendStringInfoChar(&state->out, '}');
		state->comma = true;
	}
	SFM_JSON_RETURN;
}

/* A member of an array whose elements are JSON. */
static SFM_JSON_RESULT
element_start(void *arg, bool isnull)
{
	JsonState  *state = arg;

	if (state->depth == 1)
		state->element = state->lex->token_start;
	SFM_JSON_RETURN;
}

static SFM_JSON_RESULT
element_end(void *arg, bool isnull)
{
	JsonState  *state = arg;

	if (state->depth == 1)
	{
		next_element(state);
		put_element(state, pnstrdup(state->element, state->lex->prev_token_terminator - state->element));
	}
	SFM_JSON_RETURN;
}

static SFM_JSON_RESULT
object_start(void *arg)
{
	JsonState  *state = arg;

	state->bad |= !state->hstore || state->depth++ > 0;
	SFM_JSON_RETURN;
}

static SFM_JSON_RESULT
field_start(void *arg, char *name, bool isnull)
{
	JsonState  *state = arg;

	/* hstore keeps one of two equal keys */
	for (ListCell *lc = list_head(state->names); lc; lc = lnext(state->names, lc))
		state->bad |= strcmp(lfirst(lc), name) == 0;
	state->names = lappend(state->names, name);
	next_element(state);
	put_element(state, name);
	appendStringInfoString(&state->out, "=>");
	SFM_JSON_RETURN;
}

static SFM_JSON_RESULT
scalar(void *arg, char *token, JsonTokenType type)
{
	JsonState  *state = arg;

	if (!state->hstore)
		next_element(state);
	put_element(state, type == JSON_TOKEN_NULL ? NULL : token);
	SFM_JSON_RETURN;
}

static bool
is_hstore(Oid typid)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	bool		result = HeapTupleIsValid(tuple) &&
		strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), "hstore") == 0;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* Whether it is JSON null in an array or hstore column, which is NULL there. */
bool
sfm_source_is_json_null(const SfmHashColumn *column, const SfmValue *value)
{
	char	   *text;
	int			blanks;

	if (value->cls != SFM_TEXT || column->type.kind != SFM_KIND_INPUT)
		return false;
	text = pnstrdup(value->u.p, value->len);
	blanks = strspn(text, " \t\r\n");
	return strncmp(text + blanks, "null", 4) == 0 &&
		blanks + 4 + strspn(text + blanks + 4, " \t\r\n") == value->len &&
		(OidIsValid(get_element_type(column->type.typid)) || is_hstore(column->type.typid));
}

/*
 * The text for the input function of an array type or hstore, in UTF-8; NULL when the
 * value is no JSON array or object, and what it is is the type's to say, or, with
 * *refused, when it is one that the type does not hold.
 */
char *
sfm_source_container(const SfmHashColumn *column, const SfmValue *value, bool *refused)
{
	JsonState	state = {0};
	JsonSemAction actions = {0};
	Oid			element = get_element_type(column->type.typid);
	JsonLexContext *lex;
	char	   *text;

	*refused = false;
	state.hstore = is_hstore(column->type.typid);
	if (value->cls != SFM_TEXT || (!OidIsValid(element) && !state.hstore))
		return NULL;
	text = pnstrdup(value->u.p, value->len);
	if (text[strspn(text, " \t\r\n")] != (state.hstore ? '{' : '['))
		return NULL;
	initStringInfo(&state.out);
	state.delimiter = element == BOXOID ? ';' : ',';
	actions.semstate = &state;
	actions.array_start = array_start;
	actions.array_end = array_end;
	if (element == JSONOID || element == JSONBOID)
	{
		lex = state.lex = sfm_json_lexer(text, value->len, false);
		actions.array_element_start = element_start;
		actions.array_element_end = element_end;
	}
	else
	{
		lex = sfm_json_lexer(text, value->len, true);
		actions.object_start = object_start;
		actions.object_field_start = field_start;
		actions.scalar = scalar;
	}
	if (pg_parse_json(lex, &actions) != JSON_SUCCESS)
	{
		/* half a document may be the type's own form, but not an escape that has no text */
		*refused = state.out.len > 0 && strstr(text, "\\u") != NULL;
		return NULL;
	}
	*refused = state.bad;
	return state.bad ? NULL : state.out.data;
}
