/*
 * convert_input.c
 *		Values for every type that the code does not know: enums, domains, inet,
 *		interval, extensions' types.
 *
 * They go through the type's input function, on the value's text.  Domains over a
 * type that the code does know are converted by that type's converter, which
 * checks lengths and precisions where the input function would round or cut, and
 * then the domain's own checks are applied.
 *
 * PostgreSQL 15's input functions can only raise errors.  Where the error cannot
 * be had softly, it is raised; the caller's error context names the column.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "sfm_convert.h"

typedef struct InputState
{
	MemoryContext mcxt;			/* where the domain's checks are kept */
	FmgrInfo	function;
	Oid			ioparam;
	int32		typmod;
	int			max_len;		/* longest text that is not cut; -1: none */
	bool		is_enum;
	/* a domain over a type with a converter */
	SfmConv    *base;
	void	   *domain_checks;
} InputState;

/* See sfm_convert.h. */
void
sfm_convert_input_init(SfmConv *conv)
{
	InputState *state = palloc0(sizeof(InputState));
	Oid			typid = conv->type.typid;
	int32		typmod = conv->type.typmod;
	Oid			basetype = getBaseTypeAndTypmod(typid, &typmod);
	Oid			function;

	conv->private_data = state;
	state->mcxt = CurrentMemoryContext;
	state->max_len = basetype == NAMEOID ? NAMEDATALEN - 1 : -1;
	state->is_enum = get_typtype(basetype) == TYPTYPE_ENUM;
	if (basetype != typid)
	{
		SfmType		base = sfm_type_for_oid(basetype, typmod);

		base.reading = conv->type.reading;
		base.mixed = conv->type.mixed;
		base.fixed = conv->type.fixed;
		if (base.kind != SFM_KIND_INPUT)
			state->base = sfm_conv_create(&base);
	}
	getTypeInputInfo(typid, &function, &state->ioparam);
	fmgr_info(function, &state->function);
	state->typmod = conv->type.typmod;
}

/* The value's text in the database's encoding, with a NUL behind it. */
static SfmFit
input_text(const SfmValue *value, char **text, int *len)
{
	const char *p;
	SfmFit		fit;

	switch (value->cls)
	{
		case SFM_INTEGER:
		case SFM_REAL:
			*text = palloc(SFM_NUMBER_BUFFER);
			*len = sfm_number_text(value, *text);
			(*text)[*len] = '\0';
			return SFM_FIT;
		case SFM_TEXT:
			fit = sfm_database_text(value, &p, len);
			if (fit == SFM_FIT)
				*text = pnstrdup(p, *len);
			return fit;
		default:
			return SFM_MISFIT_CLASS;
	}
}

#ifdef SFM_SOFT_INPUT
/* What a soft error said, kept until the next value. */
static SfmFit
refused(SfmConv *conv, const ErrorSaveContext *escontext)
{
	conv->input_error = escontext->error_data->message;
	return SFM_MISFIT_INPUT;
}
#endif

static SfmFit
call_input(SfmConv *conv, InputState *state, char *text, Datum *result)
{
#ifdef SFM_SOFT_INPUT
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	escontext.details_wanted = true;
	if (!InputFunctionCallSafe(&state->function, text, state->ioparam, state->typmod,
							   (Node *) &escontext, result))
		return refused(conv, &escontext);
#else
	*result = InputFunctionCall(&state->function, text, state->ioparam, state->typmod);
#endif
	return SFM_FIT;
}

static SfmFit
check_domain(SfmConv *conv, InputState *state, Datum value)
{
#ifdef SFM_SOFT_DOMAIN_CHECK
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	escontext.details_wanted = true;
	if (!domain_check_safe(value, false, conv->type.typid, &state->domain_checks,
						   state->mcxt, (Node *) &escontext))
		return refused(conv, &escontext);
#else
	domain_check(value, false, conv->type.typid, &state->domain_checks, state->mcxt);
#endif
	return SFM_FIT;
}

/* Whether the enum has the label; its input function could only raise an error. */
static bool
enum_has_label(Oid typid, const char *label, int len)
{
	return len < NAMEDATALEN &&
		SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(typid),
							  CStringGetDatum(label));
}

/* By the base type's converter; then the domain's checks, which may raise an error. */
static SfmFit
convert_domain(SfmConv *conv, InputState *state, const SfmValue *value, Datum *result)
{
	SfmFit		fit;

	state->base->seen = conv->seen;
	fit = state->base->fn(state->base, value, result);
	conv->seen = state->base->seen;
	if (fit != SFM_FIT)
		return fit;
	return check_domain(conv, state, *result);
}

SfmFit
sfm_convert_input(SfmConv *conv, const SfmValue *value, Datum *result)
{
	InputState *state = conv->private_data;
	char	   *text;
	int			len;
	SfmFit		fit;

	conv->input_error = NULL;
	if (state->base != NULL)
		return convert_domain(conv, state, value, result);
	if (value->cls == SFM_INTEGER && sfm_is_wide(value->u.i))
		conv->seen.wide_integer = true;
	fit = input_text(value, &text, &len);
	if (fit != SFM_FIT)
		return fit;
	if (state->max_len >= 0 && len > state->max_len)
		return SFM_MISFIT_TYPMOD;
	if (state->is_enum && !enum_has_label(getBaseType(conv->type.typid), text, len))
	{
		conv->input_error = "the enum has no such label";
		return SFM_MISFIT_INPUT;
	}
	return call_input(conv, state, text, result);
}
