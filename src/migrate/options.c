/*
 * options.c
 *		The arguments of the SQL functions, checked before anything else happens.
 *
 * A wrong word is an error that lists the right ones (22023), NULL where none is
 * meant is 22004.
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "sfm_migrate.h"

/* Position of a word in a list that ends with NULL; raises with all of them. */
static int
choose_word(const char *argument, const char *word, const char *const *words)
{
	StringInfoData list;

	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	initStringInfo(&list);
	for (int i = 0; words[i]; i++)
		appendStringInfo(&list, "%s%s", i ? ", " : "", words[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for argument \"%s\": \"%s\"", argument, word),
			 errhint("Valid values are: %s.", list.data)));
}

/* In the order of the enums in sfm_migrate.h. */
static const char *const if_exists_words[] = {"error", "append", "truncate", "replace", "skip", "upsert", NULL};
static const char *const on_misfit_words[] = {"widen", "error", "null", "reject", NULL};
static const char *const on_orphan_words[] = {"not_valid", "error", "reject", NULL};
static const char *const identifiers_words[] = {"lower", "preserve", "snake_case", NULL};
static const char *const scope_words[] = {"all", "schema", "data", NULL};
static const char *const method_words[] = {"checksum", "count", "none", NULL};

static void
refuse_null(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null", name)));
}

/* A text argument that must not be NULL; palloc'd. */
char *
sfm_required_text(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		refuse_null(name);
	return text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/* A text[] argument as list of strings; NIL for NULL. */
List *
sfm_text_list(FunctionCallInfo fcinfo, int arg, const char *name)
{
	List	   *result = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(arg))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", name)));
		result = lappend(result, TextDatumGetCString(elements[i]));
	}
	if (result == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be an empty array", name),
				 errhint("Leave it out to choose all tables.")));
	return result;
}

/* A word of migrate's "verify" or verify's "method". */
SfmMethod
sfm_method_from_word(const char *argument, const char *word)
{
	return choose_word(argument, word, method_words);
}

static bool
required_bool(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		refuse_null(name);
	return PG_GETARG_BOOL(arg);
}

/* The role that will own what is made: the caller must be a member of it. */
static Oid
check_owner(FunctionCallInfo fcinfo, int arg)
{
	Oid			owner;

	if (PG_ARGISNULL(arg))
		return InvalidOid;
	owner = get_role_oid(NameStr(*PG_GETARG_NAME(arg)), false);
	if (!is_member_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be member of role \"%s\"", GetUserNameFromId(owner, false))));
	return owner;
}

/* The arguments of migrate() and script(), which are the same. */
SfmOptions *
sfm_options_from_call(FunctionCallInfo fcinfo)
{
	SfmOptions *options = palloc0(sizeof(SfmOptions));

	options->source = sfm_required_text(fcinfo, 0, "source");
	options->target_schema = sfm_required_text(fcinfo, 1, "target_schema");
	options->include = sfm_text_list(fcinfo, 2, "include");
	options->exclude = sfm_text_list(fcinfo, 3, "exclude");
	options->if_exists = choose_word("if_exists", sfm_required_text(fcinfo, 4, "if_exists"),
									 if_exists_words);
	options->on_misfit = choose_word("on_misfit", sfm_required_text(fcinfo, 5, "on_misfit"),
									 on_misfit_words);
	options->on_orphan = choose_word("on_orphan", sfm_required_text(fcinfo, 6, "on_orphan"),
									 on_orphan_words);
	options->identifiers = choose_word("identifiers", sfm_required_text(fcinfo, 7, "identifiers"),
									   identifiers_words);
	if (PG_ARGISNULL(8))
		refuse_null("types");
	options->types_json = PG_GETARG_JSONB_P_COPY(8);
	options->scope = choose_word("scope", sfm_required_text(fcinfo, 9, "scope"), scope_words);
	options->verify = sfm_method_from_word("verify", sfm_required_text(fcinfo, 10, "verify"));
	options->jobs = PG_ARGISNULL(11) ? -1 : PG_GETARG_INT32(11);
	if (!PG_ARGISNULL(11) && options->jobs < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"jobs\" must not be negative")));
	options->dry_run = required_bool(fcinfo, 12, "dry_run");
	options->only_looks = options->dry_run;
	options->owner = check_owner(fcinfo, 13);
	options->fire_triggers = required_bool(fcinfo, 14, "fire_triggers");

	if (options->target_schema[0] == '\0' || strlen(options->target_schema) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"target_schema\": \"%s\"", options->target_schema)));
	if (IsReservedName(options->target_schema) ||
		strcmp(options->target_schema, "information_schema") == 0 ||
		strcmp(options->target_schema, "sqlite_mig") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("schema \"%s\" cannot be the target of a migration", options->target_schema)));

	return options;
}

/* The arguments of inspect(): the others as migrate() has them by default. */
SfmOptions *
sfm_inspect_options(FunctionCallInfo fcinfo)
{
	SfmOptions *options = palloc0(sizeof(SfmOptions));

	options->source = sfm_required_text(fcinfo, 0, "source");
	options->include = sfm_text_list(fcinfo, 1, "include");
	options->exclude = sfm_text_list(fcinfo, 2, "exclude");
	if (PG_ARGISNULL(3))
		refuse_null("types");
	options->types_json = PG_GETARG_JSONB_P_COPY(3);
	options->jobs = -1;
	return options;
}

/*
 * A key "table.column" as SQL identifiers.  False for anything else, which then
 * is a declared type.
 */
static bool
split_column_key(const char *key, char **table, char **column)
{
	char	   *parts[2];
	int			n = 0;
	const char *p = key;

	for (;;)
	{
		StringInfoData part;

		if (n == 2)
			return false;
		initStringInfo(&part);
		if (*p == '"')
		{
			for (p++;; p++)
			{
				if (*p == '\0')
					return false;
				if (*p == '"' && *++p != '"')
					break;
				appendStringInfoChar(&part, *p);
			}
		}
		else
			for (; *p != '\0' && *p != '.'; p++)
			{
				if (strchr("\"() \t\n,", *p))
					return false;
				appendStringInfoChar(&part, *p);
			}
		parts[n++] = part.data;
		if (*p == '\0')
			break;
		if (*p++ != '.')
			return false;
	}
	if (n != 2)
		return false;
	*table = parts[0];
	*column = parts[1];
	return true;
}

static void
set_rule_type(SfmTypeRule *rule, const char *name)
{
	sfm_parse_type_string(name, &rule->typid, &rule->typmod);
	rule->has_type = true;
}

static void
wrong_type_rule(const SfmTypeRule *rule, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid entry \"%s\" in argument \"types\"", rule->key),
			 errdetail("%s", detail),
			 errhint("An entry is a type name, or an object with any of: type, reading, on_misfit, empty_as_null, skip.")));
}

static bool
rule_bool(const SfmTypeRule *rule, const char *field, const char *type, const char *value)
{
	if (strcmp(type, "boolean") != 0)
		wrong_type_rule(rule, psprintf("\"%s\" must be true or false.", field));
	return strcmp(value, "true") == 0;
}

static void
set_rule_field(SfmTypeRule *rule, const char *field, const char *type, const char *value)
{
	if (value == NULL)
		wrong_type_rule(rule, psprintf("\"%s\" must not be null.", field));
	if (strcmp(field, "empty_as_null") == 0)
		rule->empty_as_null = rule_bool(rule, field, type, value);
	else if (strcmp(field, "skip") == 0)
		rule->skip = rule_bool(rule, field, type, value);
	else if (strcmp(type, "string") != 0)
		wrong_type_rule(rule, psprintf("\"%s\" is not a field with such a value.", field));
	else if (strcmp(field, "type") == 0)
		set_rule_type(rule, value);
	else if (strcmp(field, "reading") == 0)
	{
		if (!sfm_reading_from_name(value, &rule->reading))
			wrong_type_rule(rule, psprintf("\"%s\" is no reading; valid are: iso, unix, unix_ms, julian, calendar.", value));
		rule->has_reading = true;
	}
	else if (strcmp(field, "on_misfit") == 0)
	{
		rule->on_misfit = choose_word("on_misfit", value, on_misfit_words);
		rule->has_on_misfit = true;
	}
	else
		wrong_type_rule(rule, psprintf("\"%s\" is not a field.", field));
}

/*
 * The argument "types" as a list of SfmTypeRule, in CurrentMemoryContext.  Needs
 * SPI, and the safe search_path: type names outside pg_catalog are to be qualified.
 */
List *
sfm_type_rules(Jsonb *types)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = JSONBOID;
	Datum		arg = JsonbPGetDatum(types);
	List	   *rules = NIL;
	SfmTypeRule *rule = NULL;
	SPITupleTable *rows;
	uint64		nrows;

	if (!JB_ROOT_IS_OBJECT(types))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"types\" must be a JSON object")));
	if (SPI_execute_with_args("SELECT e.key, jsonb_typeof(e.value), e.value #>> '{}',"
							  "       f.key, jsonb_typeof(f.value), f.value #>> '{}'"
							  "  FROM jsonb_each($1) e"
							  "  LEFT JOIN LATERAL jsonb_each(CASE jsonb_typeof(e.value) WHEN 'object' THEN e.value ELSE '{}' END) f ON true",
							  1, &argtype, &arg, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read argument \"types\"");
	rows = SPI_tuptable;
	nrows = SPI_processed;
	MemoryContextSwitchTo(mcxt);
	for (uint64 i = 0; i < nrows; i++)
	{
		char	   *text[6];

		for (int j = 0; j < 6; j++)
		{
			char	   *value = SPI_getvalue(rows->vals[i], rows->tupdesc, j + 1);

			text[j] = value ? MemoryContextStrdup(mcxt, value) : NULL;
		}
		if (rule == NULL || strcmp(rule->key, text[0]) != 0)
		{
			rule = MemoryContextAllocZero(mcxt, sizeof(SfmTypeRule));
			rule->key = text[0];
			if (!split_column_key(rule->key, &rule->table, &rule->column))
				rule->table = rule->column = NULL;
			rules = lappend(rules, rule);
			if (strcmp(text[1], "string") == 0)
				set_rule_type(rule, text[2]);
			else if (strcmp(text[1], "object") != 0)
				wrong_type_rule(rule, "It is neither a type name nor an object.");
		}
		if (text[3] != NULL)
			set_rule_field(rule, text[3], text[4], text[5]);
	}
	SPI_freetuptable(rows);
	return rules;
}

static void
append_list(StringInfo buf, const char *name, List *list)
{
	ListCell   *lc;

	appendStringInfo(buf, ", '%s', ", name);
	if (list == NIL)
	{
		appendStringInfoString(buf, "null::text[]");
		return;
	}
	appendStringInfoString(buf, "ARRAY[");
	foreach(lc, list)
		appendStringInfo(buf, "%s%s", lc == list_head(list) ? "" : ", ",
						 quote_literal_cstr(lfirst(lc)));
	appendStringInfoString(buf, "]::text[]");
}

/* The options of a run as jsonb text, for sqlite_mig.migration; needs SPI. */
char *
sfm_options_json(const SfmOptions *options)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "SELECT jsonb_build_object('source', %s", quote_literal_cstr(options->source));
	append_list(&buf, "include", options->include);
	append_list(&buf, "exclude", options->exclude);
	appendStringInfo(&buf, ", 'if_exists', '%s', 'on_misfit', '%s', 'on_orphan', '%s', 'identifiers', '%s', 'scope', '%s', 'verify', '%s'",
					 if_exists_words[options->if_exists], on_misfit_words[options->on_misfit],
					 on_orphan_words[options->on_orphan], identifiers_words[options->identifiers],
					 scope_words[options->scope], method_words[options->verify]);
	appendStringInfo(&buf, ", 'types', %s::jsonb",
					 quote_literal_cstr(JsonbToCString(NULL, &options->types_json->root,
													   VARSIZE(options->types_json))));
	if (options->jobs >= 0)
		appendStringInfo(&buf, ", 'jobs', %d", options->jobs);
	else
		appendStringInfoString(&buf, ", 'jobs', null::int");
	appendStringInfo(&buf, ", 'owner', %s::text, 'fire_triggers', %s)",
					 OidIsValid(options->owner) ?
					 quote_literal_cstr(GetUserNameFromId(options->owner, false)) : "null",
					 options->fire_triggers ? "true" : "false");
	return sfm_query_text(buf.data);
}
