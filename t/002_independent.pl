# What was migrated needs nothing of the extension: DROP EXTENSION without CASCADE
# leaves it working, and a dump restores where the extension is not installed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('independent', 'fsync = off');
my $tempdir = PostgreSQL::Test::Utils::tempdir;

# The target as the catalogs tell it, without anything that names an OID.
my $definition = <<'SQL';
	SELECT format('%s %s.%s', c.relkind, c.relname, a.attname), format_type(a.atttypid, a.atttypmod),
	       a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
	UNION ALL
	SELECT conname, pg_get_constraintdef(oid), convalidated, '', conrelid::regclass::text
	FROM pg_constraint WHERE connamespace = 'public'::regnamespace
	UNION ALL
	SELECT indexname, indexdef, true, '', tablename FROM pg_indexes WHERE schemaname = 'public'
	ORDER BY 1, 2, 5
SQL

# Every row of every table, as one hash a table.
my $contents = <<'SQL';
	SELECT relname, (xpath('//h/text()', query_to_xml(format(
	       'SELECT count(*) || %L || coalesce(sum(hashtextextended(t::text, 0)), 0) AS h FROM public.%I t',
	       ' rows, sum ', relname), false, true, '')))[1]
	FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1
SQL

foreach my $name (qw(chinook.sqlite django_apps.db rails_campfire.db northwind.db sqlalchemy_core.db))
{
	(my $db = $name) =~ s/\W/_/g;
	new_database($node, $db);
	ok(migrate($node, $db, "$ENV{SFM_SAMPLE_DIR}/$name"), "$name migrates");

	my $before = $node->safe_psql($db, $definition);
	my $rows = $node->safe_psql($db, $contents);
	like($rows, qr/ rows, sum /, "$name: tables are there");
	my $dump = "$tempdir/$db.sql";
	$node->command_ok(
		[ 'pg_dump', '--no-owner', '--schema=public', '--no-sync', '-f', $dump, $db ],
		"$name: the schema can be dumped");

	$node->safe_psql($db, 'DROP EXTENSION sqlite_fdw_mig');
	is($node->safe_psql($db, $definition), $before, "$name: DROP EXTENSION changes no definition");
	is($node->safe_psql($db, $contents), $rows, "$name: DROP EXTENSION changes no row");
	is($node->safe_psql($db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'sqlite_mig'"),
		'0', "$name: schema sqlite_mig went with the extension");

	$node->safe_psql('postgres', "CREATE DATABASE ${db}_restored");
	$node->safe_psql("${db}_restored", 'DROP SCHEMA public');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', "${db}_restored", '-f', $dump ],
		"$name: the dump restores without the extension");
	is($node->safe_psql("${db}_restored", $definition), $before, "$name: restored definitions are the same");
	is($node->safe_psql("${db}_restored", $contents), $rows, "$name: restored rows are the same");
	unlike(slurp_file($dump), qr/sqlite_mig|sqlite_fdw_mig/, "$name: the dump does not name the extension");
}

# The next INSERT without an id works after DROP EXTENSION too.
is($node->safe_psql('chinook_sqlite', "INSERT INTO artist (name) VALUES ('new') RETURNING artistid"),
	sqlite(source_copy("$ENV{SFM_SAMPLE_DIR}/chinook.sqlite"), 'SELECT max(ArtistId) + 1 FROM Artist'),
	'INSERT without an id continues the sequence');

# CREATE, DROP and CREATE again leave nothing behind.
$node->safe_psql('postgres', 'CREATE DATABASE again');
my $everything = <<'SQL';
	SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace),
	       (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_depend),
	       (SELECT count(*) FROM pg_foreign_data_wrapper), (SELECT count(*) FROM pg_description),
	       (SELECT count(*) FROM pg_init_privs), (SELECT count(*) FROM pg_extension)
SQL
my $fresh = $node->safe_psql('again', $everything);
$node->safe_psql('again', 'CREATE EXTENSION sqlite_fdw_mig');
my $there = $node->safe_psql('again', $everything);
isnt($there, $fresh, 'the extension is there');
$node->safe_psql('again', 'DROP EXTENSION sqlite_fdw_mig');
is($node->safe_psql('again', $everything), $fresh, 'DROP EXTENSION leaves nothing behind');
$node->safe_psql('again', 'CREATE EXTENSION sqlite_fdw_mig');
is($node->safe_psql('again', $everything), $there, 'CREATE EXTENSION again');

$node->stop;
done_testing();
