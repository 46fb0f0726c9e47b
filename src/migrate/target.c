/*
 * target.c
 *		What is in the target schema already: found by name, checked for rights,
 *		locked, counted, matched column by column.
 *
 * Locks come before everything that is seen: existing targets are locked in the
 * order of their OIDs, so that two runs cannot wait for each other, and only what
 * a snapshot taken after that shows is counted or compared.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "sfm_migrate.h"

/* Private field 4 of the advisory class; SQL's functions use 1 and 2. */
#define LOCKTAG_FIELD4 0x5154
#define LOCKTAG_MAGIC 0x73666d31

/*
 * Two runs into one target schema wait for each other, whether it exists yet or
 * not.  The lock is on a hash of its name; honours lock_timeout, deadlocks are
 * detected, and the end of the transaction releases it.
 */
void
sfm_target_lock_schema(const char *schema)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCKTAG_MAGIC,
						 hash_bytes((const unsigned char *) schema, strlen(schema)),
						 LOCKTAG_FIELD4);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * The relation of the schema that a source table's rows would go to: named
 * exactly so, else as folded, else in snake_case.  *target becomes its name.
 * InvalidOid when there is none; an error when it is no table.
 */
Oid
sfm_target_find(Oid schema, const char *source_name, SfmIdentifiers mode, char **target)
{
	char	   *names[4];
	Oid			relid = InvalidOid;
	char		relkind;

	/* The name that we would give it comes first: that is what an earlier run made. */
	names[0] = *target;
	names[1] = sfm_name_to_server(source_name);
	names[2] = sfm_fold_name(source_name, SFM_IDENTIFIERS_LOWER);
	names[3] = sfm_fold_name(source_name, SFM_IDENTIFIERS_SNAKE_CASE);
	for (int i = 0; i < lengthof(names) && !OidIsValid(relid); i++)
	{
		if (strlen(names[i]) >= NAMEDATALEN)
			continue;
		relid = get_relname_relid(names[i], schema);
		if (OidIsValid(relid))
			*target = names[i];
	}
	if (!OidIsValid(relid))
		return InvalidOid;
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not a table", get_namespace_name(schema), *target),
				 errdetail("The source has a table of that name."),
				 errhint("Choose another target schema, or leave the table out by \"exclude\".")));
	return relid;
}

static const char *
own_rows(Oid relid, const char *qualified)
{
	return get_rel_relkind(relid) == RELKIND_RELATION && has_subclass(relid) ?
		psprintf("ONLY %s", qualified) : qualified;
}

/*
 * What stands behind FROM to mean the target's own rows: tables that inherit from it
 * are not the target, partitions are.
 */
const char *
sfm_target_rows(const SfmPlanTable *table)
{
	return table->exists ? own_rows(table->relid, table->qualified) : table->qualified;
}

/* The same for a target that only its qualified name is known of. */
const char *
sfm_relation_rows(const char *qualified)
{
	bool		isnull;
	Oid			relid = (Oid) sfm_query_int64(psprintf("SELECT to_regclass(%s)::oid::bigint",
													   sfm_literal(qualified)), &isnull);

	return OidIsValid(relid) ? own_rows(relid, qualified) : qualified;
}

/*
 * Locks the existing targets, in OID order: those that are emptied, dropped or lose
 * foreign keys or indexes for the load against everybody, with the tables that those
 * foreign keys reference; others against writers.  A call that only looks keeps writers
 * out, too, so that what it counts holds together, but no readers.
 */
void
sfm_target_lock_tables(SfmPlan *plan)
{
	List	   *relids = NIL;
	List	   *exclusive = NIL;
	bool		alters = !plan->options->only_looks;
	bool		all = plan->options->if_exists == SFM_IF_EXISTS_REPLACE ||
		plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!table->exists || table->status == SFM_STATUS_SKIPPED)
			continue;
		relids = list_concat_unique_oid(relids, sfm_target_relations(table->relid));
		if (all && alters)
			exclusive = list_concat_unique_oid(exclusive, sfm_target_relations(table->relid));
		if (alters && sfm_target_is_loaded(plan, table))
			exclusive = list_concat_unique_oid(exclusive, sfm_aside_locks(table->relid));
	}
	relids = list_concat_unique_oid(relids, exclusive);
	list_sort(relids, list_oid_cmp);
	foreach(lc, relids)
		LockRelationOid(lfirst_oid(lc), list_member_oid(exclusive, lfirst_oid(lc)) ?
						AccessExclusiveLock : ShareRowExclusiveLock);

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->exists && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table->relid)))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table %s was dropped meanwhile", table->qualified),
					 errhint("Run the command again.")));
	}
}

/* The rights that the run will need, asked for before anything is locked or made. */
void
sfm_target_check_rights(SfmPlan *plan)
{
	const char *schema = plan->options->target_schema;
	bool		creates = false;
	AclResult	result;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		AclMode		mode = ACL_INSERT | ACL_SELECT;

		if (!table->exists || table->status == SFM_STATUS_REPLACED)
			creates = true;
		if (!table->exists || table->status == SFM_STATUS_SKIPPED)
			continue;
		if (table->status == SFM_STATUS_REPLACED)
		{
			if (!sfm_table_ownercheck(table->relid, GetUserId()))
				aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, table->target);
			continue;
		}
		if (plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE)
			mode |= ACL_TRUNCATE;
		if (plan->options->if_exists == SFM_IF_EXISTS_UPSERT)
			mode |= ACL_UPDATE;
		result = pg_class_aclmask(table->relid, GetUserId(), mode, ACLMASK_ALL) == mode ?
			ACLCHECK_OK : ACLCHECK_NO_PRIV;
		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_TABLE, table->target);
	}
	if (plan->schema_exists)
	{
		result = sfm_namespace_aclcheck(get_namespace_oid(schema, false), GetUserId(),
										creates ? ACL_CREATE : ACL_USAGE);
		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_SCHEMA, schema);
	}
	else
	{
		result = sfm_database_aclcheck(MyDatabaseId, GetUserId(), ACL_CREATE);
		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_DATABASE, get_database_name(MyDatabaseId));
	}
}

/*
 * Counts what the existing targets hold.  With if_exists => 'error' rows are an
 * error that names all tables with their counts.
 */
void
sfm_target_check_rows(SfmPlan *plan)
{
	StringInfoData detail;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&detail);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		bool		isnull;

		if (!table->exists || table->status == SFM_STATUS_SKIPPED)
			continue;
		table->rows_before = sfm_query_int64(psprintf("SELECT count(*) FROM %s", sfm_target_rows(table)),
											 &isnull);
		if (table->rows_before > 0)
			appendStringInfo(&detail, "%s%s holds %s", n++ ? "; " : "",
							 table->qualified, sfm_counted(table->rows_before, "row"));
	}
	if (n > 0 && plan->options->if_exists == SFM_IF_EXISTS_ERROR &&
		plan->options->scope != SFM_SCOPE_SCHEMA)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg_plural("%d target table exists and is not empty",
							   "%d target tables exist and are not empty", n, n),
				 errdetail("Table %s.", detail.data),
				 errhint("Say with if_exists what to do: append, truncate, replace or skip.")));
	pfree(detail.data);
}

static int
find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i;
	return -1;
}

/* The target column for a source column: named exactly so, folded, or in snake_case. */
static int
match_attribute(TupleDesc desc, const SfmPlanColumn *column)
{
	int			i = find_attribute(desc, column->target);

	if (i < 0)
		i = find_attribute(desc, sfm_name_to_server(column->source->name));
	if (i < 0)
		i = find_attribute(desc, sfm_fold_name(column->source->name, SFM_IDENTIFIERS_LOWER));
	if (i < 0)
		i = find_attribute(desc, sfm_fold_name(column->source->name, SFM_IDENTIFIERS_SNAKE_CASE));
	return i;
}

static bool
skipped_by_rule(const SfmPlan *plan, const SfmPlanTable *table, const SfmPlanColumn *column)
{
	SfmTypeRule *rule = sfm_find_rule(plan->options->types, table->source, column->source);

	return rule && rule->skip;
}

/* Whether a column of the type takes no NULL, and the type has no default for it. */
static bool
domain_is_required(Oid typid)
{
	for (;;)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
		Form_pg_type type = (Form_pg_type) GETSTRUCT(tuple);
		bool		not_null = type->typtype == TYPTYPE_DOMAIN && type->typnotnull;
		bool		has_default = !heap_attisnull(tuple, Anum_pg_type_typdefaultbin, NULL);
		Oid			base = type->typtype == TYPTYPE_DOMAIN ? type->typbasetype : InvalidOid;

		ReleaseSysCache(tuple);
		if (has_default || not_null || !OidIsValid(base))
			return not_null && !has_default;
		typid = base;
	}
}

/* Matches one existing target; problems are appended for one error about all. */
static void
match_table(const SfmPlan *plan, SfmPlanTable *table, StringInfo problems)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool	   *matched = palloc0(sizeof(bool) * Max(desc->natts, 1));

	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];
		int			att = match_attribute(desc, column);
		Form_pg_attribute attr;

		if (att < 0 || matched[att])
		{
			if (!skipped_by_rule(plan, table, column))
				appendStringInfo(problems, "%sTable %s has no column for \"%s\".",
								 problems->len ? " " : "", table->qualified,
								 sfm_name_to_server(column->source->name));
			continue;
		}
		attr = TupleDescAttr(desc, att);
		matched[att] = true;
		column->target = pstrdup(NameStr(attr->attname));
		column->planned = sfm_type_for_oid(attr->atttypid, attr->atttypmod);
		column->planned.mixed = column->planned.kind == SFM_KIND_TEXT ||
			column->planned.kind == SFM_KIND_VARCHAR ||
			column->planned.kind == SFM_KIND_BPCHAR ||
			column->planned.kind == SFM_KIND_BYTEA;
		column->planned.fixed = true;
		column->fixed = true;
		column->not_null = false;	/* the target's own constraint decides */
		column->target_generated = attr->attgenerated != '\0';
		column->always_identity = attr->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
		if (column->always_identity)
			table->always_identity = true;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!matched[i] && !attr->attisdropped && !attr->atthasdef && attr->attidentity == '\0' &&
			(attr->attnotnull || domain_is_required(attr->atttypid)))
			appendStringInfo(problems, "%sColumn \"%s\" of table %s is required, and the source has none of that name.",
							 problems->len ? " " : "", NameStr(attr->attname), table->qualified);
	}
	pfree(matched);
	table_close(rel, AccessShareLock);
}

/*
 * Matches the columns of the existing targets by name; their types become the
 * plan's.  Source columns without a home, and required target columns that the
 * source lacks, are one error that lists them all.
 */
void
sfm_target_match_columns(SfmPlan *plan)
{
	StringInfoData problems;
	ListCell   *lc;

	initStringInfo(&problems);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!table->exists || table->status == SFM_STATUS_SKIPPED)
			continue;
		match_table(plan, table, &problems);
		sfm_upsert_plan(table, sfm_is_upsert(plan, table) ? &problems : NULL);
	}
	if (problems.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source and target tables do not have the same columns"),
				 errdetail("%s", problems.data),
				 errhint("A source column can be left out by \"types\" with \"skip\"; a required target column needs a default.")));
}

/* Runs a query of one text column; the result as a list of strings. */
static List *
query_list(const char *sql)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *result = NIL;

	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "query failed: %s", sql);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		if (value)
			result = lappend(result, pstrdup(value));
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * What goes with a table that is about to be replaced and is not made again, as a list in
 * words; NULL when nothing does.
 */
char *
sfm_target_lost(const SfmPlanTable *table)
{
	Oid			relid = table->relid;

	return sfm_query_text(psprintf(
		"SELECT string_agg(what, ', ' ORDER BY what) FROM ("
		"SELECT format('trigger %%I', tgname) AS what FROM pg_trigger WHERE tgrelid = %u AND NOT tgisinternal"
		" UNION ALL SELECT format('policy %%I', polname) FROM pg_policy WHERE polrelid = %u"
		" UNION ALL SELECT 'row-level security' FROM pg_class WHERE oid = %u AND relrowsecurity"
		" UNION ALL SELECT format('rule %%I', rulename) FROM pg_rewrite WHERE ev_class = %u"
		" UNION ALL SELECT format('statistics %%I', stxname) FROM pg_statistic_ext WHERE stxrelid = %u"
		" UNION ALL SELECT format('publication %%I', pubname) FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = %u"
		" UNION ALL SELECT 'its partitions' FROM pg_class WHERE oid = %u AND relkind = 'p'"
		" UNION ALL SELECT 'its storage options' FROM pg_class WHERE oid = %u AND reloptions IS NOT NULL"
		" UNION ALL SELECT format('its tablespace %%I', spcname) FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid = %u"
		" UNION ALL SELECT 'that it was unlogged' FROM pg_class WHERE oid = %u AND relpersistence = 'u') w",
		relid, relid, relid, relid, relid, relid, relid, relid, relid, relid));
}

/*
 * What a table that is about to be replaced would lose, as statements: owner,
 * grants on it and its columns, comments.
 */
List *
sfm_target_restore_statements(const SfmPlanTable *table)
{
	const char *name = sfm_literal(table->qualified);
	Oid			relid = table->relid;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT format('ALTER TABLE %%s OWNER TO %%I', %s, pg_get_userbyid(relowner)) FROM pg_class WHERE oid = %u",
					 name, relid);
	appendStringInfo(&sql,
					 " UNION ALL SELECT format('GRANT %%s ON %%s TO %%s%%s', a.privilege_type, %s,"
					 " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
					 " CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
					 " FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %u AND a.grantee <> c.relowner",
					 name, relid);
	appendStringInfo(&sql,
					 " UNION ALL SELECT format('GRANT %%s (%%I) ON %%s TO %%s%%s', a.privilege_type, t.attname, %s,"
					 " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
					 " CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
					 " FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = %u AND NOT t.attisdropped",
					 name, relid);
	appendStringInfo(&sql,
					 " UNION ALL SELECT format('COMMENT ON TABLE %%s IS %%L', %s, description) FROM pg_description"
					 " WHERE objoid = %u AND classoid = 'pg_class'::regclass AND objsubid = 0",
					 name, relid);
	appendStringInfo(&sql,
					 " UNION ALL SELECT format('COMMENT ON COLUMN %%s.%%I IS %%L', %s, t.attname, d.description)"
					 " FROM pg_description d JOIN pg_attribute t ON t.attrelid = d.objoid AND t.attnum = d.objsubid"
					 " WHERE d.objoid = %u AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0",
					 name, relid);
	return query_list(sql.data);
}
