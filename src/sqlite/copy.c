/*
 * copy.c
 *		A private copy of a WAL-mode database, for where the -shm that SQLite needs
 *		beside the original is missing or not ours to write.
 *
 * Without a -shm no connection is using the file through shared memory, so that
 * the pair (database, -wal) stands still unless one is just being opened.  It is
 * copied under SQLite's own SHARED lock on the database, and both files are looked
 * at before and after: if anything changed, the copy is taken again.
 *
 * The copy lies in a directory under base/pgsql_tmp whose name starts as those of
 * PostgreSQL's temporary files do, which a restart after a crash removes.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_utils.h"
#include "miscadmin.h"
#include "storage/copydir.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "sqlite_internal.h"

#define COPY_TRIES 5
#define CHUNK (256 * 1024)

/* PostgreSQL counts only temporary files of its own making against the limit. */
static void
check_temp_file_limit(const char *path, const SfmFileIdentity *identity)
{
	int64		kilobytes = (identity->size + Max(identity->wal_size, 0)) / 1024;

	if (temp_file_limit >= 0 && kilobytes > temp_file_limit)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("a private copy of SQLite file \"%s\" would exceed temp_file_limit (%dkB)",
						path, temp_file_limit),
				 errdetail("The file has a -wal without a usable -shm beside it, and can only be read from a copy of both."),
				 errhint("Raise temp_file_limit, or let the application close the file properly.")));
}

/* Writes all of chunk to fd, or raises. */
static void
write_chunk(int fd, const char *to, const char *chunk, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(fd, chunk, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", to)));
		}
		chunk += n;
		len -= n;
	}
}

/* Reads the open database through SQLite's VFS and writes it to the file "to". */
static void
copy_through_vfs(sqlite3_file *file, const char *path, const char *to)
{
	char	   *chunk = palloc(CHUNK);
	sqlite3_int64 size;
	int			fd;
	int			rc = file->pMethods->xFileSize(file, &size);

	if (rc != SQLITE_OK)
		sfm_throw_open(path, rc, NULL);
	fd = OpenTransientFile(to, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", to)));
	for (sqlite3_int64 at = 0; at < size; at += CHUNK)
	{
		int			n = (int) Min(CHUNK, size - at);

		CHECK_FOR_INTERRUPTS();
		rc = file->pMethods->xRead(file, chunk, n, at);
		if (rc != SQLITE_OK)
			sfm_throw_open(path, rc, NULL);
		write_chunk(fd, to, chunk, n);
	}
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", to)));
	pfree(chunk);
}

/* Takes SQLite's SHARED lock, waiting up to timeout ms. */
static void
lock_shared(sqlite3_file *file, const char *path, int timeout)
{
	TimestampTz start = GetCurrentTimestamp();

	for (;;)
	{
		int			rc = file->pMethods->xLock(file, SQLITE_LOCK_SHARED);

		if (rc == SQLITE_OK)
			return;
		if (rc != SQLITE_BUSY ||
			GetCurrentTimestamp() - start > (int64) timeout * 1000)
			sfm_throw_open(path, rc, NULL);
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000L);
	}
}

static void
copy_pair(const char *path, const char *vfs_name, int timeout, const char *to)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
	sqlite3_file *file = palloc0(vfs->szOsFile);
	char	   *name = (char *) sqlite3_create_filename(path, "", "", 0, NULL);
	int			flags;
	int			rc;

	if (name == NULL)
		sfm_throw_open(path, SQLITE_NOMEM, NULL);
	PG_TRY();
	{
		rc = vfs->xOpen(vfs, name, file,
						SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_NOFOLLOW,
						&flags);
		if (rc != SQLITE_OK)
			sfm_throw_open(path, rc, NULL);
		lock_shared(file, path, timeout);
		copy_through_vfs(file, path, to);
		/* SQLite's locks are not on the -wal: an ordinary copy is safe there. */
		copy_file(psprintf("%s-wal", path), psprintf("%s-wal", to));
	}
	PG_FINALLY();
	{
		if (file->pMethods != NULL)
			file->pMethods->xClose(file);	/* unlocks too */
		sqlite3_free_filename(name);
	}
	PG_END_TRY();
	pfree(file);
}

static bool
same_identity(const SfmFileIdentity *a, const SfmFileIdentity *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * Copies the database at path and its -wal.  Returns the copy's path, palloc'd;
 * *copy_dir is the directory to hand to sfm_copy_remove(), *identity what the
 * original was.  Leaves nothing behind when it raises.
 */
char *
sfm_copy_aside(const char *path, const char *vfs, int busy_timeout,
			   SfmFileIdentity *identity, char **copy_dir)
{
	static int	counter = 0;
	char	   *parent = psprintf("base/%s", PG_TEMP_FILES_DIR);
	char	   *dir = psprintf("%s/%s%d.sqlite%d", parent, PG_TEMP_FILE_PREFIX, MyProcPid, counter++);
	char	   *to = psprintf("%s/copy.db", dir);

	if (MakePGDirectory(parent) != 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", parent)));

	for (int try = 1;; try++)
	{
		SfmFileIdentity before;
		SfmFileIdentity after;

		sfm_copy_remove(dir);
		if (MakePGDirectory(dir) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create directory \"%s\": %m", dir)));
		PG_TRY();
		{
			sfm_identify(path, &before);
			check_temp_file_limit(path, &before);
			copy_pair(path, vfs, busy_timeout, to);
			sfm_identify(path, &after);
		}
		PG_CATCH();
		{
			sfm_copy_remove(dir);
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (same_identity(&before, &after))
		{
			*identity = after;
			*copy_dir = dir;
			return to;
		}
		if (try == COPY_TRIES)
		{
			sfm_copy_remove(dir);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("SQLite file \"%s\" changed while it was being copied", path),
					 errhint("Try again while the application is not writing.")));
		}
	}
}

/* Removes the directory of a copy with what is in it.  Never throws. */
void
sfm_copy_remove(const char *copy_dir)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

	for (int i = 0; i < lengthof(suffixes); i++)
	{
		char		name[MAXPGPATH];

		snprintf(name, sizeof(name), "%s/copy.db%s", copy_dir, suffixes[i]);
		(void) unlink(name);
	}
	(void) rmdir(copy_dir);
}
