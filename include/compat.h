/*
 * compat.h
 *		The one place where PostgreSQL and SQLite versions are tested.
 *
 * Everything else is written against the newest API; what older releases lack
 * is supplied here under the newer name.
 */
#ifndef SFM_COMPAT_H
#define SFM_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "sqlite_fdw_mig needs PostgreSQL 15 or later"
#endif

/*
 * The module is built with -fvisibility=hidden.  PostgreSQL 15's
 * PG_FUNCTION_INFO_V1 marks only the info function, so that entry points need
 * a declaration of their own; from 16 on this repeats what the macro does.
 */
#define SFM_FUNCTION(name) \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
/* Input functions can report what they refuse instead of raising an error. */
#include "nodes/miscnodes.h"
#define SFM_SOFT_INPUT
#endif
/* Callbacks of the JSON parser can fail softly from 16 on; its lexer can be the caller's from 17. */
#if PG_VERSION_NUM >= 160000
#define SFM_JSON_RESULT JsonParseErrorType
#define SFM_JSON_RETURN return JSON_SUCCESS
#else
#define SFM_JSON_RESULT void
#define SFM_JSON_RETURN return
#endif
#if PG_VERSION_NUM >= 170000
#define sfm_json_lexer(text, len, escapes) makeJsonLexContextCstringLen(NULL, text, len, PG_UTF8, escapes)
#else
#define sfm_json_lexer(text, len, escapes) makeJsonLexContextCstringLen(text, len, PG_UTF8, escapes)
#endif

/* Newer releases move what an EXPLAIN callback needs into headers of its own. */
#if PG_VERSION_NUM >= 180000
#define SFM_EXPLAIN_HEADER "commands/explain_format.h"
#define SFM_EXPLAIN_STATE_HEADER "commands/explain_state.h"
#define sfm_vacuum_delay_point() vacuum_delay_point(true)
#else
#define SFM_EXPLAIN_HEADER "commands/explain.h"
#define SFM_EXPLAIN_STATE_HEADER "commands/explain.h"
#define sfm_vacuum_delay_point() vacuum_delay_point()
#endif

/* Elements that an array expression will have, as a guess. */
#if PG_VERSION_NUM >= 170000
#define sfm_estimate_array_length(root, expr) estimate_array_length(root, expr)
#else
#define sfm_estimate_array_length(root, expr) ((double) estimate_array_length(expr))
#endif

/* A plain scan's path: default target, no order, no outer path, no join to push. */
#if PG_VERSION_NUM >= 180000
#define sfm_create_scan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, NIL, outer, NULL, NIL, NIL)
#elif PG_VERSION_NUM >= 170000
#define sfm_create_scan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, outer, NULL, NIL, NIL)
#else
#define sfm_create_scan_path(root, rel, rows, startup, total, outer) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL, outer, NULL, NIL)
#endif

/* Rights on a foreign server: the function of each class became object_aclcheck() in 16. */
#if PG_VERSION_NUM >= 160000
#define sfm_server_aclcheck(oid, role, mode) \
	object_aclcheck(ForeignServerRelationId, oid, role, mode)
#define sfm_namespace_aclcheck(oid, role, mode) \
	object_aclcheck(NamespaceRelationId, oid, role, mode)
#define sfm_database_aclcheck(oid, role, mode) \
	object_aclcheck(DatabaseRelationId, oid, role, mode)
#define sfm_table_ownercheck(oid, role) \
	object_ownercheck(RelationRelationId, oid, role)
#define sfm_parse_type_string(name, typid, typmod) \
	((void) parseTypeString(name, typid, typmod, NULL))
#else
#define sfm_server_aclcheck(oid, role, mode)	pg_foreign_server_aclcheck(oid, role, mode)
#define sfm_namespace_aclcheck(oid, role, mode)	pg_namespace_aclcheck(oid, role, mode)
#define sfm_database_aclcheck(oid, role, mode)	pg_database_aclcheck(oid, role, mode)
#define sfm_table_ownercheck(oid, role)	pg_class_ownercheck(oid, role)
#define sfm_parse_type_string(name, typid, typmod) \
	parseTypeString(name, typid, typmod, false)
#endif

/* An index of which the catalog is told and whose file stays empty; returns its OID. */
#if PG_VERSION_NUM >= 160000
#define sfm_define_index(relid, stmt) \
	(DefineIndex(relid, stmt, InvalidOid, InvalidOid, InvalidOid, -1, false, true, true, true, false).objectId)
#else
#define sfm_define_index(relid, stmt) \
	(DefineIndex(relid, stmt, InvalidOid, InvalidOid, InvalidOid, false, true, true, true, false).objectId)
#endif

/* Whether rows may be pruned that a snapshot needs; then CREATE INDEX sets indcheckxmin. */
#if PG_VERSION_NUM >= 170000
#define sfm_early_pruning() false
#else
#define sfm_early_pruning() (old_snapshot_threshold >= 0)
#endif

/* Sizes for the planner, inside a transaction that goes on. */
#if PG_VERSION_NUM >= 180000
#define sfm_update_relstats(rel, pages, tuples, visible, frozen) \
	vac_update_relstats(rel, pages, tuples, visible, frozen, true, InvalidTransactionId, \
						InvalidMultiXactId, NULL, NULL, true)
#else
#define sfm_update_relstats(rel, pages, tuples, visible, frozen) \
	vac_update_relstats(rel, pages, tuples, visible, true, InvalidTransactionId, \
						InvalidMultiXactId, NULL, NULL, true)
#endif

/* The tables' default; and what ANALYZE reports, of all columns and without dead rows. */
#if PG_VERSION_NUM >= 170000
#define sfm_set_statistics_target(stats, attribute) ((stats)->attstattarget = -1)
#else
#define sfm_set_statistics_target(stats, attribute) \
	((stats)->attr = memcpy(palloc(ATTRIBUTE_FIXED_PART_SIZE), attribute, ATTRIBUTE_FIXED_PART_SIZE))
#endif
#if PG_VERSION_NUM >= 180000
#define sfm_report_analyze(rel, tuples, began) pgstat_report_analyze(rel, tuples, 0, true, began)
#else
#define sfm_report_analyze(rel, tuples, began) ((void) (began), pgstat_report_analyze(rel, tuples, 0, true))
#endif

/* "text IS JSON" */
#define SFM_HAVE_IS_JSON (PG_VERSION_NUM >= 160000)

/* NOT NULLs are constraints with names, which have to differ from others of the table. */
#define SFM_HAVE_NOT_NULL_NAMES (PG_VERSION_NUM >= 180000)

#endif							/* SFM_COMPAT_H */
