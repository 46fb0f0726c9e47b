/*
 * convert_text.c
 *		Values for text, varchar(n), char(n), bytea and uuid.
 *
 * A column that takes every storage class (SfmType.mixed) gets numbers in their
 * shortest exact form; into text, blobs that are valid text; into bytea, text as
 * the bytes that the file holds.  Lengths are checked here: PostgreSQL would cut
 * off blanks.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "compat.h"
#include "sfm_convert.h"

/* From here on the bounds between two doubles are whole numbers. */
#define FIRST_WHOLE_BOUND 9007199254740992.0	/* 2^53 */

/* See sfm_convert.h. */
SfmFit
sfm_database_text(const SfmValue *value, const char **text, int *len)
{
	*text = value->u.p;
	*len = value->len;
	if (!sfm_valid_utf8(value))
		return SFM_MISFIT_ENCODING;
	if (GetDatabaseEncoding() != PG_UTF8 && !sfm_utf8_to_database(text, len))
		return SFM_MISFIT_ENCODING;
	return *len > SFM_MAX_FIELD ? SFM_MISFIT_TOO_LONG : SFM_FIT;
}

/* See sfm_convert.h. */
int
sfm_real_text(double r, char *buffer)
{
	int			len = double_to_shortest_decimal_bufn(r, buffer);

	/*
	 * PostgreSQL's algorithm never takes a decimal that lies halfway between two
	 * doubles, though reading rounds it to the even one, which may be this:
	 * 1e23 it writes as 9.999999999999999e+22.  Only whole numbers of so few
	 * digits can lie there, and then its own result has 16 digits or 17.
	 */
	if (fabs(r) >= FIRST_WHOLE_BOUND && !isinf(r) && strcspn(buffer, "e") > 16)
	{
		char		shorter[SFM_NUMBER_BUFFER];

		for (int digits = 1; digits <= 16; digits++)
		{
			int			n = snprintf(shorter, sizeof(shorter), "%.*e", digits - 1, r);

			if (strtod(shorter, NULL) == r && n < len)
			{
				memcpy(buffer, shorter, n);
				return n;
			}
		}
	}
	return len;
}

int
sfm_number_text(const SfmValue *value, char *buffer)
{
	if (value->cls == SFM_INTEGER)
		return pg_lltoa(value->u.i, buffer);
	return sfm_real_text(value->u.r, buffer);
}

/* The characters of a value of any class; buffer is for numbers. */
static inline SfmFit
characters_of(const SfmConv *conv, const SfmValue *value, char *buffer,
			  const char **text, int *len)
{
	if (likely(value->cls == SFM_TEXT))
		return sfm_database_text(value, text, len);
	if (!conv->type.mixed)
		return SFM_MISFIT_CLASS;
	if (value->cls == SFM_BLOB)
		return sfm_database_text(value, text, len);
	*text = buffer;
	*len = sfm_number_text(value, buffer);
	return SFM_FIT;
}

SfmFit
sfm_convert_text(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];
	const char *text;
	int			len;
	SfmFit		fit = characters_of(conv, value, buffer, &text, &len);

	if (fit == SFM_FIT)
		*result = sfm_make_varlena(text, len);
	return fit;
}

/* n of varchar(n) and char(n); -1: none */
static inline int
typmod_characters(int32 typmod)
{
	return typmod >= (int32) VARHDRSZ ? typmod - (int32) VARHDRSZ : -1;
}

SfmFit
sfm_convert_varchar(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];
	int			limit = typmod_characters(conv->type.typmod);
	const char *text;
	int			len;
	SfmFit		fit = characters_of(conv, value, buffer, &text, &len);

	if (fit != SFM_FIT)
		return fit;
	/* a text of no more bytes than that has no more characters either */
	if (limit >= 0 && len > limit && pg_mbstrlen_with_len(text, len) > limit)
		return SFM_MISFIT_TYPMOD;
	*result = sfm_make_varlena(text, len);
	return SFM_FIT;
}

/*
 * char(n): padded as PostgreSQL pads it.  A blank that was there would be taken
 * for padding from then on.
 */
SfmFit
sfm_convert_bpchar(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];
	int			limit = typmod_characters(conv->type.typmod);
	const char *text;
	int			len;
	int			padding = 0;
	struct varlena *padded;
	SfmFit		fit = characters_of(conv, value, buffer, &text, &len);

	if (fit != SFM_FIT)
		return fit;
	if (len > 0 && text[len - 1] == ' ')
		return SFM_MISFIT_TYPMOD;
	if (limit >= 0)
	{
		int			characters = pg_mbstrlen_with_len(text, len);

		if (characters > limit)
			return SFM_MISFIT_TYPMOD;
		padding = limit - characters;
	}
	padded = palloc(len + padding + VARHDRSZ);
	SET_VARSIZE(padded, len + padding + VARHDRSZ);
	memcpy(VARDATA(padded), text, len);
	memset(VARDATA(padded) + len, ' ', padding);
	*result = PointerGetDatum(padded);
	return SFM_FIT;
}

SfmFit
sfm_convert_bytea(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];

	if (likely(value->cls == SFM_BLOB) || (conv->type.mixed && value->cls == SFM_TEXT))
	{
		if (value->len > SFM_MAX_FIELD)
			return SFM_MISFIT_TOO_LONG;
		*result = sfm_make_varlena(value->u.p, value->len);
		return SFM_FIT;
	}
	if (!conv->type.mixed)
		return SFM_MISFIT_CLASS;
	*result = sfm_make_varlena(buffer, sfm_number_text(value, buffer));
	return SFM_FIT;
}

SfmFit
sfm_convert_uuid(SfmConv *conv, const SfmValue *value, Datum *result)
{
	pg_uuid_t  *uuid;
	unsigned char bytes[UUID_LEN];
	bool		canonical = false;

	if (value->cls == SFM_TEXT)
	{
		if (value->bad_encoding || !sfm_read_uuid(value->u.p, value->len, bytes, &canonical))
			return SFM_MISFIT_SYNTAX;
	}
	else if (value->cls == SFM_BLOB)
	{
		if (value->len != UUID_LEN)
			return SFM_MISFIT_SYNTAX;
		memcpy(bytes, value->u.p, UUID_LEN);
	}
	else
		return SFM_MISFIT_CLASS;
	if (!canonical)
		conv->seen.spelled++;
	uuid = palloc(sizeof(pg_uuid_t));
	memcpy(uuid->data, bytes, UUID_LEN);
	*result = UUIDPGetDatum(uuid);
	return SFM_FIT;
}
