/*
 * canonical_target.c
 *		Values read back from PostgreSQL brought to canonical bytes.
 *
 * The Datum is taken for what it means, by PostgreSQL's own functions; nothing of
 * the converters in src/value is used.  Text is hashed as UTF-8 whatever the
 * database's encoding.  What must be detoasted lives until the row's end.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "check_internal.h"

static void
target_bool(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_bool(hasher, DatumGetBool(value));
}

static void
target_int2(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_INTEGER, DatumGetInt16(value));
}

static void
target_int4(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_INTEGER, DatumGetInt32(value));
}

static void
target_int8(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_INTEGER, DatumGetInt64(value));
}

static void
target_float8(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_float(hasher, DatumGetFloat8(value));
}

/* The double that the shortest decimal form of a float4 reads back to. */
static void
target_float4(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	char		text[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
	sfm_put_float(hasher, strtod(text, NULL));
}

/*
 * numeric, from the form in which it is stored: its functions that give digits
 * (numeric_out, numeric_send) cost several times as much.  numeric.c keeps that
 * form to itself, but pg_upgrade relies on it from one major version to the next:
 * a header of 16 bits, that of a long one with 16 bits of weight behind it, then
 * the base-10000 digits, of which neither the first nor the last is 0.
 *
 *		11ss............	NaN and the infinities
 *		10sddddddwwwwwww	short: sign, display scale, weight of the first digit
 *		0sdddddddddddddd	long: sign, display scale; then the weight
 */
#define NUMERIC_IS_SPECIAL(header) (((header) & 0xC000) == 0xC000)
#define NUMERIC_IS_SHORT(header) (((header) & 0xC000) == 0x8000)

static inline uint16
group_at(const char *groups, int i)
{
	uint16		group;

	/* a packed varlena need not be aligned */
	memcpy(&group, groups + 2 * i, 2);
	return group;
}

static void
long_digits(const char *groups, int ngroups, int first, SfmDigits *decimal)
{
	char	   *digits = palloc(4 * ngroups);
	char	   *to = digits;

	for (int i = 0; i < ngroups; i++)
	{
		uint16		group = group_at(groups, i);

		*to++ = '0' + group / 1000;
		*to++ = '0' + group / 100 % 10;
		*to++ = '0' + group / 10 % 10;
		*to++ = '0' + group % 10;
	}
	decimal->piece[0] = digits + 4 - first;
	decimal->piece_len[0] = decimal->ndigits;
}

static void
decimal_of_numeric(struct varlena *value, SfmDigits *decimal)
{
	const char *groups = VARDATA_ANY(value) + 2;
	int			ngroups = VARSIZE_ANY_EXHDR(value) / 2 - 1;
	uint16		header = group_at(groups, -1);
	int			weight;
	uint16		last;
	int			first;			/* decimal digits of the first group */
	int			zeros = 0;		/* at the end of the last group */

	memset(decimal, 0, sizeof(*decimal));
	if (NUMERIC_IS_SPECIAL(header))
	{
		decimal->special = (header & 0xF000) == 0xC000 ? 'n' :
			(header & 0xF000) == 0xD000 ? '+' : '-';
		return;
	}
	if (NUMERIC_IS_SHORT(header))
	{
		decimal->negative = (header & 0x2000) != 0;
		weight = (header & 0x3F) - (header & 0x40);
	}
	else
	{
		decimal->negative = (header & 0x4000) != 0;
		weight = (int16) group_at(groups, 0);
		groups += 2;
		ngroups--;
	}
	if (ngroups == 0)
	{
		decimal->negative = false;
		return;
	}

	last = group_at(groups, 0);
	first = last >= 1000 ? 4 : last >= 100 ? 3 : last >= 10 ? 2 : 1;
	for (last = group_at(groups, ngroups - 1); last % 10 == 0 && zeros < 3; last /= 10)
		zeros++;
	decimal->exponent = 4 * (weight - ngroups + 1) + zeros;
	decimal->ndigits = first + 4 * (ngroups - 1) - zeros;
	if (decimal->ndigits > SFM_SMALL_DIGITS)
	{
		long_digits(groups, ngroups, first, decimal);
		return;
	}
	for (int i = 0; i < ngroups - 1; i++)
		decimal->small = decimal->small * 10000 + group_at(groups, i);
	for (int i = zeros; i < 4; i++)
		decimal->small *= 10;
	decimal->small += last;
}

static void
target_numeric(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	SfmDigits	decimal;

	decimal_of_numeric(PG_DETOAST_DATUM_PACKED(value), &decimal);
	sfm_put_decimal(hasher, &decimal);
}

/* Text in the database's encoding, as UTF-8; SQL_ASCII means bytes as they are. */
static const char *
as_utf8(const char *text, int *len)
{
	char	   *converted;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII || *len == 0)
		return text;
	converted = pg_server_to_any(text, *len, PG_UTF8);
	if (converted != text)
		*len = strlen(converted);
	return converted;
}

static void
put_text(SfmHasher *hasher, uint8 tag, const char *text, int len)
{
	text = as_utf8(text, &len);
	sfm_put_string(hasher, tag, text, len);
}

static void
target_text(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	text	   *t = DatumGetTextPP(value);

	put_text(hasher, SFM_TAG_TEXT, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

/* char(n): the blanks that pad it are no part of the value */
static void
target_bpchar(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	BpChar	   *t = DatumGetBpCharPP(value);

	put_text(hasher, SFM_TAG_TEXT, VARDATA_ANY(t),
			 bpchartruelen(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)));
}

static void
target_bytea(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	bytea	   *b = DatumGetByteaPP(value);

	sfm_put_string(hasher, SFM_TAG_BYTES, VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));
}

static void
target_date(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_DATE, DatumGetDateADT(value));
}

static void
target_time(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_TIME, DatumGetTimeADT(value));
}

static void
target_timestamp(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_TIMESTAMP, DatumGetTimestamp(value));
}

static void
target_timestamptz(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	sfm_put_int64(hasher, SFM_TAG_TIMESTAMPTZ, DatumGetTimestampTz(value));
}

static void
target_json(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	text	   *t = DatumGetTextPP(value);

	put_text(hasher, SFM_TAG_JSON_TEXT, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

static void
put_jsonb_scalar(SfmJsonHasher *json, const JsonbValue *scalar)
{
	SfmDigits	decimal;
	const char *text;
	int			len;

	switch (scalar->type)
	{
		case jbvNull:
			sfm_json_tag(json, SFM_TAG_JSON_NULL);
			break;
		case jbvBool:
			sfm_json_tag(json, scalar->val.boolean ? SFM_TAG_JSON_TRUE : SFM_TAG_JSON_FALSE);
			break;
		case jbvNumeric:
			decimal_of_numeric((struct varlena *) scalar->val.numeric, &decimal);
			sfm_json_decimal(json, &decimal);
			break;
		case jbvString:
			len = scalar->val.string.len;
			text = as_utf8(scalar->val.string.val, &len);
			sfm_json_string(json, text, len);
			break;
		default:
			elog(ERROR, "unexpected type %d of a jsonb scalar", (int) scalar->type);
	}
}

static void
target_jsonb(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	Jsonb	   *jsonb = DatumGetJsonbP(value);
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	bool		scalar = false; /* jsonb wraps a bare scalar into an array */

	sfm_json_start(column->json, hasher, false);
	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
	{
		const char *text;
		int			len;

		CHECK_FOR_INTERRUPTS();
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				scalar = item.val.array.rawScalar;
				if (!scalar)
					sfm_json_begin(column->json, false);
				break;
			case WJB_BEGIN_OBJECT:
				sfm_json_begin(column->json, true);
				break;
			case WJB_KEY:
				len = item.val.string.len;
				text = as_utf8(item.val.string.val, &len);
				sfm_json_key(column->json, text, len);
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				put_jsonb_scalar(column->json, &item);
				break;
			case WJB_END_ARRAY:
				if (!scalar)
					sfm_json_end(column->json);
				break;
			case WJB_END_OBJECT:
				sfm_json_end(column->json);
				break;
			default:
				elog(ERROR, "unexpected token %d of a jsonb value", (int) token);
		}
	}
}

static void
target_uuid(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	uint8	   *to = sfm_put_room(hasher, 17);

	to[0] = SFM_TAG_UUID;
	memcpy(to + 1, DatumGetUUIDP(value)->data, UUID_LEN);
}

/* What the type's output function says of it, under the settings of the session. */
static void
target_other(SfmHashColumn *column, Datum value, SfmHasher *hasher)
{
	char	   *text = OutputFunctionCall(&column->output, value);

	put_text(hasher, SFM_TAG_OTHER, text, strlen(text));
}

/* Chooses the column's reader. */
void
sfm_target_init(SfmHashColumn *column)
{
	static const SfmTargetFn functions[SFM_NKINDS] = {
		[SFM_KIND_BOOL] = target_bool,
		[SFM_KIND_INT2] = target_int2,
		[SFM_KIND_INT4] = target_int4,
		[SFM_KIND_INT8] = target_int8,
		[SFM_KIND_FLOAT4] = target_float4,
		[SFM_KIND_FLOAT8] = target_float8,
		[SFM_KIND_NUMERIC] = target_numeric,
		[SFM_KIND_TEXT] = target_text,
		[SFM_KIND_VARCHAR] = target_text,
		[SFM_KIND_BPCHAR] = target_bpchar,
		[SFM_KIND_BYTEA] = target_bytea,
		[SFM_KIND_DATE] = target_date,
		[SFM_KIND_TIME] = target_time,
		[SFM_KIND_TIMESTAMP] = target_timestamp,
		[SFM_KIND_TIMESTAMPTZ] = target_timestamptz,
		[SFM_KIND_JSON] = target_json,
		[SFM_KIND_JSONB] = target_jsonb,
		[SFM_KIND_UUID] = target_uuid,
		[SFM_KIND_INPUT] = target_other
	};

	column->target = functions[column->type.kind];
	if (column->type.kind == SFM_KIND_INPUT || OidIsValid(column->domain))
	{
		Oid			function;
		bool		varlena;

		if (column->type.typid == INTERVALOID)
			column->target = sfm_target_interval;
		getTypeOutputInfo(column->type.typid, &function, &varlena);
		fmgr_info(function, &column->output);
	}
}
