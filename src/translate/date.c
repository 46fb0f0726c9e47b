/*
 * date.c
 *		date(), time(), datetime(), julianday(), unixepoch(), strftime() and CURRENT_*.
 *
 * A time value (instant.c reads it) is an instant without a zone, in UTC, as SQLite has
 * it.  now() is the transaction's start, where SQLite's 'now' is the statement's.  What a function returns is text, and its instant is kept beside
 * it, so that comparisons with date columns need no text.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/formatting.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

/*
 * An ISO text as an instant and to_char()'s pattern for it; false when it is not in
 * one of the forms of PostgreSQL and SQLite without offset.
 */
bool
sfm_tr_literal_date(const char *text, char **instant, const char **pattern)
{
	SfmDateTime dt;
	int			len = strlen(text);

	if (!sfm_read_datetime(text, len, &dt) || dt.has_offset || strchr(text, 'T'))
		return false;
	switch (len)
	{
		case 10:
			*pattern = "YYYY-MM-DD";
			break;
		case 16:
			*pattern = "YYYY-MM-DD HH24:MI";
			break;
		case 19:
			*pattern = "YYYY-MM-DD HH24:MI:SS";
			break;
		case 23:
			*pattern = "YYYY-MM-DD HH24:MI:SS.MS";
			break;
		case 26:
			*pattern = "YYYY-MM-DD HH24:MI:SS.US";
			break;
		default:
			return false;
	}
	*instant = psprintf("%s::timestamp", quote_literal_cstr(text));
	return true;
}

/* Whether a modifier that shift() takes is one of months or years. */
static bool
counts_months(const char *modifier)
{
	const char *unit = modifier + strcspn(modifier, "mMyY");

	return pg_strncasecmp(unit, "month", 5) == 0 || pg_strncasecmp(unit, "year", 4) == 0;
}

/* "+3 days": a count and a unit; NULL when it is none of that. */
static char *
shift(const char *modifier, const char *sql)
{
	static const char *const units[] = {"second", "minute", "hour", "day", "month", "year"};
	char	   *end;
	long		count = strtol(modifier, &end, 10);

	if (end == modifier || *end != ' ' || count < -1000000 || count > 1000000)
		return NULL;
	while (*end == ' ')
		end++;
	for (int i = 0; i < lengthof(units); i++)
	{
		int			len = strlen(units[i]);

		if (pg_strncasecmp(end, units[i], len) != 0)
			continue;
		if (strcmp(end + len, "") != 0 && pg_strcasecmp(end + len, "s") != 0)
			continue;
		/* SQLite keeps the day's number and lets it run over into the next month */
		if (i >= 4)
			return psprintf("(date_trunc('month', %s) + '%ld %s'::interval + (%s - date_trunc('month', %s)))",
							sql, count, units[i], sql, sql);
		return psprintf("(%s + '%ld %s'::interval)", sql, count, units[i]);
	}
	return NULL;
}

/* From here on SQLite computes, and rounds to milliseconds first. */
static void
in_milliseconds(SfmTimeValue *value)
{
	if (value->micros)
		value->sql = sfm_tr_milliseconds(value->sql);
	value->micros = false;
}

/*
 * SQLite has no years past 9999: what is there when it needs the year is NULL (computeYMD(),
 * computeJD()).
 */
static void
keep_below_10000(SfmTimeValue *value)
{
	if (value->beyond && !value->now)
		value->sql = psprintf("nullif(least(%s, '10000-01-01'::timestamp), '10000-01-01'::timestamp)",
							  value->sql);
	value->beyond = false;
}

/* Years before 1, which PostgreSQL's text shows in another way, become an error. */
static void
keep_after_0(SfmTimeValue *value)
{
	if (value->moved && !value->now)
		value->sql = psprintf("(CASE WHEN %s < '0001-01-01'::timestamp THEN ('a year before 1: ' || %s)::timestamp ELSE %s END)",
							  value->sql, value->sql, value->sql);
}

static bool
modify(Cx *cx, const SfmExpr *expr, const Term *arg, SfmTimeValue *value)
{
	const char *modifier = sfm_tr_string_of(arg);
	char	   *sql;

	if (modifier == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a modifier that is no literal", expr->text);
		return false;
	}
	if (pg_strncasecmp(modifier, "start of ", 9) == 0 &&
		(pg_strcasecmp(modifier + 9, "day") == 0 || pg_strcasecmp(modifier + 9, "month") == 0 ||
		 pg_strcasecmp(modifier + 9, "year") == 0))
	{
		keep_below_10000(value);
		value->sql = psprintf("date_trunc('%s', %s)", asc_tolower(modifier + 9, strlen(modifier + 9)),
							  value->sql);
		value->micros = false;
		return true;
	}
	in_milliseconds(value);
	if (pg_strncasecmp(modifier, "weekday ", 8) == 0 && modifier[8] >= '0' && modifier[8] <= '6' &&
		modifier[9] == '\0')
	{
		keep_below_10000(value);
		value->sql = psprintf("(%s + ((%c - extract(dow FROM %s)::integer + 7) %% 7) * '1 day'::interval)",
							  value->sql, modifier[8], value->sql);
		value->moved = value->beyond = true;
		return true;
	}
	if (counts_months(modifier))
		keep_below_10000(value);
	value->whole_days = value->whole_seconds = false;
	sql = shift(modifier, value->sql);
	if (sql == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "the modifier '%s'", modifier);
		return false;
	}
	value->sql = sql;
	value->moved = value->beyond = true;
	if (counts_months(modifier))
		keep_below_10000(value);
	return true;
}

/* The instant without what is smaller than the unit. */
static char *
truncated(const SfmTimeValue *value, const char *unit)
{
	if (value->whole_days || (value->whole_seconds && strcmp(unit, "second") == 0))
		return value->sql;
	return psprintf("date_trunc('%s', %s)", unit, value->sql);
}

/* Text of an instant; truncated: the instant as far as the text shows it. */
static Term *
instant_text(const SfmTimeValue *value, const char *pattern, const char *unit)
{
	Term	   *result = sfm_tr_term(REP_TEXT, psprintf("to_char(%s, '%s')", value->sql, pattern));

	result->volatility = sfm_tr_worse(value->volatility, 's');
	result->pattern = pattern;
	result->readable = true;
	result->instant = truncated(value, unit);
	result->is_now = strcmp(value->sql, UTC_NOW) == 0;
	return result;
}

static char *
epoch(SfmTimeValue *value)
{
	in_milliseconds(value);
	return psprintf("floor(extract(epoch FROM %s))::bigint", value->sql);
}

/* One piece of strftime()'s result, appended to sql. */
static void
append_piece(StringInfo sql, const char *piece)
{
	appendStringInfo(sql, "%s%s", sql->len ? " || " : "", piece);
}

/* Characters that to_char() shall pass on. */
static void
append_quoted(StringInfo pattern, char c)
{
	if (c == '"' || c == '\\')
		appendStringInfo(pattern, "\"\\%c\"", c);
	else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '%' ||
			 IS_HIGHBIT_SET(c))
		appendStringInfo(pattern, "\"%c\"", c);
	else
		appendStringInfoChar(pattern, c);
}

/* strftime()'s conversions as patterns of to_char(). */
static const struct
{
	char		letter;
	const char *pattern;
} conversions[] = {
	{'d', "DD"}, {'f', "SS.MS"}, {'H', "HH24"}, {'j', "DDD"}, {'m', "MM"}, {'M', "MI"}, {'S', "SS"},
	{'Y', "YYYY"}
};

/* The forms whose text is that of an instant, for comparisons and date columns. */
static void
known_pattern(Term *result, const SfmTimeValue *value, const char *pattern)
{
	static const struct
	{
		const char *pattern;
		const char *unit;
	} known[] = {
		{"YYYY-MM-DD", "day"}, {"YYYY-MM-DD HH24:MI", "minute"}, {"YYYY-MM-DD HH24:MI:SS", "second"},
		{"YYYY-MM-DD HH24:MI:SS.MS", "milliseconds"}, {"YYYY-MM-DD\"T\"HH24:MI:SS", "second"},
		{"YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"", "second"}, {"YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"", "milliseconds"},
		{"YYYY-MM-DD\"T\"HH24:MI:SS.MS", "milliseconds"}
	};

	for (int i = 0; i < lengthof(known); i++)
		if (strcmp(known[i].pattern, pattern) == 0)
		{
			result->pattern = known[i].pattern;
			result->readable = true;
			result->instant = truncated(value, known[i].unit);
		}
}

static Term *
strftime_text(Cx *cx, const SfmExpr *expr, const char *format, SfmTimeValue *value)
{
	StringInfoData sql;
	StringInfoData pattern;
	Term	   *result;
	bool		plain = true;

	initStringInfo(&sql);
	initStringInfo(&pattern);
	for (const char *p = format; *p; p++)
	{
		int			i;
		char	   *piece = NULL;

		if (*p != '%')
		{
			append_quoted(&pattern, *p);
			continue;
		}
		p++;
		if (*p == '%')
		{
			append_quoted(&pattern, '%');
			continue;
		}
		for (i = 0; i < lengthof(conversions) && conversions[i].letter != *p; i++)
			;
		if (i < lengthof(conversions) && !(*p == 'f' && value->micros))
		{
			appendStringInfoString(&pattern, conversions[i].pattern);
			continue;
		}
		if (*p == 's')
		{
			SfmTimeValue copy = *value;

			piece = psprintf("(%s)::text", epoch(&copy));
		}
		else if (*p == 'w')
			piece = psprintf("extract(dow FROM %s)::text", value->sql);
		else
		{
			sfm_tr_fail(cx, expr->offset, "strftime()'s conversion %%%c", *p ? *p : ' ');
			return sfm_tr_null();
		}
		if (pattern.len)
			append_piece(&sql, psprintf("to_char(%s, %s)", value->sql, quote_literal_cstr(pattern.data)));
		append_piece(&sql, piece);
		resetStringInfo(&pattern);
		plain = false;
	}
	if (pattern.len)
		append_piece(&sql, psprintf("to_char(%s, %s)", value->sql, quote_literal_cstr(pattern.data)));
	if (sql.len == 0)
		return sfm_tr_text_literal(cx, expr->offset, "");
	result = sfm_tr_term(REP_TEXT, psprintf("(%s)", sql.data));
	result->volatility = sfm_tr_worse(value->volatility, 's');
	if (plain)
		known_pattern(result, value, pattern.data);
	if (strcmp(format, "%s") == 0)
		result->int_sql = epoch(value);
	return result;
}

static bool
is_modifier(const Term *arg, const char *word)
{
	return sfm_tr_string_of(arg) && sfm_names_equal(sfm_tr_string_of(arg), word);
}

/* Any of the date functions. */
Term *
sfm_tr_date_function(Cx *cx, const SfmExpr *expr, List *args)
{
	const char *name = expr->text;
	bool		is_strftime = sfm_names_equal(name, "strftime");
	const char *format = NULL;
	bool		unixepoch;
	int			next;
	SfmTimeValue value;
	Term	   *result;
	ListCell   *lc;

	foreach(lc, args)
		if (((Term *) lfirst(lc))->rep == REP_NULL)
			return sfm_tr_null();
	if (is_strftime)
	{
		format = sfm_tr_string_of(linitial(args));
		if (format == NULL)
		{
			sfm_tr_fail(cx, expr->offset, "strftime() with a format that is no literal");
			return sfm_tr_null();
		}
		args = list_delete_first(list_copy(args));
	}
	if (args == NIL)
		args = list_make1(sfm_tr_text_literal(cx, expr->offset, "now"));
	unixepoch = list_length(args) > 1 && is_modifier(lsecond(args), "unixepoch");
	next = unixepoch ? 2 : 1;
	if (!sfm_tr_time_value(cx, expr, linitial(args), unixepoch, &value))
		return sfm_tr_null();
	for (; next < list_length(args); next++)
	{
		if (!modify(cx, expr, list_nth(args, next), &value))
			return sfm_tr_null();
	}
	keep_below_10000(&value);
	keep_after_0(&value);
	if (strlen(value.sql) > MAX_TERM)
		sfm_tr_fail(cx, expr->offset, "the expression becomes too long");
	if (is_strftime)
		return strftime_text(cx, expr, format, &value);
	if (sfm_names_equal(name, "date"))
		return instant_text(&value, "YYYY-MM-DD", "day");
	if (sfm_names_equal(name, "time"))
	{
		result = instant_text(&value, "HH24:MI:SS", "second");
		result->instant = psprintf("('2000-01-01'::date + date_trunc('second', %s)::time)", value.sql);
		return result;
	}
	if (sfm_names_equal(name, "datetime"))
		return instant_text(&value, "YYYY-MM-DD HH24:MI:SS", "second");
	if (sfm_names_equal(name, "unixepoch"))
		result = sfm_tr_term(REP_INT, psprintf("(%s)", epoch(&value)));
	else
	{
		in_milliseconds(&value);
		result = sfm_tr_term(REP_REAL,
							 psprintf("((210866760000000 + floor(extract(epoch FROM %s) * 1000)::bigint)::double precision / 86400000::double precision)",
									  value.sql));
	}
	result->volatility = value.volatility;
	return result;
}

/* CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP: text in UTC */
Term *
sfm_tr_current(Cx *cx, const SfmExpr *expr)
{
	SfmTimeValue value = {.sql = pstrdup(UTC_NOW), .volatility = 's', .now = true};
	Term	   *result;

	if (expr->kind == SFM_EXPR_CURRENT_DATE)
		return instant_text(&value, "YYYY-MM-DD", "day");
	if (expr->kind == SFM_EXPR_CURRENT_TIMESTAMP)
		return instant_text(&value, "YYYY-MM-DD HH24:MI:SS", "second");
	result = instant_text(&value, "HH24:MI:SS", "second");
	result->instant = psprintf("('2000-01-01'::date + date_trunc('second', %s)::time)", value.sql);
	return result;
}
