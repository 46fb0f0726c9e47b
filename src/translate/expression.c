/*
 * expression.c
 *		Any expression: which file writes it, and the constructs that need no file of
 *		their own (literals, AND and OR, IS NULL, BETWEEN, CASE, subqueries).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

static Term *
refuse(Cx *cx, const SfmExpr *expr, const char *what)
{
	sfm_tr_fail(cx, expr->offset, "%s", what);
	return sfm_tr_null();
}

/* json_valid(c) OR c IS NULL, and the like */
static bool
covers(const Term *a, const Term *b)
{
	return a->true_unless_null && b->true_if_null &&
		strcmp(a->true_unless_null, b->true_if_null) == 0;
}

/* AND, OR */
static Term *
logic(Cx *cx, const SfmExpr *expr)
{
	Term	   *left = sfm_tr_expr(cx, expr->left);
	Term	   *right = sfm_tr_expr(cx, expr->right);
	Term	   *result = sfm_tr_derived(cx, expr->offset, REP_BOOL, left, right,
										psprintf("(%s %s %s)", sfm_tr_condition(cx, expr->offset, left),
												 sfm_op_name(expr->op),
												 sfm_tr_condition(cx, expr->offset, right)));

	result->never_false = expr->op == SFM_OP_AND ? left->never_false && right->never_false :
		left->never_false || right->never_false || covers(left, right) || covers(right, left);
	return result;
}

/* The words TRUE and FALSE, where no column has that name. */
static bool
is_truth(Cx *cx, const SfmExpr *expr, bool *value)
{
	int64		integer;

	if (expr->kind != SFM_EXPR_COLUMN || expr->quote != 0 || expr->u.qualifier)
		return false;
	*value = sfm_names_equal(expr->text, "true");
	if (!*value && !sfm_names_equal(expr->text, "false"))
		return false;
	return sfm_tr_integer_of(sfm_tr_name(cx, expr), &integer);
}

static Term *
binary(Cx *cx, const SfmExpr *expr)
{
	bool		truth;
	Term	   *left;
	Term	   *right;

	if (expr->op == SFM_OP_AND || expr->op == SFM_OP_OR)
		return logic(cx, expr);
	if ((expr->op == SFM_OP_IS || expr->op == SFM_OP_IS_NOT) && is_truth(cx, expr->right, &truth))
	{
		left = sfm_tr_expr(cx, expr->left);
		return sfm_tr_derived(cx, expr->offset, REP_BOOL, left, NULL,
							  psprintf("(%s IS %s%s)", sfm_tr_condition(cx, expr->offset, left),
									   expr->op == SFM_OP_IS ? "" : "NOT ", truth ? "TRUE" : "FALSE"));
	}
	left = sfm_tr_expr(cx, expr->left);
	right = sfm_tr_expr(cx, expr->right);
	if (cx->failed)
		return sfm_tr_null();
	switch (expr->op)
	{
		case SFM_OP_EQ:
		case SFM_OP_NE:
		case SFM_OP_IS:
		case SFM_OP_IS_NOT:
		case SFM_OP_LT:
		case SFM_OP_LE:
		case SFM_OP_GT:
		case SFM_OP_GE:
			return sfm_tr_compare(cx, expr->offset, expr->op, left, right);
		case SFM_OP_JSON:
		case SFM_OP_JSON_VALUE:
			return sfm_tr_json_operator(cx, expr->offset, expr->op, left, right);
		default:
			return sfm_tr_arithmetic(cx, expr->offset, expr->op, left, right);
	}
}

static Term *
unary(Cx *cx, const SfmExpr *expr)
{
	Term	   *term;
	Term	   *result;

	if (expr->op == SFM_OP_MINUS && expr->left->kind == SFM_EXPR_REAL &&
		strcmp(expr->left->text, "9223372036854775808") == 0)
		return sfm_tr_int_literal(PG_INT64_MIN);
	term = sfm_tr_expr(cx, expr->left);
	if (cx->failed)
		return sfm_tr_null();
	switch (expr->op)
	{
		case SFM_OP_NOT:
			return sfm_tr_not(cx, expr->offset, term);
		case SFM_OP_MINUS:
			return sfm_tr_negate(cx, expr->offset, term);
		case SFM_OP_PLUS:
			result = palloc(sizeof(Term));
			*result = *term;
			result->affinity = 0;
			return result;
		default:
			if (term->rep == REP_NULL)
				return term;
			term = sfm_tr_cast_integer(cx, expr->offset, term);
			return sfm_tr_derived(cx, expr->offset, REP_INT, term, NULL,
								  psprintf("(~ %s)", sfm_tr_int(cx, expr->offset, term)));
	}
}

/* x IS NULL of any value, in whatever form it is */
static Term *
is_null(Cx *cx, const SfmExpr *expr)
{
	Term	   *value = sfm_tr_expr(cx, expr->left);
	Term	   *term;
	Term	   *result;

	if (value->rep == REP_JSON)
		return sfm_tr_derived(cx, expr->offset, REP_BOOL, value, NULL,
							  psprintf("(%s%s)", expr->negated ? "NOT " : "",
									   value->json_alone ? psprintf("(%s IS NULL)", value->sql) :
									   sfm_tr_json_is_null(value)));
	term = sfm_tr_output(cx, expr->offset, value);
	result = sfm_tr_derived(cx, expr->offset, REP_BOOL, term, NULL,
							psprintf("(%s IS %sNULL)", term->sql, expr->negated ? "NOT " : ""));
	if (!expr->negated)
		result->true_if_null = term->sql;
	return result;
}

static Term *
between(Cx *cx, const SfmExpr *expr)
{
	Term	   *value = sfm_tr_expr(cx, expr->left);
	Term	   *low = sfm_tr_expr(cx, expr->right);
	Term	   *high = sfm_tr_expr(cx, expr->u.upper);
	Term	   *a;
	Term	   *b;

	if (cx->failed)
		return sfm_tr_null();
	a = sfm_tr_compare(cx, expr->offset, SFM_OP_GE, value, low);
	b = sfm_tr_compare(cx, expr->offset, SFM_OP_LE, value, high);
	return sfm_tr_derived(cx, expr->offset, REP_BOOL, a, b,
						  psprintf("(%s%s AND %s)", expr->negated ? "NOT (" : "", a->sql,
								   expr->negated ? psprintf("%s)", b->sql) : b->sql));
}

static Term *
in_list(Cx *cx, const SfmExpr *expr)
{
	Term	   *left = sfm_tr_expr(cx, expr->left);
	List	   *items = NIL;

	for (const SfmExpr *item = expr->u.list; item; item = item->next)
	{
		if (item->kind == SFM_EXPR_SUBQUERY && expr->u.list->next == NULL)
			return refuse(cx, expr, "IN over a subquery in two pairs of parentheses, which means different things to different releases of SQLite");
		items = lappend(items, sfm_tr_expr(cx, item));
	}
	if (cx->failed)
		return sfm_tr_null();
	return sfm_tr_in(cx, expr->offset, left, items, expr->negated);
}

/* The one column of a subquery, as a term called q.c. */
static Term *
subquery_column(Cx *cx, const SfmExpr *expr, const SfmSelect *select, char **sql, char **alias)
{
	SfmTranslateColumn *columns;
	int			n;

	*sql = sfm_tr_select(cx, select, &n, &columns);
	if (cx->failed)
		return sfm_tr_null();
	if (n != 1)
		return refuse(cx, expr, "a subquery of several columns");
	*alias = psprintf("s%d", ++cx->naliases);
	columns[0].sql = "c";
	return sfm_tr_column(cx, &columns[0], *alias);
}

static Term *
in_select(Cx *cx, const SfmExpr *expr, const SfmSelect *select)
{
	Term	   *left = sfm_tr_expr(cx, expr->left);
	char	   *alias = NULL;
	char	   *sql = NULL;
	Term	   *right = subquery_column(cx, expr, select, &sql, &alias);

	if (cx->failed)
		return sfm_tr_null();
	return sfm_tr_in_select(cx, expr->offset, left, right, sql, alias, expr->negated);
}

static Term *
in_table(Cx *cx, const SfmExpr *expr)
{
	const SfmFrom *from = expr->u.from;
	SfmSelect  *select = palloc0(sizeof(SfmSelect));

	if (from->kind != SFM_FROM_TABLE)
		return refuse(cx, expr, "IN over a table function");
	select->arms = palloc0(sizeof(SfmArm));
	select->arms->columns = palloc0(sizeof(SfmResultColumn));
	select->arms->from = unconstify(SfmFrom *, from);
	return in_select(cx, expr, select);
}

/*
 * A subquery as a value.  SQLite takes the first of several rows; where the order is
 * given that row is known, else PostgreSQL raises an error for a second row rather
 * than choose one.
 */
static Term *
subquery(Cx *cx, const SfmExpr *expr)
{
	char	   *alias = NULL;
	char	   *sql = NULL;
	Term	   *term = subquery_column(cx, expr, expr->u.select, &sql, &alias);

	if (cx->failed)
		return term;
	if (expr->u.select->order_by && expr->u.select->limit == NULL)
		sql = psprintf("%s LIMIT 1", sql);
	sql = psprintf("(%s)", sql);
	if (term->rep == REP_NUMBER || term->rep == REP_OTHER || term->rep == REP_REAL)
	{
		/* read more than once below: a column of a one-row query will not do */
		SfmTranslateColumn *column = palloc0(sizeof(SfmTranslateColumn));

		sfm_tr_result_column(term, column);
		column->sql = sql;
		column->is_expression = true;
		return sfm_tr_column(cx, column, NULL);
	}
	term->sql = sql;
	return term;
}

static Term *
exists(Cx *cx, const SfmExpr *expr)
{
	SfmTranslateColumn *columns;
	int			n;
	char	   *sql = sfm_tr_select(cx, expr->u.select, &n, &columns);

	return sfm_tr_term(REP_BOOL, psprintf("(EXISTS (%s))", cx->failed ? "" : sql));
}

/* The parts of a CASE: WHEN conditions with one rendering of the results. */
static char *
case_sql(List *conditions, List *results, size_t field)
{
	StringInfoData buf;
	ListCell   *lc;
	int			i = 0;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "(CASE");
	foreach(lc, conditions)
		appendStringInfo(&buf, " WHEN %s THEN %s", (char *) lfirst(lc),
						 *(char **) ((char *) list_nth(results, i++) + field));
	if (i < list_length(results))
		appendStringInfo(&buf, " ELSE %s", *(char **) ((char *) list_nth(results, i) + field));
	appendStringInfoString(&buf, " END)");
	return buf.data;
}

/* CASE over conditions; one result more than conditions is the ELSE. */
static Term *
choose(Cx *cx, int offset, List *conditions, List *results, char volatility, const char *what)
{
	List	   *coerced;
	Term	   *result = sfm_tr_unify(cx, offset, results, &coerced, what);

	if (cx->failed)
		return sfm_tr_null();
	result->volatility = sfm_tr_worse(result->volatility, volatility);
	if (result->rep == REP_NULL)
		return sfm_tr_null();
	if (result->rep == REP_NUMBER)
	{
		Term	   *number = sfm_tr_number(cx, offset, result, NULL,
										   case_sql(conditions, coerced, offsetof(Term, is_int)),
										   case_sql(conditions, coerced, offsetof(Term, int_sql)),
										   case_sql(conditions, coerced, offsetof(Term, real_sql)));

		return number;
	}
	result->sql = case_sql(conditions, coerced, offsetof(Term, sql));
	if (result->instant)
		result->instant = case_sql(conditions, coerced, offsetof(Term, instant));
	if (result->epoch)
		result->epoch = case_sql(conditions, coerced, offsetof(Term, epoch));
	if (strlen(result->sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
	return result;
}

static Term *
case_expr(Cx *cx, const SfmExpr *expr)
{
	Term	   *operand = expr->left ? sfm_tr_expr(cx, expr->left) : NULL;
	List	   *conditions = NIL;
	List	   *results = NIL;
	char		volatility = 'i';

	for (const SfmExpr *when = expr->u.list; when && when->next; when = when->next->next)
	{
		Term	   *term = sfm_tr_expr(cx, when);

		if (cx->failed)
			return sfm_tr_null();
		if (operand)
			term = sfm_tr_compare(cx, when->offset, SFM_OP_EQ, operand, term);
		volatility = sfm_tr_worse(volatility, term->volatility);
		conditions = lappend(conditions, sfm_tr_condition(cx, when->offset, term));
		results = lappend(results, sfm_tr_expr(cx, when->next));
	}
	if (expr->right)
		results = lappend(results, sfm_tr_expr(cx, expr->right));
	if (cx->failed)
		return sfm_tr_null();
	return choose(cx, expr->offset, conditions, results, volatility, "CASE");
}

/* The first argument that is not NULL, for coalesce() and ifnull(). */
Term *
sfm_tr_coalesce(Cx *cx, int offset, List *args)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, args)
		if (lnext(args, lc))
			conditions = lappend(conditions, psprintf("%s IS NOT NULL",
													  sfm_tr_output(cx, offset, lfirst(lc))->sql));
	return choose(cx, offset, conditions, args, 'i', "coalesce()");
}

/* iif(): a CASE with one WHEN. */
Term *
sfm_tr_choose(Cx *cx, int offset, const Term *condition, List *results)
{
	return choose(cx, offset, list_make1(sfm_tr_condition(cx, offset, condition)), results,
				  condition->volatility, "iif()");
}

static Term *
collate(Cx *cx, const SfmExpr *expr)
{
	Term	   *term = sfm_tr_expr(cx, expr->left);
	Term	   *result = palloc(sizeof(Term));

	*result = *term;
	result->collation = expr->text;
	result->collate = true;
	return result;
}

static Term *
literal(Cx *cx, const SfmExpr *expr)
{
	switch (expr->kind)
	{
		case SFM_EXPR_INTEGER:
		case SFM_EXPR_BOOLEAN:
			return sfm_tr_int_literal(expr->u.integer);
		case SFM_EXPR_REAL:
			return sfm_tr_real_literal(strtod(expr->text, NULL));
		case SFM_EXPR_STRING:
			return sfm_tr_text_literal(cx, expr->offset, expr->text);
		case SFM_EXPR_BLOB:
			return sfm_tr_term(REP_BLOB, psprintf("'\\x%s'::bytea", expr->text));
		default:
			return sfm_tr_null();
	}
}

/* Any expression as a term. */
Term *
sfm_tr_expr(Cx *cx, const SfmExpr *expr)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (cx->failed)
		return sfm_tr_null();
	switch (expr->kind)
	{
		case SFM_EXPR_NULL:
		case SFM_EXPR_INTEGER:
		case SFM_EXPR_REAL:
		case SFM_EXPR_STRING:
		case SFM_EXPR_BLOB:
		case SFM_EXPR_BOOLEAN:
			return literal(cx, expr);
		case SFM_EXPR_CURRENT_DATE:
		case SFM_EXPR_CURRENT_TIME:
		case SFM_EXPR_CURRENT_TIMESTAMP:
			return sfm_tr_current(cx, expr);
		case SFM_EXPR_COLUMN:
			return sfm_tr_name(cx, expr);
		case SFM_EXPR_UNARY:
			return unary(cx, expr);
		case SFM_EXPR_BINARY:
			return binary(cx, expr);
		case SFM_EXPR_IS_NULL:
			return is_null(cx, expr);
		case SFM_EXPR_LIKE:
			return sfm_tr_like(cx, expr);
		case SFM_EXPR_BETWEEN:
			return between(cx, expr);
		case SFM_EXPR_IN_LIST:
			return in_list(cx, expr);
		case SFM_EXPR_IN_SELECT:
			return in_select(cx, expr, expr->u.select);
		case SFM_EXPR_IN_TABLE:
			return in_table(cx, expr);
		case SFM_EXPR_COLLATE:
			return collate(cx, expr);
		case SFM_EXPR_CAST:
			return sfm_tr_cast(cx, expr);
		case SFM_EXPR_CASE:
			return case_expr(cx, expr);
		case SFM_EXPR_EXISTS:
			return exists(cx, expr);
		case SFM_EXPR_SUBQUERY:
			return subquery(cx, expr);
		case SFM_EXPR_FUNCTION:
			return sfm_tr_function(cx, expr);
		case SFM_EXPR_BAD_NUMBER:
			return refuse(cx, expr, "a hexadecimal number past 64 bits");
		case SFM_EXPR_VARIABLE:
			return refuse(cx, expr, "a parameter");
		case SFM_EXPR_ROW:
			return refuse(cx, expr, "a row value");
		case SFM_EXPR_RAISE:
			return refuse(cx, expr, "RAISE");
	}
	return refuse(cx, expr, "an expression of unknown kind");
}

/* ORDER BY's terms, without the words; SQLite sorts NULL as the least. */
char *
sfm_tr_order_by(Cx *cx, const SfmOrderTerm *terms)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const SfmOrderTerm *term = terms; term; term = term->next)
	{
		Term	   *key = sfm_tr_expr(cx, term->expr);
		bool		first = term->nulls == SFM_NULLS_FIRST ||
			(term->nulls == SFM_NULLS_DEFAULT && !term->descending);

		if (cx->failed)
			break;
		appendStringInfo(&buf, "%s%s%s NULLS %s", buf.len ? ", " : "",
						 sfm_tr_sort_key(cx, term->expr->offset, key),
						 term->descending ? " DESC" : "", first ? "FIRST" : "LAST");
	}
	return buf.data;
}
