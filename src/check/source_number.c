/*
 * source_number.c
 *		Numbers as SQLite holds them, brought to decimals, whole numbers and text.
 *
 * A decimal in canonical form has no trailing zeros in its coefficient, so that
 * 1.50, 1.5 and 15e-1 are one.  A real stands for its shortest exact decimal
 * form: the decimal of fewest digits that reads back to the same bits, and among
 * those the nearest.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "check_internal.h"

/*
 * What numeric holds without a typmod: digits in front of the point, and behind
 * it (NUMERIC_WEIGHT_MAX and NUMERIC_DSCALE_MAX in numeric.c).
 */
#define NUMERIC_DIGITS_BEFORE 131072
#define NUMERIC_DIGITS_AFTER 16383

static const double powers_of_ten[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9
};

static void
set_small(SfmDigits *decimal, bool negative, int64 coefficient, int32 exponent)
{
	int64		rest;
	int			n = 0;

	memset(decimal, 0, sizeof(*decimal));
	if (coefficient == 0)
		return;
	while (coefficient % 10 == 0)
	{
		coefficient /= 10;
		exponent++;
	}
	for (rest = coefficient; rest > 0; rest /= 10)
		n++;
	decimal->negative = negative;
	decimal->small = coefficient;
	decimal->exponent = exponent;
	decimal->ndigits = n;
}

static void
set_special(SfmDigits *decimal, char special)
{
	memset(decimal, 0, sizeof(*decimal));
	decimal->special = special;
}

/* The exponent of a decimal text, kept within what no number reaches. */
static bool
read_exponent(const char *p, const char *end, int64 *exponent)
{
	bool		negative = false;
	int64		value = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
		if (value < 100000000)
			value = value * 10 + (*p - '0');
	}
	*exponent = negative ? -value : value;
	return true;
}

/*
 * The digits of a decimal text, whole[] before the point and part[] behind it,
 * become a coefficient without zeros at either end.
 */
static void
set_digits(SfmDigits *decimal, bool negative, const char *whole, int nwhole,
		   const char *part, int npart, int64 exponent)
{
	exponent -= npart;
	memset(decimal, 0, sizeof(*decimal));
	decimal->written = (int32) exponent;
	while (nwhole > 0 && *whole == '0')
		whole++, nwhole--;
	if (nwhole == 0)
		while (npart > 0 && *part == '0')
			part++, npart--;
	while (npart > 0 && part[npart - 1] == '0')
		npart--, exponent++;
	if (npart == 0)
		while (nwhole > 0 && whole[nwhole - 1] == '0')
			nwhole--, exponent++;

	decimal->ndigits = nwhole + npart;
	if (decimal->ndigits == 0)
		return;
	decimal->negative = negative;
	decimal->exponent = (int32) exponent;
	if (decimal->ndigits <= SFM_SMALL_DIGITS)
	{
		int64		value = 0;

		for (int i = 0; i < nwhole; i++)
			value = value * 10 + (whole[i] - '0');
		for (int i = 0; i < npart; i++)
			value = value * 10 + (part[i] - '0');
		decimal->small = value;
	}
	else
	{
		decimal->piece[0] = whole;
		decimal->piece_len[0] = nwhole;
		decimal->piece[1] = part;
		decimal->piece_len[1] = npart;
	}
}

bool
sfm_source_decimal_text(const char *text, int len, SfmDigits *decimal)
{
	const char *p = text;
	const char *end = text + len;
	bool		negative = false;
	const char *whole;
	const char *part;
	int			nwhole;
	int			npart = 0;
	int64		exponent = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	whole = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	nwhole = p - whole;
	part = p;
	if (p < end && *p == '.')
	{
		part = ++p;
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		npart = p - part;
	}
	if (nwhole + npart == 0)
		return false;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		if (!read_exponent(p + 1, end, &exponent))
			return false;
	}
	else if (p < end)
		return false;
	set_digits(decimal, negative, whole, nwhole, part, npart, exponent);
	return true;
}

/*
 * float8out's algorithm leaves out what lies halfway between two doubles, though it
 * may read back to this one.  That happens to whole numbers past 2^53 alone, whose
 * exact digits are all there: cut to n digits, rounded to the nearest, the first
 * that reads back is the shortest.  Returns the length; a NUL follows.
 */
static int
shortest_text(double x, char *buffer)
{
	char		cut[SFM_REAL_BUFFER];
	int			len = double_to_shortest_decimal_buf(x, buffer);

	if (isinf(x) || fabs(x) < 9007199254740992.0)
		return len;
	for (int n = 0; n <= 15; n++)
	{
		int			cut_len = snprintf(cut, sizeof(cut), "%.*e", n, x);

		if (cut_len >= len)
			break;
		if (strtod(cut, NULL) == x)
		{
			strcpy(buffer, cut);
			return cut_len;
		}
	}
	return len;
}

/*
 * Most reals in a database have few decimals: if i / 10^s is the very real, with
 * i under 10^15, then i * 10^-s is a decimal that reads back to it, since the
 * division of two exact numbers is rounded correctly; and as no two decimals of
 * up to 15 digits share a double, it is the only one of so few digits, and so
 * the shortest.  All others go through shortest_text().
 */
void
sfm_source_decimal_real(double x, SfmDigits *decimal, char *buffer)
{
	double		size = fabs(x);

	if (isinf(x))
	{
		set_special(decimal, x < 0 ? '-' : '+');
		return;
	}
	for (int s = 0; s < lengthof(powers_of_ten); s++)
	{
		double		scaled = size * powers_of_ten[s];
		int64		i;

		if (scaled >= 1e15)
			break;
		i = (int64) (scaled + 0.5);
		if ((double) i / powers_of_ten[s] == size)
		{
			set_small(decimal, x < 0, i, -s);
			return;
		}
	}
	sfm_source_decimal_text(buffer, shortest_text(x, buffer), decimal);
}

void
sfm_source_decimal_int(int64 i, SfmDigits *decimal, char *buffer)
{
	if (i > -INT64CONST(1000000000000000000) && i < INT64CONST(1000000000000000000))
		set_small(decimal, i < 0, i < 0 ? -i : i, 0);
	else
		sfm_source_decimal_text(buffer, pg_lltoa(i, buffer), decimal);
}

/*
 * Numeric keeps zeros behind the point as they were written, so that these count
 * for its limit.  A typmod (p,s) holds s digits behind the point and p - s before
 * it; s may be negative or above p since PostgreSQL 15.  Infinity has no place in
 * one.
 */
bool
sfm_source_decimal_fits(const SfmDigits *decimal, int32 typmod)
{
	int64		before = NUMERIC_DIGITS_BEFORE;
	int64		after = NUMERIC_DIGITS_AFTER;

	if (typmod >= (int32) VARHDRSZ)
	{
		int32		precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;

		after = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
		before = precision - after;
		if (decimal->special)
			return decimal->special == 'n';
	}
	if (decimal->special)
		return true;
	if (decimal->written < -NUMERIC_DIGITS_AFTER || decimal->written > NUMERIC_DIGITS_BEFORE ||
		(int64) decimal->ndigits + decimal->exponent > NUMERIC_DIGITS_BEFORE)
		return false;
	if (decimal->ndigits == 0)
		return true;
	return decimal->exponent >= -after &&
		(int64) decimal->ndigits + decimal->exponent <= before;
}

int
sfm_source_number_text(const SfmValue *value, char *buffer)
{
	if (value->cls == SFM_INTEGER)
		return pg_lltoa(value->u.i, buffer);
	return shortest_text(value->u.r, buffer);
}

bool
sfm_source_whole(const SfmValue *value, int64 *whole)
{
	uint64		size = 0;
	bool		negative;
	int			i = 0;

	if (value->cls == SFM_INTEGER)
	{
		*whole = value->u.i;
		return true;
	}
	if (value->cls == SFM_REAL)
	{
		/* both bounds are exact in a double, the upper one is out of range */
		if (!(value->u.r >= -9223372036854775808.0 && value->u.r < 9223372036854775808.0))
			return false;
		*whole = (int64) value->u.r;
		return (double) *whole == value->u.r;
	}
	if (value->cls != SFM_TEXT || value->bad_encoding || value->len == 0)
		return false;
	negative = value->u.p[0] == '-';
	if (negative || value->u.p[0] == '+')
		i++;
	if (i == value->len)
		return false;
	for (; i < value->len; i++)
	{
		unsigned	digit = (unsigned char) value->u.p[i] - '0';

		if (digit > 9 || size > (PG_UINT64_MAX - digit) / 10)
			return false;
		size = size * 10 + digit;
	}
	if (size > (uint64) PG_INT64_MAX + negative)
		return false;
	*whole = (int64) (negative ? 0 - size : size);
	return true;
}
