/*
 * names.c
 *		SQLite's names as PostgreSQL identifiers.
 *
 * SQLite takes any text for a name, the empty one included, of any length, and
 * compares ASCII letters without case.  PostgreSQL takes 63 bytes, not the empty
 * one, and in a table none of the system columns'.  A name is folded as asked,
 * cut at a character, and told from its neighbours by a numbered suffix.  The
 * result depends on the name, the mode and the names given before it, and on
 * nothing else, so a second run finds the same identifiers.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sfm_names.h"

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

char *
sfm_name_to_server(const char *utf8)
{
	char	   *name = pg_any_to_server(utf8, strlen(utf8), PG_UTF8);

	return name == utf8 ? pstrdup(utf8) : name;
}

char *
sfm_name_to_source(const char *name)
{
	char	   *utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);

	return utf8 == name ? pstrdup(name) : utf8;
}

char *
sfm_fold_name(const char *name, SfmIdentifiers mode)
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
	return sfm_name_to_server(folded);
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

/* base, cut so that base and suffix are no longer than an identifier may be */
static char *
with_suffix(const char *base, const char *suffix)
{
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
	int			len = pg_mbcliplen(base, strlen(base), room);

	return psprintf("%.*s%s", len, base, suffix);
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
	return sfm_namespace_add_identifier(names, sfm_fold_name(name, mode), changes);
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
