# Verification finds one changed value, a lost row, a doubled row, a row doubled
# twice, and two values swapped between rows or columns, for each type.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $node = new_cluster('tamper', 'fsync = off');
my $db = new_database($node, 'tamper');

# name, declared type, two columns' values by row number, another value for the
# target, and the type where it is not the declared one's.
my @types = (
	[ int8 => 'INTEGER', 'n', 'n + 100', '-1' ],
	[ int4 => 'INTEGER', 'n', 'n + 100', '-1', 'int4' ],
	[ int2 => 'SMALLINT', 'n', 'n + 100', '-1' ],
	[ bool => 'BOOLEAN', 'n % 2', '(n + 1) % 2', 'NOT a' ],
	[ float8 => 'REAL', 'n / 7.0', 'n / 3.0', 'a + 1e-15' ],
	[ float4 => 'REAL', 'n + 0.5', 'n + 100.5', 'a + 1', 'float4' ],
	[ numeric => 'DECIMAL(12,3)', 'n + 0.125', 'n + 100.5', 'a + 0.001' ],
	[ text => 'TEXT', "'a' || n", "'b' || n", "a || ' '" ],
	[ varchar => 'VARCHAR(30)', "'a' || n", "'b' || n", "upper(a)" ],
	[ bpchar => 'TEXT', "'abc' || n", "'xyz' || n", "'abcz'", 'char(4)' ],
	[ bytea => 'BLOB', "CAST('a' || n AS BLOB)", "CAST('b' || n AS BLOB)", "a || '\\x00'" ],
	[ date => 'DATE', "date('2024-01-01', n || ' days')", "date('1999-01-01', n || ' days')", 'a + 1' ],
	[ time => 'TIME', "time('10:00:00', n || ' minutes')", "time('20:00:00', n || ' minutes')", "a + interval '1 us'" ],
	[ timestamp => 'DATETIME', "datetime('2024-01-01', n || ' hours')", "datetime('1999-01-01', n || ' hours')", "a + interval '1 us'" ],
	[ timestamptz => 'TIMESTAMPTZ', "datetime('2024-01-01', n || ' hours') || 'Z'", "datetime('1999-01-01', n || ' hours') || 'Z'", "a + interval '1 us'" ],
	[ unix => 'DATETIME', '1700000000 + n', '1600000000 + n', "a + interval '1 s'" ],
	[ json => 'TEXT', "json_object('a', n)", "json_object('b', n)", "'{\"a\": 0}'", 'json' ],
	[ jsonb => 'JSON', "json_object('a', n)", "json_object('b', n)", "a || '{\"c\": null}'" ],
	[ uuid => 'UUID', "printf('00000000-0000-0000-0000-%012d', n)", "printf('ffffffff-0000-0000-0000-%012d', n)", 'gen_random_uuid()' ],
	[ inet => 'TEXT', "'10.0.0.' || n", "'10.1.0.' || n", 'a + 7', 'inet' ],
);

foreach my $type (@types)
{
	my ($name, $declared, $a, $b, $other, $as) = @$type;
	my $schema = "s_$name";
	my $file = make_sqlite(<<"SQL", "$name.db");
		CREATE TABLE t (a $declared, b $declared);
		INSERT INTO t SELECT $a, $b FROM (SELECT value AS n FROM generate_series(1, 7));
		INSERT INTO t VALUES (NULL, NULL);
SQL
	my %args = (target_schema => "'$schema'");
	$args{types} = "'{\"t.a\": \"$as\", \"t.b\": \"$as\"}'" if $as;
	migrate($node, $db, $file, %args);

	my $verify = 'SELECT verified FROM ' . call_sql('verify', $file, target_schema => "'$schema'");
	my $one = "ctid = (SELECT min(ctid) FROM $schema.t)";
	my %tampering = (
		'one changed value' => "UPDATE $schema.t SET a = $other WHERE $one",
		'one value lost' => "UPDATE $schema.t SET a = NULL WHERE $one",
		'a lost row' => "DELETE FROM $schema.t WHERE $one",
		'a lost row of NULLs' => "DELETE FROM $schema.t WHERE a IS NULL",
		'a doubled row' => "INSERT INTO $schema.t SELECT * FROM $schema.t WHERE $one",
		'a row doubled twice' => "INSERT INTO $schema.t SELECT t.* FROM $schema.t, generate_series(1, 2) WHERE $one",
		'a row doubled for a lost one' => "UPDATE $schema.t t SET a = o.a, b = o.b FROM $schema.t o "
		  . "WHERE t.ctid = (SELECT min(ctid) FROM $schema.t) AND o.ctid = (SELECT ctid FROM $schema.t ORDER BY ctid OFFSET 1 LIMIT 1)",
		'two values swapped between columns' => "UPDATE $schema.t SET a = b, b = a WHERE $one",
		'two columns swapped' => "UPDATE $schema.t SET a = b, b = a",
		'two values swapped between rows' => "WITH p AS (SELECT ctid AS c, a, row_number() OVER (ORDER BY ctid) AS r FROM $schema.t) "
		  . "UPDATE $schema.t t SET a = q.a FROM p, p q WHERE t.ctid = p.c AND p.r IN (1, 2) AND q.r = 3 - p.r",
	);

	is($node->safe_psql($db, $verify), 't', "$name: untouched, it is verified");
	foreach my $what (sort keys %tampering)
	{
		is($node->safe_psql($db, "BEGIN; $tampering{$what}; $verify; ROLLBACK"), 'f', "$name: $what is found");
	}

	# By count alone, only rows show.
	my $count = 'SELECT verified FROM ' . call_sql('verify', $file, target_schema => "'$schema'", method => "'count'");
	is($node->safe_psql($db, "BEGIN; $tampering{'a lost row'}; $count; ROLLBACK"), 'f', "$name: counting finds a lost row");
	is($node->safe_psql($db, "BEGIN; $tampering{'one changed value'}; $count; ROLLBACK"), 't',
		"$name: counting does not find a changed value");
}

# A change of the source is found just as well.
my $changing = make_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');");
migrate($node, $db, $changing, target_schema => "'changing'");
sqlite($changing, "UPDATE t SET v = 'c' WHERE id = 2");
is($node->safe_psql($db, 'SELECT verified, source_rows, target_rows FROM '
		  . call_sql('verify', $changing, target_schema => "'changing'")),
	'f|2|2', 'a changed source is found');

$node->stop;
done_testing();
