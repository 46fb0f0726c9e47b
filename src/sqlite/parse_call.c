/*
 * parse_call.c
 *		What stands behind a function's name: arguments, FILTER, OVER; and the
 *		parts that functions share with SELECT: ORDER BY terms and windows.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "sfm_token.h"

/* expr [ASC|DESC] [NULLS FIRST|LAST], ... */
SfmOrderTerm *
sfm_order_terms(SfmParser *p)
{
	SfmOrderTerm *first = NULL;
	SfmOrderTerm **tail = &first;

	do
	{
		SfmOrderTerm *term = palloc0(sizeof(SfmOrderTerm));

		term->expr = sfm_expression(p);
		if (!sfm_accept(p, SFM_T_ASC))
			term->descending = sfm_accept(p, SFM_T_DESC);
		if (sfm_accept(p, SFM_T_NULLS))
		{
			if (sfm_accept(p, SFM_T_FIRST))
				term->nulls = SFM_NULLS_FIRST;
			else if (sfm_expect(p, SFM_T_LAST))
				term->nulls = SFM_NULLS_LAST;
		}
		*tail = term;
		tail = &term->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* ORDER BY terms, or nothing. */
SfmOrderTerm *
sfm_accept_order_by(SfmParser *p)
{
	if (!sfm_accept(p, SFM_T_ORDER))
		return NULL;
	sfm_expect(p, SFM_T_BY);
	return sfm_order_terms(p);
}

/* One end of a frame; UNBOUNDED goes with PRECEDING at its start, FOLLOWING at its end. */
static void
frame_bound(SfmParser *p, SfmBound *bound, bool is_start)
{
	if (sfm_accept(p, SFM_T_UNBOUNDED))
	{
		bound->kind = is_start ? SFM_BOUND_UNBOUNDED_PRECEDING : SFM_BOUND_UNBOUNDED_FOLLOWING;
		sfm_expect(p, is_start ? SFM_T_PRECEDING : SFM_T_FOLLOWING);
	}
	else if (sfm_accept(p, SFM_T_CURRENT))
	{
		bound->kind = SFM_BOUND_CURRENT_ROW;
		sfm_expect(p, SFM_T_ROW);
	}
	else
	{
		bound->expr = sfm_expression(p);
		bound->kind = SFM_BOUND_PRECEDING;
		if (!sfm_accept(p, SFM_T_PRECEDING) && sfm_expect(p, SFM_T_FOLLOWING))
			bound->kind = SFM_BOUND_FOLLOWING;
	}
}

/* EXCLUDE ..., or nothing. */
static SfmExclude
frame_exclude(SfmParser *p)
{
	if (!sfm_accept(p, SFM_T_EXCLUDE))
		return SFM_EXCLUDE_NONE;
	if (sfm_accept(p, SFM_T_CURRENT))
	{
		sfm_expect(p, SFM_T_ROW);
		return SFM_EXCLUDE_CURRENT_ROW;
	}
	if (sfm_accept(p, SFM_T_GROUP))
		return SFM_EXCLUDE_GROUP;
	if (sfm_accept(p, SFM_T_TIES))
		return SFM_EXCLUDE_TIES;
	sfm_expect(p, SFM_T_NO);
	sfm_expect(p, SFM_T_OTHERS);
	return SFM_EXCLUDE_NO_OTHERS;
}

static SfmFrameUnit
frame_unit(SfmTokenKind kind)
{
	switch (kind)
	{
		case SFM_T_ROWS:
			return SFM_FRAME_ROWS;
		case SFM_T_RANGE:
			return SFM_FRAME_RANGE;
		case SFM_T_GROUPS:
			return SFM_FRAME_GROUPS;
		default:
			return SFM_FRAME_NONE;
	}
}

/* ([base] [PARTITION BY ...] [ORDER BY ...] [frame]) */
static void
window_body(SfmParser *p, SfmWindow *window)
{
	sfm_expect(p, SFM_T_LP);
	if (sfm_is_name(&p->cur) && p->cur.kind != SFM_T_PARTITION &&
		frame_unit(p->cur.kind) == SFM_FRAME_NONE)
		window->base = sfm_expect_name(p);
	if (sfm_accept(p, SFM_T_PARTITION))
	{
		sfm_expect(p, SFM_T_BY);
		window->partition_by = sfm_expression_list(p);
	}
	window->order_by = sfm_accept_order_by(p);
	window->unit = frame_unit(p->cur.kind);
	if (window->unit != SFM_FRAME_NONE)
	{
		sfm_advance(p);
		window->end.kind = SFM_BOUND_CURRENT_ROW;
		if (sfm_accept(p, SFM_T_BETWEEN))
		{
			frame_bound(p, &window->start, true);
			sfm_expect(p, SFM_T_AND);
			frame_bound(p, &window->end, false);
		}
		else
			frame_bound(p, &window->start, true);
		window->exclude = frame_exclude(p);
	}
	sfm_expect(p, SFM_T_RP);
}

/* name AS (...), ... of a WINDOW clause */
SfmWindow *
sfm_window_definitions(SfmParser *p)
{
	SfmWindow  *first = NULL;
	SfmWindow **tail = &first;

	do
	{
		SfmWindow  *window = palloc0(sizeof(SfmWindow));

		window->offset = p->cur.offset;
		window->name = sfm_expect_name(p);
		sfm_expect(p, SFM_T_AS);
		window_body(p, window);
		*tail = window;
		tail = &window->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* What follows OVER: (...) or a window's name */
static SfmWindow *
over_clause(SfmParser *p)
{
	SfmWindow  *window = palloc0(sizeof(SfmWindow));

	window->offset = p->cur.offset;
	if (p->cur.kind == SFM_T_LP)
		window_body(p, window);
	else
	{
		window->name = sfm_expect_name(p);
		window->reference = true;
	}
	return window;
}

/* ([DISTINCT] arguments [ORDER BY ...]) or (*), then FILTER and OVER */
SfmCall *
sfm_call(SfmParser *p)
{
	SfmCall    *call = palloc0(sizeof(SfmCall));

	sfm_expect(p, SFM_T_LP);
	if (sfm_accept(p, SFM_T_STAR))
		call->star = true;
	else
	{
		call->distinct = sfm_accept(p, SFM_T_DISTINCT);
		if (!call->distinct)
			(void) sfm_accept(p, SFM_T_ALL);
		if (p->cur.kind != SFM_T_RP && p->cur.kind != SFM_T_ORDER)
			call->args = sfm_expression_list(p);
		call->order_by = sfm_accept_order_by(p);
	}
	sfm_expect(p, SFM_T_RP);
	if (sfm_accept(p, SFM_T_FILTER))
	{
		sfm_expect(p, SFM_T_LP);
		sfm_expect(p, SFM_T_WHERE);
		call->filter = sfm_expression(p);
		sfm_expect(p, SFM_T_RP);
	}
	if (sfm_accept(p, SFM_T_OVER))
		call->over = over_clause(p);
	return call;
}
