/*
 * sfm_translate.h
 *		SQLite's expressions and SELECTs written as PostgreSQL's, with the same meaning.
 *
 * The translator goes from sfm_ast.h's trees to SQL text.  It never passes on text of
 * the file: names are quoted, literals are written anew, functions and operators come
 * from a closed list and live in pg_catalog.  What it writes means for every value
 * that can be there what SQLite means; where that cannot be had, it says which
 * construct is to blame and where in the SQL it stands.
 *
 * What values can be there follows from the columns' PostgreSQL types and from what
 * the migration found in them; both are given in SfmTranslateColumn.  Nothing is
 * thrown for what cannot be translated; all memory is palloc'd in the caller's
 * context.
 */
#ifndef SFM_TRANSLATE_H
#define SFM_TRANSLATE_H

#include "nodes/pg_list.h"
#include "sfm_ast.h"
#include "sfm_value.h"

typedef struct SfmTranslateError
{
	char	   *message;		/* a clause: lower case, no full stop, names the construct */
	int			offset;			/* byte in the SQL where it stands */
} SfmTranslateError;

/* How the values of a date column are written in SQLite. */
typedef struct SfmDateForm
{
	const char *pattern;		/* to_char()'s pattern that gives back every value; NULL: none */
	bool		readable;		/* SQLite's date functions read every value as PostgreSQL's is */
	bool		numbers;		/* there are numbers among them */
} SfmDateForm;

/* A set of storage classes: bits 1 << SfmClass. */
#define SFM_CLASS_BIT(cls) (1u << (cls))

/* A column as the translator sees it. */
typedef struct SfmTranslateColumn
{
	const char *name;			/* SQLite's */
	const char *sql;			/* the target's identifier, quoted; or an expression in parentheses
								 * that stands for it (generated columns) */
	bool		is_expression;	/* sql is such an expression */
	SfmType		type;			/* of the target's column */
	char		affinity;		/* SQLite's: I T B R N; 0: none, for results of expressions */
	const char *collation;		/* BINARY, NOCASE, RTRIM, or the application's own */
	unsigned	classes;		/* storage classes that its values have in SQLite */
	bool		spelled;		/* some are spelled otherwise than the target prints them */
	bool		not_null;
	bool		by_value;		/* a number that is INTEGER where it is whole, whatever its affinity */
	const char *unavailable;	/* what it is, where it may not be named; NULL: it may */
	const SfmDateForm *form;	/* NULL: to be asked for */
	void	   *origin;			/* the caller's */
} SfmTranslateColumn;

/* A table or view as the translator sees it. */
typedef struct SfmTranslateRelation
{
	const char *name;			/* SQLite's */
	const char *sql;			/* the target, qualified and quoted */
	int			ncolumns;
	SfmTranslateColumn *columns;
	int			rowid_column;	/* number of the column that is the rowid; -1: none */
} SfmTranslateRelation;

/* What JSON values there are at a path, a set of bits; null and nothing do not count. */
#define SFM_JSON_STRING		1u
#define SFM_JSON_INTEGER	2u	/* and booleans */
#define SFM_JSON_REAL		4u
#define SFM_JSON_CONTAINER	8u

/* What the translator asks of its caller. */
typedef struct SfmTranslateSource
{
	/* The relation of that name (ASCII case ignored); NULL and *why: there is none. */
	const SfmTranslateRelation *(*relation) (void *arg, const char *name, const char **why);
	/* How the values of a date column are written; NULL where that is not known. */
	const SfmDateForm *(*date_form) (void *arg, const SfmTranslateColumn *column);
	/* Which values a column of JSON has at a path of SQLite's; may be NULL. */
	unsigned	(*json_kinds) (void *arg, const SfmTranslateColumn *column, const char *path);
	void	   *arg;
} SfmTranslateSource;

/* A translated expression. */
typedef struct SfmTranslated
{
	char	   *sql;
	bool		implied;		/* a condition that the columns' types make sure of by themselves */
	char		volatility;		/* 'i' immutable, 's' stable, 'v' volatile */
} SfmTranslated;

/*
 * A condition over one table's columns, as a boolean: a CHECK, or an index's WHERE.
 * immutable: only immutable functions will do.  False and *error: not translated.
 */
extern bool sfm_translate_condition(const SfmTranslateSource *source,
									const SfmTranslateRelation *table, const SfmExpr *expr,
									bool immutable, SfmTranslated *result,
									SfmTranslateError *error);

/*
 * The value of an expression as a column of that type and affinity stores it: a
 * DEFAULT (table NULL) or a generated column.
 */
extern bool sfm_translate_value(const SfmTranslateSource *source,
								const SfmTranslateRelation *table, const SfmExpr *expr,
								const SfmType *type, char affinity, bool immutable,
								SfmTranslated *result, SfmTranslateError *error);

/*
 * An expression in an index, under the collation given there (NULL: its own), as it
 * is written between the index's parentheses.  unique: the index is.
 */
extern bool sfm_translate_index_term(const SfmTranslateSource *source,
									 const SfmTranslateRelation *table, const SfmExpr *expr,
									 const char *collation, bool unique,
									 SfmTranslated *result, SfmTranslateError *error);

/*
 * The SELECT of a view.  Its result columns come back in *result: name as SQLite
 * names them, sql NULL; the caller gives them identifiers.  sql_text is the
 * statement that was parsed: unnamed columns are called after their text.
 */
extern char *sfm_translate_view(const SfmTranslateSource *source, const SfmCreateView *view,
								const char *sql_text, int *ncolumns,
								SfmTranslateColumn **result, SfmTranslateError *error);

#endif							/* SFM_TRANSLATE_H */
