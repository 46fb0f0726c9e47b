/*
 * objects_foreign.c
 *		Foreign keys of a table that is created.
 *
 * PostgreSQL refuses one whose parent has no unique key on just those columns.  That is
 * seen here, before anything is made, so that a script holds nothing that cannot be run;
 * what the rows say (orphans, keys that are not unique) is found when it runs.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

/* Whether an index is over the same columns, in any order. */
static bool
same_columns(const SfmIndex *index, int n, const int *numbers)
{
	if (index->ncolumns != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		bool		found = false;

		for (int j = 0; j < n && !found; j++)
			found = index->columns[j].column == numbers[i];
		if (!found)
			return false;
	}
	return true;
}

/* An index that PostgreSQL has over the columns themselves, not over a folded form. */
static bool
is_plain(const SfmPlanTable *table, const SfmIndex *index)
{
	for (int i = 0; i < index->ncolumns; i++)
	{
		const SfmPlanColumn *column = index->columns[i].column < 0 ? NULL :
			sfm_plan_column(table, index->columns[i].column);

		if (column == NULL ||
			((column->type.kind == SFM_KIND_TEXT || column->type.kind == SFM_KIND_VARCHAR) &&
			 pg_strcasecmp(index->columns[i].collation, "BINARY") != 0))
			return false;
	}
	return true;
}

/* A key, constraint or whole unique index on these columns of a table that we make. */
static bool
has_unique_key(const SfmPlanTable *table, int n, const int *numbers)
{
	const SfmTable *source = table->source;
	bool		primary = source->nkeys == n && n > 0;
	ListCell   *lc;

	for (int i = 0; i < n && primary; i++)
	{
		bool		found = false;

		for (int j = 0; j < n && !found; j++)
			found = source->keys[j] == numbers[i];
		primary = found;
	}
	if (primary)
		return true;
	foreach(lc, source->indexes)
	{
		const SfmIndex *index = lfirst(lc);

		if (index->unique && !index->partial && same_columns(index, n, numbers) &&
			(index->origin != 'c' || is_plain(table, index)))
			return true;
	}
	return false;
}

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
	char	   *parent_columns;
	int		   *numbers;
	StringInfoData sql;

	object->source_sql = psprintf("FOREIGN KEY (%s) REFERENCES %s", columns ? columns : "?",
								  sfm_quote_name(fk->parent));
	object->fk = fk;
	object->parent = parent;
	if (parent == NULL)
	{
		sfm_leave_out(object, source_parent == NULL ?
					  psprintf("Its parent table %s does not exist.", fk->parent) :
					  source_parent->kind != SFM_REL_TABLE ?
					  psprintf("Its parent %s is not an ordinary table.", fk->parent) :
					  psprintf("Its parent table %s is left out.", fk->parent));
		return;
	}
	numbers = sfm_parent_columns(fk, parent->source);
	parent_columns = numbers ? sfm_target_columns(parent, fk->ncolumns, numbers) : NULL;
	if (columns == NULL || parent_columns == NULL)
	{
		sfm_leave_out(object, numbers == NULL ?
					  psprintf("Table %s has no such key.", fk->parent) :
					  "One of its columns is left out.");
		return;
	}
	if (!parent->exists && !has_unique_key(parent, fk->ncolumns, numbers))
	{
		sfm_leave_out(object, psprintf("There is no unique key on (%s) of table %s, which PostgreSQL needs.",
									   parent_columns, parent->qualified));
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
