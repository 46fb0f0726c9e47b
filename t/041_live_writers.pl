# The application goes on while migrate() reads: the target shows one moment of the
# file, what the application sees is what docs/reliability.md says, and nothing is
# created, written or taken away beside the file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::SHA ();
use File::Basename qw(basename);
use File::Copy qw(copy);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_cluster('live', 'fsync = off', 'autovacuum = off');
my $db = new_database($node, 'live');
my $temp = PostgreSQL::Test::Utils::tempdir;
my $session = SqliteMig::Session->new($node, $db);

$session->query('SET client_min_messages = warning;');

# A directory of its own for each case, so that what is in it can be listed.
my $cases = 0;

sub new_directory
{
	my $dir = "$temp/case" . ++$cases;

	mkdir $dir or die;
	return $dir;
}

# Names and contents of a directory, the bytes of a -shm apart: locks live there.
sub contents
{
	my ($dir) = @_;

	return join "\n", map {
		basename($_) . ' ' . (/-shm$/ ? -s : Digest::SHA->new(256)->addfile($_, 'b')->hexdigest)
	} sort glob("$dir/*");
}

# A Python program that goes on in the background; wait() returns what it printed.
sub python
{
	my ($script, @arguments) = @_;
	my $self = { in => '', out => '', err => '' };

	$self->{run} = IPC::Run::start([ 'python3', '-u', '-c', "import os, random, sqlite3, sys, time\n$script", @arguments ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timer(120));
	return $self;
}

sub until_it_says
{
	my ($python, $what) = @_;

	$python->{run}->pump until $python->{out} =~ $what;
	return;
}

# Money moves between two tables, whose sum stays the same; each transfer is written
# down. Prints how many commits went through and the longest that one waited.
my $transfers = <<'PY';
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
rnd = random.Random(11)
longest = n = 0
print("ready")
until = time.time() + float(sys.argv[2])
while time.time() < until:
    amount = rnd.randrange(1, 100)
    started = time.time()
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE a SET v = v - ? WHERE id = ?", (amount, rnd.randrange(1, 2001)))
    db.execute("INSERT INTO log (amount) VALUES (?)", (amount,))
    db.execute("UPDATE b SET v = v + ? WHERE id = ?", (amount, rnd.randrange(1, 2001)))
    db.execute("COMMIT")
    longest = max(longest, time.time() - started)
    n += 1
    if n % 10 == 0:
        time.sleep(0.002)
print("done", n, longest)
PY

sub bank
{
	my ($dir, $mode) = @_;
	my $file = "$dir/bank.db";

	sqlite($file, <<"SQL");
		PRAGMA journal_mode = $mode;
		CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER);
		CREATE TABLE b (id INTEGER PRIMARY KEY, v INTEGER);
		CREATE TABLE log (id INTEGER PRIMARY KEY, amount INTEGER);
		CREATE TABLE filler (id INTEGER PRIMARY KEY, t TEXT);
		INSERT INTO a SELECT value, 1000 FROM generate_series(1, 2000);
		INSERT INTO b SELECT value, 1000 FROM generate_series(1, 2000);
		INSERT INTO filler SELECT value, hex(randomblob(50)) FROM generate_series(1, 20000);
SQL
	return $file;
}

foreach my $mode ('wal', 'delete')
{
	my $dir = new_directory();
	my $file = bank($dir, $mode);
	my $seconds = $ENV{SFM_LONG} ? 60 : 4;
	my $writer = python($transfers, $file, $seconds);
	my (@moments, @sums);
	my $rounds = 0;

	until_it_says($writer, qr/ready/);
	$node->safe_psql($db, "CREATE SERVER bank_$mode FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file', busy_timeout '20000')");
	until ($writer->{out} =~ /done/)
	{
		my ($out, $err) = $session->query('BEGIN; SELECT bool_and(verified) FROM '
			  . call_sql('migrate', "bank_$mode", target_schema => "'bank'")
			  . '; SELECT (SELECT sum(v) FROM bank.a) + (SELECT sum(v) FROM bank.b), (SELECT sum(v) FROM bank.b) - 2000000 - (SELECT coalesce(sum(amount), 0) FROM bank.log), (SELECT count(*) FROM bank.log); ROLLBACK;');

		if ($err ne '')
		{
			fail("$mode: a run while the application writes: $err");
			last;
		}
		my (undef, $sum, $difference, $moment) = $out =~ /^(t)\n(\d+)\|(-?\d+)\|(\d+)$/ or die $out;
		push @sums, "$sum $difference";
		push @moments, $moment;
		$rounds++;
		$writer->{run}->pump_nb;
	}
	$writer->{run}->finish;
	my ($commits, $longest) = $writer->{out} =~ /done (\d+) (\S+)/ or die $writer->{err};

	cmp_ok($rounds, '>', 2, "$mode: $rounds runs while the application made $commits commits");
	is(join(', ', sort { $a cmp $b } keys %{ { map { $_ => 1 } @sums } }), '4000000 0',
		"$mode: each run shows one moment: sums, balances and log agree");
	cmp_ok(keys %{ { map { $_ => 1 } @moments } }, '>', 1, "$mode: and they are different moments");
	cmp_ok($commits, '>', 20, "$mode: the application goes on");
	note(sprintf '%s: the longest commit took %.3f s', $mode, $longest);
	is(sqlite($file, 'PRAGMA integrity_check'), 'ok', "$mode: the file is whole");
	is(sqlite($file, 'SELECT (SELECT sum(v) FROM a) + (SELECT sum(v) FROM b)'), '4000000', "$mode: and so is what is in it");
	$node->safe_psql($db, "DROP SERVER bank_$mode");
}

# What a commit of the application waits for: in rollback-journal mode the end of our
# transaction, in WAL mode nothing.
foreach my $mode ('wal', 'delete')
{
	my $dir = new_directory();
	my $file = bank($dir, $mode);
	my $app = python('db = sqlite3.connect(sys.argv[1]); db.execute("SELECT count(*) FROM a").fetchone(); print("open", flush=True); sys.stdin.read()', $file);

	until_it_says($app, qr/open/);
	$session->query('BEGIN; SELECT 1 FROM ' . call_sql('inspect', $file, include => "'{a}'") . ' LIMIT 1;');
	$node->safe_psql($db, "CREATE SERVER IF NOT EXISTS held FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')");
	$node->safe_psql($db, "ALTER SERVER held OPTIONS (SET database '$file')");
	$session->query('ROLLBACK; BEGIN; SELECT 1 FROM ' . call_sql('inspect', 'held', include => "'{a}'") . ' LIMIT 1;');
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'sqlite3', '-batch', '-cmd', '.timeout 200', $file, 'UPDATE a SET v = v + 1 WHERE id = 1; SELECT changes();' ], \'', \$out, \$err);
	$mode eq 'wal' ? is($out, "1\n", 'wal: the application commits while our transaction is open')
	  : like($err, qr/database is locked/, 'delete: the application is told SQLITE_BUSY after its own timeout');
	$session->query('ROLLBACK;');
	is(sqlite($file, 'UPDATE a SET v = v + 1 WHERE id = 1; SELECT changes()'), '1', "$mode: and commits once it has ended");
	$app->{run}->kill_kill;
}
$node->safe_psql($db, 'DROP SERVER held');

# A writer that keeps its lock: we wait for busy_timeout, and say so.
foreach my $mode ('delete', 'exclusive')
{
	my $dir = new_directory();
	my $file = "$dir/held.db";

	sqlite($file, 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);');
	my $writer = python(<<'PY', $file, $mode);
db = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2] == "exclusive":
    db.execute("PRAGMA locking_mode = exclusive")
db.execute("BEGIN EXCLUSIVE")
db.execute("INSERT INTO t VALUES (2)")
print("locked", flush=True)
sys.stdin.readline()
db.execute("COMMIT")
db.close()
PY
	until_it_says($writer, qr/locked/);
	my $before = contents($dir);
	$node->safe_psql($db, "CREATE SERVER held FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file', busy_timeout '700')");
	my $started = time;
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', 'held'), '55P03',
		qr/could not read SQLite file.*database is locked.*HINT:.*busy_timeout/s, "$mode: a lock that is not given back");
	my $took = time - $started;
	cmp_ok($took, '>', 0.6, "$mode: busy_timeout was waited for");
	cmp_ok($took, '<', 4, "$mode: and not much longer");
	nothing_left_but_server("$mode: nothing is left");
	is(contents($dir), $before, "$mode: nothing has changed beside the file");

	# The wait ends with a cancel too.
	$node->safe_psql($db, "ALTER SERVER held OPTIONS (SET busy_timeout '60000')");
	$started = time;
	statement_fails($node, $db, "SET statement_timeout = '300ms'; SELECT * FROM " . call_sql('migrate', 'held'), '57014',
		qr/statement timeout/, "$mode: the wait can be cancelled");
	cmp_ok(time - $started, '<', 3, "$mode: at once");

	# And when the lock is given back meanwhile, all is well.
	$session->start('SELECT target_rows FROM ' . call_sql('migrate', 'held', target_schema => "'later_$mode'") . ';');
	sleep 0.5;
	ok(!$session->ended, "$mode: the run waits");
	$writer->{in} .= "\n";
	$writer->{run}->finish;
	is(join(' ', $session->result), '2 ', "$mode: and goes on when the lock is given back");
	$node->safe_psql($db, 'DROP SERVER held');
}

sub nothing_left_but_server
{
	my ($title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(in_schema($node, $db, 'public'), '', $title);
}

# --------------------------------------------------- WAL: -wal, -shm, directory

# A WAL-mode file whose last rows are in the -wal, as a killed application leaves it.
sub walled
{
	my ($dir) = @_;
	my $file = "$dir/app.db";
	my $writer = python(<<'PY', $file);
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = wal")
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'checkpointed')")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("PRAGMA wal_autocheckpoint = 0")
db.execute("INSERT INTO t VALUES (2, 'in the -wal')")
print("ready", flush=True)
os.kill(os.getpid(), 9)
PY
	until_it_says($writer, qr/ready/);
	eval { $writer->{run}->finish };
	return $file;
}

my @wal_cases = (
	# title, what is done to the directory, rows expected or the error, a note
	[ '-wal and -shm', sub { }, 2, '' ],
	[ '-wal without -shm', sub { unlink "$_[0]-shm" }, 2, qr/private copy/ ],
	[ '-wal with a -shm that may not be written', sub { chmod 0444, "$_[0]-shm" }, 2, qr/private copy/ ],
	[ '-wal that may not be written', sub { chmod 0444, "$_[0]-wal" }, 2, qr/private copy/ ],
	[ '-wal and -shm, directory not writable', sub { chmod 0555, $_[1] }, 2, '' ],
	[ '-wal without -shm, directory not writable', sub { unlink "$_[0]-shm"; chmod 0555, $_[1] }, 2, qr/private copy/ ],
	[ 'all read-only', sub { chmod 0444, glob("$_[1]/*"); chmod 0555, $_[1] }, 2, qr/private copy/ ],
	[ 'an empty -wal', sub { unlink "$_[0]-shm"; truncate("$_[0]-wal", 0) }, 1, qr/without a -wal/ ],
	[ 'neither -wal nor -shm', sub { unlink "$_[0]-shm", "$_[0]-wal" }, 1, qr/without a -wal beside it/ ],
	[ 'neither, all read-only', sub { unlink "$_[0]-shm", "$_[0]-wal"; chmod 0444, $_[0]; chmod 0555, $_[1] }, 1, qr/without a -wal/ ],
	[ 'a -shm alone', sub { unlink "$_[0]-wal" }, 1, qr/without a -wal/ ],
	[ 'a stale -shm of zeros', sub { append_to_file_at("$_[0]-shm") }, 2, '' ],
	[ 'a -wal of another file', sub { my $o = new_directory(); copy(other_wal($o), "$_[0]-wal") or die; unlink "$_[0]-shm" }, undef, '' ],
	[ 'a -wal of noise', sub { unlink "$_[0]-shm"; open(my $fh, '>:raw', "$_[0]-wal") or die; print $fh map { chr(($_ * 7919) % 251) } 1 .. 9000; close $fh }, 1, qr/private copy/ ],
	[ 'a -wal cut short', sub { truncate("$_[0]-wal", (-s "$_[0]-wal") - 100) }, 1, '' ],
	[ 'a -wal cut short, without -shm', sub { unlink "$_[0]-shm"; truncate("$_[0]-wal", (-s "$_[0]-wal") - 100) }, 1, qr/private copy/ ],
);

sub append_to_file_at
{
	my ($name) = @_;
	my $size = -s $name;

	open(my $fh, '>:raw', $name) or die;
	print $fh "\0" x $size;
	return CORE::close $fh;
}

# The -wal of a file of the same schema with other rows: its salt and checksums are its own.
sub other_wal
{
	my ($dir) = @_;

	return walled($dir) . '-wal';
}

foreach my $case (@wal_cases)
{
	my ($title, $change, $rows, $note) = @$case;
	my $dir = new_directory();
	my $file = walled($dir);
	my $expected;

	$change->($file, $dir);
	my $before = contents($dir);

	# What the sqlite3 program makes of a copy that it may write to.
	{
		my $copies = new_directory();

		copy($_, "$copies/" . basename($_)) or die foreach grep { !/-shm$/ } glob("$dir/*");
		$expected = sqlite("$copies/app.db", 'SELECT count(*) FROM t');
	}
	is($expected, $rows, "$title: what SQLite says") if defined $rows;

	my ($out, $err) = $session->query("SET client_min_messages = notice; BEGIN; SELECT source_rows, verified FROM "
		  . call_sql('migrate', $file) . '; SELECT count(*) FROM t; ROLLBACK; SET client_min_messages = warning;');
	is($out, "$expected|t\n$expected", "$title: as many rows") or diag($err);
	like($err, $note, "$title: said") if $note;
	is(contents($dir), $before, "$title: nothing created, nothing written");
	chmod 0755, $dir;
}

# A file that is read without locks and changes meanwhile: the call fails, and can be repeated.
{
	my $dir = new_directory();
	my $file = walled($dir);

	unlink "$file-wal", "$file-shm";
	$session->query("CREATE SCHEMA gate; CREATE TABLE gate.t (id bigint, v text);");
	my $holder = SqliteMig::Session->new($node, $db);

	$holder->query('BEGIN; LOCK TABLE gate.t;');
	$session->start('SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'gate'") . ';');
	$node->poll_query_until($db, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'gate.t'::regclass") or die;
	sqlite($file, "INSERT INTO t VALUES (3, 'meanwhile')");
	$holder->query('ROLLBACK;');
	like(($session->result)[1], qr/55006: SQLite file ".*app\.db" changed while it was being read.*HINT:  Run the command again/s,
		'a file without a -wal that is written meanwhile is noticed');
	is($node->safe_psql($db, 'SELECT count(*) FROM gate.t'), '0', 'nothing arrived');
	is(scalar $session->query('SELECT target_rows, verified FROM ' . call_sql('migrate', $file, target_schema => "'gate'") . ';'),
		'2|t', 'and again it works');
	$holder->close;
}

# ------------------------------------------------------------------ hot journals

{
	my $dir = new_directory();
	my $file = "$dir/hot.db";

	sqlite($file, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t SELECT value, hex(randomblob(200)) FROM generate_series(1, 2000);');
	my $writer = python(<<'PY', $file);
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 5")
db.execute("PRAGMA cache_spill = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE t SET v = 'torn'")
print("spilled", flush=True)
os.kill(os.getpid(), 9)
PY
	until_it_says($writer, qr/spilled/);
	eval { $writer->{run}->finish };
	cmp_ok(-s "$file-journal", '>', 512, 'a killed application leaves a hot journal');
	my $torn = slurp_file($file);
	cmp_ok(() = $torn =~ /torn/g, '>', 100, 'and half a transaction in the file');
	my $before = contents($dir);

	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file), '55000',
		qr/could not read SQLite file.*HINT:  A crash left a journal beside the file\. Open it once with the application/s,
		'a hot journal is refused, with what to do');
	$node->safe_psql($db, "CREATE SERVER hot FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')");
	$node->safe_psql($db, 'CREATE FOREIGN TABLE hot (id bigint, v text) SERVER hot OPTIONS ("table" \'t\')');
	statement_fails($node, $db, 'SELECT * FROM hot', '55000', qr/could not read SQLite file/, 'by a scan too');
	is(contents($dir), $before, 'nothing was rolled back, created or written');
	is(sqlite($file, "SELECT count(*) FROM t WHERE v = 'torn'"), '0', 'the sqlite3 program rolls it back');
	is($node->safe_psql($db, "SELECT count(*) FROM hot WHERE v <> 'torn'"), '2000', 'and then it can be read');
	$node->safe_psql($db, 'DROP SERVER hot CASCADE');
}

# A journal without a transaction in it (PRAGMA journal_mode = persist) disturbs nobody.
{
	my $dir = new_directory();
	my $file = "$dir/persist.db";

	sqlite($file, 'PRAGMA journal_mode = persist; CREATE TABLE persisted (id INTEGER PRIMARY KEY); INSERT INTO persisted VALUES (1);');
	ok(-s "$file-journal", 'a journal that is kept');
	my $before = contents($dir);
	is(scalar $session->query('SELECT verified FROM ' . call_sql('migrate', $file) . ';'), 't', 'does not matter');
	is(contents($dir), $before, 'and stays as it is');
}

# ------------------------------------------- the extension itself, read-only things

{
	my $dir = new_directory();
	my $file = "$dir/plain.db";

	sqlite($file, 'CREATE TABLE plain (id INTEGER PRIMARY KEY); INSERT INTO plain VALUES (1);');
	chmod 0444, $file;
	chmod 0555, $dir;
	my $before = contents($dir);
	is(scalar $session->query('SELECT verified FROM ' . call_sql('migrate', $file) . ';'), 't', 'a read-only file in a read-only directory');
	is(contents($dir), $before, 'as it was');
	chmod 0755, $dir;
}

# A file system that is mounted read-only: the server's user may write, and cannot.
SKIP:
{
	my $readonly = $ENV{SFM_READONLY_DIR} // '';

	skip 'no read-only file system (SFM_READONLY_DIR): only root can mount one', 9 if $readonly eq '';
	foreach my $case ([ 'rollback', 1, '' ], [ 'wal', 2, qr/private copy/ ], [ 'bare', 1, qr/without a -wal/ ])
	{
		my ($name, $rows, $note) = @$case;
		my $before = contents("$readonly/$name");
		my ($out, $err) = $session->query("SET client_min_messages = notice; BEGIN; SELECT source_rows, verified FROM "
			  . call_sql('migrate', "$readonly/$name/app.db") . '; SELECT count(*) FROM t; ROLLBACK; SET client_min_messages = warning;');

		is($out, "$rows|t\n$rows", "read-only file system, $name: all rows") or diag($err);
		$note ? like($err, $note, "read-only file system, $name: said") : unlike($err, qr/private copy|without a -wal/, "read-only file system, $name: as usual");
		is(contents("$readonly/$name"), $before, "read-only file system, $name: as it was");
	}
}

# What the sqlite files were copied to is gone with the transaction.
is(join(' ', map { basename($_) } glob($node->data_dir . '/base/pgsql_tmp/*')), '', 'no private copy is left');
$session->close;
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP/, 'nothing crashed');

$node->stop;
done_testing();
