/*
 * parse.c
 *		What the parts of the SQL parser share: errors, limits, the cursor over
 *		the tokens, names and the text of types.
 *
 * Errors are kept, not thrown (see sfm_token.h).  Two limits make any text safe:
 * SFM_MAX_NESTING bounds the recursion of the parser itself, SFM_MAX_HEIGHT the
 * height of the trees it builds, so that their readers may recurse as well (a
 * long a+a+a+... is read in a loop, but makes a high tree).
 */
#ifndef FRONTEND
#include "postgres.h"
#include "miscadmin.h"
#else
#include "postgres_fe.h"
#define stack_is_too_deep() false
#endif

#include "sfm_token.h"

/* Bytes of the text that a message shows. */
#define SHOWN_TEXT 40

/* Records the first error; the parser stops by itself from here on.  message is copied. */
void
sfm_parse_fail(SfmParser *p, int offset, const char *message)
{
	if (p->failed)
		return;
	p->failed = true;
	p->cur.kind = SFM_T_FAILED;
	p->cur.word = SFM_WORD_NONE;
	p->error->message = pstrdup(message);
	p->error->offset = offset;
}

/* The tree has grown higher than SFM_MAX_HEIGHT. */
void
sfm_parse_too_high(SfmParser *p, int offset)
{
	sfm_parse_fail(p, offset, psprintf("expression is more than %d levels high", SFM_MAX_HEIGHT));
}

/*
 * "syntax error near ..." at the current token.  What is no printable ASCII is
 * shown as ?, since the text is not known to be valid in any encoding.
 */
void
sfm_parse_unexpected(SfmParser *p)
{
	char		shown[SHOWN_TEXT + 4];
	int			length = Min(p->cur.length, SHOWN_TEXT);

	if (p->failed)
		return;
	if (p->cur.kind == SFM_T_END)
	{
		sfm_parse_fail(p, p->cur.offset, "unexpected end of the SQL");
		return;
	}
	for (int i = 0; i < length; i++)
	{
		char		c = p->sql[p->cur.offset + i];

		shown[i] = c >= ' ' && c <= '~' ? c : '?';
	}
	strcpy(shown + length, p->cur.length > length ? "..." : "");
	sfm_parse_fail(p, p->cur.offset, psprintf("syntax error near \"%s\"", shown));
}

/*
 * Every function of the grammar that can contain itself begins with sfm_enter()
 * and, if that returned true, ends with sfm_leave().
 */
bool
sfm_enter(SfmParser *p)
{
	if (p->failed)
		return false;
	if (p->nesting >= SFM_MAX_NESTING || stack_is_too_deep())
	{
		sfm_parse_fail(p, p->cur.offset, "SQL is nested too deeply");
		return false;
	}
	p->nesting++;
	return true;
}

void
sfm_leave(SfmParser *p)
{
	p->nesting--;
}

/*
 * A scope measures how high the trees within it grow: sfm_scope_end(), given
 * what sfm_scope_begin() returned, gives the height of a node over them all.
 */
int
sfm_scope_begin(SfmParser *p)
{
	int			saved = p->height;

	p->height = 0;
	return saved;
}

int
sfm_scope_end(SfmParser *p, int saved, int offset)
{
	int			height = p->height + 1;

	if (height > SFM_MAX_HEIGHT)
		sfm_parse_too_high(p, offset);
	p->height = Max(saved, height);
	return height;
}

/* Passes over a token of this kind when it is the current one. */
bool
sfm_accept(SfmParser *p, SfmTokenKind kind)
{
	if (p->cur.kind != kind)
		return false;
	sfm_advance(p);
	return true;
}

/* The same, but anything else is an error. */
bool
sfm_expect(SfmParser *p, SfmTokenKind kind)
{
	if (sfm_accept(p, kind))
		return true;
	sfm_parse_unexpected(p);
	return false;
}

/* SQLite's "id": an identifier or a word that can be one. */
bool
sfm_is_id(const SfmToken *token)
{
	return token->word == SFM_WORD_ID || token->word == SFM_WORD_FALLBACK ||
		token->word == SFM_WORD_INDEXED;
}

/* SQLite's "ids": what may be an alias, a word of a type, a collation. */
bool
sfm_is_ids(const SfmToken *token)
{
	return token->word == SFM_WORD_ID || token->word == SFM_WORD_FALLBACK ||
		token->word == SFM_WORD_STRING;
}

/* SQLite's "nm": what may name a table or column. */
bool
sfm_is_name(const SfmToken *token)
{
	return token->word != SFM_WORD_NONE && token->word != SFM_WORD_RESERVED;
}

bool
sfm_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The quote that the text begins with, or 0. */
char
sfm_quote_character(const char *text, int length)
{
	return length > 0 && (text[0] == '"' || text[0] == '\'' || text[0] == '`' || text[0] == '[') ?
		text[0] : 0;
}

char
sfm_token_quote(SfmParser *p, const SfmToken *token)
{
	return sfm_quote_character(p->sql + token->offset, token->length);
}

/*
 * A palloc'd copy without its quotes, where it begins with one: what stands
 * between the first and the next single one, doubled ones within taken as one.
 * Text behind the closing quote is dropped, as SQLite does for types.
 */
char *
sfm_dequoted(const char *text, int length)
{
	char		quote = sfm_quote_character(text, length);
	char	   *result = palloc(length + 1);
	int			n = 0;

	if (quote == 0)
	{
		memcpy(result, text, length);
		n = length;
	}
	else
	{
		if (quote == '[')
			quote = ']';
		for (int i = 1; i < length; i++)
		{
			if (text[i] == quote)
			{
				if (i + 1 >= length || text[i + 1] != quote)
					break;
				i++;
			}
			result[n++] = text[i];
		}
	}
	result[n] = '\0';
	return result;
}

/* A token's text without quotes, palloc'd. */
char *
sfm_token_text(SfmParser *p, const SfmToken *token)
{
	return sfm_dequoted(p->sql + token->offset, token->length);
}

/* Is the token this word (given in lower case), bare and in any case? */
bool
sfm_token_matches(SfmParser *p, const SfmToken *token, const char *word)
{
	const char *text = p->sql + token->offset;

	if (token->length != strlen(word))
		return false;
	for (int i = 0; i < token->length; i++)
		if (pg_ascii_tolower((unsigned char) text[i]) != word[i])
			return false;
	return true;
}

/* A name; NULL after a failure. */
char *
sfm_expect_name(SfmParser *p)
{
	char	   *name;

	if (!sfm_is_name(&p->cur))
	{
		sfm_parse_unexpected(p);
		return NULL;
	}
	name = sfm_token_text(p, &p->cur);
	sfm_advance(p);
	return name;
}

/* A collation's name; NULL after a failure. */
char *
sfm_expect_ids(SfmParser *p)
{
	if (!sfm_is_ids(&p->cur))
	{
		sfm_parse_unexpected(p);
		return NULL;
	}
	return sfm_expect_name(p);
}

/* [AS] alias, of a result column or a table; NULL: none. */
char *
sfm_accept_alias(SfmParser *p)
{
	if (sfm_accept(p, SFM_T_AS))
		return sfm_expect_name(p);
	if (sfm_is_ids(&p->cur))
		return sfm_expect_name(p);
	return NULL;
}

/* [schema.]name; *schema may be NULL where nobody wants it. */
void
sfm_expect_qualified(SfmParser *p, char **schema, char **name)
{
	*name = sfm_expect_name(p);
	if (schema != NULL)
		*schema = NULL;
	if (sfm_accept(p, SFM_T_DOT))
	{
		if (schema != NULL)
			*schema = *name;
		*name = sfm_expect_name(p);
	}
}

/*
 * name, name ...  Old files have COLLATE and ASC or DESC behind the names of such
 * lists; SQLite ignores them there, and so does this.  For USING it does not take
 * them, but then the file would not open.
 */
SfmName *
sfm_expect_name_list(SfmParser *p)
{
	SfmName    *first = NULL;
	SfmName   **tail = &first;

	do
	{
		SfmName    *item = palloc0(sizeof(SfmName));

		item->name = sfm_expect_name(p);
		if (sfm_accept(p, SFM_T_COLLATE))
			(void) sfm_expect_ids(p);
		if (!sfm_accept(p, SFM_T_ASC))
			(void) sfm_accept(p, SFM_T_DESC);
		*tail = item;
		tail = &item->next;
	} while (sfm_accept(p, SFM_T_COMMA));
	return first;
}

/* (name, name ...) or nothing. */
SfmName *
sfm_accept_column_list(SfmParser *p)
{
	SfmName    *names;

	if (!sfm_accept(p, SFM_T_LP))
		return NULL;
	names = sfm_expect_name_list(p);
	sfm_expect(p, SFM_T_RP);
	return names;
}

/* Moves *start and *end, a part of sql, past the blanks at its ends. */
void
sfm_trim(const char *sql, int *start, int *end)
{
	while (*start < *end && sfm_is_space(sql[*start]))
		(*start)++;
	while (*end > *start && sfm_is_space(sql[*end - 1]))
		(*end)--;
}

/* The text between two bytes of the SQL, without the blanks at its ends. */
char *
sfm_trimmed_text(SfmParser *p, int start, int end)
{
	if (p->failed)
		return NULL;
	sfm_trim(p->sql, &start, &end);
	return pnstrdup(p->sql + start, end - start);
}

/* One signed number of a type's arguments. */
static void
type_argument(SfmParser *p)
{
	if (!sfm_accept(p, SFM_T_PLUS))
		(void) sfm_accept(p, SFM_T_MINUS);
	if (!sfm_accept(p, SFM_T_INTEGER))
		sfm_expect(p, SFM_T_REAL);
}

/*
 * The words of a type with its arguments.  Returns whether there are any; then
 * the type is the text from *start to *end, comments and blanks within included.
 */
bool
sfm_type_tokens(SfmParser *p, int *start, int *end)
{
	if (!sfm_is_ids(&p->cur))
		return false;
	*start = p->cur.offset;
	while (sfm_is_ids(&p->cur))
		sfm_advance(p);
	if (sfm_accept(p, SFM_T_LP))
	{
		type_argument(p);
		if (sfm_accept(p, SFM_T_COMMA))
			type_argument(p);
		sfm_expect(p, SFM_T_RP);
	}
	*end = p->prev_end;
	return !p->failed;
}

/* Nothing but semicolons may follow. */
void
sfm_expect_end(SfmParser *p)
{
	while (sfm_accept(p, SFM_T_SEMI))
		 /* go on */ ;
	if (p->cur.kind != SFM_T_END)
		sfm_parse_unexpected(p);
}
