/*
 * sink.c
 *		Who listens to the scan of which foreign table.
 *
 * A scan finds its sink by the relation when it begins.  The sinks belong to their
 * callers; here is only the list of them, in TopTransactionContext, which a
 * subtransaction's end shortens and the transaction's end forgets.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "compat.h"
#include "fdw_internal.h"

typedef struct AttachedSink
{
	SfmScanSink *sink;
	SubTransactionId subid;		/* who attached it */
} AttachedSink;

static List *sinks = NIL;		/* of AttachedSink */

/* Lets the sink listen to the scans of its relation that begin from now on. */
void
sfm_sink_attach(SfmScanSink *sink)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	AttachedSink *attached = palloc(sizeof(AttachedSink));

	if (sfm_sink_find(sink->relid) != NULL)
		elog(ERROR, "foreign table %u already has a sink", sink->relid);
	attached->sink = sink;
	attached->subid = GetCurrentSubTransactionId();
	sinks = lappend(sinks, attached);
	MemoryContextSwitchTo(old);
}

/* Scans that have begun keep the sink; nothing happens when it is not attached. */
void
sfm_sink_detach(SfmScanSink *sink)
{
	ListCell   *lc;

	foreach(lc, sinks)
	{
		if (((AttachedSink *) lfirst(lc))->sink == sink)
		{
			sinks = list_delete_cell(sinks, lc);
			return;
		}
	}
}

/* The relation's sink, or NULL. */
SfmScanSink *
sfm_sink_find(Oid relid)
{
	ListCell   *lc;

	foreach(lc, sinks)
	{
		AttachedSink *attached = lfirst(lc);

		if (attached->sink->relid == relid)
			return attached->sink;
	}
	return NULL;
}

/* Called by the (sub)transaction callbacks: forgets those attached in subid. */
void
sfm_sink_forget(SubTransactionId subid)
{
	ListCell   *lc;

	foreach(lc, sinks)
	{
		if (((AttachedSink *) lfirst(lc))->subid == subid)
			sinks = foreach_delete_current(sinks, lc);
	}
}

/* Called at the end of the transaction, whose memory holds the list. */
void
sfm_sink_forget_all(void)
{
	sinks = NIL;
}
