/*
 * memory.c
 *		palloc and friends for the fuzz targets.
 *
 * Supplied here rather than by libpgcommon: every piece is one malloc, so that
 * AddressSanitizer sees its bounds, and all are freed after a run.
 */
#include "postgres_fe.h"

#include "memory.h"

typedef struct Piece
{
	struct Piece *next;
	struct Piece *prev;
} Piece;

static Piece pieces = {&pieces, &pieces};

static void *
piece_alloc(size_t size)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->next = pieces.next;
	piece->prev = &pieces;
	pieces.next->prev = piece;
	pieces.next = piece;
	return piece + 1;
}

void
free_all(void)
{
	while (pieces.next != &pieces)
		pfree(pieces.next + 1);
}

void *
palloc(Size size)
{
	return piece_alloc(size);
}

void *
palloc0(Size size)
{
	return memset(piece_alloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	Piece	   *piece = realloc((Piece *) pointer - 1, sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->prev->next = piece;
	piece->next->prev = piece;
	return piece + 1;
}

void
pfree(void *pointer)
{
	Piece	   *piece = (Piece *) pointer - 1;

	piece->prev->next = piece->next;
	piece->next->prev = piece->prev;
	free(piece);
}

char *
pnstrdup(const char *in, Size size)
{
	size_t		length = strnlen(in, size);
	char	   *copy = piece_alloc(length + 1);

	memcpy(copy, in, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}
