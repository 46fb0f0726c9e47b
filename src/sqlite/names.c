/*
 * names.c
 *		SQLite's names as PostgreSQL identifiers.
 *
 * SQLite takes any text for a name, the empty one included, of any length, and
 * compares ASCII letters without case.  PostgreSQL takes 63 bytes, not the empty
 * one, in a table none of the system columns', and no character that the database's
 * encoding lacks.  A name is folded as asked, such characters are replaced by their
 * numbers, and it is cut at a character and told from its neighbours by a numbered
 * suffix.  The result depends on the name, the mode and the names given before it,
 * and on nothing else, so a second run finds the same identifiers.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_names.h"
#include "sfm_sqlite.h"

/* What an empty name becomes, with a suffix. */
#define SFM_EMPTY_NAME "unnamed"

struct SfmNamespace
{
	HTAB	   *taken;			/* key: the identifier */
	bool		for_columns;
};

bool
sfm_identifiers_from_name(const char *word, SfmIdentifiers *mode)
{
	if (strcmp(word, "lower") == 0)
		*mode = SFM_IDENTIFIERS_LOWER;
	else if (strcmp(word, "preserve") == 0)
		*mode = SFM_IDENTIFIERS_PRESERVE;
	else if (strcmp(word, "snake_case") == 0)
		*mode = SFM_IDENTIFIERS_SNAKE_CASE;
	else
		return false;
	return true;
}

static inline bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char
to_lower(char c)
{
	return is_upper(c) ? c + ('a' - 'A') : c;
}

/*
 * UserID, userId, "User ID" and user-id become user_id; HTTPServer becomes
 * http_server.  What is no ASCII letter, digit or separator stays as it is.
 */
static char *
snake_case(const char *name)
{
	StringInfoData out;

	initStringInfo(&out);
	for (const char *p = name; *p; p++)
	{
		char		before = p > name ? p[-1] : '\0';

		if (*p == ' ' || *p == '-' || *p == '.')
		{
			appendStringInfoChar(&out, '_');
			continue;
		}
		if (is_upper(*p) &&
			(is_lower(before) || is_digit(before) ||
			 (is_upper(before) && is_lower(p[1]))))
			appendStringInfoChar(&out, '_');
		appendStringInfoChar(&out, to_lower(*p));
	}
	return out.data;
}

/* What a character that the server's encoding lacks is written as: see sfm_names.h. */
#define ESCAPE_FORMAT "\\+%06X"
#define ESCAPE_LENGTH 8
#define SUBSTITUTE_FORMAT "u%04x"

/* Whether a name's next characters are such as ESCAPE_FORMAT writes; *code is what it wrote. */
static bool
is_escape(const char *name, pg_wchar *code)
{
	*code = 0;
	if (strlen(name) < ESCAPE_LENGTH || name[0] != '\\' || name[1] != '+')
		return false;
	for (int i = 2; i < ESCAPE_LENGTH; i++)
	{
		if (!is_digit(name[i]) && !(name[i] >= 'A' && name[i] <= 'F'))
			return false;
		*code = *code * 16 + (is_digit(name[i]) ? name[i] - '0' : name[i] - 'A' + 10);
	}
	return true;
}

/*
 * UTF-8 in the server's encoding, a character that this lacks written by format.
 * Where that is ESCAPE_FORMAT, a backslash that would read as one is, too.
 */
static char *
spell(const char *utf8, const char *format, bool *lacking)
{
	StringInfoData out;
	const char *text = utf8;
	int			len = strlen(utf8);
	pg_wchar	code;
	bool		escapes = strcmp(format, ESCAPE_FORMAT) == 0;

	*lacking = false;
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return pstrdup(utf8);
	if (sfm_utf8_to_database(&text, &len) && !(escapes && strstr(utf8, "\\+")))
		return text == utf8 ? pstrdup(utf8) : unconstify(char *, text);

	initStringInfo(&out);
	for (const char *p = utf8; *p; p += pg_utf_mblen((const unsigned char *) p))
	{
		text = p;
		len = pg_utf_mblen((const unsigned char *) p);
		if (escapes && is_escape(p, &code))
			appendStringInfo(&out, ESCAPE_FORMAT, '\\');
		else if (sfm_utf8_to_database(&text, &len))
			appendBinaryStringInfo(&out, text, len);
		else
		{
			appendStringInfo(&out, escapes ? ESCAPE_FORMAT : SUBSTITUTE_FORMAT,
							 utf8_to_unicode((const unsigned char *) p));
			*lacking = true;
		}
	}
	return out.data;
}

char *
sfm_name_to_server(const char *utf8)
{
	bool		lacking;

	return spell(utf8, ESCAPE_FORMAT, &lacking);
}

char *
sfm_name_to_source(const char *name)
{
	char	   *utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);
	StringInfoData out;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return utf8 == name ? pstrdup(name) : utf8;
	initStringInfo(&out);
	for (const char *p = utf8; *p;)
	{
		unsigned char character[5] = {0};
		pg_wchar	code;

		if (is_escape(p, &code) && code > 0 && code <= 0x10FFFF)
		{
			unicode_to_utf8(code, character);
			appendStringInfoString(&out, (char *) character);
			p += ESCAPE_LENGTH;
		}
		else
			appendStringInfoChar(&out, *p++);
	}
	return out.data;
}

/* sfm_fold_name(), and whether characters were replaced that the encoding lacks. */
static char *
fold(const char *name, SfmIdentifiers mode, bool *lacking)
{
	char	   *folded = NULL;

	switch (mode)
	{
		case SFM_IDENTIFIERS_PRESERVE:
			folded = pstrdup(name);
			break;
		case SFM_IDENTIFIERS_LOWER:
			folded = pstrdup(name);
			for (char *p = folded; *p; p++)
				*p = to_lower(*p);
			break;
		case SFM_IDENTIFIERS_SNAKE_CASE:
			folded = snake_case(name);
			break;
	}
	/* folding first: ASCII bytes in UTF-8 are characters, in other encodings maybe not */
	return spell(folded, SUBSTITUTE_FORMAT, lacking);
}

char *
sfm_fold_name(const char *name, SfmIdentifiers mode)
{
	bool		lacking;

	return fold(name, mode, &lacking);
}

SfmNamespace *
sfm_namespace_create(bool for_columns)
{
	SfmNamespace *names = palloc(sizeof(SfmNamespace));
	HASHCTL		ctl;

	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = NAMEDATALEN;
	ctl.hcxt = CurrentMemoryContext;
	names->taken = hash_create("sqlite_fdw_mig identifiers", 64, &ctl,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	names->for_columns = for_columns;
	return names;
}

void
sfm_namespace_free(SfmNamespace *names)
{
	hash_destroy(names->taken);
	pfree(names);
}

bool
sfm_namespace_reserve(SfmNamespace *names, const char *identifier)
{
	bool		found;

	hash_search(names->taken, identifier, HASH_ENTER, &found);
	return !found;
}

static bool
is_free(const SfmNamespace *names, const char *identifier)
{
	bool		found;

	if (names->for_columns && SystemAttributeByName(identifier) != NULL)
		return false;
	hash_search(names->taken, identifier, HASH_FIND, &found);
	return !found;
}

/* Bytes of the whole characters that fit; a database in SQL_ASCII has names in UTF-8. */
static int
clip(const char *name, int room)
{
	int			encoding = GetDatabaseEncoding();

	return pg_encoding_mbcliplen(encoding == PG_SQL_ASCII ? PG_UTF8 : encoding, name,
								 strlen(name), room);
}

/* base, cut so that base and suffix are no longer than an identifier may be */
static char *
with_suffix(const char *base, const char *suffix)
{
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
	int			len = clip(base, room);
	char	   *result = palloc(len + strlen(suffix) + 1);

	memcpy(result, base, len);
	strcpy(result + len, suffix);
	return result;
}

char *
sfm_namespace_add_identifier(SfmNamespace *names, const char *identifier, int *changes)
{
	const char *base = identifier[0] != '\0' ? identifier : SFM_EMPTY_NAME;
	char	   *result = with_suffix(base, "");
	int			what = 0;

	if (identifier[0] == '\0')
		what |= SFM_NAME_EMPTY;
	if (strlen(result) < strlen(base))
		what |= SFM_NAME_CLIPPED;
	if (names->for_columns && SystemAttributeByName(result) != NULL)
		what |= SFM_NAME_SYSTEM;
	else if (!is_free(names, result))
		what |= SFM_NAME_TAKEN;

	if (what & ~SFM_NAME_CLIPPED)
	{
		int			n = 0;

		do
		{
			char		suffix[16];

			snprintf(suffix, sizeof(suffix), "_%d", ++n);
			pfree(result);
			result = with_suffix(base, suffix);
		} while (!is_free(names, result));
	}

	sfm_namespace_reserve(names, result);
	if (changes)
		*changes = what;
	return result;
}

char *
sfm_namespace_add(SfmNamespace *names, const char *name, SfmIdentifiers mode, int *changes)
{
	bool		lacking;
	char	   *identifier = sfm_namespace_add_identifier(names, fold(name, mode, &lacking), changes);

	if (lacking && changes)
		*changes |= SFM_NAME_LACKING;
	return identifier;
}

char *
sfm_object_name(const char *table, const char *columns, const char *suffix)
{
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix) - (columns ? 2 : 1);
	int			table_len = strlen(table);
	int			columns_len = columns ? strlen(columns) : 0;

	/* as makeObjectName() does it, which in SQL_ASCII would cut inside a character */
	while (table_len + columns_len > room)
		if (table_len > columns_len)
			table_len--;
		else
			columns_len--;
	return makeObjectName(pnstrdup(table, clip(table, table_len)),
						  columns ? pnstrdup(columns, clip(columns, columns_len)) : NULL, suffix);
}

char *
sfm_name_changes_text(int changes)
{
	static const struct
	{
		int			change;
		const char *text;
	}			texts[] = {
		{SFM_NAME_EMPTY, "is empty"},
		{SFM_NAME_SYSTEM, "is the name of a system column"},
		{SFM_NAME_CLIPPED, "has over 63 bytes"},
		{SFM_NAME_TAKEN, "is equal to another after folding"},
		{SFM_NAME_LACKING, "has characters that the database's encoding lacks"},
	};
	StringInfoData out;

	if (changes == 0)
		return NULL;
	initStringInfo(&out);
	for (int i = 0; i < lengthof(texts); i++)
	{
		if (changes & texts[i].change)
			appendStringInfo(&out, "%s%s", out.len > 0 ? " and " : "", texts[i].text);
	}
	return out.data;
}
