# The hazards of moving from SQLite to PostgreSQL, one small file each: t/hazards/*.case,
# run by t/hazards.py, whose tests are passed on.  docs/hazards.md, which is made
# from the same cases, is up to date.
#
# SFM_HAZARD=81 runs the cases of that number alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('hazards', 'fsync = off');

foreach my $encoding (qw(UTF8 LATIN1 SQL_ASCII))
{
	my $db = 'hazards_' . lc $encoding;
	my $locale = $encoding eq 'UTF8' ? 'C.UTF-8' : 'C';

	$node->safe_psql('postgres',
		"CREATE DATABASE $db ENCODING '$encoding' LOCALE '$locale' TEMPLATE template0");
	$node->safe_psql($db, 'CREATE EXTENSION sqlite_fdw_mig');
}

my ($out, $err) = ('', '');
my $ended;
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{TMPDIR} = PostgreSQL::Test::Utils::tempdir();
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	$ended = IPC::Run::run([ 'python3', "$FindBin::RealBin/hazards.py", glob("$FindBin::RealBin/hazards/*.case") ],
		\'', \$out, \$err);
}
pass_on($out);
ok($ended && $out =~ /^1\.\.[1-9]/m, 'all cases ran') or diag($err);

$err = '';
ok( IPC::Run::run([ 'python3', "$FindBin::RealBin/../scripts/hazards-doc.py", '--check' ], \'', \$out, \$err),
	'docs/hazards.md is what scripts/hazards-doc.py makes') or diag($err);

$node->stop;
done_testing();
