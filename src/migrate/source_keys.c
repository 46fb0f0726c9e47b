/*
 * source_keys.c
 *		Of the rows that come into existing targets, the columns that those targets' keys
 *		are about: one set (keyset.c) a table, filled by a reading of the source.
 *
 * Rows that on_misfit keeps out are not in it, and what it makes NULL is NULL.  Foreign
 * keys can then be asked which of the rows they refuse, those that come with them
 * counted as parents (foretell.c), unique keys which clash (clash.c), and upsert which
 * rows of the target are the source's (upsert.c).
 */
#include "postgres.h"

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

/* The columns that unique keys and foreign keys, its own and others' to it, are about. */
static List *
key_columns(const SfmPlanTable *table)
{
	return sfm_query_rows(psprintf(
		"SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %u AND a.attnum > 0 AND a.attnum IN"
		" (SELECT unnest(i.indkey::int2[]) FROM pg_index i WHERE i.indrelid = %u AND i.indisunique"
		"  UNION ALL SELECT d.refobjsubid FROM pg_index i JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
		"   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid WHERE i.indrelid = %u AND i.indisunique"
		"  UNION ALL SELECT unnest(conkey) FROM pg_constraint WHERE contype = 'f' AND conrelid = %u"
		"  UNION ALL SELECT unnest(confkey) FROM pg_constraint WHERE contype = 'f' AND confrelid = %u) ORDER BY a.attnum",
		table->relid, table->relid, table->relid, table->relid, table->relid));
}

static bool
is_listed(List *rows, const char *name)
{
	ListCell   *lc;

	foreach(lc, rows)
		if (strcmp(((char **) lfirst(lc))[0], name) == 0)
			return true;
	return false;
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

/* Makes table->keys; it stays NULL where no key is about what the source has. */
static void
read_keys(SfmPlan *plan, SfmPlanTable *table)
{
	List	   *wanted = key_columns(table);
	Filler		filler = {0};
	char	  **names = palloc(sizeof(char *) * table->ncolumns);
	Oid		   *types = palloc(sizeof(Oid) * table->ncolumns);

	filler.columns = palloc0(sizeof(SfmSurveyColumn) * table->ncolumns);
	filler.rejects = palloc0(sizeof(bool) * table->ncolumns);
	filler.values = palloc(sizeof(Datum) * table->ncolumns);
	filler.isnull = palloc(sizeof(bool) * table->ncolumns);
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		if (!is_listed(wanted, column->target))
			continue;
		names[filler.ncolumns] = column->target;
		/* what is read with its zone is the same number as UTC */
		types[filler.ncolumns] = column->type.typid;
		add_column(&filler, column);
	}
	filler.nset = filler.ncolumns;
	if (filler.nset == 0)
		return;
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].on_misfit == SFM_MISFITS_REJECT && !is_listed(wanted, table->columns[i].target))
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
			read_keys(plan, table);
	}
}
