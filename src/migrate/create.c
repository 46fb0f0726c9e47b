/*
 * create.c
 *		Runs the statements of the plan's objects, each so that its failure costs
 *		only itself.
 *
 * A foreign key or CHECK that the rows break is made NOT VALID, with their number;
 * another object that fails is left out with what PostgreSQL said.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "sfm_migrate.h"

/* The type of a column as the target has or gets it; InvalidOid: it has none. */
static Oid
target_type(const SfmPlanTable *table, const SfmPlanColumn *column)
{
	AttrNumber	number;

	if (!table->exists)
		return column->type.typid;
	number = get_attnum(table->relid, column->target);
	return number == InvalidAttrNumber ? InvalidOid : get_atttype(table->relid, number);
}

/*
 * The operator by which a foreign key compares a parent's column with a child's, as it
 * stands in an expression; NULL: there is none.  Where both have one type it is that
 * type's own, which the search_path need not find, as with citext.
 */
static char *
key_operator(Oid parent, Oid child)
{
	HeapTuple	tuple = NULL;
	Form_pg_operator form;
	char	   *result;

	if (OidIsValid(parent))
		tuple = parent == child ?
			SearchSysCache1(OPEROID, ObjectIdGetDatum(lookup_type_cache(parent, TYPECACHE_EQ_OPR)->eq_opr)) :
			oper(NULL, list_make1(makeString("=")), parent, child, true, -1);
	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * "c.a IS NOT NULL AND ...": rows of the child whose parent is in none of these
 * relations, a list of char * as they stand behind FROM.  NULL: child and parent, which
 * may be there already, cannot be compared, and the key cannot be made.
 */
char *
sfm_orphan_condition(const SfmObject *object, List *parents)
{
	const SfmForeignKey *fk = object->fk;
	int		   *numbers = sfm_parent_columns(fk, object->parent->source);
	StringInfoData not_null;
	StringInfoData match;
	ListCell   *lc;

	initStringInfo(&not_null);
	initStringInfo(&match);
	for (int i = 0; i < fk->ncolumns; i++)
	{
		const SfmPlanColumn *child = sfm_plan_column(object->table, fk->columns[i]);
		const SfmPlanColumn *parent = sfm_plan_column(object->parent, numbers[i]);
		char	   *equals = key_operator(target_type(object->parent, parent), child->type.typid);

		if (equals == NULL)
			return NULL;
		appendStringInfo(&not_null, "%sc.%s IS NOT NULL", i ? " AND " : "", quote_identifier(child->target));
		appendStringInfo(&match, "%sp.%s %s c.%s", i ? " AND " : "", quote_identifier(parent->target), equals,
						 quote_identifier(child->target));
	}
	foreach(lc, parents)
		appendStringInfo(&not_null, " AND NOT EXISTS (SELECT FROM %s p WHERE %s)", (char *) lfirst(lc), match.data);
	return not_null.data;
}

/* Those among the child's rows in the target; NULL as above. */
char *
sfm_target_orphans(const SfmObject *object)
{
	return sfm_orphan_condition(object, list_make1(unconstify(char *, sfm_target_rows(object->parent))));
}

static void
make_not_valid(SfmPlan *plan, SfmObject *object, const char *message)
{
	SfmPlanTable *table = object->table;
	char	   *condition = sfm_target_orphans(object);
	bool		isnull;
	int64		orphans;

	if (condition == NULL)
		elog(ERROR, "no operator compares the columns of foreign key %s", object->constraint);
	orphans = sfm_query_int64(psprintf("SELECT count(*) FROM %s c WHERE %s", table->qualified, condition), &isnull);
	if (plan->options->on_orphan == SFM_ORPHANS_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("table %s has %s without a parent in table %s", table->qualified,
						sfm_counted(orphans, "row"), object->parent->qualified),
				 errdetail("%s", message),
				 errhint("on_orphan => 'not_valid' keeps them, with a constraint for new rows only.")));
	object->target_sql = psprintf("%s NOT VALID", object->target_sql);
	sfm_exec(object->target_sql);
	object->status = SFM_OBJECT_TRANSLATED;
	object->note = psprintf("It is NOT VALID, and holds for new rows, because of %s without a parent.",
							sfm_counted(orphans, "row"));
	sfm_note(table, "Foreign key %s to %s is NOT VALID because of %s without a parent. Once that is mended: ALTER TABLE %s VALIDATE CONSTRAINT %s",
			 quote_identifier(object->constraint), object->parent->qualified, sfm_counted(orphans, "row"),
			 table->qualified, quote_identifier(object->constraint));
}

/* A CHECK that rows of the source break: it holds for new rows. */
static void
make_check_not_valid(SfmPlan *plan, SfmObject *object)
{
	SfmPlanTable *table = object->table;
	int			sqlstate;
	char	   *message;
	bool		isnull;
	int64		rows = sfm_query_int64(psprintf("SELECT count(*) FROM %s WHERE NOT %s", table->qualified,
												object->condition), &isnull);

	object->target_sql = psprintf("%s NOT VALID", object->target_sql);
	if (!sfm_try_exec(object->target_sql, &sqlstate, &message))
	{
		sfm_leave_out(object, psprintf("PostgreSQL refused it: %s.", message));
		return;
	}
	sfm_translated(object, psprintf("%lld rows break it, as they do in the source, so it is NOT VALID: it holds for new rows.",
									(long long) rows));
	sfm_note(table, "Check %s is NOT VALID: %lld rows break it. Once they are mended: ALTER TABLE %s VALIDATE CONSTRAINT %s",
			 quote_identifier(object->constraint), (long long) rows, table->qualified,
			 quote_identifier(object->constraint));
}

static const char *
failure_note(const SfmObject *object, int sqlstate, const char *message)
{
	if (sqlstate == ERRCODE_UNIQUE_VIOLATION)
		return psprintf("Its values are not unique in PostgreSQL: %s. Rows with equal keys can be inserted until that is mended.",
						message);
	if (sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED && object->index && object->index->ncolumns == 1)
		return psprintf("PostgreSQL refused it: %s. An index USING hash, or on md5() of the column, takes values of any length.",
						message);
	return psprintf("PostgreSQL refused it: %s.", message);
}

/* Makes it. */
static bool
run_statement(void *arg)
{
	const SfmObject *object = arg;

	if (object->checked)
		sfm_add_checked_key(object);
	else
		sfm_exec(object->target_sql);
	return true;
}

static void
create_object(SfmPlan *plan, SfmObject *object)
{
	int			sqlstate;
	char	   *message;

	if (sfm_try_work(run_statement, object, &sqlstate, &message))
	{
		if (object->extra_sql == NULL)
			return;
		if (sfm_try_exec(object->extra_sql, &sqlstate, &message))
			object->target_sql = psprintf("%s; %s", object->target_sql, object->extra_sql);
		else if (object->table == NULL)
			object->note = psprintf("%s %s.", object->note, message);
		else
		{
			object->note = psprintf("The index that keeps its collation was not made: %s", message);
			sfm_note(object->table, "Constraint %s: %s.", quote_identifier(object->constraint),
					 object->note);
		}
		return;
	}
	if (object->phase == SFM_PHASE_FOREIGN_KEY && sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION)
		make_not_valid(plan, object, message);
	else if (object->phase == SFM_PHASE_CHECK && sqlstate == ERRCODE_CHECK_VIOLATION)
		make_check_not_valid(plan, object);
	else
		sfm_leave_out(object, failure_note(object, sqlstate, message));
}

/*
 * Objects of small tables share a subtransaction: its end looks at every file and every
 * lock of the call so far, which would be quadratic in the number of tables.
 */
#define BATCH_OBJECTS 1000
#define BATCH_ROWS 100000		/* of all tables that a batch reads: what a failure reads again, up to three times */
#define PIECES 10				/* of a batch that failed */

/* Rows that making an object reads. */
static int64
rows_read(const SfmObject *object)
{
	int64		rows = object->table ? object->table->target_rows + object->table->rows_before : 0;

	if (object->checked)
		return 0;
	return object->parent ?
		rows + object->parent->target_rows + object->parent->rows_before : rows;
}

/* Makes a batch of objects; an error undoes them all. */
static bool
create_batch(void *arg)
{
	ListCell   *lc;

	foreach(lc, (List *) arg)
	{
		SfmObject  *object = lfirst(lc);

		(void) run_statement(object);
		if (object->extra_sql)
			sfm_exec(object->extra_sql);
	}
	return true;
}

/* Makes them together; where one fails, in smaller and smaller pieces, down to the one that fails. */
static void
create_together(SfmPlan *plan, List *objects)
{
	int			n = list_length(objects);
	int			piece = Max(n / PIECES, 1);
	ListCell   *lc;

	if (n == 0)
		return;
	if (n == 1)
	{
		create_object(plan, linitial(objects));
		return;
	}
	if (!sfm_try(create_batch, objects))
	{
		for (int i = 0; i < n; i += piece)
			create_together(plan, list_truncate(list_copy_tail(objects, i), piece));
		return;
	}
	foreach(lc, objects)
	{
		SfmObject  *object = lfirst(lc);

		if (object->extra_sql)
			object->target_sql = psprintf("%s; %s", object->target_sql, object->extra_sql);
	}
}

/* Makes all objects of one phase that are not yet made. */
void
sfm_create_objects(SfmPlan *plan, SfmPhase phase)
{
	List	   *batch = NIL;
	int64		batch_rows = 0;
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);
		int64		rows;

		if (object->phase != phase || object->target_sql == NULL || object->made)
			continue;
		rows = rows_read(object);
		if (list_length(batch) == BATCH_OBJECTS || batch_rows + rows > BATCH_ROWS)
		{
			create_together(plan, batch);
			batch = NIL;
			batch_rows = 0;
		}
		batch = lappend(batch, object);
		batch_rows += rows;
	}
	create_together(plan, batch);
}
