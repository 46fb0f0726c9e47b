/*
 * objects_index.c
 *		Primary keys, UNIQUE constraints and indexes of a table that is created.
 *
 * A collation other than BINARY becomes an expression over the column; expressions
 * and WHERE clauses go through the translator.  A partial unique index whose WHERE
 * cannot be written is left out: without the WHERE it would be another rule.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"

static char *
key_name(SfmPlan *plan, const SfmPlanTable *table, const SfmConstraint *constraint, int n,
		 const int *numbers, const char *suffix)
{
	if (constraint && constraint->name)
		return sfm_namespace_add(plan->relations, constraint->name, plan->options->identifiers,
								 NULL);
	return sfm_namespace_add_identifier(plan->relations,
										sfm_default_name(table, n, numbers, suffix), NULL);
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

/* The expression of an index's column, as parsed. */
static const SfmIndexedColumn *
indexed_expression(const SfmIndex *index, int number)
{
	const SfmIndexedColumn *column = index->def ? index->def->columns : NULL;

	for (int i = 0; column && i < number; i++)
		column = column->next;
	return column;
}

/* One column of an index over an expression; NULL when it cannot be written, then *why. */
static char *
index_expression(SfmTranslateScope *scope, const SfmPlanTable *table, const SfmIndex *index,
				 int number, const char **why)
{
	const SfmIndexedColumn *column = indexed_expression(index, number);
	SfmTranslated result;
	SfmTranslateError error;

	if (index->columns[number].column == -1)
	{
		*why = "It is on the rowid, which has no column in PostgreSQL.";
		return NULL;
	}
	if (column == NULL || column->expr == NULL)
	{
		*why = psprintf("Its SQL was not understood: %s.",
						index->parse_error ? index->parse_error : "an expression is missing");
		return NULL;
	}
	if (!sfm_translate_index_term(sfm_scope_source(scope), sfm_scope_table(scope, table),
								  column->expr, column->collation, index->unique, &result, &error))
	{
		*why = psprintf("Its expression is not translated: %s.", sfm_translate_reason(&error));
		return NULL;
	}
	return psprintf("%s%s", result.sql, index->columns[number].descending ? " DESC" : "");
}

/*
 * The column list of an index; NULL when it cannot be written, then *why.  *folded:
 * an expression stands for a collation; *expression: one stands for itself.
 */
static char *
index_columns(SfmTranslateScope *scope, const SfmPlanTable *table, const SfmIndex *index,
			  bool *folded, bool *expression, const char **why)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < index->ncolumns; i++)
	{
		bool		custom = false;
		char	   *column;

		if (index->columns[i].column < 0)
		{
			*expression = true;
			column = index_expression(scope, table, index, i, why);
			if (column == NULL)
				return NULL;
		}
		else
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

/* The statements of a primary key or UNIQUE constraint: in one, or its index first. */
static void
add_constraint(SfmObject *object, const char *kind, const char *columns)
{
	const char *table = object->table->qualified;
	const char *name = quote_identifier(object->constraint);

	object->target_sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s (%s)", table, name, kind, columns);
	object->index_sql = psprintf("CREATE UNIQUE INDEX %s ON %s (%s)", name, table, columns);
	object->attach_sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s", table, name, kind, name);
}

/* For a key over columns with NOCASE or RTRIM: the index that keeps SQLite's rule. */
static void
add_folded_index(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table, SfmObject *object,
				 const SfmIndex *index)
{
	bool		folded = false;
	bool		expression = false;
	const char *why = NULL;
	char	   *columns = index_columns(scope, table, index, &folded, &expression, &why);
	char	   *name;

	if (columns == NULL)
	{
		sfm_translated(object, psprintf("Its collation is not kept: %s", why));
		return;
	}
	if (!folded)
		return;
	name = sfm_namespace_add_identifier(plan->relations, psprintf("%s_folded", object->constraint),
										NULL);
	object->extra_sql = psprintf("CREATE UNIQUE INDEX %s ON %s (%s)", quote_identifier(name),
								 table->qualified, columns);
	sfm_translated(object, folding_note());
}

/* Whether a column of the primary key holds NULL, which SQLite allows. */
bool
sfm_key_holds_null(const SfmPlanTable *table)
{
	const SfmTable *source = table->source;

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
plan_primary_key(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table)
{
	const SfmTable *source = table->source;
	const SfmConstraint *constraint = primary_key_constraint(source);
	const SfmIndex *index = primary_key_index(source);
	char	   *columns;
	SfmObject  *object;

	if (source->nkeys == 0)
		return;
	object = sfm_add_object(plan, table, "primary key", constraint ? constraint->name : NULL, NULL);
	columns = sfm_target_columns(table, source->nkeys, source->keys);
	if (columns == NULL)
	{
		sfm_leave_out(object, "One of its columns is left out.");
		return;
	}
	object->source_sql = sfm_keep(plan, psprintf("PRIMARY KEY (%s)",
												 sfm_source_columns(source, source->nkeys,
																	source->keys)));
	object->index = index;
	object->phase = SFM_PHASE_KEY;
	object->constraint = key_name(plan, table, constraint, 0, NULL, "pkey");
	if (sfm_key_holds_null(table))
	{
		object->target_sql = psprintf("CREATE UNIQUE INDEX %s ON %s (%s)",
									  quote_identifier(object->constraint), table->qualified, columns);
		object->index_sql = object->target_sql;
		sfm_translated(object, "Its columns hold NULL, which SQLite allows: it is kept as a unique index, since a primary key cannot hold NULL.");
		sfm_note(table, "The primary key holds NULL and is kept as unique index %s.",
				 quote_identifier(object->constraint));
	}
	else
		add_constraint(object, "PRIMARY KEY", columns);
	if (index)
		add_folded_index(plan, scope, table, object, index);
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
plan_unique(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table, const SfmIndex *index)
{
	SfmObject  *object;
	int		   *numbers = palloc(sizeof(int) * index->ncolumns);
	char	   *columns;

	for (int i = 0; i < index->ncolumns; i++)
		numbers[i] = index->columns[i].column;
	object = sfm_add_object(plan, table, "unique",
							index->constraint ? index->constraint->name : NULL, NULL);
	columns = sfm_target_columns(table, index->ncolumns, numbers);
	if (columns == NULL)
	{
		sfm_leave_out(object, "One of its columns is left out.");
		return;
	}
	object->source_sql = sfm_keep(plan, psprintf("UNIQUE (%s)",
												 sfm_source_columns(table->source, index->ncolumns,
																	numbers)));
	object->index = index;
	if (repeats_key(table->source, index))
	{
		sfm_translated(object, "Another key is over the same columns and does its work.");
		return;
	}
	object->phase = SFM_PHASE_KEY;
	object->constraint = key_name(plan, table, index->constraint, index->ncolumns, numbers, "key");
	add_constraint(object, "UNIQUE", columns);
	add_folded_index(plan, scope, table, object, index);
}

/* The WHERE of a partial index; false when it cannot be written, then *why. */
static bool
index_where(SfmTranslateScope *scope, const SfmPlanTable *table, const SfmIndex *index, char **where,
			const char **why)
{
	SfmTranslated result;
	SfmTranslateError error;

	*where = "";
	if (!index->partial)
		return true;
	if (index->def == NULL || index->def->where == NULL)
	{
		*why = psprintf("It is partial, and its SQL was not understood: %s.",
						index->parse_error ? index->parse_error : "its WHERE is missing");
		return false;
	}
	if (!sfm_translate_condition(sfm_scope_source(scope), sfm_scope_table(scope, table),
								 index->def->where, true, &result, &error))
	{
		*why = psprintf("It is partial, and its WHERE is not translated: %s.",
						sfm_translate_reason(&error));
		return false;
	}
	*where = psprintf(" WHERE %s", result.sql);
	return true;
}

static void
plan_index(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table, const SfmIndex *index)
{
	SfmObject  *object = sfm_add_object(plan, table, "index", index->name, index->sql);
	bool		folded = false;
	bool		expression = false;
	const char *why = NULL;
	char	   *columns;
	char	   *where;

	object->index = index;
	columns = index_columns(scope, table, index, &folded, &expression, &why);
	if (columns == NULL || !index_where(scope, table, index, &where, &why))
	{
		sfm_leave_out(object, why);
		return;
	}
	object->phase = SFM_PHASE_INDEX;
	object->constraint = sfm_namespace_add(plan->relations, index->name,
										   plan->options->identifiers, NULL);
	object->target_sql = psprintf("CREATE %sINDEX %s ON %s (%s)%s", index->unique ? "UNIQUE " : "",
								  quote_identifier(object->constraint), table->qualified, columns,
								  where);
	if (!folded && !expression && !index->partial)
		object->index_sql = object->target_sql;
	if (folded)
		sfm_translated(object, "Its collation is kept by an expression.");
	if (expression)
		sfm_translated(object, "Its expression is written for PostgreSQL.");
	if (index->partial)
		sfm_translated(object, "Its WHERE is written for PostgreSQL.");
}

/* Primary key, UNIQUE constraints and indexes of a table, in this order. */
void
sfm_plan_indexes(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table)
{
	ListCell   *lc;

	plan_primary_key(plan, scope, table);
	foreach(lc, table->source->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'u')
			plan_unique(plan, scope, table, lfirst(lc));
	foreach(lc, table->source->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'c')
			plan_index(plan, scope, table, lfirst(lc));
}
