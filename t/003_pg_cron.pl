# A pg_cron job runs migrate(), and its run details show success.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $libdir = `pg_config --pkglibdir`;
chomp $libdir;
plan skip_all => 'pg_cron is not installed' if !-e "$libdir/pg_cron.so";

my $node = PostgreSQL::Test::Cluster->new('cron');
$node->init;
# Jobs as background workers, so that the job needs no connection of its own.
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
max_worker_processes = 16
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE EXTENSION sqlite_fdw_mig');

my $file = make_sqlite('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL);'
	  . "INSERT INTO t SELECT value, 'row ' || value FROM generate_series(1, 1000);");
my $command = 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => literal('nightly'),
	if_exists => literal('replace'));

# The job's command is due at every minute: pg_cron has no finer clock in every
# release, so this waits for at most two.
my $job = $node->safe_psql('postgres',
	"SELECT cron.schedule('nightly', '* * * * *', " . literal($command) . ')');
$node->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM cron.job_run_details WHERE jobid = $job AND status IN ('succeeded', 'failed')")
  or die 'the job did not run in time';
$node->safe_psql('postgres', "SELECT cron.unschedule($job)");

is($node->safe_psql('postgres',
		"SELECT DISTINCT status FROM cron.job_run_details WHERE jobid = $job AND end_time IS NOT NULL"),
	'succeeded', 'cron.job_run_details shows success')
  or diag($node->safe_psql('postgres', 'SELECT return_message FROM cron.job_run_details'));
is($node->safe_psql('postgres', 'SELECT count(*), max(v) FROM nightly.t'),
	sqlite($file, 'SELECT count(*), max(v) FROM t'), 'the rows are there');
is($node->safe_psql('postgres', "SELECT bool_and(verified) FROM sqlite_mig.migration_table"),
	't', 'and were verified');

$node->stop;
done_testing();
