# Who may name a path, who may use a server, and what a migration may do to the
# target: never more than the caller may.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $node = new_cluster('rights', 'fsync = off');
my $db = new_database($node, 'rights');
my $file = make_sqlite('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);'
	  . "INSERT INTO t VALUES (1, 'one'), (2, 'two');");

$node->safe_psql($db, <<"SQL");
	CREATE ROLE reader;
	CREATE ROLE filer;
	GRANT pg_read_server_files TO filer;
	CREATE ROLE outsider;
	CREATE ROLE app;
	CREATE ROLE member;
	GRANT app TO member;
	GRANT pg_read_server_files TO member;
	CREATE SERVER app FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');
	GRANT USAGE ON FOREIGN SERVER app TO reader;
	CREATE SCHEMA mine AUTHORIZATION reader;
	CREATE SCHEMA theirs;
	GRANT CREATE ON DATABASE rights TO filer, member, reader;
SQL

# As a role; what happened is undone.
sub as_role
{
	my ($role, $sql) = @_;

	return "BEGIN; SET LOCAL ROLE $role; $sql; ROLLBACK;";
}

sub may
{
	my ($role, $sql, $title) = @_;
	my ($rc, $out, $err) = $node->psql($db, as_role($role, $sql), on_error_stop => 1);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($rc, 0, $title) or diag($err);
	return $out;
}

sub may_not
{
	my ($role, $sql, $message, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return statement_fails($node, $db, as_role($role, $sql), '42501', $message, $title);
}

my $by_path = 'SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'fresh'");
my $by_server = 'SELECT count(*) FROM ' . call_sql('migrate', 'app', target_schema => "'mine'");

# Naming a path.
may('filer', $by_path, 'a member of pg_read_server_files may name a path');
may_not('reader', $by_path, qr/permission denied/, 'USAGE on a server does not let one name a path');
may_not('outsider', $by_path, qr/permission denied/, 'nor may anyone else');
may_not('outsider', 'SELECT * FROM ' . call_sql('migrate', '/no/such/file'), qr/permission denied/,
	'who may not name a path does not learn whether the file is there');
foreach my $function (qw(inspect script verify))
{
	may_not('reader', 'SELECT * FROM ' . call_sql($function, $file), qr/permission denied/, "$function: the same");
}
may_not('reader', 'SELECT * FROM ' . call_sql('fix_sequences', $file), qr/permission denied/, 'fix_sequences: the same');

# Pointing a server at a file.
$node->safe_psql($db, 'GRANT USAGE ON FOREIGN DATA WRAPPER sqlite_fdw_mig TO reader, filer');
may_not('reader', "CREATE SERVER x FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')",
	qr/permission denied/, 'CREATE SERVER needs the right to name a path');
may('filer', "CREATE SERVER x FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')",
	'which pg_read_server_files gives');
$node->safe_psql($db, "CREATE SERVER readers FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file'); ALTER SERVER readers OWNER TO reader");
may_not('reader', "ALTER SERVER readers OPTIONS (SET database '/etc/passwd')", qr/permission denied/,
	'the owner of a server may not point it elsewhere');
statement_fails($node, $db, as_role('reader', 'ALTER SERVER readers OPTIONS (DROP database)'),
	'HV002', qr/"database" is required/, 'nor take its database away');

# Using a server.
is(may('reader', $by_server, 'USAGE on a server lets one migrate from it'), '1', 'one table');
may_not('outsider', 'SELECT * FROM ' . call_sql('migrate', 'app'), qr/permission denied for foreign server app/,
	'without USAGE one may not');
may_not('outsider', 'SELECT * FROM ' . call_sql('inspect', 'app'), qr/permission denied for foreign server app/,
	'nor inspect it');
may_not('outsider', 'SELECT * FROM ' . call_sql('script', 'app'), qr/permission denied for foreign server app/,
	'nor have a script written');
is(may('reader', 'SELECT count(*) FROM ' . call_sql('inspect', 'app'), 'inspect from a server'), '2', 'two columns');

# The target.
may_not('filer', 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'theirs'"),
	qr/permission denied for schema theirs/, 'a schema that one may not create in');
may_not('outsider', "SET LOCAL search_path = ''; SELECT * FROM " . call_sql('migrate', 'app', target_schema => "'new'"),
	qr/permission denied/, 'a schema that one may not make');
$node->safe_psql($db, 'CREATE TABLE mine.t (id bigint PRIMARY KEY, v text)');
may_not('reader', 'SELECT * FROM ' . call_sql('migrate', 'app', target_schema => "'mine'"),
	qr/permission denied for table t|must be owner/, "another's table without INSERT");
$node->safe_psql($db, 'GRANT SELECT, INSERT ON mine.t TO reader');
may('reader', $by_server, "with SELECT and INSERT on another's empty table it may be loaded");
$node->safe_psql($db, 'DROP TABLE mine.t');

# Ownership.
is(may('member', 'SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'made'", owner => "'app'")
		  . ";SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'made.t'::regclass"
		  . ";SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'made'",
		'a member of a role can make things for it'),
	"1\napp\napp", 'the role owns the table and the schema');
may_not('filer', 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'made'", owner => "'app'"),
	qr/must be member of role "app"/, 'who is no member may not');

# Foreign tables follow the rules of any foreign table.
$node->safe_psql($db, 'CREATE SCHEMA live; IMPORT FOREIGN SCHEMA main FROM SERVER app INTO live;'
	  . 'GRANT USAGE ON SCHEMA live TO reader; GRANT SELECT ON live.t TO reader');
is(may('reader', 'SELECT count(*) FROM live.t', 'SELECT on a foreign table'), '2', 'reads the file');
may_not('outsider', 'SELECT * FROM live.t', qr/permission denied/, 'without it nothing is read');
may_not('reader', 'IMPORT FOREIGN SCHEMA main FROM SERVER readers INTO theirs', qr/permission denied for schema theirs/,
	'IMPORT FOREIGN SCHEMA into a schema of others');

# The history: written by the functions alone, and each role reads its own runs.
$node->safe_psql($db, "SET ROLE reader; SELECT * FROM " . call_sql('migrate', 'app', target_schema => "'mine'"));
$node->safe_psql($db, "SELECT * FROM " . call_sql('migrate', $file, target_schema => "'theirs'"));
is($node->safe_psql($db, 'SELECT string_agg(migrated_by, \',\' ORDER BY id) FROM sqlite_mig.migration'),
	'reader,' . $node->safe_psql($db, 'SELECT current_user'), 'both runs are recorded');
foreach my $table (qw(migration migration_table migration_column migration_object))
{
	is(may('reader', "SELECT count(*) FROM sqlite_mig.$table WHERE migrated_by <> 'reader'",
			"$table can be read"), '0', "$table: the runs of others are not shown");
	isnt(may('reader', "SELECT count(*) FROM sqlite_mig.$table", "$table can be read"), '0',
		"$table: one's own are");
	may_not('reader', "DELETE FROM sqlite_mig.$table", qr/permission denied/, "$table: nobody erases");
	may_not('reader', "INSERT INTO sqlite_mig.$table SELECT * FROM sqlite_mig.$table", qr/permission denied/,
		"$table: nobody forges");
}
is(may('reader', 'SELECT bool_and(verified) FROM ' . call_sql('verify', 'app', target_schema => "'mine'"),
		"verify of one's own run"), 't', 'says true');

# Nothing is found by name in schemas that others write to.
$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA trap;
	CREATE FUNCTION trap.count() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';
	CREATE FUNCTION trap.trapped(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';
	CREATE OPERATOR trap.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = trap.trapped);
	CREATE FUNCTION trap.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
	CREATE TYPE trap.int8 AS ENUM ('trapped');
	CREATE TYPE trap.text AS ENUM ('trapped');
SQL
is($node->safe_psql($db, 'SET search_path = trap, pg_catalog; SELECT pg_catalog.bool_and(verified) FROM '
		  . call_sql('migrate', $file, target_schema => "'trap'")), 't',
	'a hostile target schema and search_path are not picked up');
is($node->safe_psql($db, "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'trap.t'::regclass AND attname = 'v'"),
	'text', 'types are those of pg_catalog');

$node->stop;
done_testing();
