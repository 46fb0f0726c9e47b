/*
 * rowhash.c
 *		The checksum of a table: framing of rows, XXH128, sums.
 *
 * A row's bytes are those of its columns in order, each a tag that says what it
 * is and the value, with its length in front where that varies.  So no two
 * different rows have the same bytes, and swapped columns differ.  The row hash
 * is XXH128 with seed 0 over them; the checksum is the sum of all row hashes
 * modulo 2^128.  A sum needs no order, counts a row that is there twice twice
 * (XOR would not), and the sums of parts add up to the whole's.
 *
 * XXH128 is used from the header alone, so that nothing is linked.  It is no
 * cryptographic hash: the checksum finds faults, not forgeries.
 *
 * Memory: a row is collected in a buffer of 4 kB, longer ones stream through
 * the hash.  What reading a row needs (a detoasted value, say) lives in a
 * context that is reset after it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "compat.h"
#include "check_internal.h"

struct SfmRowHash
{
	int			ncolumns;
	SfmHashColumn *columns;
	MemoryContext mcxt;			/* of this and all else that it keeps */
	MemoryContext row_mcxt;		/* reset after each row */
	SfmHasher	hasher;
};

/*
 * The hasher
 */

/* An empty hasher; mcxt must live as long. */
void
sfm_hasher_init(SfmHasher *hasher, MemoryContext mcxt)
{
	hasher->used = 0;
	hasher->streaming = false;
	hasher->state = NULL;
	hasher->mcxt = mcxt;
}

/* Makes room by moving the buffer into the stream; then puts the bytes. */
void
sfm_hasher_spill(SfmHasher *hasher, const void *bytes, size_t len)
{
	if (hasher->state == NULL)
	{
		/* palloc aligns less than the state wants */
		hasher->state = (XXH3_state_t *)
			TYPEALIGN(64, MemoryContextAlloc(hasher->mcxt, sizeof(XXH3_state_t) + 64));
		XXH3_INITSTATE(hasher->state);
	}
	if (!hasher->streaming)
	{
		XXH3_128bits_reset(hasher->state);
		hasher->streaming = true;
	}
	XXH3_128bits_update(hasher->state, hasher->buffer, hasher->used);
	hasher->used = 0;

	if (len > SFM_HASHER_BUFFER / 4)
		XXH3_128bits_update(hasher->state, bytes, len);
	else if (len > 0)
	{
		memcpy(hasher->buffer, bytes, len);
		hasher->used = len;
	}
}

/* The hash of all that was put since the last one. */
SfmHash128
sfm_hasher_finish(SfmHasher *hasher)
{
	XXH128_hash_t h;
	SfmHash128	result;

	if (likely(!hasher->streaming))
		h = XXH3_128bits(hasher->buffer, hasher->used);
	else
	{
		XXH3_128bits_update(hasher->state, hasher->buffer, hasher->used);
		h = XXH3_128bits_digest(hasher->state);
		hasher->streaming = false;
	}
	hasher->used = 0;
	result.lo = h.low64;
	result.hi = h.high64;
	return result;
}

/* A hash of 64 bits, for what is only compared while it lasts. */
uint64
sfm_hash64_bytes(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

/* Puts a number in the one of its three forms that it has. */
void
sfm_put_decimal(SfmHasher *hasher, const SfmDigits *decimal)
{
	uint8	   *to;

	if (decimal->special)
	{
		to = sfm_put_room(hasher, 2);
		to[0] = SFM_TAG_SPECIAL;
		to[1] = decimal->special;
	}
	else if (decimal->ndigits <= SFM_SMALL_DIGITS)
	{
		int64		signed_value = decimal->negative ? -decimal->small : decimal->small;

		to = sfm_put_room(hasher, 13);
		to[0] = SFM_TAG_DECIMAL;
		sfm_store64(to + 1, (uint64) signed_value);
		sfm_store32(to + 9, (uint32) decimal->exponent);
	}
	else
	{
		to = sfm_put_room(hasher, 10);
		to[0] = SFM_TAG_LONG_DECIMAL;
		to[1] = decimal->negative ? '-' : '+';
		sfm_store32(to + 2, (uint32) decimal->exponent);
		sfm_store32(to + 6, (uint32) decimal->ndigits);
		for (int i = 0; i < 2; i++)
			if (decimal->piece_len[i] > 0)
				sfm_put_bytes(hasher, decimal->piece[i], decimal->piece_len[i]);
	}
}

/*
 * Sums
 */

/* The sum of two parts. */
void
sfm_checksum_add(SfmChecksum *into, const SfmChecksum *other)
{
	into->rows += other->rows;
	into->lo += other->lo;
	into->hi += other->hi + (into->lo < other->lo);
}

/* The sum of what is left when a part, other, is taken away. */
void
sfm_checksum_subtract(SfmChecksum *from, const SfmChecksum *other)
{
	bool		borrow = from->lo < other->lo;

	from->rows -= other->rows;
	from->lo -= other->lo;
	from->hi -= other->hi + borrow;
}

/* Whether both count the same rows and have the same sum. */
bool
sfm_checksum_equal(const SfmChecksum *a, const SfmChecksum *b)
{
	return a->rows == b->rows && a->lo == b->lo && a->hi == b->hi;
}

/* The sum as 32 hexadecimal digits, the highest first; palloc'd. */
char *
sfm_checksum_text(const SfmChecksum *sum)
{
	return psprintf("%016llx%016llx", (unsigned long long) sum->hi,
					(unsigned long long) sum->lo);
}

static inline void
add_row(SfmRowHash *hash, SfmChecksum *sum)
{
	SfmHash128	h = sfm_hasher_finish(&hash->hasher);

	sum->rows++;
	sum->lo += h.lo;
	sum->hi += h.hi + (sum->lo < h.lo);
}

/*
 * Rows
 */

/*
 * A domain's values are those of the type beneath it, and have its canonical
 * bytes.
 */
static void
look_through_domain(SfmHashColumn *column)
{
	SfmType    *type = &column->type;
	int32		typmod = type->typmod;
	Oid			base;

	if (type->kind != SFM_KIND_INPUT)
		return;
	base = getBaseTypeAndTypmod(type->typid, &typmod);
	if (base == type->typid)
		return;
	if (DomainHasConstraints(type->typid))
		column->domain = type->typid;
	type->kind = sfm_type_for_oid(base, typmod).kind;
	type->typid = base;
	type->typmod = typmod;
}

/* See sfm_rowhash.h.  Looks up the functions of types that go through their input function. */
SfmRowHash *
sfm_rowhash_create(int ncolumns, const SfmType *types)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "sqlite_fdw_mig row hash",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	SfmRowHash *hash = palloc0(sizeof(SfmRowHash));
	SfmJsonHasher *json = NULL;

	hash->mcxt = mcxt;
	hash->ncolumns = ncolumns;
	hash->columns = palloc0(sizeof(SfmHashColumn) * Max(ncolumns, 1));
	hash->row_mcxt = AllocSetContextCreate(mcxt, "sqlite_fdw_mig row", ALLOCSET_DEFAULT_SIZES);
	sfm_hasher_init(&hash->hasher, mcxt);
	for (int i = 0; i < ncolumns; i++)
	{
		SfmHashColumn *column = &hash->columns[i];

		column->type = types[i];
		look_through_domain(column);
		if (column->type.kind == SFM_KIND_JSONB)
		{
			if (json == NULL)
				json = sfm_json_hasher_create();
			column->json = json;
		}
		if (OidIsValid(column->domain))
		{
			column->checks = palloc0(sizeof(DomainConstraintRef));
			InitDomainConstraintRef(column->domain, column->checks, mcxt, true);
			column->econtext = CreateStandaloneExprContext();
		}
		sfm_source_init(column);
		sfm_target_init(column);
	}
	MemoryContextSwitchTo(old);
	return hash;
}

/* See sfm_rowhash.h. */
bool
sfm_rowhash_is_plain(int ncolumns, const SfmType *types)
{
	for (int i = 0; i < ncolumns; i++)
		if (types[i].kind == SFM_KIND_INPUT)
			return false;
	return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/* See sfm_rowhash.h. */
void
sfm_rowhash_free(SfmRowHash *hash)
{
	if (hash == NULL)
		return;
	for (int i = 0; i < hash->ncolumns; i++)
		if (hash->columns[i].econtext != NULL)
			FreeExprContext(hash->columns[i].econtext, true);
	MemoryContextDelete(hash->mcxt);
}

/* Whether the value arrives as NULL, for its column's type. */
static inline bool
counts_as_null(const SfmHashColumn *column, const SfmValue *value)
{
	if (value->cls != SFM_TEXT)
		return value->cls == SFM_NULL;
	return (column->type.empty_as_null && value->len == 0) || sfm_source_is_json_null(column, value);
}

/* See sfm_rowhash.h.  Errors only where a type's own output function raises them. */
int
sfm_rowhash_add_source(SfmRowHash *hash, const SfmValue *values,
					   const bool *null_misfits, SfmChecksum *sum)
{
	MemoryContext old = MemoryContextSwitchTo(hash->row_mcxt);
	int			bad = -1;

	/* what an error left behind in the middle of a row does not count */
	hash->hasher.used = 0;
	hash->hasher.streaming = false;

	for (int i = 0; i < hash->ncolumns; i++)
	{
		SfmHashColumn *column = &hash->columns[i];
		const SfmValue *value = &values[i];

		if (counts_as_null(column, value))
			sfm_put_tag(&hash->hasher, SFM_TAG_NULL);
		else if ((OidIsValid(column->domain) && !sfm_source_domain_takes(column, value)) ||
				 !column->source(column, value, &hash->hasher))
		{
			if (null_misfits == NULL || !null_misfits[i])
			{
				bad = i;
				break;
			}
			sfm_put_tag(&hash->hasher, SFM_TAG_NULL);
		}
	}
	if (bad < 0)
		add_row(hash, sum);
	MemoryContextSwitchTo(old);
	MemoryContextReset(hash->row_mcxt);
	return bad;
}

/* See sfm_rowhash.h. */
void
sfm_rowhash_add_target(SfmRowHash *hash, const Datum *values,
					   const bool *isnull, SfmChecksum *sum)
{
	MemoryContext old = MemoryContextSwitchTo(hash->row_mcxt);

	hash->hasher.used = 0;
	hash->hasher.streaming = false;

	for (int i = 0; i < hash->ncolumns; i++)
	{
		SfmHashColumn *column = &hash->columns[i];

		if (isnull[i])
			sfm_put_tag(&hash->hasher, SFM_TAG_NULL);
		else
			column->target(column, values[i], &hash->hasher);
	}
	add_row(hash, sum);
	MemoryContextSwitchTo(old);
	MemoryContextReset(hash->row_mcxt);
}
