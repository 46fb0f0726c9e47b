# Verification shares nothing with the converters: in a build where a fault can be
# planted in each of them, migrate() fails for each, and leaves nothing behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

plan skip_all => 'no build with faults (SFM_FAULTS_LIB)'
  if !$ENV{SFM_FAULTS_LIB} || !-e $ENV{SFM_FAULTS_LIB};

# One column for each converter, by a declared type or the argument "types", and
# five rows, of which the fault alters the third.
my @types = (
	[ bool => 'BOOLEAN', 'n % 2' ],
	[ int2 => 'SMALLINT', 'n' ],
	[ int4 => 'INTEGER', 'n', 'int4' ],
	[ int8 => 'INTEGER', 'n + 5000000000' ],
	[ float4 => 'REAL', 'n + 0.5', 'float4' ],
	[ float8 => 'REAL', 'n / 7.0' ],
	[ numeric => 'DECIMAL(10,2)', 'n + 0.25' ],
	[ text => 'TEXT', "'text ' || n" ],
	[ varchar => 'VARCHAR(20)', "'word ' || n" ],
	[ bpchar => 'TEXT', "'abcdefg' || n", 'char(8)' ],
	[ bytea => 'BLOB', 'CAST(\'blob \' || n AS BLOB)' ],
	[ date => 'DATE', "date('2024-01-01', n || ' days')" ],
	[ time => 'TIME', "time('12:00:00', n || ' minutes')" ],
	[ timestamp => 'DATETIME', "datetime('2024-01-01', n || ' hours')" ],
	[ timestamptz => 'TIMESTAMPTZ', "datetime('2024-01-01', n || ' hours') || '+02:00'" ],
	[ json => 'TEXT', "json_object('n', n)", 'json' ],
	[ jsonb => 'JSON', "json_object('n', n)" ],
	[ uuid => 'UUID', "printf('00000000-0000-0000-0000-%012d', n)" ],
	[ input => 'TEXT', "'10.0.0.' || n", 'inet' ],
);

my $node = new_cluster('faults', 'fsync = off');
my $db = new_database($node, 'faults');

# The library of that build stands in for the installed one.
$node->safe_psql($db, 'UPDATE pg_proc SET probin = ' . literal($ENV{SFM_FAULTS_LIB})
	  . " WHERE probin = '\$libdir/sqlite_fdw_mig'");
$node->safe_psql($db, "DO \$\$ BEGIN EXECUTE 'ALTER DATABASE faults SET session_preload_libraries = '
	|| quote_literal(" . literal($ENV{SFM_FAULTS_LIB}) . '); END $$');

foreach my $type (@types)
{
	my ($kind, $declared, $expression, $as) = @$type;
	my $file = make_sqlite(<<"SQL", "$kind.db");
		CREATE TABLE t (id INTEGER PRIMARY KEY, v $declared);
		WITH RECURSIVE s(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < 5)
		INSERT INTO t SELECT n, $expression FROM s;
SQL
	my %args = $as ? (types => "'{\"t.v\": \"$as\"}'") : ();
	my $call = 'SELECT count(*) FROM ' . call_sql('migrate', $file, %args);

	# id too is an int8, so that kind's own column is the one that is looked at.
	statement_fails($node, $db, "SET sqlite_fdw_mig.fault = '$kind';\n$call;",
		'XX001', qr/verif|checksum/i, "$kind: a fault in the converter is found");
	nothing_left($node, $db, "$kind: and the failed call leaves nothing");

	# The same without the fault, so that it is the fault that was found.
	is($node->safe_psql($db, "BEGIN; $call WHERE verified; ROLLBACK"), '1', "$kind: without it all is well");
}

# Every kind that the source names was tried, and a wrong name is refused.
my %kinds = map { lc($_) => 1 }
  slurp_file("$FindBin::RealBin/../include/sfm_value.h") =~ /^\tSFM_KIND_(\w+),?\s/mg;
is(join(' ', sort map { $_->[0] } @types), join(' ', sort keys %kinds), 'every converter has its fault');
statement_fails($node, $db, "SET sqlite_fdw_mig.fault = 'no such kind'", '22023', qr/invalid value/,
	'a kind that does not exist is refused');

$node->stop;
done_testing();
