/*
 * convert_container.c
 *		JSON that goes into a PostgreSQL array or an hstore: written anew in the form
 *		that the type's input function takes.
 *
 * SQLite has no arrays; apps keep them as JSON text, ["a","b"].  Strings, numbers and
 * booleans become elements by their text, null becomes NULL, arrays in arrays more
 * dimensions.  Where the elements are json or jsonb, each member of the outer array is
 * one, as it is written.  An object of plain values becomes an hstore.  Text that is no
 * JSON array or object is the type's own form, and left as it is; JSON null, which an
 * ORM writes for a value that is not there, is NULL.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "sfm_convert.h"

/* Deeper than PostgreSQL's arrays; their input function says so. */
#define MAX_DIMENSIONS 7

typedef struct Container
{
	StringInfoData out;
	char		delimiter;
	bool		hstore;
	int			depth;			/* of arrays */
	const char *element;		/* json elements: where the one that is open begins */
	bool		first;			/* nothing stands in the container yet */
	List	   *keys;			/* hstore: those seen */
	SfmFit		fit;
} Container;

static void
put_quoted(Container *c, const char *text, int len)
{
	appendStringInfoChar(&c->out, '"');
	for (int i = 0; i < len; i++)
	{
		if (text[i] == '"' || text[i] == '\\')
			appendStringInfoChar(&c->out, '\\');
		appendStringInfoChar(&c->out, text[i]);
	}
	appendStringInfoChar(&c->out, '"');
}

static bool
stop(Container *c, SfmFit fit)
{
	c->fit = fit;
	return false;
}

static void
separate(Container *c)
{
	if (!c->first)
		appendStringInfoChar(&c->out, c->delimiter);
	c->first = false;
}

/* A string without its escapes; NULL where it has no text. */
static char *
decoded(Container *c, const char *text, int len, bool escaped, int *outlen)
{
	char	   *out;

	*outlen = len;
	if (!escaped)
		return unconstify(char *, text);
	out = palloc(len + 1);
	if (sfm_json_unescape(text, len, out, outlen) != SFM_UNESCAPE_OK)
	{
		c->fit = SFM_MISFIT_ENCODING;
		return NULL;
	}
	return out;
}

/* A scalar as an element. */
static bool
put_scalar(Container *c, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	switch (event)
	{
		case SFM_JSON_NULL:
			appendStringInfoString(&c->out, "NULL");
			return true;
		case SFM_JSON_TRUE:
			appendStringInfoString(&c->out, c->hstore ? "\"true\"" : "true");
			return true;
		case SFM_JSON_FALSE:
			appendStringInfoString(&c->out, c->hstore ? "\"false\"" : "false");
			return true;
		case SFM_JSON_NUMBER:
			put_quoted(c, text, len);
			return true;
		default:
			break;
	}
	text = decoded(c, text, len, escaped, &len);
	if (text == NULL)
		return false;
	put_quoted(c, text, len);
	return true;
}

static bool
array_action(void *arg, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	Container  *c = arg;

	switch (event)
	{
		case SFM_JSON_ARRAY_START:
			if (++c->depth > MAX_DIMENSIONS)
				return stop(c, SFM_MISFIT_SYNTAX);
			if (c->depth > 1)
				separate(c);
			appendStringInfoChar(&c->out, '{');
			c->first = true;
			return true;
		case SFM_JSON_ARRAY_END:
			c->depth--;
			appendStringInfoChar(&c->out, '}');
			c->first = false;
			return true;
		case SFM_JSON_OBJECT_START:
		case SFM_JSON_OBJECT_END:
		case SFM_JSON_KEY:
			return stop(c, SFM_MISFIT_SYNTAX);
		default:
			separate(c);
			return put_scalar(c, event, text, len, escaped);
	}
}

/* The outer array's members are the elements, each as it is written. */
static bool
json_array_action(void *arg, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	Container  *c = arg;

	if (event == SFM_JSON_ARRAY_END || event == SFM_JSON_OBJECT_END)
	{
		if (--c->depth == 1)
			put_quoted(c, c->element, text + 1 - c->element);
		else if (c->depth == 0)
			appendStringInfoChar(&c->out, '}');
		return true;
	}
	if (c->depth == 1)
		separate(c);
	if (event == SFM_JSON_ARRAY_START || event == SFM_JSON_OBJECT_START)
	{
		if (++c->depth == 1)
			appendStringInfoChar(&c->out, '{');
		else if (c->depth == 2)
			c->element = text;
		return true;
	}
	if (c->depth > 1)
		return true;
	switch (event)
	{
		case SFM_JSON_STRING:
			/* with its quotes */
			put_quoted(c, text - 1, len + 2);
			break;
		case SFM_JSON_NUMBER:
			put_quoted(c, text, len);
			break;
		default:
			put_quoted(c, event == SFM_JSON_NULL ? "null" : event == SFM_JSON_TRUE ? "true" : "false",
					   event == SFM_JSON_FALSE ? 5 : 4);
			break;
	}
	return true;
}

static bool
hstore_key(Container *c, const char *text, int len, bool escaped)
{
	ListCell   *lc;

	text = decoded(c, text, len, escaped, &len);
	if (text == NULL)
		return false;
	text = pnstrdup(text, len);
	/* hstore keeps one of two equal keys */
	foreach(lc, c->keys)
		if (strcmp(lfirst(lc), text) == 0)
			return stop(c, SFM_MISFIT_SYNTAX);
	c->keys = lappend(c->keys, unconstify(char *, text));
	separate(c);
	put_quoted(c, text, len);
	appendStringInfoString(&c->out, "=>");
	return true;
}

static bool
hstore_action(void *arg, SfmJsonEvent event, const char *text, int len, bool escaped)
{
	Container  *c = arg;

	switch (event)
	{
		case SFM_JSON_OBJECT_START:
			return ++c->depth == 1 || stop(c, SFM_MISFIT_SYNTAX);
		case SFM_JSON_OBJECT_END:
			c->depth--;
			return true;
		case SFM_JSON_ARRAY_START:
		case SFM_JSON_ARRAY_END:
			return stop(c, SFM_MISFIT_SYNTAX);
		case SFM_JSON_KEY:
			return hstore_key(c, text, len, escaped);
		default:
			return put_scalar(c, event, text, len, escaped);
	}
}

static char
first_character(const SfmValue *value)
{
	for (int i = 0; i < value->len; i++)
		if (strchr(" \t\r\n", value->u.p[i]) == NULL)
			return value->u.p[i];
	return '\0';
}

/* Whether a text is JSON null. */
bool
sfm_is_json_null(const SfmValue *value)
{
	const char *p = value->u.p;
	int			len = value->len;

	if (value->cls != SFM_TEXT)
		return false;
	for (; len > 0 && strchr(" \t\r\n", *p) != NULL && *p != '\0'; len--)
		p++;
	while (len > 0 && strchr(" \t\r\n", p[len - 1]) != NULL && p[len - 1] != '\0')
		len--;
	return len == 4 && memcmp(p, "null", 4) == 0;
}

/*
 * The value's text written for the input function of an array type or of hstore, in
 * UTF-8, palloc'd.  False: it is no JSON of that shape, and nothing is said about it.
 */
bool
sfm_convert_container(const SfmContainerType *type, const SfmValue *value, char **text, int *len,
					  SfmFit *fit)
{
	Container	c = {0};
	bool		canonical;
	SfmJsonAction action = type->hstore ? hstore_action :
		type->element == JSONOID || type->element == JSONBOID ? json_array_action : array_action;

	if (value->cls != SFM_TEXT || first_character(value) != (type->hstore ? '{' : '[') ||
		!sfm_valid_utf8(value))
		return false;
	initStringInfo(&c.out);
	c.delimiter = type->hstore ? ',' : type->delimiter;
	c.hstore = type->hstore;
	c.first = true;
	c.fit = SFM_FIT;
	switch (sfm_read_json(value->u.p, value->len, action, &c, &canonical))
	{
		case SFM_READ_JSON_OK:
			break;
		case SFM_READ_JSON_STOPPED:
			*fit = c.fit;
			return true;
		default:
			return false;
	}
	*text = c.out.data;
	*len = c.out.len;
	*fit = SFM_FIT;
	return true;
}
