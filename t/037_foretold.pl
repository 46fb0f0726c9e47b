# What the keys of existing targets, and those that are planned, will say to the rows:
# dry_run says it in the words of the run and touches nothing, and rows that on_orphan and
# on_misfit keep out stay out of an upsert and of tables whose keys stay in place.  verify()
# later finds the rows of such a run among others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $node = new_cluster('foretold', 'fsync = off');
my $db = new_database($node, 'foretold');

$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA app;
	CREATE TABLE app.team (id int PRIMARY KEY, code varchar(10) UNIQUE, lead int);
	CREATE TABLE app.person (id int PRIMARY KEY, team text REFERENCES app.team (code), boss int REFERENCES app.person,
		email text, born timestamp, age int);
	ALTER TABLE app.team ADD FOREIGN KEY (lead) REFERENCES app.person DEFERRABLE INITIALLY DEFERRED;
	CREATE UNIQUE INDEX person_email ON app.person (lower(email)) WHERE email <> '';
	INSERT INTO app.team VALUES (1, 'red', NULL), (2, 'blue', NULL);
	INSERT INTO app.person VALUES (1, 'red', NULL, 'One@x', '2001-01-01', 1), (2, 'blue', 1, 'two@x', '2002-02-02', 2), (3, 'blue', 1, 'three@x', NULL, 3);
	UPDATE app.team SET lead = 1;
SQL
my $content = "SELECT (SELECT string_agg(t::text, ';' ORDER BY id) FROM app.team t), (SELECT string_agg(p::text, ';' ORDER BY id) FROM app.person p)";
my $seed = $node->safe_psql($db, $content);

sub call { my ($file, %args) = @_; return call_sql('migrate', $file, target_schema => "'app'", %args); }

# The same error from both, the dry run being in a read-only transaction.
sub both_fail
{
	my ($file, $sqlstate, $message, $title, %args) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $dry = statement_fails($node, $db, 'SET default_transaction_read_only = on; SELECT * FROM ' . call($file, %args, dry_run => 'true'),
		$sqlstate, $message, "$title: the dry run says so");
	my $run = statement_fails($node, $db, 'SELECT * FROM ' . call($file, %args), $sqlstate, $message, "$title: and so does the run");
	my ($dry_detail, $run_detail) = map { /^(DETAIL:.*?)^(HINT|CONTEXT|LOCATION)/ms ? $1 : $_ } $dry, $run;
	is($dry_detail, $run_detail, "$title: in the same words");
	is($node->safe_psql($db, $content), $seed, "$title: nothing was changed");
}

sub dry { my ($file, %args) = @_; return $node->safe_psql($db, "BEGIN READ ONLY; SELECT source_table, target_rows, rejected_rows, notes FROM "
		  . call($file, %args, dry_run => 'true') . ' ORDER BY 1; COMMIT'); }
sub run { my ($file, %args) = @_; return $node->safe_psql($db, 'SELECT source_table, target_rows, rejected_rows, verified FROM ' . call($file, %args) . ' ORDER BY 1'); }

my $tables = <<'SQL';
	CREATE TABLE team (id INTEGER PRIMARY KEY, code TEXT, lead INT);
	CREATE TABLE person (id INTEGER PRIMARY KEY, team TEXT, boss INT, email TEXT, born TEXT, age INT);
SQL

# ------------------------------------------------------------------------- unique keys

my $seeds = make_sqlite("$tables INSERT INTO team VALUES (2, 'blue', NULL), (3, 'green', NULL); INSERT INTO person VALUES (10, 'green', 10, 'ten\@x', NULL, 1);", 'seeds.db');
both_fail($seeds, '23505', qr/rows for table app.team clash on unique key team_pkey.*\(id\)=\(2\): source row and target row/s,
	'rows with ids of seed rows', if_exists => "'append'");
my $emails = make_sqlite("$tables INSERT INTO person VALUES (10, NULL, NULL, 'ONE\@X', NULL, 1), (11, NULL, NULL, 'b\@x', NULL, 1), (12, NULL, NULL, 'B\@x', NULL, 1), (13, NULL, NULL, '', NULL, 1), (14, NULL, NULL, '', NULL, 1);", 'emails.db');
both_fail($emails, '23505', qr/rows for table app.person clash on unique key person_email.*source row \(id\)=\(11\) and source row \(id\)=\(12\).*source row \(id\)=\(10\) and target row \(id\)=\(1\)/s,
	'an index on an expression, with a predicate', if_exists => "'append'");
both_fail($emails, '23505', qr/rows for table app.person clash on unique key person_email/, 'the same by upsert', if_exists => "'upsert'");
statement_fails($node, $db, 'SELECT * FROM ' . call($emails, if_exists => "'truncate'", dry_run => 'true'), '23505',
	qr/clash on unique key person_email.*DETAIL:  \(lower\(email\)\)=\(b\@x\): source row \(id\)=\(11\) and source row \(id\)=\(12\).\n(?!.*target row)/s, 'truncate: only the rows of the source clash');
my $swap = make_sqlite("$tables INSERT INTO person VALUES (1, 'red', NULL, 'two\@x', NULL, 1), (2, 'red', NULL, 'four\@x', NULL, 1);", 'swap.db');
like(dry($swap, if_exists => "'upsert'"), qr/take over values of unique key person_email.*depending on their order/, 'upsert: a value that is handed on is said');
my $lacks = make_sqlite("CREATE TABLE person (id INTEGER PRIMARY KEY, age INT); INSERT INTO person VALUES (20, 1)", 'lacks.db');
like(dry($lacks, if_exists => "'append'"), qr/unique key person_email cannot be said before: the source lacks columns/, 'a key of columns that the source lacks is said');

$node->safe_psql($db, "CREATE FUNCTION app.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email := NULL; RETURN NEW; END'; CREATE TRIGGER stamp BEFORE INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.stamp()");
like(dry($emails, if_exists => "'append'", fire_triggers => 'true'), qr/triggers will fire before rows come and may change them/, 'triggers that will fire: nothing is foretold, and that is said');
$node->safe_psql($db, 'DROP TRIGGER stamp ON app.person');

$node->safe_psql($db, 'ALTER TABLE app.person ADD CONSTRAINT one_age UNIQUE (age, born) DEFERRABLE INITIALLY DEFERRED');
my $ages = make_sqlite("$tables INSERT INTO person VALUES (30, NULL, NULL, NULL, '2002-02-02', 2), (31, NULL, NULL, NULL, '2003-03-03', 5), (32, NULL, NULL, NULL, '2003-03-03', 5);", 'ages.db');
both_fail($ages, '23505', qr/clash on unique key one_age.*source row \(id\)=\(30\) and target row \(id\)=\(2\).*source row \(id\)=\(31\) and source row \(id\)=\(32\)/s,
	'a key that is deferred', if_exists => "'append'");
$node->safe_psql($db, 'ALTER TABLE app.person DROP CONSTRAINT one_age');

# -------------------------------------------------------------------------------- NULLs

my $nulls = make_sqlite("CREATE TABLE word (id INTEGER PRIMARY KEY, w TEXT, n INT); INSERT INTO word VALUES (1, 'a', 1), (2, NULL, NULL), (3, NULL, 2);", 'nulls.db');
$node->safe_psql($db, 'CREATE TABLE app.word (id int PRIMARY KEY, w text NOT NULL, n int NOT NULL)');
statement_fails($node, $db, 'SELECT * FROM ' . call($nulls, dry_run => 'true'), '23502',
	qr/2 columns of existing tables take no NULL.*Column w of table app.word takes no NULL, and 2 would come.\nColumn n of table app.word takes no NULL, and 1 would come/s,
	'the dry run names the columns that take no NULL');
statement_fails($node, $db, 'SELECT * FROM ' . call($nulls), '23502', qr/null value in column "w"/, 'the run fails with the first');
$node->safe_psql($db, 'DROP TABLE app.word; CREATE DOMAIN app.named AS text NOT NULL; CREATE TABLE app.word (id int PRIMARY KEY, w app.named, n int)');
both_fail($nulls, '23502', qr/column w of table app.word takes no NULL, and 2 would come/, 'NULL for a domain that takes none');
$node->safe_psql($db, 'DROP TABLE app.word');

# ------------------------------------------------------------------------------ orphans

my $orphans = make_sqlite(<<"SQL", 'orphans.db');
	$tables
	INSERT INTO team VALUES (3, 'green', 10), (4, 'gone', 99);
	INSERT INTO person VALUES (10, 'green', 12, 'a', '2024-02-29', 1), (11, 'none', 1, 'b', NULL, 1), (12, 'red', 1, 'c', NULL, 1),
		(13, 'gone', 1, 'd', NULL, 1), (14, 'blue', 13, 'e', NULL, 1), (15, 'blue', 14, 'f', NULL, 1), (16, NULL, 77, 'g', NULL, 1);
SQL
both_fail($orphans, '23503', qr/3 foreign keys of existing tables do not hold.*1 row of table app.team has no parent in table app.person/s,
	'rows without a parent', if_exists => "'append'");
is(dry($orphans, if_exists => "'append'", on_orphan => "'reject'") =~ s/\|\{.*//gr, "person|2|5\nteam|1|1",
	'the dry run counts those that are rejected, and those that lose their parents by that');
is(run($orphans, if_exists => "'append'", on_orphan => "'reject'"), "person|2|5|t\nteam|1|1|t", 'the run rejects as many');
is($node->safe_psql($db, 'SELECT string_agg(id::text, \' \' ORDER BY id) FROM app.person'), '1 2 3 10 12', 'the others are there');
is($node->safe_psql($db, 'SELECT bool_and(verified), string_agg(target_rows::text, \' \' ORDER BY source_table) FROM ' . call_sql('verify', $orphans, target_schema => "'app'")),
	't|2 1', 'verify() finds them among the seed rows by their keys');
$node->safe_psql($db, "UPDATE app.person SET age = 99 WHERE id = 2");
is($node->safe_psql($db, 'SELECT bool_and(verified) FROM ' . call_sql('verify', $orphans, target_schema => "'app'")), 't', 'what becomes of others does not matter');
$node->safe_psql($db, "UPDATE app.person SET age = 2 WHERE id = 2; UPDATE app.person SET born = '2024-03-01' WHERE id = 10");
is($node->safe_psql($db, 'SELECT source_table FROM ' . call_sql('verify', $orphans, target_schema => "'app'") . ' WHERE NOT verified'), 'person', 'a value that was changed is found');
$node->safe_psql($db, "UPDATE app.team SET lead = NULL; DELETE FROM app.person WHERE id = 10; UPDATE app.team SET lead = 1 WHERE id < 3");
is($node->safe_psql($db, "SELECT verified, source_rows, target_rows, notes::text ~ 'number of rows' FROM " . call_sql('verify', $orphans, target_schema => "'app'", method => "'count'") . " WHERE source_table = 'person'"),
	'f|7|1|t', 'and a row that is gone, by count too');
$node->safe_psql($db, 'TRUNCATE app.person, app.team; INSERT INTO app.team VALUES (1, \'red\', NULL), (2, \'blue\', NULL)');
$node->safe_psql($db, q(INSERT INTO app.person VALUES (1, 'red', NULL, 'One@x', '2001-01-01', 1), (2, 'blue', 1, 'two@x', '2002-02-02', 2), (3, 'blue', 1, 'three@x', NULL, 3); UPDATE app.team SET lead = 1));
is($node->safe_psql($db, $content), $seed, 'the seed rows are as at first');

# ------------------------------------------------------------ upsert keeps rows out before

my $mixed = make_sqlite(<<"SQL", 'mixed.db');
	$tables
	INSERT INTO team VALUES (1, 'red', 2), (2, 'blue', 50), (5, 'pink', 3);
	INSERT INTO person VALUES (1, 'pink', 1, 'new\@x', '2024-02-29T10:00:00+02:00', 100), (2, 'none', 1, 'x\@x', NULL, 200), (3, 'red', 1, 'y\@x', NULL, 'old'),
		(4, 'pink', 2, 'z\@x', NULL, 400), (5, 'red', 60, 'q\@x', NULL, 500), (6, 'red', 5, 'r\@x', NULL, 600);
SQL
my %reject = (if_exists => "'upsert'", on_orphan => "'reject'", on_misfit => "'reject'");
is(dry($mixed, %reject) =~ s/\|\{.*//gr, "person|2|4\nteam|2|1", 'upsert with reject: the dry run counts');
is(run($mixed, %reject), "person|2|4|t\nteam|2|1|t", 'the run does so, and verifies the rows that went');
is($node->safe_psql($db, 'SELECT id, team, boss, email, born, age FROM app.person ORDER BY id'),
	"1|pink|1|new\@x|2024-02-29 08:00:00|100\n2|blue|1|two\@x|2002-02-02 00:00:00|2\n3|blue|1|three\@x||3\n4|pink|2|z\@x||400",
	'rows that are kept out leave the rows of the target as they were');
is($node->safe_psql($db, 'SELECT id, code, lead FROM app.team ORDER BY id'), "1|red|2\n2|blue|1\n5|pink|3", 'in both tables');
is($node->safe_psql($db, "SELECT string_agg(source_table || source_rowid || ' ' || reason, '; ' ORDER BY source_table, source_rowid) FROM sqlite_mig.rejected_row"
		  . " WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration)"),
	q(person2 foreign key person_team_fkey: no parent in table app.team; person3 column age: text old does not read as type integer; )
	  . q(person5 foreign key person_boss_fkey: no parent in table app.person; person6 foreign key person_boss_fkey: no parent in table app.person; )
	  . q(team2 foreign key team_lead_fkey: no parent in table app.person), 'each is kept with its reason');
is($node->safe_psql($db, 'SELECT bool_and(verified), string_agg(target_rows::text, \' \' ORDER BY source_table) FROM ' . call_sql('verify', $mixed, target_schema => "'app'")),
	't|2 2', 'verify() passes over what was kept out');
is($node->safe_psql($db, "SELECT string_agg(source_table || verified, ' ' ORDER BY source_table) FROM sqlite_mig.migration_table WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration)"),
	'persontrue teamtrue', 'and so says the history');

# A row of the target that the source does not have loses its parent by an update.
$node->safe_psql($db, 'UPDATE app.team SET lead = NULL; TRUNCATE app.person, app.team');
$node->safe_psql($db, "INSERT INTO app.team VALUES (1, 'red', NULL); INSERT INTO app.person VALUES (1, 'red', NULL, 'a', NULL, 1)");
my $renamed = make_sqlite("$tables INSERT INTO team VALUES (1, 'crimson', NULL);", 'renamed.db');
statement_fails($node, $db, 'SELECT * FROM ' . call($renamed, %reject), '23503', qr/1 row of table app.person has no parent in table app.team/,
	'upsert: a row of the target that loses its parent is an error');

# ---------------------------------------------------------------- keys of every shape

$node->safe_psql($db, <<'SQL');
	CREATE EXTENSION citext;
	CREATE SCHEMA shapes;
	CREATE TABLE shapes."Order" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, f int REFERENCES shapes."Order", t text UNIQUE, shown text, k1 text, "a""b" text);
	CREATE TABLE shapes.two (who varchar(5), at timestamp, n numeric(4,1), note text DEFAULT 'd', PRIMARY KEY (who, at) INCLUDE (n));
	CREATE TABLE shapes.folded (name public.citext PRIMARY KEY, v int);
	CREATE TABLE shapes.uid (id uuid PRIMARY KEY, v int);
	CREATE TABLE shapes.part (id int, region text, v int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE shapes.part_n PARTITION OF shapes.part FOR VALUES IN ('n');
	CREATE TABLE shapes.part_d PARTITION OF shapes.part DEFAULT;
	CREATE TABLE shapes.keyonly (a int, b int, PRIMARY KEY (b, a));
	CREATE TABLE shapes.pair (x int, y int, PRIMARY KEY (x, y));
	CREATE TABLE shapes.child (id int PRIMARY KEY, x int, y int, FOREIGN KEY (x, y) REFERENCES shapes.pair MATCH FULL);
	INSERT INTO shapes."Order" OVERRIDING SYSTEM VALUE VALUES (1, NULL, 't2', 'x', 'x', 'x'), (9, NULL, 't9', 'x', 'x', 'x');
	INSERT INTO shapes.two VALUES ('a', '2024-01-01 08:00:00', 9), ('b', '2024-01-01', 8);
	INSERT INTO shapes.folded VALUES ('AB', 9), ('zz', 9);
	INSERT INTO shapes.part VALUES (1, 'n', 9), (2, 'n', 9);
	INSERT INTO shapes.keyonly VALUES (1, 1), (7, 7);
SQL
my $shapes = make_sqlite(<<'SQL', 'shapes.db');
	CREATE TABLE "Order" ("Id" INTEGER PRIMARY KEY, f INT, t TEXT, shown TEXT, k1 TEXT, "a""b" TEXT);
	INSERT INTO "Order" VALUES (1, 1, 't1', 's', 'k', 'q'), (2, 3, 't3', 's', 'k', 'q'), (3, 1, 't4', 's', 'k', 'q');
	CREATE TABLE two (at DATETIME, who TEXT, n NUMERIC, PRIMARY KEY (at, who));
	INSERT INTO two VALUES ('2024-01-01T10:00:00+02:00', 'a', 1), ('2024-01-01 09:00:00', 'A', 2);
	CREATE TABLE folded (name TEXT PRIMARY KEY, v INT);
	INSERT INTO folded VALUES ('Ab', 1), ('cd', 2);
	CREATE TABLE uid (id CHAR(32) PRIMARY KEY, v INT);
	INSERT INTO uid VALUES ('0b9a3f6e8d5c4d1e9f0a1b2c3d4e5f60', 1);
	CREATE TABLE part (id INTEGER PRIMARY KEY, region TEXT, v INT);
	INSERT INTO part VALUES (1, 'n', 1), (2, 's', 2);
	CREATE TABLE keyonly (a INT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
	INSERT INTO keyonly VALUES (1, 1), (1, 2);
	CREATE TABLE pair (x INT, y INT, PRIMARY KEY (x, y));
	INSERT INTO pair VALUES (1, 1);
	CREATE TABLE child (id INTEGER PRIMARY KEY, x INT, y INT);
	INSERT INTO child VALUES (1, 1, 1), (2, NULL, NULL), (3, 1, NULL);
SQL
foreach my $time ('first', 'second')
{
	my %report = map { $_->{source_table} => $_ } migrate($node, $db, $shapes, target_schema => "'shapes'", if_exists => "'upsert'", on_orphan => "'reject'");
	is(join(' ', map { "$_:$report{$_}{target_rows}:$report{$_}{rejected_rows}:$report{$_}{verified}" } sort keys %report),
		'Order:3:0:1 child:2:1:1 folded:2:0:1 keyonly:2:0:1 pair:1:0:1 part:2:0:1 two:2:0:1 uid:1:0:1', "keys of many shapes: upserted and verified, the $time time");
	like("@{ $report{folded}{notes} }", qr/1 key equal to one of the source but spelled otherwise stays as the target has it/, 'a key that is equal but not the same is said');
}
is($node->safe_psql($db, 'SELECT * FROM shapes.folded ORDER BY 1'), "AB|1\ncd|2\nzz|9", 'and never set');
is($node->safe_psql($db, 'SELECT * FROM shapes.two ORDER BY who COLLATE "C"'), "A|2024-01-01 09:00:00|2.0|d\na|2024-01-01 08:00:00|1.0|d\nb|2024-01-01 00:00:00|8.0|d", 'keys of two columns, in another order');
is($node->safe_psql($db, 'SELECT * FROM shapes.part ORDER BY 1, 2'), "1|n|1\n2|n|9\n2|s|2", 'in partitions');
is($node->safe_psql($db, 'SELECT count(*), bool_and(verified) FROM ' . call_sql('verify', $shapes, target_schema => "'shapes'")), '8|t', 'verify() agrees');

# --------------------------------------------------------------- keys that stay in place

$node->safe_psql($db, <<"SQL");
	TRUNCATE app.person, app.team;
	INSERT INTO app.team VALUES (1, 'red', NULL), (2, 'blue', NULL);
	INSERT INTO app.person VALUES (1, 'red', NULL, 'One\@x', '2001-01-01', 1);
	CREATE ROLE loader;
	CREATE SERVER orphans FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$orphans');
	GRANT USAGE ON FOREIGN SERVER orphans TO loader;
	GRANT USAGE ON SCHEMA app TO loader;
	GRANT SELECT, INSERT ON app.team, app.person TO loader;
SQL
is($node->safe_psql($db, 'SET ROLE loader; SELECT source_table, target_rows, rejected_rows, verified FROM '
		  . call('orphans', if_exists => "'append'", on_orphan => "'reject'") . ' ORDER BY 1'), "person|2|5|t\nteam|1|1|t",
	'a role that does not own the tables keeps rows without a parent out as well');
is($node->safe_psql($db, 'SELECT string_agg(id::text, \' \' ORDER BY id) FROM app.person'), '1 10 12', 'the others are there');

# ------------------------------------------------------------------ keys that are planned

my $new = make_sqlite(<<'SQL', 'new.db');
	CREATE TABLE grp (id INTEGER PRIMARY KEY, name TEXT);
	INSERT INTO grp VALUES (1, 'a'), (2, 'b');
	CREATE TABLE member (code TEXT PRIMARY KEY COLLATE NOCASE, grp INT REFERENCES grp, age INT) WITHOUT ROWID;
	INSERT INTO member VALUES ('x', 1, 10), ('Y', 2, 'old'), ('z', 3, 30), ('w', 4, 'older'), ('v', NULL, 50), ('u', '', 60), ('t', '2', 70);
	CREATE TABLE pet (id INTEGER PRIMARY KEY, owner TEXT REFERENCES member, weight REAL);
	INSERT INTO pet VALUES (1, 'x', 1), (2, 'X', 2), (3, 'Y', 3), (4, 'z', 4), (5, 'v', 'much'), (6, NULL, 6), (7, 't', 7), (8, 'u', 8);
	CREATE TABLE visit (rowid TEXT, oid TEXT, _rowid_ TEXT, pet INT REFERENCES pet, "who is" TEXT REFERENCES member);
	INSERT INTO visit VALUES ('a', 'a', 'a', 1, 'x'), ('a', 'a', 'a', 1, 'x'), ('b', 'b', 'b', 3, 'x'), ('c', 'c', 'c', 7, 'Y'), ('d', 'd', 'd', 5, NULL);
	CREATE TABLE node (id INTEGER PRIMARY KEY, up INT REFERENCES node, other INT REFERENCES grp, n INT);
	INSERT INTO node VALUES (1, NULL, 1, 1), (2, 1, 1, 'two'), (3, 2, 1, 3), (4, 3, 1, 4), (5, 9, 9, 5), (6, 5, 1, 6), (7, 1, 2, 7), (8, 8, 7, 8), (9, 'none', 1, 9);
	CREATE TABLE pair (a INT, b TEXT, PRIMARY KEY (a, b));
	INSERT INTO pair VALUES (1, 'p'), (2, 'q');
	CREATE TABLE half (id INTEGER PRIMARY KEY, a INT, b TEXT, FOREIGN KEY (a, b) REFERENCES pair);
	INSERT INTO half VALUES (1, 1, 'p'), (2, 1, 'q'), (3, NULL, 'r'), (4, 2, NULL), (5, '2', 'q');
SQL

# What each table gets and loses, and how many rows each foreign key finds without a parent,
# from a dry run and from the run, which must agree.
sub planned
{
	my ($file, $title, %args) = @_;
	my @both = map {
		my $dry_run = $_;
		$node->safe_psql($db, <<'END' . call_sql('migrate', $file, target_schema => "'new'", dry_run => $dry_run, %args) . ' ORDER BY 1')
			SELECT source_table, target_rows, rejected_rows,
			       (SELECT string_agg((regexp_match(n, '^Foreign key (.*?) to '))[1] || ' ' || (regexp_match(n, '(\d+) rows? without'))[1], ', ')
			        FROM unnest(notes) n WHERE n ~ '^Foreign key .* without a parent')
			FROM
END
	} 'true', 'false';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($both[0], $both[1], "$title: the dry run says as many rows as the run");
	$node->safe_psql($db, 'DROP SCHEMA new CASCADE') if !$args{if_exists};
	return $both[0];
}

is(planned($new, 'rejected by misfits and keys', on_misfit => "'reject'", on_orphan => "'reject'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
half|4|1|half_a_b_fkey 1
member|3|4|member_grp_fkey 1
node|2|7|node_up_fkey 4, node_other_fkey 1
pair|2|0|
pet|3|5|pet_owner_fkey 4
visit|2|3|visit_pet_fkey 2, "visit_who is_fkey" 1
END
is(planned($new, 'misfits NULL', on_misfit => "'null'", on_orphan => "'reject'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
half|4|1|half_a_b_fkey 1
member|5|2|member_grp_fkey 2
node|6|3|node_up_fkey 1, node_other_fkey 2
pair|2|0|
pet|6|2|pet_owner_fkey 2
visit|5|0|
END
is(planned($new, 'widened', on_orphan => "'reject'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
half|4|1|half_a_b_fkey 1
member|4|3|member_grp_fkey 3
node|5|4|node_up_fkey 2, node_other_fkey 2
pair|2|0|
pet|5|3|pet_owner_fkey 3
visit|5|0|
END
is(planned($new, 'kept', on_misfit => "'null'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
half|5|0|half_a_b_fkey 1
member|7|0|member_grp_fkey 2
node|9|0|node_other_fkey 2
pair|2|0|
pet|8|0|pet_owner_fkey 1
visit|5|0|
END
is(planned($new, 'empty text as NULL', on_orphan => "'reject'", types => q('{"member.grp": {"empty_as_null": true}}'), include => "'{grp,member,pet}'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
member|5|2|member_grp_fkey 2
pet|6|2|pet_owner_fkey 2
END

# Keys that are equal by their type's own operator.
is(planned($new, 'citext', on_misfit => "'null'", on_orphan => "'reject'", types => q('{"member.code": "public.citext", "pet.owner": "public.citext"}'), include => "'{grp,member,pet}'"),
	"grp|2|0|\nmember|5|2|member_grp_fkey 2\npet|7|1|pet_owner_fkey 1", 'x is the parent of X');

# Parents that are there already, those of another type among them.
$node->safe_psql($db, "CREATE SCHEMA new; CREATE TABLE new.grp (id bigint PRIMARY KEY, name text); INSERT INTO new.grp VALUES (3, 'c');"
	. " CREATE TABLE new.pair (a text, b text, PRIMARY KEY (a, b))");
is(planned($new, 'parents that are there', if_exists => "'append'", on_misfit => "'null'", on_orphan => "'reject'"), <<'END' =~ s/\n\z//r, 'as counted by hand');
grp|2|0|
half|5|0|
member|6|1|member_grp_fkey 1
node|6|3|node_up_fkey 1, node_other_fkey 2
pair|2|0|
pet|7|1|pet_owner_fkey 1
visit|5|0|
END
is($node->safe_psql($db, "SELECT string_agg(status, ' ') FROM sqlite_mig.migration_object WHERE kind = 'foreign key' AND source_table = 'half' AND migration_id = (SELECT max(id) FROM sqlite_mig.migration)"),
	'left_out', 'a key to a parent of another type is left out');

# A parent of a type that the child's goes to by itself.
$node->safe_psql($db, 'DROP SCHEMA new CASCADE; CREATE SCHEMA new; CREATE TABLE new.grp (id numeric PRIMARY KEY, name text); INSERT INTO new.grp VALUES (1), (3)');
foreach my $orphan ('reject', 'not_valid')
{
	is(planned($new, "a parent with numeric keys, $orphan", if_exists => "'skip'", on_misfit => "'null'", on_orphan => "'$orphan'", include => "'{grp,member}'") =~ s/^grp.*\n//r,
		$orphan eq 'reject' ? 'member|4|3|member_grp_fkey 3' : 'member|7|0|member_grp_fkey 3', 'as counted by hand');
	$node->safe_psql($db, 'DROP TABLE new.member');
}

# ------------------------------------------------------------------ more than work_mem

my $large = make_sqlite("$tables INSERT INTO person SELECT value, NULL, value, 'e' || value, NULL, 1 FROM generate_series(1000, 40000);", 'large.db');
$node->safe_psql($db, 'DROP SCHEMA shapes CASCADE; REVOKE ALL ON app.person, app.team FROM loader');
foreach my $dry_run ('true', 'false')
{
	is($node->safe_psql($db, "SET work_mem = '64kB'; SELECT target_rows FROM " . call($large, if_exists => "'upsert'", on_orphan => "'reject'", dry_run => $dry_run) . " WHERE source_table = 'person'"),
		39001, "keys that spill to disk (dry run: $dry_run)");
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/temporary file leak/, 'no file is left open');

# ---------------------------------------------------------- a database in another encoding

$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('latin', <<'SQL');
	CREATE EXTENSION sqlite_fdw_mig;
	CREATE SCHEMA app;
	CREATE TABLE app.kind (name varchar(3) PRIMARY KEY, v text, tags text[]);
	CREATE TABLE app.thing (id int PRIMARY KEY, kind text REFERENCES app.kind);
	INSERT INTO app.kind VALUES (U&'\00E4', 'old', NULL);
SQL
my $latin = make_sqlite(<<'SQL', 'latin.db');
	CREATE TABLE kind (name TEXT PRIMARY KEY, v TEXT, tags TEXT);
	INSERT INTO kind VALUES (char(228), char(233), '["' || char(252) || '",null]'), (char(246), 'x', 'null'), ('z', char(8364), '[]');
	CREATE TABLE thing (id INTEGER PRIMARY KEY, kind TEXT);
	INSERT INTO thing VALUES (1, char(228)), (2, 'z');
SQL
is($node->safe_psql('latin', 'SELECT source_table, target_rows, rejected_rows, verified FROM ' . call($latin, %reject) . ' ORDER BY 1'), "kind|2|1|t\nthing|1|1|t", 'LATIN1: upsert with reject');
is($node->safe_psql('latin', 'SELECT name = U&\'\00E4\', v = U&\'\00E9\', tags = ARRAY[U&\'\00FC\', NULL] FROM app.kind ORDER BY name LIMIT 1'), 't|t|t', 'LATIN1: keys, texts and arrays are converted');
is($node->safe_psql('latin', "SELECT row->'v' FROM sqlite_mig.rejected_row WHERE source_table = 'kind'"), '{"hex": "e282ac", "class": "text"}',
	'LATIN1: rejected text that the encoding lacks is kept as bytes');
is($node->safe_psql('latin', 'SELECT bool_and(verified) FROM ' . call_sql('verify', $latin, target_schema => "'app'")), 't', 'LATIN1: verify() agrees');

$node->stop;
done_testing();
