/*
 * token.c
 *		SQLite's SQL cut into tokens.
 *
 * sfm_scan_raw() knows the lexical grammar alone and reads forward from one
 * place; sfm_advance() and sfm_peek() keep the parser's current token and the few
 * that it looks ahead to.  Words are looked up case-insensitively (ASCII) in a
 * sorted table.  Three of them, WINDOW, OVER and FILTER, are keywords only in a
 * certain company, by the rules that SQLite documents in tokenize.c.
 *
 * Nothing is copied: a token is a place and a length.  Each byte is looked at a
 * bounded number of times.  Digit separators (1_000, of SQLite 3.46) are taken
 * whatever the SQLite library at hand: a file that it opens never holds what it
 * does not know.
 */
#ifndef FRONTEND
#include "postgres.h"
#include "miscadmin.h"
#else
#include "postgres_fe.h"
#define CHECK_FOR_INTERRUPTS() ((void) 0)
#endif

#include "sfm_token.h"

typedef struct Keyword
{
	const char *name;			/* upper case */
	SfmTokenKind kind;
	SfmWordClass word;
} Keyword;

#define LONGEST_KEYWORD 17		/* CURRENT_TIMESTAMP */

#define R SFM_WORD_RESERVED
#define F SFM_WORD_FALLBACK
#define J SFM_WORD_JOIN
#define OTHER SFM_T_OTHER_WORD

/* Sorted as strcmp() sorts, for bsearch. */
static const Keyword keywords[] = {
	{"ABORT", SFM_T_ABORT, F},
	{"ACTION", SFM_T_ACTION, F},
	{"ADD", OTHER, R},
	{"AFTER", OTHER, F},
	{"ALL", SFM_T_ALL, R},
	{"ALTER", OTHER, R},
	{"ALWAYS", SFM_T_ALWAYS, F},
	{"ANALYZE", OTHER, F},
	{"AND", SFM_T_AND, R},
	{"AS", SFM_T_AS, R},
	{"ASC", SFM_T_ASC, F},
	{"ATTACH", OTHER, F},
	{"AUTOINCREMENT", SFM_T_AUTOINCREMENT, R},
	{"BEFORE", OTHER, F},
	{"BEGIN", OTHER, F},
	{"BETWEEN", SFM_T_BETWEEN, R},
	{"BY", SFM_T_BY, F},
	{"CASCADE", SFM_T_CASCADE, F},
	{"CASE", SFM_T_CASE, R},
	{"CAST", SFM_T_CAST, F},
	{"CHECK", SFM_T_CHECK, R},
	{"COLLATE", SFM_T_COLLATE, R},
	{"COLUMN", OTHER, F},
	{"COMMIT", OTHER, R},
	{"CONFLICT", SFM_T_CONFLICT, F},
	{"CONSTRAINT", SFM_T_CONSTRAINT, R},
	{"CREATE", SFM_T_CREATE, R},
	{"CROSS", SFM_T_CROSS, J},
	{"CURRENT", SFM_T_CURRENT, F},
	{"CURRENT_DATE", SFM_T_CURRENT_DATE, F},
	{"CURRENT_TIME", SFM_T_CURRENT_TIME, F},
	{"CURRENT_TIMESTAMP", SFM_T_CURRENT_TIMESTAMP, F},
	{"DATABASE", OTHER, F},
	{"DEFAULT", SFM_T_DEFAULT, R},
	{"DEFERRABLE", SFM_T_DEFERRABLE, R},
	{"DEFERRED", SFM_T_DEFERRED, F},
	{"DELETE", SFM_T_DELETE, R},
	{"DESC", SFM_T_DESC, F},
	{"DETACH", OTHER, F},
	{"DISTINCT", SFM_T_DISTINCT, R},
	{"DO", OTHER, F},
	{"DROP", OTHER, R},
	{"EACH", OTHER, F},
	{"ELSE", SFM_T_ELSE, R},
	{"END", SFM_T_END_WORD, F},
	{"ESCAPE", SFM_T_ESCAPE, R},
	{"EXCEPT", SFM_T_EXCEPT, R},
	{"EXCLUDE", SFM_T_EXCLUDE, F},
	{"EXCLUSIVE", OTHER, F},
	{"EXISTS", SFM_T_EXISTS, R},
	{"EXPLAIN", OTHER, F},
	{"FAIL", SFM_T_FAIL, F},
	{"FILTER", SFM_T_FILTER, R},
	{"FIRST", SFM_T_FIRST, F},
	{"FOLLOWING", SFM_T_FOLLOWING, F},
	{"FOR", OTHER, F},
	{"FOREIGN", SFM_T_FOREIGN, R},
	{"FROM", SFM_T_FROM, R},
	{"FULL", SFM_T_FULL, J},
	{"GENERATED", SFM_T_GENERATED, F},
	{"GLOB", SFM_T_GLOB, F},
	{"GROUP", SFM_T_GROUP, R},
	{"GROUPS", SFM_T_GROUPS, F},
	{"HAVING", SFM_T_HAVING, R},
	{"IF", SFM_T_IF, F},
	{"IGNORE", SFM_T_IGNORE, F},
	{"IMMEDIATE", SFM_T_IMMEDIATE, F},
	{"IN", SFM_T_IN, R},
	{"INDEX", SFM_T_INDEX, R},
	{"INDEXED", SFM_T_INDEXED, SFM_WORD_INDEXED},
	{"INITIALLY", SFM_T_INITIALLY, F},
	{"INNER", SFM_T_INNER, J},
	{"INSERT", SFM_T_INSERT, R},
	{"INSTEAD", OTHER, F},
	{"INTERSECT", SFM_T_INTERSECT, R},
	{"INTO", OTHER, R},
	{"IS", SFM_T_IS, R},
	{"ISNULL", SFM_T_ISNULL, R},
	{"JOIN", SFM_T_JOIN, R},
	{"KEY", SFM_T_KEY, F},
	{"LAST", SFM_T_LAST, F},
	{"LEFT", SFM_T_LEFT, J},
	{"LIKE", SFM_T_LIKE, F},
	{"LIMIT", SFM_T_LIMIT, R},
	{"MATCH", SFM_T_MATCH, F},
	{"MATERIALIZED", SFM_T_MATERIALIZED, F},
	{"NATURAL", SFM_T_NATURAL, J},
	{"NO", SFM_T_NO, F},
	{"NOT", SFM_T_NOT, R},
	{"NOTHING", OTHER, R},
	{"NOTNULL", SFM_T_NOTNULL, R},
	{"NULL", SFM_T_NULL, R},
	{"NULLS", SFM_T_NULLS, F},
	{"OF", OTHER, F},
	{"OFFSET", SFM_T_OFFSET, F},
	{"ON", SFM_T_ON, R},
	{"OR", SFM_T_OR, R},
	{"ORDER", SFM_T_ORDER, R},
	{"OTHERS", SFM_T_OTHERS, F},
	{"OUTER", SFM_T_OUTER, J},
	{"OVER", SFM_T_OVER, R},
	{"PARTITION", SFM_T_PARTITION, F},
	{"PLAN", OTHER, F},
	{"PRAGMA", OTHER, F},
	{"PRECEDING", SFM_T_PRECEDING, F},
	{"PRIMARY", SFM_T_PRIMARY, R},
	{"QUERY", OTHER, F},
	{"RAISE", SFM_T_RAISE, F},
	{"RANGE", SFM_T_RANGE, F},
	{"RECURSIVE", SFM_T_RECURSIVE, F},
	{"REFERENCES", SFM_T_REFERENCES, R},
	{"REGEXP", SFM_T_REGEXP, F},
	{"REINDEX", OTHER, F},
	{"RELEASE", OTHER, F},
	{"RENAME", OTHER, F},
	{"REPLACE", SFM_T_REPLACE, F},
	{"RESTRICT", SFM_T_RESTRICT, F},
	{"RETURNING", OTHER, R},
	{"RIGHT", SFM_T_RIGHT, J},
	{"ROLLBACK", SFM_T_ROLLBACK, F},
	{"ROW", SFM_T_ROW, F},
	{"ROWS", SFM_T_ROWS, F},
	{"SAVEPOINT", OTHER, F},
	{"SELECT", SFM_T_SELECT, R},
	{"SET", SFM_T_SET, R},
	{"TABLE", SFM_T_TABLE, R},
	{"TEMP", SFM_T_TEMP, F},
	{"TEMPORARY", SFM_T_TEMP, F},
	{"THEN", SFM_T_THEN, R},
	{"TIES", SFM_T_TIES, F},
	{"TO", OTHER, R},
	{"TRANSACTION", OTHER, R},
	{"TRIGGER", OTHER, F},
	{"UNBOUNDED", SFM_T_UNBOUNDED, F},
	{"UNION", SFM_T_UNION, R},
	{"UNIQUE", SFM_T_UNIQUE, R},
	{"UPDATE", SFM_T_UPDATE, R},
	{"USING", SFM_T_USING, R},
	{"VACUUM", OTHER, F},
	{"VALUES", SFM_T_VALUES, R},
	{"VIEW", SFM_T_VIEW, F},
	{"VIRTUAL", SFM_T_VIRTUAL, F},
	{"WHEN", SFM_T_WHEN, R},
	{"WHERE", SFM_T_WHERE, R},
	{"WINDOW", SFM_T_WINDOW, R},
	{"WITH", SFM_T_WITH, F},
	{"WITHOUT", SFM_T_WITHOUT, F},
};

#undef R
#undef F
#undef J
#undef OTHER

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_hex_digit(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool
starts_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		(unsigned char) c >= 0x80;
}

static inline bool
in_word(char c)
{
	return starts_word(c) || is_digit(c) || c == '$';
}

static int
compare_keyword(const void *key, const void *element)
{
	return strcmp((const char *) key, ((const Keyword *) element)->name);
}

/* Sets the token's kind and class from the word that it spans. */
static void
classify_word(const char *text, SfmToken *token)
{
	char		upper[LONGEST_KEYWORD + 1];
	const Keyword *keyword = NULL;

	if (token->length <= LONGEST_KEYWORD)
	{
		for (int i = 0; i < token->length; i++)
			upper[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i];
		upper[token->length] = '\0';
		keyword = bsearch(upper, keywords, lengthof(keywords), sizeof(Keyword),
						  compare_keyword);
	}
	token->kind = keyword != NULL ? keyword->kind : SFM_T_ID;
	token->word = keyword != NULL ? keyword->word : SFM_WORD_ID;
}

/*
 * Length of the blanks and comments at s, which ends with a NUL byte.  A
 * vertical tab is a blank behind another one only: so SQLite has it.
 */
static int
blank_length(const char *s)
{
	int			i = 0;

	for (;;)
	{
		if (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\f' || s[i] == '\r')
		{
			do
				i++;
			while (sfm_is_space(s[i]));
		}
		else if (s[i] == '-' && s[i + 1] == '-')
		{
			while (s[i] != '\0' && s[i] != '\n')
				i++;
		}
		else if (s[i] == '/' && s[i + 1] == '*' && s[i + 2] != '\0')
		{
			i += 2;
			while (s[i] != '\0' && !(s[i] == '*' && s[i + 1] == '/'))
				i++;
			if (s[i] != '\0')
				i += 2;
		}
		else if ((unsigned char) s[i] == 0xEF && (unsigned char) s[i + 1] == 0xBB &&
				 (unsigned char) s[i + 2] == 0xBF)
			i += 3;				/* a byte order mark */
		else
			return i;
	}
}

/* Skips digits, with single underscores between them. */
static int
digits_length(const char *s, bool (*is_one) (char))
{
	int			i = 0;

	while (is_one(s[i]) || (s[i] == '_' && i > 0 && is_one(s[i - 1]) && is_one(s[i + 1])))
		i++;
	return i;
}

/* The number at s: its length, 0 where letters follow at once. */
static int
number_length(const char *s, SfmTokenKind *kind)
{
	int			i;

	*kind = SFM_T_INTEGER;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && is_hex_digit(s[2]))
		i = 2 + digits_length(s + 2, is_hex_digit);
	else
	{
		i = digits_length(s, is_digit);
		if (s[i] == '.')
		{
			*kind = SFM_T_REAL;
			i++;
			i += digits_length(s + i, is_digit);
		}
		if ((s[i] == 'e' || s[i] == 'E') &&
			(is_digit(s[i + 1]) ||
			 ((s[i + 1] == '+' || s[i + 1] == '-') && is_digit(s[i + 2]))))
		{
			*kind = SFM_T_REAL;
			i += 2;
			/* the digit that was seen may stand before or at i */
			while (is_digit(s[i]) || (s[i] == '_' && is_digit(s[i - 1]) && is_digit(s[i + 1])))
				i++;
		}
	}
	return in_word(s[i]) ? 0 : i;
}

/* Length of the quoted text at s, its quotes included; 0: it does not end. */
static int
quoted_length(const char *s)
{
	char		quote = s[0] == '[' ? ']' : s[0];
	int			i = 1;

	for (;;)
	{
		if (s[i] == '\0')
			return 0;
		if (s[i] == quote)
		{
			if (quote == ']' || s[i + 1] != quote)
				return i + 1;
			i++;
		}
		i++;
	}
}

/* Length of x'...' at s; 0: not an even number of hex digits, or no end. */
static int
blob_length(const char *s)
{
	int			i = 2;

	while (is_hex_digit(s[i]))
		i++;
	return s[i] == '\'' && i % 2 == 0 ? i + 1 : 0;
}

/* Length of the bind parameter at s; 0: it is none.  Tcl's $a::b(c) is one. */
static int
variable_length(const char *s)
{
	int			i = 1;
	bool		named = false;

	if (s[0] == '?')
	{
		while (is_digit(s[i]))
			i++;
		return i;
	}
	for (;; i++)
	{
		if (in_word(s[i]))
			named = true;
		else if (s[i] == '(' && named)
		{
			while (s[i] != '\0' && !sfm_is_space(s[i]) && s[i] != ')')
				i++;
			return s[i] == ')' ? i + 1 : 0;
		}
		else if (s[i] == ':' && s[i + 1] == ':')
			i++;
		else
			return named ? i : 0;
	}
}

/* Operators and punctuation. */
static int
operator_length(const char *s, SfmTokenKind *kind)
{
	static const struct
	{
		char		text[4];
		SfmTokenKind kind;
	}			operators[] =
	{
		/* longer ones before their beginnings */
		{"->>", SFM_T_ARROW2}, {"->", SFM_T_ARROW}, {"-", SFM_T_MINUS},
		{"||", SFM_T_CONCAT}, {"|", SFM_T_PIPE},
		{"<<", SFM_T_LSHIFT}, {"<=", SFM_T_LE}, {"<>", SFM_T_NE}, {"<", SFM_T_LT},
		{">>", SFM_T_RSHIFT}, {">=", SFM_T_GE}, {">", SFM_T_GT},
		{"==", SFM_T_EQ}, {"=", SFM_T_EQ}, {"!=", SFM_T_NE},
		{"(", SFM_T_LP}, {")", SFM_T_RP}, {",", SFM_T_COMMA}, {".", SFM_T_DOT},
		{";", SFM_T_SEMI}, {"+", SFM_T_PLUS}, {"*", SFM_T_STAR}, {"/", SFM_T_SLASH},
		{"%", SFM_T_PERCENT}, {"&", SFM_T_AMPERSAND}, {"~", SFM_T_TILDE},
	};

	for (int i = 0; i < lengthof(operators); i++)
	{
		int			length = strlen(operators[i].text);

		if (strncmp(s, operators[i].text, length) == 0)
		{
			*kind = operators[i].kind;
			return length;
		}
	}
	return 0;
}

/*
 * The token at or after byte pos of sql, which has length bytes and a NUL byte
 * behind them.  SFM_T_FAILED with the offset of the trouble where there is none.
 */
void
sfm_scan_raw(const char *sql, int length, int pos, SfmToken *token)
{
	const char *s;

	pos += blank_length(sql + pos);
	s = sql + pos;
	token->offset = pos;
	token->length = 0;
	token->word = SFM_WORD_NONE;
	token->kind = SFM_T_END;
	if (pos >= length)
		return;

	if ((s[0] == 'x' || s[0] == 'X') && s[1] == '\'')
	{
		token->kind = SFM_T_BLOB;
		token->length = blob_length(s);
	}
	else if (starts_word(s[0]))
	{
		do
			token->length++;
		while (in_word(s[token->length]));
		classify_word(s, token);
	}
	else if (s[0] == '\'')
	{
		token->kind = SFM_T_STRING;
		token->word = SFM_WORD_STRING;
		token->length = quoted_length(s);
	}
	else if (s[0] == '"' || s[0] == '`' || s[0] == '[')
	{
		token->kind = SFM_T_ID;
		token->word = SFM_WORD_ID;
		token->length = quoted_length(s);
	}
	else if (is_digit(s[0]) || (s[0] == '.' && is_digit(s[1])))
		token->length = number_length(s, &token->kind);
	else if (s[0] == '?' || s[0] == ':' || s[0] == '@' || s[0] == '$' || s[0] == '#')
	{
		token->kind = SFM_T_VARIABLE;
		token->length = variable_length(s);
	}
	else
		token->length = operator_length(s, &token->kind);

	if (token->length == 0)
	{
		token->kind = SFM_T_FAILED;
		token->word = SFM_WORD_NONE;
	}
}

/* As scanned for deciding on WINDOW, OVER and FILTER: any word that can be a name. */
static bool
names_window(const SfmToken *token)
{
	return token->word == SFM_WORD_ID || token->word == SFM_WORD_STRING ||
		token->word == SFM_WORD_JOIN || token->word == SFM_WORD_FALLBACK ||
		token->kind == SFM_T_WINDOW || token->kind == SFM_T_OVER;
}

/*
 * The next token from the text.  WINDOW is a keyword when a name and AS follow;
 * OVER when ) stands before it and ( or a name behind; FILTER when it is between
 * ) and (.  Otherwise they are identifiers.
 */
static void
scan(SfmParser *p, SfmToken *token)
{
	SfmToken	next;
	bool		keyword = true;

	CHECK_FOR_INTERRUPTS();
	sfm_scan_raw(p->sql, p->length, p->pos, token);
	p->pos = token->offset + token->length;
	if (token->kind == SFM_T_WINDOW || token->kind == SFM_T_OVER || token->kind == SFM_T_FILTER)
	{
		sfm_scan_raw(p->sql, p->length, p->pos, &next);
		if (token->kind == SFM_T_WINDOW)
		{
			keyword = names_window(&next);
			if (keyword)
			{
				sfm_scan_raw(p->sql, p->length, next.offset + next.length, &next);
				keyword = next.kind == SFM_T_AS;
			}
		}
		else if (token->kind == SFM_T_OVER)
			keyword = p->last == SFM_T_RP && (next.kind == SFM_T_LP || names_window(&next));
		else
			keyword = p->last == SFM_T_RP && next.kind == SFM_T_LP;
		if (!keyword)
		{
			token->kind = SFM_T_ID;
			token->word = SFM_WORD_ID;
		}
	}
	p->last = token->kind;
}

/* Makes a failed token an error of the parser, which says what is wrong with it. */
static void
fail_token(SfmParser *p)
{
	const char *s = p->sql + p->cur.offset;

	if (*s == '\'' || *s == '"' || *s == '`' || *s == '[')
		sfm_parse_fail(p, p->cur.offset, "quoted text has no end");
	else if (*s == 'x' || *s == 'X')
		sfm_parse_fail(p, p->cur.offset, "malformed blob literal");
	else if (is_digit(*s) || *s == '.')
		sfm_parse_fail(p, p->cur.offset, "malformed number");
	else
		sfm_parse_fail(p, p->cur.offset, "unrecognized token");
}

/* Goes on to the next token; stays where it is after a failure. */
void
sfm_advance(SfmParser *p)
{
	if (p->failed)
		return;
	p->prev_end = p->cur.offset + p->cur.length;
	if (p->nahead > 0)
	{
		p->cur = p->ahead[0];
		p->nahead--;
		memmove(&p->ahead[0], &p->ahead[1], p->nahead * sizeof(SfmToken));
	}
	else
		scan(p, &p->cur);
	if (p->cur.kind == SFM_T_FAILED)
		fail_token(p);
}

/* The n-th token after the current one; n from 1 to SFM_LOOKAHEAD. */
const SfmToken *
sfm_peek(SfmParser *p, int n)
{
	static const SfmToken failed = {SFM_T_FAILED, SFM_WORD_NONE, 0, 0};

	Assert(n >= 1 && n <= SFM_LOOKAHEAD);
	if (p->failed)
		return &failed;
	while (p->nahead < n)
		scan(p, &p->ahead[p->nahead++]);
	return &p->ahead[n - 1];
}

/* Sets the parser on the first token of sql. */
void
sfm_parser_begin(SfmParser *p, const char *sql, SfmParseError *error)
{
	size_t		length = strlen(sql);

	memset(p, 0, sizeof(*p));
	p->sql = sql;
	p->error = error;
	p->last = SFM_T_END;
	error->message = NULL;
	error->offset = 0;
	if (length > SFM_MAX_SQL)
	{
		sfm_parse_fail(p, 0, "text is too long");
		return;
	}
	p->length = (int) length;
	sfm_advance(p);
}
