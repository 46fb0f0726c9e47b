/*
 * source.c
 *		The source of a call: a path, which only those may name who may read the
 *		server's files, or a foreign server, on which the caller needs USAGE.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "compat.h"
#include "sfm_migrate.h"

static Oid
find_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	AclResult	aclresult;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 errhint("The path of a SQLite file begins with a slash; anything else names a foreign server.")));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, "sqlite_fdw_mig") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not a server of foreign-data wrapper \"sqlite_fdw_mig\"", name)));
	aclresult = sfm_server_aclcheck(server->serverid, GetUserId(), ACL_USAGE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FOREIGN_SERVER, name);
	return server->serverid;
}

/*
 * Opens the source in its read transaction, after the check of the caller's
 * rights.  Closed by sfm_source_close(), or by the end of the transaction.
 */
SfmSource *
sfm_source_open(const char *name)
{
	SfmSource  *source = palloc0(sizeof(SfmSource));

	if (name[0] == '/')
	{
		sfm_check_path_privilege(GetUserId());
		source->path = sfm_resolve_path(name);
		source->file = sfm_connection_open_path(source->path, SFM_DEFAULT_BUSY_TIMEOUT);
		source->fresh = true;
	}
	else
	{
		source->serverid = find_server(name);
		source->fresh = !sfm_connection_in_use(source->serverid);
		source->file = sfm_connection_for_server(source->serverid);
		source->path = pstrdup(sfm_file_path(source->file));
	}
	return source;
}

/*
 * Has a background worker read the file ahead, from now to the close.  To be called
 * before anything was read.  Returns a clause for the notes when that should have
 * been possible and is not, else NULL.
 */
const char *
sfm_source_prefetch(SfmSource *source)
{
	const char *why_not = NULL;

	if (source->fresh)
		source->prefetch = sfm_prefetch_start(source->file, &why_not);
	else
		why_not = "the transaction had read from the server before";
	return why_not;
}

/*
 * The end of a call that read all it wanted: what was read without locks must not
 * have changed meanwhile.  A file opened by its path is closed.
 */
void
sfm_source_close(SfmSource *source)
{
	if (source->prefetch != NULL)
		sfm_prefetch_stop(source->prefetch);
	sfm_file_check_unchanged(source->file);
	if (!OidIsValid(source->serverid))
		sfm_connection_close_path(source->file);
	source->file = NULL;
}
