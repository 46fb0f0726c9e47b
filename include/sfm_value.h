/*
 * sfm_value.h
 *		One SQLite value becomes one Datum: the type table, the converters, and
 *		what to do when a value does not fit.
 *
 * One mechanism serves the foreign scan, the load and the survey (dry_run,
 * inspect, script).  A column has an SfmType, the decision.  sfm_conv_create()
 * chooses the conversion function for it once; the function returns an SfmFit
 * rather than throw.  A value that fits leaves only a class count and a few flags
 * (SfmSeen), which costs next to nothing; a value that does not is described by
 * sfm_misfit_add() (SfmMisfits).  From the decision, what was seen and the
 * misfits, sfm_widen() derives the narrowest type that holds them all, so that
 * nothing needs a pass over the data of its own.
 */
#ifndef SFM_VALUE_H
#define SFM_VALUE_H

#include "lib/stringinfo.h"
#include "sfm_read.h"
#include "sfm_sqlite.h"

/* Which converter a type has. */
typedef enum SfmKind
{
	SFM_KIND_BOOL,
	SFM_KIND_INT2,
	SFM_KIND_INT4,
	SFM_KIND_INT8,
	SFM_KIND_FLOAT4,
	SFM_KIND_FLOAT8,
	SFM_KIND_NUMERIC,
	SFM_KIND_TEXT,				/* text */
	SFM_KIND_VARCHAR,
	SFM_KIND_BPCHAR,
	SFM_KIND_BYTEA,
	SFM_KIND_DATE,
	SFM_KIND_TIME,
	SFM_KIND_TIMESTAMP,
	SFM_KIND_TIMESTAMPTZ,
	SFM_KIND_JSON,
	SFM_KIND_JSONB,
	SFM_KIND_UUID,
	SFM_KIND_INPUT				/* any other type, through its input function */
} SfmKind;
#define SFM_NKINDS (SFM_KIND_INPUT + 1)

/* How numbers in a date column are read: SfmReading, in sfm_read.h. */
extern const char *sfm_reading_name(SfmReading reading);	/* NULL for NONE */
extern bool sfm_reading_from_name(const char *name, SfmReading *reading);

/* The decision for one column. */
typedef struct SfmType
{
	Oid			typid;
	int32		typmod;			/* -1: none */
	SfmKind		kind;
	SfmReading	reading;
	bool		mixed;			/* text, bytea: take every storage class (numbers in
								 * their shortest exact form, blobs that are valid
								 * text as text; into bytea, text as its bytes) */
	bool		empty_as_null;	/* '' becomes NULL */
	bool		fixed;			/* the target's type cannot be widened: a date-time with
								 * an offset is converted to UTC where there is no zone */
	bool		by_values;		/* nothing known was declared: what the values are decides */
} SfmType;

/* Why a value does not fit; SFM_FIT and SFM_FIT_NULL are no misfits. */
typedef enum SfmFit
{
	SFM_FIT = 0,
	SFM_FIT_NULL,				/* the result is NULL (NULL, or '' with empty_as_null) */
	SFM_MISFIT_CLASS,			/* this storage class is not taken */
	SFM_MISFIT_SYNTAX,			/* text does not read as the type */
	SFM_MISFIT_RANGE,			/* out of the type's range */
	SFM_MISFIT_INEXACT,			/* would be rounded */
	SFM_MISFIT_TYPMOD,			/* fits the type, not its length or precision */
	SFM_MISFIT_ENCODING,		/* no valid text in the database's encoding, or a NUL byte */
	SFM_MISFIT_READING,			/* a number in a date column that has no reading for it */
	SFM_MISFIT_OFFSET,			/* a date-time with an offset in a column without zone */
	SFM_MISFIT_TIME_PART,		/* a date with a time of day */
	SFM_MISFIT_JSONB,			/* valid JSON that jsonb would change or refuse */
	SFM_MISFIT_TOO_LONG,		/* over PostgreSQL's 1 GB a field */
	SFM_MISFIT_INPUT			/* the type's input function refused it */
} SfmFit;
#define SFM_IS_MISFIT(fit) ((fit) > SFM_FIT_NULL)

/* A phrase for messages, e.g. "is out of range for type smallint". */
extern char *sfm_fit_phrase(SfmFit fit, const SfmType *type);

/* What values that fit leave behind. */
typedef struct SfmSeen
{
	int64		n[SFM_NCLASSES];	/* values by storage class, fits and misfits */
	int64		spelled;		/* values whose spelling changed (DESIGN's closed list) */
	bool		wide_integer;	/* an integer that no double holds exactly */
	bool		offset;			/* a date-time with an offset or Z */
	bool		fraction;		/* a numeric with decimals, for choosing a wider type */
	bool		has_minmax;		/* date kinds: the least and greatest value below are set */
	Datum		min;			/* by value: date, time, timestamp kinds only */
	Datum		max;
	int64		emptied;		/* '' that became NULL by empty_as_null; counted as text in n */
	int64		json_nulls;		/* JSON null that became NULL in an array or hstore; likewise */
} SfmSeen;

typedef struct SfmConv SfmConv;
typedef SfmFit (*SfmConvFn) (SfmConv *conv, const SfmValue *value, Datum *result);

/*
 * A converter.  Owned by the memory context current at creation; results are
 * palloc'd in the context current at the call.  private_data is the function's.
 */
struct SfmConv
{
	SfmConvFn	fn;
	SfmType		type;
	SfmSeen		seen;
	const char *input_error;	/* message of the last SFM_MISFIT_INPUT, or NULL */
	void	   *private_data;
};

extern SfmConv *sfm_conv_create(const SfmType *type);

/* Converts one value.  On SFM_FIT *result is set; on anything else it is not. */
static inline SfmFit
sfm_convert(SfmConv *conv, const SfmValue *value, Datum *result)
{
	conv->seen.n[value->cls]++;
	if (value->cls == SFM_NULL)
		return SFM_FIT_NULL;
	return conv->fn(conv, value, result);
}

/*
 * What the misfits of one column have in common: enough to choose a type for
 * them, bounded in size whatever their number.
 */
typedef struct SfmMisfits
{
	int64		n;
	int64		by_class[SFM_NCLASSES];
	int64		by_fit[SFM_MISFIT_INPUT + 1];
	/* the first one */
	int64		first_rowid;	/* valid when first_has_rowid */
	bool		first_has_rowid;
	SfmFit		first_fit;
	SfmClass	first_class;
	char	   *first_value;	/* printable, cut to 64 bytes */
	bool		first_as_text;	/* first_value is the text itself, not its bytes in hex */
	/* the rest is filled and read by src/value/widen.c alone */
	int64		int_min;
	int64		int_max;
	bool		any_wide_integer;
	bool		any_fraction;	/* a real or decimal text that is not whole */
	bool		any_infinity;
	bool		any_invalid_text;	/* text or blob that is no valid text */
	bool		any_not_decimal;	/* text that is no decimal number */
	bool		any_not_date;	/* text that our ISO reader does not take at all */
	bool		any_offset;
	bool		any_time_part;
	bool		any_not_json;
	bool		number_not_calendar;
	bool		number_not_julian;
	bool		number_not_unix;
	bool		number_not_unix_ms;
	bool		any_number;
	double		number_min;
	double		number_max;
	bool		any_beyond_int64;	/* a whole number that bigint cannot hold */
	bool		calendar_leaves_range;	/* a YYYYMMDD number outside 1900 to 2200 */
	bool		any_too_long;
} SfmMisfits;

/* Describes one misfit.  Allocates only for the first one, in mcxt. */
extern void sfm_misfit_add(SfmMisfits *misfits, const SfmConv *conv,
						   const SfmValue *value, SfmFit fit,
						   bool has_rowid, int64 rowid, MemoryContext mcxt);

/*
 * Whether the type table itself answers this misfit with another type: a length or
 * precision that is not kept, an offset, a time of day, numbers with one reading,
 * JSON that jsonb would change, blobs among texts and texts among blobs.  Such a
 * value is no misfit to be made NULL or rejected where the type is ours to choose.
 */
extern bool sfm_misfit_is_soft(const SfmType *planned, const SfmValue *value, SfmFit fit);
/* Whether widening for soft misfits arrived at a type that the table means. */
extern bool sfm_type_follows(const SfmType *planned, const SfmType *found);

/* types.c: the table of DESIGN.md section 2 */
extern SfmType sfm_type_for_declaration(const char *declared);	/* NULL: none given */
extern char sfm_affinity(const char *declared);	/* 'I' integer, 'T' text, 'B' blob, 'R' real, 'N' numeric */
extern SfmType sfm_type_for_oid(Oid typid, int32 typmod);	/* looks through domains to choose the kind */
extern char *sfm_type_name(const SfmType *type);	/* format_type_with_typemod, schema-qualified unless in pg_catalog */

/*
 * widen.c: the narrowest type that holds all values seen and all misfits
 * exactly.  *why, when not NULL, receives a clause for the note.  Returns the
 * planned type unchanged when there were no misfits.
 */
extern SfmType sfm_widen(const SfmType *planned, const SfmSeen *seen,
						 const SfmMisfits *misfits, StringInfo why);

/*
 * One type that holds all values of both, for columns tied by a foreign key.
 * With what was seen in each column (NULL: unknown) the answer is narrower: a
 * column without values takes the other's type, and only then is it known
 * whether a uuid column holds blobs (without it, none are assumed).
 * empty_as_null is set when it is in both; the caller keeps each column's own.
 */
extern SfmType sfm_unify_seen(const SfmType *a, const SfmSeen *a_seen,
							  const SfmType *b, const SfmSeen *b_seen);

/*
 * A value as messages and rejected rows show it: printable, at most 64 bytes of
 * it, "..." after what was cut; without quotes.  Blobs and invalid text as x'...'.
 */
extern char *sfm_value_for_message(const SfmValue *value);

#ifdef SFM_FAULTS
/*
 * fault.c, test builds only: the setting sqlite_fdw_mig.fault names a kind whose
 * converter silently alters the third value of each column.
 */
extern int	sfm_fault_kind;		/* an SfmKind; -1: none */
extern void sfm_fault_init(void);	/* for _PG_init */
#endif

#endif							/* SFM_VALUE_H */
