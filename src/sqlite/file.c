/*
 * file.c
 *		Opening a SQLite file safely, its one read transaction, closing it.
 *
 * The file is opened read-only and nothing is ever created beside it.  How it is
 * read depends on what lies there:
 *
 *	- rollback-journal mode: under SQLite's own locks.  A journal that a crash
 *	  left cannot be rolled back read-only, and SQLite says so.
 *	- a -wal with a -shm that may be written: under SQLite's own locks.
 *	- a -wal without such a -shm: a private copy of the pair (copy.c).
 *	- WAL mode by its header, but no -wal: SQLite would have to create one to open
 *	  it, so it is read as immutable, without locks.  That it did not change
 *	  meanwhile is checked at the end (sfm_file_check_unchanged).
 *
 * "immutable" can only be asked for by a URI, which is put together here from an
 * escaped path; a path that a user gives is never taken for a URI, since it has to
 * begin with a slash.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sqlite_internal.h"

/* Raises errno as the reason why path cannot be used. */
static void
throw_path(const char *path)
{
	int			reason = errno;

	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not access SQLite file \"%s\": %m", path),
			 reason == EACCES ?
			 errhint("The server's operating system user must be able to read the file and to search each directory above it.") :
			 reason == ENOENT ?
			 errhint("The path is looked up on the database server's host, by the server process; a service may see another /tmp.") : 0));
}

static void
require_regular_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		throw_path(path);
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path),
				 S_ISDIR(st.st_mode) ? errdetail("It is a directory.") : 0));
	if (access(path, R_OK) != 0)
		throw_path(path);
}

static void
require_absolute(const char *path)
{
	if (path[0] != '/')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path of a SQLite file must be absolute: \"%s\"", path)));
}

/*
 * The path with symbolic links, "." and ".." resolved; palloc'd.  Raises when
 * there is no such file.
 */
char *
sfm_resolve_path(const char *path)
{
	char	   *resolved;
	char	   *result;

	require_absolute(path);
	resolved = realpath(path, NULL);
	if (resolved == NULL)
		throw_path(path);
	result = pstrdup(resolved);
	free(resolved);
	return result;
}

/* Refuses a path with a symbolic link in it: what it leads to may change. */
static void
refuse_links(const char *path)
{
	char	   *plain = pstrdup(path);
	char	   *resolved = sfm_resolve_path(path);

	canonicalize_path(plain);
	if (strcmp(plain, resolved) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path \"%s\" of a SQLite file runs through a symbolic link", path),
				 errhint("Name the file itself: \"%s\".", resolved)));
	pfree(plain);
	pfree(resolved);
}

/*
 * What SQLite may open beside the file: it would follow a link there, and wait for a
 * writer on a FIFO.
 */
static void
check_companions(const char *path)
{
	static const char *const suffixes[] = {"-journal", "-wal", "-shm"};

	for (int i = 0; i < lengthof(suffixes); i++)
	{
		char	   *name = psprintf("%s%s", path, suffixes[i]);
		struct stat st;

		if (lstat(name, &st) == 0 && !S_ISREG(st.st_mode))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a regular file", name),
					 errdetail("SQLite would use it with the database beside it.")));
		pfree(name);
	}
}

static bool
nonempty(const char *path, const char *suffix)
{
	char	   *name = psprintf("%s%s", path, suffix);
	struct stat st;
	bool		result = stat(name, &st) == 0 && st.st_size > 0;

	pfree(name);
	return result;
}

static bool
writable(const char *path, const char *suffix)
{
	char	   *name = psprintf("%s%s", path, suffix);
	bool		result = access(name, R_OK | W_OK) == 0;

	pfree(name);
	return result;
}

static SfmAccess
choose_access(const char *path, const SfmHeader *header)
{
	if (writable(path, "-shm") && writable(path, "-wal"))
		return SFM_ACCESS_LOCKED;
	if (nonempty(path, "-wal"))
		return SFM_ACCESS_COPY;
	if (header->read_version == 1)
		return SFM_ACCESS_LOCKED;
	if (nonempty(path, "-journal"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("SQLite file \"%s\" has a rollback journal beside it", path),
				 errhint("A crash left it there. Open the file once with the application or the sqlite3 program, which rolls it back, and try again.")));
	return SFM_ACCESS_IMMUTABLE;
}

/* "file:" URI of the path, asking for no locks at all. */
static char *
immutable_uri(const char *path)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "file:");
	for (const unsigned char *p = (const unsigned char *) path; *p; p++)
	{
		if (strchr("/-_.~", *p) != NULL || (*p < 128 && isalnum(*p)))
			appendStringInfoChar(&buf, *p);
		else
			appendStringInfo(&buf, "%%%02X", *p);
	}
	appendStringInfoString(&buf, "?immutable=1");
	return buf.data;
}

static void
open_handle(SfmFile *file, const char *vfs, const char *copy)
{
	int			flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	const char *name = file->path;
	int			rc;

	if (file->access == SFM_ACCESS_COPY)
		name = copy;
	else
		flags |= SQLITE_OPEN_NOFOLLOW;
	if (file->access == SFM_ACCESS_IMMUTABLE)
	{
		name = immutable_uri(file->path);
		flags |= SQLITE_OPEN_URI;
	}
	/* A handle comes back on failure too, and must be closed. */
	rc = sqlite3_open_v2(name, &file->db, flags, vfs);
	if (rc != SQLITE_OK)
	{
		char	   *message = file->db ? pstrdup(sqlite3_errmsg(file->db)) : NULL;

		if (file->db)
			rc = sqlite3_extended_errcode(file->db);
		sfm_throw_open(file->path, rc, message);
	}
}

static void
read_encoding(SfmFile *file)
{
	SfmStmt    *stmt = sfm_prepare(file, "PRAGMA encoding", NULL);

	if (sfm_step(stmt))
		strlcpy(file->encoding, sfm_column_cstring(stmt, 0), sizeof(file->encoding));
	sfm_finalize(stmt);
	file->utf16 = strncmp(file->encoding, "UTF-16", 6) == 0;
}

/*
 * Opens the file that options name, hardened, without a transaction yet.  The
 * result lives until sfm_file_close(); nothing is left open when this raises.
 */
SfmFile *
sfm_file_open(const SfmOpenOptions *options)
{
	SfmHeader	header;
	MemoryContext mcxt;
	MemoryContext old;
	SfmFile    *file;

	require_absolute(options->path);
	require_regular_file(options->path);
	refuse_links(options->path);

	mcxt = AllocSetContextCreate(TopMemoryContext, "SQLite file", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	file = palloc0(sizeof(SfmFile));
	file->mcxt = mcxt;
	file->path = pstrdup(options->path);
	file->busy_timeout = options->busy_timeout;
	dlist_init(&file->statements);

	PG_TRY();
	{
		char	   *copy = NULL;

		sfm_memory_begin(file);
		check_companions(file->path);
		sfm_identify(file->path, &file->identity);
		sfm_peek_header(file->path, options->vfs, &header);
		file->access = choose_access(file->path, &header);
		if (file->access == SFM_ACCESS_COPY)
			copy = sfm_copy_aside(file->path, options->vfs, options->busy_timeout,
								  &file->identity, &file->copy_dir);
		open_handle(file, options->vfs, copy);
		sfm_harden(file);
		read_encoding(file);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		sfm_file_close(file);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return file;
}

/*
 * Finalizes what is prepared, ends the read transaction, closes the handle,
 * removes a private copy.  Never throws, so that it can be called from callbacks.
 */
void
sfm_file_close(SfmFile *file)
{
	if (file == NULL)
		return;
	sfm_finalize_all(file);
	if (file->db != NULL)
		(void) sqlite3_close(file->db);
	sfm_memory_end(file);
	if (file->copy_dir != NULL)
		sfm_copy_remove(file->copy_dir);
	MemoryContextDelete(file->mcxt);
}

static void
run(SfmFile *file, const char *sql)
{
	SfmStmt    *stmt = sfm_prepare(file, sql, NULL);

	while (sfm_step(stmt))
		;
	sfm_finalize(stmt);
}

/* Whether a definition in the schema may call a JSON function.  Reads the file. */
static bool
mentions_json(SfmFile *file)
{
	SfmStmt    *stmt = sfm_prepare(file, "SELECT count(*) FROM sqlite_schema WHERE type <> 'trigger'"
								   " AND (sql LIKE '%json%' OR sql LIKE '%->%')", NULL);
	bool		result = sfm_step(stmt) && sfm_column_int64(stmt, 0) > 0;

	sfm_finalize(stmt);
	return result;
}

/*
 * Begins the read transaction and takes its snapshot.  BEGIN alone takes none: a
 * writer could still commit before the first read, so one is made right away.
 */
void
sfm_file_begin(SfmFile *file)
{
	sfm_memory_begin(file);
	if (file->in_transaction)
	{
		/* SQLite rolls back by itself after some errors, and the snapshot is gone. */
		if (sqlite3_get_autocommit(file->db))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the read transaction on SQLite file \"%s\" was lost after an error",
							file->path),
					 errhint("Start a new transaction.")));
		return;
	}
	if (file->access == SFM_ACCESS_LOCKED)
		check_companions(file->path);
	run(file, "BEGIN");
	file->in_transaction = true;
	PG_TRY();
	{
		/* trust to parse the schema, of which none may be left for what runs later */
		sfm_trust_schema(file, true);
		sfm_trust_schema(file, mentions_json(file));
	}
	PG_CATCH();
	{
		sfm_file_end(file);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Ends the read transaction, and with it its locks.  Never throws. */
void
sfm_file_end(SfmFile *file)
{
	if (!file->in_transaction)
	{
		sfm_memory_end(file);	/* the transaction did not begin */
		return;
	}
	/* Statements that still read would keep the locks. */
	sfm_finalize_all(file);
	(void) sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
	if (!sqlite3_get_autocommit(file->db))
	{
		/* Out of memory: closing needs none, and gives back locks and snapshot too. */
		(void) sqlite3_close(file->db);
		file->db = NULL;
	}
	file->in_transaction = false;
	sfm_memory_end(file);
}

bool
sfm_file_in_transaction(const SfmFile *file)
{
	return file->in_transaction;
}

const char *
sfm_file_path(const SfmFile *file)
{
	return file->path;
}

/* Milliseconds to wait for a lock from now on. */
void
sfm_file_set_busy_timeout(SfmFile *file, int ms)
{
	file->busy_timeout = ms;
}

int
sfm_file_busy_timeout(const SfmFile *file)
{
	return file->busy_timeout;
}

/* Whether it is the file itself that is read, not a private copy of it. */
bool
sfm_file_is_shared(const SfmFile *file)
{
	return file->access != SFM_ACCESS_COPY;
}

/* What the file was on disk when it was opened. */
const SfmFileIdentity *
sfm_file_identity(const SfmFile *file)
{
	return &file->identity;
}

/*
 * Whether what is at the path now has to be opened anew: another file, or one
 * that an immutable or copied source no longer describes.
 */
bool
sfm_file_replaced(const SfmFile *file)
{
	SfmFileIdentity now;

	if (file->db == NULL || !sfm_identify(file->path, &now))
		return true;
	if (file->access == SFM_ACCESS_LOCKED)
		return now.device != file->identity.device || now.inode != file->identity.inode;
	return memcmp(&now, &file->identity, sizeof(now)) != 0;
}

/*
 * For a source that is read without locks: raises if the file changed since it
 * was opened, since what was read then need not be one state of it.
 */
void
sfm_file_check_unchanged(SfmFile *file)
{
	if (file->access != SFM_ACCESS_IMMUTABLE || !sfm_file_replaced(file))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("SQLite file \"%s\" changed while it was being read", file->path),
			 errdetail("It is in WAL mode and no -wal was beside it, so it was read without locks."),
			 errhint("Run the command again.")));
}

/* What a PRAGMA answers with one integer. */
static int64
pragma_int64(SfmFile *file, const char *sql)
{
	SfmStmt    *stmt = sfm_prepare(file, sql, NULL);
	int64		value = sfm_step(stmt) ? sfm_column_int64(stmt, 0) : 0;

	sfm_finalize(stmt);
	return value;
}

/* SQLite's schema cookie. */
int64
sfm_file_schema_version(SfmFile *file)
{
	return pragma_int64(file, "PRAGMA schema_version");
}

/*
 * A number that differs between two calls, on a file without a read transaction,
 * when another connection committed meanwhile.
 */
int64
sfm_file_data_version(SfmFile *file)
{
	return pragma_int64(file, "PRAGMA data_version");
}

/* A sentence for the report when the file is not read in the usual way, else NULL. */
const char *
sfm_file_note(const SfmFile *file)
{
	switch (file->access)
	{
		case SFM_ACCESS_IMMUTABLE:
			return "The file is in WAL mode without a -wal beside it, and was read without locks; if it was copied from a running application, check that its -wal was not forgotten.";
		case SFM_ACCESS_COPY:
			return "The file has a -wal without a usable -shm beside it, and was read from a private copy of both.";
		default:
			return NULL;
	}
}

/* The version of the SQLite library in use. */
const char *
sfm_sqlite_version(void)
{
	return sqlite3_libversion();
}
