/*
 * guard.c
 *		What speaks against loading, emptying or replacing a table that exists, found
 *		before anything is touched.
 *
 * Code of others: a superuser's INSERT into somebody else's table runs what that
 * owner wrote into checks, domains, generated columns, defaults, index expressions,
 * partition keys, rules and triggers, with the superuser's rights.  What PostgreSQL
 * itself brings and declares immutable cannot do harm; what the owner may have written
 * is an error with a HINT to SET ROLE.
 *
 * Dependents: TRUNCATE refuses a table that another one references, DROP one that a
 * view or another object uses.  All of them are named in one error.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "sfm_migrate.h"

/* Written in C, which only a superuser may do. */
static bool
is_compiled(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == INTERNALlanguageId ||
		((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	ReleaseSysCache(tuple);
	return result;
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Whether a function may do what its owner likes.  Those of PostgreSQL that are not
 * immutable could run SQL that the owner chose (query_to_xml() and its like), apart
 * from those that defaults are made of.
 */
static bool
function_is_foreign(Oid function, void *context)
{
	switch (function)
	{
		case F_NOW:
		case F_CLOCK_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
		case F_TRANSACTION_TIMESTAMP:
		case F_NEXTVAL:
		case F_GEN_RANDOM_UUID:
			return false;
#ifdef F_PG_INPUT_IS_VALID
		case F_PG_INPUT_IS_VALID:
		case F_PG_INPUT_ERROR_INFO:
			return true;
#endif
	}
	if (function >= FirstUnpinnedObjectId && !is_compiled(function))
		return true;
	switch (func_volatile(function))
	{
		case PROVOLATILE_IMMUTABLE:
			return false;
		case PROVOLATILE_STABLE:
			/* tables as XML, JSON as a type of whoever wrote it */
			return get_func_rettype(function) == XMLOID || IsPolymorphicType(get_func_rettype(function));
		default:
			return true;
	}
}

static bool domain_is_foreign(Oid typid);

static bool
code_is_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, function_is_foreign, NULL))
		return true;
	if (IsA(node, CoerceToDomain) && domain_is_foreign(((CoerceToDomain *) node)->resulttype))
		return true;
	return expression_tree_walker(node, code_is_foreign, context);
}

/* Whether a domain, or one beneath it, has a check that its owner wrote. */
static bool
domain_is_foreign(Oid typid)
{
	DomainConstraintRef *ref;
	ListCell   *lc;

	if (get_typtype(typid) != TYPTYPE_DOMAIN)
		return false;
	/* it lives as long as the context, which lets go of it when it ends */
	ref = palloc0(sizeof(DomainConstraintRef));
	InitDomainConstraintRef(typid, ref, CurrentMemoryContext, false);
	foreach(lc, ref->constraints)
	{
		DomainConstraintState *constraint = lfirst(lc);

		if (constraint->check_expr && code_is_foreign((Node *) constraint->check_expr, NULL))
			return true;
	}
	return false;
}

static bool
is_moved(const SfmPlanTable *table, const char *column)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i].target, column) == 0)
			return true;
	return false;
}

/* What of the code in a relation's columns an INSERT would run, for the message; NULL for none. */
static const char *
code_in_columns(Relation rel, const SfmPlanTable *table)
{
	TupleDesc	desc = RelationGetDescr(rel);
	TupleConstr *constr = desc->constr;

	for (int i = 0; constr && i < constr->num_check; i++)
		if (code_is_foreign(stringToNode(constr->check[i].ccbin), NULL))
			return "A check";
	for (int i = 0; constr && i < constr->num_defval; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, constr->defval[i].adnum - 1);

		/* the default of a column that the source has is not used */
		if (!attr->attgenerated && is_moved(table, NameStr(attr->attname)))
			continue;
		if (code_is_foreign(stringToNode(constr->defval[i].adbin), NULL))
			return attr->attgenerated ? "A generated column" : "A default";
	}
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && domain_is_foreign(TupleDescAttr(desc, i)->atttypid))
			return "A domain";
	return NULL;
}

static const char *
code_in_relation(const SfmPlanTable *table, Oid relid, bool fire_triggers)
{
	Relation	rel = table_open(relid, AccessShareLock);
	const char *what = code_in_columns(rel, table);
	PartitionKey key = RelationGetPartitionKey(rel);
	bool		isnull;
	ListCell   *lc;

	if (what == NULL && key && code_is_foreign((Node *) key->partexprs, NULL))
		what = "A partition key";
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (what == NULL && (code_is_foreign((Node *) RelationGetIndexExpressions(index), NULL) ||
							 code_is_foreign((Node *) RelationGetIndexPredicate(index), NULL)))
			what = "An index expression";
		index_close(index, NoLock);
	}
	if (what == NULL && rel->rd_rules && relid >= FirstNormalObjectId)
		what = "A rule";
	table_close(rel, NoLock);
	if (what == NULL &&
		sfm_query_int64(psprintf("SELECT count(*) FROM pg_depend d JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid"
								 " WHERE p.polrelid = %u AND d.refclassid = 'pg_proc'::regclass", relid), &isnull) > 0)
		what = "A policy";
	if (what == NULL && fire_triggers &&
		sfm_query_int64(psprintf("SELECT count(*) FROM pg_trigger WHERE tgrelid = %u AND NOT tgisinternal"
								 " AND tgenabled <> 'D' AND tgfoid >= %u", relid, FirstUnpinnedObjectId), &isnull) > 0)
		what = "A trigger";
	return what;
}

/* A superuser loads no table that holds code of somebody else. */
static void
check_code(const SfmPlan *plan, const SfmPlanTable *table)
{
	ListCell   *lc;

	if (!superuser())
		return;
	foreach(lc, sfm_target_relations(table->relid))
	{
		Oid			relid = lfirst_oid(lc);
		Oid			owner = relation_owner(relid);
		const char *what;

		if (owner == GetUserId() || superuser_arg(owner))
			continue;
		what = code_in_relation(table, relid, plan->options->fire_triggers);
		if (what)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("table %s holds code of its owner, which a superuser's rows would run", table->qualified),
					 errdetail("%s of table %s is not made of PostgreSQL's own immutable functions alone.",
							   what, sfm_qualify(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid))),
					 errhint("SET ROLE %s, and migrate from a server on which it has USAGE, or grant it pg_read_server_files.",
							 quote_identifier(GetUserNameFromId(owner, false)))));
	}
}

static void
note_row_security(SfmPlanTable *table)
{
	if (check_enable_rls(table->relid, InvalidOid, true) == RLS_ENABLED)
		sfm_note(table, "Its row-level security applies to role %s: rows that its policies hide were neither counted nor compared.",
				 quote_identifier(GetUserNameFromId(GetUserId(), false)));
}

/* "oid, oid": the targets with this status; "0" for none. */
static char *
targets_with(const SfmPlan *plan, SfmTableStatus status)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '0');
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		ListCell   *lc2;

		if (OidIsValid(table->relid) && table->status == status)
			foreach(lc2, sfm_target_relations(table->relid))
				appendStringInfo(&buf, ", %u", lfirst_oid(lc2));
	}
	return buf.data;
}

/* TRUNCATE would fail on these. */
static void
check_truncate(const SfmPlan *plan)
{
	char	   *ours = targets_with(plan, SFM_STATUS_LOADED);
	char	   *found;

	found = sfm_query_text(psprintf("SELECT string_agg(DISTINCT format('table %%s references %%s (foreign key %%I)', conrelid::regclass, confrelid::regclass, conname), E'.\\n')"
									" FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND confrelid IN (%s) AND conrelid NOT IN (%s)",
									ours, ours));
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot truncate tables that others reference"),
				 errdetail("%c%s.", pg_toupper((unsigned char) found[0]), found + 1),
				 errhint("Use if_exists => 'upsert' or 'append', or drop those foreign keys for the time of the migration.")));
}

/* DROP would fail on these. */
static void
check_replace(const SfmPlan *plan)
{
	char	   *ours = targets_with(plan, SFM_STATUS_REPLACED);
	char	   *found;

	found = sfm_query_text(psprintf(
		"SELECT string_agg(what, E'\\n' ORDER BY what) FROM (SELECT DISTINCT format('%%s needs %%s.',"
		"  CASE WHEN d.classid = 'pg_rewrite'::regclass THEN (SELECT pg_describe_object('pg_class'::regclass, ev_class, 0) FROM pg_rewrite WHERE oid = d.objid)"
		"  ELSE pg_describe_object(d.classid, d.objid, 0) END,"
		"  CASE d.refclassid WHEN 'pg_class'::regclass THEN d.refobjid::regclass::text ELSE pg_describe_object(d.refclassid, d.refobjid, 0) END) AS what"
		" FROM pg_depend d WHERE d.deptype = 'n'"
		" AND (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (%s)"
		"      OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT unnest(ARRAY[reltype, (SELECT typarray FROM pg_type WHERE oid = reltype)]) FROM pg_class WHERE oid IN (%s))"
		"      OR d.refclassid = 'pg_constraint'::regclass AND d.refobjid IN (SELECT oid FROM pg_constraint WHERE conrelid IN (%s)))"
		/* what goes with the tables */
		" AND NOT (d.classid = 'pg_rewrite'::regclass AND (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid) IN (%s))"
		" AND NOT (d.classid = 'pg_constraint'::regclass AND (SELECT conrelid FROM pg_constraint WHERE oid = d.objid) IN (%s))"
		" AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN (%s))"
		" AND NOT (d.classid = 'pg_trigger'::regclass AND (SELECT tgrelid FROM pg_trigger WHERE oid = d.objid) IN (%s))"
		" AND NOT (d.classid = 'pg_policy'::regclass AND (SELECT polrelid FROM pg_policy WHERE oid = d.objid) IN (%s))"
		" AND NOT (d.classid = 'pg_attrdef'::regclass AND (SELECT adrelid FROM pg_attrdef WHERE oid = d.objid) IN (%s))"
		") f", ours, ours, ours, ours, ours, ours, ours, ours, ours));
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot replace tables that other objects need"),
				 errdetail("%c%s", pg_toupper((unsigned char) found[0]), found + 1),
				 errhint("Use if_exists => 'truncate', or drop those objects first and make them again.")));
}

/* All of the above, for every target that exists; under their locks. */
void
sfm_guard_targets(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!sfm_target_is_loaded(plan, table))
			continue;
		check_code(plan, table);
		note_row_security(table);
	}
	if (plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE && plan->options->scope != SFM_SCOPE_SCHEMA)
		check_truncate(plan);
	if (plan->options->if_exists == SFM_IF_EXISTS_REPLACE)
		check_replace(plan);
}
