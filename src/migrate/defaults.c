/*
 * defaults.c
 *		A column's DEFAULT in PostgreSQL's words, for the type that the column has.
 *
 * A constant is evaluated by SQLite itself and brought to the column's type by the
 * same converter as its rows, so that 0 becomes false for a boolean and '1' becomes 1
 * for an integer.  Expressions, CURRENT_TIMESTAMP among them, go through the translator.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "sfm_ast.h"
#include "sfm_migrate.h"

static const SfmExpr *
default_expression(const SfmColumn *column)
{
	const SfmExpr *expr = NULL;

	/* A repeated DEFAULT overrides, as in SQLite. */
	for (const SfmConstraint *c = column->def ? column->def->constraints : NULL; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_DEFAULT)
			expr = c->expr;
	return expr;
}

static bool
is_number(const SfmExpr *expr)
{
	return expr->kind == SFM_EXPR_INTEGER || expr->kind == SFM_EXPR_REAL;
}

/* Whether the expression is a constant that SQLite can be asked for. */
static bool
is_constant(const SfmExpr *expr)
{
	switch (expr->kind)
	{
		case SFM_EXPR_NULL:
		case SFM_EXPR_INTEGER:
		case SFM_EXPR_REAL:
		case SFM_EXPR_STRING:
		case SFM_EXPR_BLOB:
		case SFM_EXPR_BOOLEAN:
			return true;
		case SFM_EXPR_UNARY:
			return (expr->op == SFM_OP_MINUS || expr->op == SFM_OP_PLUS) && is_number(expr->left);
		default:
			return false;
	}
}

/* A Datum as a literal of its type. */
static char *
datum_literal(const SfmType *type, Datum value)
{
	Oid			output;
	bool		is_varlena;
	char	   *text;

	getTypeOutputInfo(type->typid, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	switch (type->kind)
	{
		case SFM_KIND_BOOL:
			return DatumGetBool(value) ? "true" : "false";
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
			return text[0] == '-' ? psprintf("'%s'::%s", text, sfm_type_name(type)) : text;
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
			return quote_literal_cstr(text);
		default:
			return psprintf("%s::%s", quote_literal_cstr(text), sfm_type_name(type));
	}
}

/* The constant as SQLite stores it in a column of that declaration. */
static void
evaluate(SfmFile *file, const SfmColumn *column, const SfmExpr *expr, SfmStmt **stmt,
		 SfmValue *value)
{
	const char *sql = column->default_sql;
	char	   *word = NULL;

	*stmt = NULL;
	/* A bare word is a string where a default stands, and nowhere else. */
	if (expr->kind == SFM_EXPR_STRING)
		word = sfm_quote_string(expr->text);
	/* A TEXT column stores a number as its text. */
	*stmt = sfm_prepare(file, psprintf(sfm_affinity(column->declared_type) == 'T' &&
									   expr->kind != SFM_EXPR_NULL && expr->kind != SFM_EXPR_BLOB ?
									   "SELECT CAST((%s) AS TEXT)" : "SELECT (%s)",
									   word ? word : sql), NULL);
	if (!sfm_step(*stmt))
		elog(ERROR, "SQLite returned no row for a constant");
	sfm_column(*stmt, 0, value);
}

/* CURRENT_TIMESTAMP, (datetime('now')) and the like: through the translator. */
static char *
expression_sql(SfmTranslateScope *scope, const SfmColumn *column, const SfmExpr *expr,
			   const SfmType *type, const char **why)
{
	SfmTranslated result;
	SfmTranslateError error;

	if (sfm_translate_value(sfm_scope_source(scope), NULL, expr, type,
							sfm_affinity(column->declared_type), false, &result, &error))
		return psprintf("(%s)", result.sql);
	*why = sfm_translate_reason(&error);
	return NULL;
}

/*
 * PostgreSQL's expression for the column's DEFAULT, palloc'd; NULL when it cannot be
 * said for this type, then *why is the reason.  *same_form: it reads as in SQLite.
 * Only for columns that have a default.
 */
char *
sfm_default_sql(SfmTranslateScope *scope, SfmFile *file, const SfmColumn *column,
				const SfmType *type, const char **why, bool *same_form)
{
	const SfmExpr *expr = default_expression(column);
	SfmStmt    *stmt;
	SfmValue	value;
	SfmConv    *conv;
	SfmType		all_classes = *type;
	Datum		datum;
	SfmFit		fit;
	char	   *result = NULL;

	*same_form = false;
	if (expr == NULL)
	{
		*why = "its expression was not understood";
		return NULL;
	}
	if (!is_constant(expr))
		return expression_sql(scope, column, expr, type, why);

	evaluate(file, column, expr, &stmt, &value);
	/* Where texts among its rows made a number column text, a number is its text too. */
	all_classes.mixed |= type->kind == SFM_KIND_TEXT || type->kind == SFM_KIND_BYTEA;
	conv = sfm_conv_create(&all_classes);
	fit = sfm_convert(conv, &value, &datum);
	if (fit == SFM_FIT_NULL)
		result = "NULL";
	else if (fit == SFM_FIT)
		result = datum_literal(type, datum);
	else
		*why = psprintf("its value %s %s", sfm_value_for_message(&value), sfm_fit_phrase(fit, type));
	*same_form = result != NULL && conv->seen.spelled == 0 &&
		type->kind != SFM_KIND_BOOL && (value.cls == SFM_TEXT || type->kind != SFM_KIND_TEXT);
	sfm_finalize(stmt);
	return result;
}
