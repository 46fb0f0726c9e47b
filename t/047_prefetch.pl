# A background worker that reads the file ahead (jobs): the same rows, misfits and
# checksums as without; one moment of a file that is written to; what becomes of it
# when the call ends, fails, or the worker is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_cluster('prefetch', 'fsync = off', 'autovacuum = off', 'max_worker_processes = 8',
	'max_parallel_maintenance_workers = 2');
my $db = new_database($node, 'prefetch');

# Readers of this cluster that are alive, by what the postmaster's children are called.
sub readers
{
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @found;

	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		my ($pid, $parent) = (eval { slurp_file($stat) } // '') =~ /^(\d+) \(.*\) \S+ (\d+)/s or next;
		my $name = eval { slurp_file("/proc/$pid/cmdline") } // '';

		push @found, $pid if $parent == $postmaster && $name =~ /sqlite_fdw_mig reader/;
	}
	return @found;
}

# Waits for one, while the session's call goes on.
sub reader_of
{
	my ($session) = @_;
	my @found;

	until (@found = readers())
	{
		return undef if $session->ended;
		sleep 0.002;
	}
	return $found[0];
}

sub no_readers
{
	my ($title) = @_;
	my $until = time + 5;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sleep 0.01 while readers() && time < $until;
	is(scalar(readers()), 0, "$title: no reader is left");
	return;
}

# More than 16 MB, so that a reader is worth it: every storage class in every column,
# rows too big for the queue, texts with NUL bytes and invalid ones, a table without
# rowid, one without rows, a rowid that has another name, or is a later column.
my $all = make_sqlite(<<'SQL', 'all.db');
	PRAGMA synchronous = off;
	CREATE TABLE clean (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, n NUMERIC, b BOOLEAN,
	                    d DATE, ts DATETIME, j JSON, x BLOB, u UUID, dec DECIMAL(12,3));
	INSERT INTO clean
	SELECT value, value * 1000003, value / 7.0, 'text ' || value || char(228, 8364, 128512), value / 10.0, value % 2,
	       date(value, 'unixepoch', '+' || (value % 30000) || ' days'), datetime(value * 911, 'unixepoch'),
	       json_object('a', value, 'b', json_array(1, 2.5, NULL, 'x')), randomblob(value % 50),
	       '00000000-0000-4000-8000-' || printf('%012x', value), value / 8.0
	FROM generate_series(1, 60000);
	UPDATE clean SET i = NULL, r = NULL, t = NULL, n = NULL, b = NULL, d = NULL, ts = NULL, j = NULL, x = NULL, u = NULL, dec = NULL
	WHERE id % 1000 = 0;
	CREATE TABLE misfits (id INTEGER PRIMARY KEY, i INTEGER, d DATE, t TEXT NOT NULL, j JSON);
	INSERT INTO misfits SELECT value, value, date(value, 'unixepoch'), 't', '[]' FROM generate_series(1, 20000);
	UPDATE misfits SET i = 'no number', j = '{' WHERE id IN (777, 15001);
	UPDATE misfits SET d = x'00ff', t = 5 WHERE id = 9999;
	CREATE TABLE big (id INTEGER PRIMARY KEY, t TEXT, x BLOB);
	INSERT INTO big VALUES (1, 'small', x'01'), (2, printf('%.*c', 5000000, 'y'), zeroblob(6000000)), (3, 'after', NULL),
	                       (4, NULL, randomblob(4300000));
	CREATE TABLE late (t TEXT, i INTEGER, id INTEGER PRIMARY KEY);
	INSERT INTO late SELECT 't' || value, value, value * 3 FROM generate_series(1, 1000);
	UPDATE late SET i = 'no number' WHERE id = 300;
	INSERT INTO late VALUES (printf('%.*c', 5000000, 'z'), 'no number either', 5000);
	CREATE TABLE odd (rowid TEXT, t TEXT);
	INSERT INTO odd VALUES ('a', 'x' || char(0) || 'y'), ('b', CAST(x'ff41' AS TEXT)), ('c', '');
	CREATE TABLE pairs (a INTEGER, b TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
	INSERT INTO pairs SELECT value, 'p' || value FROM generate_series(1, 5000);
	CREATE TABLE empty (a INTEGER PRIMARY KEY, b TEXT);
	CREATE TABLE filler (x BLOB);
	INSERT INTO filler SELECT randomblob(4000) FROM generate_series(1, 3000);
SQL

# ------------------------------------------------------ the same with and without

# What a run reports and decides, without what differs from run to run.
sub outcome
{
	my ($schema) = @_;
	my $id = "(SELECT max(id) FROM sqlite_mig.migration WHERE target_schema = '$schema')";

	return join "\n", map { $node->safe_psql($db, $_) } (
		"SELECT source_table, status, source_rows, target_rows, rejected_rows, source_checksum, target_checksum, verified,"
		  . " replace(notes::text, '$schema', 'S') FROM sqlite_mig.migration_table WHERE migration_id = $id ORDER BY 1",
		"SELECT source_table, source_column, target_type, misfits, nulled, note FROM sqlite_mig.migration_column WHERE migration_id = $id ORDER BY 1, 2",
		"SELECT source_table, source_rowid, reason, row::text FROM sqlite_mig.rejected_row WHERE migration_id = $id ORDER BY 1, 2");
}

foreach my $on_misfit ('widen', 'null', 'reject')
{
	my @outcomes;

	foreach my $jobs (0, 1, 3)
	{
		my $schema = "${on_misfit}_$jobs";
		my $result = $node->safe_psql($db, 'SELECT count(*) FILTER (WHERE verified), count(*) FROM '
			  . call_sql('migrate', $all, target_schema => "'$schema'", on_misfit => "'$on_misfit'", jobs => $jobs));

		is($result, '8|8', "$on_misfit, jobs => $jobs: every table is verified");
		push @outcomes, outcome($schema);
		compare_with_source($node, $db, $all, "$schema: another client agrees", $schema) if $on_misfit eq 'widen' && $jobs;
		no_readers("$on_misfit, jobs => $jobs");
	}
	is($outcomes[1], $outcomes[0], "$on_misfit: one reader gives what none gives");
	is($outcomes[2], $outcomes[0], "$on_misfit: so do more workers");
	isnt($outcomes[0], '', "$on_misfit: there is an outcome");
}
# Many small tables, which the backend reads by itself, and one that is not: what comes from
# the one and from the other does not get mixed up.
{
	my $small = make_sqlite(<<'SQL' . join("\n", map { "CREATE TABLE s$_ (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO s$_ SELECT value, $_ || ' of ' || value FROM generate_series(1, 5);" } 1 .. 300), 'small.db');
		PRAGMA synchronous = off;
		CREATE TABLE large (id INTEGER PRIMARY KEY, x BLOB);
		INSERT INTO large SELECT value, randomblob(1700) FROM generate_series(1, 10000);
SQL
	foreach my $jobs (0, 1)
	{
		is($node->safe_psql($db, 'SELECT count(*) FILTER (WHERE verified), sum(target_rows) FROM '
			  . call_sql('migrate', $small, target_schema => "'small_$jobs'", jobs => $jobs)), '301|11500', "many small tables, jobs => $jobs: every table is verified");
	}
	is(outcome('small_1'), outcome('small_0'), 'many small tables: a reader gives what none gives');
	is($node->safe_psql($db, 'SELECT t FROM small_1.s199 WHERE id = 4'), '199 of 4', 'many small tables: a value');
	no_readers('many small tables');
}

# A column that is the rowid tells it, wherever it stands, and also when it is not moved.
foreach my $jobs (0, 1)
{
	my %wrong = (misfits => "typeof(i) = 'text' OR typeof(d) = 'blob'", late => "typeof(i) = 'text'");

	$node->safe_psql($db, 'SELECT count(*) FROM ' . call_sql('migrate', $all, target_schema => "'skip_$jobs'", on_misfit => "'reject'",
		jobs => $jobs, include => "'{late,filler}'", types => q('{"late.id": {"skip": true}}')));
	foreach ([ 'misfits', "reject_$jobs" ], [ 'late', "reject_$jobs" ], [ 'late', "skip_$jobs" ])
	{
		my ($table, $schema) = @$_;

		is($node->safe_psql($db, 'SELECT DISTINCT source_rowid FROM sqlite_mig.rejected_row JOIN sqlite_mig.migration ON id = migration_id'
				  . " WHERE target_schema = '$schema' AND source_table = '$table' ORDER BY 1"),
			sqlite($all, "SELECT rowid FROM $table WHERE $wrong{$table} ORDER BY 1"),
			"$schema, $table: rows that were rejected are named by their rowids");
	}
}
{
	my $message = sub {
		my (undef, undef, $err) = $node->psql($db, 'SELECT count(*) FROM '
			  . call_sql('migrate', $all, target_schema => "'failed'", on_misfit => "'error'", jobs => $_[0]));
		return $err;
	};
	my $alone = $message->(0);

	like($alone, qr/misfits/, 'error: is one');
	is($message->(1), $alone, 'error: the same with a reader');
	no_readers('error');
}

# It was a reader that read: the backend's own reads of the file are few.
{
	my $session = SqliteMig::Session->new($node, $db);

	$session->query('SET client_min_messages = warning;');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $all, target_schema => "'seen'") . ';');
	ok(reader_of($session), 'a file of this size has a reader by default');
	is(($session->result)[0], '8', 'and arrives');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $all, target_schema => "'unseen'", jobs => 0) . ';');
	is(reader_of($session), undef, 'with jobs => 0 there is none');
	is(($session->result)[0], '8', 'and it arrives too');
	$session->close;
}

# A foreign server as the source; one whose transaction has begun is read by one process.
$node->safe_psql($db, "CREATE SERVER lite FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$all');"
	  . 'CREATE FOREIGN TABLE lite_pairs (a bigint, b text) SERVER lite OPTIONS ("table" \'pairs\')');
is($node->safe_psql($db, "SELECT count(*) FILTER (WHERE verified) FROM sqlite_mig.migrate('lite', 'of_server')"), '8', 'a server as the source');
{
	my ($rc, $out, $err) = $node->psql($db, 'BEGIN; SELECT count(*) FROM lite_pairs;'
		  . "SELECT count(*) FILTER (WHERE verified) FROM sqlite_mig.migrate('lite', 'of_used_server'); COMMIT");
	is($out, "5000\n8", 'a server that the transaction has read before');
	like($err, qr/One process read the file, since the transaction had read from the server before\./, 'which is said');
}

# No background worker is free: said, and it works.
{
	$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 1');	# the logical replication launcher's
	$node->restart;
	my ($rc, $out, $err) = $node->psql($db, 'SELECT count(*) FILTER (WHERE verified) FROM ' . call_sql('migrate', $all, target_schema => "'no_worker'"));
	is($out, '8', 'no background worker is free');
	like($err, qr/One process read the file, since no background worker was free/, 'which is said');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_worker_processes');
	$node->restart;
}

# ------------------------------------------------------------ one moment of the file

# An application that moves amounts between two tables, in WAL mode.  The sum of all
# is the same at every moment, and the log has a row for each transfer.
my $live = make_sqlite(<<'SQL', 'live.db');
	PRAGMA journal_mode = wal;
	PRAGMA synchronous = off;
	CREATE TABLE a (id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB);
	CREATE TABLE b (id INTEGER PRIMARY KEY, amount INTEGER, filler BLOB);
	CREATE TABLE transfers (n INTEGER PRIMARY KEY);
	INSERT INTO a SELECT value, 100, randomblob(300) FROM generate_series(1, 40000);
	INSERT INTO b SELECT value, 100, randomblob(300) FROM generate_series(1, 40000);
SQL
{
	my ($in, $out) = ('', '');
	my $app = IPC::Run::start([ 'python3', '-u', '-c', <<'PY', $live ], '<', \$in, '>', \$out, IPC::Run::timer(300));
import random, select, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
n = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    db.execute("BEGIN IMMEDIATE")
    x = random.randint(1, 50)
    db.execute("UPDATE a SET amount = amount - ? WHERE id = ?", (x, random.randint(1, 40000)))
    db.execute("UPDATE b SET amount = amount + ? WHERE id = ?", (x, random.randint(1, 40000)))
    db.execute("INSERT INTO transfers VALUES (NULL)")
    db.execute("COMMIT")
    n += 1
    if n == 10: print("running")
    if n % 50 == 0: time.sleep(0.005)
print("transfers", n)
PY
	$app->pump until $out =~ /running/;
	my $alone = 0;
	foreach my $round (1 .. ($ENV{SFM_LONG} ? 20 : 4))
	{
		my ($rc, $sum, $err) = $node->psql($db, 'BEGIN; SELECT count(*) FILTER (WHERE verified) FROM '
			  . call_sql('migrate', $live, target_schema => "'live_$round'", jobs => 2)
			  . "; SELECT (SELECT sum(amount) FROM live_$round.a) + (SELECT sum(amount) FROM live_$round.b), count(*), max(n) - count(*)"
			  . " FROM live_$round.transfers; ROLLBACK");
		like($sum, qr/^3\n8000000\|\d+\|0$/, "round $round: one moment of both tables and the log");
		$alone++ if $err =~ /One process read the file/;
	}
	note("rounds in which the file was written to each time both began: $alone");
	$in .= "end\n";
	$app->finish;
	like($out, qr/transfers [1-9]\d*/, 'the application went on meanwhile');
	no_readers('a live file');
}

# --------------------------------------------------------------- ends of another kind

foreach my $way ('cancel', 'terminate')
{
	my $session = SqliteMig::Session->new($node, $db);

	$session->query('SET client_min_messages = warning;');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $all, target_schema => "'gone'") . ';');
	ok(reader_of($session), "$way: it reads");
	$node->safe_psql($db, "SELECT pg_${way}_backend(" . $session->pid . ')');
	like(($session->result)[1], qr/57014|57P01/, "$way: at once");
	no_readers($way);
	is($node->safe_psql($db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gone'"), '0', "$way: nothing is left");
	$session->close;
}
{
	my $session = SqliteMig::Session->new($node, $db);

	$session->query('SET client_min_messages = warning;');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $all, target_schema => "'gone'") . ';');
	my $pid = reader_of($session);
	ok($pid, 'it reads');
	# before that, the call would go on without it
	sleep 0.002 until $session->ended || $node->safe_psql($db, "SELECT count(*) FROM sqlite_mig.progress WHERE phase = 'loading'");
	kill 'TERM', $pid;
	my ($out, $err) = $session->result;
	like($err, qr/terminating background worker "sqlite_fdw_mig reader" due to administrator command|lost the background worker/,
		'the reader is ended by somebody: an error that says so');
	is($node->safe_psql($db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gone'"), '0', 'and nothing is left');
	is(($session->query('SELECT count(*) FILTER (WHERE verified) FROM ' . call_sql('migrate', $all, target_schema => "'gone'") . ';'))[0],
		'8', 'the same call works again in the same session');
	no_readers('after all');
	$session->close;
}

# Damage that only the reader meets: SQLite's error, with table and code, as without one.
{
	my $damaged = source_copy($all, 'damaged.db');
	my $page = sqlite($damaged, "SELECT max(pageno) FROM dbstat WHERE name = 'clean' AND pagetype = 'leaf'");
	my %said;

	like($page, qr/^[1-9]\d*$/, 'a page of the table');
	open my $fh, '+<:raw', $damaged or die;
	seek $fh, ($page - 1) * 4096, 0;
	print $fh "\xee" x 4096;
	close $fh;
	foreach my $jobs (0, 1)
	{
		(undef, undef, $said{$jobs}) = $node->psql($db, '\set VERBOSITY verbose' . "\n" . 'SELECT count(*) FROM '
			  . call_sql('migrate', $damaged, target_schema => "'damaged'", jobs => $jobs));
		$said{$jobs} =~ s/^(LOCATION|CONTEXT|background worker).*\n?//mg;
	}
	like($said{0}, qr/XX001: could not read table "clean" of SQLite file .*malformed/, 'a damaged page');
	is($said{1}, $said{0}, 'is the same error from the reader');
	no_readers('a damaged file');
}

$node->stop;
done_testing();
