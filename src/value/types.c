/*
 * types.c
 *		The type table: what a declared type of SQLite becomes, and which converter
 *		a PostgreSQL type has.
 *
 * SQLite takes any words for a type, perhaps with numbers in parentheses.  The
 * words are looked up, the numbers read strictly; what is not in the table goes by
 * SQLite's own affinity rules.  Text of the file never becomes SQL: only the
 * types below come out.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"

#include "compat.h"
#include "sfm_convert.h"

/* varchar(n)'s greatest n (MaxAttrSize of access/htup_details.h). */
#define MAX_VARCHAR MaxAttrSize

/* A declared type, taken apart. */
typedef struct Declared
{
	char		name[64];		/* words outside parentheses, upper case, one blank between */
	bool		overlong;		/* the name does not fit: it is none of the table's */
	bool		is_unsigned;
	int			nparams;		/* -1: what is in the parentheses are no numbers */
	int			params[2];
} Declared;

typedef enum ParamUse
{
	PARAMS_IGNORED,
	PARAMS_LENGTH,				/* (n): varchar(n) */
	PARAMS_NUMERIC,				/* (p) or (p,s) */
	PARAMS_BOOLEAN				/* boolean with (1), or none for BIT */
} ParamUse;

typedef struct TableEntry
{
	const char *name;
	SfmKind		kind;
	ParamUse	params;
} TableEntry;

static const TableEntry table[] = {
	{"INTEGER", SFM_KIND_INT8}, {"INT", SFM_KIND_INT8}, {"BIGINT", SFM_KIND_INT8},
	{"INT8", SFM_KIND_INT8}, {"INT4", SFM_KIND_INT8}, {"MEDIUMINT", SFM_KIND_INT8},
	{"UNSIGNED BIG INT", SFM_KIND_INT8}, {"BIG INT", SFM_KIND_INT8},
	{"SERIAL", SFM_KIND_INT8}, {"BIGSERIAL", SFM_KIND_INT8},
	{"SMALLINT", SFM_KIND_INT2}, {"INT2", SFM_KIND_INT2},
	{"TINYINT", SFM_KIND_INT2, PARAMS_BOOLEAN},
	{"BOOL", SFM_KIND_BOOL}, {"BOOLEAN", SFM_KIND_BOOL},
	{"BIT", SFM_KIND_BOOL, PARAMS_BOOLEAN},
	{"REAL", SFM_KIND_FLOAT8}, {"FLOAT", SFM_KIND_FLOAT8}, {"DOUBLE", SFM_KIND_FLOAT8},
	{"DOUBLE PRECISION", SFM_KIND_FLOAT8}, {"FLOAT4", SFM_KIND_FLOAT8},
	{"FLOAT8", SFM_KIND_FLOAT8},
	{"NUMERIC", SFM_KIND_NUMERIC, PARAMS_NUMERIC},
	{"DECIMAL", SFM_KIND_NUMERIC, PARAMS_NUMERIC},
	{"DEC", SFM_KIND_NUMERIC, PARAMS_NUMERIC},
	{"NUMBER", SFM_KIND_NUMERIC, PARAMS_NUMERIC},
	{"MONEY", SFM_KIND_NUMERIC},
	{"TEXT", SFM_KIND_TEXT}, {"CLOB", SFM_KIND_TEXT}, {"STRING", SFM_KIND_TEXT},
	{"LONGTEXT", SFM_KIND_TEXT}, {"MEDIUMTEXT", SFM_KIND_TEXT}, {"TINYTEXT", SFM_KIND_TEXT},
	{"VARCHAR", SFM_KIND_TEXT, PARAMS_LENGTH}, {"CHAR", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"CHARACTER", SFM_KIND_TEXT, PARAMS_LENGTH}, {"NVARCHAR", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NCHAR", SFM_KIND_TEXT, PARAMS_LENGTH}, {"VARCHAR2", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NVARCHAR2", SFM_KIND_TEXT, PARAMS_LENGTH}, {"BPCHAR", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"CHARACTER VARYING", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"VARYING CHARACTER", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"CHAR VARYING", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NATIVE CHARACTER", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NATIONAL CHARACTER", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NATIONAL CHARACTER VARYING", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"NATIONAL VARCHAR", SFM_KIND_TEXT, PARAMS_LENGTH},
	{"BLOB", SFM_KIND_BYTEA}, {"BINARY", SFM_KIND_BYTEA}, {"VARBINARY", SFM_KIND_BYTEA},
	{"BYTEA", SFM_KIND_BYTEA},
	{"DATE", SFM_KIND_DATE},
	{"DATETIME", SFM_KIND_TIMESTAMP}, {"TIMESTAMP", SFM_KIND_TIMESTAMP},
	{"DATETIME2", SFM_KIND_TIMESTAMP}, {"SMALLDATETIME", SFM_KIND_TIMESTAMP},
	{"TIMESTAMP WITHOUT TIME ZONE", SFM_KIND_TIMESTAMP},
	{"TIMESTAMPTZ", SFM_KIND_TIMESTAMPTZ}, {"DATETIMEOFFSET", SFM_KIND_TIMESTAMPTZ},
	{"TIMESTAMP WITH TIME ZONE", SFM_KIND_TIMESTAMPTZ},
	{"TIME", SFM_KIND_TIME}, {"TIME WITHOUT TIME ZONE", SFM_KIND_TIME},
	{"JSON", SFM_KIND_JSONB}, {"JSONB", SFM_KIND_JSONB},
	{"UUID", SFM_KIND_UUID}, {"GUID", SFM_KIND_UUID}, {"UNIQUEIDENTIFIER", SFM_KIND_UUID}
};

/* The PostgreSQL type of each kind that has exactly one. */
static const Oid kind_types[SFM_NKINDS] = {
	[SFM_KIND_BOOL] = BOOLOID,
	[SFM_KIND_INT2] = INT2OID,
	[SFM_KIND_INT4] = INT4OID,
	[SFM_KIND_INT8] = INT8OID,
	[SFM_KIND_FLOAT4] = FLOAT4OID,
	[SFM_KIND_FLOAT8] = FLOAT8OID,
	[SFM_KIND_NUMERIC] = NUMERICOID,
	[SFM_KIND_TEXT] = TEXTOID,
	[SFM_KIND_VARCHAR] = VARCHAROID,
	[SFM_KIND_BPCHAR] = BPCHAROID,
	[SFM_KIND_BYTEA] = BYTEAOID,
	[SFM_KIND_DATE] = DATEOID,
	[SFM_KIND_TIME] = TIMEOID,
	[SFM_KIND_TIMESTAMP] = TIMESTAMPOID,
	[SFM_KIND_TIMESTAMPTZ] = TIMESTAMPTZOID,
	[SFM_KIND_JSON] = JSONOID,
	[SFM_KIND_JSONB] = JSONBOID,
	[SFM_KIND_UUID] = UUIDOID,
	[SFM_KIND_INPUT] = InvalidOid
};

static inline char
ascii_upper(char c)
{
	return (c >= 'a' && c <= 'z') ? c - ('a' - 'A') : c;
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A number in parentheses: digits, blanks around them; *p is moved behind it. */
static bool
read_param(const char **p, int *value)
{
	int			digits = 0;

	*value = 0;
	while (is_blank(**p))
		(*p)++;
	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		if (++digits > 9)
			return false;
		*value = *value * 10 + (**p - '0');
	}
	while (is_blank(**p))
		(*p)++;
	return digits > 0;
}

/* What follows an opening parenthesis; returns where the closing one is, or the end. */
static const char *
read_params(const char *p, Declared *declared)
{
	const char *close = strchr(p, ')');
	const char *q = p;
	int			n = 0;

	if (declared->nparams != 0)
		n = -1;					/* a second pair of parentheses */
	while (n >= 0 && n < 2)
	{
		if (!read_param(&q, &declared->params[n]))
			n = -1;
		else
		{
			n++;
			if (*q == ')')
				break;
			if (*q++ != ',' || n == 2)
				n = -1;
		}
	}
	declared->nparams = n;
	return close != NULL ? close : p + strlen(p);
}

static void
take_apart(const char *text, Declared *declared)
{
	int			len = 0;
	bool		gap = false;

	memset(declared, 0, sizeof(*declared));
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '(')
		{
			p = read_params(p + 1, declared);
			gap = true;
			if (*p == '\0')
				break;
		}
		else if (is_blank(*p))
			gap = true;
		else
		{
			if (len + 2 >= (int) sizeof(declared->name))
			{
				declared->overlong = true;
				break;
			}
			if (gap && len > 0)
				declared->name[len++] = ' ';
			gap = false;
			declared->name[len++] = ascii_upper(*p);
		}
	}
	declared->name[len] = '\0';
}

/* Takes the last word off the name when it is this one. */
static bool
drop_last_word(Declared *declared, const char *word)
{
	int			len = strlen(declared->name);
	int			wordlen = strlen(word);

	if (len <= wordlen + 1 || declared->name[len - wordlen - 1] != ' ' ||
		strcmp(declared->name + len - wordlen, word) != 0)
		return false;
	declared->name[len - wordlen - 1] = '\0';
	return true;
}

static SfmType
type_of_kind(SfmKind kind)
{
	SfmType		type = {0};

	type.typid = kind_types[kind];
	type.typmod = -1;
	type.kind = kind;
	return type;
}

/* numeric's typmod, -1 for numbers that make none. */
static int32
numeric_typmod(const Declared *declared)
{
	int			precision = declared->params[0];
	int			scale = declared->nparams == 2 ? declared->params[1] : 0;

	if (declared->nparams < 1 || precision < 1 || precision > NUMERIC_MAX_PRECISION ||
		scale > precision)
		return -1;
	return ((precision << 16) | scale) + VARHDRSZ;
}

static SfmType
type_of_entry(const TableEntry *entry, const Declared *declared)
{
	SfmType		type = type_of_kind(entry->kind);

	switch (entry->params)
	{
		case PARAMS_IGNORED:
			break;
		case PARAMS_LENGTH:
			if (declared->nparams == 1 && declared->params[0] >= 1 &&
				declared->params[0] <= MAX_VARCHAR)
			{
				type = type_of_kind(SFM_KIND_VARCHAR);
				type.typmod = declared->params[0] + VARHDRSZ;
			}
			break;
		case PARAMS_NUMERIC:
			type.typmod = numeric_typmod(declared);
			break;
		case PARAMS_BOOLEAN:
			if (declared->nparams == 1 && declared->params[0] == 1)
				type = type_of_kind(SFM_KIND_BOOL);
			else if (entry->kind == SFM_KIND_BOOL && declared->nparams != 0)
			{
				/* BIT(8) is no boolean; nothing of the table */
				type = type_of_kind(SFM_KIND_NUMERIC);
				type.by_values = true;
			}
			break;
	}
	/* the unsigned half of smallint's values does not fit it */
	if (declared->is_unsigned && type.kind == SFM_KIND_INT2)
		type = type_of_kind(SFM_KIND_INT8);
	return type;
}

static SfmType
type_by_affinity(const char *declared)
{
	SfmType		type;

	switch (sfm_affinity(declared))
	{
		case 'I':
			return type_of_kind(SFM_KIND_INT8);
		case 'T':
			return type_of_kind(SFM_KIND_TEXT);
		case 'B':
			return type_of_kind(SFM_KIND_BYTEA);
		case 'R':
			return type_of_kind(SFM_KIND_FLOAT8);
		default:
			type = type_of_kind(SFM_KIND_NUMERIC);
			type.by_values = true;
			return type;
	}
}

/*
 * See sfm_value.h.  Where nothing was declared, or ANY, the plan is text: a column
 * of text needs no second reading, anything else is decided by sfm_widen().
 */
SfmType
sfm_type_for_declaration(const char *declared)
{
	Declared	parts;
	SfmType		type;
	bool		dropped;

	if (declared == NULL)
		declared = "";
	take_apart(declared, &parts);
	do
	{
		dropped = false;
		if (drop_last_word(&parts, "UNSIGNED"))
			dropped = parts.is_unsigned = true;
		if (drop_last_word(&parts, "SIGNED") || drop_last_word(&parts, "ZEROFILL"))
			dropped = true;
	} while (dropped);

	if (!parts.overlong)
	{
		if (parts.name[0] == '\0' || strcmp(parts.name, "ANY") == 0)
		{
			type = type_of_kind(SFM_KIND_TEXT);
			type.by_values = true;
			return type;
		}
		for (int i = 0; i < lengthof(table); i++)
			if (strcmp(parts.name, table[i].name) == 0)
				return type_of_entry(&table[i], &parts);
	}
	return type_by_affinity(declared);
}

/*
 * See sfm_value.h.  A domain keeps its own OID and goes by way of its checks, so
 * that its kind is SFM_KIND_INPUT, as that of any type without a converter.
 */
SfmType
sfm_type_for_oid(Oid typid, int32 typmod)
{
	SfmType		type = type_of_kind(SFM_KIND_INPUT);

	type.typid = typid;
	type.typmod = typmod;
	for (int kind = 0; kind < SFM_NKINDS; kind++)
		if (OidIsValid(kind_types[kind]) && kind_types[kind] == typid)
			type.kind = (SfmKind) kind;
	return type;
}

/* See sfm_value.h; palloc'd. */
char *
sfm_type_name(const SfmType *type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type->typid));
	bits16		flags = FORMAT_TYPE_TYPEMOD_GIVEN;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type->typid);
	if (((Form_pg_type) GETSTRUCT(tuple))->typnamespace != PG_CATALOG_NAMESPACE)
		flags |= FORMAT_TYPE_FORCE_QUALIFY;
	ReleaseSysCache(tuple);
	return format_type_extended(type->typid, type->typmod, flags);
}

static const char *const reading_names[] = {
	[SFM_READING_ISO] = "iso",
	[SFM_READING_UNIX] = "unix",
	[SFM_READING_UNIX_MS] = "unix_ms",
	[SFM_READING_JULIAN] = "julian",
	[SFM_READING_CALENDAR] = "calendar"
};

const char *
sfm_reading_name(SfmReading reading)
{
	return reading_names[reading];
}

bool
sfm_reading_from_name(const char *name, SfmReading *reading)
{
	for (int i = SFM_READING_ISO; i < lengthof(reading_names); i++)
		if (strcmp(name, reading_names[i]) == 0)
		{
			*reading = (SfmReading) i;
			return true;
		}
	return false;
}
