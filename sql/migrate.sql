-- migrate(): what comes out of a well-behaved app's file.  Reads samples/sql/shop.sql.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
RESET client_min_messages;
\getenv sample_dir SFM_SAMPLE_DIR
\set shop :sample_dir '/shop.db'

SELECT source_table, target_table, status, source_rows, target_rows, rejected_rows, verified,
       sequence_value, target_bytes > 0 AS has_bytes, elapsed > '0' AS took_time
FROM sqlite_mig.migrate(:'shop', 'shop');

-- nothing of its own is left behind
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sqlite_mig_%';
SELECT srvname FROM pg_foreign_server WHERE srvname LIKE 'sqlite_mig_%';

-- structure
\d shop.category
\d shop.product
\d shop.stock
\d shop.event

-- rows
TABLE shop.category;
SELECT id, category_id, sku, price, active, tags FROM shop.product;
SELECT id, added, weight, picture, picture IS NULL AS no_picture FROM shop.product;
TABLE shop.stock;
TABLE shop.event;

-- the next INSERT works: past AUTOINCREMENT's count, which lies above max(id)
INSERT INTO shop.category (name) VALUES ('new') RETURNING id;
INSERT INTO shop.product (category_id, sku) VALUES (1, 'X') RETURNING id, price, active, added IS NOT NULL AS has_added;
-- NOCASE is kept, for ASCII alone
INSERT INTO shop.product (category_id, sku) VALUES (1, 'x');

-- every object is accounted for, and nothing is left out in silence
SELECT kind, source_table, name, status, note FROM sqlite_mig.migration_object
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration) AND status = 'left_out';
SELECT kind, status, count(*) FROM sqlite_mig.migration_object
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration)
GROUP BY kind, status ORDER BY kind COLLATE "C", status COLLATE "C";
SELECT source_table, unnest(notes) AS note FROM sqlite_mig.migration_table
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration) ORDER BY source_table, 2;
SELECT source_table, source_column, declared_type, target_column, target_type, reading, misfits, nulled
FROM sqlite_mig.migration_column
WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration) ORDER BY 1, 2;
SELECT tables, source_rows, target_rows, rejected_rows, fast_rows, migrated_by = current_user AS by_me,
       options - 'source' AS options
FROM sqlite_mig.migration ORDER BY id DESC LIMIT 1;

-- what a dry run says is what the run says, and it writes nothing
BEGIN TRANSACTION READ ONLY;
SELECT source_table, target_table, status, source_rows, target_rows, rejected_rows, verified, sequence_value
FROM sqlite_mig.migrate(:'shop', 'shop2', dry_run => true);
COMMIT;
SELECT count(*) FROM pg_namespace WHERE nspname = 'shop2';

-- names and types as asked; a column left out
SELECT source_table, target_table FROM sqlite_mig.migrate(:'shop', 'Shop 2', include => '{event, sto%}',
    exclude => '{stock}', identifiers => 'preserve',
    types => '{"event.at": {"type": "timestamptz", "reading": "unix"}, "event.kind": {"skip": true}, "CHAR": "uuid"}');
SET TimeZone = 'UTC';
TABLE "Shop 2".event;

-- a savepoint undoes it all, sequences and history too
BEGIN;
SAVEPOINT before;
SELECT count(*) FROM sqlite_mig.migrate(:'shop', 'shop3');
ROLLBACK TO before;
SELECT count(*) FROM pg_namespace WHERE nspname = 'shop3';
SELECT count(*) FROM sqlite_mig.migration WHERE target_schema = 'shop3';
COMMIT;

-- from plpgsql, with its rows
CREATE FUNCTION pg_temp.move(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    result text := '';
BEGIN
    FOR r IN SELECT * FROM sqlite_mig.migrate(path, 'shop3') LOOP
        result := result || format('%s=%s ', r.source_table, r.target_rows);
    END LOOP;
    RETURN result;
END $$;
SET client_min_messages = warning;
SELECT pg_temp.move(:'shop');

-- verification later: a change shows, and says so
SELECT source_table, target_table, source_rows, target_rows, source_checksum = target_checksum AS same, verified, notes
FROM sqlite_mig.verify(:'shop', 'shop3');
UPDATE shop3.product SET price = 12.51 WHERE id = 1;
DELETE FROM shop3.event WHERE kind = 'stop';
SELECT source_table, source_rows, target_rows, verified, notes FROM sqlite_mig.verify(:'shop', 'shop3') WHERE NOT verified;
SELECT source_table, verified FROM sqlite_mig.verify(:'shop', 'shop3', include => '{product,event}', method => 'count');

-- what was migrated stays without the extension
DROP EXTENSION sqlite_fdw_mig;
SELECT count(*) FROM shop3.product;
INSERT INTO shop3.category (name) VALUES ('later') RETURNING id;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sqlite%';
DROP SCHEMA shop, shop3, "Shop 2" CASCADE;
CREATE EXTENSION sqlite_fdw_mig;
