/*
 * print.h
 *		The parser's trees as SQL again, for its tests and fuzzers only.
 */
#ifndef SFM_FUZZ_PRINT_H
#define SFM_FUZZ_PRINT_H

#include "lib/stringinfo.h"
#include "sfm_ast.h"

/* SQLite's SQL with every operator in parentheses, so that no precedence is left. */
extern void print_expr(StringInfo out, const SfmExpr *expr);
extern void print_select(StringInfo out, const SfmSelect *select);
extern void print_name(StringInfo out, const char *name);
extern void print_string(StringInfo out, const char *text);

#endif							/* SFM_FUZZ_PRINT_H */
