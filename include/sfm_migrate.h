/*
 * sfm_migrate.h
 *		A migration is data before it is action.
 *
 * sfm_plan_build() makes one SfmPlan from the arguments, the source's catalog and
 * what is in the target.  dry_run, script and inspect survey the source and print
 * the plan; migrate loads, learns the same things from the load, and carries the
 * plan out.  Statements are made from the plan in one place (ddl.c), names and
 * types are decided in one place (plan.c), objects in another (objects.c).
 *
 * Everything of a call lives in plan->mcxt.
 */
#ifndef SFM_MIGRATE_H
#define SFM_MIGRATE_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "sfm_catalog.h"
#include "sfm_fdw.h"
#include "sfm_names.h"
#include "sfm_rowhash.h"
#include "sfm_translate.h"
#include "sfm_value.h"
#include "utils/jsonb.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"

/* The SQL functions; each fills the result set of its caller. */
extern void sfm_migrate(FunctionCallInfo fcinfo);
extern void sfm_script(FunctionCallInfo fcinfo);
extern void sfm_inspect(FunctionCallInfo fcinfo);
extern void sfm_verify(FunctionCallInfo fcinfo);
extern void sfm_fix_sequences(FunctionCallInfo fcinfo);

/*
 * Arguments (options.c)
 */
typedef enum SfmIfExists
{
	SFM_IF_EXISTS_ERROR,
	SFM_IF_EXISTS_APPEND,
	SFM_IF_EXISTS_TRUNCATE,
	SFM_IF_EXISTS_REPLACE,
	SFM_IF_EXISTS_SKIP,
	SFM_IF_EXISTS_UPSERT
} SfmIfExists;

typedef enum SfmMisfitAction
{
	SFM_MISFITS_WIDEN,
	SFM_MISFITS_ERROR,
	SFM_MISFITS_NULL,
	SFM_MISFITS_REJECT
} SfmMisfitAction;

typedef enum SfmOrphanAction
{
	SFM_ORPHANS_NOT_VALID,
	SFM_ORPHANS_ERROR,
	SFM_ORPHANS_REJECT
} SfmOrphanAction;

typedef enum SfmScope
{
	SFM_SCOPE_ALL,
	SFM_SCOPE_SCHEMA,
	SFM_SCOPE_DATA
} SfmScope;

typedef enum SfmMethod
{
	SFM_METHOD_CHECKSUM,
	SFM_METHOD_COUNT,
	SFM_METHOD_NONE
} SfmMethod;

/* One entry of the argument "types". */
typedef struct SfmTypeRule
{
	char	   *key;			/* as given */
	char	   *table;			/* both set, or both NULL */
	char	   *column;
	bool		used;			/* it matched something */
	bool		has_type;
	Oid			typid;
	int32		typmod;
	bool		has_reading;
	SfmReading	reading;
	bool		has_on_misfit;
	SfmMisfitAction on_misfit;
	bool		empty_as_null;
	bool		skip;
} SfmTypeRule;

typedef struct SfmOptions
{
	char	   *source;
	char	   *target_schema;
	List	   *include;		/* of char *; NIL: all */
	List	   *exclude;
	SfmIfExists if_exists;
	SfmMisfitAction on_misfit;
	SfmOrphanAction on_orphan;
	SfmIdentifiers identifiers;
	Jsonb	   *types_json;
	List	   *types;			/* of SfmTypeRule */
	SfmScope	scope;
	SfmMethod	verify;
	int			jobs;			/* -1: what the server allows */
	bool		dry_run;
	bool		only_looks;		/* dry_run, or script() */
	Oid			owner;			/* InvalidOid: the caller */
	bool		fire_triggers;
} SfmOptions;

/* The arguments of migrate() and script(), checked; in CurrentMemoryContext. */
extern SfmOptions *sfm_options_from_call(FunctionCallInfo fcinfo);
/* The arguments of inspect(): the others at migrate's defaults. */
extern SfmOptions *sfm_inspect_options(FunctionCallInfo fcinfo);
/* One text argument that must not be NULL. */
extern char *sfm_required_text(FunctionCallInfo fcinfo, int arg, const char *name);
extern List *sfm_text_list(FunctionCallInfo fcinfo, int arg, const char *name);
extern SfmMethod sfm_method_from_word(const char *argument, const char *word);
/* Reads "types"; needs SPI and the safe search_path. */
extern List *sfm_type_rules(Jsonb *types);
/* The arguments as jsonb text, for the history. */
extern char *sfm_options_json(const SfmOptions *options);

/*
 * The source of a call (source.c)
 */
typedef struct SfmSource
{
	SfmFile    *file;
	char	   *path;
	Oid			serverid;		/* InvalidOid: named by its path */
	bool		fresh;			/* its read transaction began with this call */
	SfmPrefetch *prefetch;		/* reads it ahead, or NULL */
} SfmSource;

extern SfmSource *sfm_source_open(const char *source);
extern const char *sfm_source_prefetch(SfmSource *source);
extern void sfm_source_close(SfmSource *source);

/*
 * Which tables (select.c).  Marks what include and exclude choose; an entry that
 * matches nothing is an error.
 */
extern bool *sfm_select_names(List *names, List *include, List *exclude);
extern List *sfm_selected_tables(const SfmCatalog *catalog, List *include, List *exclude);
extern bool *sfm_select_tables(const SfmCatalog *catalog, List *include, List *exclude);

/*
 * The plan
 */
typedef struct SfmPlanTable SfmPlanTable;
typedef struct SfmPlan SfmPlan;

/* The least and greatest date or time of a column. */
typedef struct SfmDateRange
{
	bool		known;
	int64		min;			/* as the type has them inside: also dates are widened to this */
	int64		max;
} SfmDateRange;

/* What was read back of a target. */
typedef struct SfmTargetSum
{
	SfmChecksum checksum;
	SfmDateRange dates[FLEXIBLE_ARRAY_MEMBER];	/* a column each; unknown where it is no date */
} SfmTargetSum;
#define SFM_TARGET_SUM_SIZE(ncolumns) \
	MAXALIGN(offsetof(SfmTargetSum, dates) + sizeof(SfmDateRange) * (ncolumns))

typedef struct SfmPlanColumn
{
	const SfmColumn *source;
	int			number;			/* in the source table */
	char	   *target;			/* identifier */
	SfmType		planned;		/* from the declaration, a rule, or the target */
	SfmType		type;			/* what it is now; differs after widening */
	SfmMisfitAction on_misfit;
	bool		fixed;			/* the type is not ours to change */
	bool		referenced;		/* by a foreign key */
	int			group;			/* columns tied by foreign keys share a group; -1: none */
	bool		not_null;		/* declared so */
	bool		target_generated;	/* the target computes it: compared, not inserted */
	char	   *generated_sql;	/* a created target's GENERATED expression, or NULL */
	const char *generated_why;	/* the reason, where it is NULL though the source has one */
	bool		always_identity;	/* existing target has it GENERATED ALWAYS AS IDENTITY */
	bool		identity;		/* gets GENERATED BY DEFAULT AS IDENTITY */
	bool		counts;			/* was to be one, but its type is no integer: a default
								 * that counts on */
	char	   *sequence;		/* name of the sequence; NULL: PostgreSQL's default */
	char	   *default_sql;	/* PostgreSQL's DEFAULT expression, or NULL */
	const char *default_why;	/* the reason, where it is NULL though the source has one */
	bool		default_same;	/* it reads as in SQLite */
	/* what the load or the survey found */
	SfmSeen		seen;
	SfmMisfits	misfits;		/* against planned */
	SfmMisfits	soft;			/* those that the type table answers, under error, null, reject */
	bool		soft_settled;	/* they were looked at: from now on all are misfits */
	bool		resolved;		/* type is one that takes the misfits */
	int64		nulled;
	bool		nulls_found;	/* declared NOT NULL, and holds NULL */
	char	   *note;			/* for migration_column */
	SfmDateRange target_dates;	/* date kinds, from the target's scan */
} SfmPlanColumn;

/* Rows of the source that queries can name (keyset.c). */
typedef struct SfmKeySet SfmKeySet;

/* A column of an existing target's primary key. */
typedef struct SfmKeyColumn
{
	char	   *name;
	char	   *operator;		/* its equality, as OPERATOR(schema.=) */
	SfmPlanColumn *column;		/* NULL: the source has none */
} SfmKeyColumn;

/* Rows that stay out because of a foreign key, under on_orphan => 'reject' (foretell.c). */
typedef struct SfmKeptOut
{
	char	   *condition;		/* of a row "c" */
	char	   *reason;
	char	   *key;			/* "name to parent", for the note */
} SfmKeptOut;

/* Something that steps aside for the load (aside.c). */
typedef struct SfmAside SfmAside;

typedef enum SfmTableStatus
{
	SFM_STATUS_CREATED,
	SFM_STATUS_LOADED,
	SFM_STATUS_REPLACED,
	SFM_STATUS_SKIPPED
} SfmTableStatus;

struct SfmPlanTable
{
	SfmPlan    *plan;			/* that it is of */
	const SfmTable *source;
	int			number;			/* place in the plan, from 1 */
	char	   *target;			/* identifier of the table */
	char	   *qualified;		/* schema-qualified and quoted */
	char	   *foreign_table;	/* qualified name of its foreign table while it is loaded */
	Oid			relid;			/* of the target, once it exists */
	Oid			foreign_relid;
	bool		exists;			/* was there before the call */
	int64		rows_before;
	SfmTableStatus status;
	int			ncolumns;		/* columns that are moved */
	SfmPlanColumn *columns;
	List	   *notes;			/* of char * */
	List	   *indexes;		/* of SfmObject: keys and indexes, once objects are planned */
	/* existing targets */
	bool		always_identity;	/* needs OVERRIDING SYSTEM VALUE */
	List	   *key;			/* of SfmKeyColumn: the target's primary key, for upsert and messages */
	List	   *hard_parents;	/* of SfmPlanTable: by its foreign keys that cannot be deferred */
	List	   *soft_parents;	/* by the others */
	SfmKeySet  *keys;			/* what its and others' keys are about; NULL: not read */
	List	   *kept_out;		/* of SfmKeptOut: rows that foreign keys will not take */
	List	   *restore;		/* replace: statements that put owner, grants and comments back */
	/* results */
	bool		loaded;			/* rows were moved */
	bool		dirty;			/* has to be loaded again */
	int64		source_rows;
	int64		source_count;	/* SQLite's count(*) */
	int64		target_rows;
	int64		rejected_rows;
	int64		fast_rows;
	Tuplestorestate *rejects;	/* rows kept out, for rejected_row; NULL: none */
	List	   *sequences;		/* that its columns own; sequences.c */
	bool		has_sequence;
	int64		sequence_value;
	int64		target_bytes;
	bool		was_verified;
	bool		verified;
	SfmChecksum source_sum;
	SfmChecksum target_before;	/* append */
	SfmChecksum target_sum;
	bool		read_back;		/* target_sum is known, by sfm_read_back() */
	bool		analyzed;		/* its statistics are stored */
	int64		elapsed_us;
};

typedef enum SfmObjectStatus
{
	SFM_OBJECT_MIGRATED,
	SFM_OBJECT_TRANSLATED,
	SFM_OBJECT_LEFT_OUT
} SfmObjectStatus;

/* When an object's statement runs. */
typedef enum SfmPhase
{
	SFM_PHASE_NONE,				/* nothing to run of its own */
	SFM_PHASE_KEY,
	SFM_PHASE_INDEX,
	SFM_PHASE_CHECK,
	SFM_PHASE_FOREIGN_KEY,
	SFM_PHASE_VIEW
} SfmPhase;

/* One object of the source and what becomes of it. */
typedef struct SfmObject
{
	const char *kind;			/* the words of migration_object.kind */
	const char *source_table;	/* NULL: none */
	const char *name;			/* NULL where SQLite has none */
	const char *source_sql;		/* in the source's encoding, as all of its names */
	char	   *target_sql;		/* what made it; NULL when it was left out */
	SfmObjectStatus status;
	char	   *note;
	SfmPhase	phase;
	SfmPlanTable *table;		/* NULL: a table that is not moved */
	SfmPlanTable *parent;		/* foreign key */
	const SfmForeignKey *fk;
	const SfmIndex *index;
	char	   *condition;		/* check: what it says of a row */
	const SfmConstraint *check; /* check: as parsed */
	char	   *constraint;		/* constraint or index identifier, for ALTER and messages */
	char	   *extra_sql;		/* a second statement that belongs to it (NOCASE), or NULL */
	char	   *index_sql;		/* key, index on columns alone: what makes the index of it, or NULL */
	char	   *attach_sql;		/* key: what makes that index the constraint's */
	bool		made;			/* by sfm_build_together() */
	bool		checked;		/* foreign key: sfm_check_keys_together() found no orphans */
} SfmObject;

struct SfmPlan
{
	MemoryContext mcxt;			/* of all that the plan holds */
	ResourceOwner resowner;		/* of the call */
	const SfmOptions *options;
	SfmSource  *source;
	SfmCatalog *catalog;
	List	   *tables;			/* of SfmPlanTable, parents before children */
	SfmPlanTable **by_source;	/* the same by SfmTable.number; NULL: not moved */
	List	   *objects;		/* of SfmObject */
	List	   *aside;			/* of SfmAside: what steps aside while existing targets are loaded */
	char	   *definitions;	/* of what may step aside, as it was */
	List	   *notes;			/* of char *, on the whole run */
	SfmNamespace *relations;	/* names in the target schema */
	bool		schema_exists;
	int			ngroups;
	char	   *staging;		/* schema of the foreign tables, while it exists */
	char	   *staging_server;
	TimestampTz started_at;
};

/* plan.c */
extern SfmPlan *sfm_plan_source(const SfmOptions *options, SfmSource *source);
extern SfmPlan *sfm_plan_build(const SfmOptions *options, SfmSource *source);
extern SfmPlanTable *sfm_plan_find(const SfmPlan *plan, const char *source_table);
extern SfmPlanColumn *sfm_plan_column(const SfmPlanTable *table, int number);
extern SfmPlanColumn *sfm_plan_target_column(const SfmPlanTable *table, const char *name);
extern SfmTypeRule *sfm_find_rule(List *rules, const SfmTable *table, const SfmColumn *column);
extern MemoryContext sfm_work_begin(void);
extern void sfm_work_end(MemoryContext work);
extern int	sfm_store_memory(const SfmPlan *plan);
extern char *sfm_keep(const SfmPlan *plan, const char *text);
extern void sfm_add_note(SfmPlanTable *table, const char *sentence);
#define sfm_note(table, ...) sfm_add_note(table, psprintf(__VA_ARGS__))

/* groups.c: order and type groups by foreign keys */
extern List *sfm_order_tables(const SfmPlan *plan, List *tables);
extern void sfm_tie_columns(SfmPlan *plan);
extern void sfm_unify_groups(SfmPlan *plan, bool found);
extern int *sfm_parent_columns(const SfmForeignKey *fk, const SfmTable *parent);

/* target.c: what is in the target schema */
extern void sfm_target_lock_schema(const char *schema);
extern Oid	sfm_target_find(Oid schema, const char *source_name, SfmIdentifiers mode,
							char **target);
extern void sfm_target_lock_tables(SfmPlan *plan);
extern void sfm_target_match_columns(SfmPlan *plan);
extern void sfm_target_check_rights(SfmPlan *plan);
extern void sfm_target_check_rows(SfmPlan *plan);
extern const char *sfm_target_rows(const SfmPlanTable *table);
extern const char *sfm_relation_rows(const char *qualified);
extern char *sfm_target_lost(const SfmPlanTable *table);
extern List *sfm_target_restore_statements(const SfmPlanTable *table);

/* guard.c: what speaks against touching an existing target */
extern void sfm_guard_targets(SfmPlan *plan);

/* A foreign key of an existing target (foreign_keys.c). */
typedef struct SfmTargetKey
{
	Oid			oid;
	char	   *name;			/* identifier, quoted */
	char	   *definition;
	char	   *comment;		/* or NULL */
	bool		validated;
	bool		full;			/* MATCH FULL */
	bool		can_go;			/* it can be taken away and come back the same, by its owner */
	bool		enforced;		/* where it stays it is checked */
	Oid			parent;
	char	   *parent_name;	/* qualified */
	List	   *columns;		/* of char *: the child's */
	List	   *parent_columns;
	char	   *not_null;		/* condition on "c" */
	char	   *match;			/* of "p" and "c" */
} SfmTargetKey;

extern List *sfm_target_keys(Oid relid);
extern char *sfm_target_key_parent(const SfmTargetKey *key);
extern char *sfm_target_key_orphans(const SfmTargetKey *key, List *parents);
extern void sfm_orphans_line(StringInfo detail, int n, int64 orphans, const SfmPlanTable *table,
							 const char *parent, const char *key);
extern void sfm_raise_orphans(int n, const char *detail);

/* keyset.c */
extern SfmKeySet *sfm_keyset_create(const char *name, int ncolumns, char *const *names, const Oid *types,
									int memory);
extern void sfm_keyset_put(SfmKeySet *set, const Datum *values, const bool *isnull);
extern void sfm_keyset_finish(SfmKeySet *set);
extern const char *sfm_keyset_name(const SfmKeySet *set);
extern bool sfm_keyset_has_column(const SfmKeySet *set, const char *name);
extern int64 sfm_keyset_count(const SfmKeySet *set, const char *condition);
extern int64 sfm_keyset_remove(SfmKeySet *set, const char *condition);
extern void sfm_keyset_drop(SfmKeySet *set);

/* verify_keys.c: the rows of a target that have a key of the source */
typedef struct SfmVerifyKeys SfmVerifyKeys;
extern SfmVerifyKeys *sfm_verify_keys_begin(const char *target, int ncolumns, char *const *names,
											const SfmType *types);
extern void sfm_verify_keys_put(SfmVerifyKeys *keys, const SfmValue *values);
extern char *sfm_verify_keys_query(SfmVerifyKeys *keys, List *columns);
extern void sfm_verify_keys_end(SfmVerifyKeys *keys);

/* source_keys.c */
extern void sfm_source_keys_read(SfmPlan *plan);
extern void sfm_source_keys_add(SfmPlan *plan, SfmPlanTable *table, const Bitmapset *columns);
extern void sfm_source_keys_drop(SfmPlan *plan);

/* foretell.c: what the keys of existing targets will say */
extern bool sfm_sees_parents(const SfmPlan *plan, SfmPlanTable *child, Oid parent,
							 const char *parent_name, const char *key);
extern void sfm_foretell(SfmPlan *plan);
extern void sfm_keep_out(SfmPlan *plan);

/* aside.c: foreign keys, indexes and triggers of existing targets during the load */
extern bool sfm_target_is_loaded(const SfmPlan *plan, const SfmPlanTable *table);
extern List *sfm_target_relations(Oid relid);
extern bool sfm_target_owned(Oid relid);
extern List *sfm_aside_locks(Oid relid);
extern void sfm_plan_aside(SfmPlan *plan);
extern void sfm_aside_away(SfmPlan *plan);
extern void sfm_aside_back(SfmPlan *plan);
extern List *sfm_aside_away_statements(const SfmPlan *plan);
extern List *sfm_aside_back_statements(const SfmPlan *plan);

/* clash.c: the load of an existing target */
extern void sfm_load_existing(SfmPlan *plan, SfmPlanTable *table);
extern void sfm_check_domain_nulls(const SfmPlanTable *table);
extern void sfm_foretell_clashes(SfmPlan *plan, SfmPlanTable *table);

/* upsert.c */
extern bool sfm_is_upsert(const SfmPlan *plan, const SfmPlanTable *table);
extern Oid	sfm_primary_key(Oid relid);
extern List *sfm_key_columns(Oid relid);
extern char *sfm_key_rows(const char *target, List *key, const SfmKeySet *set, List *columns);
extern void sfm_upsert_plan(SfmPlanTable *table, StringInfo problems);
extern char *sfm_upsert_clause(const SfmPlanTable *table);
extern char *sfm_upsert_rows(const SfmPlanTable *table);
extern char *sfm_upsert_condition(const SfmPlanTable *table);
extern void sfm_upsert_count(SfmPlanTable *table);

typedef struct SfmTranslateScope SfmTranslateScope;

/* objects.c: what becomes of each object; once types are final */
extern void sfm_plan_defaults(SfmPlan *plan, SfmPlanTable *table);
extern void sfm_plan_objects(SfmPlan *plan);
extern SfmObject *sfm_add_source_object(SfmPlan *plan, const char *kind, const char *source_table,
										const char *name, const char *source_sql);
extern SfmObject *sfm_add_object(SfmPlan *plan, SfmPlanTable *table, const char *kind,
								 const char *name, const char *source_sql);
extern SfmObject *sfm_add_view(SfmPlan *plan, const SfmTable *view);
extern void sfm_plan_triggers(SfmPlan *plan, SfmPlanTable *table, const SfmTable *source);
extern void sfm_leave_out(SfmObject *object, const char *why);
extern void sfm_translated(SfmObject *object, const char *note);
extern char *sfm_target_columns(const SfmPlanTable *table, int n, const int *numbers);
extern char *sfm_source_columns(const SfmTable *table, int n, const int *numbers);
extern char *sfm_default_name(const SfmPlanTable *table, int n, const int *numbers,
							  const char *suffix);

/* objects_index.c: primary keys, unique constraints, indexes */
extern bool sfm_key_holds_null(const SfmPlanTable *table);
extern void sfm_plan_indexes(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table);

/* objects_check.c: CHECK constraints and generated columns */
extern void sfm_plan_checks(SfmPlan *plan, SfmTranslateScope *scope, SfmPlanTable *table,
							SfmNamespace *constraints);
extern void sfm_foresee_checks(SfmPlan *plan);
extern void sfm_plan_generated(SfmPlan *plan, SfmPlanTable *table);
extern const char *sfm_generated_text(const SfmColumn *column);

/* compute.c */
extern void sfm_check_generated(SfmPlan *plan, SfmPlanTable *table);

/* objects_foreign.c */
extern void sfm_plan_foreign_key(SfmPlan *plan, SfmPlanTable *table, const SfmForeignKey *fk,
								 SfmNamespace *names);

/* objects_view.c */
extern void sfm_plan_views(SfmPlan *plan, SfmTranslateScope *scope);

/*
 * scope.c: the plan as the translator sees it.  A finder gives the relation of a
 * view, or NULL and why there is none, as a clause that follows "view x, which".
 */
typedef const SfmTranslateRelation *(*SfmViewFinder) (void *arg, const SfmTable *view,
													  const char **why);
extern SfmTranslateScope *sfm_scope_create(SfmPlan *plan);
extern void sfm_scope_views(SfmTranslateScope *scope, SfmViewFinder find_view, void *arg);
extern const SfmTranslateSource *sfm_scope_source(const SfmTranslateScope *scope);
extern SfmTranslateRelation *sfm_scope_table(SfmTranslateScope *scope, const SfmPlanTable *table);
extern char *sfm_translate_reason(const SfmTranslateError *error);

/* existing.c: the same for a target that was there */
extern void sfm_compare_objects(SfmPlan *plan, SfmPlanTable *table);

/* defaults.c: a DEFAULT for the column's type, or NULL and *why */
extern char *sfm_default_sql(SfmTranslateScope *scope, SfmFile *file, const SfmColumn *column,
							 const SfmType *type, const char **why, bool *same_form);

/* widen.c: types from what was found */
extern bool sfm_is_retyped(const SfmPlanColumn *column);
extern bool sfm_soft_apart(const SfmPlanColumn *column);
extern bool sfm_plan_widen(SfmPlan *plan);
extern void sfm_plan_raise_misfits(const SfmPlan *plan);
extern void sfm_plan_misfit_notes(SfmPlan *plan);

/* width.c: rows that cannot fit a page */
extern void sfm_plan_check_width(SfmPlan *plan);

/* survey.c: reads the source once, for dry_run and script */
extern void sfm_plan_survey(SfmPlan *plan);
extern void sfm_survey_table(SfmPlan *plan, SfmPlanTable *table,
							 void (*row) (void *arg, const int64 *rowid, const SfmValue *values),
							 void *arg);

/* ddl.c: statements from the plan */
extern char *sfm_ddl_create_schema(const SfmPlan *plan);
extern char *sfm_ddl_create_table(const SfmPlan *plan, const SfmPlanTable *table);
extern bool sfm_can_count(SfmKind kind);
extern char *sfm_ddl_create_sequence(const SfmPlan *plan, const SfmPlanTable *table);
extern char *sfm_ddl_own_sequence(const SfmPlan *plan, const SfmPlanTable *table);
extern char *sfm_ddl_foreign_table(const SfmPlan *plan, const SfmPlanTable *table);
extern char *sfm_ddl_clear(const SfmPlan *plan, SfmTableStatus status, const char *command);
extern char *sfm_ddl_create_server(const SfmPlan *plan);
extern SfmType sfm_foreign_type(const SfmPlanColumn *column);
extern char *sfm_ddl_source_column(const SfmPlanColumn *column, const char *prefix);
extern char *sfm_ddl_source_rows(const SfmPlanTable *table);
extern char *sfm_ddl_select(const SfmPlanTable *table);
extern char *sfm_ddl_insert(const SfmPlan *plan, const SfmPlanTable *table);
extern char *sfm_ddl_restart(const SfmPlan *plan, const SfmPlanTable *table, int64 next);
extern char *sfm_ddl_owner(const SfmPlan *plan, const SfmPlanTable *table);

/* sequences.c */
extern SfmPlanColumn *sfm_counting_column(const SfmPlanTable *table);
extern SfmPlanColumn *sfm_identity_column(const SfmPlanTable *table);
extern int64 sfm_source_reached(const SfmPlan *plan, const SfmPlanTable *table);
extern void sfm_foresee_sequence(SfmPlan *plan, SfmPlanTable *table);
extern void sfm_find_sequences(SfmPlan *plan);
extern void sfm_set_sequence(SfmPlan *plan, SfmPlanTable *table);

/* load.c, receiver.c: rows */
extern void sfm_load_table(SfmPlan *plan, SfmPlanTable *table);
extern SfmScanSink *sfm_load_sink(const SfmPlan *plan, SfmPlanTable *table, bool quiet);
extern void sfm_staging_create(SfmPlan *plan);
extern void sfm_staging_add(SfmPlan *plan, SfmPlanTable *table);
extern void sfm_staging_drop(SfmPlan *plan);

/*
 * Writes the rows of a query into a plain heap table that this call made, by
 * table_multi_insert; returns their number.  not_null has an entry a column; the
 * first NULL in such a column sets *null_column and ends writing.
 */
extern int64 sfm_load_fast(Oid relid, const char *select, SfmScanSink *sink,
						   const bool *not_null, bool *nulls_found);
extern const char *sfm_fast_obstacle(Oid relid, int ncolumns);
#define SFM_COMPUTED_OBSTACLE "it has generated columns"

/* check.c: the target's side of the verification */
typedef struct SfmTargetAdder SfmTargetAdder;
extern SfmTargetAdder *sfm_target_adder(int ncolumns, const SfmType *types);
extern void sfm_target_add(SfmTargetAdder *adder, const Datum *values, const bool *isnull,
						   SfmTargetSum *sum);
extern void sfm_target_merge(SfmTargetSum *into, const SfmTargetSum *other, int ncolumns);
extern SfmTargetSum *sfm_target_sum(const char *query, int ncolumns, const SfmType *types);
extern Datum sfm_date_datum(SfmKind kind, int64 key);
extern SfmType *sfm_column_types(const SfmPlanTable *table);
extern void sfm_take_target_sum(SfmPlanTable *table, const SfmTargetSum *sum);
extern char *sfm_check_columns(const SfmPlanTable *table);
extern char *sfm_checked_rows(const SfmPlan *plan, const SfmPlanTable *table);
extern void sfm_check_before(SfmPlan *plan, SfmPlanTable *table);
extern void sfm_verify_table(SfmPlan *plan, SfmPlanTable *table);

/* check_parallel.c: the same by several processes, ahead */
extern void sfm_read_back(SfmPlan *plan, int n);

/* statistics.c: what ANALYZE does, in two steps */
typedef struct SfmSampler SfmSampler;
extern SfmSampler *sfm_sampler_begin(Relation rel, double total, int group, int ngroups);
extern void sfm_sampler_add(SfmSampler *sampler, TupleTableSlot *slot);
extern void sfm_sampler_end(SfmSampler *sampler, StringInfo result);
extern void sfm_set_size(Oid relid, double tuples);
extern bool sfm_statistics_are_plain(Oid relid);
extern void sfm_statistics_store(Oid relid, const char *statistics, Size size);
extern void sfm_statistics_done(Oid relid, int64 tuples);

/* orphans.c: rows without a parent that are rejected; what the foreign keys that are planned would find */
typedef struct SfmOrphanKey
{
	SfmObject  *object;
	char	   *orphans;		/* condition on "c" */
	bool		due;			/* parents may have gone since it was looked at */
	int64		rows;			/* that went so far */
} SfmOrphanKey;

/* Takes out the rows that a key leaves without a parent; their number. */
typedef int64 (*SfmOrphanTaker) (SfmPlan *plan, const SfmOrphanKey *key);

extern List *sfm_add_orphan_key(List *keys, SfmObject *object, char *orphans);
extern void sfm_reject_by_keys(SfmPlan *plan, List *keys, SfmOrphanTaker take, const char *done);
extern void sfm_plan_orphans(SfmPlan *plan);

/* keys.c: what the plan's keys and indexes serve */
extern void sfm_check_parent_keys(SfmPlan *plan);
extern void sfm_note_unindexed_keys(SfmPlan *plan);

/* reject.c: rows that are kept out */
extern void sfm_reject_misfit(SfmScanSink *sink, bool has_rowid, int64 rowid, int column,
							  SfmFit fit, const SfmValue *values);
extern void sfm_reject_reset(SfmPlanTable *table);
extern int64 sfm_reject_rows(SfmPlan *plan, SfmPlanTable *table, const char *condition,
							 const char *reason);
extern void sfm_reject_orphans(SfmPlan *plan);
extern void sfm_reject_kept_out(SfmPlan *plan, SfmPlanTable *table);

/* rejected.c: the rows that an earlier run kept out */
typedef struct SfmRejected
{
	int64		with_rowid;
	int64		without_rowid;	/* how many have none to tell them by */
	/* the rest is for rejected.c alone */
	Portal		cursor;			/* NULL: there are no rowids */
	SPITupleTable *batch;
	uint64		nbatch;
	uint64		at;
} SfmRejected;

extern SfmRejected *sfm_rejected_open(int64 migration_id, const char *source_table);
extern bool sfm_rejected_has(SfmRejected *rejected, int64 rowid);
extern void sfm_rejected_close(SfmRejected *rejected);

extern void sfm_reject_write(SPIPlanPtr insert, int64 migration_id, SfmPlanTable *table,
							 const char *migrated_by);

/* create.c: the objects' statements */
extern char *sfm_orphan_condition(const SfmObject *object, List *parents);
extern char *sfm_target_orphans(const SfmObject *object);
extern void sfm_create_objects(SfmPlan *plan, SfmPhase phase);

/* build.c: those that several processes build */
extern void sfm_build_together(SfmPlan *plan);

/* validate.c: foreign keys that several processes check */
extern void sfm_check_keys_together(SfmPlan *plan);
extern void sfm_add_checked_key(const SfmObject *object);

/* report.c */
extern void sfm_report_row(ReturnSetInfo *rsinfo, const SfmPlan *plan, const SfmPlanTable *table);
extern const char *sfm_status_word(const SfmPlan *plan, const SfmPlanTable *table);
extern Datum sfm_text_array(List *strings);
extern void sfm_final_notes(SfmPlan *plan);

/* history.c */
extern int64 sfm_history_write(SfmPlan *plan);

/* sql.c: SPI in the form that this code needs */
extern void sfm_exec(const char *sql);
#define sfm_execf(...) sfm_exec(psprintf(__VA_ARGS__))	/* the same, formatted */
extern ErrorData *sfm_subtransaction(bool (*work) (void *arg), void *arg);
extern bool sfm_try(bool (*work) (void *arg), void *arg);
extern bool sfm_try_work(bool (*work) (void *arg), void *arg, int *sqlstate, char **message);
extern bool sfm_try_exec(const char *sql, int *sqlstate, char **message);
extern int64 sfm_query_int64(const char *sql, bool *isnull);
extern char *sfm_query_text(const char *sql);
extern List *sfm_query_rows(const char *sql);
extern int	sfm_safe_settings(void);	/* GUC nest level to give to AtEOXact_GUC() */
extern void sfm_require_read_committed(const char *function);
extern char *sfm_counted(int64 n, const char *what);
extern char *sfm_qualify(const char *schema, const char *name);
extern char *sfm_literal(const char *text);

#endif							/* SFM_MIGRATE_H */
