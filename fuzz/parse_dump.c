/*
 * parse_dump.c
 *		Shows what the parser makes of SQL, for test_parse.py.
 *
 * Standard input holds records, each a letter and SQL, ended by a NUL byte: T for
 * CREATE TABLE, I for CREATE INDEX, V for CREATE VIEW, M for CREATE VIRTUAL TABLE,
 * E for an expression.  Each is answered by one line of JSON on standard output;
 * bytes of names that are no ASCII are passed on as they are.
 */
#include "postgres_fe.h"

#include "print.h"

static void
json_string(StringInfo out, const char *text)
{
	if (text == NULL)
	{
		appendStringInfoString(out, "null");
		return;
	}
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(out, '\\');
		if ((unsigned char) *text < ' ')
			appendStringInfo(out, "\\u%04x", *text);
		else
			appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

static void
json_key(StringInfo out, const char *key)
{
	char		last = out->data[out->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoString(out, ", ");
	appendStringInfo(out, "\"%s\": ", key);
}

static void
json_text(StringInfo out, const char *key, const char *text)
{
	json_key(out, key);
	json_string(out, text);
}

static void
json_bool(StringInfo out, const char *key, bool value)
{
	json_key(out, key);
	appendStringInfoString(out, value ? "true" : "false");
}

static void
json_expr(StringInfo out, const char *key, const SfmExpr *expr)
{
	StringInfoData printed;

	if (expr == NULL)
		return;
	initStringInfo(&printed);
	print_expr(&printed, expr);
	json_text(out, key, printed.data);
	pfree(printed.data);
}

static void
json_select(StringInfo out, const char *key, const SfmSelect *select)
{
	StringInfoData printed;

	initStringInfo(&printed);
	print_select(&printed, select);
	json_text(out, key, printed.data);
	pfree(printed.data);
}

static void
json_names(StringInfo out, const char *key, const SfmName *names)
{
	json_key(out, key);
	appendStringInfoChar(out, '[');
	for (const SfmName *name = names; name != NULL; name = name->next)
	{
		if (name != names)
			appendStringInfoString(out, ", ");
		json_string(out, name->name);
	}
	appendStringInfoChar(out, ']');
}

static void
json_indexed(StringInfo out, const SfmIndexedColumn *columns)
{
	json_key(out, "columns");
	appendStringInfoChar(out, '[');
	for (const SfmIndexedColumn *column = columns; column != NULL; column = column->next)
	{
		appendStringInfoString(out, column != columns ? ", {" : "{");
		json_text(out, "column", column->column);
		json_text(out, "collation", column->collation);
		json_bool(out, "descending", column->descending);
		json_expr(out, "expr", column->expr);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
}

static void
json_constraints(StringInfo out, const SfmConstraint *constraints)
{
	static const char *const kinds[] = {"primary key", "unique", "check", "foreign key",
	"not null", "null", "default", "collate", "generated"};

	json_key(out, "constraints");
	appendStringInfoChar(out, '[');
	for (const SfmConstraint *c = constraints; c != NULL; c = c->next)
	{
		appendStringInfoString(out, c != constraints ? ", {" : "{");
		json_text(out, "kind", kinds[c->kind]);
		json_key(out, "offset");
		appendStringInfo(out, "%d", c->offset);
		json_text(out, "name", c->name);
		json_text(out, "on_conflict", c->on_conflict);
		json_text(out, "sql", c->sql);
		json_expr(out, "expr", c->expr);
		json_bool(out, "descending", c->descending);
		json_bool(out, "autoincrement", c->autoincrement);
		json_bool(out, "stored", c->stored);
		json_text(out, "collation", c->collation);
		json_indexed(out, c->columns);
		json_names(out, "child_columns", c->child_columns);
		json_text(out, "parent", c->parent);
		json_names(out, "parent_columns", c->parent_columns);
		json_text(out, "on_delete", c->on_delete);
		json_text(out, "on_update", c->on_update);
		json_text(out, "match", c->match);
		json_bool(out, "deferrable", c->deferrable);
		json_bool(out, "initially_deferred", c->initially_deferred);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
}

static bool
dump_table(StringInfo out, const char *sql, SfmParseError *error)
{
	SfmCreateTable *table = sfm_parse_create_table(sql, error);

	if (table == NULL)
		return false;
	json_text(out, "name", table->name);
	json_bool(out, "without_rowid", table->without_rowid);
	json_bool(out, "strict", table->strict);
	json_key(out, "columns");
	appendStringInfoChar(out, '[');
	for (SfmColumnDef *column = table->columns; column != NULL; column = column->next)
	{
		appendStringInfoString(out, column != table->columns ? ", {" : "{");
		json_text(out, "name", column->name);
		json_text(out, "type", column->declared_type);
		json_constraints(out, column->constraints);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
	json_constraints(out, table->constraints);
	if (table->as_select != NULL)
		json_select(out, "as_select", table->as_select);
	return true;
}

static bool
dump_index(StringInfo out, const char *sql, SfmParseError *error)
{
	SfmCreateIndex *index = sfm_parse_create_index(sql, error);

	if (index == NULL)
		return false;
	json_text(out, "name", index->name);
	json_text(out, "table", index->table);
	json_bool(out, "unique", index->unique);
	json_indexed(out, index->columns);
	json_expr(out, "where", index->where);
	json_text(out, "where_sql", index->where_sql);
	return true;
}

static bool
dump_view(StringInfo out, const char *sql, SfmParseError *error)
{
	SfmCreateView *view = sfm_parse_create_view(sql, error);

	if (view == NULL)
		return false;
	json_text(out, "name", view->name);
	json_names(out, "columns", view->columns);
	json_select(out, "select", view->select);
	return true;
}

static bool
dump_expr(StringInfo out, const char *sql, SfmParseError *error)
{
	SfmExpr    *expr = sfm_parse_expression(sql, error);

	if (expr == NULL)
		return false;
	json_expr(out, "expr", expr);
	json_key(out, "height");
	appendStringInfo(out, "%d", expr->height);
	return true;
}

static bool
dump_module(StringInfo out, const char *sql, SfmParseError *error)
{
	json_text(out, "module", sfm_parse_virtual_module(sql));
	return true;
}

static bool
dump(StringInfo out, char kind, const char *sql, SfmParseError *error)
{
	switch (kind)
	{
		case 'T':
			return dump_table(out, sql, error);
		case 'I':
			return dump_index(out, sql, error);
		case 'V':
			return dump_view(out, sql, error);
		case 'M':
			return dump_module(out, sql, error);
		default:
			return dump_expr(out, sql, error);
	}
}

int
main(int argc, char **argv)
{
	StringInfoData record;
	StringInfoData out;
	int			c;

	initStringInfo(&record);
	initStringInfo(&out);
	while ((c = getchar()) != EOF)
	{
		SfmParseError error;

		if (c != '\0')
		{
			appendStringInfoChar(&record, c);
			continue;
		}
		resetStringInfo(&out);
		appendStringInfoChar(&out, '{');
		if (!dump(&out, record.data[0], record.data + 1, &error))
		{
			json_text(&out, "error", error.message);
			json_key(&out, "offset");
			appendStringInfo(&out, "%d", error.offset);
		}
		appendStringInfoChar(&out, '}');
		puts(out.data);
		resetStringInfo(&record);
	}
	return 0;
}
