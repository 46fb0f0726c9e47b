/*
 * options.c
 *		The options of servers, foreign tables and their columns.
 *
 * One table lists them with the catalog each is allowed in.  The validator checks
 * words and rights and never opens the file, so that a dump restores where the
 * file is not.
 *
 * Who may say which file a server reads: only a superuser or a role with the
 * privileges of pg_read_server_files.  The validator is the one place where that
 * can be checked, as in file_fdw.  It is given the whole list of options, not
 * what changed, so an owner without that right can change none of the server's
 * options once "database" is among them; and since "database" is required, a
 * server cannot be emptied first and filled later.  ALTER SERVER ... OWNER TO
 * does not call the validator and need not: a new owner reads the same file and
 * still cannot name another.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "sfm_fdw.h"
#include "sfm_names.h"

#define SFM_READING_WORDS "iso, unix, unix_ms, julian, calendar"

typedef struct SfmOption
{
	const char *name;
	Oid			catalog;		/* where it is allowed */
	void		(*check) (const DefElem *def);
} SfmOption;

static void check_database(const DefElem *def);
static void check_busy_timeout(const DefElem *def);
static void check_reading(const DefElem *def);
static void check_boolean(const DefElem *def);

static const SfmOption options_table[] = {
	{"database", ForeignServerRelationId, check_database},
	{"busy_timeout", ForeignServerRelationId, check_busy_timeout},
	{"table", ForeignTableRelationId, NULL},
	{"column_name", AttributeRelationId, NULL},
	{"reading", AttributeRelationId, check_reading},
	{"mixed", AttributeRelationId, check_boolean},
	{"empty_as_null", AttributeRelationId, check_boolean},
};

/*
 * Superusers and roles with the privileges of pg_read_server_files pass; raises
 * 42501 for others.
 */
void
sfm_check_path_privilege(Oid roleid)
{
	if (!has_privs_of_role(roleid, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to name a SQLite file by its path"),
				 errdetail("Only superusers and roles with the privileges of pg_read_server_files may say which file of the server is read.")));
}

static void
check_database(const DefElem *def)
{
	const char *path = strVal(def->arg);

	sfm_check_path_privilege(GetUserId());
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be an absolute path, not \"%s\"",
						def->defname, path)));
}

/* The value in ms; raises 22023 when it is no whole number from 0 on. */
static int
parse_busy_timeout(const char *value)
{
	int			ms;

	if (!parse_int(value, &ms, 0, NULL) || ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a number of milliseconds from 0 on, not \"%s\"",
						"busy_timeout", value)));
	return ms;
}

static void
check_busy_timeout(const DefElem *def)
{
	(void) parse_busy_timeout(strVal(def->arg));
}

static void
check_reading(const DefElem *def)
{
	SfmReading	reading;

	if (!sfm_reading_from_name(strVal(def->arg), &reading))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"",
						def->defname, strVal(def->arg)),
				 errhint("Valid values are: %s.", SFM_READING_WORDS)));
}

static void
check_boolean(const DefElem *def)
{
	(void) defGetBoolean(unconstify(DefElem *, def));
}

/* Raises HV00D with the options that the catalog takes. */
static void
refuse_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(options_table); i++)
	{
		if (options_table[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "",
							 options_table[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s.", valid.data)
			 : errhint("There are no valid options in this context.")));
}

/*
 * The validator: options are all those that the object will have.  Raises HV00D
 * for an unknown one, 22023 for a wrong value, 42501 where the caller may not
 * name a path, HV002 for a server without "database".
 */
void
sfm_validate_options(List *options, Oid catalog)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const SfmOption *option = NULL;

		for (int i = 0; i < lengthof(options_table) && option == NULL; i++)
		{
			if (options_table[i].catalog == catalog &&
				strcmp(options_table[i].name, def->defname) == 0)
				option = &options_table[i];
		}
		if (option == NULL)
			refuse_option(def->defname, catalog);
		else if (option->check)
			option->check(def);
	}

	if (catalog == ForeignServerRelationId && sfm_option(options, "database") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"%s\" is required for servers of sqlite_fdw_mig", "database"),
				 errhint("It is the absolute path of the SQLite file.")));
}

/* The value of an option, or NULL; it points into the list. */
const char *
sfm_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

/* A boolean option's value; false when it is not given. */
static bool
boolean_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetBoolean(def);
	}
	return false;
}

/* The path of a server's file, palloc'd.  Raises HV002 when it has none. */
char *
sfm_server_database(Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	const char *path = sfm_option(server->options, "database");

	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"%s\"", server->servername, "database")));
	return pstrdup(path);
}

/* How long a server's reads wait for a lock, in ms. */
int
sfm_server_busy_timeout(Oid serverid)
{
	const char *value = sfm_option(GetForeignServer(serverid)->options, "busy_timeout");

	return value ? parse_busy_timeout(value) : SFM_DEFAULT_BUSY_TIMEOUT;
}

/* One column's source and type, from its definition and options. */
static void
read_column(Oid relid, Form_pg_attribute att, SfmForeignColumn *column)
{
	List	   *options = GetForeignColumnOptions(relid, att->attnum);
	const char *name = sfm_option(options, "column_name");
	const char *reading = sfm_option(options, "reading");

	column->attnum = att->attnum;
	column->source_name = sfm_name_to_source(name ? name : NameStr(att->attname));
	column->type = sfm_type_for_oid(att->atttypid, att->atttypmod);
	if (reading)
		(void) sfm_reading_from_name(reading, &column->type.reading);
	column->type.mixed = boolean_option(options, "mixed");
	column->type.empty_as_null = boolean_option(options, "empty_as_null");
}

/*
 * What a foreign table reads.  Returns the source table's name and, unless
 * columns is NULL, an array of one entry an attribute; names are in UTF-8, as the
 * file has them.  All palloc'd.  The caller holds a lock on the table.
 */
char *
sfm_foreign_table(Oid relid, SfmForeignColumn **columns)
{
	const char *name = sfm_option(GetForeignTable(relid)->options, "table");

	if (columns)
	{
		Relation	rel = table_open(relid, NoLock);
		TupleDesc	tupdesc = RelationGetDescr(rel);

		*columns = palloc0(sizeof(SfmForeignColumn) * Max(tupdesc->natts, 1));
		for (int i = 0; i < tupdesc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(tupdesc, i);

			if (!att->attisdropped)
				read_column(relid, att, &(*columns)[i]);
		}
		table_close(rel, NoLock);
	}
	return sfm_name_to_source(name ? name : get_rel_name(relid));
}
