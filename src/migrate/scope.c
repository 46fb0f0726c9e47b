/*
 * scope.c
 *		The plan as the translator sees it: tables, views and their columns, with what
 *		the rows have shown of them.
 *
 * A column's storage classes in SQLite are those that were found in it; where it
 * holds nothing, or was not read yet, those that its type and affinity let in.  How
 * the texts of a date column are written is asked of SQLite, once a column, and only
 * for columns that an expression names.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "sfm_migrate.h"
#include "sfm_translate.h"

/* What a relation's columns point back to. */
typedef struct Origin
{
	const SfmPlanTable *table;
	const SfmPlanColumn *column;
	SfmDateForm *form;			/* once asked */
} Origin;

struct SfmTranslateScope
{
	SfmPlan    *plan;
	MemoryContext mcxt;			/* of what it keeps */
	List	   *tables;			/* of SfmTranslateRelation */
	SfmViewFinder find_view;
	void	   *find_arg;
	SfmTranslateSource source;
};

static unsigned
classes_of(const SfmPlanColumn *column)
{
	unsigned	classes = 0;

	for (int cls = SFM_INTEGER; cls <= SFM_BLOB; cls++)
		if (column->seen.n[cls] > 0)
			classes |= SFM_CLASS_BIT(cls);
	if (classes)
		return classes;
	switch (column->type.kind)
	{
		case SFM_KIND_BOOL:
		case SFM_KIND_INT2:
		case SFM_KIND_INT4:
		case SFM_KIND_INT8:
			return SFM_CLASS_BIT(SFM_INTEGER);
		case SFM_KIND_FLOAT4:
		case SFM_KIND_FLOAT8:
		case SFM_KIND_NUMERIC:
			if (sfm_affinity(column->source->declared_type) == 'R')
				return SFM_CLASS_BIT(SFM_REAL);
			return SFM_CLASS_BIT(SFM_INTEGER) | SFM_CLASS_BIT(SFM_REAL);
		case SFM_KIND_BYTEA:
			return SFM_CLASS_BIT(SFM_BLOB);
		default:
			return SFM_CLASS_BIT(SFM_TEXT);
	}
}

static SfmTranslateRelation *
make_relation(const SfmPlanTable *table)
{
	SfmTranslateRelation *relation = palloc0(sizeof(SfmTranslateRelation));

	relation->name = table->source->name;
	relation->sql = table->qualified;
	relation->rowid_column = -1;
	relation->ncolumns = table->ncolumns;
	relation->columns = palloc0(sizeof(SfmTranslateColumn) * Max(table->ncolumns, 1));
	for (int i = 0; i < table->ncolumns; i++)
	{
		const SfmPlanColumn *from = &table->columns[i];
		SfmTranslateColumn *to = &relation->columns[i];
		Origin	   *origin = palloc0(sizeof(Origin));

		origin->table = table;
		origin->column = from;
		to->name = from->source->name;
		to->sql = quote_identifier(from->target);
		to->type = from->type;
		to->affinity = sfm_affinity(from->source->declared_type);
		to->collation = from->source->collation;
		to->classes = classes_of(from);
		to->spelled = from->seen.spelled > 0;
		to->not_null = from->not_null && !from->nulls_found;
		to->origin = origin;
		if (from->number == table->source->rowid_column)
			relation->rowid_column = i;
	}
	return relation;
}

/* The relation of a planned table; NULL when it is not moved. */
SfmTranslateRelation *
sfm_scope_table(SfmTranslateScope *scope, const SfmPlanTable *table)
{
	SfmTranslateRelation *relation;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, scope->tables)
	{
		relation = lfirst(lc);
		if (sfm_names_equal(relation->name, table->source->name))
			return relation;
	}
	old = MemoryContextSwitchTo(scope->mcxt);
	relation = make_relation(table);
	scope->tables = lappend(scope->tables, relation);
	MemoryContextSwitchTo(old);
	return relation;
}

static const SfmTranslateRelation *
find_relation(void *arg, const char *name, const char **why)
{
	SfmTranslateScope *scope = arg;
	SfmPlanTable *table = sfm_plan_find(scope->plan, name);
	SfmTable   *source;

	if (table && table->status != SFM_STATUS_SKIPPED)
		return sfm_scope_table(scope, table);
	source = sfm_catalog_find(scope->plan->catalog, name);
	if (source && source->kind == SFM_REL_VIEW && scope->find_view)
		return scope->find_view(scope->find_arg, source, why);
	*why = source == NULL ? "does not exist" : source->kind == SFM_REL_VIRTUAL ?
		"is a virtual table" : "is not migrated";
	return NULL;
}

/*
 * A text's shape, its digits replaced by 0, as to_char()'s pattern; NULL for one that
 * has none.  *readable: SQLite's date functions take it for the same instant.
 */
static const char *
shape_pattern(const char *shape, bool *readable)
{
	static const struct
	{
		const char *shape;
		const char *pattern;
		bool		readable;
	} shapes[] = {
		{"0000-00-00", "YYYY-MM-DD", true},
		{"0000-00-00 00:00", "YYYY-MM-DD HH24:MI", true},
		{"0000-00-00 00:00:00", "YYYY-MM-DD HH24:MI:SS", true},
		{"0000-00-00 00:00:00.000", "YYYY-MM-DD HH24:MI:SS.MS", true},
		{"0000-00-00 00:00:00.000000", "YYYY-MM-DD HH24:MI:SS.US", true},
		{"0000-00-00T00:00:00", "YYYY-MM-DD\"T\"HH24:MI:SS", true},
		{"0000-00-00T00:00:00.000", "YYYY-MM-DD\"T\"HH24:MI:SS.MS", true},
		{"0000-00-00T00:00:00.000000", "YYYY-MM-DD\"T\"HH24:MI:SS.US", true},
		{"0000-00-00 00:00:00Z", "YYYY-MM-DD HH24:MI:SS\"Z\"", true},
		{"0000-00-00T00:00:00Z", "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"", true},
		{"0000-00-00T00:00:00.000Z", "YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"", true},
		{"00:00", "HH24:MI", true},
		{"00:00:00", "HH24:MI:SS", true},
		{"00:00:00.000", "HH24:MI:SS.MS", true},
		{"00:00:00.000000", "HH24:MI:SS.US", true},
		/* an offset: the instant is known, the text is not one pattern's */
		{"0000-00-00 00:00:00+00:00", NULL, true},
		{"0000-00-00 00:00:00.000+00:00", NULL, true},
		{"0000-00-00 00:00:00.000 +00:00", NULL, true},
		{"0000-00-00 00:00:00-00:00", NULL, true},
		{"0000-00-00T00:00:00+00:00", NULL, true},
		{"0000-00-00T00:00:00-00:00", NULL, true}
	};

	for (int i = 0; i < lengthof(shapes); i++)
		if (strcmp(shapes[i].shape, shape) == 0)
		{
			*readable = shapes[i].readable;
			return shapes[i].pattern;
		}
	*readable = false;
	return NULL;
}

/* A date column without texts is taken to be written as SQLite's own functions write. */
static const char *
default_pattern(SfmKind kind)
{
	switch (kind)
	{
		case SFM_KIND_DATE:
			return "YYYY-MM-DD";
		case SFM_KIND_TIME:
			return "HH24:MI:SS";
		default:
			return "YYYY-MM-DD HH24:MI:SS";
	}
}

static void
ask_shapes(SfmTranslateScope *scope, const Origin *origin, SfmDateForm *form)
{
	const char *name = sfm_quote_name(origin->column->source->name);
	StringInfoData digits;
	SfmStmt    *stmt;
	int			n = 0;

	initStringInfo(&digits);
	appendStringInfo(&digits, "s.%s", name);
	for (char digit = '1'; digit <= '9'; digit++)
	{
		char	   *inner = pstrdup(digits.data);

		resetStringInfo(&digits);
		appendStringInfo(&digits, "replace(%s, '%c', '0')", inner, digit);
	}
	stmt = sfm_prepare(scope->plan->source->file,
					   psprintf("SELECT DISTINCT substr(%s, 1, 40) FROM main.%s s WHERE typeof(s.%s) = 'text' LIMIT 20",
								digits.data, sfm_quote_name(origin->table->source->name), name),
					   origin->table->source->name);
	form->readable = true;
	while (sfm_step(stmt))
	{
		SfmValue	value;
		bool		readable = false;
		const char *pattern;

		sfm_column(stmt, 0, &value);
		pattern = value.cls == SFM_TEXT ?
			shape_pattern(pnstrdup(value.u.p, value.len), &readable) : NULL;
		form->readable &= value.cls == SFM_TEXT && readable;
		form->pattern = n++ == 0 ? pattern : NULL;
	}
	sfm_finalize(stmt);
	if (n == 0)
		form->pattern = default_pattern(origin->column->type.kind);
}

static const SfmDateForm *
find_form(void *arg, const SfmTranslateColumn *column)
{
	SfmTranslateScope *scope = arg;
	Origin	   *origin = column->origin;

	if (origin == NULL)
		return NULL;
	if (origin->form == NULL)
	{
		origin->form = MemoryContextAllocZero(scope->mcxt, sizeof(SfmDateForm));
		if (column->classes == SFM_CLASS_BIT(SFM_TEXT))
			ask_shapes(scope, origin, origin->form);
		else
			origin->form->numbers = true;
	}
	return origin->form;
}

/* Asks SQLite which JSON values a column has at a path. */
static unsigned
find_json_kinds(void *arg, const SfmTranslateColumn *column, const char *path)
{
	SfmTranslateScope *scope = arg;
	Origin	   *origin = column->origin;
	unsigned	kinds = 0;
	SfmStmt    *stmt;

	if (origin == NULL)
		return 0;
	stmt = sfm_prepare(scope->plan->source->file,
					   psprintf("SELECT DISTINCT json_type(s.%s, %s) FROM main.%s s WHERE s.%s IS NOT NULL",
								sfm_quote_name(origin->column->source->name), sfm_quote_string(path),
								sfm_quote_name(origin->table->source->name),
								sfm_quote_name(origin->column->source->name)),
					   origin->table->source->name);
	while (sfm_step(stmt))
	{
		char	   *type = sfm_column_cstring(stmt, 0);

		if (type == NULL || strcmp(type, "null") == 0)
			continue;
		kinds |= strcmp(type, "text") == 0 ? SFM_JSON_STRING :
			strcmp(type, "real") == 0 ? SFM_JSON_REAL :
			strcmp(type, "object") == 0 || strcmp(type, "array") == 0 ? SFM_JSON_CONTAINER :
			SFM_JSON_INTEGER;
	}
	sfm_finalize(stmt);
	return kinds;
}

/*
 * A scope over the plan's tables, in CurrentMemoryContext; views come in by
 * sfm_scope_views().
 */
SfmTranslateScope *
sfm_scope_create(SfmPlan *plan)
{
	SfmTranslateScope *scope = palloc0(sizeof(SfmTranslateScope));

	scope->plan = plan;
	scope->mcxt = CurrentMemoryContext;
	scope->source.relation = find_relation;
	scope->source.date_form = find_form;
	scope->source.json_kinds = find_json_kinds;
	scope->source.arg = scope;
	return scope;
}

void
sfm_scope_views(SfmTranslateScope *scope, SfmViewFinder find_view, void *arg)
{
	scope->find_view = find_view;
	scope->find_arg = arg;
}

const SfmTranslateSource *
sfm_scope_source(const SfmTranslateScope *scope)
{
	return &scope->source;
}

/* Why something was not translated, as a clause, with the place in its SQL. */
char *
sfm_translate_reason(const SfmTranslateError *error)
{
	return psprintf("%s (at byte %d of its SQL)", error->message, error->offset);
}
