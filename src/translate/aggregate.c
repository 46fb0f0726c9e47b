/*
 * aggregate.c
 *		Aggregate and window functions.
 *
 * The sum of integers is an integer, and an error past 64 bits, in both systems; the
 * sum of what holds a REAL is a REAL.  Neither promises an order for sums of REALs
 * and group_concat().
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

static const char *const aggregates[] = {
	"avg", "count", "group_concat", "json_group_array", "max", "min", "string_agg", "sum", "total"
};

static const char *const windows[] = {
	"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead",
	"first_value", "last_value", "nth_value"
};

static int
count_args(const SfmExpr *expr)
{
	int			n = 0;

	for (const SfmExpr *arg = expr->u.call->args; arg; arg = arg->next)
		n++;
	return n;
}

static bool
in_list(const char *name, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (sfm_names_equal(list[i], name))
			return true;
	return false;
}

/* Whether a call is an aggregate's or a window function's. */
bool
sfm_tr_is_aggregate(const SfmExpr *expr)
{
	if (in_list(expr->text, windows, lengthof(windows)))
		return true;
	if (!in_list(expr->text, aggregates, lengthof(aggregates)))
		return false;
	/* min() and max() of several arguments are no aggregates */
	return (!sfm_names_equal(expr->text, "min") && !sfm_names_equal(expr->text, "max")) ||
		count_args(expr) == 1;
}

static char *
bound_sql(Cx *cx, const SfmBound *bound)
{
	switch (bound->kind)
	{
		case SFM_BOUND_UNBOUNDED_PRECEDING:
			return "UNBOUNDED PRECEDING";
		case SFM_BOUND_UNBOUNDED_FOLLOWING:
			return "UNBOUNDED FOLLOWING";
		case SFM_BOUND_CURRENT_ROW:
			return "CURRENT ROW";
		default:
			if (bound->expr->kind != SFM_EXPR_INTEGER)
			{
				sfm_tr_fail(cx, bound->expr->offset, "a frame's bound that is no integer literal");
				return "CURRENT ROW";
			}
			return psprintf(INT64_FORMAT " %s", bound->expr->u.integer,
							bound->kind == SFM_BOUND_PRECEDING ? "PRECEDING" : "FOLLOWING");
	}
}

static const SfmWindow *
find_window(Cx *cx, int offset, const char *name)
{
	for (Scope *scope = cx->scope; scope; scope = scope->parent)
	{
		ListCell   *lc;

		foreach(lc, scope->windows)
			for (const SfmWindow *window = lfirst(lc); window; window = window->next)
				if (window->name && sfm_names_equal(window->name, name))
					return window;
	}
	sfm_tr_fail(cx, offset, "window %s, which does not exist", name);
	return NULL;
}

/* What stands between the parentheses of OVER; named windows are written out. */
static void
window_sql(Cx *cx, const SfmWindow *window, StringInfo buf)
{
	static const char *const units[] = {"", "ROWS", "RANGE", "GROUPS"};
	static const char *const excludes[] = {"", "NO OTHERS", "CURRENT ROW", "GROUP", "TIES"};
	const SfmWindow *base = window->reference ? find_window(cx, window->offset, window->name) :
		window->base ? find_window(cx, window->offset, window->base) : NULL;

	if (cx->failed)
		return;
	if (++cx->depth > 20)
		sfm_tr_fail(cx, window->offset, "windows that refer to each other");
	else if (base)
		window_sql(cx, base, buf);
	cx->depth--;
	if (window->reference)
		return;
	for (const SfmExpr *expr = window->partition_by; expr; expr = expr->next)
	{
		Term	   *term = sfm_tr_expr(cx, expr);

		appendStringInfo(buf, "%s%s", expr == window->partition_by ? "PARTITION BY " : ", ",
						 sfm_tr_group_key(cx, expr->offset, term, "PARTITION BY"));
	}
	if (window->order_by)
		appendStringInfo(buf, " ORDER BY %s", sfm_tr_order_by(cx, window->order_by));
	if (window->unit == SFM_FRAME_NONE)
		return;
	if (window->unit == SFM_FRAME_RANGE && (window->start.expr || window->end.expr))
		sfm_tr_fail(cx, window->offset, "RANGE with a distance");
	appendStringInfo(buf, " %s BETWEEN %s AND %s", units[window->unit], bound_sql(cx, &window->start),
					 bound_sql(cx, &window->end));
	if (window->exclude)
		appendStringInfo(buf, " EXCLUDE %s", excludes[window->exclude]);
}

/* FILTER and OVER, after the parentheses of a call. */
static char *
suffix(Cx *cx, const SfmCall *call)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (call->filter)
		appendStringInfo(&buf, " FILTER (WHERE %s)",
						 sfm_tr_condition(cx, call->filter->offset, sfm_tr_expr(cx, call->filter)));
	if (call->over)
	{
		appendStringInfoString(&buf, " OVER (");
		window_sql(cx, call->over, &buf);
		appendStringInfoChar(&buf, ')');
	}
	return buf.data;
}

/* A function that gives one of its argument's values: what is known of them stays. */
static Term *
same_kind(Cx *cx, const Term *arg, char *sql)
{
	SfmTranslateColumn *column = palloc0(sizeof(SfmTranslateColumn));
	Term	   *result;

	sfm_tr_result_column(arg, column);
	column->sql = sql;
	column->is_expression = true;
	result = sfm_tr_column(cx, column, NULL);
	result->affinity = 0;
	result->collation = NULL;
	return result;
}

static Term *
sum(Cx *cx, const SfmExpr *expr, const Term *arg, bool total, const char *after)
{
	const char *distinct = expr->u.call->distinct ? "DISTINCT " : "";
	Term	   *result;

	if (arg->rep == REP_NULL)
		return total ? sfm_tr_real_literal(0) : sfm_tr_null();
	if (arg->rep == REP_NUMBER && *distinct)
	{
		sfm_tr_fail(cx, expr->offset, "%s(DISTINCT) of numbers that may be REAL", expr->text);
		return sfm_tr_null();
	}
	if (total)
	{
		result = sfm_tr_derived(cx, expr->offset, REP_REAL, arg, NULL,
								psprintf("coalesce(sum(%s%s)%s, 0)", distinct, sfm_tr_real(cx, arg), after));
		result->may_nan = true;
		return result;
	}
	if (arg->rep == REP_INT || arg->rep == REP_BOOL)
		return sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
							  psprintf("(sum(%s%s)%s)::bigint", distinct,
									   sfm_tr_int(cx, expr->offset, arg), after));
	if (arg->rep == REP_NUMBER)
		return sfm_tr_number(cx, expr->offset, arg, NULL,
							 psprintf("(bool_and(%s)%s)", arg->is_int, after),
							 psprintf("(sum(CASE WHEN %s THEN %s END)%s)::bigint", arg->is_int,
									  arg->int_sql, after),
							 psprintf("(sum(%s)%s)", sfm_tr_real(cx, arg), after));
	result = sfm_tr_derived(cx, expr->offset, REP_REAL, arg, NULL,
							psprintf("(sum(%s%s)%s)", distinct, sfm_tr_real(cx, arg), after));
	result->may_nan = true;
	return result;
}

static Term *
extreme(Cx *cx, const SfmExpr *expr, const Term *arg, const char *name, const char *after)
{
	Term	   *value = sfm_tr_comparable(cx, expr->offset, arg, psprintf("%s()", name));
	char	   *sql = value->sql;

	if (arg->rep == REP_BLOB)
		sfm_tr_fail(cx, expr->offset, "%s() of blobs", name);
	if (arg->rep == REP_BOOL)
		return sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
							  psprintf("(%s(%s)%s)", name, sfm_tr_int(cx, expr->offset, arg), after));
	if (arg->rep == REP_TEXT)
	{
		if (arg->collation && pg_strcasecmp(arg->collation, "BINARY") != 0)
			sfm_tr_fail(cx, expr->offset, "%s() under collation %s", name, arg->collation);
		sql = psprintf("%s COLLATE \"C\"", sql);
	}
	return same_kind(cx, value, psprintf("(%s(%s)%s)", name, sql, after));
}

static Term *
count(Cx *cx, const SfmExpr *expr, const Term *arg, const char *after)
{
	char	   *sql;

	if (arg == NULL)
		sql = psprintf("count(*)%s", after);
	else if (!expr->u.call->distinct)
		sql = psprintf("count(%s)%s", sfm_tr_output(cx, expr->offset, arg)->sql, after);
	else
		sql = psprintf("count(DISTINCT %s)%s",
					   arg->rep == REP_TEXT ? sfm_tr_sort_key(cx, expr->offset, arg) :
					   sfm_tr_comparable(cx, expr->offset, arg, "count(DISTINCT)")->sql, after);
	return arg ? sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL, psprintf("(%s)", sql)) :
		sfm_tr_term(REP_INT, psprintf("(%s)", sql));
}

static Term *
group_concat(Cx *cx, const SfmExpr *expr, const Term *arg, const Term *separator, const char *after)
{
	const SfmCall *call = expr->u.call;
	Term	   *text = sfm_tr_text(cx, expr->offset, arg, psprintf("%s()", expr->text));
	const char *between = ",";

	if (separator)
		between = sfm_tr_string_of(separator);
	if (between == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a separator that is no literal", expr->text);
		return sfm_tr_null();
	}
	return sfm_tr_derived(cx, expr->offset, REP_TEXT, text, NULL,
						  psprintf("(string_agg(%s%s, %s%s%s)%s)", call->distinct ? "DISTINCT " : "",
								   text->sql, quote_literal_cstr(between),
								   call->order_by ? " ORDER BY " : "",
								   call->order_by ? sfm_tr_order_by(cx, call->order_by) : "", after));
}

/* lag() and lead() with a value for missing rows: both of one kind */
static Term *
with_default(Cx *cx, const SfmExpr *expr, const char *name, List *args, int64 n, const char *after)
{
	List	   *coerced;
	Term	   *common = sfm_tr_unify(cx, expr->offset, list_make2(linitial(args), lthird(args)), &coerced,
									  psprintf("%s()", name));
	Term	   *value;
	Term	   *missing;

	if (cx->failed)
		return sfm_tr_null();
	value = sfm_tr_output(cx, expr->offset, linitial(coerced));
	missing = sfm_tr_output(cx, expr->offset, lsecond(coerced));
	if (common->rep == REP_TEXT)
		value->sql = psprintf("(%s)::text", value->sql);
	else if (common->rep == REP_INT)
		value->sql = psprintf("(%s)::bigint", value->sql);
	return same_kind(cx, value, psprintf("(%s(%s, " INT64_FORMAT ", %s)%s)", name, value->sql, n,
										 missing->sql, after));
}

/* lag(), lead(), first_value() and the like: a value of another row */
static Term *
value_window(Cx *cx, const SfmExpr *expr, const char *name, List *args, const char *after)
{
	Term	   *value = sfm_tr_output(cx, expr->offset, linitial(args));
	int64		n = 1;

	if (list_length(args) > 1 && (!sfm_tr_integer_of(lsecond(args), &n) || n < 0 || n > PG_INT32_MAX))
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a distance that is no literal", name);
		return sfm_tr_null();
	}
	if (list_length(args) > 2)
		return with_default(cx, expr, name, args, n, after);
	return same_kind(cx, value, list_length(args) > 1 ?
					 psprintf("(%s(%s, " INT64_FORMAT ")%s)", name, value->sql, n, after) :
					 psprintf("(%s(%s)%s)", name, value->sql, after));
}

static Term *
window(Cx *cx, const SfmExpr *expr, List *args, const char *after)
{
	char	   *name = pstrdup(expr->text);
	int64		n;

	for (char *p = name; *p; p++)
		*p = pg_ascii_tolower(*p);
	if (expr->u.call->over == NULL)
		sfm_tr_fail(cx, expr->offset, "%s() without OVER", name);
	if (strcmp(name, "ntile") == 0)
	{
		if (list_length(args) != 1 || !sfm_tr_integer_of(linitial(args), &n) || n < 1 || n > PG_INT32_MAX)
			sfm_tr_fail(cx, expr->offset, "ntile() of what is no positive literal");
		else
			return sfm_tr_term(REP_INT, psprintf("(ntile(" INT64_FORMAT ")%s)::bigint", n, after));
		return sfm_tr_null();
	}
	if (args != NIL)
		return value_window(cx, expr, name, args, after);
	if (strcmp(name, "percent_rank") == 0 || strcmp(name, "cume_dist") == 0)
		return sfm_tr_term(REP_REAL, psprintf("(%s()%s)", name, after));
	return sfm_tr_term(REP_INT, psprintf("(%s()%s)", name, after));
}

/* An aggregate, alone or over a window, or a window function. */
Term *
sfm_tr_aggregate(Cx *cx, const SfmExpr *expr)
{
	const SfmCall *call = expr->u.call;
	List	   *args = NIL;
	Term	   *first;
	Term	   *result;
	char	   *after;

	for (const SfmExpr *arg = call->args; arg; arg = arg->next)
	{
		Term	   *term = sfm_tr_expr(cx, arg);

		args = lappend(args, term->rep == REP_JSON ? sfm_tr_output(cx, arg->offset, term) : term);
	}
	after = suffix(cx, call);
	if (cx->failed)
		return sfm_tr_null();
	if (in_list(expr->text, windows, lengthof(windows)))
		return window(cx, expr, args, after);
	first = args ? linitial(args) : NULL;
	if (sfm_names_equal(expr->text, "count") && list_length(args) < 2)
		return count(cx, expr, first, after);
	if (first == NULL || call->star)
	{
		sfm_tr_fail(cx, expr->offset, "%s() without arguments", expr->text);
		return sfm_tr_null();
	}
	if (sfm_names_equal(expr->text, "group_concat") || sfm_names_equal(expr->text, "string_agg"))
		return group_concat(cx, expr, first, list_length(args) > 1 ? lsecond(args) : NULL, after);
	if (sfm_names_equal(expr->text, "json_group_array") && list_length(args) == 1 && !call->distinct)
		return sfm_tr_json_group(cx, expr, first, call->order_by ?
								 psprintf(" ORDER BY %s", sfm_tr_order_by(cx, call->order_by)) : "",
								 after);
	if (call->order_by || list_length(args) > 1)
	{
		sfm_tr_fail(cx, expr->offset, "%s() with a clause that is not its own", expr->text);
		return sfm_tr_null();
	}
	if (sfm_names_equal(expr->text, "min"))
		return extreme(cx, expr, first, "min", after);
	if (sfm_names_equal(expr->text, "max"))
		return extreme(cx, expr, first, "max", after);
	/* sum() takes a text for an integer only as a whole, arithmetic by its beginning */
	if (first->rep == REP_TEXT && sfm_names_equal(expr->text, "sum"))
		sfm_tr_fail(cx, expr->offset, "sum() of text");
	first = sfm_tr_to_number(cx, expr->offset, first);
	if (cx->failed)
		return sfm_tr_null();
	if (sfm_names_equal(expr->text, "avg"))
	{
		if (first->rep == REP_NULL)
			return first;
		if (call->distinct && first->rep == REP_NUMBER)
			sfm_tr_fail(cx, expr->offset, "avg(DISTINCT) of numbers that may be REAL");
		result = sfm_tr_derived(cx, expr->offset, REP_REAL, first, NULL,
								psprintf("(avg(%s%s)%s)", call->distinct ? "DISTINCT " : "",
										 sfm_tr_real(cx, first), after));
		result->may_nan = true;
		return result;
	}
	return sum(cx, expr, first, sfm_names_equal(expr->text, "total"), after);
}
