/*
 * convert_input.c
 *		Values for every type that the code does not know: enums, domains, inet,
 *		interval, arrays, ranges, extensions' types.
 *
 * They go through the type's input function, on the value's text; intervals, and JSON
 * for arrays and hstore, are read by code of their own first.  Domains are converted
 * as the type beneath them, which checks lengths and precisions where the input
 * function would round or cut, and then the domain's own checks are applied.
 *
 * What the input function refuses is a misfit.  PostgreSQL 15's can only raise
 * errors, so each runs in a subtransaction there; enums, the most common of these
 * types, are looked up instead.  A parallel operation allows no subtransactions: there
 * the error is raised, and the caller's error context names the column.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
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
	FmgrInfo	output;			/* to see whether a typmod changes the value */
	bool		is_enum;
	bool		is_interval;
	bool		is_container;
	SfmContainerType container;
	/* a domain */
	SfmConv    *base;			/* the type beneath it; NULL: no domain */
	DomainConstraintRef *checks;
	ExprContext *econtext;
} InputState;

static bool
is_hstore(Oid typid)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	bool		result = HeapTupleIsValid(tuple) &&
		strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), "hstore") == 0;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

static void
init_container(InputState *state, Oid typid)
{
	Oid			element = get_element_type(typid);

	state->container.hstore = is_hstore(typid);
	if (OidIsValid(element))
	{
		int16		len;
		bool		byval;
		char		align;
		Oid			ioparam;
		Oid			function;

		get_type_io_data(element, IOFunc_input, &len, &byval, &align,
						 &state->container.delimiter, &ioparam, &function);
		state->container.element = element;
	}
	state->is_container = state->container.hstore || OidIsValid(element);
}

/* See sfm_convert.h. */
void
sfm_convert_input_init(SfmConv *conv)
{
	InputState *state = palloc0(sizeof(InputState));
	Oid			typid = conv->type.typid;
	int32		typmod = conv->type.typmod;
	Oid			basetype = getBaseTypeAndTypmod(typid, &typmod);
	Oid			function;
	bool		is_varlena;

	conv->private_data = state;
	state->mcxt = CurrentMemoryContext;
	if (basetype != typid)
	{
		SfmType		base = sfm_type_for_oid(basetype, typmod);

		base.reading = conv->type.reading;
		base.mixed = conv->type.mixed;
		base.fixed = conv->type.fixed;
		state->base = sfm_conv_create(&base);
		return;
	}
	state->is_enum = get_typtype(typid) == TYPTYPE_ENUM;
	state->is_interval = typid == INTERVALOID;
	init_container(state, typid);
	getTypeInputInfo(typid, &function, &state->ioparam);
	fmgr_info(function, &state->function);
	getTypeOutputInfo(typid, &function, &is_varlena);
	fmgr_info(function, &state->output);
	state->typmod = typmod;
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

/* Digits of a fraction, trailing zeros apart. */
static int
fraction_digits(const char *text)
{
	const char *point = strchr(text, '.');
	int			n = point ? strspn(point + 1, "0123456789") : 0;

	while (n > 0 && point[n] == '0')
		n--;
	return n;
}

/* What PostgreSQL's own input functions would cut, wrap or round without a word. */
static bool
changes_silently(Oid typid, const char *text, int len)
{
	switch (typid)
	{
		case CHAROID:
			return len > 1;
		case NAMEOID:
			return len >= NAMEDATALEN;
		case OIDOID:
		case XIDOID:
		case CIDOID:
			return strchr(text, '-') != NULL;
		case MONEYOID:
			/* of the C locale, which the run sets */
			return fraction_digits(text) > 2;
		case TIMETZOID:
			return fraction_digits(text) > 6;
		default:
			return false;
	}
}

/* Calls the input function; what it refuses is a misfit. */
#ifdef SFM_SOFT_INPUT
static SfmFit
call_input(SfmConv *conv, InputState *state, char *text, int32 typmod, Datum *result)
{
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	escontext.details_wanted = true;
	if (InputFunctionCallSafe(&state->function, text, state->ioparam, typmod,
							  (Node *) &escontext, result))
		return SFM_FIT;
	conv->input_error = escontext.error_data->message;
	return SFM_MISFIT_INPUT;
}
#else
/* Whether an error says something about the value, and not about the server. */
static bool
is_about_value(int sqlstate)
{
	/* what hstore raises for bad syntax */
	if (sqlstate == ERRCODE_INTERNAL_ERROR)
		return true;
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return false;
	}
}

static SfmFit
call_input(SfmConv *conv, InputState *state, char *text, int32 typmod, Datum *result)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	if (IsInParallelMode())
	{
		*result = InputFunctionCall(&state->function, text, state->ioparam, typmod);
		return SFM_FIT;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		*result = InputFunctionCall(&state->function, text, state->ioparam, typmod);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return SFM_FIT;
	if (!is_about_value(error->sqlerrcode))
		ReThrowError(error);
	conv->input_error = error->message;
	return SFM_MISFIT_INPUT;
}
#endif

/* The same; a length or precision that would change the value is a misfit, too. */
static SfmFit
call_input_exactly(SfmConv *conv, InputState *state, char *text, Datum *result)
{
	SfmFit		fit = call_input(conv, state, text, state->typmod, result);
	Datum		whole;

	if (fit != SFM_FIT || state->typmod < 0)
		return fit;
	fit = call_input(conv, state, text, -1, &whole);
	if (fit == SFM_FIT && strcmp(OutputFunctionCall(&state->output, *result),
								 OutputFunctionCall(&state->output, whole)) != 0)
		fit = SFM_MISFIT_TYPMOD;
	return fit;
}

/* An interval that was made, under the column's precision. */
static SfmFit
fit_interval(SfmConv *conv, InputState *state, Datum *result)
{
	if (state->typmod < 0)
		return SFM_FIT;
	return call_input_exactly(conv, state, OutputFunctionCall(&state->output, *result), result);
}

/*
 * The domain's checks.  domain_check() could only raise an error before PostgreSQL 17;
 * NOT NULL is checked where the column is known (target.c), as NULLs do not come here.
 */
static SfmFit
check_domain(SfmConv *conv, InputState *state, Datum value)
{
	SfmFit		fit = SFM_FIT;
	ListCell   *lc;

	if (state->checks == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(state->mcxt);

		state->checks = palloc0(sizeof(DomainConstraintRef));
		InitDomainConstraintRef(conv->type.typid, state->checks, state->mcxt, true);
		state->econtext = CreateStandaloneExprContext();
		MemoryContextSwitchTo(old);
	}
	else
		UpdateDomainConstraintRef(state->checks);
	foreach(lc, state->checks->constraints)
	{
		DomainConstraintState *check = lfirst(lc);

		if (check->constrainttype != DOM_CONSTRAINT_CHECK)
			continue;
		state->econtext->domainValue_datum =
			MakeExpandedObjectReadOnly(value, false, state->checks->tcache->typlen);
		state->econtext->domainValue_isNull = false;
		if (!ExecCheck(check->check_exprstate, state->econtext))
		{
			conv->input_error = check->name;
			fit = SFM_MISFIT_INPUT;
			break;
		}
	}
	ReScanExprContext(state->econtext);
	return fit;
}

/* Whether the enum has the label; its input function could only raise an error. */
static bool
enum_has_label(Oid typid, const char *label, int len)
{
	return len < NAMEDATALEN &&
		SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(typid),
							  CStringGetDatum(label));
}

/* By the base type's converter; then the domain's checks. */
static SfmFit
convert_domain(SfmConv *conv, InputState *state, const SfmValue *value, Datum *result)
{
	SfmFit		fit;

	state->base->seen = conv->seen;
	fit = state->base->fn(state->base, value, result);
	conv->seen = state->base->seen;
	conv->input_error = state->base->input_error;
	if (fit != SFM_FIT)
		return fit;
	return check_domain(conv, state, *result);
}

SfmFit
sfm_convert_input(SfmConv *conv, const SfmValue *value, Datum *result)
{
	InputState *state = conv->private_data;
	char	   *text;
	const char *utf8;
	int			len;
	SfmFit		fit;

	conv->input_error = NULL;
	if (state->base != NULL)
		return convert_domain(conv, state, value, result);
	if (value->cls == SFM_INTEGER && sfm_is_wide(value->u.i))
		conv->seen.wide_integer = true;
	if (state->is_interval && sfm_convert_interval(conv, value, result, &fit))
		return fit == SFM_FIT ? fit_interval(conv, state, result) : fit;
	if (state->is_container && sfm_is_json_null(value))
	{
		conv->seen.json_nulls++;
		return SFM_FIT_NULL;
	}
	if (state->is_container && sfm_convert_container(&state->container, value, &text, &len, &fit))
	{
		if (fit != SFM_FIT)
			return fit;
		utf8 = text;
		if (!sfm_utf8_to_database(&utf8, &len))
			return SFM_MISFIT_ENCODING;
		conv->seen.spelled++;
		return call_input_exactly(conv, state, unconstify(char *, utf8), result);
	}
	fit = input_text(value, &text, &len);
	if (fit != SFM_FIT)
		return fit;
	if (changes_silently(conv->type.typid, text, len))
		return SFM_MISFIT_TYPMOD;
	if (state->is_enum)
	{
		if (enum_has_label(conv->type.typid, text, len))
		{
			*result = InputFunctionCall(&state->function, text, state->ioparam, state->typmod);
			return SFM_FIT;
		}
		conv->input_error = "the enum has no such label";
		return SFM_MISFIT_INPUT;
	}
	return call_input_exactly(conv, state, text, result);
}
