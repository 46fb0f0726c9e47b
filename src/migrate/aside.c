/*
 * aside.c
 *		What steps aside while an existing table is loaded, and comes back.
 *
 * Foreign keys, so that rows load in any order, cycles included, and are checked set
 * by set; secondary indexes, so that they are built once; user triggers, which are
 * switched off unless fire_triggers asks for them.  Only for who owns the table: other
 * roles load with all in place.  Primary keys, unique and exclusion constraints and
 * unique indexes always stay: they are what makes a clash an error at the row.
 *
 * Each thing is a statement that takes it away and the statements that bring it back,
 * made before anything moves, so that script() prints what migrate() runs.  What could
 * not be brought back the same stays where it is: an index in a tablespace that the
 * caller may not use, a foreign key whose own triggers somebody switched off, what
 * belongs to an extension, an index of a partitioned table.  At the end the
 * definitions are compared with those at the start; a difference is an error.
 *
 * All of it happens in the transaction of the load, under locks that target.c took.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "sfm_migrate.h"
#include "sfm_progress.h"

/* A table loads into its indexes when it holds this many times the rows that come. */
#define INDEX_STAYS_FACTOR 1

struct SfmAside
{
	SfmPlanTable *table;
	const char *kind;			/* foreign key, index, trigger */
	char	   *name;			/* identifier, for messages */
	char	   *away;			/* takes it away */
	List	   *back;			/* of char *: bring it back, in order */
	char	   *tablespace;		/* index: what default_tablespace has to be; "" for the database's */
	/* foreign key */
	bool		validated;
	char	   *parent;			/* qualified */
	char	   *orphans;		/* condition on "c": its row has no parent */
	int64		orphans_before;
	char	   *relation;		/* OID of its table, as text */
	List	   *parts;			/* of char *[3]: conrelid, confrelid, name of those below it */
};

/* Whether the table is loaded as it stands. */
bool
sfm_target_is_loaded(const SfmPlan *plan, const SfmPlanTable *table)
{
	return table->exists && table->status == SFM_STATUS_LOADED &&
		plan->options->scope != SFM_SCOPE_SCHEMA;
}

/* The table and, when it is partitioned, its partitions; locks none of them. */
List *
sfm_target_relations(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		return find_all_inheritors(relid, NoLock, NULL);
	return list_make1_oid(relid);
}

/* Whether the caller owns the table and its partitions, and so may alter them. */
bool
sfm_target_owned(Oid relid)
{
	ListCell   *lc;

	foreach(lc, sfm_target_relations(relid))
		if (!sfm_table_ownercheck(lfirst_oid(lc), GetUserId()))
			return false;
	return true;
}

/* "oid, oid, ...": all relations of a list of table OIDs. */
static char *
relation_list(List *relids)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, relids)
		appendStringInfo(&buf, "%s%u", buf.len ? ", " : "", lfirst_oid(lc));
	return buf.data;
}

/* The condition on pg_index i, pg_class x of the index, under which it can go and come back. */
#define INDEX_CAN_GO \
	" NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident" \
	" AND i.indisvalid AND i.indisready AND i.indislive AND NOT x.relispartition AND x.relkind = 'i'" \
	" AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.oid)" \
	" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid AND d.deptype IN ('e', 'x'))" \
	" AND has_schema_privilege(x.relnamespace, 'CREATE')" \
	" AND (x.reltablespace = 0 OR has_tablespace_privilege(x.reltablespace, 'CREATE'))"

/*
 * The relations that taking things away from a table will lock exclusively: itself and
 * the parents of its foreign keys; NIL when nothing will go.
 */
List *
sfm_aside_locks(Oid relid)
{
	List	   *result = NIL;
	ListCell   *lc;

	if (!sfm_target_owned(relid))
		return NIL;
	foreach(lc, sfm_target_keys(relid))
	{
		SfmTargetKey *key = lfirst(lc);

		if (key->can_go)
			result = list_concat_unique_oid(result, sfm_target_relations(key->parent));
	}
	if (sfm_query_rows(psprintf("SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = %u AND"
								INDEX_CAN_GO, relid)) != NIL)
		result = list_append_unique_oid(result, relid);
	if (result != NIL)
		result = list_concat_unique_oid(result, sfm_target_relations(relid));
	return result;
}

static SfmAside *
add(SfmPlan *plan, SfmPlanTable *table, const char *kind, char *name, char *away)
{
	SfmAside   *aside = palloc0(sizeof(SfmAside));

	aside->table = table;
	aside->kind = kind;
	aside->name = name;
	aside->away = away;
	plan->aside = lappend(plan->aside, aside);
	return aside;
}

/* Foreign keys of the table. */
static void
plan_foreign_keys(SfmPlan *plan, SfmPlanTable *table)
{
	ListCell   *lc;

	foreach(lc, sfm_target_keys(table->relid))
	{
		SfmTargetKey *key = lfirst(lc);
		SfmAside   *aside;

		if (!key->can_go)
			continue;
		aside = add(plan, table, "foreign key", key->name,
					psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table->qualified, key->name));
		aside->back = list_make1(psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table->qualified,
										  key->name, key->definition));
		aside->validated = key->validated;
		if (key->comment)
			aside->back = lappend(aside->back,
								  psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", key->name,
										   table->qualified, sfm_literal(key->comment)));
		aside->parent = key->parent_name;
		aside->orphans = sfm_target_key_orphans(key, list_make1(sfm_target_key_parent(key)));
		aside->relation = psprintf("%u", table->relid);
		aside->parts = sfm_query_rows(psprintf(
			"WITH RECURSIVE k AS (SELECT oid, conrelid, confrelid, conname FROM pg_constraint WHERE conparentid = %u"
			" UNION ALL SELECT p.oid, p.conrelid, p.confrelid, p.conname FROM pg_constraint p JOIN k ON p.conparentid = k.oid)"
			" SELECT conrelid, confrelid, quote_ident(conname), obj_description(oid, 'pg_constraint') FROM k ORDER BY 1, 2, 3",
			key->oid));
	}
}

/* Secondary indexes of the table. */
static void
plan_indexes(SfmPlan *plan, SfmPlanTable *table)
{
	List	   *rows;
	ListCell   *lc;

	rows = sfm_query_rows(psprintf(
		"SELECT x.oid, quote_ident(x.relname), format('%%I.%%I', n.nspname, x.relname), pg_get_indexdef(x.oid),"
		" coalesce((SELECT spcname FROM pg_tablespace WHERE oid = x.reltablespace), ''),"
		" obj_description(x.oid, 'pg_class'), i.indisclustered"
		" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace"
		" WHERE i.indrelid = %u AND" INDEX_CAN_GO " ORDER BY x.relname", table->relid));
	foreach(lc, rows)
	{
		char	  **row = lfirst(lc);
		SfmAside   *aside = add(plan, table, "index", row[1], psprintf("DROP INDEX %s", row[2]));
		ListCell   *target;

		aside->tablespace = row[4];
		aside->back = list_make1(row[3]);
		if (row[5])
			aside->back = lappend(aside->back, psprintf("COMMENT ON INDEX %s IS %s", row[2],
														sfm_literal(row[5])));
		foreach(target, sfm_query_rows(psprintf("SELECT attnum, attstattarget FROM pg_attribute"
												" WHERE attrelid = %s AND attstattarget >= 0 ORDER BY attnum", row[0])))
			aside->back = lappend(aside->back,
								  psprintf("ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s", row[2],
										   ((char **) lfirst(target))[0], ((char **) lfirst(target))[1]));
		if (row[6][0] == 't')
			aside->back = lappend(aside->back, psprintf("ALTER TABLE %s CLUSTER ON %s", table->qualified, row[1]));
	}
}

/*
 * User triggers of the table and its partitions, each by itself: their states need not
 * be the same.
 */
static void
plan_triggers(SfmPlan *plan, SfmPlanTable *table)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, sfm_target_relations(table->relid))
	{
		Oid			relid = lfirst_oid(lc);
		List	   *rows = sfm_query_rows(psprintf(
			"SELECT quote_ident(tgname), tgrelid::regclass, CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END"
			" FROM pg_trigger WHERE tgrelid = %u AND NOT tgisinternal AND tgenabled <> 'D' ORDER BY tgname", relid));

		if (rows != NIL && !sfm_table_ownercheck(relid, GetUserId()))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be owner of table %s to load it without firing its triggers",
							table->qualified),
					 errhint("Use fire_triggers => true, or run the migration as the owner.")));
		foreach(lc2, rows)
		{
			char	  **row = lfirst(lc2);
			SfmAside   *aside = add(plan, table, "trigger", row[0],
									psprintf("ALTER TABLE ONLY %s DISABLE TRIGGER %s", row[1], row[0]));

			aside->back = list_make1(psprintf("ALTER TABLE ONLY %s ENABLE %sTRIGGER %s", row[1], row[2], row[0]));
		}
	}
}

/*
 * Finds what will step aside, for all existing targets that are loaded.  Needs their
 * locks and counts.
 */
void
sfm_plan_aside(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (!sfm_target_is_loaded(plan, table))
			continue;
		if (!plan->options->fire_triggers)
			plan_triggers(plan, table);
		if (!sfm_target_owned(table->relid))
			continue;
		plan_foreign_keys(plan, table);
		/* Few rows for a big table go into its indexes faster than those are built. */
		if (plan->options->if_exists == SFM_IF_EXISTS_TRUNCATE ||
			table->rows_before <= INDEX_STAYS_FACTOR * table->source->rows_estimate)
			plan_indexes(plan, table);
	}
}

/* The definitions of all that this file touches, as text, to be compared. */
static char *
definitions(const SfmPlan *plan)
{
	List	   *relids = NIL;
	char	   *in;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (sfm_target_is_loaded(plan, table))
			relids = list_concat_unique_oid(relids, sfm_target_relations(table->relid));
	}
	if (relids == NIL)
		return NULL;
	in = relation_list(relids);
	return sfm_query_text(psprintf(
		"SELECT string_agg(d, E'\\n' ORDER BY d COLLATE \"C\") FROM ("
		"SELECT concat_ws(' ', 'foreign key', conname, 'of', conrelid::regclass, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint'))"
		" FROM pg_constraint WHERE contype = 'f' AND (conrelid IN (%s) OR confrelid IN (%s))"
		" UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(x.oid), x.reltablespace, x.relowner::regrole, i.indisclustered, i.indisreplident, i.indisvalid,"
		"  obj_description(x.oid, 'pg_class'), (SELECT string_agg(attnum || ':' || attstattarget, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = x.oid AND attstattarget >= 0))"
		" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid IN (%s)"
		" UNION ALL SELECT concat_ws(' ', 'trigger', tgname, 'of', tgrelid::regclass, tgenabled) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (%s)"
		") d(d)", in, in, in, in));
}

static int64
count_orphans(const SfmAside *aside)
{
	bool		isnull;

	return sfm_query_int64(psprintf("SELECT count(*) FROM %s c WHERE %s",
									sfm_target_rows(aside->table), aside->orphans), &isnull);
}

/* Takes away what sfm_plan_aside() found. */
void
sfm_aside_away(SfmPlan *plan)
{
	ListCell   *lc;

	if (plan->aside == NIL)
		return;
	plan->definitions = definitions(plan);
	foreach(lc, plan->aside)
	{
		SfmAside   *aside = lfirst(lc);

		if (aside->orphans && !aside->validated)
			aside->orphans_before = count_orphans(aside);
		sfm_exec(aside->away);
	}
}

static bool
add_foreign_key(void *arg)
{
	sfm_exec(linitial(((SfmAside *) arg)->back));
	return true;
}

/* The foreign keys that belong to one of a partitioned table get their names back. */
static void
name_parts(const SfmAside *aside)
{
	ListCell   *lc;

	foreach(lc, aside->parts)
	{
		char	  **part = lfirst(lc);
		List	   *made = sfm_query_rows(psprintf(
			"WITH RECURSIVE k AS (SELECT oid, conrelid, confrelid, conname FROM pg_constraint"
			" WHERE conrelid = %s AND contype = 'f' AND conparentid = 0 AND quote_ident(conname) = %s"
			" UNION ALL SELECT p.oid, p.conrelid, p.confrelid, p.conname FROM pg_constraint p JOIN k ON p.conparentid = k.oid)"
			" SELECT conrelid::regclass, quote_ident(conname) FROM k WHERE conrelid = %s AND confrelid = %s",
			aside->relation, sfm_literal(aside->name), part[0], part[1]));
		char	  **row;

		if (list_length(made) != 1)
			continue;			/* the comparison at the end tells */
		row = linitial(made);
		if (strcmp(row[1], part[2]) != 0)
			sfm_execf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", row[0], row[1], part[2]);
		if (part[3])
			sfm_execf("COMMENT ON CONSTRAINT %s ON %s IS %s", part[2], row[0], sfm_literal(part[3]));
	}
}

/*
 * A foreign key that was NOT VALID takes rows without a parent, as other new
 * constraints do; they are counted.
 */
static int64
check_not_valid(SfmPlan *plan, const SfmAside *aside)
{
	int64		orphans = count_orphans(aside) - aside->orphans_before;

	if (orphans > 0 && plan->options->on_orphan != SFM_ORPHANS_ERROR)
		sfm_note(aside->table, "Foreign key %s to %s, which was NOT VALID, has %lld new rows without a parent.",
				 aside->name, aside->parent, (long long) orphans);
	return orphans > 0 && plan->options->on_orphan == SFM_ORPHANS_ERROR ? orphans : 0;
}

/* Brings a foreign key back; the number of rows that it refuses. */
static int64
foreign_key_back(SfmPlan *plan, SfmAside *aside)
{
	ErrorData  *error = sfm_subtransaction(add_foreign_key, aside);

	if (error && error->sqlerrcode != ERRCODE_FOREIGN_KEY_VIOLATION)
		ReThrowError(error);
	if (error)
		return Max(1, count_orphans(aside));
	for (int i = 1; i < list_length(aside->back); i++)
		sfm_exec(list_nth(aside->back, i));
	name_parts(aside);
	return aside->validated ? 0 : check_not_valid(plan, aside);
}

/*
 * on_orphan => 'reject': takes out the rows that have no parent, again and again, since
 * their children become orphans in turn.  All of them came with this call, as the keys
 * held before.  Not so where the key was NOT VALID, nor with an upsert: those were kept
 * out before (foretell.c), and what has no parent after an upsert has lost it to an update.
 */
static void
reject_orphans(SfmPlan *plan)
{
	bool		any;

	do
	{
		ListCell   *lc;

		any = false;
		foreach(lc, plan->aside)
		{
			SfmAside   *aside = lfirst(lc);
			int64		rows;

			if (aside->orphans == NULL || !aside->validated)
				continue;
			rows = sfm_reject_rows(plan, aside->table, aside->orphans,
								   psprintf("foreign key %s: no parent in table %s", aside->name, aside->parent));
			if (rows == 0)
				continue;
			any = true;
			sfm_note(aside->table, "Foreign key %s to %s: %s without a parent rejected, see sqlite_mig.rejected_row.",
					 aside->name, aside->parent, sfm_counted(rows, "row"));
		}
	} while (any);
}

/* Brings all foreign keys back; rows without a parent are one error about all. */
static void
foreign_keys_back(SfmPlan *plan)
{
	StringInfoData detail;
	int			n = 0;
	ListCell   *lc;

	if (plan->options->on_orphan == SFM_ORPHANS_REJECT &&
		plan->options->if_exists != SFM_IF_EXISTS_UPSERT)
		reject_orphans(plan);
	initStringInfo(&detail);
	foreach(lc, plan->aside)
	{
		SfmAside   *aside = lfirst(lc);
		int64		orphans;

		if (aside->orphans == NULL)
			continue;
		sfm_progress_table(aside->table->qualified);
		orphans = foreign_key_back(plan, aside);
		if (orphans > 0)
			sfm_orphans_line(&detail, n++, orphans, aside->table, aside->parent, aside->name);
	}
	sfm_raise_orphans(n, detail.data);
}

/*
 * Brings back what sfm_aside_away() took: indexes, foreign keys, triggers.  What
 * deferred checks have to say comes first, since no table with such checks open can be
 * altered.
 */
void
sfm_aside_back(SfmPlan *plan)
{
	char	   *now;
	ListCell   *lc;
	ListCell   *statement;

	if (plan->aside == NIL)
		return;
	sfm_exec("SET CONSTRAINTS ALL IMMEDIATE");
	foreach(lc, plan->aside)
	{
		SfmAside   *aside = lfirst(lc);

		if (aside->tablespace == NULL)
			continue;
		sfm_progress_table(aside->table->qualified);
		(void) set_config_option("default_tablespace", aside->tablespace, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		foreach(statement, aside->back)
			sfm_exec(lfirst(statement));
	}
	foreign_keys_back(plan);
	foreach(lc, plan->aside)
	{
		SfmAside   *aside = lfirst(lc);

		if (aside->tablespace == NULL && aside->orphans == NULL)
			sfm_exec(linitial(aside->back));
	}

	now = definitions(plan);
	if (strcmp(now, plan->definitions) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("an index, foreign key or trigger of an existing table did not come back as it was"),
				 errdetail("Before: %s",
						   sfm_query_text(psprintf("SELECT string_agg(d, E'\\n') FROM (SELECT unnest(string_to_array(%s, E'\\n'))"
												   " EXCEPT SELECT unnest(string_to_array(%s, E'\\n'))) d(d)",
												   sfm_literal(plan->definitions), sfm_literal(now))))));
}

/* The statements that take everything away, for script(). */
List *
sfm_aside_away_statements(const SfmPlan *plan)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, plan->aside)
		result = lappend(result, ((SfmAside *) lfirst(lc))->away);
	return result;
}

/* Those that bring it back. */
List *
sfm_aside_back_statements(const SfmPlan *plan)
{
	List	   *indexes = NIL;
	List	   *foreign_keys = NIL;
	List	   *triggers = NIL;
	ListCell   *lc;

	foreach(lc, plan->aside)
	{
		SfmAside   *aside = lfirst(lc);

		if (aside->tablespace)
		{
			indexes = lappend(indexes, psprintf("SET LOCAL default_tablespace = %s",
												sfm_literal(aside->tablespace)));
			indexes = list_concat(indexes, aside->back);
		}
		else if (aside->orphans)
			foreign_keys = list_concat(foreign_keys, aside->back);
		else
			triggers = list_concat(triggers, aside->back);
	}
	return list_concat(list_concat(indexes, foreign_keys), triggers);
}
