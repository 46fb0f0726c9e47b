/*
 * scan.c
 *		Running a foreign scan: prepare, bind, step, convert, return.
 *
 * The query and what belongs to it come from the plan (plan.c).  Parameters are
 * bound when the first row is asked for, and anew after each rescan, since their
 * values may have changed.
 *
 * Memory: the state and the statement live in the query's context; a row's values
 * in the scan's per-tuple context, which PostgreSQL resets before each row and this
 * file between rows that it does not return.
 *
 * While a migration listens (struct SfmScanSink), rows go another way: sink_scan.c.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw_internal.h"
#include "sfm_names.h"

typedef struct SfmScanState
{
	SfmReader	reader;
	bool		bound;			/* parameters are bound, the scan has begun */
	bool		finished;		/* SQLite said that there are no more rows */

	/* parameters: ?1 is the first */
	List	   *params;			/* of ExprState */
	Oid		   *param_types;	/* domains looked through */

	SfmSinkScan *sink;			/* a migration that listens, or NULL */
} SfmScanState;

/*
 * A plan may be older than the schema that it meets.  Raises 55000 when something
 * that pushed conditions relied on is no longer so; plans are made anew after that,
 * so that running the query again helps.
 */
static void
check_plan(ForeignScan *plan, SfmFile *file)
{
	List	   *private = plan->fdw_private;
	const char *name = strVal(list_nth(private, SFM_PLAN_TABLE));
	List	   *relied = list_nth(private, SFM_PLAN_RELIED);
	SfmTable   *table;
	bool		good;

	if (strcmp(strVal(list_nth(private, SFM_PLAN_IDENTITY)), sfm_schema_identity(file)) == 0)
		return;
	ResetPlanCache();

	table = sfm_catalog_read_table(file, name);
	good = table != NULL &&
		(table->rowid_name != NULL) == boolVal(list_nth(private, SFM_PLAN_ROWID));
	for (int i = 0; good && i < list_length(relied); i += 2)
	{
		int			column = sfm_table_column(table, strVal(list_nth(relied, i)));

		good = column >= 0 &&
			strcmp(strVal(list_nth(relied, i + 1)), sfm_relied_on(table, column)) == 0;
	}
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" of SQLite file \"%s\" changed since the query was planned",
						sfm_name_to_server(name), sfm_file_path(file)),
				 errhint("Run the query again.")));
}

static void
init_params(ForeignScanState *node, SfmScanState *state, List *exprs)
{
	ListCell   *lc;
	int			i = 0;

	state->params = ExecInitExprList(exprs, &node->ss.ps);
	state->param_types = palloc(sizeof(Oid) * Max(list_length(exprs), 1));
	foreach(lc, exprs)
		state->param_types[i++] = getBaseType(exprType(lfirst(lc)));
}

/* BeginForeignScan: prepares the query; under EXPLAIN alone nothing. */
void
sfm_begin_scan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = castNode(ForeignScan, node->ss.ps.plan);
	Relation	rel = node->ss.ss_currentRelation;
	Oid			relid = RelationGetRelid(rel);
	List	   *attributes = list_nth(plan->fdw_private, SFM_PLAN_ATTRIBUTES);
	SfmScanSink *sink = sfm_sink_find(relid);
	SfmForeignColumn *columns;
	SfmScanState *state;
	SfmFile    *file;
	char	   *table;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	file = sfm_connection_for_server(GetForeignTable(relid)->serverid);
	check_plan(plan, file);
	(void) sfm_foreign_table(relid, &columns);
	table = sfm_name_to_server(strVal(list_nth(plan->fdw_private, SFM_PLAN_TABLE)));

	state = palloc0(sizeof(SfmScanState));
	if (sink != NULL)
		sfm_sink_prepare(sink, attributes, columns);
	sfm_reader_init(&state->reader, rel, columns, attributes,
					boolVal(list_nth(plan->fdw_private, SFM_PLAN_ROWID)), table);
	if (sink != NULL)
		state->sink = sfm_sink_begin(sink, &state->reader, columns, plan);
	if (state->sink == NULL || !sfm_sink_prefetches(state->sink))
		state->reader.stmt = sfm_prepare(file, strVal(list_nth(plan->fdw_private, SFM_PLAN_SQL)),
										 table);
	init_params(node, state, plan->fdw_exprs);
	node->fdw_state = state;
}

/*
 * The elements of an array as a JSON array, for SQLite's json_each().  It reads
 * integers of 64 bits exactly, and a JSON string as the text that it stands for.
 */
static char *
array_as_json(Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	Oid			type = ARR_ELEMTYPE(array);
	StringInfoData json;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	deconstruct_array(array, type, len, byval, align, &elements, &nulls, &n);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&json, ',');
		if (nulls[i])
			appendStringInfoString(&json, "null");
		else if (type == INT2OID)
			appendStringInfo(&json, "%d", DatumGetInt16(elements[i]));
		else if (type == INT4OID)
			appendStringInfo(&json, "%d", DatumGetInt32(elements[i]));
		else if (type == INT8OID)
			appendStringInfo(&json, INT64_FORMAT, DatumGetInt64(elements[i]));
		else
			escape_json(&json, TextDatumGetCString(elements[i]));
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

static void
bind_value(SfmStmt *stmt, int n, Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			sfm_bind_int64(stmt, n, DatumGetInt16(value));
			break;
		case INT4OID:
			sfm_bind_int64(stmt, n, DatumGetInt32(value));
			break;
		case INT8OID:
			sfm_bind_int64(stmt, n, DatumGetInt64(value));
			break;
		default:
			if (OidIsValid(get_element_type(type)))
			{
				char	   *json = array_as_json(value);

				sfm_bind_text(stmt, n, json, strlen(json));
			}
			else
			{
				text	   *t = DatumGetTextPP(value);

				/* pushdown.c lets text through only where the server's encoding is UTF8 */
				sfm_bind_text(stmt, n, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			}
			break;
	}
}

/* Evaluates the parameters and binds them, in the per-tuple context. */
static void
bind_params(ForeignScanState *node)
{
	SfmScanState *state = node->fdw_state;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	ListCell   *lc;
	int			n = 0;

	sfm_reset(state->reader.stmt);
	foreach(lc, state->params)
	{
		bool		isnull;
		Datum		value = ExecEvalExpr(lfirst_node(ExprState, lc), econtext, &isnull);

		n++;
		if (isnull)
			sfm_bind_null(state->reader.stmt, n);
		else
			bind_value(state->reader.stmt, n, value, state->param_types[n - 1]);
	}
	state->bound = true;
	state->finished = false;
}

static bool
next_row(SfmScanState *state, TupleTableSlot *slot)
{
	if (!sfm_step(state->reader.stmt))
		return false;
	sfm_reader_row(&state->reader, slot->tts_values, slot->tts_isnull);
	return true;
}

/* IterateForeignScan: the next row, or an empty slot at the end. */
TupleTableSlot *
sfm_iterate_scan(ForeignScanState *node)
{
	SfmScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (!state->bound && state->reader.stmt)
		bind_params(node);
	/* SQLite would begin again if it were stepped after the end */
	if (state->finished)
		return slot;
	if (state->sink ? sfm_sink_next(state->sink, node->ss.ps.ps_ExprContext, slot->tts_values,
									slot->tts_isnull) : next_row(state, slot))
		ExecStoreVirtualTuple(slot);
	else
		state->finished = true;
	return slot;
}

/* ReScanForeignScan: from the start, with the parameters as they are then. */
void
sfm_rescan(ForeignScanState *node)
{
	SfmScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	if (state->reader.stmt == NULL)
		elog(ERROR, "a scan whose rows a background worker reads cannot begin anew");
	state->bound = false;
}

/* EndForeignScan: also after EXPLAIN alone. */
void
sfm_end_scan(ForeignScanState *node)
{
	SfmScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	if (state->sink)
		sfm_sink_end(state->sink);
	if (state->reader.stmt)
		sfm_finalize(state->reader.stmt);
}
