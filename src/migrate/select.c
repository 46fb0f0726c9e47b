/*
 * select.c
 *		Which tables and views a call means: the arguments include and exclude.
 *
 * An entry that is a name means that table or view; any other is a LIKE pattern.
 * Names compare as in SQLite, ASCII case ignored, and so do patterns.  Virtual
 * tables can be named too, since the report speaks of them.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "sfm_migrate.h"

static char *
ascii_lower(const char *text)
{
	char	   *result = pstrdup(text);

	for (char *p = result; *p; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	return result;
}

static bool
matches_pattern(const char *name, const char *pattern)
{
	return DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID,
												CStringGetTextDatum(ascii_lower(name)),
												CStringGetTextDatum(ascii_lower(pattern))));
}

/* Sets chosen[i] for the names that an entry of the list means. */
static void
apply_list(List *names, List *list, const char *argument, bool *chosen)
{
	ListCell   *lc;
	ListCell   *name;

	foreach(lc, list)
	{
		const char *entry = lfirst(lc);
		bool		found = false;

		foreach(name, names)
			if (sfm_names_equal(lfirst(name), entry))
				chosen[foreach_current_index(name)] = found = true;
		if (!found)
			foreach(name, names)
				if (matches_pattern(lfirst(name), entry))
					chosen[foreach_current_index(name)] = found = true;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("\"%s\" in argument \"%s\" matches no table or view",
							entry, argument)));
	}
}

/*
 * An array with an entry for each of these names (server's encoding): whether it is
 * chosen.  Raises 42P01 for an entry that matches nothing.
 */
bool *
sfm_select_names(List *names, List *include, List *exclude)
{
	int			n = list_length(names);
	bool	   *chosen = palloc0(sizeof(bool) * Max(n, 1));
	bool	   *excluded = palloc0(sizeof(bool) * Max(n, 1));

	if (include == NIL)
		memset(chosen, true, sizeof(bool) * n);
	else
		apply_list(names, include, "include", chosen);
	apply_list(names, exclude, "exclude", excluded);
	for (int i = 0; i < n; i++)
		if (excluded[i])
			chosen[i] = false;
	return chosen;
}

/* The same for the tables and views of the source. */
bool *
sfm_select_tables(const SfmCatalog *catalog, List *include, List *exclude)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, catalog->tables)
		names = lappend(names, sfm_name_to_server(((SfmTable *) lfirst(lc))->name));
	return sfm_select_names(names, include, exclude);
}

/* The chosen ones as a list of SfmTable. */
List *
sfm_selected_tables(const SfmCatalog *catalog, List *include, List *exclude)
{
	bool	   *chosen = sfm_select_tables(catalog, include, exclude);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, catalog->tables)
		if (chosen[foreach_current_index(lc)])
			result = lappend(result, lfirst(lc));
	return result;
}
