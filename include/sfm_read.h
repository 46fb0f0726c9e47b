/*
 * sfm_read.h
 *		Strict readers for the texts and numbers that SQLite apps store: decimals,
 *		booleans, ISO dates and times, dates as numbers, UUIDs, JSON.
 *
 * Pure functions: bytes in, struct out.  They allocate nothing, throw nothing,
 * need no NUL at the end, read no setting, and also build without a server
 * (FRONTEND), for the fuzzers.  What they do not take is a misfit; none of them
 * guesses, trims or rounds.
 */
#ifndef SFM_READ_H
#define SFM_READ_H

/*
 * read_number.c
 */

/*
 * A decimal number as it was written: digits * 10^-scale, negated if negative.
 * "1.50" is 150 with scale 2, "1e3" is 1 with scale -3.
 */
typedef struct SfmDecimalText
{
	bool		negative;
	bool		zero;
	bool		canonical;		/* spelled as numeric prints it (no +, exponent, spare zero in front) */
	bool		small;			/* mantissa holds the digits: at most 18 of them */
	int64		mantissa;		/* not negative; valid when small */
	int			scale;			/* digits after the point, less the exponent; may be negative */
	int			min_scale;		/* the same without trailing zeros; 0 for zero */
	int			int_digits;		/* digits before the point; not positive for 0.0123 */
} SfmDecimalText;

/*
 * [+-] digits [. digits] [e [+-] digits], at least one digit, nothing else.
 * false: no decimal number.
 */
extern bool sfm_read_decimal(const char *text, int len, SfmDecimalText *decimal);

typedef enum SfmReadInteger
{
	SFM_READ_INTEGER_OK,
	SFM_READ_INTEGER_SYNTAX,	/* not [+-] digits */
	SFM_READ_INTEGER_RANGE		/* an integer past 64 bits */
} SfmReadInteger;

/* *canonical: spelled as bigint prints it. */
extern SfmReadInteger sfm_read_integer(const char *text, int len, int64 *value,
									   bool *canonical);

/*
 * read_word.c
 */

/* The words that PostgreSQL's boolean input takes, in any case, blanks around them too. */
extern bool sfm_read_bool(const char *text, int len, bool *value);

#define SFM_UUID_BYTES 16

/* 32 hex digits, or 36 characters with hyphens in the canonical places. */
extern bool sfm_read_uuid(const char *text, int len, unsigned char *uuid, bool *canonical);

/*
 * read_date.c
 *		Instants are microseconds since 2000-01-01 00:00, PostgreSQL's epoch;
 *		days count from the same date.
 */
#define SFM_USECS_PER_DAY INT64CONST(86400000000)

typedef struct SfmDateTime
{
	int32		days;			/* of the date as written */
	int64		time;			/* microseconds of that day, as written */
	int32		offset;			/* seconds east of UTC; 0 without one */
	bool		has_time;
	bool		has_offset;
	bool		canonical;		/* spelled as PostgreSQL prints a timestamp, or timestamptz in UTC */
} SfmDateTime;

/*
 * YYYY-MM-DD, alone or followed by T or a blank and a time, and after the time
 * perhaps by Z, +HH:MM, +HHMM or +HH, with one blank before it allowed.
 * Years 0001 to 9999, days that exist.
 */
extern bool sfm_read_datetime(const char *text, int len, SfmDateTime *result);

/* HH:MM, HH:MM:SS or HH:MM:SS.fraction, below 24:00; microseconds of the day. */
extern bool sfm_read_time(const char *text, int len, int64 *time, bool *canonical);

/* The instant in microseconds, the offset taken away. */
static inline int64
sfm_datetime_usecs(const SfmDateTime *dt)
{
	return dt->days * SFM_USECS_PER_DAY + dt->time - dt->offset * INT64CONST(1000000);
}

/* How numbers in a date column are read. */
typedef enum SfmReading
{
	SFM_READING_NONE,			/* numbers are misfits; ISO text is always read */
	SFM_READING_ISO,			/* the same, said explicitly */
	SFM_READING_UNIX,			/* seconds since 1970 */
	SFM_READING_UNIX_MS,
	SFM_READING_JULIAN,
	SFM_READING_CALENDAR		/* YYYYMMDD or YYYYMMDDHHMMSS */
} SfmReading;

/*
 * The instant that a number means under a reading; false when it means none in
 * the years 1 to 9999, or there is no reading.  *rounded: the nearest microsecond
 * (epochs) or millisecond (Julian days) was taken.
 */
extern bool sfm_read_date_integer(SfmReading reading, int64 number, int64 *usecs);
extern bool sfm_read_date_real(SfmReading reading, double number, int64 *usecs,
							   bool *rounded);

/* First microsecond of a year, 1 to 10000. */
extern int64 sfm_year_usecs(int year);

/*
 * read_json.c
 */
typedef enum SfmJsonEvent
{
	SFM_JSON_OBJECT_START,
	SFM_JSON_OBJECT_END,
	SFM_JSON_ARRAY_START,
	SFM_JSON_ARRAY_END,
	SFM_JSON_KEY,				/* text between the quotes, escapes as written */
	SFM_JSON_STRING,
	SFM_JSON_NUMBER,
	SFM_JSON_TRUE,
	SFM_JSON_FALSE,
	SFM_JSON_NULL
} SfmJsonEvent;

/* Deeper nesting is not read: the recursion of PostgreSQL's own code stays bounded. */
#define SFM_JSON_MAX_DEPTH 2000

/*
 * Called for each part of the document, in order; text and len are set for keys,
 * strings and numbers, and are the bracket of a container.  escaped: a key or string has backslashes in it.  Returning
 * false ends the reading.
 */
typedef bool (*SfmJsonAction) (void *arg, SfmJsonEvent event, const char *text,
							   int len, bool escaped);

typedef enum SfmReadJson
{
	SFM_READ_JSON_OK,
	SFM_READ_JSON_SYNTAX,
	SFM_READ_JSON_DEEP,
	SFM_READ_JSON_STOPPED
} SfmReadJson;

/*
 * Reads one document, as RFC 8259 and PostgreSQL's json type have it.  action may
 * be NULL.  *canonical: white space stands as jsonb prints it.  The bytes must be
 * valid UTF-8 already, where that matters.
 */
extern SfmReadJson sfm_read_json(const char *text, int len, SfmJsonAction action,
								 void *arg, bool *canonical);

typedef enum SfmJsonUnescape
{
	SFM_UNESCAPE_OK,
	SFM_UNESCAPE_NUL,			/* \u0000 */
	SFM_UNESCAPE_SURROGATE		/* half of a surrogate pair */
} SfmJsonUnescape;

/*
 * Decodes the escapes of a string that sfm_read_json() has passed, into out, which
 * has room for len bytes (the decoded form is never longer).
 */
extern SfmJsonUnescape sfm_json_unescape(const char *text, int len, char *out, int *outlen);

#endif							/* SFM_READ_H */
