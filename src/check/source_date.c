/*
 * source_date.c
 *		Dates and times as SQLite apps write them: ISO 8601 text, and numbers by
 *		the column's reading.
 *
 * Canonical are days and microseconds since 2000-01-01 00:00:00, as PostgreSQL
 * counts them, and microseconds since midnight for a time of day.  Days are
 * counted by the Gregorian calendar's 400-year cycle; nothing of PostgreSQL's
 * date code is used.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "datatype/timestamp.h"

#include "compat.h"
#include "check_internal.h"

/* 1970-01-01 and the Julian day 0 (noon of -4713-11-24), seen from 2000-01-01. */
#define UNIX_EPOCH_US (INT64CONST(-10957) * USECS_PER_DAY)
#define JULIAN_ZERO_US (UNIX_EPOCH_US - INT64CONST(210866760000000) * 1000)

/* The years 1 to 9999, in days */
#define FIRST_DAY INT64CONST(-730119)
#define LAST_DAY INT64CONST(2921939)

/* A date-time as it was read. */
typedef struct Stamp
{
	int64		days;			/* since 2000-01-01 */
	int64		us;				/* of the day */
	bool		has_offset;
	int64		offset_us;		/* east of UTC */
} Stamp;

/*
 * Days from 2000-01-01; false when there is no such day.  The year begins in
 * March here, so that the leap day is its last.
 */
static bool
days_of(int year, int month, int day, int64 *days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	int			shifted = month > 2 ? month - 3 : month + 9;

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 ||
		day > lengths[month - 1] + (leap && month == 2))
		return false;
	if (month <= 2)
		year--;
	/* 730425 days lie between 0000-03-01 and 2000-01-01 */
	*days = INT64CONST(365) * year + year / 4 - year / 100 + year / 400 +
		(153 * shifted + 2) / 5 + day - 1 - 730425;
	return true;
}

/* n digits; *p moves behind them. */
static inline bool
digits(const char **p, const char *end, int n, int *value)
{
	if (end - *p < n)
		return false;
	*value = 0;
	for (int i = 0; i < n; i++)
	{
		unsigned	digit = (unsigned char) (*p)[i] - '0';

		if (digit > 9)
			return false;
		*value = *value * 10 + digit;
	}
	*p += n;
	return true;
}

static inline bool
one_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

/* YYYY-MM-DD */
static bool
read_day(const char **p, const char *end, int64 *days)
{
	int			year;
	int			month;
	int			day;

	return digits(p, end, 4, &year) && one_char(p, end, '-') &&
		digits(p, end, 2, &month) && one_char(p, end, '-') &&
		digits(p, end, 2, &day) && days_of(year, month, day, days);
}

/* HH:MM, HH:MM:SS or HH:MM:SS.f...; more than six decimals only if the rest is zeros */
static bool
read_clock(const char **p, const char *end, int64 *us)
{
	int			hour;
	int			minute;
	int			second = 0;
	int			fraction = 0;

	if (!digits(p, end, 2, &hour) || !one_char(p, end, ':') ||
		!digits(p, end, 2, &minute) || hour > 23 || minute > 59)
		return false;
	if (one_char(p, end, ':'))
	{
		if (!digits(p, end, 2, &second) || second > 59)
			return false;
		if (one_char(p, end, '.'))
		{
			int			n = 0;

			for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, n++)
			{
				if (n < 6)
					fraction = fraction * 10 + (**p - '0');
				else if (**p != '0')
					return false;
			}
			if (n == 0)
				return false;
			for (; n < 6; n++)
				fraction *= 10;
		}
	}
	*us = ((hour * 60 + minute) * INT64CONST(60) + second) * USECS_PER_SEC + fraction;
	return true;
}

/* Z, +HH, +HHMM or +HH:MM, perhaps behind a blank, to the end */
static bool
read_offset(const char *p, const char *end, Stamp *stamp)
{
	int			hour;
	int			minute = 0;
	bool		west;

	stamp->has_offset = true;
	one_char(&p, end, ' ');
	if (one_char(&p, end, 'Z'))
	{
		stamp->offset_us = 0;
		return p == end;
	}
	west = p < end && *p == '-';
	if (!west && (p == end || *p != '+'))
		return false;
	p++;
	if (!digits(&p, end, 2, &hour))
		return false;
	if (p < end)
	{
		one_char(&p, end, ':');
		if (!digits(&p, end, 2, &minute))
			return false;
	}
	if (p != end || hour > 15 || minute > 59)
		return false;
	stamp->offset_us = (hour * 60 + minute) * INT64CONST(60) * USECS_PER_SEC * (west ? -1 : 1);
	return true;
}

/* A date, or a date and a time with or without offset. */
static bool
read_iso(const SfmValue *value, Stamp *stamp)
{
	const char *p = value->u.p;
	const char *end = p + value->len;

	memset(stamp, 0, sizeof(*stamp));
	if (value->bad_encoding || !read_day(&p, end, &stamp->days))
		return false;
	if (p == end)
		return true;
	if (!one_char(&p, end, ' ') && !one_char(&p, end, 'T'))
		return false;
	if (!read_clock(&p, end, &stamp->us))
		return false;
	return p == end || read_offset(p, end, stamp);
}

/* YYYYMMDD or YYYYMMDDHHMMSS as a number */
static bool
read_calendar(const SfmValue *value, int64 *us)
{
	int64		number;
	int64		clock = 0;
	int64		days;

	if (!sfm_source_whole(value, &number) || number < 0)
		return false;
	if (number >= INT64CONST(10000000000000) && number <= INT64CONST(99999999999999))
	{
		int			second = number % 100;
		int			minute = number / 100 % 100;
		int			hour = number / 10000 % 100;

		if (hour > 23 || minute > 59 || second > 59)
			return false;
		clock = ((hour * 60 + minute) * INT64CONST(60) + second) * USECS_PER_SEC;
		number /= 1000000;
	}
	else if (number < 10000000 || number > 99999999)
		return false;
	if (!days_of(number / 10000, number / 100 % 100, number % 100, &days))
		return false;
	*us = days * USECS_PER_DAY + clock;
	return true;
}

/*
 * A count of units since 1970, a real to the nearest microsecond.  The part
 * behind the point is taken off first, which is exact; multiplying the whole
 * would round twice.
 */
static bool
read_unix(const SfmValue *value, int64 us_per_unit, int64 *us)
{
	int64		units;
	int64		rest = 0;

	if (value->cls == SFM_INTEGER)
		units = value->u.i;
	else
	{
		double		whole = floor(value->u.r);

		if (!(whole > -1e15 && whole < 1e15))
			return false;
		units = (int64) whole;
		rest = (int64) rint((value->u.r - whole) * us_per_unit);
	}
	if (pg_mul_s64_overflow(units, us_per_unit, us) ||
		pg_add_s64_overflow(*us, UNIX_EPOCH_US + rest, us))
		return false;
	return true;
}

/* Julian days to the nearest millisecond, by the arithmetic of SQLite's date functions. */
static bool
read_julian(const SfmValue *value, int64 *us)
{
	double		days = value->cls == SFM_INTEGER ? (double) value->u.i : value->u.r;

	/* SQLite's own bounds */
	if (!(days >= 0.0 && days < 5373484.5))
		return false;
	*us = (int64) (days * 86400000.0 + 0.5) * 1000 + JULIAN_ZERO_US;
	return true;
}

static bool
read_number(SfmReading reading, const SfmValue *value, int64 *us)
{
	if (value->cls != SFM_INTEGER && value->cls != SFM_REAL)
		return false;
	switch (reading)
	{
		case SFM_READING_NONE:
		case SFM_READING_ISO:
			return false;
		case SFM_READING_UNIX:
			if (!read_unix(value, USECS_PER_SEC, us))
				return false;
			break;
		case SFM_READING_UNIX_MS:
			if (!read_unix(value, 1000, us))
				return false;
			break;
		case SFM_READING_JULIAN:
			if (!read_julian(value, us))
				return false;
			break;
		case SFM_READING_CALENDAR:
			if (!read_calendar(value, us))
				return false;
			break;
	}
	return *us >= FIRST_DAY * USECS_PER_DAY && *us < (LAST_DAY + 1) * USECS_PER_DAY;
}

/* Whether a fraction of seconds has no more digits than the typmod allows. */
static bool
precision_fits(int64 us, int32 typmod)
{
	static const int64 steps[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

	return typmod < 0 || typmod > 6 || us % steps[typmod] == 0;
}

/* A day, without a time of day other than midnight, and without an offset. */
bool
sfm_source_date(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	int64		days;

	if (value->cls == SFM_TEXT)
	{
		Stamp		stamp;

		if (!read_iso(value, &stamp) || stamp.us != 0 || stamp.has_offset)
			return false;
		days = stamp.days;
	}
	else
	{
		int64		us;

		if (!read_number(column->type.reading, value, &us) || us % USECS_PER_DAY != 0)
			return false;
		days = us / USECS_PER_DAY;
	}
	sfm_put_int64(hasher, SFM_TAG_DATE, days);
	return true;
}

bool
sfm_source_time(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	const char *p = value->u.p;
	int64		us;

	if (value->cls != SFM_TEXT || value->bad_encoding ||
		!read_clock(&p, value->u.p + value->len, &us) ||
		p != value->u.p + value->len || !precision_fits(us, column->type.typmod))
		return false;
	sfm_put_int64(hasher, SFM_TAG_TIME, us);
	return true;
}

/*
 * timestamp and timestamptz: without offset, UTC is meant; with one, UTC is what
 * it becomes, which a timestamp takes only where its type could not be chosen.
 */
bool
sfm_source_timestamp(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher)
{
	int64		us;

	if (value->cls == SFM_TEXT)
	{
		Stamp		stamp;

		if (!read_iso(value, &stamp) ||
			(stamp.has_offset && column->type.kind == SFM_KIND_TIMESTAMP && !column->type.fixed))
			return false;
		us = stamp.days * USECS_PER_DAY + stamp.us - stamp.offset_us;
	}
	else if (!read_number(column->type.reading, value, &us))
		return false;
	if (!precision_fits(us, column->type.typmod))
		return false;
	sfm_put_int64(hasher,
				  column->type.kind == SFM_KIND_TIMESTAMPTZ ? SFM_TAG_TIMESTAMPTZ : SFM_TAG_TIMESTAMP,
				  us);
	return true;
}
