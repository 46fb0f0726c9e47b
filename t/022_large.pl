# Values near PostgreSQL's limit of 1 GB and SQLite's of 1,000,000,000 bytes: what fits
# arrives, what does not is an error that names table, row and column, and memory is a
# few times the longest value, whatever the number of rows (hazard 65, hazard 67).
#
# With --long, values of the full size: files of up to 1 GB, and 4 GB of memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('large', 'fsync = off', 'max_wal_size = 8GB', 'shared_buffers = 64MB', 'autovacuum = off');
my $db = new_database($node, 'large');

# A file of t/large_files.py.
sub large_file
{
	my ($kind, @arguments) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$kind.db";

	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	unlink $file;
	IPC::Run::run([ 'python3', "$FindBin::RealBin/large_files.py", $kind, $file, @arguments ])
	  or die "large_files.py $kind failed";
	return $file;
}

my $file = large_file('too_long', 1_100_000_000);

statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'too_long'"),
	'54000', qr/could not read table "t" .*: a value is too long.*row 2, column "b"; values of up to 1000000000 bytes/s,
	'hazard 65: a value longer than SQLite reads is an error with its table, row and column');
nothing_left($node, $db, 'and nothing is left of the call');
is($node->safe_psql($db, 'SELECT target_rows, verified FROM '
		  . call_sql('migrate', $file, target_schema => "'too_long'", types => q('{"t.b": {"skip": true}}'))),
	'3|t', 'without that column the table arrives');
unlink $file;

# How often a value is in memory at a time: as SQLite has it, as the converter makes it,
# in the row, compressed, and for the checksum.
my $megabytes = 64;
my %peak;

SKIP:
{
	skip 'needs /proc', 6 if !-r '/proc/self/status';
	foreach my $rows (1, 6)
	{
		$file = make_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, small BLOB, b BLOB);"
			  . "INSERT INTO t(small) SELECT randomblob(100) FROM generate_series(1, 100);"
			  . ("INSERT INTO t(b) VALUES (randomblob($megabytes * 1024 * 1024));" x $rows), "blobs_$rows.db");
		$peak{$rows} = peak_private($node, $db,
			'SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'blobs_$rows'"));
		is($node->safe_psql($db, "SELECT sum(octet_length(b)) FROM blobs_$rows.t"), $rows * $megabytes * 1024 * 1024,
			"$rows values of $megabytes MB arrived");
		unlink $file;
	}
	note('peak of private memory: ' . join(', ', map { "$peak{$_} kB for $_ rows" } sort keys %peak));
	skip 'a sanitizer has memory of its own', 2 if $ENV{SFM_SANITIZED};
	cmp_ok($peak{1}, '<', 6 * $megabytes * 1024, 'hazard 67: memory is less than six times the longest value');
	cmp_ok($peak{6}, '<', $peak{1} + $megabytes * 1024 / 4, 'and does not grow with the number of them');
}

SKIP:
{
	skip 'values of 1 GB, with --long', 1 if !$ENV{SFM_LONG};

	$file = make_sqlite('CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB); INSERT INTO t VALUES (2, zeroblob(999999900));', 'blob.db');
	is($node->safe_psql($db, 'SELECT target_rows, verified FROM ' . call_sql('migrate', $file, target_schema => "'blob'")),
		'1|t', 'the longest blob of SQLite arrives, verified');
	is($node->safe_psql($db, 'SELECT octet_length(b) FROM blob.t'), '999999900', 'with all its bytes');
	unlink $file;

	$file = large_file('utf16', 900_000_000, 1);
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'utf16'"), '22000',
		qr/Table "t", column "a0": 1 of 1 values; the first, text in row 7, is longer than the 1 GB that a field can hold/,
		'hazard 65: a text that is longer than 1 GB as UTF-8 is an error with its table, row and column');
	is($node->safe_psql($db, 'SELECT target_rows, rejected_rows FROM '
			  . call_sql('migrate', $file, target_schema => "'utf16'", on_misfit => "'reject'")),
		'1|1', 'on_misfit => reject keeps its row out');
	unlink $file;

	$file = large_file('utf16', 320_000_000, 3);
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'row'"), '54000',
		qr/a row of table "t" is too large for PostgreSQL.*Row 7 has 14400000\d\d bytes.*longest value is in column "a0"/s,
		'hazard 65: a row of several values that is longer than 1 GB is an error with its table, row and column');
	unlink $file;
}

$node->stop;
done_testing();
