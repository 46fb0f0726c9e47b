/*
 * verify_keys.c
 *		The rows of a target whose primary key is in the source: what verify() compares
 *		where a run put its rows among others.
 *
 * Converters make the keys, but only to find the rows: a row that is not found counts as
 * missing, and what is in those that are found is compared as elsewhere.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "sfm_migrate.h"

struct SfmVerifyKeys
{
	const char *target;			/* qualified */
	List	   *key;			/* of SfmKeyColumn */
	int		   *columns;		/* of each, its place in a row */
	SfmConv   **convs;
	Datum	   *values;
	bool	   *isnull;
	SfmKeySet  *set;
	MemoryContext row_context;
};

static int
find_column(int ncolumns, char *const *names, const char *name)
{
	for (int i = 0; i < ncolumns; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* The type that a column is read as: with its zone, which a timestamp in UTC does not show. */
static SfmType
read_type(const SfmType *type)
{
	SfmType		result = *type;

	if (result.kind == SFM_KIND_TIMESTAMP)
	{
		result.kind = SFM_KIND_TIMESTAMPTZ;
		result.typid = TIMESTAMPTZOID;
	}
	return result;
}

/*
 * Begins to gather keys, in CurrentMemoryContext, for a target whose rows have columns of
 * these names and types.  NULL when it has no primary key, or a column of that is not
 * among them.
 */
SfmVerifyKeys *
sfm_verify_keys_begin(const char *target, int ncolumns, char *const *names, const SfmType *types)
{
	SfmVerifyKeys *keys = palloc0(sizeof(SfmVerifyKeys));
	bool		isnull;
	Oid			relid = (Oid) sfm_query_int64(psprintf("SELECT to_regclass(%s)::oid::bigint", sfm_literal(target)), &isnull);
	char	  **key_names;
	Oid		   *key_types;
	int			n;

	keys->target = target;
	keys->key = OidIsValid(relid) ? sfm_key_columns(relid) : NIL;
	n = list_length(keys->key);
	if (n == 0)
		return NULL;
	keys->columns = palloc(sizeof(int) * n);
	keys->convs = palloc(sizeof(SfmConv *) * n);
	keys->values = palloc(sizeof(Datum) * n);
	keys->isnull = palloc0(sizeof(bool) * n);
	key_names = palloc(sizeof(char *) * n);
	key_types = palloc(sizeof(Oid) * n);
	for (int i = 0; i < n; i++)
	{
		SfmType		type;

		key_names[i] = ((SfmKeyColumn *) list_nth(keys->key, i))->name;
		keys->columns[i] = find_column(ncolumns, names, key_names[i]);
		if (keys->columns[i] < 0)
			return NULL;
		type = read_type(&types[keys->columns[i]]);
		key_types[i] = types[keys->columns[i]].typid;
		keys->convs[i] = sfm_conv_create(&type);
	}
	keys->set = sfm_keyset_create("sqlite_keys", n, key_names, key_types, work_mem);
	keys->row_context = AllocSetContextCreate(CurrentMemoryContext, "keys of the source", ALLOCSET_DEFAULT_SIZES);
	return keys;
}

/* The key of one row of the source; values has its cells.  One that does not fit is no key. */
void
sfm_verify_keys_put(SfmVerifyKeys *keys, const SfmValue *values)
{
	MemoryContext old = MemoryContextSwitchTo(keys->row_context);
	bool		fits = true;

	for (int i = 0; i < list_length(keys->key) && fits; i++)
		fits = sfm_convert(keys->convs[i], &values[keys->columns[i]], &keys->values[i]) == SFM_FIT;
	if (fits)
		sfm_keyset_put(keys->set, keys->values, keys->isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(keys->row_context);
}

/* All keys are there: the query of these columns, a list of char *, of the rows that have them. */
char *
sfm_verify_keys_query(SfmVerifyKeys *keys, List *columns)
{
	sfm_keyset_finish(keys->set);
	return sfm_key_rows(sfm_relation_rows(keys->target), keys->key, keys->set, columns);
}

/* To be called after the query. */
void
sfm_verify_keys_end(SfmVerifyKeys *keys)
{
	sfm_keyset_drop(keys->set);
}
