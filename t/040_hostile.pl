# Hostile and damaged files: an SQL error, never a crash, a hang that cannot be
# cancelled, or memory without bound; and the same session works on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(basename);
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('hostile', 'fsync = off', 'autovacuum = off', 'log_statement = none');
my $db = new_database($node, 'hostile');
my $dir = PostgreSQL::Test::Utils::tempdir;
my $session = SqliteMig::Session->new($node, $db);
my $pid = $session->pid;
my $good = make_sqlite('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);'
	  . "INSERT INTO t VALUES (1, 'one');", 'good.db');

$session->query("SET client_min_messages = warning; SET statement_timeout = '20s';");

# migrate() in the one session, rolled back; returns what it gave and the error.
sub attempt
{
	my ($file, %args) = @_;
	my ($out, $err) = $session->query('BEGIN; SELECT source_table, source_rows, verified FROM '
		  . call_sql('migrate', $file, %args) . '; ROLLBACK;');

	$err =~ s/^WARNING:.*\n?//mg;
	return ($out, $err);
}

sub lives_on
{
	my ($title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = attempt($good);
	is("$out $err", 't|1|t ', "$title: the same session migrates a good file");
}

sub refuses
{
	my ($title, $file, $sqlstate, $message, %args) = @_;
	my $started = time;
	my ($out, $err) = attempt($file, %args);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = ok($err =~ /^ERROR:  \Q$sqlstate\E: /m && $err =~ $message, $title);
	diag("expected $sqlstate and $message, got: " . ($err || $out)) if !$ok;
	cmp_ok(time - $started, '<', 10, "$title: at once");
	lives_on($title);
	return;
}

# Runs a Python script that makes a file with what the sqlite3 program would refuse.
sub make_by_python
{
	my ($name, $script) = @_;
	my $file = "$dir/$name";
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'python3', '-', $file ], \"import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n$script\ndb.commit()\ndb.close()\n",
		\$out, \$err) or die "python3: $err";
	return $file;
}

# ------------------------------------------------------------ files of the corpus

my %corpus = map { basename($_) => $_ } ($ENV{SFM_SHARED_DATA} ? glob("$ENV{SFM_SHARED_DATA}/corrupt/*.db") : ()),
  glob("$ENV{SFM_SAMPLE_DIR}/corrupt/*.db");
foreach my $name (sort keys %corpus)
{
	my $file = $corpus{$name};
	my ($out, $err) = attempt($file);

	# Either SQLite reads it whole, and then so do we, or there is an error with its cause.
	if ($err eq '')
	{
		my %counts = map { split /\|/ } map { s/\|t$//r } split /\n/, $out;
		my %right;

		$right{$_} = sqlite($file, 'SELECT count(*) FROM "' . s/"/""/gr . '"') foreach keys %counts;
		is_deeply(\%counts, \%right, "$name is read whole");
	}
	else
	{
		like($err, qr/^ERROR:  (XX001|42809|42P01|HV000|0A000|22\w{3}|54\w{3}|42\w{3}): .*\n/, "$name is refused");
		unlike($err, qr/^(server closed|connection to server was lost)/m, "$name: by an error");
	}
	lives_on($name);
}

# ------------------------------------------------------ what a path can lead to

{
	my $victim = "$dir/companion.db";

	foreach my $suffix (qw(-journal -wal -shm))
	{
		copy($good, $victim) or die;
		system('mkfifo', "$victim$suffix") == 0 or die;
		refuses("a FIFO as $suffix", $victim, '42809', qr/companion\.db$suffix" is not a regular file/);
		unlink "$victim$suffix";
		symlink('/etc/passwd', "$victim$suffix") or die;
		refuses("a symbolic link as $suffix", $victim, '42809', qr/companion\.db$suffix" is not a regular file/);
		unlink "$victim$suffix";
	}

	# A server stays open across statements: what appears beside the file later counts.
	$node->safe_psql($db, "CREATE SERVER open FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$victim');"
		  . 'CREATE FOREIGN TABLE open (id bigint, v text) SERVER open OPTIONS ("table" \'t\')');
	is(scalar $session->query('SELECT v FROM open;'), 'one', 'a server has its file open');
	system('mkfifo', "$victim-journal") == 0 or die;
	like(($session->query('SELECT v FROM open;'))[1], qr/42809.*is not a regular file/, 'a FIFO appears beside it');
	unlink "$victim-journal";
	is(scalar $session->query('SELECT v FROM open;'), 'one', 'and is gone again');

	# Links in a server's path, put there after the server was made.
	my $other = make_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'secret');", 'secret.db');
	rename $victim, "$victim.old" or die;
	symlink($other, $victim) or die;
	like(($session->query('SELECT v FROM open;'))[1], qr/42602.*runs through a symbolic link.*HINT:  Name the file itself: ".*secret\.db"/s,
		'a symbolic link swapped in for the file of an open server is not followed');
	unlink $victim;
	mkdir "$dir/real" or die;
	rename "$victim.old", "$dir/real/companion.db" or die;
	mkdir "$dir/there" or die;
	$node->safe_psql($db, "ALTER SERVER open OPTIONS (SET database '$dir/there/companion.db')");
	rmdir "$dir/there" or die;
	symlink("$dir/real", "$dir/there") or die;
	like(($session->query('SELECT v FROM open;'))[1], qr/42602.*runs through a symbolic link/, 'nor one in its path');
	is((attempt("$dir/there/companion.db"))[0], 't|1|t', 'a path that migrate is given is resolved');
	$session->query('DROP SERVER open CASCADE;');
}

# -------------------------------------------------------- headers and versions

foreach my $case (
	[ 'an encrypted-looking file', sub { srand(7); return pack('C*', map { int rand 256 } 1 .. 16384) },
		'42809', qr/not a database.*HINT:.*encrypted/s ],
	[ 'a newer read version', sub { substr($_[0], 18, 2) = "\3\3"; return $_[0] },
		'0A000', qr/read version 3, which SQLite .* does not know.*HINT:/s ],
	[ 'a page size of zero', sub { substr($_[0], 16, 2) = "\0\0"; return $_[0] },
		'42809', qr/not a database/ ],
	[ 'an unknown schema format', sub { substr($_[0], 44, 4) = "\0\0\0\x09"; return $_[0] },
		'HV000', qr/unsupported file format/ ],
	[ 'an unknown text encoding', sub { substr($_[0], 56, 4) = "\0\0\0\x09"; return $_[0] }, '', qr/^/ ],
	[ 'a huge page cache asked for', sub { substr($_[0], 48, 4) = "\x7f\xff\xff\xff"; return $_[0] }, '', qr/^$/ ],
	[ 'a file cut inside its first page', sub { return substr($_[0], 0, 2000) }, 'XX001', qr/malformed.*HINT:.*integrity_check.*\.recover/s ])
{
	my ($title, $change, $sqlstate, $message) = @$case;
	my $file = "$dir/header.db";
	my $bytes = $change->(slurp_file($good));

	open(my $fh, '>:raw', $file) or die;
	print $fh $bytes;
	close $fh;
	if ($sqlstate ne '')
	{
		refuses($title, $file, $sqlstate, $message);
		next;
	}
	like((attempt($file))[1], $message, "$title does no harm");
	lives_on($title);
}

# ------------------------------------------- the error names the table, with a hint

{
	my $file = make_sqlite(<<'SQL', 'one_bad.db');
		PRAGMA page_size = 1024;
		CREATE TABLE fine (a INTEGER);
		INSERT INTO fine VALUES (1);
		CREATE TABLE broken (id INTEGER PRIMARY KEY, v TEXT);
		INSERT INTO broken SELECT value, printf('%0200d', value) FROM generate_series(1, 500);
SQL
	my $page = sqlite($file, "SELECT pageno FROM dbstat WHERE name = 'broken' AND pagetype = 'leaf' LIMIT 1 OFFSET 40");

	open(my $fh, '+<:raw', $file) or die;
	seek($fh, ($page - 1) * 1024, 0);
	print $fh "\xff" x 1024;
	close $fh;
	refuses('a damaged page', $file, 'XX001',
		qr/could not read table "broken" of SQLite file ".*": database disk image is malformed.*DETAIL:  SQLite's result code is 11.*HINT:.*integrity_check.*\.recover/s);
	nothing_left($node, $db, 'a damaged page leaves nothing half-loaded');
	is((attempt($file, exclude => "'{broken}'"))[0], 'fine|1|t', 'the other tables of that file can be had');
}

# Damage that breaks NOT NULL, met behind a value that does not fit.
{
	my $file = make_by_python('nulls.db', <<'PY');
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)")
db.execute("INSERT INTO t VALUES (1, 'odd', 'x'), (2, 2, NULL), (3, 3, 'y')")
db.execute("PRAGMA writable_schema = on")
db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'b TEXT', 'b TEXT NOT NULL')")
PY
	my ($out, $err) = $session->query('BEGIN; SELECT target_rows, verified FROM ' . call_sql('migrate', $file)
		  . "; SELECT attname, atttypid::regtype, attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum; ROLLBACK;");
	is($out, "3|t\na|text|f\nb|text|f", 'a NULL against NOT NULL, behind a value that does not fit') or diag($err);
}

# --------------------------------- SQL of the file that calls, or never ends

{
	my $file = make_by_python('views.db', <<'PY');
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'one')")
views = {
    "loads": "SELECT load_extension('/tmp/evil.so') AS x",
    "tokenizes": "SELECT fts3_tokenizer('simple', x'4141414141414141') AS x",
    "reads": "SELECT readfile('/etc/passwd') AS x",
    "writes": "SELECT writefile('/tmp/evil', 'x') AS x",
    "attaches": "SELECT name AS x FROM pragma_database_list",
    "sets": "SELECT journal_mode AS x FROM pragma_journal_mode",
    "pages": "SELECT data AS x FROM sqlite_dbpage",
    "statements": "SELECT sql AS x FROM sqlite_stmt",
    "endless": "WITH RECURSIVE s(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM s) SELECT count(*) AS x FROM s",
    "silent": "WITH RECURSIVE s(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM s) SELECT x FROM s WHERE x < 0",
    "sorts": "WITH RECURSIVE s(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM s LIMIT 100000000) SELECT x || hex(randomblob(500)) AS x FROM s ORDER BY 1",
    "swells": "WITH RECURSIVE s(x) AS (VALUES ('x') UNION ALL SELECT x || x FROM s) SELECT substr(x, 1, 1) AS x FROM s",
    "gathers": "WITH RECURSIVE s(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM s) SELECT group_concat(hex(zeroblob(2000000))) AS x FROM s",
    "itself": "SELECT * FROM other",
    "other": "SELECT * FROM itself",
}
for name, sql in views.items():
    db.execute(f"CREATE VIEW {name} AS {sql}")
PY
	my ($out, $err) = attempt($file);
	is($out, 't|1|t', 'views that are hostile do not disturb the migration of tables');
	is($err, '', 'and are not run by it');

	$node->safe_psql($db, "CREATE SERVER views FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file')");
	$session->query("SET statement_timeout = '1s'; SET sqlite_fdw_mig.sqlite_memory = '64MB';");
	foreach my $case (
		[ loads => 'HV00L', qr/unsafe use of load_extension/ ], [ tokenizes => 'HV00L', qr/unsafe use of fts3_tokenizer/ ],
		[ reads => 'HV00L', qr/no such function/ ], [ writes => 'HV00L', qr/no such function/ ],
		[ attaches => 'HV00L|42501', qr/unsafe use of virtual table|access to \S+ is prohibited/ ], [ sets => 'HV00L|42501', qr/unsafe use of virtual table|access to \S+ is prohibited/ ],
		[ pages => 'HV00L', qr/no such table|unsafe use/ ], [ statements => 'HV00L|42501', qr/unsafe use of virtual table|access to \S+ is prohibited/ ],
		[ endless => '57014' ], [ silent => '57014' ], [ sorts => '53200', qr/out of memory.*HINT:.*sqlite_memory/s ],
		[ swells => '54000|53200' ], [ gathers => '53200|54000|57014' ], [ itself => 'HV00L', qr/circularly defined/ ])
	{
		my ($view, $sqlstate, $message) = @$case;

		$session->query("CREATE FOREIGN TABLE v_$view (x text OPTIONS (column_name 'x')) SERVER views OPTIONS (\"table\" '$view');");
		my $started = time;
		my (undef, $err) = $session->query("SELECT count(x) FROM v_$view;");
		my $took = time - $started;

		like($err, qr/^ERROR:  (?:$sqlstate): /m, "a view that $view is refused or cancelled");
		like($err, $message, "a view that $view: SQLite's reason") if $message;
		cmp_ok($took, '<', 2.5, "a view that $view: within a second or so");
		lives_on("a view that $view");
	}
	$session->query("SET statement_timeout = '20s'; RESET sqlite_fdw_mig.sqlite_memory; DROP SERVER views CASCADE;");
}

{
	# Expressions of tables: they run when rows are read.
	my $file = make_by_python('generated.db', <<'PY');
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'one')")
db.execute("PRAGMA writable_schema = on")
db.execute("""UPDATE sqlite_schema SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT,
    g TEXT AS (load_extension(''/tmp/evil.so'')) VIRTUAL)' WHERE name = 't'""")
PY
	refuses('a generated column that loads code', $file, 'XX001', qr/malformed database schema \(t\)/);

	$file = make_by_python('generated2.db', <<'PY');
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, g TEXT AS (hex(zeroblob(v))) VIRTUAL)")
db.executemany("INSERT INTO t (v) VALUES (?)", [(400000000,)] * 4)
PY
	$session->query("SET sqlite_fdw_mig.sqlite_memory = '64MB';");
	refuses('a generated column that swells', $file, '53200', qr/table "t".*out of memory.*HINT:.*sqlite_memory/s);
	$session->query('RESET sqlite_fdw_mig.sqlite_memory;');

	$file = make_by_python('expression_index.db', <<'PY');
db.create_function("mine", 1, lambda x: x, deterministic=True)
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'one')")
db.execute("CREATE INDEX i ON t (mine(v))")
db.execute("CREATE INDEX p ON t (v) WHERE mine(v) > 0")
PY
	my ($out, $err) = attempt($file);
	is("$out $err", 't|1|t ', "an index on the application's own function does not keep its table out");
	lives_on('such an index');
}

# ----------------------------------------------------- big and deep definitions

{
	my $file = make_by_python('big_sql.db', <<'PY');
import random
rnd = random.Random(5)
noise = "".join(rnd.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(100000))
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, /*" + "x" * 10_000_000 + "*/ v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'one')")
db.execute('CREATE TABLE types (a "' + noise + '", b ' + "VERY " * 20000 + "LONG, c VARCHAR(99999999999999999999), d DECIMAL(99999,-5))")
db.execute("INSERT INTO types VALUES (1, 2, 'c', 1.5)")
db.execute('CREATE TABLE "' + noise + '" (a)')
db.execute('CREATE TABLE columns ("' + noise[:5000] + '" INTEGER, "' + noise[:5000] + '2" INTEGER)')
db.execute("INSERT INTO columns VALUES (1, 2)")
db.execute("CREATE TABLE defaults (a TEXT DEFAULT '" + "d" * 1_000_000 + "', b)")
PY
	my ($out, $err) = attempt($file);
	is($err, '', 'SQL of 10 MB, types and names of 100 kB');
	is(join(' ', sort map { s/^.*\|(?=.*\|)//r } split /\n/, $out), '0|t 0|t 1|t 1|t 1|t', 'arrive');
	lives_on('SQL of 10 MB');

	$file = make_by_python('long_name.db', 'db.execute("CREATE TABLE t (" + "x" * 10000 + " INTEGER)")');
	refuses('the name of a column over 7000 bytes', $file, '54000', qr/name of column 1 of table "t" is too long.*HINT:/s);

	$file = make_by_python('deep.db', <<'PY');
db.execute("PRAGMA writable_schema = on")
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO t VALUES (1, 'one')")
def put(type, name, sql):
    db.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, 0, ?)", (type, name, name, sql))
put("view", "deep", "CREATE VIEW deep AS SELECT " + "(" * 900 + "1" + ")" * 900)
put("view", "deeper", "CREATE VIEW deeper AS SELECT " + "(" * 90000 + "1" + ")" * 90000)
put("view", "nots", "CREATE VIEW nots AS SELECT " + "NOT " * 100000 + "1")
put("view", "cases", "CREATE VIEW cases AS SELECT " + "CASE WHEN 1 THEN " * 50000 + "1" + " END" * 50000)
put("view", "sums", "CREATE VIEW sums AS SELECT 1" + " + 1" * 100000)
put("view", "selects", "CREATE VIEW selects AS " + "SELECT * FROM (" * 5000 + "SELECT 1" + ")" * 5000)
PY
	($out, $err) = attempt($file);
	like($err, qr/^(|ERROR:  (HV000|XX001|54\w{3}): .*)/, 'expressions that are too deep');
	lives_on('expressions that are too deep');

	$file = make_by_python('deep_table.db', <<'PY');
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, CHECK (" + "(" * 90 + "v" + ")" * 90 + " IS NOT NULL))")
db.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT DEFAULT (1" + " + 1" * 900 + "), CHECK (1" + " AND 1" * 900 + "))")
db.execute("INSERT INTO t VALUES (1, 'one')")
PY
	($out, $err) = attempt($file);
	is($err, '', 'deep checks and defaults do not keep their tables out');
	lives_on('deep checks and defaults');
}

# ------------------------------------------------ memory, and whose limit it is

{
	is(scalar $session->query("SELECT setting || unit FROM pg_settings WHERE name = 'sqlite_fdw_mig.sqlite_memory';"),
		'1310720kB', 'sqlite_memory has room for the largest value');
	$node->safe_psql($db, 'CREATE ROLE plain');
	like(($session->query("SET ROLE plain; SET sqlite_fdw_mig.sqlite_memory = '1TB'; RESET ROLE;"))[1],
		qr/42501: permission denied to set parameter/, 'only a superuser sets it');

	my $file = make_sqlite('CREATE TABLE blobs (b BLOB); INSERT INTO blobs VALUES (zeroblob(40000000));', 'blob.db');
	$session->query("SET sqlite_fdw_mig.sqlite_memory = '16MB';");
	refuses('a value over the limit', $file, '53200',
		qr/table "blobs" of SQLite file ".*": out of memory.*HINT:.*sqlite_fdw_mig\.sqlite_memory/s);
	$session->query('RESET sqlite_fdw_mig.sqlite_memory;');
	is((attempt($file))[0], 'blobs|1|t', 'with room it arrives');
}

# -------------------------------------------------------------- flipped bytes

{
	my @files = map { "$ENV{SFM_SAMPLE_DIR}/$_" } qw(pgloader_test_pk.db sqlalchemy_core.db peewee.db sequelize.sqlite import.db);
	my $seed = $ENV{SFM_SEED} // 20240107;
	my $rounds = $ENV{SFM_LONG} ? 3000 : 80;
	my %outcome;
	my $started = time;

	srand($seed);
	for my $round (1 .. $rounds)
	{
		my $from = $files[ $round % @files ];
		my $bytes = slurp_file($from);
		my $file = "$dir/flipped.db";

		# Past the header's magic, and mostly where b-tree pages have their structure.
		for (1 .. 1 + int rand 8)
		{
			my $at = rand() < 0.5 ? int rand length $bytes : (int(rand(length($bytes) / 1024)) * 1024 + int rand 40);

			substr($bytes, $at, 1) = chr int rand 256 if $at > 16 && $at < length $bytes;
		}
		open(my $fh, '>:raw', $file) or die;
		print $fh $bytes;
		close $fh;
		my ($out, $err) = attempt($file);
		my ($sqlstate) = $err =~ /^ERROR:  (\w{5}): /m;

		$outcome{ $sqlstate // ($err eq '' ? 'read' : $err) }++;
		last if $session->{gone};
		if (($sqlstate // '') =~ /^(XX000|57014)$/)
		{
			fail("round $round of seed $seed, from " . basename($from) . ": $err");
			copy($file, "$dir/failed_$round.db");
		}
	}
	note("$_: $outcome{$_}") foreach sort keys %outcome;
	note(sprintf('%d flipped files of seed %d in %.1f s', $rounds, $seed, time - $started));
	is(join(' ', grep { !/^(read|[0-9A-Z]{5})$/ } keys %outcome), '', "flipped bytes of $rounds files: an error or nothing");
	lives_on('flipped bytes');
}

is(scalar $session->query('SELECT pg_backend_pid();'), $pid, 'it was one backend all the time');
$session->close;
nothing_left($node, $db, 'nothing is left of all that failed');
unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|server process .* exited|TRAP/, 'nothing crashed');

$node->stop;
done_testing();
