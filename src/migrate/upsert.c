/*
 * upsert.c
 *		if_exists => 'upsert': a row of the source is inserted, or updates the row of the
 *		existing target that has its primary key.
 *
 * The key is the target's, since that is what its rows are told apart by.  Key columns
 * are never set, nor are columns that PostgreSQL computes.  Verification looks at the
 * target's rows whose key is in the source.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "catalog/pg_class.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "sfm_migrate.h"

/* Whether rows of this table are upserted. */
bool
sfm_is_upsert(const SfmPlan *plan, const SfmPlanTable *table)
{
	return plan->options->if_exists == SFM_IF_EXISTS_UPSERT && sfm_target_is_loaded(plan, table);
}

/* The index of a table's primary key, which is not deferrable; else InvalidOid. */
Oid
sfm_primary_key(Oid relid)
{
	bool		isnull;

	return (Oid) sfm_query_int64(psprintf("SELECT indexrelid::bigint FROM pg_index WHERE indrelid = %u"
										  " AND indisprimary AND indimmediate AND indisvalid", relid), &isnull);
}

static void
problem(StringInfo problems, char *text)
{
	if (problems)
		appendStringInfo(problems, "%s%s", problems->len ? " " : "", text);
}

/*
 * The columns of a table's primary key as a list of SfmKeyColumn, without those of the
 * source; NIL when there is none, or it is deferrable.
 */
List *
sfm_key_columns(Oid relid)
{
	Oid			pkey = sfm_primary_key(relid);
	List	   *result = NIL;
	Relation	index;

	if (!OidIsValid(pkey))
		return NIL;
	index = index_open(pkey, AccessShareLock);
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		SfmKeyColumn *key = palloc0(sizeof(SfmKeyColumn));
		Oid			type = index->rd_opcintype[i];
		Oid			op = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);

		key->name = get_attname(relid, index->rd_index->indkey.values[i], false);
		key->operator = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(get_func_namespace(get_opcode(op)))),
								 get_opname(op));
		result = lappend(result, key);
	}
	index_close(index, AccessShareLock);
	return result;
}

/*
 * Finds the primary key of an existing target.  What stands in the way of an upsert is
 * appended to problems, which may be NULL.
 */
void
sfm_upsert_plan(SfmPlanTable *table, StringInfo problems)
{
	ListCell   *lc;

	table->key = sfm_key_columns(table->relid);
	if (table->key == NIL)
		problem(problems, psprintf("Table %s has no primary key (one that is not deferrable) to decide which row is updated.",
								   table->qualified));
	foreach(lc, table->key)
	{
		SfmKeyColumn *key = lfirst(lc);

		key->column = sfm_plan_target_column(table, key->name);
		if (key->column == NULL)
			problem(problems, psprintf("The source lacks column \"%s\" of the primary key of table %s.",
									   key->name, table->qualified));
	}
}

static bool
is_key(const SfmPlanTable *table, const SfmPlanColumn *column)
{
	ListCell   *lc;

	foreach(lc, table->key)
		if (((SfmKeyColumn *) lfirst(lc))->column == column)
			return true;
	return false;
}

/* The columns that an update sets, as "a = excluded.a, ..."; empty when there are none. */
static char *
set_list(const SfmPlanTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		if (is_key(table, column) || column->target_generated || column->always_identity)
			continue;
		appendStringInfo(&buf, "%s%s = excluded.%s", buf.len ? ", " : "",
						 quote_identifier(column->target), quote_identifier(column->target));
	}
	return buf.data;
}

/* ON CONFLICT ..., to be put behind the INSERT. */
char *
sfm_upsert_clause(const SfmPlanTable *table)
{
	StringInfoData buf;
	char	   *set = set_list(table);
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, table->key)
		appendStringInfo(&buf, "%s%s", buf.len ? ", " : " ON CONFLICT (",
						 quote_identifier(((SfmKeyColumn *) lfirst(lc))->name));
	if (set[0])
		appendStringInfo(&buf, ") DO UPDATE SET %s", set);
	else
		appendStringInfoString(&buf, ") DO NOTHING");
	return buf.data;
}

/*
 * A column of the key as relation "f" has it: a set of keys, or the foreign table of the
 * plan's column.
 */
static char *
key_source(const SfmKeyColumn *key, bool of_set)
{
	return of_set ? psprintf("f.%s", quote_identifier(key->name)) : sfm_ddl_source_column(key->column, "f.");
}

static char *
key_match(List *key, bool of_set)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, key)
	{
		SfmKeyColumn *part = lfirst(lc);

		appendStringInfo(&buf, "%st.%s %s %s", buf.len ? " AND " : "",
						 quote_identifier(part->name), part->operator, key_source(part, of_set));
	}
	return buf.data;
}

/* "SELECT ... FROM target t JOIN relation f ...": see sfm_upsert_rows(). */
static char *
joined_rows(const char *target, const char *relation, List *key, bool of_set, List *columns)
{
	StringInfoData buf;
	ListCell   *lc;
	ListCell   *lc2;

	initStringInfo(&buf);
	foreach(lc, columns)
	{
		const char *name = lfirst(lc);
		char	   *value = psprintf("t.%s", quote_identifier(name));

		foreach(lc2, key)
			if (strcmp(((SfmKeyColumn *) lfirst(lc2))->name, name) == 0)
				value = key_source(lfirst(lc2), of_set);
		appendStringInfo(&buf, "%s%s", buf.len ? ", " : "SELECT ", value);
	}
	appendStringInfo(&buf, " FROM %s t JOIN %s f ON %s", target, relation, key_match(key, of_set));
	return buf.data;
}

/*
 * The query of these columns (a list of char *) of the rows of a target that have a key
 * (of sfm_key_columns()) of the set.  The key is the set's: what is equal to it need not
 * be the same, as with citext, and an update leaves the target's.
 */
char *
sfm_key_rows(const char *target, List *key, const SfmKeySet *set, List *columns)
{
	return joined_rows(target, sfm_keyset_name(set), key, true, columns);
}

/* The relation of the source's keys: where they were read, without those that are kept out. */
static const char *
source_keys(const SfmPlanTable *table)
{
	return table->keys ? sfm_keyset_name(table->keys) : table->foreign_table;
}

/* The same query for a table that is upserted, of the columns that are moved. */
char *
sfm_upsert_rows(const SfmPlanTable *table)
{
	List	   *columns = NIL;

	for (int i = 0; i < table->ncolumns; i++)
		columns = lappend(columns, table->columns[i].target);
	return joined_rows(sfm_target_rows(table), source_keys(table), table->key, table->keys != NULL, columns);
}

/* The condition that the key of target row "t" is in the source. */
char *
sfm_upsert_condition(const SfmPlanTable *table)
{
	return psprintf("EXISTS (SELECT FROM %s f WHERE %s)", source_keys(table),
					key_match(table->key, table->keys != NULL));
}

/* Says how many keys stay as the target has them, though the source spells them otherwise. */
static void
note_kept_keys(SfmPlanTable *table)
{
	StringInfoData differs;
	int64		n;
	bool		isnull;
	ListCell   *lc;

	initStringInfo(&differs);
	foreach(lc, table->key)
	{
		SfmKeyColumn *key = lfirst(lc);
		SfmKind		kind = key->column->type.kind;

		if (kind == SFM_KIND_INPUT || kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR)
			appendStringInfo(&differs, "%st.%s::text COLLATE \"C\" <> %s::text COLLATE \"C\"", differs.len ? " OR " : "",
							 quote_identifier(key->name), key_source(key, table->keys != NULL));
	}
	if (differs.len == 0)
		return;
	n = sfm_query_int64(psprintf("SELECT count(*) FROM %s t JOIN %s f ON %s WHERE %s", sfm_target_rows(table),
								 source_keys(table), key_match(table->key, table->keys != NULL), differs.data), &isnull);
	if (n > 0)
		sfm_note(table, "%s equal to one of the source but spelled otherwise %s as the target has it.",
				 n == 1 ? "1 key" : psprintf("%lld keys", (long long) n), n == 1 ? "stays" : "stay");
}

/*
 * After the load: the rows of the source that arrived, since PostgreSQL counts only the
 * inserted ones where there is nothing to update; and what is to be said of keys.
 */
void
sfm_upsert_count(SfmPlanTable *table)
{
	bool		isnull;

	note_kept_keys(table);
	if (set_list(table)[0] == '\0')
		table->target_rows = sfm_query_int64(psprintf("SELECT count(*) FROM %s t WHERE %s", sfm_target_rows(table),
													  sfm_upsert_condition(table)), &isnull);
}
