/*
 * convert_number.c
 *		Values for boolean, smallint, integer, bigint, real, double precision and
 *		numeric.
 *
 * A number is exact or a misfit; nothing is rounded.  Reals stand for their
 * shortest decimal form that reads back to the same bits, which is what numeric
 * gets.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "sfm_convert.h"

/*
 * What numeric holds without a typmod: digits before the point and behind it
 * (NUMERIC_WEIGHT_MAX and NUMERIC_DSCALE_MAX in numeric.c).
 */
#define NUMERIC_DIGITS_BEFORE 131072
#define NUMERIC_DIGITS_AFTER 16383

static const int64 powers_of_ten[] = {
	INT64CONST(1), INT64CONST(10), INT64CONST(100), INT64CONST(1000), INT64CONST(10000),
	INT64CONST(100000), INT64CONST(1000000), INT64CONST(10000000), INT64CONST(100000000),
	INT64CONST(1000000000), INT64CONST(10000000000), INT64CONST(100000000000),
	INT64CONST(1000000000000), INT64CONST(10000000000000), INT64CONST(100000000000000),
	INT64CONST(1000000000000000), INT64CONST(10000000000000000),
	INT64CONST(100000000000000000), INT64CONST(1000000000000000000)
};

/*
 * boolean: 0, 1, and PostgreSQL's words
 */
SfmFit
sfm_convert_bool(SfmConv *conv, const SfmValue *value, Datum *result)
{
	bool		b;

	switch (value->cls)
	{
		case SFM_INTEGER:
			if (value->u.i != 0 && value->u.i != 1)
				return SFM_MISFIT_RANGE;
			*result = BoolGetDatum(value->u.i == 1);
			return SFM_FIT;
		case SFM_REAL:
			if (value->u.r != 0.0 && value->u.r != 1.0)
				return SFM_MISFIT_RANGE;
			conv->seen.spelled++;
			*result = BoolGetDatum(value->u.r == 1.0);
			return SFM_FIT;
		case SFM_TEXT:
			if (value->bad_encoding || !sfm_read_bool(value->u.p, value->len, &b))
				return SFM_MISFIT_SYNTAX;
			conv->seen.spelled++;
			*result = BoolGetDatum(b);
			return SFM_FIT;
		default:
			return SFM_MISFIT_CLASS;
	}
}

/*
 * The integer types
 */

/* Reals that are whole numbers, and text that is one. */
static SfmFit
integer_from_other(SfmConv *conv, const SfmValue *value, int64 *i)
{
	bool		canonical;

	switch (value->cls)
	{
		case SFM_REAL:
			if (!sfm_whole_real(value->u.r, i))
				return rint(value->u.r) == value->u.r ? SFM_MISFIT_RANGE : SFM_MISFIT_INEXACT;
			conv->seen.spelled++;
			return SFM_FIT;
		case SFM_TEXT:
			if (value->bad_encoding)
				return SFM_MISFIT_SYNTAX;
			switch (sfm_read_integer(value->u.p, value->len, i, &canonical))
			{
				case SFM_READ_INTEGER_SYNTAX:
					return SFM_MISFIT_SYNTAX;
				case SFM_READ_INTEGER_RANGE:
					return SFM_MISFIT_RANGE;
				case SFM_READ_INTEGER_OK:
					break;
			}
			if (!canonical)
				conv->seen.spelled++;
			return SFM_FIT;
		default:
			return SFM_MISFIT_CLASS;
	}
}

static inline SfmFit
integer_in(SfmConv *conv, const SfmValue *value, int64 least, int64 greatest, int64 *i)
{
	if (likely(value->cls == SFM_INTEGER))
		*i = value->u.i;
	else
	{
		int64		spelled = conv->seen.spelled;
		SfmFit		fit = integer_from_other(conv, value, i);

		if (fit != SFM_FIT)
			return fit;
		if (*i < least || *i > greatest)
			conv->seen.spelled = spelled;
	}
	if (unlikely(*i < least || *i > greatest))
		return SFM_MISFIT_RANGE;
	return SFM_FIT;
}

SfmFit
sfm_convert_int2(SfmConv *conv, const SfmValue *value, Datum *result)
{
	int64		i;
	SfmFit		fit = integer_in(conv, value, PG_INT16_MIN, PG_INT16_MAX, &i);

	if (fit == SFM_FIT)
		*result = Int16GetDatum((int16) i);
	return fit;
}

SfmFit
sfm_convert_int4(SfmConv *conv, const SfmValue *value, Datum *result)
{
	int64		i;
	SfmFit		fit = integer_in(conv, value, PG_INT32_MIN, PG_INT32_MAX, &i);

	if (fit == SFM_FIT)
		*result = Int32GetDatum((int32) i);
	return fit;
}

SfmFit
sfm_convert_int8(SfmConv *conv, const SfmValue *value, Datum *result)
{
	int64		i;
	SfmFit		fit = integer_in(conv, value, PG_INT64_MIN, PG_INT64_MAX, &i);

	if (unlikely(fit != SFM_FIT))
		return fit;
	if (unlikely(sfm_is_wide(i)))
		conv->seen.wide_integer = true;
	*result = Int64GetDatum(i);
	return SFM_FIT;
}

/*
 * The floating-point types: reals, and integers that a double holds exactly
 */
static inline SfmFit
double_from(const SfmValue *value, double *d)
{
	if (likely(value->cls == SFM_REAL))
		*d = value->u.r;
	else if (value->cls == SFM_INTEGER)
	{
		if (sfm_is_wide(value->u.i))
			return SFM_MISFIT_INEXACT;
		*d = (double) value->u.i;
	}
	else
		return SFM_MISFIT_CLASS;
	return SFM_FIT;
}

SfmFit
sfm_convert_float8(SfmConv *conv, const SfmValue *value, Datum *result)
{
	double		d;
	SfmFit		fit = double_from(value, &d);

	if (fit == SFM_FIT)
		*result = Float8GetDatum(d);
	return fit;
}

/*
 * real holds a double when the shortest decimal forms of both are the same
 * number: 0.1 is 0.1 in either, though the bits behind it differ.
 */
SfmFit
sfm_convert_float4(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[FLOAT_SHORTEST_DECIMAL_LEN];
	double		d;
	float4		f;
	SfmFit		fit = double_from(value, &d);

	if (fit != SFM_FIT)
		return fit;
	f = (float4) d;
	if (isinf(f) && !isinf(d))
		return SFM_MISFIT_RANGE;
	if (!isinf(d))
	{
		/*
		 * At most 9 digits are printed, and no two decimals of up to 15 digits
		 * share a double: reading the same double back shows that it is also
		 * the double's shortest form.
		 */
		float_to_shortest_decimal_buf(f, buffer);
		if (strtod(buffer, NULL) != d)
			return SFM_MISFIT_INEXACT;
	}
	*result = Float4GetDatum(f);
	return SFM_FIT;
}

/*
 * numeric
 */

bool
sfm_numeric_holds(const SfmDecimalText *decimal)
{
	return decimal->int_digits <= NUMERIC_DIGITS_BEFORE &&
		decimal->scale <= NUMERIC_DIGITS_AFTER &&
		decimal->scale >= -NUMERIC_DIGITS_BEFORE;
}

static inline int
typmod_precision(int32 typmod)
{
	return ((typmod - VARHDRSZ) >> 16) & 0xffff;
}

/* May be negative, and above the precision, since PostgreSQL 15. */
static inline int
typmod_scale(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/* Whether numeric(p,s) holds the number without rounding it. */
static inline bool
typmod_holds(const SfmDecimalText *decimal, int32 typmod)
{
	int			scale = typmod_scale(typmod);

	return decimal->zero ||
		(decimal->min_scale <= scale &&
		 decimal->int_digits <= typmod_precision(typmod) - scale);
}

/* By PostgreSQL's own input function; text is known to be a number that fits. */
static Datum
numeric_by_input(const char *text, int len, int32 typmod)
{
	char		buffer[64];
	char	   *copy = len < (int) sizeof(buffer) ? buffer : palloc(len + 1);
	Datum		result;

	memcpy(copy, text, len);
	copy[len] = '\0';
	result = DirectFunctionCall3(numeric_in, CStringGetDatum(copy),
								 ObjectIdGetDatum(InvalidOid), Int32GetDatum(typmod));
	if (copy != buffer)
		pfree(copy);
	return result;
}

/*
 * mantissa * 10^-scale without going through text; the value is shown with as
 * many decimals as scale says.
 */
static inline Datum
numeric_from_mantissa(int64 mantissa, int scale)
{
	if (scale == 0)
		return NumericGetDatum(int64_to_numeric(mantissa));
	return NumericGetDatum(int64_div_fast_to_numeric(mantissa, scale));
}

/*
 * Brings the mantissa to the typmod's scale; false when that takes more than 64
 * bits.  The digits that are cut off are zeros.
 */
static bool
rescale(const SfmDecimalText *decimal, int scale, int64 *mantissa)
{
	int			shift = scale - decimal->scale;

	*mantissa = decimal->mantissa;
	if (shift > 18 || shift < -18)
		return decimal->zero;
	if (shift >= 0)
		return !pg_mul_s64_overflow(*mantissa, powers_of_ten[shift], mantissa);
	*mantissa /= powers_of_ten[-shift];
	return true;
}

/* A decimal that was read from text, with the given typmod. */
static SfmFit
numeric_from_decimal(const SfmDecimalText *decimal, const char *text, int len,
					 int32 typmod, Datum *result)
{
	int64		mantissa = decimal->mantissa;
	int			scale = decimal->scale;

	if (!sfm_numeric_holds(decimal))
		return SFM_MISFIT_RANGE;
	if (typmod >= (int32) VARHDRSZ)
	{
		if (!typmod_holds(decimal, typmod))
			return SFM_MISFIT_TYPMOD;
		scale = typmod_scale(typmod);
		if (scale < 0 || !decimal->small || !rescale(decimal, scale, &mantissa))
		{
			*result = numeric_by_input(text, len, typmod);
			return SFM_FIT;
		}
	}
	else if (!decimal->small)
	{
		*result = numeric_by_input(text, len, -1);
		return SFM_FIT;
	}
	*result = numeric_from_mantissa(decimal->negative ? -mantissa : mantissa, scale);
	return SFM_FIT;
}

SfmFit
sfm_numeric_from_text(const char *text, int len, int32 typmod,
					  SfmDecimalText *decimal, Datum *result)
{
	if (!sfm_read_decimal(text, len, decimal))
		return SFM_MISFIT_SYNTAX;
	return numeric_from_decimal(decimal, text, len, typmod, result);
}

/*
 * mantissa * 10^-scale, with a typmod.  false: it does
 * not fit, or not by 64-bit arithmetic; the general way finds out which.
 */
static bool
numeric_from_short(int64 mantissa, int scale, int32 typmod, Datum *result)
{
	int			to_scale = typmod_scale(typmod);
	int			precision = typmod_precision(typmod);

	if (to_scale < scale || to_scale - scale > 18 ||
		pg_mul_s64_overflow(mantissa, powers_of_ten[to_scale - scale], &mantissa))
		return false;
	if (precision <= 18 && (mantissa >= powers_of_ten[precision] ||
							mantissa <= -powers_of_ten[precision]))
		return false;
	*result = numeric_from_mantissa(mantissa, to_scale);
	return true;
}

SfmFit
sfm_numeric_from_int(int64 i, int32 typmod, Datum *result)
{
	char		buffer[MAXINT8LEN + 1];
	SfmDecimalText decimal;
	int			len;

	if (typmod < (int32) VARHDRSZ)
	{
		*result = NumericGetDatum(int64_to_numeric(i));
		return SFM_FIT;
	}
	if (numeric_from_short(i, 0, typmod, result))
		return SFM_FIT;
	len = pg_lltoa(i, buffer);
	return sfm_numeric_from_text(buffer, len, typmod, &decimal, result);
}

/*
 * Prices and measures have few decimals: when i / 10^s is the very real, and i is
 * below 10^15, then i * 10^-s is its shortest decimal form, because no two
 * decimals of up to 15 digits share a double.  That is much cheaper to find than
 * by the general algorithm.
 */
static inline bool
short_decimal(double r, int64 *mantissa, int *scale)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

	for (int s = 0; s < lengthof(powers); s++)
	{
		double		scaled = r * powers[s];

		if (!(scaled > -1e15 && scaled < 1e15))
			return false;
		*mantissa = (int64) rint(scaled);
		if ((double) *mantissa / powers[s] == r)
		{
			*scale = s;
			return true;
		}
	}
	return false;
}

SfmFit
sfm_numeric_from_real(double r, int32 typmod, bool *fraction, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];
	SfmDecimalText decimal;
	int64		mantissa;
	int			scale;
	int			len;
	SfmFit		fit;

	if (isinf(r))
	{
		/* infinity is no number of (p,s) digits */
		if (typmod >= (int32) VARHDRSZ)
			return SFM_MISFIT_TYPMOD;
		*result = r > 0 ? numeric_by_input("Infinity", 8, -1) :
			numeric_by_input("-Infinity", 9, -1);
		return SFM_FIT;
	}
	if (short_decimal(r, &mantissa, &scale))
	{
		bool		made;

		if (typmod < (int32) VARHDRSZ)
		{
			*result = numeric_from_mantissa(mantissa, scale);
			made = true;
		}
		else
			made = numeric_from_short(mantissa, scale, typmod, result);
		if (made)
		{
			if (scale > 0)
				*fraction = true;
			return SFM_FIT;
		}
	}
	len = sfm_real_text(r, buffer);
	fit = sfm_numeric_from_text(buffer, len, typmod, &decimal, result);
	if (fit == SFM_FIT && decimal.min_scale > 0)
		*fraction = true;
	return fit;
}

SfmFit
sfm_convert_numeric(SfmConv *conv, const SfmValue *value, Datum *result)
{
	int32		typmod = conv->type.typmod;
	SfmDecimalText decimal;
	SfmFit		fit;

	switch (value->cls)
	{
		case SFM_INTEGER:
			return sfm_numeric_from_int(value->u.i, typmod, result);
		case SFM_REAL:
			return sfm_numeric_from_real(value->u.r, typmod, &conv->seen.fraction, result);
		case SFM_TEXT:
			if (value->bad_encoding)
				return SFM_MISFIT_SYNTAX;
			fit = sfm_numeric_from_text(value->u.p, value->len, typmod, &decimal, result);
			if (fit == SFM_FIT)
			{
				if (!decimal.canonical)
					conv->seen.spelled++;
				if (decimal.min_scale > 0)
					conv->seen.fraction = true;
			}
			return fit;
		default:
			return SFM_MISFIT_CLASS;
	}
}
