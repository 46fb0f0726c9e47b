/*
 * sfm_sqlite.h
 *		What the rest of the extension sees of a SQLite file.
 *
 * Only src/sqlite includes sqlite3.h.  Everybody else opens an SfmFile, prepares
 * SfmStmts on it, steps them and reads cells as SfmValues.  All functions that
 * can fail ereport; SQLite's result codes become SQLSTATEs in one place
 * (src/sqlite/error.c).
 *
 * Ownership: an SfmFile lives in a memory context of its own and is closed by
 * sfm_file_close(), which finalizes what is still prepared on it.  An SfmStmt
 * belongs to the memory context that was current when it was prepared, and is
 * finalized by sfm_finalize() or by that context's reset, whichever comes first.
 */
#ifndef SFM_SQLITE_H
#define SFM_SQLITE_H

/* SQLite's storage classes, in SQLite's sort order of classes. */
typedef enum SfmClass
{
	SFM_NULL = 0,
	SFM_INTEGER,
	SFM_REAL,
	SFM_TEXT,
	SFM_BLOB
} SfmClass;
#define SFM_NCLASSES 5

extern const char *sfm_class_name(SfmClass cls);	/* "null", "integer", ... */

/*
 * One SQLite value.  Text and blobs point into SQLite's memory and are valid
 * until the next step, reset or finalize of the statement.  p is never NULL for
 * text or blobs, also when len is 0.  Text is UTF-8 as stored (not verified, may
 * hold NUL bytes).  In a UTF-16 file, text that cannot be written as UTF-8 (lone
 * surrogate, odd length) is handed over as its raw bytes with bad_encoding set.
 */
typedef struct SfmValue
{
	SfmClass	cls;
	bool		bad_encoding;
	int			len;			/* bytes, for text and blob */
	union
	{
		int64		i;
		double		r;
		const char *p;
	}			u;
} SfmValue;

typedef struct SfmFile SfmFile;
typedef struct SfmStmt SfmStmt;

/* What identifies the file on disk at one moment. */
typedef struct SfmFileIdentity
{
	uint64		device;
	uint64		inode;
	int64		size;			/* bytes of the main file */
	int64		mtime_us;		/* microseconds since 1970 */
	int64		wal_size;		/* bytes of the -wal beside it; -1: none */
} SfmFileIdentity;

typedef struct SfmOpenOptions
{
	const char *path;			/* absolute; refused when it runs through a symbolic link */
	const char *vfs;			/* name of a SQLite VFS; NULL: the default */
	int			busy_timeout;	/* ms to wait for a lock */
} SfmOpenOptions;

/* file.c: open, close, snapshot */
extern char *sfm_resolve_path(const char *path);	/* realpath, palloc'd; ereports */
extern SfmFile *sfm_file_open(const SfmOpenOptions *options);
extern void sfm_file_close(SfmFile *file);			/* never throws; NULL is fine */
extern void sfm_file_begin(SfmFile *file);			/* BEGIN and first read; no-op inside */
extern void sfm_file_end(SfmFile *file);			/* ends the read transaction; never throws */
extern bool sfm_file_in_transaction(const SfmFile *file);
extern const char *sfm_file_path(const SfmFile *file);
extern void sfm_file_set_busy_timeout(SfmFile *file, int ms);
extern int	sfm_file_busy_timeout(const SfmFile *file);
extern bool sfm_file_is_shared(const SfmFile *file);	/* others who open it read the same file */
extern int64 sfm_file_data_version(SfmFile *file);	/* changes when another connection commits */
extern const SfmFileIdentity *sfm_file_identity(const SfmFile *file);	/* as it was when opened */
extern bool sfm_file_replaced(const SfmFile *file);	/* another file now has that path */
extern void sfm_file_check_unchanged(SfmFile *file);	/* ereports if an immutable source changed */
extern int64 sfm_file_schema_version(SfmFile *file);
extern const char *sfm_file_note(const SfmFile *file);	/* how it is read (immutable, private copy), or NULL */
extern const char *sfm_sqlite_version(void);

/* stmt.c: prepare, bind, step, read */
extern SfmStmt *sfm_prepare(SfmFile *file, const char *sql, const char *table); /* table: for messages, may be NULL */
extern void sfm_bind_null(SfmStmt *stmt, int n);	/* n counts from 1 */
extern void sfm_bind_int64(SfmStmt *stmt, int n, int64 value);
extern void sfm_bind_text(SfmStmt *stmt, int n, const char *utf8, int len);	/* copied */
extern bool sfm_step(SfmStmt *stmt);				/* true: a row is there; checks for interrupts */
extern void sfm_reset(SfmStmt *stmt);
extern void sfm_finalize(SfmStmt *stmt);
extern int	sfm_column_count(SfmStmt *stmt);
extern void sfm_column(SfmStmt *stmt, int i, SfmValue *value);	/* i counts from 0 */
extern int64 sfm_column_int64(SfmStmt *stmt, int i);	/* as SQLite converts it */
extern char *sfm_column_cstring(SfmStmt *stmt, int i);	/* palloc'd UTF-8, NULL for NULL; ereports on NUL bytes */

/* text.c: text of a SQLite file, which is UTF-8 */
extern bool sfm_valid_utf8(const SfmValue *value);	/* and holds no NUL byte */
/*
 * Converts valid UTF-8 to the database's encoding: *text and *len are replaced by a
 * palloc'd text with a NUL behind it where the encodings differ.  False when the
 * encoding cannot hold it; both are untouched then.
 */
extern bool sfm_utf8_to_database(const char **text, int *len);

/*
 * dialect.c: what the releases of SQLite differ in when they evaluate an expression
 */
typedef enum SfmRounding
{
	SFM_ROUND_NEAR_HALVES,		/* up to 3.42: what is short of a half by 3e-16 is one */
	SFM_ROUND_CUT_DIGITS,		/* up to 3.51: by the first 18 or 19 digits */
	SFM_ROUND_18_DIGITS			/* by 18 rounded digits */
} SfmRounding;

typedef struct SfmSqliteDialect
{
	int			real_digits;	/* significant digits of a REAL as text: 15 or, from 3.53 on, 17 */
	SfmRounding rounding;		/* of round(x, n) and printf('%.nf') */
	bool		cuts_seconds;	/* of a time that is read, .9991 seconds and more are .999 */
	bool		json_valid_null;	/* json_valid(NULL) is NULL; else 0 */
	bool		replace_gives_text; /* replace(x, '', y) is x as text; else x as it is */
} SfmSqliteDialect;

extern const SfmSqliteDialect *sfm_sqlite_dialect(void);	/* of the library in use; ereports when out of memory */

/* memory.c */
extern void sfm_memory_init(void);				/* defines sqlite_fdw_mig.sqlite_memory */

/* quote.c: SQLite's spelling of names and strings; palloc'd */
extern char *sfm_quote_name(const char *name);		/* "na""me" */
extern char *sfm_quote_string(const char *text);	/* 'te''xt' */

#endif							/* SFM_SQLITE_H */
