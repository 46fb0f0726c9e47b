# The backend's memory does not depend on the number of rows of a table.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

plan skip_all => 'needs /proc' if !-r '/proc/self/status';

my $node = new_cluster('memory', 'fsync = off', 'max_wal_size = 4GB', 'shared_buffers = 64MB',
	'maintenance_work_mem = 4MB', 'work_mem = 1MB', 'autovacuum = off');
my $db = new_database($node, 'memory');

my %peak;
foreach my $rows (10_000, 400_000, 2_000_000)
{
	my $file = make_sqlite(<<"SQL", "rows_$rows.db");
		CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, made DATETIME, flag BOOLEAN,
		                amount DECIMAL(10,2), parent INTEGER);
		CREATE INDEX t_name ON t (name);
		PRAGMA synchronous = off;
		INSERT INTO t SELECT value, 'name of row ' || value, value / 7.0, datetime(value * 37, 'unixepoch'),
		                     value % 2, value % 1000 / 4.0, nullif(value / 10, 0)
		FROM generate_series(1, $rows);
SQL
	$peak{$rows} = peak_private($node, $db, 'SELECT count(*) FROM '
		  . call_sql('migrate', $file, target_schema => "'rows_$rows'", jobs => 0));
	is($node->safe_psql($db, "SELECT count(*) FROM rows_$rows.t"), $rows, "$rows rows arrived");
	unlink $file;
}
note('peak of private memory: ' . join(', ', map { "$peak{$_} kB for $_ rows" } sort { $a <=> $b } keys %peak));

# Small tables do not fill what PostgreSQL itself allows for building an index
# (maintenance_work_mem) and ANALYZE (a sample of 30,000 rows); all larger ones do.
# That apart, memory is the same.  (There is no foreign key: PostgreSQL's own check
# of one is a hash join, whose batches grow with the rows.)
cmp_ok($peak{2_000_000}, '<', $peak{400_000} + 3 * 1024, 'five times the rows take the same memory');
cmp_ok($peak{2_000_000}, '<', $peak{10_000} + 20 * 1024, 'two hundred times the rows fill what is allowed');
cmp_ok($peak{2_000_000}, '<', 100 * 1024, 'and stay under 100 MB');

$node->stop;
done_testing();
