# The history survives pg_dump and restore: rows, who made them, and the counters,
# so that the next run works there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('history', 'fsync = off');
my $db = new_database($node, 'history');
my $tempdir = PostgreSQL::Test::Utils::tempdir;
my $file = make_sqlite(<<'SQL');
	CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
	CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id), at DATETIME);
	CREATE TRIGGER tr AFTER INSERT ON child BEGIN SELECT 1; END;
	INSERT INTO parent (name) VALUES ('a'), ('b');
	INSERT INTO child VALUES (1, 1, '2024-01-02 03:04:05'), (2, 2, NULL);
SQL

migrate($node, $db, $file);
migrate($node, $db, $file, target_schema => "'other'");

my @tables = qw(migration migration_table migration_column migration_object rejected_row);
my %before = map { $_ => $node->safe_psql($db, "SELECT * FROM sqlite_mig.$_ t ORDER BY t::text") } @tables;
isnt($before{$_}, '', "$_ has rows") foreach grep { $_ ne 'rejected_row' } @tables;

# What the history says, from outside.
is($node->safe_psql($db, 'SELECT source, target_schema, tables, source_rows, target_rows FROM sqlite_mig.migration ORDER BY id'),
	"$file|public|2|4|4\n$file|other|2|4|4", 'a row a run');
is($node->safe_psql($db, 'SELECT source_bytes, source_inode FROM sqlite_mig.migration ORDER BY id LIMIT 1'),
	join('|', (stat $file)[ 7, 1 ]), 'the file is described');
is($node->safe_psql($db, "SELECT kind, source_table, status FROM sqlite_mig.migration_object "
	  . "WHERE migration_id = 1 AND kind IN ('table', 'trigger', 'primary key', 'unique', 'foreign key') ORDER BY 1, 2"),
	"foreign key|child|migrated\nprimary key|child|migrated\nprimary key|parent|migrated\n"
	  . "table|child|migrated\ntable|parent|migrated\ntable|sqlite_sequence|left_out\n"
	  . "trigger|child|left_out\nunique|parent|migrated", 'every object has its row');

foreach my $format (qw(plain custom))
{
	my $dump = "$tempdir/$format.dump";
	my $copy = "restored_$format";
	$node->command_ok([ 'pg_dump', '--no-sync', "--format=$format", '-f', $dump, $db ], "$format: dump");
	$node->safe_psql('postgres', "CREATE DATABASE $copy");
	$node->command_ok($format eq 'plain'
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $copy, '-f', $dump ]
		: [ 'pg_restore', '--exit-on-error', '-d', $copy, $dump ], "$format: restore");

	foreach my $table (@tables)
	{
		is($node->safe_psql($copy, "SELECT * FROM sqlite_mig.$table t ORDER BY t::text"),
			$before{$table}, "$format: $table is the same");
	}
	is($node->safe_psql($copy, 'SELECT bool_and(verified), count(*) FROM ' . call_sql('verify', $file)),
		't|2', "$format: verify works there, from the recorded decisions");
	my @rows = migrate($node, $copy, $file, target_schema => "'third'");
	is(scalar(grep { $_->{verified} } @rows), 2, "$format: the next run works there");
	is($node->safe_psql($copy, 'SELECT max(id), count(*) FROM sqlite_mig.migration'), '3|3',
		"$format: and continues the numbers");
	is($node->safe_psql($copy, "INSERT INTO parent (name) VALUES ('c') RETURNING id"), '3',
		"$format: sequences of the migrated tables came along");
}

# A run that is rolled back leaves no history, one that fails neither.
$node->safe_psql($db, 'BEGIN; SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'gone'") . '; ROLLBACK');
is($node->safe_psql($db, 'SELECT count(*) FROM sqlite_mig.migration'), '2', 'a run that is rolled back leaves no history');

$node->stop;
done_testing();
