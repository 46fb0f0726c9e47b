/*
 * plan.c
 *		Planning a foreign scan: how many rows, what they cost, which query.
 *
 * Row counts come from an earlier ANALYZE of the foreign table, else from
 * sqlite_stat1 or the range of rowids, so that a plan is sensible before anybody
 * has analyzed anything.  Where a condition fixes the rowid or a unique key, one
 * row is expected, which PostgreSQL cannot know of a foreign table.
 *
 * Beside the plain path there is one for each set of other tables that supply an
 * equal value for the rowid or an index's first column: a nested loop then looks
 * rows up instead of scanning the table a row.
 *
 * The planner's file is opened and in its read transaction, so what is planned and
 * what is run see the same schema.  A plan may be kept longer than that: it
 * carries what it relied on, for the scan to check.
 */
#include "postgres.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"

#include "compat.h"
#include "fdw_internal.h"
#include "sfm_names.h"

/* Cost of preparing and starting a SQLite statement, in units of the cost model. */
#define SFM_STARTUP_COST 5.0

/* The least that a row of a table takes in the file: pointer, lengths, rowid, header. */
#define SFM_ROW_BYTES 6

/* Rows of a view, of which nothing is known without running it. */
#define SFM_VIEW_ROWS 1000

/*
 * Which schema a plan was made for: another file or a changed one has another
 * identity.
 */
char *
sfm_schema_identity(SfmFile *file)
{
	const SfmFileIdentity *identity = sfm_file_identity(file);

	return psprintf(UINT64_FORMAT ":" UINT64_FORMAT ":" INT64_FORMAT,
					identity->device, identity->inode, sfm_file_schema_version(file));
}

/*
 * Estimates the source's rows and blocks.  reltuples is the count of an earlier
 * ANALYZE, -1 if there was none.
 */
static void
estimate_size(SfmForeignRel *source, Oid relid, double reltuples)
{
	const SfmFileIdentity *identity = sfm_file_identity(source->file);
	double		width = Max(get_relation_data_width(relid, NULL), 1);
	double		file_size = (double) identity->size + Max(identity->wal_size, 0);

	if (reltuples >= 0)
		source->tuples = reltuples;
	else if (source->table->rows_estimate >= 0)
		/* rowids may have gaps: there are no more rows than fit the file */
		source->tuples = Min(source->table->rows_estimate, file_size / SFM_ROW_BYTES);
	else if (source->table->kind == SFM_REL_TABLE)
		source->tuples = file_size / width;
	else
		source->tuples = SFM_VIEW_ROWS;
	source->tuples = Max(source->tuples, 1);
	source->pages = Max(ceil(Min(source->tuples * width, file_size) / BLCKSZ), 1);
}

/*
 * What the foreign table reads, palloc'd.  Raises HV00R when the file has no such
 * table, HV00L with SQLite's words when it cannot be read.  A column that the
 * source lacks is an error only once it is needed, see sfm_foreign_rel_number().
 */
SfmForeignRel *
sfm_foreign_rel_read(Oid relid, Oid serverid)
{
	SfmForeignRel  *source = palloc0(sizeof(SfmForeignRel));
	Relation	rel = table_open(relid, NoLock);
	SfmScanSink *sink = sfm_sink_find(relid);
	char	   *name;

	name = sfm_foreign_table(relid, &source->columns);
	source->natts = RelationGetNumberOfAttributes(rel);
	table_close(rel, NoLock);
	source->file = sfm_connection_for_server(serverid);
	source->table = sink ? sink->table : sfm_catalog_read_table(source->file, name);
	if (source->table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("SQLite file \"%s\" has no table \"%s\"",
						sfm_file_path(source->file), sfm_name_to_server(name)),
				 errhint("The option \"table\" of foreign table \"%s\" names it.",
						 get_rel_name(relid))));
	if (source->table->unreadable)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
				 errmsg("table \"%s\" of SQLite file \"%s\" cannot be read: %s",
						sfm_name_to_server(name), sfm_file_path(source->file),
						source->table->unreadable)));

	source->numbers = palloc(sizeof(int) * Max(source->natts, 1));
	for (int i = 0; i < source->natts; i++)
		source->numbers[i] = source->columns[i].attnum == 0 ? -1 :
			sfm_table_column(source->table, source->columns[i].source_name);
	estimate_size(source, relid, -1);
	return source;
}

/* The source column of an attribute; raises HV005 when the source has none such. */
int
sfm_foreign_rel_number(const SfmForeignRel *source, int attno)
{
	int			number = source->numbers[attno - 1];

	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				 errmsg("table \"%s\" of SQLite file \"%s\" has no column \"%s\"",
						sfm_name_to_server(source->table->name), sfm_file_path(source->file),
						sfm_name_to_server(source->columns[attno - 1].source_name))));
	return number;
}

/* The conditions among clauses (RestrictInfos) that SQLite will evaluate, as SfmPushed. */
static List *
split_clauses(PlannerInfo *root, RelOptInfo *rel, List *clauses,
			  List **remote, List **local)
{
	List	   *pushed_list = NIL;
	ListCell   *lc;

	*remote = NIL;
	*local = NIL;
	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		SfmPushed	pushed;

		if (!rinfo->pseudoconstant &&
			sfm_pushable(root, rel, rel->fdw_private, rinfo->clause, &pushed))
		{
			SfmPushed  *copy = palloc(sizeof(SfmPushed));

			*copy = pushed;
			pushed_list = lappend(pushed_list, copy);
			*remote = lappend(*remote, rinfo);
		}
		else
			*local = lappend(*local, rinfo);
	}
	return pushed_list;
}

/* Elements of an IN list, as far as they can be told. */
static double
array_elements(PlannerInfo *root, const SfmPushed *pushed)
{
	return pushed->kind == SFM_PUSHED_IN ?
		sfm_estimate_array_length(root, (Node *) pushed->value) : 1;
}

/* Is there an equality on the column?  *values: how many it is compared with. */
static bool
fixed_column(PlannerInfo *root, List *pushed_list, int column, double *values)
{
	ListCell   *lc;

	foreach(lc, pushed_list)
	{
		SfmPushed  *pushed = lfirst(lc);

		if (pushed->column != column)
			continue;
		if (pushed->kind == SFM_PUSHED_IN ||
			(pushed->kind == SFM_PUSHED_COMPARE && pushed->op[0] == '='))
		{
			*values *= array_elements(root, pushed);
			return true;
		}
	}
	return false;
}

/* Is there any condition on the column that an index on it serves? */
static bool
bounded_column(List *pushed_list, int column)
{
	ListCell   *lc;

	foreach(lc, pushed_list)
	{
		SfmPushed  *pushed = lfirst(lc);

		if (pushed->column == column && pushed->kind != SFM_PUSHED_NOT_NULL)
			return true;
	}
	return false;
}

/*
 * Rows that one key of the index gives with its first columns fixed, times the
 * keys asked for; -1 where nothing says.
 */
static double
index_rows(PlannerInfo *root, const SfmIndex *index, List *pushed_list)
{
	double		keys = 1;

	for (int i = 0; i < index->ncolumns; i++)
	{
		if (!fixed_column(root, pushed_list, index->columns[i].column, &keys))
			return -1;
	}
	if (index->unique)
		return keys;
	return index->rows_per_key > 0 ? keys * index->rows_per_key : -1;
}

/*
 * Rows that SQLite returns under the pushed conditions.  *by_lookup tells whether
 * it finds them by the rowid or an index.
 */
static double
estimate_fetched(PlannerInfo *root, RelOptInfo *rel, List *remote, List *pushed_list,
				 bool *by_lookup)
{
	SfmForeignRel  *source = rel->fdw_private;
	const SfmTable *table = source->table;
	double		rows = source->tuples *
		clauselist_selectivity(root, remote, rel->relid, JOIN_INNER, NULL);
	double		keys = 1;
	ListCell   *lc;

	*by_lookup = false;
	if (table->rowid_column >= 0)
	{
		*by_lookup = bounded_column(pushed_list, table->rowid_column);
		if (fixed_column(root, pushed_list, table->rowid_column, &keys))
			rows = Min(rows, keys);
	}
	foreach(lc, table->indexes)
	{
		SfmIndex   *index = lfirst(lc);
		double		found;

		if (index->partial || index->ncolumns == 0)
			continue;
		if (bounded_column(pushed_list, index->columns[0].column))
			*by_lookup = true;
		found = index_rows(root, index, pushed_list);
		if (found >= 0)
			rows = Min(rows, found);
	}
	return clamp_row_est(rows);
}

/* Rows and costs of a scan under these clauses. */
static void
estimate_scan(PlannerInfo *root, RelOptInfo *rel, List *clauses,
			  double *rows, Cost *startup, Cost *total)
{
	SfmForeignRel  *source = rel->fdw_private;
	List	   *remote;
	List	   *local;
	List	   *pushed_list = split_clauses(root, rel, clauses, &remote, &local);
	bool		by_lookup;
	double		fetched = estimate_fetched(root, rel, remote, pushed_list, &by_lookup);
	double		visited = by_lookup ? fetched : source->tuples;
	double		blocks = by_lookup ? Min(fetched, source->pages) : source->pages;
	QualCost	local_cost;

	cost_qual_eval(&local_cost, local, root);
	*rows = clamp_row_est(fetched *
						  clauselist_selectivity(root, local, rel->relid, JOIN_INNER, NULL));
	*startup = SFM_STARTUP_COST + local_cost.startup + rel->reltarget->cost.startup;
	*total = *startup + blocks * (by_lookup ? random_page_cost : seq_page_cost) +
		visited * cpu_operator_cost * (1 + list_length(remote)) +
		fetched * (cpu_tuple_cost + local_cost.per_tuple) +
		*rows * rel->reltarget->cost.per_tuple;
}

/* GetForeignRelSize: what the table reads, and how many rows come of it. */
void
sfm_get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	SfmForeignRel  *source = sfm_foreign_rel_read(relid, rel->serverid);
	Cost		startup;
	Cost		total;
	double		rows;

	estimate_size(source, relid, rel->tuples);
	rel->fdw_private = source;
	rel->tuples = source->tuples;
	set_baserel_size_estimates(root, rel);
	/* what SQLite's keys say is better than a guess without statistics */
	estimate_scan(root, rel, rel->baserestrictinfo, &rows, &startup, &total);
	rel->rows = rows;
}

typedef struct JoinColumn
{
	RelOptInfo *rel;
	int			attno;
} JoinColumn;

/* Callback: is this member of an equivalence class the column that we look at? */
static bool
is_join_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
			   EquivalenceMember *em, void *arg)
{
	JoinColumn *join = arg;
	Var		   *var = (Var *) sfm_plain_expr(em->em_expr);

	return IsA(var, Var) && var->varno == join->rel->relid && var->varattno == join->attno;
}

/* Attributes that a lookup can go by: the rowid and the first columns of indexes. */
static Bitmapset *
lookup_attributes(const SfmForeignRel *source)
{
	Bitmapset  *result = NULL;

	for (int i = 0; i < source->natts; i++)
	{
		int			number = source->numbers[i];
		bool		found = number >= 0 && number == source->table->rowid_column;
		ListCell   *lc;

		foreach(lc, source->table->indexes)
		{
			SfmIndex   *index = lfirst(lc);

			if (number >= 0 && !index->partial && index->ncolumns > 0 &&
				index->columns[0].column == number)
				found = true;
		}
		if (found)
			result = bms_add_member(result, i + 1);
	}
	return result;
}

/*
 * Is the join clause an equality by which rows can be looked up?  Then adds the
 * tables that must be there before to outers, once each.
 */
static List *
add_outer(PlannerInfo *root, RelOptInfo *rel, Bitmapset *attributes,
		  RestrictInfo *rinfo, List *outers)
{
	SfmPushed	pushed;
	Relids		outer;
	ListCell   *lc;

	if (!sfm_pushable(root, rel, rel->fdw_private, rinfo->clause, &pushed) ||
		!bms_is_member(pushed.attno, attributes) ||
		!(pushed.kind == SFM_PUSHED_IN ||
		  (pushed.kind == SFM_PUSHED_COMPARE && pushed.op[0] == '=')))
		return outers;
	outer = bms_union(rinfo->clause_relids, rel->lateral_relids);
	outer = bms_del_member(outer, rel->relid);
	if (bms_is_empty(outer))
		return outers;
	foreach(lc, outers)
	{
		if (bms_equal(lfirst(lc), outer))
			return outers;
	}
	return lappend(outers, outer);
}

/* The sets of other tables for which a lookup path is worth considering. */
static List *
find_outers(PlannerInfo *root, RelOptInfo *rel)
{
	Bitmapset  *attributes = lookup_attributes(rel->fdw_private);
	List	   *outers = NIL;
	ListCell   *lc;
	int			attno = -1;

	foreach(lc, rel->joininfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(rinfo, rel))
			outers = add_outer(root, rel, attributes, rinfo, outers);
	}
	if (!rel->has_eclass_joins)
		return outers;
	while ((attno = bms_next_member(attributes, attno)) >= 0)
	{
		JoinColumn	join = {rel, attno};
		List	   *clauses = generate_implied_equalities_for_column(root, rel, is_join_column,
																	 &join, rel->lateral_referencers);

		foreach(lc, clauses)
		{
			RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

			if (join_clause_is_movable_to(rinfo, rel))
				outers = add_outer(root, rel, attributes, rinfo, outers);
		}
	}
	return outers;
}

/* GetForeignPaths: the plain scan, and lookups for joins. */
void
sfm_get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	double		rows;
	Cost		startup;
	Cost		total;
	List	   *outers;
	ListCell   *lc;

	estimate_scan(root, rel, rel->baserestrictinfo, &rows, &startup, &total);
	add_path(rel, (Path *) sfm_create_scan_path(root, rel, rel->rows, startup, total,
												rel->lateral_relids));

	outers = find_outers(root, rel);
	foreach(lc, outers)
	{
		ParamPathInfo *info = get_baserel_parampathinfo(root, rel, lfirst(lc));

		estimate_scan(root, rel, list_concat_copy(info->ppi_clauses, rel->baserestrictinfo),
					  &rows, &startup, &total);
		info->ppi_rows = rows;
		add_path(rel, (Path *) sfm_create_scan_path(root, rel, rows, startup, total,
													lfirst(lc)));
	}
}

/*
 * The attributes to read: those that the query uses, and those that pushed
 * conditions are on, so that values that do not fit are met.  All of them for a
 * whole row, and while a migration listens.
 */
static List *
needed_attributes(RelOptInfo *rel, const SfmForeignRel *source, Oid relid, List *clauses)
{
	Bitmapset  *used = NULL;
	List	   *result = NIL;
	bool		all;
	ListCell   *lc;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &used);
	foreach(lc, clauses)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, lc)->clause, rel->relid, &used);
	all = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used) ||
		sfm_sink_find(relid) != NULL;

	for (int attno = 1; attno <= source->natts; attno++)
	{
		if (source->columns[attno - 1].attnum != 0 &&
			(all || bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, used)))
			result = lappend_int(result, attno);
	}
	return result;
}

/* For each pushed condition the column's name and what it relies on. */
static List *
relied_on(const SfmTable *table, List *pushed_list)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, pushed_list)
	{
		int			column = ((SfmPushed *) lfirst(lc))->column;

		result = lappend(result, makeString(table->columns[column].name));
		result = lappend(result, makeString(sfm_relied_on(table, column)));
	}
	return result;
}

/* GetForeignPlan: the query, and what the scan must know of it. */
ForeignScan *
sfm_get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
			 List *tlist, List *clauses, Plan *outer_plan)
{
	SfmForeignRel  *source = rel->fdw_private;
	List	   *remote;
	List	   *local;
	List	   *pushed_list = split_clauses(root, rel, clauses, &remote, &local);
	List	   *attributes = needed_attributes(rel, source, relid, clauses);
	List	   *numbers = NIL;
	List	   *params;
	List	   *private;
	bool		rowid_first;
	char	   *sql;
	ListCell   *lc;

	foreach(lc, attributes)
		numbers = lappend_int(numbers, sfm_foreign_rel_number(source, lfirst_int(lc)));
	sql = sfm_deparse_scan(source->table, numbers, pushed_list, &params, &rowid_first);

	/* in the order of enum SfmPlanItem */
	private = list_make5(makeString(sql), attributes, makeBoolean(rowid_first),
						 makeString(source->table->name),
						 makeString(sfm_schema_identity(source->file)));
	private = lappend(private, relied_on(source->table, pushed_list));

	return make_foreignscan(tlist, extract_actual_clauses(local, false), rel->relid,
							params, private, NIL,
							extract_actual_clauses(remote, false), outer_plan);
}
