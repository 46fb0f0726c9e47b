/*
 * objects.c
 *		What becomes of each object of a table that is created: columns, keys,
 *		indexes, constraints, defaults, triggers.
 *
 * Runs when the types are final.  Every object of the source gets one entry in
 * plan->objects, with the statement that makes it or the reason why it is left out.
 * Whether the statement succeeds on the rows is found when it runs (create.c).
 * Existing targets keep their structure: existing.c compares instead.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

/* Adds an object of a planned table, so far migrated as it stands. */
SfmObject *
sfm_add_object(SfmPlan *plan, SfmPlanTable *table, const char *kind, const char *name,
			   const char *source_sql)
{
	SfmObject  *object = palloc0(sizeof(SfmObject));

	object->kind = kind;
	object->table = table;
	object->source_table = table->source->name;
	object->name = name;
	object->source_sql = source_sql;
	plan->objects = lappend(plan->objects, object);
	return object;
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
				 object->name ? object->name : "", why);
}

static void
translated(SfmObject *object, const char *note)
{
	object->status = SFM_OBJECT_TRANSLATED;
	object->note = object->note ? psprintf("%s %s", object->note, note) : pstrdup(note);
}

/* "a, b" of target columns; NULL when one of them is not moved. */
static char *
target_columns(const SfmPlanTable *table, int n, const int *numbers)
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

/* A name as PostgreSQL would choose it: table_column_column_suffix, distinct in the schema. */
static char *
default_name(SfmPlan *plan, const SfmPlanTable *table, int n, const int *numbers,
			 const char *suffix)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < n; i++)
	{
		SfmPlanColumn *column = sfm_plan_column(table, numbers[i]);

		appendStringInfo(&columns, "%s%s", i ? "_" : "", column ? column->target : "");
	}
	return makeObjectName(table->target, n ? columns.data : NULL, suffix);
}

static char *
key_name(SfmPlan *plan, const SfmPlanTable *table, const SfmConstraint *constraint, int n,
		 const int *numbers, const char *suffix)
{
	if (constraint && constraint->name)
		return sfm_namespace_add(plan->relations, constraint->name, plan->options->identifiers,
								 NULL);
	return sfm_namespace_add_identifier(plan->relations,
										default_name(plan, table, n, numbers, suffix), NULL);
}

static bool
is_text_kind(SfmKind kind)
{
	return kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR || kind == SFM_KIND_BPCHAR;
}

/*
 * An index column in PostgreSQL's words.  NOCASE folds ASCII letters alone, which
 * lower() does under collation "C"; RTRIM ignores blanks at the end.  *folded says
 * that such an expression was needed, *custom that the collation is the
 * application's own.
 */
static char *
index_column(const SfmPlanTable *table, const SfmIndexColumn *source, bool *folded, bool *custom)
{
	SfmPlanColumn *column = sfm_plan_column(table, source->column);
	const char *name;

	if (column == NULL)
		return NULL;
	name = quote_identifier(column->target);
	if (!is_text_kind(column->type.kind) || pg_strcasecmp(source->collation, "BINARY") == 0)
		return psprintf("%s%s", name, source->descending ? " DESC" : "");
	*folded = true;
	if (pg_strcasecmp(source->collation, "NOCASE") == 0)
		return psprintf("lower(%s COLLATE \"C\")%s", name, source->descending ? " DESC" : "");
	if (pg_strcasecmp(source->collation, "RTRIM") == 0)
		return psprintf("rtrim(%s, ' ')%s", name, source->descending ? " DESC" : "");
	*custom = true;
	return NULL;
}

/* The column list of an index; NULL when it cannot be written, then *why. */
static char *
index_columns(const SfmPlanTable *table, const SfmIndex *index, bool *folded, const char **why)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < index->ncolumns; i++)
	{
		bool		custom = false;
		char	   *column;

		if (index->columns[i].column < 0)
		{
			*why = "It is on an expression, and expressions are not translated in this version.";
			return NULL;
		}
		column = index_column(table, &index->columns[i], folded, &custom);
		if (column == NULL)
		{
			*why = custom ?
				psprintf("It uses collation %s, which only the application knows.",
						 index->columns[i].collation) :
				"One of its columns is left out.";
			return NULL;
		}
		appendStringInfo(&buf, "%s%s", i ? ", " : "", column);
	}
	return buf.data;
}

static const char *
folding_note(void)
{
	return "Its collation ignores case or blanks; a unique index on the folded value keeps that. Note that = now minds them.";
}

/* For a key over columns with NOCASE or RTRIM: the index that keeps SQLite's rule. */
static void
add_folded_index(SfmPlan *plan, SfmPlanTable *table, SfmObject *object, const SfmIndex *index)
{
	bool		folded = false;
	const char *why = NULL;
	char	   *columns = index_columns(table, index, &folded, &why);
	char	   *name;

	if (columns == NULL)
	{
		translated(object, psprintf("Its collation is not kept: %s", why));
		return;
	}
	if (!folded)
		return;
	name = sfm_namespace_add_identifier(plan->relations, psprintf("%s_folded", object->constraint),
										NULL);
	object->extra_sql = psprintf("CREATE UNIQUE INDEX %s ON %s (%s)", quote_identifier(name),
								 table->qualified, columns);
	translated(object, folding_note());
}

static bool
key_holds_null(const SfmPlanTable *table, const SfmTable *source)
{
	for (int i = 0; i < source->nkeys; i++)
	{
		SfmPlanColumn *column = sfm_plan_column(table, source->keys[i]);

		if (column && column->seen.n[SFM_NULL] + column->nulled > 0)
			return true;
	}
	return false;
}

static const SfmConstraint *
primary_key_constraint(const SfmTable *source)
{
	if (source->def == NULL)
		return NULL;
	for (const SfmConstraint *c = source->def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_PRIMARY_KEY)
			return c;
	for (const SfmColumnDef *column = source->def->columns; column; column = column->next)
		for (const SfmConstraint *c = column->constraints; c; c = c->next)
			if (c->kind == SFM_CONSTRAINT_PRIMARY_KEY)
				return c;
	return NULL;
}

static const SfmIndex *
primary_key_index(const SfmTable *source)
{
	ListCell   *lc;

	foreach(lc, source->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'p')
			return lfirst(lc);
	return NULL;
}

static void
plan_primary_key(SfmPlan *plan, SfmPlanTable *table)
{
	const SfmTable *source = table->source;
	const SfmConstraint *constraint = primary_key_constraint(source);
	const SfmIndex *index = primary_key_index(source);
	char	   *columns;
	SfmObject  *object;

	if (source->nkeys == 0)
		return;
	object = sfm_add_object(plan, table, "primary key", constraint ? constraint->name : NULL, NULL);
	columns = target_columns(table, source->nkeys, source->keys);
	if (columns == NULL)
	{
		sfm_leave_out(object, "One of its columns is left out.");
		return;
	}
	object->source_sql = psprintf("PRIMARY KEY (%s)", columns);
	object->index = index;
	object->phase = SFM_PHASE_KEY;
	object->constraint = key_name(plan, table, constraint, 0, NULL, "pkey");
	if (key_holds_null(table, source))
	{
		object->target_sql = psprintf("CREATE UNIQUE INDEX %s ON %s (%s)",
									  quote_identifier(object->constraint), table->qualified, columns);
		translated(object, "Its columns hold NULL, which SQLite allows: it is kept as a unique index, since a primary key cannot hold NULL.");
		sfm_note(table, "The primary key holds NULL and is kept as unique index %s.",
				 quote_identifier(object->constraint));
	}
	else
		object->target_sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY (%s)",
									  table->qualified, quote_identifier(object->constraint), columns);
	if (index)
		add_folded_index(plan, table, object, index);
}

/* Whether another key of the table already is unique over the same plain columns. */
static bool
repeats_key(const SfmTable *source, const SfmIndex *index)
{
	ListCell   *lc;

	if (index->partial || index->def)
		return false;
	if (source->nkeys == index->ncolumns)
	{
		bool		same = true;

		for (int i = 0; i < index->ncolumns && same; i++)
			same = index->columns[i].column == source->keys[i] &&
				pg_strcasecmp(index->columns[i].collation, "BINARY") == 0;
		if (same)
			return true;
	}
	foreach(lc, source->indexes)
	{
		SfmIndex   *other = lfirst(lc);
		bool		same = other->origin == 'u' && other->ncolumns == index->ncolumns;

		if (other == index)
			return false;
		for (int i = 0; i < index->ncolumns && same; i++)
			same = other->columns[i].column == index->columns[i].column &&
				pg_strcasecmp(other->columns[i].collation, index->columns[i].collation) == 0;
		if (same)
			return true;
	}
	return false;
}

static void
plan_unique(SfmPlan *plan, SfmPlanTable *table, const SfmIndex *index)
{
	SfmObject  *object;
	int		   *numbers = palloc(sizeof(int) * index->ncolumns);
	char	   *columns;

	for (int i = 0; i < index->ncolumns; i++)
		numbers[i] = index->columns[i].column;
	object = sfm_add_object(plan, table, "unique",
							index->constraint ? index->constraint->name : NULL, NULL);
	columns = target_columns(table, index->ncolumns, numbers);
	if (columns == NULL)
	{
		sfm_leave_out(object, "One of its columns is left out.");
		return;
	}
	object->source_sql = psprintf("UNIQUE (%s)", columns);
	object->index = index;
	if (repeats_key(table->source, index))
	{
		translated(object, "Another key is over the same columns and does its work.");
		return;
	}
	object->phase = SFM_PHASE_KEY;
	object->constraint = key_name(plan, table, index->constraint, index->ncolumns, numbers, "key");
	object->target_sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE (%s)", table->qualified,
								  quote_identifier(object->constraint), columns);
	add_folded_index(plan, table, object, index);
}

static void
plan_index(SfmPlan *plan, SfmPlanTable *table, const SfmIndex *index)
{
	SfmObject  *object = sfm_add_object(plan, table, "index", index->name, index->sql);
	bool		folded = false;
	const char *why = NULL;
	char	   *columns;

	object->index = index;
	if (index->partial)
	{
		sfm_leave_out(object, "It is partial, and expressions are not translated in this version.");
		return;
	}
	columns = index_columns(table, index, &folded, &why);
	if (columns == NULL)
	{
		sfm_leave_out(object, why);
		return;
	}
	object->phase = SFM_PHASE_INDEX;
	object->constraint = sfm_namespace_add(plan->relations, index->name,
										   plan->options->identifiers, NULL);
	object->target_sql = psprintf("CREATE %sINDEX %s ON %s (%s)", index->unique ? "UNIQUE " : "",
								  quote_identifier(object->constraint), table->qualified, columns);
	if (folded)
		translated(object, "Its collation is kept by an expression.");
}

static void
plan_foreign_key(SfmPlan *plan, SfmPlanTable *table, const SfmForeignKey *fk, SfmNamespace *names)
{
	SfmObject  *object = sfm_add_object(plan, table, "foreign key", fk->name, NULL);
	SfmTable   *source_parent = sfm_catalog_find(plan->catalog, fk->parent);
	SfmPlanTable *parent = sfm_plan_find(plan, fk->parent);
	char	   *columns = target_columns(table, fk->ncolumns, fk->columns);
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
	parent_columns = numbers ? target_columns(parent, fk->ncolumns, numbers) : NULL;
	if (columns == NULL || parent_columns == NULL)
	{
		sfm_leave_out(object, numbers == NULL ?
					  psprintf("Table %s has no such key.", fk->parent) :
					  "One of its columns is left out.");
		return;
	}
	object->constraint = fk->name ?
		sfm_namespace_add(names, fk->name, plan->options->identifiers, NULL) :
		sfm_namespace_add_identifier(names, default_name(plan, table, fk->ncolumns, fk->columns, "fkey"),
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
	if (pg_strcasecmp(fk->match, "FULL") == 0 || pg_strcasecmp(fk->match, "PARTIAL") == 0)
		translated(object, "SQLite does not enforce its MATCH clause, so MATCH SIMPLE is what it meant.");
}

static void
plan_column_objects(SfmPlan *plan, SfmPlanTable *table, SfmPlanColumn *column)
{
	const SfmColumn *source = column->source;
	SfmObject  *object = sfm_add_object(plan, table, "column", source->name, source->declared_type);

	object->target_sql = psprintf("%s %s", quote_identifier(column->target),
								  sfm_type_name(&column->type));
	if (column->type.typid != column->planned.typid || column->type.reading != SFM_READING_NONE)
		translated(object, "Its type follows its values; see migration_column.");

	if (column->identity)
	{
		object = sfm_add_object(plan, table, "identity", source->name,
								table->source->autoincrement ? "INTEGER PRIMARY KEY AUTOINCREMENT" :
								"INTEGER PRIMARY KEY");
		object->target_sql = "GENERATED BY DEFAULT AS IDENTITY";
		translated(object, "The rowid counts on as an identity column.");
	}
	else if (column->counts)
	{
		object = sfm_add_object(plan, table, "identity", source->name, "INTEGER PRIMARY KEY");
		object->target_sql = "DEFAULT nextval(...)";
		translated(object, "Its type is no integer, so a default counts on in place of an identity.");
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
		sfm_leave_out(sfm_add_object(plan, table, "generated column", source->name, NULL),
					  "Expressions are not translated in this version; it is a plain column with the values that it had.");
	if (source->default_sql)
	{

		object = sfm_add_object(plan, table, "default", source->name, source->default_sql);
		if (column->identity)
			translated(object, "SQLite never uses the default of an INTEGER PRIMARY KEY.");
		else if (column->default_sql == NULL)
			sfm_leave_out(object, psprintf("DEFAULT %s: %s.", source->default_sql,
										   column->default_why));
		else
		{
			object->target_sql = psprintf("DEFAULT %s", column->default_sql);
			if (!column->default_same)
				translated(object, "It is written for the column's type.");
		}
	}
}

/* DEFAULT clauses for the types that the columns have now; before CREATE TABLE. */
void
sfm_plan_defaults(SfmPlan *plan, SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		if (column->source->default_sql && !column->identity)
			column->default_sql = sfm_default_sql(plan->source->file, column->source, &column->type,
												  &column->default_why, &column->default_same);
	}
}

static void
plan_checks(SfmPlan *plan, SfmPlanTable *table)
{
	const SfmCreateTable *def = table->source->def;

	if (def == NULL)
	{
		if (table->source->parse_error)
			sfm_note(table, "Its CREATE TABLE statement was not understood (%s), so CHECK constraints and constraint names may be missing.",
					 table->source->parse_error);
		return;
	}
	for (const SfmColumnDef *column = def->columns; column; column = column->next)
		for (const SfmConstraint *c = column->constraints; c; c = c->next)
			if (c->kind == SFM_CONSTRAINT_CHECK)
				sfm_leave_out(sfm_add_object(plan, table, "check", c->name, c->sql),
							  psprintf("CHECK (%s): expressions are not translated in this version.", c->sql));
	for (const SfmConstraint *c = def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_CHECK)
			sfm_leave_out(sfm_add_object(plan, table, "check", c->name, c->sql),
						  psprintf("CHECK (%s): expressions are not translated in this version.", c->sql));
}

static void
plan_table_objects(SfmPlan *plan, SfmPlanTable *table)
{
	SfmNamespace *constraints = sfm_namespace_create(false);
	SfmObject  *object;
	ListCell   *lc;

	object = sfm_add_object(plan, table, "table", table->source->name, table->source->sql);
	for (int i = 0; i < table->ncolumns; i++)
		plan_column_objects(plan, table, &table->columns[i]);
	object->target_sql = sfm_ddl_create_table(plan, table);
	plan_primary_key(plan, table);
	foreach(lc, table->source->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'u')
			plan_unique(plan, table, lfirst(lc));
	foreach(lc, table->source->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'c')
			plan_index(plan, table, lfirst(lc));
	plan_checks(plan, table);
	foreach(lc, plan->objects)
	{
		SfmObject  *key = lfirst(lc);

		if (key->table == table && key->constraint)
			(void) sfm_namespace_reserve(constraints, key->constraint);
	}
	foreach(lc, table->source->foreign_keys)
		plan_foreign_key(plan, table, lfirst(lc), constraints);
	foreach(lc, table->source->triggers)
	{
		SfmTrigger *trigger = lfirst(lc);

		sfm_leave_out(sfm_add_object(plan, table, "trigger", trigger->name, trigger->sql),
					  "Triggers are left to be written anew.");
	}
}

static void
plan_views(SfmPlan *plan)
{
	bool	   *chosen = sfm_select_tables(plan->catalog, plan->options->include,
										   plan->options->exclude);
	ListCell   *lc;

	foreach(lc, plan->catalog->tables)
	{
		SfmTable   *view = lfirst(lc);
		SfmObject  *object;

		if (view->kind != SFM_REL_VIEW || !chosen[foreach_current_index(lc)])
			continue;
		object = palloc0(sizeof(SfmObject));
		object->kind = "view";
		object->source_table = object->name = view->name;
		object->source_sql = view->sql;
		plan->objects = lappend(plan->objects, object);
		sfm_leave_out(object, "Views are not translated in this version.");
		plan->notes = lappend(plan->notes, psprintf("View %s is left out.", view->name));
	}
}

/* Decides about every object; the types of all columns must be final. */
void
sfm_plan_objects(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->exists)
			sfm_compare_objects(plan, table);
		else
			plan_table_objects(plan, table);
	}
	plan_views(plan);
}
