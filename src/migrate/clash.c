/*
 * clash.c
 *		The load of an existing table, and what to say when a row clashes with a unique
 *		key of it.
 *
 * The load runs in a subtransaction: rows that were written before a misfit was met
 * are undone by it, and after a unique violation the target can be asked which rows
 * clash.  PostgreSQL names one value; a DBA wants to see the first ten pairs.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "sfm_migrate.h"

#define MAX_PAIRS 10

typedef struct ExistingLoad
{
	SfmPlan    *plan;
	SfmPlanTable *table;
} ExistingLoad;

typedef struct Clash
{
	const SfmPlan *plan;
	const SfmPlanTable *table;
	Oid			index;
	bool		is_key;			/* the primary key */
	bool		afterwards;		/* upsert: the rows that are updated are the source's */
	bool		probe;			/* whether any clash is all that is asked */
	List	   *rows;			/* char *[2]: how many keys clash, a line about one */
} Clash;

/*
 * Raises NULLs for a domain that takes none: they do not go through a converter, and
 * INSERT does not check them either, as the foreign table's column has the same domain.
 */
void
sfm_check_domain_nulls(const SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const SfmPlanColumn *column = &table->columns[i];
		int			sqlstate;
		char	   *message;

		if (column->target_generated || column->seen.n[SFM_NULL] + column->nulled == 0 ||
			get_typtype(column->type.typid) != TYPTYPE_DOMAIN ||
			sfm_try_exec(psprintf("SELECT NULL::%s", sfm_type_name(&column->type)), &sqlstate, &message))
			continue;
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("column %s of table %s takes no NULL, and %lld would come",
						quote_identifier(column->target), table->qualified,
						(long long) (column->seen.n[SFM_NULL] + column->nulled)),
				 errdetail("%s.", message)));
	}
}

/*
 * Has the unique keys checked that wait for the end of the transaction: their clashes are
 * to be named like others.
 */
static void
check_deferred_keys(const SfmPlanTable *table)
{
	ListCell   *lc;

	foreach(lc, sfm_query_rows(psprintf("SELECT format('%%I.%%I', n.nspname, c.conname) FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
										" WHERE c.conrelid = %u AND c.contype IN ('p', 'u') AND c.condeferrable", table->relid)))
		sfm_execf("SET CONSTRAINTS %s IMMEDIATE", ((char **) lfirst(lc))[0]);
}

static void
note_intervals(SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const SfmPlanColumn *column = &table->columns[i];

		if (getBaseType(column->type.typid) == INTERVALOID && column->seen.n[SFM_INTEGER] > 0 &&
			sfm_reading_name(column->type.reading) == NULL)
			sfm_note(table, "Integers in column %s are read as microseconds, as Django writes them; \"types\" with a reading of unix or unix_ms reads seconds or milliseconds.",
					 quote_identifier(column->target));
	}
}

static bool
load_rows(void *arg)
{
	ExistingLoad *existing = arg;

	sfm_load_table(existing->plan, existing->table);
	if (existing->table->loaded)
	{
		check_deferred_keys(existing->table);
		sfm_check_domain_nulls(existing->table);
		note_intervals(existing->table);
	}
	if (existing->table->loaded && existing->table->kept_out != NIL)
		sfm_reject_kept_out(existing->plan, existing->table);
	if (existing->table->loaded && sfm_is_upsert(existing->plan, existing->table))
		sfm_upsert_count(existing->table);
	return existing->table->loaded;
}

/* The index of the target that an error is about; InvalidOid when it is no index of it. */
static Oid
clashing_index(const SfmPlanTable *table, const ErrorData *error)
{
	Oid			schema;
	Oid			index;
	List	   *ancestors;

	if (error->schema_name == NULL || error->constraint_name == NULL)
		return InvalidOid;
	schema = get_namespace_oid(error->schema_name, true);
	index = get_relname_relid(error->constraint_name, schema);
	if (!OidIsValid(index))
		return InvalidOid;
	/* Of a partition's index the one that it belongs to is meant. */
	ancestors = get_rel_relispartition(index) ? get_partition_ancestors(index) : NIL;
	if (ancestors != NIL)
		index = llast_oid(ancestors);
	return IndexGetRelation(index, true) == table->relid ? index : InvalidOid;
}

/* The source's rows under the target's names, as they stand behind FROM. */
static char *
source_rows(const SfmPlanTable *table)
{
	StringInfoData buf;

	if (table->keys)
		return pstrdup(sfm_keyset_name(table->keys));
	initStringInfo(&buf);
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&buf, "%s%s AS %s", i ? ", " : "(SELECT ",
						 sfm_ddl_source_column(&table->columns[i], ""),
						 quote_identifier(table->columns[i].target));
	appendStringInfo(&buf, " FROM %s)", table->foreign_table);
	return buf.data;
}

/* An expression for a list of texts, each cut: "(a, b)=(1, x)". */
static char *
shown(List *expressions)
{
	StringInfoData names;
	StringInfoData values;
	ListCell   *lc;

	initStringInfo(&names);
	initStringInfo(&values);
	foreach(lc, expressions)
	{
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", (char *) lfirst(lc));
		appendStringInfo(&values, "%sleft((%s)::text, 64)", values.len ? " || ', ' || " : "",
						 (char *) lfirst(lc));
	}
	return psprintf("%s || %s || ')'", sfm_literal(psprintf("(%s)=(", names.data)), values.data);
}

/* " WHERE ...": which rows of the target clash. */
static char *
target_condition(const Clash *clash, const char *predicate)
{
	char	   *updated = clash->afterwards ? psprintf("NOT %s", sfm_upsert_condition(clash->table)) : NULL;

	if (predicate == NULL && updated == NULL)
		return "";
	return psprintf(" WHERE %s%s%s", predicate ? psprintf("(%s)", predicate) : "",
					predicate && updated ? " AND " : "", updated ? updated : "");
}

/* The query of the clashing keys. */
static char *
clash_query(Clash *clash, List *keys, const char *predicate, bool nulls_clash)
{
	const SfmPlanTable *table = clash->table;
	bool		upsert = sfm_is_upsert(clash->plan, table);
	List	   *id = NIL;
	StringInfoData columns;
	StringInfoData numbers;
	StringInfoData not_null;
	StringInfoData sql;
	ListCell   *lc;
	char	   *rows;

	foreach(lc, table->key)
		if (((SfmKeyColumn *) lfirst(lc))->column)
			id = lappend(id, unconstify(char *, quote_identifier(((SfmKeyColumn *) lfirst(lc))->name)));
	initStringInfo(&columns);
	initStringInfo(&numbers);
	initStringInfo(&not_null);
	foreach(lc, keys)
	{
		int			n = foreach_current_index(lc) + 1;

		appendStringInfo(&columns, ", %s AS k%d", (char *) lfirst(lc), n);
		appendStringInfo(&numbers, "%sk%d", n > 1 ? ", " : "", n);
		if (!nulls_clash)
			appendStringInfo(&not_null, "%s k%d IS NOT NULL", n > 1 ? " AND" : " WHERE", n);
	}
	/* to show each of many rows takes long */
	rows = psprintf("%s AS shown, %s AS id%s FROM", clash->probe ? "''" : shown(keys),
					id == NIL || clash->is_key || (clash->probe && !upsert) ? "''" : psprintf("' ' || %s", shown(id)), columns.data);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM (SELECT 'source row' AS side, %s %s s%s",
					 clash->probe ? "1" : "count(*) OVER (), min(shown) || ': ' || array_to_string("
					 "(array_agg(side || id ORDER BY side, id))[1:2], ' and ')", rows, source_rows(table),
					 predicate ? psprintf(" WHERE %s", predicate) : "");
	if (clash->plan->options->if_exists != SFM_IF_EXISTS_TRUNCATE && !(upsert && clash->is_key))
		appendStringInfo(&sql, " UNION ALL SELECT 'target row' AS side, %s %s t%s", rows, sfm_target_rows(table),
						 target_condition(clash, predicate));
	appendStringInfo(&sql, ") r%s GROUP BY %s HAVING %s > 1", not_null.data, numbers.data,
					 !upsert || clash->is_key ? "count(*)" : clash->probe ? "count(*) > 1 AND count(DISTINCT id)" :
					 "count(DISTINCT id)");
	if (clash->probe)
		appendStringInfoString(&sql, " LIMIT 1");
	else
		appendStringInfo(&sql, " ORDER BY min(shown) LIMIT %d", MAX_PAIRS);
	return sql.data;
}

/* Asks which rows clash; fails where the key cannot be told from the source's columns. */
static bool
find_pairs(void *arg)
{
	Clash	   *clash = arg;
	List	   *keys = NIL;
	char	  **index;
	List	   *rows;
	ListCell   *lc;

	rows = sfm_query_rows(psprintf("SELECT pg_get_expr(indpred, indrelid, true), indnullsnotdistinct, indisprimary"
								   " FROM pg_index WHERE indexrelid = %u", clash->index));
	index = linitial(rows);
	clash->is_key = index[2][0] == 't';
	rows = sfm_query_rows(psprintf("SELECT pg_get_indexdef(indexrelid, n, true) FROM pg_index,"
								   " generate_series(1, indnkeyatts) n WHERE indexrelid = %u ORDER BY n", clash->index));
	foreach(lc, rows)
		keys = lappend(keys, ((char **) lfirst(lc))[0]);
	clash->probe = true;
	clash->rows = sfm_query_rows(clash_query(clash, keys, index[0], index[1][0] == 't'));
	if (clash->rows == NIL)
		return true;
	clash->probe = false;
	clash->rows = sfm_query_rows(clash_query(clash, keys, index[0], index[1][0] == 't'));
	return true;
}

/* Raises the pairs that were found. */
static void
raise_pairs(const Clash *clash)
{
	StringInfoData detail;
	ListCell   *lc;

	initStringInfo(&detail);
	foreach(lc, clash->rows)
		appendStringInfo(&detail, "%s%s.", detail.len ? "\n" : "", ((char **) lfirst(lc))[1]);
	if (strtoll(((char **) linitial(clash->rows))[0], NULL, 10) > MAX_PAIRS)
		appendStringInfo(&detail, "\nThese are the first %d of %s.", MAX_PAIRS, ((char **) linitial(clash->rows))[0]);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("rows for table %s clash on unique key %s", clash->table->qualified,
					quote_identifier(get_rel_name(clash->index))),
			 errdetail("%s", detail.data),
			 sfm_is_upsert(clash->plan, clash->table) ?
			 errhint("upsert updates the row with the same primary key; it does not decide between rows that share another unique key.") :
			 errhint("if_exists => 'upsert' updates rows that have the same primary key, 'truncate' empties the table first.")));
}

/* Finds the pairs; what it fails with, unless that ends the call. */
static ErrorData *
look_for_pairs(Clash *clash)
{
	ErrorData  *failed = sfm_subtransaction(find_pairs, clash);

	if (failed && ERRCODE_TO_CATEGORY(failed->sqlerrcode) != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION) &&
		ERRCODE_TO_CATEGORY(failed->sqlerrcode) != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION))
		ReThrowError(failed);
	return failed;
}

/*
 * Raises the rows that will clash with a unique key of an existing target; needs
 * table->keys.  A key of columns that the source lacks is left to the run.
 */
void
sfm_foretell_clashes(SfmPlan *plan, SfmPlanTable *table)
{
	List	   *indexes = sfm_query_rows(psprintf("SELECT indexrelid FROM pg_index WHERE indrelid = %u AND indisunique"
											  " AND indisvalid ORDER BY NOT indisprimary, indexrelid::regclass::text",
											  table->relid));
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Clash		clash = {plan, table};
		bool		upsert = sfm_is_upsert(plan, table);

		clash.index = atooid(((char **) lfirst(lc))[0]);
		clash.afterwards = upsert;
		if (table->keys == NULL || look_for_pairs(&clash))
		{
			sfm_note(table, "Whether rows will clash on unique key %s cannot be said before: the source lacks columns of it.",
					 quote_identifier(get_rel_name(clash.index)));
			continue;
		}
		if (clash.rows != NIL)
			raise_pairs(&clash);
		clash.afterwards = false;
		if (upsert && look_for_pairs(&clash) == NULL && clash.rows != NIL)
			sfm_note(table, "Rows of the source take over values of unique key %s from rows that are updated, too: depending on their order they may clash.",
					 quote_identifier(get_rel_name(clash.index)));
	}
}

/* Raises a unique violation with the rows that clash, or as PostgreSQL had it. */
static void
raise_clash(SfmPlan *plan, SfmPlanTable *table, ErrorData *error)
{
	Clash		clash = {plan, table};

	clash.index = error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ? clashing_index(table, error) :
		sfm_primary_key(table->relid);
	if (!OidIsValid(clash.index))
		ReThrowError(error);
	if (look_for_pairs(&clash) || clash.rows == NIL)
		ReThrowError(error);
	raise_pairs(&clash);
}

/*
 * Loads an existing target, whose foreign table exists.  Where a misfit was met nothing
 * is left written, and table->loaded is false.
 */
void
sfm_load_existing(SfmPlan *plan, SfmPlanTable *table)
{
	ExistingLoad existing = {plan, table};
	ErrorData  *error = sfm_subtransaction(load_rows, &existing);

	if (error == NULL)
		return;
	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ||
		(error->sqlerrcode == ERRCODE_CARDINALITY_VIOLATION && sfm_is_upsert(plan, table)))
		raise_clash(plan, table, error);
	if (error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION && error->hint == NULL &&
		!sfm_table_ownercheck(table->relid, GetUserId()))
		error->hint = pstrdup("For a role that does not own the table its foreign keys stay in place, and tables are loaded parents first; its owner can load rows in any order.");
	ReThrowError(error);
}
