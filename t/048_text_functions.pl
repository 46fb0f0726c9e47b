# SQLite's text functions that the extension has of its own give what SQLite's give, and
# no function that a file calls keeps a session from being cancelled.

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

my $node = new_cluster('functions', 'fsync = off', 'autovacuum = off');
my $db = new_database($node, 'functions');
my $dir = PostgreSQL::Test::Utils::tempdir;

sub python
{
	my ($script, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'python3', '-', @arguments ], \"import random, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n$script\ndb.commit()\ndb.close()\n",
		\$out, \$err) or die "python3: $err";
	return $out;
}

# How many background workers read a file for a session of this cluster.
sub readers
{
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	return scalar grep { /sqlite_fdw_mig reader/ } split /\n/, `ps -o args= --ppid $postmaster`;
}

# ------------------------------------------------------------- the same results

# Values of few different characters, so that they are found in each other: patterns,
# characters of several bytes, bytes that are no text, numbers, blobs, NULLs.
foreach my $encoding ('UTF-8', 'UTF-16le')
{
	my $file = "$dir/same_$encoding.db";
	my $rows = $ENV{SFM_LONG} ? 1_000_000 : 60_000;
	my $columns = "hex(instr(a, b)) || typeof(instr(a, b)) AS i, hex(replace(a, b, c)) || typeof(replace(a, b, c)) AS r,"
	  . " hex(trim(a, b)) AS t, hex(ltrim(a, c)) AS l, hex(rtrim(a, b)) AS rt, hex(trim(c)) || hex(ltrim(c)) || hex(rtrim(c)) AS b,"
	  . " typeof(trim(a, b)) AS ty, (a LIKE b) AS lk, (a LIKE b ESCAPE e) AS le, (a GLOB b) AS g, (a NOT LIKE '%' || c || '%') AS n";

	python(<<'PY', $file, $encoding, $rows, $columns);
rnd = random.Random(20240607)
db.execute(f"PRAGMA encoding = '{sys.argv[2]}'")
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, e TEXT)")
utf8 = sys.argv[2] == "UTF-8"	# elsewhere the library itself stumbles over blobs that are no text
alphabet = ["a", "A", "b", "%", "%", "_", "*", "*", "?", "[", "]", "^", "-", " ", "\\", "é", "É", "€", "\U0001F600"]
raw = [b"a", b"b", b"%", b"*", b"[", b"]", b"\xc3", b"\xa9", b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"]
def value(longest):
    kind = rnd.random()
    if kind < 0.03: return None
    if kind < 0.06: return rnd.randrange(-20, 2000)
    if kind < 0.08: return rnd.random() * 100
    if kind < 0.15 and utf8: return b"".join(rnd.choice(raw) for _ in range(rnd.randrange(longest)))
    return "".join(rnd.choice(alphabet) for _ in range(rnd.randrange(longest)))
db.executemany("INSERT INTO t (a, b, c, e) VALUES (?, ?, ?, ?)",
    ((value(14), value(7), value(4), rnd.choice(["\\", "%", "_", "a", "é", None])) for _ in range(int(sys.argv[3]))))
# the same bytes as text, valid or not
db.execute("INSERT INTO t (a, b, c, e) SELECT CAST(a AS TEXT), CAST(b AS TEXT), CAST(c AS TEXT), e FROM t WHERE typeof(a) = 'blob' OR typeof(b) = 'blob'")
db.execute(f"CREATE VIEW v AS SELECT id, {sys.argv[4]} FROM t")
PY
	my $expected = sqlite($file, ".nullvalue NULL\nSELECT * FROM v ORDER BY id;");
	my $server = "same_" . lc($encoding =~ tr/-/_/r);

	$node->safe_psql($db, "CREATE SERVER $server FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');"
		  . "CREATE FOREIGN TABLE v_$server (id bigint, i text, r text, t text, l text, rt text, b text, ty text, lk bigint, le bigint, g bigint, n bigint) SERVER $server OPTIONS (\"table\" 'v')");
	my $got = $node->safe_psql($db, "\\pset null NULL\nSELECT * FROM v_$server ORDER BY id");
	my @expected = split /\n/, $expected;
	my @got = split /\n/, $got;
	my @different = grep { ($got[$_] // '') ne $expected[$_] } 0 .. $#expected;

	cmp_ok(scalar @expected, '>=', $rows, "$encoding: so many rows");
	is(scalar @got, scalar @expected, "$encoding: as many come");
	is(scalar @different, 0, "$encoding: instr, replace, trim, LIKE, GLOB give what the sqlite3 program gives")
	  or diag(join "\n", map { "expected $expected[$_], got $got[$_]\n" . sqlite($file, 'SELECT quote(a), quote(b), quote(c), quote(e) FROM t WHERE id = ' . ($expected[$_] =~ s/\|.*//sr)) } @different[ 0 .. 4 ]);
	foreach my $column (8 .. 11)
	{
		my %count;
		$count{ (split /\|/)[$column - 0] }++ foreach @expected;
		cmp_ok($count{1} // 0, '>', 100, "$encoding: column $column is true often enough");
	}
}

# ------------------------------------------------------------------ cancellable

my $session = SqliteMig::Session->new($node, $db);
my $file = "$dir/long.db";
my $megabytes = 20;

python(<<'PY', $file, $megabytes);
n = int(sys.argv[2]) * 1000000
functions = {
    "instr": "instr(v, w)", "replace": "length(replace(v, w, 'x'))", "trim": "length(trim(v, w))", "rtrim": "length(rtrim(v, w))",
    "like": "v LIKE p", "glob": "v GLOB q", "like_escape": "v LIKE p ESCAPE '!'",
}
for name, expression in functions.items():
    db.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v TEXT, w TEXT, p TEXT, q TEXT)")
    v = "a" * n
    w = "a" * (n // 2) + "b"
    if "trim" in name:
        w = "b" * (n // 2) + "a"
    db.execute(f"INSERT INTO {name} (v, w, p, q) VALUES (?, ?, ?, ?)", (v, w, "%" + "a" * 49000 + "b", "*" + "a" * 49000 + "b"))
db.execute("CREATE TABLE patch (id INTEGER PRIMARY KEY, v TEXT)")
db.execute("INSERT INTO patch (v) VALUES (?)", ("{" + ",".join(f'"k{i}":{i}' for i in range(300000)) + "}",))
# not before: inserting would compute them
db.execute("PRAGMA writable_schema = on")
for name, expression in [*functions.items(), ("patch", "json_patch(v, v)")]:
    db.execute("UPDATE sqlite_schema SET sql = substr(sql, 1, length(sql) - 1) || ?2 WHERE name = ?1", (name, f", g AS ({expression}) VIRTUAL)"))
PY
foreach my $table (qw(instr replace trim rtrim like glob like_escape))
{
	my $started = time;
	my ($out, $err) = $session->query("SET statement_timeout = '2s'; SELECT verified FROM " . call_sql('migrate', $file, include => "'{$table}'", verify => "'count'") . ';');
	my $took = time - $started;

	$err =~ s/^NOTICE:.*\n?//mg;
	# instr and replace take time in proportion, and may well be through
	like($err, $table =~ /instr|replace/ ? qr/^(ERROR:  57014: .*)?/s : qr/^ERROR:  57014: canceling statement due to statement timeout/,
		"a generated column that calls $table ends with the statement's time");
	cmp_ok($took, '<', $ENV{SFM_SANITIZED} ? 20 : 6, "$table: soon");
	# a file of this size is read by a background worker, which must not go on either
	my $until = time + 5;
	sleep 0.05 while readers() && time < $until;
	is(readers(), 0, "$table: no reader is left");
	$node->safe_psql($db, "DROP TABLE IF EXISTS \"$table\"");
}
{
	my $started = time;
	my (undef, $err) = $session->query('SELECT verified FROM ' . call_sql('migrate', $file, include => "'{patch}'") . ';');

	like($err, qr/ERROR:  HV\w{3}: could not read table "patch" of SQLite file.*json_patch\(\) is not evaluated/s, 'json_patch is refused');
	cmp_ok(time - $started, '<', 2, 'json_patch: at once');
	is(scalar $session->query("SET client_min_messages = warning; SELECT verified FROM "
			  . call_sql('migrate', $file, include => "'{patch}'", types => q('{"patch.g": {"skip": true}}')) . ';'), 't', 'and its table can be had without that column');
}
$session->close;

$node->stop;
done_testing();
