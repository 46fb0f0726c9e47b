-- Options: which are valid where, their words, who may name a file.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS sqlite_fdw_mig;
DROP ROLE IF EXISTS options_user;
RESET client_min_messages;

-- the validator never opens the file: a dump restores without it
CREATE SERVER options_test FOREIGN DATA WRAPPER sqlite_fdw_mig
    OPTIONS (database '/no/such/file.db', busy_timeout '250');
CREATE FOREIGN TABLE options_table (
    a bigint OPTIONS (column_name 'A'),
    b timestamp OPTIONS (reading 'unix_ms'),
    c text OPTIONS (mixed 'true', empty_as_null 'on')
) SERVER options_test OPTIONS ("table" 'T');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'options_test';
SELECT attname, attfdwoptions FROM pg_attribute
WHERE attrelid = 'options_table'::regclass AND attnum > 0 ORDER BY attnum;

-- the first use does
SELECT * FROM options_table;

-- servers
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig;
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (busy_timeout '1');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database 'app.db');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database 'file:/tmp/app.db');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/a.db', host 'x');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/a.db', "table" 'x');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/a.db', busy_timeout '-1');
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/a.db', busy_timeout 'long');
ALTER SERVER options_test OPTIONS (DROP database);
ALTER SERVER options_test OPTIONS (SET database 'relative');
ALTER SERVER options_test OPTIONS (SET busy_timeout '0');

-- tables and columns
ALTER FOREIGN TABLE options_table OPTIONS (ADD database '/a.db');
ALTER FOREIGN TABLE options_table ALTER a OPTIONS (ADD type 'x');
ALTER FOREIGN TABLE options_table ALTER b OPTIONS (SET reading 'cocoa');
ALTER FOREIGN TABLE options_table ALTER b OPTIONS (SET reading 'UNIX');
ALTER FOREIGN TABLE options_table ALTER c OPTIONS (SET mixed 'perhaps');
ALTER FOREIGN TABLE options_table ALTER c OPTIONS (SET empty_as_null '2');

-- neither the wrapper nor user mappings have any
ALTER FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (ADD database '/a.db');
CREATE USER MAPPING FOR PUBLIC SERVER options_test OPTIONS (user 'x');

-- rights: naming a file takes more than USAGE on the wrapper or owning the server
CREATE ROLE options_user;
GRANT USAGE ON FOREIGN DATA WRAPPER sqlite_fdw_mig TO options_user;
DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO options_user', current_database()); END$$;
ALTER SERVER options_test OWNER TO options_user;
SET ROLE options_user;
CREATE SERVER refused FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/etc/passwd');
ALTER SERVER options_test OPTIONS (SET database '/etc/passwd');
ALTER SERVER options_test OPTIONS (SET busy_timeout '1');
ALTER SERVER options_test OPTIONS (DROP busy_timeout);
ALTER SERVER options_test RENAME TO options_renamed;
RESET ROLE;
GRANT pg_read_server_files TO options_user;
SET ROLE options_user;
ALTER SERVER options_renamed OPTIONS (SET database '/other/file.db');
CREATE SERVER options_test FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/a.db');
RESET ROLE;
SELECT srvname, srvoptions FROM pg_foreign_server WHERE srvname LIKE 'options%' ORDER BY srvname;

SET client_min_messages = warning;
DROP SERVER options_renamed CASCADE;
DROP SERVER options_test;
DO $$BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM options_user', current_database()); END$$;
REVOKE USAGE ON FOREIGN DATA WRAPPER sqlite_fdw_mig FROM options_user;
DROP ROLE options_user;
