# Into tables that are there: rows load in any order, and foreign keys, indexes and
# triggers are afterwards what they were (pg_dump says so); clashes and orphans are
# named; if_exists does what it says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use SqliteMig;
use Test::More;

my $node = new_cluster('existing', 'fsync = off');
my $db = new_database($node, 'existing');
my $tablespace = PostgreSQL::Test::Utils::tempdir();

# The definition of a schema, by pg_dump.
sub definition
{
	my ($schema) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $node->installed_command('pg_dump'), '-s', '-n', $schema, '-d', $node->connstr($db) ],
		'>', \$out, '2>', \$err) or die $err;
	$out =~ s/^\\(un)?restrict .*$//mg;
	return $out;
}

sub fails
{
	my ($file, $sqlstate, $message, $title, %args) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, %args), $sqlstate, $message, $title);
}

# ------------------------------------------------------------ order, and the same after

$node->safe_psql($db, "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
my $app = <<'SQL';
	CREATE SCHEMA app;
	CREATE TABLE app.team (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, lead bigint);
	CREATE TABLE app.person (id integer PRIMARY KEY, team_id bigint NOT NULL, boss integer, email varchar(40),
		bio text, score numeric(8,2), spare text DEFAULT 'none', born date NOT NULL DEFAULT '2000-01-01');
	ALTER TABLE app.team ADD CONSTRAINT "Led by" FOREIGN KEY (lead) REFERENCES app.person (id) DEFERRABLE INITIALLY DEFERRED;
	ALTER TABLE app.person ADD CONSTRAINT person_team FOREIGN KEY (team_id) REFERENCES app.team (id) ON DELETE CASCADE ON UPDATE RESTRICT;
	ALTER TABLE app.person ADD CONSTRAINT person_boss FOREIGN KEY (boss) REFERENCES app.person (id) MATCH FULL NOT VALID;
	COMMENT ON CONSTRAINT person_boss ON app.person IS 'who''s boss';
	CREATE INDEX "Bio" ON app.person (lower(bio) COLLATE "C" text_pattern_ops DESC NULLS LAST);
	ALTER INDEX app."Bio" ALTER COLUMN 1 SET STATISTICS 77;
	COMMENT ON INDEX app."Bio" IS 'it''s an index';
	CREATE INDEX person_score ON app.person USING btree (score) INCLUDE (boss) WITH (fillfactor = 55) TABLESPACE elsewhere;
	CREATE INDEX person_part ON app.person USING hash (email) WHERE score > 1;
	ALTER TABLE app.person CLUSTER ON person_score;
	CREATE UNIQUE INDEX person_email ON app.person (lower(email));
	ALTER TABLE app.person REPLICA IDENTITY USING INDEX person_pkey;
	CREATE TABLE app.badge (person_id integer REFERENCES app.person, n integer, PRIMARY KEY (person_id, n));
	CREATE TABLE app.other (person_id integer REFERENCES app.person);
	CREATE FUNCTION app.mark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.spare := ''fired''; RETURN NEW; END';
	CREATE TRIGGER plain BEFORE INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.mark();
	CREATE TRIGGER always BEFORE INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.mark();
	CREATE TRIGGER replica BEFORE INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.mark();
	CREATE TRIGGER off BEFORE INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.mark();
	ALTER TABLE app.person ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica, DISABLE TRIGGER off;
SQL
my $source = make_sqlite(<<'SQL', 'app.db');
	CREATE TABLE badge (person_id INTEGER, n INTEGER, PRIMARY KEY (person_id, n), FOREIGN KEY (person_id) REFERENCES person (id));
	CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT REFERENCES team, boss INT REFERENCES person,
		email VARCHAR, bio TEXT, score NUMERIC);
	CREATE TABLE team (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, lead INT REFERENCES person (id));
	INSERT INTO team VALUES (1, 'a', 2), (2, 'b', 1), (40, 'gone', NULL);
	DELETE FROM team WHERE id = 40;
	INSERT INTO person VALUES (1, 1, 3, 'X@y', 'b1', 1.5), (2, 2, 1, 'z@y', 'b2', 2.25), (3, 1, 3, NULL, NULL, NULL);
	INSERT INTO badge VALUES (3, 1), (1, 1), (1, 2);
SQL
$node->safe_psql($db, $app);
my $before = definition('app');
my @objects = ("SELECT string_agg(concat_ws(' ', indexrelid::regclass, indisclustered, indisreplident, (SELECT reltablespace FROM pg_class WHERE oid = indexrelid),"
	  . " (SELECT string_agg(attstattarget::text, ',') FROM pg_attribute WHERE attrelid = indexrelid)), ';' ORDER BY indexrelid::regclass::text)"
	  . " FROM pg_index WHERE indrelid = 'app.person'::regclass",
	"SELECT string_agg(conname || convalidated || condeferred, ';' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'app.person'::regclass");
my @were = map { $node->safe_psql($db, $_) } @objects;
my %by_name = map { $_->{source_table} => $_ } migrate($node, $db, $source, target_schema => "'app'");
is(join(' ', map { "$_:$by_name{$_}{status}:$by_name{$_}{target_rows}:$by_name{$_}{verified}" } sort keys %by_name),
	'badge:loaded:3:1 person:loaded:3:1 team:loaded:2:1', 'a cycle and a self-reference load');
is(definition('app'), $before, 'pg_dump sees no difference');
is(join("\n", map { $node->safe_psql($db, $_) } @objects), join("\n", @were),
	'tablespace, CLUSTER and REPLICA IDENTITY marks, statistics targets, NOT VALID are as before');
is($node->safe_psql($db, 'SELECT * FROM app.person ORDER BY id'),
	"1|1|3|X\@y|b1|1.50|none|2000-01-01\n2|2|1|z\@y|b2|2.25|none|2000-01-01\n3|1|3||||none|2000-01-01",
	'rows are there, with the defaults of columns that the source lacks, and no trigger fired');
is($by_name{team}{sequence_value}, 40, 'a GENERATED ALWAYS identity counts on from what SQLite counted');
is($node->safe_psql($db, "INSERT INTO app.team (name) VALUES ('new') RETURNING id"), "41", 'its next id is free');

# What is left where it is: a key of which a superuser switched off the triggers.
$node->safe_psql($db, 'TRUNCATE app.team CASCADE; ALTER TABLE app.badge DISABLE TRIGGER ALL');
my $disabled = 'SELECT string_agg(tgenabled::text, \'\' ORDER BY oid) FROM pg_trigger WHERE tgrelid = \'app.badge\'::regclass';
my $states = $node->safe_psql($db, $disabled);
migrate($node, $db, $source, target_schema => "'app'");
is($node->safe_psql($db, $disabled), $states, 'internal triggers that were switched off stay off');
$node->safe_psql($db, 'ALTER TABLE app.badge ENABLE TRIGGER ALL');

# fire_triggers
$node->safe_psql($db, 'TRUNCATE app.team CASCADE');
migrate($node, $db, $source, target_schema => "'app'", fire_triggers => 'true');
is($node->safe_psql($db, "SELECT count(*) FROM app.person WHERE spare = 'fired'"), '3', 'triggers fire when that is asked for');
is(definition('app'), $before, 'and are as they were');

# Locks: against everybody during a run, against writers alone when only looking.
my $locks = "SELECT string_agg(DISTINCT mode, ' ') FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'app.person'::regclass AND mode ~ 'Exclusive'";
$node->safe_psql($db, 'TRUNCATE app.team CASCADE');
like($node->safe_psql($db, "BEGIN; SELECT count(*) FROM " . call_sql('migrate', $source, target_schema => "'app'") . "; $locks; ROLLBACK"),
	qr/AccessExclusiveLock/, 'a run that takes indexes away locks the table against everybody');
is((split /\n/, $node->safe_psql($db, "BEGIN READ ONLY; SELECT count(*) FROM " . call_sql('migrate', $source, target_schema => "'app'", dry_run => 'true') . "; $locks; ROLLBACK"))[-1],
	'ShareRowExclusiveLock', 'a dry run lets readers in, and works in a read-only transaction');
like((split /\n/, $node->safe_psql($db, "BEGIN; SELECT count(*) FROM " . call_sql('script', $source, target_schema => "'app'") . "; $locks; ROLLBACK"))[-1],
	qr/^ShareRowExclusiveLock$/, 'script() does too');

# What script() prints does the same.
$node->safe_psql($db, 'TRUNCATE app.team CASCADE');
my $script = $node->safe_psql($db, "SELECT statement || ';' FROM " . call_sql('script', $source, target_schema => "'app'"));
like($script, qr/DROP CONSTRAINT person_team/, 'script() says what steps aside');
$node->safe_psql($db, $script);
is(definition('app'), $before, 'the script leaves all as it was');
is($node->safe_psql($db, 'SELECT (SELECT count(*) FROM app.person), (SELECT count(*) FROM app.badge), (SELECT count(*) FROM app.team)'),
	'3|3|2', 'and loads the rows');

# ------------------------------------------------------------------- unique clashes

my $content = "SELECT string_agg(p::text, ';' ORDER BY p.id) FROM app.person p";
my $was = $node->safe_psql($db, $content);
fails($source, '23505', qr/rows for table app.team clash on unique key team_pkey\n.*\(id\)=\(1\): source row and target row/s,
	'append onto the same rows names the key and the pairs', target_schema => "'app'", if_exists => "'append'");
fails($source, '42P07', qr/3 target tables exist and are not empty.*app.person holds 3 rows/s,
	'error names the tables and their rows', target_schema => "'app'");
my $many = make_sqlite(<<'SQL', 'many.db');
	CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, email TEXT);
	INSERT INTO person SELECT value, 1, 'P' || value || '@x' FROM generate_series(100, 111);
	INSERT INTO person VALUES (200, 1, 'new@x'), (201, 1, 'NEW@X');
SQL
$node->safe_psql($db, "INSERT INTO app.person (id, team_id, email) SELECT n, 1, 'p' || (n - 200) || '\@X' FROM generate_series(300, 311) n");
my $err = fails($many, '23505', qr/rows for table app.person clash on unique key person_email/,
	'a clash on an expression index', target_schema => "'app'", if_exists => "'append'");
like($err, qr/\(lower\(email::text\)\)=\(new\@x\): source row \(id\)=\(200\) and source row \(id\)=\(201\)/, 'two rows of the source are a pair');
like($err, qr/\(lower\(email::text\)\)=\(p100\@x\): source row \(id\)=\(100\) and target row \(id\)=\(300\)/, 'a source row and a target row are');
is(scalar(() = $err =~ /^(DETAIL:  )?\(lower/mg), 10, 'ten are listed');
like($err, qr/These are the first 10 of 13/, 'of thirteen');
$node->safe_psql($db, 'DELETE FROM app.person WHERE id >= 100');
is($node->safe_psql($db, $content), $was, 'nothing was changed');

# --------------------------------------------------------------------------- orphans

my $orphans = make_sqlite(<<'SQL', 'orphans.db');
	CREATE TABLE badge (person_id INTEGER, n INTEGER);
	CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, boss INT);
	INSERT INTO person VALUES (50, 1, 1), (51, 77, 1), (52, 78, 1), (53, 1, 99);
	INSERT INTO badge VALUES (50, 9), (51, 9), (52, 9), (1000, 9);
SQL
$err = fails($orphans, '23503', qr/2 foreign keys of existing tables do not hold/, 'orphans of validated keys are an error',
	target_schema => "'app'", if_exists => "'append'");
like($err, qr/2 rows of table app.person have no parent in table app.team \(foreign key person_team\)/, 'which names table, key and count');
like($err, qr/1 row of table app.badge has no parent in table app.person \(foreign key badge_person_id_fkey\)/, 'for each of them');
is($node->safe_psql($db, $content), $was, 'nothing was changed');
is(definition('app'), $before, 'nor the definitions');
my @rejected = migrate($node, $db, $orphans, target_schema => "'app'", if_exists => "'append'", on_orphan => "'reject'");
is(join(' ', map { "$_->{source_table}:$_->{target_rows}:$_->{rejected_rows}:$_->{verified}" } sort { $a->{source_table} cmp $b->{source_table} } @rejected),
	'badge:1:3:1 person:1:3:1', 'on_orphan => reject keeps them out, and those that they orphan');
my $boss = make_sqlite('CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, boss INT); INSERT INTO person VALUES (54, 1, 99), (55, 1, NULL);', 'boss.db');
my ($bossless) = migrate($node, $db, $boss, target_schema => "'app'", if_exists => "'append'");
like("$bossless->{target_rows} @{ $bossless->{notes} }", qr/^2 .*person_boss to app.person, which was NOT VALID, has 1 new row/,
	'without it a key that was NOT VALID takes them, with a note');
migrate($node, $db, make_sqlite('CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, boss INT); INSERT INTO person VALUES (56, 1, 98);', 'boss2.db'),
	target_schema => "'app'", if_exists => "'append'", on_orphan => "'reject'");
is($node->safe_psql($db, 'SELECT string_agg(id::text, \' \' ORDER BY id) FROM app.person WHERE id > 50'), '54 55', 'and with it leaves the orphans that were there');
is($node->safe_psql($db, "SELECT convalidated FROM pg_constraint WHERE conname = 'person_boss'"), 'f', 'and stays NOT VALID');
is($node->safe_psql($db, 'SELECT string_agg(source_table || source_rowid, \' \' ORDER BY source_table, source_rowid) FROM sqlite_mig.rejected_row WHERE source_table = \'person\''),
	'person51 person52 person53 person56', 'rejected rows are kept');
is(definition('app'), $before, 'the definitions are as before');

# ---------------------------------------------------------------------------- upsert

my $newer = make_sqlite(<<'SQL', 'newer.db');
	CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT, lead INT);
	CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, boss INT, email TEXT, bio TEXT, score NUMERIC);
	CREATE TABLE badge (person_id INTEGER, n INTEGER);
	INSERT INTO team VALUES (1, 'A', 1), (3, 'c', 1);
	INSERT INTO person VALUES (1, 3, 1, 'x@y', 'newer', 9), (60, 1, 1, 'new@y', 'new', 8);
	INSERT INTO badge VALUES (1, 1), (60, 1);
SQL
my @upserted = migrate($node, $db, $newer, target_schema => "'app'", if_exists => "'upsert'");
is(join(' ', map { "$_->{source_table}:$_->{target_rows}:$_->{verified}" } sort { $a->{source_table} cmp $b->{source_table} } @upserted),
	'badge:2:1 person:2:1 team:2:1', 'upsert is verified');
is($node->safe_psql($db, "SELECT id, team_id, email, bio, score, spare FROM app.person WHERE id IN (1, 2, 60) ORDER BY id"),
	"1|3|x\@y|newer|9.00|none\n2|2|z\@y|b2|2.25|none\n60|1|new\@y|new|8.00|none", 'rows are updated, inserted, or left alone');
is($node->safe_psql($db, 'SELECT id, name FROM app.team ORDER BY id'), "1|A\n2|b\n3|c", 'GENERATED ALWAYS ids too');
is($node->safe_psql($db, 'SELECT count(*) FROM app.badge WHERE person_id IN (1, 60)'), '3', 'and tables that are all key');
is(definition('app'), $before, 'the definitions are as before');
my $swap = make_sqlite("CREATE TABLE person (id INTEGER PRIMARY KEY, team_id INT, email TEXT); INSERT INTO person VALUES (2, 1, 'q\@y'), (61, 1, 'X\@Y');", 'swap.db');
$err = fails($swap, '23505', qr/rows for table app.person clash on unique key person_email/, 'a clash on another unique key is named',
	target_schema => "'app'", if_exists => "'upsert'");
like($err, qr/\(lower\(email::text\)\)=\(x\@y\): source row \(id\)=\(61\) and target row \(id\)=\(1\)/, 'with the pair');
is($node->safe_psql($db, 'SELECT email FROM app.person WHERE id = 2'), 'z@y', 'and nothing was changed');
my $no_key = make_sqlite("CREATE TABLE other (person_id INT); INSERT INTO other VALUES (1);", 'no_key.db');
fails($no_key, '42703', qr/Table app.other has no primary key/, 'upsert needs a primary key', target_schema => "'app'", if_exists => "'upsert'");

# -------------------------------------------------------------------- truncate, replace

$node->safe_psql($db, 'INSERT INTO app.other VALUES (1)');
fails($source, '0A000', qr/cannot truncate tables that others reference.*Table app.other references app.person \(foreign key other_person_id_fkey\)/s,
	'truncate names the tables that reference', target_schema => "'app'", if_exists => "'truncate'");
$node->safe_psql($db, 'DROP TABLE app.other');
my $without = definition('app');
is(join(' ', map { "$_->{source_table}:$_->{target_rows}:$_->{verified}" } sort { $a->{source_table} cmp $b->{source_table} }
		  migrate($node, $db, $source, target_schema => "'app'", if_exists => "'truncate'")),
	'badge:3:1 person:3:1 team:2:1', 'truncate empties tables that reference each other');
is(definition('app'), $without, 'the definitions are as before');

$node->safe_psql($db, <<'SQL');
	CREATE VIEW app.bosses AS SELECT DISTINCT boss FROM app.person;
	CREATE MATERIALIZED VIEW app.teams AS SELECT name FROM app.team;
	CREATE TABLE app.follower (person_id integer CONSTRAINT follows REFERENCES app.person, whole app.team);
SQL
$err = fails($source, '2BP01', qr/cannot replace tables that other objects need/, 'replace names what depends on the tables',
	target_schema => "'app'", if_exists => "'replace'");
like($err, qr/iew app.bosses needs app.person/, 'a view');
like($err, qr/aterialized view app.teams needs app.team/, 'a materialized view');
like($err, qr/onstraint follows on table app.follower needs app.person/, 'a foreign key');
like($err, qr/app.follower.* needs type app.team/, 'a column of its row type');
$node->safe_psql($db, 'DROP VIEW app.bosses; DROP MATERIALIZED VIEW app.teams; DROP TABLE app.follower; CREATE ROLE reads; GRANT SELECT ON app.person TO reads');
my @replaced = sort { $a->{source_table} cmp $b->{source_table} } migrate($node, $db, $source, target_schema => "'app'", if_exists => "'replace'");
is(join(' ', map { "$_->{source_table}:$_->{status}:$_->{verified}" } @replaced),
	'badge:replaced:1 person:replaced:1 team:replaced:1', 'without them tables that reference each other are replaced');
is($node->safe_psql($db, "SELECT has_table_privilege('reads', 'app.person', 'SELECT')"), 't', 'with their grants');
like("@{ $replaced[1]{notes} }", qr/Gone with the old table, and not made again: trigger always, trigger off, trigger plain, trigger replica\./, 'and a note of what is not made again');

# skip, and a second run after a failed first
is(join(' ', map { "$_->{source_table}:$_->{status}" } sort { $a->{source_table} cmp $b->{source_table} }
		  migrate($node, $db, $source, target_schema => "'app'", if_exists => "'skip'")),
	'badge:skipped person:skipped team:skipped', 'skip leaves them');
$node->safe_psql($db, "DROP SCHEMA app CASCADE; $app");
sqlite($source, "INSERT INTO badge VALUES (1000, 1)");
fails($source, '23503', qr/1 row of table app.badge has no parent/, 'a first run fails', target_schema => "'app'");
sqlite($source, 'DELETE FROM badge WHERE person_id = 1000');
is(scalar(grep { $_->{verified} } migrate($node, $db, $source, target_schema => "'app'")), 3, 'the second finds all as it was, and runs');
is(definition('app'), $before, 'the definitions are as before');

# ------------------------------------------------------------------- found first, all at once

my $homeless = make_sqlite('CREATE TABLE person (id INTEGER PRIMARY KEY, nick TEXT, email TEXT); CREATE TABLE badge (person_id INT);', 'homeless.db');
fails($homeless, '42703', qr/no column for "nick".*"team_id" of table app.person is required.*"n" of table app.badge is required/s,
	'columns without a home and required ones are one error', target_schema => "'app'", if_exists => "'append'");
fails($homeless, '42703', qr/^(?!.*nick)/s, '"skip" leaves a column out', target_schema => "'app'", if_exists => "'append'",
	types => q('{"person.nick": {"skip": true}}'));

is($node->safe_psql($db, 'SELECT count(*) FROM app.person'), 3, 'and the error is about the others alone');
$node->safe_psql($db, 'CREATE TABLE app.place (id int PRIMARY KEY, name text)');
my $place = make_sqlite("CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT, junk BLOB); INSERT INTO place VALUES (1, 'here', x'00');", 'place.db');
my ($skipped) = migrate($node, $db, $place, target_schema => "'app'", types => q('{"place.junk": {"skip": true}}'));
like("$skipped->{verified} @{ $skipped->{notes} }", qr/^1 .*Column junk is left out, as the argument "types" asks/, 'what is skipped is noted, and the rest is there');
is($node->safe_psql($db, "SELECT status, note FROM sqlite_mig.migration_object WHERE kind = 'column' AND name = 'junk'"),
	'left_out|The argument "types" skips it.', 'in the history too');

# -------------------------------------------- all that a table can have, in a tablespace

$node->safe_psql($db, <<'SQL');
	CREATE ROLE owner;
	CREATE SCHEMA all_of_it;
	CREATE TABLE all_of_it.badge (person_id int, n int);
	CREATE TABLE all_of_it.person (id int PRIMARY KEY USING INDEX TABLESPACE elsewhere, team_id int, boss int, email text, bio text, score numeric(10,2))
		WITH (fillfactor = 70, autovacuum_enabled = false) TABLESPACE elsewhere;
	CREATE UNLOGGED TABLE all_of_it.team (id int PRIMARY KEY, name text, lead int) TABLESPACE elsewhere;
	ALTER TABLE all_of_it.person ALTER score SET STATISTICS 33, ALTER bio SET STORAGE EXTERNAL, ALTER email SET COMPRESSION pglz;
	ALTER TABLE all_of_it.badge ADD CONSTRAINT badge_of FOREIGN KEY (person_id) REFERENCES all_of_it.person ON DELETE SET NULL (person_id) DEFERRABLE;
	CREATE STATISTICS all_of_it.dependent ON bio, score FROM all_of_it.person;
	CREATE INDEX words ON all_of_it.person USING gin (to_tsvector('english', bio)) WITH (fastupdate = off) TABLESPACE elsewhere;
	CREATE INDEX blocks ON all_of_it.person USING brin (score) WITH (pages_per_range = 8);
	CREATE INDEX boxes ON all_of_it.person USING gist (box(point(id, id), point(id, id)));
	CREATE UNIQUE INDEX nulls ON all_of_it.person (email, id) NULLS NOT DISTINCT;
	ALTER TABLE all_of_it.person ADD CONSTRAINT excluded EXCLUDE USING btree (id WITH =);
	ALTER TABLE all_of_it.person REPLICA IDENTITY FULL, OWNER TO owner, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY everything ON all_of_it.person USING (true);
	COMMENT ON INDEX all_of_it.blocks IS 'summaries';
	COMMENT ON CONSTRAINT badge_of ON all_of_it.badge IS 'who';
SQL
my $whole = definition('all_of_it');
my $relations = "SELECT string_agg(concat_ws(' ', relname, relowner::regrole, (SELECT spcname FROM pg_tablespace t WHERE t.oid = reltablespace), reloptions, relpersistence, relreplident, relrowsecurity, relforcerowsecurity), ';' ORDER BY relname)"
  . " FROM pg_class WHERE relnamespace = 'all_of_it'::regnamespace";
my $relations_before = $node->safe_psql($db, $relations);
like($relations_before, qr/person owner elsewhere \{fillfactor=70.*words owner elsewhere/, 'a table and an index in a tablespace');
my @tables = migrate($node, $db, $source, target_schema => "'all_of_it'");
is(scalar(grep { $_->{verified} } @tables), 3, 'tables with all that a table can have, logged and unlogged, are loaded');
is(definition('all_of_it'), $whole, 'pg_dump sees no difference');
is($node->safe_psql($db, $relations), $relations_before, 'nor do tablespaces, owners, options and marks differ');

# -------------------------------------------------- nothing is left for COMMIT to find

$node->safe_psql($db, <<"SQL");
	CREATE ROLE loader;
	CREATE SERVER orphans FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$orphans');
	CREATE SERVER source FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$source');
	GRANT USAGE ON FOREIGN SERVER orphans, source TO loader;
	CREATE SCHEMA later;
	GRANT USAGE ON SCHEMA later TO loader;
	CREATE TABLE later.team (id int PRIMARY KEY, name text, lead int);
	CREATE TABLE later.person (id int PRIMARY KEY, team_id int, boss int REFERENCES later.person DEFERRABLE INITIALLY DEFERRED, email text, bio text, score numeric);
	CREATE TABLE later.badge (person_id int REFERENCES later.person DEFERRABLE INITIALLY DEFERRED, n int, UNIQUE (person_id, n) DEFERRABLE INITIALLY DEFERRED);
	ALTER TABLE later.team ADD FOREIGN KEY (lead) REFERENCES later.person DEFERRABLE INITIALLY DEFERRED;
	GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA later TO loader;
SQL
statement_fails($node, $db, 'SET ROLE loader; BEGIN; SELECT * FROM ' . call_sql('migrate', 'orphans', target_schema => "'later'"),
	'23503', qr/violates foreign key constraint "person_boss_fkey"/, 'what is deferred is checked before the call returns');
is($node->safe_psql($db, 'SET ROLE loader; BEGIN; SELECT bool_and(verified) FROM ' . call_sql('migrate', 'source', target_schema => "'later'")
	  . '; INSERT INTO later.team VALUES (99, \'x\', NULL); COMMIT; SELECT count(*) FROM later.team'), "t\n3", 'and what follows in the transaction is committed with it');

$node->stop;
done_testing();
