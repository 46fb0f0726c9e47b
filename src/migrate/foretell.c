/*
 * foretell.c
 *		Which rows of the source the foreign keys, NOT NULLs and unique keys of existing
 *		targets will refuse, known before any row moves.
 *
 * dry_run says so in the words of the run.  A run needs it where rows without a parent are
 * to be kept out and cannot be taken out afterwards: keys that stay in place refuse them at
 * once, upsert would have overwritten what was there, and a key that is NOT VALID does not
 * tell new orphans from old ones.
 *
 * A parent is a row of the target, or one that comes.  Taking rows out makes orphans of
 * their children in turn, so that is done until nothing changes.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "sfm_migrate.h"

/* A foreign key of a table that is loaded, and what is known of it. */
typedef struct LoadedKey
{
	SfmPlanTable *table;
	SfmTargetKey *key;
	bool		stays;			/* in place during the load */
	char	   *orphans;		/* condition on "c" */
	int64		removed;
} LoadedKey;

static SfmPlanTable *
loaded_table(const SfmPlan *plan, Oid relid)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (sfm_target_is_loaded(plan, table) && table->relid == relid)
			return table;
	}
	return NULL;
}

/* Whether the source has all of these columns, a list of char *. */
static bool
has_columns(const SfmPlanTable *table, List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
		if (sfm_plan_target_column(table, lfirst(lc)) == NULL)
			return false;
	return true;
}

/*
 * Whether the caller sees all rows of a parent that a foreign key finds, which looks with
 * its owner's rights; a dry run notes it where not.
 */
bool
sfm_sees_parents(const SfmPlan *plan, SfmPlanTable *child, Oid parent, const char *parent_name, const char *key)
{
	if (pg_class_aclcheck(parent, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(parent, InvalidOid, true) != RLS_ENABLED)
		return true;
	if (plan->options->dry_run)
		sfm_note(child, "Whether rows have parents for foreign key %s cannot be said before: role %s does not see all rows of table %s.",
				 key, quote_identifier(GetUserNameFromId(GetUserId(), false)), parent_name);
	return false;
}

/* Where the parents are: rows of the target, unless it is emptied, and those that come. */
static List *
parents_of(const SfmPlan *plan, const SfmTargetKey *key)
{
	SfmPlanTable *parent = loaded_table(plan, key->parent);
	List	   *result = NIL;

	if (parent == NULL || plan->options->if_exists != SFM_IF_EXISTS_TRUNCATE)
		result = lappend(result, sfm_target_key_parent(key));
	if (parent != NULL && parent->keys != NULL && has_columns(parent, key->parent_columns))
		result = lappend(result, unconstify(char *, sfm_keyset_name(parent->keys)));
	return result;
}

/*
 * The foreign keys that rows of the source come under, and of which it can be said what they
 * refuse: not those of columns that the source lacks, nor to parents that the caller does
 * not see, which is noted.
 */
static List *
loaded_keys(const SfmPlan *plan)
{
	List	   *result = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!sfm_target_is_loaded(plan, table))
			continue;
		foreach(lc2, sfm_target_keys(table->relid))
		{
			SfmTargetKey *key = lfirst(lc2);
			LoadedKey  *loaded = palloc0(sizeof(LoadedKey));

			loaded->table = table;
			loaded->key = key;
			loaded->stays = !key->can_go || !sfm_target_owned(table->relid);
			if ((loaded->stays && !key->enforced) || !has_columns(table, key->columns))
				continue;
			if (!sfm_sees_parents(plan, table, key->parent, key->parent_name, key->name))
				continue;
			loaded->orphans = sfm_target_key_orphans(key, parents_of(plan, key));
			result = lappend(result, loaded);
		}
	}
	return result;
}

/* A key that is NOT VALID and steps aside comes back as it was, whatever the rows are. */
static bool
takes_orphans(const LoadedKey *loaded)
{
	return !loaded->key->validated && !loaded->stays;
}

/* on_orphan => 'reject': takes the rows that have no parent out of the sets of keys. */
static void
remove_orphans(List *keys)
{
	bool		any;
	ListCell   *lc;

	do
	{
		any = false;
		foreach(lc, keys)
		{
			LoadedKey  *loaded = lfirst(lc);
			int64		removed;

			removed = sfm_keyset_remove(loaded->table->keys, loaded->orphans);
			loaded->removed += removed;
			any |= removed > 0;
		}
	} while (any);
}

/* Rows without a parent, as the run would say it. */
static void
foretell_orphans(const SfmPlan *plan)
{
	List	   *keys = loaded_keys(plan);
	StringInfoData refused;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&refused);
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
		remove_orphans(keys);
	foreach(lc, keys)
	{
		LoadedKey  *loaded = lfirst(lc);
		SfmTargetKey *key = loaded->key;
		int64		orphans;

		if (loaded->removed > 0)
		{
			sfm_note(loaded->table, "Foreign key %s to %s: %s without a parent will be rejected.",
					 key->name, key->parent_name, sfm_counted(loaded->removed, "row"));
			loaded->table->rejected_rows += loaded->removed;
			continue;
		}
		orphans = sfm_keyset_count(loaded->table->keys, loaded->orphans);
		if (orphans == 0)
			continue;
		if (!takes_orphans(loaded) || plan->options->on_orphan == SFM_ORPHANS_ERROR)
			sfm_orphans_line(&refused, n++, orphans, loaded->table, key->parent_name, key->name);
		else
			sfm_note(loaded->table, "Foreign key %s to %s, which is NOT VALID, will have %lld new rows without a parent.",
					 key->name, key->parent_name, (long long) orphans);
	}
	sfm_raise_orphans(n, refused.data);
}

/* Whether triggers of the target will have a say in what its rows are. */
static bool
triggers_decide(const SfmPlan *plan, const SfmPlanTable *table)
{
	bool		isnull;

	return plan->options->fire_triggers &&
		sfm_query_int64(psprintf("SELECT count(*) FROM pg_trigger WHERE tgrelid = %u AND NOT tgisinternal AND tgenabled <> 'D'"
								 " AND tgtype & 2 <> 0", table->relid), &isnull) > 0;	/* BEFORE */
}

/* NULLs for columns that take none. */
static void
foretell_nulls(const SfmPlan *plan)
{
	StringInfoData detail;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&detail);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; sfm_target_is_loaded(plan, table) && i < table->ncolumns; i++)
		{
			SfmPlanColumn *column = &table->columns[i];
			int64		nulls = column->seen.n[SFM_NULL] + column->nulled;
			bool		isnull;

			if (nulls > 0 && !column->target_generated &&
				sfm_query_int64(psprintf("SELECT count(*) FROM pg_attribute WHERE attrelid = %u AND attname = %s AND attnotnull",
										 table->relid, sfm_literal(column->target)), &isnull) > 0)
				appendStringInfo(&detail, "%sColumn %s of table %s takes no NULL, and %lld would come.", n++ ? "\n" : "",
								 quote_identifier(column->target), table->qualified, (long long) nulls);
		}
	}
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg_plural("%d column of an existing table takes no NULL", "%d columns of existing tables take no NULL", n, n),
				 errdetail("%s", detail.data)));
}

/* dry_run: raises what the run would raise, or notes it; needs the survey. */
void
sfm_foretell(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (sfm_target_is_loaded(plan, table) && triggers_decide(plan, table))
		{
			sfm_note(table, "Its triggers will fire before rows come and may change them, so that what keys will say is not looked at.");
			return;
		}
	}
	sfm_source_keys_read(plan);
	foretell_nulls(plan);
	foreach(lc, plan->tables)
		if (sfm_target_is_loaded(plan, lfirst(lc)))
			sfm_check_domain_nulls(lfirst(lc));
	foreach(lc, plan->tables)
		if (sfm_target_is_loaded(plan, lfirst(lc)))
			sfm_foretell_clashes(plan, lfirst(lc));
	foretell_orphans(plan);
}

/* Whether rows that are rejected have to be known before they would be written. */
static bool
must_know(const SfmPlan *plan, List *keys)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; sfm_is_upsert(plan, table) && i < table->ncolumns; i++)
			if (table->columns[i].on_misfit == SFM_MISFITS_REJECT)
				return true;
	}
	if (plan->options->on_orphan == SFM_ORPHANS_REJECT)
		foreach(lc, keys)
		{
			LoadedKey  *loaded = lfirst(lc);

			/* of one that is NOT VALID older rows may be orphans, too */
			if (loaded->stays || !loaded->key->validated || plan->options->if_exists == SFM_IF_EXISTS_UPSERT)
				return true;
		}
	return false;
}

static void
keep_out(LoadedKey *loaded)
{
	SfmKeptOut *kept = palloc0(sizeof(SfmKeptOut));

	kept->condition = loaded->orphans;
	kept->key = psprintf("%s to %s", loaded->key->name, loaded->key->parent_name);
	kept->reason = psprintf("foreign key %s: no parent in table %s", loaded->key->name, loaded->key->parent_name);
	loaded->table->kept_out = lappend(loaded->table->kept_out, kept);
}

/*
 * Before the rows of a run come, and again when types have changed: finds those that are to be rejected and could not be
 * taken out again.  What has no parent at the end is what was taken out on the way, since
 * the sets only shrank; so a condition on them tells the rows apart.
 */
void
sfm_keep_out(SfmPlan *plan)
{
	List	   *keys;
	ListCell   *lc;

	if (plan->options->scope == SFM_SCOPE_SCHEMA || !must_know(plan, loaded_keys(plan)))
		return;
	sfm_source_keys_read(plan);
	foreach(lc, plan->tables)
		((SfmPlanTable *) lfirst(lc))->kept_out = NIL;
	if (plan->options->on_orphan != SFM_ORPHANS_REJECT)
		return;
	keys = loaded_keys(plan);
	remove_orphans(keys);
	foreach(lc, keys)
		if (((LoadedKey *) lfirst(lc))->removed > 0)
			keep_out(lfirst(lc));
}
