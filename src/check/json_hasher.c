/*
 * json_hasher.c
 *		Canonical bytes of a jsonb value, without sorting its members.
 *
 * A scalar is put as it comes.  An array or object is its tag, the number of
 * what it holds, and the sum modulo 2^128 of a hash of each: of an element, the
 * hash of its place (from 0) and its bytes; of a member, the hash of its key with
 * the key's length in front, and its bytes.  So members may come in any order,
 * and nothing is kept of a value but a frame and a key for each container that is
 * open, on the heap: depth is not bounded by the stack.
 *
 * Where the reader wants to know of a key that comes twice, which jsonb cannot
 * hold, a 64-bit hash of each key of the open objects is kept as well.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "compat.h"
#include "check_internal.h"

/* A container that is open. */
typedef struct JsonFrame
{
	bool		object;
	uint32		count;
	SfmHash128	sum;
	int			key;			/* inside an object: the container's own, in key_bytes */
	uint32		key_len;
	int			first_key;		/* where its keys begin in SfmJsonHasher.keys */
} JsonFrame;

struct SfmJsonHasher
{
	SfmHasher  *target;			/* where the finished value goes */
	bool		check_keys;
	int			depth;			/* open containers */
	int			max_depth;
	JsonFrame  *frames;
	const char *last_key;		/* of the member being read */
	uint32		last_key_len;
	StringInfoData key_bytes;	/* those of open containers, one behind the other */
	int			nkeys;
	int			max_keys;
	uint64	   *keys;
	SfmHasher	item;			/* the element or member at hand */
};

/* Lives in CurrentMemoryContext, and serves any number of values, one at a time. */
SfmJsonHasher *
sfm_json_hasher_create(void)
{
	SfmJsonHasher *json = palloc0(sizeof(SfmJsonHasher));

	json->max_depth = 32;
	json->frames = palloc(sizeof(JsonFrame) * json->max_depth);
	json->max_keys = 64;
	json->keys = palloc(sizeof(uint64) * json->max_keys);
	initStringInfo(&json->key_bytes);
	sfm_hasher_init(&json->item, CurrentMemoryContext);
	return json;
}

/*
 * A new value begins, whatever became of the last one.  target gets its bytes by
 * the call that completes it, and nothing of a container that is given up.
 */
void
sfm_json_start(SfmJsonHasher *json, SfmHasher *target, bool check_keys)
{
	json->target = target;
	json->check_keys = check_keys;
	json->depth = 0;
	json->nkeys = 0;
	json->key_bytes.len = 0;
	json->item.used = 0;
	json->item.streaming = false;
}

static inline void
put_key(SfmJsonHasher *json, const char *key, uint32 len)
{
	sfm_store32(sfm_put_room(&json->item, 4), len);
	sfm_put_bytes(&json->item, key, len);
}

/*
 * Where the next scalar goes; inside an array its place is put first.  Inside an
 * object its key has been put already.
 */
static inline SfmHasher *
open_item(SfmJsonHasher *json)
{
	JsonFrame  *frame;

	if (json->depth == 0)
		return json->target;
	frame = &json->frames[json->depth - 1];
	if (!frame->object)
		sfm_store64(sfm_put_room(&json->item, 8), frame->count);
	return &json->item;
}

static inline void
close_item(SfmJsonHasher *json)
{
	JsonFrame  *frame;

	if (json->depth == 0)
		return;
	frame = &json->frames[json->depth - 1];
	sfm_hash128_add(&frame->sum, sfm_hasher_finish(&json->item));
	frame->count++;
}

/* An array or object begins, as the next value. */
void
sfm_json_begin(SfmJsonHasher *json, bool object)
{
	JsonFrame  *frame;

	if (json->depth == json->max_depth)
	{
		json->max_depth *= 2;
		json->frames = repalloc_huge(json->frames, sizeof(JsonFrame) * json->max_depth);
	}
	frame = &json->frames[json->depth++];
	frame->object = object;
	frame->count = 0;
	frame->sum.lo = frame->sum.hi = 0;
	frame->first_key = json->nkeys;
	frame->key = json->key_bytes.len;
	frame->key_len = 0;
	if (json->depth > 1 && frame[-1].object)
	{
		/* its key is put when it ends, since its members are hashed before */
		json->item.used = 0;
		json->item.streaming = false;
		frame->key_len = json->last_key_len;
		appendBinaryStringInfo(&json->key_bytes, json->last_key, json->last_key_len);
	}
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* Few keys are compared with each other, many are sorted first. */
static bool
keys_differ(uint64 *keys, int n)
{
	if (n <= 16)
	{
		for (int i = 1; i < n; i++)
			for (int j = 0; j < i; j++)
				if (keys[i] == keys[j])
					return false;
		return true;
	}
	qsort(keys, n, sizeof(uint64), compare_hashes);
	for (int i = 1; i < n; i++)
		if (keys[i - 1] == keys[i])
			return false;
	return true;
}

/* The innermost container ends, and with the outermost the value: see sfm_json_start(). */
bool
sfm_json_end(SfmJsonHasher *json)
{
	JsonFrame	frame = json->frames[--json->depth];
	SfmHasher  *to;
	uint8	   *room;

	if (frame.object && json->check_keys &&
		!keys_differ(json->keys + frame.first_key, json->nkeys - frame.first_key))
		return false;
	json->nkeys = frame.first_key;
	json->key_bytes.len = frame.key;

	if (json->depth > 0 && json->frames[json->depth - 1].object)
		put_key(json, json->key_bytes.data + frame.key, frame.key_len);
	to = open_item(json);
	room = sfm_put_room(to, 21);
	room[0] = frame.object ? SFM_TAG_JSON_OBJECT : SFM_TAG_JSON_ARRAY;
	sfm_store32(room + 1, frame.count);
	sfm_store64(room + 5, frame.sum.lo);
	sfm_store64(room + 13, frame.sum.hi);
	close_item(json);
	return true;
}

/* The key of the next value of an object.  It must stay where it is until the next call. */
void
sfm_json_key(SfmJsonHasher *json, const char *key, uint32 len)
{
	json->last_key = key;
	json->last_key_len = len;
	put_key(json, key, len);
	if (!json->check_keys)
		return;
	if (json->nkeys == json->max_keys)
	{
		json->max_keys *= 2;
		json->keys = repalloc_huge(json->keys, sizeof(uint64) * json->max_keys);
	}
	json->keys[json->nkeys++] = sfm_hash64_bytes(key, len);
}

/* null, true or false */
void
sfm_json_tag(SfmJsonHasher *json, uint8 tag)
{
	sfm_put_tag(open_item(json), tag);
	close_item(json);
}

/* A string without its escapes, in UTF-8. */
void
sfm_json_string(SfmJsonHasher *json, const char *text, uint32 len)
{
	sfm_put_string(open_item(json), SFM_TAG_TEXT, text, len);
	close_item(json);
}

/* A number. */
void
sfm_json_decimal(SfmJsonHasher *json, const SfmDigits *decimal)
{
	sfm_put_decimal(open_item(json), decimal);
	close_item(json);
}
