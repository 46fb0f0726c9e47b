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

/* The condition that row "t" has a key of relation "f", whose columns stand for it. */
static char *
key_condition(List *key, const char *relation, char *(*column) (const SfmKeyColumn *key))
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "EXISTS (SELECT FROM %s f WHERE ", relation);
	foreach(lc, key)
	{
		SfmKeyColumn *part = lfirst(lc);

		appendStringInfo(&buf, "%st.%s %s %s", lc == list_head(key) ? "" : " AND ",
						 quote_identifier(part->name), part->operator, column(part));
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

static char *
column_of_set(const SfmKeyColumn *key)
{
	return psprintf("f.%s", quote_identifier(key->name));
}

static char *
column_of_source(const SfmKeyColumn *key)
{
	return sfm_ddl_source_column(key->column, "f.");
}

/* The condition that row "t" has a key (of sfm_key_columns()) that is in the set. */
char *
sfm_key_condition(List *key, const SfmKeySet *set)
{
	return key_condition(key, sfm_keyset_name(set), column_of_set);
}

/*
 * The condition that the key of target row "t" is in the source; where the keys were read
 * (source_keys.c), those of rows that are kept out are not among them.
 */
char *
sfm_upsert_condition(const SfmPlanTable *table)
{
	return table->keys ? sfm_key_condition(table->key, table->keys) :
		key_condition(table->key, table->foreign_table, column_of_source);
}

/*
 * The rows of the source that arrived: where there is nothing to update, PostgreSQL
 * counts only the inserted ones.
 */
void
sfm_upsert_count(SfmPlanTable *table)
{
	bool		isnull;

	if (set_list(table)[0] == '\0')
		table->target_rows = sfm_query_int64(psprintf("SELECT count(*) FROM %s t WHERE %s", sfm_target_rows(table),
													  sfm_upsert_condition(table)), &isnull);
}
