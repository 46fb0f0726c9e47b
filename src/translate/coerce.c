/*
 * coerce.c
 *		A term as something else: a condition, a number, text, a value of a type.
 *
 * Where SQLite would change a value on the way (a number to text, text to a number),
 * the change is written out; where its outcome depends on what only SQLite knows
 * (how a REAL prints), the translation fails.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "translate_internal.h"

bool
sfm_tr_is_number(const Term *term)
{
	return term->rep == REP_BOOL || term->rep == REP_INT || term->rep == REP_REAL ||
		term->rep == REP_NUMBER;
}

/* The number that a date column holds in SQLite; only where term->epoch is set. */
Term *
sfm_tr_epoch_number(const Term *term)
{
	Term	   *number = sfm_tr_term(REP_INT, psprintf("(%s)", term->epoch));

	number->affinity = term->affinity;
	number->volatility = term->volatility;
	return number;
}

/* What a term of another type is, for messages. */
static const char *
nature(const Term *term)
{
	if (term->rep == REP_BLOB)
		return "a blob";
	if (term->rep == REP_REAL)
		return "a REAL";
	if (term->rep == REP_NUMBER)
		return "a number that may be REAL";
	if (term->rep == REP_JSON)
		return "a JSON value";
	if (term->rep == REP_OTHER && term->has_type)
		return psprintf("a column of type %s", sfm_type_name(&term->type));
	return "such a value";
}

/* A number by its parts: is_int says which of the two it is. */
Term *
sfm_tr_number(Cx *cx, int offset, const Term *a, const Term *b, char *is_int, char *int_sql,
			  char *real_sql)
{
	Term	   *term = sfm_tr_derived(cx, offset, REP_NUMBER, a, b, NULL);

	term->is_int = is_int;
	term->int_sql = int_sql;
	term->real_sql = real_sql;
	term->may_nan = true;
	if (strlen(is_int) + strlen(int_sql) + strlen(real_sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
	return term;
}

/* An integer or boolean as bigint. */
char *
sfm_tr_int(Cx *cx, int offset, const Term *term)
{
	if (term->rep == REP_BOOL)
		return psprintf("(%s)::integer::bigint", term->sql);
	if (term->rep == REP_INT)
		return term->has_type && term->type.kind != SFM_KIND_INT8 ?
			psprintf("%s::bigint", term->sql) : term->sql;
	if (term->rep != REP_NULL)
		sfm_tr_fail(cx, offset, "an integer is needed where %s stands", nature(term));
	return pstrdup("NULL::bigint");
}

/* SQL in parentheses, for a cast behind it; names and what has some stay as they are. */
static char *
in_parentheses(char *sql)
{
	if (sql[0] == '(' || strpbrk(sql, " ()':") == NULL)
		return sql;
	return psprintf("(%s)", sql);
}

/* A number as double precision, as SQLite makes a REAL of it. */
char *
sfm_tr_real(Cx *cx, const Term *term)
{
	int64		value;

	switch (term->rep)
	{
		case REP_BOOL:
		case REP_INT:
			if (sfm_tr_integer_of(term, &value) && term->small)
				return psprintf(value < 0 ? "(" INT64_FORMAT ")::double precision" :
								INT64_FORMAT "::double precision", value);
			return psprintf("%s::double precision", in_parentheses(sfm_tr_int(cx, 0, term)));
		case REP_REAL:
			return term->real_sql ? term->real_sql : term->sql;
		case REP_NUMBER:
			if (term->sql && term->has_type)
				return term->real_sql;
			return psprintf("(CASE WHEN %s THEN (%s)::double precision ELSE %s END)",
							term->is_int, term->int_sql, term->real_sql);
		default:
			return pstrdup("NULL::double precision");
	}
}

/* NaN is what PostgreSQL has where SQLite has NULL. */
static char *
without_nan(char *real, const Term *term)
{
	return term->may_nan && term->literal == NULL && !term->has_type ?
		psprintf("nullif(%s, 'NaN'::double precision)", real) : real;
}

/*
 * The truth of a value: numbers but zero are true, text by the number that it begins
 * with.
 */
char *
sfm_tr_condition(Cx *cx, int offset, const Term *term)
{
	int64		value;

	if (term->epoch)
		term = sfm_tr_epoch_number(term);
	if (term->rep == REP_JSON && !term->json_alone)
		term = sfm_tr_json_number(cx, offset, term);
	switch (term->rep)
	{
		case REP_BOOL:
			return term->sql;
		case REP_INT:
			if (sfm_tr_integer_of(term, &value))
				return pstrdup(value ? "true" : "false");
			return psprintf("(%s <> 0)", term->sql);
		case REP_REAL:
		case REP_NUMBER:
			return psprintf("(%s <> 0)", without_nan(sfm_tr_real(cx, term), term));
		case REP_TEXT:
			/* a number that is not zero has a digit that is not, before any exponent */
			return psprintf("(%s COLLATE \"C\" ~ '^" SFM_TR_BLANKS "[+-]?0*([.]0*)?[1-9]')", term->sql);
		case REP_NULL:
			return pstrdup("NULL::boolean");
		default:
			sfm_tr_fail(cx, offset, "%s as a condition", nature(term));
			return pstrdup("NULL::boolean");
	}
}

/* A REAL as SQLite prints it. */
static Term *
real_text(Cx *cx, int offset, const Term *term, const char *r)
{
	Term	   *result = sfm_tr_derived(cx, offset, REP_TEXT, term, NULL, NULL);

	result->sql = sfm_tr_real_text(cx, r, &result->volatility);
	return result;
}

/* A value as text, as || and LIKE take it. */
Term *
sfm_tr_text(Cx *cx, int offset, const Term *term, const char *what)
{
	Term	   *result;
	char	   *sql;

	if (term->epoch)
		term = sfm_tr_epoch_number(term);
	if (term->rep == REP_JSON && !term->json_alone)
		return sfm_tr_json_as_text(cx, offset, term, what);
	switch (term->rep)
	{
		case REP_TEXT:
			result = palloc(sizeof(Term));
			*result = *term;
			return result;
		case REP_NULL:
			return sfm_tr_term(REP_TEXT, pstrdup("NULL::text"));
		case REP_BOOL:
		case REP_INT:
			if (term->literal)
				return sfm_tr_text_literal(cx, offset, psprintf(INT64_FORMAT, term->literal->u.integer));
			sql = psprintf("(%s)::text", sfm_tr_int(cx, offset, term));
			return sfm_tr_derived(cx, offset, REP_TEXT, term, NULL, sql);
		case REP_REAL:
			return real_text(cx, offset, term, without_nan(sfm_tr_real(cx, term), term));
		case REP_NUMBER:
			result = real_text(cx, offset, term, without_nan(term->real_sql, term));
			result->sql = psprintf("(CASE WHEN %s THEN (%s)::text ELSE %s END)", term->is_int,
								   term->int_sql, result->sql);
			return result;
		case REP_OTHER:
			if (term->instant && term->pattern)
			{
				sql = psprintf("to_char(%s, %s)", term->instant, quote_literal_cstr(term->pattern));
				result = sfm_tr_derived(cx, offset, REP_TEXT, term, NULL, sql);
				result->volatility = sfm_tr_worse(term->volatility, 's');
				return result;
			}
			if (term->type.kind == SFM_KIND_UUID && !term->spelled &&
				term->classes == SFM_CLASS_BIT(SFM_TEXT))
				return sfm_tr_derived(cx, offset, REP_TEXT, term, NULL,
									  psprintf("(%s)::text", term->sql));
			break;
		default:
			break;
	}
	sfm_tr_fail(cx, offset, "%s takes the text of %s, which PostgreSQL writes in another way",
				what, nature(term));
	return sfm_tr_null();
}

/*
 * A text literal that is a number as a whole, or begins with one (prefix).  Returns
 * false where that is not decided here.
 */
static bool
literal_number(const char *text, bool prefix, Term **number)
{
	const char *p = text;
	const char *start;
	const char *digits;
	bool		real = false;
	int			n = 0;
	char	   *copy;

	while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		p++;
	start = p;
	if (*p == '+' || *p == '-')
		p++;
	digits = p;
	for (; *p >= '0' && *p <= '9'; p++)
		n++;
	if (*p == '.')
	{
		const char *point = p++;

		for (; *p >= '0' && *p <= '9'; p++)
			n++;
		if (n == 0)
			p = point;
		else
			real = true;
	}
	if (n == 0)
		p = digits;
	else if (*p == 'e' || *p == 'E')
	{
		const char *e = p + 1;

		if (*e == '+' || *e == '-')
			e++;
		if (*e >= '0' && *e <= '9')
		{
			while (*e >= '0' && *e <= '9')
				e++;
			p = e;
			real = true;
		}
	}
	copy = pnstrdup(start, p - start);
	if (!prefix)
	{
		while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
			p++;
		if (n == 0 || *p != '\0')
			return false;
	}
	if (n == 0)
		*number = sfm_tr_int_literal(0);
	else if (!real && n <= 18)
		*number = sfm_tr_int_literal(strtoll(copy, NULL, 10));
	else
		*number = sfm_tr_real_literal(strtod(copy, NULL));
	return true;
}

/*
 * The number that SQLite computes with: of a text the one that it begins with, or 0
 * (sqlite3AtoF(), sqlite3Atoi64()).
 */
Term *
sfm_tr_to_number(Cx *cx, int offset, const Term *term)
{
	Term	   *number;
	char	   *prefix;
	char	   *real;

	if (term->epoch)
		return sfm_tr_epoch_number(term);
	if (term->rep == REP_JSON && !term->json_alone)
		return sfm_tr_json_number(cx, offset, term);
	if (sfm_tr_is_number(term) || term->rep == REP_NULL)
	{
		number = palloc(sizeof(Term));
		*number = *term;
		return number;
	}
	if (term->rep == REP_OTHER && term->pattern && term->instant)
		return sfm_tr_to_number(cx, offset, sfm_tr_text(cx, offset, term, "arithmetic"));
	if (term->rep != REP_TEXT)
	{
		sfm_tr_fail(cx, offset, "arithmetic on %s", nature(term));
		return sfm_tr_null();
	}
	if (sfm_tr_string_of(term) && literal_number(sfm_tr_string_of(term), true, &number))
		return number;
	prefix = psprintf("substring(%s COLLATE \"C\", '^" SFM_TR_BLANKS "([+-]?[0-9]+)(?![0-9]*[.]|[0-9]|[eE][+-]?[0-9])')",
					  term->sql);
	real = psprintf("substring(%s COLLATE \"C\", '^" SFM_TR_BLANKS "([+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?)')",
					term->sql);
	return sfm_tr_number(cx, offset, term, NULL,
						 psprintf("(%s IS NULL OR %s::numeric BETWEEN -9223372036854775808 AND 9223372036854775807)",
								  real, prefix),
						 psprintf("(CASE WHEN %s IS NOT NULL THEN coalesce(%s, '0')::bigint END)",
								  term->sql, prefix),
						 psprintf("%s::double precision", real));
}

/* CAST AS INTEGER: towards zero, clamped to 64 bits. */
Term *
sfm_tr_cast_integer(Cx *cx, int offset, const Term *term)
{
	Term	   *number;
	char	   *sql;
	char	   *real;

	if (term->rep == REP_JSON && !term->json_alone)
		term = sfm_tr_json_text_term(term);
	if (term->rep == REP_TEXT)
	{
		sql = psprintf("(CASE WHEN %s IS NOT NULL THEN least(greatest(coalesce(substring(%s COLLATE \"C\", '^" SFM_TR_BLANKS "([+-]?[0-9]+)')::numeric, 0), -9223372036854775808), 9223372036854775807)::bigint END)",
					   term->sql, term->sql);
		number = sfm_tr_derived(cx, offset, REP_INT, term, NULL, sql);
		return number;
	}
	number = sfm_tr_to_number(cx, offset, term);
	if (number->rep == REP_INT || number->rep == REP_NULL)
		return number;
	if (number->rep == REP_BOOL)
		return sfm_tr_derived(cx, offset, REP_INT, term, NULL, sfm_tr_int(cx, offset, term));
	real = without_nan(number->rep == REP_NUMBER ? number->real_sql : sfm_tr_real(cx, number), number);
	sql = psprintf("(CASE WHEN %s >= 9223372036854775807 THEN 9223372036854775807 WHEN %s <= -9223372036854775808 THEN -9223372036854775808 ELSE trunc(%s)::bigint END)",
				   real, real, real);
	if (number->rep == REP_NUMBER)
		sql = psprintf("(CASE WHEN %s THEN %s ELSE %s END)", number->is_int, number->int_sql, sql);
	return sfm_tr_derived(cx, offset, REP_INT, term, NULL, sql);
}

/* CAST AS REAL */
Term *
sfm_tr_cast_real(Cx *cx, int offset, const Term *term)
{
	Term	   *number = sfm_tr_to_number(cx, offset, term);
	Term	   *result;

	if (number->rep == REP_NULL)
		return number;
	result = sfm_tr_derived(cx, offset, REP_REAL, number, NULL, sfm_tr_real(cx, number));
	result->may_nan = number->may_nan;
	return result;
}

/* The term as a result: one SQL expression of one type. */
Term *
sfm_tr_output(Cx *cx, int offset, const Term *term)
{
	Term	   *result = palloc(sizeof(Term));

	*result = *term;
	if (term->rep == REP_JSON && term->json_alone)
		sfm_tr_fail(cx, offset, "the JSON text that operator -> gives");
	else if (term->rep == REP_JSON)
		return sfm_tr_json_output(cx, offset, term);
	switch (term->rep)
	{
		case REP_NULL:
			result->sql = pstrdup("NULL::text");
			break;
		case REP_BOOL:
			if (term->has_type)
				break;
			result->rep = REP_INT;
			result->sql = sfm_tr_int(cx, offset, term);
			break;
		case REP_REAL:
			if (!term->has_type)
				result->sql = without_nan(sfm_tr_real(cx, term), term);
			break;
		case REP_NUMBER:
			/* the cast of double precision to numeric would stop at 15 digits */
			if (term->sql == NULL)
				result->sql = psprintf("(CASE WHEN %s THEN (%s)::numeric ELSE (%s)::text::numeric END)",
									   term->is_int, term->int_sql,
									   without_nan(term->real_sql, term));
			break;
		default:
			break;
	}
	return result;
}

/*
 * A term whose equality and order (under its collation) PostgreSQL sees as SQLite
 * does, for GROUP BY, DISTINCT, ORDER BY and the like.
 */
Term *
sfm_tr_comparable(Cx *cx, int offset, const Term *term, const char *what)
{
	if (term->rep == REP_OTHER)
	{
		bool		date = (term->instant && term->pattern) || term->epoch;
		bool		uuid = term->type.kind == SFM_KIND_UUID && !term->spelled &&
			(term->classes & (term->classes - 1)) == 0;

		if (!date && !uuid)
			sfm_tr_fail(cx, offset, "%s over %s, whose values SQLite compares in another way", what,
						nature(term));
	}
	return sfm_tr_output(cx, offset, term);
}

static bool
same_other(const Term *a, const Term *b)
{
	return a->type.typid == b->type.typid && a->type.reading == b->type.reading &&
		a->spelled == b->spelled &&
		a->classes == b->classes && (a->instant == NULL) == (b->instant == NULL) &&
		(a->pattern == b->pattern ||
		 (a->pattern && b->pattern && strcmp(a->pattern, b->pattern) == 0));
}

/* What the terms are together: a rep, or REP_NULL where they have nothing in common. */
static Rep
common_rep(List *terms, const Term **other)
{
	Rep			rep = REP_NULL;
	ListCell   *lc;

	*other = NULL;
	foreach(lc, terms)
	{
		const Term *term = lfirst(lc);
		Rep			next = term->rep;

		if (next == REP_NULL || next == rep)
		{
			if (next == REP_OTHER && !same_other(term, *other))
				return REP_NULL;
			continue;
		}
		if (next == REP_OTHER)
			*other = term;
		if (rep == REP_NULL)
			rep = next;
		else if (next == REP_OTHER || rep == REP_OTHER || next == REP_TEXT || rep == REP_TEXT ||
				 next == REP_BLOB || rep == REP_BLOB)
			return REP_NULL;
		else if ((rep == REP_BOOL && next == REP_INT) || (rep == REP_INT && next == REP_BOOL))
			rep = REP_INT;
		else
			rep = REP_NUMBER;
	}
	return rep;
}

/* REP_OTHER among others: its number or text, where it is known. */
static List *
others_as_known(Cx *cx, int offset, List *terms, const char *what)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, terms)
	{
		Term	   *term = lfirst(lc);

		result = lappend(result, term->epoch ? sfm_tr_epoch_number(term) :
						 term->rep == REP_OTHER ? sfm_tr_text(cx, offset, term, what) : term);
	}
	return result;
}

static List *
json_as_one(Cx *cx, int offset, List *terms)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, terms)
	{
		Term	   *term = lfirst(lc);

		result = lappend(result, term->rep == REP_JSON ? sfm_tr_output(cx, offset, term) : term);
	}
	return result;
}

/*
 * One rep for several terms, the branches of a CASE or the arms of a UNION.  Returns
 * a term without SQL that tells what they are together; *coerced gets them in that
 * form.  Where INTEGER and REAL stand beside each other, numbers come in parts.
 */
Term *
sfm_tr_unify(Cx *cx, int offset, List *terms, List **coerced, const char *what)
{
	const Term *other;
	Rep			rep;
	Term	   *result;
	ListCell   *lc;
	bool		all_null = true;

	terms = json_as_one(cx, offset, terms);
	rep = common_rep(terms, &other);
	result = sfm_tr_term(rep, NULL);

	foreach(lc, terms)
		all_null &= ((Term *) lfirst(lc))->rep == REP_NULL;
	if (rep == REP_NULL && !all_null)
	{
		terms = others_as_known(cx, offset, terms, what);
		rep = result->rep = common_rep(terms, &other);
		if (rep == REP_NULL)
			sfm_tr_fail(cx, offset, "%s gives values of different storage classes", what);
	}
	if (other && rep == REP_OTHER)
	{
		*result = *other;
		result->sql = NULL;
		result->affinity = 0;
		result->collation = NULL;
		result->volatility = 'i';
		result->instant = other->instant ? "" : NULL;
		result->epoch = other->epoch ? "" : NULL;
	}
	*coerced = NIL;
	foreach(lc, terms)
	{
		Term	   *term = palloc(sizeof(Term));

		*term = *(Term *) lfirst(lc);
		result->volatility = sfm_tr_worse(result->volatility, term->volatility);
		result->may_nan |= term->may_nan;
		if (rep == REP_INT && term->rep == REP_BOOL)
			term->sql = sfm_tr_int(cx, offset, term);
		else if (rep == REP_NUMBER && term->rep != REP_NUMBER)
		{
			bool		real = term->rep == REP_REAL;

			term->is_int = pstrdup(real ? "false" : "true");
			term->int_sql = real ? pstrdup("NULL::bigint") : sfm_tr_int(cx, offset, term);
			term->real_sql = real ? sfm_tr_real(cx, term) : pstrdup("NULL::double precision");
			term->sql = NULL;
		}
		else if (rep == REP_REAL)
			term->sql = sfm_tr_real(cx, term);
		if (rep != REP_OTHER)
			term->has_type = false;
		else if (term->rep == REP_NULL)
		{
			term->instant = pstrdup("NULL::timestamp");
			term->epoch = pstrdup("NULL::bigint");
		}
		term->rep = rep;
		*coerced = lappend(*coerced, term);
	}
	return result;
}

static bool
is_date_kind(SfmKind kind)
{
	return kind == SFM_KIND_DATE || kind == SFM_KIND_TIME || kind == SFM_KIND_TIMESTAMP ||
		kind == SFM_KIND_TIMESTAMPTZ;
}

/*
 * A date-time whose text is known, for a column of a date type.  The current time
 * keeps its fraction of a second where the type has room for one.
 */
static char *
instant_as(const Term *term, const SfmType *type)
{
	bool		has_date = strncmp(term->pattern, "YYYY-MM-DD", 10) == 0;
	bool		only_date = strcmp(term->pattern, "YYYY-MM-DD") == 0;
	bool		now = term->is_now && !only_date;

	switch (type->kind)
	{
		case SFM_KIND_TIMESTAMP:
			return !has_date ? NULL : now ? pstrdup(UTC_NOW) : pstrdup(term->instant);
		case SFM_KIND_TIMESTAMPTZ:
			return !has_date ? NULL : now ? pstrdup("now()") :
				psprintf("(%s AT TIME ZONE 'UTC')", term->instant);
		case SFM_KIND_DATE:
			return !only_date ? NULL : term->is_now ? pstrdup(UTC_NOW "::date") :
				psprintf("(%s)::date", term->instant);
		case SFM_KIND_TIME:
			return !has_date ? psprintf("(%s)::time", term->instant) : NULL;
		default:
			return NULL;
	}
}

/* A number of seconds or milliseconds, for a date column that is read so. */
static char *
epoch_as(Cx *cx, int offset, const Term *term, const SfmType *type)
{
	char	   *number = sfm_tr_int(cx, offset, term);
	char	   *instant;

	if (type->reading == SFM_READING_UNIX)
		instant = psprintf("to_timestamp((%s)::double precision)", number);
	else if (type->reading == SFM_READING_UNIX_MS)
		instant = psprintf("(to_timestamp(((%s) / 1000)::double precision) + ((%s) %% 1000) * '1 millisecond'::interval)",
						   number, number);
	else
		return NULL;
	return type->kind == SFM_KIND_TIMESTAMPTZ ? instant :
		type->kind == SFM_KIND_TIMESTAMP ? psprintf("(%s AT TIME ZONE 'UTC')", instant) : NULL;
}

static char *
integer_as(Cx *cx, int offset, const Term *term, const SfmType *type, char affinity)
{
	char	   *number = sfm_tr_int(cx, offset, term);

	switch (type->kind)
	{
		case SFM_KIND_BOOL:
			return term->rep == REP_BOOL ? term->sql : NULL;
		case SFM_KIND_INT8:
			return number;
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_NUMERIC:
		case SFM_KIND_FLOAT8:
			return psprintf("(%s)::%s", number, sfm_type_name(type));
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
			return affinity == 'T' ? psprintf("(%s)::text", number) : NULL;
		default:
			return NULL;
	}
}

static char *
real_as(Cx *cx, const Term *term, const SfmType *type)
{
	if (type->kind == SFM_KIND_FLOAT8)
		return without_nan(sfm_tr_real(cx, term), term);
	if (type->kind == SFM_KIND_NUMERIC)
		return psprintf("(%s)::text::numeric", without_nan(sfm_tr_real(cx, term), term));
	return NULL;
}

/* Text into a column whose affinity makes numbers of numbers. */
static char *
text_as(Cx *cx, int offset, const Term *term, const SfmType *type, char affinity)
{
	if (type->kind == SFM_KIND_TEXT || type->kind == SFM_KIND_VARCHAR)
		return affinity == 'T' || affinity == 'B' ? pstrdup(term->sql) : NULL;
	if (type->kind == SFM_KIND_UUID)
		return psprintf("(%s)::uuid", term->sql);
	if (affinity == 'T' || affinity == 'B')
		return NULL;
	/* strftime('%s') and its like: text that is an integer */
	if (term->int_sql)
		return integer_as(cx, offset, sfm_tr_derived(cx, offset, REP_INT, term, NULL, term->int_sql),
						  type, affinity);
	return NULL;
}

/*
 * The term as a column of that type and affinity stores it.  Fails where the value
 * would not fit the type, or would be changed on the way in a manner unknown.
 */
char *
sfm_tr_as_type(Cx *cx, int offset, const Term *term, const SfmType *type, char affinity)
{
	char	   *sql = NULL;

	if (term->rep == REP_NULL)
		return pstrdup("NULL");
	if (term->rep == REP_JSON && !term->json_alone)
		sql = sfm_tr_json_as_type(cx, offset, term, type, affinity);
	if (term->rep == REP_JSON && sql == NULL)
		term = sfm_tr_output(cx, offset, term);
	if (sql)
		return sql;
	if (term->has_type && term->type.typid == type->typid)
		sql = term->sql;
	else if (is_date_kind(type->kind) && term->instant && term->pattern)
		sql = instant_as(term, type);
	else if (is_date_kind(type->kind) && term->rep == REP_TEXT && term->int_sql &&
			 affinity != 'T' && affinity != 'B')
		sql = epoch_as(cx, offset, sfm_tr_derived(cx, offset, REP_INT, term, NULL, term->int_sql), type);
	else if (is_date_kind(type->kind) && (term->rep == REP_INT || term->rep == REP_BOOL))
		sql = epoch_as(cx, offset, term, type);
	else
	{
		switch (term->rep)
		{
			case REP_BOOL:
			case REP_INT:
				sql = integer_as(cx, offset, term, type, affinity);
				break;
			case REP_REAL:
				sql = real_as(cx, term, type);
				break;
			case REP_NUMBER:
				sql = type->kind == SFM_KIND_NUMERIC ? sfm_tr_output(cx, offset, term)->sql :
					type->kind == SFM_KIND_FLOAT8 ? real_as(cx, term, type) : NULL;
				break;
			case REP_TEXT:
				sql = text_as(cx, offset, term, type, affinity);
				break;
			case REP_BLOB:
				sql = type->kind == SFM_KIND_BYTEA ? term->sql : NULL;
				break;
			case REP_OTHER:
				if (type->kind == SFM_KIND_TEXT)
					sql = sfm_tr_text(cx, offset, term, "the column")->sql;
				break;
			default:
				break;
		}
	}
	if (sql == NULL)
		sfm_tr_fail(cx, offset, "its value does not fit type %s", sfm_type_name(type));
	return sql ? sql : pstrdup("NULL");
}
