/*
 * inspect.c
 *		sqlite_mig.inspect(): what is in each column of the source, the type that a
 *		migration would give it, and advice.  Reads every row once, writes nothing.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "sfm_migrate.h"
#include "sfm_read.h"

/* What inspect keeps of a column beyond what converters count. */
typedef struct Summary
{
	SfmValue	min;			/* copies; class NULL: none yet */
	SfmValue	max;
	int64		max_length;		/* characters of texts, bytes of blobs; -1: neither */
	bool		all_datetime;	/* of the texts */
	bool		all_uuid;
	bool		all_bits;		/* of the integers: 0 or 1 */
} Summary;

typedef struct Inspection
{
	Summary    *summaries;
	int			ncolumns;
	MemoryContext mcxt;
} Inspection;

/* SQLite's order: numbers, then texts by bytes, then blobs by bytes. */
static int
compare_values(const SfmValue *a, const SfmValue *b)
{
	bool		a_number = a->cls == SFM_INTEGER || a->cls == SFM_REAL;
	bool		b_number = b->cls == SFM_INTEGER || b->cls == SFM_REAL;

	if (a_number && b_number)
	{
		if (a->cls == SFM_INTEGER && b->cls == SFM_INTEGER)
			return a->u.i < b->u.i ? -1 : a->u.i > b->u.i;
		else
		{
			/* long double holds every int64 and every double exactly on common machines */
			long double x = a->cls == SFM_INTEGER ? (long double) a->u.i : (long double) a->u.r;
			long double y = b->cls == SFM_INTEGER ? (long double) b->u.i : (long double) b->u.r;

			return x < y ? -1 : x > y;
		}
	}
	if (a_number != b_number)
		return a_number ? -1 : 1;
	if (a->cls != b->cls)
		return a->cls < b->cls ? -1 : 1;
	else
	{
		int			result = memcmp(a->u.p, b->u.p, Min(a->len, b->len));

		return result != 0 ? result : a->len < b->len ? -1 : a->len > b->len;
	}
}

static void
keep(SfmValue *kept, const SfmValue *value, MemoryContext mcxt)
{
	if (kept->cls == SFM_TEXT || kept->cls == SFM_BLOB)
		pfree(unconstify(char *, kept->u.p));
	*kept = *value;
	if (value->cls == SFM_TEXT || value->cls == SFM_BLOB)
	{
		char	   *copy = MemoryContextAlloc(mcxt, Max(value->len, 1));

		memcpy(copy, value->u.p, value->len);
		kept->u.p = copy;
	}
}

static void
summarize_text(Summary *summary, const SfmValue *value)
{
	SfmDateTime datetime;
	unsigned char uuid[SFM_UUID_BYTES];
	bool		canonical;
	int64		length = 0;

	for (int i = 0; i < value->len; i++)
		length += (value->u.p[i] & 0xC0) != 0x80;	/* UTF-8: not a continuation */
	summary->max_length = Max(summary->max_length, length);
	if (summary->all_datetime)
		summary->all_datetime = sfm_read_datetime(value->u.p, value->len, &datetime);
	if (summary->all_uuid)
		summary->all_uuid = sfm_read_uuid(value->u.p, value->len, uuid, &canonical);
}

static void
summarize_row(void *arg, const int64 *rowid, const SfmValue *values)
{
	Inspection *inspection = arg;

	for (int i = 0; i < inspection->ncolumns; i++)
	{
		const SfmValue *value = &values[i];
		Summary    *summary = &inspection->summaries[i];

		if (value->cls == SFM_NULL)
			continue;
		if (summary->min.cls == SFM_NULL || compare_values(value, &summary->min) < 0)
			keep(&summary->min, value, inspection->mcxt);
		if (summary->max.cls == SFM_NULL || compare_values(value, &summary->max) > 0)
			keep(&summary->max, value, inspection->mcxt);
		if (value->cls == SFM_TEXT)
			summarize_text(summary, value);
		else if (value->cls == SFM_BLOB)
			summary->max_length = Max(summary->max_length, value->len);
		else if (value->cls == SFM_INTEGER && value->u.i != 0 && value->u.i != 1)
			summary->all_bits = false;
	}
}

static bool
name_suggests_digits(const char *name)
{
	static const char *const words[] = {"phone", "zip", "postal", "postcode", "fax", "mobile", "isbn", "iban"};
	char	   *lower = sfm_fold_name(name, SFM_IDENTIFIERS_LOWER);

	for (int i = 0; i < lengthof(words); i++)
		if (strstr(lower, words[i]))
			return true;
	return false;
}

/* What a DBA might want to say in "types". */
static List *
advice(const SfmPlanTable *table, const SfmPlanColumn *column, const Summary *summary)
{
	const int64 *n = column->seen.n;
	List	   *notes = NIL;
	SfmKind		kind = column->type.kind;
	bool		is_text = kind == SFM_KIND_TEXT || kind == SFM_KIND_VARCHAR;

	if (column->note)
		notes = lappend(notes, psprintf("Planned as %s: %s.", sfm_type_name(&column->planned),
										column->note));
	if (column->nulls_found)
		notes = lappend(notes, "It is declared NOT NULL but holds NULL.");
	if (is_text && n[SFM_TEXT] > 0 && summary->all_datetime && n[SFM_BLOB] == 0)
		notes = lappend(notes, "All texts are ISO dates or times; \"types\" can make it timestamp or timestamptz.");
	if (is_text && n[SFM_TEXT] > 0 && summary->all_uuid)
		notes = lappend(notes, "All texts are UUIDs; \"types\" can make it uuid.");
	if (kind == SFM_KIND_INT8 && n[SFM_INTEGER] > 0 && n[SFM_TEXT] == 0 && n[SFM_REAL] == 0 &&
		summary->all_bits && column->source->pk == 0)
		notes = lappend(notes, "All integers are 0 or 1; \"types\" can make it boolean.");
	if (n[SFM_INTEGER] > 0 && kind != SFM_KIND_BOOL && sfm_affinity(column->source->declared_type) != 'T' &&
		(name_suggests_digits(column->source->name) ||
		 (column->source->declared_type && pg_strncasecmp(column->source->declared_type, "string", 6) == 0)))
		notes = lappend(notes, "Its affinity is numeric, so SQLite may have removed leading zeros when the values were stored.");
	return notes;
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
put_column(ReturnSetInfo *rsinfo, const SfmPlanTable *table, const SfmPlanColumn *column,
		   const Summary *summary)
{
	Datum		values[15];
	bool		nulls[15] = {false};

	values[0] = CStringGetTextDatum(sfm_name_to_server(table->source->name));
	values[1] = CStringGetTextDatum(sfm_name_to_server(column->source->name));
	values[2] = text_or_null(column->source->declared_type ?
							 sfm_name_to_server(column->source->declared_type) : NULL, &nulls[2]);
	for (int i = 0; i < SFM_NCLASSES; i++)
		values[3 + i] = Int64GetDatum(column->seen.n[i]);
	values[8] = text_or_null(summary->min.cls == SFM_NULL ? NULL :
							 sfm_value_for_message(&summary->min), &nulls[8]);
	values[9] = text_or_null(summary->max.cls == SFM_NULL ? NULL :
							 sfm_value_for_message(&summary->max), &nulls[9]);
	values[10] = Int64GetDatum(summary->max_length);
	nulls[10] = summary->max_length < 0;
	values[11] = CStringGetTextDatum(sfm_type_name(&column->type));
	values[12] = text_or_null(sfm_reading_name(column->type.reading), &nulls[12]);
	values[13] = Int64GetDatum(column->misfits.n);
	values[14] = sfm_text_array(advice(table, column, summary));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static Summary *
inspect_table(SfmPlan *plan, SfmPlanTable *table)
{
	Inspection	inspection = {palloc0(sizeof(Summary) * table->ncolumns), table->ncolumns,
	CurrentMemoryContext};

	for (int i = 0; i < table->ncolumns; i++)
	{
		inspection.summaries[i].max_length = -1;
		inspection.summaries[i].all_datetime = true;
		inspection.summaries[i].all_uuid = true;
		inspection.summaries[i].all_bits = true;
	}
	sfm_survey_table(plan, table, summarize_row, &inspection);
	return inspection.summaries;
}

/* sqlite_mig.inspect(source, include, exclude, types): a row a column. */
void
sfm_inspect(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "SQLite inspection",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	SfmOptions *options;
	SfmSource  *source;
	SfmPlan    *plan;
	List	   *summaries = NIL;
	int			level;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(mcxt);
	options = sfm_inspect_options(fcinfo);
	level = sfm_safe_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(mcxt);
	options->types = sfm_type_rules(options->types_json);
	source = sfm_source_open(options->source);
	plan = sfm_plan_source(options, source);
	for (int i = 0; i < list_length(plan->tables); i++)
		summaries = lappend(summaries, inspect_table(plan, list_nth(plan->tables, i)));
	(void) sfm_plan_widen(plan);
	for (int i = 0; i < list_length(plan->tables); i++)
	{
		SfmPlanTable *table = list_nth(plan->tables, i);
		Summary    *of_table = list_nth(summaries, i);

		for (int j = 0; j < table->ncolumns; j++)
			put_column(rsinfo, table, &table->columns[j], &of_table[j]);
	}
	sfm_source_close(source);
	SPI_finish();
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
}
