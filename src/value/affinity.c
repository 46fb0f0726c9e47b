/*
 * affinity.c
 *		SQLite's type affinities (datatype3.html, section 3.1).
 */
#include "postgres.h"

#include "sfm_value.h"

/* See sfm_value.h.  SQLite's rules in its order, over the whole text. */
char
sfm_affinity(const char *declared)
{
	char		affinity = 'N';
	uint32		last4 = 0;

	if (declared == NULL || declared[0] == '\0')
		return 'B';
#define FOUR(a, b, c, d) ((uint32) (a) << 24 | (uint32) (b) << 16 | (uint32) (c) << 8 | (uint32) (d))
	for (const char *p = declared; *p != '\0'; p++)
	{
		last4 = last4 << 8 | (unsigned char) pg_ascii_toupper((unsigned char) *p);
		if ((last4 & 0xFFFFFF) == FOUR(0, 'I', 'N', 'T'))
			return 'I';
		if (last4 == FOUR('C', 'H', 'A', 'R') || last4 == FOUR('C', 'L', 'O', 'B') ||
			last4 == FOUR('T', 'E', 'X', 'T'))
			affinity = 'T';
		else if (last4 == FOUR('B', 'L', 'O', 'B') && affinity != 'T')
			affinity = 'B';
		else if (affinity == 'N' &&
				 (last4 == FOUR('R', 'E', 'A', 'L') || last4 == FOUR('F', 'L', 'O', 'A') ||
				  last4 == FOUR('D', 'O', 'U', 'B')))
			affinity = 'R';
	}
#undef FOUR
	return affinity;
}
