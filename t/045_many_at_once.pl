# Many at once: runs side by side and into the same tables, sessions on one server,
# 64 backends scanning one file while its application goes on.

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

my $clients = 64;
my $node = new_cluster('many', 'fsync = off', 'autovacuum = off', 'max_connections = 100', 'max_locks_per_transaction = 256');
my $db = new_database($node, 'many');
my $dir = PostgreSQL::Test::Utils::tempdir;
my $rows = $ENV{SFM_LONG} ? 400_000 : 40_000;

# A file with a table that has a key, and one that takes the same row twice.
sub source
{
	my ($name, $mode) = @_;

	return make_sqlite(<<"SQL", "$name.db");
		PRAGMA journal_mode = $mode;
		CREATE TABLE keyed (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT NOT NULL);
		CREATE TABLE plain (n INTEGER, v TEXT);
		CREATE INDEX keyed_v ON keyed (v);
		INSERT INTO keyed SELECT value, '$name ' || value FROM generate_series(1, $rows);
		INSERT INTO plain SELECT value, hex(randomblob(8)) FROM generate_series(1, $rows);
SQL
}

my %file = (one => source('one', 'wal'), two => source('two', 'delete'));

sub sessions
{
	my ($n) = @_;
	my @sessions = map { SqliteMig::Session->new($node, $db) } 1 .. $n;

	$_->query('SET client_min_messages = warning;') foreach @sessions;
	return @sessions;
}

sub content
{
	my ($schema) = @_;

	return $node->safe_psql($db, "SELECT count(*), count(DISTINCT id), min(v), max(id) FROM $schema.keyed; SELECT count(*), sum(n) FROM $schema.plain");
}

# Locks on a file that anybody holds.
sub file_locks
{
	my ($file) = @_;
	my $inode = (stat $file)[1];

	return join ' ', grep { /:$inode / } split /\n/, slurp_file('/proc/locks');
}

my $sum = $rows * ($rows + 1) / 2;

# -------------------------------------------- different files, different schemas

{
	my ($first, $second) = sessions(2);
	my $together = 0;

	$first->start('SELECT bool_and(verified), sum(target_rows) FROM ' . call_sql('migrate', $file{one}, target_schema => "'one'") . ';');
	$second->start('SELECT bool_and(verified), sum(target_rows) FROM ' . call_sql('migrate', $file{two}, target_schema => "'two'") . ';');
	until ($first->ended && $second->ended)
	{
		$together ||= $node->safe_psql($db,
			"SELECT count(*) = 2 AND bool_and(wait_event_type IS DISTINCT FROM 'Lock') FROM sqlite_mig.progress JOIN pg_stat_activity USING (pid)") eq 't';
		sleep 0.01;
	}
	is(scalar $first->result, 't|' . 2 * $rows, 'one file into one schema');
	is(scalar $second->result, 't|' . 2 * $rows, 'another into another');
	ok($together, 'at the same time, neither waiting for the other');
	is(content('one'), "$rows|$rows|one 1|$rows\n$rows|$sum", 'all of the first');
	is(content('two'), "$rows|$rows|two 1|$rows\n$rows|$sum", 'all of the second');
	is($node->safe_psql($db, 'SELECT target_schema, migrated.n FROM sqlite_mig.migration m, LATERAL (SELECT count(*) AS n FROM sqlite_mig.migration_table WHERE migration_id = m.id) migrated ORDER BY 1'),
		"one|2\ntwo|2", 'and each has its history');
	$_->close foreach $first, $second;
}

# ------------------------------------------------------------ into the same tables

# All start at once; returns how many succeeded, and what the others said.
sub contend
{
	my ($n, $sql) = @_;
	my @sessions = sessions($n);
	my ($good, @errors) = (0);

	$_->start($sql) foreach @sessions;
	foreach my $session (@sessions)
	{
		my ($out, $err) = $session->result;

		if ($err eq '') { $good++; is($out, 't', 'a run that comes to its turn is verified'); }
		else { push @errors, $err; }
		$session->close;
	}
	return ($good, @errors);
}

{
	my $into = sub {
		my ($word, @more) = @_;
		return 'SELECT bool_and(verified) FROM ' . call_sql('migrate', $file{one}, target_schema => "'same'", if_exists => "'$word'", @more) . ';';
	};

	my ($good, @errors) = contend(6, $into->('error'));
	is($good, 1, 'of six runs into an empty schema one succeeds');
	is(scalar(grep { /42P07: .*same\.keyed holds $rows rows/s } @errors), 5, 'the others see what it left, and refuse') or diag(@errors);
	is(content('same'), "$rows|$rows|one 1|$rows\n$rows|$sum", 'which is there once');

	($good, @errors) = contend(4, $into->('append', include => "'{plain}'"));
	is("$good @errors", '4 ', 'four appending runs wait for each other, and all succeed');
	is($node->safe_psql($db, 'SELECT count(*), sum(n) FROM same.plain'), 5 * $rows . '|' . 5 * $sum, 'each has added its rows');

	foreach my $word ('truncate', 'replace')
	{
		($good, @errors) = contend(4, $into->($word));
		is("$good @errors", '4 ', "four runs that $word succeed one after the other");
		is(content('same'), "$rows|$rows|one 1|$rows\n$rows|$sum", "$word: the rows are there once");
	}
	is($node->safe_psql($db, "INSERT INTO same.keyed (v) VALUES ('next') RETURNING id"), $rows + 1, 'the next id is right');
	is($node->safe_psql($db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', 'no lock is left');

	# One that does not want to wait.
	my ($holder, $waiting) = sessions(2);
	$holder->query('BEGIN; ' . $into->('truncate'));
	like(($waiting->query("SET lock_timeout = '200ms'; " . $into->('truncate')))[1], qr/55P03: canceling statement due to lock timeout/,
		'lock_timeout ends the waiting');
	is(scalar $waiting->query('SELECT bool_and(verified) FROM ' . call_sql('migrate', $file{two}, target_schema => "'elsewhere'") . ';'), 't',
		'while the same session may go on elsewhere');
	is(scalar $holder->query('COMMIT; SELECT count(*) FROM same.keyed;'), $rows, 'the other is not disturbed');
	$_->close foreach $holder, $waiting;
}

# --------------------------------------------------- two sessions, one server

{
	my ($first, $second) = sessions(2);

	$node->safe_psql($db, "CREATE SERVER shared FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file{two}');"
		  . 'CREATE SCHEMA live; IMPORT FOREIGN SCHEMA main FROM SERVER shared INTO live;');
	is(scalar $first->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM live.keyed ORDER BY id; FETCH 3 FROM c;'), "1\n2\n3", 'one session is in the middle of a scan');
	is(scalar $second->query('SELECT count(*), sum(id) FROM live.keyed;'), "$rows|$sum", 'another reads all of it');
	is(scalar $second->query('SELECT bool_and(verified) FROM ' . call_sql('migrate', 'shared', target_schema => "'from_shared'") . ';'), 't', 'and migrates it');

	# Its end must not take the first one's locks away: SQLite's are the process's, and each backend is one.
	$second->close;
	isnt(file_locks($file{two}), '', "the first session's lock on the file is still there");
	is(scalar $first->query('FETCH 2 FROM c; MOVE ALL c; COMMIT;'), "4\n5", 'the first goes on where it was');
	is(file_locks($file{two}), '', 'and lets go at the end of its transaction');

	# In one session: two scans of one table, two servers of one file, and the end of one of them.
	$node->safe_psql($db, "CREATE SERVER again FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file{two}');"
		  . 'CREATE SCHEMA twice; IMPORT FOREIGN SCHEMA main FROM SERVER again INTO twice;');
	is(scalar $first->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM live.keyed ORDER BY id; DECLARE d CURSOR FOR SELECT id FROM live.keyed ORDER BY id;'
			  . ' FETCH 2 FROM c; FETCH 1 FROM d; FETCH 1 FROM c;'), "1\n2\n1\n3", 'two scans of one table in one session');
	is(scalar $first->query('SAVEPOINT s; SELECT count(*) FROM twice.keyed a JOIN live.keyed b USING (id); ROLLBACK TO s; FETCH 1 FROM c;'), "$rows\n4",
		'two servers of one file, one of them first used in a subtransaction that is undone');
	isnt(file_locks($file{two}), '', 'the lock of the one that goes on is still there');
	$first->query('COMMIT;');
	$first->close;
}

# ------------------------------------------------ 64 backends, and an application

# pgbench's script: right as a whole in every transaction, whatever is committed meanwhile.
sub bench
{
	my ($title, $schema, $transactions) = @_;
	my $script = "$dir/scan.sql";
	my ($out, $err) = ('', '');
	my $most = 0;

	open(my $fh, '>', $script) or die;
	print $fh <<"SQL";
BEGIN;
SELECT 1 / (count(*) >= $rows AND count(*) = max(id) AND sum(id) = max(id) * (max(id) + 1) / 2)::int FROM $schema.keyed;
SELECT 1 / (count(*) = $rows AND sum(n) = $sum)::int FROM $schema.plain;
SELECT 1 / (count(*) = (SELECT max(id) FROM $schema.keyed))::int FROM $schema.keyed;
COMMIT;
SQL
	close $fh;
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-f', $script, '-d', $node->connstr($db) ],
		'>', \$out, '2>', \$err, IPC::Run::timer(300));

	while ($bench->pumpable)
	{
		my $now = $node->safe_psql($db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL");

		$most = $now if $now > $most;
		eval { $bench->pump_nb; 1 } or last;		# it has ended meanwhile
		sleep 0.05;
	}
	ok($bench->finish, "$title: $clients backends scan it") or diag($err);
	like($out, qr/actually processed: @{[$clients * $transactions]}\/@{[$clients * $transactions]}/, "$title: to the end");
	cmp_ok($most, '>', $clients / 2, "$title: many of them at the same time");
	return;
}

# An application that adds rows all the time, until it is told to stop.
sub application
{
	my ($file) = @_;
	my $self = { in => '', out => '', err => '' };

	$self->{run} = IPC::Run::start([ 'python3', '-u', '-c', <<'PY', $file ],
import sqlite3, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set())).start()
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n, busy = 1, 0
db.execute("INSERT INTO keyed (v) VALUES ('added')")
print("ready")
while not stop.is_set():
    try:
        db.execute("INSERT INTO keyed (v) VALUES ('added')")
        n += 1
    except sqlite3.OperationalError:
        busy += 1
    stop.wait(0.005)
db.close()
print("done", n, busy)
PY
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timer(300));
	# it has the -wal open: a file without one would be read without locks
	$self->{run}->pump until $self->{out} =~ /ready/;
	return $self;
}

foreach my $name ('one', 'two')
{
	my $mode = $name eq 'one' ? 'WAL' : 'rollback journal';
	my $app = application($file{$name});
	my $schema = "scan_$name";

	$node->safe_psql($db, "CREATE SERVER $schema FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file{$name}', busy_timeout '60000');"
		  . "CREATE SCHEMA $schema; IMPORT FOREIGN SCHEMA main FROM SERVER $schema INTO $schema;");
	bench($mode, $schema, $ENV{SFM_LONG} ? 10 : 2);
	$app->{in} .= "\n";
	$app->{run}->finish;
	my ($added, $busy) = $app->{out} =~ /done (\d+) (\d+)/ or die $app->{err};
	note("$mode: the application added $added rows, $busy times it was told SQLITE_BUSY");
	cmp_ok($added, '>', 0, "$mode: the application went on");
	is($node->safe_psql($db, "SELECT count(*) FROM $schema.keyed"), sqlite($file{$name}, 'SELECT count(*) FROM keyed'), "$mode: its rows are there");
	is(sqlite($file{$name}, 'PRAGMA integrity_check'), 'ok', "$mode: the file is whole");
	is(file_locks($file{$name}), '', "$mode: no lock on the file is left");
}

# And 64 backends that each read a private copy, as of a pair without its -shm.
{
	my $file = "$dir/copied.db";

	sqlite($file, ".dbconfig no_ckpt_on_close on\nPRAGMA journal_mode = wal; CREATE TABLE keyed (id INTEGER PRIMARY KEY, v TEXT);"
		  . "CREATE TABLE plain (n INTEGER, v TEXT); INSERT INTO keyed SELECT value, 'v' FROM generate_series(1, $rows);"
		  . "INSERT INTO plain SELECT value, 'v' FROM generate_series(1, $rows);");
	unlink "$file-shm";
	ok(-s "$file-wal", 'a file that is read from a private copy');
	$node->safe_psql($db, "CREATE SERVER copied FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');"
		  . 'CREATE SCHEMA copied; IMPORT FOREIGN SCHEMA main FROM SERVER copied INTO copied;');
	bench('private copies', 'copied', 1);
	is(join(' ', map { basename($_) } glob($dir . '/copied.db*')), 'copied.db copied.db-wal', 'nothing was created beside it');
	is(join(' ', map { basename($_) } glob($node->data_dir . '/base/pgsql_tmp/*')), '', 'and no copy is left');
}

unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'nothing crashed');
$node->stop;
done_testing();
