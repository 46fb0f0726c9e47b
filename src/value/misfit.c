/*
 * misfit.c
 *		What values that do not fit have in common, and how messages speak of them.
 *
 * A column may hold millions of misfits; what is kept of them is one fixed struct
 * and the first one's text.  Each is examined for what widening from this column's
 * type may ask, and for nothing else.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "sfm_convert.h"

/* How much of a value messages show. */
#define SHOWN_BYTES 64

/* A number in a date column: which readings it agrees with (DESIGN's rules). */
static void
note_date_number(SfmMisfits *misfits, const SfmValue *value)
{
	double		r = value->cls == SFM_INTEGER ? (double) value->u.i : value->u.r;
	int64		usecs;
	bool		rounded;
	bool		calendar;

	calendar = value->cls == SFM_INTEGER ?
		sfm_read_date_integer(SFM_READING_CALENDAR, value->u.i, &usecs) :
		sfm_read_date_real(SFM_READING_CALENDAR, r, &usecs, &rounded);
	if (!calendar)
		misfits->number_not_calendar = true;
	else if (usecs < sfm_year_usecs(1900) || usecs >= sfm_year_usecs(2201))
		misfits->calendar_leaves_range = true;
	/* eight digits are a day, all else has a time of day */
	if (!calendar || r > 99999999)
		misfits->any_time_part = true;

	if (!(r >= 1721425 && r <= 5373484))
		misfits->number_not_julian = true;
	if (r != 0 && fabs(r) < 1e11)
		misfits->number_not_unix_ms = true;
	if (!(fabs(r) < 1e11))
		misfits->number_not_unix = true;
	if (!misfits->any_number || r < misfits->number_min)
		misfits->number_min = r;
	if (!misfits->any_number || r > misfits->number_max)
		misfits->number_max = r;
	misfits->any_number = true;
}

/* The bounds begin at 0, which is within every integer type. */
static void
note_int(SfmMisfits *misfits, int64 i)
{
	misfits->int_min = Min(misfits->int_min, i);
	misfits->int_max = Max(misfits->int_max, i);
	if (sfm_is_wide(i))
		misfits->any_wide_integer = true;
}

static void
note_real(SfmMisfits *misfits, double r)
{
	int64		i;

	if (isinf(r))
		misfits->any_infinity = true;
	else if (rint(r) != r)
		misfits->any_fraction = true;
	else if (!sfm_whole_real(r, &i))
		misfits->any_beyond_int64 = true;
	else
	{
		/* 5.0 is 5 in a column of integers; a whole real is never a wide one */
		misfits->int_min = Min(misfits->int_min, i);
		misfits->int_max = Max(misfits->int_max, i);
	}
}

/* Text in a column of numbers. */
static void
note_number_text(SfmMisfits *misfits, const char *text, int len)
{
	SfmDecimalText decimal;
	int64		i;
	bool		canonical;

	if (!sfm_read_decimal(text, len, &decimal) || !sfm_numeric_holds(&decimal))
		misfits->any_not_decimal = true;
	else if (decimal.min_scale > 0)
		misfits->any_fraction = true;
	else if (sfm_read_integer(text, len, &i, &canonical) != SFM_READ_INTEGER_OK)
		misfits->any_beyond_int64 = true;	/* or 1e3, which bigint does not take either */
	else
	{
		misfits->int_min = Min(misfits->int_min, i);
		misfits->int_max = Max(misfits->int_max, i);
	}
}

/* Text in a date or time column. */
static void
note_date_text(SfmMisfits *misfits, const char *text, int len)
{
	SfmDateTime dt;

	if (!sfm_read_datetime(text, len, &dt))
		misfits->any_not_date = true;
	else
	{
		if (dt.has_offset)
			misfits->any_offset = true;
		if (dt.time != 0)
			misfits->any_time_part = true;
	}
}

static void
note_text(SfmMisfits *misfits, const SfmConv *conv, const SfmValue *value, SfmFit fit)
{
	const char *text;
	int			len;

	switch (sfm_database_text(value, &text, &len))
	{
		case SFM_FIT:
			break;
		case SFM_MISFIT_TOO_LONG:
			misfits->any_too_long = true;
			return;
		default:
			misfits->any_invalid_text = true;
			return;
	}
	switch (conv->type.kind)
	{
		case SFM_KIND_BOOL:
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
		case SFM_KIND_FLOAT4:
		case SFM_KIND_FLOAT8:
		case SFM_KIND_NUMERIC:
			note_number_text(misfits, value->u.p, value->len);
			break;
		case SFM_KIND_DATE:
		case SFM_KIND_TIME:
		case SFM_KIND_TIMESTAMP:
		case SFM_KIND_TIMESTAMPTZ:
			note_date_text(misfits, value->u.p, value->len);
			break;
		case SFM_KIND_JSONB:
			if (fit != SFM_MISFIT_JSONB)
				misfits->any_not_json = true;
			break;
		default:
			misfits->any_not_json = true;
			break;
	}
}

/*
 * Whole characters of up to SHOWN_BYTES bytes of a text, for messages.  False when the
 * database cannot hold them: its bytes are shown then.
 */
static bool
text_head(const SfmValue *value, const char **text, int *len, bool *cut)
{
	SfmValue	head = *value;

	*cut = value->len > SHOWN_BYTES;
	if (*cut && !value->bad_encoding)
		head.len = pg_encoding_mbcliplen(PG_UTF8, value->u.p, SHOWN_BYTES + 1, SHOWN_BYTES);
	return sfm_database_text(&head, text, len) == SFM_FIT;
}

static bool
shows_as_text(const SfmValue *value)
{
	const char *text;
	int			len;
	bool		cut;

	return text_head(value, &text, &len, &cut);
}

/* See sfm_value.h. */
void
sfm_misfit_add(SfmMisfits *misfits, const SfmConv *conv,
			   const SfmValue *value, SfmFit fit,
			   bool has_rowid, int64 rowid, MemoryContext mcxt)
{
	const char *text;
	int			len;

	misfits->n++;
	misfits->by_class[value->cls]++;
	misfits->by_fit[fit]++;
	if (misfits->n == 1)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		misfits->first_has_rowid = has_rowid;
		misfits->first_rowid = rowid;
		misfits->first_fit = fit;
		misfits->first_class = value->cls;
		misfits->first_value = sfm_value_for_message(value);
		misfits->first_as_text = value->cls == SFM_TEXT && shows_as_text(value);
		MemoryContextSwitchTo(old);
	}
	if (fit == SFM_MISFIT_TOO_LONG)
		misfits->any_too_long = true;

	switch (value->cls)
	{
		case SFM_NULL:
			break;
		case SFM_INTEGER:
			note_int(misfits, value->u.i);
			note_date_number(misfits, value);
			break;
		case SFM_REAL:
			note_real(misfits, value->u.r);
			note_date_number(misfits, value);
			break;
		case SFM_TEXT:
			note_text(misfits, conv, value, fit);
			break;
		case SFM_BLOB:
			if (sfm_database_text(value, &text, &len) != SFM_FIT)
				misfits->any_invalid_text = true;
			break;
	}
}

/* See sfm_value.h; palloc'd.  It follows the value: "abc" ... */
char *
sfm_fit_phrase(SfmFit fit, const SfmType *type)
{
	const char *name = sfm_type_name(type);

	switch (fit)
	{
		case SFM_FIT:
		case SFM_FIT_NULL:
			return psprintf("fits type %s", name);
		case SFM_MISFIT_CLASS:
			return psprintf("is of a storage class that type %s does not take", name);
		case SFM_MISFIT_SYNTAX:
			return psprintf("does not read as type %s", name);
		case SFM_MISFIT_RANGE:
			return psprintf("is out of range for type %s", name);
		case SFM_MISFIT_INEXACT:
			return psprintf("would be rounded in type %s", name);
		case SFM_MISFIT_TYPMOD:
			return psprintf("exceeds the length or precision of type %s", name);
		case SFM_MISFIT_ENCODING:
			return psprintf("is no valid text in the database's encoding (%s)",
							GetDatabaseEncodingName());
		case SFM_MISFIT_READING:
			if (type->reading == SFM_READING_NONE || type->reading == SFM_READING_ISO)
				return psprintf("is a number, and the column of type %s has no reading for numbers",
								name);
			return psprintf("is no date by the reading %s", sfm_reading_name(type->reading));
		case SFM_MISFIT_OFFSET:
			return psprintf("carries an offset, for which type %s has no place", name);
		case SFM_MISFIT_TIME_PART:
			return psprintf("has a time of day, for which type %s has no place", name);
		case SFM_MISFIT_JSONB:
			return pstrdup("is JSON that type jsonb would change or refuse");
		case SFM_MISFIT_TOO_LONG:
			return pstrdup("is longer than the 1 GB that a field can hold");
		case SFM_MISFIT_INPUT:
			return psprintf("is refused by type %s", name);
	}
	return psprintf("does not fit type %s", name);
}

static char *
hex_for_message(const char *bytes, int len)
{
	StringInfoData buf;
	int			shown = Min(len, SHOWN_BYTES / 2);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "x'");
	for (int i = 0; i < shown; i++)
		appendStringInfo(&buf, "%02x", (unsigned char) bytes[i]);
	appendStringInfoChar(&buf, '\'');
	if (shown < len)
		appendStringInfoString(&buf, "...");
	return buf.data;
}

/*
 * Control characters are written as escapes, so that a line of the log stays one.
 */
static char *
text_for_message(const SfmValue *value)
{
	StringInfoData buf;
	const char *text;
	int			len;
	bool		cut;

	if (!text_head(value, &text, &len, &cut))
		return hex_for_message(value->u.p, value->len);
	initStringInfo(&buf);
	for (int i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c < 0x20 || c == 0x7f)
			appendStringInfo(&buf, "\\x%02x", c);
		else
			appendStringInfoChar(&buf, text[i]);
	}
	if (cut)
		appendStringInfoString(&buf, "...");
	return buf.data;
}

/* See sfm_value.h; palloc'd. */
char *
sfm_value_for_message(const SfmValue *value)
{
	char	   *buffer;

	switch (value->cls)
	{
		case SFM_NULL:
			return pstrdup("NULL");
		case SFM_INTEGER:
		case SFM_REAL:
			buffer = palloc(SFM_NUMBER_BUFFER);
			buffer[sfm_number_text(value, buffer)] = '\0';
			return buffer;
		case SFM_TEXT:
			return text_for_message(value);
		case SFM_BLOB:
			return hex_for_message(value->u.p, value->len);
	}
	return pstrdup("");
}

static bool
is_text_kind(SfmKind kind)
{
	return kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR || kind == SFM_KIND_BPCHAR;
}

static bool
is_stamp_kind(SfmKind kind)
{
	return kind == SFM_KIND_TIMESTAMP || kind == SFM_KIND_TIMESTAMPTZ;
}

bool
sfm_misfit_is_soft(const SfmType *planned, const SfmValue *value, SfmFit fit)
{
	switch (fit)
	{
		case SFM_MISFIT_TYPMOD:
		case SFM_MISFIT_OFFSET:
		case SFM_MISFIT_TIME_PART:
		case SFM_MISFIT_READING:
		case SFM_MISFIT_JSONB:
			return true;
		case SFM_MISFIT_CLASS:
			return planned->by_values ||
				(is_text_kind(planned->kind) && value->cls == SFM_BLOB) ||
				(planned->kind == SFM_KIND_BYTEA && value->cls == SFM_TEXT);
		default:
			return planned->by_values;
	}
}

bool
sfm_type_follows(const SfmType *planned, const SfmType *found)
{
	if (planned->by_values || planned->kind == found->kind)
		return true;
	return (is_text_kind(planned->kind) && is_text_kind(found->kind)) ||
		(planned->kind == SFM_KIND_DATE && is_stamp_kind(found->kind)) ||
		(is_stamp_kind(planned->kind) && is_stamp_kind(found->kind)) ||
		(planned->kind == SFM_KIND_JSONB && found->kind == SFM_KIND_JSON);
}
