-- Foreign tables: scans, what is sent to SQLite, estimates, joins, cursors, misfits.
-- Reads samples/sql/fdw.sql; what SQLite itself says of it is beside the queries.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
RESET client_min_messages;
\getenv sample_dir SFM_SAMPLE_DIR
\set database :sample_dir '/fdw.db'
CREATE SERVER fdw_test FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database :'database');
CREATE SCHEMA fdw_test;
SET search_path = fdw_test;
SET datestyle = 'ISO, YMD';

-- "endless" never ends, and is not looked at
IMPORT FOREIGN SCHEMA main EXCEPT (endless) FROM SERVER fdw_test INTO fdw_test;
-- its SELECT is a compound one, for whose columns SQLite names no type from 3.41 on
ALTER FOREIGN TABLE mixture ALTER v TYPE bigint;

-- what a query sends: the scans' SQL, parameters and remaining filters
CREATE FUNCTION sent(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
    node jsonb;
BEGIN
    EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
    FOR node IN SELECT jsonb_path_query(plan, 'strict $.** ? (exists(@."SQLite query"))') LOOP
        RETURN NEXT node->>'SQLite query'
            || coalesce(' <- ' || (node->>'SQLite parameters'), '')
            || coalesce(' | filter ' || (node->>'Filter'), '');
    END LOOP;
END $$;
CREATE FUNCTION estimated(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Plan Rows';
END $$;
-- an error with the file's path, which differs from run to run, cut out
CREATE FUNCTION failure(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'no failure';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, regexp_replace(message, '"/[^"]*/', '"'),
                     nullif(detail, ''), nullif(hint, ''));
END $$;

-- rows
SELECT * FROM people ORDER BY id;
SELECT * FROM words;
SELECT * FROM "odd ""name""";
SELECT * FROM vacant;
SELECT * FROM adults ORDER BY id;
SELECT count(*), sum(id), min(code), max(code), sum(amount), min(ordered_at), max(ordered_at) FROM orders;

-- only what is needed
SELECT sent('SELECT name FROM people');
SELECT sent('SELECT count(*) FROM people');
SELECT sent('SELECT count(*) FROM words');
SELECT sent('SELECT people FROM people');
SELECT sent('SELECT 1 FROM people WHERE height > 1');

-- comparisons that are sent
SELECT sent('SELECT name FROM people WHERE id = 3');
SELECT sent('SELECT name FROM people WHERE 3::smallint < id AND id <= 7');
SELECT sent('SELECT name FROM people WHERE id BETWEEN 1 AND 3');
SELECT sent('SELECT name FROM people WHERE id IN (1, 2, NULL)');
SELECT sent('SELECT name FROM people WHERE age >= 40 AND city IS NOT NULL');
SELECT sent('SELECT name FROM people WHERE name = ''Ada'' AND born IS NULL');
SELECT sent('SELECT id FROM orders WHERE code IN (''C00001'', ''C00002'')');
SELECT sent('SELECT 1 FROM adults WHERE age IS NULL');
SELECT sent('SELECT x FROM strictly WHERE n = 7');
SELECT sent('SELECT id FROM people WHERE id = length(current_setting(''search_path''))');

-- and those that are not: SQLite would choose other rows, or might
SELECT sent('SELECT 1 FROM people WHERE city = ''Paris''');
SELECT sent('SELECT 1 FROM people WHERE name > ''Ada''');
CREATE COLLATION loose_texts (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT sent('SELECT 1 FROM people WHERE name = ''ada'' COLLATE loose_texts');
SELECT id FROM people WHERE name = 'ada' COLLATE loose_texts ORDER BY id;
SELECT sent('SELECT 1 FROM people WHERE height = 1.7');
SELECT sent('SELECT 1 FROM people WHERE born = ''1815-12-10''');
SELECT sent('SELECT 1 FROM people WHERE id <> 3');
SELECT sent('SELECT 1 FROM people WHERE id = age');
SELECT sent('SELECT 1 FROM people WHERE id = (random() * 3)::int');
SELECT sent('SELECT 1 FROM people WHERE id NOT IN (1, 2)');
SELECT sent('SELECT 1 FROM adults WHERE age = 36');
SELECT sent('SELECT 1 FROM mixture WHERE v = 36');
SELECT sent('SELECT 1 FROM strictly WHERE x = ''7''');

-- sqlite> SELECT count(*) FROM mixture WHERE CAST(v AS INTEGER) = 36;  2
SELECT count(*) FROM mixture WHERE v = 36;
-- sqlite> SELECT id FROM people WHERE city = 'Paris' COLLATE BINARY;  2
SELECT id FROM people WHERE city = 'Paris';

-- integers under each affinity; sqlite> SELECT id FROM affinities WHERE CAST(column AS INTEGER) = 5;
CREATE FOREIGN TABLE as_integers (
    id int, i bigint, n bigint, r bigint, t bigint, b bigint, u bigint
) SERVER fdw_test OPTIONS ("table" 'affinities');
SELECT sent('SELECT 1 FROM as_integers WHERE i = 5 AND n = 5');
SELECT sent('SELECT 1 FROM as_integers WHERE r = 5 AND t = 5 AND b = 5 AND u = 5');
SELECT array_agg(id) FROM as_integers WHERE i = 5;
SELECT array_agg(id) FROM as_integers WHERE n = 5;
SELECT array_agg(id) FROM as_integers WHERE r = 5;
SELECT array_agg(id) FROM as_integers WHERE u = 5;
SELECT array_agg(id) FROM as_integers WHERE i = 9007199254740993;
SELECT array_agg(id) FROM as_integers WHERE i IN (-9223372036854775808, 9007199254740992, NULL);
SELECT array_agg(id) FROM as_integers WHERE n >= 9007199254740993;
SELECT array_agg(id) FROM as_integers WHERE i < 0;
SELECT array_agg(id) FROM as_integers WHERE i = NULL::bigint;
SELECT array_agg(id) FROM as_integers WHERE i = ANY (NULL::bigint[]);
SELECT array_agg(id) FROM as_integers WHERE i = ANY ('{}'::bigint[]);
CREATE FOREIGN TABLE as_texts (id int, t text, tv varchar OPTIONS (column_name 't'),
    tc varchar(1) OPTIONS (column_name 't'), te text OPTIONS (column_name 't', empty_as_null 'true'),
    tm text OPTIONS (column_name 't', mixed 'true')
) SERVER fdw_test OPTIONS ("table" 'affinities');
SELECT sent('SELECT 1 FROM as_texts WHERE t = ''5'' AND tv = ''5''');
SELECT sent('SELECT 1 FROM as_texts WHERE te = ''5''');
SELECT sent('SELECT 1 FROM as_texts WHERE te IS NULL');
SELECT sent('SELECT 1 FROM as_texts WHERE tm = ''5''');
-- sqlite> SELECT id FROM affinities WHERE t = '5';  1
SELECT array_agg(id) FROM as_texts WHERE t = '5';
SELECT array_agg(id) FROM as_texts WHERE tv IN ('05', '5.0');

-- an empty text is greater than any number in SQLite, and NULL here
ALTER FOREIGN TABLE blanks ALTER n OPTIONS (ADD empty_as_null 'true');
SELECT id FROM blanks WHERE n > 5;
SELECT id FROM blanks WHERE n IS NULL;

-- awkward texts as parameters
SELECT meaning FROM words WHERE word = '';
SELECT meaning FROM words WHERE word = E'it\'s "x" \\ y';
SELECT meaning FROM words WHERE word IN (E'it\'s "x" \\ y', '', NULL, E'\x01\n') ORDER BY 1;

-- estimates: the range of rowids, sqlite_stat1, keys, ANALYZE
SELECT estimated('SELECT * FROM orders');
SELECT estimated('SELECT * FROM orders WHERE id = 7');
SELECT estimated('SELECT * FROM orders WHERE code = ''C00007''');
SELECT estimated('SELECT * FROM orders WHERE id IN (1, 2, 3)');
SELECT estimated('SELECT * FROM counted');
SELECT estimated('SELECT * FROM counted WHERE grp = 7');
SELECT estimated('SELECT * FROM counted WHERE uniq = 7');
SELECT estimated('SELECT * FROM words WHERE word = ''gift'' AND lang = ''de''');
SELECT estimated('SELECT * FROM gaps') < 1000000 AS bounded_by_the_file;
ANALYZE gaps, orders, vacant, words;
SELECT estimated('SELECT * FROM gaps');
SELECT estimated('SELECT * FROM orders WHERE person = 5');
SELECT relname, reltuples FROM pg_class
WHERE oid IN ('gaps'::regclass, 'orders'::regclass, 'vacant'::regclass, 'words'::regclass)
ORDER BY relname;
SELECT attname, null_frac, n_distinct FROM pg_stats
WHERE schemaname = 'fdw_test' AND tablename = 'orders' ORDER BY attname;

-- a nested loop is a lookup
SELECT sent('SELECT * FROM generate_series(1, 3) g JOIN counted c ON c.id = g');
SELECT sent('SELECT * FROM generate_series(1, 3) g JOIN counted c ON c.uniq = g + 1');
SELECT sent('SELECT * FROM people p JOIN counted c ON c.grp = p.id WHERE p.name = ''Ada''');
SELECT sent('SELECT * FROM (VALUES (''C00001'')) v(x) JOIN orders o ON o.code = v.x');
SELECT g, c.id FROM generate_series(1000, 3000, 500) g LEFT JOIN counted c ON c.id = g ORDER BY g;
SELECT p.name, x.id FROM people p
    CROSS JOIN LATERAL (SELECT id FROM orders WHERE person = p.id ORDER BY id LIMIT 2) x
    ORDER BY p.name, x.id;
SELECT p.name, (SELECT count(*) FROM orders o WHERE o.person = p.id) FROM people p ORDER BY p.id;
SELECT code FROM orders WHERE id = (SELECT max(id) FROM people);
SELECT count(*) FROM orders a JOIN orders b ON a.id = b.id + 1;

-- parameters
SET plan_cache_mode = force_generic_plan;
PREPARE by_id (bigint) AS SELECT code FROM orders WHERE id = $1;
EXECUTE by_id (3);
EXECUTE by_id (NULL);
EXECUTE by_id (4999);
SELECT sent('EXECUTE by_id (4)');
PREPARE by_codes (text[]) AS SELECT id FROM orders WHERE code = ANY ($1) ORDER BY id;
EXECUTE by_codes (ARRAY['C00003', 'none', 'C00002']);
EXECUTE by_codes (NULL);
DEALLOCATE ALL;
RESET plan_cache_mode;

-- cursors, subtransactions, rescans
BEGIN;
DECLARE a CURSOR FOR SELECT id FROM orders WHERE person = 7 ORDER BY id;
DECLARE b SCROLL CURSOR FOR SELECT id FROM orders WHERE person = 8;
FETCH 2 FROM a;
FETCH 2 FROM b;
FETCH BACKWARD 1 FROM b;
SAVEPOINT s;
FETCH 1 FROM a;
DECLARE c CURSOR FOR SELECT word FROM words;
FETCH 1 FROM c;
SELECT 1 / 0;
ROLLBACK TO s;
FETCH 1 FROM a;
FETCH LAST FROM b;
SELECT count(*) FROM orders;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM orders WHERE id BETWEEN 10 AND 12;
COMMIT;
FETCH ALL FROM held;
CLOSE held;
DO $$
DECLARE
    r record;
    n int := 0;
BEGIN
    FOR r IN SELECT id FROM people ORDER BY id LOOP
        n := n + r.id;
        COMMIT;
    END LOOP;
    RAISE NOTICE 'sum %', n;
END $$;

-- two servers on one file
CREATE SERVER fdw_test_2 FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database :'database');
CREATE FOREIGN TABLE people_2 (id bigint, name text) SERVER fdw_test_2 OPTIONS ("table" 'PEOPLE');
SELECT p.name, q.name FROM people p JOIN people_2 q USING (id) WHERE p.id < 3 ORDER BY id;

-- a cancelled query stops inside a step of SQLite, and the connection goes on
CREATE FOREIGN TABLE endless (i bigint) SERVER fdw_test;
SET statement_timeout = '200ms';
SELECT * FROM endless;
RESET statement_timeout;
SELECT count(*) FROM people;

-- what a value that does not fit says
CREATE FOREIGN TABLE misfits (id int, number bigint, small smallint, word text, day timestamp,
    few varchar(2) OPTIONS (column_name 'word'), logical boolean OPTIONS (column_name 'small')
) SERVER fdw_test OPTIONS ("table" 'loose');
SELECT failure('SELECT number FROM misfits');
SELECT failure('SELECT number FROM misfits WHERE id > 3');
SELECT failure('SELECT small FROM misfits');
SELECT failure('SELECT word FROM misfits');
SELECT failure('SELECT few FROM misfits');
SELECT failure('SELECT logical FROM misfits');
SELECT failure('SELECT day FROM misfits');
SELECT failure('SELECT day FROM misfits WHERE id = 3');
SELECT failure('SELECT day FROM misfits WHERE id = 4');
SELECT failure('ANALYZE misfits');
-- met although SQLite compares it, and 'many' is greater than any number there
SELECT failure('SELECT id FROM misfits WHERE number > 20');
SELECT failure('SELECT id FROM misfits WHERE small IN (1, 70000)');
-- not met where it is not looked at
SELECT id, small FROM misfits WHERE number = 10;
SELECT id FROM misfits ORDER BY id;
ALTER FOREIGN TABLE misfits ALTER day OPTIONS (reading 'unix');
SELECT day FROM misfits WHERE id = 3;
ALTER FOREIGN TABLE misfits ALTER word OPTIONS (mixed 'true', empty_as_null 'true');
SELECT id, word FROM misfits ORDER BY id;

-- what the source lacks
CREATE FOREIGN TABLE lacking (id int, no_such text) SERVER fdw_test OPTIONS ("table" 'people');
SELECT count(*) FROM lacking;
SELECT failure('SELECT no_such FROM lacking');
CREATE FOREIGN TABLE no_such_table (id int) SERVER fdw_test;
SELECT failure('SELECT * FROM no_such_table');

-- columns dropped and added on this side
ALTER FOREIGN TABLE lacking DROP no_such, ADD age smallint, ADD name text;
SELECT * FROM lacking WHERE id = 2;
SELECT lacking FROM lacking WHERE id = 2;

-- reading alone
SELECT failure('INSERT INTO people (id) VALUES (9)');
SELECT failure('UPDATE people SET name = ''x'' WHERE id = 1');
SELECT failure('DELETE FROM people');
COPY people (id) FROM stdin;
\.
TRUNCATE people;
SELECT is_insertable_into FROM information_schema.tables
WHERE table_schema = 'fdw_test' AND table_name = 'people';
SELECT name FROM people WHERE id = 1 FOR UPDATE;
SELECT tableoid::regclass, name FROM people WHERE id = 1;

-- a partition
CREATE TABLE parted (id bigint, name text) PARTITION BY RANGE (id);
ALTER TABLE parted ATTACH PARTITION people_2 FOR VALUES FROM (0) TO (1000);
SELECT name FROM parted WHERE id = 4;
SELECT failure('INSERT INTO parted VALUES (5, ''x'')');

RESET search_path;
SET client_min_messages = warning;
DROP SERVER fdw_test CASCADE;
DROP SERVER fdw_test_2 CASCADE;
DROP SCHEMA fdw_test CASCADE;
