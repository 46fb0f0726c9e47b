/*
 * read_number.c
 *		Decimal and whole numbers as text.
 *
 * PostgreSQL's own input functions are not asked what a number is: what they take
 * (0x1F, 1_000, NaN, blanks around) differs from release to release and type to
 * type, and a file must convert alike everywhere.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/int.h"

#include "sfm_read.h"

/* So many digits always fit an int64. */
#define SMALL_DIGITS 18

/* Exponents past this are all alike: no number type holds them. */
#define EXPONENT_LIMIT 10000000

/* What the digits of a number come to. */
typedef struct DigitCount
{
	int			significant;	/* from the first one that is not 0 */
	int			trailing_zeros; /* among the significant ones */
	uint64		value;			/* of the first SMALL_DIGITS significant ones */
} DigitCount;

/* Reads digits, returns where they end. */
static inline const char *
read_digits(const char *p, const char *end, DigitCount *count)
{
	for (; p < end; p++)
	{
		unsigned	digit = (unsigned char) *p - '0';

		if (digit > 9)
			break;
		if (digit == 0)
		{
			if (count->significant == 0)
				continue;
			count->trailing_zeros++;
		}
		else
			count->trailing_zeros = 0;
		if (count->significant++ < SMALL_DIGITS)
			count->value = count->value * 10 + digit;
	}
	return p;
}

/* The exponent after e; false when there is none. */
static bool
read_exponent(const char *p, const char *end, int *exponent)
{
	bool		negative = false;
	int			value = 0;

	if (p < end && (*p == '+' || *p == '-'))
		negative = (*p++ == '-');
	if (p == end)
		return false;
	for (; p < end; p++)
	{
		unsigned	digit = (unsigned char) *p - '0';

		if (digit > 9)
			return false;
		if (value < EXPONENT_LIMIT)
			value = value * 10 + digit;
	}
	*exponent = negative ? -value : value;
	return true;
}

bool
sfm_read_decimal(const char *text, int len, SfmDecimalText *decimal)
{
	const char *p = text;
	const char *end = text + len;
	const char *whole;
	DigitCount	count = {0};
	int			nwhole;
	int			nfraction = 0;
	int			exponent = 0;

	decimal->negative = false;
	decimal->canonical = true;
	if (p < end && (*p == '-' || *p == '+'))
	{
		decimal->negative = (*p == '-');
		decimal->canonical = decimal->negative;
		p++;
	}
	whole = p;
	p = read_digits(p, end, &count);
	nwhole = p - whole;
	if (nwhole == 0 || (nwhole > 1 && *whole == '0'))
		decimal->canonical = false;
	if (p < end && *p == '.')
	{
		const char *fraction = ++p;

		p = read_digits(p, end, &count);
		nfraction = p - fraction;
		if (nfraction == 0)
			decimal->canonical = false;
	}
	if (nwhole + nfraction == 0)
		return false;
	if (p < end)
	{
		if ((*p != 'e' && *p != 'E') || !read_exponent(p + 1, end, &exponent))
			return false;
		decimal->canonical = false;
	}

	decimal->zero = (count.significant == 0);
	if (decimal->zero && decimal->negative)
		decimal->canonical = false;
	decimal->small = (count.significant <= SMALL_DIGITS);
	decimal->mantissa = (int64) count.value;
	decimal->scale = nfraction - exponent;
	decimal->int_digits = decimal->zero ? 0 : count.significant - decimal->scale;
	decimal->min_scale = decimal->zero ? 0 : decimal->scale - count.trailing_zeros;
	return true;
}

SfmReadInteger
sfm_read_integer(const char *text, int len, int64 *value, bool *canonical)
{
	bool		negative = false;
	bool		overflow = false;
	int64		result = 0;
	int			i = 0;
	int			first;

	if (len > 0 && (text[0] == '-' || text[0] == '+'))
	{
		negative = (text[0] == '-');
		i = 1;
	}
	first = i;
	if (i == len)
		return SFM_READ_INTEGER_SYNTAX;
	for (; i < len; i++)
	{
		unsigned	digit = (unsigned char) text[i] - '0';

		if (digit > 9)
			return SFM_READ_INTEGER_SYNTAX;
		/* counted downwards: the least int64 has no positive counterpart */
		if (!overflow &&
			(pg_mul_s64_overflow(result, 10, &result) ||
			 pg_sub_s64_overflow(result, digit, &result)))
			overflow = true;
	}
	if (!overflow && !negative)
		overflow = pg_sub_s64_overflow(0, result, &result);
	if (overflow)
		return SFM_READ_INTEGER_RANGE;
	*value = result;
	*canonical = text[0] != '+' && (text[first] != '0' || (len == 1));
	return SFM_READ_INTEGER_OK;
}
