/*
 * compare.c
 *		Comparisons: =, <, IS, IN, LIKE, GLOB, and sort keys.
 *
 * SQLite compares by storage class first (numbers before texts before blobs), after
 * it applied affinities: an operand with numeric affinity makes numbers of the other's
 * texts that look like one, TEXT affinity makes text of the other's numbers
 * (datatype3.html, section 4.2).  Here the classes are known, so that what remains is
 * either two operands of one type, or an answer that does not depend on the values.
 *
 * Texts compare under the collation of the left operand, else of the right one:
 * BINARY is collation "C", NOCASE folds ASCII letters, RTRIM ignores blanks at the
 * end.  Equality under BINARY is the same under any deterministic collation, and is
 * left to the column's, so that its indexes serve.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "translate_internal.h"

/* Two operands ready for a PostgreSQL operator; or a constant answer. */
typedef struct Pair
{
	char	   *left;
	char	   *right;
	bool		constant;		/* no operands: the classes decide */
	int			order;			/* then: -1, left is less; 1, right is */
	char	   *sql;			/* the whole comparison, where it is no plain operator */
} Pair;

static bool
numeric_affinity(const Term *term)
{
	return term->affinity == 'I' || term->affinity == 'R' || term->affinity == 'N';
}

/* NULL < numbers < texts < blobs */
static int
class_rank(const Term *term)
{
	if (sfm_tr_is_number(term))
		return 1;
	if (term->rep == REP_TEXT)
		return 2;
	if (term->rep == REP_BLOB)
		return 3;
	return 0;
}

static bool
is_order(SfmOp op)
{
	return op == SFM_OP_LT || op == SFM_OP_LE || op == SFM_OP_GT || op == SFM_OP_GE;
}

static const char *
operator_sql(SfmOp op)
{
	switch (op)
	{
		case SFM_OP_EQ:
			return "=";
		case SFM_OP_NE:
			return "<>";
		case SFM_OP_IS:
			return "IS NOT DISTINCT FROM";
		case SFM_OP_IS_NOT:
			return "IS DISTINCT FROM";
		default:
			return sfm_op_name(op);
	}
}

/* A number as it stands in a comparison, without a cast where none is needed. */
static char *
plain_number(Cx *cx, const Term *term)
{
	int64		value;

	if (sfm_tr_integer_of(term, &value))
		return value < 0 ? psprintf("(" INT64_FORMAT ")", value) : psprintf(INT64_FORMAT, value);
	if (term->rep == REP_BOOL)
		return psprintf("(%s)::integer", term->sql);
	return term->sql;
}

static char *
real_operand(Cx *cx, const Term *term)
{
	char	   *real = sfm_tr_real(cx, term);

	return term->may_nan && !term->has_type && term->literal == NULL ?
		psprintf("nullif(%s, 'NaN'::double precision)", real) : real;
}

/*
 * An integer of any size with a REAL, exactly: PostgreSQL would round the integer to
 * a double first, which decides all but ties.
 */
static char *
compare_int_real(Cx *cx, SfmOp op, char *i, char *r, bool int_left)
{
	const char *o = operator_sql(op);
	char	   *real = psprintf("(%s)::double precision", i);
	char	   *infinity = int_left ? psprintf("%s %s 'Infinity'::double precision", real, o) :
		psprintf("'Infinity'::double precision %s %s", o, real);
	char	   *rounded = int_left ? psprintf("%s %s %s", real, o, r) : psprintf("%s %s %s", r, o, real);
	char	   *exact = int_left ? psprintf("%s %s (%s)::bigint", i, o, r) :
		psprintf("(%s)::bigint %s %s", r, o, i);

	return psprintf("(CASE WHEN %s >= 9223372036854775808 THEN %s WHEN %s = %s THEN %s ELSE %s END)",
					r, infinity, real, r, exact, rounded);
}

/* The exact decimal expansion of a REAL literal, as a numeric. */
static char *
exact_decimal(const Term *literal)
{
	double		value = strtod(literal->literal->text, NULL);

	if (isinf(value))
		return psprintf("'%s'::numeric", literal->literal->text);
	return psprintf("(%.1074f)", value);
}

static char *
trim_zeros(char *decimal)
{
	char	   *end = strchr(decimal, ')');
	char	   *p = end;

	if (end == NULL || strchr(decimal, '.') == NULL)
		return decimal;
	while (p[-1] == '0' && p[-2] != '.')
		p--;
	*p++ = ')';
	*p = '\0';
	return decimal;
}

/* Two numbers. */
static void
pair_numbers(Cx *cx, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	bool		left_int = left->rep == REP_INT || left->rep == REP_BOOL;
	bool		right_int = right->rep == REP_INT || right->rep == REP_BOOL;
	int64		value;

	if (left->rep == REP_BOOL && right->rep == REP_BOOL)
	{
		pair->left = left->sql;
		pair->right = right->sql;
	}
	else if (left->rep == REP_BOOL && sfm_tr_integer_of(right, &value) &&
			 (value == 0 || value == 1) && !is_order(op))
	{
		pair->left = left->sql;
		pair->right = pstrdup(value ? "true" : "false");
	}
	else if (right->rep == REP_BOOL && sfm_tr_integer_of(left, &value) &&
			 (value == 0 || value == 1) && !is_order(op))
	{
		pair->left = pstrdup(value ? "true" : "false");
		pair->right = right->sql;
	}
	else if (left_int && right_int)
	{
		pair->left = plain_number(cx, left);
		pair->right = plain_number(cx, right);
	}
	else if (left_int && !left->small && right->literal)
	{
		pair->left = plain_number(cx, left);
		pair->right = trim_zeros(exact_decimal(right));
	}
	else if (right_int && !right->small && left->literal)
	{
		pair->left = trim_zeros(exact_decimal(left));
		pair->right = plain_number(cx, right);
	}
	else if (left->has_type && left->type.kind == SFM_KIND_NUMERIC && left->rep == REP_NUMBER &&
			 right_int)
	{
		pair->left = left->sql;
		pair->right = plain_number(cx, right);
	}
	else if (right->has_type && right->type.kind == SFM_KIND_NUMERIC && right->rep == REP_NUMBER &&
			 left_int)
	{
		pair->left = plain_number(cx, left);
		pair->right = right->sql;
	}
	else if (left->has_type && right->has_type && left->type.kind == SFM_KIND_NUMERIC &&
			 right->type.kind == SFM_KIND_NUMERIC)
	{
		/* shortest decimals of doubles order as the doubles do */
		pair->left = left->sql;
		pair->right = right->sql;
	}
	else if (left_int && !left->small && right->rep == REP_REAL)
		pair->sql = compare_int_real(cx, op, sfm_tr_int(cx, 0, left), real_operand(cx, right), true);
	else if (right_int && !right->small && left->rep == REP_REAL)
		pair->sql = compare_int_real(cx, op, sfm_tr_int(cx, 0, right), real_operand(cx, left), false);
	else
	{
		pair->left = real_operand(cx, left);
		pair->right = real_operand(cx, right);
	}
}

/* The collation of a comparison: of the left operand, else of the right. */
static const char *
collation_of(const Term *left, const Term *right)
{
	if (left->collate)
		return left->collation;
	if (right->collate)
		return right->collation;
	if (left->collation)
		return left->collation;
	return right->collation ? right->collation : "BINARY";
}

/* A text under a collation; order: more than equality is asked. */
static char *
collated(Cx *cx, int offset, const char *sql, const char *collation, bool order)
{
	if (pg_strcasecmp(collation, "BINARY") == 0)
		return order ? psprintf("%s COLLATE \"C\"", sql) : pstrdup(sql);
	if (pg_strcasecmp(collation, "NOCASE") == 0)
		return psprintf("lower(%s COLLATE \"C\")", sql);
	if (pg_strcasecmp(collation, "RTRIM") == 0)
		return order ? psprintf("rtrim(%s, ' ') COLLATE \"C\"", sql) : psprintf("rtrim(%s, ' ')", sql);
	sfm_tr_fail(cx, offset, "collation %s, which only the application knows", collation);
	return pstrdup(sql);
}

/* A text; a literal beside a column needs no cast. */
static const char *
plain_text(const Term *term, const Term *beside)
{
	if (sfm_tr_string_of(term) && sfm_tr_string_of(beside) == NULL && beside->has_type)
		return quote_literal_cstr(sfm_tr_string_of(term));
	return term->sql;
}

static void
pair_texts(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right, const Term *l,
		   const Term *r, Pair *pair)
{
	const char *collation = collation_of(left, right);

	pair->left = collated(cx, offset, plain_text(l, r), collation, is_order(op));
	pair->right = collated(cx, offset, plain_text(r, l), collation, false);
}

/* The term as an instant whose text is known; false where it is none. */
static bool
as_instant(Cx *cx, const Term *term, char **instant, const char **pattern)
{
	if (term->instant && term->pattern)
	{
		*instant = term->instant;
		*pattern = term->pattern;
		return true;
	}
	return sfm_tr_string_of(term) && sfm_tr_literal_date(sfm_tr_string_of(term), instant, pattern);
}

/* The order of a text and one that it is the beginning of, for their instants. */
static SfmOp
prefix_operator(SfmOp op, bool left_shorter)
{
	if (left_shorter)			/* l < r: the instants' l <= r; l > r: the same */
		return op == SFM_OP_LT || op == SFM_OP_LE ? SFM_OP_LE : SFM_OP_GT;
	return op == SFM_OP_LT || op == SFM_OP_LE ? SFM_OP_LT : SFM_OP_GE;
}

/*
 * Two dates whose texts are known: texts of one pattern order as the instants do,
 * and one whose pattern begins the other's stands before all that begin with it.
 */
static bool
pair_dates(Cx *cx, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	char	   *l;
	char	   *r;
	const char *lp;
	const char *rp;
	int			n;

	if (!as_instant(cx, left, &l, &lp) || !as_instant(cx, right, &r, &rp))
		return false;
	if (left->rep != REP_OTHER && right->rep != REP_OTHER && (!left->instant || !right->instant))
		return false;			/* two texts, not dates */
	if (strcmp(lp, rp) == 0)
	{
		/* a column keeps its own type, so that its indexes serve */
		if (left->rep == REP_OTHER && right->rep == REP_OTHER && left->type.typid == right->type.typid)
		{
			l = left->sql;
			r = right->sql;
		}
		pair->left = l;
		pair->right = r;
		return true;
	}
	n = Min(strlen(lp), strlen(rp));
	if (strncmp(lp, rp, n) != 0 || !is_order(op))
		return false;
	pair->sql = psprintf("(%s %s %s)", l, operator_sql(prefix_operator(op, lp[n] == '\0')), r);
	return true;
}

/* A text that is a number as a whole, blanks around it not counted. */
static bool
looks_numeric(const char *text)
{
	char	   *end;

	(void) strtod(text, &end);
	while (*end == ' ' || (*end >= '\t' && *end <= '\r'))
		end++;
	/* strtod() also takes words and hexadecimal numbers */
	return end != text && *end == '\0' && strpbrk(text, "xXnNpP") == NULL;
}

/*
 * A column whose values are texts that are no numbers (dates, UUIDs), under numeric affinity,
 * and a number, or a text that becomes one beside it: the texts are greater.
 */
static bool
pair_text_number(Cx *cx, int offset, const Term *left, const Term *right, Pair *pair)
{
	bool		column_left = left->rep == REP_OTHER;
	const Term *column = column_left ? left : right;
	const Term *second = column_left ? right : left;
	const char *text = sfm_tr_string_of(second);

	if (!numeric_affinity(column) || column->classes != SFM_CLASS_BIT(SFM_TEXT) ||
		!(column->pattern || column->type.kind == SFM_KIND_UUID) ||
		!(sfm_tr_is_number(second) || (text && looks_numeric(text))))
		return false;
	pair->constant = true;
	pair->order = column_left ? 1 : -1;
	pair->left = sfm_tr_output(cx, offset, left)->sql;
	pair->right = sfm_tr_output(cx, offset, right)->sql;
	return true;
}

/* A date column against what is no date: as texts, where the affinities allow it. */
static void
pair_other(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	const Term *other = left->rep == REP_OTHER ? left : right;
	const Term *second = other == left ? right : left;

	if (left->rep == REP_OTHER && right->rep == REP_OTHER && left->type.typid == right->type.typid &&
		left->type.kind == SFM_KIND_UUID && !left->spelled && !right->spelled &&
		left->classes == right->classes)
	{
		pair->left = left->sql;
		pair->right = right->sql;
		return;
	}
	if (other->type.kind == SFM_KIND_UUID && !other->spelled && second->literal &&
		sfm_tr_string_of(second) && strlen(sfm_tr_string_of(second)) == 36 &&
		other->classes == SFM_CLASS_BIT(SFM_TEXT))
	{
		unsigned char bytes[SFM_UUID_BYTES];
		bool		canonical;
		const char *text = sfm_tr_string_of(second);

		if (sfm_read_uuid(text, 36, bytes, &canonical) && canonical)
		{
			char	   *uuid = psprintf("%s::uuid", quote_literal_cstr(text));

			pair->left = other == left ? left->sql : uuid;
			pair->right = other == left ? uuid : right->sql;
			return;
		}
	}
	if (pair_text_number(cx, offset, left, right, pair) || pair_dates(cx, op, left, right, pair))
		return;
	if ((second->rep == REP_TEXT || second->rep == REP_OTHER) &&
		(second->literal || !numeric_affinity(other) || second->rep == REP_OTHER))
	{
		Term	   *l = sfm_tr_text(cx, offset, left, "a comparison");
		Term	   *r = sfm_tr_text(cx, offset, right, "a comparison");

		pair_texts(cx, offset, op, left, right, l, r, pair);
		return;
	}
	sfm_tr_fail(cx, offset, "%s compares a column of type %s with a value of another kind",
				sfm_op_name(op), sfm_type_name(&other->type));
	pair->left = pair->right = pstrdup("NULL");
}

/* A text literal that is all a number becomes one beside a numeric column. */
static const Term *
apply_numeric(Cx *cx, int offset, const Term *term, const Term *beside)
{
	const char *text = sfm_tr_string_of(term);
	Term	   *number;

	if (term->rep != REP_TEXT || !numeric_affinity(beside) || beside->rep == REP_OTHER)
		return term;
	if (text == NULL)
		return term;			/* row by row: pair_looks() */
	number = sfm_tr_to_number(cx, offset, term);
	if (!looks_numeric(text))
		return term;
	number->affinity = 0;
	return number;
}

static const Term *
apply_text(Cx *cx, int offset, const Term *term, const Term *beside)
{
	if (beside->affinity != 'T' || beside->rep != REP_TEXT || !sfm_tr_is_number(term) ||
		term->affinity != 0)
		return term;
	return sfm_tr_text(cx, offset, term, "a comparison with text");
}

/* What a comparison of different classes says, NULL where an operand is NULL. */
static char *
constant_answer(const Pair *pair, SfmOp op, const Term *left, const Term *right)
{
	bool		answer = op == SFM_OP_NE ||
		(pair->order < 0 ? op == SFM_OP_LT || op == SFM_OP_LE : op == SFM_OP_GT || op == SFM_OP_GE);
	bool		l = left->literal != NULL;
	bool		r = right->literal != NULL;

	if (op == SFM_OP_IS || op == SFM_OP_IS_NOT)
	{
		if (l || r)
			return pstrdup(op == SFM_OP_IS ? "false" : "true");
		return psprintf("(%s(%s IS NULL AND %s IS NULL))", op == SFM_OP_IS ? "" : "NOT ",
						pair->left, pair->right);
	}
	if (l && r)
		return pstrdup(answer ? "true" : "false");
	return psprintf("(CASE WHEN %s%s%s%s%s THEN %s END)", l ? "" : pair->left, l ? "" : " IS NOT NULL",
					l || r ? "" : " AND ", r ? "" : pair->right, r ? "" : " IS NOT NULL",
					answer ? "true" : "false");
}

/*
 * A number with numeric affinity and a text: where the text as a whole looks like a
 * number they compare as numbers, else the text is the greater one.
 */
static void
pair_looks(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	bool		text_left = left->rep == REP_TEXT;
	const Term *text = text_left ? left : right;
	Term	   *number = sfm_tr_to_number(cx, offset, text);
	Pair		classes = {.constant = true, .order = text_left ? 1 : -1};
	Term		as_int = {.rep = REP_INT, .sql = number->int_sql, .volatility = 'i'};
	Term		as_real = {.rep = REP_REAL, .sql = number->real_sql, .volatility = 'i'};
	char	   *ints = sfm_tr_compare(cx, offset, op, text_left ? &as_int : left,
									  text_left ? right : &as_int)->sql;
	char	   *reals = sfm_tr_compare(cx, offset, op, text_left ? &as_real : left,
									   text_left ? right : &as_real)->sql;

	classes.left = sfm_tr_output(cx, offset, left)->sql;
	classes.right = sfm_tr_output(cx, offset, right)->sql;
	pair->sql = psprintf("(CASE WHEN NOT %s COLLATE \"C\" ~ " SFM_TR_NUMBER " THEN %s WHEN %s THEN %s ELSE %s END)",
						 text->sql, constant_answer(&classes, op, left, right), number->is_int, ints,
						 reals);
	if (op == SFM_OP_IS || op == SFM_OP_IS_NOT)
		pair->sql = psprintf("(CASE WHEN %s IS NULL THEN %s IS %sNULL ELSE %s END)", text->sql,
							 text_left ? classes.right : classes.left, op == SFM_OP_IS ? "" : "NOT ",
							 pair->sql);
	else
		pair->sql = psprintf("(CASE WHEN %s IS NOT NULL THEN %s END)", text->sql, pair->sql);
	if (strlen(pair->sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
}

/* A JSON value and another: by what the value is. */
static void
pair_json(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	bool		json_left = left->rep == REP_JSON;
	const Term *json = json_left ? left : right;
	const Term *other = json_left ? right : left;
	bool		is = op == SFM_OP_IS || op == SFM_OP_IS_NOT;
	SfmJsonCases cases;
	char	   *number;
	char	   *text;
	char	   *container;
	char	   *null;

	if (other->rep == REP_JSON || other->rep == REP_OTHER || other->rep == REP_BLOB || json->json_alone)
	{
		sfm_tr_fail(cx, offset, "%s compares a JSON value with what is neither a number nor text",
					sfm_op_name(op));
		return;
	}
	sfm_tr_json_cases(cx, offset, json, other, &cases);
	if (other->rep == REP_TEXT && other->affinity == 'T')
	{
		Term	   *as_text = sfm_tr_json_as_text(cx, offset, json, "a comparison");

		pair->sql = sfm_tr_compare(cx, offset, op, json_left ? as_text : left,
								   json_left ? right : as_text)->sql;
		return;
	}
	number = sfm_tr_compare(cx, offset, op, json_left ? cases.number : left,
							json_left ? right : cases.number)->sql;
	text = sfm_tr_compare(cx, offset, op, json_left ? cases.text : left,
						  json_left ? right : cases.text)->sql;
	container = sfm_tr_compare(cx, offset, op, json_left ? cases.container : left,
							   json_left ? right : cases.container)->sql;
	null = is ? psprintf("%s IS %sNULL", sfm_tr_output(cx, offset, other)->sql,
						 op == SFM_OP_IS ? "" : "NOT ") : "NULL";
	/* beside a number texts and containers are greater, whatever they are */
	if (other->rep != REP_TEXT)
		container = text;
	pair->sql = psprintf("(CASE WHEN %s THEN %s WHEN %s THEN %s WHEN %s THEN %s ELSE %s END)",
						 cases.is_null, null, cases.is_number, number, cases.is_text, text, container);
	if (strlen(pair->sql) > MAX_TERM)
		sfm_tr_fail(cx, offset, "the expression becomes too long");
}

static void
make_pair(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right, Pair *pair)
{
	const Term *l;
	const Term *r;

	memset(pair, 0, sizeof(*pair));
	if (left->rep == REP_JSON || right->rep == REP_JSON)
	{
		pair_json(cx, offset, op, left, right, pair);
		return;
	}
	if (left->epoch && right->epoch && left->type.typid == right->type.typid &&
		left->type.reading == right->type.reading)
	{
		pair->left = left->sql;
		pair->right = right->sql;
		return;
	}
	if (left->epoch || right->epoch)
	{
		make_pair(cx, offset, op, left->epoch ? sfm_tr_epoch_number(left) : left,
				  right->epoch ? sfm_tr_epoch_number(right) : right, pair);
		if (pair->constant)
			pair->sql = constant_answer(pair, op, left, right);
		return;
	}
	l = apply_text(cx, offset, apply_numeric(cx, offset, left, right), right);
	r = apply_text(cx, offset, apply_numeric(cx, offset, right, left), left);
	if (l->rep == REP_OTHER || r->rep == REP_OTHER)
		pair_other(cx, offset, op, l, r, pair);
	else if ((l->rep == REP_TEXT && l->literal == NULL && sfm_tr_is_number(r) && numeric_affinity(r)) ||
			 (r->rep == REP_TEXT && r->literal == NULL && sfm_tr_is_number(l) && numeric_affinity(l)))
		pair_looks(cx, offset, op, l, r, pair);
	else if (class_rank(l) != class_rank(r))
	{
		pair->constant = true;
		pair->order = class_rank(l) < class_rank(r) ? -1 : 1;
		pair->left = sfm_tr_output(cx, offset, left)->sql;
		pair->right = sfm_tr_output(cx, offset, right)->sql;
	}
	else if (class_rank(l) == 1)
		pair_numbers(cx, op, l, r, pair);
	else if (l->rep == REP_BLOB)
	{
		pair->left = l->sql;
		pair->right = r->sql;
	}
	else if (!pair_dates(cx, op, l, r, pair))
		pair_texts(cx, offset, op, left, right, l, r, pair);
}

static Term *
compare_with_null(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	const Term *term = left->rep == REP_NULL ? right : left;

	if (op != SFM_OP_IS && op != SFM_OP_IS_NOT)
		return sfm_tr_derived(cx, offset, REP_BOOL, left, right, pstrdup("NULL::boolean"));
	return sfm_tr_derived(cx, offset, REP_BOOL, left, right,
						  psprintf("(%s IS %sNULL)", sfm_tr_output(cx, offset, term)->sql,
								   op == SFM_OP_IS ? "" : "NOT "));
}

/* =, <>, <, <=, >, >=, IS, IS NOT */
Term *
sfm_tr_compare(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right)
{
	Pair		pair;
	char	   *sql;

	if (left->rep == REP_NULL || right->rep == REP_NULL)
		return compare_with_null(cx, offset, op, left, right);
	make_pair(cx, offset, op, left, right, &pair);
	if (cx->failed)
		return sfm_tr_null();
	if (pair.constant)
		sql = constant_answer(&pair, op, left, right);
	else if (pair.sql)
		sql = pair.sql;
	else if (strcmp(pair.right, "true") == 0 && op == SFM_OP_EQ)
		sql = pair.left;
	else if ((strcmp(pair.right, "false") == 0 && op == SFM_OP_EQ) ||
			 (strcmp(pair.right, "true") == 0 && op == SFM_OP_NE))
		sql = psprintf("(NOT %s)", pair.left);
	else
		sql = psprintf("(%s %s %s)", pair.left, operator_sql(op), pair.right);
	return sfm_tr_derived(cx, offset, REP_BOOL, left, right, sql);
}

Term *
sfm_tr_not(Cx *cx, int offset, const Term *term)
{
	return sfm_tr_derived(cx, offset, REP_BOOL, term, NULL,
						  psprintf("(NOT %s)", sfm_tr_condition(cx, offset, term)));
}

/* A boolean column IN (0, 1) is true or NULL whatever it holds. */
static bool
all_of_boolean(const Term *left, List *items)
{
	bool		zero = false;
	bool		one = false;
	ListCell   *lc;

	foreach(lc, items)
	{
		int64		value;

		if (sfm_tr_integer_of(lfirst(lc), &value))
		{
			zero |= value == 0;
			one |= value == 1;
		}
	}
	return left->rep == REP_BOOL && zero && one;
}

/* left IN (items): left = item, one after the other; items count without affinity. */
Term *
sfm_tr_in(Cx *cx, int offset, const Term *left, List *items, bool negated)
{
	StringInfoData list;
	StringInfoData chain;
	char	   *operand = NULL;
	bool		plain = true;
	bool		all = all_of_boolean(left, items);
	Term	   *result = sfm_tr_derived(cx, offset, REP_BOOL, left, NULL, NULL);
	ListCell   *lc;

	initStringInfo(&list);
	initStringInfo(&chain);
	foreach(lc, items)
	{
		Term		item = *(Term *) lfirst(lc);
		Pair		pair;

		item.affinity = 0;
		result->volatility = sfm_tr_worse(result->volatility, item.volatility);
		if (item.rep == REP_NULL || left->rep == REP_NULL)
		{
			appendStringInfo(&list, "%sNULL", list.len ? ", " : "");
			appendStringInfo(&chain, "%sNULL::boolean", chain.len ? " OR " : "");
			continue;
		}
		make_pair(cx, offset, SFM_OP_EQ, left, &item, &pair);
		if (cx->failed)
			return sfm_tr_null();
		if (pair.constant || pair.sql || (operand && strcmp(operand, pair.left) != 0))
			plain = false;
		else
		{
			operand = pair.left;
			appendStringInfo(&list, "%s%s", list.len ? ", " : "", pair.right);
		}
		appendStringInfo(&chain, "%s%s", chain.len ? " OR " : "",
						 sfm_tr_compare(cx, offset, SFM_OP_EQ, left, &item)->sql);
	}
	if (items == NIL)
		result->sql = pstrdup(negated ? "true" : "false");
	else if (plain && operand)
		result->sql = psprintf("(%s %sIN (%s))", operand, negated ? "NOT " : "", list.data);
	else
		result->sql = psprintf("(%s(%s))", negated ? "NOT " : "", chain.data);
	result->never_false = all && !negated;
	return result;
}

/*
 * left IN (SELECT ...), the subquery's one column being right, called alias.c.  Where
 * both sides stand by themselves PostgreSQL can hash the subquery; else the comparison
 * is made for each of its rows.
 */
Term *
sfm_tr_in_select(Cx *cx, int offset, const Term *left, const Term *right, const char *sql,
				 const char *alias, bool negated)
{
	Pair		pair = {0};
	const char *not = negated ? "NOT " : "";

	if (left->rep != REP_NULL && right->rep != REP_NULL)
		make_pair(cx, offset, SFM_OP_EQ, left, right, &pair);
	if (cx->failed)
		return sfm_tr_null();
	if (pair.left && !pair.constant && !pair.sql)
		return sfm_tr_derived(cx, offset, REP_BOOL, left, right,
							  psprintf("(%s %sIN (SELECT %s FROM (%s) AS %s(c)))", pair.left, not,
									   pair.right, sql, alias));
	return sfm_tr_derived(cx, offset, REP_BOOL, left, right,
						  psprintf("(%s(true = ANY (SELECT %s FROM (%s) AS %s(c))))", not,
								   sfm_tr_compare(cx, offset, SFM_OP_EQ, left, right)->sql, sql,
								   alias));
}

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

/*
 * A term whose equality, for GROUP BY and the like, is SQLite's.  Under a collation it
 * is the folded text: what shows the text itself is then for PostgreSQL to refuse.
 */
char *
sfm_tr_group_key(Cx *cx, int offset, const Term *term, const char *what)
{
	Term	   *key = sfm_tr_comparable(cx, offset, term, what);

	if (key->rep == REP_TEXT && term->collation)
		return collated(cx, offset, key->sql, term->collation, false);
	return key->sql;
}

/* A term to sort by. */
char *
sfm_tr_sort_key(Cx *cx, int offset, const Term *term)
{
	Term	   *key = sfm_tr_comparable(cx, offset, term, "ORDER BY");

	if (key->rep == REP_TEXT)
		return collated(cx, offset, key->sql, term->collation ? term->collation : "BINARY", true);
	return key->sql;
}
