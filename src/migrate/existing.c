/*
 * existing.c
 *		The objects of a source table against those of a target that was there
 *		before: nothing is added to it, so each is either found in it or left out.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

/* The target columns as a sorted SQL array of names; NULL when one is not moved. */
static char *
column_array(const SfmPlanTable *table, int n, const int *numbers)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "(SELECT array_agg(c ORDER BY c COLLATE \"C\") FROM unnest(ARRAY[");
	for (int i = 0; i < n; i++)
	{
		SfmPlanColumn *column = numbers[i] < 0 ? NULL : sfm_plan_column(table, numbers[i]);

		if (column == NULL)
			return NULL;
		appendStringInfo(&buf, "%s%s", i ? ", " : "", quote_literal_cstr(column->target));
	}
	appendStringInfoString(&buf, "]::text[]) c)");
	return buf.data;
}

/* The names behind an int2 array of attribute numbers, sorted likewise. */
static char *
attribute_array(const char *relid, const char *numbers)
{
	return psprintf("(SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") FROM pg_attribute a"
					" WHERE a.attrelid = %s AND a.attnum = ANY (%s))", relid, numbers);
}

static bool
holds(const char *condition)
{
	bool		isnull;

	return sfm_query_int64(psprintf("SELECT (%s)::int::bigint", condition), &isnull) == 1;
}

static void
settle(SfmObject *object, bool found)
{
	if (found)
		object->note = "The target had it.";
	else
		sfm_leave_out(object, "The target was there and does not have it.");
}

static void
compare_index(SfmPlan *plan, SfmPlanTable *table, const char *kind, const char *name,
			  const char *sql, bool unique, bool primary, int n, const int *numbers)
{
	SfmObject  *object = sfm_add_object(plan, table, kind, name, sql);
	char	   *columns = column_array(table, n, numbers);

	settle(object, columns != NULL &&
		   holds(psprintf("EXISTS (SELECT FROM pg_index i WHERE i.indrelid = %u AND i.indpred IS NULL%s%s"
						  " AND i.indexprs IS NULL AND %s = %s)", table->relid,
						  unique ? " AND i.indisunique" : "", primary ? " AND i.indisprimary" : "",
						  attribute_array("i.indrelid", "i.indkey"), columns)));
}

static void
compare_indexes(SfmPlan *plan, SfmPlanTable *table)
{
	const SfmTable *source = table->source;
	ListCell   *lc;

	if (source->nkeys > 0)
		compare_index(plan, table, "primary key", NULL, NULL, true, true, source->nkeys, source->keys);
	foreach(lc, source->indexes)
	{
		SfmIndex   *index = lfirst(lc);
		int		   *numbers = palloc(sizeof(int) * Max(index->ncolumns, 1));

		if (index->origin == 'p')
			continue;
		for (int i = 0; i < index->ncolumns; i++)
			numbers[i] = index->columns[i].column;
		/* A predicate is not compared, so a partial index counts as not found. */
		if (index->partial)
			settle(sfm_add_object(plan, table, "index", index->name, index->sql), false);
		else
			compare_index(plan, table, index->origin == 'u' ? "unique" : "index",
						  index->origin == 'u' ?
						  (index->constraint ? index->constraint->name : NULL) : index->name,
						  index->sql, index->unique, false, index->ncolumns, numbers);
	}
}

static void
compare_foreign_keys(SfmPlan *plan, SfmPlanTable *table)
{
	ListCell   *lc;

	foreach(lc, table->source->foreign_keys)
	{
		SfmForeignKey *fk = lfirst(lc);
		SfmPlanTable *parent = sfm_plan_find(plan, fk->parent);
		SfmObject  *object = sfm_add_object(plan, table, "foreign key", fk->name, NULL);
		char	   *columns = column_array(table, fk->ncolumns, fk->columns);

		object->source_sql = sfm_keep(plan, psprintf("REFERENCES %s", sfm_quote_name(fk->parent)));
		settle(object, parent != NULL && columns != NULL && OidIsValid(parent->relid) &&
			   holds(psprintf("EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = %u AND c.contype = 'f'"
							  " AND c.confrelid = %u AND %s = %s)", table->relid, parent->relid,
							  attribute_array("c.conrelid", "c.conkey"), columns)));
	}
}

static void
compare_column(SfmPlan *plan, SfmPlanTable *table, SfmPlanColumn *column)
{
	const SfmColumn *source = column->source;
	char	   *attribute = psprintf("SELECT FROM pg_attribute WHERE attrelid = %u AND attname = %s",
									 table->relid, quote_literal_cstr(column->target));
	SfmObject  *object = sfm_add_object(plan, table, "column", source->name, source->declared_type);

	object->note = "The target had it.";
	object->target_sql = psprintf("%s %s", quote_identifier(column->target),
								  sfm_type_name(&column->type));
	if (table->source->rowid_column == column->number)
		settle(sfm_add_object(plan, table, "identity", source->name, "INTEGER PRIMARY KEY"),
			   holds(psprintf("EXISTS (%s AND (attidentity <> '' OR pg_get_serial_sequence(%s, attname) IS NOT NULL))",
							  attribute, quote_literal_cstr(table->qualified))));
	if (source->not_null)
		settle(sfm_add_object(plan, table, "not null", source->name, "NOT NULL"),
			   holds(psprintf("EXISTS (%s AND attnotnull)", attribute)));
	if (source->generated != SFM_GENERATED_NOT)
		settle(sfm_add_object(plan, table, "generated column", source->name, NULL),
			   column->target_generated);
	if (source->default_sql)
		settle(sfm_add_object(plan, table, "default", source->name, source->default_sql),
			   holds(psprintf("EXISTS (%s AND (atthasdef OR attidentity <> ''))", attribute)));
}

static void
compare_checks(SfmPlan *plan, SfmPlanTable *table)
{
	const SfmCreateTable *def = table->source->def;

	if (def == NULL)
		return;
	for (const SfmColumnDef *column = def->columns; column; column = column->next)
		for (const SfmConstraint *c = column->constraints; c; c = c->next)
			if (c->kind == SFM_CONSTRAINT_CHECK)
				sfm_leave_out(sfm_add_object(plan, table, "check", c->name, c->sql),
							  "The target was there; its own constraints hold.");
	for (const SfmConstraint *c = def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_CHECK)
			sfm_leave_out(sfm_add_object(plan, table, "check", c->name, c->sql),
						  "The target was there; its own constraints hold.");
}

/* An entry for each object of the source table, found in the target or left out. */
void
sfm_compare_objects(SfmPlan *plan, SfmPlanTable *table)
{
	SfmObject  *object = sfm_add_object(plan, table, "table", table->source->name,
										table->source->sql);

	object->note = "The target was there.";
	if (table->status == SFM_STATUS_SKIPPED)
	{
		sfm_leave_out(object, "The target exists, and if_exists is skip.");
		return;
	}
	for (int i = 0; i < table->ncolumns; i++)
		compare_column(plan, table, &table->columns[i]);
	compare_indexes(plan, table);
	compare_checks(plan, table);
	compare_foreign_keys(plan, table);
	sfm_plan_triggers(plan, table, table->source);
}
