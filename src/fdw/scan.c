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
 * While a migration listens (struct SfmScanSink), a row goes another way: all
 * its cells are read before any is judged, since the checksum and a rejected row
 * need them all, and a misfit is an event instead of an error.
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

/* Rows between two calls of a sink's progress function. */
#define SFM_PROGRESS_ROWS 4096

typedef struct SfmScanState
{
	SfmReader	reader;
	bool		bound;			/* parameters are bound, the scan has begun */
	bool		finished;		/* SQLite said that there are no more rows */

	/* parameters: ?1 is the first */
	List	   *params;			/* of ExprState */
	Oid		   *param_types;	/* domains looked through */

	/* a migration that listens, or NULL */
	SfmScanSink *sink;
	SfmValue   *values;			/* the row's cells, one a column read */
	bool	   *null_misfits;	/* which of them count as NULL */
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

/*
 * Makes room for what the sink needs of a row, and lets it say how columns are
 * converted.  A plan made while it is attached reads all columns.
 */
static void
init_sink(SfmScanState *state, SfmScanSink *sink, List *attributes, SfmForeignColumn *columns)
{
	if (sink->ncolumns != list_length(attributes))
		elog(ERROR, "foreign scan reads %d columns, its sink expects %d",
			 list_length(attributes), sink->ncolumns);
	for (int i = 0; i < sink->ncolumns; i++)
		columns[list_nth_int(attributes, i) - 1].type.fixed = sink->columns[i].fixed;
	state->sink = sink;
	state->values = palloc0(sizeof(SfmValue) * Max(sink->ncolumns, 1));
	state->null_misfits = palloc0(sizeof(bool) * Max(sink->ncolumns, 1));
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
		init_sink(state, sink, attributes, columns);
	sfm_reader_init(&state->reader, rel, columns, attributes,
					boolVal(list_nth(plan->fdw_private, SFM_PLAN_ROWID)), table);
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

/* What the converters saw, for the migration.  Again and again is harmless. */
static void
report_seen(SfmScanState *state)
{
	for (int i = 0; i < state->reader.ncolumns; i++)
		state->sink->columns[i].seen = state->reader.columns[i].conv->seen;
}

/*
 * Notes a misfit in the sink.  Returns true when the row must not be returned:
 * under COLLECT none is any more, under REJECT this one.
 */
static bool
take_misfit(SfmScanState *state, int i, SfmFit fit, bool has_rowid, int64 rowid)
{
	SfmScanSink *sink = state->sink;
	SfmSinkColumn *column = &sink->columns[i];

	if (column->soft_apart &&
		sfm_misfit_is_soft(&column->planned, &state->values[i], fit))
	{
		sfm_misfit_add(&column->soft, state->reader.columns[i].conv, &state->values[i], fit,
					   has_rowid, rowid, sink->mcxt);
		sink->collecting = true;
		return true;
	}
	sfm_misfit_add(&column->misfits, state->reader.columns[i].conv, &state->values[i], fit,
				   has_rowid, rowid, sink->mcxt);
	switch (column->on_misfit)
	{
		case SFM_ON_MISFIT_NULL:
			column->nulled++;
			state->null_misfits[i] = true;
			return false;
		case SFM_ON_MISFIT_COLLECT:
			sink->collecting = true;
			return true;
		case SFM_ON_MISFIT_REJECT:
			break;
	}
	return true;
}

/* Adds the row to the source's checksum. */
static void
hash_row(SfmScanState *state)
{
	int			bad = sfm_rowhash_add_source(state->sink->hash, state->values,
											 state->null_misfits, &state->sink->checksum);

	/* the converter took it and the checksum does not: one of them is wrong */
	if (bad >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("value of column \"%s\" was converted, but has no form for the checksum",
						state->reader.columns[bad].name),
				 errdetail("Table \"%s\": %s value %s.", state->reader.table,
						   sfm_class_name(state->values[bad].cls),
						   sfm_value_for_message(&state->values[bad]))));
}

/*
 * The current row, as the sink's policies have it.  Returns whether it is to be
 * returned by the scan.
 */
static bool
sink_row(SfmScanState *state, Datum *values, bool *isnull)
{
	SfmReader  *reader = &state->reader;
	SfmScanSink *sink = state->sink;
	int			cell = reader->has_rowid ? 1 : 0;
	int			rejected_by = -1;
	SfmFit		rejected_for = SFM_FIT;
	bool		keep = true;

	sink->source_rows++;
	if (sink->progress && sink->source_rows % SFM_PROGRESS_ROWS == 0)
		sink->progress(sink);
	if (reader->ncolumns < reader->natts)
		memset(isnull, true, reader->natts);

	for (int i = 0; i < reader->ncolumns; i++)
		sfm_column(reader->stmt, cell + i, &state->values[i]);
	for (int i = 0; i < reader->ncolumns; i++)
	{
		SfmReaderColumn *column = &reader->columns[i];
		SfmFit		fit = sfm_convert(column->conv, &state->values[i], &values[column->att]);

		isnull[column->att] = fit != SFM_FIT;
		if (likely(fit == SFM_FIT))
			continue;
		if (fit == SFM_FIT_NULL)
		{
			if (state->values[i].cls != SFM_NULL)
				sink->columns[i].nulled++;
			continue;
		}
		if (take_misfit(state, i, fit, reader->has_rowid,
						reader->has_rowid ? sfm_column_int64(reader->stmt, 0) : 0))
		{
			keep = false;
			if (rejected_by < 0 && sink->columns[i].on_misfit == SFM_ON_MISFIT_REJECT)
			{
				rejected_by = i;
				rejected_for = fit;
			}
		}
	}

	if (rejected_by >= 0 && !sink->collecting)
	{
		sink->rejected_rows++;
		if (sink->reject)
			sink->reject(sink, reader->has_rowid,
						 reader->has_rowid ? sfm_column_int64(reader->stmt, 0) : 0,
						 rejected_by, rejected_for, state->values);
	}
	keep = keep && !sink->collecting;
	if (keep && sink->hash)
		hash_row(state);
	return keep;
}

/* Goes to the next row that a migration wants; false at the end. */
static bool
next_for_sink(ForeignScanState *node, SfmScanState *state, TupleTableSlot *slot)
{
	while (sfm_step(state->reader.stmt))
	{
		bool		keep = sink_row(state, slot->tts_values, slot->tts_isnull);

		for (int i = 0; i < state->reader.ncolumns; i++)
			state->null_misfits[i] = false;
		if (keep)
			return true;
		ResetExprContext(node->ss.ps.ps_ExprContext);
	}
	report_seen(state);
	return false;
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
	if (!state->bound)
		bind_params(node);
	/* SQLite would begin again if it were stepped after the end */
	if (state->finished)
		return slot;
	if (state->sink ? next_for_sink(node, state, slot) : next_row(state, slot))
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

	if (state != NULL)
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
		report_seen(state);
	sfm_finalize(state->reader.stmt);
}
