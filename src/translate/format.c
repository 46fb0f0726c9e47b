/*
 * format.c
 *		round(), printf() and format(): numbers written with so many digits.
 *
 * SQLite rounds in printf()'s code, for round() as well: see digits.c.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "translate_internal.h"

/*
 * round(x, n) is a REAL, rounded as printf() rounds: halves, and what floating point
 * meant as halves, go away from zero.  Numbers that are round already stay; beyond 15 digits
 * SQLite's outcome depends on its build, and an error is raised.
 */
static char *
round_sql(const char *r, int digits)
{
	char	   *shortest = psprintf("(%s)::text::numeric", r);

	return psprintf("(CASE WHEN %s = trunc(%s) OR scale(%s) <= %d AND abs(%s) < 10::numeric ^ (15 - scale(%s)) THEN %s"
					" WHEN abs(%s) < 1e%d THEN sign(%s) * (%s)::double precision"
					" WHEN %s IS NOT NULL THEN ('more digits than a double has: ' || (%s)::text)::double precision END)",
					r, r, shortest, digits, shortest, shortest, r, r, 15 - digits, r,
					sfm_tr_rounded_size(r, digits), r, r);
}

/* round(x), round(x, n) */
Term *
sfm_tr_round(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ((Term *) linitial(args));
	Term	   *result;
	char	   *r;
	char	   *sql;
	int64		digits = 0;

	if (arg->rep == REP_NULL || (list_length(args) > 1 && ((Term *) lsecond(args))->rep == REP_NULL))
		return sfm_tr_null();
	if (!sfm_tr_is_number(arg) || (list_length(args) > 1 && !sfm_tr_integer_of(((Term *) lsecond(args)), &digits)))
	{
		sfm_tr_fail(cx, expr->offset, "round() of what is no number, or to digits that are no literal");
		return sfm_tr_null();
	}
	digits = Max(digits, 0);
	if (digits > 14)
	{
		sfm_tr_fail(cx, expr->offset, "round() to more than 14 digits");
		return sfm_tr_null();
	}
	r = sfm_tr_real(cx, arg);
	if (arg->rep == REP_INT || arg->rep == REP_BOOL)
		sql = r;
	else if (digits == 0)
		sql = psprintf("(CASE WHEN abs(%s) < 4503599627370496 THEN trunc(%s + sign(%s) * 0.5::double precision) ELSE %s END)",
					   r, r, r, r);
	else
		sql = round_sql(r, (int) digits);
	result = sfm_tr_derived(cx, expr->offset, REP_REAL, arg, NULL, sql);
	result->may_nan = arg->may_nan;
	return result;
}

/* One conversion of a format: %[flags][width][.precision]letter */
typedef struct Conversion
{
	bool		left;			/* - */
	bool		plus;			/* + */
	bool		zero;			/* 0 */
	bool		comma;			/* , */
	int			width;
	int			precision;		/* -1: none */
	char		letter;
} Conversion;

#define MAX_WIDTH 100

/* Reads one behind its %; the place behind it, or NULL when it is none of ours. */
static const char *
read_conversion(const char *p, Conversion *c)
{
	memset(c, 0, sizeof(*c));
	c->precision = -1;
	for (;; p++)
	{
		if (*p == '-')
			c->left = true;
		else if (*p == '+')
			c->plus = true;
		else if (*p == '0')
			c->zero = true;
		else if (*p == ',')
			c->comma = true;
		else
			break;
	}
	for (; *p >= '0' && *p <= '9' && c->width <= MAX_WIDTH; p++)
		c->width = c->width * 10 + *p - '0';
	if (*p == '.')
		for (c->precision = 0, p++; *p >= '0' && *p <= '9' && c->precision <= MAX_WIDTH; p++)
			c->precision = c->precision * 10 + *p - '0';
	c->letter = *p;
	if (c->width > MAX_WIDTH || c->precision > MAX_WIDTH || (c->left && c->zero) || *p == '\0')
		return NULL;
	return p + 1;
}

/* Blanks on one side, up to the width; SQLite counts bytes. */
static char *
padded(const Conversion *c, char *text)
{
	char	   *blanks;

	if (c->width == 0 || c->zero)
		return text;
	blanks = psprintf("repeat(' ', %d - octet_length(convert_to(%s, 'UTF8')))", c->width, text);
	return c->left ? psprintf("(%s || %s)", text, blanks) : psprintf("(%s || %s)", blanks, text);
}

/* Digits with their sign, zeros between them where the format asks for that. */
static char *
signed_digits(const Conversion *c, const char *number, char *digits)
{
	char	   *sign = psprintf("(CASE WHEN %s < 0 THEN '-' ELSE '%s' END)", number, c->plus ? "+" : "");

	if (c->zero && c->width > 0)
		digits = psprintf("repeat('0', %d - length(%s) - length(%s)) || %s", c->width, sign, digits,
						  digits);
	return psprintf("(%s || %s)", sign, digits);
}

/* %d, %i: an integer, as CAST makes one */
static char *
integer_sql(Cx *cx, int offset, const Conversion *c, const Term *arg)
{
	char	   *number = psprintf("coalesce(%s, 0)",
								  sfm_tr_int(cx, offset, sfm_tr_cast_integer(cx, offset, arg)));
	char	   *digits;

	if (c->precision >= 0 || (c->comma && c->zero))
		return NULL;
	if (!c->plus && !c->zero && !c->comma)
		return psprintf("(%s)::text", number);
	digits = psprintf("abs((%s)::numeric)::text", number);
	if (c->comma)
		digits = psprintf("reverse(regexp_replace(reverse(%s), '([0-9]{3})(?=[0-9])', '\\1,', 'g'))", digits);
	return signed_digits(c, number, digits);
}

/* %x, %X: the 64 bits of an integer */
static char *
hex_sql(Cx *cx, int offset, const Conversion *c, const Term *arg)
{
	char	   *digits = psprintf("to_hex(coalesce(%s, 0))",
								  sfm_tr_int(cx, offset, sfm_tr_cast_integer(cx, offset, arg)));

	if (c->precision >= 0 || c->plus || c->comma)
		return NULL;
	if (c->letter == 'X')
		digits = psprintf("upper(%s)", digits);
	if (c->zero)
		digits = psprintf("(repeat('0', %d - length(%s)) || %s)", c->width, digits, digits);
	return digits;
}

/*
 * %f: what rounds to minus zero keeps its sign; more digits than a double has are an
 * error, as in round().
 */
static char *
real_sql(Cx *cx, int offset, const Conversion *c, const Term *arg)
{
	Term	   *number = sfm_tr_to_number(cx, offset, arg);
	int			digits = c->precision < 0 ? 6 : c->precision;
	char	   *r;
	char	   *size;

	if (digits > 14 || c->comma)
		return NULL;
	if (number->rep == REP_NULL)
		number = sfm_tr_int_literal(0);
	r = psprintf("coalesce(nullif(%s, 'NaN'), 0)", sfm_tr_real(cx, number));
	size = psprintf("(CASE WHEN %s = trunc(%s) AND abs(%s) <= 9007199254740992 THEN round(abs(%s)::bigint::numeric, %d)::text"
					" WHEN abs(%s) < 1e%d THEN %s::text ELSE (('more digits than a double has: ' || (%s)::text)::double precision)::text END)",
					r, r, r, r, digits, r, 15 - digits, sfm_tr_rounded_size(r, digits), r);
	return psprintf("(CASE WHEN abs(%s) = 'Infinity' THEN (CASE WHEN %s < 0 THEN '-Inf' ELSE '%sInf' END) ELSE %s END)",
					r, r, c->plus ? "+" : "", signed_digits(c, r, size));
}

/* %s, %q, %Q, %w */
static char *
text_sql(Cx *cx, int offset, const Conversion *c, const Term *arg, char *volatility)
{
	const Term *term = sfm_tr_text(cx, offset, arg, psprintf("%%%c", c->letter));
	char	   *text = term->sql;

	*volatility = sfm_tr_worse(*volatility, term->volatility);
	/* a precision counts bytes, and may end within a character */
	if (c->precision >= 0 || c->plus || c->zero || c->comma)
		return NULL;
	switch (c->letter)
	{
		case 'q':
			return psprintf("coalesce(replace(%s, '''', ''''''), '(NULL)')", text);
		case 'Q':
			return psprintf("coalesce('''' || replace(%s, '''', '''''') || '''', 'NULL')", text);
		case 'w':
			return psprintf("coalesce(replace(%s, '\"', '\"\"'), '(NULL)')", text);
		default:
			return psprintf("coalesce(%s, '')", text);
	}
}

/* One conversion; *volatility becomes that of its text, where it is the worse. */
static char *
conversion_sql(Cx *cx, int offset, const Conversion *c, const Term *arg, char *volatility)
{
	char	   *sql = NULL;

	switch (c->letter)
	{
		case 'd':
		case 'i':
			sql = integer_sql(cx, offset, c, arg);
			break;
		case 'x':
		case 'X':
			sql = hex_sql(cx, offset, c, arg);
			break;
		case 'f':
			sql = real_sql(cx, offset, c, arg);
			break;
		case 's':
		case 'q':
		case 'Q':
		case 'w':
			sql = text_sql(cx, offset, c, arg, volatility);
			break;
		default:
			break;
	}
	return sql ? padded(c, sql) : NULL;
}

/* printf() and format(), with a literal format. */
Term *
sfm_tr_printf(Cx *cx, const SfmExpr *expr, List *args)
{
	const char *format = sfm_tr_string_of(linitial(args));
	StringInfoData sql;
	StringInfoData plain;
	int			next = 1;
	Term	   *result = sfm_tr_term(REP_TEXT, NULL);

	if (format == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a format that is no literal", expr->text);
		return sfm_tr_null();
	}
	initStringInfo(&sql);
	initStringInfo(&plain);
	for (const char *p = format; *p && !cx->failed;)
	{
		const char *start = p;
		const Term *arg;
		Conversion	c;
		char	   *piece;

		if (*p != '%' || p[1] == '%')
		{
			appendStringInfoChar(&plain, *p);
			p += *p == '%' ? 2 : 1;
			continue;
		}
		p = read_conversion(p + 1, &c);
		arg = next < list_length(args) ? list_nth(args, next++) : sfm_tr_null();
		piece = p ? conversion_sql(cx, expr->offset, &c, arg, &result->volatility) : NULL;
		if (piece == NULL)
		{
			int			length = p ? p - start : strlen(start);

			sfm_tr_fail(cx, expr->offset, "%s() with the conversion %.*s", expr->text,
						pg_mbcliplen(start, length, Min(length, 20)), start);
			return sfm_tr_null();
		}
		if (plain.len)
			appendStringInfo(&sql, "%s%s", sql.len ? " || " : "", quote_literal_cstr(plain.data));
		resetStringInfo(&plain);
		appendStringInfo(&sql, "%s%s", sql.len ? " || " : "", piece);
		result->volatility = sfm_tr_worse(result->volatility, arg->volatility);
		/* the text of a date is no immutable function's */
		if (arg->rep == REP_OTHER)
			result->volatility = sfm_tr_worse(result->volatility, 's');
	}
	if (plain.len || sql.len == 0)
		appendStringInfo(&sql, "%s%s::text", sql.len ? " || " : "", quote_literal_cstr(plain.data));
	if (sql.len > MAX_TERM)
		sfm_tr_fail(cx, expr->offset, "the expression becomes too long");
	result->sql = psprintf("(%s)", sql.data);
	return result;
}
