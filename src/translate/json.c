/*
 * json.c
 *		JSON functions on json and jsonb columns.
 *
 * What json_extract() and -> give depends on the type of what they find, value by
 * value, and on how SQLite spells it; only what does not is translated.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "compat.h"
#include "sfm_catalog.h"
#include "translate_internal.h"

static bool
is_json(const Term *term)
{
	return term->rep == REP_OTHER && term->has_type &&
		(term->type.kind == SFM_KIND_JSON || term->type.kind == SFM_KIND_JSONB);
}

/* json_valid() and json_array_length(). */
Term *
sfm_tr_json_function(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = linitial(args);
	Term	   *result;
	const char *name;

	if (arg->rep == REP_NULL)
		return sfm_names_equal(expr->text, "json_valid") ? sfm_tr_int_literal(0) : arg;
	if (SFM_HAVE_IS_JSON && arg->rep == REP_TEXT && sfm_names_equal(expr->text, "json_valid"))
		return sfm_tr_derived(cx, expr->offset, REP_BOOL, arg, NULL,
							  psprintf("coalesce(%s IS JSON, false)", arg->sql));
	if (!is_json(arg))
	{
		sfm_tr_fail(cx, expr->offset, "%s() of what is no json column", expr->text);
		return sfm_tr_null();
	}
	if (sfm_names_equal(expr->text, "json_valid"))
	{
		/* the type lets nothing else in; of NULL it is 0, up to SQLite 3.44 */
		result = sfm_tr_derived(cx, expr->offset, REP_BOOL, arg, NULL,
								psprintf("(%s IS NOT NULL)", arg->sql));
		result->true_unless_null = arg->sql;
		return result;
	}
	if (list_length(args) > 1)
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a path", expr->text);
		return sfm_tr_null();
	}
	name = arg->type.kind == SFM_KIND_JSON ? "json" : "jsonb";
	return sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
						  psprintf("(CASE WHEN %s_typeof(%s) = 'array' THEN %s_array_length(%s) WHEN %s IS NOT NULL THEN 0 END)::bigint",
								   name, arg->sql, name, arg->sql, arg->sql));
}

/* -> and ->> */
Term *
sfm_tr_json_operator(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	sfm_tr_fail(cx, offset, "operator %s, whose result SQLite types value by value", sfm_op_name(op));
	return sfm_tr_null();
}
