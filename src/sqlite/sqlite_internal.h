/*
 * sqlite_internal.h
 *		What the files of src/sqlite share: the insides of SfmFile and SfmStmt.
 *		Nothing outside this folder includes sqlite3.h or this.
 */
#ifndef SFM_SQLITE_INTERNAL_H
#define SFM_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "lib/ilist.h"
#include "nodes/pg_list.h"
#include "sfm_sqlite.h"

#if SQLITE_VERSION_NUMBER < 3037000
#error "sqlite_fdw_mig needs SQLite 3.37 or later"
#endif

/* How the bytes of the file are reached. */
typedef enum SfmAccess
{
	SFM_ACCESS_LOCKED,			/* the file itself, under SQLite's locks */
	SFM_ACCESS_IMMUTABLE,		/* the file itself, without locks: WAL mode without a -wal */
	SFM_ACCESS_COPY				/* a private copy of the file and its -wal */
} SfmAccess;

struct SfmFile
{
	MemoryContext mcxt;			/* holds everything of this file */
	sqlite3    *db;
	char	   *path;			/* the file that the user named */
	char	   *copy_dir;		/* directory of the private copy, or NULL */
	SfmAccess	access;
	SfmFileIdentity identity;	/* of path, when opened */
	int			busy_timeout;	/* ms */
	int64		busy_since;		/* when the wait for a lock began, µs; 0: not waiting */
	bool		in_transaction;
	bool		memory_limited; /* counts among those under SQLite's heap limit */
	bool		utf16;
	char		encoding[12];
	bool		json_unmarked;	/* this SQLite does not take its JSON functions for innocuous */
	bool		trusted;		/* its schema is; then the lists below bound what it may do */
	List	   *refused;		/* of char *: functions that its SQL may not call */
	List	   *modules;		/* of char *: virtual tables of the library, which its views may not read */
	dlist_head	statements;		/* of SfmStmt, prepared and not finalized */
};

struct SfmStmt
{
	dlist_node	node;			/* in file->statements */
	SfmFile    *file;			/* NULL once finalized */
	sqlite3_stmt *stmt;
	const char *table;			/* for messages, or NULL */
	MemoryContextCallback callback;
	MemoryContext mcxt;
	char	  **utf16_buffers;	/* a column each: text of a UTF-16 file as UTF-8 */
	int		   *utf16_sizes;
};

/* error.c */
extern void sfm_throw(SfmFile *file, int rc, const char *table) __attribute__((noreturn));
extern void sfm_throw_open(const char *path, int rc, const char *message) __attribute__((noreturn));

/* toobig.c */
extern char *sfm_locate_too_big(SfmFile *file, const char *table);

/* stmt.c */
extern void sfm_finalize_all(SfmFile *file);

/* harden.c */
extern void sfm_harden(SfmFile *file);
extern void sfm_trust_schema(SfmFile *file, bool calls_json);

/* functions.c */
extern void sfm_add_functions(SfmFile *file);

/* memory.c */
extern void sfm_memory_begin(SfmFile *file);
extern void sfm_memory_end(SfmFile *file);

/* copy.c */
extern char *sfm_copy_aside(const char *path, const char *vfs, int busy_timeout,
							SfmFileIdentity *identity, char **copy_dir);
extern void sfm_copy_remove(const char *copy_dir);

/* peek.c */
typedef struct SfmHeader
{
	int64		size;
	int			read_version;	/* 1 rollback journal, 2 WAL */
} SfmHeader;
extern void sfm_peek_header(const char *path, const char *vfs, SfmHeader *header);
extern bool sfm_identify(const char *path, SfmFileIdentity *identity);

#endif							/* SFM_SQLITE_INTERNAL_H */
