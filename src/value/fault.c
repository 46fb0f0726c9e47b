/*
 * fault.c
 *		Faults planted on purpose, for the tests of verification: built only with
 *		SFM_FAULTS.
 *
 * The setting sqlite_fdw_mig.fault names a kind of converter.  The third value
 * that such a converter makes, a column, comes out a little wrong, in silence:
 * the checksum must find it.
 */
#include "postgres.h"

#ifdef SFM_FAULTS

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "sfm_convert.h"

int			sfm_fault_kind = -1;
static char *fault_setting = NULL;

static const char *const kind_names[SFM_NKINDS] = {
	[SFM_KIND_BOOL] = "bool",
	[SFM_KIND_INT2] = "int2",
	[SFM_KIND_INT4] = "int4",
	[SFM_KIND_INT8] = "int8",
	[SFM_KIND_FLOAT4] = "float4",
	[SFM_KIND_FLOAT8] = "float8",
	[SFM_KIND_NUMERIC] = "numeric",
	[SFM_KIND_TEXT] = "text",
	[SFM_KIND_VARCHAR] = "varchar",
	[SFM_KIND_BPCHAR] = "bpchar",
	[SFM_KIND_BYTEA] = "bytea",
	[SFM_KIND_DATE] = "date",
	[SFM_KIND_TIME] = "time",
	[SFM_KIND_TIMESTAMP] = "timestamp",
	[SFM_KIND_TIMESTAMPTZ] = "timestamptz",
	[SFM_KIND_JSON] = "json",
	[SFM_KIND_JSONB] = "jsonb",
	[SFM_KIND_UUID] = "uuid",
	[SFM_KIND_INPUT] = "input"
};

static int
kind_from_name(const char *name)
{
	for (int i = 0; i < SFM_NKINDS; i++)
		if (strcmp(kind_names[i], name) == 0)
			return i;
	return -1;
}

static bool
check_fault(char **newval, void **extra, GucSource source)
{
	return **newval == '\0' || kind_from_name(*newval) >= 0;
}

static void
assign_fault(const char *newval, void *extra)
{
	sfm_fault_kind = kind_from_name(newval);
}

/* Defines the setting. */
void
sfm_fault_init(void)
{
	DefineCustomStringVariable("sqlite_fdw_mig.fault",
							   "Kind of converter that gets one value of each column wrong.",
							   NULL, &fault_setting, "", PGC_USERSET, 0,
							   check_fault, assign_fault, NULL);
}

/* A copy whose last byte is another one; an empty one gets a byte. */
static Datum
alter_varlena(Datum value)
{
	struct varlena *old = PG_DETOAST_DATUM_PACKED(value);
	int			len = VARSIZE_ANY_EXHDR(old);
	Datum		result;
	char	   *bytes;

	if (len == 0)
		return sfm_make_varlena("x", 1);
	result = sfm_make_varlena(VARDATA_ANY(old), len);
	bytes = VARDATA(DatumGetPointer(result));
	bytes[len - 1] = bytes[len - 1] == 'x' ? 'y' : 'x';
	return result;
}

/* Changes the first digit of a text, or NULL when it has none. */
static char *
alter_digit(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if (*p >= '0' && *p <= '9')
		{
			*p = *p == '1' ? '2' : '1';
			return text;
		}
	return NULL;
}

/* A document with another number in it, or one more level. */
static char *
alter_json_text(char *text)
{
	char	   *altered = alter_digit(text);

	return altered != NULL ? altered : psprintf("[%s]", text);
}

/* Any other type: another digit in its text, if its input function takes that. */
static Datum
alter_by_text(const SfmType *type, Datum value)
{
	Oid			output;
	Oid			input;
	Oid			ioparam;
	bool		isvarlena;
	char	   *text;

	getTypeOutputInfo(type->typid, &output, &isvarlena);
	getTypeInputInfo(type->typid, &input, &ioparam);
	text = alter_digit(OidOutputFunctionCall(output, value));
	return text == NULL ? value : OidInputFunctionCall(input, text, ioparam, type->typmod);
}

/* One bit of the least byte, which changes any number, however great. */
static void
alter_bit(void *number)
{
	*(char *) number ^= 1;
}

Datum
sfm_fault_alter(const SfmType *type, Datum value)
{
	pg_uuid_t  *uuid;
	char	   *str;
	float4		f4;
	float8		f8;

	switch (type->kind)
	{
		case SFM_KIND_BOOL:
			return BoolGetDatum(!DatumGetBool(value));
		case SFM_KIND_INT2:
			return Int16GetDatum(DatumGetInt16(value) ^ 1);
		case SFM_KIND_INT4:
			return Int32GetDatum(DatumGetInt32(value) ^ 1);
		case SFM_KIND_INT8:
			return Int64GetDatum(DatumGetInt64(value) ^ 1);
		case SFM_KIND_FLOAT4:
			f4 = DatumGetFloat4(value);
			alter_bit(&f4);
			return Float4GetDatum(f4);
		case SFM_KIND_FLOAT8:
			f8 = DatumGetFloat8(value);
			alter_bit(&f8);
			return Float8GetDatum(f8);
		case SFM_KIND_NUMERIC:
			if (numeric_is_inf(DatumGetNumeric(value)))
				return NumericGetDatum(int64_to_numeric(1));
			return DirectFunctionCall2(numeric_add, value,
									   NumericGetDatum(int64_to_numeric(1)));
		case SFM_KIND_TEXT:
		case SFM_KIND_VARCHAR:
		case SFM_KIND_BPCHAR:
		case SFM_KIND_BYTEA:
			return alter_varlena(value);
		case SFM_KIND_DATE:
			return DateADTGetDatum(DatumGetDateADT(value) + 1);
		case SFM_KIND_TIME:
			return TimeADTGetDatum(DatumGetTimeADT(value) ^ 1);
		case SFM_KIND_TIMESTAMP:
		case SFM_KIND_TIMESTAMPTZ:
			return TimestampGetDatum(DatumGetTimestamp(value) ^ 1);
		case SFM_KIND_JSON:
			str = alter_json_text(TextDatumGetCString(value));
			return CStringGetTextDatum(str);
		case SFM_KIND_JSONB:
			str = JsonbToCString(NULL, &DatumGetJsonbP(value)->root, 0);
			return DirectFunctionCall1(jsonb_in, CStringGetDatum(alter_json_text(str)));
		case SFM_KIND_UUID:
			uuid = palloc(sizeof(pg_uuid_t));
			memcpy(uuid, DatumGetUUIDP(value), sizeof(pg_uuid_t));
			uuid->data[UUID_LEN - 1] ^= 1;
			return UUIDPGetDatum(uuid);
		case SFM_KIND_INPUT:
			return alter_by_text(type, value);
	}
	return value;
}

#endif							/* SFM_FAULTS */
