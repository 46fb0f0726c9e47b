/*
 * quote.c
 *		SQLite's spelling of names, strings and storage classes; equal names.
 */
#include "postgres.h"

#include "sfm_catalog.h"
#include "sfm_sqlite.h"

static char *
quote_with(const char *text, char quote)
{
	char	   *quoted = palloc(2 * strlen(text) + 3);
	char	   *p = quoted;

	*p++ = quote;
	for (; *text; text++)
	{
		if (*text == quote)
			*p++ = quote;
		*p++ = *text;
	}
	*p++ = quote;
	*p = '\0';
	return quoted;
}

/* A name as SQLite identifier, always in double quotes; palloc'd. */
char *
sfm_quote_name(const char *name)
{
	return quote_with(name, '"');
}

/* A text as SQLite string literal; palloc'd. */
char *
sfm_quote_string(const char *text)
{
	return quote_with(text, '\'');
}

/* The word that SQLite's typeof() gives for a storage class. */
const char *
sfm_class_name(SfmClass cls)
{
	static const char *const names[SFM_NCLASSES] = {"null", "integer", "real", "text", "blob"};

	return names[cls];
}

/* Equal as SQLite compares names: ASCII letters fold, nothing else. */
bool
sfm_names_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (pg_ascii_tolower((unsigned char) *a) != pg_ascii_tolower((unsigned char) *b))
			return false;
	return *a == *b;
}
