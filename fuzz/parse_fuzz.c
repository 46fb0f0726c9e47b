/*
 * parse_fuzz.c
 *		A libFuzzer target for the SQL parser.
 *
 * Whatever the bytes: no crash, no leak of the stack, time in proportion.  And
 * what parses, prints (print.c) as SQL that parses again to the same print.
 */
#include "postgres_fe.h"

#include "memory.h"
#include "print.h"

/* Ends the process, for libFuzzer to keep the input, unless both texts are equal. */
static void
require_equal(const char *first, const char *second)
{
	if (second == NULL || strcmp(first, second) != 0)
	{
		fprintf(stderr, "printed: %s\nagain:   %s\n", first, second != NULL ? second : "no parse");
		abort();
	}
}

static char *
expr_text(const SfmExpr *expr)
{
	StringInfoData out;

	if (expr == NULL)
		return NULL;
	initStringInfo(&out);
	print_expr(&out, expr);
	return out.data;
}

/* What is printed may be deeper than what was read: parentheses nest. */
static bool
is_deep(const char *text)
{
	int			depth = 0;
	int			deepest = 0;

	for (; *text != '\0'; text++)
	{
		depth += *text == '(' ? 1 : *text == ')' ? -1 : 0;
		deepest = Max(deepest, depth);
	}
	return deepest > 300;
}

static void
fuzz_expression(const char *sql)
{
	SfmParseError error;
	char	   *first = expr_text(sfm_parse_expression(sql, &error));

	if (first != NULL && !is_deep(first))
		require_equal(first, expr_text(sfm_parse_expression(first, &error)));
}

static char *
view_text(const char *sql)
{
	SfmParseError error;
	SfmCreateView *view = sfm_parse_create_view(sql, &error);
	StringInfoData out;

	if (view == NULL)
		return NULL;
	initStringInfo(&out);
	appendStringInfoString(&out, "CREATE VIEW x AS ");
	print_select(&out, view->select);
	return out.data;
}

static void
fuzz_view(const char *sql)
{
	char	   *first = view_text(sql);

	if (first != NULL && !is_deep(first))
		require_equal(first, view_text(first));
}

static void
fuzz_table(const char *sql)
{
	SfmParseError error;
	SfmCreateTable *table = sfm_parse_create_table(sql, &error);

	if (table == NULL)
		return;
	for (SfmColumnDef *column = table->columns; column != NULL; column = column->next)
		for (SfmConstraint *c = column->constraints; c != NULL; c = c->next)
			(void) expr_text(c->expr);
	for (SfmConstraint *c = table->constraints; c != NULL; c = c->next)
		(void) expr_text(c->expr);
}

static void
fuzz_index(const char *sql)
{
	SfmParseError error;
	SfmCreateIndex *index = sfm_parse_create_index(sql, &error);

	if (index == NULL)
		return;
	for (SfmIndexedColumn *column = index->columns; column != NULL; column = column->next)
		(void) expr_text(column->expr);
	(void) expr_text(index->where);
}

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *sql = pnstrdup((const char *) data, size);

	fuzz_expression(sql);
	fuzz_table(sql);
	fuzz_index(sql);
	fuzz_view(sql);
	(void) sfm_parse_virtual_module(sql);
	free_all();
	return 0;
}
