/*
 * json.c
 *		JSON: paths into jsonb columns, json_type() and its like, and JSON that is made.
 *
 * What json_extract() and ->> give has its storage class from what they find, value by
 * value: a number, a boolean (1 or 0), a text; NULL for null.  Such a term is REP_JSON,
 * its sql the jsonb that was found.  Comparisons, arithmetic, text and conditions take
 * it by cases.  Where one type is needed, as for a view's column, the values that the
 * source has there tell which; a value of another kind that comes later is an error.
 *
 * Objects and arrays as text are errors too: jsonb does not keep the order of keys.  Of
 * a key given twice SQLite finds the first and jsonb keeps the last; columns with such
 * keys are json, into which no path leads here.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "compat.h"
#include "sfm_catalog.h"
#include "sfm_sqlite.h"
#include "translate_internal.h"

static bool
is_json(const Term *term)
{
	return term->rep == REP_OTHER && term->has_type &&
		(term->type.kind == SFM_KIND_JSON || term->type.kind == SFM_KIND_JSONB);
}

/* The text of what is found, a number as it is spelled, a boolean as 1 or 0. */
static char *
value_text(const Term *term)
{
	return psprintf("(CASE %s WHEN 'true'::jsonb THEN '1' WHEN 'false'::jsonb THEN '0' ELSE %s END)",
					term->sql, term->json_text);
}

/* What is found as text, whatever its kind: where only the beginning of that counts. */
Term *
sfm_tr_json_text_term(const Term *term)
{
	Term	   *text = sfm_tr_term(REP_TEXT, value_text(term));

	text->volatility = term->volatility;
	return text;
}

static char *
is_kind(const Term *term, const char *kinds)
{
	return psprintf("jsonb_typeof(%s) IN (%s)", term->sql, kinds);
}

#define NUMBERS "'number', 'boolean'"
#define CONTAINERS "'object', 'array'"

/* The number that SQLite computes with: a text's beginning, as always; 0 of a container. */
Term *
sfm_tr_json_number(Cx *cx, int offset, const Term *term)
{
	return sfm_tr_to_number(cx, offset, sfm_tr_json_text_term(term));
}

/* An error, as a text, for what has no text that PostgreSQL knows. */
static char *
no_text(const Term *term)
{
	return psprintf("(('the text of a JSON object or array: ' || left(%s::text, 40))::integer)::text",
					term->sql);
}

/*
 * A value as text, as || and LIKE take it.  An integer of 64 bits is spelled as it is; any
 * other number is a REAL.
 */
Term *
sfm_tr_json_as_text(Cx *cx, int offset, const Term *term, const char *what)
{
	Term	   *real = sfm_tr_term(REP_REAL, psprintf("(%s)::double precision", term->json_text));

	real->volatility = term->volatility;
	real = sfm_tr_text(cx, offset, real, what);
	return sfm_tr_derived(cx, offset, REP_TEXT, real, NULL,
						  psprintf("(CASE WHEN %s THEN %s"
								   " WHEN jsonb_typeof(%s) <> 'number' OR %s ~ '^-?[0-9]{1,18}$' OR (%s ~ '^-?[0-9]+$' AND %s::numeric BETWEEN -9223372036854775808 AND 9223372036854775807)"
								   " THEN %s ELSE %s END)",
								   is_kind(term, CONTAINERS), no_text(term), term->sql, term->json_text,
								   term->json_text, term->json_text, value_text(term), real->sql));
}

/* x IS NULL: nothing was found, or null. */
char *
sfm_tr_json_is_null(const Term *term)
{
	return psprintf("coalesce(jsonb_typeof(%s) = 'null', true)", term->sql);
}

/*
 * The term as one expression of one type, by what the source has at this path; a value
 * of another kind is an error when it is met.
 */
Term *
sfm_tr_json_output(Cx *cx, int offset, const Term *term)
{
	unsigned	kinds = term->json_column && cx->source->json_kinds ?
		cx->source->json_kinds(cx->source->arg, term->json_column, term->json_path) : 0;
	Term	   *text = sfm_tr_json_text_term(term);
	Term	   *number;
	char	   *other = psprintf("('a JSON value of another kind: ' || left(%s::text, 40))", term->sql);

	if (kinds == SFM_JSON_STRING)
	{
		text->sql = psprintf("(CASE WHEN %s THEN (%s::integer)::text ELSE %s END)",
							 is_kind(term, NUMBERS ", " CONTAINERS), other, text->sql);
		return text;
	}
	if (kinds == 0 || (kinds & ~(SFM_JSON_INTEGER | SFM_JSON_REAL)) != 0)
	{
		sfm_tr_fail(cx, offset, kinds == 0 ?
					"a JSON value alone, where no row tells of which type it is (CAST says so)" :
					"a JSON value alone, where the rows have several types (CAST says which is meant)");
		return sfm_tr_null();
	}
	text->sql = psprintf("(CASE WHEN %s THEN (%s::integer)::text ELSE %s END)",
						 is_kind(term, "'string', " CONTAINERS), other, text->sql);
	if (kinds == SFM_JSON_INTEGER)
		return sfm_tr_derived(cx, offset, REP_INT, text, NULL, psprintf("(%s)::bigint", text->sql));
	number = sfm_tr_to_number(cx, offset, text);
	return sfm_tr_output(cx, offset, number);
}

/* The value as a column with TEXT or numeric affinity stores it; NULL: not known. */
char *
sfm_tr_json_as_type(Cx *cx, int offset, const Term *term, const SfmType *type, char affinity)
{
	char	   *text = value_text(term);

	if (type->kind == SFM_KIND_TEXT)
		return affinity == 'T' ? sfm_tr_json_as_text(cx, offset, term, "the column")->sql : NULL;
	if (affinity == 'T' || affinity == 'B')
		return NULL;
	switch (type->kind)
	{
		case SFM_KIND_BOOL:
			return psprintf("(CASE %s WHEN '1' THEN true WHEN '0' THEN false ELSE ('neither 0 nor 1: ' || %s)::boolean END)",
							text, text);
		case SFM_KIND_INT8:
			/* a fraction is no bigint's input */
			return psprintf("(trim_scale(%s::numeric)::text)::bigint", text);
		case SFM_KIND_FLOAT8:
			return psprintf("(%s)::double precision", text);
		case SFM_KIND_NUMERIC:
			return psprintf("(CASE WHEN %s ~ '^[+-]?[0-9]+$' THEN (%s)::numeric ELSE (%s)::double precision::text::numeric END)",
							text, text, text);
		default:
			return NULL;
	}
}

/*
 * The cases of a comparison: *number is the value as a number where *is_number holds, *text
 * is its text where *is_text does; else it is a container, which *container stands for.
 * beside: the other operand.
 */
void
sfm_tr_json_cases(Cx *cx, int offset, const Term *term, const Term *beside, SfmJsonCases *cases)
{
	const char *literal = sfm_tr_string_of(beside);
	bool		numeric = beside->affinity == 'I' || beside->affinity == 'R' || beside->affinity == 'N';
	Term	   *text = sfm_tr_json_text_term(term);
	Term	   *container = sfm_tr_term(REP_TEXT, NULL);

	cases->is_number = is_kind(term, NUMBERS);
	if (numeric)
		cases->is_number = psprintf("(%s OR (%s AND %s COLLATE \"C\" ~ " SFM_TR_NUMBER "))", cases->is_number,
									is_kind(term, "'string'"), text->sql);
	cases->is_text = is_kind(term, "'string'");
	cases->is_null = sfm_tr_json_is_null(term);
	cases->number = sfm_tr_to_number(cx, offset, text);
	cases->text = text;
	/* its text begins with a bracket or brace, which is enough beside most literals */
	container->sql = literal && literal[0] != '[' && literal[0] != '{' ?
		psprintf("left(%s::text, 1)", term->sql) : no_text(term);
	cases->container = container;
}

/* A key or place of a path, appended to the term. */
static void
step(Term *found, const char *key, int64 place, StringInfo path)
{
	char	   *at = key ? quote_literal_cstr(key) : psprintf(INT64_FORMAT, place);

	/* a number leads into arrays alone, where jsonb would take it for scalars too */
	found->json_text = key ? psprintf("(%s ->> %s)", found->sql, at) :
		psprintf("(CASE WHEN jsonb_typeof(%s) = 'array' THEN %s ->> %s END)", found->sql, found->sql, at);
	found->sql = key ? psprintf("(%s -> %s)", found->sql, at) :
		psprintf("(CASE WHEN jsonb_typeof(%s) = 'array' THEN %s -> %s END)", found->sql, found->sql, at);
	if (key)
		appendStringInfo(path, ".\"%s\"", key);
	else if (place >= 0)
		appendStringInfo(path, "[" INT64_FORMAT "]", place);
	else
		appendStringInfo(path, "[#" INT64_FORMAT "]", place);
}

/* Follows "$.key.key[1][#-1]"; false when it is no such path. */
static bool
follow(Term *found, const char *p, StringInfo path)
{
	if (*p++ != '$')
		return false;
	while (*p)
	{
		if (*p == '.' && p[1] == '"')
		{
			const char *end = strchr(p + 2, '"');

			if (end == NULL || memchr(p + 2, '\\', end - p - 2))
				return false;
			step(found, pnstrdup(p + 2, end - p - 2), 0, path);
			p = end + 1;
		}
		else if (*p == '.')
		{
			int			len = strcspn(p + 1, ".[");

			if (len == 0 || memchr(p + 1, '"', len) || memchr(p + 1, '\\', len))
				return false;
			step(found, pnstrdup(p + 1, len), 0, path);
			p += len + 1;
		}
		else if (*p == '[')
		{
			bool		from_end = strncmp(p, "[#-", 3) == 0;
			char	   *end;
			long		place;

			p += from_end ? 3 : 1;
			if (*p < '0' || *p > '9')
				return false;
			place = strtol(p, &end, 10);
			if (*end != ']' || place > PG_INT32_MAX || (from_end && place == 0))
				return false;
			step(found, NULL, from_end ? -place : place, path);
			p = end + 1;
		}
		else
			return false;
	}
	return true;
}

/* The jsonb that a term is, as the start of a path; fails where it is none. */
static Term *
root(Cx *cx, int offset, const char *what, const Term *term)
{
	Term	   *found = palloc(sizeof(Term));

	*found = *term;
	if (term->rep == REP_JSON && term->json_alone)
	{
		found->json_alone = false;
		return found;
	}
	if (!is_json(term) || term->type.kind != SFM_KIND_JSONB)
	{
		sfm_tr_fail(cx, offset, is_json(term) ?
					"%s of a json column, in which a key may be given twice (jsonb has one of each)" :
					"%s of what is no jsonb column (\"types\" makes one of a text column)", what);
		return sfm_tr_null();
	}
	found->rep = REP_JSON;
	found->has_type = false;
	found->affinity = 0;
	found->collation = NULL;
	found->json_text = psprintf("(%s #>> '{}')", term->sql);
	found->json_path = "$";
	return found;
}

/* The value at a path that is a literal: of the function's form, or of the operators'. */
static Term *
at_path(Cx *cx, int offset, const char *what, const Term *from, const Term *path_term, bool operator)
{
	Term	   *found = root(cx, offset, what, from);
	const char *path = sfm_tr_string_of(path_term);
	int64		place;
	StringInfoData full;

	if (cx->failed)
		return sfm_tr_null();
	initStringInfo(&full);
	appendStringInfoString(&full, found->json_path);
	if (operator && sfm_tr_integer_of(path_term, &place) && place >= 0 && place <= PG_INT32_MAX)
		step(found, NULL, place, &full);
	else if (operator && path && path[0] != '$' && !strpbrk(path, "\"\\"))
		step(found, path, 0, &full);
	else if (path == NULL || !follow(found, path, &full))
		sfm_tr_fail(cx, offset, "%s with a path that is no plain literal", what);
	found->json_path = full.data;
	if (found->sql && strlen(found->sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
	return found;
}

static Term *
json_type(Cx *cx, int offset, const Term *found)
{
	return sfm_tr_derived(cx, offset, REP_TEXT, found, NULL,
						  psprintf("(CASE jsonb_typeof(%s) WHEN 'boolean' THEN %s WHEN 'string' THEN 'text'"
								   " WHEN 'number' THEN (CASE WHEN %s ~ '[.]' THEN 'real' ELSE 'integer' END) ELSE jsonb_typeof(%s) END)",
								   found->sql, found->json_text, found->json_text, found->sql));
}

/* json_extract(), json_type(), json_array_length(), json_valid() */
Term *
sfm_tr_json_function(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = linitial(args);
	Term	   *result;
	char	   *what = psprintf("%s()", expr->text);

	if (sfm_names_equal(expr->text, "json_valid"))
	{
		bool		null = sfm_sqlite_dialect()->json_valid_null;

		if (arg->rep == REP_NULL)
			return null ? arg : sfm_tr_int_literal(0);
		if (SFM_HAVE_IS_JSON && arg->rep == REP_TEXT)
			return sfm_tr_derived(cx, expr->offset, REP_BOOL, arg, NULL,
								  psprintf(null ? "(%s IS JSON)" : "coalesce(%s IS JSON, false)", arg->sql));
		if (!is_json(arg))
		{
			sfm_tr_fail(cx, expr->offset, "json_valid() of what is no json column");
			return sfm_tr_null();
		}
		/* the type lets nothing else in */
		result = sfm_tr_derived(cx, expr->offset, REP_BOOL, arg, NULL,
								psprintf(null ? "(%s IS NOT NULL OR NULL)" : "(%s IS NOT NULL)", arg->sql));
		result->true_unless_null = arg->sql;
		result->never_false = null;
		return result;
	}
	if (arg->rep == REP_NULL)
		return arg;
	if (sfm_names_equal(expr->text, "json_array_length") && list_length(args) == 1 && is_json(arg))
	{
		const char *name = arg->type.kind == SFM_KIND_JSON ? "json" : "jsonb";

		return sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
							  psprintf("(CASE WHEN %s_typeof(%s) = 'array' THEN %s_array_length(%s) WHEN %s IS NOT NULL THEN 0 END)::bigint",
									   name, arg->sql, name, arg->sql, arg->sql));
	}
	result = list_length(args) > 1 ?
		at_path(cx, expr->offset, what, arg, lsecond(args), false) : root(cx, expr->offset, what, arg);
	if (cx->failed || sfm_names_equal(expr->text, "json_extract"))
		return result;
	if (sfm_names_equal(expr->text, "json_type"))
		return json_type(cx, expr->offset, result);
	return sfm_tr_derived(cx, expr->offset, REP_INT, result, NULL,
						  psprintf("(CASE WHEN jsonb_typeof(%s) = 'array' THEN jsonb_array_length(%s) WHEN %s IS NOT NULL THEN 0 END)::bigint",
								   result->sql, result->sql, result->sql));
}

/*
 * -> and ->>.  What -> finds is JSON again, on which further operators and functions may
 * go on; alone it would be JSON text, which is refused.
 */
Term *
sfm_tr_json_operator(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	Term	   *found;

	if (left->rep == REP_NULL || right->rep == REP_NULL)
		return sfm_tr_null();
	found = at_path(cx, offset, psprintf("operator %s", sfm_op_name(op)), left, right, true);
	found->json_alone = op == SFM_OP_JSON;
	return found;
}

/* A value as JSON, as json_quote() writes it. */
static char *
quoted(Cx *cx, const SfmExpr *expr, const Term *arg)
{
	if (arg->rep == REP_NULL)
		return pstrdup("'null'::text");
	if (arg->is_json_text)
		return psprintf("coalesce(%s, 'null')", arg->sql);
	if (arg->rep == REP_TEXT)
		return psprintf("coalesce(to_json(%s)::text, 'null')", arg->sql);
	if (!sfm_tr_is_number(arg))
	{
		sfm_tr_fail(cx, expr->offset, "%s() of what is neither a number nor text", expr->text);
		return pstrdup("NULL");
	}
	return psprintf("coalesce(%s, 'null')", sfm_tr_text(cx, expr->offset, arg, expr->text)->sql);
}

static Term *
made(const SfmExpr *expr, List *args, char *sql)
{
	Term	   *result = sfm_tr_term(REP_TEXT, sql);
	ListCell   *lc;

	/* to_json() is not immutable */
	result->volatility = 's';
	foreach(lc, args)
		result->volatility = sfm_tr_worse(result->volatility, ((Term *) lfirst(lc))->volatility);
	result->is_json_text = true;
	return result;
}

/* json_quote(), json_array(), json_object() */
Term *
sfm_tr_json_made(Cx *cx, const SfmExpr *expr, List *args)
{
	bool		object = sfm_names_equal(expr->text, "json_object");
	StringInfoData sql;
	ListCell   *lc;

	if (sfm_names_equal(expr->text, "json_quote"))
		return made(expr, args, quoted(cx, expr, linitial(args)));
	if (object && list_length(args) % 2 != 0)
		sfm_tr_fail(cx, expr->offset, "json_object() with a key that has no value");
	initStringInfo(&sql);
	appendStringInfo(&sql, "('%c'", object ? '{' : '[');
	foreach(lc, args)
	{
		int			i = foreach_current_index(lc);
		const Term *arg = lfirst(lc);

		if (object && i % 2 == 0 && (arg->rep != REP_TEXT || sfm_tr_string_of(arg) == NULL))
			sfm_tr_fail(cx, expr->offset, "json_object() with a key that is no literal");
		appendStringInfo(&sql, "%s || %s", i == 0 ? "" : object && i % 2 ? " || ':'" : " || ','",
						 quoted(cx, expr, arg));
	}
	appendStringInfo(&sql, " || '%c')", object ? '}' : ']');
	return made(expr, args, sql.data);
}

/* json_group_array(); after: FILTER and OVER */
Term *
sfm_tr_json_group(Cx *cx, const SfmExpr *expr, const Term *arg, const char *order, const char *after)
{
	return made(expr, list_make1(unconstify(Term *, arg)),
				psprintf("('[' || coalesce(string_agg(%s, ','%s)%s, '') || ']')", quoted(cx, expr, arg),
						 order, after));
}
