/*
 * scope.c
 *		What a name means: a column of the tables in scope, a result column's alias,
 *		the rowid, or, in double quotes, a string.
 *
 * The order is SQLite's (lookupName() in its resolve.c): the columns of one SELECT's
 * tables, its rowid, its aliases, then the SELECT around it.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

/* An identifier of ours for a name of the source that is only used within a query. */
char *
sfm_tr_alias(Cx *cx, int offset, const char *name)
{
	char	   *text = sfm_tr_server_text(cx, offset, name);

	for (char *p = text; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	if (text[0] == '\0' || strlen(text) >= NAMEDATALEN)
		text = psprintf("q%d", ++cx->naliases);
	return pstrdup(quote_identifier(text));
}

/* Adds a relation to the current scope. */
ScopeRelation *
sfm_tr_scope_add(Cx *cx, const char *name, const char *alias,
				 const SfmTranslateRelation *relation)
{
	ScopeRelation *added = palloc0(sizeof(ScopeRelation));

	added->name = name;
	added->alias = alias;
	added->relation = relation;
	added->merged = palloc0(sizeof(bool) * Max(relation->ncolumns, 1));
	cx->scope->relations = lappend(cx->scope->relations, added);
	return added;
}

static bool
is_rowid_name(const char *name)
{
	return sfm_names_equal(name, "rowid") || sfm_names_equal(name, "_rowid_") ||
		sfm_names_equal(name, "oid");
}

/* A column of one scope; *found counts. */
static Term *
find_column(Cx *cx, const Scope *scope, const char *table, const char *name, int *found)
{
	Term	   *result = NULL;
	ListCell   *lc;

	*found = 0;
	foreach(lc, scope->relations)
	{
		ScopeRelation *relation = lfirst(lc);

		if (table && !sfm_names_equal(table, relation->name))
			continue;
		for (int i = 0; i < relation->relation->ncolumns; i++)
		{
			const SfmTranslateColumn *column = &relation->relation->columns[i];

			if (!sfm_names_equal(column->name, name) || (!table && relation->merged[i]))
				continue;
			if ((*found)++ == 0)
				result = sfm_tr_column(cx, column, relation->alias);
			break;
		}
	}
	return result;
}

/* The rowid by one of its names, where no column has that name. */
static Term *
find_rowid(Cx *cx, const Scope *scope, int offset, const char *table)
{
	ScopeRelation *only = NULL;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, scope->relations)
	{
		ScopeRelation *relation = lfirst(lc);

		if (table && !sfm_names_equal(table, relation->name))
			continue;
		only = relation;
		n++;
	}
	if (n != 1)
		return NULL;
	if (only->relation->rowid_column < 0)
	{
		sfm_tr_fail(cx, offset, "the rowid of %s, which has no column in PostgreSQL", only->name);
		return sfm_tr_null();
	}
	return sfm_tr_column(cx, &only->relation->columns[only->relation->rowid_column], only->alias);
}

static Term *
find_alias(Cx *cx, Scope *scope, const char *name)
{
	Scope	   *save = cx->scope;
	Term	   *result;

	for (const SfmResultColumn *column = scope->aliases; column; column = column->next)
	{
		if (column->alias == NULL || column->expr == NULL || !sfm_names_equal(column->alias, name))
			continue;
		if (cx->depth > 20)
			return NULL;
		cx->depth++;
		cx->scope = scope;
		result = sfm_tr_expr(cx, column->expr);
		cx->scope = save;
		cx->depth--;
		return result;
	}
	return NULL;
}

/* A column reference, or what stands in for one. */
Term *
sfm_tr_name(Cx *cx, const SfmExpr *expr)
{
	const char *table = expr->u.qualifier ? expr->u.qualifier->table : NULL;
	const char *schema = expr->u.qualifier ? expr->u.qualifier->schema : NULL;

	if (schema && !sfm_names_equal(schema, "main"))
	{
		sfm_tr_fail(cx, expr->offset, "schema %s", schema);
		return sfm_tr_null();
	}
	for (Scope *scope = cx->scope; scope; scope = scope->parent)
	{
		int			found;
		Term	   *term = find_column(cx, scope, table, expr->text, &found);

		if (found > 1)
		{
			sfm_tr_fail(cx, expr->offset, "ambiguous column %s", expr->text);
			return sfm_tr_null();
		}
		if (found == 0 && is_rowid_name(expr->text) && expr->quote != '"')
			term = find_rowid(cx, scope, expr->offset, table);
		if (term == NULL && table == NULL)
			term = find_alias(cx, scope, expr->text);
		if (term && term->unavailable)
			sfm_tr_fail(cx, expr->offset, "column %s, which is %s", expr->text, term->unavailable);
		if (term)
			return term;
	}
	if (table == NULL && expr->quote == '"')
		return sfm_tr_text_literal(cx, expr->offset, expr->text);
	if (table == NULL && expr->quote == 0 && sfm_names_equal(expr->text, "true"))
		return sfm_tr_int_literal(1);
	if (table == NULL && expr->quote == 0 && sfm_names_equal(expr->text, "false"))
		return sfm_tr_int_literal(0);
	sfm_tr_fail(cx, expr->offset, "column %s%s%s, which does not exist", table ? table : "",
				table ? "." : "", expr->text);
	return sfm_tr_null();
}
