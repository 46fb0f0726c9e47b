/*
 * reader.c
 *		A SQLite row as Datums, and the error for a value that does not fit.
 *
 * What foreign scans and ANALYZE share.  Converters are chosen once a column; the
 * loop over a row's cells does nothing but read, convert and store.  A rowid is
 * only looked at for a message.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "compat.h"
#include "fdw_internal.h"

/*
 * Prepares to read rows whose query gives these attributes (an IntList) in this
 * order, after the rowid if has_rowid.  columns has one entry an attribute; table is
 * for messages, in the server's encoding, and must live as long as the reader.  The statement is the
 * caller's to set.  Converters are made in CurrentMemoryContext.
 */
void
sfm_reader_init(SfmReader *reader, Relation rel, const SfmForeignColumn *columns,
				List *attributes, bool has_rowid, const char *table)
{
	ListCell   *lc;
	int			i = 0;

	reader->stmt = NULL;
	reader->table = table;
	reader->has_rowid = has_rowid;
	reader->natts = RelationGetDescr(rel)->natts;
	reader->ncolumns = list_length(attributes);
	reader->columns = palloc(sizeof(SfmReaderColumn) * Max(reader->ncolumns, 1));
	foreach(lc, attributes)
	{
		SfmReaderColumn *column = &reader->columns[i++];

		column->att = lfirst_int(lc) - 1;
		column->name = pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel),
													 column->att)->attname));
		column->conv = sfm_conv_create(&columns[column->att].type);
	}
}

/* The SQLSTATE of a misfit. */
static int
misfit_sqlstate(SfmFit fit, const SfmType *type)
{
	bool		is_date = type->kind == SFM_KIND_DATE || type->kind == SFM_KIND_TIME ||
		type->kind == SFM_KIND_TIMESTAMP || type->kind == SFM_KIND_TIMESTAMPTZ;

	switch (fit)
	{
		case SFM_MISFIT_RANGE:
		case SFM_MISFIT_INEXACT:
			return is_date ? ERRCODE_DATETIME_FIELD_OVERFLOW : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case SFM_MISFIT_TYPMOD:
			return type->kind == SFM_KIND_VARCHAR || type->kind == SFM_KIND_BPCHAR ?
				ERRCODE_STRING_DATA_RIGHT_TRUNCATION : ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case SFM_MISFIT_ENCODING:
			return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		case SFM_MISFIT_READING:
		case SFM_MISFIT_OFFSET:
		case SFM_MISFIT_TIME_PART:
			return ERRCODE_INVALID_DATETIME_FORMAT;
		case SFM_MISFIT_TOO_LONG:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case SFM_MISFIT_SYNTAX:
			return is_date ? ERRCODE_INVALID_DATETIME_FORMAT : ERRCODE_INVALID_TEXT_REPRESENTATION;
		case SFM_FIT:
		case SFM_FIT_NULL:
		case SFM_MISFIT_CLASS:
		case SFM_MISFIT_JSONB:
		case SFM_MISFIT_INPUT:
			break;
	}
	return ERRCODE_INVALID_TEXT_REPRESENTATION;
}

/* What one can do about it, or NULL. */
static const char *
misfit_hint(SfmFit fit, const SfmType *type)
{
	switch (fit)
	{
		case SFM_MISFIT_READING:
			return "The column's option \"reading\" says how numbers in it are read: unix, unix_ms, julian or calendar.";
		case SFM_MISFIT_OFFSET:
			return "A column of type timestamp with time zone takes values with an offset.";
		case SFM_MISFIT_TIME_PART:
			return "A column of type timestamp takes dates with a time of day.";
		case SFM_MISFIT_JSONB:
			return "A column of type json takes it as it is.";
		case SFM_MISFIT_CLASS:
			if (type->kind == SFM_KIND_TEXT || type->kind == SFM_KIND_BYTEA)
				return "With the column's option \"mixed\" it takes values of every storage class.";
			return NULL;
		default:
			return NULL;
	}
}

/* Raises the error for a value of the current row. */
static void
throw_misfit(SfmReader *reader, const SfmReaderColumn *column, const SfmValue *value,
			 SfmFit fit)
{
	const SfmType *type = &column->conv->type;
	const char *hint = misfit_hint(fit, type);
	const char *shown = sfm_value_for_message(value);
	/* text that cannot be shown comes as hex */
	bool		quote = value->cls == SFM_TEXT && strncmp(shown, "x'", 2) != 0;
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "Table \"%s\"", reader->table);
	if (reader->has_rowid)
		appendStringInfo(&detail, ", rowid " INT64_FORMAT, sfm_column_int64(reader->stmt, 0));
	appendStringInfo(&detail, quote ? ": %s \"%s\"" : ": %s %s",
					 sfm_class_name(value->cls), shown);
	if (fit == SFM_MISFIT_INPUT && column->conv->input_error)
		appendStringInfo(&detail, " (%s)", column->conv->input_error);
	ereport(ERROR,
			(errcode(misfit_sqlstate(fit, type)),
			 errmsg("value of column \"%s\" %s", column->name, sfm_fit_phrase(fit, type)),
			 errdetail("%s.", detail.data),
			 hint ? errhint("%s", hint) : 0));
}

/*
 * The current row as Datums, palloc'd in CurrentMemoryContext; attributes that are
 * not read are NULL.  Raises a misfit.
 */
void
sfm_reader_row(SfmReader *reader, Datum *values, bool *isnull)
{
	int			cell = reader->has_rowid ? 1 : 0;

	if (reader->ncolumns < reader->natts)
		memset(isnull, true, reader->natts);
	for (int i = 0; i < reader->ncolumns; i++)
	{
		SfmReaderColumn *column = &reader->columns[i];
		SfmValue	value;
		SfmFit		fit;

		sfm_column(reader->stmt, cell + i, &value);
		fit = sfm_convert(column->conv, &value, &values[column->att]);
		if (unlikely(SFM_IS_MISFIT(fit)))
			throw_misfit(reader, column, &value, fit);
		isnull[column->att] = fit != SFM_FIT;
	}
}
