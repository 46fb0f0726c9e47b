/*
 * check_parallel.c
 *		The target's side of the verification by several processes: parallel workers
 *		share the scan of a table that this call made, each adds up the rows it met.
 *
 * Sums of parts add up to the whole's (rowhash.c), so that nothing needs an order.
 * Workers see the uncommitted table because they share the leader's transaction,
 * as those of a parallel index build do.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "sfm_migrate.h"

/* Keys in the table of contents of the segment. */
#define KEY_CHECK UINT64CONST(1)
#define KEY_SCAN UINT64CONST(2)

/* A worker is worth its start for so many pages. */
#define PAGES_A_WORKER 4096

/* One column to be checked. */
typedef struct CheckColumn
{
	AttrNumber	attnum;
	SfmType		type;
} CheckColumn;

typedef struct CheckShared
{
	Oid			relid;
	int			ncolumns;
	int			nsums;			/* the leader's is the first */
	/* follow: ncolumns times CheckColumn, then for each process an SfmTargetSum */
} CheckShared;

#define COLUMNS_AT MAXALIGN(sizeof(CheckShared))
#define SUMS_AT(ncolumns) (COLUMNS_AT + MAXALIGN(sizeof(CheckColumn) * (ncolumns)))

static SfmTargetSum *
nth_sum(CheckShared *shared, int n)
{
	return (SfmTargetSum *) ((char *) shared + SUMS_AT(shared->ncolumns) +
							 SFM_TARGET_SUM_SIZE(shared->ncolumns) * n);
}

extern PGDLLEXPORT void sqlite_fdw_mig_check_main(dsm_segment *segment, shm_toc *toc);

/* One process's share of the rows. */
static void
check_rows(CheckShared *shared, ParallelTableScanDesc parallel, SfmTargetSum *sum)
{
	Relation	rel = table_open(shared->relid, AccessShareLock);
	TableScanDesc scan = table_beginscan_parallel(rel, parallel);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	const CheckColumn *columns = (const CheckColumn *) ((char *) shared + COLUMNS_AT);
	int			n = shared->ncolumns;
	SfmType    *types = palloc(sizeof(SfmType) * n);
	Datum	   *values = palloc(sizeof(Datum) * n);
	bool	   *isnull = palloc(sizeof(bool) * n);
	SfmTargetAdder *adder;

	for (int i = 0; i < n; i++)
		types[i] = columns[i].type;
	adder = sfm_target_adder(n, types);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		for (int i = 0; i < n; i++)
		{
			values[i] = slot->tts_values[columns[i].attnum - 1];
			isnull[i] = slot->tts_isnull[columns[i].attnum - 1];
		}
		sfm_target_add(adder, values, isnull, sum);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	table_close(rel, NoLock);
}

/* Where a parallel worker begins. */
void
sqlite_fdw_mig_check_main(dsm_segment *segment, shm_toc *toc)
{
	CheckShared *shared = shm_toc_lookup(toc, KEY_CHECK, false);

	check_rows(shared, shm_toc_lookup(toc, KEY_SCAN, false),
			   nth_sum(shared, ParallelWorkerNumber + 1));
}

/* The pages of a table and of what it has out of line. */
static BlockNumber
pages_to_read(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	if (OidIsValid(rel->rd_rel->reltoastrelid))
		pages += pages_to_read(rel->rd_rel->reltoastrelid);
	table_close(rel, NoLock);
	return pages;
}

/*
 * How many workers shall share the scan of a target; 0 where it must go through the
 * executor, or is not worth it.
 */
int
sfm_check_workers(const SfmPlanTable *table, const SfmType *types)
{
	/* what went the fast way is a plain table of our own */
	if (table->exists || table->fast_rows != table->target_rows || table->ncolumns == 0 ||
		!sfm_rowhash_is_plain(table->ncolumns, types))
		return 0;
	return Min(pages_to_read(table->relid) / PAGES_A_WORKER, max_parallel_maintenance_workers);
}

/*
 * Adds up the target's rows in up to nworkers parallel workers and this process.
 * Returns the whole's sum, palloc'd.
 */
SfmTargetSum *
sfm_check_parallel(const SfmPlanTable *table, const SfmType *types, int nworkers)
{
	int			n = table->ncolumns;
	Size		check_size = SUMS_AT(n) + SFM_TARGET_SUM_SIZE(n) * (nworkers + 1);
	SfmTargetSum *result = palloc0(SFM_TARGET_SUM_SIZE(n));
	Relation	rel;
	Snapshot	snapshot;
	ParallelContext *context;
	ParallelTableScanDesc scan;
	CheckShared *shared;
	CheckColumn *columns;
	Size		scan_size;

	CommandCounterIncrement();
	rel = table_open(table->relid, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();
	EnterParallelMode();
	context = CreateParallelContext("sqlite_fdw_mig", "sqlite_fdw_mig_check_main", nworkers);
	scan_size = table_parallelscan_estimate(rel, snapshot);
	shm_toc_estimate_chunk(&context->estimator, check_size);
	shm_toc_estimate_chunk(&context->estimator, scan_size);
	shm_toc_estimate_keys(&context->estimator, 2);
	InitializeParallelDSM(context);

	shared = shm_toc_allocate(context->toc, check_size);
	memset(shared, 0, check_size);
	shared->relid = table->relid;
	shared->ncolumns = n;
	shared->nsums = nworkers + 1;
	columns = (CheckColumn *) ((char *) shared + COLUMNS_AT);
	for (int i = 0; i < n; i++)
	{
		columns[i].attnum = get_attnum(table->relid, table->columns[i].target);
		columns[i].type = types[i];
	}
	shm_toc_insert(context->toc, KEY_CHECK, shared);
	scan = shm_toc_allocate(context->toc, scan_size);
	table_parallelscan_initialize(rel, scan, snapshot);
	shm_toc_insert(context->toc, KEY_SCAN, scan);

	LaunchParallelWorkers(context);
	check_rows(shared, scan, nth_sum(shared, 0));
	WaitForParallelWorkersToFinish(context);
	for (int i = 0; i < shared->nsums; i++)
		sfm_target_merge(result, nth_sum(shared, i), n, types);
	DestroyParallelContext(context);
	ExitParallelMode();
	PopActiveSnapshot();
	table_close(rel, NoLock);
	return result;
}
