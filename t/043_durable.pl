# What migrate() has committed stays: after an immediate stop, on a streaming replica,
# through pg_dump, with each wal_level, with data checksums; indexes and visibility
# maps are right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $file = make_sqlite(<<'SQL', 'source.db');
	CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, made DATETIME, data JSON);
	CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL REFERENCES parent (id),
	                    amount DECIMAL(10,2), flag BOOLEAN, picture BLOB, odd INTEGER);
	CREATE TABLE plain (a INTEGER, b TEXT);
	CREATE TABLE vacant (id INTEGER PRIMARY KEY, v REAL);
	CREATE INDEX child_parent ON child (parent, amount);
	INSERT INTO parent SELECT value, 'name ' || value, datetime(value * 1000, 'unixepoch'), json_object('n', value) FROM generate_series(1, 20000);
	INSERT INTO child SELECT value, 1 + value % 2000, value / 4.0, value % 2, randomblob(20 + value % 50), value FROM generate_series(1, 80000);
	UPDATE child SET odd = 'odd' WHERE id = 15000;
	INSERT INTO child (parent, picture) VALUES (1, randomblob(100000)), (2, zeroblob(3000000));
	INSERT INTO plain SELECT value, 'text ' || value FROM generate_series(1, 5000);
	DELETE FROM child WHERE id BETWEEN 100 AND 200;
SQL
my %tables = (child => 5, parent => 4, plain => 2, vacant => 2);

# The content of the migrated tables, and of the history that goes with them.
sub content
{
	my ($node, $db, $schema) = @_;

	return $node->safe_psql($db, join(' UNION ALL ', map {
		"SELECT '$_', count(*), md5(string_agg(md5(t::text), '' ORDER BY t::text COLLATE \"C\")) FROM $schema.$_ t" } sort keys %tables) . ' ORDER BY 1')
	  . "\n" . $node->safe_psql($db, "SELECT conrelid::regclass, conname, contype, convalidated FROM pg_constraint WHERE connamespace = '$schema'::regnamespace ORDER BY 1::text, 2");
}

sub verified
{
	my ($node, $db, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($db, 'SELECT count(*), bool_and(verified) FROM ' . call_sql('verify', $file, target_schema => "'app'")),
		'4|t', "$title: verify agrees");
}

# Indexes against heaps, and the marks that freezing left.
sub healthy
{
	my ($node, $db, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->command_ok([ 'pg_amcheck', '--heapallindexed', '--parent-check', '--exclude-schema=pg_catalog', $db ], "$title: pg_amcheck finds nothing");
	foreach my $table (sort keys %tables)
	{
		is($node->safe_psql($db, "SELECT (SELECT count(*) FROM pg_check_visible('app.$table')), (SELECT count(*) FROM pg_check_frozen('app.$table'))"),
			'0|0', "$title: the visibility map of $table is right");
	}
	return;
}

my $migrate = 'SELECT bool_and(verified) FROM ' . call_sql('migrate', $file, target_schema => "'app'");
my %reference;

foreach my $level (qw(minimal replica logical))
{
	my $node = PostgreSQL::Test::Cluster->new("durable_$level");
	my $standby;

	$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8', '--data-checksums' ], allows_streaming => $level eq 'minimal' ? 0 : 1);
	$node->append_conf('postgresql.conf', <<"CONF");
wal_level = $level
log_min_messages = debug1
max_locks_per_transaction = 512
autovacuum = off
max_wal_size = 1GB
CONF
	$node->append_conf('postgresql.conf', $level eq 'minimal' ? "max_wal_senders = 0\n" : "max_wal_senders = 4\n");
	# With this every relation made in a transaction is synced instead of logged at wal_level minimal.
	$node->append_conf('postgresql.conf', "wal_skip_threshold = 0\n") if $level eq 'minimal';
	$node->start;
	my $db = new_database($node, 'durable');
	$node->safe_psql($db, 'CREATE EXTENSION amcheck; CREATE EXTENSION pg_visibility');
	if ($level eq 'replica')
	{
		$node->backup('base');
		$standby = PostgreSQL::Test::Cluster->new('durable_standby');
		$standby->init_from_backup($node, 'base', has_streaming => 1);
		$standby->start;
	}
	if ($level eq 'logical')
	{
		$node->safe_psql($db, "SELECT pg_create_logical_replication_slot('slot', 'test_decoding')");
	}

	is($node->safe_psql($db, $migrate), 't', "$level: migrated and verified");
	like(slurp_file($node->logfile), qr/2 parallel workers did [1-9]\d* of 4 parts of 4 tasks: indexes/, "$level: workers have built indexes");
	my $content = content($node, $db, 'app');
	$reference{$level} = $content;
	is($node->safe_psql($db, "SELECT count(*) FROM pg_visibility_map_summary('app.child') WHERE all_frozen > 0"), '1', "$level: rows are frozen")
	  if $level ne 'minimal';

	if ($standby)
	{
		$node->wait_for_catchup($standby);
		is(content($standby, $db, 'app'), $content, 'replica: a streaming replica has the same');
		verified($standby, $db, 'replica: on the replica, which is read-only,');
		is($standby->safe_psql($db, 'SELECT count(*) FROM sqlite_mig.migration_table WHERE verified'), '4', 'replica: the history too');
		# A promoted replica goes on.
		$standby->promote;
		is($standby->safe_psql($db, 'INSERT INTO app.child (parent) VALUES (1) RETURNING id'), '80003', 'promoted, the next id is right');
		healthy($standby, $db, 'promoted');
		$standby->stop;
	}
	if ($level eq 'logical')
	{
		my %decoded = map { split /\|/ } split /\n/, $node->safe_psql($db, <<'SQL');
			WITH changes AS (SELECT n, substring(data FROM '^table app\.(\w+):') AS name, substring(data FROM ': (\w+):') AS action
			                 FROM pg_logical_slot_get_changes('slot', NULL, NULL) WITH ORDINALITY c (lsn, xid, data, n) WHERE data ~ '^table app\.')
			SELECT name, count(*) FROM changes
			LEFT JOIN (SELECT name, max(n) AS emptied FROM changes WHERE action = 'TRUNCATE' GROUP BY 1) t USING (name)
			WHERE action = 'INSERT' AND n > coalesce(emptied, 0) GROUP BY 1
SQL
		my %counts = map { $_ => $node->safe_psql($db, "SELECT count(*) FROM app.$_") } sort keys %tables;
		delete $counts{vacant};
		is_deeply(\%decoded, \%counts, 'logical: decoding gives every row, after what widening truncated')
		  or diag(explain \%decoded);
	}

	# Right after the commit: nothing but the log has reached the disk.
	$node->stop('immediate');
	$node->start;
	is(content($node, $db, 'app'), $content, "$level: after an immediate stop all is there");
	verified($node, $db, "$level: after an immediate stop");
	healthy($node, $db, "$level: after an immediate stop");
	is($node->safe_psql($db, 'BEGIN; INSERT INTO app.child (parent) VALUES (1) RETURNING id; ROLLBACK;') + 0 > 80002 ? 1 : 0, 1,
		"$level: ids go on past the data");

	# A run that was cut off right before its commit leaves nothing, at this level either.
	$node->psql($db, 'BEGIN; ' . ($migrate =~ s/'app'/'gone'/r) . "; SELECT pg_terminate_backend(pg_backend_pid());");
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql($db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gone'"), '0', "$level: an uncommitted run is gone");

	# Through a dump into a fresh database, without the extension.
	my $dump = PostgreSQL::Test::Utils::tempdir() . "/$level.sql";
	$node->command_ok([ 'pg_dump', '-f', $dump, '-n', 'app', $db ], "$level: pg_dump");
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', 'restored' ], "$level: psql restores it");
	is(content($node, 'restored', 'app'), $content, "$level: the same content");
	# And the whole database: verify finds its decisions again.
	$node->command_ok([ 'pg_dump', '-f', $dump, $db ], "$level: pg_dump of all");
	$node->safe_psql('postgres', 'CREATE DATABASE whole');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', 'whole' ], "$level: psql restores all of it");
	verified($node, 'whole', "$level: in the restored database");

	$node->stop('fast');
	command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ], "$level: data checksums are right");
}
is($reference{minimal}, $reference{replica}, 'the same rows with wal_level minimal and replica');
is($reference{logical}, $reference{replica}, 'and logical');

done_testing();
