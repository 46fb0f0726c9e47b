/*
 * sfm_ast.h
 *		The trees that sfm_parse.h hands out: expressions and SELECTs.
 *
 * The trees say what SQLite's own parser understands and no more: precedence is
 * resolved, parentheses are gone, quotes are decoded, keywords are enums.  Names
 * are not resolved: whether "x" in double quotes is a column or (where there is
 * no such column) a string, and whether a bare TRUE is a column or the constant,
 * depends on the tables in scope and is the reader's to decide; `quote` tells.
 *
 * Lists are chained through `next`.  A tree is at most SFM_MAX_HEIGHT nodes
 * high, subqueries included, so that it may be walked recursively; lists may be
 * of any length.  An `offset` is the byte in the parsed text where the node's own
 * token stands: the operator of a binary expression, the name of a function, the
 * keyword of a CASE.
 */
#ifndef SFM_AST_H
#define SFM_AST_H

#include "sfm_parse.h"

/* SQLite's own default limit, SQLITE_MAX_EXPR_DEPTH; a file past it cannot be opened. */
#define SFM_MAX_HEIGHT 1000

typedef enum SfmExprKind
{
	SFM_EXPR_NULL,
	SFM_EXPR_INTEGER,			/* u.integer */
	SFM_EXPR_REAL,				/* text: the number as written (also integers past 64 bits) */
	SFM_EXPR_STRING,			/* text */
	SFM_EXPR_BLOB,				/* text: its hex digits, an even number */
	SFM_EXPR_BOOLEAN,			/* u.integer 0 or 1: DEFAULT TRUE or FALSE without parentheses */
	SFM_EXPR_CURRENT_DATE,
	SFM_EXPR_CURRENT_TIME,
	SFM_EXPR_CURRENT_TIMESTAMP,
	SFM_EXPR_BAD_NUMBER,		/* text: a hex number past 64 bits; SQLite fails when it runs it */
	SFM_EXPR_VARIABLE,			/* text: ?1, :a, @a, $a */
	SFM_EXPR_COLUMN,			/* text: name; u.qualifier; quote */
	SFM_EXPR_UNARY,				/* op, left */
	SFM_EXPR_BINARY,			/* op, left, right */
	SFM_EXPR_IS_NULL,			/* left; negated: NOTNULL, IS NOT NULL */
	SFM_EXPR_LIKE,				/* op, left, right: pattern, u.escape or NULL; negated */
	SFM_EXPR_BETWEEN,			/* left, right: lower bound, u.upper; negated */
	SFM_EXPR_IN_LIST,			/* left, u.list, maybe empty; negated.  A SUBQUERY alone in the
								 * list, IN ((SELECT ...)), is one value to SQLite 3.40 and the
								 * same as IN (SELECT ...) to later ones */
	SFM_EXPR_IN_SELECT,			/* left, u.select; negated */
	SFM_EXPR_IN_TABLE,			/* left, u.from: a table or table function; negated */
	SFM_EXPR_COLLATE,			/* left, text: collation */
	SFM_EXPR_CAST,				/* left, text: type as written, "" where none is */
	SFM_EXPR_CASE,				/* left: operand or NULL, u.list: WHEN, THEN, WHEN, THEN ...,
								 * right: ELSE or NULL */
	SFM_EXPR_EXISTS,			/* u.select; NOT EXISTS is a UNARY over it */
	SFM_EXPR_SUBQUERY,			/* u.select, as a value or row */
	SFM_EXPR_ROW,				/* u.list, two or more */
	SFM_EXPR_FUNCTION,			/* text: name; u.call; quote */
	SFM_EXPR_RAISE				/* text: IGNORE, ROLLBACK, ABORT, FAIL; left: message or NULL */
} SfmExprKind;

typedef enum SfmOp
{
	SFM_OP_NONE,
	/* UNARY */
	SFM_OP_NOT,
	SFM_OP_MINUS,
	SFM_OP_PLUS,				/* no operation, but hides a column's affinity and collation */
	SFM_OP_BIT_NOT,
	/* BINARY */
	SFM_OP_OR,
	SFM_OP_AND,
	SFM_OP_EQ,					/* = and == */
	SFM_OP_NE,					/* <> and != */
	SFM_OP_IS,					/* IS, IS NOT DISTINCT FROM */
	SFM_OP_IS_NOT,				/* IS NOT, IS DISTINCT FROM */
	SFM_OP_LT,
	SFM_OP_LE,
	SFM_OP_GT,
	SFM_OP_GE,
	SFM_OP_BIT_AND,
	SFM_OP_BIT_OR,
	SFM_OP_LSHIFT,
	SFM_OP_RSHIFT,
	SFM_OP_ADD,
	SFM_OP_SUBTRACT,
	SFM_OP_MULTIPLY,
	SFM_OP_DIVIDE,
	SFM_OP_MODULO,
	SFM_OP_CONCAT,
	SFM_OP_JSON,				/* -> */
	SFM_OP_JSON_VALUE,			/* ->> */
	/* LIKE */
	SFM_OP_LIKE,
	SFM_OP_GLOB,
	SFM_OP_REGEXP,
	SFM_OP_MATCH
} SfmOp;

/* As SQL writes it, e.g. "IS NOT", "->>"; a constant. */
extern const char *sfm_op_name(SfmOp op);

typedef struct SfmQualifier
{
	char	   *schema;			/* NULL: none */
	char	   *table;
} SfmQualifier;

typedef struct SfmFrom SfmFrom;
typedef struct SfmCall SfmCall;

struct SfmExpr
{
	SfmExpr    *next;			/* in a list */
	SfmExprKind kind;
	SfmOp		op;
	int			offset;
	short		height;			/* 1 for a leaf */
	char		quote;			/* COLUMN, FUNCTION, STRING: ", ', ` or [ as written; 0: bare */
	bool		negated;
	char	   *text;
	SfmExpr    *left;
	SfmExpr    *right;
	union
	{
		int64		integer;
		SfmQualifier *qualifier;	/* NULL: a bare column name */
		SfmExpr    *escape;
		SfmExpr    *upper;
		SfmExpr    *list;
		SfmSelect  *select;
		SfmFrom    *from;
		SfmCall    *call;
	}			u;
};

typedef enum SfmNulls
{
	SFM_NULLS_DEFAULT,			/* SQLite: first when ascending, last when descending */
	SFM_NULLS_FIRST,
	SFM_NULLS_LAST
} SfmNulls;

typedef struct SfmOrderTerm
{
	struct SfmOrderTerm *next;
	SfmExpr    *expr;
	bool		descending;
	SfmNulls	nulls;
} SfmOrderTerm;

typedef enum SfmFrameUnit
{
	SFM_FRAME_NONE,				/* no frame given */
	SFM_FRAME_ROWS,
	SFM_FRAME_RANGE,
	SFM_FRAME_GROUPS
} SfmFrameUnit;

typedef enum SfmBoundKind
{
	SFM_BOUND_UNBOUNDED_PRECEDING,
	SFM_BOUND_PRECEDING,		/* expr PRECEDING */
	SFM_BOUND_CURRENT_ROW,
	SFM_BOUND_FOLLOWING,
	SFM_BOUND_UNBOUNDED_FOLLOWING
} SfmBoundKind;

typedef struct SfmBound
{
	SfmBoundKind kind;
	SfmExpr    *expr;			/* PRECEDING, FOLLOWING */
} SfmBound;

typedef enum SfmExclude
{
	SFM_EXCLUDE_NONE,			/* none given */
	SFM_EXCLUDE_NO_OTHERS,		/* means the same, said */
	SFM_EXCLUDE_CURRENT_ROW,
	SFM_EXCLUDE_GROUP,
	SFM_EXCLUDE_TIES
} SfmExclude;

/* A window: OVER name, OVER (...), or name AS (...) in a WINDOW clause. */
typedef struct SfmWindow
{
	struct SfmWindow *next;		/* in a WINDOW clause */
	int			offset;
	char	   *name;			/* WINDOW name AS, OVER name; else NULL */
	bool		reference;		/* OVER name: nothing else is set */
	char	   *base;			/* (base ...): the window it builds on; NULL: none */
	SfmExpr    *partition_by;
	SfmOrderTerm *order_by;
	SfmFrameUnit unit;
	SfmBound	start;
	SfmBound	end;			/* CURRENT ROW where only the start is written */
	SfmExclude	exclude;
} SfmWindow;

/* What follows a function's name. */
struct SfmCall
{
	SfmExpr    *args;
	bool		star;			/* count(*) */
	bool		distinct;
	SfmOrderTerm *order_by;		/* within the parentheses */
	SfmExpr    *filter;
	SfmWindow  *over;			/* NULL: no window function */
};

/*
 * One term of a FROM clause.  Terms join from left to right, all with the same
 * precedence, the comma included: in "a, b JOIN c ON e", e may name a.
 */
typedef enum SfmFromKind
{
	SFM_FROM_TABLE,				/* schema, name */
	SFM_FROM_FUNCTION,			/* schema, name, args */
	SFM_FROM_SELECT,			/* select */
	SFM_FROM_NESTED				/* nested: a join within parentheses, two terms or more, or
								 * any parentheses with an alias or condition of their own */
} SfmFromKind;

typedef enum SfmJoin
{
	SFM_JOIN_NONE,				/* the first term */
	SFM_JOIN_COMMA,
	SFM_JOIN_INNER,
	SFM_JOIN_CROSS,
	SFM_JOIN_LEFT,
	SFM_JOIN_RIGHT,
	SFM_JOIN_FULL
} SfmJoin;

struct SfmFrom
{
	SfmFrom    *next;
	SfmFromKind kind;
	SfmJoin		join;			/* with what stands to its left */
	bool		natural;
	bool		not_indexed;
	int			offset;
	char	   *schema;			/* NULL: none */
	char	   *name;
	char	   *alias;			/* NULL: none */
	char	   *indexed_by;		/* a hint; NULL: none */
	SfmExpr    *args;
	SfmSelect  *select;
	SfmFrom    *nested;
	SfmExpr    *on;
	SfmName    *using_columns;
};

typedef struct SfmResultColumn
{
	struct SfmResultColumn *next;
	int			offset;			/* its text: what SQLite names the column by where */
	int			length;			/* it has no alias and is no column (bytes) */
	SfmExpr    *expr;			/* NULL: a star */
	char	   *star_table;		/* t.*; NULL: * (or no star) */
	char	   *alias;			/* NULL: none */
} SfmResultColumn;

/* One row of VALUES. */
typedef struct SfmRow
{
	struct SfmRow *next;
	SfmExpr    *values;
} SfmRow;

typedef enum SfmCompound
{
	SFM_COMPOUND_NONE,			/* the first arm */
	SFM_COMPOUND_UNION,
	SFM_COMPOUND_UNION_ALL,
	SFM_COMPOUND_INTERSECT,
	SFM_COMPOUND_EXCEPT
} SfmCompound;

/* One arm of a compound SELECT; they associate to the left, all alike. */
typedef struct SfmArm
{
	struct SfmArm *next;
	SfmCompound compound;		/* with the arms before it */
	int			offset;
	bool		distinct;
	SfmRow	   *values;			/* VALUES (...), (...): nothing below is set */
	SfmResultColumn *columns;
	SfmFrom    *from;			/* NULL: none */
	SfmExpr    *where;
	SfmExpr    *group_by;
	SfmExpr    *having;
	SfmWindow  *windows;
} SfmArm;

typedef enum SfmMaterialized
{
	SFM_MATERIALIZED_DEFAULT,
	SFM_MATERIALIZED_YES,
	SFM_MATERIALIZED_NO
} SfmMaterialized;

typedef struct SfmCte
{
	struct SfmCte *next;
	int			offset;
	char	   *name;
	SfmName    *columns;		/* NULL: none given */
	SfmMaterialized materialized;
	SfmSelect  *select;
} SfmCte;

struct SfmSelect
{
	int			offset;
	short		height;
	bool		recursive;		/* WITH RECURSIVE (SQLite recurses without the word, too) */
	SfmCte	   *with;
	SfmArm	   *arms;
	SfmOrderTerm *order_by;
	SfmExpr    *limit;
	SfmExpr    *limit_offset;	/* of LIMIT a OFFSET b, and of LIMIT b, a */
};

#endif							/* SFM_AST_H */
