/*
 * import.c
 *		IMPORT FOREIGN SCHEMA: the file's tables and views as foreign tables.
 *
 * Types follow the declarations.  Columns whose declaration does not say enough
 * are looked at: date columns, where numbers need a reading, and those that declare no
 * type that we know, expressions of views among them.  Such a table is read once;
 * others are not touched.
 *
 * LIMIT TO and EXCEPT go by the names that the foreign tables will have, as
 * PostgreSQL applies them.  They are applied here too, before a table is looked
 * at, so that one left out costs nothing and its faults do not matter.  Names are
 * made for all tables first: a table is called the same whichever others come
 * along.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "common/shortest_dec.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "fdw_internal.h"
#include "sfm_ast.h"
#include "sfm_names.h"

typedef struct ImportOptions
{
	SfmIdentifiers identifiers;
	bool		defaults;
	bool		not_null;
	bool		generated;
} ImportOptions;

/* A table of the file with the name that it gets. */
typedef struct ImportTable
{
	SfmTable   *table;
	char	   *name;			/* NULL: of a kind that is not imported */
	int			changes;		/* SFM_NAME_ bits */
} ImportTable;

/* One column that will be imported. */
typedef struct ImportColumn
{
	const SfmColumn *column;
	int			number;			/* in the table's columns */
	char	   *name;			/* in PostgreSQL */
	SfmType		type;
} ImportColumn;

static void
read_options(List *list, ImportOptions *options)
{
	ListCell   *lc;

	options->identifiers = SFM_IDENTIFIERS_LOWER;
	options->defaults = false;
	options->not_null = false;
	options->generated = true;

	foreach(lc, list)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "identifiers") == 0)
		{
			if (!sfm_identifiers_from_name(defGetString(def), &options->identifiers))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid value for option \"%s\": \"%s\"",
								def->defname, defGetString(def)),
						 errhint("Valid values are: %s.", SFM_IDENTIFIERS_WORDS)));
		}
		else if (strcmp(def->defname, "import_default") == 0)
			options->defaults = defGetBoolean(def);
		else if (strcmp(def->defname, "import_not_null") == 0)
			options->not_null = defGetBoolean(def);
		else if (strcmp(def->defname, "import_generated") == 0)
			options->generated = defGetBoolean(def);
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\"", def->defname),
					 errhint("Valid options in this context are: %s.",
							 "identifiers, import_default, import_not_null, import_generated")));
	}
}

/* Is the table wanted under this name, by LIMIT TO or EXCEPT? */
static bool
is_wanted(const ImportForeignSchemaStmt *stmt, const char *name)
{
	bool		listed = false;
	ListCell   *lc;

	foreach(lc, stmt->table_list)
	{
		if (strcmp(lfirst_node(RangeVar, lc)->relname, name) == 0)
			listed = true;
	}
	switch (stmt->list_type)
	{
		case FDW_IMPORT_SCHEMA_LIMIT_TO:
			return listed;
		case FDW_IMPORT_SCHEMA_EXCEPT:
			return !listed;
		case FDW_IMPORT_SCHEMA_ALL:
			break;
	}
	return true;
}

/* A name in LIMIT TO or EXCEPT that means nothing is most likely a mistake. */
static void
warn_of_unmatched(const ImportForeignSchemaStmt *stmt, List *tables)
{
	ListCell   *lc;

	foreach(lc, stmt->table_list)
	{
		const char *listed = lfirst_node(RangeVar, lc)->relname;
		const char *becomes = NULL;
		bool		found = false;
		ListCell   *table_lc;

		foreach(table_lc, tables)
		{
			ImportTable *import = lfirst(table_lc);

			if (import->name == NULL)
				continue;
			if (strcmp(import->name, listed) == 0)
				found = true;
			else if (sfm_names_equal(import->table->name, sfm_name_to_source(listed)))
				becomes = import->name;
		}
		if (!found)
			ereport(WARNING,
					(errmsg("no table of the SQLite file would be imported as \"%s\"", listed),
					 becomes ? errhint("The names in LIMIT TO and EXCEPT are those in PostgreSQL; this one becomes \"%s\".",
									   becomes) : 0));
	}
}

/* Does the declaration leave open what is in the column? */
static bool
needs_survey(const ImportColumn *column)
{
	switch (column->type.kind)
	{
		case SFM_KIND_DATE:
		case SFM_KIND_TIME:
		case SFM_KIND_TIMESTAMP:
		case SFM_KIND_TIMESTAMPTZ:
			return true;
		default:
			return column->type.by_values;
	}
}

/* Gives the columns whose declaration is not enough the type that their values need. */
static void
survey_types(SfmFile *file, const SfmTable *table, int ncolumns, ImportColumn *columns)
{
	SfmSurveyColumn *survey = palloc0(sizeof(SfmSurveyColumn) * Max(ncolumns, 1));
	int		   *which = palloc(sizeof(int) * Max(ncolumns, 1));
	int			n = 0;

	for (int i = 0; i < ncolumns; i++)
	{
		if (!needs_survey(&columns[i]))
			continue;
		survey[n].name = columns[i].column->name;
		survey[n].conv = sfm_conv_create(&columns[i].type);
		which[n++] = i;
	}
	if (n > 0)
		(void) sfm_survey(file, table, n, survey, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		ImportColumn *column = &columns[which[i]];

		column->type = sfm_widen(&column->type, &survey[i].conv->seen, &survey[i].misfits, NULL);
	}
}

static void
append_option(StringInfo options, const char *name, const char *value)
{
	appendStringInfo(options, "%s%s %s", options->len > 0 ? ", " : "", name,
					 quote_literal_cstr(value));
}

/* A literal of the parsed DEFAULT as a value; false for anything else. */
static bool
literal_value(const SfmExpr *expr, SfmValue *value)
{
	bool		negative = false;

	memset(value, 0, sizeof(*value));
	if (expr->kind == SFM_EXPR_UNARY && (expr->op == SFM_OP_MINUS || expr->op == SFM_OP_PLUS))
	{
		negative = expr->op == SFM_OP_MINUS;
		expr = expr->left;
		if (expr->kind != SFM_EXPR_INTEGER && expr->kind != SFM_EXPR_REAL)
			return false;
	}
	switch (expr->kind)
	{
		case SFM_EXPR_INTEGER:
		case SFM_EXPR_BOOLEAN:
			value->cls = SFM_INTEGER;
			value->u.i = negative ? -expr->u.integer : expr->u.integer;
			return true;
		case SFM_EXPR_REAL:
			value->cls = SFM_REAL;
			value->u.r = strtod(expr->text, NULL);
			if (negative)
				value->u.r = -value->u.r;
			return true;
		case SFM_EXPR_STRING:
			value->cls = SFM_TEXT;
			value->u.p = expr->text;
			value->len = strlen(expr->text);
			return true;
		default:
			return false;
	}
}

/*
 * A Datum as a literal that reads back the same whatever the session's settings
 * are; NULL for types whose text depends on those.
 */
static char *
datum_literal(const SfmType *type, Datum datum)
{
	char		real[DOUBLE_SHORTEST_DECIMAL_LEN];
	Oid			output;
	bool		varlena;

	switch (type->kind)
	{
		case SFM_KIND_BOOL:
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
		case SFM_KIND_NUMERIC:
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
			getTypeOutputInfo(type->typid, &output, &varlena);
			return quote_literal_cstr(OidOutputFunctionCall(output, datum));
		case SFM_KIND_FLOAT8:
			double_to_shortest_decimal_buf(DatumGetFloat8(datum), real);
			return quote_literal_cstr(real);
		default:
			return NULL;
	}
}

/*
 * The column's default as a PostgreSQL literal, when it is a constant that the
 * column's type holds exactly; else NULL.  Nothing of the file's text is passed on:
 * the value is converted like any other and printed by the type.
 */
static char *
default_literal(const ImportColumn *column)
{
	const SfmConstraint *constraint;

	if (column->column->def == NULL)
		return NULL;
	for (constraint = column->column->def->constraints; constraint; constraint = constraint->next)
	{
		SfmValue	value;
		Datum		datum;

		if (constraint->kind == SFM_CONSTRAINT_DEFAULT && constraint->expr != NULL &&
			literal_value(constraint->expr, &value) &&
			sfm_convert(sfm_conv_create(&column->type), &value, &datum) == SFM_FIT)
			return datum_literal(&column->type, datum);
	}
	return NULL;
}

static void
append_column(StringInfo sql, const SfmTable *table, const ImportColumn *column,
			  const ImportOptions *options)
{
	StringInfoData column_options;
	char	   *literal = options->defaults ? default_literal(column) : NULL;

	initStringInfo(&column_options);
	append_option(&column_options, "column_name", sfm_name_to_server(column->column->name));
	if (sfm_reading_name(column->type.reading))
		append_option(&column_options, "reading", sfm_reading_name(column->type.reading));
	if (column->type.mixed)
		append_option(&column_options, "mixed", "true");
	if (column->type.empty_as_null)
		append_option(&column_options, "empty_as_null", "true");

	appendStringInfo(sql, "\n\t%s %s OPTIONS (%s)", quote_identifier(column->name),
					 sfm_type_name(&column->type), column_options.data);
	if (literal)
		appendStringInfo(sql, " DEFAULT %s", literal);
	/* a rowid is never NULL, declared so or not */
	if (options->not_null &&
		(column->column->not_null || column->number == table->rowid_column))
		appendStringInfoString(sql, " NOT NULL");
}

/* Tells of a name that folding alone does not explain. */
static void
report_name(const char *what, const char *source, const char *name, int changes)
{
	if (changes)
		ereport(NOTICE,
				(errmsg("%s \"%s\" is imported as \"%s\": its name %s", what,
						sfm_name_to_server(source), name, sfm_name_changes_text(changes))));
}

/* CREATE FOREIGN TABLE for one table or view. */
static char *
import_table(SfmFile *file, const SfmTable *table, const char *name,
			 const char *server, const ImportOptions *options)
{
	ImportColumn *columns = palloc0(sizeof(ImportColumn) * Max(table->ncolumns, 1));
	SfmNamespace *names = sfm_namespace_create(true);
	StringInfoData sql;
	StringInfoData table_options;
	int			n = 0;

	for (int i = 0; i < table->ncolumns; i++)
	{
		ImportColumn *column = &columns[n];
		int			changes;

		column->column = &table->columns[i];
		column->number = i;
		if (column->column->generated != SFM_GENERATED_NOT && !options->generated)
			continue;
		column->name = sfm_namespace_add(names, column->column->name, options->identifiers,
										 &changes);
		report_name("column", column->column->name, column->name, changes);
		column->type = sfm_type_for_declaration(column->column->declared_type);
		n++;
	}
	sfm_namespace_free(names);
	survey_types(file, table, n, columns);

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s (", quote_identifier(name));
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&sql, ',');
		append_column(&sql, table, &columns[i], options);
	}
	initStringInfo(&table_options);
	append_option(&table_options, "\"table\"", sfm_name_to_server(table->name));
	appendStringInfo(&sql, "\n) SERVER %s OPTIONS (%s)", quote_identifier(server),
					 table_options.data);
	return sql.data;
}

/* All tables of the file, with the names of those that can be imported. */
static List *
list_tables(const SfmCatalog *catalog, const ImportOptions *options)
{
	SfmNamespace *names = sfm_namespace_create(false);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, catalog->tables)
	{
		ImportTable *import = palloc0(sizeof(ImportTable));

		import->table = lfirst(lc);
		if (import->table->kind == SFM_REL_TABLE || import->table->kind == SFM_REL_VIEW)
			import->name = sfm_namespace_add(names, import->table->name, options->identifiers,
											 &import->changes);
		result = lappend(result, import);
	}
	return result;
}

/* Is the table to be imported?  Says why not, where that is not plain. */
static bool
can_import(const ImportForeignSchemaStmt *stmt, const ImportTable *import,
		   const ImportOptions *options)
{
	SfmTable   *table = import->table;

	if (import->name == NULL)
	{
		if (table->kind == SFM_REL_VIRTUAL &&
			is_wanted(stmt, sfm_fold_name(table->name, options->identifiers)))
			ereport(NOTICE,
					(errmsg("virtual table \"%s\" is not imported",
							sfm_name_to_server(table->name))));
		return false;
	}
	if (!is_wanted(stmt, import->name))
		return false;
	if (table->unreadable)
	{
		ereport(WARNING,
				(errmsg("table \"%s\" is not imported", sfm_name_to_server(table->name)),
				 errdetail("SQLite says: %s", table->unreadable)));
		return false;
	}
	return true;
}

/*
 * ImportForeignSchema: the commands that make the foreign tables.  Raises HV00Q
 * for a schema other than main.
 */
List *
sfm_import_schema(ImportForeignSchemaStmt *stmt, Oid serverid)
{
	ForeignServer *server = GetForeignServer(serverid);
	ImportOptions options;
	SfmFile    *file;
	List	   *tables;
	List	   *commands = NIL;
	ListCell   *lc;

	read_options(stmt->options, &options);
	if (strcmp(stmt->remote_schema, "main") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("schema \"%s\" does not exist in a SQLite file", stmt->remote_schema),
				 errhint("The tables of a SQLite file are in the schema \"main\".")));

	file = sfm_connection_for_server(serverid);
	tables = list_tables(sfm_catalog_read(file), &options);
	warn_of_unmatched(stmt, tables);
	foreach(lc, tables)
	{
		ImportTable *import = lfirst(lc);

		if (!can_import(stmt, import, &options))
			continue;
		report_name("table", import->table->name, import->name, import->changes);
		commands = lappend(commands, import_table(file, import->table, import->name,
												  server->servername, &options));
	}
	return commands;
}
