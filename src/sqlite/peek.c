/*
 * peek.c
 *		The first bytes of a file, before it is opened as a database, and what
 *		identifies it on disk.
 *
 * The bytes are read through SQLite's own VFS and not by a descriptor of ours:
 * on POSIX, closing any descriptor of a file drops all locks that the process
 * holds on it, those of another SQLite handle in this backend included
 * (sqlite.org/howtocorrupt.html, section 2.2).  SQLite's VFS knows which handles
 * share a file and defers the close.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "sqlite_internal.h"

#define HEADER_SIZE 100
static const char magic[16] = "SQLite format 3";

/* size, time, inode of path and of its -wal; false when path cannot be stat'ed. */
bool
sfm_identify(const char *path, SfmFileIdentity *identity)
{
	struct stat st;
	char	   *wal;

	memset(identity, 0, sizeof(*identity));
	if (stat(path, &st) != 0)
		return false;
	identity->device = st.st_dev;
	identity->inode = st.st_ino;
	identity->size = st.st_size;
	identity->mtime_us = (int64) st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	wal = psprintf("%s-wal", path);
	identity->wal_size = stat(wal, &st) == 0 ? st.st_size : -1;
	pfree(wal);
	return true;
}

/*
 * Reads and judges the header of the database file at path.  An empty file is an
 * empty database to SQLite.  Raises what makes the file no database at all.
 */
void
sfm_peek_header(const char *path, const char *vfs_name, SfmHeader *header)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
	sqlite3_file *file;
	char	   *name;
	unsigned char bytes[HEADER_SIZE] = {0};
	sqlite3_int64 size = 0;
	int			flags;
	int			rc;

	if (vfs == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("SQLite has no VFS named \"%s\"", vfs_name ? vfs_name : "")));
	file = palloc0(vfs->szOsFile);
	name = (char *) sqlite3_create_filename(path, "", "", 0, NULL);
	if (name == NULL)
		sfm_throw_open(path, SQLITE_NOMEM, NULL);
	rc = vfs->xOpen(vfs, name, file,
					SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_NOFOLLOW, &flags);
	if (rc == SQLITE_OK)
	{
		rc = file->pMethods->xFileSize(file, &size);
		if (rc == SQLITE_OK && size > 0)
			rc = file->pMethods->xRead(file, bytes, Min(size, HEADER_SIZE), 0);
	}
	if (file->pMethods != NULL)
		file->pMethods->xClose(file);
	sqlite3_free_filename(name);
	pfree(file);
	if (rc != SQLITE_OK)
		sfm_throw_open(path, rc, NULL);

	header->size = size;
	header->read_version = 1;
	if (size == 0)
		return;
	if (size < HEADER_SIZE || memcmp(bytes, magic, sizeof(magic)) != 0)
		sfm_throw_open(path, SQLITE_NOTADB, NULL);
	header->read_version = bytes[19];
	if (header->read_version > 2)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("SQLite file \"%s\" has read version %d, which SQLite %s does not know",
						path, header->read_version, sqlite3_libversion()),
				 errhint("Install a newer SQLite library.")));
}
