/*
 * convert_interval.c
 *		Values for interval, as apps store them where there is no such type.
 *
 * SQLAlchemy writes a date and time that far from 1970-01-01, Django an integer of
 * microseconds, .NET [-][d.]hh:mm:ss[.fffffff].  By a reading, numbers are seconds
 * (unix) or milliseconds (unix_ms).  The result has days and a time of day of 0 to 24
 * hours, as Python's timedelta has it, so that both ORMs get back what they would have
 * written.  Other text is left to the type's input function.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "datatype/timestamp.h"
#include "utils/timestamp.h"

#include "sfm_convert.h"

/* 1970-01-01 lies so many days before PostgreSQL's epoch. */
#define UNIX_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* An interval of so many microseconds: whole days, and what is left. */
static Datum
make_interval(int64 usecs)
{
	Interval   *interval = palloc0(sizeof(Interval));
	int64		days = usecs / USECS_PER_DAY;
	int64		rest = usecs % USECS_PER_DAY;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		days--;
	}
	interval->day = (int32) days;
	interval->time = rest;
	return IntervalPGetDatum(interval);
}

static SfmFit
from_number(const SfmConv *conv, const SfmValue *value, int64 *usecs)
{
	int64		unit = conv->type.reading == SFM_READING_UNIX ? USECS_PER_SEC :
		conv->type.reading == SFM_READING_UNIX_MS ? 1000 : 1;
	double		scaled;

	if (value->cls == SFM_INTEGER)
		return pg_mul_s64_overflow(value->u.i, unit, usecs) ? SFM_MISFIT_RANGE : SFM_FIT;
	if (unit == 1)
		return SFM_MISFIT_READING;
	scaled = rint(value->u.r * unit);
	if (!(fabs(scaled) < 9.2e18))
		return SFM_MISFIT_RANGE;
	*usecs = (int64) scaled;
	return SFM_FIT;
}

/* Digits up to a value that an int32 holds; how many there were. */
static int
read_digits(const char **p, const char *end, int64 *number)
{
	int			n = 0;

	*number = 0;
	for (; *p < end && **p >= '0' && **p <= '9' && n < 9; (*p)++, n++)
		*number = *number * 10 + (**p - '0');
	return n;
}

/* [-][d.]hh:mm:ss[.fffffff]; false: written in another way. */
static bool
from_timespan(const char *p, int len, int64 *usecs, SfmFit *fit)
{
	const char *end = p + len;
	bool		negative = p < end && *p == '-';
	int64		days = 0;
	int64		part[3];
	int64		fraction = 0;
	int			digits = 0;

	*fit = SFM_FIT;
	p += negative;
	if (read_digits(&p, end, &part[0]) == 0 || p == end)
		return false;
	if (*p == '.')
	{
		days = part[0];
		p++;
		if (read_digits(&p, end, &part[0]) != 2)
			return false;
	}
	for (int i = 1; i < 3; i++)
		if (p == end || *p++ != ':' || read_digits(&p, end, &part[i]) != 2 || part[i] > 59)
			return false;
	if (part[0] > 23 && days > 0)
		return false;
	if (p < end && *p == '.')
		for (p++; p < end && *p >= '0' && *p <= '9'; p++, digits++)
		{
			if (digits < 6)
				fraction = fraction * 10 + (*p - '0');
			else if (*p != '0')
				*fit = SFM_MISFIT_INEXACT;
		}
	if (p != end)
		return false;
	for (; digits < 6; digits++)
		fraction *= 10;
	*usecs = (days * 24 + part[0]) * USECS_PER_HOUR + part[1] * USECS_PER_MINUTE +
		part[2] * USECS_PER_SEC + fraction;
	if (negative)
		*usecs = -*usecs;
	return true;
}

/* Whether a text begins with YYYY-MM-DD. */
static bool
is_dated(const char *p, int len)
{
	static const char form[] = "0000-00-00";

	for (int i = 0; i < 10; i++)
		if (i >= len || (form[i] == '-' ? p[i] != '-' : p[i] < '0' || p[i] > '9'))
			return false;
	return len == 10 || p[10] < '0' || p[10] > '9';
}

/*
 * An interval in one of these forms.  False: the text is in none of them, and
 * nothing is said about it.
 */
bool
sfm_convert_interval(SfmConv *conv, const SfmValue *value, Datum *result, SfmFit *fit)
{
	SfmDateTime dt;
	int64		usecs = 0;

	if (value->cls == SFM_INTEGER || value->cls == SFM_REAL)
		*fit = from_number(conv, value, &usecs);
	else if (value->cls == SFM_TEXT && !value->bad_encoding && is_dated(value->u.p, value->len))
	{
		if (!sfm_read_datetime(value->u.p, value->len, &dt))
			*fit = SFM_MISFIT_SYNTAX;
		else if (dt.has_offset)
			*fit = SFM_MISFIT_OFFSET;
		else
		{
			usecs = (dt.days + UNIX_DAYS) * USECS_PER_DAY + dt.time;
			*fit = SFM_FIT;
		}
	}
	else if (value->cls != SFM_TEXT || !from_timespan(value->u.p, value->len, &usecs, fit))
		return false;
	if (*fit == SFM_FIT)
	{
		*result = make_interval(usecs);
		conv->seen.spelled++;
	}
	return true;
}
