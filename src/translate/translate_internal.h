/*
 * translate_internal.h
 *		What the files of src/translate share: terms, the context, and who does what.
 *
 * A term is a translated sub-expression: SQL text and what is known of its values.
 * Each term's text stands by itself, in parentheses where it is no primary.  A
 * failure is noted in the context, once; everything then goes on with NULL terms, so
 * that only the entry points look at it.
 */
#ifndef TRANSLATE_INTERNAL_H
#define TRANSLATE_INTERNAL_H

#include "lib/stringinfo.h"
#include "sfm_translate.h"

/* What a term is in PostgreSQL, and which storage class SQLite gives it. */
typedef enum Rep
{
	REP_NULL,					/* always NULL */
	REP_BOOL,					/* boolean; INTEGER 0 or 1 in SQLite */
	REP_INT,					/* bigint; INTEGER */
	REP_REAL,					/* double precision; REAL */
	REP_NUMBER,					/* INTEGER or REAL, value by value */
	REP_TEXT,					/* text; TEXT */
	REP_BLOB,					/* bytea; BLOB */
	REP_JSON,					/* jsonb that a path found; a number, text or NULL by what it is (json.c) */
	REP_OTHER					/* another type of PostgreSQL: type says which */
} Rep;

typedef struct Term
{
	Rep			rep;
	char	   *sql;			/* NULL for a number that is only known by its three parts */
	/* REP_NUMBER: boolean; bigint where that is true; double precision where it is not */
	char	   *is_int;
	char	   *int_sql;
	char	   *real_sql;
	/* dates: the instant, as timestamp, and how it is written as text */
	char	   *instant;
	const char *pattern;		/* NULL: not known */
	bool		readable;		/* SQLite's date functions read it as that instant */
	bool		is_now;			/* it is the current time, cut off as the pattern says */
	char	   *epoch;			/* a date column that holds seconds or milliseconds: that bigint */

	/* REP_JSON */
	char	   *json_text;		/* what was found as text, a string without quotes */
	const char *json_path;		/* SQLite's path from the column to it */
	const SfmTranslateColumn *json_column;	/* where that starts, or NULL */
	bool		json_alone;		/* found by ->: the value would be JSON text */
	bool		is_json_text;	/* REP_TEXT: JSON that json_array() and the like made */

	SfmType		type;			/* of sql, for a column and REP_OTHER */
	bool		has_type;
	char		affinity;		/* 0: none */
	const char *collation;		/* NULL: none */
	bool		collate;		/* collation was given by COLLATE */
	char		volatility;		/* i, s, v */
	bool		small;			/* REP_INT: a double holds it exactly, and 64 bits a sum of a few */
	bool		may_nan;		/* REP_REAL: NaN may come out where SQLite says NULL */
	bool		never_false;	/* REP_BOOL: true or NULL by the types alone */
	const char *true_unless_null;	/* REP_BOOL: true unless this is NULL, by the types alone */
	const char *true_if_null;	/* REP_BOOL: true when this is NULL */
	const char *unavailable;	/* a column that may not be named: what it is */
	bool		spelled;
	unsigned	classes;		/* REP_OTHER */
	const SfmExpr *literal;		/* a number or string, or NULL */
	bool		negative;		/* that literal negated */
} Term;

typedef struct ScopeRelation
{
	const char *name;			/* what SQL of the source calls it */
	const char *alias;			/* what ours does, quoted; NULL: columns stand alone */
	const SfmTranslateRelation *relation;
	bool	   *merged;			/* columns that USING took into one to the left */
} ScopeRelation;

typedef struct Scope
{
	struct Scope *parent;
	List	   *relations;		/* of ScopeRelation */
	const SfmResultColumn *aliases;	/* result columns, where their aliases may be used */
	List	   *windows;		/* of SfmWindow, those of the WINDOW clause */
} Scope;

typedef struct Cte
{
	const char *name;
	const SfmTranslateRelation *relation;
} Cte;

typedef struct Cx
{
	const SfmTranslateSource *source;
	const char *sql_text;
	SfmTranslateError error;
	bool		failed;
	bool		immutable;		/* a generated column: rather an error for some values than a stable function */
	Scope	   *scope;
	List	   *ctes;			/* of Cte, innermost first */
	int			naliases;
	int			depth;			/* of aliases being resolved */
	size_t		size;			/* of the text made so far */
} Cx;

#define UTC_NOW "(now() AT TIME ZONE 'UTC')"

/* What SQLite skips before and behind a number in a text (sqlite3Isspace()). */
#define SFM_TR_BLANKS "[\\t-\\r ]*"
/* A text that is a number as a whole: a regular expression, as a literal. */
#define SFM_TR_NUMBER "'^" SFM_TR_BLANKS "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?" SFM_TR_BLANKS "$'"

/* Longest text of one term: past it a construct is refused instead of written. */
#define MAX_TERM 200000

/* term.c: making terms */
extern void sfm_tr_fail(Cx *cx, int offset, const char *fmt,...) pg_attribute_printf(3, 4);
extern Term *sfm_tr_term(Rep rep, char *sql);
extern Term *sfm_tr_null(void);
extern Term *sfm_tr_derived(Cx *cx, int offset, Rep rep, const Term *a, const Term *b, char *sql);
extern Term *sfm_tr_int_literal(int64 value);
extern Term *sfm_tr_real_literal(double value);
extern Term *sfm_tr_text_literal(Cx *cx, int offset, const char *utf8);
extern Term *sfm_tr_column(Cx *cx, const SfmTranslateColumn *column, const char *alias);
extern void sfm_tr_result_column(const Term *term, SfmTranslateColumn *column);
extern char *sfm_tr_server_text(Cx *cx, int offset, const char *utf8);
extern const char *sfm_tr_string_of(const Term *term);	/* a string literal's text, or NULL */
extern bool sfm_tr_integer_of(const Term *term, int64 *value);
extern char sfm_tr_worse(char a, char b);

/* coerce.c: one term as something else */
extern char *sfm_tr_condition(Cx *cx, int offset, const Term *term);
extern char *sfm_tr_int(Cx *cx, int offset, const Term *term);	/* REP_BOOL, REP_INT */
extern char *sfm_tr_real(Cx *cx, const Term *term);	/* numbers as double precision */
extern Term *sfm_tr_text(Cx *cx, int offset, const Term *term, const char *what);
extern Term *sfm_tr_to_number(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_cast_integer(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_cast_real(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_output(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_comparable(Cx *cx, int offset, const Term *term, const char *what);
extern Term *sfm_tr_unify(Cx *cx, int offset, List *terms, List **coerced, const char *what);
extern char *sfm_tr_as_type(Cx *cx, int offset, const Term *term, const SfmType *type,
							char affinity);
extern bool sfm_tr_is_number(const Term *term);
extern Term *sfm_tr_epoch_number(const Term *term);
extern Term *sfm_tr_number(Cx *cx, int offset, const Term *a, const Term *b, char *is_int,
						   char *int_sql, char *real_sql);

/* compare.c */
extern Term *sfm_tr_compare(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right);
extern Term *sfm_tr_in(Cx *cx, int offset, const Term *left, List *items, bool negated);
extern Term *sfm_tr_in_select(Cx *cx, int offset, const Term *left, const Term *right,
							  const char *sql, const char *alias, bool negated);
extern char *sfm_tr_group_key(Cx *cx, int offset, const Term *term, const char *what);
extern char *sfm_tr_sort_key(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_not(Cx *cx, int offset, const Term *term);

/* like.c */
extern Term *sfm_tr_like(Cx *cx, const SfmExpr *expr);

/* arithmetic.c */
extern Term *sfm_tr_arithmetic(Cx *cx, int offset, SfmOp op, const Term *left, const Term *right);
extern Term *sfm_tr_negate(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_cast(Cx *cx, const SfmExpr *expr);

/* expression.c */
extern Term *sfm_tr_expr(Cx *cx, const SfmExpr *expr);
extern char *sfm_tr_order_by(Cx *cx, const SfmOrderTerm *terms);
extern Term *sfm_tr_coalesce(Cx *cx, int offset, List *args);
extern Term *sfm_tr_choose(Cx *cx, int offset, const Term *condition, List *results);

/* A time value of SQLite's date functions (instant.c). */
typedef struct SfmTimeValue
{
	char	   *sql;			/* timestamp */
	char		volatility;
	bool		now;			/* it is the current time, give or take a constant */
	bool		moved;			/* modifiers may have taken it to a year before 1 */
	bool		beyond;			/* and to one past 9999 */
	bool		micros;			/* it may have more than milliseconds */
	bool		whole_days;		/* it is midnight */
	bool		whole_seconds;
} SfmTimeValue;

extern bool sfm_tr_time_value(Cx *cx, const SfmExpr *expr, const Term *arg, bool unixepoch,
							  SfmTimeValue *value);
extern char *sfm_tr_milliseconds(const char *instant);

/* digits.c: SQL for the digits of a double, r; as those of the SQLite in use */
extern char *sfm_tr_rounded_size(const char *r, int digits);	/* numeric, for |r| under 10^(15 - digits) */
extern char *sfm_tr_real_text(const Cx *cx, const char *r, char *volatility);	/* text; *volatility becomes the worse */

/* function.c, format.c, aggregate.c, date.c, json.c */
extern Term *sfm_tr_function(Cx *cx, const SfmExpr *expr);
extern Term *sfm_tr_round(Cx *cx, const SfmExpr *expr, List *args);
extern Term *sfm_tr_printf(Cx *cx, const SfmExpr *expr, List *args);
extern bool sfm_tr_is_aggregate(const SfmExpr *expr);
extern Term *sfm_tr_aggregate(Cx *cx, const SfmExpr *expr);
extern Term *sfm_tr_date_function(Cx *cx, const SfmExpr *expr, List *args);
extern Term *sfm_tr_current(Cx *cx, const SfmExpr *expr);
extern bool sfm_tr_literal_date(const char *text, char **instant, const char **pattern);

/* json.c: the cases that a comparison with a JSON value has */
typedef struct SfmJsonCases
{
	char	   *is_null;
	char	   *is_number;
	char	   *is_text;
	Term	   *number;
	Term	   *text;
	Term	   *container;
} SfmJsonCases;

extern Term *sfm_tr_json_function(Cx *cx, const SfmExpr *expr, List *args);
extern Term *sfm_tr_json_operator(Cx *cx, int offset, SfmOp op, const Term *left,
								  const Term *right);
extern Term *sfm_tr_json_made(Cx *cx, const SfmExpr *expr, List *args);
extern Term *sfm_tr_json_group(Cx *cx, const SfmExpr *expr, const Term *arg, const char *order,
							   const char *after);
extern Term *sfm_tr_json_text_term(const Term *term);
extern Term *sfm_tr_json_number(Cx *cx, int offset, const Term *term);
extern Term *sfm_tr_json_as_text(Cx *cx, int offset, const Term *term, const char *what);
extern char *sfm_tr_json_is_null(const Term *term);
extern Term *sfm_tr_json_output(Cx *cx, int offset, const Term *term);
extern char *sfm_tr_json_as_type(Cx *cx, int offset, const Term *term, const SfmType *type,
								 char affinity);
extern void sfm_tr_json_cases(Cx *cx, int offset, const Term *term, const Term *beside,
							  SfmJsonCases *cases);

/* select.c, from.c */
extern char *sfm_tr_select(Cx *cx, const SfmSelect *select, int *ncolumns,
						   SfmTranslateColumn **columns);
extern char *sfm_tr_from(Cx *cx, const SfmFrom *from);
extern const SfmTranslateRelation *sfm_tr_relation(Cx *cx, int offset, const char *schema,
												   const char *name);

/* scope.c */
extern Term *sfm_tr_name(Cx *cx, const SfmExpr *expr);
extern ScopeRelation *sfm_tr_scope_add(Cx *cx, const char *name, const char *alias,
									   const SfmTranslateRelation *relation);
extern char *sfm_tr_alias(Cx *cx, int offset, const char *name);

#endif							/* TRANSLATE_INTERNAL_H */
