-- script(): what it prints, run by hand, makes what migrate() makes.
-- Reads samples/sql/shop.sql and dirty.sql.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
\getenv sample_dir SFM_SAMPLE_DIR
\set shop :sample_dir '/shop.db'
\set dirty :sample_dir '/dirty.db'

-- the steps, but for the file's path
SELECT step, phase, source_table, replace(statement, :'sample_dir', '') AS statement
FROM sqlite_mig.script(:'shop', 'scripted', include => '{category,product}');

-- run by hand; the statements are not echoed, since they hold the file's path
\set ECHO none
SELECT statement FROM sqlite_mig.script(:'shop', 'scripted') ORDER BY step \gexec
SELECT statement FROM sqlite_mig.script(:'dirty', 'scripted2') ORDER BY step \gexec
\set ECHO all
SELECT count(*) FROM sqlite_mig.migrate(:'shop', 'migrated');
SELECT count(*) FROM sqlite_mig.migrate(:'dirty', 'migrated2');

CREATE FUNCTION pg_temp.describe(schema text)
RETURNS TABLE (what text) LANGUAGE sql AS $$
    SELECT replace(format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attidentity, pg_get_expr(d.adbin, d.adrelid)), schema || '.', '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = schema::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT replace(format('%s %s %s', c.conname, c.convalidated, pg_get_constraintdef(c.oid)), schema || '.', '')
    FROM pg_constraint c WHERE c.connamespace = schema::regnamespace
    UNION ALL
    SELECT replace(i.indexdef, schema || '.', '') FROM pg_indexes i WHERE i.schemaname = schema
    UNION ALL
    SELECT format('%s %s', s.sequencename, s.last_value) FROM pg_sequences s WHERE s.schemaname = schema
$$;
CREATE FUNCTION pg_temp.rows_of(schema text) RETURNS TABLE (what text) LANGUAGE plpgsql AS $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT relname FROM pg_class WHERE relnamespace = schema::regnamespace AND relkind = 'r' LOOP
        RETURN QUERY EXECUTE format('SELECT %L || x::text FROM %I.%I x', t, schema, t);
    END LOOP;
END $$;
-- none of these differ
(SELECT * FROM pg_temp.describe('scripted') EXCEPT ALL SELECT * FROM pg_temp.describe('migrated'))
UNION ALL (SELECT * FROM pg_temp.describe('migrated') EXCEPT ALL SELECT * FROM pg_temp.describe('scripted'));
(SELECT * FROM pg_temp.describe('scripted2') EXCEPT ALL SELECT * FROM pg_temp.describe('migrated2'))
UNION ALL (SELECT * FROM pg_temp.describe('migrated2') EXCEPT ALL SELECT * FROM pg_temp.describe('scripted2'));
(SELECT * FROM pg_temp.rows_of('scripted') EXCEPT ALL SELECT * FROM pg_temp.rows_of('migrated'))
UNION ALL (SELECT * FROM pg_temp.rows_of('migrated') EXCEPT ALL SELECT * FROM pg_temp.rows_of('scripted'));
(SELECT * FROM pg_temp.rows_of('scripted2') EXCEPT ALL SELECT * FROM pg_temp.rows_of('migrated2'))
UNION ALL (SELECT * FROM pg_temp.rows_of('migrated2') EXCEPT ALL SELECT * FROM pg_temp.rows_of('scripted2'));
-- and there is something to compare
SELECT count(*) > 30 AS described FROM pg_temp.describe('migrated');
SELECT count(*) FROM pg_temp.rows_of('migrated');
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sqlite_mig_%';
DROP SCHEMA scripted, scripted2, migrated, migrated2 CASCADE;
