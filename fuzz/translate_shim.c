/*
 * translate_shim.c
 *		The few functions of the server that src/translate calls, for a program without one.
 *
 * Memory is memory.c's.  An error of the server, of which the translator raises none but
 * for the depth of the stack, is a jump.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "sfm_sqlite.h"
#include "sfm_value.h"
#include "translate_shim.h"

#define MAX_STACK (2 * 1024 * 1024)

jmp_buf		shim_error;
volatile sig_atomic_t InterruptPending = false;

static char *stack_base;

void
shim_stack_base(void)
{
	char		here;

	stack_base = &here;
}

bool
stack_is_too_deep(void)
{
	char		here;

	return labs(stack_base - &here) > MAX_STACK;
}

void
check_stack_depth(void)
{
	if (stack_is_too_deep())
		longjmp(shim_error, 1);
}

void
ProcessInterrupts(void)
{
}

/* Lists of pointers, as the translator has them: an array that grows. */
static List *
make_list(int length)
{
	List	   *list = palloc0(sizeof(List));

	list->type = T_List;
	list->length = length;
	list->max_length = Max(length, 4);
	list->elements = palloc0(sizeof(ListCell) * list->max_length);
	return list;
}

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
		list = make_list(0);
	if (list->length == list->max_length)
		list->elements = repalloc(list->elements, sizeof(ListCell) * (list->max_length *= 2));
	list->elements[list->length++].ptr_value = datum;
	return list;
}

List *
list_make1_impl(NodeTag t, ListCell datum1)
{
	return lappend(NIL, datum1.ptr_value);
}

List *
list_make2_impl(NodeTag t, ListCell datum1, ListCell datum2)
{
	return lappend(lappend(NIL, datum1.ptr_value), datum2.ptr_value);
}

List *
lcons(void *datum, List *list)
{
	List	   *result = lappend(NIL, datum);

	for (int i = 0; list && i < list->length; i++)
		result = lappend(result, list->elements[i].ptr_value);
	return result;
}

List *
list_concat(List *list1, const List *list2)
{
	for (int i = 0; list2 && i < list2->length; i++)
		list1 = lappend(list1, list2->elements[i].ptr_value);
	return list1;
}

List *
list_copy(const List *list)
{
	return list_concat(NIL, list);
}

List *
list_delete_first(List *list)
{
	if (list == NIL || list->length == 1)
		return NIL;
	memmove(list->elements, list->elements + 1, sizeof(ListCell) * --list->length);
	return list;
}

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

bool
pg_verify_mbstr(int encoding, const char *mbstr, int len, bool noError)
{
	return pg_encoding_verifymbstr(encoding, mbstr, len) == len;
}

int
pg_mbcliplen(const char *mbstr, int len, int limit)
{
	int			clipped = 0;

	while (clipped < len)
	{
		int			next = pg_encoding_mblen(PG_UTF8, mbstr + clipped);

		if (clipped + next > limit)
			break;
		clipped += next;
	}
	return Min(clipped, len);
}

char *
asc_tolower(const char *buff, size_t nbytes)
{
	char	   *result = pnstrdup(buff, nbytes);

	for (char *p = result; *p; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	return result;
}

static char *
quoted(const char *text, char quote, bool escape)
{
	char	   *result = palloc(strlen(text) * 2 + 4);
	char	   *out = result;

	if (escape)
		*out++ = 'E';
	*out++ = quote;
	for (; *text; text++)
	{
		if (*text == quote || (escape && *text == '\\'))
			*out++ = *text;
		*out++ = *text;
	}
	*out++ = quote;
	*out = '\0';
	return result;
}

char *
quote_literal_cstr(const char *rawstr)
{
	return quoted(rawstr, '\'', strchr(rawstr, '\\') != NULL);
}

const char *
quote_identifier(const char *ident)
{
	return quoted(ident, '"', false);
}

/* types.c needs the catalogs; a name does here. */
char *
sfm_type_name(const SfmType *type)
{
	return psprintf("type%u", type->typid);
}

int			shim_dialect = 0;

const SfmSqliteDialect *
sfm_sqlite_dialect(void)
{
	static const SfmSqliteDialect dialects[SHIM_DIALECTS] = {
		{15, SFM_ROUND_NEAR_HALVES, false, false, false},
		{15, SFM_ROUND_CUT_DIGITS, false, true, true},
		{17, SFM_ROUND_18_DIGITS, true, true, true}
	};

	return &dialects[shim_dialect];
}
