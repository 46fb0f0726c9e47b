# The backend's memory is the same for 10,000 and for 2,000,000 rows of one table.

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

# The greatest private memory of a backend while it runs one call, in kB: what is
# resident less what it shares with others, sampled while the call goes on.
sub peak_private
{
	my ($sql) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $psql = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db) ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timer(600));
	my $peak = 0;

	$in .= "SET client_min_messages = warning; SELECT pg_backend_pid();\n";
	$psql->pump until $out =~ /^(\d+)\n/;
	my $pid = $1;
	$in .= "$sql;\n\\echo finished\n";
	until ($out =~ /^finished$/m || $err ne '')
	{
		$psql->pump_nb;
		my $status = slurp_file("/proc/$pid/status");
		my ($anonymous) = $status =~ /^RssAnon:\s+(\d+) kB/m;
		$peak = $anonymous if defined $anonymous && $anonymous > $peak;
		select(undef, undef, undef, 0.005);
	}
	$in .= "\\q\n";
	$psql->finish;
	is($err, '', 'the call succeeds');
	return $peak;
}

my %peak;
foreach my $rows (10_000, 2_000_000)
{
	my $file = make_sqlite(<<"SQL", "rows_$rows.db");
		CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, made DATETIME, flag BOOLEAN,
		                amount DECIMAL(10,2), parent INTEGER REFERENCES t);
		CREATE INDEX t_name ON t (name);
		PRAGMA synchronous = off;
		INSERT INTO t SELECT value, 'name of row ' || value, value / 7.0, datetime(value * 37, 'unixepoch'),
		                     value % 2, value % 1000 / 4.0, nullif(value / 10, 0)
		FROM generate_series(1, $rows);
SQL
	$peak{$rows} = peak_private('SELECT count(*) FROM '
		  . call_sql('migrate', $file, target_schema => "'rows_$rows'", jobs => 0));
	is($node->safe_psql($db, "SELECT count(*) FROM rows_$rows.t"), $rows, "$rows rows arrived");
	unlink $file;
}
note("peak of private memory: $peak{10_000} kB for 10,000 rows, $peak{2_000_000} kB for 2,000,000");

# Building an index may take maintenance_work_mem, and checking a foreign key some
# of work_mem, which the small table does not fill: both are small here.
cmp_ok($peak{2_000_000}, '<', $peak{10_000} + 10 * 1024, 'memory does not grow with the rows');
cmp_ok($peak{2_000_000}, '<', 100 * 1024, 'and stays under 100 MB');

$node->stop;
done_testing();
