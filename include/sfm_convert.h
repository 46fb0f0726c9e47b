/*
 * sfm_convert.h
 *		What the files of src/value share among each other.
 */
#ifndef SFM_CONVERT_H
#define SFM_CONVERT_H

#include "compat.h"
#include "sfm_value.h"
#include "utils/memutils.h"

/* The longest value that a varlena holds. */
#define SFM_MAX_FIELD ((int) (MaxAllocSize - VARHDRSZ))

/* Room for any number in its shortest exact form. */
#define SFM_NUMBER_BUFFER 32

/* n bytes as a new varlena: text, bytea, json. */
static inline Datum
sfm_make_varlena(const char *bytes, int len)
{
	struct varlena *result = palloc(len + VARHDRSZ);

	SET_VARSIZE(result, len + VARHDRSZ);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

/* Whether a double holds the integer exactly. */
static inline bool
sfm_is_wide(int64 i)
{
	double		d;

	if (i >= -(INT64CONST(1) << 53) && i <= (INT64CONST(1) << 53))
		return false;
	d = (double) i;
	/* 2^63, to which the greatest integers are rounded, is no int64 */
	return d >= 9223372036854775808.0 || (int64) d != i;
}

/* Whether a real is a whole number that int64 holds; then *i is it. */
static inline bool
sfm_whole_real(double r, int64 *i)
{
	if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0))
		return false;
	*i = (int64) r;
	return (double) *i == r;
}

/*
 * convert_text.c: text of the source, which is UTF-8, as text of the database.
 * *text and *len are replaced when the encodings differ; the new text is palloc'd
 * and has a NUL behind it.  SFM_FIT, or SFM_MISFIT_ENCODING or _TOO_LONG.
 */
extern SfmFit sfm_database_text(const SfmValue *value, const char **text, int *len);

/*
 * convert_text.c: a number in its shortest exact form, without a NUL; its length.
 * A real's is the decimal of fewest digits that reads back to the same bits, spelled
 * as float8out would; buffer has SFM_NUMBER_BUFFER bytes.
 */
extern int	sfm_number_text(const SfmValue *value, char *buffer);
extern int	sfm_real_text(double r, char *buffer);

/*
 * convert_number.c
 */

/* Text as numeric: SYNTAX, RANGE, TYPMOD, or SFM_FIT and the number; decimal is filled. */
extern SfmFit sfm_numeric_from_text(const char *text, int len, int32 typmod,
									SfmDecimalText *decimal, Datum *result);
extern SfmFit sfm_numeric_from_real(double r, int32 typmod, bool *fraction, Datum *result);
extern SfmFit sfm_numeric_from_int(int64 i, int32 typmod, Datum *result);

/* Whether numeric without typmod holds it. */
extern bool sfm_numeric_holds(const SfmDecimalText *decimal);

/* The converters, one a kind; init fills private_data, in the current context. */
extern SfmFit sfm_convert_bool(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_int2(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_int4(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_int8(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_float4(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_float8(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_numeric(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_text(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_varchar(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_bpchar(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_bytea(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_uuid(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_date(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_time(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_timestamp(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_timestamptz(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_json(SfmConv *conv, const SfmValue *value, Datum *result);
extern SfmFit sfm_convert_jsonb(SfmConv *conv, const SfmValue *value, Datum *result);
extern void sfm_convert_jsonb_init(SfmConv *conv);
/* convert_interval.c */
extern bool sfm_convert_interval(SfmConv *conv, const SfmValue *value, Datum *result, SfmFit *fit);

/* convert_container.c: an array type, or hstore */
typedef struct SfmContainerType
{
	bool		hstore;
	Oid			element;		/* array: its elements' type */
	char		delimiter;
} SfmContainerType;
extern bool sfm_is_json_null(const SfmValue *value);
extern bool sfm_convert_container(const SfmContainerType *type, const SfmValue *value, char **text,
								  int *len, SfmFit *fit);

extern SfmFit sfm_convert_input(SfmConv *conv, const SfmValue *value, Datum *result);
extern void sfm_convert_input_init(SfmConv *conv);

#ifdef SFM_FAULTS
/* fault.c: the same value, a little wrong. */
extern Datum sfm_fault_alter(const SfmType *type, Datum value);
#endif

#endif							/* SFM_CONVERT_H */
