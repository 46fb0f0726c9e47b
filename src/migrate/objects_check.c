/*
 * objects_check.c
 *		CHECK constraints and generated columns of a table that is created.
 *
 * A CHECK that the column's type makes sure of needs no constraint.  A generated
 * column is computed by PostgreSQL where its expression can be written with immutable
 * functions and gives for each row of the source the value that SQLite has there
 * (compute.c); otherwise it is a plain column with its values.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

static void
plan_check(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table, SfmNamespace *constraints,
		   const SfmConstraint *check, int column)
{
	SfmObject  *object = sfm_add_object(plan, table, "check", check->name, check->sql);
	SfmTranslated result;
	SfmTranslateError error;

	if (!sfm_translate_condition(sfm_scope_source(scope), sfm_scope_table(scope, table),
								 check->expr, false, &result, &error))
	{
		sfm_leave_out(object, psprintf("CHECK (%s) is not translated: %s.", check->sql,
									   sfm_translate_reason(&error)));
		return;
	}
	if (result.implied)
	{
		object->target_sql = NULL;
		sfm_translated(object, "The column's type lets in nothing else, so no constraint is needed.");
		return;
	}
	object->constraint = check->name ?
		sfm_namespace_add(constraints, check->name, plan->options->identifiers, NULL) :
		sfm_namespace_add_identifier(constraints,
									 sfm_default_name(table, column >= 0 ? 1 : 0, &column, "check"), NULL);
	object->target_sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)", table->qualified,
								  quote_identifier(object->constraint), result.sql);
	object->condition = result.sql;
	object->check = check;
	object->phase = SFM_PHASE_CHECK;
	sfm_translated(object, "Its expression is written for PostgreSQL.");
}

/*
 * For dry_run: asks SQLite which CHECKs its rows break, and says that they will be NOT
 * VALID.
 */
void
sfm_foresee_checks(SfmPlan *plan)
{
	ListCell   *lc;

	if (plan->options->scope == SFM_SCOPE_SCHEMA)
		return;
	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		SfmPlanTable *table = object->table;
		SfmStmt    *stmt;
		int64		rows = 0;

		if (object->phase != SFM_PHASE_CHECK || object->target_sql == NULL)
			continue;
		stmt = sfm_prepare(plan->source->file,
						   psprintf("SELECT count(*) FROM main.%s WHERE NOT (%s)",
									sfm_quote_name(table->source->name), object->check->sql),
						   sfm_name_to_server(table->source->name));
		if (sfm_step(stmt))
			rows = sfm_column_int64(stmt, 0);
		sfm_finalize(stmt);
		if (rows > 0)
			sfm_note(table, "Check %s will be NOT VALID: %lld rows break it.",
					 quote_identifier(object->constraint), (long long) rows);
	}
}

/* All CHECK constraints of a table; constraints holds the names that are taken. */
void
sfm_plan_checks(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table,
				SfmNamespace *constraints)
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
				plan_check(plan, scope, table, constraints, c,
						   sfm_table_column(table->source, column->name));
	for (const SfmConstraint *c = def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_CHECK)
			plan_check(plan, scope, table, constraints, c, -1);
}

static const SfmConstraint *
generated_constraint(const SfmColumn *column)
{
	for (const SfmConstraint *c = column->def ? column->def->constraints : NULL; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_GENERATED)
			return c;
	return NULL;
}

/* The source's text of a generated column's expression, or NULL. */
const char *
sfm_generated_text(const SfmColumn *column)
{
	const SfmConstraint *constraint = generated_constraint(column);

	return constraint ? constraint->sql : NULL;
}

/*
 * Translates one column.  Generated columns that were translated before it stand for
 * their expressions, as PostgreSQL's may not refer to each other; the others cannot
 * be named.
 */
static void
translate_generated(SfmTranslateScope *scope, SfmPlanColumn *column,
					const SfmTranslateRelation *relation)
{
	const SfmConstraint *constraint = generated_constraint(column->source);
	SfmTranslated result;
	SfmTranslateError error;

	if (constraint == NULL)
		column->generated_why = "its SQL was not understood";
	else if (!sfm_translate_value(sfm_scope_source(scope), relation, constraint->expr, &column->type,
								  sfm_affinity(column->source->declared_type), true, &result, &error))
		column->generated_why = sfm_translate_reason(&error);
	else
		column->generated_sql = result.sql;
}

/* Translates those that can be, in rounds, as one may name another declared after it. */
static void
translate_all_generated(SfmPlan *plan, SfmPlanTable *table)
{
	SfmTranslateScope *scope = sfm_scope_create(plan);
	SfmTranslateRelation *relation = sfm_scope_table(scope, table);
	bool		progress = true;

	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].source->generated != SFM_GENERATED_NOT)
			relation->columns[i].unavailable = "a generated column that PostgreSQL does not compute";
	while (progress)
	{
		progress = false;
		for (int i = 0; i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			SfmTranslateColumn *shown = &relation->columns[i];

			if (shown->unavailable == NULL || column->source->generated == SFM_GENERATED_NOT)
				continue;
			translate_generated(scope, column, relation);
			if (column->generated_sql == NULL)
				continue;
			shown->sql = psprintf("((%s)::%s)", column->generated_sql, sfm_type_name(&column->type));
			shown->is_expression = true;
			shown->unavailable = NULL;
			progress = true;
		}
	}
}

/*
 * Decides for each generated column whether the target computes it; before CREATE
 * TABLE, and again when types have changed.
 */
void
sfm_plan_generated(SfmPlan *plan, SfmPlanTable *table)
{
	bool		any = false;

	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		if (column->source->generated == SFM_GENERATED_NOT)
			continue;
		any = true;
		column->generated_sql = NULL;
		column->generated_why = NULL;
		column->target_generated = false;
	}
	if (!any)
		return;
	translate_all_generated(plan, table);
	sfm_check_generated(plan, table);
	for (int i = 0; i < table->ncolumns; i++)
		table->columns[i].target_generated = table->columns[i].generated_sql != NULL;
}
