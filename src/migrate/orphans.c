/*
 * orphans.c
 *		What the foreign keys will find in the rows, asked of SQLite: for dry_run and
 *		script, which have no rows in PostgreSQL to ask.
 *
 * Keys are compared as the target will compare them: text byte for byte, whatever
 * collation the parent has, and as text where that is the type that both get.  Rows that
 * will be kept out are remembered by their ids, which SQLite is given as a JSON array,
 * and looked for again and again as the run does, since their children become orphans.
 * Rows of a table without ids (its columns take all names of the rowid, and it has no
 * primary key) are counted and not remembered.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/json.h"

#include "sfm_migrate.h"

/*
 * What tells a row from the others, as an expression; NULL: nothing does.  put_row_id()
 * writes the same from the row's values.
 */
static char *
row_id(const SfmTable *table, const char *alias)
{
	StringInfoData id;

	if (table->rowid_name)
		return psprintf("%s.%s", alias, table->rowid_name);
	if (table->nkeys == 0)
		return NULL;
	initStringInfo(&id);
	for (int i = 0; i < table->nkeys; i++)
	{
		const char *name = sfm_quote_name(table->columns[table->keys[i]].name);

		appendStringInfo(&id, "%stypeof(%s.%s)||hex(%s.%s)", i ? "||" : "", alias, name, alias, name);
	}
	return id.data;
}

/* The ids of the table's rows that will be kept out, ready for another one. */
static StringInfo
next_id(SfmPlanTable *table)
{
	if (table->foreseen_rejects == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(table->plan->mcxt);

		table->foreseen_rejects = makeStringInfo();
		MemoryContextSwitchTo(old);
	}
	if (table->foreseen_rejects->len > 0)
		appendStringInfoChar(table->foreseen_rejects, ',');
	return table->foreseen_rejects;
}

/* Remembers a row that will be kept out, by what row_id() gave for it. */
static void
keep_out(SfmPlanTable *table, const SfmValue *id)
{
	StringInfo	ids = next_id(table);

	if (id->cls == SFM_INTEGER)
		appendStringInfo(ids, INT64_FORMAT, id->u.i);
	else
		escape_json(ids, pnstrdup(id->u.p, id->len));
}

/* The id of a row by its primary key; only hexadecimal digits and names of classes. */
static void
put_row_id(StringInfo ids, const SfmPlanTable *table, const SfmValue *values)
{
	appendStringInfoChar(ids, '"');
	for (int i = 0; i < table->source->nkeys; i++)
	{
		const SfmValue *value = &values[sfm_plan_column(table, table->source->keys[i]) - table->columns];
		bool		number = value->cls == SFM_INTEGER || value->cls == SFM_REAL;
		const char *bytes = number ? sfm_value_for_message(value) : value->u.p;
		int			len = value->cls == SFM_NULL ? 0 : number ? strlen(bytes) : value->len;

		appendStringInfoString(ids, sfm_class_name(value->cls));
		for (int j = 0; j < len; j++)
			appendStringInfo(ids, "%02X", (unsigned char) bytes[j]);
	}
	appendStringInfoChar(ids, '"');
}

/*
 * Remembers a row that a misfit will keep out: by its rowid, or by its primary key, where
 * it has one that is read.
 */
void
sfm_foresee_reject(SfmPlanTable *table, const int64 *rowid, const SfmValue *values)
{
	if (rowid)
	{
		appendStringInfo(next_id(table), INT64_FORMAT, *rowid);
		return;
	}
	for (int i = 0; i < table->source->nkeys; i++)
		if (sfm_plan_column(table, table->source->keys[i]) == NULL)
			return;
	if (table->source->nkeys > 0)
		put_row_id(next_id(table), table, values);
}

/* " AND <id> NOT IN <the rows to be kept out>", parameter n; nothing where there are none. */
static char *
not_kept_out(const SfmPlanTable *table, const char *alias, int n)
{
	char	   *id = row_id(table->source, alias);

	return id && table->foreseen_rejects ?
		psprintf(" AND %s NOT IN (SELECT value FROM json_each(?%d))", id, n) : "";
}

static void
bind_kept_out(SfmStmt *stmt, int n, const SfmPlanTable *table)
{
	char	   *array;

	if (table->foreseen_rejects == NULL || row_id(table->source, "") == NULL)
		return;
	array = psprintf("[%s]", table->foreseen_rejects->data);
	sfm_bind_text(stmt, n, array, strlen(array));
	pfree(array);
}

/* A key's column as the target's type compares it. */
static char *
key_value(const SfmPlanTable *table, int number, const char *alias)
{
	const SfmPlanColumn *column = sfm_plan_column(table, number);
	char	   *value = psprintf("%s.%s", alias, sfm_quote_name(column->source->name));

	switch (column->type.kind)
	{
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
			if (sfm_affinity(column->source->declared_type) != 'T' || column->seen.n[SFM_BLOB] > 0)
				return psprintf("CAST(%s AS TEXT)", value);
			return value;
		case SFM_KIND_BYTEA:
			return column->seen.n[SFM_BLOB] + column->seen.n[SFM_NULL] < table->source_rows ?
				psprintf("CAST(%s AS BLOB)", value) : value;
		case SFM_KIND_UUID:
			return column->seen.spelled == 0 ? value :
				psprintf("lower(CASE typeof(%s) WHEN 'blob' THEN hex(%s) ELSE replace(%s, '-', '') END)",
						 value, value, value);
		default:
			return value;
	}
}

/*
 * Rows without a parent, those left apart that are kept out already; reject: they will
 * be kept out from now on.
 */
static int64
find_orphans(SfmPlan *plan, const SfmObject *object, bool reject)
{
	const SfmForeignKey *fk = object->fk;
	SfmPlanTable *child = object->table;
	SfmPlanTable *parent = object->parent;
	int		   *parents = sfm_parent_columns(fk, parent->source);
	char	   *id = row_id(child->source, "c");
	StringInfoData sql;
	SfmStmt    *stmt;
	int64		n = 0;

	reject = reject && id != NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM main.%s c WHERE ", reject ? id : "count(*)",
					 sfm_quote_name(child->source->name));
	for (int i = 0; i < fk->ncolumns; i++)
	{
		const char *name = sfm_quote_name(child->source->columns[fk->columns[i]].name);

		appendStringInfo(&sql, "c.%s IS NOT NULL AND ", name);
		if (sfm_plan_column(child, fk->columns[i])->type.empty_as_null)
			appendStringInfo(&sql, "c.%s IS NOT '' AND ", name);
	}
	appendStringInfo(&sql, "NOT EXISTS (SELECT 1 FROM main.%s p WHERE ", sfm_quote_name(parent->source->name));
	for (int i = 0; i < fk->ncolumns; i++)
		appendStringInfo(&sql, "%s%s = %s COLLATE BINARY", i ? " AND " : "",
						 key_value(parent, parents[i], "p"), key_value(child, fk->columns[i], "c"));
	appendStringInfo(&sql, "%s)%s", not_kept_out(parent, "p", 1), not_kept_out(child, "c", 2));
	stmt = sfm_prepare(plan->source->file, sql.data, sfm_name_to_server(child->source->name));
	bind_kept_out(stmt, 1, parent);
	bind_kept_out(stmt, 2, child);
	while (sfm_step(stmt))
	{
		SfmValue	value;

		sfm_column(stmt, 0, &value);
		if (!reject)
			n = value.u.i;
		else
		{
			keep_out(child, &value);
			n++;
		}
	}
	sfm_finalize(stmt);
	return n;
}

/* Whether it is a foreign key that the run would make, on rows that it would move. */
static bool
is_planned(const SfmObject *object)
{
	return object->phase == SFM_PHASE_FOREIGN_KEY && object->target_sql != NULL;
}

/* on_orphan => 'reject', as sfm_reject_orphans() does it. */
static void
foresee_rejects(SfmPlan *plan)
{
	bool		any;

	do
	{
		ListCell   *lc;

		any = false;
		foreach(lc, plan->objects)
		{
			SfmObject  *object = lfirst(lc);
			int64		orphans;

			if (!is_planned(object))
				continue;
			orphans = find_orphans(plan, object, true);
			if (row_id(object->table->source, "c") == NULL)
			{
				orphans -= object->foreseen_orphans;
				object->foreseen_orphans += orphans;
			}
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
 * as NOT VALID; raises when on_orphan says that they are an error.
 */
void
sfm_plan_orphans(SfmPlan *plan)
{
	ListCell   *lc;

	if (plan->options->scope == SFM_SCOPE_SCHEMA)
		return;
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
	{
		foresee_rejects(plan);
		return;
	}
	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		int64		orphans = is_planned(object) ? find_orphans(plan, object, false) : 0;

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
