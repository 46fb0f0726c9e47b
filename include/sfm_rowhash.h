/*
 * sfm_rowhash.h
 *		The checksum that proves a table arrived: the sum modulo 2^128 of a fixed
 *		hash of every row (docs/checksum.md gives the format).
 *
 * The source side makes its canonical bytes from SQLite values, the target side
 * from Datums read back.  Neither uses anything of the converters in src/value,
 * so that their faults show; both know only the column's decision (SfmType).
 */
#ifndef SFM_ROWHASH_H
#define SFM_ROWHASH_H

#include "sfm_value.h"

typedef struct SfmChecksum
{
	int64		rows;
	uint64		lo;				/* sum modulo 2^128 */
	uint64		hi;
} SfmChecksum;

extern void sfm_checksum_add(SfmChecksum *into, const SfmChecksum *other);
extern void sfm_checksum_subtract(SfmChecksum *from, const SfmChecksum *other);
extern bool sfm_checksum_equal(const SfmChecksum *a, const SfmChecksum *b);	/* rows and sum */
extern char *sfm_checksum_text(const SfmChecksum *sum);	/* 32 hex digits, palloc'd */

typedef struct SfmRowHash SfmRowHash;

/* types: one a hashed column, in source column order; copied.  Lives in CurrentMemoryContext. */
extern SfmRowHash *sfm_rowhash_create(int ncolumns, const SfmType *types);
extern void sfm_rowhash_free(SfmRowHash *hash); /* NULL is fine */

/*
 * Whether a checksum over these types needs neither a catalog nor a conversion of
 * encodings, so that a process without a database can make one for source rows.
 */
extern bool sfm_rowhash_is_plain(int ncolumns, const SfmType *types);

/*
 * Adds one source row to *sum.  Returns -1, or the index of the first column
 * whose value has no canonical form for its type (then nothing was added).  With
 * null_misfits[i] (may be NULL: none) such a value of column i counts as NULL.
 */
extern int	sfm_rowhash_add_source(SfmRowHash *hash, const SfmValue *values,
								   const bool *null_misfits, SfmChecksum *sum);

/* Adds one target row to *sum.  The Datums are of the decision's types. */
extern void sfm_rowhash_add_target(SfmRowHash *hash, const Datum *values,
								   const bool *isnull, SfmChecksum *sum);

#endif							/* SFM_ROWHASH_H */
