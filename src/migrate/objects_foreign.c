/*
 * objects_foreign.c
 *		Foreign keys of a table that is created.
 *
 * Whether their parents have a unique key for them is asked when all keys are planned
 * (keys.c); what the rows say (orphans, keys that are not unique) is found when it runs.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

/* An action that the child's columns cannot take: it fails in both systems, later. */
static void
note_action(SfmPlanTable *table, const SfmForeignKey *fk, const char *constraint,
			const char *event, const char *action)
{
	for (int i = 0; i < fk->ncolumns; i++)
	{
		const SfmPlanColumn *column = sfm_plan_column(table, fk->columns[i]);

		if (!column->not_null || column->nulls_found)
			continue;
		if (pg_strcasecmp(action, "SET NULL") == 0 ||
			(pg_strcasecmp(action, "SET DEFAULT") == 0 && column->default_sql == NULL))
			sfm_note(table, "Foreign key %s: %s %s fails for every row that it meets, since column %s is NOT NULL.",
					 quote_identifier(constraint), event, action, quote_identifier(column->target));
	}
}

/* One foreign key; names holds the constraint names that the table has so far. */
void
sfm_plan_foreign_key(SfmPlan *plan, SfmPlanTable *table, const SfmForeignKey *fk,
					 SfmNamespace *names)
{
	SfmObject  *object = sfm_add_object(plan, table, "foreign key", fk->name, NULL);
	SfmTable   *source_parent = sfm_catalog_find(plan->catalog, fk->parent);
	SfmPlanTable *parent = sfm_plan_find(plan, fk->parent);
	char	   *columns = sfm_target_columns(table, fk->ncolumns, fk->columns);
	const char *parent_name = sfm_name_to_server(fk->parent);
	char	   *parent_columns;
	int		   *numbers;
	StringInfoData sql;

	object->source_sql = sfm_keep(plan, psprintf("FOREIGN KEY (%s) REFERENCES %s",
												 sfm_source_columns(table->source, fk->ncolumns,
																	fk->columns),
												 sfm_quote_name(fk->parent)));
	object->fk = fk;
	object->parent = parent;
	if (parent == NULL)
	{
		sfm_leave_out(object, source_parent == NULL ?
					  psprintf("Its parent table %s does not exist.", parent_name) :
					  source_parent->kind != SFM_REL_TABLE ?
					  psprintf("Its parent %s is not an ordinary table.", parent_name) :
					  psprintf("Its parent table %s is left out.", parent_name));
		return;
	}
	numbers = sfm_parent_columns(fk, parent->source);
	parent_columns = numbers ? sfm_target_columns(parent, fk->ncolumns, numbers) : NULL;
	if (columns == NULL || parent_columns == NULL)
	{
		sfm_leave_out(object, numbers == NULL ?
					  psprintf("Table %s has no such key.", parent_name) :
					  "One of its columns is left out.");
		return;
	}
	object->constraint = fk->name ?
		sfm_namespace_add(names, fk->name, plan->options->identifiers, NULL) :
		sfm_namespace_add_identifier(names, sfm_default_name(table, fk->ncolumns, fk->columns, "fkey"),
									 NULL);
	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)",
					 table->qualified, quote_identifier(object->constraint), columns,
					 parent->qualified, parent_columns);
	if (pg_strcasecmp(fk->on_update, "NO ACTION") != 0)
		appendStringInfo(&sql, " ON UPDATE %s", fk->on_update);
	if (pg_strcasecmp(fk->on_delete, "NO ACTION") != 0)
		appendStringInfo(&sql, " ON DELETE %s", fk->on_delete);
	if (fk->deferrable)
		appendStringInfo(&sql, " DEFERRABLE%s",
						 fk->initially_deferred ? " INITIALLY DEFERRED" : "");
	object->target_sql = sql.data;
	object->phase = SFM_PHASE_FOREIGN_KEY;
	note_action(table, fk, object->constraint, "ON DELETE", fk->on_delete);
	note_action(table, fk, object->constraint, "ON UPDATE", fk->on_update);
	if (pg_strcasecmp(fk->match, "FULL") == 0 || pg_strcasecmp(fk->match, "PARTIAL") == 0)
		sfm_translated(object, "SQLite does not enforce its MATCH clause, so MATCH SIMPLE is what it meant.");
}
