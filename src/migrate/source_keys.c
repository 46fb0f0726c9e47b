/*
 * source_keys.c
 *		Of the rows that come into a target, the columns that keys are about: one set
 *		(keyset.c) a table, filled by a reading of the source.
 *
 * Rows that on_misfit keeps out are not in it, and what it makes NULL is NULL.  Foreign
 * keys can then be asked which of the rows they refuse, those that come with them
 * counted as parents (of existing targets: foretell.c; planned ones: orphans.c), unique
 * keys which clash (clash.c), and upsert which rows of the target are the source's
 * (upsert.c).
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

typedef struct Filler
{
	SfmKeySet  *set;
	int			nset;			/* columns of the set come first */
	int			ncolumns;		/* those that may reject the row follow */
	SfmSurveyColumn *columns;
	bool	   *rejects;		/* an entry a column */
	Datum	   *values;
	bool	   *isnull;
} Filler;

static void
put_row(void *arg, const int64 *rowid, const SfmValue *values)
{
	Filler	   *filler = arg;

	for (int i = 0; i < filler->ncolumns; i++)
		if (filler->rejects[i] && SFM_IS_MISFIT(filler->columns[i].fit))
			return;
	for (int i = 0; i < filler->nset; i++)
	{
		filler->values[i] = filler->columns[i].datum;
		filler->isnull[i] = filler->columns[i].fit != SFM_FIT;
	}
	sfm_keyset_put(filler->set, filler->values, filler->isnull);
}

/*
 * The columns that an existing target's unique keys and foreign keys, its own and others'
 * to it, are about, by their place in the plan; those that the source has.
 */
static Bitmapset *
key_columns(const SfmPlanTable *table)
{
	Bitmapset  *result = NULL;
	List	   *names = sfm_query_rows(psprintf(
		"SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %u AND a.attnum > 0 AND a.attnum IN"
		" (SELECT unnest(i.indkey::int2[]) FROM pg_index i WHERE i.indrelid = %u AND i.indisunique"
		"  UNION ALL SELECT d.refobjsubid FROM pg_index i JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
		"   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid WHERE i.indrelid = %u AND i.indisunique"
		"  UNION ALL SELECT unnest(conkey) FROM pg_constraint WHERE contype = 'f' AND conrelid = %u"
		"  UNION ALL SELECT unnest(confkey) FROM pg_constraint WHERE contype = 'f' AND confrelid = %u)",
		table->relid, table->relid, table->relid, table->relid, table->relid));
	ListCell   *lc;

	foreach(lc, names)
	{
		const SfmPlanColumn *column = sfm_plan_target_column(table, ((char **) lfirst(lc))[0]);

		if (column)
			result = bms_add_member(result, column - table->columns);
	}
	return result;
}

static void
add_column(Filler *filler, const SfmPlanColumn *column)
{
	SfmType		type = sfm_foreign_type(column);
	int			i = filler->ncolumns++;

	filler->columns[i].name = column->source->name;
	filler->columns[i].conv = sfm_conv_create(&type);
	filler->rejects[i] = column->on_misfit == SFM_MISFITS_REJECT;
}

/*
 * Makes table->keys of the columns with these places in the plan, unless there are none or
 * it is there.
 */
void
sfm_source_keys_add(SfmPlan *plan, SfmPlanTable *table, const Bitmapset *columns)
{
	Filler		filler = {0};
	char	  **names;
	Oid		   *types;
	int			i = -1;

	if (bms_is_empty(columns) || table->keys)
		return;
	names = palloc(sizeof(char *) * table->ncolumns);
	types = palloc(sizeof(Oid) * table->ncolumns);
	filler.columns = palloc0(sizeof(SfmSurveyColumn) * table->ncolumns);
	filler.rejects = palloc0(sizeof(bool) * table->ncolumns);
	filler.values = palloc(sizeof(Datum) * table->ncolumns);
	filler.isnull = palloc(sizeof(bool) * table->ncolumns);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		names[filler.ncolumns] = table->columns[i].target;
		/* what is read with its zone is the same number as UTC */
		types[filler.ncolumns] = table->columns[i].type.typid;
		add_column(&filler, &table->columns[i]);
	}
	filler.nset = filler.ncolumns;
	for (i = 0; i < table->ncolumns; i++)
		if (table->columns[i].on_misfit == SFM_MISFITS_REJECT && !bms_is_member(i, columns))
			add_column(&filler, &table->columns[i]);
	filler.set = table->keys = sfm_keyset_create(psprintf("sqlite_keys_%d", table->number), filler.nset, names, types,
												  sfm_store_memory(plan));
	(void) sfm_survey(plan->source->file, table->source, filler.ncolumns, filler.columns, put_row, &filler);
	sfm_keyset_finish(filler.set);
}

/* Forgets them; their temporary files with them. */
void
sfm_source_keys_drop(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->keys)
			sfm_keyset_drop(table->keys);
		table->keys = NULL;
	}
}

/* Reads them for all existing targets that are loaded; anew where they were read. */
void
sfm_source_keys_read(SfmPlan *plan)
{
	ListCell   *lc;

	sfm_source_keys_drop(plan);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (sfm_target_is_loaded(plan, table))
			sfm_source_keys_add(plan, table, key_columns(table));
	}
}
