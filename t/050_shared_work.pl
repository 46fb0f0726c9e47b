# Keys, indexes, verification and statistics by several processes (jobs): the same
# catalog, indexes that agree with their tables, statistics as ANALYZE makes them; and
# what becomes of it when a key fails, a worker is lost or none is to be had.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use SqliteMig::Session;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_cluster('shared_work', 'fsync = off', 'autovacuum = off', 'max_worker_processes = 8', 'max_parallel_workers = 8',
	'max_parallel_maintenance_workers = 2', 'track_counts = on',
	# so that scans of child begin where others are
	'shared_buffers = 16MB');
my $db = new_database($node, 'shared_work');

$node->safe_psql($db, 'CREATE EXTENSION amcheck');

# Columns of every kind in keys and indexes, on tables of 20,000 to 50,000 rows, and
# on some that are too small to be worth a process.
my $file = make_sqlite(<<'SQL', 'source.db');
	PRAGMA synchronous = off;
	CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, code VARCHAR(40) NOT NULL UNIQUE, made DATETIME, amount DECIMAL(12,2),
	                     ratio REAL, flag BOOLEAN, data BLOB, u UUID, title TEXT COLLATE NOCASE UNIQUE, few INTEGER);
	INSERT INTO parent
	SELECT value, 'code ' || (value * 7919 % 40000), datetime(value * 100003, 'unixepoch'), (value * 31 % 10007) / 4.0, value / 7.0,
	       value % 3 = 0, randomblob(value % 20), printf('00000000-0000-4000-8000-%012x', value), 'Title ' || value, value % 5
	FROM generate_series(1, 40000);
	UPDATE parent SET made = NULL, amount = NULL WHERE id % 10 = 0;
	CREATE INDEX parent_made ON parent (made DESC);
	CREATE INDEX parent_amount ON parent (amount, ratio DESC);
	CREATE INDEX parent_flag ON parent (flag);
	CREATE INDEX parent_data ON parent (data);
	CREATE INDEX parent_u ON parent (u);
	CREATE INDEX parent_few ON parent (few) WHERE few > 2;
	CREATE INDEX parent_upper ON parent (upper(code));
	CREATE TABLE child (a INTEGER, b TEXT, parent INTEGER NOT NULL REFERENCES parent (id), odd INTEGER, pad TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
	INSERT INTO child SELECT value, 'b' || (value % 100), 1 + value * 17 % 40000, value, printf('%0150d', value) FROM generate_series(1, 30000);
	UPDATE child SET odd = 'odd' WHERE a = 29000;
	CREATE INDEX child_parent ON child (parent);
	CREATE INDEX child_odd ON child (odd, a);
	CREATE TABLE nulls (id INTEGER, v TEXT, PRIMARY KEY (id, v));
	INSERT INTO nulls SELECT value, 'v' FROM generate_series(1, 20000);
	INSERT INTO nulls VALUES (1, NULL), (NULL, NULL);
	CREATE TABLE sampled (id INTEGER PRIMARY KEY, few INTEGER, made DATETIME, code TEXT,
	                      parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED, j JSON);
	CREATE INDEX sampled_j ON sampled (j);
	INSERT INTO sampled SELECT value, value % 5, iif(value % 10, datetime(value, 'unixepoch'), NULL), 'code ' || value, value % 40000 + 1, json_array(value) FROM generate_series(1, 50000);
	CREATE TABLE stray (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE SET NULL, up INTEGER REFERENCES stray (id) ON DELETE CASCADE,
	                    a INTEGER, b TEXT, FOREIGN KEY (b, a) REFERENCES child (b, a) ON UPDATE CASCADE);
	INSERT INTO stray SELECT value, value, nullif(value / 10, 0), value, 'b' || (value % 100) FROM generate_series(1, 20000);
	UPDATE stray SET parent = 999999 WHERE id IN (77, 7777);
	UPDATE stray SET b = NULL, a = -a WHERE id % 1000 = 0;
	CREATE TABLE small (id INTEGER PRIMARY KEY, v TEXT UNIQUE);
	INSERT INTO small VALUES (1, 'one'), (2, 'two');
	CREATE TABLE vacant (id INTEGER PRIMARY KEY, v TEXT UNIQUE);
SQL

# The number of tasks, and of parts that workers did, in each round of shared work.
sub shared
{
	my ($log) = @_;

	return map { [ /(\d+) parallel workers did (\d+) of (\d+) parts of (\d+) tasks: (.*)/ ] } grep { /parts of \d+ tasks/ } split /\n/, $log;
}

sub migrate_with_log
{
	my ($schema, %arguments) = @_;
	my ($rc, $out, $err) = $node->psql($db, 'SET client_min_messages = debug1; SELECT count(*) FILTER (WHERE verified), count(*) FROM '
		  . call_sql('migrate', $file, target_schema => "'$schema'", %arguments));

	return ($out, $err);
}

# What the catalog says of a schema, without the schema's name.
sub catalog
{
	my ($schema) = @_;

	return join "\n", map { my $text = $node->safe_psql($db, $_); $text =~ s/\b$schema\b/S/g; $text } (
		"SELECT pg_get_indexdef(indexrelid), indisprimary, indisunique, indisvalid, indisready, indislive, indcheckxmin, indimmediate, indoption, indcollation
		 FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE relnamespace = '$schema'::regnamespace ORDER BY indexrelid::regclass::text",
		"SELECT conrelid::regclass, conname, contype, convalidated, conindid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
		 WHERE connamespace = '$schema'::regnamespace ORDER BY conrelid::regclass::text, 2",
		"SELECT tgrelid::regclass, tgfoid::regproc, tgtype, tgenabled, tgisinternal, tgconstrrelid::regclass, tgconstrindid::regclass, tgdeferrable, tginitdeferred
		 FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = '$schema'::regnamespace
		 ORDER BY 1, 6, 2, (SELECT conname FROM pg_constraint WHERE oid = tgconstraint)",
		"SELECT attrelid::regclass, attname, atttypid::regtype, attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
		 WHERE relnamespace = '$schema'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY relname, attnum",
		# the rows of an index with a WHERE are estimated from a sample
		"SELECT relname, relkind, relpages, CASE WHEN relname <> 'parent_few' THEN reltuples END, relallvisible, relhasindex FROM pg_class WHERE relnamespace = '$schema'::regnamespace AND relkind <> 'S' ORDER BY 1",
		"SELECT classid::regclass, pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype
		 FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid IN (SELECT oid FROM pg_class WHERE relnamespace = '$schema'::regnamespace)
		 AND pg_describe_object(classid, objid, objsubid) !~ '^toast' AND classid IN ('pg_class'::regclass, 'pg_constraint'::regclass) ORDER BY 2, 3",
		"SELECT kind, source_table, name, status, target_sql, note FROM sqlite_mig.migration_object
		 WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration WHERE target_schema = '$schema') ORDER BY 1, 2, 3, 5");
}

sub indexes_agree
{
	my ($schema, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($rc, $out, $err) = $node->psql($db, "SELECT bt_index_parent_check(indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = indrelid
		WHERE relnamespace = '$schema'::regnamespace");
	is($err, '', "$title: indexes agree with their tables");
	return;
}

# ------------------------------------------------------ the same with and without

my %catalogs;
foreach my $jobs (0, 1, 3)
{
	my ($out, $err) = migrate_with_log("jobs_$jobs", jobs => $jobs);
	my @rounds = shared($err);

	is($out, '7|7', "jobs => $jobs: every table is verified");
	$catalogs{$jobs} = catalog("jobs_$jobs");
	indexes_agree("jobs_$jobs", "jobs => $jobs");
	if ($jobs == 0)
	{
		is(scalar(@rounds), 0, 'jobs => 0: one process does it all');
		next;
	}
	# parent: its primary key, code, title (not its folded index), made, amount, flag, data, u;
	# child: its key, child_parent, child_odd; nulls: its unique index; sampled: its primary
	# key, sampled_j; stray: its primary key.  parent's title has an index of
	# its own beside it, and goes the ordinary way.
	is("@{$rounds[0]}[3, 4]", '14 indexes', "jobs => $jobs: keys and indexes on columns are shared out");
	is("@{$rounds[1]}[3, 4]", '5 foreign keys', "jobs => $jobs: so are foreign keys");
	is("@{$rounds[2]}[3, 4]", '7 tables', "jobs => $jobs: so are tables, to be read back");
	is(scalar(@rounds), 3, "jobs => $jobs: in three rounds");
	cmp_ok($rounds[0][1] + $rounds[1][1] + $rounds[2][1], '>', 0, "jobs => $jobs: workers did some of it");
	unlike($err, qr/validating foreign key constraint "(child|sampled)_parent_fkey"/, "jobs => $jobs: no foreign key is checked twice");
	unlike($err, qr/building index "(parent_pkey|parent_made|child_pkey|child_parent)"/, "jobs => $jobs: no index is built twice");
	unlike($err, qr/one after the other/, "jobs => $jobs: nothing failed");
	is($catalogs{$jobs}, $catalogs{0}, "jobs => $jobs: the catalog is the same");
	compare_with_source($node, $db, $file, "jobs => $jobs: another client agrees", "jobs_$jobs");
}
like($catalogs{0}, qr/PRIMARY KEY \(b, a\)/, 'there is a catalog');
like($catalogs{0}, qr/stray_parent_fkey\|f\|f\|.* NOT VALID$/m, 'with a foreign key that has orphans');
like($catalogs{0}, qr/sampled_parent_fkey\|f\|t\|.* DEFERRABLE INITIALLY DEFERRED$/m, 'and valid ones');

# Orphans kept out, and taken for an error.
{
	my %outcomes;

	foreach my $jobs (0, 2)
	{
		my ($out, $err) = migrate_with_log("reject_$jobs", on_orphan => "'reject'", jobs => $jobs);

		is($out, '7|7', "on_orphan => 'reject', jobs => $jobs: every table is verified");
		$outcomes{$jobs} = catalog("reject_$jobs");
		($out, $err) = migrate_with_log('failed', on_orphan => "'error'", jobs => $jobs);
		like($err, qr/ERROR:  table failed\.stray has 2 rows without a parent in table failed\.parent/, "on_orphan => 'error', jobs => $jobs");
	}
	is($outcomes{2}, $outcomes{0}, "on_orphan => 'reject': the catalog is the same");
	unlike($outcomes{2}, qr/NOT VALID$/m, "on_orphan => 'reject': every foreign key is valid");
}

# ------------------------------------------------------ statistics

my $statistics = "SELECT tablename, attname, null_frac, avg_width, n_distinct, most_common_vals::text, most_common_freqs, histogram_bounds::text,"
  . " correlation, most_common_elems::text FROM pg_stats WHERE schemaname = 'S' %s ORDER BY 1, 2";
sub statistics
{
	my ($schema, $condition) = @_;
	my $sql = sprintf $statistics, $condition;

	$sql =~ s/'S'/'$schema'/;
	return $node->safe_psql($db, $sql);
}

# All rows of these tables are in the sample, so that it is the same.
my $whole = "AND tablename IN ('child', 'nulls', 'small')";
is(statistics('jobs_3', $whole), statistics('jobs_0', $whole), 'statistics are those of ANALYZE');
like(statistics('jobs_3', $whole), qr/^child\|parent\|0\|8\|/m, 'there are some');
# This one is more than a sample; what does not depend on the rows that are in it, or little
is($node->safe_psql($db, <<'SQL'), '6|t|t|t|t', 'a sample says what the table is like');
	SELECT count(*), bool_and(n_distinct = -1) FILTER (WHERE attname IN ('id', 'code')),
	       bool_and(abs(null_frac - 0.1) < 0.02) FILTER (WHERE attname = 'made'),
	       bool_and(n_distinct = 5 AND array_length(most_common_freqs, 1) = 5) FILTER (WHERE attname = 'few'),
	       bool_and(correlation > 0.99) FILTER (WHERE attname = 'id')
	FROM pg_stats WHERE schemaname = 'jobs_3' AND tablename = 'sampled'
SQL
# from the whole of it: a sample without its end, or its beginning, would not do
is($node->safe_psql($db, <<'SQL'), 't', 'a sample is taken from all of the table');
	SELECT h[1] < 500 AND h[array_upper(h, 1)] > 49500 AND count(*) FILTER (WHERE abs(v - n * 500) > 1500) = 0
	FROM (SELECT histogram_bounds::text::bigint[] h FROM pg_stats WHERE schemaname = 'jobs_3' AND tablename = 'sampled' AND attname = 'id') s,
	     unnest(h) WITH ORDINALITY u (v, n) GROUP BY h
SQL
is($node->safe_psql($db, "SELECT count(*), count(last_analyze), count(*) FILTER (WHERE n_live_tup > 0) FROM pg_stat_user_tables WHERE schemaname = 'jobs_3'"),
	$node->safe_psql($db, "SELECT count(*), count(last_analyze), count(*) FILTER (WHERE n_live_tup > 0) FROM pg_stat_user_tables WHERE schemaname = 'jobs_0'"),
	'that they were analyzed is known');
# ANALYZE afterwards finds rows of pg_statistic to replace, and sizes to agree with
my $sizes = "SELECT relname, relpages, reltuples, relallvisible FROM pg_class WHERE relnamespace = 'jobs_3'::regnamespace AND relkind IN ('r', 'i') AND relname <> 'parent_few' ORDER BY 1";
my $before = $node->safe_psql($db, $sizes);
$node->safe_psql($db, "SET search_path = jobs_3; ANALYZE parent, child, nulls, sampled, small, vacant");
is($node->safe_psql($db, $sizes), $before, 'ANALYZE finds the same sizes');
is(statistics('jobs_3', $whole), statistics('jobs_0', $whole), 'and the same statistics');

foreach my $verify ('count', 'none')
{
	my ($out, $err) = migrate_with_log($verify, verify => "'$verify'");
	my @rounds = shared($err);

	is($out, ($verify eq 'none' ? 0 : 7) . '|7', "verify => $verify");
	# without sums there is nothing to read of parent, whose indexes need ANALYZE
	is($rounds[2][3], 6, "verify => $verify: statistics are computed by several processes");
	is(statistics($verify, $whole), statistics('jobs_0', $whole), "verify => $verify: they are the same");
}

# The statistics of a table that is alone: some of the columns by each process.
{
	my $single = make_sqlite(<<'ALONE', 'single.db');
		CREATE TABLE single (id INTEGER PRIMARY KEY, few INTEGER, made DATETIME, code TEXT, ratio REAL, pad TEXT, same INTEGER, none TEXT);
		INSERT INTO single SELECT value, value % 5, datetime(value, 'unixepoch'), 'code ' || value, value / 7.0, printf('%0150d', value), 1, NULL
		FROM generate_series(1, 20000);
ALONE
	my $known = "SELECT count(*), min(analyze_count), max(analyze_count), max(n_live_tup) FROM pg_stat_user_tables WHERE schemaname = ";

	foreach my $jobs (0, 1, 2)
	{
		my ($rc, $out, $err) = $node->psql($db, 'SET client_min_messages = debug1; SELECT count(*) FILTER (WHERE verified) FROM '
			  . call_sql('migrate', $single, target_schema => "'single_$jobs'", jobs => $jobs));
		my ($round) = grep { $_->[4] eq 'tables' } shared($err);

		is($out, '1', "a table that is alone, jobs => $jobs: it is verified");
		is($round ? $round->[3] : 0, $jobs ? $jobs + 1 : 0, "a table that is alone, jobs => $jobs: there is a task for each process");
		is(statistics("single_$jobs", ''), statistics('single_0', ''), "a table that is alone, jobs => $jobs: statistics are those of ANALYZE");
		ok($node->poll_query_until($db, "$known 'single_$jobs'", '1|1|1|20000'), "a table that is alone, jobs => $jobs: it was analyzed once");
		# more than there is room for, but not for each process: ANALYZE finds rows of pg_statistic
		$node->safe_psql($db, 'SET default_statistics_target = 10000; SELECT count(*) FROM '
			  . call_sql('migrate', $single, target_schema => "'long_$jobs'", jobs => $jobs));
		is(statistics("long_$jobs", ''), statistics('long_0', ''), "a table that is alone, jobs => $jobs: long statistics are those of ANALYZE");
		ok($node->poll_query_until($db, "$known 'long_$jobs'", '1|1|1|20000'), "a table that is alone, jobs => $jobs: then, too, it was analyzed once");
	}
	cmp_ok(length(statistics('long_2', '')), '>', 1_000_000, 'a table that is alone: long statistics are long');
	{
		my ($rc, $out, $err) = $node->psql($db, 'SET max_parallel_workers = 0; SET client_min_messages = debug1; SELECT count(*) FROM '
			  . call_sql('migrate', $single, target_schema => "'single_none'"));
		is($out, '1', 'a table that is alone, no worker is free: it is migrated');
		is(scalar(shared($err)), 0, 'a table that is alone, no worker is free: nothing is shared out');
	}
	like(statistics('single_2', ''), qr/\|none\|1\|.*\|pad\|0\|154\|.*\|same\|0\|8\|1\|/s, 'a table that is alone: there are statistics');
}

# The indexes work: they find rows, and refuse others.
is($node->safe_psql($db, "SET enable_seqscan = off; SELECT count(*) FROM jobs_3.parent WHERE made > '2000-01-01' AND code LIKE 'code%'"),
	sqlite($file, "SELECT count(*) FROM parent WHERE made > '2000-01-01'"), 'rows are found by an index');
statement_fails($node, $db, "INSERT INTO jobs_3.parent (code) VALUES ('code 17')", '23505', qr/parent_code_key/, 'a key that is taken');
statement_fails($node, $db, "INSERT INTO jobs_3.child (a, b, parent) VALUES (1, 'b1', 1)", '23505', qr/child_pkey/, 'a primary key that is taken');
statement_fails($node, $db, "INSERT INTO jobs_3.child (a, b, parent) VALUES (0, 'new', -1)", '23503', qr/child_parent_fkey/, 'a parent that is not there');
statement_fails($node, $db, "DELETE FROM jobs_3.parent WHERE id = 18", '23503', qr/child_parent_fkey/, 'a parent that has children');
statement_fails($node, $db, "INSERT INTO jobs_3.child (a, parent) VALUES (1, 1)", '23502', qr/"b"/, 'a NULL in a primary key');

# As many as are in the tables, so that none is a sample: more than there is room for.
{
	my %outcomes;

	foreach my $jobs (0, 2)
	{
		my ($rc, $out, $err) = $node->psql($db, 'SET default_statistics_target = 10000; SELECT count(*) FILTER (WHERE verified) FROM '
			  . call_sql('migrate', $file, target_schema => "'all_$jobs'", jobs => $jobs));
		is($out, '7', "the largest statistics, jobs => $jobs");
		$outcomes{$jobs} = statistics("all_$jobs", '');
	}
	is($outcomes{2}, $outcomes{0}, 'the largest statistics are those of ANALYZE');
}

# ------------------------------------------------------ what goes wrong

# A type without order: its index is refused, the others are shared out.
{
	my ($out, $err) = migrate_with_log('unordered', types => q('{"sampled.j": "json"}'));

	is($out, '7|7', 'a type without order: every table is verified');
	is((shared($err))[0][3], 13, 'a type without order: the other indexes are shared out');
	unlike($err, qr/one after the other/, 'a type without order: nothing that was shared failed');
	like(catalog('unordered'), qr/^index\|sampled\|sampled_j\|left_out\|.*no default operator class/m, 'a type without order: it is said');
}

# Texts that SQLite tells apart and timestamps that are equal: the key cannot be made.
my $unequal = make_sqlite(<<'SQL', 'unequal.db');
	CREATE TABLE t (id INTEGER PRIMARY KEY, made DATETIME UNIQUE, v TEXT UNIQUE);
	INSERT INTO t SELECT value, datetime(value, 'unixepoch'), 'v' || value FROM generate_series(1, 50000);
	INSERT INTO t VALUES (50001, '1970-01-01T00:16:40', 'last');
	CREATE INDEX t_made ON t (made);
SQL
{
	my %outcomes;

	foreach my $jobs (0, 2)
	{
		my ($rc, $out, $err) = $node->psql($db, 'SELECT count(*) FILTER (WHERE verified) FROM '
			  . call_sql('migrate', $unequal, target_schema => "'unequal_$jobs'", jobs => $jobs));

		is($out, '1', "a key that fails, jobs => $jobs: the rows arrive");
		$outcomes{$jobs} = catalog("unequal_$jobs");
		indexes_agree("unequal_$jobs", "a key that fails, jobs => $jobs");
		my $note = qr/Keys and indexes were built one after the other, since one failed: could not create unique index "t_made_key" \(Key \(made\)=\(1970-01-01 00:16:40\) is duplicated\.\)/;
		$jobs ? like($err, $note, 'a key that fails: it is said') : unlike($err, $note, 'a key that fails: no such note with one process');
	}
	is($outcomes{2}, $outcomes{0}, 'a key that fails: the others are made as by one process');
	like($outcomes{2}, qr/^unique\|t\|\|left_out\|.*not unique in PostgreSQL/m, 'a key that fails is left out');
}

# Keys of small tables are made many at once; where some cannot be made, all others are.
{
	my $many = make_sqlite(join("\n", map {
		my $again = $_ == 7 || $_ == 26 || $_ == 45 ? '1970-01-01T00:00:01' : '2020-01-01 00:00:00';
		"CREATE TABLE m$_ (id INTEGER PRIMARY KEY, made DATETIME UNIQUE); INSERT INTO m$_ VALUES (1, '1970-01-01 00:00:01'), (2, '$again');"
	} 1 .. 45), 'many.db');

	is($node->safe_psql($db, 'SELECT count(*) FILTER (WHERE verified) FROM ' . call_sql('migrate', $many, target_schema => "'many'")),
		'45', 'some keys of many fail: the rows arrive');
	is($node->safe_psql($db, "SELECT contype, count(*) FROM pg_constraint WHERE connamespace = 'many'::regnamespace GROUP BY 1 ORDER BY 1"),
		"p|45\nu|42", 'some keys of many fail: the others are made');
	is($node->safe_psql($db, "SELECT string_agg(source_table, ' ' ORDER BY source_table) FROM sqlite_mig.migration_object o JOIN sqlite_mig.migration m ON m.id = migration_id"
		  . " WHERE target_schema = 'many' AND o.status = 'left_out' AND o.note LIKE 'Its values are not unique in PostgreSQL%'"),
		'm26 m45 m7', 'some keys of many fail: they are named');
}

# Event triggers hear of every index.
{
	$node->safe_psql($db, <<'SQL');
		CREATE TABLE heard (tag text, identity text);
		CREATE FUNCTION hear() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO public.heard SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands();
		END $$;
		CREATE EVENT TRIGGER hear ON ddl_command_end EXECUTE FUNCTION hear();
SQL
	my ($out, $err) = migrate_with_log('event');
	is($out, '7|7', 'with an event trigger: every table is verified');
	is($node->safe_psql($db, "SELECT count(*) FROM heard WHERE tag = 'CREATE INDEX' AND identity IN ('event.parent_made', 'event.child_parent')"),
		'2', 'with an event trigger: it hears of indexes');
	is($node->safe_psql($db, "SELECT count(*) FROM heard WHERE tag = 'ALTER TABLE' AND identity LIKE 'event.parent%'") > 0 ? 1 : 0,
		1, 'with an event trigger: it hears of keys');
	is(catalog('event'), $catalogs{0}, 'with an event trigger: the catalog is the same');
	$node->safe_psql($db, 'ALTER EVENT TRIGGER hear DISABLE; TRUNCATE heard');
	($out, $err) = migrate_with_log('unheard');
	is((shared($err))[0][3], 14, 'a disabled one keeps nobody from sharing');
	# one that makes statistics already, and asks for others
	$node->safe_psql($db, <<'SQL');
		CREATE FUNCTION analyze_all() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN ANALYZE; END $$;
		CREATE FUNCTION ask() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF (SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE') = 'analyzed.child' THEN
				CREATE STATISTICS public.asked (ndistinct) ON a, parent FROM analyzed.child;
				ALTER TABLE analyzed.child ALTER COLUMN parent SET (n_distinct = 7);
			END IF;
		END $$;
		CREATE EVENT TRIGGER ask ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION ask();
		CREATE EVENT TRIGGER analyze_all ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION analyze_all();
SQL
	($out, $err) = migrate_with_log('analyzed');
	is($out, '7|7', 'with an event trigger that analyzes: every table is verified');
	is((shared($err))[0][3], 7, 'with an event trigger that analyzes: they are read back by several processes');
	is(statistics('analyzed', "AND tablename IN ('nulls', 'small')"), statistics('jobs_0', "AND tablename IN ('nulls', 'small')"),
		'with an event trigger that analyzes: the statistics are the same');
	is($node->safe_psql($db, "SELECT stxdndistinct IS NOT NULL, (SELECT n_distinct FROM pg_stats WHERE schemaname = 'analyzed' AND tablename = 'child' AND attname = 'parent')"
		  . ' FROM pg_statistic_ext_data'), 't|7', 'with an event trigger that asks for statistics: they are made');
	$node->safe_psql($db, 'DROP EVENT TRIGGER hear; DROP EVENT TRIGGER ask; DROP EVENT TRIGGER analyze_all');
}

# No worker is to be had: the backend does all parts.
{
	my ($rc, $out, $err) = $node->psql($db, 'SET max_parallel_workers = 0; SET client_min_messages = debug1; SELECT count(*) FILTER (WHERE verified) FROM '
		  . call_sql('migrate', $file, target_schema => "'alone'"));
	is($out, '7', 'no worker is free: every table is verified');
	is_deeply([ map { "@$_[0, 1]" } shared($err) ], [ '0 0', '0 0', '0 0' ], 'no worker is free: the backend does it');
	is(catalog('alone'), $catalogs{0}, 'no worker is free: the catalog is the same');
	is(statistics('alone', $whole), statistics('jobs_0', $whole), 'no worker is free: the statistics are the same');
	indexes_agree('alone', 'no worker is free');
}

# A worker that is ended while it works ends the call, and leaves nothing.
{
	my $before = $node->safe_psql($db, 'SELECT count(*) FROM pg_class');
	my $ended = 0;

	foreach my $round (1 .. 10)
	{
		my $session = SqliteMig::Session->new($node, $db);
		my $other = SqliteMig::Session->new($node, $db);
		my $pid = $session->pid;

		$session->query('SET client_min_messages = warning;');
		$session->start('SELECT count(*) FROM ' . call_sql('migrate', $file, target_schema => "'ended'") . ';');
		until ($session->ended)
		{
			my ($out) = $other->query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE leader_pid = $pid AND pid <> $pid;");
			last if $out && $out > 0;
			sleep 0.001;
		}
		my ($out, $err) = $session->result;
		$session->close;
		$other->close;
		if ($err =~ /terminating|lost connection to parallel worker/)
		{
			$ended = 1;
			last;
		}
		$node->safe_psql($db, 'DROP SCHEMA IF EXISTS ended CASCADE; DELETE FROM sqlite_mig.migration WHERE target_schema = \'ended\'');
	}
	is($ended, 1, 'a worker is ended: the call fails');
	is($node->safe_psql($db, 'SELECT count(*) FROM pg_class'), $before, 'a worker is ended: nothing is left');
	is($node->safe_psql($db, "SELECT count(*) FILTER (WHERE verified) FROM " . call_sql('migrate', $file, target_schema => "'ended'")),
		'7', 'a worker is ended: the same call works again');
}

$node->stop;
done_testing();
