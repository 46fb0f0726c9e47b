/*
 * term.c
 *		Makes terms: from columns, from literals, from other terms.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "translate_internal.h"

/* Notes the first construct that cannot be translated. */
void
sfm_tr_fail(Cx *cx, int offset, const char *fmt,...)
{
	StringInfoData buf;

	if (cx->failed)
		return;
	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&buf, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	cx->failed = true;
	cx->error.message = buf.data;
	cx->error.offset = offset;
}

/* A term of which nothing else is known. */
Term *
sfm_tr_term(Rep rep, char *sql)
{
	Term	   *term = palloc0(sizeof(Term));

	term->rep = rep;
	term->sql = sql;
	term->volatility = 'i';
	return term;
}

Term *
sfm_tr_null(void)
{
	return sfm_tr_term(REP_NULL, pstrdup("NULL"));
}

/* The more volatile of the two. */
char
sfm_tr_worse(char a, char b)
{
	return a == 'v' || b == 'v' ? 'v' : a == 's' || b == 's' ? 's' : 'i';
}

/* A term made from one or two others; refuses text that grows without bound. */
Term *
sfm_tr_derived(Cx *cx, int offset, Rep rep, const Term *a, const Term *b, char *sql)
{
	Term	   *term = sfm_tr_term(rep, sql);

	term->volatility = sfm_tr_worse(a->volatility, b ? b->volatility : 'i');
	if (sql && strlen(sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
	return term;
}

/* A bigint literal, which stands by itself. */
Term *
sfm_tr_int_literal(int64 value)
{
	SfmExpr    *literal = palloc0(sizeof(SfmExpr));
	Term	   *term;

	literal->kind = SFM_EXPR_INTEGER;
	literal->u.integer = value;
	if (value >= 0 && value <= PG_INT32_MAX)
		term = sfm_tr_term(REP_INT, psprintf(INT64_FORMAT "::bigint", value));
	else
		term = sfm_tr_term(REP_INT, psprintf("'" INT64_FORMAT "'::bigint", value));
	term->literal = literal;
	term->small = value > -(INT64CONST(1) << 31) && value < (INT64CONST(1) << 31);
	return term;
}

Term *
sfm_tr_real_literal(double value)
{
	char		buf[DOUBLE_SHORTEST_DECIMAL_LEN];
	SfmExpr    *literal = palloc0(sizeof(SfmExpr));
	Term	   *term;

	literal->kind = SFM_EXPR_REAL;
	double_to_shortest_decimal_buf(value, buf);
	literal->text = pstrdup(buf);
	term = sfm_tr_term(REP_REAL, psprintf("'%s'::double precision", literal->text));
	term->literal = literal;
	return term;
}

/* Text of the file in the server's encoding. */
char *
sfm_tr_server_text(Cx *cx, int offset, const char *utf8)
{
	int			len = strlen(utf8);
	int			encoding = GetDatabaseEncoding();
	bool		ascii = true;

	for (int i = 0; i < len && ascii; i++)
		ascii = !IS_HIGHBIT_SET(utf8[i]);
	if (ascii)
		return pstrdup(utf8);
	if (encoding != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, utf8, len, true))
	{
		sfm_tr_fail(cx, offset, encoding == PG_UTF8 ? "text that is no valid UTF-8" :
					"text beyond ASCII in a database that is not encoded in UTF8");
		return pstrdup("");
	}
	return pstrdup(utf8);
}

Term *
sfm_tr_text_literal(Cx *cx, int offset, const char *utf8)
{
	SfmExpr    *literal = palloc0(sizeof(SfmExpr));
	char	   *text = sfm_tr_server_text(cx, offset, utf8);
	Term	   *term = sfm_tr_term(REP_TEXT, psprintf("%s::text", quote_literal_cstr(text)));

	literal->kind = SFM_EXPR_STRING;
	literal->text = text;
	term->literal = literal;
	return term;
}

/* The text of a string literal, or NULL. */
const char *
sfm_tr_string_of(const Term *term)
{
	return term->literal && term->literal->kind == SFM_EXPR_STRING ? term->literal->text : NULL;
}

/* The value of an integer literal. */
bool
sfm_tr_integer_of(const Term *term, int64 *value)
{
	if (term->literal == NULL || term->literal->kind != SFM_EXPR_INTEGER)
		return false;
	*value = term->literal->u.integer;
	return true;
}

static bool
only_classes(unsigned classes, unsigned allowed)
{
	return (classes & ~allowed) == 0;
}

/*
 * A number that is INTEGER where it is whole, as columns of INTEGER and NUMERIC
 * affinity hold them: SQLite stores 1.0 as 1 there (sqlite3VdbeIntegerAffinity()).
 */
static void
number_by_value(Term *term, bool is_float)
{
	const char *c = term->sql;

	term->rep = REP_NUMBER;
	if (is_float)
		term->is_int = psprintf("(%s = trunc(%s) AND abs(%s) < 9223372036854775807::double precision)",
								c, c, c);
	else
		term->is_int = psprintf("(%s %% 1 = 0 AND abs(%s) < 9223372036854775807)", c, c);
	term->int_sql = psprintf("(%s)::bigint", c);
	term->real_sql = is_float ? pstrdup(c) : psprintf("(%s)::double precision", c);
}

/*
 * A column of integers that is read as seconds or milliseconds since 1970: the number
 * comes back from the instant, exactly.
 */
static void
epoch_column(const SfmTranslateColumn *column, Term *term)
{
	if (column->classes != SFM_CLASS_BIT(SFM_INTEGER) ||
		(column->type.kind != SFM_KIND_TIMESTAMP && column->type.kind != SFM_KIND_TIMESTAMPTZ) ||
		(column->type.reading != SFM_READING_UNIX && column->type.reading != SFM_READING_UNIX_MS))
		return;
	term->instant = column->type.kind == SFM_KIND_TIMESTAMP ? term->sql :
		psprintf("(%s AT TIME ZONE 'UTC')", term->sql);
	term->epoch = psprintf("(extract(epoch FROM %s) * %d)::bigint", term->instant,
						   column->type.reading == SFM_READING_UNIX ? 1 : 1000);
}

static void
date_column(Cx *cx, const SfmTranslateColumn *column, Term *term)
{
	const SfmDateForm *form = column->form;

	if (form == NULL && cx->source->date_form)
		form = cx->source->date_form(cx->source->arg, column);
	if (form == NULL)
		return;
	if (form->numbers)
	{
		epoch_column(column, term);
		return;
	}
	term->pattern = form->pattern;
	term->readable = form->readable;
	if (column->type.kind == SFM_KIND_TIME)
		term->instant = psprintf("(%s + '2000-01-01'::date)", term->sql);
	else if (column->type.kind == SFM_KIND_DATE)
		term->instant = psprintf("%s::timestamp", term->sql);
	else if (column->type.kind == SFM_KIND_TIMESTAMPTZ)
		term->instant = psprintf("(%s AT TIME ZONE 'UTC')", term->sql);
	else
		term->instant = term->sql;
}

/* Which SQLite class the values of a column have, and so what may be done with it. */
static void
classify(Cx *cx, const SfmTranslateColumn *column, Term *term)
{
	unsigned	integers = SFM_CLASS_BIT(SFM_INTEGER);
	unsigned	reals = SFM_CLASS_BIT(SFM_REAL);
	unsigned	numbers = integers | reals;
	bool		numeric = column->affinity == 'I' || column->affinity == 'N' || column->by_value;

	switch (column->type.kind)
	{
		case SFM_KIND_BOOL:
			if (only_classes(column->classes, integers))
				term->rep = REP_BOOL;
			break;
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
			if (only_classes(column->classes, integers))
				term->rep = REP_INT;
			term->small = column->type.kind != SFM_KIND_INT8;
			break;
		case SFM_KIND_FLOAT8:
			if (only_classes(column->classes, reals))
				term->rep = REP_REAL;
			else if (numeric && only_classes(column->classes, numbers))
				number_by_value(term, true);
			term->may_nan = true;
			break;
		case SFM_KIND_NUMERIC:
			if (column->affinity == 'R' && only_classes(column->classes, reals))
			{
				term->rep = REP_REAL;
				term->real_sql = psprintf("(%s)::double precision", term->sql);
			}
			else if (numeric && only_classes(column->classes, numbers))
				number_by_value(term, false);
			term->may_nan = true;
			break;
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
		case SFM_KIND_BPCHAR:
			if (only_classes(column->classes, SFM_CLASS_BIT(SFM_TEXT)))
				term->rep = REP_TEXT;
			break;
		case SFM_KIND_BYTEA:
			if (only_classes(column->classes, SFM_CLASS_BIT(SFM_BLOB)))
				term->rep = REP_BLOB;
			break;
		case SFM_KIND_DATE:
		case SFM_KIND_TIME:
		case SFM_KIND_TIMESTAMP:
		case SFM_KIND_TIMESTAMPTZ:
			date_column(cx, column, term);
			break;
		default:
			break;
	}
}

/* A column; alias is what its relation is called, or NULL. */
Term *
sfm_tr_column(Cx *cx, const SfmTranslateColumn *column, const char *alias)
{
	Term	   *term = sfm_tr_term(REP_OTHER, alias && !column->is_expression ?
								   psprintf("%s.%s", alias, column->sql) : pstrdup(column->sql));

	term->type = column->type;
	term->has_type = true;
	term->affinity = column->affinity;
	term->collation = column->collation;
	term->spelled = column->spelled;
	term->unavailable = column->unavailable;
	term->classes = column->classes;
	classify(cx, column, term);
	term->json_column = column;
	if (term->rep == REP_TEXT && column->type.kind == SFM_KIND_BPCHAR)
		term->sql = psprintf("%s::text", term->sql);
	return term;
}

static SfmType
type_of_rep(const Term *term)
{
	SfmType		type = {0};

	type.typmod = -1;
	switch (term->rep)
	{
		case REP_BOOL:
			type.typid = BOOLOID;
			type.kind = SFM_KIND_BOOL;
			break;
		case REP_INT:
			type.typid = INT8OID;
			type.kind = SFM_KIND_INT8;
			break;
		case REP_REAL:
			type.typid = FLOAT8OID;
			type.kind = SFM_KIND_FLOAT8;
			break;
		case REP_NUMBER:
			type.typid = NUMERICOID;
			type.kind = SFM_KIND_NUMERIC;
			break;
		case REP_BLOB:
			type.typid = BYTEAOID;
			type.kind = SFM_KIND_BYTEA;
			break;
		default:
			type.typid = TEXTOID;
			type.kind = SFM_KIND_TEXT;
			break;
	}
	return type;
}

/*
 * How a result column looks to the SELECT around it.  name and sql are the caller's
 * to set.
 */
void
sfm_tr_result_column(const Term *term, SfmTranslateColumn *column)
{
	column->type = term->has_type ? term->type : type_of_rep(term);
	column->affinity = term->affinity;
	column->collation = term->collation ? term->collation : "BINARY";
	column->spelled = term->spelled;
	column->by_value = term->rep == REP_NUMBER;
	switch (term->rep)
	{
		case REP_BOOL:
		case REP_INT:
			column->classes = SFM_CLASS_BIT(SFM_INTEGER);
			break;
		case REP_REAL:
			column->classes = SFM_CLASS_BIT(SFM_REAL);
			break;
		case REP_NUMBER:
			column->classes = SFM_CLASS_BIT(SFM_INTEGER) | SFM_CLASS_BIT(SFM_REAL);
			break;
		case REP_NULL:
		case REP_TEXT:
			column->classes = SFM_CLASS_BIT(SFM_TEXT);
			break;
		case REP_BLOB:
			column->classes = SFM_CLASS_BIT(SFM_BLOB);
			break;
		case REP_OTHER:
		case REP_JSON:
			column->classes = term->classes;
			break;
	}
	if (term->rep == REP_OTHER || term->pattern)
	{
		SfmDateForm *form = palloc0(sizeof(SfmDateForm));

		form->pattern = term->pattern;
		form->readable = term->readable;
		form->numbers = term->rep == REP_OTHER && (term->instant == NULL || term->epoch);
		column->form = form;
	}
}
