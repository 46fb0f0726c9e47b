/*
 * sfm_names.h
 *		SQLite's names as PostgreSQL identifiers, in one place for IMPORT FOREIGN
 *		SCHEMA and the migration.
 */
#ifndef SFM_NAMES_H
#define SFM_NAMES_H

/* The words of the option "identifiers". */
typedef enum SfmIdentifiers
{
	SFM_IDENTIFIERS_LOWER,
	SFM_IDENTIFIERS_PRESERVE,
	SFM_IDENTIFIERS_SNAKE_CASE
} SfmIdentifiers;

#define SFM_IDENTIFIERS_WORDS "lower, preserve, snake_case"

extern bool sfm_identifiers_from_name(const char *word, SfmIdentifiers *mode);

/* What happened to a name beyond the folding that was asked for; a set of bits. */
#define SFM_NAME_EMPTY		0x01	/* it was empty */
#define SFM_NAME_SYSTEM		0x02	/* it is a system column's */
#define SFM_NAME_CLIPPED	0x04	/* it was over 63 bytes */
#define SFM_NAME_TAKEN		0x08	/* another of the namespace has it */
#define SFM_NAME_LACKING	0x10	/* it has characters that the server's encoding lacks */

/*
 * Folds a name of the source (UTF-8) and brings it into the server's encoding;
 * palloc'd, of any length, possibly empty.  Only ASCII letters are folded, as
 * SQLite compares names.  A character that the server's encoding lacks becomes its
 * number, U+1F642 for instance "u1f642".
 */
extern char *sfm_fold_name(const char *name, SfmIdentifiers mode);

/*
 * A name (or another text) of the source in the server's encoding, palloc'd, for
 * people and for the options of foreign tables.  A character that the encoding lacks
 * is written as "\+01F642", and in such a database a backslash before what looks like
 * that as "\+00005C", so that sfm_name_to_source() gives the name back, whatever it is.
 */
extern char *sfm_name_to_server(const char *utf8);
extern char *sfm_name_to_source(const char *name);

/* Names that must differ from each other: relations of a schema, columns of a table. */
typedef struct SfmNamespace SfmNamespace;

/* for_columns: the names of system columns are not free. */
extern SfmNamespace *sfm_namespace_create(bool for_columns);
extern void sfm_namespace_free(SfmNamespace *names);	/* not the names that it gave */

/* Marks an identifier as taken; false when it already was. */
extern bool sfm_namespace_reserve(SfmNamespace *names, const char *identifier);

/*
 * The identifier for a name of the source: folded, cut to 63 bytes at a
 * character, distinct in the namespace by a numbered suffix, reserved there.
 * The first to ask keeps a name, so asking in the source's order gives the same
 * names each time.  *changes (may be NULL) receives SFM_NAME_ bits.
 */
extern char *sfm_namespace_add(SfmNamespace *names, const char *name,
							   SfmIdentifiers mode, int *changes);

/* The same for a name that the caller made (server's encoding, not folded). */
extern char *sfm_namespace_add_identifier(SfmNamespace *names, const char *identifier,
										  int *changes);

/* A name as PostgreSQL would choose it: table_columns_suffix, cut at characters; columns may be NULL. */
extern char *sfm_object_name(const char *table, const char *columns, const char *suffix);

/* "is empty and is equal to another after folding", for notes; NULL when changes is 0. */
extern char *sfm_name_changes_text(int changes);

#endif							/* SFM_NAMES_H */
