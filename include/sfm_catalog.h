/*
 * sfm_catalog.h
 *		What a SQLite file declares: tables, columns, keys, indexes, views,
 *		triggers.  Read once through PRAGMA functions and the parsed SQL text;
 *		palloc'd in the context current at sfm_catalog_read().
 */
#ifndef SFM_CATALOG_H
#define SFM_CATALOG_H

#include "nodes/pg_list.h"
#include "sfm_parse.h"
#include "sfm_sqlite.h"

typedef enum SfmRelKind
{
	SFM_REL_TABLE,
	SFM_REL_VIEW,
	SFM_REL_VIRTUAL,
	SFM_REL_SHADOW				/* holds the data of a virtual table */
} SfmRelKind;

typedef enum SfmGenerated
{
	SFM_GENERATED_NOT,
	SFM_GENERATED_VIRTUAL,
	SFM_GENERATED_STORED
} SfmGenerated;

typedef struct SfmColumn
{
	char	   *name;
	char	   *declared_type;	/* as written; NULL: none */
	bool		not_null;
	int			pk;				/* place in the primary key from 1; 0: not in it */
	SfmGenerated generated;
	char	   *default_sql;	/* NULL: none */
	char	   *collation;		/* upper-case "BINARY" where none is declared */
	const SfmColumnDef *def;	/* its parsed definition; NULL where the parser gave up */
} SfmColumn;

typedef struct SfmIndexColumn
{
	int			column;			/* number in SfmTable.columns; -1 rowid, -2 expression */
	bool		descending;
	char	   *collation;
} SfmIndexColumn;

typedef struct SfmIndex
{
	char	   *name;
	bool		unique;
	char		origin;			/* 'c' CREATE INDEX, 'u' UNIQUE constraint, 'p' primary key */
	bool		partial;
	int			ncolumns;
	SfmIndexColumn *columns;
	char	   *sql;			/* NULL for automatic indexes */
	const SfmCreateIndex *def;	/* parsed sql; NULL: none, or the parser gave up */
	const char *parse_error;	/* why def is NULL though sql is not */
	const SfmConstraint *constraint;	/* of origin 'u' or 'p': as parsed, or NULL */
	int64		rows_per_key;	/* average rows for one full key, from sqlite_stat1; 0: unknown */
} SfmIndex;

typedef struct SfmForeignKey
{
	int			id;				/* SQLite's, from 0 within the table */
	char	   *name;			/* constraint name, or NULL */
	char	   *parent;			/* as written */
	int			ncolumns;
	int		   *columns;		/* numbers in SfmTable.columns */
	char	  **parent_columns;	/* as written; NULL: none given, the parent's primary key is meant */
	char	   *on_update;		/* "NO ACTION", "RESTRICT", "SET NULL", "SET DEFAULT", "CASCADE" */
	char	   *on_delete;
	char	   *match;			/* "NONE", "FULL", ... */
	bool		deferrable;
	bool		initially_deferred;
	const SfmConstraint *def;	/* as parsed, or NULL */
} SfmForeignKey;

typedef struct SfmTrigger
{
	char	   *name;
	char	   *sql;
} SfmTrigger;

typedef struct SfmTable
{
	int			number;			/* in SfmCatalog.tables */
	char	   *name;
	SfmRelKind	kind;
	char	   *sql;
	bool		without_rowid;
	bool		strict;
	bool		autoincrement;
	int			ncolumns;		/* hidden columns of virtual tables are not counted */
	SfmColumn  *columns;
	int			nkeys;			/* primary key columns */
	int		   *keys;			/* their numbers, in key order */
	int			rowid_column;	/* the INTEGER PRIMARY KEY that is the rowid; -1: none */
	const char *rowid_name;		/* rowid, _rowid_ or oid: the first not hidden by a column;
								 * NULL: none free, WITHOUT ROWID, or a view */
	List	   *indexes;		/* of SfmIndex */
	List	   *foreign_keys;	/* of SfmForeignKey */
	List	   *triggers;		/* of SfmTrigger */
	const SfmCreateTable *def;	/* parsed sql; NULL: view, or the parser gave up */
	const SfmCreateView *view;	/* parsed sql of a view, or NULL */
	const char *parse_error;	/* why def and view are NULL */
	const char *module;			/* virtual table: its module */
	const char *unreadable;		/* what SQLite said when asked for its columns, or NULL */
	double		rowids;			/* their range, about: there are no more rows; negative: unknown */
	double		rows_estimate;	/* sqlite_stat1, else rowids; negative: unknown */
	/* from sqlite_sequence, by sfm_catalog_read_counts() */
	bool		counted;		/* it has an integer for the table */
	int64		count;			/* the greatest one */
	bool		odd_count;		/* a row for the table holds no integer */
} SfmTable;

typedef struct SfmCatalog
{
	List	   *tables;			/* of SfmTable, in the order of sqlite_schema, internal ones left out */
	List	   *internal;		/* names of sqlite_* tables */
	struct HTAB *by_name;		/* for sfm_catalog_find() */
} SfmCatalog;

/* Reads the whole catalog within the file's read transaction. */
extern SfmCatalog *sfm_catalog_read(SfmFile *file);

/* One table or view alone; NULL when there is none of that name (ASCII case ignored). */
extern SfmTable *sfm_catalog_read_table(SfmFile *file, const char *name);

extern SfmTable *sfm_catalog_find(const SfmCatalog *catalog, const char *name);
extern int	sfm_table_column(const SfmTable *table, const char *name);	/* -1: none */

/* Fills in what sqlite_sequence counted for each table. */
extern void sfm_catalog_read_counts(SfmFile *file, SfmCatalog *catalog);

/* Equal as SQLite compares names: ASCII case ignored. */
extern bool sfm_names_equal(const char *a, const char *b);

#endif							/* SFM_CATALOG_H */
