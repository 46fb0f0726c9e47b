/*
 * fdw_internal.h
 *		What the files of src/fdw share.
 */
#ifndef SFM_FDW_INTERNAL_H
#define SFM_FDW_INTERNAL_H

#include "access/xact.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "sfm_fdw.h"

/* The alias of the source table in every query, so that a name is never a string. */
#define SFM_ALIAS "r"

/*
 * A foreign table joined with what it reads: RelOptInfo.fdw_private while a query
 * is planned, and what ANALYZE starts from.
 */
typedef struct SfmForeignRel
{
	SfmFile    *file;
	const SfmTable *table;
	int			natts;
	SfmForeignColumn *columns;	/* one an attribute; attnum 0: dropped */
	int		   *numbers;		/* the column in table->columns; -1: it has none such */
	double		tuples;			/* rows of the source, estimated */
	double		pages;			/* and the blocks that they would fill */
} SfmForeignRel;

/* plan.c */
extern SfmForeignRel *sfm_foreign_rel_read(Oid relid, Oid serverid);
extern int	sfm_foreign_rel_number(const SfmForeignRel *source, int attno);	/* ereports */
extern char *sfm_schema_identity(SfmFile *file);
extern void sfm_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern void sfm_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid);
extern ForeignScan *sfm_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid,
								 ForeignPath *path, List *tlist, List *clauses,
								 Plan *outer_plan);

/* What the plan tells the executor: the places in ForeignScan.fdw_private. */
enum SfmPlanItem
{
	SFM_PLAN_SQL,				/* String: the query */
	SFM_PLAN_ATTRIBUTES,		/* IntList: attribute numbers, in the query's order */
	SFM_PLAN_ROWID,				/* Boolean: the query's first column is the rowid */
	SFM_PLAN_TABLE,				/* String: the source table */
	SFM_PLAN_IDENTITY,			/* String: which schema it was planned for */
	SFM_PLAN_RELIED				/* List of String: columns that pushed conditions are on,
								 * each followed by what was relied on */
};

/* pushdown.c */
typedef enum SfmPushedKind
{
	SFM_PUSHED_COMPARE,			/* column op value */
	SFM_PUSHED_IN,				/* column = ANY (array) */
	SFM_PUSHED_NULL,
	SFM_PUSHED_NOT_NULL
} SfmPushedKind;

/* One condition that SQLite evaluates. */
typedef struct SfmPushed
{
	SfmPushedKind kind;
	int			attno;
	int			column;			/* number in the source table's columns */
	const char *op;				/* of SFM_PUSHED_COMPARE: =, <, <=, >, >= */
	Expr	   *value;			/* of COMPARE and IN: free of this table's columns */
} SfmPushed;

extern bool sfm_pushable(PlannerInfo *root, RelOptInfo *rel, const SfmForeignRel *source,
						 Expr *clause, SfmPushed *pushed);
extern Expr *sfm_plain_expr(Expr *expr);
extern char *sfm_relied_on(const SfmTable *table, int column);

/* deparse.c */
extern char *sfm_deparse_scan(const SfmTable *table, List *columns, List *pushed,
							  List **params, bool *rowid_first);

/* reader.c */
typedef struct SfmReaderColumn
{
	int			att;			/* place in the row, from 0 */
	const char *name;			/* the attribute's, for messages */
	SfmConv    *conv;
} SfmReaderColumn;

/* A query's rows as Datums. */
typedef struct SfmReader
{
	SfmStmt    *stmt;
	const char *table;			/* the source table, for messages */
	bool		has_rowid;		/* the query's first column is the rowid */
	int			natts;			/* of a row */
	int			ncolumns;		/* of them read */
	SfmReaderColumn *columns;
} SfmReader;

extern void sfm_reader_init(SfmReader *reader, Relation rel, const SfmForeignColumn *columns,
							List *attributes, bool has_rowid, const char *table);
extern void sfm_reader_row(SfmReader *reader, Datum *values, bool *isnull);

/* scan.c */
extern void sfm_begin_scan(ForeignScanState *node, int eflags);
extern TupleTableSlot *sfm_iterate_scan(ForeignScanState *node);
extern void sfm_rescan(ForeignScanState *node);
extern void sfm_end_scan(ForeignScanState *node);

/* sink_scan.c */
typedef struct SfmSinkScan SfmSinkScan;
extern void sfm_sink_prepare(const SfmScanSink *sink, List *attributes, SfmForeignColumn *columns);
extern SfmSinkScan *sfm_sink_begin(SfmScanSink *sink, SfmReader *reader,
								   const SfmForeignColumn *columns, ForeignScan *plan);
extern bool sfm_sink_prefetches(const SfmSinkScan *scan);
extern bool sfm_sink_next(SfmSinkScan *scan, ExprContext *econtext, Datum *values, bool *isnull);
extern void sfm_sink_end(SfmSinkScan *scan);

/* The first cell that is read: where a column is the rowid, the rowid's own is not. */
#define SFM_FIRST_CELL(rowid_cell) ((rowid_cell) > 0 ? 1 : 0)

/* prefetch.c */
typedef struct SfmPrefetchScan SfmPrefetchScan;
extern SfmPrefetchScan *sfm_prefetch_scan(SfmPrefetch *prefetch, const char *sql,
										  const char *table, const char *rowid_name,
										  int ncolumns, int rowid_cell,
										  const SfmType *hash_types);
extern bool sfm_prefetch_next(SfmPrefetchScan *scan, SfmValue *values, SfmChecksum *sum);
extern void sfm_prefetch_end(SfmPrefetchScan *scan);

/* sink.c */
extern void sfm_sink_forget(SubTransactionId subid);
extern void sfm_sink_forget_all(void);

/* analyze.c, import.c */
extern bool sfm_analyze_table(Relation rel, AcquireSampleRowsFunc *func, BlockNumber *totalpages);
extern List *sfm_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid);

#endif							/* SFM_FDW_INTERNAL_H */
