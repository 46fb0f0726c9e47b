# The checksum is the documented one: a program of its own, which reads the SQLite
# file alone and knows nothing of the extension (checksum_reference.py, written
# from docs/checksum.md), comes to the same sums as migrate() and verify() report,
# for each sample database and for every type.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Encode qw(decode_utf8 encode_utf8);
use File::Basename qw(basename);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

# A python3 that has Debian's python3-xxhash.
my ($python) = grep
{
	my $nothing = '';
	IPC::Run::run([ $_, '-c', 'import xxhash' ], \$nothing, \$nothing, \$nothing);
} ('python3', '/usr/bin/python3');
die 'python3-xxhash is needed' if !$python;

my $node = new_cluster('checksum', 'fsync = off');

# "rows checksum" of a table of the file, by the decisions of the latest run.
sub reference
{
	my ($db, $file, $name) = @_;
	my $table = encode_utf8($name);
	my $literal = literal($table);
	my @columns = rows($node, $db, qq{
		SELECT source_column AS column, target_type AS type, reading
		FROM sqlite_mig.migration_column
		WHERE source_table = $literal AND migration_id = (SELECT max(id) FROM sqlite_mig.migration)});
	my %decision = map { $_->{column} => { %$_, mixed => JSON::PP::true, fixed => JSON::PP::true } } @columns;
	my @order = split /\n/, sqlite($file, "SELECT name FROM pragma_table_xinfo($literal)");
	my $decisions = PostgreSQL::Test::Utils::tempdir() . '/decisions.json';
	my ($out, $err) = ('', '');

	append_to_file($decisions,
		JSON::PP::encode_json([ map { $decision{$_} // () } map { decode_utf8($_) } @order ]));
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	IPC::Run::run([ $python, "$FindBin::RealBin/checksum_reference.py", $file, $table, $decisions ],
		\'', \$out, \$err) or $out = $err;
	unlink $decisions;
	chomp $out;
	return $out;
}

# A test that all tables of the latest run have the sums of the reference, and
# that verify() finds the same.
sub sums_agree
{
	my ($db, $file, $source, $title) = @_;
	my @tables = rows($node, $db, q{
		SELECT source_table, source_rows || ' ' || source_checksum AS source,
			   target_rows || ' ' || target_checksum AS target
		FROM sqlite_mig.migration_table WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration)});
	my %later = map { $_->{source_table} => $_ } rows($node, $db, q{
		SELECT source_table, source_rows || ' ' || source_checksum AS source,
			   target_rows || ' ' || target_checksum AS target, verified
		FROM } . call_sql('verify', $source));
	my @wrong;

	foreach my $table (@tables)
	{
		my $want = reference($db, $file, $table->{source_table});
		my $later = $later{ $table->{source_table} };

		push @wrong, "$table->{source_table}: $want, but $table->{source} and $table->{target}"
		  if $want ne $table->{source} || $want ne $table->{target};
		push @wrong, "$table->{source_table}: $want, but verify() says $later->{source} and $later->{target}"
		  if $want ne $later->{source} || $want ne $later->{target} || !$later->{verified};
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join("\n", @wrong), '', "$title: the sums are those of the reference");
	return scalar @tables;
}

# Every sample.
my $number = 0;
my $tables = 0;
foreach my $file (source_files())
{
	my $db = new_database($node, 'sums_' . ++$number);

	migrate($node, $db, $file);
	$tables += sums_agree($db, source_copy($file, "sums_$number.db"), $file, basename($file));
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

cmp_ok($tables, '>', 100, 'there were tables to compare');

# Every type, with values that try its canonical form.
my $file = make_sqlite(<<'SQL', 'types.db');
CREATE TABLE v(id INTEGER PRIMARY KEY, b BOOLEAN, s SMALLINT, i INTEGER, r REAL, n NUMERIC, d DECIMAL(10,2),
	t TEXT, c VARCHAR(9), x BLOB, da DATE, dt DATETIME, tz TIMESTAMPTZ, ti TIME, j JSON, u UUID,
	un DATETIME, ms DATETIME, ju DATETIME, ca DATETIME, m TEXT);
INSERT INTO v VALUES
(1, 1, -32768, 9223372036854775807, 0.1, 1.50, 99999999.99, 'é', 'abc', x'00ff', '2024-02-29', '2024-01-02 03:04:05.123456',
 '2024-01-02T03:04:05+05:30', '23:59:59.999999', '{"b":[1,2.50,1e3],"a":{"x":null,"y":"\u00e9\n"}}',
 '00112233-4455-6677-8899-AABBCCDDEEFF', 1700000000, 1700000000123, 2460000.5, 20240102, 'x'),
(2, 'off', 32767, -9223372036854775808, -1e300, -12345678901234567890, -0.01, '', '', x'', '0001-01-01', '9999-12-31',
 '0001-01-01 00:00:00Z', '00:00', '[]', x'00112233445566778899aabbccddeeff', -1.5, -1, 2460000.123456, 20231231, 'y'),
(3, 'T', 0, 0, 5e-324, 1e-20, 0, CAST(x'e282ac' AS TEXT), 'ééééééééé', zeroblob(10000), '1999-12-31 00:00:00',
 '2024-01-02T03:04', '2024-01-02', '12:30:00.5', 'null', '00112233445566778899aabbccddeeff', 0.1234565, 86400000, 2451544.5,
 19991231, 'z'),
(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
WITH RECURSIVE k(n) AS (SELECT 5 UNION ALL SELECT n + 1 FROM k WHERE n < 1200)
INSERT INTO v SELECT n, n % 2, n, n * 7919, n / 7.0, n / 8.0, n / 100.0, printf('%.*c', n * 5, 'x'), n, randomblob(n * 4),
	date('2000-01-01', n || ' days'), datetime('2000-01-01', n * 7919 || ' seconds'),
	strftime('%Y-%m-%dT%H:%M:%fZ', '2000-01-01', n * 7919 || ' seconds'), time(n * 61, 'unixepoch'),
	printf('{"k%d": "%.*c", "n": %d}', n, n * 5, 'y', n), lower(hex(randomblob(16))), n * 86400.25, n * 1000,
	2451545 + n / 24.0, 20200101 + n % 28, 'm' FROM k;
SQL
my $db = new_database($node, 'types');
migrate($node, $db, $file, types => q{'{"v.j": "jsonb"}'});
is(sums_agree($db, $file, $file, 'types'), 1, 'types: one table');

# The same into a table that is there, with the types that migrate() never chooses.
my $existing = make_sqlite(<<'SQL', 'existing.db');
CREATE TABLE w(id INTEGER PRIMARY KEY, f REAL, c TEXT, e TEXT, t DATETIME, n TEXT, m BLOB);
INSERT INTO w VALUES (1, 0.1, 'ab', 'red', '2024-01-02 03:04:05+02:00', '1.50', 'text'),
	(2, -1e30, 'é', 'blue', '2024-01-02 03:04:05.120', '-0', x'0102'), (3, 16777216, '', 'red', '2024-01-02', '7e2', 1.5);
SQL
$db = new_database($node, 'existing');
$node->safe_psql($db, <<'SQL');
CREATE TYPE color AS ENUM ('red', 'blue');
CREATE DOMAIN small AS numeric(5, 2) CHECK (value < 999);
CREATE TABLE w(id int4 PRIMARY KEY, f real, c char(5), e color, t timestamp(3), n small, m bytea);
SQL
migrate($node, $db, $existing);
$node->safe_psql($db, q{UPDATE sqlite_mig.migration_column SET target_type = 'numeric(5,2)' WHERE source_column = 'n'});
is(sums_agree($db, $existing, $existing, 'existing table'), 1, 'existing table: one table');

$node->stop;
done_testing();
