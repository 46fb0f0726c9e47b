/*
 * memory.c
 *		How much memory SQLite may take: the setting sqlite_fdw_mig.sqlite_memory.
 *
 * SQLite allocates by malloc(), which work_mem does not count, and a file can make
 * it allocate what it likes: a view that sorts, a page cache size in the header, a
 * function that makes a text of a gigabyte.  Its heap limit turns that into the
 * error SQLITE_NOMEM.
 *
 * The limit is one for the process, where another extension may use SQLite as well.
 * Ours therefore holds only while a file of ours is read: from its opening, or the
 * beginning of its read transaction, to the end of that.  Afterwards the limits that
 * were found are put back.  Setting it for each call of SQLite would take a mutex
 * twice a row.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "sqlite_internal.h"

/* kB.  A value may have 1e9 bytes, and takes that much beside the page cache. */
#define DEFAULT_MEMORY (1280 * 1024)
#define LEAST_MEMORY (4 * 1024)

static int	sqlite_memory = DEFAULT_MEMORY;

static int	users = 0;			/* files under the limit */
static sqlite3_int64 in_force = 0;	/* the limit that was set for them, bytes */
static sqlite3_int64 hard_before;
static sqlite3_int64 soft_before;

/* Defines the setting; once, when the module is loaded. */
void
sfm_memory_init(void)
{
	DefineCustomIntVariable("sqlite_fdw_mig.sqlite_memory",
							"Memory that SQLite may take in a session.",
							"A file whose reading needs more gives an error.",
							&sqlite_memory, DEFAULT_MEMORY, LEAST_MEMORY, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

/* Before the file is used: the limit holds, as the setting is now.  Never throws. */
void
sfm_memory_begin(SfmFile *file)
{
	sqlite3_int64 limit = (sqlite3_int64) sqlite_memory * 1024;

	if (!file->memory_limited)
	{
		file->memory_limited = true;
		if (users++ == 0)
		{
			soft_before = sqlite3_soft_heap_limit64(-1);
			hard_before = sqlite3_hard_heap_limit64(-1);
			in_force = 0;
		}
	}
	if (in_force != limit)
	{
		(void) sqlite3_hard_heap_limit64(limit);
		in_force = limit;
	}
}

/* When it is not read any more.  Never throws; a second call does nothing. */
void
sfm_memory_end(SfmFile *file)
{
	if (!file->memory_limited)
		return;
	file->memory_limited = false;
	if (--users > 0)
		return;
	/* The hard limit has pulled the soft one down. */
	(void) sqlite3_hard_heap_limit64(hard_before);
	(void) sqlite3_soft_heap_limit64(soft_before);
}
