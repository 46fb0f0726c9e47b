/*
 * arithmetic.c
 *		+ - * / %, bit operators, ||, unary signs and CAST.
 *
 * Integers stay integers, division included; a REAL operand makes a REAL; division by
 * zero is NULL.  Two things PostgreSQL says aloud where SQLite goes on in silence: an
 * integer past 64 bits (SQLite continues with an inexact REAL), and a REAL past
 * 1.8e308 (SQLite continues with infinity) are errors.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "translate_internal.h"

static Term *
real_operation(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	char	   *l = sfm_tr_real(cx, left);
	char	   *r = sfm_tr_real(cx, right);
	Term	   *result;

	if (op == SFM_OP_DIVIDE && right->literal == NULL)
		r = psprintf("nullif(%s, 0)", r);
	result = sfm_tr_derived(cx, offset, REP_REAL, left, right,
							psprintf("(%s %s %s)", l, sfm_op_name(op), r));
	result->may_nan = left->may_nan || right->may_nan;
	return result;
}

static char *
int_operation(Cx *cx, int offset, SfmOp op, char *left, char *right, bool nonzero)
{
	if ((op == SFM_OP_DIVIDE || op == SFM_OP_MODULO) && !nonzero)
		right = psprintf("nullif(%s, 0)", right);
	return psprintf("(%s %s %s)", left, sfm_op_name(op), right);
}

static bool
is_zero(const Term *term)
{
	int64		value;

	return (sfm_tr_integer_of(term, &value) && value == 0) ||
		(term->literal && term->literal->kind == SFM_EXPR_REAL &&
		 strtod(term->literal->text, NULL) == 0);
}

/* "is an integer", for the parts of a number. */
static char *
int_test(const Term *term)
{
	return term->rep == REP_NUMBER ? term->is_int : pstrdup(term->rep == REP_REAL ? "false" : "true");
}

/* At least one operand is INTEGER or REAL value by value, and none is always REAL. */
static Term *
number_operation(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	char	   *l = left->rep == REP_NUMBER ? left->int_sql : sfm_tr_int(cx, offset, left);
	char	   *r = right->rep == REP_NUMBER ? right->int_sql : sfm_tr_int(cx, offset, right);
	Term	   *real = real_operation(cx, offset, op, left, right);
	char	   *is_int = left->rep != REP_NUMBER ? int_test(right) :
		right->rep != REP_NUMBER ? int_test(left) :
		psprintf("(%s AND %s)", int_test(left), int_test(right));

	return sfm_tr_number(cx, offset, left, right, is_int,
						 int_operation(cx, offset, op, l, r, right->literal != NULL), real->sql);
}

/*
 * % works on what CAST AS INTEGER gives, l and r, and gives a REAL where an operand as a
 * number, left and right, is one.
 */
static Term *
modulo(Cx *cx, int offset, const Term *left, const Term *right, const Term *l, const Term *r)
{
	char	   *sql = int_operation(cx, offset, SFM_OP_MODULO, sfm_tr_int(cx, offset, l),
									sfm_tr_int(cx, offset, r), r->literal != NULL);

	if (is_zero(r))
		return sfm_tr_null();
	if (left->rep == REP_NUMBER || right->rep == REP_NUMBER)
	{
		char	   *is_int = psprintf("(%s AND %s)", int_test(left), int_test(right));

		return sfm_tr_number(cx, offset, left, right, is_int, sql,
							 psprintf("%s::double precision", sql));
	}
	if (left->rep == REP_REAL || right->rep == REP_REAL)
		return sfm_tr_derived(cx, offset, REP_REAL, left, right,
							  psprintf("%s::double precision", sql));
	return sfm_tr_derived(cx, offset, REP_INT, left, right, sql);
}

/* Both operands as CAST AS INTEGER gives them. */
static Term *
bit_operation(Cx *cx, int offset, SfmOp op, const Term *l, const Term *r)
{
	int64		count;

	if (op == SFM_OP_BIT_AND || op == SFM_OP_BIT_OR)
		return sfm_tr_derived(cx, offset, REP_INT, l, r,
							  psprintf("(%s %s %s)", sfm_tr_int(cx, offset, l), sfm_op_name(op),
									   sfm_tr_int(cx, offset, r)));
	if (!sfm_tr_integer_of(r, &count))
	{
		sfm_tr_fail(cx, offset, "%s by something else than a literal", sfm_op_name(op));
		return sfm_tr_null();
	}
	/* A negative count shifts the other way; one past the width leaves sign or nothing. */
	if (count < 0)
	{
		op = op == SFM_OP_LSHIFT ? SFM_OP_RSHIFT : SFM_OP_LSHIFT;
		count = count < -64 ? 64 : -count;
	}
	if (count > 63 && op == SFM_OP_LSHIFT)
		return sfm_tr_derived(cx, offset, REP_INT, l, NULL,
							  psprintf("(%s & 0)", sfm_tr_int(cx, offset, l)));
	return sfm_tr_derived(cx, offset, REP_INT, l, NULL,
						  psprintf("(%s %s %d)", sfm_tr_int(cx, offset, l), sfm_op_name(op),
								   (int) Min(count, 63)));
}

static Term *
concat(Cx *cx, int offset, const Term *left, const Term *right)
{
	Term	   *l = sfm_tr_text(cx, offset, left, "||");
	Term	   *r = sfm_tr_text(cx, offset, right, "||");

	return sfm_tr_derived(cx, offset, REP_TEXT, l, r, psprintf("(%s || %s)", l->sql, r->sql));
}

/* A binary operator that is no comparison. */
Term *
sfm_tr_arithmetic(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	Term	   *l;
	Term	   *r;

	if (op == SFM_OP_CONCAT)
		return left->rep == REP_NULL || right->rep == REP_NULL ? sfm_tr_null() :
			concat(cx, offset, left, right);
	if (left->rep == REP_NULL || right->rep == REP_NULL)
		return sfm_tr_null();
	l = sfm_tr_to_number(cx, offset, left);
	r = sfm_tr_to_number(cx, offset, right);
	if (cx->failed)
		return sfm_tr_null();
	switch (op)
	{
		case SFM_OP_BIT_AND:
		case SFM_OP_BIT_OR:
		case SFM_OP_LSHIFT:
		case SFM_OP_RSHIFT:
			return bit_operation(cx, offset, op, sfm_tr_cast_integer(cx, offset, left),
								 sfm_tr_cast_integer(cx, offset, right));
		case SFM_OP_MODULO:
			return modulo(cx, offset, l, r, sfm_tr_cast_integer(cx, offset, left),
						  sfm_tr_cast_integer(cx, offset, right));
		default:
			break;
	}
	if (op == SFM_OP_DIVIDE && is_zero(r))
		return sfm_tr_null();
	if (l->rep == REP_REAL || r->rep == REP_REAL)
		return real_operation(cx, offset, op, l, r);
	if (l->rep == REP_NUMBER || r->rep == REP_NUMBER)
		return number_operation(cx, offset, op, l, r);
	return sfm_tr_derived(cx, offset, REP_INT, l, r,
						  int_operation(cx, offset, op, sfm_tr_int(cx, offset, l),
										sfm_tr_int(cx, offset, r), r->literal != NULL));
}

/* -x is 0 - x: minus zero is zero. */
Term *
sfm_tr_negate(Cx *cx, int offset, const Term *term)
{
	Term	   *number = sfm_tr_to_number(cx, offset, term);
	int64		value;

	if (number->rep == REP_NULL)
		return number;
	if (sfm_tr_integer_of(number, &value) && value != PG_INT64_MIN)
		return sfm_tr_int_literal(-value);
	if (number->literal && number->literal->kind == SFM_EXPR_REAL)
		return sfm_tr_real_literal(0 - strtod(number->literal->text, NULL));
	return sfm_tr_arithmetic(cx, offset, SFM_OP_SUBTRACT, sfm_tr_int_literal(0), number);
}

/* CAST: the type's affinity says to what (lang_expr.html#castexpr). */
Term *
sfm_tr_cast(Cx *cx, const SfmExpr *expr)
{
	Term	   *term = sfm_tr_expr(cx, expr->left);
	char		affinity = sfm_affinity(expr->text);
	Term	   *result;

	if (term->rep == REP_NULL)
		return term;
	switch (affinity)
	{
		case 'T':
			result = sfm_tr_text(cx, expr->offset, term, "CAST");
			break;
		case 'I':
			result = sfm_tr_cast_integer(cx, expr->offset, term);
			break;
		case 'R':
			result = sfm_tr_cast_real(cx, expr->offset, term);
			break;
		case 'N':
			if (!sfm_tr_is_number(term))
			{
				sfm_tr_fail(cx, expr->offset, "CAST AS %s of what is no number", expr->text);
				return sfm_tr_null();
			}
			result = palloc(sizeof(Term));
			*result = *term;
			break;
		default:
			if (term->rep == REP_TEXT)
				result = sfm_tr_derived(cx, expr->offset, REP_BLOB, term, NULL,
										psprintf("convert_to(%s, 'UTF8')", term->sql));
			else if (term->rep == REP_BLOB)
				result = sfm_tr_derived(cx, expr->offset, REP_BLOB, term, NULL, term->sql);
			else
			{
				sfm_tr_fail(cx, expr->offset, "CAST AS BLOB of what is neither text nor blob");
				return sfm_tr_null();
			}
			break;
	}
	result->affinity = affinity;
	result->collation = term->collation;
	return result;
}
