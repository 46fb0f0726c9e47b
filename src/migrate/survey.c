/*
 * survey.c
 *		Learns by one reading of the source what the load would learn: for dry_run,
 *		script and scope => 'schema', which move no rows.
 */
#include "postgres.h"

#include "sfm_migrate.h"

/* What the survey of one table hands to count_rejects(). */
typedef struct RejectCounter
{
	SfmPlanTable *table;
	SfmSurveyColumn *columns;
	int64		misfits;		/* of columns that reject, so far */
	int64		rows;			/* with at least one of them */
	void		(*row) (void *arg, const int64 *rowid, const SfmValue *values);
	void	   *arg;
} RejectCounter;

/* A row with several misfits is rejected once. */
static void
count_rejects(void *arg, const int64 *rowid, const SfmValue *values)
{
	RejectCounter *counter = arg;
	int64		misfits = 0;

	for (int i = 0; i < counter->table->ncolumns; i++)
		if (counter->table->columns[i].on_misfit == SFM_MISFITS_REJECT)
			misfits += counter->columns[i].misfits.n;
	if (misfits > counter->misfits)
		counter->rows++;
	counter->misfits = misfits;
	if (counter->row)
		counter->row(counter->arg, rowid, values);
}

/*
 * Reads one table through the converters of its planned types; row(arg, values),
 * when given, sees each row.
 */
void
sfm_survey_table(SfmPlan *plan, SfmPlanTable *table,
				 void (*row) (void *arg, const int64 *rowid, const SfmValue *values), void *arg)
{
	SfmSurveyColumn *columns = palloc0(sizeof(SfmSurveyColumn) * table->ncolumns);
	RejectCounter counter = {table, columns, 0, 0, row, arg};

	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmType		type = sfm_foreign_type(&table->columns[i]);

		columns[i].name = table->columns[i].source->name;
		columns[i].conv = sfm_conv_create(&type);
		columns[i].soft_apart = sfm_soft_apart(&table->columns[i]);
	}
	table->source_rows = sfm_survey(plan->source->file, table->source, table->ncolumns,
									columns, count_rejects, &counter);
	table->source_count = table->source_rows;
	table->rejected_rows = counter.rows;
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		column->seen = columns[i].conv->seen;
		column->misfits = columns[i].misfits;
		column->soft = columns[i].soft;
		column->nulled = column->seen.emptied + column->seen.json_nulls;
		if (column->on_misfit == SFM_MISFITS_NULL)
			column->nulled += column->misfits.n;
		if (column->not_null && column->seen.n[SFM_NULL] + column->nulled > 0)
			column->nulls_found = true;
	}
}

/* Surveys all tables that rows would be read from, and brings the plan's types up to date. */
void
sfm_plan_survey(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status != SFM_STATUS_SKIPPED)
			sfm_survey_table(plan, table, NULL, NULL);
	}
	if (!sfm_plan_widen(plan))
		return;
	/*
	 * How values will be spelled in a type or reading that was found only now is not
	 * known, nor the least and greatest: those that were noted are of the planned type.
	 */
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			if (column->type.typid != column->planned.typid)
				column->seen.spelled = 0;
			if (sfm_is_retyped(column))
				column->seen.has_minmax = false;
		}
	}
}
