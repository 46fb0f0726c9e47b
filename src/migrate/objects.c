/*
 * objects.c
 *		What becomes of each object of a table that is created: its columns with
 *		their defaults, its triggers; indexes, checks, foreign keys and views have
 *		files of their own.
 *
 * Runs when the types are final.  Every object of the source gets one entry in
 * plan->objects, with the statement that makes it or the reason why it is left out.
 * Whether the statement succeeds on the rows is found when it runs (create.c).
 * Existing targets keep their structure: existing.c compares instead.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "compat.h"
#include "sfm_migrate.h"

/*
 * Adds an object of the source, so far migrated as it stands.  The texts given must last
 * as long as the plan.
 */
SfmObject *
sfm_add_source_object(SfmPlan *plan, const char *kind, const char *source_table, const char *name,
					  const char *source_sql)
{
	MemoryContext old = MemoryContextSwitchTo(plan->mcxt);
	SfmObject  *object = palloc0(sizeof(SfmObject));

	object->kind = kind;
	object->source_table = source_table;
	object->name = name;
	object->source_sql = source_sql;
	plan->objects = lappend(plan->objects, object);
	MemoryContextSwitchTo(old);
	return object;
}

/* The same for an object of a planned table. */
SfmObject *
sfm_add_object(SfmPlan *plan, SfmPlanTable *table, const char *kind, const char *name,
			   const char *source_sql)
{
	SfmObject  *object = sfm_add_source_object(plan, kind, table->source->name, name, source_sql);
	MemoryContext old = MemoryContextSwitchTo(plan->mcxt);

	object->table = table;
	if (strcmp(kind, "primary key") == 0 || strcmp(kind, "unique") == 0 || strcmp(kind, "index") == 0)
		table->indexes = lappend(table->indexes, object);
	MemoryContextSwitchTo(old);
	return object;
}

/* Adds a view, so far migrated as it stands. */
SfmObject *
sfm_add_view(SfmPlan *plan, const SfmTable *view)
{
	return sfm_add_source_object(plan, "view", view->name, view->name, view->sql);
}

/* Says that the triggers of a table, or of a view (table NULL), are left out. */
void
sfm_plan_triggers(SfmPlan *plan, SfmPlanTable *table, const SfmTable *source)
{
	ListCell   *lc;

	foreach(lc, source->triggers)
	{
		SfmTrigger *trigger = lfirst(lc);
		SfmObject  *object = sfm_add_source_object(plan, "trigger", source->name, trigger->name,
												   trigger->sql);

		object->table = table;
		sfm_leave_out(object, "Triggers are left to be written anew.");
		if (table == NULL)
			plan->notes = lappend(plan->notes,
								  psprintf("Trigger %s of view %s is left out: triggers are left to be written anew.",
										   trigger->name, source->name));
	}
}

/* Marks an object as left out, and says so in the table's notes. */
void
sfm_leave_out(SfmObject *object, const char *why)
{
	object->status = SFM_OBJECT_LEFT_OUT;
	object->note = pstrdup(why);
	object->target_sql = NULL;
	object->phase = SFM_PHASE_NONE;
	if (object->table)
		sfm_note(object->table, "Left out: %s%s%s: %s", object->kind, object->name ? " " : "",
				 object->name ? sfm_name_to_server(object->name) : "", why);
}

/* Marks an object as translated; notes add up. */
void
sfm_translated(SfmObject *object, const char *note)
{
	object->status = SFM_OBJECT_TRANSLATED;
	object->note = object->note ? psprintf("%s %s", object->note, note) : pstrdup(note);
}

/* "a, b" of target columns; NULL when one of them is not moved. */
char *
sfm_target_columns(const SfmPlanTable *table, int n, const int *numbers)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		SfmPlanColumn *column = sfm_plan_column(table, numbers[i]);

		if (column == NULL)
			return NULL;
		appendStringInfo(&buf, "%s%s", i ? ", " : "", quote_identifier(column->target));
	}
	return buf.data;
}

/* Columns of the source by number, as SQLite writes them; "?" for one that does not exist. */
char *
sfm_source_columns(const SfmTable *table, int n, const int *numbers)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s", i ? ", " : "",
						 numbers[i] < 0 ? "?" : sfm_quote_name(table->columns[numbers[i]].name));
	return buf.data;
}

/* A name as PostgreSQL would choose it: table_column_column_suffix, distinct in the schema. */
char *
sfm_default_name(const SfmPlanTable *table, int n, const int *numbers, const char *suffix)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < n; i++)
	{
		SfmPlanColumn *column = sfm_plan_column(table, numbers[i]);

		appendStringInfo(&columns, "%s%s", i ? "_" : "", column ? column->target : "");
	}
	return sfm_object_name(table->target, n ? columns.data : NULL, suffix);
}

/* A generated column: computed by PostgreSQL, or a plain one with its values. */
static void
plan_generated_object(SfmPlan *plan, SfmPlanTable *table, SfmPlanColumn *column)
{
	SfmObject  *object = sfm_add_object(plan, table, "generated column", column->source->name,
										sfm_generated_text(column->source));

	if (column->generated_sql == NULL)
	{
		sfm_leave_out(object, psprintf("It is a plain column with the values that it had: %s.",
									   column->generated_why));
		return;
	}
	object->target_sql = psprintf("GENERATED ALWAYS AS (%s) STORED", column->generated_sql);
	sfm_translated(object, column->source->generated == SFM_GENERATED_STORED ?
				   "Its expression is written for PostgreSQL." :
				   "It was VIRTUAL and is STORED; its expression is written for PostgreSQL.");
}

/*
 * Whether the column's type is another than its declaration's.  A length or precision that
 * is not kept is none: SQLite never kept it either.
 */
static bool
follows_values(const SfmPlanColumn *column)
{
	if (column->type.reading != SFM_READING_NONE)
		return true;
	if (column->planned.kind == SFM_KIND_VARCHAR && column->type.kind == SFM_KIND_TEXT &&
		!column->type.mixed)
		return false;
	return column->type.typid != column->planned.typid;
}

static void
plan_column_objects(SfmPlan *plan, SfmPlanTable *table, SfmPlanColumn *column)
{
	const SfmColumn *source = column->source;
	SfmObject  *object = sfm_add_object(plan, table, "column", source->name, source->declared_type);

	object->target_sql = psprintf("%s %s", quote_identifier(column->target),
								  sfm_type_name(&column->type));
	if (follows_values(column))
		sfm_translated(object, "Its type follows its values; see migration_column.");

	if (column->identity)
	{
		object = sfm_add_object(plan, table, "identity", source->name,
								table->source->autoincrement ? "INTEGER PRIMARY KEY AUTOINCREMENT" :
								"INTEGER PRIMARY KEY");
		object->target_sql = "GENERATED BY DEFAULT AS IDENTITY";
		sfm_translated(object, "The rowid counts on as an identity column.");
	}
	else if (column->counts)
	{
		object = sfm_add_object(plan, table, "identity", source->name, "INTEGER PRIMARY KEY");
		object->target_sql = "DEFAULT nextval(...)";
		sfm_translated(object, "Its type is no integer, so a default counts on in place of an identity.");
		sfm_note(table, "Column %s: it counts on by a default, since no identity can be %s.",
				 quote_identifier(column->target), sfm_type_name(&column->type));
	}
	else if (!table->exists && table->source->rowid_column == column->number)
		sfm_leave_out(sfm_add_object(plan, table, "identity", source->name, "INTEGER PRIMARY KEY"),
					  "The column's type is no integer.");
	if (source->not_null)
	{
		object = sfm_add_object(plan, table, "not null", source->name, "NOT NULL");
		object->target_sql = "NOT NULL";
		if (column->nulls_found)
			sfm_leave_out(object, psprintf("The column holds %lld NULLs.",
										   (long long) (column->seen.n[SFM_NULL] + column->nulled)));
	}
	if (source->generated != SFM_GENERATED_NOT)
		plan_generated_object(plan, table, column);
	if (source->default_sql)
	{

		object = sfm_add_object(plan, table, "default", source->name, source->default_sql);
		if (column->identity)
			sfm_translated(object, "SQLite never uses the default of an INTEGER PRIMARY KEY.");
		else if (column->default_sql == NULL)
			sfm_leave_out(object, psprintf("DEFAULT %s: %s.", sfm_name_to_server(source->default_sql),
										   column->default_why));
		else
		{
			object->target_sql = psprintf("DEFAULT %s", column->default_sql);
			if (!column->default_same)
				sfm_translated(object, "It is written for the column's type.");
		}
	}
}

/*
 * DEFAULT and GENERATED clauses for the types that the columns have now; before
 * CREATE TABLE.
 */
void
sfm_plan_defaults(SfmPlan *plan, SfmPlanTable *table)
{
	MemoryContext work = sfm_work_begin();
	SfmTranslateScope *scope = sfm_scope_create(plan);

	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		if (column->source->default_sql && !column->identity)
			column->default_sql = sfm_default_sql(scope, plan->source->file, column->source,
												  &column->type, &column->default_why,
												  &column->default_same);
	}
	sfm_plan_generated(plan, table);
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		column->default_sql = sfm_keep(plan, column->default_sql);
		column->default_why = sfm_keep(plan, column->default_why);
		column->generated_sql = sfm_keep(plan, column->generated_sql);
		column->generated_why = sfm_keep(plan, column->generated_why);
	}
	sfm_work_end(work);
}

/* Keeps the names free that PostgreSQL will choose for NOT NULLs, and for those of a primary key. */
static void
reserve_not_nulls(SfmNamespace *constraints, const SfmPlanTable *table)
{
	if (!SFM_HAVE_NOT_NULL_NAMES)
		return;
	for (int i = 0; i < table->ncolumns; i++)
	{
		const SfmPlanColumn *column = &table->columns[i];

		if (column->not_null || column->identity || column->source->pk > 0)
			(void) sfm_namespace_reserve(constraints, sfm_default_name(table, 1, &column->number, "not_null"));
	}
}

static void
plan_table_objects(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table)
{
	SfmNamespace *constraints = sfm_namespace_create(false);
	SfmObject  *object;
	ListCell   *lc;

	object = sfm_add_object(plan, table, "table", table->source->name, table->source->sql);
	for (int i = 0; i < table->ncolumns; i++)
		plan_column_objects(plan, table, &table->columns[i]);
	object->target_sql = sfm_ddl_create_table(plan, table);
	reserve_not_nulls(constraints, table);
	sfm_plan_indexes(plan, scope, table);
	foreach(lc, table->indexes)
	{
		SfmObject  *key = lfirst(lc);

		if (key->constraint)
			(void) sfm_namespace_reserve(constraints, key->constraint);
	}
	sfm_plan_checks(plan, scope, table, constraints);
	foreach(lc, table->source->foreign_keys)
		sfm_plan_foreign_key(plan, table, lfirst(lc), constraints);
	sfm_namespace_free(constraints);
	sfm_plan_triggers(plan, table, table->source);
}

/* Makes what was decided about an object last as long as the plan. */
static void
keep_object(const SfmPlan *plan, SfmObject *object)
{
	object->target_sql = sfm_keep(plan, object->target_sql);
	object->note = sfm_keep(plan, object->note);
	object->condition = sfm_keep(plan, object->condition);
	object->constraint = sfm_keep(plan, object->constraint);
	object->extra_sql = sfm_keep(plan, object->extra_sql);
	object->index_sql = sfm_keep(plan, object->index_sql);
	object->attach_sql = sfm_keep(plan, object->attach_sql);
}

/* Decides about every object; the types of all columns must be final. */
void
sfm_plan_objects(SfmPlan *plan)
{
	SfmTranslateScope *scope = sfm_scope_create(plan);
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		MemoryContext work = sfm_work_begin();
		int			first = list_length(plan->objects);

		if (table->exists)
			sfm_compare_objects(plan, table);
		else
			plan_table_objects(plan, scope, table);
		for (int i = first; i < list_length(plan->objects); i++)
			keep_object(plan, list_nth(plan->objects, i));
		sfm_work_end(work);
	}
	sfm_check_parent_keys(plan);
	sfm_plan_views(plan, scope);
}
