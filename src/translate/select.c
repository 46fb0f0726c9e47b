/*
 * select.c
 *		SELECT: its result columns, compound SELECTs, WITH, ORDER BY, LIMIT.
 *
 * SQLite sorts and compares texts by their bytes, and NULL as the least value; both
 * are written out.  A compound or DISTINCT SELECT with an ORDER BY becomes a subquery
 * that is sorted, since PostgreSQL sorts those by plain result columns only.  Bare
 * columns beside aggregates, which SQLite fills from some row, are left to
 * PostgreSQL to refuse.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

/* The result of one arm: terms with their names, and what follows SELECT. */
typedef struct Arm
{
	List	   *terms;			/* of Term, as they are output */
	List	   *names;			/* of char * */
	char	   *tail;			/* FROM ... HAVING */
	Scope	   *scope;
	const SfmArm *arm;
} Arm;

static char *
source_text(const Cx *cx, const SfmResultColumn *column)
{
	return cx->sql_text ? pnstrdup(cx->sql_text + column->offset, column->length) : pstrdup("");
}

static void
add_column(Arm *arm, Term *term, const char *name)
{
	arm->terms = lappend(arm->terms, term);
	arm->names = lappend(arm->names, unconstify(char *, name));
}

/* *, or t.* */
static void
add_star(Cx *cx, Arm *arm, const SfmResultColumn *column)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, cx->scope->relations)
	{
		ScopeRelation *relation = lfirst(lc);

		if (column->star_table && !sfm_names_equal(column->star_table, relation->name))
			continue;
		any = true;
		for (int i = 0; i < relation->relation->ncolumns; i++)
			if (column->star_table || !relation->merged[i])
				add_column(arm, sfm_tr_column(cx, &relation->relation->columns[i], relation->alias),
						   relation->relation->columns[i].name);
	}
	if (!any)
		sfm_tr_fail(cx, column->offset, "%s.*, which is no table here",
					column->star_table ? column->star_table : "");
}

static void
add_result_columns(Cx *cx, Arm *arm)
{
	for (const SfmResultColumn *column = arm->arm->columns; column && !cx->failed; column = column->next)
	{
		if (column->expr == NULL)
			add_star(cx, arm, column);
		else
			add_column(arm, sfm_tr_expr(cx, column->expr),
					   column->alias ? column->alias :
					   column->expr->kind == SFM_EXPR_COLUMN ? column->expr->text :
					   source_text(cx, column));
	}
}

/* GROUP BY's terms: a result column's number or alias, or any expression. */
static char *
group_by(Cx *cx, const Arm *arm)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const SfmExpr *expr = arm->arm->group_by; expr && !cx->failed; expr = expr->next)
	{
		Term	   *term;

		if (expr->kind == SFM_EXPR_INTEGER)
		{
			if (expr->u.integer < 1 || expr->u.integer > list_length(arm->terms))
			{
				sfm_tr_fail(cx, expr->offset, "GROUP BY a column that is not there");
				break;
			}
			term = list_nth(arm->terms, (int) expr->u.integer - 1);
		}
		else
			term = sfm_tr_expr(cx, expr);
		/* a lone boolean or number is no column's place here */
		appendStringInfo(&buf, "%s%s", buf.len ? ", " : "",
						 sfm_tr_group_key(cx, expr->offset, term, "GROUP BY"));
	}
	return buf.data;
}

static char *
arm_tail(Cx *cx, const Arm *arm, const char *from)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (from)
		appendStringInfo(&buf, " FROM %s", from);
	if (arm->arm->where)
		appendStringInfo(&buf, " WHERE %s",
						 sfm_tr_condition(cx, arm->arm->where->offset, sfm_tr_expr(cx, arm->arm->where)));
	if (arm->arm->group_by)
		appendStringInfo(&buf, " GROUP BY %s", group_by(cx, arm));
	if (arm->arm->having)
		appendStringInfo(&buf, " HAVING %s",
						 sfm_tr_condition(cx, arm->arm->having->offset, sfm_tr_expr(cx, arm->arm->having)));
	return buf.data;
}

/* VALUES: one arm with several rows, as SELECTs joined by UNION ALL. */
static List *
values_arms(Cx *cx, const SfmArm *arm)
{
	List	   *result = NIL;

	for (const SfmRow *row = arm->values; row; row = row->next)
	{
		Arm		   *made = palloc0(sizeof(Arm));
		int			n = 0;

		made->arm = arm;
		made->tail = "";
		made->scope = cx->scope;
		for (const SfmExpr *expr = row->values; expr; expr = expr->next)
			add_column(made, sfm_tr_expr(cx, expr), psprintf("column%d", ++n));
		result = lappend(result, made);
	}
	return result;
}

/* Translates one arm in a scope of its own, which is left current in the Arm. */
static Arm *
plain_arm(Cx *cx, const SfmArm *arm)
{
	Arm		   *made = palloc0(sizeof(Arm));
	Scope	   *save = cx->scope;
	char	   *from;

	made->arm = arm;
	made->scope = palloc0(sizeof(Scope));
	made->scope->parent = save;
	cx->scope = made->scope;
	if (arm->windows)
		made->scope->windows = list_make1(arm->windows);
	from = arm->from ? sfm_tr_from(cx, arm->from) : NULL;
	made->scope->aliases = NULL;
	if (!cx->failed)
		add_result_columns(cx, made);
	made->scope->aliases = arm->columns;
	if (!cx->failed)
		made->tail = arm_tail(cx, made, from);
	cx->scope = save;
	return made;
}

/* The arm's terms in the form that all arms share. */
static void
unify_arms(Cx *cx, const SfmSelect *select, List *arms)
{
	int			n = list_length(((Arm *) linitial(arms))->terms);
	ListCell   *lc;

	foreach(lc, arms)
		if (list_length(((Arm *) lfirst(lc))->terms) != n)
		{
			sfm_tr_fail(cx, select->offset, "a compound SELECT with different numbers of columns");
			return;
		}
	for (int i = 0; i < n && !cx->failed; i++)
	{
		List	   *terms = NIL;
		List	   *coerced;
		Term	   *common;
		Term	   *first = list_nth(((Arm *) linitial(arms))->terms, i);
		bool		same_type = true;
		int			j = 0;

		foreach(lc, arms)
		{
			Term	   *term = list_nth(((Arm *) lfirst(lc))->terms, i);

			same_type &= term->has_type && first->has_type && term->type.typid == first->type.typid &&
				term->type.typmod == first->type.typmod && term->rep == first->rep;
			terms = lappend(terms, term);
		}
		common = sfm_tr_unify(cx, select->offset, terms, &coerced, "a compound SELECT");
		if (cx->failed)
			return;
		foreach(lc, arms)
		{
			Term	   *term = list_nth(same_type ? terms : coerced, j++);

			if (common->rep == REP_TEXT && !same_type && term->sql)
				term->sql = psprintf("%s::text COLLATE \"C\"", term->sql);
			else if (common->rep == REP_TEXT)
				term->sql = psprintf("%s COLLATE \"C\"", term->sql);
			else if (common->rep == REP_BOOL && !same_type)
			{
				term->sql = sfm_tr_int(cx, select->offset, term);
				term->rep = REP_INT;
			}
			else if (common->rep == REP_INT && !same_type)
				term->sql = psprintf("(%s)::bigint", term->sql);
			/* the first arm's column says what the result's is like */
			term->affinity = first->affinity;
			term->collation = first->collation;
			lfirst(list_nth_cell(((Arm *) lfirst(lc))->terms, i)) = term;
		}
	}
}

/* Equality of whole rows, for DISTINCT and UNION, as SQLite has it. */
static void
check_distinct(Cx *cx, int offset, List *terms, const char *what)
{
	ListCell   *lc;

	foreach(lc, terms)
	{
		Term	   *term = lfirst(lc);

		(void) sfm_tr_comparable(cx, offset, term, what);
		if (term->rep == REP_TEXT && term->collation && pg_strcasecmp(term->collation, "BINARY") != 0)
			sfm_tr_fail(cx, offset, "%s under collation %s", what, term->collation);
	}
}

/* "SELECT ..." of one arm. */
static char *
arm_sql(Cx *cx, const Arm *arm)
{
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "SELECT %s", arm->arm->distinct ? "DISTINCT " : "");
	foreach(lc, arm->terms)
	{
		Term	   *term = sfm_tr_output(cx, arm->arm->offset, lfirst(lc));

		appendStringInfo(&buf, "%s%s AS c%d", n ? ", " : "", term->sql, n + 1);
		n++;
	}
	appendStringInfoString(&buf, arm->tail);
	return buf.data;
}

static const char *
compound_word(Cx *cx, const SfmArm *arm)
{
	switch (arm->compound)
	{
		case SFM_COMPOUND_UNION:
			return "UNION";
		case SFM_COMPOUND_UNION_ALL:
			return "UNION ALL";
		case SFM_COMPOUND_INTERSECT:
			return "INTERSECT";
		default:
			return "EXCEPT";
	}
}

/* LIMIT and OFFSET: literals; a negative LIMIT is none. */
static char *
limit_sql(Cx *cx, const SfmSelect *select)
{
	int64		limit = -1;
	int64		offset = 0;

	if (select->limit == NULL)
		return "";
	if (!sfm_tr_integer_of(sfm_tr_expr(cx, select->limit), &limit) ||
		(select->limit_offset && !sfm_tr_integer_of(sfm_tr_expr(cx, select->limit_offset), &offset)))
	{
		sfm_tr_fail(cx, select->limit->offset, "LIMIT or OFFSET of no integer literal");
		return "";
	}
	return psprintf("%s%s", limit < 0 ? "" : psprintf(" LIMIT " INT64_FORMAT, limit),
					offset <= 0 ? "" : psprintf(" OFFSET " INT64_FORMAT, offset));
}

/* The result column that an ORDER BY term names by number, alias or name; -1: none. */
static int
ordered_column(Cx *cx, const SfmExpr *expr, const Arm *arm, bool compound)
{
	int			i = 0;

	if (expr->kind == SFM_EXPR_INTEGER)
	{
		if (expr->u.integer >= 1 && expr->u.integer <= list_length(arm->terms))
			return (int) expr->u.integer - 1;
		sfm_tr_fail(cx, expr->offset, "ORDER BY a column that is not there");
		return -1;
	}
	if (expr->kind != SFM_EXPR_COLUMN || expr->u.qualifier || expr->quote == '\'')
		return -1;
	for (const SfmResultColumn *column = arm->arm->columns; column; column = column->next, i++)
	{
		if (column->expr == NULL)
			break;				/* a star: places are not those of the list */
		if (column->alias && sfm_names_equal(column->alias, expr->text))
			return i;
	}
	if (!compound)
		return -1;
	for (i = 0; i < list_length(arm->names); i++)
		if (sfm_names_equal(list_nth(arm->names, i), expr->text))
			return i;
	return -1;
}

static void
append_order(Cx *cx, StringInfo buf, const SfmOrderTerm *order, const Term *key)
{
	bool		first = order->nulls == SFM_NULLS_FIRST ||
		(order->nulls == SFM_NULLS_DEFAULT && !order->descending);

	appendStringInfo(buf, "%s%s%s NULLS %s", buf->len ? ", " : "",
					 sfm_tr_sort_key(cx, order->expr->offset, key), order->descending ? " DESC" : "",
					 first ? "FIRST" : "LAST");
}

/* ORDER BY of a SELECT of one arm, by its own expressions. */
static char *
order_plain(Cx *cx, const SfmSelect *select, Arm *arm)
{
	StringInfoData buf;
	Scope	   *save = cx->scope;

	initStringInfo(&buf);
	cx->scope = arm->scope;
	for (const SfmOrderTerm *order = select->order_by; order && !cx->failed; order = order->next)
	{
		const SfmExpr *expr = order->expr;
		const char *collation = NULL;
		int			n;
		Term	   *key;

		if (expr->kind == SFM_EXPR_COLLATE)
		{
			collation = expr->text;
			expr = expr->left;
		}
		n = ordered_column(cx, expr, arm, false);
		if (cx->failed)
			break;
		key = n >= 0 ? list_nth(arm->terms, n) : sfm_tr_expr(cx, expr);
		if (collation)
		{
			Term	   *collated = palloc(sizeof(Term));

			*collated = *key;
			collated->collation = collation;
			key = collated;
		}
		append_order(cx, &buf, order, key);
	}
	cx->scope = save;
	return buf.data;
}

/* The same for a compound or DISTINCT one: its result columns are o.c1, o.c2 ... */
static char *
order_outer(Cx *cx, const SfmSelect *select, Arm *arm)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const SfmOrderTerm *order = select->order_by; order && !cx->failed; order = order->next)
	{
		const SfmExpr *expr = order->expr;
		SfmTranslateColumn *column = palloc0(sizeof(SfmTranslateColumn));
		Term	   *key;
		int			n;

		if (expr->kind == SFM_EXPR_COLLATE)
			expr = expr->left;
		n = ordered_column(cx, expr, arm, true);
		if (n < 0)
		{
			sfm_tr_fail(cx, expr->offset, "ORDER BY an expression over a compound or DISTINCT SELECT");
			break;
		}
		sfm_tr_result_column(list_nth(arm->terms, n), column);
		column->sql = psprintf("c%d", n + 1);
		key = sfm_tr_column(cx, column, "o");
		if (order->expr->kind == SFM_EXPR_COLLATE)
			key->collation = order->expr->text;
		append_order(cx, &buf, order, key);
	}
	return buf.data;
}

static List *
make_arms(Cx *cx, const SfmSelect *select)
{
	List	   *arms = NIL;

	for (const SfmArm *arm = select->arms; arm && !cx->failed; arm = arm->next)
		arms = arm->values ? list_concat(arms, values_arms(cx, arm)) :
			lappend(arms, plain_arm(cx, arm));
	return arms;
}

/* The arms one after the other; those of one VALUES are joined by UNION ALL. */
static char *
arms_sql(Cx *cx, List *arms)
{
	StringInfoData buf;
	const SfmArm *last = NULL;
	char	   *so_far;
	int			narms = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, arms)
	{
		Arm		   *arm = lfirst(lc);
		const char *word = last == arm->arm ? "UNION ALL" : compound_word(cx, arm->arm);

		if (last == NULL)
			appendStringInfoString(&buf, arm_sql(cx, arm));
		else
		{
			if (strcmp(word, "UNION ALL") != 0)
				check_distinct(cx, arm->arm->offset, arm->terms, word);
			/* all associate to the left in SQLite, INTERSECT included */
			so_far = pstrdup(buf.data);
			resetStringInfo(&buf);
			appendStringInfo(&buf, "%s%s%s %s %s", narms > 1 ? "(" : "", so_far, narms > 1 ? ")" : "",
							 word, arm_sql(cx, arm));
		}
		last = arm->arm;
		narms++;
	}
	return buf.data;
}

static void
result_columns(const Arm *arm, int *ncolumns, SfmTranslateColumn **columns, Cx *cx)
{
	int			n = 0;
	ListCell   *lc;

	*ncolumns = list_length(arm->terms);
	*columns = palloc0(sizeof(SfmTranslateColumn) * Max(*ncolumns, 1));
	foreach(lc, arm->terms)
	{
		sfm_tr_result_column(sfm_tr_output(cx, 0, lfirst(lc)), &(*columns)[n]);
		(*columns)[n].name = list_nth(arm->names, n);
		n++;
	}
}

/* WITH: each becomes a relation that the SELECT sees before all tables. */
static char *with_sql(Cx *cx, const SfmSelect *select);

/*
 * A SELECT.  Its result columns come back with SQLite's names and no identifiers; in
 * the SQL they are called c1, c2 ...
 */
char *
sfm_tr_select(Cx *cx, const SfmSelect *select, int *ncolumns, SfmTranslateColumn **columns)
{
	List	   *save = cx->ctes;
	char	   *with = select->with ? with_sql(cx, select) : "";
	List	   *arms;
	Arm		   *first;
	char	   *sql;
	bool		outer;

	*ncolumns = 0;
	*columns = NULL;
	arms = cx->failed ? NIL : make_arms(cx, select);
	if (cx->failed)
	{
		cx->ctes = save;
		return "";
	}
	first = linitial(arms);
	outer = list_length(arms) > 1 || first->arm->distinct;
	if (list_length(arms) > 1)
		unify_arms(cx, select, arms);
	if (!cx->failed && first->arm->distinct)
		check_distinct(cx, first->arm->offset, first->terms, "DISTINCT");
	if (cx->failed)
	{
		cx->ctes = save;
		return "";
	}
	sql = arms_sql(cx, arms);
	if (select->order_by && outer)
		sql = psprintf("SELECT * FROM (%s) AS o ORDER BY %s", sql, order_outer(cx, select, first));
	else if (select->order_by)
		sql = psprintf("%s ORDER BY %s", sql, order_plain(cx, select, first));
	else if (outer && select->limit)
		sql = psprintf("SELECT * FROM (%s) AS o", sql);
	sql = psprintf("%s%s%s", with, sql, limit_sql(cx, select));
	if (strlen(sql) > 10 * MAX_TERM)
		sfm_tr_fail(cx, select->offset, "the SELECT becomes too long");
	result_columns(first, ncolumns, columns, cx);
	cx->ctes = save;
	return sql;
}

/* Names the columns of a common table expression and lists their identifiers. */
static char *
name_columns(Cx *cx, const SfmCte *cte, SfmTranslateRelation *relation)
{
	StringInfoData list;
	const SfmName *name = cte->columns;

	initStringInfo(&list);
	for (int i = 0; i < relation->ncolumns; i++)
	{
		if (cte->columns && name == NULL)
		{
			sfm_tr_fail(cx, cte->offset, "table %s has more columns than names", cte->name);
			break;
		}
		if (name)
		{
			relation->columns[i].name = name->name;
			name = name->next;
		}
		relation->columns[i].sql = psprintf("c%d", i + 1);
		appendStringInfo(&list, "%sc%d", i ? ", " : "", i + 1);
	}
	if (name)
		sfm_tr_fail(cx, cte->offset, "table %s has fewer columns than names", cte->name);
	return list.data;
}

static bool
from_names(const SfmFrom *from, const char *name)
{
	for (; from; from = from->next)
	{
		if (from->kind == SFM_FROM_TABLE && from->schema == NULL && sfm_names_equal(from->name, name))
			return true;
		if (from->kind == SFM_FROM_NESTED && from_names(from->nested, name))
			return true;
	}
	return false;
}

static void
add_cte(Cx *cx, const SfmCte *cte, const SfmTranslateRelation *relation)
{
	Cte		   *added = palloc0(sizeof(Cte));

	added->name = cte->name;
	added->relation = relation;
	cx->ctes = lcons(added, cx->ctes);
}

/*
 * A recursive one: the first arm says what its columns are, the second reads them.
 * Columns must be of one kind in both; texts are unbounded.
 */
static char *
recursive_sql(Cx *cx, const SfmCte *cte, SfmTranslateRelation *relation, char **columns)
{
	const SfmArm *second = cte->select->arms->next;
	Arm		   *first;
	Arm		   *arm;
	List	   *both;

	if (second->next)
	{
		sfm_tr_fail(cx, cte->offset, "a recursive table of more than two SELECTs");
		return "";
	}
	if (cte->select->order_by || cte->select->limit || cte->select->with ||
		(second->compound != SFM_COMPOUND_UNION && second->compound != SFM_COMPOUND_UNION_ALL))
	{
		sfm_tr_fail(cx, cte->offset, "a recursive table with ORDER BY, LIMIT or without UNION");
		return "";
	}
	if (cte->select->arms->values)
	{
		List	   *rows = values_arms(cx, cte->select->arms);

		if (list_length(rows) != 1)
		{
			sfm_tr_fail(cx, cte->offset, "a recursive table that starts with several rows of VALUES");
			return "";
		}
		first = linitial(rows);
	}
	else
		first = plain_arm(cx, cte->select->arms);
	if (cx->failed)
		return "";
	result_columns(first, &relation->ncolumns, &relation->columns, cx);
	for (int i = 0; i < relation->ncolumns; i++)
		relation->columns[i].affinity = 0;
	*columns = name_columns(cx, cte, relation);
	add_cte(cx, cte, relation);
	arm = plain_arm(cx, second);
	if (cx->failed)
		return "";
	both = list_make2(first, arm);
	for (int i = 0; i < list_length(first->terms) && i < list_length(arm->terms); i++)
	{
		Term	   *a = list_nth(first->terms, i);
		Term	   *b = list_nth(arm->terms, i);

		if (a->rep == REP_NULL || (a->rep != b->rep && b->rep != REP_NULL))
			sfm_tr_fail(cx, cte->offset, "a recursive table whose columns change their storage class");
		a->has_type = b->has_type = false;
	}
	if (!cx->failed)
		unify_arms(cx, cte->select, both);
	return cx->failed ? "" : arms_sql(cx, both);
}

static char *
with_sql(Cx *cx, const SfmSelect *select)
{
	StringInfoData buf;
	bool		recursive = false;

	initStringInfo(&buf);
	for (const SfmCte *cte = select->with; cte && !cx->failed; cte = cte->next)
	{
		SfmTranslateRelation *relation = palloc0(sizeof(SfmTranslateRelation));
		const SfmArm *second = cte->select->arms->next;
		bool		recurses = second && from_names(second->from, cte->name);
		char	   *columns = "";
		char	   *sql;

		relation->name = cte->name;
		relation->sql = sfm_tr_alias(cx, cte->offset, cte->name);
		relation->rowid_column = -1;
		if (recurses)
			sql = recursive_sql(cx, cte, relation, &columns);
		else
		{
			sql = sfm_tr_select(cx, cte->select, &relation->ncolumns, &relation->columns);
			if (!cx->failed)
			{
				columns = name_columns(cx, cte, relation);
				add_cte(cx, cte, relation);
			}
		}
		recursive |= recurses;
		appendStringInfo(&buf, "%s%s(%s) AS (%s)", buf.len ? ", " : "", relation->sql, columns, sql);
	}
	return psprintf("WITH %s%s ", recursive ? "RECURSIVE " : "", buf.data);
}
