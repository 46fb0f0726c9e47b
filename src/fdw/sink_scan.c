/*
 * sink_scan.c
 *		The scan of a foreign table while a migration listens (struct SfmScanSink).
 *
 * All cells of a row are read before any is judged, since the checksum and a
 * rejected row need them all, and a misfit is an event instead of an error.  The
 * rows come from the reader's statement, or from a background worker that reads
 * ahead (prefetch.c): what is done with them is the same.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "nodes/value.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "fdw_internal.h"

/* Rows between two calls of a sink's progress function. */
#define SFM_PROGRESS_ROWS 4096

struct SfmSinkScan
{
	SfmScanSink *sink;
	SfmReader  *reader;
	SfmValue   *cells;			/* of the row, the rowid's first where the query gives it */
	SfmValue   *values;			/* the same without the rowid */
	int			first;			/* cells before this one are not read */
	int			rowid_cell;		/* has the rowid; -1: none does */
	bool	   *null_misfits;	/* which columns' misfits count as NULL */
	bool		any_null_misfit;
	SfmPrefetchScan *ahead;		/* a worker's, which reads ahead; or NULL */
	SfmChecksum sum;			/* of the row as it came; 0 rows: not known */
};

/*
 * Lets the sink say how columns are converted, before converters are made.  A plan
 * made while it is attached reads all columns.
 */
void
sfm_sink_prepare(const SfmScanSink *sink, List *attributes, SfmForeignColumn *columns)
{
	if (sink->ncolumns != list_length(attributes))
		elog(ERROR, "foreign scan reads %d columns, its sink expects %d",
			 list_length(attributes), sink->ncolumns);
	for (int i = 0; i < sink->ncolumns; i++)
		columns[list_nth_int(attributes, i) - 1].type.fixed = sink->columns[i].fixed;
}

/* The cell of a column that is the rowid, which is then not read twice; else the query's first. */
static int
rowid_cell(const SfmScanSink *sink, const SfmReader *reader, const SfmForeignColumn *columns)
{
	int			number = sink->table->rowid_column;

	if (!reader->has_rowid)
		return -1;
	for (int i = 0; number >= 0 && i < reader->ncolumns; i++)
		if (strcmp(columns[reader->columns[i].att].source_name, sink->table->columns[number].name) == 0)
			return i + 1;
	return 0;
}

/*
 * A scan that feeds the sink.  The reader is initialized; its statement is not used
 * when sfm_sink_prefetches().
 */
SfmSinkScan *
sfm_sink_begin(SfmScanSink *sink, SfmReader *reader, const SfmForeignColumn *columns, ForeignScan *plan)
{
	SfmSinkScan *scan = palloc0(sizeof(SfmSinkScan));

	scan->sink = sink;
	scan->reader = reader;
	scan->cells = palloc0(sizeof(SfmValue) * (sink->ncolumns + 1));
	scan->values = scan->cells + (reader->has_rowid ? 1 : 0);
	scan->rowid_cell = rowid_cell(sink, reader, columns);
	scan->first = SFM_FIRST_CELL(scan->rowid_cell);
	scan->null_misfits = palloc0(sizeof(bool) * Max(sink->ncolumns, 1));
	/* conditions are the statement's; a row that is too big is found by its rowid */
	if (sink->prefetch != NULL && reader->has_rowid && plan->fdw_exprs == NIL &&
		list_nth(plan->fdw_private, SFM_PLAN_RELIED) == NIL)
		scan->ahead = sfm_prefetch_scan(sink->prefetch,
										strVal(list_nth(plan->fdw_private, SFM_PLAN_SQL)),
										reader->table, sink->table->rowid_name, reader->ncolumns,
										scan->rowid_cell,
										sink->hash ? sink->plain_types : NULL);
	return scan;
}

/* Whether the rows come from a worker, and not from the reader's statement. */
bool
sfm_sink_prefetches(const SfmSinkScan *scan)
{
	return scan->ahead != NULL;
}

static int64
current_rowid(const SfmSinkScan *scan)
{
	return scan->rowid_cell >= 0 ? scan->cells[scan->rowid_cell].u.i : 0;
}

/* What the converters saw, for the migration.  Again and again is harmless. */
static void
report_seen(SfmSinkScan *scan)
{
	for (int i = 0; i < scan->reader->ncolumns; i++)
		scan->sink->columns[i].seen = scan->reader->columns[i].conv->seen;
}

/*
 * Notes a misfit in the sink.  Returns true when the row must not be returned:
 * under COLLECT none is any more, under REJECT this one.
 */
static bool
take_misfit(SfmSinkScan *scan, int i, SfmFit fit, bool has_rowid, int64 rowid)
{
	SfmScanSink *sink = scan->sink;
	SfmSinkColumn *column = &sink->columns[i];

	if (column->soft_apart &&
		sfm_misfit_is_soft(&column->planned, &scan->values[i], fit))
	{
		sfm_misfit_add(&column->soft, scan->reader->columns[i].conv, &scan->values[i], fit,
					   has_rowid, rowid, sink->mcxt);
		sink->collecting = true;
		return true;
	}
	sfm_misfit_add(&column->misfits, scan->reader->columns[i].conv, &scan->values[i], fit,
				   has_rowid, rowid, sink->mcxt);
	switch (column->on_misfit)
	{
		case SFM_ON_MISFIT_NULL:
			column->nulled++;
			scan->null_misfits[i] = scan->any_null_misfit = true;
			return false;
		case SFM_ON_MISFIT_COLLECT:
			sink->collecting = true;
			return true;
		case SFM_ON_MISFIT_REJECT:
			break;
	}
	return true;
}

/* Adds the row to the source's checksum. */
static void
hash_row(SfmSinkScan *scan)
{
	int			bad;

	/* the worker knows of no misfit that counts as NULL */
	if (scan->sum.rows > 0 && !scan->any_null_misfit)
	{
		sfm_checksum_add(&scan->sink->checksum, &scan->sum);
		return;
	}
	bad = sfm_rowhash_add_source(scan->sink->hash, scan->values, scan->null_misfits,
								 &scan->sink->checksum);

	/* the converter took it and the checksum does not: one of them is wrong */
	if (bad >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("value of column \"%s\" was converted, but has no form for the checksum",
						scan->reader->columns[bad].name),
				 errdetail("Table \"%s\": %s value %s.", scan->reader->table,
						   sfm_class_name(scan->values[bad].cls),
						   sfm_value_for_message(&scan->values[bad]))));
}

/* From so many bytes of text and blobs on, a row's size is computed: as jsonb, JSON of short numbers grows sixfold. */
#define LARGE_ROW (MaxAllocSize / 8)

/*
 * Raises the error for a row that PostgreSQL cannot put together: it has to fit in one
 * piece of memory before its fields are compressed or moved out of it.
 */
static void
check_row_size(const SfmSinkScan *scan, const Datum *values, const bool *isnull)
{
	SfmReader  *reader = scan->reader;
	Size		size = SizeofHeapTupleHeader + BITMAPLEN(reader->natts) + MAXIMUM_ALIGNOF;
	Size		longest = 0;
	const char *name = NULL;

	for (int i = 0; i < reader->ncolumns; i++)
	{
		SfmReaderColumn *column = &reader->columns[i];
		int16		len = get_typlen(column->conv->type.typid);
		Size		bytes = isnull[column->att] ? 0 : len > 0 ? len :
			VARSIZE_ANY(DatumGetPointer(values[column->att]));

		size += MAXALIGN(bytes);
		if (name == NULL || bytes > longest)
			name = column->name;
		longest = Max(longest, bytes);
	}
	if (size <= MaxAllocSize)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a row of table \"%s\" is too large for PostgreSQL", reader->table),
			 reader->has_rowid ?
			 errdetail("Row " INT64_FORMAT " has %zu bytes, and a row can have %zu; its longest value is in column \"%s\".",
					   current_rowid(scan), size, (Size) MaxAllocSize, name)
			 : errdetail("It has %zu bytes, and a row can have %zu; its longest value is in column \"%s\".",
						 size, (Size) MaxAllocSize, name),
			 errhint("Leave a column out by \"types\" with \"skip\", and move it by another run.")));
}

/*
 * The current row, as the sink's policies have it.  Returns whether it is to be
 * returned by the scan.
 */
static bool
sink_row(SfmSinkScan *scan, Datum *values, bool *isnull)
{
	SfmReader  *reader = scan->reader;
	SfmScanSink *sink = scan->sink;
	int			rejected_by = -1;
	SfmFit		rejected_for = SFM_FIT;
	Size		bytes = 0;
	bool		keep = true;

	sink->source_rows++;
	if (sink->progress && sink->source_rows % SFM_PROGRESS_ROWS == 0)
		sink->progress(sink);
	if (reader->ncolumns < reader->natts)
		memset(isnull, true, reader->natts);

	for (int i = 0; i < reader->ncolumns; i++)
	{
		SfmReaderColumn *column = &reader->columns[i];
		SfmFit		fit = sfm_convert(column->conv, &scan->values[i], &values[column->att]);

		if (scan->values[i].cls >= SFM_TEXT)
			bytes += scan->values[i].len;
		isnull[column->att] = fit != SFM_FIT;
		if (likely(fit == SFM_FIT))
			continue;
		if (fit == SFM_FIT_NULL)
		{
			if (scan->values[i].cls != SFM_NULL)
				sink->columns[i].nulled++;
			continue;
		}
		if (take_misfit(scan, i, fit, reader->has_rowid, current_rowid(scan)))
		{
			keep = false;
			if (rejected_by < 0 && sink->columns[i].on_misfit == SFM_ON_MISFIT_REJECT)
			{
				rejected_by = i;
				rejected_for = fit;
			}
		}
	}

	if (rejected_by >= 0 && !sink->collecting)
	{
		sink->rejected_rows++;
		if (sink->reject)
			sink->reject(sink, reader->has_rowid, current_rowid(scan), rejected_by,
						 rejected_for, scan->values);
	}
	keep = keep && !sink->collecting;
	if (unlikely(bytes > LARGE_ROW) && keep)
		check_row_size(scan, values, isnull);
	if (keep && sink->hash)
		hash_row(scan);
	return keep;
}

/* Reads the next row's cells; false at the end. */
static bool
read_cells(SfmSinkScan *scan)
{
	SfmReader  *reader = scan->reader;
	int			n = reader->ncolumns + (reader->has_rowid ? 1 : 0);

	if (scan->ahead != NULL)
		return sfm_prefetch_next(scan->ahead, scan->cells, &scan->sum);
	if (!sfm_step(reader->stmt))
		return false;
	for (int i = scan->first; i < n; i++)
		sfm_column(reader->stmt, i, &scan->cells[i]);
	return true;
}

/*
 * Goes to the next row that the migration wants, and stores it; false at the end.
 * Memory of rows that are not returned is taken from econtext and given back.
 */
bool
sfm_sink_next(SfmSinkScan *scan, ExprContext *econtext, Datum *values, bool *isnull)
{
	while (read_cells(scan))
	{
		bool		keep = sink_row(scan, values, isnull);

		if (scan->any_null_misfit)
			memset(scan->null_misfits, false, scan->reader->ncolumns);
		scan->any_null_misfit = false;
		if (keep)
			return true;
		ResetExprContext(econtext);
	}
	report_seen(scan);
	return false;
}

/* Ends the scan, also before its last row. */
void
sfm_sink_end(SfmSinkScan *scan)
{
	report_seen(scan);
	if (scan->ahead != NULL)
		sfm_prefetch_end(scan->ahead);
}
