/*
 * orphans.c
 *		What the foreign keys will find in the rows, asked of SQLite: for dry_run and
 *		script, which have no rows in PostgreSQL to ask.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

static int64
count_orphans(SfmPlan *plan, const SfmObject *object)
{
	const SfmForeignKey *fk = object->fk;
	const SfmTable *child = object->table->source;
	const SfmTable *parent = object->parent->source;
	int		   *parents = sfm_parent_columns(fk, parent);
	StringInfoData sql;
	SfmStmt    *stmt;
	int64		n = 0;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT count(*) FROM main.%s c WHERE ", sfm_quote_name(child->name));
	for (int i = 0; i < fk->ncolumns; i++)
		appendStringInfo(&sql, "c.%s IS NOT NULL AND ", sfm_quote_name(child->columns[fk->columns[i]].name));
	appendStringInfo(&sql, "NOT EXISTS (SELECT 1 FROM main.%s p WHERE ", sfm_quote_name(parent->name));
	for (int i = 0; i < fk->ncolumns; i++)
		appendStringInfo(&sql, "%sp.%s = c.%s", i ? " AND " : "",
						 sfm_quote_name(parent->columns[parents[i]].name),
						 sfm_quote_name(child->columns[fk->columns[i]].name));
	appendStringInfoChar(&sql, ')');
	stmt = sfm_prepare(plan->source->file, sql.data, child->name);
	if (sfm_step(stmt))
		n = sfm_column_int64(stmt, 0);
	sfm_finalize(stmt);
	return n;
}

/*
 * Marks the foreign keys that rows without a parent break as NOT VALID; raises when
 * on_orphan says that they are an error.
 */
void
sfm_plan_orphans(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		int64		orphans;

		if (object->phase != SFM_PHASE_FOREIGN_KEY || object->target_sql == NULL)
			continue;
		orphans = count_orphans(plan, object);
		if (orphans == 0)
			continue;
		if (plan->options->on_orphan == SFM_ORPHANS_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("table %s has %s without a parent in table %s", object->table->qualified,
							sfm_counted(orphans, "row"), object->parent->qualified),
					 errhint("on_orphan => 'not_valid' keeps them, with a constraint for new rows only.")));
		if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
		{
			sfm_note(object->table, "Foreign key %s to %s: %s without a parent will be rejected, with the rows that reference them.",
					 quote_identifier(object->constraint), object->parent->qualified,
					 sfm_counted(orphans, "row"));
			object->table->rejected_rows += orphans;
			object->table->target_rows -= orphans;
			continue;
		}
		object->target_sql = psprintf("%s NOT VALID", object->target_sql);
		object->status = SFM_OBJECT_TRANSLATED;
		object->note = psprintf("It will be NOT VALID because of %s without a parent.",
								sfm_counted(orphans, "row"));
		sfm_note(object->table, "Foreign key %s to %s will be NOT VALID because of %s without a parent.",
				 quote_identifier(object->constraint), object->parent->qualified,
				 sfm_counted(orphans, "row"));
	}
}
