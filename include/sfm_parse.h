/*
 * sfm_parse.h
 *		SQLite's SQL as a tree: CREATE TABLE, CREATE INDEX, CREATE VIEW and the
 *		expressions and SELECTs in them.
 *
 * The parser never executes or passes on text of the file.  It depends on
 * palloc and StringInfo alone, so that it also builds without a server (FRONTEND)
 * for the fuzzers.  Errors come back in SfmParseError, they are not thrown;
 * nesting is bounded.  Nodes are palloc'd in the current context; names and
 * strings are decoded (quotes removed), NUL-terminated, UTF-8 as in the file.
 */
#ifndef SFM_PARSE_H
#define SFM_PARSE_H

typedef struct SfmParseError
{
	char	   *message;		/* lower case, no full stop, names the construct; palloc'd */
	int			offset;			/* byte in the SQL where it was met */
} SfmParseError;

/* Expressions and SELECTs: see sfm_ast.h */
typedef struct SfmExpr SfmExpr;
typedef struct SfmSelect SfmSelect;

typedef struct SfmIndexedColumn
{
	struct SfmIndexedColumn *next;
	SfmExpr    *expr;			/* a column reference, or any expression; without COLLATE */
	char	   *column;			/* the name where expr is a bare column; else NULL */
	char	   *collation;		/* COLLATE given here; NULL: none */
	bool		descending;
} SfmIndexedColumn;

typedef struct SfmName
{
	struct SfmName *next;
	char	   *name;
} SfmName;

typedef enum SfmConstraintKind
{
	SFM_CONSTRAINT_PRIMARY_KEY,
	SFM_CONSTRAINT_UNIQUE,
	SFM_CONSTRAINT_CHECK,
	SFM_CONSTRAINT_FOREIGN_KEY,
	SFM_CONSTRAINT_NOT_NULL,
	SFM_CONSTRAINT_NULL,		/* NULL written out; means nothing */
	SFM_CONSTRAINT_DEFAULT,
	SFM_CONSTRAINT_COLLATE,
	SFM_CONSTRAINT_GENERATED
} SfmConstraintKind;

typedef struct SfmConstraint
{
	struct SfmConstraint *next;
	SfmConstraintKind kind;
	int			offset;			/* byte in the SQL where it begins, its name included */
	char	   *name;			/* CONSTRAINT name; NULL: none */
	SfmIndexedColumn *columns;	/* PRIMARY KEY, UNIQUE of the table level */
	bool		descending;		/* column-level PRIMARY KEY DESC */
	bool		autoincrement;
	char	   *on_conflict;	/* ROLLBACK, ABORT, FAIL, IGNORE, REPLACE; NULL: none given */
	SfmExpr    *expr;			/* CHECK, DEFAULT, GENERATED */
	char	   *sql;			/* source text of that expression; of a DEFAULT as PRAGMA
								 * table_xinfo gives it */
	bool		stored;			/* GENERATED ... STORED */
	char	   *collation;		/* COLLATE */
	SfmName    *child_columns;	/* FOREIGN KEY of the table level */
	char	   *parent;
	SfmName    *parent_columns;	/* NULL: none given */
	char	   *on_delete;		/* upper case; NULL: none given */
	char	   *on_update;
	char	   *match;
	bool		deferrable;
	bool		initially_deferred;
} SfmConstraint;

typedef struct SfmColumnDef
{
	struct SfmColumnDef *next;
	int			offset;			/* byte in the SQL */
	char	   *name;
	char	   *declared_type;	/* NULL: none; else what PRAGMA table_xinfo gives: the text
								 * as written, the names of STRICT's types in upper case */
	SfmConstraint *constraints;
} SfmColumnDef;

typedef struct SfmCreateTable
{
	char	   *name;
	SfmColumnDef *columns;
	SfmConstraint *constraints;
	bool		without_rowid;
	bool		strict;
	SfmSelect  *as_select;		/* never set in sqlite_schema; here for completeness */
} SfmCreateTable;

typedef struct SfmCreateIndex
{
	char	   *name;
	char	   *table;
	bool		unique;
	SfmIndexedColumn *columns;
	SfmExpr    *where;			/* NULL: none */
	char	   *where_sql;
} SfmCreateIndex;

typedef struct SfmCreateView
{
	char	   *name;
	SfmName    *columns;		/* NULL: none given */
	SfmSelect  *select;
} SfmCreateView;

/* Each returns NULL and fills *error when the text is not understood. */
extern SfmCreateTable *sfm_parse_create_table(const char *sql, SfmParseError *error);
extern SfmCreateIndex *sfm_parse_create_index(const char *sql, SfmParseError *error);
extern SfmCreateView *sfm_parse_create_view(const char *sql, SfmParseError *error);
extern SfmExpr *sfm_parse_expression(const char *sql, SfmParseError *error);

/* The module of CREATE VIRTUAL TABLE ... USING module; NULL when it is none. */
extern char *sfm_parse_virtual_module(const char *sql);

#endif							/* SFM_PARSE_H */
