-- IMPORT FOREIGN SCHEMA: names, types, readings, options, what is left out.
-- Reads samples/sql/import.sql.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
RESET client_min_messages;
\getenv sample_dir SFM_SAMPLE_DIR
\set database :sample_dir '/import.db'
CREATE SERVER import_test FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database :'database');
CREATE SCHEMA import_test;
SET search_path = import_test;

-- everything; a broken view does not stop the rest
IMPORT FOREIGN SCHEMA main FROM SERVER import_test INTO import_test;

-- names: folded as asked, distinct, never longer than 63 bytes
SELECT c.relname, t.ftoptions
FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid
ORDER BY c.relname COLLATE "C";
SELECT a.attname, octet_length(a.attname::text) AS bytes, a.attfdwoptions
FROM pg_attribute a WHERE attrelid = 'names'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM names;

-- types; readings and offsets from what is in the columns
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions
FROM pg_attribute WHERE attrelid = 'dates'::regclass AND attnum > 0 ORDER BY attnum;
SELECT iso, with_offset AT TIME ZONE 'UTC' AS with_offset, unix, ms FROM dates;
SELECT julian, calendar, mixture, unclear, day, day_time, clock, vacant FROM dates;
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions
FROM pg_attribute WHERE attrelid = 'types'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM types;
SELECT attname, format_type(atttypid, atttypmod), attfdwoptions
FROM pg_attribute WHERE attrelid = 'sums'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM sums;
SELECT * FROM computed;

-- neither defaults nor NOT NULL unless asked for
SELECT count(*) FILTER (WHERE atthasdef) AS defaults, count(*) FILTER (WHERE attnotnull) AS not_null
FROM pg_attribute WHERE attrelid IN (SELECT ftrelid FROM pg_foreign_table) AND attnum > 0;

-- the options
CREATE SCHEMA import_snake;
IMPORT FOREIGN SCHEMA main LIMIT TO (user_account, user_account_1, defaults, computed)
    FROM SERVER import_test INTO import_snake
    OPTIONS (identifiers 'snake_case', import_default 'true', import_not_null 'true',
             import_generated 'false');
SELECT attrelid::regclass, attname, attnotnull, pg_get_expr(d.adbin, d.adrelid) AS default, attfdwoptions
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'import_snake'::regnamespace)
    AND attnum > 0
ORDER BY attrelid::regclass::text COLLATE "C", attnum;

CREATE SCHEMA import_preserve;
IMPORT FOREIGN SCHEMA main LIMIT TO ("UserAccount")
    FROM SERVER import_test INTO import_preserve OPTIONS (identifiers 'preserve');
SELECT * FROM import_preserve."UserAccount";

-- LIMIT TO and EXCEPT go by the names in PostgreSQL; a table left out is not looked at
CREATE SCHEMA import_limited;
IMPORT FOREIGN SCHEMA main LIMIT TO ("UserAccount", types, missing)
    FROM SERVER import_test INTO import_limited;
IMPORT FOREIGN SCHEMA main EXCEPT (types, broken, dates, names, defaults, computed, sums, unnamed_1)
    FROM SERVER import_test INTO import_limited;
SELECT relname FROM pg_class WHERE relnamespace = 'import_limited'::regnamespace
ORDER BY relname COLLATE "C";

-- what is refused
IMPORT FOREIGN SCHEMA public FROM SERVER import_test INTO import_limited;
IMPORT FOREIGN SCHEMA main FROM SERVER import_test INTO import_limited OPTIONS (identifiers 'upper');
IMPORT FOREIGN SCHEMA main FROM SERVER import_test INTO import_limited OPTIONS (case_sensitive 'true');
IMPORT FOREIGN SCHEMA main FROM SERVER import_test INTO import_limited OPTIONS (import_default 'perhaps');

RESET search_path;
SET client_min_messages = warning;
DROP SERVER import_test CASCADE;
DROP SCHEMA import_test, import_snake, import_preserve, import_limited;
