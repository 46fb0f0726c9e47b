/*
 * foreign_keys.c
 *		The foreign keys of existing targets, as the catalogs have them.
 *
 * One description for whoever takes them away and brings them back (aside.c), and for
 * whoever asks which rows of the source they will refuse (foretell.c).  Keys of
 * partitions that belong to one of the whole table are not listed by themselves.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "sfm_migrate.h"

/*
 * Whether a foreign key can go and come back the same: its triggers are as they were
 * made, it belongs to no extension, and the caller may reference the parent.
 */
#define CAN_GO \
	" NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgenabled <> 'O' AND t.tgconstraint IN" \
	"  (WITH RECURSIVE k AS (SELECT c.oid UNION ALL SELECT p.oid FROM pg_constraint p JOIN k ON p.conparentid = k.oid)" \
	"   SELECT oid FROM k))" \
	" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'x'))" \
	" AND (has_table_privilege(c.confrelid, 'REFERENCES')" \
	"      OR (SELECT bool_and(has_column_privilege(c.confrelid, k, 'REFERENCES')) FROM unnest(c.confkey) k))" \
	" AND has_schema_privilege((SELECT relnamespace FROM pg_class WHERE oid = c.confrelid), 'USAGE')"

/* Whether new rows are checked where it stays: from 18 on it can say that they are not; no trigger was switched off. */
#define IS_ENFORCED \
	" coalesce((to_jsonb(c)->>'conenforced')::boolean, true) AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgrelid = c.conrelid AND t.tgenabled IN ('D', 'R'))"

static void
read_columns(SfmTargetKey *key)
{
	List	   *rows = sfm_query_rows(psprintf(
		"SELECT ca.attname, pa.attname, quote_ident(ca.attname), quote_ident(pa.attname), format('OPERATOR(%%I.%%s)', n.nspname, o.oprname)"
		" FROM pg_constraint c CROSS JOIN unnest(c.conkey, c.confkey, c.conpfeqop) WITH ORDINALITY k(ck, pk, op, ord)"
		" JOIN pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.ck"
		" JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.pk"
		" JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace n ON n.oid = o.oprnamespace"
		" WHERE c.oid = %u ORDER BY k.ord", key->oid));
	StringInfoData not_null;
	StringInfoData match;
	ListCell   *lc;

	initStringInfo(&not_null);
	initStringInfo(&match);
	foreach(lc, rows)
	{
		char	  **row = lfirst(lc);

		key->columns = lappend(key->columns, row[0]);
		key->parent_columns = lappend(key->parent_columns, row[1]);
		appendStringInfo(&not_null, "%sc.%s IS NOT NULL", not_null.len == 0 ? "" : key->full ? " OR " : " AND ", row[2]);
		appendStringInfo(&match, "%sp.%s %s c.%s", match.len ? " AND " : "", row[3], row[4], row[2]);
	}
	key->not_null = not_null.data;
	key->match = match.data;
}

/* The foreign keys of a table as a list of SfmTargetKey, by name. */
List *
sfm_target_keys(Oid relid)
{
	List	   *result = NIL;
	List	   *rows;
	ListCell   *lc;

	rows = sfm_query_rows(psprintf(
		"SELECT c.oid, quote_ident(c.conname), pg_get_constraintdef(c.oid), c.convalidated,"
		" obj_description(c.oid, 'pg_constraint'), c.confrelid, c.confrelid::regclass, c.confmatchtype = 'f',"
		CAN_GO "," IS_ENFORCED
		" FROM pg_constraint c WHERE c.conrelid = %u AND c.contype = 'f' AND c.conparentid = 0 ORDER BY c.conname", relid));
	foreach(lc, rows)
	{
		char	  **row = lfirst(lc);
		SfmTargetKey *key = palloc0(sizeof(SfmTargetKey));

		key->oid = atooid(row[0]);
		key->name = row[1];
		key->definition = row[2];
		key->validated = row[3][0] == 't';
		key->comment = row[4];
		key->parent = atooid(row[5]);
		key->parent_name = row[6];
		key->full = row[7][0] == 't';
		key->can_go = row[8][0] == 't';
		key->enforced = row[9][0] == 't';
		read_columns(key);
		result = lappend(result, key);
	}
	return result;
}

/* The relation that holds the parents, as it stands behind FROM. */
char *
sfm_target_key_parent(const SfmTargetKey *key)
{
	return psprintf("%s%s", get_rel_relkind(key->parent) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					key->parent_name);
}

/*
 * The condition on a row "c" that it has no parent in any of these relations, a list of
 * char * as they stand behind FROM.
 */
char *
sfm_target_key_orphans(const SfmTargetKey *key, List *parents)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "(%s)", key->not_null);
	foreach(lc, parents)
		appendStringInfo(&buf, " AND NOT EXISTS (SELECT FROM %s p WHERE %s)", (char *) lfirst(lc), key->match);
	return buf.data;
}

/* One line of the error below: so many rows of a table have no parent. */
void
sfm_orphans_line(StringInfo detail, int n, int64 orphans, const SfmPlanTable *table,
				 const char *parent, const char *key)
{
	appendStringInfo(detail, "%s%s of table %s %s no parent in table %s (foreign key %s).", n > 0 ? "\n" : "",
					 sfm_counted(orphans, "row"), table->qualified, orphans == 1 ? "has" : "have", parent, key);
}

/* Raises the n foreign keys that do not hold; nothing when there is none. */
void
sfm_raise_orphans(int n, const char *detail)
{
	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg_plural("%d foreign key of an existing table does not hold",
						   "%d foreign keys of existing tables do not hold", n, n),
			 errdetail("%s", detail),
			 errhint("A validated foreign key takes no row without a parent. Mend the rows in the source, keep them out by on_orphan => 'reject', or make the constraint NOT VALID before.")));
}
