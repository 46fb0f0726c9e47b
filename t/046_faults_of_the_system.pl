# Each of SQLite's reads, locks, opens and allocations fails once: the 1st, the 2nd,
# the 3rd ... until a run completes without meeting the fault.  Each run gives an
# error or the right rows, and the backend keeps neither memory nor files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(time);

my $module = $ENV{SFM_FAULT_VFS} // '';

plan skip_all => 'no module that makes SQLite fail (SFM_FAULT_VFS)' if !-e $module;
plan skip_all => 'needs /proc' if !-r '/proc/self/fd';

my $node = new_cluster('system_faults', 'fsync = off', 'autovacuum = off', 'log_statement = none');
my $db = new_database($node, 'system_faults');

my $schema = <<'SQL';
	CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
	CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER REFERENCES parent, v INTEGER, b BLOB);
	CREATE INDEX child_parent ON child (parent);
	CREATE VIEW v AS SELECT count(*) AS n FROM child;
	INSERT INTO parent VALUES (1, 'one'), (2, 'two');
	WITH RECURSIVE s(value) AS (VALUES (1) UNION ALL SELECT value + 1 FROM s WHERE value < 40)
	INSERT INTO child SELECT value, 1 + value % 2, iif(value = 30, 'odd', value), zeroblob(value * 200) FROM s;
SQL

# The three ways in which a file is read.
my %files = (
	journal => make_sqlite("PRAGMA page_size = 1024; $schema", 'journal.db'),
	immutable => make_sqlite("PRAGMA page_size = 1024; PRAGMA journal_mode = wal; $schema", 'immutable.db'));
foreach my $way ('wal', 'copy')
{
	my $file = $files{$way} = PostgreSQL::Test::Utils::tempdir() . "/$way.db";

	IPC::Run::run([ 'python3', '-c', <<'PY', $file, "PRAGMA page_size = 1024; PRAGMA journal_mode = wal; $schema" ]);
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript(sys.argv[2])
os.kill(os.getpid(), 9)
PY
	unlink "$file-shm" if $way eq 'copy';
}

my $session;
my $memory;
my $files_open;

sub open_files
{
	return scalar grep { (readlink($_) // '') =~ /\.db|pgsql_tmp/ } glob('/proc/' . $session->pid . '/fd/*');
}

sub new_session
{
	$session->close if $session;
	$session = SqliteMig::Session->new($node, $db);
	my (undef, $err) = $session->query("LOAD '$module'; SET client_min_messages = error;");
	die $err if $err ne '';
	return;
}

my $right = "t|child|40|t\nt|parent|2|t\n2|1|40|odd|164000|40";

# Everything that one run shows: its rows, and what is then in the target.
my $contents = '(SELECT count(*) FROM parent), (SELECT min(parent) FROM child), (SELECT count(*) FROM child),'
  . " (SELECT string_agg(v, ',') FROM child WHERE v !~ '^[0-9]+\$'), (SELECT sum(length(b)) FROM child), (SELECT n FROM v)";

sub migration
{
	my ($file) = @_;

	return 'BEGIN; SELECT true, source_table, target_rows, verified FROM ' . call_sql('migrate', $file)
	  . " ORDER BY source_table; SELECT $contents; ROLLBACK;";
}

sub inspection
{
	my ($file) = @_;

	return 'SELECT source_table, source_column, integers, texts, target_type FROM ' . call_sql('inspect', $file) . ' ORDER BY 1, 2;';
}

# Runs it with a fault at n = 1, 2, 3 ...; with a stride when there are too many.  A
# file that stays open may have a page cache of some bytes.
sub all_faults
{
	my ($title, $kind, $sql, $expected, $budget, $cache) = @_;
	my $limit = $ENV{SFM_LONG} ? 1e9 : $budget;
	my ($runs, $errors, $wrong, $n) = (0, 0, '', 0);
	my %sqlstates;

	$session->query("SET fault_vfs.at = 0; SET fault_vfs.kind = '$kind';");
	is(($session->query($sql))[0], $expected, "$title: without a fault");
	my $calls = $session->query('SHOW fault_vfs.count;');
	$session->query($sql);
	$memory = $session->query('SHOW fault_vfs.memory;');
	$files_open = open_files();

	my $stride = $calls > $limit ? $calls / $limit : 1;
	for (my $next = 1;; $next += $next < 10 ? 1 : $stride)
	{
		$n = int $next;
		my ($out, $err) = $session->query("SET fault_vfs.at = $n; $sql");
		last if $session->{gone};
		my ($count) = $session->query('SHOW fault_vfs.count;');

		$runs++;
		if ($err ne '')
		{
			my ($sqlstate) = $err =~ /^ERROR:  (\w{5}):/m;

			$errors++;
			$sqlstates{ $sqlstate // $err }++;
		}
		elsif ($out ne $expected)
		{
			$wrong .= "n = $n: $out\n";
		}
		my $now = $session->query('SET fault_vfs.at = 0; SHOW fault_vfs.memory;');
		if ($now > $memory + ($cache // 0) || open_files() > $files_open)
		{
			$wrong .= "n = $n: memory $memory, then $now; files $files_open, then " . open_files() . "\n";
			last;
		}
		last if $count < $n;		# the fault was not met
	}
	ok(!$session->{gone}, "$title: the backend lives");
	is($wrong, '', "$title: an error or the right rows, nothing kept ($calls calls, $runs runs, $errors errors)");
	note("$title: $calls calls, $runs runs, $errors errors: " . join ', ', map { "$_ $sqlstates{$_}" } sort keys %sqlstates);
	unlike(join(' ', keys %sqlstates), qr/XX000/, "$title: no error that we did not think of");
	cmp_ok($errors, '>', 0, "$title: faults were met") if $calls > 0;
	is(join("", $session->query($sql)), $expected, "$title: and afterwards it works");
	return;
}

my $started = time;
foreach my $way (sort keys %files)
{
	new_session();
	all_faults("$way: io", 'io', migration($files{$way}), $right, 60);
}
foreach my $way ('copy', 'journal')
{
	new_session();
	$session->query(inspection($files{$way})) ;
	my ($expected) = $session->query(inspection($files{$way}));

	all_faults("$way: allocations of inspect", 'alloc', inspection($files{$way}), $expected, 150);
}
new_session();
all_faults('wal: allocations of migrate', 'alloc', migration($files{wal}), $right, 60);

# A server keeps its file open from one statement to the next, faults or none.
{
	new_session();
	$session->query("CREATE SERVER kept FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$files{wal}');"
		  . 'CREATE FOREIGN TABLE kept (id bigint, b bytea) SERVER kept OPTIONS ("table" \'child\');');
	my $scan = 'SELECT count(*), sum(id), sum(length(b)) FROM kept;';

	all_faults('a scan: io', 'io', $scan, '40|820|164000', 100, 65536);
	all_faults('a scan: allocations', 'alloc', $scan, '40|820|164000', 150, 65536);
}
note(sprintf '%.1f s', time - $started);

# SQLite's heap limit is one for the process: another's is put back.
{
	new_session();
	foreach my $limit (0, 100000)
	{
		$session->query("SET fault_vfs.heap_limit = $limit;");
		is(($session->query(migration($files{journal})))[0], $right, "with a heap limit of $limit kB from somebody else");
		is(scalar $session->query('SHOW fault_vfs.heap_limit;'), $limit, 'that limit is in force again');
		is(($session->query('BEGIN; SELECT count(*) FROM kept; SHOW fault_vfs.heap_limit;'))[0], "40\n1310720", 'ours holds in a transaction that reads');
		is(($session->query('SELECT 1 / 0; ROLLBACK; SHOW fault_vfs.heap_limit;'))[0], $limit, 'and ends with it');
	}
}

$session->close;
nothing_left_of_runs();
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'nothing crashed');
$node->stop;
done_testing();

sub nothing_left_of_runs
{
	return is(in_schema($node, $db, 'public'), 'f kept', 'nothing is left in the target')
	  && is(join(' ', glob($node->data_dir . '/base/pgsql_tmp/*')), '', 'nor a private copy');
}
