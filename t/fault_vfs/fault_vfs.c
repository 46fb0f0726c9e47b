/*
 * fault_vfs.c
 *		For tests alone: makes one of SQLite's reads, locks, opens or allocations fail.
 *
 * LOADed into a session before anything in it uses SQLite.  It wraps SQLite's
 * allocator and its default VFS, and becomes the default.  Settings say what fails:
 *
 *	fault_vfs.kind		read, lock, open, size, shm, alloc; or io, all but the last
 *	fault_vfs.at		the n-th call of that kind fails; setting it counts anew; 0: none
 *	fault_vfs.sticky	and all later ones too
 *	fault_vfs.heap_limit	SQLite's hard limit, in kB, as another extension may set it
 *
 * and tell what happened: fault_vfs.count, the calls of that kind since then;
 * fault_vfs.memory, the bytes that SQLite has allocated now.
 */
#include "postgres.h"

#include <limits.h>
#include <sqlite3.h>

#include "fmgr.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

enum
{
	KIND_READ = 1,
	KIND_LOCK = 2,
	KIND_OPEN = 4,
	KIND_SIZE = 8,
	KIND_SHM = 16,
	KIND_ALLOC = 32,
	KIND_IO = 31
};

static const struct config_enum_entry kinds[] = {
	{"read", KIND_READ, false},
	{"lock", KIND_LOCK, false},
	{"open", KIND_OPEN, false},
	{"size", KIND_SIZE, false},
	{"shm", KIND_SHM, false},
	{"alloc", KIND_ALLOC, false},
	{"io", KIND_IO, false},
	{NULL, 0, false}
};

static int	kind = KIND_READ;
static int	at = 0;
static bool sticky = false;
static int	heap_limit = 0;
static int	shown = 0;			/* value of the settings that only tell something */
static int	count = 0;

typedef struct FaultFile
{
	sqlite3_file base;
	sqlite3_file *real;
} FaultFile;

#define REAL(file) (((FaultFile *) (file))->real)

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
static sqlite3_io_methods methods;
static sqlite3_mem_methods real_mem;

/* Counts a call of this kind; whether it is the one that fails. */
static bool
fails(int which)
{
	if ((which & kind) == 0)
		return false;
	count++;
	return at > 0 && (sticky ? count >= at : count == at);
}

static int
fault_close(sqlite3_file *file)
{
	return REAL(file)->pMethods ? REAL(file)->pMethods->xClose(REAL(file)) : SQLITE_OK;
}

static int
fault_read(sqlite3_file *file, void *buf, int amount, sqlite3_int64 offset)
{
	if (fails(KIND_READ))
		return SQLITE_IOERR_READ;
	return REAL(file)->pMethods->xRead(REAL(file), buf, amount, offset);
}

static int
fault_write(sqlite3_file *file, const void *buf, int amount, sqlite3_int64 offset)
{
	return REAL(file)->pMethods->xWrite(REAL(file), buf, amount, offset);
}

static int
fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return REAL(file)->pMethods->xTruncate(REAL(file), size);
}

static int
fault_sync(sqlite3_file *file, int flags)
{
	return REAL(file)->pMethods->xSync(REAL(file), flags);
}

static int
fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
	if (fails(KIND_SIZE))
		return SQLITE_IOERR_FSTAT;
	return REAL(file)->pMethods->xFileSize(REAL(file), size);
}

static int
fault_lock(sqlite3_file *file, int level)
{
	if (fails(KIND_LOCK))
		return SQLITE_IOERR_LOCK;
	return REAL(file)->pMethods->xLock(REAL(file), level);
}

static int
fault_unlock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xUnlock(REAL(file), level);
}

static int
fault_reserved(sqlite3_file *file, int *result)
{
	if (fails(KIND_LOCK))
		return SQLITE_IOERR_CHECKRESERVEDLOCK;
	return REAL(file)->pMethods->xCheckReservedLock(REAL(file), result);
}

static int
fault_control(sqlite3_file *file, int op, void *arg)
{
	return REAL(file)->pMethods->xFileControl(REAL(file), op, arg);
}

static int
fault_sector(sqlite3_file *file)
{
	return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int
fault_device(sqlite3_file *file)
{
	return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int
fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **where)
{
	if (fails(KIND_SHM))
	{
		*where = NULL;
		return SQLITE_IOERR_SHMMAP;
	}
	return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, where);
}

static int
fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	/* An unlock that fails is no fault of the system that SQLite is made for. */
	if ((flags & SQLITE_SHM_LOCK) && fails(KIND_LOCK))
		return SQLITE_IOERR_SHMLOCK;
	return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}

static void
fault_shm_barrier(sqlite3_file *file)
{
	REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int
fault_shm_unmap(sqlite3_file *file, int deletes)
{
	return REAL(file)->pMethods->xShmUnmap(REAL(file), deletes);
}

static int
fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	int			rc;

	file->pMethods = NULL;
	if (fails(KIND_OPEN))
		return SQLITE_CANTOPEN;
	REAL(file) = (sqlite3_file *) ((FaultFile *) file + 1);
	rc = real_vfs->xOpen(real_vfs, name, REAL(file), flags, out);
	if (REAL(file)->pMethods)
		file->pMethods = &methods;
	return rc;
}

static int
fault_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	if (fails(KIND_OPEN))
		return SQLITE_IOERR_ACCESS;
	return real_vfs->xAccess(real_vfs, name, flags, result);
}

static int
fault_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	if (fails(KIND_OPEN))
		return SQLITE_CANTOPEN_FULLPATH;
	return real_vfs->xFullPathname(real_vfs, name, size, out);
}

static void *
fault_malloc(int size)
{
	return fails(KIND_ALLOC) ? NULL : real_mem.xMalloc(size);
}

static void *
fault_realloc(void *old, int size)
{
	return fails(KIND_ALLOC) ? NULL : real_mem.xRealloc(old, size);
}

static void
begin_count(int newval, void *extra)
{
	count = 0;
}

static const char *
show_count(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%d", count);
	return text;
}

static void
set_heap_limit(int newval, void *extra)
{
	(void) sqlite3_hard_heap_limit64((sqlite3_int64) newval * 1024);
}

/* The limit as it is now, whoever set it. */
static const char *
show_heap_limit(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%lld", (long long) sqlite3_hard_heap_limit64(-1) / 1024);
	return text;
}

static const char *
show_memory(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%lld", (long long) sqlite3_memory_used());
	return text;
}

static void
wrap_vfs(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *real_vfs;
	fault_vfs.zName = "fault_vfs";
	fault_vfs.pNext = NULL;
	fault_vfs.szOsFile = sizeof(FaultFile) + real_vfs->szOsFile;
	fault_vfs.xOpen = fault_open;
	fault_vfs.xAccess = fault_access;
	fault_vfs.xFullPathname = fault_path;

	methods.iVersion = 2;		/* no memory-mapped files */
	methods.xClose = fault_close;
	methods.xRead = fault_read;
	methods.xWrite = fault_write;
	methods.xTruncate = fault_truncate;
	methods.xSync = fault_sync;
	methods.xFileSize = fault_size;
	methods.xLock = fault_lock;
	methods.xUnlock = fault_unlock;
	methods.xCheckReservedLock = fault_reserved;
	methods.xFileControl = fault_control;
	methods.xSectorSize = fault_sector;
	methods.xDeviceCharacteristics = fault_device;
	methods.xShmMap = fault_shm_map;
	methods.xShmLock = fault_shm_lock;
	methods.xShmBarrier = fault_shm_barrier;
	methods.xShmUnmap = fault_shm_unmap;
	if (sqlite3_vfs_register(&fault_vfs, 1) != SQLITE_OK)
		elog(ERROR, "could not register the VFS");
}

void
_PG_init(void)
{
	sqlite3_mem_methods mem;

	DefineCustomEnumVariable("fault_vfs.kind", "What fails.", NULL, &kind, KIND_READ, kinds,
							 PGC_USERSET, 0, NULL, begin_count, NULL);
	DefineCustomIntVariable("fault_vfs.at", "Which call fails.", NULL, &at, 0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, begin_count, NULL);
	DefineCustomBoolVariable("fault_vfs.sticky", "Whether later ones fail too.", NULL, &sticky, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("fault_vfs.count", "Calls since the last setting.", NULL, &shown, 0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, show_count);
	DefineCustomIntVariable("fault_vfs.memory", "Bytes that SQLite has allocated.", NULL, &shown, 0, 0,
							INT_MAX, PGC_USERSET, 0, NULL, NULL, show_memory);

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_mem) != SQLITE_OK)
		elog(ERROR, "SQLite is in use already");
	mem = real_mem;
	mem.xMalloc = fault_malloc;
	mem.xRealloc = fault_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mem) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK)
		elog(ERROR, "could not wrap SQLite's allocator");
	wrap_vfs();

	/* sets the limit, for which SQLite is initialized */
	DefineCustomIntVariable("fault_vfs.heap_limit", "SQLite's hard heap limit.", NULL, &heap_limit, 0, 0,
							INT_MAX, PGC_USERSET, 0, NULL, set_heap_limit, show_heap_limit);
}
