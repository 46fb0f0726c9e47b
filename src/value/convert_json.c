/*
 * convert_json.c
 *		Values for json and jsonb.
 *
 * json keeps the text; it is read once, to be sure that it is JSON.  jsonb is
 * built while the text is read, in one pass: the reader's parts become JsonbValues
 * on a stack; when a container ends, its members are taken off and become one
 * value, and PostgreSQL's JsonbValueToJsonb() writes the finished tree.
 *
 * jsonb_in() cannot be used: it raises errors instead of reporting them, and
 * drops all but the last of equal keys.  What it would drop or refuse is a misfit
 * here: a key given twice, \u0000, half a surrogate pair, an escape that the
 * database's encoding cannot write, numbers past numeric's limits, and documents
 * that might pass the 256 MB that a jsonb container can hold.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"
#include "sfm_convert.h"

/* A stack larger than this is given back after the document that needed it. */
#define KEEP_VALUES 4096

/* As many members sort well by insertion. */
#define FEW_PAIRS 12

typedef struct JsonFrame
{
	int			first;			/* its first member on the stack of values */
} JsonFrame;

/* Kept from document to document. */
typedef struct JsonbBuilder
{
	MemoryContext mcxt;			/* of the stacks */
	JsonbValue *values;			/* members of open containers; key, value, key, value in objects */
	int			nvalues;
	int			max_values;
	JsonFrame  *frames;			/* open containers */
	int			depth;
	int			max_frames;
	bool		as_printed;		/* so far, keys and numbers are as jsonb prints them */
	SfmFit		fit;			/* why building stopped */
	Size		size;			/* bound of what all containers take in jsonb */
} JsonbBuilder;

/* See sfm_convert.h. */
void
sfm_convert_jsonb_init(SfmConv *conv)
{
	JsonbBuilder *builder = palloc0(sizeof(JsonbBuilder));

	builder->mcxt = CurrentMemoryContext;
	conv->private_data = builder;
}

static bool
give_up(JsonbBuilder *builder, SfmFit fit)
{
	builder->fit = fit;
	return false;
}

/*
 * Room for one more value, of which no more than size bytes end up in jsonb; NULL
 * when jsonb might not hold the document.
 */
static JsonbValue *
push_value(JsonbBuilder *builder, Size size)
{
	builder->size += sizeof(JEntry) + size;
	if (builder->size > JENTRY_OFFLENMASK)
	{
		builder->fit = SFM_MISFIT_JSONB;
		return NULL;
	}
	if (builder->nvalues == builder->max_values)
	{
		int			n = Max(builder->max_values * 2, 64);

		if ((Size) n * sizeof(JsonbPair) > MaxAllocSize)
		{
			builder->fit = SFM_MISFIT_JSONB;
			return NULL;
		}
		if (builder->values == NULL)
			builder->values = MemoryContextAlloc(builder->mcxt, n * sizeof(JsonbValue));
		else
			builder->values = repalloc(builder->values, n * sizeof(JsonbValue));
		builder->max_values = n;
	}
	return &builder->values[builder->nvalues++];
}

/* A key or string: in place where it stands as it is, else decoded. */
static bool
add_string(JsonbBuilder *builder, const char *text, int len, bool escaped)
{
	JsonbValue *v;

	if (escaped)
	{
		char	   *decoded = palloc(len + 1);

		if (sfm_json_unescape(text, len, decoded, &len) != SFM_UNESCAPE_OK)
			return give_up(builder, SFM_MISFIT_JSONB);
		text = decoded;
		/* PostgreSQL takes no escape beyond ASCII where the encoding is unknown */
		if (GetDatabaseEncoding() == PG_SQL_ASCII)
		{
			for (int i = 0; i < len; i++)
				if (IS_HIGHBIT_SET(text[i]))
					return give_up(builder, SFM_MISFIT_JSONB);
		}
	}
	if (GetDatabaseEncoding() != PG_UTF8 && !sfm_utf8_to_database(&text, &len))
		return give_up(builder, SFM_MISFIT_JSONB);
	v = push_value(builder, len);
	if (v == NULL)
		return false;
	v->type = jbvString;
	v->val.string.len = len;
	v->val.string.val = unconstify(char *, text);
	return true;
}

static bool
add_number(JsonbBuilder *builder, const char *text, int len)
{
	SfmDecimalText decimal;
	JsonbValue *v;
	Datum		number;

	/* every JSON number is a decimal: only its size can be wrong */
	if (sfm_numeric_from_text(text, len, -1, &decimal, &number) != SFM_FIT)
		return give_up(builder, SFM_MISFIT_JSONB);
	v = push_value(builder, VARSIZE_ANY(DatumGetPointer(number)) + ALIGNOF_INT);
	if (v == NULL)
		return false;
	v->type = jbvNumeric;
	v->val.numeric = DatumGetNumeric(number);
	if (decimal.zero && decimal.negative)
		builder->as_printed = false;
	return true;
}

/* jsonb's order of keys: shorter ones first, then by bytes. */
static int
compare_keys(const void *a, const void *b)
{
	const JsonbValue *x = &((const JsonbPair *) a)->key;
	const JsonbValue *y = &((const JsonbPair *) b)->key;

	if (x->val.string.len != y->val.string.len)
		return x->val.string.len > y->val.string.len ? 1 : -1;
	return memcmp(x->val.string.val, y->val.string.val, x->val.string.len);
}

/* Sorts; false when two keys are equal. */
static bool
sort_pairs(JsonbBuilder *builder, JsonbPair *pairs, int n)
{
	bool		sorted = true;

	for (int i = 1; i < n && sorted; i++)
		sorted = compare_keys(&pairs[i - 1], &pairs[i]) < 0;
	if (sorted)
		return true;
	builder->as_printed = false;
	if (n <= FEW_PAIRS)
	{
		for (int i = 1; i < n; i++)
		{
			JsonbPair	pair = pairs[i];
			int			j = i;

			for (; j > 0 && compare_keys(&pairs[j - 1], &pair) > 0; j--)
				pairs[j] = pairs[j - 1];
			pairs[j] = pair;
		}
	}
	else
		qsort(pairs, n, sizeof(JsonbPair), compare_keys);
	for (int i = 1; i < n; i++)
		if (compare_keys(&pairs[i - 1], &pairs[i]) == 0)
			return false;
	return true;
}

static bool
begin_container(JsonbBuilder *builder)
{
	if (builder->depth == builder->max_frames)
	{
		int			n = Max(builder->max_frames * 2, 16);

		if (builder->frames == NULL)
			builder->frames = MemoryContextAlloc(builder->mcxt, n * sizeof(JsonFrame));
		else
			builder->frames = repalloc(builder->frames, n * sizeof(JsonFrame));
		builder->max_frames = n;
	}
	builder->frames[builder->depth++].first = builder->nvalues;
	return true;
}

/* The members of the innermost container become one value. */
static bool
end_container(JsonbBuilder *builder, bool object)
{
	int			first = builder->frames[--builder->depth].first;
	int			n = builder->nvalues - first;
	JsonbValue *members = builder->values + first;
	JsonbValue	container;
	JsonbValue *v;

	if (object)
	{
		JsonbPair  *pairs;

		n /= 2;
		pairs = palloc(Max(n, 1) * sizeof(JsonbPair));
		for (int i = 0; i < n; i++)
		{
			pairs[i].key = members[2 * i];
			pairs[i].value = members[2 * i + 1];
			pairs[i].order = i;
		}
		if (!sort_pairs(builder, pairs, n))
			return give_up(builder, SFM_MISFIT_JSONB);
		container.type = jbvObject;
		container.val.object.nPairs = n;
		container.val.object.pairs = pairs;
	}
	else
	{
		container.type = jbvArray;
		container.val.array.nElems = n;
		container.val.array.rawScalar = false;
		container.val.array.elems = palloc(Max(n, 1) * sizeof(JsonbValue));
		if (n > 0)
			memcpy(container.val.array.elems, members, n * sizeof(JsonbValue));
	}
	builder->nvalues = first;
	/* its header, and what aligns it */
	v = push_value(builder, sizeof(uint32) + ALIGNOF_INT);
	if (v == NULL)
		return false;
	*v = container;
	return true;
}

static bool
build_part(void *arg, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	JsonbBuilder *builder = arg;
	JsonbValue *v;

	CHECK_FOR_INTERRUPTS();
	switch (event)
	{
		case SFM_JSON_OBJECT_START:
		case SFM_JSON_ARRAY_START:
			return begin_container(builder);
		case SFM_JSON_OBJECT_END:
			return end_container(builder, true);
		case SFM_JSON_ARRAY_END:
			return end_container(builder, false);
		case SFM_JSON_KEY:
		case SFM_JSON_STRING:
			return add_string(builder, text, len, escaped);
		case SFM_JSON_NUMBER:
			return add_number(builder, text, len);
		case SFM_JSON_TRUE:
		case SFM_JSON_FALSE:
			v = push_value(builder, 0);
			if (v == NULL)
				return false;
			v->type = jbvBool;
			v->val.boolean = (event == SFM_JSON_TRUE);
			return true;
		case SFM_JSON_NULL:
			v = push_value(builder, 0);
			if (v == NULL)
				return false;
			v->type = jbvNull;
			return true;
	}
	return false;
}

static void
start_document(JsonbBuilder *builder)
{
	if (builder->max_values > KEEP_VALUES)
	{
		pfree(builder->values);
		builder->values = NULL;
		builder->max_values = 0;
	}
	builder->nvalues = 0;
	builder->depth = 0;
	builder->as_printed = true;
	builder->size = 0;
	builder->fit = SFM_FIT;
}

/* A number that stands where JSON is meant is a JSON number; an infinity is none. */
static SfmFit
number_to_jsonb(JsonbBuilder *builder, const SfmValue *value, Datum *result)
{
	JsonbValue	v;
	Datum		number;
	bool		fraction;
	SfmFit		fit;

	if (value->cls == SFM_INTEGER)
		fit = sfm_numeric_from_int(value->u.i, -1, &number);
	else if (isinf(value->u.r))
		return SFM_MISFIT_RANGE;
	else
		fit = sfm_numeric_from_real(value->u.r, -1, &fraction, &number);
	if (fit != SFM_FIT)
		return fit;
	v.type = jbvNumeric;
	v.val.numeric = DatumGetNumeric(number);
	*result = JsonbPGetDatum(JsonbValueToJsonb(&v));
	return SFM_FIT;
}

SfmFit
sfm_convert_jsonb(SfmConv *conv, const SfmValue *value, Datum *result)
{
	JsonbBuilder *builder = conv->private_data;
	bool		canonical;

	if (value->cls == SFM_INTEGER || value->cls == SFM_REAL)
	{
		if (value->cls == SFM_INTEGER && sfm_is_wide(value->u.i))
			conv->seen.wide_integer = true;
		return number_to_jsonb(builder, value, result);
	}
	if (value->cls != SFM_TEXT)
		return SFM_MISFIT_CLASS;
	if (!sfm_valid_utf8(value))
		return SFM_MISFIT_ENCODING;

	start_document(builder);
	switch (sfm_read_json(value->u.p, value->len, build_part, builder, &canonical))
	{
		case SFM_READ_JSON_OK:
			break;
		case SFM_READ_JSON_SYNTAX:
		case SFM_READ_JSON_DEEP:
			return SFM_MISFIT_SYNTAX;
		case SFM_READ_JSON_STOPPED:
			/* valid JSON all the same?  only then does json hold it */
			if (sfm_read_json(value->u.p, value->len, NULL, NULL, &canonical) != SFM_READ_JSON_OK)
				return SFM_MISFIT_SYNTAX;
			return builder->fit;
	}
	if (!canonical || !builder->as_printed)
		conv->seen.spelled++;
	*result = JsonbPGetDatum(JsonbValueToJsonb(&builder->values[0]));
	return SFM_FIT;
}

SfmFit
sfm_convert_json(SfmConv *conv, const SfmValue *value, Datum *result)
{
	char		buffer[SFM_NUMBER_BUFFER];
	const char *text;
	int			len;
	bool		canonical;
	SfmFit		fit;

	if (value->cls == SFM_BLOB)
		return SFM_MISFIT_CLASS;
	if (value->cls != SFM_TEXT)
	{
		if (value->cls == SFM_REAL && isinf(value->u.r))
			return SFM_MISFIT_RANGE;
		if (value->cls == SFM_INTEGER && sfm_is_wide(value->u.i))
			conv->seen.wide_integer = true;
		*result = sfm_make_varlena(buffer, sfm_number_text(value, buffer));
		return SFM_FIT;
	}
	fit = sfm_database_text(value, &text, &len);
	if (fit != SFM_FIT)
		return fit;
	/* the text as the file has it: encodings differ in nothing that is JSON's own */
	if (sfm_read_json(value->u.p, value->len, NULL, NULL, &canonical) != SFM_READ_JSON_OK)
		return SFM_MISFIT_SYNTAX;
	*result = sfm_make_varlena(text, len);
	return SFM_FIT;
}
