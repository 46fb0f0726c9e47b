# Random SQLite files arrive whole: t/property.py makes them from seeds, migrates each
# with defaults and compares value by value with an independent reader.
#
# A failing test names its seed.  SFM_PROPERTY_SEED=seed repeats one (with
# SFM_PROPERTY_ROUNDS=n, n from there on), SFM_PROPERTY_KEEP=folder keeps the files
# of those that fail.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $seed = $ENV{SFM_PROPERTY_SEED} // 1;
my $rounds = $ENV{SFM_PROPERTY_ROUNDS} // ($ENV{SFM_PROPERTY_SEED} ? 1 : $ENV{SFM_LONG} ? 300 : 32);
my $node = new_cluster('property', 'fsync = off', 'client_min_messages = warning');
my $db = new_database($node, 'property');
foreach my $encoding (qw(LATIN1 SQL_ASCII))
{
	my $other = "${db}_" . lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $other ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($other, 'CREATE EXTENSION sqlite_fdw_mig');
}
my ($out, $err) = ('', '');
my $ended;

{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $db;
	local $ENV{TMPDIR} = PostgreSQL::Test::Utils::tempdir();
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	$ended = IPC::Run::run([ 'python3', "$FindBin::RealBin/property.py", $seed, $rounds ], \'', \$out, \$err);
}
pass_on($out);
like($out, qr/^1\.\.$rounds$/m, "all $rounds rounds ran") or diag($err);
ok($ended, 'and the program ended well');

$node->stop;
done_testing();
