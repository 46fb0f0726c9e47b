/*
 * translate.c
 *		The translator's entry points: one expression, or one view.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "translate_internal.h"

static void
begin(Cx *cx, const SfmTranslateSource *source, const SfmTranslateRelation *table)
{
	memset(cx, 0, sizeof(*cx));
	cx->source = source;
	cx->scope = palloc0(sizeof(Scope));
	if (table)
		(void) sfm_tr_scope_add(cx, table->name, NULL, table);
}

static bool
finish(Cx *cx, const SfmExpr *expr, const Term *term, bool immutable, SfmTranslated *result,
	   SfmTranslateError *error)
{
	if (!cx->failed && immutable && term->volatility != 'i')
		sfm_tr_fail(cx, expr->offset, "it needs a function that is not immutable in PostgreSQL");
	if (cx->failed)
	{
		*error = cx->error;
		return false;
	}
	result->implied = term->never_false;
	result->volatility = term->volatility;
	return true;
}

bool
sfm_translate_condition(const SfmTranslateSource *source, const SfmTranslateRelation *table,
						const SfmExpr *expr, bool immutable, SfmTranslated *result,
						SfmTranslateError *error)
{
	Cx			cx;
	Term	   *term;

	begin(&cx, source, table);
	term = sfm_tr_expr(&cx, expr);
	result->sql = sfm_tr_condition(&cx, expr->offset, term);
	return finish(&cx, expr, term, immutable, result, error);
}

bool
sfm_translate_value(const SfmTranslateSource *source, const SfmTranslateRelation *table,
					const SfmExpr *expr, const SfmType *type, char affinity, bool immutable,
					SfmTranslated *result, SfmTranslateError *error)
{
	Cx			cx;
	Term	   *term;

	begin(&cx, source, table);
	cx.immutable = immutable;
	term = sfm_tr_expr(&cx, expr);
	result->sql = cx.failed ? NULL : sfm_tr_as_type(&cx, expr->offset, term, type, affinity);
	return finish(&cx, expr, term, immutable, result, error);
}

bool
sfm_translate_index_term(const SfmTranslateSource *source, const SfmTranslateRelation *table,
						 const SfmExpr *expr, const char *collation, bool unique,
						 SfmTranslated *result, SfmTranslateError *error)
{
	Cx			cx;
	Term	   *term;

	begin(&cx, source, table);
	term = sfm_tr_expr(&cx, expr);
	if (collation)
		term->collation = collation;
	/* no index may refuse a row: values of all kinds are looked up by their text */
	if (term->rep == REP_JSON && !unique)
	{
		term->rep = REP_TEXT;
		term->sql = term->json_text;
	}
	else if (term->rep == REP_JSON)
		sfm_tr_fail(&cx, expr->offset, "a unique index over JSON values, among which a number and its text are two");
	if (!cx.failed && term->rep == REP_TEXT &&
		(term->collation == NULL || pg_strcasecmp(term->collation, "BINARY") == 0))
		result->sql = psprintf("(%s)", term->sql);
	else if (!cx.failed)
		result->sql = psprintf("(%s)", sfm_tr_sort_key(&cx, expr->offset, term));
	return finish(&cx, expr, term, true, result, error);
}

char *
sfm_translate_view(const SfmTranslateSource *source, const SfmCreateView *view,
				   const char *sql_text, int *ncolumns, SfmTranslateColumn **result,
				   SfmTranslateError *error)
{
	Cx			cx;
	const SfmName *name = view->columns;
	char	   *sql;

	begin(&cx, source, NULL);
	cx.sql_text = sql_text;
	sql = sfm_tr_select(&cx, view->select, ncolumns, result);
	for (int i = 0; !cx.failed && view->columns && i < *ncolumns; i++)
	{
		if (name == NULL)
			sfm_tr_fail(&cx, 0, "fewer column names than columns");
		else
		{
			(*result)[i].name = name->name;
			name = name->next;
		}
	}
	if (!cx.failed && name)
		sfm_tr_fail(&cx, 0, "more column names than columns");
	if (!cx.failed && *ncolumns == 0)
		sfm_tr_fail(&cx, 0, "no columns");
	if (cx.failed)
	{
		*error = cx.error;
		return NULL;
	}
	return sql;
}
