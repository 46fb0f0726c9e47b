/*
 * groups.c
 *		What foreign keys say about tables: their order, and which columns must
 *		have one type.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

/*
 * The columns of the parent that a foreign key refers to, as numbers in the parent;
 * NULL when they cannot be told (the parent's primary key is meant and does not
 * have that many columns, or a column does not exist).
 */
int *
sfm_parent_columns(const SfmForeignKey *fk, const SfmTable *parent)
{
	int		   *result = palloc(sizeof(int) * fk->ncolumns);

	if (fk->parent_columns == NULL && parent->nkeys != fk->ncolumns)
		return NULL;
	for (int i = 0; i < fk->ncolumns; i++)
	{
		result[i] = fk->parent_columns ? sfm_table_column(parent, fk->parent_columns[i]) :
			parent->keys[i];
		if (result[i] < 0 || fk->columns[i] < 0)
			return NULL;
	}
	return result;
}

/* The planned table that an existing relation is the target of; NULL for none. */
static SfmPlanTable *
table_of_target(const SfmPlan *plan, Oid relid)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
		if (((SfmPlanTable *) lfirst(lc))->relid == relid)
			return lfirst(lc);
	return NULL;
}

/*
 * A target that was there may have foreign keys that the source lacks.  Those that cannot
 * be deferred must find their parents at once, where they stay in place.
 */
static void
read_target_parents(const SfmPlan *plan, SfmPlanTable *table)
{
	ListCell   *lc;

	foreach(lc, sfm_query_rows(psprintf("SELECT confrelid, condeferrable FROM pg_constraint WHERE conrelid = %u"
										" AND contype = 'f' ORDER BY conname", table->relid)))
	{
		char	  **row = lfirst(lc);
		SfmPlanTable *parent = table_of_target(plan, atooid(row[0]));

		if (parent == NULL)
			continue;
		if (row[1][0] == 't')
			table->soft_parents = lappend(table->soft_parents, parent);
		else
			table->hard_parents = lappend(table->hard_parents, parent);
	}
}

/* Whether keys that cannot be deferred lead from one table to another. */
static bool
needs_first(SfmPlanTable *table, const SfmPlanTable *other, List **visited)
{
	ListCell   *lc;

	check_stack_depth();
	if (list_member_ptr(*visited, table))
		return false;
	*visited = lappend(*visited, table);
	foreach(lc, table->hard_parents)
		if (lfirst(lc) == other || needs_first(lfirst(lc), other, visited))
			return true;
	return false;
}

static void visit(const SfmPlan *plan, SfmPlanTable *table, List **visited, List **ordered);

/* A parent comes first, unless it needs this table to come before itself. */
static void
visit_parent(const SfmPlan *plan, SfmPlanTable *table, SfmPlanTable *parent, List **visited, List **ordered)
{
	List	   *seen = NIL;

	if (parent != NULL && !needs_first(parent, table, &seen))
		visit(plan, parent, visited, ordered);
}

static void
visit(const SfmPlan *plan, SfmPlanTable *table, List **visited, List **ordered)
{
	ListCell   *lc;

	check_stack_depth();
	if (list_member_ptr(*visited, table))
		return;					/* done, or on the way: a cycle */
	*visited = lappend(*visited, table);
	foreach(lc, table->hard_parents)
		visit(plan, lfirst(lc), visited, ordered);
	foreach(lc, table->source->foreign_keys)
		visit_parent(plan, table, sfm_plan_find(plan, ((SfmForeignKey *) lfirst(lc))->parent), visited, ordered);
	foreach(lc, table->soft_parents)
		visit_parent(plan, table, lfirst(lc), visited, ordered);
	*ordered = lappend(*ordered, table);
}

/*
 * The tables with parents before children, else in the source's order.  In a cycle
 * one has to come first; foreign keys are added after all rows are there.
 */
List *
sfm_order_tables(const SfmPlan *plan, List *tables)
{
	List	   *visited = NIL;
	List	   *ordered = NIL;
	ListCell   *lc;

	foreach(lc, tables)
		if (((SfmPlanTable *) lfirst(lc))->exists)
			read_target_parents(plan, lfirst(lc));
	foreach(lc, tables)
		visit(plan, lfirst(lc), &visited, &ordered);
	return ordered;
}

static void
merge_groups(SfmPlan *plan, int from, int into)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
			if (table->columns[i].group == from)
				table->columns[i].group = into;
	}
}

static void
tie(SfmPlan *plan, SfmPlanColumn *a, SfmPlanColumn *b)
{
	if (a->group < 0 && b->group < 0)
		a->group = b->group = plan->ngroups++;
	else if (a->group < 0)
		a->group = b->group;
	else if (b->group < 0)
		b->group = a->group;
	else if (a->group != b->group)
		merge_groups(plan, b->group, a->group);
}

static void
add_seen(SfmSeen *sum, const SfmSeen *seen)
{
	for (int i = 0; i < SFM_NCLASSES; i++)
		sum->n[i] += seen->n[i];
	sum->emptied += seen->emptied;
}

/*
 * Brings the columns of each group to one type.  A type that is fixed (a rule's)
 * is everybody's; else it is one that holds all values of each: those that were
 * found in them, or, before they were read, any.  Columns of existing targets keep
 * theirs.
 */
void
sfm_unify_groups(SfmPlan *plan, bool found)
{
	SfmType    *types = palloc0(sizeof(SfmType) * Max(plan->ngroups, 1));
	bool	   *has_type = palloc0(sizeof(bool) * Max(plan->ngroups, 1));
	bool	   *has_fixed = palloc0(sizeof(bool) * Max(plan->ngroups, 1));
	SfmSeen    *seen = palloc0(sizeof(SfmSeen) * Max(plan->ngroups, 1));
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			int			g = column->group;

			if (g < 0 || table->exists || has_fixed[g])
				continue;
			if (!has_type[g] || column->fixed)
				types[g] = column->type;
			else
				types[g] = sfm_unify_seen(&types[g], found ? &seen[g] : NULL, &column->type,
										  found ? &column->seen : NULL);
			add_seen(&seen[g], &column->seen);
			has_type[g] = true;
			has_fixed[g] = column->fixed;
		}
	}
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];

			bool		empty_as_null = column->type.empty_as_null;

			if (column->group < 0 || table->exists || column->fixed)
				continue;
			/* what '' means is each column's own */
			column->type = types[column->group];
			column->type.empty_as_null = empty_as_null;
			if (has_fixed[column->group])
				column->fixed = true;
		}
	}
}

/*
 * The planned type of each group is that of a rowid in it, else of the key that is
 * referenced: what is tied to it is often declared otherwise, but holds its values.
 * If some do not fit, the load will tell.
 */
static void
plan_groups(SfmPlan *plan)
{
	SfmPlanColumn **roots = palloc0(sizeof(SfmPlanColumn *) * Max(plan->ngroups, 1));
	bool	   *is_rowid = palloc0(sizeof(bool) * Max(plan->ngroups, 1));
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			int			g = column->group;
			bool		rowid = column->number == table->source->rowid_column;

			if (g < 0 || table->exists || column->fixed || is_rowid[g])
				continue;
			if (rowid || (column->referenced && roots[g] == NULL))
				roots[g] = column;
			is_rowid[g] = rowid;
		}
	}
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			bool		empty_as_null = column->type.empty_as_null;

			if (column->group < 0 || table->exists || column->fixed || roots[column->group] == NULL)
				continue;
			column->type = roots[column->group]->type;
			column->type.empty_as_null = empty_as_null;
		}
	}
}

/* The group's type becomes the plan; said where the column declares another. */
static void
note_tied(SfmPlanTable *table, SfmPlanColumn *column)
{
	if (column->type.typid != column->planned.typid && !column->planned.by_values)
		sfm_note(table, "Column %s: %s instead of %s, as is the column that it references or that references it.",
				 quote_identifier(column->target), sfm_type_name(&column->type),
				 sfm_type_name(&column->planned));
	column->planned = column->type;
}

/*
 * Puts columns that are tied by foreign keys into groups, and gives each group one
 * planned type.
 */
void
sfm_tie_columns(SfmPlan *plan)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		foreach(lc2, table->source->foreign_keys)
		{
			SfmForeignKey *fk = lfirst(lc2);
			SfmPlanTable *parent = sfm_plan_find(plan, fk->parent);
			int		   *parents;

			if (parent == NULL || (parents = sfm_parent_columns(fk, parent->source)) == NULL)
				continue;
			for (int i = 0; i < fk->ncolumns; i++)
			{
				SfmPlanColumn *a = sfm_plan_column(table, fk->columns[i]);
				SfmPlanColumn *b = sfm_plan_column(parent, parents[i]);

				if (a == NULL || b == NULL)
					continue;
				tie(plan, a, b);
				b->referenced = true;
			}
		}
	}
	plan_groups(plan);
	sfm_unify_groups(plan, false);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; i < table->ncolumns; i++)
			note_tied(table, &table->columns[i]);
	}
}
