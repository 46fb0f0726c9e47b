# The backend's memory does not depend on the number of rows or misfits, grows by little
# with the number of tables, and is a small multiple of the biggest value.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

plan skip_all => 'needs /proc' if !-r '/proc/self/status';
plan skip_all => 'a sanitizer has memory of its own' if $ENV{SFM_SANITIZED};

my $node = new_cluster('memory', 'fsync = off', 'max_wal_size = 4GB', 'shared_buffers = 64MB',
	'maintenance_work_mem = 4MB', 'work_mem = 1MB', 'autovacuum = off', 'max_locks_per_transaction = 4096');
my $db = new_database($node, 'memory');

sub migrate_sql
{
	my ($file, $schema, %args) = @_;

	return 'SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'$schema'", jobs => 0, %args);
}

# ------------------------------------------------------------------------ rows

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
	$peak{$rows} = peak_private($node, $db, migrate_sql($file, "rows_$rows"), "$rows rows");
	is($node->safe_psql($db, "SELECT count(*) FROM rows_$rows.t"), $rows, "$rows rows arrived");
	$peak{"reader $rows"} = peak_private($node, $db, migrate_sql($file, "reader_$rows", jobs => 2), "$rows rows, jobs => 2") if $rows > 10_000;
	unlink $file;
}

# Small tables do not fill what PostgreSQL itself allows for building an index
# (maintenance_work_mem) and ANALYZE (a sample of 30,000 rows); all larger ones do.
# That apart, memory is the same.  (There is no foreign key: PostgreSQL's own check
# of one is a hash join, whose batches grow with the rows.)
cmp_ok($peak{2_000_000}, '<', $peak{400_000} + 3 * 1024, 'five times the rows take the same memory');
cmp_ok($peak{2_000_000}, '<', $peak{10_000} + 20 * 1024, 'two hundred times the rows fill what is allowed');
cmp_ok($peak{2_000_000}, '<', 100 * 1024, 'and stay under 100 MB');

cmp_ok($peak{'reader 2000000'}, '<', $peak{'reader 400000'} + 3 * 1024, 'and so with a reader');

# ------------------------------------------------------------ misfits and orphans

my %found;
my @sizes = $ENV{SFM_LONG} ? (50_000, 2_000_000) : (50_000, 250_000);
foreach my $n (@sizes)
{
	my $dirty = make_sqlite(<<"SQL", "dirty_$n.db");
		PRAGMA synchronous = off;
		CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, made DATETIME);
		INSERT INTO t SELECT value, 'no number ' || value, 'no date ' || value FROM generate_series(1, $n);
SQL
	my $orphans = make_sqlite(<<"SQL", "orphans_$n.db");
		PRAGMA synchronous = off;
		CREATE TABLE p (id INTEGER PRIMARY KEY);
		CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
		INSERT INTO p VALUES (1);
		INSERT INTO t SELECT value, value + 5 FROM generate_series(1, $n);
SQL
	$found{$n}{"misfits: $_"} = peak_private($node, $db, migrate_sql($dirty, "dirty_${_}_$n", on_misfit => "'$_'"), "$n misfits, $_",
		$_ eq 'error' ? qr/ERROR:  2 columns hold values that do not fit/ : undef)
	  foreach qw(error null reject widen);
	$found{$n}{'misfits: dry run'} = peak_private($node, $db, migrate_sql($dirty, "dry_$n", on_misfit => "'reject'", dry_run => 'true'), "$n misfits, dry run");
	$found{$n}{'misfits: inspect'} = peak_private($node, $db, 'SELECT count(*) FROM ' . call_sql('inspect', $dirty), "$n misfits, inspect");
	is($node->safe_psql($db, "SELECT rejected_rows FROM sqlite_mig.migration WHERE target_schema = 'dirty_reject_$n'"), $n, "$n rows are rejected");
	$found{$n}{'verify of rejected rows'} = peak_private($node, $db, 'SELECT 1 / verified::int FROM '
		  . call_sql('verify', $dirty, target_schema => "'dirty_reject_$n'"), "verify without $n rows");
	$found{$n}{"orphans: $_"} = peak_private($node, $db, migrate_sql($orphans, "orphans_${_}_$n", on_orphan => "'$_'"), "$n orphans, $_",
		$_ eq 'error' ? qr/ERROR:  table .* has $n rows without a parent/ : undef)
	  foreach qw(not_valid error reject);
	is($node->safe_psql($db, "SELECT rejected_rows FROM sqlite_mig.migration WHERE target_schema = 'orphans_reject_$n'"), $n, "$n orphans are rejected");

	# all rows of p are misfits, so that all of t are orphans
	my $both = make_sqlite(<<"SQL", "both_$n.db");
		PRAGMA synchronous = off;
		CREATE TABLE p (id INTEGER PRIMARY KEY, v INTEGER);
		CREATE TABLE t (id TEXT PRIMARY KEY, p INTEGER REFERENCES p) WITHOUT ROWID;
		INSERT INTO p SELECT value, 'no number' FROM generate_series(1, $n);
		INSERT INTO t SELECT 'row ' || value, value FROM generate_series(1, $n);
SQL
	my %reject = (on_misfit => "'reject'", on_orphan => "'reject'");

	$found{$n}{'misfits and orphans: dry run'} = peak_private($node, $db, 'SELECT 1 / (min(rejected_rows) = ' . $n . ')::int FROM '
		  . call_sql('migrate', $both, target_schema => "'both_$n'", dry_run => 'true', %reject), "$n misfits and orphans, dry run");
	$found{$n}{'orphans: script'} = peak_private($node, $db, 'SELECT count(*) FROM ' . call_sql('script', $orphans, target_schema => "'script_$n'"), "$n orphans, script");
}
cmp_ok($found{ $sizes[1] }{$_}, '<', $found{ $sizes[0] }{$_} + 6 * 1024, "$_: as much memory for $sizes[1] as for $sizes[0]")
  foreach sort keys %{ $found{ $sizes[0] } };

# ---------------------------------------------------------------------- tables

# PostgreSQL's caches keep what they learn of a relation for the session; the same
# tables made by hand show how much that is.  What is ours is the plan.
my %tables;
foreach my $n (30, 300)
{
	my $file = make_sqlite(join('', map { "CREATE TABLE t$_ (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b REAL DEFAULT 0, c DATETIME,"
				  . " p INTEGER REFERENCES t1); CREATE UNIQUE INDEX t${_}_a ON t$_ (a);"
				  . " INSERT INTO t$_ VALUES (1, 'x', 1.5, '2024-01-01 00:00:00', 1);" } 1 .. $n), "tables_$n.db");
	my @tables = map { "hand_$n.t$_" } 1 .. $n;

	$tables{$n} = peak_private($node, $db, migrate_sql($file, "tables_$n"), "$n tables");
	$tables{"dry run $n"} = peak_private($node, $db, migrate_sql($file, "dry_tables_$n", dry_run => 'true'), "$n tables, dry run");
	$tables{"by hand $n"} = peak_private($node, $db, "BEGIN; CREATE SCHEMA hand_$n; " . join('',
			(map { "CREATE TABLE $_ (id bigint GENERATED BY DEFAULT AS IDENTITY, a text NOT NULL, b float8 DEFAULT 0, c timestamp, p bigint);"
				  . "INSERT INTO $_ VALUES (1, 'x', 1.5, '2024-01-01 00:00:00', 1);" } @tables),
			(map { "ALTER TABLE $_ ADD PRIMARY KEY (id); CREATE UNIQUE INDEX ON $_ (a);" } @tables),
			(map { "ALTER TABLE $_ ADD FOREIGN KEY (p) REFERENCES hand_$n.t1;" } @tables),
			(map { "ANALYZE $_;" } @tables)) . ' COMMIT', "$n tables by hand");
}
my %each = map { $_ => ($tables{"${_}300"} - $tables{"${_}30"}) / 270 } ('', 'by hand ', 'dry run ');
note(sprintf 'a table more takes %.0f kB, by hand %.0f kB, in a dry run %.0f kB', @each{ '', 'by hand ', 'dry run ' });
cmp_ok($each{''}, '<', $each{'by hand '} + 55, 'a table more takes less than 55 kB more than by hand');
cmp_ok($each{'dry run '}, '<', 55, 'and less than 55 kB in a dry run');

# The keys of many tables, which a dry run holds against their targets, share a memory
# of eight times work_mem.
my %keys;
foreach my $n (10, 4_000)
{
	my $file = make_sqlite('PRAGMA synchronous = off;' . join('', map { "CREATE TABLE t$_ (id INTEGER PRIMARY KEY, k TEXT UNIQUE);"
				  . " INSERT INTO t$_ SELECT value, 'the key, which is rather long, of row ' || value FROM generate_series(1, $n);" } 1 .. 50), "keys_$n.db");

	$node->safe_psql($db, migrate_sql($file, "keys_$n") . '; TRUNCATE ' . join(',', map { "keys_$n.t$_" } 1 .. 50));
	$keys{$n} = peak_private($node, $db, migrate_sql($file, "keys_$n", if_exists => "'append'", dry_run => 'true'), "50 tables with $n keys, dry run");
}
cmp_ok($keys{4_000}, '<', $keys{10} + 10 * 1024, 'the keys of many tables share their memory');

# ---------------------------------------------------------------------- values

my $mb = $ENV{SFM_LONG} ? 200 : 50;
foreach my $case (
	[ blob => 'BLOB', "randomblob($mb * 1000000)" ], [ 'blob of zeros' => 'BLOB', "zeroblob($mb * 1000000)" ],
	[ text => 'TEXT', "hex(randomblob($mb * 500000))" ], [ 'text in varchar(100)' => 'VARCHAR(100)', "hex(randomblob($mb * 500000))" ],
	[ 'text among integers' => 'INTEGER', "hex(randomblob($mb * 500000))" ], [ json => 'JSON', "json_array(hex(randomblob($mb * 500000)))" ])
{
	my ($title, $type, $value) = @$case;
	my $file = make_sqlite("PRAGMA synchronous = off; CREATE TABLE t (id INTEGER PRIMARY KEY, v $type);"
		  . "INSERT INTO t VALUES (1, $value), (2, 'small'), (3, $value), (4, $value);", 'big.db');
	my $schema = 'big_' . $title =~ tr/a-z0-9/_/cr;

	$file = make_sqlite("PRAGMA synchronous = off; CREATE TABLE t (id INTEGER PRIMARY KEY, v $type);"
		  . "INSERT INTO t VALUES (1, $value), (2, '[]'), (3, $value), (4, $value);", 'json.db') if $title eq 'json';
	my $peak = peak_private($node, $db, migrate_sql($file, $schema), "$title of $mb MB");
	is($node->safe_psql($db, "SELECT count(*) FROM $schema.t WHERE octet_length(v::text) >= $mb * 1000000"), '3', "$title of $mb MB arrives");
	cmp_ok($peak, '<', 6 * $mb * 1000 + 20 * 1024, "$title of $mb MB: under six times its size");
	if ($title eq 'blob' || $title eq 'text')
	{
		$peak = peak_private($node, $db, migrate_sql($file, "read_$schema", jobs => 2), "$title of $mb MB, jobs => 2");
		cmp_ok($peak, '<', 6 * $mb * 1000 + 20 * 1024, "$title of $mb MB: with its reader too");
	}
	unlink $file;
}

$node->stop;
done_testing();
