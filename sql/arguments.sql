-- Arguments: words, NULLs, names; if_exists; scope; owner.  Reads samples/sql/shop.sql.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
\getenv sample_dir SFM_SAMPLE_DIR
\set shop :sample_dir '/shop.db'
\set VERBOSITY sqlstate
CREATE SERVER arguments_test FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database :'shop');

-- wrong words are 22023, NULL where none is meant is 22004
SELECT * FROM sqlite_mig.migrate(NULL);
SELECT * FROM sqlite_mig.migrate(:'shop', target_schema => NULL);
SELECT * FROM sqlite_mig.migrate(:'shop', dry_run => NULL);
SELECT * FROM sqlite_mig.migrate(:'shop', types => NULL);
SELECT * FROM sqlite_mig.migrate(:'shop', if_exists => 'maybe');
SELECT * FROM sqlite_mig.migrate(:'shop', on_misfit => 'maybe');
SELECT * FROM sqlite_mig.migrate(:'shop', on_orphan => 'maybe');
SELECT * FROM sqlite_mig.migrate(:'shop', identifiers => 'UPPER');
SELECT * FROM sqlite_mig.migrate(:'shop', scope => 'maybe');
SELECT * FROM sqlite_mig.migrate(:'shop', verify => 'maybe');
SELECT * FROM sqlite_mig.migrate(:'shop', jobs => -1);
SELECT * FROM sqlite_mig.migrate(:'shop', include => '{}');
SELECT * FROM sqlite_mig.verify(:'shop', method => 'maybe');
\set VERBOSITY default
SELECT * FROM sqlite_mig.migrate('arguments_test', if_exists => 'maybe');
SELECT * FROM sqlite_mig.migrate('arguments_test', target_schema => 'pg_catalog');
SELECT * FROM sqlite_mig.migrate('arguments_test', target_schema => '');
SELECT * FROM sqlite_mig.migrate('arguments_test', owner => 'nobody_of_that_name');
SELECT * FROM sqlite_mig.migrate('arguments_test', include => '{product, nothing}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '[]');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.nothing": "int4"}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"NOTHING": "int4"}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.sku": {"typo": "int4"}}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.sku": {"reading": "lunar"}}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.sku": {"skip": "yes"}}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.sku": 1}');
SELECT * FROM sqlite_mig.migrate('arguments_test', types => '{"product.sku": "no_such_type"}');
SELECT * FROM sqlite_mig.migrate('no_such_server');
SELECT * FROM sqlite_mig.migrate('relative/path.db');
SELECT * FROM sqlite_mig.migrate('file:/absolute.db');
CREATE FOREIGN DATA WRAPPER other_wrapper;
CREATE SERVER other_server FOREIGN DATA WRAPPER other_wrapper;
SELECT * FROM sqlite_mig.migrate('other_server');
DROP FOREIGN DATA WRAPPER other_wrapper CASCADE;
\set VERBOSITY sqlstate
SELECT * FROM sqlite_mig.verify('arguments_test', 'public');
\set VERBOSITY default
SELECT * FROM sqlite_mig.fix_sequences(NULL, 'no_such_schema');

-- only READ COMMITTED: what is counted must be seen after the locks
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM sqlite_mig.migrate('arguments_test', 'args');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM sqlite_mig.fix_sequences();
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM sqlite_mig.migrate('arguments_test', 'args');
ROLLBACK;

-- scope: the schema first, the rows later
SELECT source_table, status, source_rows, verified FROM sqlite_mig.migrate('arguments_test', 'args', scope => 'data');
SELECT source_table, status, source_rows, verified, sequence_value FROM sqlite_mig.migrate('arguments_test', 'args', scope => 'schema');
SELECT source_table, status, source_rows, verified, sequence_value FROM sqlite_mig.migrate('arguments_test', 'args', scope => 'data');

-- if_exists: rows in the way are named before anything is touched
SELECT * FROM sqlite_mig.migrate('arguments_test', 'args');
SELECT source_table, status, source_rows FROM sqlite_mig.migrate('arguments_test', 'args', if_exists => 'skip');
SELECT source_table, status, target_rows, verified FROM sqlite_mig.migrate('arguments_test', 'args', if_exists => 'truncate');
SELECT source_table, status, target_rows, verified FROM sqlite_mig.migrate('arguments_test', 'args', if_exists => 'append', include => '{event}');
SELECT count(*) FROM args.event;
SELECT source_table, verified, notes FROM sqlite_mig.verify('arguments_test', 'args');
COMMENT ON TABLE args.event IS 'kept';
GRANT SELECT ON args.event TO pg_monitor;
SELECT source_table, status, target_rows, verified FROM sqlite_mig.migrate('arguments_test', 'args', if_exists => 'replace');
SELECT count(*), obj_description('args.event'::regclass), has_table_privilege('pg_monitor', 'args.event', 'SELECT') FROM args.event;
CREATE VIEW args.v AS SELECT * FROM args.event;
SELECT count(*) FROM sqlite_mig.migrate('arguments_test', 'args', if_exists => 'replace');
SELECT count(*) FROM args.v;

-- sequences: never backwards, undone by a rollback
SELECT * FROM sqlite_mig.fix_sequences(NULL, 'args');
BEGIN;
ALTER SEQUENCE args.product_id_seq RESTART;
ALTER SEQUENCE args.category_id_seq RESTART WITH 100;
SELECT * FROM sqlite_mig.fix_sequences('arguments_test', 'args');
ROLLBACK;
SELECT last_value, is_called FROM args.product_id_seq;
SELECT * FROM sqlite_mig.fix_sequences('arguments_test', 'args', include => '{pro%}');
DROP SCHEMA args CASCADE;
DROP SERVER arguments_test;
