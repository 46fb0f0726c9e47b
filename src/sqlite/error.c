/*
 * error.c
 *		SQLite's result codes as PostgreSQL errors.  The one place that knows both.
 *
 * A statement that was interrupted is reported as the cancel that it is: the
 * pending interrupt is served first, and only if there was none is SQLite blamed.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sqlite_internal.h"

/* The SQLSTATE for a result code, by its primary part. */
static int
sqlstate_for(int rc)
{
	switch (rc & 0xff)
	{
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
		case SQLITE_PROTOCOL:	/* lost too many races for a lock of a WAL-mode file */
			return ERRCODE_LOCK_NOT_AVAILABLE;
		case SQLITE_CORRUPT:
			return ERRCODE_DATA_CORRUPTED;
		case SQLITE_NOTADB:
			return ERRCODE_WRONG_OBJECT_TYPE;
		case SQLITE_NOMEM:
			return ERRCODE_OUT_OF_MEMORY;
		case SQLITE_FULL:
			return ERRCODE_DISK_FULL;
		case SQLITE_IOERR:
			return ERRCODE_IO_ERROR;
		case SQLITE_CANTOPEN:
			return ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION;
		case SQLITE_PERM:
		case SQLITE_AUTH:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case SQLITE_READONLY:
			return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		case SQLITE_TOOBIG:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case SQLITE_INTERRUPT:
			return ERRCODE_QUERY_CANCELED;
		default:
			return ERRCODE_FDW_ERROR;
	}
}

/* What a DBA can do about it, or NULL. */
static const char *
hint_for(int rc)
{
	switch (rc)
	{
		case SQLITE_READONLY_ROLLBACK:
		case SQLITE_READONLY_RECOVERY:
			return "A crash left a journal beside the file. Open it once with the application or the sqlite3 program, which rolls it back, and try again.";
		case SQLITE_READONLY_CANTINIT:
		case SQLITE_READONLY_DIRECTORY:
			return "The -shm file beside the database cannot be used. Stop the application, or give the server's user write permission on it.";
		default:
			break;
	}
	switch (rc & 0xff)
	{
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
		case SQLITE_PROTOCOL:
			return "Another process holds a lock on the file. Try again later, or name the file by a foreign server with a longer busy_timeout.";
		case SQLITE_CORRUPT:
			return "Check the file with \"PRAGMA integrity_check\" in the sqlite3 program; its \".recover\" command saves what can be read.";
		case SQLITE_NOTADB:
			return "The file is no SQLite database, its header is damaged, or it is encrypted. An encrypted file must be decrypted first.";
		case SQLITE_CANTOPEN:
			return "The server's operating system user must be able to read the file and to search its directory; a service may also see another /tmp.";
		case SQLITE_AUTH:
			return "The definition of a view, generated column or index in the file asks for something that is not allowed.";
		case SQLITE_READONLY:
			return "The file needs to be written before it can be read. Open it once with the application or the sqlite3 program.";
		case SQLITE_NOMEM:
			return "SQLite may take as much memory as the setting sqlite_fdw_mig.sqlite_memory says; a superuser can raise it.";
		default:
			return NULL;
	}
}

static void
throw_code(const char *path, int rc, const char *message, const char *table)
{
	const char *hint = hint_for(rc);
	char	   *said = pstrdup(message ? message : sqlite3_errstr(rc));

	/* also a wait for a lock that was cut short */
	CHECK_FOR_INTERRUPTS();
	if ((rc & 0xff) == SQLITE_INTERRUPT)
	{
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("reading SQLite file \"%s\" was interrupted", path)));
	}
	ereport(ERROR,
			(errcode(sqlstate_for(rc)),
			 table ? errmsg("could not read table \"%s\" of SQLite file \"%s\": %s", table, path, said)
			 : errmsg("could not read SQLite file \"%s\": %s", path, said),
			 errdetail("SQLite's result code is %d (%s).", rc, sqlite3_errstr(rc)),
			 hint ? errhint("%s", hint) : 0));
}

/* A value of a table that is longer than SQLite reads. */
static void
throw_too_big(SfmFile *file, const char *table)
{
	char	   *place = sfm_locate_too_big(file, table);

	CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("could not read table \"%s\" of SQLite file \"%s\": a value is too long", table, file->path),
			 place ? errdetail("It is in %s; values of up to %d bytes are read.", place,
							   sqlite3_limit(file->db, SQLITE_LIMIT_LENGTH, -1))
			 : errdetail("Values of up to %d bytes are read.", sqlite3_limit(file->db, SQLITE_LIMIT_LENGTH, -1)),
			 errhint("Leave the column out by \"types\" with \"skip\", or shorten the value in the source.")));
}

/*
 * Raises what went wrong on an open file.  rc is the call's result code, table
 * the one being read, or NULL.
 */
void
sfm_throw(SfmFile *file, int rc, const char *table)
{
	int			extended = sqlite3_extended_errcode(file->db);

	if ((extended & 0xff) == (rc & 0xff))
		rc = extended;
	if ((rc & 0xff) == SQLITE_TOOBIG && table)
		throw_too_big(file, table);
	throw_code(file->path, rc, sqlite3_errmsg(file->db), table);
	pg_unreachable();
}

/* The same while there is no handle yet, or none any more. */
void
sfm_throw_open(const char *path, int rc, const char *message)
{
	throw_code(path, rc, message, NULL);
	pg_unreachable();
}
