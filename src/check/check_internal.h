/*
 * check_internal.h
 *		What the files of src/check share: the framing of canonical bytes.
 *
 * Both sides of the checksum put their values through the functions here, so
 * that equal values have equal bytes; how a value is read differs a side and is
 * in canonical_source.c, source_*.c and canonical_target.c.
 * docs/checksum.md gives the format.  All numbers are little-endian.
 */
#ifndef SFM_CHECK_INTERNAL_H
#define SFM_CHECK_INTERNAL_H

#include "fmgr.h"
#include "port/pg_bswap.h"

#include "nodes/execnodes.h"
#include "utils/typcache.h"
#include "sfm_rowhash.h"

typedef struct SfmHash128
{
	uint64		lo;
	uint64		hi;
} SfmHash128;

/*
 * A hasher collects bytes and ends in one XXH128.  What fits the buffer is
 * hashed in one shot; the first value that does not turns it into a stream,
 * through which large values go without being copied.
 */
#define SFM_HASHER_BUFFER 4096

typedef struct SfmHasher
{
	int			used;			/* bytes waiting in buffer */
	bool		streaming;		/* earlier ones are in state */
	struct XXH3_state_s *state; /* made when first needed */
	MemoryContext mcxt;			/* where it is made */
	uint8		buffer[SFM_HASHER_BUFFER];
} SfmHasher;

/* rowhash.c */
extern void sfm_hasher_init(SfmHasher *hasher, MemoryContext mcxt);
extern void sfm_hasher_spill(SfmHasher *hasher, const void *bytes, size_t len);
extern SfmHash128 sfm_hasher_finish(SfmHasher *hasher); /* and ready for the next */
extern uint64 sfm_hash64_bytes(const void *bytes, size_t len);

static inline void
sfm_hash128_add(SfmHash128 *into, SfmHash128 h)
{
	into->lo += h.lo;
	into->hi += h.hi + (into->lo < h.lo);
}

/* Room for a value of fixed size, at most 64 bytes: where to write it. */
static inline uint8 *
sfm_put_room(SfmHasher *hasher, int len)
{
	if (unlikely(hasher->used + len > SFM_HASHER_BUFFER))
		sfm_hasher_spill(hasher, NULL, 0);
	hasher->used += len;
	return hasher->buffer + hasher->used - len;
}

static inline void
sfm_put_bytes(SfmHasher *hasher, const void *bytes, size_t len)
{
	if (unlikely(hasher->used + len > SFM_HASHER_BUFFER))
		sfm_hasher_spill(hasher, bytes, len);
	else
	{
		memcpy(hasher->buffer + hasher->used, bytes, len);
		hasher->used += len;
	}
}

#ifdef WORDS_BIGENDIAN
#define SFM_LE64(x) pg_bswap64(x)
#define SFM_LE32(x) pg_bswap32(x)
#else
#define SFM_LE64(x) (x)
#define SFM_LE32(x) (x)
#endif

static inline void
sfm_store64(uint8 *to, uint64 value)
{
	value = SFM_LE64(value);
	memcpy(to, &value, 8);
}

static inline void
sfm_store32(uint8 *to, uint32 value)
{
	value = SFM_LE32(value);
	memcpy(to, &value, 4);
}

/* The tags: what a value is, before its bytes. */
#define SFM_TAG_NULL		0x00
#define SFM_TAG_BOOL		'b'
#define SFM_TAG_INTEGER		'i'
#define SFM_TAG_FLOAT		'f'
#define SFM_TAG_DECIMAL		'n'
#define SFM_TAG_LONG_DECIMAL 'N'
#define SFM_TAG_SPECIAL		's' /* NaN and the infinities of numeric */
#define SFM_TAG_TEXT		't'
#define SFM_TAG_BYTES		'x'
#define SFM_TAG_DATE		'd'
#define SFM_TAG_TIME		'c'
#define SFM_TAG_TIMESTAMP	'p'
#define SFM_TAG_TIMESTAMPTZ 'z'
#define SFM_TAG_UUID		'u'
#define SFM_TAG_JSON_TEXT	'j'
#define SFM_TAG_INTERVAL	'v'
#define SFM_TAG_OTHER		'o'
/* jsonb: decimals, texts and these */
#define SFM_TAG_JSON_NULL	'0'
#define SFM_TAG_JSON_TRUE	'T'
#define SFM_TAG_JSON_FALSE	'F'
#define SFM_TAG_JSON_ARRAY	'A'
#define SFM_TAG_JSON_OBJECT 'O'

static inline void
sfm_put_tag(SfmHasher *hasher, uint8 tag)
{
	*sfm_put_room(hasher, 1) = tag;
}

static inline void
sfm_put_bool(SfmHasher *hasher, bool value)
{
	uint8	   *to = sfm_put_room(hasher, 2);

	to[0] = SFM_TAG_BOOL;
	to[1] = value;
}

/* Integers, and dates and times as counts of days or microseconds. */
static inline void
sfm_put_int64(SfmHasher *hasher, uint8 tag, int64 value)
{
	uint8	   *to = sfm_put_room(hasher, 9);

	to[0] = tag;
	sfm_store64(to + 1, (uint64) value);
}

static inline void
sfm_put_float(SfmHasher *hasher, double value)
{
	uint64		bits;

	memcpy(&bits, &value, 8);
	sfm_put_int64(hasher, SFM_TAG_FLOAT, (int64) bits);
}

/* Texts and bytes: a length, then themselves. */
static inline void
sfm_put_string(SfmHasher *hasher, uint8 tag, const void *bytes, uint32 len)
{
	uint8	   *to = sfm_put_room(hasher, 5);

	to[0] = tag;
	sfm_store32(to + 1, len);
	sfm_put_bytes(hasher, bytes, len);
}

/*
 * A decimal number: coefficient times 10^exponent, the coefficient being whole
 * and no multiple of 10 (zero has exponent 0).  With up to 18 digits it is in
 * "small"; longer ones are ASCII digits, lying in one or two pieces wherever the
 * reader found them.
 */
#define SFM_SMALL_DIGITS 18

typedef struct SfmDigits
{
	char		special;		/* 0; 'n' NaN, '+' or '-' infinity: nothing else is set */
	bool		negative;
	int32		exponent;
	int32		written;		/* the exponent of the last digit as it was written */
	int32		ndigits;		/* 0 for zero */
	int64		small;			/* without sign */
	const char *piece[2];
	int32		piece_len[2];
} SfmDigits;

extern void sfm_put_decimal(SfmHasher *hasher, const SfmDigits *decimal);

/*
 * jsonb values: scalars are put as they come, containers as the sum of the
 * hashes of what they hold, so that members need no order.  The reader calls
 * begin, key, the scalars and end; the finished value is put into the target.
 */
typedef struct SfmJsonHasher SfmJsonHasher;

extern SfmJsonHasher *sfm_json_hasher_create(void);
extern void sfm_json_start(SfmJsonHasher *json, SfmHasher *target, bool check_keys);
extern void sfm_json_begin(SfmJsonHasher *json, bool object);
extern bool sfm_json_end(SfmJsonHasher *json);	/* false: check_keys, and a key came twice */
extern void sfm_json_key(SfmJsonHasher *json, const char *key, uint32 len);
extern void sfm_json_tag(SfmJsonHasher *json, uint8 tag);
extern void sfm_json_string(SfmJsonHasher *json, const char *text, uint32 len);
extern void sfm_json_decimal(SfmJsonHasher *json, const SfmDigits *decimal);

/* One hashed column. */
typedef struct SfmHashColumn SfmHashColumn;

/*
 * Puts the canonical bytes of a value that is not NULL.  The source's function
 * returns false, having put nothing, when the value has none.
 */
typedef bool (*SfmSourceFn) (SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);
typedef void (*SfmTargetFn) (SfmHashColumn *column, Datum value, SfmHasher *hasher);

struct SfmHashColumn
{
	SfmType		type;			/* of a domain: the type beneath */
	SfmSourceFn source;
	SfmTargetFn target;
	SfmJsonHasher *json;		/* shared by the row's columns; NULL where none is jsonb */
	Oid			domain;			/* with checks; else InvalidOid */
	DomainConstraintRef *checks;
	ExprContext *econtext;
	/* SFM_KIND_INPUT, and what is beneath a domain */
	int			max_len;		/* the longest text that the type does not cut */
	FmgrInfo	input;
	Oid			typioparam;
	FmgrInfo	output;
};

/* source_special.c: whether the domain's checks take the value */
extern bool sfm_source_domain_takes(SfmHashColumn *column, const SfmValue *value);

/* canonical_source.c: calls the type's input function; false when it refuses the text */
extern bool sfm_source_call_input(SfmHashColumn *column, char *text, Datum *result);

/* canonical_source.c, canonical_target.c: choose the function, look up what it needs */
extern void sfm_source_init(SfmHashColumn *column);
extern void sfm_target_init(SfmHashColumn *column);

/*
 * source_number.c: numbers as the source holds them
 */

/* A decimal text that is one to its end: [sign] digits [. digits] [e [sign] digits].
 * The pieces of a long one point into it. */
extern bool sfm_source_decimal_text(const char *text, int len, SfmDigits *decimal);

/* Shortest exact decimal form; buffer holds the pieces of a long one.  x is no NaN. */
extern void sfm_source_decimal_real(double x, SfmDigits *decimal, char *buffer);
#define SFM_REAL_BUFFER 32
extern void sfm_source_decimal_int(int64 i, SfmDigits *decimal, char *buffer);

/* Whether numeric, with this typmod, holds it without rounding. */
extern bool sfm_source_decimal_fits(const SfmDigits *decimal, int32 typmod);

/* A number as text, spelled as int8out and float8out do; returns the length. */
extern int	sfm_source_number_text(const SfmValue *value, char *buffer);

/* A whole number within int8: integers, whole reals and texts of digits. */
extern bool sfm_source_whole(const SfmValue *value, int64 *whole);

/*
 * source_date.c
 */
extern bool sfm_source_date(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);
extern bool sfm_source_time(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);
extern bool sfm_source_timestamp(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);

/*
 * source_json.c
 */
extern bool sfm_source_json(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);
extern bool sfm_source_jsonb(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher);

/*
 * source_special.c
 */
extern bool sfm_source_interval(SfmHashColumn *column, const SfmValue *value, SfmHasher *hasher,
								bool *own);
extern void sfm_target_interval(SfmHashColumn *column, Datum value, SfmHasher *hasher);
extern bool sfm_source_kept(Oid typid, char *text, Datum datum);
extern bool sfm_source_is_json_null(const SfmHashColumn *column, const SfmValue *value);
extern char *sfm_source_container(const SfmHashColumn *column, const SfmValue *value, bool *refused);

/* The longest value that a varlena holds. */
#define SFM_MAX_FIELD ((int) (MaxAllocSize - VARHDRSZ))

/* canonical_source.c: valid UTF-8 without NUL that the database's encoding can hold */
extern bool sfm_source_text_valid(const char *text, int len);

#endif							/* SFM_CHECK_INTERNAL_H */
