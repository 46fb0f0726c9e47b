/*
 * analyze.c
 *		ANALYZE of a foreign table: a sample of its rows for PostgreSQL's statistics.
 *
 * The whole table is stepped through, as SQLite has no way to take rows at random,
 * but only rows that enter the sample are converted.  The sample is Vitter's
 * reservoir, as in PostgreSQL's own acquire_sample_rows().
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "foreign/foreign.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"

#include "compat.h"
#include "fdw_internal.h"
#include "sfm_names.h"

/* Opens a query for all columns of the foreign table that the source has. */
static void
open_reader(Relation rel, SfmForeignRel *source, SfmReader *reader)
{
	List	   *attributes = NIL;
	List	   *numbers = NIL;
	char	   *table = sfm_name_to_server(source->table->name);
	List	   *params;
	bool		has_rowid;
	char	   *sql;

	for (int attno = 1; attno <= source->natts; attno++)
	{
		if (source->columns[attno - 1].attnum == 0)
			continue;
		attributes = lappend_int(attributes, attno);
		numbers = lappend_int(numbers, sfm_foreign_rel_number(source, attno));
	}
	sql = sfm_deparse_scan(source->table, numbers, NIL, &params, &has_rowid);
	sfm_reader_init(reader, rel, source->columns, attributes, has_rowid, table);
	reader->stmt = sfm_prepare(source->file, sql, table);
}

/* The current row as a tuple in CurrentMemoryContext; its parts in a context of its own. */
static HeapTuple
sample_row(Relation rel, SfmReader *reader, Datum *values, bool *isnull,
		   MemoryContext row_context)
{
	MemoryContext old = MemoryContextSwitchTo(row_context);
	HeapTuple	tuple;

	sfm_reader_row(reader, values, isnull);
	MemoryContextSwitchTo(old);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, isnull);
	MemoryContextReset(row_context);
	return tuple;
}

/* Fills rows with at most targrows tuples; see AcquireSampleRowsFunc. */
static int
acquire_sample(Relation rel, int elevel, HeapTuple *rows, int targrows,
			   double *totalrows, double *totaldeadrows)
{
	Oid			relid = RelationGetRelid(rel);
	SfmForeignRel  *source = sfm_foreign_rel_read(relid, GetForeignTable(relid)->serverid);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "SQLite sample row",
													  ALLOCSET_DEFAULT_SIZES);
	Datum	   *values = palloc(sizeof(Datum) * Max(source->natts, 1));
	bool	   *isnull = palloc(sizeof(bool) * Max(source->natts, 1));
	SfmReader	reader;
	ReservoirStateData state;
	double		seen = 0;
	double		skip = -1;
	int			n = 0;

	open_reader(rel, source, &reader);
	memset(isnull, true, source->natts);
	reservoir_init_selection_state(&state, targrows);
	while (sfm_step(reader.stmt))
	{
		sfm_vacuum_delay_point();
		if (n < targrows)
			rows[n++] = sample_row(rel, &reader, values, isnull, row_context);
		else
		{
			if (skip < 0)
				skip = reservoir_get_next_S(&state, seen, targrows);
			if (skip <= 0)
			{
				int			k = (int) (targrows * sampler_random_fract(&state.randstate));

				heap_freetuple(rows[k]);
				rows[k] = sample_row(rel, &reader, values, isnull, row_context);
			}
			skip -= 1;
		}
		seen += 1;
	}
	sfm_finalize(reader.stmt);
	MemoryContextDelete(row_context);

	*totalrows = seen;
	*totaldeadrows = 0;
	ereport(elevel,
			(errmsg("\"%s\": SQLite table contains %.0f rows; %d rows in sample",
					RelationGetRelationName(rel), seen, n)));
	return n;
}

/* AnalyzeForeignTable: every table can be sampled. */
bool
sfm_analyze_table(Relation rel, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	Oid			relid = RelationGetRelid(rel);
	SfmForeignRel  *source = sfm_foreign_rel_read(relid, GetForeignTable(relid)->serverid);

	/* as many as the rows would fill; the file alone says less with many tables in it */
	*totalpages = (BlockNumber) Min(source->pages, (double) MaxBlockNumber);
	*func = acquire_sample;
	return true;
}
