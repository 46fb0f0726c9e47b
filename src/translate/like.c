/*
 * like.c
 *		LIKE and GLOB.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "translate_internal.h"

/* What a LIKE's ESCAPE clause gives; NULL: fails. */
static char *
escape_of(Cx *cx, const SfmExpr *expr, const char *pattern)
{
	const char *escape;

	if (expr->u.escape == NULL)
		return pstrdup("");
	escape = expr->u.escape->kind == SFM_EXPR_STRING ? expr->u.escape->text : NULL;
	if (escape == NULL || strlen(escape) != 1 || strchr("%_", escape[0]) ||
		(escape[0] >= 'A' && escape[0] <= 'Z') || (escape[0] >= 'a' && escape[0] <= 'z') || !pattern)
	{
		sfm_tr_fail(cx, expr->u.escape->offset,
					"ESCAPE with something else than one ASCII sign and a literal pattern");
		return NULL;
	}
	for (const char *p = pattern; *p; p++)
		if (*p == escape[0] && *++p == '\0')
		{
			sfm_tr_fail(cx, expr->u.escape->offset, "LIKE with a pattern that ends with its escape sign");
			return NULL;
		}
	return pstrdup(escape);
}

/* One GLOB set, "[...]", as a bracket expression; NULL when it is not closed. */
static const char *
glob_set(const char *p, StringInfo regex)
{
	StringInfoData set;
	bool		first = true;

	initStringInfo(&set);
	p++;
	if (*p == '^')
	{
		appendStringInfoChar(&set, '^');
		p++;
	}
	for (;; first = false)
	{
		if (*p == '\0')
			return NULL;
		if (*p == ']' && !first)
			break;
		if (*p == '-' && !first && p[1] != ']')
		{
			appendStringInfoChar(&set, '-');
			p++;
			if (*p == '\0')
				return NULL;
		}
		if (strchr("\\[]^-", *p))
			appendStringInfoChar(&set, '\\');
		appendStringInfoChar(&set, *p++);
	}
	appendStringInfo(regex, "[%s]", set.data);
	return p;
}

/* A GLOB pattern as a regular expression; NULL where it can match nothing. */
static char *
glob_regex(const char *pattern)
{
	StringInfoData regex;

	initStringInfo(&regex);
	appendStringInfoChar(&regex, '^');
	for (const char *p = pattern; *p; p++)
	{
		if (*p == '*')
			appendStringInfoString(&regex, ".*");
		else if (*p == '?')
			appendStringInfoChar(&regex, '.');
		else if (*p == '[')
		{
			p = glob_set(p, &regex);
			if (p == NULL)
				return NULL;
		}
		else
		{
			if (strchr("\\.[]{}()+|^$", *p))
				appendStringInfoChar(&regex, '\\');
			appendStringInfoChar(&regex, *p);
		}
	}
	appendStringInfoChar(&regex, '$');
	return regex.data;
}

static char *
ascii_lower(const char *text)
{
	char	   *result = pstrdup(text);

	for (char *p = result; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	return result;
}

/* LIKE folds ASCII letters, as lower() does under collation "C"; GLOB folds nothing. */
Term *
sfm_tr_like(Cx *cx, const SfmExpr *expr)
{
	const char *name = expr->op == SFM_OP_LIKE ? "LIKE" : "GLOB";
	Term	   *left = sfm_tr_expr(cx, expr->left);
	Term	   *right = sfm_tr_expr(cx, expr->right);
	Term	   *text;
	Term	   *pattern;
	const char *literal = sfm_tr_string_of(right);
	const char *negation = expr->negated ? "NOT " : "";
	char	   *sql;

	if (expr->op == SFM_OP_REGEXP || expr->op == SFM_OP_MATCH)
	{
		sfm_tr_fail(cx, expr->offset, "operator %s, which SQLite leaves to the application",
					sfm_op_name(expr->op));
		return sfm_tr_null();
	}
	if (left->rep == REP_NULL || right->rep == REP_NULL)
		return sfm_tr_derived(cx, expr->offset, REP_BOOL, left, right, pstrdup("NULL::boolean"));
	text = sfm_tr_text(cx, expr->offset, left, name);
	pattern = sfm_tr_text(cx, expr->offset, right, name);
	if (cx->failed)
		return sfm_tr_null();
	if (expr->op == SFM_OP_LIKE)
	{
		char	   *escape = escape_of(cx, expr, literal);

		if (escape == NULL)
			return sfm_tr_null();
		sql = psprintf("(lower(%s COLLATE \"C\") %sLIKE %s ESCAPE %s)", text->sql, negation,
					   literal ? quote_literal_cstr(ascii_lower(literal)) :
					   psprintf("lower(%s COLLATE \"C\")", pattern->sql),
					   quote_literal_cstr(escape));
	}
	else if (literal == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "GLOB with a pattern that is no literal");
		return sfm_tr_null();
	}
	else
	{
		char	   *regex = glob_regex(literal);

		if (regex == NULL)
			sql = psprintf("(CASE WHEN %s IS NOT NULL THEN %s END)", text->sql,
						   expr->negated ? "true" : "false");
		else
			sql = psprintf("(%s COLLATE \"C\" %s %s)", text->sql, expr->negated ? "!~" : "~",
						   quote_literal_cstr(regex));
	}
	return sfm_tr_derived(cx, expr->offset, REP_BOOL, text, pattern, sql);
}
