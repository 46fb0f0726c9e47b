/*
 * convert_date.c
 *		Values for date, time, timestamp and timestamptz.
 *
 * Text is read by read_date.c alone, numbers by the column's reading, so that no
 * setting of the session (DateStyle, TimeZone) has a say.  Without an offset, UTC
 * is meant.
 *
 * The least and greatest value of each column are kept for the report.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "sfm_convert.h"

/* Datums of these kinds hold their number in all bits, so that they compare as such. */
static inline void
note_range(SfmSeen *seen, int64 value)
{
	if (unlikely(!seen->has_minmax))
	{
		seen->has_minmax = true;
		seen->min = seen->max = Int64GetDatum(value);
	}
	else if (value < DatumGetInt64(seen->min))
		seen->min = Int64GetDatum(value);
	else if (value > DatumGetInt64(seen->max))
		seen->max = Int64GetDatum(value);
}

/* Whether the fraction of a second has no more digits than the typmod allows. */
static inline bool
precision_holds(int64 usecs, int32 typmod)
{
	static const int64 steps[] = {1000000, 100000, 10000, 1000, 100, 10};

	return typmod < 0 || typmod >= (int32) lengthof(steps) || usecs % steps[typmod] == 0;
}

/* A number by the column's reading. */
static SfmFit
instant_from_number(SfmConv *conv, const SfmValue *value, int64 *usecs)
{
	SfmReading	reading = conv->type.reading;
	bool		rounded = false;
	bool		ok;

	if (value->cls == SFM_INTEGER)
		ok = sfm_read_date_integer(reading, value->u.i, usecs);
	else if (value->cls == SFM_REAL)
		ok = sfm_read_date_real(reading, value->u.r, usecs, &rounded);
	else
		return SFM_MISFIT_CLASS;
	if (!ok)
		return SFM_MISFIT_READING;
	if (value->cls == SFM_REAL)
		conv->seen.fraction = true;
	if (rounded)
		conv->seen.spelled++;
	return SFM_FIT;
}

SfmFit
sfm_convert_date(SfmConv *conv, const SfmValue *value, Datum *result)
{
	SfmDateTime dt;
	int64		usecs;
	SfmFit		fit;

	if (likely(value->cls == SFM_TEXT))
	{
		if (value->bad_encoding || !sfm_read_datetime(value->u.p, value->len, &dt))
			return SFM_MISFIT_SYNTAX;
		if (dt.has_offset)
			return SFM_MISFIT_OFFSET;
		if (dt.time != 0)
			return SFM_MISFIT_TIME_PART;
		if (dt.has_time)
			conv->seen.spelled++;
	}
	else
	{
		fit = instant_from_number(conv, value, &usecs);
		if (fit != SFM_FIT)
			return fit;
		if (usecs % SFM_USECS_PER_DAY != 0)
			return SFM_MISFIT_TIME_PART;
		dt.days = (int32) (usecs / SFM_USECS_PER_DAY);
	}
	note_range(&conv->seen, dt.days);
	*result = DateADTGetDatum(dt.days);
	return SFM_FIT;
}

SfmFit
sfm_convert_time(SfmConv *conv, const SfmValue *value, Datum *result)
{
	int64		time;
	bool		canonical;

	if (value->cls != SFM_TEXT)
		return SFM_MISFIT_CLASS;
	if (value->bad_encoding || !sfm_read_time(value->u.p, value->len, &time, &canonical))
		return SFM_MISFIT_SYNTAX;
	if (!precision_holds(time, conv->type.typmod))
		return SFM_MISFIT_TYPMOD;
	if (!canonical)
		conv->seen.spelled++;
	note_range(&conv->seen, time);
	*result = TimeADTGetDatum(time);
	return SFM_FIT;
}

/* timestamp and timestamptz: both count microseconds, the one of no zone, the other of UTC */
static inline SfmFit
convert_instant(SfmConv *conv, const SfmValue *value, bool zone, Datum *result)
{
	SfmDateTime dt;
	int64		usecs;

	if (likely(value->cls == SFM_TEXT))
	{
		if (value->bad_encoding || !sfm_read_datetime(value->u.p, value->len, &dt))
			return SFM_MISFIT_SYNTAX;
		if (dt.has_offset && !zone && !conv->type.fixed)
			return SFM_MISFIT_OFFSET;
		usecs = sfm_datetime_usecs(&dt);
		if (!precision_holds(usecs, conv->type.typmod))
			return SFM_MISFIT_TYPMOD;
		if (dt.has_offset)
			conv->seen.offset = true;
		if (!dt.canonical || !dt.has_time || dt.has_offset != zone)
			conv->seen.spelled++;
	}
	else
	{
		SfmFit		fit = instant_from_number(conv, value, &usecs);

		if (fit != SFM_FIT)
			return fit;
		if (!precision_holds(usecs, conv->type.typmod))
			return SFM_MISFIT_TYPMOD;
	}
	note_range(&conv->seen, usecs);
	*result = TimestampGetDatum(usecs);
	return SFM_FIT;
}

SfmFit
sfm_convert_timestamp(SfmConv *conv, const SfmValue *value, Datum *result)
{
	return convert_instant(conv, value, false, result);
}

SfmFit
sfm_convert_timestamptz(SfmConv *conv, const SfmValue *value, Datum *result)
{
	return convert_instant(conv, value, true, result);
}
