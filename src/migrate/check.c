/*
 * check.c
 *		The target's side of the verification: rows read back by a query, hashed as
 *		they come, and compared with what was read from the source.
 *
 * The query runs in the executor like any other, so that it sees what a reader of
 * the table would see: partitions, policies, foreign partitions included.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "executor/tuptable.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sfm_migrate.h"

/*
 * Sums
 */

struct SfmTargetAdder
{
	SfmRowHash *hash;
	const SfmType *types;
	int		   *dates;			/* which columns are dates or times */
	int			ndates;
};

static bool
is_date_kind(SfmKind kind)
{
	return kind == SFM_KIND_DATE || kind == SFM_KIND_TIME ||
		kind == SFM_KIND_TIMESTAMP || kind == SFM_KIND_TIMESTAMPTZ;
}

/* What adds rows of these types, which must live as long, to sums. */
SfmTargetAdder *
sfm_target_adder(int ncolumns, const SfmType *types)
{
	SfmTargetAdder *adder = palloc0(sizeof(SfmTargetAdder));

	adder->hash = sfm_rowhash_create(ncolumns, types);
	adder->types = types;
	adder->dates = palloc(sizeof(int) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
		if (is_date_kind(types[i].kind))
			adder->dates[adder->ndates++] = i;
	return adder;
}

/* Orders date and time values, which are all 32 or 64 bit integers inside. */
static int64
date_key(SfmKind kind, Datum value)
{
	return kind == SFM_KIND_DATE ? DatumGetDateADT(value) : DatumGetInt64(value);
}

/* The value that has this key. */
Datum
sfm_date_datum(SfmKind kind, int64 key)
{
	return kind == SFM_KIND_DATE ? DateADTGetDatum((DateADT) key) : Int64GetDatum(key);
}

static inline void
widen_range(SfmDateRange *range, int64 key)
{
	if (!range->known || key < range->min)
		range->min = key;
	if (!range->known || key > range->max)
		range->max = key;
	range->known = true;
}

/* Adds one row. */
void
sfm_target_add(SfmTargetAdder *adder, const Datum *values, const bool *isnull,
			   SfmTargetSum *sum)
{
	sfm_rowhash_add_target(adder->hash, values, isnull, &sum->checksum);
	for (int i = 0; i < adder->ndates; i++)
	{
		int			n = adder->dates[i];

		if (!isnull[n])
			widen_range(&sum->dates[n], date_key(adder->types[n].kind, values[n]));
	}
}

/* Adds the sum of other rows of the same table. */
void
sfm_target_merge(SfmTargetSum *into, const SfmTargetSum *other, int ncolumns)
{
	sfm_checksum_add(&into->checksum, &other->checksum);
	for (int i = 0; i < ncolumns; i++)
		if (other->dates[i].known)
		{
			widen_range(&into->dates[i], other->dates[i].min);
			widen_range(&into->dates[i], other->dates[i].max);
		}
}

/*
 * The rows of a query
 */

typedef struct CheckReceiver
{
	DestReceiver pub;
	SfmTargetAdder *adder;
	SfmTargetSum *sum;
} CheckReceiver;

static void
check_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static bool
check_receive(TupleTableSlot *slot, DestReceiver *self)
{
	CheckReceiver *receiver = (CheckReceiver *) self;

	slot_getallattrs(slot);
	sfm_target_add(receiver->adder, slot->tts_values, slot->tts_isnull, receiver->sum);
	return true;
}

static void
check_nothing(DestReceiver *self)
{
}

/* The sum of the rows of a query, whose columns have these types; palloc'd. */
SfmTargetSum *
sfm_target_sum(const char *query, int ncolumns, const SfmType *types)
{
	CheckReceiver receiver = {0};
	SPIExecuteOptions options = {0};
	MemoryContext mcxt = CurrentMemoryContext;
	int			rc;

	receiver.pub.rStartup = check_startup;
	receiver.pub.receiveSlot = check_receive;
	receiver.pub.rShutdown = check_nothing;
	receiver.pub.rDestroy = check_nothing;
	receiver.pub.mydest = DestNone;
	receiver.adder = sfm_target_adder(ncolumns, types);
	receiver.sum = palloc0(SFM_TARGET_SUM_SIZE(ncolumns));

	options.dest = (DestReceiver *) &receiver;
	rc = SPI_execute_extended(query, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(rc));
	MemoryContextSwitchTo(mcxt);
	sfm_rowhash_free(receiver.adder->hash);
	return receiver.sum;
}

/*
 * The check of a table
 */

/* A target's migrated columns, generated ones included; quoted and separated. */
char *
sfm_check_columns(const SfmPlanTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&buf, "%s%s", i ? ", " : "", quote_identifier(table->columns[i].target));
	return buf.data;
}

/* What stands behind FROM to mean the rows of the run; with upsert those that the source has. */
char *
sfm_checked_rows(const SfmPlan *plan, const SfmPlanTable *table)
{
	if (sfm_is_upsert(plan, table))
		return psprintf("%s t WHERE %s", sfm_target_rows(table), sfm_upsert_condition(table));
	return pstrdup(sfm_target_rows(table));
}

/* The query that reads them back. */
static char *
check_query(const SfmPlan *plan, const SfmPlanTable *table)
{
	if (sfm_is_upsert(plan, table))
		return sfm_upsert_rows(table);
	return psprintf("SELECT %s FROM %s", sfm_check_columns(table), sfm_checked_rows(plan, table));
}

/* The types of a table's migrated columns, palloc'd. */
SfmType *
sfm_column_types(const SfmPlanTable *table)
{
	SfmType    *types = palloc(sizeof(SfmType) * Max(table->ncolumns, 1));

	for (int i = 0; i < table->ncolumns; i++)
		types[i] = table->columns[i].type;
	return types;
}

/* What an existing target holds before rows are appended, under the lock. */
void
sfm_check_before(SfmPlan *plan, SfmPlanTable *table)
{
	table->target_before = sfm_target_sum(check_query(plan, table), table->ncolumns,
										  sfm_column_types(table))->checksum;
}

/* Remembers what was read back of a target: the sum of its rows, and the range of its dates. */
void
sfm_take_target_sum(SfmPlanTable *table, const SfmTargetSum *sum)
{
	table->target_sum = sum->checksum;
	for (int i = 0; i < table->ncolumns; i++)
		table->columns[i].target_dates = sum->dates[i];
	sfm_checksum_subtract(&table->target_sum, &table->target_before);
}

/* Reads the target back, unless that was done. */
static void
sum_target(SfmPlan *plan, SfmPlanTable *table)
{
	MemoryContext work;

	if (table->read_back)
		return;
	work = sfm_work_begin();
	sfm_take_target_sum(table, sfm_target_sum(check_query(plan, table), table->ncolumns,
											  sfm_column_types(table)));
	sfm_work_end(work);
}

static void
raise_difference(const SfmPlanTable *table, const char *what, const char *source,
				 const char *target)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("verification of table %s failed", table->qualified),
			 errdetail("Source and target differ in %s: %s and %s.", what, source, target),
			 errhint("Nothing was migrated. A trigger, rule or policy of the target may have changed rows; else please report this.")));
}

/*
 * Compares what arrived with the source: counts, and with verify => 'checksum' the
 * sums over all rows.  Raises the first difference.
 */
void
sfm_verify_table(SfmPlan *plan, SfmPlanTable *table)
{
	if (plan->options->verify == SFM_METHOD_CHECKSUM)
		sum_target(plan, table);
	else if (plan->options->verify == SFM_METHOD_COUNT)
	{
		bool		isnull;

		table->target_sum.rows = sfm_query_int64(psprintf("SELECT count(*) FROM %s",
														  sfm_checked_rows(plan, table)), &isnull);
		if (!sfm_is_upsert(plan, table))
			table->target_sum.rows -= table->rows_before;
	}
	else
		return;

	if (table->source_count != table->target_sum.rows + table->rejected_rows)
		raise_difference(table, "their number of rows",
						 psprintf("%lld", (long long) table->source_count),
						 psprintf("%lld", (long long) (table->target_sum.rows + table->rejected_rows)));
	if (plan->options->verify == SFM_METHOD_CHECKSUM &&
		!sfm_checksum_equal(&table->source_sum, &table->target_sum))
		raise_difference(table, "their checksum", sfm_checksum_text(&table->source_sum),
						 sfm_checksum_text(&table->target_sum));
	table->was_verified = true;
	table->verified = true;
}
