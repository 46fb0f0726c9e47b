# An app under Django moves, with auth, admin, contenttypes and sessions, and a model with
# every field type: manage.py migrate makes the schema on both sides, rows are written
# through the ORM into SQLite, migrated, read back through the ORM, and the next go in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use SqliteMig;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'needs python3-django, python3-psycopg2'
  if !IPC::Run::run([ $python, '-c', 'import django, psycopg2' ], '>', '/dev/null', '2>', '/dev/null');

my $node = new_cluster('django', 'fsync = off');
my $db = new_database($node, 'app');
my $file = PostgreSQL::Test::Utils::tempdir() . '/app.db';
my $sqlite = "sqlite:$file";
my $user = $node->safe_psql($db, 'SELECT current_user');
my $postgresql = join(':', 'postgresql', $node->host, $node->port, $db, $user);

sub app
{
	my ($command, $url) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	IPC::Run::run([ $python, "$FindBin::RealBin/orm/django_app.py", $command, $url ], '>', \$out, '2>', \$err)
	  or die "$command: $err";
	return $out;
}

# How many rows each table has.
sub row_counts
{
	return { map { split /\|/ } split /\n/, $node->safe_psql($db, "SELECT relname, (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1] FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'") };
}

app('migrate', $sqlite);
app('fill', $sqlite);
app('migrate', $postgresql);
my $expected = app('dump', $sqlite);
like($expected, qr/zoo.Animal .*'duration': datetime.timedelta\(days=-2, seconds=3600, microseconds=1\).*zoo.Bird/s, 'the app wrote rows into SQLite');

# manage.py migrate leaves rows in PostgreSQL, with ids of their own.
my $err = statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file), '42P07',
	qr/target tables exist and are not empty/, 'what manage.py filled is named');
like($err, qr/public.$_ holds \d+ rows/, "$_ among it") foreach qw(auth_permission django_content_type django_migrations);
my @tables = migrate($node, $db, $file, if_exists => "'truncate'");
is(join(' ', map { $_->{source_table} } grep { !$_->{verified} || $_->{status} ne 'loaded' } @tables), '', 'every table is loaded and verified');
is(scalar(@tables), sqlite($file, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"),
	'and none is missing');

is(app('dump', $postgresql), $expected, 'the ORM reads the same objects from PostgreSQL');
is($node->safe_psql($db, "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attname) FROM pg_attribute"
		  . " WHERE attrelid = 'zoo_animal'::regclass AND attname IN ('boolean', 'datetime', 'decimal', 'duration', 'ip', 'json', 'uuid')"),
	'boolean timestamp with time zone numeric(12,3) interval inet jsonb uuid', 'out of the types that its migrations made');
is($node->safe_psql($db, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND condeferred AND convalidated"),
	$node->safe_psql($db, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"), 'foreign keys are deferred and valid, as Django made them');
is((grep { $_->{source_table} eq 'zoo_animal' } @tables)[0]{sequence_value}, sqlite($file, "SELECT seq FROM sqlite_sequence WHERE name = 'zoo_animal'"),
	'ids count on from those of rows that are gone');
my $counts = row_counts();
eval { app('insert', $postgresql) };
is($@, '', 'the ORM inserts a new object into every table');
my $grown = row_counts();
is(join(' ', grep { $grown->{$_} <= $counts->{$_} } sort keys %$grown), 'django_migrations', 'and all tables but that of the migrations have grown');
eval { app('migrate', $postgresql) };
is($@, '', 'Django finds the schema up to date');

# A second time, onto what the app has written since.
@tables = eval { migrate($node, $db, $file, if_exists => "'upsert'") };
is(join(' ', map { $_->{source_table} } grep { !$_->{verified} } @tables), '', 'a second run by upsert is verified') or diag($@);
diag($@) if $@;

$node->stop;
done_testing();
