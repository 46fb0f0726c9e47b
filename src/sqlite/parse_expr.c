/*
 * parse_expr.c
 *		SQLite's expressions.
 *
 * Operators by precedence climbing: expression_above(p, level) reads an operand
 * and then every operator that binds at least as tightly as level.  The levels are
 * those of %left and %right in SQLite's parse.y, all binary operators associate to
 * the left, and prefix operators may stand wherever an operand may: in a + NOT b = c
 * the NOT takes b = c, as it does in SQLite.
 *
 * Some forms are made equal here because SQLite makes them equal while parsing: x
 * IS NULL is ISNULL, and -9223372036854775808 is one integer though its digits alone
 * are not.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "sfm_token.h"

/* How tightly operators bind; greater is tighter. */
typedef enum Level
{
	LEVEL_NONE,					/* no operator */
	LEVEL_OR,
	LEVEL_AND,
	LEVEL_NOT,
	LEVEL_EQUAL,				/* = IS IN LIKE BETWEEN ISNULL ... */
	LEVEL_COMPARE,
	LEVEL_BIT,					/* & | << >>, all alike */
	LEVEL_ADD,
	LEVEL_MULTIPLY,
	LEVEL_CONCAT,				/* || -> ->> */
	LEVEL_COLLATE,
	LEVEL_PREFIX				/* - + ~ */
} Level;

static SfmExpr *expression_above(SfmParser *p, Level level);

const char *
sfm_op_name(SfmOp op)
{
	static const char *const names[] = {
		[SFM_OP_NONE] = "",
		[SFM_OP_NOT] = "NOT",[SFM_OP_MINUS] = "-",[SFM_OP_PLUS] = "+",[SFM_OP_BIT_NOT] = "~",
		[SFM_OP_OR] = "OR",[SFM_OP_AND] = "AND",[SFM_OP_EQ] = "=",[SFM_OP_NE] = "<>",
		[SFM_OP_IS] = "IS",[SFM_OP_IS_NOT] = "IS NOT",
		[SFM_OP_LT] = "<",[SFM_OP_LE] = "<=",[SFM_OP_GT] = ">",[SFM_OP_GE] = ">=",
		[SFM_OP_BIT_AND] = "&",[SFM_OP_BIT_OR] = "|",
		[SFM_OP_LSHIFT] = "<<",[SFM_OP_RSHIFT] = ">>",
		[SFM_OP_ADD] = "+",[SFM_OP_SUBTRACT] = "-",[SFM_OP_MULTIPLY] = "*",
		[SFM_OP_DIVIDE] = "/",[SFM_OP_MODULO] = "%",
		[SFM_OP_CONCAT] = "||",[SFM_OP_JSON] = "->",[SFM_OP_JSON_VALUE] = "->>",
		[SFM_OP_LIKE] = "LIKE",[SFM_OP_GLOB] = "GLOB",[SFM_OP_REGEXP] = "REGEXP",
		[SFM_OP_MATCH] = "MATCH"
	};

	return names[op];
}

/* A node over left and right (either may be NULL); NULL when the parser has failed. */
static SfmExpr *
make_node(SfmParser *p, SfmExprKind kind, SfmOp op, int offset, SfmExpr *left, SfmExpr *right)
{
	SfmExpr    *expr;
	int			height = 1 + Max(left != NULL ? left->height : 0,
								 right != NULL ? right->height : 0);

	if (height > SFM_MAX_HEIGHT)
		sfm_parse_too_high(p, offset);
	if (p->failed)
		return NULL;
	expr = palloc0(sizeof(SfmExpr));
	expr->kind = kind;
	expr->op = op;
	expr->offset = offset;
	expr->height = height;
	expr->left = left;
	expr->right = right;
	p->height = Max(p->height, height);
	return expr;
}

/* A node over what the scope, begun with saved, has measured. */
static SfmExpr *
make_scope_node(SfmParser *p, SfmExprKind kind, SfmOp op, int offset, int saved)
{
	int			height = sfm_scope_end(p, saved, offset);
	SfmExpr    *expr = make_node(p, kind, op, offset, NULL, NULL);

	if (expr != NULL)
		expr->height = height;
	return expr;
}

/* A leaf of the current token, with its text, which is passed over. */
static SfmExpr *
make_leaf(SfmParser *p, SfmExprKind kind)
{
	SfmExpr    *expr = make_node(p, kind, SFM_OP_NONE, p->cur.offset, NULL, NULL);

	sfm_advance(p);
	return expr;
}

/* A string from any token: DEFAULT word is one. */
SfmExpr *
sfm_string_expr(SfmParser *p, const SfmToken *token)
{
	SfmExpr    *expr = make_node(p, SFM_EXPR_STRING, SFM_OP_NONE, token->offset, NULL, NULL);

	if (expr != NULL)
	{
		expr->text = sfm_token_text(p, token);
		expr->quote = sfm_token_quote(p, token);
	}
	return expr;
}

/* The digits of a number without separators, palloc'd. */
static char *
number_text(SfmParser *p, const SfmToken *token)
{
	char	   *text = pnstrdup(p->sql + token->offset, token->length);
	char	   *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if (*from != '_')
			*to++ = *from;
	*to = '\0';
	return text;
}

/*
 * An integer literal.  Decimal ones past 64 bits are reals in SQLite; hex ones
 * are taken as the bits of a 64-bit integer, and refused past that.
 */
static void
read_integer(SfmExpr *expr, char *text)
{
	bool		hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	uint64		limit = hex ? PG_UINT64_MAX : PG_INT64_MAX;
	unsigned	base = hex ? 16 : 10;
	uint64		value = 0;

	for (const char *s = hex ? text + 2 : text; *s != '\0'; s++)
	{
		unsigned	digit = *s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10;

		if (value > (limit - digit) / base)
		{
			expr->kind = hex ? SFM_EXPR_BAD_NUMBER : SFM_EXPR_REAL;
			expr->text = text;
			return;
		}
		value = value * base + digit;
	}
	expr->u.integer = (int64) value;
	pfree(text);
}

static SfmExpr *
number(SfmParser *p)
{
	SfmToken	token = p->cur;
	SfmExpr    *expr = make_leaf(p, token.kind == SFM_T_REAL ? SFM_EXPR_REAL : SFM_EXPR_INTEGER);

	if (expr == NULL)
		return NULL;
	if (token.kind == SFM_T_REAL)
		expr->text = number_text(p, &token);
	else
		read_integer(expr, number_text(p, &token));
	return expr;
}

static SfmExpr *
blob(SfmParser *p)
{
	SfmToken	token = p->cur;
	SfmExpr    *expr = make_leaf(p, SFM_EXPR_BLOB);

	if (expr != NULL)
		expr->text = pnstrdup(p->sql + token.offset + 2, token.length - 3);
	return expr;
}

static SfmExpr *
string(SfmParser *p)
{
	SfmExpr    *expr = sfm_string_expr(p, &p->cur);

	sfm_advance(p);
	return expr;
}

static SfmExpr *
variable(SfmParser *p)
{
	SfmToken	token = p->cur;
	SfmExpr    *expr;

	/* #1 is a register in SQL that SQLite writes for itself */
	if (p->sql[token.offset] == '#' && p->sql[token.offset + 1] >= '0' &&
		p->sql[token.offset + 1] <= '9')
		sfm_parse_unexpected(p);
	expr = make_leaf(p, SFM_EXPR_VARIABLE);
	if (expr != NULL)
		expr->text = sfm_token_text(p, &token);
	return expr;
}

/* Is text, of decimal digits, 9223372036854775808? */
static bool
is_least_integer(const char *text)
{
	while (*text == '0')
		text++;
	return strcmp(text, "9223372036854775808") == 0;
}

/*
 * Minus an operand.  Takes over the literal where that makes the least integer,
 * and refuses its hex form, as SQLite does.
 */
SfmExpr *
sfm_negated(SfmParser *p, SfmExpr *operand, int offset)
{
	if (operand != NULL && operand->kind == SFM_EXPR_REAL && is_least_integer(operand->text))
	{
		operand->kind = SFM_EXPR_INTEGER;
		operand->u.integer = PG_INT64_MIN;
		operand->text = NULL;
		operand->offset = offset;
		return operand;
	}
	if (operand != NULL && operand->kind == SFM_EXPR_INTEGER &&
		operand->u.integer == PG_INT64_MIN && p->sql[operand->offset] == '0')
	{
		operand->kind = SFM_EXPR_BAD_NUMBER;
		operand->text = pstrdup("-0x8000000000000000");
		operand->offset = offset;
		return operand;
	}
	return make_node(p, SFM_EXPR_UNARY, SFM_OP_MINUS, offset, operand, NULL);
}

/* What may follow DEFAULT without parentheses: one literal. */
SfmExpr *
sfm_default_term(SfmParser *p)
{
	switch (p->cur.kind)
	{
		case SFM_T_NULL:
			return make_leaf(p, SFM_EXPR_NULL);
		case SFM_T_INTEGER:
		case SFM_T_REAL:
			return number(p);
		case SFM_T_BLOB:
			return blob(p);
		case SFM_T_STRING:
			return string(p);
		case SFM_T_CURRENT_DATE:
			return make_leaf(p, SFM_EXPR_CURRENT_DATE);
		case SFM_T_CURRENT_TIME:
			return make_leaf(p, SFM_EXPR_CURRENT_TIME);
		case SFM_T_CURRENT_TIMESTAMP:
			return make_leaf(p, SFM_EXPR_CURRENT_TIMESTAMP);
		default:
			sfm_parse_unexpected(p);
			return NULL;
	}
}

/* CAST (expr AS type) */
static SfmExpr *
cast(SfmParser *p)
{
	int			offset = p->cur.offset;
	int			start;
	int			end;
	SfmExpr    *operand;
	SfmExpr    *expr;

	sfm_advance(p);
	sfm_expect(p, SFM_T_LP);
	operand = sfm_expression(p);
	sfm_expect(p, SFM_T_AS);
	expr = make_node(p, SFM_EXPR_CAST, SFM_OP_NONE, offset, operand, NULL);
	if (expr == NULL)
		return NULL;
	if (sfm_type_tokens(p, &start, &end))
		expr->text = sfm_dequoted(p->sql + start, end - start);
	else
		expr->text = pstrdup("");
	sfm_expect(p, SFM_T_RP);
	return expr;
}

/* CASE [operand] WHEN expr THEN expr ... [ELSE expr] END */
static SfmExpr *
case_expression(SfmParser *p)
{
	int			offset = p->cur.offset;
	int			saved = sfm_scope_begin(p);
	SfmExpr    *operand = NULL;
	SfmExpr    *otherwise = NULL;
	SfmExpr    *list = NULL;
	SfmExpr   **tail = &list;
	SfmExpr    *expr;

	sfm_advance(p);
	if (p->cur.kind != SFM_T_WHEN)
		operand = sfm_expression(p);
	do
	{
		sfm_expect(p, SFM_T_WHEN);
		*tail = sfm_expression(p);
		if (*tail == NULL)
			break;
		tail = &(*tail)->next;
		sfm_expect(p, SFM_T_THEN);
		*tail = sfm_expression(p);
		if (*tail == NULL)
			break;
		tail = &(*tail)->next;
	} while (p->cur.kind == SFM_T_WHEN);
	if (sfm_accept(p, SFM_T_ELSE))
		otherwise = sfm_expression(p);
	sfm_expect(p, SFM_T_END_WORD);

	expr = make_scope_node(p, SFM_EXPR_CASE, SFM_OP_NONE, offset, saved);
	if (expr != NULL)
	{
		expr->left = operand;
		expr->u.list = list;
		expr->right = otherwise;
	}
	return expr;
}

/* (SELECT ...) behind EXISTS or as a value */
static SfmExpr *
subquery(SfmParser *p, SfmExprKind kind, int offset)
{
	int			saved = sfm_scope_begin(p);
	SfmSelect  *select;
	SfmExpr    *expr;

	sfm_expect(p, SFM_T_LP);
	select = sfm_select(p);
	sfm_expect(p, SFM_T_RP);
	expr = make_scope_node(p, kind, SFM_OP_NONE, offset, saved);
	if (expr != NULL)
		expr->u.select = select;
	return expr;
}

/* RAISE (IGNORE) and RAISE (ABORT, message), which only triggers may run */
static SfmExpr *
raise_expression(SfmParser *p)
{
	int			offset = p->cur.offset;
	const char *action = NULL;
	SfmExpr    *message = NULL;
	SfmExpr    *expr;

	sfm_advance(p);
	sfm_expect(p, SFM_T_LP);
	if (sfm_accept(p, SFM_T_IGNORE))
		action = "IGNORE";
	else
	{
		if (sfm_accept(p, SFM_T_ROLLBACK))
			action = "ROLLBACK";
		else if (sfm_accept(p, SFM_T_ABORT))
			action = "ABORT";
		else if (sfm_expect(p, SFM_T_FAIL))
			action = "FAIL";
		sfm_expect(p, SFM_T_COMMA);
		message = sfm_expression(p);
	}
	sfm_expect(p, SFM_T_RP);
	expr = make_node(p, SFM_EXPR_RAISE, SFM_OP_NONE, offset, message, NULL);
	if (expr != NULL)
		expr->text = pstrdup(action);
	return expr;
}

/* (expr), (expr, expr ...) or (SELECT ...) */
static SfmExpr *
parenthesized(SfmParser *p)
{
	int			offset = p->cur.offset;
	int			saved;
	SfmExpr    *first;
	SfmExpr    *row;

	if (sfm_starts_select(sfm_peek(p, 1)))
		return subquery(p, SFM_EXPR_SUBQUERY, offset);

	saved = sfm_scope_begin(p);
	sfm_advance(p);
	first = sfm_expression_list(p);
	sfm_expect(p, SFM_T_RP);
	if (first == NULL || first->next == NULL)
	{
		p->height = Max(saved, p->height);
		return p->failed ? NULL : first;
	}
	row = make_scope_node(p, SFM_EXPR_ROW, SFM_OP_NONE, offset, saved);
	if (row != NULL)
		row->u.list = first;
	return row;
}

/* A function with what follows its name, or a column with its qualifiers. */
static SfmExpr *
name_or_call(SfmParser *p)
{
	SfmToken	names[3];
	int			n = 0;
	int			saved;
	SfmExpr    *expr;

	if (sfm_peek(p, 1)->kind == SFM_T_LP)
	{
		SfmToken	name = p->cur;
		SfmCall    *call;

		saved = sfm_scope_begin(p);
		sfm_advance(p);
		call = sfm_call(p);
		expr = make_scope_node(p, SFM_EXPR_FUNCTION, SFM_OP_NONE, name.offset, saved);
		if (expr == NULL)
			return NULL;
		expr->text = sfm_token_text(p, &name);
		expr->quote = sfm_token_quote(p, &name);
		expr->u.call = call;
		return expr;
	}

	do
	{
		if (!sfm_is_name(&p->cur))
		{
			sfm_parse_unexpected(p);
			return NULL;
		}
		names[n++] = p->cur;
		sfm_advance(p);
	} while (n < 3 && sfm_accept(p, SFM_T_DOT));

	expr = make_node(p, SFM_EXPR_COLUMN, SFM_OP_NONE, names[0].offset, NULL, NULL);
	if (expr == NULL)
		return NULL;
	expr->text = sfm_token_text(p, &names[n - 1]);
	expr->quote = sfm_token_quote(p, &names[n - 1]);
	if (n > 1)
	{
		expr->u.qualifier = palloc0(sizeof(SfmQualifier));
		expr->u.qualifier->table = sfm_token_text(p, &names[n - 2]);
		if (n > 2)
			expr->u.qualifier->schema = sfm_token_text(p, &names[0]);
	}
	return expr;
}

/* A prefix operator with its operand. */
static SfmExpr *
prefixed(SfmParser *p, SfmOp op, Level level)
{
	int			offset = p->cur.offset;
	SfmExpr    *operand;

	sfm_advance(p);
	operand = expression_above(p, level);
	if (op == SFM_OP_MINUS)
		return sfm_negated(p, operand, offset);
	return make_node(p, SFM_EXPR_UNARY, op, offset, operand, NULL);
}

/* What an operator can stand behind. */
static SfmExpr *
operand(SfmParser *p)
{
	int			offset = p->cur.offset;

	switch (p->cur.kind)
	{
		case SFM_T_LP:
			return parenthesized(p);
		case SFM_T_NOT:
			return prefixed(p, SFM_OP_NOT, LEVEL_NOT);
		case SFM_T_MINUS:
			return prefixed(p, SFM_OP_MINUS, LEVEL_PREFIX);
		case SFM_T_PLUS:
			return prefixed(p, SFM_OP_PLUS, LEVEL_PREFIX);
		case SFM_T_TILDE:
			return prefixed(p, SFM_OP_BIT_NOT, LEVEL_PREFIX);
		case SFM_T_EXISTS:
			sfm_advance(p);
			return subquery(p, SFM_EXPR_EXISTS, offset);
		case SFM_T_CASE:
			return case_expression(p);
		case SFM_T_CAST:
			return cast(p);
		case SFM_T_RAISE:
			return raise_expression(p);
		case SFM_T_VARIABLE:
			return variable(p);
		case SFM_T_STRING:
			/* 'table'.column is a name */
			if (sfm_peek(p, 1)->kind == SFM_T_DOT)
				return name_or_call(p);
			return string(p);
		case SFM_T_CURRENT_DATE:
		case SFM_T_CURRENT_TIME:
		case SFM_T_CURRENT_TIMESTAMP:
			return sfm_default_term(p);
		default:
			if (sfm_is_name(&p->cur))
				return name_or_call(p);
			return sfm_default_term(p);
	}
}

/* The binary operator that the token is, and its level; LEVEL_NONE: none. */
static Level
binary_operator(SfmTokenKind kind, SfmOp *op)
{
	switch (kind)
	{
#define OPERATOR(token, name, level) case token: *op = name; return level
			OPERATOR(SFM_T_OR, SFM_OP_OR, LEVEL_OR);
			OPERATOR(SFM_T_AND, SFM_OP_AND, LEVEL_AND);
			OPERATOR(SFM_T_EQ, SFM_OP_EQ, LEVEL_EQUAL);
			OPERATOR(SFM_T_NE, SFM_OP_NE, LEVEL_EQUAL);
			OPERATOR(SFM_T_LT, SFM_OP_LT, LEVEL_COMPARE);
			OPERATOR(SFM_T_LE, SFM_OP_LE, LEVEL_COMPARE);
			OPERATOR(SFM_T_GT, SFM_OP_GT, LEVEL_COMPARE);
			OPERATOR(SFM_T_GE, SFM_OP_GE, LEVEL_COMPARE);
			OPERATOR(SFM_T_AMPERSAND, SFM_OP_BIT_AND, LEVEL_BIT);
			OPERATOR(SFM_T_PIPE, SFM_OP_BIT_OR, LEVEL_BIT);
			OPERATOR(SFM_T_LSHIFT, SFM_OP_LSHIFT, LEVEL_BIT);
			OPERATOR(SFM_T_RSHIFT, SFM_OP_RSHIFT, LEVEL_BIT);
			OPERATOR(SFM_T_PLUS, SFM_OP_ADD, LEVEL_ADD);
			OPERATOR(SFM_T_MINUS, SFM_OP_SUBTRACT, LEVEL_ADD);
			OPERATOR(SFM_T_STAR, SFM_OP_MULTIPLY, LEVEL_MULTIPLY);
			OPERATOR(SFM_T_SLASH, SFM_OP_DIVIDE, LEVEL_MULTIPLY);
			OPERATOR(SFM_T_PERCENT, SFM_OP_MODULO, LEVEL_MULTIPLY);
			OPERATOR(SFM_T_CONCAT, SFM_OP_CONCAT, LEVEL_CONCAT);
			OPERATOR(SFM_T_ARROW, SFM_OP_JSON, LEVEL_CONCAT);
			OPERATOR(SFM_T_ARROW2, SFM_OP_JSON_VALUE, LEVEL_CONCAT);
#undef OPERATOR
		default:
			return LEVEL_NONE;
	}
}

/* left IS [NOT] [DISTINCT FROM] right */
static SfmExpr *
is_operator(SfmParser *p, SfmExpr *left)
{
	int			offset = p->cur.offset;
	bool		negated;
	SfmExpr    *right;
	SfmExpr    *expr;

	sfm_advance(p);
	negated = sfm_accept(p, SFM_T_NOT);
	if (sfm_accept(p, SFM_T_DISTINCT))
	{
		sfm_expect(p, SFM_T_FROM);
		negated = !negated;
	}
	right = expression_above(p, LEVEL_EQUAL + 1);
	if (right != NULL && right->kind == SFM_EXPR_NULL)
	{
		expr = make_node(p, SFM_EXPR_IS_NULL, SFM_OP_NONE, offset, left, NULL);
		if (expr != NULL)
			expr->negated = negated;
		return expr;
	}
	return make_node(p, SFM_EXPR_BINARY, negated ? SFM_OP_IS_NOT : SFM_OP_IS, offset, left, right);
}

/* left [NOT] LIKE right [ESCAPE escape]; the same for GLOB, REGEXP, MATCH */
static SfmExpr *
like_operator(SfmParser *p, SfmExpr *left, int offset, bool negated)
{
	SfmOp		op = p->cur.kind == SFM_T_LIKE ? SFM_OP_LIKE :
		p->cur.kind == SFM_T_GLOB ? SFM_OP_GLOB :
		p->cur.kind == SFM_T_REGEXP ? SFM_OP_REGEXP : SFM_OP_MATCH;
	int			saved = sfm_scope_begin(p);
	SfmExpr    *right;
	SfmExpr    *escape = NULL;
	SfmExpr    *expr;

	sfm_advance(p);
	right = expression_above(p, LEVEL_EQUAL + 1);
	if (sfm_accept(p, SFM_T_ESCAPE))
		escape = expression_above(p, LEVEL_EQUAL + 1);
	p->height = Max(p->height, left->height);
	expr = make_scope_node(p, SFM_EXPR_LIKE, op, offset, saved);
	if (expr == NULL)
		return NULL;
	expr->left = left;
	expr->right = right;
	expr->u.escape = escape;
	expr->negated = negated;
	return expr;
}

/*
 * left [NOT] BETWEEN lower AND upper.  The lower bound ends at the first AND, so
 * that anything tighter may stand in it, comparisons included.
 */
static SfmExpr *
between_operator(SfmParser *p, SfmExpr *left, int offset, bool negated)
{
	int			saved = sfm_scope_begin(p);
	SfmExpr    *lower;
	SfmExpr    *upper;
	SfmExpr    *expr;

	sfm_advance(p);
	lower = expression_above(p, LEVEL_NOT);
	sfm_expect(p, SFM_T_AND);
	upper = expression_above(p, LEVEL_EQUAL + 1);
	p->height = Max(p->height, left->height);
	expr = make_scope_node(p, SFM_EXPR_BETWEEN, SFM_OP_NONE, offset, saved);
	if (expr == NULL)
		return NULL;
	expr->left = left;
	expr->right = lower;
	expr->u.upper = upper;
	expr->negated = negated;
	return expr;
}

/* The table or table function behind IN. */
static SfmFrom *
in_table(SfmParser *p)
{
	SfmFrom    *from = palloc0(sizeof(SfmFrom));

	from->offset = p->cur.offset;
	sfm_expect_qualified(p, &from->schema, &from->name);
	if (sfm_accept(p, SFM_T_LP))
	{
		from->kind = SFM_FROM_FUNCTION;
		if (p->cur.kind != SFM_T_RP)
			from->args = sfm_expression_list(p);
		sfm_expect(p, SFM_T_RP);
	}
	return from;
}

/* left [NOT] IN (list), (SELECT ...), table or function(...) */
static SfmExpr *
in_operator(SfmParser *p, SfmExpr *left, int offset, bool negated)
{
	int			saved = sfm_scope_begin(p);
	SfmExprKind kind = SFM_EXPR_IN_TABLE;
	SfmExpr    *list = NULL;
	SfmSelect  *select = NULL;
	SfmFrom    *from = NULL;
	SfmExpr    *expr;

	sfm_advance(p);
	if (!sfm_accept(p, SFM_T_LP))
		from = in_table(p);
	else
	{
		kind = SFM_EXPR_IN_LIST;
		if (sfm_starts_select(&p->cur))
		{
			kind = SFM_EXPR_IN_SELECT;
			select = sfm_select(p);
		}
		else if (p->cur.kind != SFM_T_RP)
			list = sfm_expression_list(p);
		sfm_expect(p, SFM_T_RP);
	}
	p->height = Max(p->height, left->height);
	expr = make_scope_node(p, kind, SFM_OP_NONE, offset, saved);
	if (expr == NULL)
		return NULL;
	expr->left = left;
	expr->negated = negated;
	if (kind == SFM_EXPR_IN_LIST)
		expr->u.list = list;
	else if (kind == SFM_EXPR_IN_SELECT)
		expr->u.select = select;
	else
		expr->u.from = from;
	return expr;
}

/* ISNULL, NOTNULL, or the NULL of NOT NULL */
static SfmExpr *
null_test(SfmParser *p, SfmExpr *left, int offset, bool negated)
{
	SfmExpr    *expr = make_node(p, SFM_EXPR_IS_NULL, SFM_OP_NONE, offset, left, NULL);

	if (expr != NULL)
		expr->negated = negated;
	sfm_advance(p);
	return expr;
}

/* left, and an operator of LEVEL_EQUAL made of words; NULL, no failure: it is none. */
static SfmExpr *
word_operator(SfmParser *p, SfmExpr *left)
{
	int			offset = p->cur.offset;
	bool		negated = p->cur.kind == SFM_T_NOT;

	if (negated)
		sfm_advance(p);
	switch (p->cur.kind)
	{
		case SFM_T_LIKE:
		case SFM_T_GLOB:
		case SFM_T_REGEXP:
		case SFM_T_MATCH:
			return like_operator(p, left, offset, negated);
		case SFM_T_BETWEEN:
			return between_operator(p, left, offset, negated);
		case SFM_T_IN:
			return in_operator(p, left, offset, negated);
		default:
			break;
	}
	if (negated)
	{
		if (p->cur.kind == SFM_T_NULL)
			return null_test(p, left, offset, true);
		sfm_parse_unexpected(p);
		return NULL;
	}
	switch (p->cur.kind)
	{
		case SFM_T_IS:
			return is_operator(p, left);
		case SFM_T_ISNULL:
			return null_test(p, left, offset, false);
		case SFM_T_NOTNULL:
			return null_test(p, left, offset, true);
		default:
			return NULL;
	}
}

/* left COLLATE name */
static SfmExpr *
collate_operator(SfmParser *p, SfmExpr *left)
{
	SfmExpr    *expr = make_node(p, SFM_EXPR_COLLATE, SFM_OP_NONE, p->cur.offset, left, NULL);

	sfm_advance(p);
	if (expr != NULL)
		expr->text = sfm_expect_ids(p);
	return expr;
}

/* An operand and all operators behind it that bind at least as tightly as level. */
static SfmExpr *
expression_above(SfmParser *p, Level level)
{
	SfmExpr    *left;

	if (!sfm_enter(p))
		return NULL;
	left = operand(p);
	while (left != NULL && !p->failed)
	{
		int			offset = p->cur.offset;
		SfmOp		op = SFM_OP_NONE;
		Level		found = binary_operator(p->cur.kind, &op);

		if (found != LEVEL_NONE)
		{
			SfmExpr    *right;

			if (found < level)
				break;
			sfm_advance(p);
			right = expression_above(p, found + 1);
			left = make_node(p, SFM_EXPR_BINARY, op, offset, left, right);
		}
		else if (p->cur.kind == SFM_T_COLLATE && level <= LEVEL_COLLATE)
			left = collate_operator(p, left);
		else
		{
			SfmExpr    *applied = level <= LEVEL_EQUAL ? word_operator(p, left) : NULL;

			if (applied == NULL)
				break;
			left = applied;
		}
	}
	sfm_leave(p);
	return p->failed ? NULL : left;
}

/* An expression; NULL after a failure. */
SfmExpr *
sfm_expression(SfmParser *p)
{
	return expression_above(p, LEVEL_OR);
}

/* expr, expr ... (at least one); NULL after a failure. */
SfmExpr *
sfm_expression_list(SfmParser *p)
{
	SfmExpr    *first = NULL;
	SfmExpr   **tail = &first;

	do
	{
		*tail = sfm_expression(p);
		if (*tail == NULL)
			return NULL;
		tail = &(*tail)->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* The whole of sql as one expression. */
SfmExpr *
sfm_parse_expression(const char *sql, SfmParseError *error)
{
	SfmParser	parser;
	SfmExpr    *expr;

	sfm_parser_begin(&parser, sql, error);
	expr = sfm_expression(&parser);
	if (!parser.failed && parser.cur.kind != SFM_T_END)
		sfm_parse_unexpected(&parser);
	return parser.failed ? NULL : expr;
}
