# An app under SQLAlchemy and Alembic moves: alembic upgrade head makes the schema on both
# sides, rows are written through the ORM into SQLite, migrated, read back through the
# ORM from PostgreSQL, and the next ones go in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use SqliteMig;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'needs python3-sqlalchemy, python3-alembic, python3-psycopg2'
  if !IPC::Run::run([ $python, '-c', 'import sqlalchemy, alembic, psycopg2' ], '>', '/dev/null', '2>', '/dev/null');

my $node = new_cluster('sqlalchemy', 'fsync = off');
my $db = new_database($node, 'app');
my $file = PostgreSQL::Test::Utils::tempdir() . '/app.db';
my $sqlite = "sqlite:///$file";
my $user = $node->safe_psql($db, 'SELECT current_user');
my $postgresql = "postgresql+psycopg2://$user\@/$db?host=" . $node->host . '&port=' . $node->port;

sub app
{
	my ($command, $url) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	IPC::Run::run([ $python, "$FindBin::RealBin/orm/sqlalchemy_app.py", $command, $url ], '>', \$out, '2>', \$err)
	  or die "$command: $err";
	return $out;
}

# How many rows each table has.
sub row_counts
{
	return { map { split /\|/ } split /\n/, $node->safe_psql($db, "SELECT relname, (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1] FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'") };
}

app('upgrade', $sqlite);
app('fill', $sqlite);
app('upgrade', $postgresql);
my $expected = app('dump', $sqlite);
like($expected, qr/'allowance': datetime.timedelta\(days=-1, seconds=1, microseconds=5\).*Mood.HAPPY/s, 'the app wrote rows into SQLite');

# What the documentation says: a dry run, which names what holds rows already.
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, dry_run => 'true'), '42P07',
	qr/public.alembic_version holds 1 row/, "the dry run names the table that Alembic filled");
my @planned = migrate($node, $db, $file, dry_run => 'true', if_exists => "'truncate'");
is(join(' ', sort map { "$_->{source_table}:$_->{status}" } @planned),
	'account:planned alembic_version:planned membership:planned node:planned team:planned', 'with truncate it plans');
my @tables = migrate($node, $db, $file, if_exists => "'truncate'");
is(join(' ', map { $_->{source_table} } grep { !$_->{verified} || $_->{status} ne 'loaded' } @tables), '', 'every table is loaded and verified');
is($node->safe_psql($db, 'SELECT bool_and(verified) FROM ' . call_sql('verify', $file)), 't', 'verify() agrees later');

is(app('dump', $postgresql), $expected, 'the ORM reads the same objects from PostgreSQL');
is($node->safe_psql($db, "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attname) FROM pg_attribute"
		  . " WHERE attrelid = 'account'::regclass AND attname IN ('mood', 'allowance', 'uid', 'tags', 'active', 'balance')"),
	'boolean interval numeric(12,2) mood text[] uuid', 'out of the types that its migrations made');
my $counts = row_counts();
eval { app('insert', $postgresql) };
is($@, '', 'the ORM inserts a new object into every table');
my $grown = row_counts();
is(join(' ', grep { $grown->{$_} <= $counts->{$_} } sort keys %$grown), 'alembic_version', 'and all tables but that of the migrations have grown');
is($node->safe_psql($db, "SELECT count(*) FROM account"), '14', 'which is there');
eval { app('upgrade', $postgresql) };
is($@, '', 'Alembic finds the schema up to date');

$node->stop;
done_testing();
