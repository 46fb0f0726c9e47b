# Bad input gives a clear error with a fitting SQLSTATE, and changes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(basename);
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('bad_input', 'fsync = off');
my $db = new_database($node, 'bad');
my $dir = PostgreSQL::Test::Utils::tempdir;
my $good = make_sqlite('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);'
	  . "INSERT INTO t VALUES (1, 'one');", 'good.db');

sub refused
{
	my ($title, $sqlstate, $message, $source, %args) = @_;
	my $before = in_schema($node, $db, 'public');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $source, %args) . ';',
		$sqlstate, $message, $title);
	is(in_schema($node, $db, 'public'), $before, "$title: nothing has changed");
}

# What the path names.
refused('no such file', '58P01', qr/could not access SQLite file ".*\/missing\.db": No such file/, "$dir/missing.db");
refused('a directory', '42809', qr/is not a regular file.*It is a directory/s, $dir);
refused('a character device', '42809', qr/is not a regular file/, '/dev/null');
refused('a relative path', '42704', qr/server "good\.db" does not exist.*begins with a slash/s, 'good.db');
refused('a "file:" name', '42704', qr/server "file:.*" does not exist/, "file:$good");
refused('an absolute "file:" name', '58P01', qr/could not access SQLite file/, "$good?mode=rw");
refused('an unknown server', '42704', qr/server "nowhere" does not exist/, 'nowhere');
refused('an empty source', '42704', qr/does not exist/, '');
refused('no source', '22004', qr/"source" must not be null/, undef);

system('mkfifo', "$dir/fifo") == 0 or die;
refused('a FIFO', '42809', qr/is not a regular file/, "$dir/fifo");

# What the file holds.
append_to_file("$dir/text.txt", "This is a text file.\n" x 100);
refused('a text file', '42809', qr/file is not a database/, "$dir/text.txt");
append_to_file("$dir/empty.db", '');
refused('an empty file', '42P01', qr/holds no tables/, "$dir/empty.db");
refused('a database without tables', '42P01', qr/holds no tables/,
	make_sqlite('CREATE TABLE t (a); DROP TABLE t;', 'no_tables.db'));

# Cut in the middle, at a page's border and elsewhere.
foreach my $keep (503808, 500000)
{
	my $cut = source_copy("$ENV{SFM_SAMPLE_DIR}/chinook.sqlite", "cut_$keep.db");
	truncate($cut, $keep) or die;
	refused("a file cut to $keep bytes", 'XX001', qr/database disk image is malformed/, $cut);
}
{
	my $bad_magic = source_copy("$ENV{SFM_SAMPLE_DIR}/chinook.sqlite", 'magic.db');
	open(my $fh, '+<', $bad_magic) or die;
	print $fh 'encrypted header';
	close $fh;
	refused('an encrypted file', '42809', qr/file is not a database/, $bad_magic);
}

# Each damaged sample gives an error or is read whole; the server lives on.
foreach my $file (glob("$ENV{SFM_SAMPLE_DIR}/corrupt/*.db"),
	$ENV{SFM_SHARED_DATA} ? glob("$ENV{SFM_SHARED_DATA}/corrupt/*.db") : ())
{
	my ($rc, $out, $err) = $node->psql($db,
		"BEGIN; SELECT count(*) FROM " . call_sql('migrate', $file) . '; ROLLBACK;', timeout => 60);
	ok($err eq '' || $err =~ /ERROR/ || $err !~ /server closed|terminat/,
		basename($file) . ': ' . ($err =~ /ERROR:\s+(.{1,90})/ ? $1 : 'read'));
	is($node->safe_psql($db, 'SELECT 1'), '1', basename($file) . ': the server lives on');
}

# Rights of the operating system: the tests never run as root.
SKIP:
{
	skip 'the superuser of the system can read everything', 4 if $> == 0;
	my $secret = source_copy($good, 'secret.db');
	chmod 0, $secret;
	refused('no read permission', '42501', qr/could not access SQLite file.*Permission denied.*server's operating system user/s, $secret);
	mkdir "$dir/locked" or die;
	chmod 0, "$dir/locked";
	refused('a directory that may not be searched', '42501', qr/Permission denied/, "$dir/locked/x.db");
	chmod 0700, "$dir/locked";
}

# Words and arguments.
my %words = (
	if_exists => qr/Valid values are: error, append, truncate, replace, skip, upsert/,
	on_misfit => qr/Valid values are: widen, error, null, reject/,
	on_orphan => qr/Valid values are: not_valid, error, reject/,
	identifiers => qr/Valid values are: lower, preserve, snake_case/,
	scope => qr/Valid values are: all, schema, data/,
	verify => qr/Valid values are: checksum, count, none/,
);
foreach my $argument (sort keys %words)
{
	refused("a wrong word for $argument", '22023', $words{$argument}, $good, $argument => "'sideways'");
	refused("a word in capitals for $argument", '22023', qr/invalid value/, $good, $argument => "'ERROR'");
	refused("NULL for $argument", '22004', qr/"$argument" must not be null/, $good, $argument => 'NULL');
}
refused("NULL for $_", '22004', qr/"$_" must not be null/, $good, $_ => 'NULL')
  foreach qw(target_schema types dry_run fire_triggers);
refused('a negative number of jobs', '22023', qr/jobs/, $good, jobs => '-1');
refused('an unknown owner', '42704', qr/role "nobody_here" does not exist/, $good, owner => "'nobody_here'");
refused('a target schema of PostgreSQL', '42939', qr/pg_/, $good, target_schema => "'pg_mine'");
refused('include that matches nothing', '42P01', qr/"nothing%" in argument "include" matches no/, $good,
	include => "'{nothing%}'");
refused('exclude that matches nothing', '42P01', qr/"nothing" in argument "exclude" matches no/, $good,
	exclude => "'{nothing}'");
refused('types that is no object', '22023', qr/types/, $good, types => "'[1]'");
refused('types with a key that matches nothing', '22023', qr/t\.w/, $good, types => '\'{"t.w": "text"}\'');
refused('types with an unknown type', '42704', qr/type "texxt" does not exist/, $good, types => '\'{"t.v": "texxt"}\'');
refused('types with an unknown word', '22023', qr/colour/, $good, types => '\'{"t.v": {"colour": "red"}}\'');
refused('types with a wrong reading', '22023', qr/unix_ms/, $good, types => '\'{"t.v": {"reading": "lunar"}}\'');
refused('an argument that does not exist', '42883', qr/does not exist/, $good, speed => "'fast'");

# Transactions.
foreach my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	statement_fails($node, $db, "BEGIN ISOLATION LEVEL $level; SELECT 1 FROM "
		  . call_sql('migrate', $good) . '; COMMIT;', '25001', qr/HINT/, "$level is refused");
	statement_fails($node, $db, "BEGIN ISOLATION LEVEL $level; SELECT * FROM sqlite_mig.fix_sequences();",
		'25001', qr/HINT/, "fix_sequences refuses $level");
}
statement_fails($node, $db, 'BEGIN READ ONLY; SELECT 1 FROM ' . call_sql('migrate', $good) . ';',
	'25006', qr/read-only/, 'a read-only transaction is refused');

# The other functions say the same.
foreach my $function (qw(inspect verify script))
{
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql($function, "$dir/missing.db"),
		'58P01', qr/could not access SQLite file/, "$function: no such file");
	statement_fails($node, $db, 'SELECT * FROM ' . call_sql($function, undef),
		'22004', qr/"source" must not be null/, "$function: no source");
}

# Servers and foreign tables.
statement_fails($node, $db, 'CREATE SERVER s FOREIGN DATA WRAPPER sqlite_fdw_mig',
	'HV002', qr/"database" is required/, 'a server needs a database');
statement_fails($node, $db, "CREATE SERVER s FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database 'x.db')",
	'22023', qr/absolute path/, 'a server refuses a relative path');
statement_fails($node, $db, "CREATE SERVER s FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/x', speed '1')",
	'HV00D', qr/invalid option "speed".*Valid options in this context are: database, busy_timeout/s,
	'an unknown option is refused, with the valid ones');
statement_fails($node, $db, "CREATE SERVER s FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '/x', busy_timeout '-1')",
	'22023', qr/busy_timeout/, 'a wrong busy_timeout is refused');
$node->safe_psql($db, "CREATE SERVER s FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$dir/missing.db')");
refused('a server without its file', '58P01', qr/could not access SQLite file/, 's');
$node->safe_psql($db, 'CREATE FOREIGN DATA WRAPPER other; CREATE SERVER o FOREIGN DATA WRAPPER other');
refused('a server of another wrapper', '42809', qr/not a server of foreign-data wrapper/, 'o');

# A target that is full of rows.
$node->safe_psql($db, "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (7, 'mine')");
refused('a target table that holds rows', '42P07', qr/public\.t holds 1 row.*append, truncate, replace/s, $good);
is($node->safe_psql($db, 'SELECT id, v FROM t'), '7|mine', 'its row is untouched');
is($node->safe_psql($db, 'SELECT count(*) FROM sqlite_mig.migration'), '0', 'no history of what failed');

$node->stop;
done_testing();
