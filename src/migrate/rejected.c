/*
 * rejected.c
 *		The rows that a run kept out of a table, as verify() passes over them.
 *
 * Their rowids come through a cursor, in order, and the source is read in that order
 * too: however many they are, a batch of them is held.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_migrate.h"

/* Rowids fetched at a time. */
#define BATCH 1000

/* The rowids that follow; none when there are no more. */
static void
fetch_batch(SfmRejected *rejected)
{
	MemoryContext old = CurrentMemoryContext;

	if (rejected->batch != NULL)
		SPI_freetuptable(rejected->batch);
	SPI_cursor_fetch(rejected->cursor, true, BATCH);
	rejected->batch = SPI_tuptable;
	rejected->nbatch = SPI_processed;
	rejected->at = 0;
	MemoryContextSwitchTo(old);
}

/* Those of a run and a source table, by its name in the server's encoding. */
SfmRejected *
sfm_rejected_open(int64 migration_id, const char *source_table)
{
	SfmRejected *rejected = palloc0(sizeof(SfmRejected));
	MemoryContext old = CurrentMemoryContext;
	char	   *rows = psprintf("FROM sqlite_mig.rejected_row WHERE migration_id = %lld AND source_table = %s",
								(long long) migration_id, sfm_literal(source_table));
	SPIParseOpenOptions options = {.read_only = true};
	bool		isnull;

	rejected->with_rowid = sfm_query_int64(psprintf("SELECT count(source_rowid) %s", rows), &isnull);
	rejected->without_rowid = sfm_query_int64(psprintf("SELECT count(*) - count(source_rowid) %s", rows), &isnull);
	if (rejected->with_rowid > 0)
	{
		rejected->cursor = SPI_cursor_parse_open(NULL,
												 psprintf("SELECT source_rowid %s AND source_rowid IS NOT NULL ORDER BY 1", rows),
												 &options);
		MemoryContextSwitchTo(old);
		fetch_batch(rejected);
	}
	MemoryContextSwitchTo(old);
	return rejected;
}

/* Whether a row is among them; to be asked in the order of rowids. */
bool
sfm_rejected_has(SfmRejected *rejected, int64 rowid)
{
	if (rejected->cursor == NULL)
		return false;
	while (rejected->nbatch > 0)
	{
		bool		isnull;
		int64		next;

		if (rejected->at == rejected->nbatch)
		{
			fetch_batch(rejected);
			continue;
		}
		next = DatumGetInt64(SPI_getbinval(rejected->batch->vals[rejected->at],
										   rejected->batch->tupdesc, 1, &isnull));
		if (next >= rowid)
			return next == rowid;
		rejected->at++;
	}
	return false;
}

void
sfm_rejected_close(SfmRejected *rejected)
{
	if (rejected->batch != NULL)
		SPI_freetuptable(rejected->batch);
	if (rejected->cursor != NULL)
		SPI_cursor_close(rejected->cursor);
	pfree(rejected);
}
