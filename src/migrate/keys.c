/*
 * keys.c
 *		What the keys and indexes of the plan serve: foreign keys from both ends.
 *
 * A foreign key needs a unique key over exactly its parent's columns, which SQLite asks
 * for only when a row is written, and is best served by an index that begins with its
 * own.  Both are read from the plan, so that a dry run says what the run says.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

/*
 * The columns of the source that a key or index of the plan is over, and their number; 0
 * for an object that is none, is left out, is partial, or is over an expression.
 */
static int
key_columns(const SfmObject *object, const int **numbers, bool *unique)
{
	const SfmTable *source;
	const SfmIndex *index = object->index;
	int		   *columns;

	if (object->target_sql == NULL ||
		(object->phase != SFM_PHASE_KEY && object->phase != SFM_PHASE_INDEX))
		return 0;
	source = object->table->source;
	if (strcmp(object->kind, "primary key") == 0)
	{
		*numbers = source->keys;
		*unique = true;
		return source->nkeys;
	}
	if (index->partial)
		return 0;
	columns = palloc(sizeof(int) * index->ncolumns);
	for (int i = 0; i < index->ncolumns; i++)
	{
		columns[i] = index->columns[i].column;
		/* an index keeps its collation by an expression, a constraint is made as it stands */
		if (columns[i] < 0 ||
			(object->phase == SFM_PHASE_INDEX &&
			 pg_strcasecmp(index->columns[i].collation, "BINARY") != 0))
			columns[i] = -1;
	}
	*numbers = columns;
	*unique = index->unique;
	return index->ncolumns;
}

/* Whether all of these n numbers are among the first n of the others, in any order. */
static bool
begins_with(const int *columns, int ncolumns, const int *numbers, int n)
{
	if (ncolumns < n)
		return false;
	for (int i = 0; i < n; i++)
	{
		bool		found = false;

		for (int j = 0; j < n && !found; j++)
			found = columns[j] == numbers[i];
		if (!found)
			return false;
	}
	return true;
}

/*
 * Whether a planned key or index of the table serves these columns of the source: is
 * unique over just them, or begins with them.
 */
static bool
is_served(const SfmPlanTable *table, const int *numbers, int n, bool by_unique)
{
	ListCell   *lc;

	foreach(lc, table->indexes)
	{
		const int  *columns;
		bool		unique;
		int			ncolumns = key_columns(lfirst(lc), &columns, &unique);

		if (ncolumns > 0 && begins_with(columns, ncolumns, numbers, n) &&
			(!by_unique || (unique && ncolumns == n)))
			return true;
	}
	return false;
}

/* Leaves out the foreign keys whose parent, made by this call, has no unique key for them. */
void
sfm_check_parent_keys(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		int		   *parents;
		char	   *columns;

		if (object->phase != SFM_PHASE_FOREIGN_KEY || object->target_sql == NULL ||
			object->parent->exists || object->parent->status == SFM_STATUS_SKIPPED)
			continue;
		parents = sfm_parent_columns(object->fk, object->parent->source);
		if (is_served(object->parent, parents, object->fk->ncolumns, true))
			continue;
		columns = sfm_target_columns(object->parent, object->fk->ncolumns, parents);
		sfm_leave_out(object, psprintf("Table %s has no unique key over (%s), without which SQLite cannot keep it either. Where they are unique: CREATE UNIQUE INDEX ON %s (%s); %s",
									   object->parent->qualified, columns, object->parent->qualified,
									   columns, object->target_sql));
	}
}

/* A foreign key's columns are best indexed; SQLite files often have no such index. */
void
sfm_note_unindexed_keys(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		MemoryContext work;

		if (object->fk == NULL || object->status == SFM_OBJECT_LEFT_OUT || object->target_sql == NULL)
			continue;
		work = sfm_work_begin();
		if (!is_served(object->table, object->fk->columns, object->fk->ncolumns, false))
			sfm_note(object->table, "No index begins with the columns of foreign key %s; deleting from %s then reads the whole table. To add one: CREATE INDEX ON %s (%s)",
					 quote_identifier(object->constraint), object->parent->qualified, object->table->qualified,
					 sfm_target_columns(object->table, object->fk->ncolumns, object->fk->columns));
		sfm_work_end(work);
	}
}
