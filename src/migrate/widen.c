/*
 * widen.c
 *		What was found in the source, brought back into the plan.
 *
 * After the first load (or the survey) each column knows what was seen in it and
 * what did not fit.  Here the columns with misfits get the narrowest type that
 * holds everything, their foreign-key groups follow, and the tables that this
 * concerns are marked to be loaded again.  A type that is fixed, by an existing
 * target or a rule, is never changed, but its reading of numbers may be found
 * here: that is no change of the type.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

/* Most columns that the error about misfits lists. */
#define MAX_LISTED 50

/* Whether the column's type or reading is another than the planned one. */
bool
sfm_is_retyped(const SfmPlanColumn *column)
{
	const SfmType *a = &column->type;
	const SfmType *b = &column->planned;

	return a->typid != b->typid || a->typmod != b->typmod ||
		a->reading != b->reading || a->mixed != b->mixed;
}

/* Whether the column's misfits have to be dealt with, and not by its policy in the scan. */
static bool
has_misfits(const SfmPlanColumn *column)
{
	return column->misfits.n > 0 &&
		(column->on_misfit == SFM_MISFITS_WIDEN || column->on_misfit == SFM_MISFITS_ERROR);
}

/*
 * For a column of a fixed date type whose only trouble is numbers without a reading:
 * the reading that they agree on.
 */
static bool
find_reading(SfmPlanColumn *column)
{
	SfmType		loose = column->type;
	SfmType		widened;

	/* Precision and zone are for the second reading to judge. */
	loose.typmod = -1;
	widened = sfm_widen(&loose, &column->seen, &column->misfits, NULL);
	if ((widened.kind != loose.kind && widened.kind != SFM_KIND_TIMESTAMPTZ) ||
		widened.reading == column->type.reading)
		return false;
	column->type.reading = widened.reading;
	column->resolved = true;
	column->note = psprintf("its numbers are read as %s", sfm_reading_name(widened.reading));
	return true;
}

/* Whether soft misfits of the column are to be told from the others. */
bool
sfm_soft_apart(const SfmPlanColumn *column)
{
	return !column->fixed && !column->soft_settled && column->on_misfit != SFM_MISFITS_WIDEN;
}

/* The type for soft misfits, when it is one that the type table has for them. */
static bool
follow_soft(SfmPlanColumn *column, const SfmSeen *seen, const SfmMisfits *soft)
{
	StringInfoData why;
	SfmType		found;

	initStringInfo(&why);
	found = sfm_widen(&column->planned, seen, soft, &why);
	if (!sfm_type_follows(&column->planned, &found))
		return false;
	column->type = found;
	column->note = why.data;
	return true;
}

/*
 * Under error, null and reject: gives the column the type that the type table has for
 * its soft misfits, if there is one for all of them, else for those that are texts:
 * numbers without a reading and blobs that are no text do not keep a longer text or a
 * time of day from it.  What does not fit the type is a misfit like others.
 */
static void
settle_soft(const SfmPlan *plan, SfmPlanColumn *column)
{
	SfmSeen		texts_seen = column->seen;
	SfmMisfits	texts = column->soft;
	int64		left = column->soft.n;

	column->soft_settled = true;
	if (follow_soft(column, &column->seen, &column->soft))
		return;
	for (int cls = SFM_INTEGER; cls < SFM_NCLASSES; cls++)
	{
		if (cls == SFM_TEXT)
			continue;
		texts.n -= texts.by_class[cls];
		texts.by_class[cls] = texts_seen.n[cls] = 0;
	}
	texts.by_fit[SFM_MISFIT_READING] = texts.by_fit[SFM_MISFIT_CLASS] = 0;
	texts.any_invalid_text = texts.any_number = false;
	if (texts.n > 0 && follow_soft(column, &texts_seen, &texts))
		left -= texts.n;
	/* Where no second reading will count them, they are counted here. */
	if (plan->options->dry_run)
	{
		int64		n = column->misfits.n + left;

		if (column->misfits.n == 0)
			column->misfits = column->soft;
		column->misfits.n = n;
		if (column->on_misfit == SFM_MISFITS_NULL)
			column->nulled += left;
	}
}

/*
 * Gives new types to the columns that need them and marks the tables that have to
 * be loaded again.  Returns whether there are any.  Misfits of columns whose type
 * must stand are raised, all in one error.
 */
bool
sfm_plan_widen(SfmPlan *plan)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			StringInfoData why;

			if (column->nulls_found)
				table->dirty = any = true;
			if (column->soft.n > 0 && !column->soft_settled)
			{
				settle_soft(plan, column);
				table->dirty = any = true;
			}
			if (!has_misfits(column))
				continue;
			if (column->fixed || column->on_misfit == SFM_MISFITS_ERROR)
			{
				if (column->fixed && find_reading(column))
					table->dirty = any = true;
				continue;
			}
			initStringInfo(&why);
			column->type = sfm_widen(&column->planned, &column->seen, &column->misfits, &why);
			column->note = why.data;
			column->resolved = true;
			table->dirty = any = true;
		}
	}
	sfm_plan_raise_misfits(plan);
	if (!any)
		return false;

	sfm_unify_groups(plan, true);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			if (!sfm_is_retyped(column))
				continue;
			table->dirty = true;
			if (column->identity && column->type.kind != SFM_KIND_INT2 &&
				column->type.kind != SFM_KIND_INT4 && column->type.kind != SFM_KIND_INT8)
			{
				column->identity = false;
				column->counts = sfm_can_count(column->type.kind);
			}
			if (column->note && column->resolved && column->group >= 0)
				column->note = psprintf("%s; with the columns tied to it by foreign keys, %s",
										column->note, sfm_type_name(&column->type));
			if (column->note == NULL)
				column->note = psprintf("%s instead of %s, as a column that it references, or that references it, needs",
										sfm_type_name(&column->type), sfm_type_name(&column->planned));
		}
	}
	return true;
}

/*
 * Raises the misfits that may not be widened away: one error for all tables, which
 * lists the columns with count, first row and value.
 */
void
sfm_plan_raise_misfits(const SfmPlan *plan)
{
	StringInfoData detail;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&detail);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			SfmMisfits *m = &column->misfits;

			if (!has_misfits(column) || column->resolved)
				continue;
			if (n++ >= MAX_LISTED)
				continue;
			appendStringInfo(&detail, "%sTable \"%s\", column \"%s\": %lld of %lld values; the first, %s",
							 n > 1 ? "\n" : "", sfm_name_to_server(table->source->name),
							 sfm_name_to_server(column->source->name),
							 (long long) m->n,
							 (long long) (column->seen.n[SFM_INTEGER] + column->seen.n[SFM_REAL] +
										  column->seen.n[SFM_TEXT] + column->seen.n[SFM_BLOB]),
							 sfm_class_name(m->first_class));
			if (m->first_has_rowid)
				appendStringInfo(&detail, " in row %lld", (long long) m->first_rowid);
			appendStringInfo(&detail, ", %s: %s.", sfm_fit_phrase(m->first_fit, &column->type),
							 m->first_value);
		}
	}
	if (n == 0)
		return;
	if (n > MAX_LISTED)
		appendStringInfo(&detail, "\nAnd %d more columns.", n - MAX_LISTED);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg_plural("%d column holds values that do not fit its type",
						   "%d columns hold values that do not fit their types", n, n),
			 errdetail("%s", detail.data),
			 errhint("Choose another type in \"types\", or say with on_misfit what shall become of such values; sqlite_mig.inspect() shows what is in each column.")));
}

/* The sentences about types, for the report; once types and counts are final. */
void
sfm_plan_misfit_notes(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			if (sfm_is_retyped(column) && column->note)
				sfm_note(table, "Column %s: %s.", quote_identifier(column->target), column->note);
			if (column->on_misfit == SFM_MISFITS_REJECT && column->misfits.n > 0)
				sfm_note(table, "Column %s: %s rejected for what it holds there, see sqlite_mig.rejected_row.",
						 quote_identifier(column->target), sfm_counted(column->misfits.n, "row"));
			if (column->nulled > column->seen.json_nulls)
				sfm_note(table, "Column %s: %s made NULL, as asked for.", quote_identifier(column->target),
						 sfm_counted(column->nulled - column->seen.json_nulls, "value"));
			if (column->seen.json_nulls > 0)
				sfm_note(table, "Column %s: %s JSON null, and became NULL.", quote_identifier(column->target),
						 column->seen.json_nulls == 1 ? "1 value was" :
						 psprintf("%lld values were", (long long) column->seen.json_nulls));
			if (column->nulls_found)
				sfm_note(table, "Column %s is declared NOT NULL in the source but holds %lld NULLs; NOT NULL is left off.",
						 quote_identifier(column->target), (long long) column->seen.n[SFM_NULL]);
			if (column->seen.offset && column->type.kind == SFM_KIND_TIMESTAMP)
				sfm_note(table, "Column %s: values with an offset were converted to UTC, as the target's type has none.",
						 quote_identifier(column->target));
			if (column->seen.spelled > 0)
				sfm_note(table, "Column %s: %s arrived equal but spelled in another way.",
						 quote_identifier(column->target), sfm_counted(column->seen.spelled, "value"));
		}
	}
}
