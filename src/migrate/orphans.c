/*
 * orphans.c
 *		What the foreign keys that are planned will find in the rows that come: for
 *		dry_run and script, which have no rows in PostgreSQL to ask.
 *
 * The columns that those keys are about are read from the source into sets (keyset.c), in
 * the target's types, so that the same condition finds the same rows as in the run.  A
 * parent is a row that comes, or one of a target that exists.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

/* A foreign key that the run would make. */
typedef struct PlannedKey
{
	SfmObject  *object;
	char	   *orphans;		/* condition on "c" */
} PlannedKey;

/* Whether its orphans are looked for: it would be made, on rows that would be moved. */
static bool
is_planned(const SfmObject *object)
{
	return object->phase == SFM_PHASE_FOREIGN_KEY && object->target_sql != NULL;
}

/* Whether rows of a parent stay beside those that come. */
static bool
keeps_rows(const SfmPlan *plan, const SfmPlanTable *parent)
{
	return parent->exists &&
		(parent->status == SFM_STATUS_SKIPPED || plan->options->if_exists != SFM_IF_EXISTS_TRUNCATE);
}

/* Whether the set of the parent's rows, if there is one, has what the key is about. */
static bool
is_covered(const SfmObject *object)
{
	const SfmPlanTable *parent = object->parent;
	int		   *parents = sfm_parent_columns(object->fk, parent->source);

	for (int i = 0; parent->keys && i < object->fk->ncolumns; i++)
		if (!sfm_keyset_has_column(parent->keys, sfm_plan_column(parent, parents[i])->target))
			return false;
	return true;
}

/* Reads the columns of the planned keys, of all tables that have or serve one. */
static void
read_keys(SfmPlan *plan)
{
	Bitmapset **columns = palloc0(sizeof(Bitmapset *) * (list_length(plan->tables) + 1));
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		SfmPlanTable *child = object->table;
		SfmPlanTable *parent = object->parent;
		int		   *parents;

		if (!is_planned(object))
			continue;
		parents = sfm_parent_columns(object->fk, parent->source);
		for (int i = 0; i < object->fk->ncolumns; i++)
		{
			columns[child->number] = bms_add_member(columns[child->number],
													sfm_plan_column(child, object->fk->columns[i]) - child->columns);
			columns[parent->number] = bms_add_member(columns[parent->number],
													 sfm_plan_column(parent, parents[i]) - parent->columns);
		}
	}
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status != SFM_STATUS_SKIPPED)
			sfm_source_keys_add(plan, table, columns[table->number]);
	}
}

/* The keys of which it can be said what they will find; PostgreSQL refuses to make the others. */
static List *
planned_keys(const SfmPlan *plan)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		SfmPlanTable *parent = object->parent;
		List	   *parents = NIL;
		PlannedKey *key;

		if (!is_planned(object) || !is_covered(object))
			continue;
		if (keeps_rows(plan, parent))
		{
			if (!sfm_sees_parents(plan, object->table, parent->relid, parent->qualified,
								  quote_identifier(object->constraint)))
				continue;
			parents = lappend(parents, unconstify(char *, sfm_target_rows(parent)));
		}
		if (parent->keys)
			parents = lappend(parents, unconstify(char *, sfm_keyset_name(parent->keys)));
		key = palloc(sizeof(PlannedKey));
		key->object = object;
		key->orphans = sfm_orphan_condition(object, parents);
		if (key->orphans)
			result = lappend(result, key);
	}
	return result;
}

/* on_orphan => 'reject', as sfm_reject_orphans() does it. */
static void
foresee_rejects(List *keys)
{
	bool		any;

	do
	{
		ListCell   *lc;

		any = false;
		foreach(lc, keys)
		{
			PlannedKey *key = lfirst(lc);
			SfmObject  *object = key->object;
			int64		orphans = sfm_keyset_remove(object->table->keys, key->orphans);

			if (orphans == 0)
				continue;
			any = true;
			sfm_note(object->table, "Foreign key %s to %s: %s without a parent will be rejected.",
					 quote_identifier(object->constraint), object->parent->qualified,
					 sfm_counted(orphans, "row"));
			object->table->rejected_rows += orphans;
			object->table->target_rows -= orphans;
		}
	} while (any);
}

/*
 * Says what becomes of rows without a parent, and marks the foreign keys that they break
 * as NOT VALID; raises when on_orphan says that they are an error.  The sets of keys stay
 * until sfm_source_keys_drop().
 */
void
sfm_plan_orphans(SfmPlan *plan)
{
	List	   *keys;
	ListCell   *lc;

	if (plan->options->scope == SFM_SCOPE_SCHEMA)
		return;
	read_keys(plan);
	keys = planned_keys(plan);
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
	{
		foresee_rejects(keys);
		return;
	}
	foreach(lc, keys)
	{
		PlannedKey *key = lfirst(lc);
		SfmObject  *object = key->object;
		int64		orphans = sfm_keyset_count(object->table->keys, key->orphans);

		if (orphans == 0)
			continue;
		if (plan->options->on_orphan == SFM_ORPHANS_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("table %s has %s without a parent in table %s", object->table->qualified,
							sfm_counted(orphans, "row"), object->parent->qualified),
					 errhint("on_orphan => 'not_valid' keeps them, with a constraint for new rows only.")));
		object->target_sql = psprintf("%s NOT VALID", object->target_sql);
		object->status = SFM_OBJECT_TRANSLATED;
		object->note = psprintf("It will be NOT VALID because of %s without a parent.",
								sfm_counted(orphans, "row"));
		sfm_note(object->table, "Foreign key %s to %s will be NOT VALID because of %s without a parent.",
				 quote_identifier(object->constraint), object->parent->qualified,
				 sfm_counted(orphans, "row"));
	}
}
