# What script() prints, run by hand in psql, gives the same database as migrate().

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(basename);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('script', 'fsync = off');
my $tempdir = PostgreSQL::Test::Utils::tempdir;

# The target as pg_dump writes it: definitions in their order, rows in any.
sub dump_of
{
	my ($db) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'pg_dump', '--no-sync', '--schema=public', '-d', $node->connstr($db) ], '>', \$out, '2>', \$err)
	  or die $err;
	$out =~ s/^\\(un)?restrict .*\n//mg;
	$out =~ s{^(COPY [^\n]*\n)(.*?)^\\\.$}{$1 . join('', sort $2 =~ /.*\n/g) . '\.'}gmse;
	return $out;
}

my $number = 0;
foreach my $file (source_files())
{
	my $name = basename($file);
	my ($by_call, $by_hand) = ("call_$number", "hand_$number");
	$number++;
	new_database($node, $by_call);
	new_database($node, $by_hand);

	# Without the statements' own rows: what is compared is what they make.
	my $script = "$tempdir/$number.sql";
	append_to_file($script, $node->safe_psql($by_hand,
		'SELECT statement || CASE WHEN statement LIKE \'%;\' THEN \'\' ELSE \';\' END FROM '
		  . call_sql('script', $file) . ' ORDER BY step') . "\n");
	is(in_schema($node, $by_hand, 'public'), '', "$name: script() itself makes nothing");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr($by_hand), '-f', $script ],
		"$name: the script runs");

	migrate($node, $by_call, $file);
	ok(dump_of($by_hand) eq dump_of($by_call), "$name: and gives the same database as migrate()")
	  or do
	{
		append_to_file("$tempdir/$number.$_", dump_of($_)) foreach ($by_call, $by_hand);
		diag(`diff -U1 $tempdir/$number.$by_call $tempdir/$number.$by_hand | head -40`);
	};
	is($node->safe_psql($by_hand, "SELECT count(*) FROM pg_foreign_server UNION ALL "
		  . "SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public', 'sqlite_mig')"),
		"0\n0", "$name: nothing of the script's own is left");
	$node->safe_psql('postgres', "DROP DATABASE $_") foreach ($by_call, $by_hand);
}

$node->stop;
done_testing();
