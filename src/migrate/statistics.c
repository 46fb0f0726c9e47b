/*
 * statistics.c
 *		The planner's statistics of a table that the call loaded, computed where its rows
 *		are read for verification anyway, which a parallel worker may do.
 *
 * ANALYZE cannot run in a worker, since it writes the catalog.  What it computes is
 * computed here by the same functions (each type's typanalyze, else std_typanalyze()),
 * from a sample of the same size; the backend then stores the rows of pg_statistic and
 * what ANALYZE stores besides.  Tables with an index over an expression or with a WHERE,
 * which have statistics of their own, and those so large that ANALYZE need not read all of
 * them, are left to ANALYZE.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "sfm_migrate.h"

/* The least sample that ANALYZE takes (do_analyze_rel() in analyze.c). */
#define LEAST_ROWS 100

struct SfmSampler
{
	Relation	rel;
	MemoryContext mcxt;			/* of all of it */
	VacAttrStats **columns;		/* those that have statistics */
	int			ncolumns;
	HeapTuple  *rows;			/* the sample */
	int			nrows;
	int			wanted;			/* rows that it shall have */
	double		total;			/* rows of the table */
	double		seen;			/* of them */
};

/* What is computed for a column, or NULL: nothing is. */
static VacAttrStats *
examine_column(Relation rel, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	VacAttrStats *stats = palloc0(sizeof(VacAttrStats));
	HeapTuple	type = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(attribute->atttypid));
	bool		able;

	if (!HeapTupleIsValid(type))
		elog(ERROR, "cache lookup failed for type %u", attribute->atttypid);
	sfm_set_statistics_target(stats, attribute);
	stats->attrtypid = attribute->atttypid;
	stats->attrtypmod = attribute->atttypmod;
	stats->attrcollid = attribute->attcollation;
	stats->attrtype = (Form_pg_type) GETSTRUCT(type);
	stats->anl_context = CurrentMemoryContext;
	stats->tupattnum = attnum;
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		stats->statypid[i] = stats->attrtypid;
		stats->statyplen[i] = stats->attrtype->typlen;
		stats->statypbyval[i] = stats->attrtype->typbyval;
		stats->statypalign[i] = stats->attrtype->typalign;
	}
	able = OidIsValid(stats->attrtype->typanalyze) ?
		DatumGetBool(OidFunctionCall1(stats->attrtype->typanalyze, PointerGetDatum(stats))) :
		std_typanalyze(stats);
	return able && stats->compute_stats && stats->minrows > 0 ? stats : NULL;
}

/*
 * Begins to take a sample of a table's rows, of which there are so many, for one of so
 * many groups of columns; all in CurrentMemoryContext.
 */
SfmSampler *
sfm_sampler_begin(Relation rel, double total, int group, int ngroups)
{
	SfmSampler *sampler = palloc0(sizeof(SfmSampler));
	int			natts = RelationGetDescr(rel)->natts;

	sampler->rel = rel;
	sampler->mcxt = CurrentMemoryContext;
	sampler->total = total;
	sampler->wanted = LEAST_ROWS;
	sampler->columns = palloc(sizeof(VacAttrStats *) * natts);
	for (int i = group; i < natts; i += ngroups)
	{
		VacAttrStats *stats = examine_column(rel, i + 1);

		if (stats == NULL)
			continue;
		sampler->columns[sampler->ncolumns++] = stats;
		sampler->wanted = Max(sampler->wanted, stats->minrows);
	}
	sampler->rows = palloc(sizeof(HeapTuple) * sampler->wanted);
	return sampler;
}

/*
 * Sees the table's next row, and keeps a copy of it if it enters the sample.  The number
 * of rows is known, so that each is drawn as it comes (Knuth's algorithm S) and stays,
 * where ANALYZE has to draw by a reservoir.
 */
void
sfm_sampler_add(SfmSampler *sampler, TupleTableSlot *slot)
{
	double		left = sampler->total - sampler->seen++;
	MemoryContext old;

	if (sampler->nrows == sampler->wanted ||
		pg_prng_double(&pg_global_prng_state) * left >= sampler->wanted - sampler->nrows)
		return;
	old = MemoryContextSwitchTo(sampler->mcxt);
	sampler->rows[sampler->nrows++] = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(old);
}

static int
by_place(const void *a, const void *b)
{
	return ItemPointerCompare(&(*(const HeapTuple *) a)->t_self, &(*(const HeapTuple *) b)->t_self);
}

static Datum
fetch_value(VacAttrStatsP stats, int row, bool *isnull)
{
	return heap_getattr(stats->rows[row], stats->tupattnum, stats->tupDesc, isnull);
}

static ArrayType *
number_array(const float4 *numbers, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		values[i] = Float4GetDatum(numbers[i]);
	return construct_array(values, n, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
}

/* The row of pg_statistic for a column. */
static HeapTuple
form_row(TupleDesc desc, Oid relid, const VacAttrStats *stats)
{
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic] = {false};

	values[Anum_pg_statistic_starelid - 1] = ObjectIdGetDatum(relid);
	values[Anum_pg_statistic_staattnum - 1] = Int16GetDatum(stats->tupattnum);
	values[Anum_pg_statistic_stainherit - 1] = BoolGetDatum(false);
	values[Anum_pg_statistic_stanullfrac - 1] = Float4GetDatum(stats->stanullfrac);
	values[Anum_pg_statistic_stawidth - 1] = Int32GetDatum(stats->stawidth);
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum(stats->stadistinct);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
	{
		values[Anum_pg_statistic_stakind1 - 1 + i] = Int16GetDatum(stats->stakind[i]);
		values[Anum_pg_statistic_staop1 - 1 + i] = ObjectIdGetDatum(stats->staop[i]);
		values[Anum_pg_statistic_stacoll1 - 1 + i] = ObjectIdGetDatum(stats->stacoll[i]);
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = stats->numnumbers[i] == 0;
		if (stats->numnumbers[i] > 0)
			values[Anum_pg_statistic_stanumbers1 - 1 + i] =
				PointerGetDatum(number_array(stats->stanumbers[i], stats->numnumbers[i]));
		nulls[Anum_pg_statistic_stavalues1 - 1 + i] = stats->numvalues[i] == 0;
		if (stats->numvalues[i] > 0)
			values[Anum_pg_statistic_stavalues1 - 1 + i] =
				PointerGetDatum(construct_array(stats->stavalues[i], stats->numvalues[i],
												stats->statypid[i], stats->statyplen[i],
												stats->statypbyval[i], stats->statypalign[i]));
	}
	return heap_form_tuple(desc, values, nulls);
}

/*
 * Computes the statistics of the group's columns.  Returns rows of pg_statistic for
 * sfm_statistics_store(): each its length, then what a heap tuple holds, both aligned.
 */
void
sfm_sampler_end(SfmSampler *sampler, StringInfo result)
{
	MemoryContext column = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration column",
												 ALLOCSET_DEFAULT_SIZES);
	Relation	catalog = table_open(StatisticRelationId, AccessShareLock);

	/* in the order of the table, which a scan need not begin at its start */
	if (sampler->nrows > 1)
		qsort(sampler->rows, sampler->nrows, sizeof(HeapTuple), by_place);
	for (int i = 0; i < sampler->ncolumns && sampler->nrows > 0; i++)
	{
		VacAttrStats *stats = sampler->columns[i];
		MemoryContext old = MemoryContextSwitchTo(column);
		HeapTuple	row;
		Size		length[MAXIMUM_ALIGNOF / sizeof(Size)] = {0};

		stats->rows = sampler->rows;
		stats->tupDesc = RelationGetDescr(sampler->rel);
		stats->compute_stats(stats, fetch_value, sampler->nrows, sampler->seen);
		MemoryContextSwitchTo(old);
		MemoryContextReset(column);
		CHECK_FOR_INTERRUPTS();
		if (!stats->stats_valid)
			continue;
		row = form_row(RelationGetDescr(catalog), RelationGetRelid(sampler->rel), stats);
		length[0] = row->t_len;
		appendBinaryStringInfo(result, (char *) length, sizeof(length));
		appendBinaryStringInfo(result, (char *) row->t_data, row->t_len);
		while (result->len % MAXIMUM_ALIGNOF != 0)
			appendStringInfoChar(result, '\0');
		heap_freetuple(row);
	}
	table_close(catalog, AccessShareLock);
	MemoryContextDelete(column);
}

/* Tells the planner how large a relation is. */
void
sfm_set_size(Oid relid, double tuples)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	BlockNumber visible = 0;
	BlockNumber frozen = 0;

	if (rel->rd_rel->relkind == RELKIND_RELATION)
		visibilitymap_count(rel, &visible, &frozen);
	sfm_update_relstats(rel, RelationGetNumberOfBlocks(rel), tuples, visible, frozen);
	relation_close(rel, AccessShareLock);
}

/* Whether all that ANALYZE would store of a table is its columns' and its size. */
bool
sfm_statistics_are_plain(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	bool		result = true;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		result &= RelationGetIndexExpressions(index) == NIL && RelationGetIndexPredicate(index) == NIL;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	table_close(rel, AccessShareLock);
	return result;
}

/* Stores what sfm_sampler_end() gave of columns without statistics. */
void
sfm_statistics_store(Oid relid, const char *statistics, Size size)
{
	Relation	catalog = table_open(StatisticRelationId, RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(catalog);

	for (Size at = 0; at < size;)
	{
		HeapTupleData row = {0};
		Size		length = *(const Size *) (statistics + at);

		at += MAXIMUM_ALIGNOF;
		row.t_len = length;
		row.t_data = (HeapTupleHeader) (statistics + at);
		ItemPointerSetInvalid(&row.t_self);
		row.t_tableOid = StatisticRelationId;
		CatalogTupleInsertWithInfo(catalog, &row, indexes);
		at += MAXALIGN(length);
	}
	CatalogCloseIndexes(indexes);
	table_close(catalog, RowExclusiveLock);
}

/* After the statistics of all columns: stores those of the whole table, and says that it was analyzed. */
void
sfm_statistics_done(Oid relid, int64 tuples)
{
	TimestampTz began = GetCurrentTimestamp();
	Relation	rel;
	List	   *own;
	ListCell   *lc;

	CommandCounterIncrement();
	sfm_set_size(relid, tuples);
	rel = table_open(relid, AccessShareLock);
	own = RelationGetIndexList(rel);
	foreach(lc, own)
		sfm_set_size(lfirst_oid(lc), tuples);
	sfm_report_analyze(rel, tuples, began);
	list_free(own);
	table_close(rel, AccessShareLock);
}
