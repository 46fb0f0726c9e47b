/*
 * deparse.c
 *		The queries that are sent to SQLite.
 *
 * They are put together from quoted names and a few fixed words; values are always
 * bound.  Every column is named through the table's alias: SQLite takes a
 * double-quoted name that it does not find for a string, but a qualified one never.
 *
 * The rowid comes first where the table has one, for the messages about values
 * that do not fit; reading it costs nothing, since SQLite has it in hand.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "compat.h"
#include "fdw_internal.h"

static void
append_column(StringInfo sql, const char *name)
{
	appendStringInfo(sql, SFM_ALIAS ".%s", sfm_quote_name(name));
}

/* "SELECT rowid, a, b FROM t AS r"; NULL where nothing at all is to be read. */
static void
append_select(StringInfo sql, const SfmTable *table, List *names, bool *rowid_first)
{
	bool		empty = true;
	ListCell   *lc;

	*rowid_first = table->rowid_name != NULL;
	appendStringInfoString(sql, "SELECT ");
	if (*rowid_first)
	{
		appendStringInfo(sql, SFM_ALIAS ".%s", table->rowid_name);
		empty = false;
	}
	foreach(lc, names)
	{
		if (!empty)
			appendStringInfoString(sql, ", ");
		append_column(sql, lfirst(lc));
		empty = false;
	}
	if (empty)
		appendStringInfoString(sql, "NULL");
	appendStringInfo(sql, " FROM %s AS " SFM_ALIAS, sfm_quote_name(table->name));
}

/*
 * The query that reads these columns of a table, palloc'd.  *rowid_first tells
 * whether the rowid was put before them.
 */
char *
sfm_select_sql(const SfmTable *table, int ncolumns, const char *const *names,
			   bool *rowid_first)
{
	StringInfoData sql;
	List	   *list = NIL;

	for (int i = 0; i < ncolumns; i++)
		list = lappend(list, unconstify(char *, names[i]));
	initStringInfo(&sql);
	append_select(&sql, table, list, rowid_first);
	list_free(list);
	return sql.data;
}

static void
append_pushed(StringInfo sql, const SfmTable *table, const SfmPushed *pushed, List **params)
{
	append_column(sql, table->columns[pushed->column].name);
	if (pushed->value)
		*params = lappend(*params, pushed->value);
	switch (pushed->kind)
	{
		case SFM_PUSHED_COMPARE:
			appendStringInfo(sql, " %s ?%d", pushed->op, list_length(*params));
			break;
		case SFM_PUSHED_IN:
			/* one parameter, whatever the number of elements: a JSON array */
			appendStringInfo(sql, " IN (SELECT value FROM json_each(?%d))",
							 list_length(*params));
			break;
		case SFM_PUSHED_NULL:
			appendStringInfoString(sql, " IS NULL");
			break;
		case SFM_PUSHED_NOT_NULL:
			appendStringInfoString(sql, " IS NOT NULL");
			break;
	}
}

/*
 * The query of a foreign scan: columns (an IntList of numbers in table->columns)
 * where all of pushed hold.  *params receives the expressions to bind, ?1 first.
 */
char *
sfm_deparse_scan(const SfmTable *table, List *columns, List *pushed, List **params,
				 bool *rowid_first)
{
	StringInfoData sql;
	List	   *names = NIL;
	const char *word = " WHERE ";
	ListCell   *lc;

	foreach(lc, columns)
		names = lappend(names, table->columns[lfirst_int(lc)].name);
	initStringInfo(&sql);
	append_select(&sql, table, names, rowid_first);

	*params = NIL;
	foreach(lc, pushed)
	{
		appendStringInfoString(&sql, word);
		append_pushed(&sql, table, lfirst(lc), params);
		word = " AND ";
	}
	return sql.data;
}
