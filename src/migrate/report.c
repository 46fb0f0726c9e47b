/*
 * report.c
 *		What a DBA is told: the result set, the NOTICEs, the last notes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "sfm_migrate.h"

/* A list of strings as text[]. */
Datum
sfm_text_array(List *strings)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(list_length(strings), 1));
	ListCell   *lc;

	foreach(lc, strings)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, list_length(strings), TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* The word of the column "status". */
const char *
sfm_status_word(const SfmPlan *plan, const SfmPlanTable *table)
{
	if (table->status == SFM_STATUS_SKIPPED)
		return "skipped";
	if (plan->options->dry_run)
		return "planned";
	return table->status == SFM_STATUS_CREATED ? "created" :
		table->status == SFM_STATUS_REPLACED ? "replaced" : "loaded";
}

static Datum
interval_from_us(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return IntervalPGetDatum(interval);
}

/* One row of migrate()'s result. */
void
sfm_report_row(ReturnSetInfo *rsinfo, const SfmPlan *plan, const SfmPlanTable *table)
{
	Datum		values[11];
	bool		nulls[11] = {false};
	bool		counted = table->loaded ||
		(plan->options->dry_run && table->status != SFM_STATUS_SKIPPED);
	MemoryContext work = sfm_work_begin();

	values[0] = CStringGetTextDatum(sfm_name_to_server(table->source->name));
	values[1] = CStringGetTextDatum(table->qualified);
	values[2] = CStringGetTextDatum(sfm_status_word(plan, table));
	values[3] = Int64GetDatum(table->source_rows);
	values[4] = Int64GetDatum(table->target_rows);
	values[5] = Int64GetDatum(table->rejected_rows);
	nulls[3] = nulls[4] = nulls[5] = !counted;
	values[6] = BoolGetDatum(table->verified);
	nulls[6] = !table->was_verified;
	values[7] = Int64GetDatum(table->sequence_value);
	nulls[7] = !table->has_sequence;
	values[8] = Int64GetDatum(table->target_bytes);
	nulls[8] = plan->options->dry_run || table->status == SFM_STATUS_SKIPPED;
	values[9] = interval_from_us(table->elapsed_us);
	values[10] = sfm_text_array(table->notes);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	sfm_work_end(work);
}

static bool
has_planned_primary_key(const SfmPlanTable *table)
{
	ListCell   *lc;

	foreach(lc, table->indexes)
	{
		const SfmObject *object = lfirst(lc);

		if (strcmp(object->kind, "primary key") == 0 && object->target_sql)
			return !sfm_key_holds_null(table);
	}
	return false;
}

/* Whether a publication covers the table, and its rows have nothing that identifies them. */
static bool
lacks_identity(const SfmPlanTable *table)
{
	bool		isnull;

	/* a table that a dry run only plans is covered by what takes all in */
	if (table->plan->options->dry_run && !table->exists)
		return !has_planned_primary_key(table) &&
			sfm_query_int64(psprintf("SELECT count(*) FROM pg_publication p WHERE p.puballtables OR EXISTS"
									 " (SELECT FROM pg_publication_namespace n JOIN pg_namespace s ON s.oid = n.pnnspid"
									 "   WHERE n.pnpubid = p.oid AND s.nspname = %s)",
									 sfm_literal(table->plan->options->target_schema)), &isnull) > 0;
	return sfm_query_int64(psprintf("SELECT count(*) FROM pg_class c WHERE c.oid = %u AND c.relkind IN ('r', 'p')"
								 " AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS"
								 "      (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))"
								 " AND EXISTS (SELECT FROM pg_publication_tables t WHERE t.schemaname = c.relnamespace::regnamespace::text"
								 "             AND t.tablename = c.relname)", table->relid), &isnull) > 0;
}

/* A table under a publication needs an identity for its UPDATEs and DELETEs. */
static void
note_replica_identity(SfmPlanTable *table)
{
	if (lacks_identity(table))
		sfm_note(table, "A publication covers the table, which has no primary key: UPDATE and DELETE will fail until it has one or ALTER TABLE %s REPLICA IDENTITY FULL is run.",
				 table->qualified);
}

static void
note_date_range(SfmPlanTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		SfmPlanColumn *column = &table->columns[i];
		Oid			output;
		bool		is_varlena;

		if (!column->seen.has_minmax ||
			(!column->target_dates.known && !table->plan->options->dry_run))
			continue;
		getTypeOutputInfo(column->type.typid, &output, &is_varlena);
		if (table->plan->options->dry_run)
		{
			sfm_note(table, "Column %s runs from %s to %s in the source.",
					 quote_identifier(column->target),
					 OidOutputFunctionCall(output, column->seen.min),
					 OidOutputFunctionCall(output, column->seen.max));
			continue;
		}
		sfm_note(table, "Column %s runs from %s to %s in the source, and from %s to %s here.",
				 quote_identifier(column->target),
				 OidOutputFunctionCall(output, column->seen.min),
				 OidOutputFunctionCall(output, column->seen.max),
				 OidOutputFunctionCall(output, sfm_date_datum(column->type.kind, column->target_dates.min)),
				 OidOutputFunctionCall(output, sfm_date_datum(column->type.kind, column->target_dates.max)));
	}
}

/* For dry_run: what the load will say of a table that is created. */
static void
foresee_insert(SfmPlanTable *table)
{
	if (table->exists || table->plan->options->scope == SFM_SCOPE_SCHEMA)
		return;
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].generated_sql)
		{
			sfm_note(table, "Rows will go through INSERT instead of being written directly, since %s.",
					 SFM_COMPUTED_OBSTACLE);
			return;
		}
}

/* What a DBA would look at next; at the end of the run, or of the dry run. */
void
sfm_final_notes(SfmPlan *plan)
{
	ListCell   *lc;
	bool		has_publication;
	bool		isnull;

	sfm_note_unindexed_keys(plan);
	has_publication = sfm_query_int64("SELECT count(*) FROM pg_publication", &isnull) > 0;
	foreach(lc, plan->tables)
	{
		SfmPlanTable *table = lfirst(lc);
		MemoryContext work;

		if (table->status == SFM_STATUS_SKIPPED)
			continue;
		work = sfm_work_begin();
		if (has_publication)
			note_replica_identity(table);
		note_date_range(table);
		if (plan->options->dry_run)
			foresee_insert(table);
		sfm_work_end(work);
	}
}
