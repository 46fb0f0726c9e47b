/*
 * parse_select.c
 *		SQLite's SELECT: WITH, compound arms, VALUES, FROM with joins.
 *
 * What SQLite checks while parsing is checked here too: kinds of joins, ON
 * without a join, ORDER BY and LIMIT before the last arm.  What it checks only
 * when it resolves names (NATURAL with ON, the number of columns) is not.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "sfm_token.h"

static SfmFrom *from_terms(SfmParser *p);

bool
sfm_starts_select(const SfmToken *token)
{
	return token->kind == SFM_T_SELECT || token->kind == SFM_T_VALUES ||
		token->kind == SFM_T_WITH;
}

/* What the words before JOIN say, put together. */
typedef struct JoinWords
{
	bool		natural;
	bool		inner;
	bool		cross;
	bool		left;
	bool		right;
	bool		outer;
} JoinWords;

static bool
join_word(SfmParser *p, JoinWords *words)
{
	switch (p->cur.kind)
	{
		case SFM_T_NATURAL:
			words->natural = true;
			return true;
		case SFM_T_CROSS:
			words->inner = words->cross = true;
			return true;
		case SFM_T_INNER:
			words->inner = true;
			return true;
		case SFM_T_LEFT:
			words->left = words->outer = true;
			return true;
		case SFM_T_RIGHT:
			words->right = words->outer = true;
			return true;
		case SFM_T_FULL:
			words->left = words->right = words->outer = true;
			return true;
		case SFM_T_OUTER:
			words->outer = true;
			return true;
		default:
			return false;
	}
}

/*
 * The operator between two terms of a FROM clause; false: there is none.  Up to
 * three words before JOIN, in any order, as long as they make sense together.
 */
static bool
join_operator(SfmParser *p, SfmJoin *join, bool *natural)
{
	JoinWords	words = {0};
	int			offset = p->cur.offset;

	*natural = false;
	if (sfm_accept(p, SFM_T_COMMA))
	{
		*join = SFM_JOIN_COMMA;
		return true;
	}
	if (p->cur.kind != SFM_T_JOIN && p->cur.word != SFM_WORD_JOIN)
		return false;
	for (int n = 0; n < 3 && join_word(p, &words); n++)
		sfm_advance(p);
	sfm_expect(p, SFM_T_JOIN);
	if ((words.inner && words.outer) || (words.outer && !words.left && !words.right))
		sfm_parse_fail(p, offset, "unknown kind of join");
	*natural = words.natural;
	if (words.left && words.right)
		*join = SFM_JOIN_FULL;
	else if (words.left)
		*join = SFM_JOIN_LEFT;
	else if (words.right)
		*join = SFM_JOIN_RIGHT;
	else
		*join = words.cross ? SFM_JOIN_CROSS : SFM_JOIN_INNER;
	return true;
}

/* name [(args)] [AS alias] [INDEXED BY name | NOT INDEXED] */
static void
from_table(SfmParser *p, SfmFrom *from)
{
	from->kind = SFM_FROM_TABLE;
	sfm_expect_qualified(p, &from->schema, &from->name);
	if (sfm_accept(p, SFM_T_LP))
	{
		from->kind = SFM_FROM_FUNCTION;
		if (p->cur.kind != SFM_T_RP)
			from->args = sfm_expression_list(p);
		sfm_expect(p, SFM_T_RP);
	}
	from->alias = sfm_accept_alias(p);
	if (from->kind == SFM_FROM_FUNCTION)
		return;
	if (sfm_accept(p, SFM_T_INDEXED))
	{
		sfm_expect(p, SFM_T_BY);
		from->indexed_by = sfm_expect_name(p);
	}
	else if (sfm_accept(p, SFM_T_NOT))
	{
		sfm_expect(p, SFM_T_INDEXED);
		from->not_indexed = true;
	}
}

/* One term with its condition, without the operator before it. */
static SfmFrom *
from_term(SfmParser *p)
{
	SfmFrom    *from = palloc0(sizeof(SfmFrom));

	from->offset = p->cur.offset;
	if (!sfm_accept(p, SFM_T_LP))
		from_table(p, from);
	else
	{
		if (sfm_starts_select(&p->cur))
		{
			from->kind = SFM_FROM_SELECT;
			from->select = sfm_select(p);
		}
		else
		{
			from->kind = SFM_FROM_NESTED;
			from->nested = from_terms(p);
		}
		sfm_expect(p, SFM_T_RP);
		from->alias = sfm_accept_alias(p);
	}
	if (sfm_accept(p, SFM_T_ON))
		from->on = sfm_expression(p);
	else if (sfm_accept(p, SFM_T_USING))
	{
		if (p->cur.kind != SFM_T_LP)
			sfm_parse_unexpected(p);
		from->using_columns = sfm_accept_column_list(p);
	}
	return from;
}

/* The terms of a FROM clause, or of a join in parentheses; NULL after a failure. */
static SfmFrom *
from_terms(SfmParser *p)
{
	SfmFrom    *first = NULL;
	SfmFrom   **tail = &first;
	SfmJoin		join = SFM_JOIN_NONE;
	bool		natural = false;

	if (!sfm_enter(p))
		return NULL;
	do
	{
		SfmFrom    *from = from_term(p);

		from->join = join;
		from->natural = natural;
		if (join == SFM_JOIN_NONE && (from->on != NULL || from->using_columns != NULL))
			sfm_parse_fail(p, from->offset, "ON or USING without a join");

		/* parentheses that change nothing */
		if (join == SFM_JOIN_NONE && from->kind == SFM_FROM_NESTED && from->alias == NULL)
			from = from->nested;

		*tail = from;
		while (*tail != NULL)
			tail = &(*tail)->next;
	} while (!p->failed && join_operator(p, &join, &natural));
	sfm_leave(p);
	return p->failed ? NULL : first;
}

/* *, table.*, or expr [AS alias] */
static SfmResultColumn *
result_column(SfmParser *p)
{
	SfmResultColumn *column = palloc0(sizeof(SfmResultColumn));
	int			start = p->cur.offset;
	int			end;

	if (sfm_accept(p, SFM_T_STAR))
		end = p->prev_end;
	else if (sfm_is_name(&p->cur) && sfm_peek(p, 1)->kind == SFM_T_DOT &&
			 sfm_peek(p, 2)->kind == SFM_T_STAR)
	{
		column->star_table = sfm_expect_name(p);
		sfm_advance(p);
		sfm_advance(p);
		end = p->prev_end;
	}
	else
	{
		column->expr = sfm_expression(p);
		/* SQLite's span reaches to the next token, and is trimmed */
		end = p->cur.offset;
		sfm_trim(p->sql, &start, &end);
		column->alias = sfm_accept_alias(p);
	}
	column->offset = start;
	column->length = end - start;
	return column;
}

/* VALUES (expr, ...), (expr, ...) */
static SfmRow *
values_rows(SfmParser *p)
{
	SfmRow	   *first = NULL;
	SfmRow	  **tail = &first;

	do
	{
		SfmRow	   *row = palloc0(sizeof(SfmRow));

		sfm_expect(p, SFM_T_LP);
		row->values = sfm_expression_list(p);
		sfm_expect(p, SFM_T_RP);
		*tail = row;
		tail = &row->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* The part of an arm behind SELECT, as far as WINDOW. */
static void
select_arm(SfmParser *p, SfmArm *arm)
{
	SfmResultColumn **tail = &arm->columns;

	arm->distinct = sfm_accept(p, SFM_T_DISTINCT);
	if (!arm->distinct)
		(void) sfm_accept(p, SFM_T_ALL);
	do
	{
		*tail = result_column(p);
		tail = &(*tail)->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	if (sfm_accept(p, SFM_T_FROM))
		arm->from = from_terms(p);
	if (sfm_accept(p, SFM_T_WHERE))
		arm->where = sfm_expression(p);
	if (sfm_accept(p, SFM_T_GROUP))
	{
		sfm_expect(p, SFM_T_BY);
		arm->group_by = sfm_expression_list(p);
	}
	if (sfm_accept(p, SFM_T_HAVING))
		arm->having = sfm_expression(p);
	if (sfm_accept(p, SFM_T_WINDOW))
		arm->windows = sfm_window_definitions(p);
}

/* LIMIT count [OFFSET skip], LIMIT skip, count, or nothing */
static void
limit_clause(SfmParser *p, SfmSelect *select)
{
	if (!sfm_accept(p, SFM_T_LIMIT))
		return;
	select->limit = sfm_expression(p);
	if (sfm_accept(p, SFM_T_OFFSET))
		select->limit_offset = sfm_expression(p);
	else if (sfm_accept(p, SFM_T_COMMA))
	{
		select->limit_offset = select->limit;
		select->limit = sfm_expression(p);
	}
}

/* The operator between two arms; SFM_COMPOUND_NONE: there is none. */
static SfmCompound
compound_operator(SfmParser *p)
{
	if (sfm_accept(p, SFM_T_UNION))
		return sfm_accept(p, SFM_T_ALL) ? SFM_COMPOUND_UNION_ALL : SFM_COMPOUND_UNION;
	if (sfm_accept(p, SFM_T_INTERSECT))
		return SFM_COMPOUND_INTERSECT;
	if (sfm_accept(p, SFM_T_EXCEPT))
		return SFM_COMPOUND_EXCEPT;
	return SFM_COMPOUND_NONE;
}

/* name [(columns)] AS [[NOT] MATERIALIZED] (select), ... */
static SfmCte *
common_tables(SfmParser *p)
{
	SfmCte	   *first = NULL;
	SfmCte	  **tail = &first;

	do
	{
		SfmCte	   *cte = palloc0(sizeof(SfmCte));

		cte->offset = p->cur.offset;
		cte->name = sfm_expect_name(p);
		cte->columns = sfm_accept_column_list(p);
		sfm_expect(p, SFM_T_AS);
		if (sfm_accept(p, SFM_T_MATERIALIZED))
			cte->materialized = SFM_MATERIALIZED_YES;
		else if (sfm_accept(p, SFM_T_NOT))
		{
			cte->materialized = SFM_MATERIALIZED_NO;
			sfm_expect(p, SFM_T_MATERIALIZED);
		}
		sfm_expect(p, SFM_T_LP);
		cte->select = sfm_select(p);
		sfm_expect(p, SFM_T_RP);
		*tail = cte;
		tail = &cte->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* The arms of a SELECT, and the ORDER BY and LIMIT that only the last may have. */
static void
select_arms(SfmParser *p, SfmSelect *select)
{
	SfmArm	  **tail = &select->arms;
	SfmCompound compound = SFM_COMPOUND_NONE;

	do
	{
		SfmArm	   *arm = palloc0(sizeof(SfmArm));

		arm->offset = p->cur.offset;
		arm->compound = compound;
		if (select->order_by != NULL || select->limit != NULL)
			sfm_parse_fail(p, p->cur.offset, select->order_by != NULL ?
						   "ORDER BY before the end of a compound SELECT" :
						   "LIMIT before the end of a compound SELECT");
		if (sfm_accept(p, SFM_T_VALUES))
			arm->values = values_rows(p);
		else if (sfm_expect(p, SFM_T_SELECT))
		{
			select_arm(p, arm);
			select->order_by = sfm_accept_order_by(p);
			limit_clause(p, select);
		}
		*tail = arm;
		tail = &arm->next;
		compound = compound_operator(p);
	} while (!p->failed && compound != SFM_COMPOUND_NONE);
}

/* A whole SELECT or VALUES, WITH included; NULL after a failure. */
SfmSelect *
sfm_select(SfmParser *p)
{
	SfmSelect  *select;
	int			saved;

	if (!sfm_enter(p))
		return NULL;
	select = palloc0(sizeof(SfmSelect));
	select->offset = p->cur.offset;
	saved = sfm_scope_begin(p);
	if (sfm_accept(p, SFM_T_WITH))
	{
		select->recursive = sfm_accept(p, SFM_T_RECURSIVE);
		select->with = common_tables(p);
	}
	select_arms(p, select);
	select->height = sfm_scope_end(p, saved, select->offset);
	sfm_leave(p);
	return p->failed ? NULL : select;
}
