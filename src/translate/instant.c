/*
 * instant.c
 *		What SQLite's date functions take for an instant, as a timestamp without zone.
 *
 * Known instants are 'now', ISO literals, date columns, and numbers: seconds with
 * 'unixepoch', days of the Julian calendar without.  A text column is read value by
 * value as SQLite reads it (parseDateOrTime() in its date.c): what it does not take is
 * NULL.  Years before 1, which PostgreSQL writes in another way, are errors.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "sfm_sqlite.h"
#include "translate_internal.h"

/* Parts of texts that SQLite reads: a date, a time of day, a zone. */
#define DATE_PART "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
#define TIME_PART "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]+)?)?"
#define ZONE_PART "[\\t-\\r ]*(?:[zZ]|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?[\\t-\\r ]*"
#define UNTIL_TIME "[\\t-\\r T]*"

/* A Julian day in SQLite's milliseconds, from a REAL; NULL where there is no such day. */
static char *
julian_instant(const char *r)
{
	char	   *ms = psprintf("(trunc(%s * 86400000.0 + 0.5)::bigint - 210866760000000)", r);

	return psprintf("(CASE WHEN %s < 0 OR %s >= 5373484.5 THEN NULL WHEN %s < 1721425.5"
					" THEN ('a year before 1: ' || %s)::timestamp"
					" ELSE '1970-01-01'::timestamp + %s * '1 millisecond'::interval END)",
					r, r, r, r, ms);
}

/* Seconds since 1970, from a REAL; NULL where SQLite has no such instant. */
static char *
unix_instant(const char *r)
{
	char	   *ms = psprintf("(%s * 1000.0 + 210866760000000.0)", r);

	return psprintf("(CASE WHEN %s >= 0 AND %s < 464269060800000 THEN (CASE WHEN %s < 148731163200000"
					" THEN ('a year before 1: ' || %s)::timestamp"
					" ELSE '1970-01-01'::timestamp + (trunc(%s + 0.5)::bigint - 210866760000000) * '1 millisecond'::interval END) END)",
					ms, ms, ms, r, ms);
}

/* The number that a text is, blanks around it taken off. */
static char *
text_number(const char *t)
{
	return psprintf("substring(%s, '[^\\t-\\r ]+')::double precision", t);
}

/*
 * An instant that was read from a text in whole milliseconds, as SQLite rounds when it
 * computes with one: the seconds, a double, times 1000, and a half (computeJD()).
 */
char *
sfm_tr_milliseconds(const char *instant)
{
	char	   *micros = psprintf("extract(microseconds FROM %s)::bigint", instant);
	char	   *fraction = psprintf("(%s %% 1000000)::double precision / 1000000", micros);

	if (sfm_sqlite_dialect()->cuts_seconds)
		fraction = psprintf("least(%s, 0.999::double precision)", fraction);
	return psprintf("(date_trunc('minute', %s) + trunc(((%s / 1000000)::double precision + %s) * 1000 + 0.5)::bigint * '1 millisecond'::interval)",
					instant, micros, fraction);
}

/*
 * A text that SQLite reads: a date with or without a time, a time on 2000-01-01, 'now', or
 * a Julian day; with a zone, which is taken off in whole milliseconds.  SQLite takes the 30th
 * of February and the hour 24, and shows them as they are until it computes: errors here, as a time
 * with an offset is, whose date SQLite does not move along.
 */
static char *
text_instant(const char *text)
{
	const char *t = psprintf("%s COLLATE \"C\"", text);
	char	   *time = psprintf("coalesce(substring(%s, '(" TIME_PART ")" ZONE_PART "$'), '00:00')", t);
	char	   *zone = psprintf("substring(%s, '([+-][0-9]{2}:[0-9]{2})[\\t-\\r ]*$')::interval", t);
	char	   *day = psprintf("CASE WHEN %s ~ '^[0-9]{4}-' THEN left(%s, 10)::timestamp ELSE '2000-01-01'::timestamp END",
							   t, text);
	char	   *local = psprintf("((%s) + left(%s, 15)::interval)", day, time);
	/* rounded up, the last instants are past the last that there is */
	char	   *past = sfm_sqlite_dialect()->cuts_seconds ? pstrdup("") :
		psprintf("WHEN %s ~ '^9999-12-31" UNTIL_TIME "23:59:59[.]999[5-9]' THEN NULL ", t);

	return psprintf("(CASE %sWHEN %s ~ '^" TIME_PART "[\\t-\\r ]*[+-]' THEN ('a time with an offset: ' || %s)::timestamp"
					" WHEN %s ~ '^(?:" DATE_PART UNTIL_TIME "|(?:" DATE_PART UNTIL_TIME ")?" TIME_PART ZONE_PART ")$'"
					" THEN coalesce(%s - %s, %s)"
					" WHEN lower(%s) = 'now' THEN " UTC_NOW
					" WHEN %s ~ '^-" DATE_PART "' THEN ('a year before 1: ' || %s)::timestamp"
					" WHEN %s ~ '^(?:" DATE_PART UNTIL_TIME ")?24:[0-5][0-9](?::[0-5][0-9]|" ZONE_PART "$)' THEN ('hour 24: ' || %s)::timestamp"
					" WHEN %s ~ " SFM_TR_NUMBER " THEN %s END)",
					past, t, text, t, sfm_tr_milliseconds(local), zone, local, t, t, text, t, text, t,
					julian_instant(text_number(t)));
}

/* A number: seconds with 'unixepoch', a Julian day without. */
static bool
number_value(Cx *cx, const SfmExpr *expr, const Term *arg, bool unixepoch, SfmTimeValue *value)
{
	char	   *number;

	if (!unixepoch)
	{
		value->sql = julian_instant(sfm_tr_real(cx, arg));
		return true;
	}
	if (arg->rep != REP_INT)
	{
		value->sql = unix_instant(sfm_tr_real(cx, arg));
		return true;
	}
	number = sfm_tr_int(cx, expr->offset, arg);
	value->sql = psprintf("(CASE WHEN %s BETWEEN -62135596800 AND 253402300799 THEN to_timestamp((%s)::double precision) AT TIME ZONE 'UTC' END)",
						  number, number);
	value->whole_seconds = true;
	return true;
}

/* A date column of numbers that is read as SQLite reads them with that modifier. */
static bool
column_value(const Term *arg, bool unixepoch, SfmTimeValue *value)
{
	if (unixepoch ? arg->epoch == NULL || arg->type.reading != SFM_READING_UNIX :
		arg->instant == NULL || !arg->readable)
		return false;
	value->sql = arg->instant;
	value->whole_days = !unixepoch && arg->has_type && arg->type.kind == SFM_KIND_DATE;
	value->whole_seconds = unixepoch;
	value->micros = !unixepoch && (arg->pattern == NULL || strstr(arg->pattern, ".US") != NULL);
	return true;
}

/*
 * A date function's first argument; unixepoch: with that modifier.  False: fails.
 */
bool
sfm_tr_time_value(Cx *cx, const SfmExpr *expr, const Term *arg, bool unixepoch,
				  SfmTimeValue *value)
{
	const char *text = sfm_tr_string_of(arg);
	SfmDateTime dt;

	memset(value, 0, sizeof(*value));
	value->volatility = arg->volatility;
	if (text && sfm_names_equal(text, "now") && !unixepoch)
	{
		value->sql = pstrdup(UTC_NOW);
		value->now = true;
		value->volatility = 's';
		return true;
	}
	if (text && !unixepoch && sfm_read_datetime(text, strlen(text), &dt) &&
		(!dt.has_offset || strchr(text, ':')))
	{
		int64		usecs = sfm_datetime_usecs(&dt);

		value->micros = usecs % 1000 != 0;
		value->whole_days = usecs % SFM_USECS_PER_DAY == 0;
		value->whole_seconds = usecs % 1000000 == 0;
		value->sql = psprintf("('2000-01-01'::timestamp + '%lld microseconds'::interval)", (long long) usecs);
		if (!dt.has_offset && dt.time == 0)
			value->sql = psprintf("%s::timestamp", quote_literal_cstr(pnstrdup(text, 10)));
		return true;
	}
	if (column_value(arg, unixepoch, value))
		return true;
	if (arg->epoch)
		arg = sfm_tr_epoch_number(arg);
	if (sfm_tr_is_number(arg))
		return number_value(cx, expr, arg, unixepoch, value);
	if (arg->rep == REP_TEXT)
	{
		const char *t = psprintf("%s COLLATE \"C\"", arg->sql);

		/* casts of text to date types depend on no setting in these forms, but are not immutable */
		value->sql = !unixepoch ? text_instant(arg->sql) :
			psprintf("(CASE WHEN %s ~ " SFM_TR_NUMBER " THEN %s END)", t,
					 unix_instant(text_number(t)));
		value->volatility = sfm_tr_worse(value->volatility, 's');
		value->micros = !unixepoch;
		return true;
	}
	sfm_tr_fail(cx, expr->offset, "%s() of a value of which it is not known how SQLite reads it",
				expr->text);
	return false;
}
