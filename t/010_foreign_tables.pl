# Foreign tables while the world changes: the file is written, replaced, locked or
# altered, the server is altered, the statement is cancelled.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('foreign_tables', 'fsync = off');
my $db = new_database($node, 'foreign_tables');
my $dir = PostgreSQL::Test::Utils::tempdir;

# Runs a script in one session; returns its output, errors included, as lines
# without the psql prefixes.
sub session
{
	my ($script) = @_;
	my ($out, $err) = ('', '');

	$node->psql($db, "\\set VERBOSITY sqlstate\n$script", stdout => \$out, stderr => \$err,
		on_error_stop => 0);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return wantarray ? (join(' ', split /\n/, $out), join(' ', split /\n/, $err)) : $out;
}

# A file, and a server and a foreign table of the same name that read its table t.
sub server
{
	my ($name, $sql, $columns) = @_;
	my $file = make_sqlite($sql, "$name.db");

	$node->safe_psql($db, qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');
		CREATE FOREIGN TABLE $name ($columns) SERVER $name OPTIONS ("table" 't');
	});
	return $file;
}

# Leaves -wal and -shm beside the file, as a running application does.
sub write_and_vanish
{
	my ($file, $sql) = @_;

	return qq{python3 -c "import sqlite3, os
c = sqlite3.connect('$file')
c.execute('$sql')
c.commit()
os._exit(0)"};
}

{
	my $file = server('walled', 'PRAGMA journal_mode = wal; CREATE TABLE t (a INTEGER);'
		  . 'INSERT INTO t VALUES (1);', 'a int');
	system(write_and_vanish($file, 'INSERT INTO t VALUES (2)')) == 0 or die;
	ok(-e "$file-wal", 'there is a -wal');

	my ($out, $err) = session(qq{
		SELECT count(*) FROM walled;
		BEGIN;
		SELECT count(*) FROM walled;
		\\! sqlite3 '$file' 'INSERT INTO t VALUES (3)'
		SAVEPOINT s;
		SELECT count(*) FROM walled;
		SELECT 1/0;
		ROLLBACK TO s;
		SELECT count(*) FROM walled;
		\\! sqlite3 '$file' 'INSERT INTO t VALUES (4)'
		SELECT sum(a) FROM walled;
		COMMIT;
		SELECT count(*) FROM walled;
		BEGIN; SELECT count(*) FROM walled; ROLLBACK;
		\\! sqlite3 '$file' 'DELETE FROM t'
		SELECT count(*) FROM walled;
	});
	is($out, '2 2 2 2 3 4 4 0', 'one transaction sees one state of a file that is written');
	is($err, 'ERROR:  22012', 'and a subtransaction does not disturb it');
}

{
	my $file = server('journal', 'CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);', 'a int');
	my ($out) = session(qq{
		BEGIN;
		SELECT count(*) FROM journal;
		\\! sqlite3 '$file' 'INSERT INTO t VALUES (2)' 2>&1 | grep -o 'database is locked'
		COMMIT;
		\\! sqlite3 '$file' 'INSERT INTO t VALUES (2)' 2>&1
		SELECT count(*) FROM journal;
	});
	is($out, '1 database is locked 2', 'the lock on a file without WAL ends with the transaction');
}

{
	my $old = server('altered', "CREATE TABLE t (a INTEGER, v TEXT);"
		  . "INSERT INTO t VALUES (1, 'old1'), (2, 'old2'), (3, 'old3');", 'a int, v text');
	my $new = make_sqlite("CREATE TABLE t (a INTEGER, v TEXT); INSERT INTO t VALUES (1, 'new1');",
		'altered_new.db');
	my ($out, $err) = session(qq{
		BEGIN;
		DECLARE c CURSOR FOR SELECT v FROM altered ORDER BY a + 0;
		DECLARE d CURSOR FOR SELECT v FROM altered;
		FETCH 1 FROM d;
		ALTER SERVER altered OPTIONS (SET database '$new');
		SELECT v FROM altered;
		FETCH 1 FROM d;
		ROLLBACK;
		SELECT v FROM altered WHERE a = 1;
		BEGIN;
		SAVEPOINT s;
		ALTER SERVER altered OPTIONS (SET database '$new');
		SELECT v FROM altered WHERE a = 1;
		ROLLBACK TO s;
		SELECT v FROM altered WHERE a = 1;
		COMMIT;
		ALTER SERVER altered OPTIONS (SET database '$new');
		SELECT v FROM altered WHERE a = 1;
		SELECT pg_backend_pid() AS pid \\gset
		\\setenv PID :pid
		\\! ls -l /proc/\$PID/fd | grep -c 'altered.*db' || true
		DROP SERVER altered CASCADE;
		\\! ls -l /proc/\$PID/fd | grep -c 'altered.*db' || true
	});
	is($out, 'old1 new1 old2 old1 new1 old1 new1 1 0',
		'ALTER SERVER takes effect at once, running scans go on, nothing stays open');
}

{
	my $file = server('replaced', "CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('old');", 'v text');
	my $new = make_sqlite("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('new');", 'replacement.db');
	my ($out) = session(qq{
		SELECT v FROM replaced;
		BEGIN;
		SELECT v FROM replaced;
		\\! mv '$new' '$file'
		SELECT v FROM replaced;
		COMMIT;
		SELECT v FROM replaced;
	});
	is($out, 'old old old new', 'a replaced file is opened anew by the next transaction');
}

{
	my $file = server('planned', "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER);"
		  . 'INSERT INTO t VALUES (1, 5), (2, 6);', 'id int, a int');
	my ($out, $err) = session(qq{
		SET plan_cache_mode = force_generic_plan;
		PREPARE q AS SELECT id FROM planned WHERE a = 5 ORDER BY id;
		EXECUTE q;
		\\! sqlite3 '$file' 'ALTER TABLE t ADD COLUMN b'
		EXECUTE q;
		EXECUTE q;
		\\! sqlite3 '$file' "DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, '5'), (2, '05')"
		EXECUTE q;
		EXECUTE q;
		\\! sqlite3 '$file' 'DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY)'
		EXECUTE q;
		\\! sqlite3 '$file' 'DROP TABLE t; CREATE TABLE u (id INTEGER PRIMARY KEY)'
		EXECUTE q;
		EXECUTE q;
	});
	is($out, '1 1 1 1 2', 'a plan is not used for a table that it was not made for');
	is($err, 'ERROR:  55000 ERROR:  HV000 ERROR:  HV00R ERROR:  HV00R',
		'what no longer fits is an error');
}

{
	my $file = server('immutable', 'PRAGMA journal_mode = wal; CREATE TABLE t (a INTEGER);'
		  . 'INSERT INTO t VALUES (1);', 'a int');
	ok(!-e "$file-wal", 'there is no -wal');
	my ($out, $err) = session(qq{
		BEGIN;
		SELECT count(*) FROM immutable;
		COMMIT;
		BEGIN;
		SELECT count(*) FROM immutable;
		\\! sqlite3 '$file' 'INSERT INTO t VALUES (2)'
		COMMIT;
		SELECT count(*) FROM immutable;
	});
	is($out, '1 1 2', 'WAL mode without a -wal is read');
	is($err, 'ERROR:  55006', 'and the transaction fails when the file changed meanwhile');
	is_deeply([ glob("$file-*") ], [], 'nothing was created beside it');
}

{
	my $file = server('locked', 'CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);', 'a int');
	append_to_file("$dir/hold.py", <<'PYTHON');
import os, sqlite3, sys, time
file, ready, go = sys.argv[1:]
connection = sqlite3.connect(file, isolation_level=None)
connection.execute('BEGIN EXCLUSIVE')
open(ready, 'w').close()
while not os.path.exists(go):
    time.sleep(0.05)
PYTHON
	my ($out, $err) = session(qq{
		\\! python3 '$dir/hold.py' '$file' '$dir/ready' '$dir/go' &
		\\! while [ ! -e '$dir/ready' ]; do sleep 0.05; done
		ALTER SERVER locked OPTIONS (busy_timeout '100');
		SELECT count(*) FROM locked;
		ALTER SERVER locked OPTIONS (SET busy_timeout '60000');
		SET statement_timeout = '300ms';
		SELECT count(*) FROM locked;
		RESET statement_timeout;
		\\! (sleep 0.5; touch '$dir/go') &
		SELECT count(*) FROM locked;
	});
	is($out, '1', 'a locked file is waited for');
	is($err, 'ERROR:  55P03 ERROR:  57014', 'up to busy_timeout, and not through a cancel');
}

{
	server('endless', 'CREATE VIEW t AS WITH RECURSIVE n (i) AS'
		  . ' (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0;', 'i int');
	my $session = qq{SET statement_timeout = '300ms'; SELECT * FROM endless;};
	my $start = time;
	my ($out, $err) = session($session x 3);
	is($err, join(' ', ('ERROR:  57014') x 3), 'a step of SQLite is cancelled');
	cmp_ok(time - $start, '<', 10, 'at once');
}

# Failures leave nothing open.
{
	append_to_file("$dir/garbage.db", 'no database' x 1000);
	my ($out, $err) = session(qq{
		CREATE SERVER garbage FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$dir/garbage.db');
		CREATE FOREIGN TABLE garbage (a int) SERVER garbage;
		DO \$\$
		BEGIN
			FOR i IN 1..50 LOOP
				BEGIN
					PERFORM * FROM garbage;
				EXCEPTION WHEN wrong_object_type THEN
					NULL;
				END;
			END LOOP;
		END \$\$;
		SELECT pg_backend_pid() AS pid \\gset
		\\setenv PID :pid
		\\! ls -l /proc/\$PID/fd | grep -c garbage || true
	});
	is($out, '0', 'no descriptor is left of 50 failures');
	is($err, '', 'each of which was an error');
}

$node->stop;
done_testing();
