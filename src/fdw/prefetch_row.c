/*
 * prefetch_row.c
 *		The form of a row between a prefetching reader and its backend.
 */
#include "postgres.h"

#include "prefetch.h"

static inline bool
has_bytes(SfmClass cls)
{
	return cls == SFM_TEXT || cls == SFM_BLOB;
}

/* Appends a row of n cells. */
void
sfm_wire_put(StringInfo to, const SfmWireRow *row, const SfmValue *values, int n)
{
	int64		need = sizeof(SfmWireRow);
	char	   *p;

	for (int i = 0; i < n; i++)
		need += sizeof(SfmWireCell) +
			(has_bytes(values[i].cls) ? TYPEALIGN64(8, values[i].len) : 8);
	enlargeStringInfo(to, need);

	p = to->data + to->len;
	memcpy(p, row, sizeof(SfmWireRow));
	p += sizeof(SfmWireRow);
	for (int i = 0; i < n; i++)
	{
		const SfmValue *value = &values[i];
		SfmWireCell *cell = (SfmWireCell *) p;

		cell->cls = value->cls;
		cell->bad_encoding = value->bad_encoding;
		cell->unused = 0;
		cell->len = has_bytes(value->cls) ? value->len : 0;
		p += sizeof(SfmWireCell);
		if (has_bytes(value->cls))
		{
			memcpy(p, value->u.p, value->len);
			p += TYPEALIGN64(8, value->len);
		}
		else if (value->cls != SFM_NULL)
		{
			memcpy(p, &value->u, sizeof(value->u));
			p += sizeof(value->u);
		}
	}
	to->len = p - to->data;
}

/*
 * Reads the row at from, of n cells, or of the rowid's alone when it is too big.  Text and blobs stay where
 * they are.  Returns where the next row begins.
 */
const char *
sfm_wire_get(const char *from, SfmWireRow *row, SfmValue *values, int n)
{
	memcpy(row, from, sizeof(SfmWireRow));
	from += sizeof(SfmWireRow);
	if (row->too_big)
		n = 1;
	for (int i = 0; i < n; i++)
	{
		const SfmWireCell *cell = (const SfmWireCell *) from;
		SfmValue   *value = &values[i];

		value->cls = cell->cls;
		value->bad_encoding = cell->bad_encoding;
		value->len = cell->len;
		from += sizeof(SfmWireCell);
		if (has_bytes(value->cls))
		{
			value->u.p = from;
			from += TYPEALIGN64(8, value->len);
		}
		else if (value->cls != SFM_NULL)
		{
			memcpy(&value->u, from, sizeof(value->u));
			from += sizeof(value->u);
		}
	}
	return from;
}
