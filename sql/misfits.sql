-- Values that do not fit what their column declares: widen, error, null, reject;
-- orphans; inspect().  Reads samples/sql/dirty.sql.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
\getenv sample_dir SFM_SAMPLE_DIR
\set dirty :sample_dir '/dirty.db'

-- beforehand
SELECT source_column, declared_type, nulls, integers, reals, texts, blobs, min_value, max_value, max_length,
       target_type, reading, misfits
FROM sqlite_mig.inspect(:'dirty') WHERE source_table = 'person';
SELECT source_column, target_type, misfits, notes FROM sqlite_mig.inspect(:'dirty', include => '{visit}');

-- the default loses nothing
SELECT source_table, source_rows, target_rows, verified, notes FROM sqlite_mig.migrate(:'dirty', 'dirty');
SET TimeZone = 'UTC';
SELECT id, age, born, seen, code, paid, ok, note FROM dirty.person;
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a
WHERE attrelid = 'dirty.person'::regclass AND attnum > 0 ORDER BY attnum;
TABLE dirty.visit;
SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'dirty.visit'::regclass AND contype = 'f';
DROP SCHEMA dirty CASCADE;

-- all misfits in one error, nothing left behind
\set SHOW_CONTEXT never
SELECT count(*) FROM sqlite_mig.migrate(:'dirty', 'dirty', on_misfit => 'error');
\set VERBOSITY sqlstate
SELECT count(*) FROM sqlite_mig.migrate(:'dirty', 'dirty', on_misfit => 'error');
\set VERBOSITY default
SELECT count(*) FROM pg_namespace WHERE nspname = 'dirty';

-- NULL instead, counted; for one column alone
SELECT source_table, source_rows, target_rows, verified, notes
FROM sqlite_mig.migrate(:'dirty', 'dirty', on_misfit => 'null', types => '{"person.note": {"on_misfit": "widen"}}');
SELECT id, age, born, seen, code, paid, ok, note FROM dirty.person;
SELECT source_column, misfits, nulled FROM sqlite_mig.migration_column
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration) AND misfits > 0 ORDER BY 1;
SELECT source_table, verified FROM sqlite_mig.verify(:'dirty', 'dirty');
DROP SCHEMA dirty CASCADE;

-- rows kept out whole, with what they held; their children become orphans
SELECT source_table, source_rows, target_rows, rejected_rows, verified, notes
FROM sqlite_mig.migrate(:'dirty', 'dirty', on_misfit => 'reject', on_orphan => 'reject');
SELECT source_table, source_rowid, reason, "row" FROM sqlite_mig.rejected_row
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration) ORDER BY 1, 2;
SELECT source_table, verified FROM sqlite_mig.verify(:'dirty', 'dirty');
DROP SCHEMA dirty CASCADE;

-- orphans as an error
SELECT count(*) FROM sqlite_mig.migrate(:'dirty', 'dirty', on_orphan => 'error');
SELECT count(*) FROM pg_namespace WHERE nspname = 'dirty';

-- '' as NULL, by column
SELECT count(*) FROM sqlite_mig.migrate(:'dirty', 'dirty', include => '{person}',
    types => '{"person.age": {"empty_as_null": true}, "person.code": {"type": "text", "empty_as_null": true}}');
SELECT id, age, code FROM dirty.person;
SELECT source_table, verified FROM sqlite_mig.verify(:'dirty', 'dirty');
DROP SCHEMA dirty CASCADE;
