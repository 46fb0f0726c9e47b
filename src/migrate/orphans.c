/*
 * orphans.c
 *		Rows without a parent: which go in turn where they are rejected; and what the
 *		foreign keys that are planned will find in the rows that come, for dry_run and
 *		script, which have no rows in PostgreSQL to ask.
 *
 * The columns that those keys are about are read from the source into sets (keyset.c), in
 * the target's types, so that the same condition finds the same rows as in the run.  A
 * parent is a row that comes, or one of a target that exists.
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

/* Adds a foreign key and its condition on rows "c" without a parent; not where that is NULL. */
List *
sfm_add_orphan_key(List *keys, SfmObject *object, char *orphans)
{
	SfmOrphanKey *key;

	if (orphans == NULL)
		return keys;
	key = palloc0(sizeof(SfmOrphanKey));
	key->object = object;
	key->orphans = orphans;
	key->due = true;
	return lappend(keys, key);
}

/* One key's turn.  What references the rows that went is due then. */
static void
reject_by_key(SfmPlan *plan, SfmOrphanKey *key, List *keys, SfmOrphanTaker take)
{
	int64		rows = take(plan, key);
	ListCell   *lc;

	key->due = false;
	key->rows += rows;
	if (rows == 0)
		return;
	foreach(lc, keys)
	{
		SfmOrphanKey *other = lfirst(lc);

		if (other->object->parent == key->object->table)
			other->due = true;
	}
}

/*
 * Takes out rows without a parent, a list of SfmOrphanKey *, again and again, since their
 * children become orphans in turn.  A note a key tells how many, and what was done.
 */
void
sfm_reject_by_keys(SfmPlan *plan, List *keys, SfmOrphanTaker take, const char *done)
{
	bool		any;
	ListCell   *lc;

	do
	{
		any = false;
		foreach(lc, keys)
		{
			SfmOrphanKey *key = lfirst(lc);

			if (!key->due)
				continue;
			reject_by_key(plan, key, keys, take);
			any = true;
		}
	} while (any);
	foreach(lc, keys)
	{
		const SfmOrphanKey *key = lfirst(lc);

		if (key->rows > 0)
			sfm_note(key->object->table, "Foreign key %s to %s: %s without a parent %s.",
					 quote_identifier(key->object->constraint), key->object->parent->qualified,
					 sfm_counted(key->rows, "row"), done);
	}
}

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
		result = sfm_add_orphan_key(result, object, sfm_orphan_condition(object, parents));
	}
	return result;
}

/* on_orphan => 'reject', as take_orphans() in reject.c does it. */
static int64
foresee_reject(SfmPlan *plan, const SfmOrphanKey *key)
{
	SfmPlanTable *table = key->object->table;
	int64		rows = sfm_keyset_remove(table->keys, key->orphans);

	table->rejected_rows += rows;
	table->target_rows -= rows;
	return rows;
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
		sfm_reject_by_keys(plan, keys, foresee_reject, "will be rejected");
		return;
	}
	foreach(lc, keys)
	{
		const SfmOrphanKey *key = lfirst(lc);
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
