/*
 * sfm_token.h
 *		The inside of the SQL parser: tokens, and what its files share.  Nobody
 *		outside src/sqlite/token.c and src/sqlite/parse*.c includes this.
 *
 * The grammar is SQLite's parse.y (3.37 and later), by recursive descent and, for
 * operators, precedence climbing.  SQLite's parser is LALR with "fallback": most
 * keywords are identifiers wherever the grammar has no other use for them.  The
 * SFM_WORD_* classes below say which word may be what.
 *
 * Errors are sticky: sfm_parse_fail() keeps the first one and turns the current
 * token into SFM_T_FAILED, which matches nothing, so that every loop ends and
 * every function returns; results are NULL from then on.
 */
#ifndef SFM_TOKEN_H
#define SFM_TOKEN_H

#include "sfm_ast.h"

typedef enum SfmTokenKind
{
	SFM_T_END,
	SFM_T_FAILED,
	/* literals and names */
	SFM_T_ID,					/* bare or quoted by ", ` or [] */
	SFM_T_STRING,
	SFM_T_BLOB,
	SFM_T_INTEGER,
	SFM_T_REAL,
	SFM_T_VARIABLE,
	/* punctuation */
	SFM_T_LP,
	SFM_T_RP,
	SFM_T_COMMA,
	SFM_T_DOT,
	SFM_T_SEMI,
	/* operators */
	SFM_T_PLUS,
	SFM_T_MINUS,
	SFM_T_STAR,
	SFM_T_SLASH,
	SFM_T_PERCENT,
	SFM_T_EQ,
	SFM_T_NE,
	SFM_T_LT,
	SFM_T_LE,
	SFM_T_GT,
	SFM_T_GE,
	SFM_T_AMPERSAND,
	SFM_T_PIPE,
	SFM_T_TILDE,
	SFM_T_LSHIFT,
	SFM_T_RSHIFT,
	SFM_T_CONCAT,
	SFM_T_ARROW,
	SFM_T_ARROW2,
	/* keywords that the parser asks for; the rest are SFM_T_OTHER_WORD */
	SFM_T_OTHER_WORD,
	SFM_T_ABORT,
	SFM_T_ACTION,
	SFM_T_ALL,
	SFM_T_ALWAYS,
	SFM_T_AND,
	SFM_T_AS,
	SFM_T_ASC,
	SFM_T_AUTOINCREMENT,
	SFM_T_BETWEEN,
	SFM_T_BY,
	SFM_T_CASCADE,
	SFM_T_CASE,
	SFM_T_CAST,
	SFM_T_CHECK,
	SFM_T_COLLATE,
	SFM_T_CONFLICT,
	SFM_T_CONSTRAINT,
	SFM_T_CREATE,
	SFM_T_CROSS,
	SFM_T_CURRENT,
	SFM_T_CURRENT_DATE,
	SFM_T_CURRENT_TIME,
	SFM_T_CURRENT_TIMESTAMP,
	SFM_T_DEFAULT,
	SFM_T_DEFERRABLE,
	SFM_T_DEFERRED,
	SFM_T_DELETE,
	SFM_T_DESC,
	SFM_T_DISTINCT,
	SFM_T_ELSE,
	SFM_T_END_WORD,
	SFM_T_ESCAPE,
	SFM_T_EXCEPT,
	SFM_T_EXCLUDE,
	SFM_T_EXISTS,
	SFM_T_FAIL,
	SFM_T_FILTER,
	SFM_T_FIRST,
	SFM_T_FOLLOWING,
	SFM_T_FOREIGN,
	SFM_T_FROM,
	SFM_T_FULL,
	SFM_T_GENERATED,
	SFM_T_GLOB,
	SFM_T_GROUP,
	SFM_T_GROUPS,
	SFM_T_HAVING,
	SFM_T_IF,
	SFM_T_IGNORE,
	SFM_T_IMMEDIATE,
	SFM_T_IN,
	SFM_T_INDEX,
	SFM_T_INDEXED,
	SFM_T_INITIALLY,
	SFM_T_INNER,
	SFM_T_INSERT,
	SFM_T_INTERSECT,
	SFM_T_IS,
	SFM_T_ISNULL,
	SFM_T_JOIN,
	SFM_T_KEY,
	SFM_T_LAST,
	SFM_T_LEFT,
	SFM_T_LIKE,
	SFM_T_LIMIT,
	SFM_T_MATCH,
	SFM_T_MATERIALIZED,
	SFM_T_NATURAL,
	SFM_T_NO,
	SFM_T_NOT,
	SFM_T_NOTNULL,
	SFM_T_NULL,
	SFM_T_NULLS,
	SFM_T_OFFSET,
	SFM_T_ON,
	SFM_T_OR,
	SFM_T_ORDER,
	SFM_T_OTHERS,
	SFM_T_OUTER,
	SFM_T_OVER,
	SFM_T_PARTITION,
	SFM_T_PRECEDING,
	SFM_T_PRIMARY,
	SFM_T_RAISE,
	SFM_T_RANGE,
	SFM_T_RECURSIVE,
	SFM_T_REFERENCES,
	SFM_T_REGEXP,
	SFM_T_REPLACE,
	SFM_T_RESTRICT,
	SFM_T_RIGHT,
	SFM_T_ROLLBACK,
	SFM_T_ROW,
	SFM_T_ROWS,
	SFM_T_SELECT,
	SFM_T_SET,
	SFM_T_TABLE,
	SFM_T_TEMP,
	SFM_T_THEN,
	SFM_T_TIES,
	SFM_T_UNBOUNDED,
	SFM_T_UNION,
	SFM_T_UNIQUE,
	SFM_T_UPDATE,
	SFM_T_USING,
	SFM_T_VALUES,
	SFM_T_VIEW,
	SFM_T_VIRTUAL,
	SFM_T_WHEN,
	SFM_T_WHERE,
	SFM_T_WINDOW,
	SFM_T_WITH,
	SFM_T_WITHOUT
} SfmTokenKind;

/* What a word may stand for besides itself. */
typedef enum SfmWordClass
{
	SFM_WORD_NONE,				/* no word at all: number, operator ... */
	SFM_WORD_RESERVED,			/* a keyword only */
	SFM_WORD_JOIN,				/* CROSS, LEFT ...: also a table's or column's name */
	SFM_WORD_INDEXED,			/* INDEXED: also a name, but no alias, type or collation */
	SFM_WORD_FALLBACK,			/* keyword that falls back to an identifier */
	SFM_WORD_ID,				/* identifier */
	SFM_WORD_STRING				/* 'string', a name in many places */
} SfmWordClass;

typedef struct SfmToken
{
	SfmTokenKind kind;
	SfmWordClass word;
	int			offset;
	int			length;
} SfmToken;

/* Recursion of the grammar's functions; each costs a few hundred bytes of stack. */
#define SFM_MAX_NESTING 2000
#define SFM_LOOKAHEAD 2

/* SQLite's default limit on a statement, in bytes; below palloc's. */
#define SFM_MAX_SQL 1000000000

typedef struct SfmParser
{
	const char *sql;
	int			length;
	int			pos;			/* where the scanner goes on, behind ahead[] */
	SfmTokenKind last;			/* kind of the token scanned last */
	SfmToken	cur;
	SfmToken	ahead[SFM_LOOKAHEAD];
	int			nahead;
	int			prev_end;		/* end of the token before cur */
	int			nesting;
	int			height;			/* of the highest tree built in the current scope */
	SfmParseError *error;		/* where to report, never NULL */
	bool		failed;
} SfmParser;

/* token.c */
extern void sfm_scan_raw(const char *sql, int length, int pos, SfmToken *token);
extern void sfm_parser_begin(SfmParser *p, const char *sql, SfmParseError *error);
extern void sfm_advance(SfmParser *p);
extern const SfmToken *sfm_peek(SfmParser *p, int n);

/* parse.c: errors, cursor, names */
extern void sfm_parse_fail(SfmParser *p, int offset, const char *message);
extern void sfm_parse_too_high(SfmParser *p, int offset);
extern void sfm_parse_unexpected(SfmParser *p);
extern bool sfm_enter(SfmParser *p);
extern void sfm_leave(SfmParser *p);
extern int	sfm_scope_begin(SfmParser *p);
extern int	sfm_scope_end(SfmParser *p, int saved, int offset);
extern bool sfm_accept(SfmParser *p, SfmTokenKind kind);
extern bool sfm_expect(SfmParser *p, SfmTokenKind kind);
extern bool sfm_is_id(const SfmToken *token);
extern bool sfm_is_ids(const SfmToken *token);
extern bool sfm_is_name(const SfmToken *token);
extern char *sfm_token_text(SfmParser *p, const SfmToken *token);
extern char sfm_token_quote(SfmParser *p, const SfmToken *token);
extern bool sfm_token_matches(SfmParser *p, const SfmToken *token, const char *word);
extern char *sfm_expect_name(SfmParser *p);
extern char *sfm_expect_ids(SfmParser *p);
extern char *sfm_accept_alias(SfmParser *p);
extern void sfm_expect_qualified(SfmParser *p, char **schema, char **name);
extern SfmName *sfm_expect_name_list(SfmParser *p);
extern SfmName *sfm_accept_column_list(SfmParser *p);
extern char *sfm_trimmed_text(SfmParser *p, int start, int end);
extern char *sfm_dequoted(const char *text, int length);
extern void sfm_trim(const char *sql, int *start, int *end);
extern bool sfm_is_space(char c);
extern char sfm_quote_character(const char *text, int length);
extern bool sfm_type_tokens(SfmParser *p, int *start, int *end);
extern void sfm_expect_end(SfmParser *p);

/* parse_expr.c */
extern SfmExpr *sfm_expression(SfmParser *p);
extern SfmExpr *sfm_expression_list(SfmParser *p);
extern SfmExpr *sfm_default_term(SfmParser *p);
extern SfmExpr *sfm_negated(SfmParser *p, SfmExpr *operand, int offset);
extern SfmExpr *sfm_string_expr(SfmParser *p, const SfmToken *token);

/* parse_call.c */
extern SfmCall *sfm_call(SfmParser *p);
extern SfmOrderTerm *sfm_order_terms(SfmParser *p);
extern SfmOrderTerm *sfm_accept_order_by(SfmParser *p);
extern SfmWindow *sfm_window_definitions(SfmParser *p);

/* parse_select.c */
extern SfmSelect *sfm_select(SfmParser *p);
extern bool sfm_starts_select(const SfmToken *token);

#endif							/* SFM_TOKEN_H */
