# With a background worker that reads ahead and parallel workers that verify: killed at
# one moment or another, out of room, and an application that writes in rollback-journal
# mode.  Nothing is left, and the same call works again.  (t/047_prefetch.pl has what they
# do when all is well.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(basename);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_cluster('workers', 'fsync = off', 'autovacuum = off', 'restart_after_crash = on', 'max_worker_processes = 8',
	'max_parallel_maintenance_workers = 2', 'min_parallel_table_scan_size = 0', 'dynamic_shared_memory_type = mmap');
my $db = new_database($node, 'workers');
my $rows = $ENV{SFM_LONG} ? 400_000 : 60_000;
my $file = make_sqlite(<<"SQL", 'source.db');
	PRAGMA synchronous = off;
	CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, filler BLOB);
	CREATE TABLE b (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, filler BLOB);
	CREATE TABLE transfers (n INTEGER PRIMARY KEY);
	INSERT INTO a SELECT value, 100, randomblob(200) FROM generate_series(1, $rows);
	INSERT INTO b SELECT value, 100, randomblob(200) FROM generate_series(1, $rows);
SQL
my $sum = 200 * $rows;
my $call = 'SELECT count(*) FILTER (WHERE verified) FROM ' . call_sql('migrate', $file, jobs => 2) . ';';

sub children
{
	my ($what) = @_;
	my ($postmaster) = (eval { slurp_file($node->data_dir . '/postmaster.pid') } // '') =~ /^(\d+)/ or return ();

	return map { /^\s*(\d+) .*$what/ ? $1 : () } split /\n/, `ps -o pid=,args= --ppid $postmaster`;
}

sub segments
{
	return join ' ', sort map { basename($_) } glob($node->data_dir . '/pg_dynshmem/*');
}

sub wait_until_up
{
	my $until = time + 60;

	sleep 0.1 until $node->psql('postgres', 'SELECT 1') == 0 || time > $until;
	return;
}

sub new_session
{
	my $session = SqliteMig::Session->new($node, $db);

	$session->query('SET client_min_messages = warning;');
	return $session;
}

# What a failed call must not leave; then the same call.
sub clean
{
	my ($title) = @_;
	my $inode = (stat $file)[1];
	my $until = time + 10;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sleep 0.05 while children('sqlite_fdw_mig reader|parallel worker') && time < $until;
	is(join(' ', children('sqlite_fdw_mig reader|parallel worker')), '', "$title: no worker is left");
	is(in_schema($node, $db, 'public'), '', "$title: the target is as before");
	is(join(' ', grep { /:$inode / } split /\n/, slurp_file('/proc/locks')), '', "$title: no lock on the file");
	is(segments(), $node->{segments}, "$title: no shared memory");
	is(join(' ', glob($node->data_dir . '/base/pgsql_tmp/*')), '', "$title: no temporary file");
	is($node->safe_psql($db, "BEGIN; $call ROLLBACK;"), '3', "$title: the same call works again");
	return;
}

$node->{segments} = segments();
is($node->safe_psql($db, "BEGIN; $call ROLLBACK;"), '3', 'undisturbed');
clean('undisturbed');

# ------------------------------------------------------------------------ killed

foreach my $who ('backend', 'reader', 'all')
{
	my $session = new_session();
	my $log = -s $node->logfile;

	$node->safe_psql($db, 'CHECKPOINT');
	$session->start("BEGIN; $call SELECT pg_sleep(60); COMMIT;");
	my @readers;
	sleep 0.002 until (@readers = children('sqlite_fdw_mig reader')) || $session->ended;
	ok(@readers, "$who: a worker reads");
	sleep 0.05;
	if ($who eq 'all')
	{
		$node->stop('immediate');
		$session->result;
		$node->start;
	}
	else
	{
		kill 9, $who eq 'backend' ? $session->pid : $readers[0];
		$session->result;
		ok($session->{gone}, "$who: kill -9 ends the session");
		ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log), "$who: the server starts again");
		wait_until_up();
	}
	$node->{segments} = segments();
	clean("kill -9 of the $who");
}

# ------------------------------------------------------------------- out of room

SKIP:
{
	my $small = $ENV{SFM_SMALL_DIR} // '';

	skip 'no small file system (SFM_SMALL_DIR): only root can mount one', 8
	  if $small eq '' || !-d $small || !mkdir "$small/workers";
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small/workers'");
	my $session = new_session();

	like(($session->query("SET default_tablespace = small; $call"))[1], qr/53100: could not extend file .*No space left on device/s, 'no space left');
	is(scalar $session->query("RESET default_tablespace; BEGIN; $call ROLLBACK;"), '3', 'no space left: the same session goes on');
	# PostgreSQL keeps a segment for its parallel queries as long as the session
	$session->close;
	my $until = time + 10;
	sleep 0.05 while segments() ne $node->{segments} && time < $until;
	clean('no space left');
	$node->safe_psql('postgres', 'DROP TABLESPACE small');
}

# ------------------------------- an application that writes, rollback-journal mode

{
	my ($in, $out, $err) = ('', '', '');
	my $app = IPC::Run::start([ 'python3', '-u', '-c', <<'PY', $file, $rows ], '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timer(300));
import random, select, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
rows = int(sys.argv[2])
n = 0
longest = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    started = time.time()
    db.execute("BEGIN IMMEDIATE")
    x = random.randint(1, 50)
    db.execute("UPDATE a SET v = v - ? WHERE id = ?", (x, random.randint(1, rows)))
    db.execute("UPDATE b SET v = v + ? WHERE id = ?", (x, random.randint(1, rows)))
    db.execute("INSERT INTO transfers VALUES (NULL)")
    db.execute("COMMIT")
    longest = max(longest, time.time() - started)
    n += 1
    if n == 5: print("running")
    if n % 5 == 0: time.sleep(0.02)
print("transfers", n, longest)
PY
	$app->pump until $out =~ /running/;
	my ($seen, $with_reader) = ('', 0);
	foreach my $round (1 .. ($ENV{SFM_LONG} ? 20 : 4))
	{
		my $session = new_session();

		$session->start("BEGIN; $call SELECT (SELECT sum(v) FROM a) + (SELECT sum(v) FROM b), count(*) > 0, max(n) - count(*) FROM transfers; ROLLBACK;");
		until ($session->ended)
		{
			$with_reader ||= !!children('sqlite_fdw_mig reader');
			sleep 0.01;
		}
		my ($rows, $error) = $session->result;
		is($rows, "3\n$sum|t|0", "round $round: one moment of both tables and the log") or diag($error);
		$session->close;
	}
	ok($with_reader, 'a worker read it');
	$in .= "end\n";
	$app->finish;
	like($out, qr/transfers [1-9]\d*/, 'the application went on') or diag($err);
	note($out =~ /transfers (\d+) (\S+)/ ? "$1 commits, the longest took $2 s" : $out);
	is(sqlite($file, 'PRAGMA integrity_check'), 'ok', 'the file is whole');
	clean('after all');
}

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9: Killed)/, 'no other crash');
$node->stop;
done_testing();
