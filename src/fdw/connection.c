/*
 * connection.c
 *		SQLite files kept open: one a server and backend, one read transaction a
 *		PostgreSQL transaction.
 *
 * A server's file is opened by its first use and stays open across statements and
 * transactions.  Its read transaction begins with the first use in a PostgreSQL
 * transaction and ends with that one, so all statements of it see one state of
 * the file.  Subtransactions have no part in that: a snapshot that is only read
 * has nothing to roll back.
 *
 * ALTER SERVER and DROP SERVER mark a connection by a system cache callback,
 * which only sets a flag.  At the next use the options are looked at again: where
 * the path is another one, the old file is set aside until the transaction ends,
 * since a scan may still be on it.  A file that was replaced on disk is noticed
 * by the next transaction's first use.
 *
 * A file opened for a path belongs to the subtransaction that opened it and is
 * closed with it at the latest.  It may be lent to servers, whose scans then read
 * the same snapshot.
 *
 * What is open is always reachable from here before anything can throw, and the
 * transaction callbacks find it from here, so that no error path leaks a handle.
 * Callbacks other than those before a commit never throw.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "fdw_internal.h"

typedef struct SfmConnection
{
	Oid			serverid;		/* hash key, must be first */
	uint32		hash_value;		/* of the server's system cache entry */
	SfmFile    *file;			/* its own file, or NULL */
	SfmFile    *lent;			/* used instead of its own while set */
	SubTransactionId lent_in;	/* who lent it */
	bool		invalid;		/* the server was altered or dropped */
} SfmConnection;

/* A file opened for a path, or one set aside: closed with its subtransaction. */
typedef struct SfmOwnedFile
{
	SfmFile    *file;
	SubTransactionId owner;
} SfmOwnedFile;

static HTAB *connections = NULL;
static List *owned_files = NIL; /* of SfmOwnedFile, in TopMemoryContext */

/* Whether the end of this transaction has anything to do here. */
static bool dirty = false;

static void
close_at_exit(int code, Datum arg)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;

	while (owned_files != NIL)
	{
		SfmOwnedFile *owned = llast(owned_files);

		owned_files = list_delete_last(owned_files);
		sfm_file_close(owned->file);
	}
	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		SfmFile    *file = connection->file;

		connection->file = NULL;
		sfm_file_close(file);
	}
}

/*
 * Made by the first use, not when the module is loaded: that may happen in the
 * postmaster, and a SQLite handle must not cross a fork.
 */
static void
init_connections(void)
{
	HASHCTL		ctl;

	if (connections != NULL)
		return;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(SfmConnection);
	connections = hash_create("sqlite_fdw_mig connections", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	on_proc_exit(close_at_exit, (Datum) 0);
}

static SfmConnection *
get_connection(Oid serverid)
{
	/* before the entry is made: this may raise */
	uint32		hash_value = GetSysCacheHashValue1(FOREIGNSERVEROID,
												   ObjectIdGetDatum(serverid));
	SfmConnection *connection;
	bool		found;

	init_connections();
	connection = hash_search(connections, &serverid, HASH_ENTER, &found);
	if (!found)
	{
		connection->file = NULL;
		connection->lent = NULL;
		connection->lent_in = InvalidSubTransactionId;
		connection->invalid = false;
		connection->hash_value = hash_value;
	}
	return connection;
}

/* Takes a file into the list of those that end with a subtransaction. */
static void
own_file(SfmFile *file, SubTransactionId owner, SfmOwnedFile *owned)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	owned->file = file;
	owned->owner = owner;
	owned_files = lappend(owned_files, owned);
	dirty = true;
	MemoryContextSwitchTo(old);
}

/* The current transaction's scans may be on it: closed when that ends. */
static void
set_aside(SfmConnection *connection)
{
	SfmOwnedFile *owned = MemoryContextAlloc(TopMemoryContext, sizeof(SfmOwnedFile));

	own_file(connection->file, TopSubTransactionId, owned);
	connection->file = NULL;
}

static SfmFile *
open_file(const char *path, int busy_timeout)
{
	SfmOpenOptions options = {0};

	options.path = path;
	options.busy_timeout = busy_timeout;
	return sfm_file_open(&options);
}

/* Brings a marked connection in line with the server's options as they are now. */
static void
revalidate(SfmConnection *connection)
{
	if (connection->file != NULL)
	{
		if (strcmp(sfm_file_path(connection->file),
				   sfm_server_database(connection->serverid)) != 0)
			set_aside(connection);
		else
			sfm_file_set_busy_timeout(connection->file,
									  sfm_server_busy_timeout(connection->serverid));
	}
	connection->invalid = false;
}

/*
 * The open file of a foreign server, in its read transaction.  It belongs to this
 * module and stays valid until the transaction ends.  Raises what opening the file
 * raises.
 */
SfmFile *
sfm_connection_for_server(Oid serverid)
{
	SfmConnection *connection = get_connection(serverid);

	if (connection->lent != NULL)
		return connection->lent;
	if (connection->invalid)
		revalidate(connection);

	if (connection->file != NULL && !sfm_file_in_transaction(connection->file) &&
		sfm_file_replaced(connection->file))
	{
		SfmFile    *file = connection->file;

		connection->file = NULL;
		sfm_file_close(file);
	}
	if (connection->file == NULL)
	{
		char	   *path = sfm_server_database(serverid);
		SfmFile    *file = open_file(path, sfm_server_busy_timeout(serverid));

		/* the entry is still there: only the end of a transaction removes entries */
		connection->file = file;
		pfree(path);
	}
	dirty = true;
	sfm_file_begin(connection->file);
	return connection->file;
}

/* Whether this transaction has used the server's file already. */
bool
sfm_connection_in_use(Oid serverid)
{
	SfmConnection *connection = get_connection(serverid);

	return connection->lent != NULL ||
		(connection->file != NULL && sfm_file_in_transaction(connection->file));
}

/*
 * Opens a file by its path, resolved by the caller, and begins its read
 * transaction.  Closed by sfm_connection_close_path(), or with the
 * subtransaction that called this.  Checks no rights.
 */
SfmFile *
sfm_connection_open_path(const char *path, int busy_timeout)
{
	SfmOwnedFile *owned;
	SfmFile    *file;

	init_connections();
	owned = MemoryContextAlloc(TopMemoryContext, sizeof(SfmOwnedFile));
	/* room for the list first, so that taking the file in cannot fail */
	own_file(NULL, GetCurrentSubTransactionId(), owned);
	file = open_file(path, busy_timeout);
	owned->file = file;
	sfm_file_begin(file);
	return file;
}

/*
 * Makes a server use this file until it is closed, or the subtransaction that
 * called this ends in an abort, or the transaction ends.
 */
void
sfm_connection_lend(SfmFile *file, Oid serverid)
{
	SfmConnection *connection = get_connection(serverid);

	connection->lent = file;
	connection->lent_in = GetCurrentSubTransactionId();
	dirty = true;
}

/* Servers that use this file go back to their own. */
static void
take_back(const SfmFile *file)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;

	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		if (connection->lent == file)
			connection->lent = NULL;
	}
}

/* Closes the n-th owned file.  Never throws. */
static void
close_owned(int n)
{
	SfmOwnedFile *owned = list_nth(owned_files, n);

	owned_files = list_delete_nth_cell(owned_files, n);
	if (owned->file != NULL)
	{
		take_back(owned->file);
		sfm_file_close(owned->file);
	}
	pfree(owned);
}

/*
 * Closes a file that sfm_connection_open_path() opened.  Raises when an
 * immutable source changed since it was opened; the file is then closed with the
 * subtransaction.
 */
void
sfm_connection_close_path(SfmFile *file)
{
	sfm_file_check_unchanged(file);
	for (int i = 0; i < list_length(owned_files); i++)
	{
		if (((SfmOwnedFile *) list_nth(owned_files, i))->file == file)
		{
			close_owned(i);
			return;
		}
	}
	elog(ERROR, "SQLite file \"%s\" was not opened by its path", sfm_file_path(file));
}

/* While errors still undo the transaction: was what it read one state of the file? */
static void
check_before_commit(void)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;
	ListCell   *lc;

	foreach(lc, owned_files)
	{
		SfmOwnedFile *owned = lfirst(lc);

		if (owned->file != NULL)
			sfm_file_check_unchanged(owned->file);
	}
	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		if (connection->file != NULL && sfm_file_in_transaction(connection->file))
			sfm_file_check_unchanged(connection->file);
	}
}

/* Ends all read transactions, closes what nobody will use again.  Never throws. */
static void
end_transaction(void)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;

	while (owned_files != NIL)
		close_owned(list_length(owned_files) - 1);

	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		connection->lent = NULL;
		if (connection->file != NULL)
			sfm_file_end(connection->file);
		if (connection->invalid)
		{
			SfmFile    *file = connection->file;

			/* removing the entry just returned is what a sequential scan allows */
			hash_search(connections, &connection->serverid, HASH_REMOVE, NULL);
			sfm_file_close(file);
		}
	}
	dirty = false;
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PARALLEL_PRE_COMMIT &&
		event != XACT_EVENT_PRE_PREPARE)
		sfm_sink_forget_all();
	if (!dirty)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			check_before_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			end_transaction();
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parentid, void *arg)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	sfm_sink_forget(subid);
	if (!dirty)
		return;

	for (int i = list_length(owned_files) - 1; i >= 0; i--)
	{
		SfmOwnedFile *owned = list_nth(owned_files, i);

		if (owned->owner != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			owned->owner = parentid;
		else
			close_owned(i);
	}

	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		if (connection->lent == NULL || connection->lent_in != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			connection->lent_in = parentid;
		else
			connection->lent = NULL;
	}
}

/* Marks the connections of a server that changed, or all (hashvalue 0). */
static void
server_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	SfmConnection *connection;

	if (connections == NULL)
		return;
	hash_seq_init(&seq, connections);
	while ((connection = hash_seq_search(&seq)) != NULL)
	{
		if (hashvalue == 0 || connection->hash_value == hashvalue)
		{
			connection->invalid = true;
			dirty = true;
		}
	}
}

/* Registers the callbacks; once, when the module is loaded. */
void
sfm_connection_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, server_changed, (Datum) 0);
}
