/*
 * survey.c
 *		A source table's columns through converters, without a foreign table.
 *
 * For whoever wants to know what is in a table before there is anything to load it
 * into.  One pass, nothing kept of a row but what the converters and the misfits
 * count.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "fdw_internal.h"
#include "sfm_names.h"

/* One row: every cell is read before any is converted, since row() sees them all. */
static void
survey_row(SfmStmt *stmt, bool has_rowid, int ncolumns, SfmSurveyColumn *columns,
		   SfmValue *values, MemoryContext mcxt)
{
	int			cell = has_rowid ? 1 : 0;

	for (int i = 0; i < ncolumns; i++)
		sfm_column(stmt, cell + i, &values[i]);
	for (int i = 0; i < ncolumns; i++)
	{
		SfmFit		fit = columns[i].fit = sfm_convert(columns[i].conv, &values[i], &columns[i].datum);

		if (SFM_IS_MISFIT(fit))
			sfm_misfit_add(columns[i].soft_apart &&
						   sfm_misfit_is_soft(&columns[i].conv->type, &values[i], fit) ?
						   &columns[i].soft : &columns[i].misfits,
						   columns[i].conv, &values[i], fit, has_rowid,
						   has_rowid ? sfm_column_int64(stmt, 0) : 0, mcxt);
	}
}

/*
 * Reads all rows of these columns.  Returns their number; what was seen is in the
 * columns' converters, what does not fit in their misfits, allocated in
 * CurrentMemoryContext.  row (may be NULL) is called with each row's cells, in a
 * context that is reset after each, once the converters have seen them.  Raises
 * what SQLite raises.
 */
int64
sfm_survey(SfmFile *file, const SfmTable *table, int ncolumns, SfmSurveyColumn *columns,
		   void (*row) (void *arg, const int64 *rowid, const SfmValue *values), void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(mcxt, "SQLite survey row",
													  ALLOCSET_DEFAULT_SIZES);
	const char **names = palloc(sizeof(char *) * Max(ncolumns, 1));
	SfmValue   *values = palloc0(sizeof(SfmValue) * Max(ncolumns, 1));
	SfmStmt    *stmt;
	bool		has_rowid;
	int64		rows = 0;

	for (int i = 0; i < ncolumns; i++)
		names[i] = columns[i].name;
	stmt = sfm_prepare(file, sfm_select_sql(table, ncolumns, names, &has_rowid),
					   sfm_name_to_server(table->name));
	MemoryContextSwitchTo(row_context);
	while (sfm_step(stmt))
	{
		rows++;
		survey_row(stmt, has_rowid, ncolumns, columns, values, mcxt);
		if (row)
		{
			int64		rowid = has_rowid ? sfm_column_int64(stmt, 0) : 0;

			row(arg, has_rowid ? &rowid : NULL, values);
		}
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(mcxt);
	sfm_finalize(stmt);
	MemoryContextDelete(row_context);
	pfree(values);
	pfree(names);
	return rows;
}
