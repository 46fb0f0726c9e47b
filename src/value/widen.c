/*
 * widen.c
 *		The narrowest type that holds every value of a column exactly.
 *
 * Nothing is read again to find it.  Values that did not fit are described by
 * SfmMisfits; of those that fit it is known how many there were of each storage
 * class (SfmSeen), and what kind of value fits the planned type at all.  Both
 * become a Profile, facts that hold for all values of the column, in which a fact
 * that is not known counts as the wider possibility.  The type follows from the
 * profile and from what was planned:
 *
 *	only numbers		smallint, bigint, double precision, numeric
 *	dates				date, timestamp, timestamptz, with a reading for numbers
 *	JSON				jsonb, json
 *	text among others	text, numbers in their shortest exact form
 *	blobs among others,
 *	or invalid text		bytea, text as its bytes
 *
 * A type chosen here holds every value: that is what tests throw random values at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "compat.h"
#include "sfm_convert.h"

/* Facts about all values of a column that are not NULL (nor '' that became NULL). */
typedef struct Profile
{
	bool		ints;
	bool		reals;
	bool		texts;
	bool		blobs;
	bool		whole;			/* every number is an integer of 64 bits */
	bool		small;			/* and of 16 bits */
	bool		wide;			/* an integer that no double holds exactly */
	bool		texts_numbers;	/* every text is a number that numeric holds */
	bool		texts_dates;	/* every text is an ISO date or date-time */
	bool		texts_json;
	bool		valid;			/* all texts, and all blobs, are valid text */
} Profile;

static SfmType
type_of(SfmKind kind, Oid typid, const SfmType *planned)
{
	SfmType		type = {0};

	type.typid = typid;
	type.typmod = -1;
	type.kind = kind;
	type.empty_as_null = planned->empty_as_null;
	return type;
}

/* What is known of the values that fit the planned type: by_class[c] of each class. */
static void
profile_fits(Profile *profile, const SfmType *planned, const SfmSeen *seen,
			 const int64 *by_class)
{
	bool		texts = by_class[SFM_TEXT] > 0;
	bool		reals = by_class[SFM_REAL] > 0;

	switch (planned->kind)
	{
		case SFM_KIND_BOOL:
			/* words such as "t" among them */
			if (texts)
				profile->texts_numbers = profile->texts_dates = profile->texts_json = false;
			break;
		case SFM_KIND_INT2:
			if (texts)
				profile->texts_dates = profile->texts_json = false;
			break;
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
			profile->small = false;
			if (texts)
				profile->texts_dates = profile->texts_json = false;
			break;
		case SFM_KIND_FLOAT4:
		case SFM_KIND_FLOAT8:
			profile->small = false;
			if (reals)
				profile->whole = false;
			break;
		case SFM_KIND_NUMERIC:
			/* anything up to numeric's own limits */
			profile->small = profile->whole = false;
			profile->wide = true;
			if (texts)
				profile->texts_dates = profile->texts_json = false;
			break;
		case SFM_KIND_BYTEA:
			profile->valid &= by_class[SFM_BLOB] == 0 && !texts;
			goto anything;
		case SFM_KIND_UUID:
			profile->valid &= by_class[SFM_BLOB] == 0;
			goto anything;
		case SFM_KIND_DATE:
		case SFM_KIND_TIMESTAMP:
		case SFM_KIND_TIMESTAMPTZ:
			profile->small = false;
			if (reals)
				profile->whole = false;
			if (texts)
				profile->texts_numbers = profile->texts_json = false;
			break;
		case SFM_KIND_JSON:
		case SFM_KIND_JSONB:
			profile->small = false;
			if (reals)
				profile->whole = false;
			if (texts)
				profile->texts_numbers = profile->texts_dates = false;
			break;
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
		case SFM_KIND_BPCHAR:
		case SFM_KIND_TIME:
		case SFM_KIND_INPUT:
	anything:
			profile->small = false;
			if (by_class[SFM_INTEGER] > 0)
				profile->wide = true;
			if (reals)
				profile->whole = false;
			if (texts)
				profile->texts_numbers = profile->texts_dates = profile->texts_json = false;
			break;
	}
	if (seen->wide_integer)
		profile->wide = true;
}

static Profile
make_profile(const SfmType *planned, const SfmSeen *seen, const SfmMisfits *misfits)
{
	int64		fits[SFM_NCLASSES];
	Profile		profile;

	for (int i = 0; i < SFM_NCLASSES; i++)
		fits[i] = seen->n[i] - misfits->by_class[i];
	fits[SFM_TEXT] -= seen->emptied;

	profile.ints = seen->n[SFM_INTEGER] > 0;
	profile.reals = seen->n[SFM_REAL] > 0;
	profile.texts = fits[SFM_TEXT] + misfits->by_class[SFM_TEXT] > 0;
	profile.blobs = seen->n[SFM_BLOB] > 0;
	profile.whole = !misfits->any_fraction && !misfits->any_infinity &&
		!misfits->any_beyond_int64;
	profile.small = profile.whole && misfits->int_min >= PG_INT16_MIN &&
		misfits->int_max <= PG_INT16_MAX;
	profile.wide = misfits->any_wide_integer;
	profile.texts_numbers = !misfits->any_not_decimal;
	profile.texts_dates = !misfits->any_not_date;
	profile.texts_json = !misfits->any_not_json;
	profile.valid = !misfits->any_invalid_text;
	profile_fits(&profile, planned, seen, fits);
	return profile;
}

/* All values are numbers, some perhaps as text. */
static SfmType
number_type(const Profile *profile, const SfmType *planned)
{
	if (planned->kind == SFM_KIND_NUMERIC)
		return type_of(SFM_KIND_NUMERIC, NUMERICOID, planned);
	if (profile->whole)
	{
		/* only a boolean's values are known to be as small */
		if (profile->small && planned->kind == SFM_KIND_BOOL)
			return type_of(SFM_KIND_INT2, INT2OID, planned);
		return type_of(SFM_KIND_INT8, INT8OID, planned);
	}
	/* double precision takes no text, and a wide integer would be rounded there */
	if (profile->wide || profile->texts)
		return type_of(SFM_KIND_NUMERIC, NUMERICOID, planned);
	return type_of(SFM_KIND_FLOAT8, FLOAT8OID, planned);
}

/* The dates that a reading gives lie within 1900 to 2200. */
static bool
reading_in_range(SfmReading reading, const SfmMisfits *misfits)
{
	int64		first;
	int64		last;
	bool		rounded;

	if (reading == SFM_READING_CALENDAR)
		return !misfits->calendar_leaves_range;
	return sfm_read_date_real(reading, misfits->number_min, &first, &rounded) &&
		sfm_read_date_real(reading, misfits->number_max, &last, &rounded) &&
		first >= sfm_year_usecs(1900) && last < sfm_year_usecs(2201);
}

/*
 * The one reading that all numbers agree with: the first that covers them.  When
 * the dates that it gives are unlikely, no other is tried.
 */
static bool
find_reading(const SfmType *planned, const SfmMisfits *misfits, SfmReading *reading)
{
	/* all numbers could be read, if there were any: what misfits is something else */
	if (misfits->by_fit[SFM_MISFIT_READING] == 0)
	{
		*reading = planned->reading;
		return true;
	}
	/* one that was given is not replaced by another */
	if (planned->reading != SFM_READING_NONE)
		return false;
	if (!misfits->number_not_calendar)
		*reading = SFM_READING_CALENDAR;
	else if (!misfits->number_not_julian)
		*reading = SFM_READING_JULIAN;
	else if (!misfits->number_not_unix_ms)
		*reading = SFM_READING_UNIX_MS;
	else if (!misfits->number_not_unix)
		*reading = SFM_READING_UNIX;
	else
		return false;
	return reading_in_range(*reading, misfits);
}

static inline bool
is_date_kind(SfmKind kind)
{
	return kind == SFM_KIND_DATE || kind == SFM_KIND_TIMESTAMP || kind == SFM_KIND_TIMESTAMPTZ;
}

/* A type for dates, when all values are dates; false: they are not. */
static bool
date_type(const Profile *profile, const SfmType *planned, const SfmSeen *seen,
		  const SfmMisfits *misfits, SfmType *type)
{
	SfmReading	reading;

	if (profile->texts && !profile->texts_dates)
		return false;
	/* a time of day is no date: only where all are date-times is the column one of them */
	if (planned->kind == SFM_KIND_TIME)
	{
		if (!profile->texts || profile->ints || profile->reals)
			return false;
		reading = SFM_READING_NONE;
	}
	else if (!is_date_kind(planned->kind) || !find_reading(planned, misfits, &reading))
		return false;

	if (planned->kind == SFM_KIND_TIMESTAMPTZ || misfits->any_offset || seen->offset)
		*type = type_of(SFM_KIND_TIMESTAMPTZ, TIMESTAMPTZOID, planned);
	else if (planned->kind == SFM_KIND_DATE && !misfits->any_time_part &&
			 misfits->by_fit[SFM_MISFIT_TIME_PART] == 0)
		*type = type_of(SFM_KIND_DATE, DATEOID, planned);
	else
		*type = type_of(SFM_KIND_TIMESTAMP, TIMESTAMPOID, planned);
	type->reading = reading;
	return true;
}

static inline bool
is_text_kind(SfmKind kind)
{
	return kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR || kind == SFM_KIND_BPCHAR;
}

static SfmType
text_type(const Profile *profile, const SfmType *planned)
{
	SfmType		type = type_of(SFM_KIND_TEXT, TEXTOID, planned);

	type.mixed = profile->ints || profile->reals || profile->blobs;
	return type;
}

static SfmType
choose_type(const Profile *profile, const SfmType *planned, const SfmSeen *seen,
			const SfmMisfits *misfits)
{
	bool		numbers = profile->ints || profile->reals;
	bool		declared_text = is_text_kind(planned->kind) && !planned->by_values;
	SfmType		type;

	if ((profile->blobs && !(declared_text && profile->valid)) ||
		!profile->valid ||
		(planned->kind == SFM_KIND_BYTEA && profile->texts))
	{
		type = type_of(SFM_KIND_BYTEA, BYTEAOID, planned);
		type.mixed = numbers || profile->texts;
		return type;
	}
	if (profile->blobs)
		return text_type(profile, planned);

	/* too long or too precise for what was asked: the same without that limit */
	if (misfits->by_fit[SFM_MISFIT_TYPMOD] == misfits->n && planned->typmod >= 0 &&
		(planned->kind == SFM_KIND_TIME || planned->kind == SFM_KIND_INPUT))
	{
		type = *planned;
		type.typmod = -1;
		return type;
	}

	if (date_type(profile, planned, seen, misfits, &type))
		return type;
	if (!profile->texts)
		return number_type(profile, planned);
	switch (planned->kind)
	{
		case SFM_KIND_BOOL:
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
		case SFM_KIND_FLOAT4:
		case SFM_KIND_FLOAT8:
		case SFM_KIND_NUMERIC:
			if (profile->texts_numbers)
				return number_type(profile, planned);
			break;
		case SFM_KIND_JSON:
		case SFM_KIND_JSONB:
			if (profile->texts_json && !misfits->any_infinity)
				return type_of(SFM_KIND_JSON, JSONOID, planned);
			break;
		default:
			break;
	}
	return text_type(profile, planned);
}

/* "2 text, 1 real", for the classes that there are. */
static void
append_classes(StringInfo buf, const int64 *by_class)
{
	const char *separator = "";

	for (int i = SFM_INTEGER; i < SFM_NCLASSES; i++)
		if (by_class[i] > 0)
		{
			appendStringInfo(buf, "%s" INT64_FORMAT " %s", separator, by_class[i],
							 sfm_class_name((SfmClass) i));
			separator = ", ";
		}
}

/* What the note says of a widened column. */
static void
append_why(StringInfo why, const SfmType *planned, const SfmSeen *seen,
		   const SfmMisfits *misfits, const SfmType *type)
{
	const char *quote = misfits->first_as_text ? "\"" : "";
	int64		total = 0;

	if (planned->by_values)
	{
		/* the plan was none that could be kept or broken */
		appendStringInfoString(why, "the declaration names no known type, and the values are ");
		append_classes(why, seen->n);
		appendStringInfo(why, "; the column is %s", sfm_type_name(type));
		return;
	}
	for (int i = SFM_INTEGER; i < SFM_NCLASSES; i++)
		total += seen->n[i];
	appendStringInfo(why, INT64_FORMAT " of " INT64_FORMAT " values %s %s (first: ",
					 misfits->n, total, misfits->n == 1 ? "does not fit" : "do not fit",
					 sfm_type_name(planned));
	if (misfits->first_has_rowid)
		appendStringInfo(why, "row " INT64_FORMAT ", ", misfits->first_rowid);
	appendStringInfo(why, "%s %s%s%s): ", sfm_class_name(misfits->first_class),
					 quote, misfits->first_value, quote);
	append_classes(why, misfits->by_class);
	appendStringInfo(why, "; the column is %s", sfm_type_name(type));
	if (type->reading != SFM_READING_NONE && type->reading != SFM_READING_ISO)
		appendStringInfo(why, ", numbers read as %s", sfm_reading_name(type->reading));
	if (type->mixed)
	{
		appendStringInfoString(why, " (");
		append_classes(why, seen->n);
		appendStringInfoChar(why, ')');
	}
	if (is_date_kind(planned->kind) && !is_date_kind(type->kind) &&
		misfits->by_class[SFM_INTEGER] + misfits->by_class[SFM_REAL] > 0)
		appendStringInfoString(why, "; its numbers have no one reading that gives likely dates,"
							   " which \"types\" can name: unix, unix_ms, julian, calendar");
}

/*
 * See sfm_value.h.  A value over PostgreSQL's limit fits no type: the plan stays,
 * and why says so.
 */
SfmType
sfm_widen(const SfmType *planned, const SfmSeen *seen,
		  const SfmMisfits *misfits, StringInfo why)
{
	SfmType		type = *planned;

	if (misfits->n == 0)
		return type;
	if (!misfits->any_too_long)
	{
		Profile		profile = make_profile(planned, seen, misfits);

		type = choose_type(&profile, planned, seen, misfits);
	}
	if (why != NULL)
	{
		append_why(why, planned, seen, misfits, &type);
		if (misfits->any_too_long)
			appendStringInfoString(why, ", since a value is longer than the 1 GB that any type holds");
	}
	return type;
}

/*
 * Unification
 */

static inline bool
is_int_kind(SfmKind kind)
{
	return kind == SFM_KIND_INT2 || kind == SFM_KIND_INT4 || kind == SFM_KIND_INT8;
}

static inline bool
is_number_kind(SfmKind kind)
{
	return is_int_kind(kind) || kind == SFM_KIND_FLOAT4 || kind == SFM_KIND_FLOAT8 ||
		kind == SFM_KIND_NUMERIC;
}

/* Whether a column is known to have no values. */
static bool
is_empty(const SfmSeen *seen)
{
	if (seen == NULL)
		return false;
	for (int i = SFM_INTEGER; i < SFM_NCLASSES; i++)
		if (seen->n[i] > (i == SFM_TEXT ? seen->emptied : 0))
			return false;
	return true;
}

/* Both kinds are numbers. */
static SfmType
unify_numbers(const SfmType *a, const SfmType *b)
{
	if (is_int_kind(a->kind) && is_int_kind(b->kind))
		return a->kind > b->kind ? *a : *b;
	if (!is_int_kind(a->kind) && !is_int_kind(b->kind) &&
		a->kind != SFM_KIND_NUMERIC && b->kind != SFM_KIND_NUMERIC)
		return type_of(SFM_KIND_FLOAT8, FLOAT8OID, a);
	return type_of(SFM_KIND_NUMERIC, NUMERICOID, a);
}

/* Both kinds are dates; false when their numbers are read differently. */
static bool
unify_dates(const SfmType *a, const SfmType *b, SfmType *type)
{
	const SfmType *wider = a->kind > b->kind ? a : b;
	SfmReading	reading = a->reading;

	if (a->reading == SFM_READING_NONE || a->reading == SFM_READING_ISO)
		reading = b->reading;
	else if (b->reading != SFM_READING_NONE && b->reading != SFM_READING_ISO &&
			 a->reading != b->reading)
		return false;
	*type = type_of(wider->kind, wider->typid, a);
	type->reading = reading;
	return true;
}

static SfmType
unify_types(const SfmType *a, const SfmSeen *a_seen,
			const SfmType *b, const SfmSeen *b_seen)
{
	SfmType		type;
	bool		blobs;

	if (is_empty(a_seen))
		return *b;
	if (is_empty(b_seen))
		return *a;
	if (a->typid == b->typid && a->typmod == b->typmod && a->reading == b->reading)
	{
		type = *a;
		type.mixed = a->mixed || b->mixed;
		type.by_values = a->by_values && b->by_values;
		return type;
	}
	if (is_number_kind(a->kind) && is_number_kind(b->kind))
		return unify_numbers(a, b);
	if (is_date_kind(a->kind) && is_date_kind(b->kind) && unify_dates(a, b, &type))
		return type;
	if (a->kind == SFM_KIND_VARCHAR && b->kind == SFM_KIND_VARCHAR)
	{
		/* -1, no limit, is the wider one */
		type = (b->typmod < 0 || (a->typmod >= 0 && b->typmod > a->typmod)) ? *b : *a;
		type.mixed = a->mixed || b->mixed;
		return type;
	}
	if ((a->kind == SFM_KIND_JSON && b->kind == SFM_KIND_JSONB) ||
		(a->kind == SFM_KIND_JSONB && b->kind == SFM_KIND_JSON))
		return type_of(SFM_KIND_JSON, JSONOID, a);

	blobs = a->kind == SFM_KIND_BYTEA || b->kind == SFM_KIND_BYTEA ||
		(a->kind == SFM_KIND_UUID && a_seen != NULL && a_seen->n[SFM_BLOB] > 0) ||
		(b->kind == SFM_KIND_UUID && b_seen != NULL && b_seen->n[SFM_BLOB] > 0);
	type = blobs ? type_of(SFM_KIND_BYTEA, BYTEAOID, a) : type_of(SFM_KIND_TEXT, TEXTOID, a);
	type.mixed = !(is_text_kind(a->kind) && is_text_kind(b->kind) && !a->mixed && !b->mixed);
	return type;
}

/* See sfm_value.h. */
SfmType
sfm_unify_seen(const SfmType *a, const SfmSeen *a_seen,
			   const SfmType *b, const SfmSeen *b_seen)
{
	SfmType		type = unify_types(a, a_seen, b, b_seen);

	/* one column's '' is not lost because the other's means nothing */
	type.empty_as_null = a->empty_as_null && b->empty_as_null;
	return type;
}
