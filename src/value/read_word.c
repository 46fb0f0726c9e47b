/*
 * read_word.c
 *		Booleans and UUIDs as text.
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "sfm_read.h"

/* The white space that PostgreSQL's boolean input passes over, in any locale. */
static inline bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The words of boolin() and their beginnings as far as they are clear: "o" could
 * be on or off.
 */
bool
sfm_read_bool(const char *text, int len, bool *value)
{
	static const struct
	{
		const char *word;
		int			at_least;
		bool		value;
	}			words[] = {
		{"1", 1, true}, {"0", 1, false},
		{"true", 1, true}, {"false", 1, false},
		{"yes", 1, true}, {"no", 1, false},
		{"on", 2, true}, {"off", 2, false}
	};

	while (len > 0 && is_blank(text[0]))
		text++, len--;
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	for (int i = 0; i < lengthof(words); i++)
	{
		int			n = 0;

		if (len < words[i].at_least)
			continue;
		while (n < len && words[i].word[n] != '\0')
		{
			char		c = text[n];

			if (c >= 'A' && c <= 'Z')
				c += 'a' - 'A';
			if (c != words[i].word[n])
				break;
			n++;
		}
		if (n == len)
		{
			*value = words[i].value;
			return true;
		}
	}
	return false;
}

/* The value of a hex digit; 0x10 more where it is a capital; 0x80 for anything else. */
static inline unsigned
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return 0x10 + (c - 'A' + 10);
	return 0x80;
}

bool
sfm_read_uuid(const char *text, int len, unsigned char *uuid, bool *canonical)
{
	bool		hyphens = (len == 36);
	unsigned	seen = 0;		/* high bits of all digits */

	if (len != 32 && len != 36)
		return false;
	for (int i = 0; i < SFM_UUID_BYTES; i++)
	{
		unsigned	high;
		unsigned	low;

		if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		high = hex_value(text[0]);
		low = hex_value(text[1]);
		seen |= high | low;
		uuid[i] = (unsigned char) (high << 4 | (low & 0xF));
		text += 2;
	}
	*canonical = hyphens && (seen & 0x10) == 0;
	return (seen & 0x80) == 0;
}
