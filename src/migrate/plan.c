/*
 * plan.c
 *		From the arguments, the source's catalog and what is in the target to one
 *		plan: which tables, under which names, with which columns and types.
 *
 * The order of decisions: tables chosen; names given in the source's order, so
 * that they are the same in each run; existing targets found, locked and matched
 * by name; a type for each column (a rule, else the existing target's, else the
 * declaration's); columns tied by foreign keys brought to one type; tables ordered
 * parents first.  What becomes of keys, indexes and the other objects is decided
 * in objects.c, once the types are final.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/twophase.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "sfm_migrate.h"

/*
 * Begins a piece of work, on one table say, in a memory context of its own, which becomes
 * the current one: there may be thousands of them, and what each leaves behind adds up.
 * What the plan is to hold goes to plan->mcxt.  Pieces of work may nest.
 */
MemoryContext
sfm_work_begin(void)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "SQLite migration work",
											   ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(work);
	return work;
}

/* Ends it: its memory is freed, and the context that was current before is so again. */
void
sfm_work_end(MemoryContext work)
{
	MemoryContextSwitchTo(MemoryContextGetParent(work));
	MemoryContextDelete(work);
}

/*
 * How many kB of rows may be in memory of one of those tuplestores of which each table
 * may have one until the call ends.  All of them share eight times work_mem; what is more
 * goes to temporary files.
 */
int
sfm_store_memory(const SfmPlan *plan)
{
	int64		share = (int64) work_mem * 8 / Max(list_length(plan->tables), 1);

	return (int) Min(Max(share, 64), work_mem);
}

/* A copy of a text that lasts as long as the plan; NULL for NULL. */
char *
sfm_keep(const SfmPlan *plan, const char *text)
{
	return text ? MemoryContextStrdup(plan->mcxt, text) : NULL;
}

/* Adds a copy of a sentence to a table's notes; sfm_note() formats it. */
void
sfm_add_note(SfmPlanTable *table, const char *sentence)
{
	MemoryContext old = MemoryContextSwitchTo(table->plan->mcxt);

	table->notes = lappend(table->notes, pstrdup(sentence));
	MemoryContextSwitchTo(old);
}

/* The plan of a source table; NULL when it is not moved. */
SfmPlanTable *
sfm_plan_find(const SfmPlan *plan, const char *source_table)
{
	SfmTable   *source = sfm_catalog_find(plan->catalog, source_table);

	return source ? plan->by_source[source->number] : NULL;
}

/* The plan of a source column by its number; NULL when it is not moved. */
SfmPlanColumn *
sfm_plan_column(const SfmPlanTable *table, int number)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].number == number)
			return &table->columns[i];
	return NULL;
}

/* The planned column that goes into this column of the target; NULL when there is none. */
SfmPlanColumn *
sfm_plan_target_column(const SfmPlanTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i].target, name) == 0)
			return &table->columns[i];
	return NULL;
}

static void
leave_out(SfmObject *object, const char *note)
{
	object->status = SFM_OBJECT_LEFT_OUT;
	object->note = pstrdup(note);
}

/* What PostgreSQL has in place of a virtual table's module. */
static const char *
module_advice(const char *module)
{
	if (module == NULL)
		return "";
	if (pg_strncasecmp(module, "fts", 3) == 0)
		return " PostgreSQL's full text search (tsvector with a GIN index) serves the same purpose; the indexed texts themselves are migrated where they lie in an ordinary table.";
	if (pg_strncasecmp(module, "rtree", 5) == 0 || pg_strcasecmp(module, "geopoly") == 0)
		return " A GiST index on a box, range or PostGIS column serves the same purpose.";
	return "";
}

/*
 * The rule for a column: one that names it, else one for its declared type as
 * written, else one for that type without its parameters.
 */
SfmTypeRule *
sfm_find_rule(List *rules, const SfmTable *table, const SfmColumn *column)
{
	SfmTypeRule *found = NULL;
	ListCell   *lc;

	foreach(lc, rules)
	{
		SfmTypeRule *rule = lfirst(lc);
		const char *declared = column->declared_type ? column->declared_type : "";
		int			base = strcspn(declared, "(");

		if (rule->column != NULL)
		{
			if (sfm_names_equal(rule->table, sfm_name_to_server(table->name)) &&
				sfm_names_equal(rule->column, sfm_name_to_server(column->name)))
			{
				rule->used = true;
				return rule;
			}
			continue;
		}
		while (base > 0 && declared[base - 1] == ' ')
			base--;
		if (pg_strcasecmp(rule->key, declared) == 0)
			found = rule;
		else if (found == NULL && strlen(rule->key) == base &&
				 pg_strncasecmp(rule->key, declared, base) == 0)
			found = rule;
		else
			continue;
		rule->used = true;
	}
	return found;
}

/* A type that stands: what does not fit it is a misfit, as it is not ours to change. */
static void
fix_type(SfmPlanColumn *column, Oid typid, int32 typmod)
{
	column->planned = sfm_type_for_oid(typid, typmod);
	column->planned.mixed = column->planned.kind == SFM_KIND_TEXT ||
		column->planned.kind == SFM_KIND_VARCHAR ||
		column->planned.kind == SFM_KIND_BPCHAR ||
		column->planned.kind == SFM_KIND_BYTEA;
	column->planned.fixed = true;
	column->fixed = true;
}

/* Types of the table's columns; leaves out those that a rule skips. */
static void
plan_column_types(SfmPlan *plan, SfmPlanTable *table)
{
	int			kept = 0;

	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];
		SfmTypeRule *rule = sfm_find_rule(plan->options->types, table->source, column->source);

		column->on_misfit = plan->options->on_misfit;
		if (rule && rule->skip)
		{
			SfmObject  *object = sfm_add_source_object(plan, "column", table->source->name,
													   column->source->name, column->source->declared_type);

			object->table = table;
			leave_out(object, "The argument \"types\" skips it.");
			sfm_note(table, "Column %s is left out, as the argument \"types\" asks.",
					 sfm_name_to_server(column->source->name));
			continue;
		}
		if (!column->fixed)
			column->planned = sfm_type_for_declaration(column->source->declared_type);
		if (rule && rule->has_type && !column->fixed)
			fix_type(column, rule->typid, rule->typmod);
		else if (rule && rule->has_type && rule->typid != column->planned.typid)
			sfm_note(table, "Column %s keeps its type %s, as the table exists; \"types\" names another.",
					 quote_identifier(column->target), sfm_type_name(&column->planned));
		if (rule && rule->has_reading)
			column->planned.reading = rule->reading;
		if (rule && rule->empty_as_null)
			column->planned.empty_as_null = true;
		if (rule && rule->has_on_misfit)
			column->on_misfit = rule->on_misfit;
		column->type = column->planned;
		table->columns[kept++] = *column;
	}
	table->ncolumns = kept;
	if (kept == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no column of table \"%s\" is left to migrate",
						sfm_name_to_server(table->source->name))));
}

static bool
is_integer_kind(SfmKind kind)
{
	return kind == SFM_KIND_INT2 || kind == SFM_KIND_INT4 || kind == SFM_KIND_INT8;
}

/*
 * The INTEGER PRIMARY KEY of a table that is created counts on by itself, also when
 * "types" gives it a type that no identity can have.
 */
static void
plan_identity(SfmPlan *plan, SfmPlanTable *table)
{
	SfmPlanColumn *column;
	char	   *default_name;
	char	   *name;

	if (table->exists || table->source->rowid_column < 0)
		return;
	column = sfm_plan_column(table, table->source->rowid_column);
	if (column == NULL)
		return;
	column->identity = is_integer_kind(column->type.kind);
	column->counts = sfm_can_count(column->type.kind);
	if (!column->identity && !column->counts)
		return;
	default_name = makeObjectName(table->target, column->target, "seq");
	name = sfm_namespace_add_identifier(plan->relations,
										sfm_object_name(table->target, column->target, "seq"), NULL);
	if (strcmp(name, default_name) != 0)
		column->sequence = name;
}

static SfmPlanTable *
plan_table(SfmPlan *plan, const SfmTable *source)
{
	SfmPlanTable *table = palloc0(sizeof(SfmPlanTable));
	SfmNamespace *names = sfm_namespace_create(true);
	int			changes;

	table->plan = plan;
	table->source = source;
	table->target = sfm_namespace_add(plan->relations, source->name,
									  plan->options->identifiers, &changes);
	if (changes)
		sfm_note(table, "The table is named %s, since its name %s.",
				 quote_identifier(table->target), sfm_name_changes_text(changes));
	table->ncolumns = source->ncolumns;
	table->columns = palloc0(sizeof(SfmPlanColumn) * Max(source->ncolumns, 1));
	for (int i = 0; i < source->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];

		column->source = &source->columns[i];
		column->number = i;
		column->group = -1;
		column->not_null = column->source->not_null;
		column->target = sfm_namespace_add(names, column->source->name,
										   plan->options->identifiers, &changes);
		if (changes)
			sfm_note(table, "Column %s is named %s, since its name %s.",
					 quote_identifier(sfm_name_to_server(column->source->name)),
					 quote_identifier(column->target),
					 sfm_name_changes_text(changes));
	}
	sfm_namespace_free(names);
	return table;
}

/* Says of what is not a table, or not chosen, that it is left out. */
static void
plan_left_out(SfmPlan *plan, const SfmTable *source, bool chosen)
{
	const char *kind = source->kind == SFM_REL_VIEW ? "view" :
		source->kind == SFM_REL_VIRTUAL ? "virtual table" : "table";
	SfmObject  *object;

	if (source->kind == SFM_REL_VIEW && chosen)
		return;					/* objects_view.c */
	object = sfm_add_source_object(plan, kind, source->name, source->name, source->sql);
	if (!chosen)
		leave_out(object, "It was not chosen by the arguments \"include\" and \"exclude\".");
	else if (source->kind == SFM_REL_VIRTUAL)
		leave_out(object, psprintf("It is a virtual table of module %s.%s",
								   source->module ? source->module : "(unknown)",
								   module_advice(source->module)));
	else if (source->kind == SFM_REL_SHADOW)
		leave_out(object, "It holds the internal data of a virtual table.");
	else
		leave_out(object, psprintf("SQLite cannot read it: %s.", source->unreadable));
	/* What has no row in the report is said by a NOTICE. */
	if (chosen && source->kind != SFM_REL_SHADOW)
		plan->notes = lappend(plan->notes, psprintf("%s %s is left out: %s", kind,
													sfm_name_to_server(source->name), object->note));
}

static void
plan_tables(SfmPlan *plan)
{
	bool	   *chosen = sfm_select_tables(plan->catalog, plan->options->include,
										   plan->options->exclude);
	ListCell   *lc;

	plan->by_source = palloc0(sizeof(SfmPlanTable *) * Max(list_length(plan->catalog->tables), 1));
	foreach(lc, plan->catalog->internal)
		leave_out(sfm_add_source_object(plan, "table", lfirst(lc), lfirst(lc), NULL),
				  "It is an internal table of SQLite.");
	foreach(lc, plan->catalog->tables)
	{
		SfmTable   *source = lfirst(lc);
		bool		is_chosen = chosen[foreach_current_index(lc)];

		if (is_chosen && source->kind == SFM_REL_TABLE && source->unreadable == NULL)
			plan->tables = lappend(plan->tables,
								   plan->by_source[source->number] = plan_table(plan, source));
		else
			plan_left_out(plan, source, is_chosen);
	}
	if (plan->catalog->tables == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("SQLite file \"%s\" holds no tables", plan->source->path)));
}

/*
 * Locks that creating and loading the tables takes, all of them kept until the end
 * of the transaction.  Counted in pg_locks: six a table (itself, its foreign table,
 * their types), two for TOAST, one an index, two a sequence, two a foreign key.
 */
static int64
locks_needed(const SfmPlan *plan)
{
	int64		n = 0;
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		n += 6 + 2;
		if (!table->exists)
			n += list_length(table->source->indexes) + 2 * list_length(table->source->foreign_keys) +
				(table->source->rowid_column >= 0 ? 3 : 1);
	}
	return n;
}

/*
 * Bytes of a source column's name: the option "column_name" has to fit, with the rest
 * of its row of pg_attribute, which has no TOAST table, on one page.
 */
#define MAX_COLUMN_NAME 7000

/* PostgreSQL's limits, met before anything moves. */
static void
check_limits(const SfmPlan *plan)
{
	int64		transactions = MaxBackends + max_prepared_xacts;
	int64		locks = locks_needed(plan);
	ListCell   *lc;

	if (locks > max_locks_per_xact * transactions)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("migrating %d tables needs about %lld locks, and the server has room for %lld",
						list_length(plan->tables), (long long) locks,
						(long long) (max_locks_per_xact * transactions)),
				 errhint("Set max_locks_per_transaction to %lld or more and restart the server, or migrate fewer tables at a time by \"include\".",
						 (long long) ((locks + locks / 5) / transactions + 1))));

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->ncolumns > MaxHeapAttributeNumber)
			ereport(ERROR,
					(errcode(ERRCODE_TOO_MANY_COLUMNS),
					 errmsg("table \"%s\" has %d columns, and PostgreSQL's tables can have at most %d",
							sfm_name_to_server(table->source->name), table->ncolumns,
							MaxHeapAttributeNumber),
					 errhint("Leave columns out by \"types\" with \"skip\", or the table by \"exclude\".")));
		for (int i = 0; i < table->ncolumns; i++)
			if (strlen(table->columns[i].source->name) > MAX_COLUMN_NAME)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("the name of column %d of table \"%s\" is too long", i + 1,
								sfm_name_to_server(table->source->name)),
						 errdetail("It has %zu bytes; at most %d can be read through a foreign table.",
								   strlen(table->columns[i].source->name), MAX_COLUMN_NAME),
						 errhint("Rename it in the source, or leave the table out by \"exclude\".")));
	}
}

/*
 * Names that relations of the target schema already have are not free for new
 * ones, except for what goes away with a table that is replaced.
 */
static void
reserve_existing(SfmPlan *plan, Oid schema)
{
	StringInfoData replaced;
	StringInfoData sql;
	ListCell   *lc;
	MemoryContext mcxt = CurrentMemoryContext;

	if (!OidIsValid(schema))
		return;
	initStringInfo(&replaced);
	appendStringInfoString(&replaced, "0");
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_REPLACED)
			appendStringInfo(&replaced, ", %u", table->relid);
	}
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT c.relname FROM pg_class c WHERE c.relnamespace = %u AND c.oid NOT IN (%s)"
					 " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid IN (%s))"
					 " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
					 "   AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (%s) AND d.deptype IN ('a', 'i'))",
					 schema, replaced.data, replaced.data, replaced.data);
	if (SPI_execute(sql.data, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_class");
	MemoryContextSwitchTo(mcxt);
	for (uint64 i = 0; i < SPI_processed; i++)
		(void) sfm_namespace_reserve(plan->relations,
									 SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	SPI_freetuptable(SPI_tuptable);
}

static void
check_rules_used(const SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->options->types)
	{
		SfmTypeRule *rule = lfirst(lc);

		if (!rule->used)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("entry \"%s\" in argument \"types\" matches nothing", rule->key),
					 rule->column ?
					 errdetail("No chosen table \"%s\" has a column \"%s\".", rule->table, rule->column) :
					 errdetail("No column of the chosen tables is declared so."),
					 errhint("A key is table.column, or a declared type.")));
	}
}

/* Two tables of the source cannot go into one: names that differ in case alone, or in style. */
static void
check_distinct_targets(const SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		for (int i = 0; table->exists && i < foreach_current_index(lc); i++)
		{
			SfmPlanTable *other = list_nth(plan->tables, i);

			if (other->relid == table->relid)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_TABLE),
						 errmsg("tables \"%s\" and \"%s\" of the source would both go into table %s",
								other->source->name, table->source->name, table->qualified),
						 errhint("Leave one out by \"exclude\", and migrate it into another schema.")));
		}
	}
}

/* Finds the targets that exist already; locks and matches them. */
static void
plan_targets(SfmPlan *plan, Oid schema)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (OidIsValid(schema))
			table->relid = sfm_target_find(schema, table->source->name,
										   plan->options->identifiers, &table->target);
		table->exists = OidIsValid(table->relid);
		table->qualified = sfm_qualify(plan->options->target_schema, table->target);
		table->status = !table->exists ? SFM_STATUS_CREATED :
			plan->options->if_exists == SFM_IF_EXISTS_SKIP ? SFM_STATUS_SKIPPED :
			plan->options->if_exists == SFM_IF_EXISTS_REPLACE ? SFM_STATUS_REPLACED :
			SFM_STATUS_LOADED;
		if (!table->exists && plan->options->scope == SFM_SCOPE_DATA)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("table %s does not exist", table->qualified),
					 errhint("With scope => 'data' the target tables must exist.")));
	}
	check_distinct_targets(plan);
	sfm_target_check_rights(plan);
	sfm_target_lock_tables(plan);
	sfm_target_check_rows(plan);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		if (table->status == SFM_STATUS_REPLACED)
		{
			char	   *lost = sfm_target_lost(table);

			if (lost)
				sfm_note(table, "Gone with the old table, and not made again: %s.", lost);
			table->restore = sfm_target_restore_statements(table);
			table->exists = false;
		}
	}
	sfm_target_match_columns(plan);
	sfm_guard_targets(plan);
}

static SfmPlan *
start_plan(const SfmOptions *options, SfmSource *source)
{
	SfmPlan    *plan = palloc0(sizeof(SfmPlan));

	plan->mcxt = CurrentMemoryContext;
	plan->resowner = CurrentResourceOwner;
	plan->options = options;
	plan->source = source;
	plan->catalog = sfm_catalog_read(source->file);
	plan->relations = sfm_namespace_create(false);
	if (sfm_file_note(source->file))
		plan->notes = lappend(plan->notes, pstrdup(sfm_file_note(source->file)));
	plan_tables(plan);
	return plan;
}

/* Types, groups, order: what needs no look at the target any more. */
static void
finish_plan(SfmPlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->tables)
		plan_column_types(plan, lfirst(lc));
	check_rules_used(plan);
	check_limits(plan);
	sfm_tie_columns(plan);
	plan->tables = sfm_order_tables(plan, plan->tables);
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);

		table->number = foreach_current_index(lc) + 1;
		plan_identity(plan, table);
	}
}

/*
 * The plan as far as the source decides it, as if the target schema were empty;
 * for inspect().  In CurrentMemoryContext; needs SPI and the safe settings.
 */
SfmPlan *
sfm_plan_source(const SfmOptions *options, SfmSource *source)
{
	SfmPlan    *plan = start_plan(options, source);

	finish_plan(plan);
	return plan;
}

/*
 * Builds the plan in CurrentMemoryContext.  Needs SPI and the safe settings.  Takes
 * the locks on existing targets, raises all that can be known before rows move.
 */
SfmPlan *
sfm_plan_build(const SfmOptions *options, SfmSource *source)
{
	SfmPlan    *plan = start_plan(options, source);
	Oid			schema = get_namespace_oid(options->target_schema, true);

	sfm_catalog_read_counts(source->file, plan->catalog);
	plan->schema_exists = OidIsValid(schema);
	plan_targets(plan, schema);
	reserve_existing(plan, schema);
	finish_plan(plan);
	sfm_plan_check_width(plan);
	sfm_plan_aside(plan);
	return plan;
}
