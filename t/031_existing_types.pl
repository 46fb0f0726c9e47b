# Existing columns decide: values arrive in the types that an app's own schema has, and
# what does not fit is a misfit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $node = new_cluster('existing_types', 'fsync = off');
my $db = new_database($node, 'types');

$node->safe_psql($db, <<'SQL');
	CREATE EXTENSION citext;
	CREATE EXTENSION hstore;
	CREATE SCHEMA app;
	CREATE TYPE app.mood AS ENUM ('SAD', 'OK', 'Very happy');
	CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
	CREATE DOMAIN app.tags AS text[] CHECK (cardinality(VALUE) < 3);
	CREATE DOMAIN app.short AS varchar(5);
	CREATE DOMAIN app.named AS text NOT NULL;
	CREATE DOMAIN app.weekday AS app.mood CHECK (VALUE <> 'SAD');
SQL

# A column of this type, values as SQLite expressions with what PostgreSQL shows, and
# SQLite expressions of values that do not fit.
my @cases = (
	[ 'int4', 'INTEGER', [ '7' => '7', '-2147483648' => '-2147483648', "'12'" => '12' ], [ '2147483648', '1.5', "'x'" ] ],
	[ 'int2', 'INTEGER', [ '7' => '7' ], ['40000'] ],
	[ 'boolean', 'INTEGER', [ '1' => 't', '0' => 'f', "'false'" => 'f' ], ['2'] ],
	[ 'varchar(5)', 'TEXT', [ "'abcde'" => 'abcde', "''" => '' ], ["'abcdef'"] ],
	[ 'char(36)', 'TEXT', [ "'0b9a3f6e-8d5c-4d1e-9f0a-1b2c3d4e5f60'" => '0b9a3f6e-8d5c-4d1e-9f0a-1b2c3d4e5f60' ], [ "hex(zeroblob(19))" ] ],
	[ 'uuid', 'CHAR(32)', [ "'0b9a3f6e8d5c4d1e9f0a1b2c3d4e5f60'" => '0b9a3f6e-8d5c-4d1e-9f0a-1b2c3d4e5f60',
			"'0B9A3F6E-8D5C-4D1E-9F0A-1B2C3D4E5F60'" => '0b9a3f6e-8d5c-4d1e-9f0a-1b2c3d4e5f60',
			"x'0b9a3f6e8d5c4d1e9f0a1b2c3d4e5f60'" => '0b9a3f6e-8d5c-4d1e-9f0a-1b2c3d4e5f60' ], ["'0b9a3f6e'"] ],
	[ 'numeric(8,2)', 'DECIMAL', [ '12.25' => '12.25', '3' => '3.00', "'999999.99'" => '999999.99' ], [ '1.005', '1e7' ] ],
	[ 'timestamptz', 'DATETIME', [ "'2024-02-29 12:00:00.5'" => '2024-02-29 12:00:00.5+00', "'2024-02-29T12:00:00+02:00'" => '2024-02-29 10:00:00+00' ], ["'2024-02-30'"] ],
	[ 'timestamp', 'DATETIME', [ "'2024-02-29 12:00:00.000001'" => '2024-02-29 12:00:00.000001', "'2024-02-29T12:00:00+02:00'" => '2024-02-29 10:00:00' ], ["'now'"] ],
	[ 'timestamp(3)', 'DATETIME', [ "'2024-02-29 12:00:00.123'" => '2024-02-29 12:00:00.123' ], ["'2024-02-29 12:00:00.1234'"] ],
	[ 'app.mood', 'VARCHAR(10)', [ "'SAD'" => 'SAD', "'Very happy'" => 'Very happy' ], [ "'sad'", '1', "x'00'" ] ],
	[ 'app.positive', 'INTEGER', [ '5' => '5' ], [ '0', '3000000000' ] ],
	[ 'app.short', 'TEXT', [ "'abc'" => 'abc' ], ["'abcdef'"] ],
	[ 'app.weekday', 'TEXT', [ "'OK'" => 'OK' ], [ "'SAD'", "'x'" ] ],
	[ 'public.citext', 'TEXT', [ "'MiXed'" => 'MiXed', '17' => '17' ], ["x'ff'"] ],
	[ 'inet', 'CHAR(39)', [ "'10.1.2.3'" => '10.1.2.3', "'2001:db8::1'" => '2001:db8::1' ], [ "'10.1.2.300'", "''" ] ],
	[ 'cidr', 'TEXT', [ "'10.1.0.0/16'" => '10.1.0.0/16' ], ["'10.1.2.3/8'"] ],
	[ 'int4range', 'TEXT', [ "'[1,5)'" => '[1,5)', "'empty'" => 'empty' ], ["'[5,1]'"] ],
	[ 'tstzrange', 'TEXT', [ q!'["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")'! => '["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")' ], ["'x'"] ],
	[ 'interval', 'DATETIME', [
			"'1970-01-02 03:04:05.000006'" => '1 day 03:04:05.000006',
			"'1969-12-31 23:00:00.000000'" => '-1 days +23:00:00',
			'93784000006' => '1 day 02:03:04.000006', '-1' => '-1 days +23:59:59.999999', '0' => '00:00:00',
			"'1.02:03:04.5000000'" => '1 day 02:03:04.5', "'-00:00:01'" => '-1 days +23:59:59', "'P1M'" => '1 mon', "'2 days 01:00:00'" => '2 days 01:00:00' ],
		[ '1.5', "'soon'", "'00:00:00.1234567'", "'1970-01-01 00:00:00+01'" ] ],
	[ 'interval(0)', 'BIGINT', [ '5000000' => '00:00:05' ], ['5000001'] ],
	[ 'text[]', 'JSON', [ q('["a","b c",null,"d\"e",true,1.50]') => '{a,"b c",NULL,"d\"e",true,1.50}', q('[]') => '{}',
			q('["NULL","é","\u00e9"]') => '{"NULL",é,é}', q('{x,y}') => '{x,y}', q('["null"]') => '{"null"}', q(' null') => '', q(' [["a"],["b"]]') => '{{a},{b}}' ], [ q('["a"'), q('[{"a":1}]'), q('["\u0000"]'), '5' ] ],
	[ 'int4[]', 'TEXT', [ q('[1, -2, null]') => '{1,-2,NULL}' ], [ q('["x"]'), '\'[1.5]\'', "'[3000000000]'" ] ],
	[ 'numeric(4,1)[]', 'TEXT', [ q('[1.5]') => '{1.5}' ], [ q('[1.55]') ] ],
	[ 'jsonb[]', 'TEXT', [ q('["a",1,null]') => '{"\"a\"",1,"null"}', q('[ {"b":1, "a":[1,{}]}, [2,[3]], true,"\u00e9" ]') => '{"{\"a\": [1, {}], \"b\": 1}","[2, [3]]",true,"\"é\""}',
			q('[]') => '{}', q('[[]]') => '{[]}', q('null') => '' ], [ q('["\u0000"]'), q('[1'), q('{"a":1}') ] ],
	[ 'json[]', 'TEXT', [ q('[ {"b":1,  "a":2}, [2 ], "\u0000", -0.50]') => '{"{\"b\":1,  \"a\":2}","[2 ]","\"\\\\u0000\"",-0.50}' ], [ q('[1') ] ],
	[ 'public.hstore', 'TEXT', [ q('"a"=>"1", b=>NULL') => '"a"=>"1", "b"=>NULL', q('{"a":"x\"y","b":null,"c":1.50,"d":true}') => '"a"=>"x\"y", "b"=>NULL, "c"=>"1.50", "d"=>"true"' ],
		[ q('{"a":[1]}'), q('{"a":1,"a":2}'), "'a=>'" ] ],
	[ 'app.tags', 'TEXT', [ q('["a"]') => '{a}', q('null') => '' ], [ q('["a","b","c"]') ] ],
	[ 'bit(3)', 'TEXT', [ "'101'" => '101' ], ["'10'"] ],
	[ 'money', 'TEXT', [ "'12.34'" => '$12.34', '-0.5' => '-$0.50', "'1.500'" => '$1.50' ], [ "'x'", '12.345' ] ],
	[ '"char"', 'TEXT', [ "'a'" => 'a', '7' => '7' ], [ "'ab'", '12' ] ],
	[ 'oid', 'INTEGER', [ '7' => '7', '4294967295' => '4294967295' ], [ '-1', '4294967296', "'-1'" ] ],
	[ 'timetz', 'TEXT', [ "'10:00:00.5+02'" => '10:00:00.5+02' ], [ "'10:00:00.1234567+02'" ] ],
	[ 'name', 'TEXT', [ "'abc'" => 'abc' ], [ "hex(zeroblob(32))" ] ],
	[ 'jsonb', 'TEXT', [ q('{"b":1,"a":[true]}') => '{"a": [true], "b": 1}' ], [ q('{') ] ],
	[ 'bytea', 'TEXT', [ "x'00ff'" => '\x00ff', "'ab'" => '\x6162' ], [] ],
);

my $n = 0;
foreach my $case (@cases)
{
	my ($type, $declared, $values, $misfits) = @$case;
	my $table = 't' . ++$n;
	my $row = 0;
	my (@rows, @expected);

	for (my $i = 0; $i < @$values; $i += 2)
	{
		push @rows, sprintf('(%d, %s)', ++$row, $values->[$i]);
		push @expected, "$row|$values->[$i + 1]";
	}
	push @rows, sprintf('(%d, NULL)', ++$row);
	push @expected, "$row|";
	my $sql = "CREATE TABLE $table (id INTEGER PRIMARY KEY, v $declared);";
	my $file = make_sqlite("$sql INSERT INTO $table VALUES " . join(', ', @rows) . ';', "$table.db");
	$node->safe_psql($db, "CREATE TABLE app.$table (id bigint PRIMARY KEY, v $type)");
	my @report = eval { migrate($node, $db, $file, target_schema => "'app'") };
	ok(!$@ && $report[0]{verified}, "$type: loaded and verified") or diag($@);
	is($node->safe_psql($db, "SET timezone = 'UTC'; SELECT * FROM app.$table ORDER BY id"), join("\n", @expected), "$type: as expected");
	is($node->safe_psql($db, 'SELECT verified FROM ' . call_sql('verify', $file, target_schema => "'app'")), 't', "$type: verify agrees");

	next if !@$misfits;
	my $bad = make_sqlite("$sql INSERT INTO $table VALUES " . join(', ', map { "(NULL, $_)" } @$misfits) . ';', "bad$table.db");
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $bad, target_schema => "'app'", if_exists => "'truncate'"),
		'22000', qr/column "v": @{[ scalar @$misfits ]} of @{[ scalar @$misfits ]} values/, "$type: misfits are an error that counts them");
	@report = migrate($node, $db, $bad, target_schema => "'app'", if_exists => "'truncate'", on_misfit => "'null'");
	is($node->safe_psql($db, "SELECT count(*), count(v) FROM app.$table"), scalar(@$misfits) . '|0', "$type: null makes them NULL");
	@report = migrate($node, $db, $bad, target_schema => "'app'", if_exists => "'truncate'", on_misfit => "'reject'");
	is("$report[0]{target_rows} $report[0]{rejected_rows}", '0 ' . @$misfits, "$type: reject keeps them out");
}

# Numbers for intervals by a reading.
my $seconds = make_sqlite('CREATE TABLE s (id INTEGER PRIMARY KEY, v REAL); INSERT INTO s VALUES (1, 1.5), (2, 90);', 's.db');
$node->safe_psql($db, 'CREATE TABLE app.s (id bigint PRIMARY KEY, v interval)');
migrate($node, $db, $seconds, target_schema => "'app'", types => q('{"s.v": {"reading": "unix"}}'));
is($node->safe_psql($db, 'SELECT v FROM app.s ORDER BY id'), "00:00:01.5\n00:01:30", 'seconds by reading unix');

# Several tables and columns: all misfits in one error.
my $several = make_sqlite(<<'SQL', 'several.db');
	CREATE TABLE m1 (a TEXT, b TEXT);
	CREATE TABLE m2 (c TEXT);
	INSERT INTO m1 VALUES ('x', 'SAD'), ('10.0.0.1', 'none'), ('y', 'SAD');
	INSERT INTO m2 VALUES ('0');
SQL
$node->safe_psql($db, 'CREATE TABLE app.m1 (a inet, b app.mood); CREATE TABLE app.m2 (c app.positive)');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $several, target_schema => "'app'"), '22000',
	qr/3 columns hold values.*"m1", column "a": 2 of 3 values; the first, text in row 1.*"m1", column "b": 1 of 3 values.*"m2", column "c": 1 of 1/s,
	'the misfits of all tables are one error');

# NULL for a domain that takes none, which neither a converter nor INSERT would notice.
my $nulls = make_sqlite('CREATE TABLE d (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO d VALUES (1, \'x\'), (2, NULL), (3, NULL);', 'd.db');
$node->safe_psql($db, 'CREATE TABLE app.d (id bigint PRIMARY KEY, v app.named)');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $nulls, target_schema => "'app'"), '23502',
	qr/column v of table app.d takes no NULL, and 2 would come/, 'a domain that is NOT NULL');
$node->safe_psql($db, 'CREATE TABLE app.e (id bigint PRIMARY KEY, w app.named)');
my $required = make_sqlite('CREATE TABLE e (id INTEGER PRIMARY KEY);', 'e.db');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $required, target_schema => "'app'"), '42703',
	qr/"w" of table app.e is required/, 'and one that the source lacks is found first');

# Generated columns are computed, and compared.
my $generated = make_sqlite(<<'SQL', 'g.db');
	CREATE TABLE g (id INTEGER PRIMARY KEY, price NUMERIC, n INT, total NUMERIC GENERATED ALWAYS AS (price * n) STORED);
	INSERT INTO g (price, n) VALUES (1.5, 2), (2.25, 4), (NULL, 1);
SQL
$node->safe_psql($db, 'CREATE TABLE app.g (id bigint PRIMARY KEY, price numeric(8,2), n int, total numeric GENERATED ALWAYS AS (price * n) STORED)');
is((migrate($node, $db, $generated, target_schema => "'app'"))[0]{verified}, 1, 'a generated column is compared');
is($node->safe_psql($db, 'SELECT total FROM app.g ORDER BY id'), "3.00\n9.00\n", 'and computed');
$node->safe_psql($db, 'DROP TABLE app.g; CREATE TABLE app.g (id bigint PRIMARY KEY, price numeric(8,2), n int, total numeric GENERATED ALWAYS AS (price + n) STORED)');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $generated, target_schema => "'app'"), 'XX001',
	qr/verification of table app.g failed/, 'one that computes something else fails the verification');

# Names: as the source has them, folded, in snake_case.
my $names = make_sqlite(q(CREATE TABLE BlogPost ("Id" INTEGER PRIMARY KEY, "createdAt" TEXT, "OwnerId" INT, "plain" TEXT);
	INSERT INTO BlogPost VALUES (1, 'c', 2, 'p');), 'names.db');
$node->safe_psql($db, 'CREATE TABLE app.blog_post (id int PRIMARY KEY, created_at text, "OwnerId" int, plain text)');
is((migrate($node, $db, $names, target_schema => "'app'"))[0]{target_table}, 'app.blog_post', 'a table by its snake_case name');
is($node->safe_psql($db, 'SELECT * FROM app.blog_post'), '1|c|2|p', 'and columns, each by its own');

# One table for two.
my $twice = make_sqlite('CREATE TABLE BlogPost (id INTEGER PRIMARY KEY); CREATE TABLE blog_post (id INTEGER PRIMARY KEY);', 'twice.db');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $twice, target_schema => "'app'"), '42P07',
	qr/tables "BlogPost" and "blog_post" of the source would both go into table app.blog_post/, 'two tables for one target are an error');

# What PostgreSQL itself raises names the table, as its context shows the statement.
$node->safe_psql($db, 'CREATE TABLE app.checked (id int PRIMARY KEY CHECK (id < 2))');
my $checked = make_sqlite('CREATE TABLE Checked (id INTEGER PRIMARY KEY); INSERT INTO Checked VALUES (1), (2);', 'checked.db');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $checked, target_schema => "'app'"), '23514',
	qr/violates check constraint.*CONTEXT:  SQL statement "INSERT INTO app.checked \(id\) SELECT id FROM sqlite_mig_source_\d+\.checked"/s, 'the context of an error shows the table');

$node->stop;
done_testing();
