/*
 * translate_shim.h
 *		The few functions of the server that src/translate calls, for a program without one.
 */
#ifndef TRANSLATE_SHIM_H
#define TRANSLATE_SHIM_H

#include <setjmp.h>

/* Where an error of the server (stack depth) goes; set before the first call. */
extern jmp_buf shim_error;

/* Notes how deep the stack is now: check_stack_depth() counts from here. */
extern void shim_stack_base(void);

/* Which release of SQLite sfm_sqlite_dialect() tells of: the oldest is 0. */
#define SHIM_DIALECTS 3
extern int	shim_dialect;

#endif							/* TRANSLATE_SHIM_H */
