/*
 * parse_ddl.c
 *		CREATE TABLE, CREATE INDEX, CREATE VIEW and CREATE VIRTUAL TABLE, as they
 *		stand in sqlite_schema.
 *
 * Takes all that SQLite takes there, its oddities included: constraints of a
 * table without commas between them, CONSTRAINT names that name nothing, DEFERRABLE
 * clauses that apply to the foreign key last written even when that belongs to
 * another column, types that are quoted or swallow GENERATED ALWAYS.  What
 * SQLite refuses for the meaning (a column given twice, two primary keys) is not
 * looked for, since such a file does not open.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "sfm_token.h"

/* What CREATE TABLE carries from one clause to the next. */
typedef struct TableState
{
	SfmParser  *p;
	char	   *pending_name;	/* CONSTRAINT name, until the constraint comes */
	int			pending_offset;
	SfmConstraint *last_key;	/* the foreign key that DEFERRABLE applies to */
} TableState;

/* Ends a list of constraints with a new one, which takes the pending name. */
static SfmConstraint *
add_constraint(TableState *state, SfmConstraint ***tail, SfmConstraintKind kind, int offset)
{
	SfmConstraint *constraint = palloc0(sizeof(SfmConstraint));

	constraint->kind = kind;
	constraint->name = state->pending_name;
	constraint->offset = state->pending_name != NULL ? state->pending_offset : offset;
	state->pending_name = NULL;
	**tail = constraint;
	*tail = &constraint->next;
	return constraint;
}

/* CONSTRAINT name: kept for what follows. */
static void
constraint_name(TableState *state)
{
	state->pending_offset = state->p->cur.offset;
	sfm_advance(state->p);
	state->pending_name = sfm_expect_name(state->p);
}

/* ON CONFLICT word, or NULL. */
static char *
on_conflict(SfmParser *p)
{
	static const struct
	{
		SfmTokenKind kind;
		const char *word;
	}			words[] =
	{
		{SFM_T_ROLLBACK, "ROLLBACK"}, {SFM_T_ABORT, "ABORT"}, {SFM_T_FAIL, "FAIL"},
		{SFM_T_IGNORE, "IGNORE"}, {SFM_T_REPLACE, "REPLACE"},
	};

	if (!sfm_accept(p, SFM_T_ON))
		return NULL;
	sfm_expect(p, SFM_T_CONFLICT);
	for (int i = 0; i < lengthof(words); i++)
		if (sfm_accept(p, words[i].kind))
			return pstrdup(words[i].word);
	sfm_parse_unexpected(p);
	return NULL;
}

/* ( expr ), with the text between the parentheses in *sql. */
static SfmExpr *
expression_in_parentheses(SfmParser *p, char **sql)
{
	int			start = p->cur.offset + 1;
	SfmExpr    *expr;

	sfm_expect(p, SFM_T_LP);
	expr = sfm_expression(p);
	*sql = sfm_trimmed_text(p, start, p->cur.offset);
	sfm_expect(p, SFM_T_RP);
	return expr;
}

/*
 * The columns of an index or a key.  COLLATE is taken out of the expression, and
 * a string stands for the column of that name, as in SQLite.
 */
static SfmIndexedColumn *
indexed_columns(SfmParser *p)
{
	SfmOrderTerm *term = sfm_order_terms(p);
	SfmIndexedColumn *first = NULL;
	SfmIndexedColumn **tail = &first;

	for (; term != NULL && !p->failed; term = term->next)
	{
		SfmIndexedColumn *column = palloc0(sizeof(SfmIndexedColumn));
		SfmExpr    *expr = term->expr;

		if (term->nulls != SFM_NULLS_DEFAULT)
			sfm_parse_fail(p, expr->offset, "NULLS FIRST or LAST in an index");
		column->descending = term->descending;
		for (; expr->kind == SFM_EXPR_COLLATE; expr = expr->left)
			if (column->collation == NULL)
				column->collation = expr->text;
		if (expr->kind == SFM_EXPR_STRING)
			expr->kind = SFM_EXPR_COLUMN;
		if (expr->kind == SFM_EXPR_COLUMN && expr->u.qualifier == NULL)
			column->column = expr->text;
		column->expr = expr;
		*tail = column;
		tail = &column->next;
	}
	return first;
}

/* What ON DELETE or ON UPDATE does; NULL after a failure. */
static char *
key_action(SfmParser *p)
{
	if (sfm_accept(p, SFM_T_SET))
	{
		if (sfm_accept(p, SFM_T_NULL))
			return pstrdup("SET NULL");
		sfm_expect(p, SFM_T_DEFAULT);
		return pstrdup("SET DEFAULT");
	}
	if (sfm_accept(p, SFM_T_CASCADE))
		return pstrdup("CASCADE");
	if (sfm_accept(p, SFM_T_RESTRICT))
		return pstrdup("RESTRICT");
	sfm_expect(p, SFM_T_NO);
	sfm_expect(p, SFM_T_ACTION);
	return pstrdup("NO ACTION");
}

/* REFERENCES parent [(columns)] with its ON and MATCH clauses. */
static void
references_clause(TableState *state, SfmConstraint *key)
{
	SfmParser  *p = state->p;

	sfm_expect(p, SFM_T_REFERENCES);
	key->parent = sfm_expect_name(p);
	key->parent_columns = sfm_accept_column_list(p);
	for (;;)
	{
		if (sfm_accept(p, SFM_T_MATCH))
			key->match = sfm_expect_name(p);
		else if (sfm_accept(p, SFM_T_ON))
		{
			if (sfm_accept(p, SFM_T_DELETE))
				key->on_delete = key_action(p);
			else if (sfm_accept(p, SFM_T_UPDATE))
				key->on_update = key_action(p);
			else
			{
				/* ON INSERT is taken and means nothing */
				sfm_expect(p, SFM_T_INSERT);
				(void) key_action(p);
			}
		}
		else
			break;
	}
	state->last_key = key;
}

/*
 * The rest of [NOT] DEFERRABLE [INITIALLY DEFERRED | IMMEDIATE], for the foreign
 * key last written, if there is any.
 */
static void
deferrable_clause(TableState *state, bool deferrable)
{
	SfmParser  *p = state->p;
	bool		deferred = false;

	sfm_expect(p, SFM_T_DEFERRABLE);
	if (sfm_accept(p, SFM_T_INITIALLY))
	{
		deferred = sfm_accept(p, SFM_T_DEFERRED);
		if (!deferred)
			sfm_expect(p, SFM_T_IMMEDIATE);
	}
	if (state->last_key != NULL)
	{
		state->last_key->deferrable = deferrable;
		state->last_key->initially_deferred = deferrable && deferred;
	}
	state->pending_name = NULL;
}

/*
 * What follows DEFAULT: a literal, maybe with a sign, an expression in
 * parentheses, or a word, which is a string unless it is TRUE or FALSE.
 */
static void
default_value(SfmParser *p, SfmConstraint *constraint)
{
	int			start = p->cur.offset;

	if (p->cur.kind == SFM_T_LP)
	{
		constraint->expr = expression_in_parentheses(p, &constraint->sql);
		return;
	}
	if (sfm_accept(p, SFM_T_PLUS))
		constraint->expr = sfm_default_term(p);
	else if (sfm_accept(p, SFM_T_MINUS))
		constraint->expr = sfm_negated(p, sfm_default_term(p), start);
	else if (sfm_is_id(&p->cur) && p->cur.kind != SFM_T_CURRENT_DATE &&
			 p->cur.kind != SFM_T_CURRENT_TIME && p->cur.kind != SFM_T_CURRENT_TIMESTAMP)
	{
		bool		is_true = sfm_token_matches(p, &p->cur, "true");

		constraint->expr = sfm_string_expr(p, &p->cur);
		if (constraint->expr != NULL && (is_true || sfm_token_matches(p, &p->cur, "false")))
		{
			constraint->expr->kind = SFM_EXPR_BOOLEAN;
			constraint->expr->text = NULL;
			constraint->expr->u.integer = is_true ? 1 : 0;
		}
		sfm_advance(p);
	}
	else
		constraint->expr = sfm_default_term(p);
	constraint->sql = sfm_trimmed_text(p, start, p->prev_end);
}

/* [GENERATED ALWAYS] AS (expr) [STORED | VIRTUAL] */
static void
generated_clause(SfmParser *p, SfmConstraint *constraint)
{
	if (sfm_accept(p, SFM_T_GENERATED))
		sfm_expect(p, SFM_T_ALWAYS);
	sfm_expect(p, SFM_T_AS);
	constraint->expr = expression_in_parentheses(p, &constraint->sql);
	if (p->cur.word == SFM_WORD_ID || p->cur.word == SFM_WORD_FALLBACK)
	{
		constraint->stored = sfm_token_matches(p, &p->cur, "stored");
		if (!constraint->stored && !sfm_token_matches(p, &p->cur, "virtual"))
			sfm_parse_unexpected(p);
		sfm_advance(p);
	}
}

/* One constraint of a column; false: there is none. */
static bool
column_constraint(TableState *state, SfmConstraint ***tail)
{
	SfmParser  *p = state->p;
	int			offset = p->cur.offset;
	SfmConstraint *constraint;

	switch (p->cur.kind)
	{
		case SFM_T_CONSTRAINT:
			constraint_name(state);
			return true;
		case SFM_T_DEFAULT:
			sfm_advance(p);
			default_value(p, add_constraint(state, tail, SFM_CONSTRAINT_DEFAULT, offset));
			return true;
		case SFM_T_NULL:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_NULL, offset);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_NOT:
			sfm_advance(p);
			if (p->cur.kind == SFM_T_DEFERRABLE)
			{
				deferrable_clause(state, false);
				return true;
			}
			sfm_expect(p, SFM_T_NULL);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_NOT_NULL, offset);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_PRIMARY:
			sfm_advance(p);
			sfm_expect(p, SFM_T_KEY);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_PRIMARY_KEY, offset);
			if (!sfm_accept(p, SFM_T_ASC))
				constraint->descending = sfm_accept(p, SFM_T_DESC);
			constraint->on_conflict = on_conflict(p);
			constraint->autoincrement = sfm_accept(p, SFM_T_AUTOINCREMENT);
			return true;
		case SFM_T_UNIQUE:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_UNIQUE, offset);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_CHECK:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_CHECK, offset);
			constraint->expr = expression_in_parentheses(p, &constraint->sql);
			return true;
		case SFM_T_REFERENCES:
			references_clause(state, add_constraint(state, tail, SFM_CONSTRAINT_FOREIGN_KEY,
													offset));
			return true;
		case SFM_T_DEFERRABLE:
			deferrable_clause(state, true);
			return true;
		case SFM_T_COLLATE:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_COLLATE, offset);
			constraint->collation = sfm_expect_ids(p);
			return true;
		case SFM_T_GENERATED:
		case SFM_T_AS:
			generated_clause(p, add_constraint(state, tail, SFM_CONSTRAINT_GENERATED, offset));
			return true;
		default:
			return false;
	}
}

/* One constraint of the table, or a CONSTRAINT name; false: there is none. */
static bool
table_constraint(TableState *state, SfmConstraint ***tail)
{
	SfmParser  *p = state->p;
	int			offset = p->cur.offset;
	SfmConstraint *constraint;

	switch (p->cur.kind)
	{
		case SFM_T_CONSTRAINT:
			constraint_name(state);
			return true;
		case SFM_T_PRIMARY:
			sfm_advance(p);
			sfm_expect(p, SFM_T_KEY);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_PRIMARY_KEY, offset);
			sfm_expect(p, SFM_T_LP);
			constraint->columns = indexed_columns(p);
			constraint->autoincrement = sfm_accept(p, SFM_T_AUTOINCREMENT);
			sfm_expect(p, SFM_T_RP);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_UNIQUE:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_UNIQUE, offset);
			sfm_expect(p, SFM_T_LP);
			constraint->columns = indexed_columns(p);
			sfm_expect(p, SFM_T_RP);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_CHECK:
			sfm_advance(p);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_CHECK, offset);
			constraint->expr = expression_in_parentheses(p, &constraint->sql);
			constraint->on_conflict = on_conflict(p);
			return true;
		case SFM_T_FOREIGN:
			sfm_advance(p);
			sfm_expect(p, SFM_T_KEY);
			constraint = add_constraint(state, tail, SFM_CONSTRAINT_FOREIGN_KEY, offset);
			if (p->cur.kind != SFM_T_LP)
				sfm_parse_unexpected(p);
			constraint->child_columns = sfm_accept_column_list(p);
			references_clause(state, constraint);
			if (p->cur.kind == SFM_T_DEFERRABLE)
				deferrable_clause(state, true);
			else if (sfm_accept(p, SFM_T_NOT))
				deferrable_clause(state, false);
			return true;
		default:
			return false;
	}
}

/* Does the text end with word (lower case), in any case? */
static bool
ends_with(const char *text, int length, const char *word)
{
	int			n = strlen(word);

	return length >= n && pg_strncasecmp(text + length - n, word, n) == 0;
}

/*
 * A column's type as PRAGMA table_xinfo gives it: the text as written, less
 * GENERATED ALWAYS at its end, which SQLite's grammar takes for words of the type;
 * without the quotes where it begins with one; the six names that STRICT tables
 * know in upper case.  NULL where nothing is left.  The order and the least
 * lengths are those of SQLite 3.37 and later.
 */
static char *
column_type(const char *text, int length)
{
	static const char *const standard[] = {"ANY", "BLOB", "INT", "INTEGER", "REAL", "TEXT"};
	int			start = 0;
	char	   *type;

	if (length >= 16 && ends_with(text, length, "always"))
	{
		length -= strlen("always");
		sfm_trim(text, &start, &length);
		if (ends_with(text, length, "generated"))
		{
			length -= strlen("generated");
			sfm_trim(text, &start, &length);
		}
	}
	if (length >= 3 && sfm_quote_character(text, length) != 0)
	{
		bool		inner = false;

		for (int i = 1; i < length - 1; i++)
			inner = inner || sfm_quote_character(text + i, 1) != 0;
		if (!inner)
		{
			text++;
			length -= 2;
		}
	}
	for (int i = 0; i < lengthof(standard); i++)
		if (length == strlen(standard[i]) && pg_strncasecmp(text, standard[i], length) == 0)
			return pstrdup(standard[i]);
	type = sfm_dequoted(text, length);
	return type[0] != '\0' ? type : NULL;
}

/* name [type] constraints ... */
static SfmColumnDef *
column_definition(TableState *state)
{
	SfmParser  *p = state->p;
	SfmColumnDef *column = palloc0(sizeof(SfmColumnDef));
	SfmConstraint **tail = &column->constraints;
	int			start;
	int			end;

	column->offset = p->cur.offset;
	column->name = sfm_expect_name(p);
	if (sfm_type_tokens(p, &start, &end))
		column->declared_type = column_type(p->sql + start, end - start);
	while (column_constraint(state, &tail))
		 /* go on */ ;
	state->pending_name = NULL;
	return column;
}

/* Does a constraint of the table begin here? */
static bool
starts_table_constraint(SfmTokenKind kind)
{
	return kind == SFM_T_CONSTRAINT || kind == SFM_T_PRIMARY || kind == SFM_T_UNIQUE ||
		kind == SFM_T_CHECK || kind == SFM_T_FOREIGN;
}

/* column, column ... [, constraint [,] constraint ...] between the parentheses. */
static void
table_elements(SfmParser *p, SfmCreateTable *table)
{
	TableState	state = {p, NULL, 0, NULL};
	SfmColumnDef **column_tail = &table->columns;
	SfmConstraint **tail = &table->constraints;

	do
	{
		*column_tail = column_definition(&state);
		column_tail = &(*column_tail)->next;
		if (!sfm_accept(p, SFM_T_COMMA))
			return;
	} while (!starts_table_constraint(p->cur.kind) && !p->failed);

	do
	{
		state.pending_name = NULL;
		if (!table_constraint(&state, &tail))
			sfm_parse_unexpected(p);
		while (table_constraint(&state, &tail))
			 /* commas may be missing */ ;
	} while (sfm_accept(p, SFM_T_COMMA));
}

/* WITHOUT ROWID and STRICT, in any order. */
static void
table_options(SfmParser *p, SfmCreateTable *table)
{
	if (p->cur.kind == SFM_T_END || p->cur.kind == SFM_T_SEMI)
		return;
	if (p->cur.kind == SFM_T_COMMA)
		sfm_advance(p);
	do
	{
		if (sfm_accept(p, SFM_T_WITHOUT))
		{
			if (!sfm_token_matches(p, &p->cur, "rowid"))
				sfm_parse_unexpected(p);
			table->without_rowid = true;
		}
		else
		{
			if (!sfm_token_matches(p, &p->cur, "strict"))
				sfm_parse_unexpected(p);
			table->strict = true;
		}
		sfm_advance(p);
	} while (sfm_accept(p, SFM_T_COMMA));
}

/* IF NOT EXISTS, or nothing. */
static void
if_not_exists(SfmParser *p)
{
	if (sfm_accept(p, SFM_T_IF))
	{
		sfm_expect(p, SFM_T_NOT);
		sfm_expect(p, SFM_T_EXISTS);
	}
}

/*
 * The statement of CREATE TABLE; NULL and *error when it is not understood.  Of a
 * qualified name only the last part is kept.
 */
SfmCreateTable *
sfm_parse_create_table(const char *sql, SfmParseError *error)
{
	SfmParser	parser;
	SfmParser  *p = &parser;
	SfmCreateTable *table = palloc0(sizeof(SfmCreateTable));

	sfm_parser_begin(p, sql, error);
	sfm_expect(p, SFM_T_CREATE);
	(void) sfm_accept(p, SFM_T_TEMP);
	sfm_expect(p, SFM_T_TABLE);
	if_not_exists(p);
	sfm_expect_qualified(p, NULL, &table->name);
	if (sfm_accept(p, SFM_T_AS))
		table->as_select = sfm_select(p);
	else
	{
		sfm_expect(p, SFM_T_LP);
		table_elements(p, table);
		sfm_expect(p, SFM_T_RP);
		table_options(p, table);
	}
	sfm_expect_end(p);
	return p->failed ? NULL : table;
}

/* The statement of CREATE [UNIQUE] INDEX; NULL and *error when it is not understood. */
SfmCreateIndex *
sfm_parse_create_index(const char *sql, SfmParseError *error)
{
	SfmParser	parser;
	SfmParser  *p = &parser;
	SfmCreateIndex *index = palloc0(sizeof(SfmCreateIndex));
	int			start;

	sfm_parser_begin(p, sql, error);
	sfm_expect(p, SFM_T_CREATE);
	index->unique = sfm_accept(p, SFM_T_UNIQUE);
	sfm_expect(p, SFM_T_INDEX);
	if_not_exists(p);
	sfm_expect_qualified(p, NULL, &index->name);
	sfm_expect(p, SFM_T_ON);
	index->table = sfm_expect_name(p);
	sfm_expect(p, SFM_T_LP);
	index->columns = indexed_columns(p);
	sfm_expect(p, SFM_T_RP);
	start = p->cur.offset + p->cur.length;
	if (sfm_accept(p, SFM_T_WHERE))
	{
		index->where = sfm_expression(p);
		index->where_sql = sfm_trimmed_text(p, start, p->cur.offset);
	}
	sfm_expect_end(p);
	return p->failed ? NULL : index;
}

/* The statement of CREATE VIEW; NULL and *error when it is not understood. */
SfmCreateView *
sfm_parse_create_view(const char *sql, SfmParseError *error)
{
	SfmParser	parser;
	SfmParser  *p = &parser;
	SfmCreateView *view = palloc0(sizeof(SfmCreateView));

	sfm_parser_begin(p, sql, error);
	sfm_expect(p, SFM_T_CREATE);
	(void) sfm_accept(p, SFM_T_TEMP);
	sfm_expect(p, SFM_T_VIEW);
	if_not_exists(p);
	sfm_expect_qualified(p, NULL, &view->name);
	view->columns = sfm_accept_column_list(p);
	sfm_expect(p, SFM_T_AS);
	view->select = sfm_select(p);
	sfm_expect_end(p);
	return p->failed ? NULL : view;
}

/*
 * The module of a virtual table; NULL when sql is no CREATE VIRTUAL TABLE.  What
 * stands in the module's parentheses is its own and not looked at.
 */
char *
sfm_parse_virtual_module(const char *sql)
{
	SfmParser	parser;
	SfmParser  *p = &parser;
	SfmParseError error;
	char	   *name;

	sfm_parser_begin(p, sql, &error);
	sfm_expect(p, SFM_T_CREATE);
	sfm_expect(p, SFM_T_VIRTUAL);
	sfm_expect(p, SFM_T_TABLE);
	if_not_exists(p);
	sfm_expect_qualified(p, NULL, &name);
	sfm_expect(p, SFM_T_USING);
	/* the module's arguments behind its name may be anything: they are not scanned */
	if (p->failed || !sfm_is_name(&p->cur))
		return NULL;
	return sfm_token_text(p, &p->cur);
}
