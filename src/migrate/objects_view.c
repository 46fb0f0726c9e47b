/*
 * objects_view.c
 *		Views: translated in dependency order, created at the end.
 *
 * A view is translated when the first one that reads it asks for it, or when its turn
 * comes, so that the entries stand in an order in which they can be created.  What
 * its columns are like in SQLite is kept for the views above it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "sfm_migrate.h"

/* One chosen view. */
typedef struct View
{
	const SfmTable *source;
	bool		begun;
	SfmTranslateRelation *relation;	/* NULL: not translated */
} View;

typedef struct Views
{
	SfmPlan    *plan;
	SfmTranslateScope *scope;
	List	   *views;			/* of View */
} Views;

static void translate_view(Views *views, View *view);

static const SfmTranslateRelation *
find_view(void *arg, const SfmTable *source, const char **why)
{
	Views	   *views = arg;
	ListCell   *lc;

	*why = "is not chosen";
	foreach(lc, views->views)
	{
		View	   *view = lfirst(lc);

		if (view->source != source)
			continue;
		if (view->begun && view->relation == NULL)
			*why = "is not translated either, or refers to this view";
		else if (!view->begun)
		{
			translate_view(views, view);
			*why = "is not translated either";
		}
		return view->relation;
	}
	return NULL;
}

static void
leave_view_out(Views *views, SfmObject *object, const char *why)
{
	sfm_leave_out(object, why);
	views->plan->notes = lappend(views->plan->notes,
								 psprintf("View %s is left out: %s",
										  sfm_name_to_server(object->name), why));
}

/* Identifiers for the result columns, quoted and separated. */
static char *
name_result(Views *views, SfmTranslateRelation *relation)
{
	SfmNamespace *names = sfm_namespace_create(true);
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < relation->ncolumns; i++)
	{
		relation->columns[i].sql =
			quote_identifier(sfm_namespace_add(names, relation->columns[i].name,
											   views->plan->options->identifiers, NULL));
		appendStringInfo(&buf, "%s%s", i ? ", " : "", relation->columns[i].sql);
	}
	sfm_namespace_free(names);
	return buf.data;
}

/* Why a view is not even tried, or NULL. */
static const char *
obstacle(const Views *views, const SfmTable *source)
{
	const SfmOptions *options = views->plan->options;
	Oid			schema = get_namespace_oid(options->target_schema, true);

	if (options->scope == SFM_SCOPE_DATA)
		return "Only rows were asked for.";
	if (source->view == NULL)
		return psprintf("Its SQL was not understood: %s.",
						source->parse_error ? source->parse_error : "no SELECT");
	if (OidIsValid(schema) &&
		OidIsValid(get_relname_relid(sfm_fold_name(source->name, options->identifiers), schema)))
		return "The target schema has a relation of that name already.";
	return NULL;
}

static void
translate_view(Views *views, View *view)
{
	const SfmTable *source = view->source;
	SfmPlan    *plan = views->plan;
	SfmTranslateRelation *relation = palloc0(sizeof(SfmTranslateRelation));
	SfmTranslateError error;
	SfmObject  *object;
	const char *why = obstacle(views, source);
	char	   *sql = NULL;
	char	   *columns;

	check_stack_depth();
	view->begun = true;
	if (why == NULL)
	{
		sql = sfm_translate_view(sfm_scope_source(views->scope), source->view, source->sql,
								 &relation->ncolumns, &relation->columns, &error);
		if (sql == NULL)
			why = psprintf("It is not translated: %s.", sfm_translate_reason(&error));
	}
	object = sfm_add_view(plan, source);
	if (why)
	{
		leave_view_out(views, object, why);
		return;
	}
	columns = name_result(views, relation);
	object->constraint = sfm_namespace_add(plan->relations, source->name,
										   plan->options->identifiers, NULL);
	relation->name = source->name;
	relation->sql = sfm_qualify(plan->options->target_schema, object->constraint);
	relation->rowid_column = -1;
	object->target_sql = psprintf("CREATE VIEW %s (%s) AS %s", relation->sql, columns, sql);
	if (OidIsValid(plan->options->owner))
		object->extra_sql = psprintf("ALTER VIEW %s OWNER TO %s", relation->sql,
									 quote_identifier(GetUserNameFromId(plan->options->owner, false)));
	object->phase = SFM_PHASE_VIEW;
	sfm_translated(object, "Its SELECT is written for PostgreSQL.");
	view->relation = relation;
}

/* Entries for all chosen views, those that others read before these. */
void
sfm_plan_views(SfmPlan *plan, SfmTranslateScope *scope)
{
	Views		views = {plan, scope, NIL};
	bool	   *chosen = sfm_select_tables(plan->catalog, plan->options->include,
										   plan->options->exclude);
	ListCell   *lc;

	foreach(lc, plan->catalog->tables)
	{
		SfmTable   *source = lfirst(lc);
		View	   *view;

		if (source->kind != SFM_REL_VIEW || !chosen[foreach_current_index(lc)])
			continue;
		view = palloc0(sizeof(View));
		view->source = source;
		views.views = lappend(views.views, view);
	}
	sfm_scope_views(scope, find_view, &views);
	foreach(lc, views.views)
		if (!((View *) lfirst(lc))->begun)
			translate_view(&views, lfirst(lc));
	foreach(lc, views.views)
		sfm_plan_triggers(plan, NULL, ((View *) lfirst(lc))->source);
	sfm_scope_views(scope, NULL, NULL);
}
