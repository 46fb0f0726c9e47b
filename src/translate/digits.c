/*
 * digits.c
 *		The decimal digits of a REAL: as text, and rounded to so many behind the point.
 *
 * SQLite makes both in sqlite3_str_vappendf(), and not all releases the same way; that
 * of the library in use counts (sfm_sqlite_dialect()).
 */
#include "postgres.h"

#include <math.h>

#include "sfm_sqlite.h"
#include "translate_internal.h"

/*
 * A double of less than 2^52, not negative, as the numeric that it exactly is:
 * PostgreSQL's cast would round to 15 digits.  Its bits below the point are taken as
 * two integers and multiplied by 2^-50 and 2^-100, which numeric does exactly.
 */
static char *
exact_numeric(const char *a)
{
	const char *high = psprintf("((%s - trunc(%s)) * 1125899906842624)", a, a);

	return psprintf("(trunc(%s)::bigint + trunc(%s)::bigint * 0.00000000000000088817841970012523233890533447265625"
					" + ((%s - trunc(%s)) * 1125899906842624)::bigint * 0.0000000000000000000000000000007888609052210118054117285652827862296732064351090230047702789306640625)",
					a, high, high, high);
}

/* An error in the place of a numeric, where SQLite's digits are not known. */
static char *
no_digits(const char *r)
{
	return psprintf("('more digits than a double has: ' || (%s)::text)::numeric", r);
}

/*
 * See translate_internal.h.  All releases take a half away from zero; they differ in what
 * they take for one.
 */
char *
sfm_tr_rounded_size(const char *r, int digits)
{
	char	   *a = psprintf("abs(%s)", r);
	char	   *exact = exact_numeric(a);

	switch (sfm_sqlite_dialect()->rounding)
	{
		case SFM_ROUND_NEAR_HALVES:

			/*
			 * Adds half a unit of the last place and 3e-16 of the value, and cuts off;
			 * the 3e-16 only where the digits are within a double's: precision +
			 * exponent / 3 < 15.
			 */
			return psprintf("trunc(%s * (CASE WHEN %s < %.17g THEN 1.0000000000000003 ELSE 1 END) + 0.5 * 1e-%d, %d)",
							exact, a, ldexp(1, 45 - 3 * digits), digits, digits);
		case SFM_ROUND_CUT_DIGITS:

			/*
			 * Cuts off after 18 or 19 digits, and rounds these.  They come from inexact
			 * multiplications: what is no half, but as near to one, is not decided here.
			 */
			return psprintf("(CASE WHEN scale(trim_scale(%s)) <= %d OR round(%s * 0.999999999999999997, %d) = round(%s * 1.000000000000000003, %d)"
							" THEN round(%s, %d) ELSE %s END)",
							exact, digits + 1, exact, digits, exact, digits, exact, digits, no_digits(r));
		default:

			/*
			 * Rounds to 18 digits, counted from the power of two below the value, and these
			 * again: what is below a half by half a unit of the last of them is one.
			 */
			return psprintf("round(%s + ('5e' || (floor(floor(ln(%s) / 0.6931471805599453::double precision) * 0.30102999566398120::double precision) - 18))::numeric, %d)",
							exact, a, digits);
	}
}

/*
 * 15 significant digits, as PostgreSQL's cast to numeric rounds, at least one behind the
 * point, an exponent from 1e15 on and below 1e-4.  Where a 16th digit, 5, is
 * the last one the two may round in different ways; that is an error where the number has
 * few enough bits behind the point for an exact tie.
 */
static char *
text_of_15(const char *r)
{
	char	   *digits = psprintf("(%s)::numeric", r);
	char	   *scaled = psprintf("%s * (CASE WHEN abs(%s) < 1 THEN 1048576 ELSE 32768 END)", r, r);
	/* with an exponent: the digits without zeros around them, and where the first one stood */
	char	   *plain = psprintf("abs(%s)::text", digits);
	char	   *significant = psprintf("btrim(replace(%s, '.', ''), '0')", plain);
	char	   *mantissa = psprintf("(CASE WHEN %s < 0 THEN '-' ELSE '' END) || left(%s, 1) || '.' || coalesce(nullif(substr(%s, 2), ''), '0')",
									r, significant, significant);
	char	   *large = psprintf("'e+' || (length(split_part(%s, '.', 1)) - 1)::text", plain);
	char	   *zeros = psprintf("(length(split_part(%s, '.', 2)) - length(ltrim(split_part(%s, '.', 2), '0')) + 1)",
								 plain, plain);
	char	   *small = psprintf("'e-' || (CASE WHEN %s < 10 THEN '0' ELSE '' END) || %s::text", zeros, zeros);

	return psprintf("(CASE WHEN %s = 0 THEN '0.0' WHEN %s = 'Infinity' THEN 'Inf' WHEN %s = '-Infinity' THEN '-Inf'"
					" WHEN abs(%s) < 1e15 AND (%s)::text ~ '5$' AND %s = trunc(%s)"
					" AND length(ltrim(translate((%s)::text, '-.', ''), '0')) = 16 THEN (('no 15 digits: ' || (%s)::text)::double precision)::text"
					" WHEN abs(%s) >= 0.0001 AND abs(%s) < 1e15 THEN regexp_replace(trim_scale(%s)::text, '^(-?[0-9]+)$', '\\1.0')"
					" WHEN abs(%s) < 1 THEN %s || %s ELSE %s || %s END)",
					r, r, r, r, r, scaled, scaled, r, r, r, r, digits, r,
					mantissa, small, mantissa, large);
}

/*
 * 17 significant digits; or up to 14, where these are the same double and the 17 show it by
 * zeros or nines behind them (sqlite3FpDecode()).  SQLite rounds twice, first to 18 digits,
 * counted from the power of two below the value: to 19, where the power of ten below it is
 * nearer.
 */
static char *
text_of_17(const char *r)
{
	/* what C's printf() writes, with digits enough for every tie */
	char	   *all = psprintf("to_char(abs(%s), '9.9999999999999999999999999EEEE')", r);
	char	   *exponent = psprintf("split_part(%s, 'e', 2)", all);
	char	   *first = psprintf("round(split_part(%s, 'e', 1)::numeric, CASE WHEN abs(%s) <"
								 " 2::double precision ^ greatest(least(ceil(%s::integer * 3.3219280948873623::double precision), 1023), -1074)"
								 " THEN 18 ELSE 17 END)", all, r, exponent);
	char	   *digits = psprintf("translate(%s::text, '.', '')", first);
	char	   *same = "(round(%s, %d) || 'e' || %s)::double precision = abs(%s)";
	char	   *same_14 = psprintf(same, first, 13, exponent, r);
	char	   *same_13 = psprintf(same, first, 12, exponent, r);
	char	   *number = psprintf("(round(%s, CASE WHEN substr(%s, 15, 2) = '99' THEN (CASE WHEN %s THEN 13 ELSE 16 END)"
								  " WHEN (substr(%s, 14, 3) = '000' OR %s::integer >= scale(%s)) AND %s THEN 12 ELSE 16 END) || 'e' || %s)::numeric",
								  first, digits, same_14, digits, exponent, first, same_13, exponent);

	return psprintf("(CASE WHEN %s = 0 THEN '0.0' WHEN %s = 'Infinity' THEN 'Inf' WHEN %s = '-Infinity' THEN '-Inf'"
					" ELSE (CASE WHEN %s < 0 THEN '-' ELSE '' END) || (CASE WHEN abs(%s) >= 0.0001 AND abs(%s) < 1e17"
					" THEN regexp_replace(trim_scale(%s)::text, '^([0-9]+)$', '\\1.0')"
					" ELSE regexp_replace(ltrim(to_char(%s, '9.9999999999999999EEEE')), '([.]0|[1-9])0*e', '\\1e') END) END)",
					r, r, r, r, r, r, number, number);
}

/*
 * The same for numbers of which SQLite shows no more digits than the shortest text has:
 * those of up to 13, of usual size.  Others are errors.
 */
static char *
text_of_13(const char *r)
{
	return psprintf("(CASE WHEN %s = 0 THEN '0.0' WHEN abs(%s) >= 0.001 AND abs(%s) < 9e15"
					" AND length(btrim(translate(split_part(abs(%s)::text, 'e', 1), '.', ''), '0')) <= 13"
					" THEN regexp_replace((%s)::text::numeric::text, '^(-?[0-9]+)$', '\\1.0')"
					" WHEN %s IS NOT NULL THEN (('more than 13 digits: ' || (%s)::text)::double precision)::text END)",
					r, r, r, r, r, r, r);
}

/* See translate_internal.h. */
char *
sfm_tr_real_text(const Cx *cx, const char *r, char *volatility)
{
	if (sfm_sqlite_dialect()->real_digits == 15)
		return text_of_15(r);
	if (cx->immutable)
		return text_of_13(r);
	/* to_char() counts as stable */
	*volatility = sfm_tr_worse(*volatility, 's');
	return text_of_17(r);
}
