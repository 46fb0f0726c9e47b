/*
 * catalog.c
 *		Reads what a SQLite file declares.
 *
 * Facts come from SQLite itself wherever it gives them (PRAGMA functions,
 * sqlite3_table_column_metadata), since no reading of the SQL text can be as right
 * as the engine's own.  The parsed text adds what no PRAGMA has: constraint names,
 * CHECKs, DEFERRABLE, expressions.  Where the parser gives up, the reason is kept
 * and the rest still stands.
 *
 * A table that SQLite itself cannot open (a virtual table whose module is missing,
 * a view over things that do not exist) does not stop the reading of the others.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "sfm_catalog.h"
#include "sqlite_internal.h"

/*
 * What is read of the tables without an index (sqlite_schema, sqlite_stat1,
 * sqlite_sequence) is read once for all tables: once a table would be quadratic in
 * their number.  Names are looked up by a hash of their folded form.
 */
typedef struct SfmNameMap
{
	uint32		hash;			/* the key */
	List	   *entries;		/* of NameEntry, in the order in which they came */
} SfmNameMap;

typedef struct NameEntry
{
	const char *name;
	void	   *value;
} NameEntry;

/* A row of sqlite_stat1. */
typedef struct Statistics
{
	char	   *index;			/* NULL: of the table */
	char	   *text;
} Statistics;

/* Statements that are prepared once and used for every table, and what was read once. */
typedef struct CatalogReader
{
	SfmFile    *file;
	SfmStmt    *columns;
	SfmStmt    *indexes;
	SfmStmt    *index_columns;
	SfmStmt    *foreign_keys;
	HTAB	   *index_sql;		/* by index: text */
	HTAB	   *triggers;		/* by table: SfmTrigger */
	HTAB	   *statistics;		/* by table: Statistics */
} CatalogReader;

/* Number of the column with that name; -1 when there is none. */
int
sfm_table_column(const SfmTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (sfm_names_equal(table->columns[i].name, name))
			return i;
	return -1;
}

static uint32
hash_name(const char *name)
{
	uint32		hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (unsigned char) pg_ascii_tolower((unsigned char) *name)) * 16777619u;
	return hash;
}

/* An empty map, in CurrentMemoryContext. */
static HTAB *
name_map_create(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(uint32);
	control.entrysize = sizeof(SfmNameMap);
	control.hcxt = CurrentMemoryContext;
	return hash_create("SQLite names", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
name_map_add(HTAB *map, const char *name, void *value)
{
	uint32		hash = hash_name(name);
	NameEntry  *entry = palloc(sizeof(NameEntry));
	SfmNameMap *slot;
	bool		found;

	slot = hash_search(map, &hash, HASH_ENTER, &found);
	if (!found)
		slot->entries = NIL;
	entry->name = name;
	entry->value = value;
	slot->entries = lappend(slot->entries, entry);
}

/* All values under that name (ASCII case ignored), in the order in which they came. */
static List *
name_map_get(HTAB *map, const char *name)
{
	uint32		hash = hash_name(name);
	SfmNameMap *slot = hash_search(map, &hash, HASH_FIND, NULL);
	List	   *values = NIL;
	ListCell   *lc;

	if (slot == NULL)
		return NIL;
	foreach(lc, slot->entries)
	{
		NameEntry  *entry = lfirst(lc);

		if (sfm_names_equal(entry->name, name))
			values = lappend(values, entry->value);
	}
	return values;
}

/* The table or view with that name; NULL when there is none. */
SfmTable *
sfm_catalog_find(const SfmCatalog *catalog, const char *name)
{
	List	   *found = name_map_get(catalog->by_name, name);

	return found ? linitial(found) : NULL;
}

static bool
schema_has_table(SfmFile *file, const char *name)
{
	SfmStmt    *stmt = sfm_prepare(file,
								   "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
								   NULL);
	bool		found;

	sfm_bind_text(stmt, 1, name, strlen(name));
	found = sfm_step(stmt);
	sfm_finalize(stmt);
	return found;
}

static void
start(SfmStmt *stmt, const char *name)
{
	sfm_reset(stmt);
	sfm_bind_text(stmt, 1, name, strlen(name));
}

/* The SQL of all indexes, or of one table's, by name. */
static void
read_index_sql(CatalogReader *reader, const char *table)
{
	SfmStmt    *stmt = sfm_prepare(reader->file,
								   "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
								   " AND (?1 IS NULL OR name IN (SELECT name FROM pragma_index_list(?1)))",
								   NULL);

	reader->index_sql = name_map_create();
	if (table)
		start(stmt, table);
	while (sfm_step(stmt))
	{
		char	   *name = sfm_column_cstring(stmt, 0);

		name_map_add(reader->index_sql, name, sfm_column_cstring(stmt, 1));
	}
	sfm_finalize(stmt);
}

/* All triggers, or one table's. */
static void
read_triggers(CatalogReader *reader, const char *table)
{
	SfmStmt    *stmt = sfm_prepare(reader->file,
								   "SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'"
								   " AND (?1 IS NULL OR tbl_name = ?1 COLLATE NOCASE) ORDER BY rowid",
								   NULL);

	reader->triggers = name_map_create();
	if (table)
		start(stmt, table);
	while (sfm_step(stmt))
	{
		SfmTrigger *trigger = palloc(sizeof(SfmTrigger));
		char	   *of_table = sfm_column_cstring(stmt, 0);

		trigger->name = sfm_column_cstring(stmt, 1);
		trigger->sql = sfm_column_cstring(stmt, 2);
		name_map_add(reader->triggers, of_table ? of_table : "", trigger);
	}
	sfm_finalize(stmt);
}

/* What ANALYZE left in the file of all tables, or of one. */
static void
read_all_statistics(CatalogReader *reader, const char *table)
{
	SfmStmt    *stmt;

	reader->statistics = name_map_create();
	if (!schema_has_table(reader->file, "sqlite_stat1"))
		return;
	stmt = sfm_prepare(reader->file,
					   "SELECT tbl, idx, stat FROM sqlite_stat1 WHERE tbl IS NOT NULL"
					   " AND (?1 IS NULL OR tbl = ?1 COLLATE NOCASE)", NULL);
	if (table)
		start(stmt, table);
	while (sfm_step(stmt))
	{
		Statistics *statistics = palloc(sizeof(Statistics));
		char	   *of_table = sfm_column_cstring(stmt, 0);

		statistics->index = sfm_column_cstring(stmt, 1);
		statistics->text = sfm_column_cstring(stmt, 2);
		name_map_add(reader->statistics, of_table, statistics);
	}
	sfm_finalize(stmt);
}

/* Prepares to read all tables, or one (table not NULL). */
static void
reader_init(CatalogReader *reader, SfmFile *file, const char *table)
{
	reader->file = file;
	reader->columns = sfm_prepare(file,
								  "SELECT name, type, \"notnull\", dflt_value, pk, hidden"
								  " FROM pragma_table_xinfo(?1) ORDER BY cid", NULL);
	reader->indexes = sfm_prepare(file,
								  "SELECT name, \"unique\", origin, partial"
								  " FROM pragma_index_list(?1) ORDER BY seq DESC", NULL);
	reader->index_columns = sfm_prepare(file,
										"SELECT cid, \"desc\", coll FROM pragma_index_xinfo(?1)"
										" WHERE key ORDER BY seqno", NULL);
	reader->foreign_keys = sfm_prepare(file,
									   "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete, match"
									   " FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq", NULL);
	read_index_sql(reader, table);
	read_triggers(reader, table);
	read_all_statistics(reader, table);
}

/* Numbers of sqlite_stat1's text: rows, and rows a key; false when there are none. */
static bool
read_statistics(CatalogReader *reader, const char *table, const char *index,
				double *rows, int64 *rows_per_key)
{
	bool		found = false;
	char	   *p = NULL;
	ListCell   *lc;

	foreach(lc, name_map_get(reader->statistics, table))
	{
		Statistics *statistics = lfirst(lc);

		if (index == NULL || (statistics->index && sfm_names_equal(statistics->index, index)))
		{
			p = statistics->text;
			break;
		}
	}

	/* "rows keys-of-1-column keys-of-2-columns ... words" */
	for (bool first = true; p != NULL; first = false)
	{
		char	   *end;
		double		value = strtod(p, &end);

		if (end == p || value < 0 || value > 9e18)
			break;
		if (first)
			*rows = value;
		*rows_per_key = (int64) value;
		found = true;
		p = end;
	}
	return found;
}

/* Whether a failure says something of the file's content, rather than of the system. */
static bool
concerns_the_content(int rc)
{
	switch (rc & 0xff)
	{
		case SQLITE_NOMEM:
		case SQLITE_IOERR:
		case SQLITE_FULL:
		case SQLITE_CANTOPEN:
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
		case SQLITE_PROTOCOL:
		case SQLITE_INTERRUPT:
			return false;
		default:
			return true;
	}
}

/*
 * Columns as PRAGMA table_xinfo lists them.  SQLite opens virtual tables and
 * expands views to answer, which can fail for that table alone: its message then
 * becomes table->unreadable.
 */
static void
read_columns(CatalogReader *reader, SfmTable *table)
{
	int			allocated = 8;
	sqlite3_stmt *probe;
	char	   *sql = psprintf("PRAGMA table_xinfo(%s)", sfm_quote_name(table->name));
	int			rc;

	table->columns = palloc0(sizeof(SfmColumn) * allocated);
	rc = sqlite3_prepare_v2(reader->file->db, sql, -1, &probe, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(probe);
	sqlite3_finalize(probe);
	if (rc != SQLITE_ROW)
	{
		if (!concerns_the_content(rc) || (table->kind == SFM_REL_TABLE && rc != SQLITE_DONE))
			sfm_throw(reader->file, rc, table->name);
		table->unreadable = rc == SQLITE_DONE ? "it has no columns" :
			pstrdup(sqlite3_errmsg(reader->file->db));
		return;
	}

	start(reader->columns, table->name);
	while (sfm_step(reader->columns))
	{
		SfmColumn  *column;
		int64		hidden = sfm_column_int64(reader->columns, 5);

		if (hidden == 1)
			continue;			/* of a virtual table */
		if (table->ncolumns == allocated)
		{
			allocated *= 2;
			table->columns = repalloc(table->columns, sizeof(SfmColumn) * allocated);
		}
		column = &table->columns[table->ncolumns++];
		memset(column, 0, sizeof(*column));
		column->name = sfm_column_cstring(reader->columns, 0);
		column->declared_type = sfm_column_cstring(reader->columns, 1);
		if (column->declared_type && column->declared_type[0] == '\0')
			column->declared_type = NULL;
		/* From 3.41 on SQLite gives an expression in a view a word for no affinity. */
		if (column->declared_type && table->kind == SFM_REL_VIEW &&
			sqlite3_libversion_number() >= 3041000 &&
			(strcmp(column->declared_type, "BLOB") == 0 || strcmp(column->declared_type, "NUM") == 0))
			column->declared_type = NULL;
		column->not_null = sfm_column_int64(reader->columns, 2) != 0;
		column->default_sql = sfm_column_cstring(reader->columns, 3);
		column->pk = (int) sfm_column_int64(reader->columns, 4);
		column->generated = hidden == 2 ? SFM_GENERATED_VIRTUAL :
			hidden == 3 ? SFM_GENERATED_STORED : SFM_GENERATED_NOT;
		column->collation = "BINARY";
		if (column->pk > 0)
			table->nkeys++;
	}
	sfm_reset(reader->columns);
}

/* Collations and AUTOINCREMENT, which PRAGMAs do not tell. */
static void
read_column_metadata(CatalogReader *reader, SfmTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const char *collation;
		int			autoincrement;
		int			rc = sqlite3_table_column_metadata(reader->file->db, "main", table->name,
													   table->columns[i].name, NULL, &collation,
													   NULL, NULL, &autoincrement);

		if (rc != SQLITE_OK)
			sfm_throw(reader->file, rc, table->name);
		if (collation)
			table->columns[i].collation = pstrdup(collation);
		if (autoincrement)
			table->autoincrement = true;
	}
}

static void
read_keys(SfmTable *table)
{
	static const char *const rowid_names[] = {"rowid", "_rowid_", "oid"};
	bool		has_key_index = false;
	ListCell   *lc;

	table->keys = palloc0(sizeof(int) * Max(table->nkeys, 1));
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].pk > 0 && table->columns[i].pk <= table->nkeys)
			table->keys[table->columns[i].pk - 1] = i;

	foreach(lc, table->indexes)
		if (((SfmIndex *) lfirst(lc))->origin == 'p')
			has_key_index = true;

	/* A primary key of a rowid table that has no index is the rowid itself. */
	table->rowid_column = -1;
	if (table->kind != SFM_REL_TABLE && table->kind != SFM_REL_SHADOW)
		return;
	if (table->without_rowid)
		return;
	if (table->nkeys == 1 && !has_key_index)
		table->rowid_column = table->keys[0];
	for (int i = 0; i < lengthof(rowid_names); i++)
		if (sfm_table_column(table, rowid_names[i]) < 0)
		{
			table->rowid_name = rowid_names[i];
			break;
		}
}

static void
read_index_columns(CatalogReader *reader, SfmIndex *index)
{
	int			allocated = 4;

	index->columns = palloc(sizeof(SfmIndexColumn) * allocated);
	start(reader->index_columns, index->name);
	while (sfm_step(reader->index_columns))
	{
		SfmIndexColumn *column;

		if (index->ncolumns == allocated)
		{
			allocated *= 2;
			index->columns = repalloc(index->columns, sizeof(SfmIndexColumn) * allocated);
		}
		column = &index->columns[index->ncolumns++];
		column->column = (int) sfm_column_int64(reader->index_columns, 0);
		column->descending = sfm_column_int64(reader->index_columns, 1) != 0;
		column->collation = sfm_column_cstring(reader->index_columns, 2);
		if (column->collation == NULL)
			column->collation = "BINARY";
	}
	sfm_reset(reader->index_columns);
}

static bool
same_columns(const SfmTable *table, const SfmIndex *index, const SfmIndexedColumn *parsed)
{
	int			i = 0;

	for (; parsed != NULL; parsed = parsed->next, i++)
	{
		const char *collation;

		if (i >= index->ncolumns || index->columns[i].column < 0 || parsed->column == NULL ||
			!sfm_names_equal(table->columns[index->columns[i].column].name, parsed->column))
			return false;
		collation = parsed->collation ? parsed->collation :
			table->columns[index->columns[i].column].collation;
		if (!sfm_names_equal(collation, index->columns[i].collation))
			return false;
	}
	return i == index->ncolumns;
}

/* The parsed UNIQUE or PRIMARY KEY constraint that an automatic index stands for. */
static const SfmConstraint *
find_key_constraint(const SfmTable *table, const SfmIndex *index)
{
	SfmConstraintKind kind = index->origin == 'p' ?
		SFM_CONSTRAINT_PRIMARY_KEY : SFM_CONSTRAINT_UNIQUE;

	if (table->def == NULL)
		return NULL;
	for (const SfmConstraint *c = table->def->constraints; c; c = c->next)
		if (c->kind == kind && same_columns(table, index, c->columns))
			return c;
	if (index->ncolumns == 1 && index->columns[0].column >= 0)
	{
		const SfmColumn *column = &table->columns[index->columns[0].column];

		for (const SfmConstraint *c = column->def ? column->def->constraints : NULL; c; c = c->next)
			if (c->kind == kind)
				return c;
	}
	return NULL;
}

static void
read_indexes(CatalogReader *reader, SfmTable *table)
{
	ListCell   *lc;

	start(reader->indexes, table->name);
	while (sfm_step(reader->indexes))
	{
		SfmIndex   *index = palloc0(sizeof(SfmIndex));

		index->name = sfm_column_cstring(reader->indexes, 0);
		index->unique = sfm_column_int64(reader->indexes, 1) != 0;
		index->origin = sfm_column_cstring(reader->indexes, 2)[0];
		index->partial = sfm_column_int64(reader->indexes, 3) != 0;
		table->indexes = lappend(table->indexes, index);
	}
	sfm_reset(reader->indexes);

	foreach(lc, table->indexes)
	{
		SfmIndex   *index = lfirst(lc);
		List	   *sql = name_map_get(reader->index_sql, index->name);
		double		rows;

		read_index_columns(reader, index);
		index->sql = sql ? linitial(sql) : NULL;
		if (index->sql)
		{
			SfmParseError error;

			index->def = sfm_parse_create_index(index->sql, &error);
			if (index->def == NULL)
				index->parse_error = error.message;
		}
		else
			index->constraint = find_key_constraint(table, index);
		(void) read_statistics(reader, table->name, index->name, &rows, &index->rows_per_key);
	}
}

/* The parsed REFERENCES that stands for one row group of PRAGMA foreign_key_list. */
static const SfmConstraint *
find_foreign_key(const SfmTable *table, const SfmForeignKey *fk)
{
	int			n = 0;

	if (table->def == NULL)
		return NULL;

	/*
	 * SQLite numbers them backwards, in the order in which its parser meets them:
	 * columns with their constraints, then the table's.
	 */
	for (const SfmColumnDef *column = table->def->columns; column; column = column->next)
		for (const SfmConstraint *c = column->constraints; c; c = c->next)
			if (c->kind == SFM_CONSTRAINT_FOREIGN_KEY)
				n++;
	for (const SfmConstraint *c = table->def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_FOREIGN_KEY)
			n++;
	n -= fk->id + 1;
	if (n < 0)
		return NULL;
	for (const SfmColumnDef *column = table->def->columns; column; column = column->next)
		for (const SfmConstraint *c = column->constraints; c; c = c->next)
			if (c->kind == SFM_CONSTRAINT_FOREIGN_KEY && n-- == 0)
				return sfm_names_equal(c->parent, fk->parent) ? c : NULL;
	for (const SfmConstraint *c = table->def->constraints; c; c = c->next)
		if (c->kind == SFM_CONSTRAINT_FOREIGN_KEY && n-- == 0)
			return sfm_names_equal(c->parent, fk->parent) ? c : NULL;
	return NULL;
}

static void
read_foreign_keys(CatalogReader *reader, SfmTable *table)
{
	SfmForeignKey *fk = NULL;
	ListCell   *lc;

	start(reader->foreign_keys, table->name);
	while (sfm_step(reader->foreign_keys))
	{
		int			id = (int) sfm_column_int64(reader->foreign_keys, 0);
		char	   *from = sfm_column_cstring(reader->foreign_keys, 2);
		char	   *to = sfm_column_cstring(reader->foreign_keys, 3);

		if (fk == NULL || fk->id != id)
		{
			fk = palloc0(sizeof(SfmForeignKey));
			fk->id = id;
			fk->parent = sfm_column_cstring(reader->foreign_keys, 1);
			fk->on_update = sfm_column_cstring(reader->foreign_keys, 4);
			fk->on_delete = sfm_column_cstring(reader->foreign_keys, 5);
			fk->match = sfm_column_cstring(reader->foreign_keys, 6);
			fk->columns = palloc(sizeof(int) * Max(table->ncolumns, 1));
			if (to != NULL)
				fk->parent_columns = palloc(sizeof(char *) * Max(table->ncolumns, 1));
			table->foreign_keys = lappend(table->foreign_keys, fk);
		}
		if (fk->ncolumns == table->ncolumns || from == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("foreign key of table \"%s\" in SQLite file \"%s\" makes no sense",
							table->name, reader->file->path)));
		fk->columns[fk->ncolumns] = sfm_table_column(table, from);
		if (fk->parent_columns)
			fk->parent_columns[fk->ncolumns] = to ? to : "";
		fk->ncolumns++;
	}
	sfm_reset(reader->foreign_keys);

	foreach(lc, table->foreign_keys)
	{
		fk = lfirst(lc);
		fk->def = find_foreign_key(table, fk);
		if (fk->def)
		{
			fk->name = fk->def->name;
			fk->deferrable = fk->def->deferrable;
			fk->initially_deferred = fk->def->initially_deferred;
			/* the pragma says NONE whatever was written */
			if (fk->def->match)
				fk->match = fk->def->match;
		}
	}
}

static void
parse_definition(SfmTable *table)
{
	SfmParseError error;

	if (table->sql == NULL)
		return;
	if (table->kind == SFM_REL_VIRTUAL)
	{
		table->module = sfm_parse_virtual_module(table->sql);
		return;
	}
	if (table->kind == SFM_REL_VIEW)
		table->view = sfm_parse_create_view(table->sql, &error);
	else
		table->def = sfm_parse_create_table(table->sql, &error);
	if (table->view == NULL && table->def == NULL)
		table->parse_error = error.message;
	if (table->def)
		for (const SfmColumnDef *def = table->def->columns; def; def = def->next)
		{
			int			i = sfm_table_column(table, def->name);

			if (i >= 0)
				table->columns[i].def = def;
		}
}

/*
 * Rows by the range of the rowid: two steps down a B-tree.  -1 where they find damage,
 * which is an error for who reads the table, not for who reads the catalog.
 */
static double
rowid_range(SfmFile *file, const SfmTable *table)
{
	char	   *name = sfm_quote_name(table->name);
	sqlite3_stmt *stmt;
	double		rows = -1;
	int			rc;

	/* Both in one query would read the whole table: only one min or max is optimized. */
	rc = sqlite3_prepare_v2(file->db,
							psprintf("SELECT (SELECT max(%s) FROM main.%s), (SELECT min(%s) FROM main.%s)",
									 table->rowid_name, name, table->rowid_name, name),
							-1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		rows = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? 0 :
			(double) sqlite3_column_int64(stmt, 0) - (double) sqlite3_column_int64(stmt, 1) + 1;
	sqlite3_finalize(stmt);
	if (!concerns_the_content(rc))
		sfm_throw(file, rc, table->name);
	return rows;
}

static void
read_details(CatalogReader *reader, SfmTable *table)
{
	int64		ignored;

	read_columns(reader, table);
	parse_definition(table);
	if (table->kind == SFM_REL_TABLE || table->kind == SFM_REL_SHADOW)
	{
		read_column_metadata(reader, table);
		read_indexes(reader, table);
		read_foreign_keys(reader, table);
	}
	table->triggers = name_map_get(reader->triggers, table->name);
	read_keys(table);
	if (table->rowid_name)
		table->rowids = rowid_range(reader->file, table);
	if (!read_statistics(reader, table->name, NULL, &table->rows_estimate, &ignored))
		table->rows_estimate = table->rowids;
}

/* One row of PRAGMA table_list. */
static SfmTable *
read_entry(SfmStmt *stmt)
{
	SfmTable   *table = palloc0(sizeof(SfmTable));
	char	   *type = sfm_column_cstring(stmt, 1);

	table->name = sfm_column_cstring(stmt, 0);
	table->kind = strcmp(type, "view") == 0 ? SFM_REL_VIEW :
		strcmp(type, "virtual") == 0 ? SFM_REL_VIRTUAL :
		strcmp(type, "shadow") == 0 ? SFM_REL_SHADOW : SFM_REL_TABLE;
	table->without_rowid = sfm_column_int64(stmt, 2) != 0;
	table->strict = sfm_column_int64(stmt, 3) != 0;
	table->sql = sfm_column_cstring(stmt, 4);
	table->rowid_column = -1;
	table->rowids = -1;
	table->rows_estimate = -1;
	return table;
}

/* The list is made once: as a function in the join it would be made anew for each name. */
#define ENTRIES \
	"SELECT s.name, l.type, l.wr, l.strict, s.sql" \
	" FROM sqlite_schema s JOIN (SELECT DISTINCT name, type, wr, strict FROM pragma_table_list" \
	"                             WHERE schema = 'main') l ON l.name = s.name" \
	" WHERE s.type IN ('table', 'view')"

/*
 * Reads the whole catalog, in the current memory context.  The file must be in
 * its read transaction.
 */
SfmCatalog *
sfm_catalog_read(SfmFile *file)
{
	SfmCatalog *catalog = palloc0(sizeof(SfmCatalog));
	CatalogReader reader;
	SfmStmt    *stmt;
	ListCell   *lc;

	catalog->by_name = name_map_create();
	reader_init(&reader, file, NULL);
	stmt = sfm_prepare(file, ENTRIES " ORDER BY s.rowid", NULL);
	while (sfm_step(stmt))
	{
		SfmTable   *table = read_entry(stmt);

		if (pg_strncasecmp(table->name, "sqlite_", 7) == 0)
			catalog->internal = lappend(catalog->internal, table->name);
		else
		{
			table->number = list_length(catalog->tables);
			catalog->tables = lappend(catalog->tables, table);
			name_map_add(catalog->by_name, table->name, table);
		}
	}
	sfm_finalize(stmt);
	foreach(lc, catalog->tables)
		read_details(&reader, lfirst(lc));
	return catalog;
}

/* One table or view alone; NULL when the file has none of that name. */
SfmTable *
sfm_catalog_read_table(SfmFile *file, const char *name)
{
	CatalogReader reader;
	SfmTable   *table = NULL;
	SfmStmt    *stmt = sfm_prepare(file, ENTRIES " AND s.name = ?1 COLLATE NOCASE", NULL);

	start(stmt, name);
	if (sfm_step(stmt))
		table = read_entry(stmt);
	sfm_finalize(stmt);
	if (table == NULL)
		return NULL;
	reader_init(&reader, file, table->name);
	read_details(&reader, table);
	return table;
}

/*
 * What AUTOINCREMENT counted for the tables of the catalog, into their fields:
 * sqlite_sequence's greatest integer.  Anybody may write that table, so there may be
 * several rows, or none.
 */
void
sfm_catalog_read_counts(SfmFile *file, SfmCatalog *catalog)
{
	SfmStmt    *stmt;

	if (!schema_has_table(file, "sqlite_sequence"))
		return;
	stmt = sfm_prepare(file, "SELECT name, seq FROM sqlite_sequence WHERE typeof(name) = 'text'",
					   "sqlite_sequence");
	while (sfm_step(stmt))
	{
		SfmTable   *table = sfm_catalog_find(catalog, sfm_column_cstring(stmt, 0));
		SfmValue	value;

		if (table == NULL)
			continue;
		sfm_column(stmt, 1, &value);
		if (value.cls != SFM_INTEGER)
		{
			table->odd_count = true;
			continue;
		}
		table->count = table->counted ? Max(table->count, value.u.i) : value.u.i;
		table->counted = true;
	}
	sfm_finalize(stmt);
}
