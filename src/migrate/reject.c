/*
 * reject.c
 *		Rows that are kept out: those with a misfit under on_misfit => 'reject', and
 *		those without a parent under on_orphan => 'reject'.
 *
 * They are gathered in a tuplestore a table, which spills to disk, and written to
 * sqlite_mig.rejected_row with the rest of the history.  A row is shown as SQLite
 * had it: each value with its storage class.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "common/shortest_dec.h"
#include <math.h>
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "sfm_migrate.h"

/* Bytes of one value that are shown; a longer one is cut, with its length and SHA-256. */
#define MAX_SHOWN (1024 * 1024)

static TupleDesc
reject_desc(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(desc, 1, "source_rowid", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "reason", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 3, "row", TEXTOID, -1, 0);
	return desc;
}

static void
append_hex(StringInfo buf, const char *bytes, int len)
{
	appendStringInfoString(buf, "\"hex\": \"");
	enlargeStringInfo(buf, len * 2);
	buf->len += hex_encode(bytes, len, buf->data + buf->len);
	buf->data[buf->len] = '\0';
	appendStringInfoChar(buf, '"');
}

/*
 * The first bytes of a text as jsonb can hold them, in the database's encoding; NULL
 * where it cannot: no valid text, a NUL byte, a character that the encoding lacks.
 */
static char *
json_text(const SfmValue *value, int len)
{
	SfmValue	head = *value;
	const char *text = value->u.p;

	head.len = len;
	if (value->cls != SFM_TEXT || !sfm_valid_utf8(&head) || !sfm_utf8_to_database(&text, &len))
		return NULL;
	return pnstrdup(text, len);
}

/* SHA-256 where the bytes are: a value may be longer than what palloc() gives. */
static void
sha256_hex(const char *bytes, int len, char *hex)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) bytes, len) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	hex[hex_encode((const char *) digest, sizeof(digest), hex)] = '\0';
}

static void
append_bytes(StringInfo buf, const SfmValue *value)
{
	int			shown = value->len;
	char	   *text;

	if (shown > MAX_SHOWN)
		shown = value->cls == SFM_TEXT && !value->bad_encoding ?
			pg_encoding_mbcliplen(PG_UTF8, value->u.p, value->len, MAX_SHOWN) : MAX_SHOWN;
	text = json_text(value, shown);
	if (text)
	{
		appendStringInfoString(buf, "\"value\": ");
		escape_json(buf, text);
	}
	else
		append_hex(buf, value->u.p, shown);
	if (shown < value->len)
	{
		char		hex[2 * PG_SHA256_DIGEST_LENGTH + 1];

		sha256_hex(value->u.p, value->len, hex);
		appendStringInfo(buf, ", \"length\": %d, \"sha256\": \"%s\"", value->len, hex);
	}
}

static void
append_value(StringInfo buf, const SfmValue *value)
{
	char		number[DOUBLE_SHORTEST_DECIMAL_LEN];

	appendStringInfo(buf, "{\"class\": \"%s\"", sfm_class_name(value->cls));
	switch (value->cls)
	{
		case SFM_NULL:
			appendStringInfoString(buf, ", \"value\": null");
			break;
		case SFM_INTEGER:
			appendStringInfo(buf, ", \"value\": " INT64_FORMAT, value->u.i);
			break;
		case SFM_REAL:
			double_to_shortest_decimal_buf(value->u.r, number);
			/* JSON has no infinities */
			appendStringInfo(buf, isinf(value->u.r) ? ", \"value\": \"%s\"" : ", \"value\": %s", number);
			break;
		default:
			appendStringInfoString(buf, ", ");
			append_bytes(buf, value);
			break;
	}
	appendStringInfoChar(buf, '}');
}

static Tuplestorestate *
table_rejects(SfmPlan *plan, SfmPlanTable *table)
{
	if (table->rejects == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(plan->mcxt);
		ResourceOwner owner = CurrentResourceOwner;

		/* Its temporary file must outlive the query that is running. */
		CurrentResourceOwner = plan->resowner;
		table->rejects = tuplestore_begin_heap(false, false, sfm_store_memory(plan));
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(old);
	}
	return table->rejects;
}

static void
put_reject(SfmPlan *plan, SfmPlanTable *table, bool has_rowid, int64 rowid, const char *reason,
		   const char *row)
{
	TupleDesc	desc = reject_desc();
	Datum		values[3];
	bool		nulls[3] = {!has_rowid, false, false};

	values[0] = Int64GetDatum(rowid);
	values[1] = CStringGetTextDatum(reason);
	values[2] = CStringGetTextDatum(row);
	tuplestore_putvalues(table_rejects(plan, table), desc, values, nulls);
}

/* The row as JSON: a member a column of the plan, in its order. */
static char *
row_json(const SfmPlanTable *table, const SfmValue *values)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, sfm_name_to_server(table->columns[i].source->name));
		appendStringInfoString(&buf, ": ");
		append_value(&buf, &values[i]);
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/*
 * The scan's callback for a row with a misfit: keeps the row, with the column and
 * what is wrong with its value as the reason.
 */
void
sfm_reject_misfit(SfmScanSink *sink, bool has_rowid, int64 rowid, int column, SfmFit fit,
				  const SfmValue *values)
{
	SfmPlanTable *table = sink->private_data;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "rejected row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row_context);
	SfmPlanColumn *planned = &table->columns[column];

	put_reject(table->plan, table, has_rowid, rowid,
			   psprintf("column %s: %s %s %s", sfm_name_to_server(planned->source->name),
						sfm_class_name(values[column].cls), sfm_value_for_message(&values[column]),
						sfm_fit_phrase(fit, &planned->type)),
			   row_json(table, values));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_context);
}

/* Forgets what a first, abandoned load of the table rejected. */
void
sfm_reject_reset(SfmPlanTable *table)
{
	if (table->rejects)
		tuplestore_clear(table->rejects);
}

/*
 * Orphans
 */
typedef struct OrphanReceiver
{
	DestReceiver pub;
	SfmPlan    *plan;
	SfmPlanTable *table;
	SfmRowHash *hash;
	SfmChecksum sum;			/* of the rows that went */
	SfmStmt    *by_rowid;		/* the source's row; NULL: it cannot be asked for */
	int			rowid_column;	/* of the plan */
	const char *reason;
	int64		rows;
	MemoryContext row_context;
} OrphanReceiver;

static void
orphan_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
orphan_nothing(DestReceiver *self)
{
}

/* The row as the target has it, for tables whose rows cannot be asked for by rowid. */
static char *
target_row_json(const SfmPlanTable *table, TupleTableSlot *slot)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < table->ncolumns; i++)
	{
		const SfmType *type = &table->columns[i].type;
		Oid			output;
		bool		is_varlena;

		if (i > 0)
			appendStringInfoString(&buf, ", ");
		escape_json(&buf, sfm_name_to_server(table->columns[i].source->name));
		if (slot->tts_isnull[i])
		{
			appendStringInfoString(&buf, ": {\"class\": \"null\", \"value\": null}");
			continue;
		}
		getTypeOutputInfo(type->typid, &output, &is_varlena);
		appendStringInfo(&buf, ": {\"class\": \"%s\", \"value\": ", format_type_be(type->typid));
		escape_json(&buf, OidOutputFunctionCall(output, slot->tts_values[i]));
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

static bool
orphan_receive(TupleTableSlot *slot, DestReceiver *self)
{
	OrphanReceiver *receiver = (OrphanReceiver *) self;
	SfmPlanTable *table = receiver->table;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);

	slot_getallattrs(slot);
	receiver->rows++;
	if (receiver->hash)
		sfm_rowhash_add_target(receiver->hash, slot->tts_values, slot->tts_isnull, &receiver->sum);
	if (receiver->by_rowid)
	{
		SfmValue   *values = palloc(sizeof(SfmValue) * table->ncolumns);
		int64		rowid;

		switch (table->columns[receiver->rowid_column].type.kind)
		{
			case SFM_KIND_INT2:
				rowid = DatumGetInt16(slot->tts_values[receiver->rowid_column]);
				break;
			case SFM_KIND_INT4:
				rowid = DatumGetInt32(slot->tts_values[receiver->rowid_column]);
				break;
			default:
				rowid = DatumGetInt64(slot->tts_values[receiver->rowid_column]);
				break;
		}
		sfm_reset(receiver->by_rowid);
		sfm_bind_int64(receiver->by_rowid, 1, rowid);
		if (!sfm_step(receiver->by_rowid))
			elog(ERROR, "row " INT64_FORMAT " of table \"%s\" is not in the source", rowid,
				 table->source->name);
		for (int i = 0; i < table->ncolumns; i++)
			sfm_column(receiver->by_rowid, i, &values[i]);
		put_reject(receiver->plan, table, true, rowid, receiver->reason, row_json(table, values));
	}
	else
		put_reject(receiver->plan, table, false, 0, receiver->reason, target_row_json(table, slot));
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->row_context);
	return true;
}

/* The statement that gives the source's row for a rowid; NULL where ids are not rowids. */
static SfmStmt *
prepare_by_rowid(SfmPlan *plan, const SfmPlanTable *table, int *rowid_column)
{
	StringInfoData sql;

	for (*rowid_column = 0; *rowid_column < table->ncolumns; (*rowid_column)++)
		if (table->columns[*rowid_column].number == table->source->rowid_column)
			break;
	if (*rowid_column == table->ncolumns ||
		(table->columns[*rowid_column].type.kind != SFM_KIND_INT2 &&
		 table->columns[*rowid_column].type.kind != SFM_KIND_INT4 &&
		 table->columns[*rowid_column].type.kind != SFM_KIND_INT8))
		return NULL;
	initStringInfo(&sql);
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s s.%s", i ? "," : "SELECT",
						 sfm_quote_name(table->columns[i].source->name));
	appendStringInfo(&sql, " FROM main.%s s WHERE s.%s = ?1", sfm_quote_name(table->source->name),
					 sfm_quote_name(table->columns[*rowid_column].source->name));
	return sfm_prepare(plan->source->file, sql.data, table->source->name);
}

/*
 * Keeps the rows of a query, which has the table's columns, with this reason; their
 * number.  They are no longer expected to arrive.
 */
static int64
reject_query(SfmPlan *plan, SfmPlanTable *table, const char *query, const char *reason)
{
	OrphanReceiver receiver = {0};
	SPIExecuteOptions options = {0};
	SfmType    *types = palloc(sizeof(SfmType) * table->ncolumns);
	int			rc;

	for (int i = 0; i < table->ncolumns; i++)
		types[i] = table->columns[i].type;
	receiver.pub.rStartup = orphan_startup;
	receiver.pub.receiveSlot = orphan_receive;
	receiver.pub.rShutdown = orphan_nothing;
	receiver.pub.rDestroy = orphan_nothing;
	receiver.pub.mydest = DestNone;
	receiver.plan = plan;
	receiver.table = table;
	if (plan->options->verify == SFM_METHOD_CHECKSUM)
		receiver.hash = sfm_rowhash_create(table->ncolumns, types);
	receiver.by_rowid = prepare_by_rowid(plan, table, &receiver.rowid_column);
	receiver.reason = reason;
	receiver.row_context = AllocSetContextCreate(CurrentMemoryContext, "rejected row",
												 ALLOCSET_DEFAULT_SIZES);
	options.dest = (DestReceiver *) &receiver;
	rc = SPI_execute_extended(query, &options);
	if (rc < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(rc));
	if (receiver.by_rowid)
		sfm_finalize(receiver.by_rowid);
	MemoryContextDelete(receiver.row_context);
	sfm_rowhash_free(receiver.hash);

	/*
	 * The hash is that of the row as the target has it: had it arrived altered, the sums
	 * now differ and verification fails.
	 */
	sfm_checksum_subtract(&table->source_sum, &receiver.sum);
	table->rejected_rows += receiver.rows;
	return receiver.rows;
}

/*
 * Takes the rows out of a loaded table that fulfil a condition on "c", and keeps them
 * with this reason; their number.
 */
int64
sfm_reject_rows(SfmPlan *plan, SfmPlanTable *table, const char *condition, const char *reason)
{
	int64		rows = reject_query(plan, table, psprintf("DELETE FROM %s c WHERE %s RETURNING %s", sfm_target_rows(table),
														  condition, sfm_check_columns(table)), reason);

	table->target_rows -= rows;
	return rows;
}

/* Keeps the rows that the load left out (foretell.c), by another scan of the source. */
void
sfm_reject_kept_out(SfmPlan *plan, SfmPlanTable *table)
{
	SfmScanSink *sink = sfm_load_sink(plan, table, true);
	StringInfoData earlier;
	ListCell   *lc;

	initStringInfo(&earlier);
	sfm_sink_attach(sink);
	foreach(lc, table->kept_out)
	{
		SfmKeptOut *kept = lfirst(lc);
		int64		rows = reject_query(plan, table,
										psprintf("SELECT %s FROM %s WHERE (%s)%s", sfm_check_columns(table),
												 sfm_ddl_source_rows(table), kept->condition, earlier.data), kept->reason);

		if (rows > 0)
			sfm_note(table, "Foreign key %s: %s without a parent rejected, see sqlite_mig.rejected_row.",
					 kept->key, sfm_counted(rows, "row"));
		appendStringInfo(&earlier, " AND (%s) IS NOT TRUE", kept->condition);
	}
	sfm_sink_detach(sink);
}

static int64
take_orphans(SfmPlan *plan, const SfmOrphanKey *key)
{
	const SfmObject *object = key->object;

	return sfm_reject_rows(plan, object->table, key->orphans,
						   psprintf("foreign key %s: no parent in table %s", object->constraint,
									sfm_name_to_server(object->parent->source->name)));
}

/* on_orphan => 'reject': takes rows without a parent out of the tables that this call made. */
void
sfm_reject_orphans(SfmPlan *plan)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, plan->objects)
	{
		SfmObject  *object = lfirst(lc);

		if (object->phase == SFM_PHASE_FOREIGN_KEY && object->target_sql != NULL && object->table->loaded)
			keys = sfm_add_orphan_key(keys, object, sfm_target_orphans(object));
	}
	sfm_reject_by_keys(plan, keys, take_orphans, "rejected, see sqlite_mig.rejected_row");
}

/*
 * Writes the rejected rows of a table into the history; runs as its owner, with the
 * statement prepared by the caller: (migration_id, source_table, source_rowid, reason,
 * row, migrated_by).
 */
void
sfm_reject_write(SPIPlanPtr insert, int64 migration_id, SfmPlanTable *table,
				 const char *migrated_by)
{
	TupleTableSlot *slot;
	Datum		values[6];

	if (table->rejects == NULL)
		return;
	values[0] = Int64GetDatum(migration_id);
	values[1] = CStringGetTextDatum(sfm_name_to_server(table->source->name));
	values[5] = CStringGetTextDatum(migrated_by);
	slot = MakeSingleTupleTableSlot(reject_desc(), &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(table->rejects, true, false, slot))
	{
		char		nulls[7] = "      ";

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		values[2] = slot->tts_values[0];
		nulls[2] = slot->tts_isnull[0] ? 'n' : ' ';
		values[3] = slot->tts_values[1];
		values[4] = slot->tts_values[2];
		if (SPI_execute_plan(insert, values, nulls, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write sqlite_mig.rejected_row");
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(table->rejects);
	table->rejects = NULL;
}
