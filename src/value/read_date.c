/*
 * read_date.c
 *		Dates and times as SQLite apps write them: ISO 8601 text, and numbers.
 *
 * The text must be in the one form from its first byte to its last.  Words (now,
 * infinity), other orders (01/02/2024), 24:00:00, a second of 60, days that do
 * not exist and a fraction finer than microseconds are not taken: PostgreSQL's
 * input functions would evaluate, guess, carry over or round them.
 *
 * Everything is integer arithmetic on microseconds since 2000-01-01; numbers are
 * multiplied after the part behind the point was split off, so that they are
 * rounded once.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "common/int.h"

#include "sfm_read.h"

#define USECS_PER_SECOND INT64CONST(1000000)
#define USECS_PER_MINUTE INT64CONST(60000000)
#define USECS_PER_HOUR INT64CONST(3600000000)

/* 1970-01-01, from 2000-01-01. */
#define UNIX_EPOCH (INT64CONST(-10957) * SFM_USECS_PER_DAY)

/* 1970-01-01 in milliseconds of Julian days, as SQLite's date functions count. */
#define UNIX_EPOCH_JULIAN_MS INT64CONST(210866760000000)

/* PostgreSQL's limit for an offset is below 16 hours (MAX_TZDISP_HOUR is 15). */
#define MAX_OFFSET_HOUR 15

/* Two digits, or -1. */
static inline int
two_digits(const char *p)
{
	unsigned	tens = (unsigned char) p[0] - '0';
	unsigned	ones = (unsigned char) p[1] - '0';

	return (tens > 9 || ones > 9) ? -1 : (int) (tens * 10 + ones);
}

/*
 * Days from 2000-01-01 to a day of the Gregorian calendar, extended backwards.
 * The year is counted from March, so that the leap day comes last.
 */
static inline int32
days_from_date(int year, int month, int day)
{
	int			y = month > 2 ? year : year - 1;
	int			m = month > 2 ? month - 3 : month + 9;

	/* 730425 days lie between 0000-03-01 and 2000-01-01 */
	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 730425;
}

static inline bool
date_exists(int year, int month, int day)
{
	static const int8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
		return false;
	if (day <= 28)
		return true;
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return day <= 29;
	return day <= days[month - 1];
}

/* YYYY-MM-DD in the first ten bytes */
static inline bool
read_date(const char *p, int32 *days)
{
	int			century = two_digits(p);
	int			year = two_digits(p + 2);
	int			month = two_digits(p + 5);
	int			day = two_digits(p + 8);

	if (century < 0 || year < 0 || month < 0 || day < 0 || p[4] != '-' || p[7] != '-')
		return false;
	year += century * 100;
	if (!date_exists(year, month, day))
		return false;
	*days = days_from_date(year, month, day);
	return true;
}

/*
 * HH:MM[:SS[.fraction]] from *p on, which is moved behind it.  *canonical is
 * cleared where PostgreSQL would print it otherwise.
 */
static inline bool
read_clock(const char **p, const char *end, int64 *time, bool *canonical)
{
	const char *s = *p;
	int			hour;
	int			minute;
	int			second = 0;
	int			fraction = 0;

	if (end - s < 5 || s[2] != ':')
		return false;
	hour = two_digits(s);
	minute = two_digits(s + 3);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return false;
	s += 5;
	if (s < end && *s == ':')
	{
		if (end - s < 3)
			return false;
		second = two_digits(s + 1);
		if (second < 0 || second > 59)
			return false;
		s += 3;
		if (s < end && *s == '.')
		{
			static const int weights[] = {0, 100000, 10000, 1000, 100, 10, 1};
			const char *first = ++s;

			for (; s < end && s - first < 6 && *s >= '0' && *s <= '9'; s++)
				fraction = fraction * 10 + (*s - '0');
			if (s == first)
				return false;
			fraction *= weights[s - first];
			while (s < end && *s == '0')
				s++;
			if (s < end && *s >= '1' && *s <= '9')
				return false;	/* finer than microseconds */
			if (s[-1] == '0')
				*canonical = false;
		}
	}
	else
		*canonical = false;
	*time = hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE +
		second * USECS_PER_SECOND + fraction;
	*p = s;
	return true;
}

/* [blank] Z, +HH:MM, +HHMM or +HH, to the end; seconds east of UTC. */
static bool
read_offset(const char *p, const char *end, int32 *offset, bool *canonical)
{
	bool		west;
	int			hour;
	int			minute = 0;

	if (p < end && *p == ' ')
	{
		*canonical = false;
		p++;
	}
	if (end - p == 1 && *p == 'Z')
	{
		*canonical = false;
		*offset = 0;
		return true;
	}
	if (end - p < 3 || (*p != '+' && *p != '-'))
		return false;
	west = (*p++ == '-');
	hour = two_digits(p);
	p += 2;
	if (p < end)
	{
		if (*p == ':')
			p++;
		if (end - p != 2)
			return false;
		minute = two_digits(p);
		*canonical = false;
	}
	if (hour < 0 || hour > MAX_OFFSET_HOUR || minute < 0 || minute > 59)
		return false;
	*offset = (hour * 60 + minute) * 60;
	if (west)
		*offset = -*offset;
	/* in UTC, PostgreSQL prints +00 */
	if (*offset != 0 || west)
		*canonical = false;
	return true;
}

bool
sfm_read_datetime(const char *text, int len, SfmDateTime *result)
{
	const char *p = text + 10;
	const char *end = text + len;

	result->time = 0;
	result->offset = 0;
	result->has_time = false;
	result->has_offset = false;
	result->canonical = true;
	if (len < 10 || !read_date(text, &result->days))
		return false;
	if (len == 10)
		return true;

	if (*p == 'T')
		result->canonical = false;
	else if (*p != ' ')
		return false;
	p++;
	result->has_time = true;
	if (!read_clock(&p, end, &result->time, &result->canonical))
		return false;
	if (p == end)
		return true;
	result->has_offset = true;
	return read_offset(p, end, &result->offset, &result->canonical);
}

bool
sfm_read_time(const char *text, int len, int64 *time, bool *canonical)
{
	const char *p = text;

	*canonical = true;
	return read_clock(&p, text + len, time, canonical) && p == text + len;
}

int64
sfm_year_usecs(int year)
{
	return days_from_date(year, 1, 1) * SFM_USECS_PER_DAY;
}

/* What numbers may mean lies in the years that text may name. */
static inline bool
in_years(int64 usecs)
{
	/* 0001-01-01 and 10000-01-01 */
	return usecs >= INT64CONST(-730119) * SFM_USECS_PER_DAY &&
		usecs < INT64CONST(2921940) * SFM_USECS_PER_DAY;
}

static bool
from_calendar(int64 number, int64 *usecs)
{
	int64		time = 0;
	int			year;
	int			month;
	int			day;

	if (number >= INT64CONST(10000000000000) && number <= INT64CONST(99999999999999))
	{
		int			clock = (int) (number % 1000000);
		int			hour = clock / 10000;
		int			minute = clock / 100 % 100;
		int			second = clock % 100;

		if (hour > 23 || minute > 59 || second > 59)
			return false;
		time = hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE + second * USECS_PER_SECOND;
		number /= 1000000;
	}
	else if (number < 10000000 || number > 99999999)
		return false;
	year = (int) (number / 10000);
	month = (int) (number / 100 % 100);
	day = (int) (number % 100);
	if (!date_exists(year, month, day))
		return false;
	*usecs = days_from_date(year, month, day) * SFM_USECS_PER_DAY + time;
	return true;
}

static bool
from_epoch(int64 units, int64 usecs_per_unit, int64 rest, int64 *usecs)
{
	return !pg_mul_s64_overflow(units, usecs_per_unit, usecs) &&
		!pg_add_s64_overflow(*usecs, UNIX_EPOCH + rest, usecs) &&
		in_years(*usecs);
}

/* days * 86400000, and a half, cut off: SQLite's own rounding in setRawDateNumber(). */
static bool
from_julian(double days, int64 *usecs, bool *rounded)
{
	double		exact = days * 86400000.0;
	int64		ms;

	/* SQLite takes 0 to 5373484.5 for Julian days */
	if (!(days >= 0.0 && days < 5373484.5))
		return false;
	ms = (int64) (exact + 0.5);
	*rounded = ((double) ms != exact);
	*usecs = (ms - UNIX_EPOCH_JULIAN_MS) * 1000 + UNIX_EPOCH;
	return in_years(*usecs);
}

bool
sfm_read_date_integer(SfmReading reading, int64 number, int64 *usecs)
{
	bool		rounded;

	switch (reading)
	{
		case SFM_READING_NONE:
		case SFM_READING_ISO:
			break;
		case SFM_READING_UNIX:
			return from_epoch(number, USECS_PER_SECOND, 0, usecs);
		case SFM_READING_UNIX_MS:
			return from_epoch(number, 1000, 0, usecs);
		case SFM_READING_JULIAN:
			return from_julian((double) number, usecs, &rounded);
		case SFM_READING_CALENDAR:
			return from_calendar(number, usecs);
	}
	return false;
}

bool
sfm_read_date_real(SfmReading reading, double number, int64 *usecs, bool *rounded)
{
	double		whole = floor(number);
	double		rest;
	int64		usecs_per_unit;

	*rounded = false;
	if (reading == SFM_READING_JULIAN)
		return from_julian(number, usecs, rounded);
	if (reading == SFM_READING_NONE || reading == SFM_READING_ISO)
		return false;

	/* no reading has numbers of that size; infinities end here */
	if (!(whole > -1e15 && whole < 1e15))
		return false;
	if (reading == SFM_READING_CALENDAR)
		return whole == number && from_calendar((int64) whole, usecs);

	usecs_per_unit = reading == SFM_READING_UNIX ? USECS_PER_SECOND : 1000;
	rest = (number - whole) * usecs_per_unit;
	*rounded = (rint(rest) != rest);
	return from_epoch((int64) whole, usecs_per_unit, (int64) rint(rest), usecs);
}
