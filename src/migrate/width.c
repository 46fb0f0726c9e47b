/*
 * width.c
 *		Rows that no page can hold, found before any row moves.
 *
 * A row of PostgreSQL lies in one page.  Long values move out of it, but what has a
 * fixed width, and a pointer to each value that moved out, stays: a thousand
 * bigints do not fit.  NULLs take no room, so that the rows must be looked at, but
 * only those of tables whose columns could need so much.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "sfm_migrate.h"

/* A value that takes no more than this is never moved out (toast_helper.c). */
#define LONGEST_INLINE MAXALIGN(TOAST_POINTER_SIZE)

/* Header and first digit of the shortest value whose length is not known here. */
#define LEAST_VARLENA 3

typedef struct RowWidth
{
	int			ncolumns;
	const SfmPlanTable *table;
	int16	   *lengths;		/* of the types; -1: variable */
	char	   *aligns;
	Size		widest;			/* least width of the widest row so far */
} RowWidth;

static Size
header_width(int ncolumns, bool has_null)
{
	return MAXALIGN(SizeofHeapTupleHeader + (has_null ? BITMAPLEN(ncolumns) : 0));
}

/* What a value of a variable-length type takes in its row at the least. */
static Size
least_varlena(SfmKind kind, const SfmValue *value)
{
	bool		as_it_is = kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR ||
	kind == SFM_KIND_BYTEA || kind == SFM_KIND_JSON;

	if (!as_it_is || (value->cls != SFM_TEXT && value->cls != SFM_BLOB))
		return LEAST_VARLENA;
	if ((Size) value->len + VARHDRSZ_SHORT > LONGEST_INLINE)
		return TOAST_POINTER_SIZE;
	return value->len + VARHDRSZ_SHORT;
}

static void
measure_row(void *arg, const int64 *rowid, const SfmValue *values)
{
	RowWidth   *row = arg;
	Size		width = 0;
	bool		has_null = false;

	for (int i = 0; i < row->ncolumns; i++)
	{
		if (values[i].cls == SFM_NULL)
			has_null = true;
		else if (row->lengths[i] > 0)
			width = att_align_nominal(width, row->aligns[i]) + row->lengths[i];
		else
			width += least_varlena(row->table->columns[i].type.kind, &values[i]);
	}
	width = MAXALIGN(header_width(row->ncolumns, has_null) + width);
	row->widest = Max(row->widest, width);
}

/* Whether a row could be too wide, if no value were NULL. */
static bool
may_be_too_wide(RowWidth *row)
{
	Size		width = header_width(row->ncolumns, true);

	for (int i = 0; i < row->ncolumns; i++)
	{
		bool		by_value;

		get_typlenbyvalalign(row->table->columns[i].type.typid, &row->lengths[i], &by_value,
							 &row->aligns[i]);
		width += row->lengths[i] > 0 ? MAXALIGN(row->lengths[i]) : LONGEST_INLINE;
	}
	return width > MaxHeapTupleSize;
}

static void
check_table(SfmPlan *plan, const SfmPlanTable *table)
{
	RowWidth	row = {table->ncolumns, table};
	SfmSurveyColumn *columns;

	row.lengths = palloc(sizeof(int16) * table->ncolumns);
	row.aligns = palloc(table->ncolumns);
	if (!may_be_too_wide(&row))
		return;
	columns = palloc0(sizeof(SfmSurveyColumn) * table->ncolumns);
	for (int i = 0; i < table->ncolumns; i++)
	{
		columns[i].name = table->columns[i].source->name;
		columns[i].conv = sfm_conv_create(&table->columns[i].type);
	}
	(void) sfm_survey(plan->source->file, table->source, table->ncolumns, columns, measure_row, &row);
	if (row.widest <= MaxHeapTupleSize)
		return;
	/* Another type may be narrower; if it is not, the load will say so. */
	for (int i = 0; i < table->ncolumns; i++)
		if (columns[i].misfits.n > 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("table \"%s\" has a row that is too wide for a page of PostgreSQL",
					sfm_name_to_server(table->source->name)),
			 errdetail("Its widest row needs at least %zu bytes, and a row can have at most %zu.",
					   row.widest, (Size) MaxHeapTupleSize),
			 errhint("Choose narrower types in \"types\", leave columns out there with \"skip\", or leave the table out by \"exclude\".")));
}

/* Raises 54000 for the first table to be made with a row that cannot fit a page. */
void
sfm_plan_check_width(SfmPlan *plan)
{
	ListCell   *lc;

	if (plan->options->scope == SFM_SCOPE_SCHEMA)
		return;
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		MemoryContext work = sfm_work_begin();

		if (!table->exists)
			check_table(plan, table);
		sfm_work_end(work);
	}
}
