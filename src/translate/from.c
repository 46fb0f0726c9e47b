/*
 * from.c
 *		FROM: tables, views, subqueries, and joins.
 *
 * SQLite joins from left to right, the comma included; so does PostgreSQL where all
 * joins are written with JOIN.  USING and NATURAL are written as ON, and the columns
 * that they take into one are known by the scope.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

/* The relation of a name: a common table expression, a table or a view. */
const SfmTranslateRelation *
sfm_tr_relation(Cx *cx, int offset, const char *schema, const char *name)
{
	const SfmTranslateRelation *relation;
	const char *why = NULL;
	ListCell   *lc;

	if (schema == NULL)
		foreach(lc, cx->ctes)
			if (sfm_names_equal(((Cte *) lfirst(lc))->name, name))
				return ((Cte *) lfirst(lc))->relation;
	if (schema && !sfm_names_equal(schema, "main"))
	{
		sfm_tr_fail(cx, offset, "schema %s", schema);
		return NULL;
	}
	relation = cx->source->relation ? cx->source->relation(cx->source->arg, name, &why) : NULL;
	if (relation == NULL)
		sfm_tr_fail(cx, offset, "table %s, which %s", name, why ? why : "does not exist");
	return relation;
}

static char *
table_sql(Cx *cx, const SfmFrom *from)
{
	const SfmTranslateRelation *relation;
	const char *name = from->alias ? from->alias : from->name;
	char	   *alias;

	if (from->kind == SFM_FROM_FUNCTION)
	{
		sfm_tr_fail(cx, from->offset, "table function %s()", from->name);
		return "";
	}
	relation = sfm_tr_relation(cx, from->offset, from->schema, from->name);
	if (relation == NULL)
		return "";
	alias = sfm_tr_alias(cx, from->offset, name);
	(void) sfm_tr_scope_add(cx, name, alias, relation);
	return psprintf("%s AS %s", relation->sql, alias);
}

/* Gives the columns of a subquery identifiers c1, c2 ... and returns them as a list. */
static char *
number_columns(int n, SfmTranslateColumn *columns)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		columns[i].sql = psprintf("c%d", i + 1);
		appendStringInfo(&list, "%sc%d", i ? ", " : "", i + 1);
	}
	return list.data;
}

static char *
select_sql(Cx *cx, const SfmFrom *from)
{
	SfmTranslateRelation *relation = palloc0(sizeof(SfmTranslateRelation));
	Scope	   *save = cx->scope;
	char	   *alias;
	char	   *sql;

	/* a subquery in FROM sees nothing of its neighbours */
	cx->scope = save->parent;
	sql = sfm_tr_select(cx, from->select, &relation->ncolumns, &relation->columns);
	cx->scope = save;
	if (cx->failed)
		return "";
	relation->name = from->alias ? from->alias : "";
	relation->rowid_column = -1;
	alias = from->alias ? sfm_tr_alias(cx, from->offset, from->alias) :
		psprintf("q%d", ++cx->naliases);
	(void) sfm_tr_scope_add(cx, relation->name, alias, relation);
	return psprintf("(%s) AS %s(%s)", sql, alias,
					number_columns(relation->ncolumns, relation->columns));
}

static int
column_number(const ScopeRelation *relation, const char *name)
{
	for (int i = 0; i < relation->relation->ncolumns; i++)
		if (sfm_names_equal(relation->relation->columns[i].name, name))
			return i;
	return -1;
}

/* Equality of a column to the left with one to the right, which is merged into it. */
static char *
using_column(Cx *cx, int offset, const char *name, int first_right)
{
	List	   *relations = cx->scope->relations;
	ScopeRelation *left = NULL;
	ScopeRelation *right = NULL;
	int			l = -1;
	int			r = -1;

	for (int i = 0; i < list_length(relations); i++)
	{
		ScopeRelation *relation = list_nth(relations, i);
		int			n = column_number(relation, name);

		if (n < 0 || relation->merged[n])
			continue;
		if (i < first_right && left == NULL)
		{
			left = relation;
			l = n;
		}
		else if (i >= first_right && right == NULL)
		{
			right = relation;
			r = n;
		}
	}
	if (left == NULL || right == NULL)
	{
		sfm_tr_fail(cx, offset, "USING column %s, which is not on both sides", name);
		return "";
	}
	right->merged[r] = true;
	return sfm_tr_compare(cx, offset, SFM_OP_EQ,
						  sfm_tr_column(cx, &left->relation->columns[l], left->alias),
						  sfm_tr_column(cx, &right->relation->columns[r], right->alias))->sql;
}

static bool
on_left(const Cx *cx, const char *name, int first_right)
{
	for (int i = 0; i < first_right; i++)
		if (column_number(list_nth(cx->scope->relations, i), name) >= 0)
			return true;
	return false;
}

/* The condition of one join, or NULL. */
static char *
join_condition(Cx *cx, const SfmFrom *from, int first_right)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (from->using_columns || from->natural)
	{
		if (from->join == SFM_JOIN_RIGHT || from->join == SFM_JOIN_FULL)
		{
			sfm_tr_fail(cx, from->offset, "USING in a RIGHT or FULL JOIN");
			return NULL;
		}
		for (const SfmName *name = from->using_columns; name; name = name->next)
			appendStringInfo(&buf, "%s%s", buf.len ? " AND " : "",
							 using_column(cx, from->offset, name->name, first_right));
		for (int i = first_right; from->natural && i < list_length(cx->scope->relations); i++)
		{
			const SfmTranslateRelation *right =
				((ScopeRelation *) list_nth(cx->scope->relations, i))->relation;

			for (int j = 0; j < right->ncolumns; j++)
				if (on_left(cx, right->columns[j].name, first_right))
					appendStringInfo(&buf, "%s%s", buf.len ? " AND " : "",
									 using_column(cx, from->offset, right->columns[j].name, first_right));
		}
	}
	if (from->on)
		appendStringInfo(&buf, "%s%s", buf.len ? " AND " : "",
						 sfm_tr_condition(cx, from->on->offset, sfm_tr_expr(cx, from->on)));
	return buf.len ? buf.data : NULL;
}

/* The terms of a FROM clause, added to the current scope. */
char *
sfm_tr_from(Cx *cx, const SfmFrom *from)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (; from && !cx->failed; from = from->next)
	{
		int			first_right = list_length(cx->scope->relations);
		char	   *term;
		char	   *condition;

		if (from->kind == SFM_FROM_SELECT)
			term = select_sql(cx, from);
		else if (from->kind == SFM_FROM_NESTED)
		{
			if (from->alias)
				sfm_tr_fail(cx, from->offset, "an alias of a join in parentheses");
			term = psprintf("(%s)", sfm_tr_from(cx, from->nested));
		}
		else
			term = table_sql(cx, from);
		if (cx->failed)
			break;
		condition = join_condition(cx, from, first_right);
		switch (from->join)
		{
			case SFM_JOIN_NONE:
				appendStringInfoString(&buf, term);
				if (condition)
					sfm_tr_fail(cx, from->offset, "a join's condition without a join");
				break;
			case SFM_JOIN_LEFT:
			case SFM_JOIN_RIGHT:
			case SFM_JOIN_FULL:
				appendStringInfo(&buf, " %s JOIN %s ON %s",
								 from->join == SFM_JOIN_LEFT ? "LEFT" :
								 from->join == SFM_JOIN_RIGHT ? "RIGHT" : "FULL",
								 term, condition ? condition : "true");
				break;
			default:
				appendStringInfo(&buf, condition ? " JOIN %s ON %s" : " CROSS JOIN %s", term, condition);
				break;
		}
	}
	return buf.data;
}
