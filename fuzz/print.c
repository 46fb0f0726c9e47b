/*
 * print.c
 *		The parser's trees as SQL again, fully parenthesised.
 *
 * SQLite compiles what is printed to the same program as what was parsed, or the
 * parser has misunderstood it: that is the test.  Names are quoted by `, since
 * some words are names in some places only, but for those where SQLite minds the
 * quotes: a bare TRUE, a double-quoted name that may be a string.
 */
#include "postgres_fe.h"

#include "print.h"

#define UINT64_HEX "%llx"

static void print_from(StringInfo out, const SfmFrom *from);

static void
print_quoted(StringInfo out, const char *text, char quote)
{
	appendStringInfoChar(out, quote);
	for (; *text != '\0'; text++)
	{
		if (*text == quote)
			appendStringInfoChar(out, quote);
		appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, quote);
}

void
print_name(StringInfo out, const char *name)
{
	print_quoted(out, name, '`');
}

void
print_string(StringInfo out, const char *text)
{
	print_quoted(out, text, '\'');
}

static void
print_list(StringInfo out, const SfmExpr *list)
{
	for (const SfmExpr *expr = list; expr != NULL; expr = expr->next)
	{
		if (expr != list)
			appendStringInfoString(out, ", ");
		print_expr(out, expr);
	}
}

static void
print_names(StringInfo out, const SfmName *names)
{
	appendStringInfoString(out, " (");
	for (const SfmName *name = names; name != NULL; name = name->next)
	{
		if (name != names)
			appendStringInfoString(out, ", ");
		print_name(out, name->name);
	}
	appendStringInfoChar(out, ')');
}

static void
print_order_by(StringInfo out, const SfmOrderTerm *terms)
{
	static const char *const nulls[] = {"", " NULLS FIRST", " NULLS LAST"};

	for (const SfmOrderTerm *term = terms; term != NULL; term = term->next)
	{
		appendStringInfoString(out, term == terms ? " ORDER BY " : ", ");
		print_expr(out, term->expr);
		appendStringInfo(out, "%s%s", term->descending ? " DESC" : "", nulls[term->nulls]);
	}
}

static void
print_bound(StringInfo out, const SfmBound *bound)
{
	if (bound->expr != NULL)
		print_expr(out, bound->expr);
	switch (bound->kind)
	{
		case SFM_BOUND_UNBOUNDED_PRECEDING:
			appendStringInfoString(out, "UNBOUNDED PRECEDING");
			break;
		case SFM_BOUND_PRECEDING:
			appendStringInfoString(out, " PRECEDING");
			break;
		case SFM_BOUND_CURRENT_ROW:
			appendStringInfoString(out, "CURRENT ROW");
			break;
		case SFM_BOUND_FOLLOWING:
			appendStringInfoString(out, " FOLLOWING");
			break;
		case SFM_BOUND_UNBOUNDED_FOLLOWING:
			appendStringInfoString(out, "UNBOUNDED FOLLOWING");
			break;
	}
}

static void
print_window_body(StringInfo out, const SfmWindow *window)
{
	static const char *const units[] = {"", " ROWS", " RANGE", " GROUPS"};
	static const char *const excludes[] = {"", " EXCLUDE NO OTHERS", " EXCLUDE CURRENT ROW",
	" EXCLUDE GROUP", " EXCLUDE TIES"};

	appendStringInfoChar(out, '(');
	if (window->base != NULL)
		print_name(out, window->base);
	if (window->partition_by != NULL)
	{
		appendStringInfoString(out, " PARTITION BY ");
		print_list(out, window->partition_by);
	}
	print_order_by(out, window->order_by);
	if (window->unit != SFM_FRAME_NONE)
	{
		appendStringInfo(out, "%s BETWEEN ", units[window->unit]);
		print_bound(out, &window->start);
		appendStringInfoString(out, " AND ");
		print_bound(out, &window->end);
		appendStringInfoString(out, excludes[window->exclude]);
	}
	appendStringInfoChar(out, ')');
}

static void
print_function(StringInfo out, const SfmExpr *expr)
{
	const SfmCall *call = expr->u.call;

	print_name(out, expr->text);
	appendStringInfoChar(out, '(');
	if (call->star)
		appendStringInfoChar(out, '*');
	if (call->distinct)
		appendStringInfoString(out, "DISTINCT ");
	print_list(out, call->args);
	print_order_by(out, call->order_by);
	appendStringInfoChar(out, ')');
	if (call->filter != NULL)
	{
		appendStringInfoString(out, " FILTER (WHERE ");
		print_expr(out, call->filter);
		appendStringInfoChar(out, ')');
	}
	if (call->over != NULL)
	{
		appendStringInfoString(out, " OVER ");
		if (call->over->reference)
			print_name(out, call->over->name);
		else
			print_window_body(out, call->over);
	}
}

static void
print_column(StringInfo out, const SfmExpr *expr)
{
	const SfmQualifier *qualifier = expr->u.qualifier;

	if (qualifier != NULL && qualifier->schema != NULL)
	{
		print_name(out, qualifier->schema);
		appendStringInfoChar(out, '.');
	}
	if (qualifier != NULL)
	{
		print_name(out, qualifier->table);
		appendStringInfoChar(out, '.');
	}
	if (expr->quote == 0 && (pg_strcasecmp(expr->text, "true") == 0 ||
							 pg_strcasecmp(expr->text, "false") == 0))
		appendStringInfoString(out, expr->text);
	else if (expr->quote == '"')
		print_quoted(out, expr->text, '"');
	else
		print_name(out, expr->text);
}

static void
print_case(StringInfo out, const SfmExpr *expr)
{
	bool		when = true;

	appendStringInfoString(out, "CASE ");
	if (expr->left != NULL)
		print_expr(out, expr->left);
	for (const SfmExpr *item = expr->u.list; item != NULL; item = item->next)
	{
		appendStringInfoString(out, when ? " WHEN " : " THEN ");
		print_expr(out, item);
		when = !when;
	}
	if (expr->right != NULL)
	{
		appendStringInfoString(out, " ELSE ");
		print_expr(out, expr->right);
	}
	appendStringInfoString(out, " END");
}

/* What has a left operand: everything between parentheses but no operator outside. */
static void
print_operation(StringInfo out, const SfmExpr *expr)
{
	const char *not = expr->negated ? " NOT" : "";

	print_expr(out, expr->left);
	switch (expr->kind)
	{
		case SFM_EXPR_BINARY:
			appendStringInfo(out, " %s ", sfm_op_name(expr->op));
			print_expr(out, expr->right);
			break;
		case SFM_EXPR_IS_NULL:
			appendStringInfoString(out, expr->negated ? " NOTNULL" : " ISNULL");
			break;
		case SFM_EXPR_LIKE:
			appendStringInfo(out, "%s %s ", not, sfm_op_name(expr->op));
			print_expr(out, expr->right);
			if (expr->u.escape != NULL)
			{
				appendStringInfoString(out, " ESCAPE ");
				print_expr(out, expr->u.escape);
			}
			break;
		case SFM_EXPR_BETWEEN:
			appendStringInfo(out, "%s BETWEEN ", not);
			print_expr(out, expr->right);
			appendStringInfoString(out, " AND ");
			print_expr(out, expr->u.upper);
			break;
		case SFM_EXPR_IN_LIST:
			appendStringInfo(out, "%s IN (", not);
			print_list(out, expr->u.list);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_IN_SELECT:
			appendStringInfo(out, "%s IN (", not);
			print_select(out, expr->u.select);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_IN_TABLE:
			appendStringInfo(out, "%s IN ", not);
			print_from(out, expr->u.from);
			break;
		default:
			appendStringInfoString(out, " COLLATE ");
			print_name(out, expr->text);
			break;
	}
}

void
print_expr(StringInfo out, const SfmExpr *expr)
{
	switch (expr->kind)
	{
		case SFM_EXPR_NULL:
			appendStringInfoString(out, "NULL");
			break;
		case SFM_EXPR_INTEGER:
			/* a negative literal was written in hex, unless it is the least integer */
			if (expr->u.integer < 0 && expr->u.integer != PG_INT64_MIN)
				appendStringInfo(out, "0x" UINT64_HEX, (unsigned long long) expr->u.integer);
			else
				appendStringInfo(out, INT64_FORMAT, expr->u.integer);
			break;
		case SFM_EXPR_REAL:
		case SFM_EXPR_BAD_NUMBER:
		case SFM_EXPR_VARIABLE:
			appendStringInfoString(out, expr->text);
			break;
		case SFM_EXPR_STRING:
			print_string(out, expr->text);
			break;
		case SFM_EXPR_BLOB:
			appendStringInfo(out, "x'%s'", expr->text);
			break;
		case SFM_EXPR_BOOLEAN:
			appendStringInfoString(out, expr->u.integer ? "TRUE" : "FALSE");
			break;
		case SFM_EXPR_CURRENT_DATE:
			appendStringInfoString(out, "CURRENT_DATE");
			break;
		case SFM_EXPR_CURRENT_TIME:
			appendStringInfoString(out, "CURRENT_TIME");
			break;
		case SFM_EXPR_CURRENT_TIMESTAMP:
			appendStringInfoString(out, "CURRENT_TIMESTAMP");
			break;
		case SFM_EXPR_COLUMN:
			print_column(out, expr);
			break;
		case SFM_EXPR_UNARY:
			appendStringInfo(out, "(%s ", sfm_op_name(expr->op));
			print_expr(out, expr->left);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_CAST:
			appendStringInfoString(out, "CAST(");
			print_expr(out, expr->left);
			appendStringInfoString(out, " AS ");
			if (expr->text[0] != '\0')
				print_name(out, expr->text);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_CASE:
			print_case(out, expr);
			break;
		case SFM_EXPR_EXISTS:
		case SFM_EXPR_SUBQUERY:
			appendStringInfoString(out, expr->kind == SFM_EXPR_EXISTS ? "EXISTS (" : "(");
			print_select(out, expr->u.select);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_ROW:
			appendStringInfoChar(out, '(');
			print_list(out, expr->u.list);
			appendStringInfoChar(out, ')');
			break;
		case SFM_EXPR_FUNCTION:
			print_function(out, expr);
			break;
		case SFM_EXPR_RAISE:
			appendStringInfo(out, "RAISE(%s", expr->text);
			if (expr->left != NULL)
			{
				appendStringInfoString(out, ", ");
				print_expr(out, expr->left);
			}
			appendStringInfoChar(out, ')');
			break;
		default:
			appendStringInfoChar(out, '(');
			print_operation(out, expr);
			appendStringInfoChar(out, ')');
			break;
	}
}

/* A term of FROM without its join and condition. */
static void
print_from(StringInfo out, const SfmFrom *from)
{
	if (from->schema != NULL)
	{
		print_name(out, from->schema);
		appendStringInfoChar(out, '.');
	}
	if (from->name != NULL)
		print_name(out, from->name);
	if (from->kind == SFM_FROM_FUNCTION)
	{
		appendStringInfoChar(out, '(');
		print_list(out, from->args);
		appendStringInfoChar(out, ')');
	}
}

static void
print_from_list(StringInfo out, const SfmFrom *from)
{
	static const char *const joins[] = {"", "", " INNER", " CROSS", " LEFT", " RIGHT", " FULL"};

	for (; from != NULL; from = from->next)
	{
		if (from->join == SFM_JOIN_COMMA)
			appendStringInfoChar(out, ',');
		else if (from->join != SFM_JOIN_NONE)
			appendStringInfo(out, "%s%s JOIN", from->natural ? " NATURAL" : "", joins[from->join]);
		appendStringInfoChar(out, ' ');
		if (from->kind == SFM_FROM_SELECT || from->kind == SFM_FROM_NESTED)
		{
			appendStringInfoChar(out, '(');
			if (from->kind == SFM_FROM_SELECT)
				print_select(out, from->select);
			else
				print_from_list(out, from->nested);
			appendStringInfoChar(out, ')');
		}
		else
			print_from(out, from);
		if (from->alias != NULL)
		{
			appendStringInfoString(out, " AS ");
			print_name(out, from->alias);
		}
		if (from->indexed_by != NULL)
		{
			appendStringInfoString(out, " INDEXED BY ");
			print_name(out, from->indexed_by);
		}
		if (from->not_indexed)
			appendStringInfoString(out, " NOT INDEXED");
		if (from->on != NULL)
		{
			appendStringInfoString(out, " ON ");
			print_expr(out, from->on);
		}
		if (from->using_columns != NULL)
		{
			appendStringInfoString(out, " USING");
			print_names(out, from->using_columns);
		}
	}
}

static void
print_result_columns(StringInfo out, const SfmResultColumn *columns)
{
	for (const SfmResultColumn *column = columns; column != NULL; column = column->next)
	{
		appendStringInfoString(out, column == columns ? " " : ", ");
		if (column->expr != NULL)
			print_expr(out, column->expr);
		else
		{
			if (column->star_table != NULL)
			{
				print_name(out, column->star_table);
				appendStringInfoChar(out, '.');
			}
			appendStringInfoChar(out, '*');
		}
		if (column->alias != NULL)
		{
			appendStringInfoString(out, " AS ");
			print_name(out, column->alias);
		}
	}
}

static void
print_arm(StringInfo out, const SfmArm *arm)
{
	for (const SfmRow *row = arm->values; row != NULL; row = row->next)
	{
		appendStringInfoString(out, row == arm->values ? "VALUES (" : ", (");
		print_list(out, row->values);
		appendStringInfoChar(out, ')');
	}
	if (arm->values != NULL)
		return;
	appendStringInfoString(out, arm->distinct ? "SELECT DISTINCT" : "SELECT");
	print_result_columns(out, arm->columns);
	if (arm->from != NULL)
	{
		appendStringInfoString(out, " FROM");
		print_from_list(out, arm->from);
	}
	if (arm->where != NULL)
	{
		appendStringInfoString(out, " WHERE ");
		print_expr(out, arm->where);
	}
	if (arm->group_by != NULL)
	{
		appendStringInfoString(out, " GROUP BY ");
		print_list(out, arm->group_by);
	}
	if (arm->having != NULL)
	{
		appendStringInfoString(out, " HAVING ");
		print_expr(out, arm->having);
	}
	for (const SfmWindow *window = arm->windows; window != NULL; window = window->next)
	{
		appendStringInfoString(out, window == arm->windows ? " WINDOW " : ", ");
		print_name(out, window->name);
		appendStringInfoString(out, " AS ");
		print_window_body(out, window);
	}
}

static void
print_with(StringInfo out, const SfmSelect *select)
{
	static const char *const materialized[] = {"", "MATERIALIZED ", "NOT MATERIALIZED "};

	for (const SfmCte *cte = select->with; cte != NULL; cte = cte->next)
	{
		if (cte == select->with)
			appendStringInfoString(out, select->recursive ? "WITH RECURSIVE " : "WITH ");
		else
			appendStringInfoString(out, ", ");
		print_name(out, cte->name);
		if (cte->columns != NULL)
			print_names(out, cte->columns);
		appendStringInfo(out, " AS %s(", materialized[cte->materialized]);
		print_select(out, cte->select);
		appendStringInfoChar(out, ')');
	}
	if (select->with != NULL)
		appendStringInfoChar(out, ' ');
}

void
print_select(StringInfo out, const SfmSelect *select)
{
	static const char *const compounds[] = {"", " UNION ", " UNION ALL ", " INTERSECT ",
	" EXCEPT "};

	print_with(out, select);
	for (const SfmArm *arm = select->arms; arm != NULL; arm = arm->next)
	{
		appendStringInfoString(out, compounds[arm->compound]);
		print_arm(out, arm);
	}
	print_order_by(out, select->order_by);
	if (select->limit != NULL)
	{
		appendStringInfoString(out, " LIMIT ");
		print_expr(out, select->limit);
	}
	if (select->limit_offset != NULL)
	{
		appendStringInfoString(out, " OFFSET ");
		print_expr(out, select->limit_offset);
	}
}
