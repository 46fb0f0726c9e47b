/*
 * function.c
 *		SQLite's scalar functions: one table of what is known, and how each is written.
 *
 * A name that is not in the table fails.  Each handler gets its arguments as terms,
 * their number checked, and returns a term or fails.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "sfm_catalog.h"
#include "translate_internal.h"

typedef Term *(*Handler) (Cx *cx, const SfmExpr *expr, List *args);

#define ARG(n) ((Term *) list_nth(args, (n)))

static Term *
text_result(Cx *cx, const SfmExpr *expr, List *args, char *sql)
{
	Term	   *result = sfm_tr_term(REP_TEXT, sql);
	ListCell   *lc;

	foreach(lc, args)
		result->volatility = sfm_tr_worse(result->volatility, ((Term *) lfirst(lc))->volatility);
	if (strlen(sql) > MAX_TERM)
		sfm_tr_fail(cx, expr->offset, "the expression becomes too long");
	return result;
}

/* The arguments as text; NIL where one is NULL. */
static List *
texts(Cx *cx, const SfmExpr *expr, List *args)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, args)
		result = lappend(result, sfm_tr_text(cx, expr->offset, lfirst(lc), psprintf("%s()", expr->text)));
	return result;
}

static Term *
fn_abs(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	Term	   *result;

	if (arg->rep == REP_NULL)
		return arg;
	if (!sfm_tr_is_number(arg))
	{
		sfm_tr_fail(cx, expr->offset, "abs() of what is no number");
		return arg;
	}
	if (arg->rep == REP_NUMBER)
		return sfm_tr_number(cx, expr->offset, arg, NULL, arg->is_int,
							 psprintf("abs(%s)", arg->int_sql), psprintf("abs(%s)", arg->real_sql));
	result = sfm_tr_derived(cx, expr->offset, arg->rep == REP_REAL ? REP_REAL : REP_INT, arg, NULL,
							psprintf("abs(%s)", arg->rep == REP_REAL ? sfm_tr_real(cx, arg) :
									 sfm_tr_int(cx, expr->offset, arg)));
	result->may_nan = arg->may_nan;
	return result;
}

static Term *
fn_char(Cx *cx, const SfmExpr *expr, List *args)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, args)
	{
		int64		code;
		unsigned char bytes[8];

		if (!sfm_tr_integer_of(lfirst(lc), &code) || code < 1 || code > 0x10FFFF ||
			(code >= 0xD800 && code <= 0xDFFF))
		{
			sfm_tr_fail(cx, expr->offset, "char() of something else than literals of characters");
			return sfm_tr_null();
		}
		unicode_to_utf8((pg_wchar) code, bytes);
		appendBinaryStringInfo(&text, (char *) bytes, pg_utf_mblen(bytes));
	}
	return sfm_tr_text_literal(cx, expr->offset, text.data);
}

static Term *
fn_coalesce(Cx *cx, const SfmExpr *expr, List *args)
{
	return sfm_tr_coalesce(cx, expr->offset, args);
}

static Term *
fn_hex(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	char	   *bytes;
	Term	   *result;

	if (arg->rep == REP_BLOB)
		bytes = arg->sql;
	else
	{
		arg = sfm_tr_text(cx, expr->offset, arg, "hex()");
		bytes = psprintf("convert_to(%s, 'UTF8')", arg->sql);
	}
	result = text_result(cx, expr, list_make1(arg),
						 psprintf("coalesce(upper(encode(%s, 'hex')), '')", bytes));
	return result;
}

static Term *
fn_iif(Cx *cx, const SfmExpr *expr, List *args)
{
	return sfm_tr_choose(cx, expr->offset, ARG(0), list_make2(ARG(1), ARG(2)));
}

static Term *
fn_instr(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *result;

	if (ARG(0)->rep == REP_NULL || ARG(1)->rep == REP_NULL)
		return sfm_tr_null();
	if (ARG(0)->rep == REP_BLOB && ARG(1)->rep == REP_BLOB)
		result = sfm_tr_derived(cx, expr->offset, REP_INT, ARG(0), ARG(1),
								psprintf("position(%s in %s)::bigint", ARG(1)->sql, ARG(0)->sql));
	else
	{
		args = texts(cx, expr, args);
		result = sfm_tr_derived(cx, expr->offset, REP_INT, ARG(0), ARG(1),
								psprintf("strpos(%s, %s)::bigint", ARG(0)->sql, ARG(1)->sql));
	}
	result->small = true;
	return result;
}

static Term *
fn_length(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	Term	   *result;

	if (arg->rep == REP_NULL)
		return arg;
	if (arg->rep == REP_BLOB)
		result = sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
								psprintf("octet_length(%s)::bigint", arg->sql));
	else
	{
		arg = sfm_tr_text(cx, expr->offset, arg, "length()");
		result = sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
								psprintf("char_length(%s)::bigint", arg->sql));
	}
	result->small = true;
	return result;
}

/* like(pattern, text), glob(pattern, text): the operators with their sides swapped */
static Term *
fn_like(Cx *cx, const SfmExpr *expr, List *args)
{
	SfmExpr		like = {0};
	SfmExpr    *pattern = expr->u.call->args;

	like.kind = SFM_EXPR_LIKE;
	like.op = pg_strcasecmp(expr->text, "like") == 0 ? SFM_OP_LIKE : SFM_OP_GLOB;
	like.offset = expr->offset;
	like.left = pattern->next;
	like.right = pattern;
	like.u.escape = pattern->next->next;
	return sfm_tr_like(cx, &like);
}

static Term *
fn_case(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *text = sfm_tr_text(cx, expr->offset, ARG(0), psprintf("%s()", expr->text));

	return text_result(cx, expr, list_make1(text),
					   psprintf("%s(%s COLLATE \"C\")",
								pg_strcasecmp(expr->text, "lower") == 0 ? "lower" : "upper", text->sql));
}

static Term *
fn_trim(Cx *cx, const SfmExpr *expr, List *args)
{
	const char *name = pg_strcasecmp(expr->text, "trim") == 0 ? "btrim" :
		pg_strcasecmp(expr->text, "ltrim") == 0 ? "ltrim" : "rtrim";

	args = texts(cx, expr, args);
	return text_result(cx, expr, args,
					   psprintf("%s(%s, %s)", name, ARG(0)->sql,
								list_length(args) > 1 ? ARG(1)->sql : "' '"));
}

/* min() and max() of several arguments: NULL as soon as one is */
static Term *
fn_extreme(Cx *cx, const SfmExpr *expr, List *args)
{
	List	   *coerced;
	Term	   *result = sfm_tr_unify(cx, expr->offset, args, &coerced, psprintf("%s()", expr->text));
	const char *name = pg_strcasecmp(expr->text, "max") == 0 ? "greatest" : "least";
	StringInfoData values;
	StringInfoData nulls;
	const char *collation = "BINARY";
	ListCell   *lc;

	foreach(lc, args)
		if (((Term *) lfirst(lc))->rep == REP_NULL)
			return sfm_tr_null();
	foreach(lc, args)
		if (((Term *) lfirst(lc))->collation)
		{
			collation = ((Term *) lfirst(lc))->collation;
			break;
		}
	if (result->rep == REP_NUMBER || result->rep == REP_OTHER ||
		(result->rep == REP_TEXT && pg_strcasecmp(collation, "BINARY") != 0))
	{
		sfm_tr_fail(cx, expr->offset, "%s() of values that are not all of one kind", expr->text);
		return sfm_tr_null();
	}
	initStringInfo(&values);
	initStringInfo(&nulls);
	foreach(lc, coerced)
	{
		Term	   *term = lfirst(lc);
		char	   *sql = term->rep == REP_BOOL ? sfm_tr_int(cx, expr->offset, term) :
			sfm_tr_output(cx, expr->offset, term)->sql;

		appendStringInfo(&values, "%s%s%s", values.len ? ", " : "", sql,
						 term->rep == REP_TEXT ? " COLLATE \"C\"" : "");
		appendStringInfo(&nulls, "%s%s IS NULL", nulls.len ? " OR " : "", sql);
	}
	if (result->rep == REP_BOOL)
		result->rep = REP_INT;
	result->sql = psprintf("(CASE WHEN NOT (%s) THEN %s(%s) END)", nulls.data, name, values.data);
	return result;
}

static Term *
fn_nullif(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *equal;

	if (ARG(0)->rep == REP_NULL || ARG(1)->rep == REP_NULL)
		return ARG(0);
	equal = sfm_tr_compare(cx, expr->offset, SFM_OP_EQ, ARG(0), ARG(1));
	return sfm_tr_choose(cx, expr->offset, equal, list_make2(sfm_tr_null(), ARG(0)));
}

/* likely(x), unlikely(x), likelihood(x, y): x, with a hint to the planner */
static Term *
fn_hint(Cx *cx, const SfmExpr *expr, List *args)
{
	return ARG(0);
}

static Term *
fn_quote(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);

	if (arg->rep == REP_NULL)
		return sfm_tr_text_literal(cx, expr->offset, "NULL");
	if (arg->rep == REP_INT || arg->rep == REP_BOOL)
		return text_result(cx, expr, args, psprintf("coalesce((%s)::text, 'NULL')",
													sfm_tr_int(cx, expr->offset, arg)));
	if (arg->rep == REP_BLOB)
		return text_result(cx, expr, args, psprintf("coalesce('X''' || upper(encode(%s, 'hex')) || '''', 'NULL')",
													arg->sql));
	if (arg->rep != REP_TEXT && arg->rep != REP_OTHER)
		sfm_tr_fail(cx, expr->offset, "quote() of what may be REAL");
	arg = sfm_tr_text(cx, expr->offset, arg, "quote()");
	return text_result(cx, expr, list_make1(arg),
					   psprintf("coalesce('''' || replace(%s, '''', '''''') || '''', 'NULL')", arg->sql));
}

/* Bits of strong random numbers, hashed so that the fixed bits of a UUID do not show. */
#define RANDOM_BYTES "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"

static Term *
fn_random(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *result = sfm_tr_term(REP_INT,
									 pstrdup("('x' || encode(substr(" RANDOM_BYTES ", 1, 8), 'hex'))::bit(64)::bigint"));

	result->sql = psprintf("(%s)", result->sql);
	result->volatility = 'v';
	return result;
}

static Term *
fn_randomblob(Cx *cx, const SfmExpr *expr, List *args)
{
	int64		n;
	Term	   *result;

	if (!sfm_tr_integer_of(ARG(0), &n) || n > 32)
	{
		sfm_tr_fail(cx, expr->offset, "randomblob() of more than 32 bytes, or of no literal");
		return sfm_tr_null();
	}
	result = sfm_tr_term(REP_BLOB, psprintf("substr(" RANDOM_BYTES ", 1, %d)", (int) Max(n, 1)));
	result->volatility = 'v';
	return result;
}

static Term *
fn_replace(Cx *cx, const SfmExpr *expr, List *args)
{
	args = texts(cx, expr, args);
	return text_result(cx, expr, args, psprintf("replace(%s, %s, %s)", ARG(0)->sql, ARG(1)->sql,
												ARG(2)->sql));
}

static Term *
fn_sign(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);

	if (arg->rep == REP_NULL)
		return arg;
	if (!sfm_tr_is_number(arg))
	{
		sfm_tr_fail(cx, expr->offset, "sign() of what is no number");
		return sfm_tr_null();
	}
	return sfm_tr_derived(cx, expr->offset, REP_INT, arg, NULL,
						  psprintf("sign(%s)::bigint", sfm_tr_real(cx, arg)));
}

/* An integer argument of substr(), as PostgreSQL's integer. */
static char *
small_int(Cx *cx, const SfmExpr *expr, const Term *term)
{
	int64		value;

	if (sfm_tr_integer_of(term, &value) && value > -PG_INT32_MAX && value < PG_INT32_MAX)
		return psprintf(value < 0 ? "(" INT64_FORMAT ")" : INT64_FORMAT, value);
	return psprintf("(%s)::integer", sfm_tr_int(cx, expr->offset,
											   sfm_tr_cast_integer(cx, expr->offset, term)));
}

/*
 * substr(x, y, z): a negative y counts from the end, a negative z takes what stands
 * before y; places before the first count and give nothing, in PostgreSQL too.
 */
static Term *
fn_substr(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *x = ARG(0);
	bool		blob = x->rep == REP_BLOB;
	int64		y = 0;
	int64		z = 0;
	char	   *start;
	char	   *count = NULL;
	char	   *length;
	char	   *sql;
	ListCell   *lc;

	foreach(lc, args)
		if (((Term *) lfirst(lc))->rep == REP_NULL)
			return sfm_tr_null();
	if (!blob)
		x = sfm_tr_text(cx, expr->offset, x, "substr()");
	length = psprintf("%s(%s)", blob ? "octet_length" : "char_length", x->sql);
	start = small_int(cx, expr, ARG(1));
	if (!sfm_tr_integer_of(ARG(1), &y))
		start = psprintf("(CASE WHEN %s < 0 THEN %s + %s + 1 ELSE %s END)", start, length, start, start);
	else if (y < 0)
		start = psprintf("%s + %s + 1", length, start);
	if (list_length(args) < 3)
		sql = psprintf("substr(%s, %s)", x->sql, start);
	else
	{
		count = small_int(cx, expr, ARG(2));
		if (!sfm_tr_integer_of(ARG(2), &z))
			sql = psprintf("(CASE WHEN %s >= 0 THEN substr(%s, %s, abs(%s)) ELSE substr(%s, %s + %s, abs(%s)) END)",
						   count, x->sql, start, count, x->sql, start, count, count);
		else if (z < 0)
			sql = psprintf("substr(%s, %s + %s, abs(%s))", x->sql, start, count, count);
		else
			sql = psprintf("substr(%s, %s, %s)", x->sql, start, count);
	}
	/* an empty blob has no pointer, which substrFunc() takes for NULL */
	if (blob)
		sql = psprintf("(CASE WHEN octet_length(%s) > 0 THEN %s END)", x->sql, sql);
	return sfm_tr_derived(cx, expr->offset, blob ? REP_BLOB : REP_TEXT, x, ARG(1), sql);
}

static Term *
fn_typeof(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	const char *type = NULL;
	char	   *value;

	if (arg->rep == REP_JSON)
	{
		sfm_tr_fail(cx, expr->offset, "typeof() of a JSON value (json_type() tells what it is)");
		return arg;
	}
	switch (arg->rep)
	{
		case REP_NULL:
			return sfm_tr_text_literal(cx, expr->offset, "null");
		case REP_BOOL:
		case REP_INT:
			type = "integer";
			break;
		case REP_REAL:
			type = "real";
			break;
		case REP_TEXT:
			type = "text";
			break;
		case REP_BLOB:
			type = "blob";
			break;
		case REP_OTHER:
			for (int cls = SFM_INTEGER; cls <= SFM_BLOB; cls++)
				if (arg->classes == SFM_CLASS_BIT(cls))
					type = sfm_class_name(cls);
			break;
		default:
			break;
	}
	value = sfm_tr_output(cx, expr->offset, arg)->sql;
	if (arg->rep == REP_NUMBER)
		return text_result(cx, expr, args, psprintf("(CASE WHEN %s IS NULL THEN 'null' WHEN %s THEN 'integer' ELSE 'real' END)",
													value, arg->is_int));
	if (type == NULL)
	{
		sfm_tr_fail(cx, expr->offset, "typeof() of a column whose values are of several storage classes");
		return sfm_tr_null();
	}
	if (arg->literal)
		return sfm_tr_text_literal(cx, expr->offset, type);
	return text_result(cx, expr, args, psprintf("(CASE WHEN %s IS NULL THEN 'null' ELSE '%s' END)",
												value, type));
}

static Term *
fn_unicode(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *text = sfm_tr_text(cx, expr->offset, ARG(0), "unicode()");

	if (GetDatabaseEncoding() != PG_UTF8)
		sfm_tr_fail(cx, expr->offset, "unicode() in a database that is not encoded in UTF8");
	return sfm_tr_derived(cx, expr->offset, REP_INT, text, NULL,
						  psprintf("nullif(ascii(%s), 0)::bigint", text->sql));
}

static Term *
fn_zeroblob(Cx *cx, const SfmExpr *expr, List *args)
{
	int64		n;

	if (!sfm_tr_integer_of(ARG(0), &n) || n > 100000000)
	{
		sfm_tr_fail(cx, expr->offset, "zeroblob() of no literal");
		return sfm_tr_null();
	}
	return sfm_tr_derived(cx, expr->offset, REP_BLOB, ARG(0), NULL,
						  psprintf("decode(repeat('00', %d), 'hex')", (int) Max(n, 0)));
}

/* ceil(), floor(), trunc(): integers stay as they are */
static Term *
fn_whole(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	const char *name = pg_strncasecmp(expr->text, "ceil", 4) == 0 ? "ceil" :
		pg_strcasecmp(expr->text, "floor") == 0 ? "floor" : "trunc";
	Term	   *result;

	if (arg->rep == REP_NULL || arg->rep == REP_INT)
		return arg;
	if (arg->rep == REP_BOOL)
		return sfm_tr_cast_integer(cx, expr->offset, arg);
	if (arg->rep == REP_NUMBER)
		return sfm_tr_number(cx, expr->offset, arg, NULL, arg->is_int, arg->int_sql,
							 psprintf("%s(%s)", name, arg->real_sql));
	if (arg->rep != REP_REAL)
		sfm_tr_fail(cx, expr->offset, "%s() of what is no number", name);
	result = sfm_tr_derived(cx, expr->offset, REP_REAL, arg, NULL,
							psprintf("%s(%s)", name, sfm_tr_real(cx, arg)));
	result->may_nan = arg->may_nan;
	return result;
}

static Term *
fn_sqrt(Cx *cx, const SfmExpr *expr, List *args)
{
	Term	   *arg = ARG(0);
	char	   *r = sfm_tr_real(cx, arg);

	if (arg->rep == REP_NULL)
		return arg;
	if (!sfm_tr_is_number(arg))
		sfm_tr_fail(cx, expr->offset, "sqrt() of what is no number");
	arg = sfm_tr_derived(cx, expr->offset, REP_REAL, arg, NULL,
						 psprintf("(CASE WHEN %s >= 0 THEN sqrt(%s) END)", r, r));
	arg->may_nan = true;
	return arg;
}

typedef struct Function
{
	const char *name;
	int			min_args;
	int			max_args;		/* -1: any number */
	Handler		handler;
} Function;

/* The closed list.  Aggregates and windows: aggregate.c. */
static const Function functions[] = {
	{"abs", 1, 1, fn_abs},
	{"ceil", 1, 1, fn_whole},
	{"ceiling", 1, 1, fn_whole},
	{"char", 0, -1, fn_char},
	{"coalesce", 2, -1, fn_coalesce},
	{"date", 0, -1, sfm_tr_date_function},
	{"datetime", 0, -1, sfm_tr_date_function},
	{"floor", 1, 1, fn_whole},
	{"format", 1, -1, sfm_tr_printf},
	{"glob", 2, 2, fn_like},
	{"hex", 1, 1, fn_hex},
	{"ifnull", 2, 2, fn_coalesce},
	{"iif", 3, 3, fn_iif},
	{"instr", 2, 2, fn_instr},
	{"json_array", 0, -1, sfm_tr_json_made},
	{"json_array_length", 1, 2, sfm_tr_json_function},
	{"json_extract", 2, 2, sfm_tr_json_function},
	{"json_object", 0, -1, sfm_tr_json_made},
	{"json_quote", 1, 1, sfm_tr_json_made},
	{"json_type", 1, 2, sfm_tr_json_function},
	{"json_valid", 1, 1, sfm_tr_json_function},
	{"julianday", 0, -1, sfm_tr_date_function},
	{"length", 1, 1, fn_length},
	{"like", 2, 3, fn_like},
	{"likelihood", 2, 2, fn_hint},
	{"likely", 1, 1, fn_hint},
	{"lower", 1, 1, fn_case},
	{"ltrim", 1, 2, fn_trim},
	{"max", 2, -1, fn_extreme},
	{"min", 2, -1, fn_extreme},
	{"nullif", 2, 2, fn_nullif},
	{"printf", 1, -1, sfm_tr_printf},
	{"quote", 1, 1, fn_quote},
	{"random", 0, 0, fn_random},
	{"randomblob", 1, 1, fn_randomblob},
	{"replace", 3, 3, fn_replace},
	{"round", 1, 2, sfm_tr_round},
	{"rtrim", 1, 2, fn_trim},
	{"sign", 1, 1, fn_sign},
	{"sqrt", 1, 1, fn_sqrt},
	{"strftime", 1, -1, sfm_tr_date_function},
	{"substr", 2, 3, fn_substr},
	{"substring", 2, 3, fn_substr},
	{"time", 0, -1, sfm_tr_date_function},
	{"trim", 1, 2, fn_trim},
	{"trunc", 1, 1, fn_whole},
	{"typeof", 1, 1, fn_typeof},
	{"unicode", 1, 1, fn_unicode},
	{"unixepoch", 0, -1, sfm_tr_date_function},
	{"unlikely", 1, 1, fn_hint},
	{"upper", 1, 1, fn_case},
	{"zeroblob", 1, 1, fn_zeroblob}
};

static const Function *
find_function(const char *name, int nargs)
{
	for (int i = 0; i < lengthof(functions); i++)
		if (sfm_names_equal(functions[i].name, name) && nargs >= functions[i].min_args &&
			(functions[i].max_args < 0 || nargs <= functions[i].max_args))
			return &functions[i];
	return NULL;
}

/* A call of a function, an aggregate or a window function. */
Term *
sfm_tr_function(Cx *cx, const SfmExpr *expr)
{
	const SfmCall *call = expr->u.call;
	const Function *function;
	List	   *args = NIL;

	if (sfm_tr_is_aggregate(expr))
		return sfm_tr_aggregate(cx, expr);
	for (const SfmExpr *arg = call->args; arg; arg = arg->next)
		args = lappend(args, sfm_tr_expr(cx, arg));
	function = find_function(expr->text, list_length(args));
	if (function == NULL || call->star || call->distinct || call->order_by || call->filter || call->over)
	{
		sfm_tr_fail(cx, expr->offset, "function %s()%s", expr->text,
					function ? " with a clause that is not its own" : "");
		return sfm_tr_null();
	}
	if (cx->failed)
		return sfm_tr_null();
	return function->handler(cx, expr, args);
}
