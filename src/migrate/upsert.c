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

static SfmPlanColumn *
target_column(const SfmPlanTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i].target, name) == 0)
			return &table->columns[i];
	return NULL;
}

static void
problem(StringInfo problems, char *text)
{
	if (problems)
		appendStringInfo(problems, "%s%s", problems->len ? " " : "", text);
}

/*
 * Finds the primary key of an existing target.  What stands in the way of an upsert is
 * appended to problems, which may be NULL.
 */
void
sfm_upsert_plan(SfmPlanTable *table, StringInfo problems)
{
	Oid			pkey = sfm_primary_key(table->relid);
	Relation	index;

	table->key = NIL;
	if (!OidIsValid(pkey))
	{
		problem(problems, psprintf("Table %s has no primary key (one that is not deferrable) to decide which row is updated.",
								   table->qualified));
		return;
	}
	index = index_open(pkey, AccessShareLock);
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		SfmKeyColumn *key = palloc0(sizeof(SfmKeyColumn));
		Oid			type = index->rd_opcintype[i];
		Oid			op = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);

		key->name = get_attname(table->relid, index->rd_index->indkey.values[i], false);
		key->operator = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(get_func_namespace(get_opcode(op)))),
								 get_opname(op));
		key->column = target_column(table, key->name);
		if (key->column == NULL)
			problem(problems, psprintf("The source lacks column \"%s\" of the primary key of table %s.",
									   key->name, table->qualified));
		table->key = lappend(table->key, key);
	}
	index_close(index, AccessShareLock);
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

/*
 * A row that is kept out leaves the target's row with its key as it was, so that source
 * and target could not be compared.
 */
void
sfm_upsert_check(const SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; sfm_is_upsert(plan, table) && i < table->ncolumns; i++)
			if (table->columns[i].on_misfit == SFM_MISFITS_REJECT)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("on_misfit => 'reject' cannot be used with if_exists => 'upsert'"),
						 errdetail("Table %s exists.", table->qualified)));
	}
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

/* "WHERE EXISTS (...)": the rows of target "t" whose key is in the source. */
char *
sfm_upsert_condition(const SfmPlanTable *table)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, " WHERE EXISTS (SELECT FROM %s f WHERE ", table->foreign_table);
	foreach(lc, table->key)
	{
		SfmKeyColumn *key = lfirst(lc);

		appendStringInfo(&buf, "%st.%s %s %s", lc == list_head(table->key) ? "" : " AND ",
						 quote_identifier(key->name), key->operator,
						 sfm_ddl_source_column(key->column, "f."));
	}
	appendStringInfoChar(&buf, ')');
	return buf.data;
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
		table->target_rows = sfm_query_int64(psprintf("SELECT count(*) FROM %s t%s", sfm_target_rows(table),
													  sfm_upsert_condition(table)), &isnull);
}
