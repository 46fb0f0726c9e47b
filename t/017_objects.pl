# Schema objects keep their meaning: views row for row, CHECKs and index predicates
# by the rows that satisfy them, generated columns and defaults by what they give.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('objects', 'fsync = off');
my $db = new_database($node, 'objects');
my $compare = "$FindBin::RealBin/compare_objects.py";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

# Every sample file, compared by a program that knows nothing of the translator.
my ($taken, $left_out) = (0, 0);
foreach my $file (source_files())
{
	my $schema = basename($file);
	my ($out, $err) = ('', '');

	$schema =~ s/\W/_/g;
	migrate($node, $db, $file, target_schema => literal($schema));
	{
		local $ENV{PGHOST} = $node->host;
		local $ENV{PGPORT} = $node->port;
		local $ENV{PGDATABASE} = $db;
		my $ok = IPC::Run::run([ 'python3', $compare, '--schema', $schema, $file ], \'', \$out, \$err);
		ok($ok, basename($file) . ': views, checks and predicates mean the same') or diag($out . $err);
	}
	$out =~ /^(\d+) taken over, (\d+) left out/m or next;
	$taken += $1;
	$left_out += $2;
	note("$schema: $_") foreach grep { /^left out/ } split /\n/, $out;
}
note(sprintf('%d objects taken over, %d left out: %.1f%%', $taken, $left_out,
		100 * $left_out / ($taken + $left_out || 1)));
cmp_ok($left_out, '<', 0.05 * ($taken + $left_out), 'less than 5% of the objects are left out');

# One of each kind, with what its name promises.
my $file = make_sqlite(<<'SQL', 'kinds.db');
CREATE TABLE kinds (
	id INTEGER PRIMARY KEY,
	name TEXT COLLATE NOCASE CHECK (length(name) < 20),
	price NUMERIC CONSTRAINT price_positive CHECK (price > 0),
	active BOOLEAN NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
	deleted_at DATETIME,
	made DATETIME DEFAULT (datetime('now')),
	stamp INTEGER DEFAULT (strftime('%s', 'now')),
	seconds INTEGER DEFAULT (unixepoch()),
	day DATE DEFAULT (date('now')),
	code TEXT DEFAULT (lower(hex(randomblob(16)))),
	data JSON CHECK (json_valid(data) OR data IS NULL),
	ref UUID DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
		|| '-' || substr('89ab', abs(random()) % 4 + 1, 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
	twice INTEGER GENERATED ALWAYS AS (id * 2) STORED,
	four INTEGER AS (twice * 2) VIRTUAL,
	later TEXT AS (strftime('%Y', made)),
	kind TEXT CHECK (typeof(kind) = 'text' OR kind IS NULL),
	CHECK (id > 0 OR name = "nobody")
);
CREATE UNIQUE INDEX kinds_live ON kinds (name) WHERE deleted_at IS NULL;
CREATE INDEX kinds_lower ON kinds (lower(name), price DESC);
CREATE INDEX kinds_year ON kinds (strftime('%Y', made));
INSERT INTO kinds (id, name, price, data, kind) VALUES (1, 'one', 1.5, '{"a": 1}', 'x'), (2, 'Two', 2, NULL, NULL);
PRAGMA ignore_check_constraints = 1;
INSERT INTO kinds (id, name, price) VALUES (3, 'cheap', -1);
CREATE VIEW top AS SELECT * FROM middle WHERE price > 1;
CREATE VIEW middle AS SELECT id, name, price, active FROM kinds WHERE active;
CREATE VIEW broken AS SELECT no_such FROM kinds;
CREATE VIEW above_broken AS SELECT * FROM broken;
SQL

migrate($node, $db, $file, target_schema => "'kinds'");
my $objects = <<'SQL';
	SELECT kind, name, status FROM sqlite_mig.migration_object
	WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration)
SQL
is($node->safe_psql($db, "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c'
		AND conrelid = 'kinds.kinds'::regclass ORDER BY conname"),
	join("\n", 'kinds_check|t', 'kinds_kind_check|t', 'kinds_name_check|t', 'price_positive|f'),
	'checks: names are kept, one that rows break is NOT VALID, those that types imply are none');
is($node->safe_psql($db, "SELECT status FROM ($objects) o WHERE kind = 'check' GROUP BY status"),
	'translated', 'every check is taken over');
is($node->safe_psql($db, "SELECT attname, attgenerated FROM pg_attribute WHERE attrelid = 'kinds.kinds'::regclass
		AND attname IN ('twice', 'four', 'later') ORDER BY attnum"),
	join("\n", 'twice|s', 'four|s', 'later|'), 'generated columns: chained, and one that is not immutable is plain');
is($node->safe_psql($db, "SELECT indexname FROM pg_indexes WHERE schemaname = 'kinds' AND tablename = 'kinds' ORDER BY 1"),
	join("\n", 'kinds_live', 'kinds_lower', 'kinds_pkey'), 'indexes: partial, and over an expression');
like($node->safe_psql($db, "SELECT pg_get_indexdef('kinds.kinds_live'::regclass)"),
	qr/UNIQUE.*lower.*WHERE \(deleted_at IS NULL\)/, 'the partial unique index is partial');
is($node->safe_psql($db, 'SELECT id, name FROM kinds.top ORDER BY id'), sqlite($file, 'SELECT id, name FROM top ORDER BY id'),
	'a view that stands before the one it reads');
is($node->safe_psql($db, "SELECT name FROM ($objects) o WHERE kind = 'view' AND status = 'left_out' ORDER BY name"),
	"above_broken\nbroken", 'a view over what is not there is left out, and the one above it');

$node->safe_psql($db, "INSERT INTO kinds.kinds (name, price) VALUES ('new', 3)");
is($node->safe_psql($db, "SELECT id, active, four, code ~ '^[0-9a-f]{32}\$', ref IS NOT NULL, day = (now() AT TIME ZONE 'UTC')::date,
		abs(stamp - extract(epoch FROM now())) < 60, abs(seconds - extract(epoch FROM now())) < 60,
		abs(extract(epoch FROM made - (now() AT TIME ZONE 'UTC'))) < 60 FROM kinds.kinds WHERE name = 'new'"),
	'4|t|16|t|t|t|t|t|t', 'defaults give what SQLite gives');
statement_fails($node, $db, "INSERT INTO kinds.kinds (name, price) VALUES ('NEW', 1)", '23505', qr/kinds_live/,
	'the partial unique index folds case');
statement_fails($node, $db, "INSERT INTO kinds.kinds (name, price) VALUES ('free', 0)", '23514', qr/price_positive/,
	'a NOT VALID check holds for new rows');
statement_fails($node, $db, "INSERT INTO kinds.kinds (name, price) VALUES ('a name that is much too long', 1)", '23514',
	qr/kinds_name_check/, 'a check over a function');
$node->safe_psql($db, "UPDATE kinds.kinds SET deleted_at = now() WHERE name = 'new'");
ok($node->safe_psql($db, "INSERT INTO kinds.kinds (name, price) VALUES ('NEW', 1) RETURNING id"),
	'a row outside of the predicate does not count');

# From PostgreSQL 18 on NOT NULLs have names, which a constraint of the source may have, too.
my $named = make_sqlite('CREATE TABLE named (id INTEGER PRIMARY KEY, a INT NOT NULL, CONSTRAINT named_a_not_null CHECK (a > 0),'
	  . ' CONSTRAINT named_id_not_null FOREIGN KEY (a) REFERENCES named); INSERT INTO named VALUES (1, 1);', 'named.db');
migrate($node, $db, $named, target_schema => "'named'");
is($node->safe_psql($db, "SELECT string_agg(contype, '' ORDER BY contype) FROM pg_constraint WHERE conrelid = 'named.named'::regclass AND contype IN ('c', 'f', 'p')"),
	'cfp', 'constraints with the names of NOT NULLs');

# What a dry run and a script say of generated columns is what the run then does: here one
# gives other values than SQLite has, as the file was written under another expression.
my $stale = make_sqlite(<<'SQL', 'stale.db');
PRAGMA writable_schema = ON;
CREATE TABLE stale (id INTEGER PRIMARY KEY, a INT, b INT AS (a + 1) STORED, c INT AS (a * 3) STORED, data JSON,
	name TEXT AS (json_extract(data, '$.name')), size INT AS (data ->> '$.size'), wide VARCHAR(3));
INSERT INTO stale (id, a, data, wide) VALUES (1, 1, '{"name": "x", "size": 7}', 'abcdef'), (2, 2, '{"name": 5}', NULL);
UPDATE sqlite_schema SET sql = replace(sql, 'a + 1', 'a + 2') WHERE name = 'stale';
SQL
my ($planned) = migrate($node, $db, $stale, target_schema => "'stale'", dry_run => 'true');
like(join(' ', @{ $planned->{notes} }), qr/Left out: generated column b.*another value in 2 rows/, 'a dry run compares generated columns');
my $script = $node->safe_psql($db, 'SELECT statement FROM ' . call_sql('script', $stale, target_schema => "'stale'") .
	  " s WHERE statement LIKE 'CREATE TABLE%'");
like($script, qr/\bb bigint,.*\bc bigint GENERATED/, 'and so does a script');
migrate($node, $db, $stale, target_schema => "'stale'");
is($node->safe_psql($db, "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = 'stale.stale'::regclass AND attgenerated = 's'"),
	'c name size', 'the run does the same');
is($node->safe_psql($db, 'SELECT id, b, c, name, size FROM stale.stale ORDER BY id'),
	sqlite($stale, 'SELECT id, b, c, name, size FROM stale ORDER BY id'), 'the values are those of SQLite');
is($node->safe_psql($db, "SELECT status FROM ($objects) o WHERE kind = 'column' AND name = 'wide'"), 'migrated',
	'a length that SQLite never kept is no translation');

$node->stop;
done_testing();
