/*
 * translate_fuzz.c
 *		A libFuzzer target for the translator, over what the parser makes of any bytes.
 *
 * Whatever the text: no crash, no memory that grows without bound.  And what comes out is
 * one expression or SELECT, as far as the lexer can tell: quotes and parentheses are
 * closed, no comment and no semicolon stands outside of quotes, so that nothing of the
 * file's text can have become SQL of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"

#include "sfm_parse.h"
#include "sfm_translate.h"
#include "memory.h"
#include "translate_shim.h"

#define ALL_TEXT SFM_CLASS_BIT(SFM_TEXT)
#define NUMBERS (SFM_CLASS_BIT(SFM_INTEGER) | SFM_CLASS_BIT(SFM_REAL))

static SfmDateForm iso_date = {"YYYY-MM-DD", true, false};
static SfmDateForm iso_time = {"YYYY-MM-DD HH24:MI:SS", true, false};
static SfmDateForm numbers = {NULL, false, true};

/* One column of each kind that the translator tells apart. */
static SfmTranslateColumn columns[] = {
	{"id", "id", false, {INT8OID, -1, SFM_KIND_INT8}, 'I', "BINARY", SFM_CLASS_BIT(SFM_INTEGER)},
	{"s", "s", false, {INT2OID, -1, SFM_KIND_INT2}, 'I', "BINARY", SFM_CLASS_BIT(SFM_INTEGER)},
	{"f", "f", false, {BOOLOID, -1, SFM_KIND_BOOL}, 'N', "BINARY", SFM_CLASS_BIT(SFM_INTEGER)},
	{"r", "r", false, {FLOAT8OID, -1, SFM_KIND_FLOAT8}, 'R', "BINARY", SFM_CLASS_BIT(SFM_REAL)},
	{"n", "n", false, {NUMERICOID, -1, SFM_KIND_NUMERIC}, 'N', "BINARY", NUMBERS},
	{"t", "t", false, {TEXTOID, -1, SFM_KIND_TEXT}, 'T', "BINARY", ALL_TEXT},
	{"c", "\"c\"", false, {TEXTOID, -1, SFM_KIND_TEXT}, 'T', "NOCASE", ALL_TEXT},
	{"v", "v", false, {VARCHAROID, 14, SFM_KIND_VARCHAR}, 'T', "RTRIM", ALL_TEXT},
	{"x", "x", false, {BYTEAOID, -1, SFM_KIND_BYTEA}, 'B', "BINARY", SFM_CLASS_BIT(SFM_BLOB)},
	{"d", "d", false, {DATEOID, -1, SFM_KIND_DATE}, 'N', "BINARY", ALL_TEXT, .form = &iso_date},
	{"ts", "ts", false, {TIMESTAMPOID, -1, SFM_KIND_TIMESTAMP}, 'N', "BINARY", ALL_TEXT, .form = &iso_time},
	{"es", "es", false, {TIMESTAMPTZOID, -1, SFM_KIND_TIMESTAMPTZ, SFM_READING_UNIX}, 'N', "BINARY",
		SFM_CLASS_BIT(SFM_INTEGER), .form = &numbers},
	{"j", "j", false, {JSONBOID, -1, SFM_KIND_JSONB}, 'N', "BINARY", ALL_TEXT},
	{"u", "u", false, {UUIDOID, -1, SFM_KIND_UUID}, 'N', "BINARY", ALL_TEXT},
	{"g", "(id * 2)", true, {INT8OID, -1, SFM_KIND_INT8}, 'I', "BINARY", SFM_CLASS_BIT(SFM_INTEGER)},
	{"gone", "gone", false, {INT8OID, -1, SFM_KIND_INT8}, 'I', "BINARY", SFM_CLASS_BIT(SFM_INTEGER),
		.unavailable = "a column that may not be named"}
};

static SfmTranslateRelation table = {"t", "public.t", lengthof(columns), columns, 0};

static const SfmTranslateRelation *
find_relation(void *arg, const char *name, const char **why)
{
	*why = "does not exist";
	return pg_strcasecmp(name, "t") == 0 || pg_strcasecmp(name, "inputs") == 0 ? &table : NULL;
}

static unsigned
find_kinds(void *arg, const SfmTranslateColumn *column, const char *path)
{
	return strlen(path) % 5;
}

static const SfmTranslateSource source = {find_relation, NULL, find_kinds, NULL};

static void
give_up(const char *why, const char *sql)
{
	fprintf(stderr, "%s: %s\n", why, sql);
	abort();
}

/* The end of a quoted piece; NULL when it is not closed. */
static const char *
skip_quoted(const char *p, bool escapes)
{
	char		quote = *p++;

	for (; *p; p++)
	{
		if (escapes && *p == '\\' && p[1])
			p++;
		else if (*p == quote && p[1] == quote)
			p++;
		else if (*p == quote)
			return p;
	}
	return NULL;
}

static void
check_sql(const char *sql)
{
	int			depth = 0;

	for (const char *p = sql; *p; p++)
	{
		if (*p == '\'' || *p == '"')
		{
			p = skip_quoted(p, *p == '\'' && p > sql && p[-1] == 'E');
			if (p == NULL)
				give_up("a quote is not closed", sql);
		}
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth < 0)
			give_up("a parenthesis closes too much", sql);
		else if (*p == ';' || *p == '$' || (*p == '-' && p[1] == '-') || (*p == '/' && p[1] == '*'))
			give_up("text of the file stands outside of quotes", sql);
		else if ((unsigned char) *p < ' ')
			give_up("a control character stands outside of quotes", sql);
	}
	if (depth != 0)
		give_up("a parenthesis is not closed", sql);
}

static void
check_result(bool good, const SfmTranslated *result, const SfmTranslateError *error)
{
	if (good && result->sql == NULL)
		give_up("no SQL", "");
	if (good)
		check_sql(result->sql);
	else if (error->message == NULL || error->message[0] == '\0')
		give_up("no reason", "");
}

static void
fuzz_expression(const char *sql)
{
	SfmParseError parse_error;
	SfmTranslateError error;
	SfmTranslated result = {0};
	SfmExpr    *expr = sfm_parse_expression(sql, &parse_error);

	if (expr == NULL)
		return;
	check_result(sfm_translate_condition(&source, &table, expr, false, &result, &error), &result, &error);
	check_result(sfm_translate_condition(&source, &table, expr, true, &result, &error), &result, &error);
	check_result(sfm_translate_index_term(&source, &table, expr, NULL, false, &result, &error), &result,
				 &error);
	for (int i = 0; i < lengthof(columns); i++)
		check_result(sfm_translate_value(&source, i % 2 ? &table : NULL, expr, &columns[i].type,
										 columns[i].affinity, false, &result, &error), &result, &error);
}

static void
fuzz_view(const char *sql)
{
	SfmParseError parse_error;
	SfmTranslateError error = {0};
	StringInfoData text;
	SfmCreateView *view;
	SfmTranslateColumn *result;
	SfmTranslated translated = {0};
	int			n;

	/* a bare SELECT is a view as well */
	initStringInfo(&text);
	appendStringInfo(&text, "%s%s", pg_strncasecmp(sql, "CREATE", 6) == 0 ? "" : "CREATE VIEW w AS ", sql);
	view = sfm_parse_create_view(text.data, &parse_error);
	if (view == NULL)
		return;
	translated.sql = sfm_translate_view(&source, view, text.data, &n, &result, &error);
	check_result(translated.sql != NULL, &translated, &error);
}

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	shim_stack_base();
	shim_dialect = size % SHIM_DIALECTS;
	if (setjmp(shim_error) == 0)
	{
		char	   *sql = pnstrdup((const char *) data, size);

		fuzz_expression(sql);
		fuzz_view(sql);
	}
	free_all();
	return 0;
}
