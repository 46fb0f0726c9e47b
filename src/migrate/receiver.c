/*
 * receiver.c
 *		Rows of a query straight into a heap table: the shape of intorel_receive()
 *		with the buffering of COPY.
 *
 * Legal only for a plain heap table that the same call created, with no index,
 * trigger, rule, policy, default or constraint but NOT NULL: then there is nothing
 * that INSERT would do beyond storing the tuple (sfm_fast_obstacle() checks what is
 * there rather than what we think we made, since event triggers may have added to
 * it).  NOT NULL is checked here.
 *
 * Frozen tuples: the table was created in this very subtransaction, so its rows
 * vanish with it if that is rolled back.  As after COPY FREEZE, a snapshot older
 * than our commit will see the rows; matview.c's transientrel_startup() is the
 * precedent for doing so without COPY's test for other snapshots.
 *
 * Buffers: COPY writes through a small ring, since nobody may read the rows soon.
 * Here the table is read several times before the call ends (indexes, foreign keys,
 * verification, ANALYZE), so that it stays in shared buffers up to the size from
 * which scans of it would use a ring, a quarter of them (initscan() in heapam.c).
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "sfm_migrate.h"

/* As COPY has it (copyfrom.c): a batch ends at either of these. */
#define BATCH_TUPLES 1000
#define BATCH_BYTES 65535
/* Has room for a batch of small rows. */
#define BATCH_BLOCK (256 * 1024)

typedef struct LoadReceiver
{
	DestReceiver pub;
	Oid			relid;
	Relation	rel;
	SfmScanSink *sink;
	const bool *not_null;
	bool	   *nulls_found;
	BulkInsertState bistate;
	BufferAccessStrategy ring;	/* for a large table; NULL when it is in use */
	CommandId	cid;
	int			options;
	TupleTableSlot *slots[BATCH_TUPLES];
	int			nslots;			/* allocated */
	int			nused;
	Size		bytes;
	MemoryContext tuples;		/* of the batch */
	MemoryContext batch;		/* for table_multi_insert(), which may leak */
	int64		rows;
} LoadReceiver;

static void
load_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	LoadReceiver *receiver = (LoadReceiver *) self;

	receiver->rel = table_open(receiver->relid, RowExclusiveLock);
	/* No transaction id can be assigned once the query runs in parallel mode. */
	(void) GetCurrentTransactionId();
	receiver->cid = GetCurrentCommandId(true);
	receiver->options = TABLE_INSERT_SKIP_FSM;
	if (receiver->rel->rd_createSubid == GetCurrentSubTransactionId())
	{
		CheckTableNotInUse(receiver->rel, "migrate");
		receiver->options |= TABLE_INSERT_FROZEN;
	}
	receiver->bistate = GetBulkInsertState();
	receiver->ring = receiver->bistate->strategy;
	receiver->bistate->strategy = NULL;
	/* a reset keeps the first block */
	receiver->tuples = AllocSetContextCreate(CurrentMemoryContext, "SQLite load tuples",
											 BATCH_BLOCK, BATCH_BLOCK, ALLOCSET_DEFAULT_MAXSIZE);
	receiver->batch = AllocSetContextCreate(CurrentMemoryContext, "SQLite load batch",
											ALLOCSET_DEFAULT_SIZES);
}

static void
flush(LoadReceiver *receiver)
{
	MemoryContext old;

	if (receiver->nused == 0)
		return;
	old = MemoryContextSwitchTo(receiver->batch);
	table_multi_insert(receiver->rel, receiver->slots, receiver->nused, receiver->cid,
					   receiver->options, receiver->bistate);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->batch);
	if (receiver->ring != NULL &&
		ItemPointerGetBlockNumber(&receiver->slots[receiver->nused - 1]->tts_tid) > NBuffers / 4)
	{
		receiver->bistate->strategy = receiver->ring;
		receiver->ring = NULL;
	}
	for (int i = 0; i < receiver->nused; i++)
	{
		/* the reset frees them, all at once */
		receiver->slots[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(receiver->slots[i]);
	}
	MemoryContextReset(receiver->tuples);
	receiver->rows += receiver->nused;
	receiver->nused = 0;
	receiver->bytes = 0;
}

/* A NULL where the table has NOT NULL: from here on the scan only looks. */
static bool
meets_not_null(LoadReceiver *receiver, TupleTableSlot *slot)
{
	bool		good = true;

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (receiver->not_null[i] && slot->tts_isnull[i])
		{
			receiver->nulls_found[i] = true;
			receiver->sink->collecting = true;
			good = false;
		}
	return good;
}

static bool
load_receive(TupleTableSlot *slot, DestReceiver *self)
{
	LoadReceiver *receiver = (LoadReceiver *) self;
	TupleTableSlot *buffered;
	HeapTuple	tuple;
	MemoryContext old;

	slot_getallattrs(slot);
	if (!meets_not_null(receiver, slot))
		return true;
	/* formed here: the scan's slot would form one of its own, and ExecCopySlot() copy that */
	if (receiver->nused == receiver->nslots)
		receiver->slots[receiver->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(receiver->rel), &TTSOpsHeapTuple);
	buffered = receiver->slots[receiver->nused++];
	old = MemoryContextSwitchTo(receiver->tuples);
	tuple = heap_form_tuple(RelationGetDescr(receiver->rel), slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(old);
	/* as if it were the slot's own, or heap_multi_insert() would have the slot copy it */
	ExecStoreHeapTuple(tuple, buffered, true);
	buffered->tts_tableOid = receiver->relid;
	receiver->bytes += tuple->t_len;
	if (receiver->nused == BATCH_TUPLES || receiver->bytes >= BATCH_BYTES)
		flush(receiver);
	return true;
}

static void
load_shutdown(DestReceiver *self)
{
	LoadReceiver *receiver = (LoadReceiver *) self;

	flush(receiver);
	for (int i = 0; i < receiver->nslots; i++)
		ExecDropSingleTupleTableSlot(receiver->slots[i]);
	FreeBulkInsertState(receiver->bistate);
	FreeAccessStrategy(receiver->ring);
	table_finish_bulk_insert(receiver->rel, receiver->options);
	MemoryContextDelete(receiver->batch);
	MemoryContextDelete(receiver->tuples);
	/* The lock stays until the end of the transaction. */
	table_close(receiver->rel, NoLock);
}

static void
load_destroy(DestReceiver *self)
{
	pfree(self);
}

/*
 * Why rows cannot be written straight into the table: a clause for the notes, or
 * NULL when they can.
 */
const char *
sfm_fast_obstacle(Oid relid, int ncolumns)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	const char *obstacle = NULL;

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		obstacle = "it is no plain heap table";
	else if (rel->rd_createSubid == InvalidSubTransactionId)
		obstacle = "it was there before";
	else if (desc->constr && desc->constr->has_generated_stored)
		obstacle = SFM_COMPUTED_OBSTACLE;
	else if (rel->rd_rel->relhasindex || rel->rd_rel->relhasrules || rel->trigdesc ||
			 rel->rd_rel->relrowsecurity || desc->natts != ncolumns ||
			 (desc->constr && desc->constr->num_check > 0))
		obstacle = "something else than this call has changed its definition";
	table_close(rel, AccessShareLock);
	return obstacle;
}

/*
 * Runs the query and writes its rows into the table, whose columns are the
 * query's.  Returns the number of rows written.  not_null has an entry a column;
 * where a NULL is met in such a column, nulls_found[] says so and the sink is set
 * to collect, so that no more rows come.
 */
int64
sfm_load_fast(Oid relid, const char *select, SfmScanSink *sink, const bool *not_null,
			  bool *nulls_found)
{
	LoadReceiver *receiver = palloc0(sizeof(LoadReceiver));
	SPIExecuteOptions options = {0};
	MemoryContext mcxt = CurrentMemoryContext;
	int64		rows;
	int			rc;

	receiver->pub.rStartup = load_startup;
	receiver->pub.receiveSlot = load_receive;
	receiver->pub.rShutdown = load_shutdown;
	receiver->pub.rDestroy = load_destroy;
	receiver->pub.mydest = DestNone;
	receiver->relid = relid;
	receiver->sink = sink;
	receiver->not_null = not_null;
	receiver->nulls_found = nulls_found;

	options.dest = (DestReceiver *) receiver;
	rc = SPI_execute_extended(select, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(rc));
	MemoryContextSwitchTo(mcxt);
	rows = receiver->rows;
	load_destroy((DestReceiver *) receiver);
	return rows;
}
