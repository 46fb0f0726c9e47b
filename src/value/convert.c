/*
 * convert.c
 *		Chooses a column's converter.
 *
 * A converter is one function for one kind of type, called directly.  Only a
 * column whose empty texts become NULL, and a test build with a planted fault,
 * pay for another call around it.
 */
#include "postgres.h"

#include "compat.h"
#include "sfm_convert.h"

/* A converter and what the functions around it need. */
typedef struct ConvState
{
	SfmConv		conv;			/* must be first */
	SfmConvFn	inner;			/* the kind's function */
#ifdef SFM_FAULTS
	SfmConvFn	faultless;		/* what conv.fn would be without a fault */
	int64		converted;
#endif
} ConvState;

static const SfmConvFn kind_functions[SFM_NKINDS] = {
	[SFM_KIND_BOOL] = sfm_convert_bool,
	[SFM_KIND_INT2] = sfm_convert_int2,
	[SFM_KIND_INT4] = sfm_convert_int4,
	[SFM_KIND_INT8] = sfm_convert_int8,
	[SFM_KIND_FLOAT4] = sfm_convert_float4,
	[SFM_KIND_FLOAT8] = sfm_convert_float8,
	[SFM_KIND_NUMERIC] = sfm_convert_numeric,
	[SFM_KIND_TEXT] = sfm_convert_text,
	[SFM_KIND_VARCHAR] = sfm_convert_varchar,
	[SFM_KIND_BPCHAR] = sfm_convert_bpchar,
	[SFM_KIND_BYTEA] = sfm_convert_bytea,
	[SFM_KIND_DATE] = sfm_convert_date,
	[SFM_KIND_TIME] = sfm_convert_time,
	[SFM_KIND_TIMESTAMP] = sfm_convert_timestamp,
	[SFM_KIND_TIMESTAMPTZ] = sfm_convert_timestamptz,
	[SFM_KIND_JSON] = sfm_convert_json,
	[SFM_KIND_JSONB] = sfm_convert_jsonb,
	[SFM_KIND_UUID] = sfm_convert_uuid,
	[SFM_KIND_INPUT] = sfm_convert_input
};

/* '' is NULL; anything else is the kind's. */
static SfmFit
convert_empty_as_null(SfmConv *conv, const SfmValue *value, Datum *result)
{
	if (value->cls == SFM_TEXT && value->len == 0)
	{
		conv->seen.emptied++;
		return SFM_FIT_NULL;
	}
	return ((ConvState *) conv)->inner(conv, value, result);
}

#ifdef SFM_FAULTS
/* The third value that fits comes out altered. */
static SfmFit
convert_with_fault(SfmConv *conv, const SfmValue *value, Datum *result)
{
	ConvState  *state = (ConvState *) conv;
	SfmFit		fit = state->faultless(conv, value, result);

	if (fit == SFM_FIT && ++state->converted == 3)
		*result = sfm_fault_alter(&conv->type, *result);
	return fit;
}
#endif

/*
 * Makes the converter of a column in CurrentMemoryContext.  Errors only where the
 * catalogs know nothing of the type.
 */
SfmConv *
sfm_conv_create(const SfmType *type)
{
	ConvState  *state = palloc0(sizeof(ConvState));
	SfmConv    *conv = &state->conv;

	conv->type = *type;
	state->inner = kind_functions[type->kind];
	conv->fn = type->empty_as_null ? convert_empty_as_null : state->inner;
	if (type->kind == SFM_KIND_JSONB)
		sfm_convert_jsonb_init(conv);
	else if (type->kind == SFM_KIND_INPUT)
		sfm_convert_input_init(conv);
#ifdef SFM_FAULTS
	if (sfm_fault_kind == (int) type->kind)
	{
		state->faultless = conv->fn;
		conv->fn = convert_with_fault;
	}
#endif
	return conv;
}
