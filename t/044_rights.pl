# No privilege is gained: nothing of an attacker's is picked up by name, run with
# another's rights, forged or read; what is made has the owners and grants that tables
# made by hand would have.  (t/006_rights.pl has who may name a path or use a server.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;

my $node = new_cluster('rights2', 'fsync = off');
my $db = new_database($node, 'rights2');
my $file = make_sqlite(<<'SQL', 'source.db');
	CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT DEFAULT (lower('ABC')), d DATETIME DEFAULT CURRENT_TIMESTAMP,
	                CHECK (length(v) < 100 AND abs(id) = id));
	CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER REFERENCES t (id), n DECIMAL(5,2), j JSON);
	CREATE INDEX t_lower ON t (lower(v));
	CREATE INDEX t_part ON t (v) WHERE length(v) > 3;
	CREATE VIEW w AS SELECT lower(v) AS l, count(*) AS n, max(length(v) + id) AS m FROM t WHERE v || 'x' <> upper(v) GROUP BY lower(v);
	INSERT INTO t VALUES (1, 'one', '2024-01-01 00:00:00'), (2, 'three', '2024-01-01 00:00:00');
	INSERT INTO u VALUES (1, 1, 1.5, '{"a": 1}'), (2, 2, 2.25, '[]');
SQL

$node->safe_psql($db, <<"SQL");
	CREATE ROLE filer;
	GRANT pg_read_server_files TO filer;
	CREATE ROLE app;
	GRANT app TO filer;
	CREATE ROLE reader;
	CREATE ROLE attacker;
	GRANT CREATE ON DATABASE rights2 TO filer, reader, attacker;
	CREATE SERVER app FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');
	GRANT USAGE ON FOREIGN SERVER app TO reader;
	CREATE TABLE public.trapped (by_whom text, how text);
	GRANT INSERT ON public.trapped TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO PUBLIC;
SQL

sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql($db, "SET ROLE $role; $sql");
}

sub denied
{
	my ($role, $sql, $message, $title, $sqlstate) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return statement_fails($node, $db, "BEGIN; SET LOCAL ROLE $role; $sql; ROLLBACK;", $sqlstate // '42501', $message, $title);
}

sub trapped
{
	my ($title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($db, 'SELECT DISTINCT by_whom, how FROM public.trapped'), '', $title);
}

is($node->safe_psql($db, "SELECT count(*) FILTER (WHERE prosecdef), count(*) FILTER (WHERE proname IN ('migrate', 'inspect', 'script', 'verify', 'fix_sequences'))"
		  . " FROM pg_proc WHERE pronamespace = 'sqlite_mig'::regnamespace"), '0|5', 'no function runs with the rights of its owner');

# ----------------------------------------------- traps in schemas that others write to

# Functions and operators that would match calls better than PostgreSQL's own do, in
# public and in the target schema, by a role that owns that schema.
foreach my $schema ('public', 'trap')
{
	$node->safe_psql($db, "CREATE SCHEMA trap AUTHORIZATION attacker; GRANT ALL ON SCHEMA trap TO PUBLIC") if $schema eq 'trap';
	my $sql = "SET search_path = $schema, pg_catalog;\n";

	foreach my $function (
		[ 'lower', 'text', 'text' ], [ 'upper', 'text', 'text' ], [ 'length', 'text', 'integer' ], [ 'abs', 'bigint', 'bigint' ],
		[ 'count', '', 'bigint' ], [ 'format', 'text, text', 'text' ], [ 'quote_ident', 'text', 'text' ], [ 'now', '', 'timestamptz' ],
		[ 'nextval', 'regclass', 'bigint' ], [ 'md5', 'text', 'text' ], [ 'max', 'bigint', 'bigint' ], [ 'string_agg', 'text, text', 'text' ],
		[ 'pg_get_userbyid', 'oid', 'name' ], [ 'to_regclass', 'text', 'regclass' ], [ 'jsonb_build_object', 'text, text', 'jsonb' ],
		[ 'array_agg', 'text', 'text[]' ], [ 'coalesce_traps', 'text', 'text' ], [ 'unnest', 'text[]', 'SETOF text' ])
	{
		my ($name, $arguments, $result) = @$function;

		$sql .= "CREATE FUNCTION $schema.$name($arguments) RETURNS $result VOLATILE LANGUAGE plpgsql AS "
		  . "\$\$ BEGIN INSERT INTO public.trapped VALUES (current_user, '$schema.$name'); RAISE 'trapped by $schema.$name'; END \$\$;\n";
	}
	foreach my $operator ([ '=', 'bigint', 'bigint', 'boolean' ], [ '=', 'text', 'text', 'boolean' ], [ '<>', 'text', 'text', 'boolean' ],
		[ '+', 'integer', 'bigint', 'bigint' ], [ '+', 'bigint', 'bigint', 'bigint' ], [ '||', 'text', 'text', 'text' ],
		[ '<', 'integer', 'integer', 'boolean' ], [ '>', 'integer', 'integer', 'boolean' ], [ '=', 'oid', 'oid', 'boolean' ])
	{
		my ($name, $left, $right, $result) = @$operator;
		my $function = "trap_" . join '_', map { sprintf '%02x', ord } split //, "$name$left$right";

		$sql .= "CREATE FUNCTION $schema.$function($left, $right) RETURNS $result VOLATILE LANGUAGE plpgsql AS "
		  . "\$\$ BEGIN RAISE 'trapped by operator $schema.$name'; END \$\$;\n"
		  . "CREATE OPERATOR $schema.$name (LEFTARG = $left, RIGHTARG = $right, FUNCTION = $schema.$function);\n";
	}
	$sql .= "CREATE TYPE $schema.$_ AS ENUM ('trapped');\n" foreach qw(text int8 timestamp jsonb numeric);
	$sql .= "CREATE TABLE $schema.$_ (trapped int);\n" foreach qw(pg_class pg_attribute pg_namespace migration migration_table migration_object);
	$node->safe_psql($db, "SET ROLE attacker; $sql");
}
{
	# Casts of an attacker's own type, which has a name like PostgreSQL's.
	$node->safe_psql($db, q{
		SET ROLE attacker;
		CREATE FUNCTION trap.to_trap(pg_catalog.text) RETURNS trap.text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped by a cast'; END $$;
		CREATE CAST (pg_catalog.text AS trap.text) WITH FUNCTION trap.to_trap(pg_catalog.text) AS IMPLICIT;
	});
	my $n = 0;

	foreach my $path ('trap, public, pg_catalog', 'public, trap, pg_catalog', '"$user", trap', "''")
	{
		foreach my $function (qw(inspect script migrate verify fix_sequences))
		{
			my $query = $function eq 'inspect' ? 'pg_catalog.count(target_type) FROM ' . call_sql('inspect', $file)
			  : $function eq 'script' ? 'pg_catalog.count(statement) FROM ' . call_sql('script', $file, target_schema => "'unmade'")
			  : $function eq 'migrate' ? 'pg_catalog.bool_and(verified) FROM ' . call_sql('migrate', $file, target_schema => "'trap'", if_exists => "'replace'")
			  : $function eq 'verify' ? 'pg_catalog.bool_and(verified) FROM ' . call_sql('verify', $file, target_schema => "'trap'")
			  : 'pg_catalog.count(new_value) FROM ' . call_sql('fix_sequences', $file, target_schema => "'trap'");
			$node->safe_psql($db, 'DROP VIEW IF EXISTS trap.w') if $function eq 'migrate';
			my ($rc, $out, $err) = $node->psql($db, "SET search_path = $path; SELECT $query", on_error_stop => 1);

			ok($rc == 0 && $err !~ /trapped/, "$function with search_path $path") or diag($err);
			$n++;
		}
	}
	trapped("$n calls ran nothing of the attacker's");
	is($node->safe_psql($db, <<'SQL'), '', 'what was made uses nothing of the attacker\'s');
		SELECT d.classid::regclass, d.refclassid::regclass, d.refobjid FROM pg_depend d
		WHERE (d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM pg_proc WHERE proowner = 'attacker'::regrole)
		    OR d.refclassid = 'pg_operator'::regclass AND d.refobjid IN (SELECT oid FROM pg_operator WHERE oprowner = 'attacker'::regrole)
		    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT oid FROM pg_type WHERE typowner = 'attacker'::regrole))
		AND (d.classid = 'pg_rewrite'::regclass AND d.objid IN (SELECT oid FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM pg_class WHERE relowner <> 'attacker'::regrole))
		    OR d.classid = 'pg_attrdef'::regclass
		    OR d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM pg_constraint WHERE conname !~ 'trap')
		    OR d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relowner <> 'attacker'::regrole))
SQL
	is($node->safe_psql($db, "SELECT count(*) FROM sqlite_mig.migration_object WHERE kind IN ('view', 'check', 'index') AND status <> 'left_out' AND migration_id = 1") > 2 ? 1 : 0,
		1, 'and there were views, checks and indexes among it');
}

# Later use by others, whose search_path leads to the traps first.
{
	my ($rc, $out, $err) = $node->psql($db, "SET search_path = trap, public, pg_catalog; SELECT pg_catalog.count(*) FROM trap.w; INSERT INTO trap.t (id) VALUES (77) RETURNING v;", on_error_stop => 1);
	is("$out", "2\nabc", 'views, defaults and checks mean the same under any search_path') or diag($err);
	trapped('and trap nobody');
}

# ------------------------------------------------------- names that are SQL

{
	my $canary = "CREATE TABLE public.canary (v int); INSERT INTO public.canary VALUES (1);";
	my $evil = make_sqlite(<<'SQL', 'evil.db');
		CREATE TABLE "x""; DROP TABLE public.canary; --" ("a""); DROP TABLE public.canary; --" TEXT DEFAULT '''); DROP TABLE public.canary; --',
			"b\' || (SELECT 1) --" INTEGER CHECK ("b\' || (SELECT 1) --" <> 5), "$$; DROP TABLE public.canary; $$" "TEXT); DROP TABLE public.canary; --",
			CONSTRAINT "c""; DROP TABLE public.canary; --" UNIQUE ("b\' || (SELECT 1) --"));
		CREATE INDEX "i""; DROP TABLE public.canary; --" ON "x""; DROP TABLE public.canary; --" ("a""); DROP TABLE public.canary; --");
		CREATE TABLE "E'\'' --" (id INTEGER PRIMARY KEY REFERENCES "x""; DROP TABLE public.canary; --" ("b\' || (SELECT 1) --"), "
-- new line
	tab" TEXT);
		CREATE VIEW "v'); DROP TABLE public.canary; --" AS SELECT 1 AS "c""'); DROP TABLE public.canary; --";
		INSERT INTO "x""; DROP TABLE public.canary; --" VALUES ('''); DROP TABLE public.canary; --', 1, '\''); DROP');
		INSERT INTO "E'\'' --" VALUES (1, '$1 %s %n');
SQL
	$node->safe_psql($db, $canary);
	foreach my $setting ('standard_conforming_strings = on', 'standard_conforming_strings = off', "backslash_quote = on; SET escape_string_warning = off")
	{
		my ($rc, $out, $err) = $node->psql($db, "SET client_min_messages = warning; SET $setting; BEGIN; SELECT count(*) FILTER (WHERE verified) FROM "
			  . call_sql('migrate', $evil, target_schema => "'ev''il\"; --'", if_exists => "'replace'")
			  . '; SELECT count(*) FROM public.canary; COMMIT;', on_error_stop => 1);
		is($out, "2\n1", "names that are SQL, with $setting") or diag($err);
	}
	$node->command_ok([ 'pg_dump', '-n', '"ev\'il""; --"', '-f', PostgreSQL::Test::Utils::tempdir() . '/evil.sql', $db ], 'and pg_dump copes');
	$node->safe_psql($db, q{DROP SCHEMA "ev'il""; --" CASCADE});
}

# ------------------------------------------------------- history

as('reader', 'SELECT count(*) FROM ' . call_sql('migrate', 'app', target_schema => "'readers'"));
as('filer', 'SELECT count(*) FROM ' . call_sql('migrate', make_sqlite('CREATE TABLE r (v INTEGER); INSERT INTO r VALUES (1), (\'secret\');', 'rejected.db'),
		target_schema => "'filers'", on_misfit => "'reject'"));
my $runs = $node->safe_psql($db, 'SELECT md5(string_agg(m::text, \',\' ORDER BY id)) FROM sqlite_mig.migration m');

foreach my $table (qw(migration migration_table migration_column migration_object rejected_row))
{
	foreach my $attack ("INSERT INTO sqlite_mig.$table SELECT * FROM sqlite_mig.$table", "DELETE FROM sqlite_mig.$table",
		"UPDATE sqlite_mig.$table SET migrated_by = 'reader'", "TRUNCATE sqlite_mig.$table CASCADE", "SELECT 1 FROM sqlite_mig.$table FOR UPDATE",
		"CREATE TRIGGER trap BEFORE INSERT ON sqlite_mig.$table EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"CREATE RULE trap AS ON INSERT TO sqlite_mig.$table DO INSTEAD NOTHING", "ALTER TABLE sqlite_mig.$table DISABLE ROW LEVEL SECURITY",
		"CREATE POLICY trap ON sqlite_mig.$table USING (true)", "DROP TABLE sqlite_mig.$table CASCADE", "LOCK TABLE sqlite_mig.$table",
		"COPY sqlite_mig.$table FROM STDIN")
	{
		my ($what) = $attack =~ /^(\w+(?: \w+)?)/;

		denied('reader', $attack, qr/permission denied|must be owner/, "$table: no $what");
	}
	is(as('reader', "SELECT count(*) FROM sqlite_mig.$table WHERE migrated_by <> 'reader'"), '0', "$table: others' rows are not seen");
}
denied('reader', "SELECT nextval('sqlite_mig.migration_id_seq')", qr/permission denied/, 'the count of runs cannot be moved');
denied('reader', "SELECT setval('sqlite_mig.migration_id_seq', 1)", qr/permission denied/, 'nor set');
denied('attacker', 'CREATE TABLE sqlite_mig.mine ()', qr/permission denied for schema sqlite_mig/, 'nobody makes things in sqlite_mig');
denied('attacker', 'CREATE FUNCTION sqlite_mig.migrate(text) RETURNS int LANGUAGE sql AS $$SELECT 1$$', qr/permission denied for schema sqlite_mig/, 'nor a function of the same name');
# A function of the attacker's that is cheap enough to be run before the policy.
as('reader', q{CREATE FUNCTION readers.leak(anyelement) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END $$});
{
	my ($rc, $out, $err) = $node->psql($db, "SET ROLE reader; SELECT count(*) FROM sqlite_mig.rejected_row WHERE readers.leak(row); SELECT count(*) FROM sqlite_mig.migration WHERE readers.leak(target_schema);");
	unlike($err, qr/secret|filers/, 'a function that tells all is run after the policy');
	is($out, "0\n1", 'and sees its own rows');
}
is($node->safe_psql($db, 'SELECT md5(string_agg(m::text, \',\' ORDER BY id)) FROM sqlite_mig.migration m'), $runs, 'history is as it was');
foreach my $target ('sqlite_mig', 'information_schema', 'pg_catalog', 'pg_toast')
{
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'$target'"), '42939',
		qr/cannot be the target/, "even a superuser does not migrate into $target");
}

# ------------------------------------------------------- whose rights

# A superuser who became somebody else has that one's rights alone.
denied('reader', 'SELECT * FROM ' . call_sql('migrate', $file), qr/permission denied to name a SQLite file/, 'after SET ROLE the rights are those of the role');
statement_fails($node, $db, 'SET SESSION AUTHORIZATION reader; SELECT * FROM ' . call_sql('migrate', $file), '42501', qr/permission denied to name a SQLite file/,
	'after SET SESSION AUTHORIZATION too');
# SECURITY DEFINER: the definer's rights, neither more nor less.
as('filer', "CREATE SCHEMA wrapped; CREATE FUNCTION wrapped.run(path text) RETURNS bigint SECURITY DEFINER LANGUAGE sql"
	  . " AS \$\$ SELECT count(*) FROM sqlite_mig.migrate(path, 'wrapped', if_exists => 'replace') \$\$; GRANT USAGE ON SCHEMA wrapped TO PUBLIC");
is(as('attacker', 'SET search_path = trap, public; SELECT wrapped.run(' . literal($file) . ')'), '2', 'a wrapper that its owner offers works');
is($node->safe_psql($db, "SELECT migrated_by || ' ' || (SELECT string_agg(DISTINCT relowner::regrole::text, ',') FROM pg_class WHERE relnamespace = 'wrapped'::regnamespace) FROM sqlite_mig.migration ORDER BY id DESC LIMIT 1"),
	'filer filer', 'as its owner: the run is his, and what it made');
trapped('whatever search_path the caller had');
as('reader', "CREATE FUNCTION readers.run(path text) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS \$\$ SELECT count(*) FROM sqlite_mig.migrate(path, 'readers') \$\$");
statement_fails($node, $db, 'SELECT readers.run(' . literal($file) . ')', '42501', qr/permission denied to name a SQLite file/,
	"a wrapper does not borrow its caller's rights");

# Servers: who owns one, points it nowhere else.
$node->safe_psql($db, 'GRANT USAGE ON FOREIGN DATA WRAPPER sqlite_fdw_mig TO filer, reader, attacker');
as('filer', "CREATE SERVER filers FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')");
$node->safe_psql($db, 'ALTER SERVER filers OWNER TO reader');
my $options = $node->safe_psql($db, "SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'filers'");
foreach my $attack ("ALTER SERVER filers OPTIONS (SET database '/etc/passwd')", "ALTER SERVER filers OPTIONS (DROP database, ADD database '/etc/passwd')",
	"ALTER SERVER filers OPTIONS (SET busy_timeout '1')", "CREATE SERVER more FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')")
{
	denied('reader', $attack, qr/permission denied|option "busy_timeout" not found/, "its owner: $attack", $attack =~ /busy/ ? '42704' : '42501');
}
denied('attacker', "ALTER SERVER filers OWNER TO attacker", qr/must be owner/, 'taking a server over');
denied('reader', 'ALTER SERVER filers OWNER TO filer', qr/must be member|must be able to SET ROLE/, 'handing it to somebody who may name paths, to act as them');
is($node->safe_psql($db, "SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'filers'"), $options, 'its options are as they were');
is(as('reader', 'SELECT count(*) FROM ' . call_sql('inspect', 'filers')), '7', 'it may be used');

# The owner of a foreign table cannot make it read elsewhere.
as('reader', 'CREATE FOREIGN TABLE readers.f (id bigint) SERVER filers OPTIONS ("table" \'t\')');
denied('reader', "ALTER FOREIGN TABLE readers.f OPTIONS (ADD database '/etc/passwd')", qr/invalid option "database"/, 'a table has no path', 'HV00D');
foreach my $table ('sqlite_schema', 'pragma_database_list', 'main.t', "t' UNION SELECT 1 --", 't"; ATTACH \'/etc/passwd\' AS x; --')
{
	$node->safe_psql($db, 'ALTER FOREIGN TABLE readers.f OPTIONS (SET "table" ' . literal($table) . ')');
	my ($rc, $out, $err) = $node->psql($db, 'SET ROLE reader; SELECT * FROM readers.f');
	like($err, qr/has no table|cannot be read|has no column/, "a table named $table is not found");
}

# progress shows a run to its own role and to those who may see all.
{
	my $session = SqliteMig::Session->new($node, $db);
	my $locker = SqliteMig::Session->new($node, $db);

	$node->safe_psql($db, 'CREATE SCHEMA shown; CREATE TABLE shown.t (id bigint, v text, d timestamp)');
	$locker->query('BEGIN; LOCK TABLE shown.t;');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'shown'") . ';');
	$node->poll_query_until($db, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted") or die;
	is($node->safe_psql($db, 'SELECT count(*) FROM sqlite_mig.progress'), '1', 'a superuser sees the run');
	is(as('attacker', 'SELECT count(*) FROM sqlite_mig.progress'), '0', 'another role does not');
	$node->safe_psql($db, 'CREATE ROLE monitor; GRANT pg_read_all_stats TO monitor');
	is(as('monitor', 'SELECT count(*) FROM sqlite_mig.progress'), '1', 'pg_read_all_stats does');
	$locker->query('ROLLBACK;');
	$session->result;
	$_->close foreach $session, $locker;
}

# ------------------------------------------------------- row-level security of a target

$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA guarded;
	CREATE TABLE guarded.t (id bigint PRIMARY KEY, v text, d timestamp);
	ALTER TABLE guarded.t ENABLE ROW LEVEL SECURITY;
	GRANT USAGE ON SCHEMA guarded TO reader;
	GRANT SELECT, INSERT ON guarded.t TO reader;
SQL
my $guarded = 'SELECT bool_and(verified) FROM ' . call_sql('migrate', 'app', target_schema => "'guarded'", include => "'{t}'");

foreach my $case (
	[ 'no policy', '', qr/new row violates row-level security policy/, '42501' ],
	[ 'a policy that refuses a row', 'CREATE POLICY p ON guarded.t USING (true) WITH CHECK (id <> 2)', qr/new row violates row-level security policy/, '42501' ],
	[ 'a policy that hides a row', 'CREATE POLICY p ON guarded.t FOR SELECT USING (id <> 2); CREATE POLICY q ON guarded.t FOR INSERT WITH CHECK (true)', qr/verif|did not take all rows|row-level security/, undef ])
{
	my ($title, $sql, $message, $sqlstate) = @$case;

	$node->safe_psql($db, "DROP POLICY IF EXISTS p ON guarded.t; DROP POLICY IF EXISTS q ON guarded.t; $sql");
	foreach my $setting ('on', 'off')
	{
		my ($rc, $out, $err) = $node->psql($db, "SET ROLE reader; SET row_security = $setting; $guarded", on_error_stop => 1);
		ok($rc != 0 && $err =~ $message, "$title, row_security = $setting: refused") or diag($out . $err);
	}
}
$node->safe_psql($db, 'DROP POLICY p ON guarded.t; DROP POLICY q ON guarded.t; CREATE POLICY p ON guarded.t USING (true)');
is(as('reader', $guarded), 't', 'a policy that lets everything through does not disturb');

# ------------------------------------------------------- owners, grants, defaults

$node->safe_psql($db, <<'SQL');
	ALTER DEFAULT PRIVILEGES FOR ROLE filer GRANT SELECT, INSERT ON TABLES TO app WITH GRANT OPTION;
	ALTER DEFAULT PRIVILEGES FOR ROLE filer GRANT USAGE ON SEQUENCES TO app;
	ALTER DEFAULT PRIVILEGES FOR ROLE filer GRANT USAGE ON SCHEMAS TO app;
	ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO reader;
SQL
foreach my $owner (undef, 'app')
{
	my $title = $owner ? "owner => 'app'" : 'the caller';
	my $made = $owner ? 'made_for_app' : 'made';

	$node->safe_psql($db, "GRANT CREATE ON DATABASE rights2 TO app");
	as('filer', 'SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'$made'", ($owner ? (owner => "'$owner'") : ())));
	as('filer', "CREATE SCHEMA hand_$made" . ($owner ? " AUTHORIZATION $owner" : '') . "; CREATE TABLE hand_$made.t (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);"
		  . " CREATE TABLE hand_$made.u (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY); CREATE VIEW hand_$made.w AS SELECT 1;"
		  . ($owner ? "ALTER TABLE hand_$made.t OWNER TO $owner; ALTER TABLE hand_$made.u OWNER TO $owner; ALTER VIEW hand_$made.w OWNER TO $owner;" : ''));
	my $acl = sub {
		return $node->safe_psql($db, "SELECT nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = '$_[0]'") . "\n"
		  . $node->safe_psql($db, "SELECT relkind, relowner::regrole, relacl FROM pg_class WHERE relnamespace = '$_[0]'::regnamespace AND relkind IN ('r', 'S', 'v') ORDER BY relkind, relname");
	};
	is($acl->($made), $acl->("hand_$made"), "$title: owners and grants are those of tables made by hand");
	is($node->safe_psql($db, "SELECT count(*) FROM pg_type WHERE typnamespace = '$made'::regnamespace AND typowner <> '" . ($owner // 'filer') . "'::regrole"), '0',
		"$title: row types too");
}

$node->stop;
done_testing();
