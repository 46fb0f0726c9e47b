# What expressions and SELECTs become: every case of translate_cases.txt is a view,
# read in SQLite and, migrated, in PostgreSQL.  The file is also the closed list:
# a function that the translator knows must have a case.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use PostgreSQL::Test::Utils;
use SqliteMig;
use Test::More;

my $node = new_cluster('translate', 'fsync = off');
my $db = new_database($node, 'cases');
my $cases = "$FindBin::RealBin/translate_cases.txt";
my $check = "$FindBin::RealBin/translate_check.py";
my $file = PostgreSQL::Test::Utils::tempdir() . '/cases.db';

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

sub run_check
{
	my ($what, @more) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $db;
	my $ok = IPC::Run::run([ 'python3', $check, $what, $cases, $file, @more ], \'', \$out, \$err);
	return ($ok, $out . $err);
}

# The list of functions, as the code has it.
my %known;
foreach my $source (qw(function.c aggregate.c))
{
	my $code = slurp_file("$FindBin::RealBin/../src/translate/$source");
	my ($table) = $source eq 'function.c' ? $code =~ /functions\[\] = \{(.*?)\n\};/s : $code;
	$known{$_}++ foreach $source eq 'function.c' ? $table =~ /\{"(\w+)",/g :
	  map { /"(\w+)"/g } $code =~ /\*const (?:aggregates|windows)\[\] = \{(.*?)\};/sg;
}
cmp_ok(scalar keys %known, '>', 50, 'the list of functions was found');
my $text = lc slurp_file($cases);
my @missing = grep { $text !~ /\b\Q$_\E\(/ && $_ ne 'string_agg' } sort keys %known;
is("@missing", '', 'every function of the closed list has a case');

my ($ok, $out) = run_check('make');
ok($ok, 'SQLite takes every case') or BAIL_OUT($out);
my @rows = migrate($node, $db, $file);
is(scalar(grep { $_->{verified} } @rows), scalar(@rows), 'the inputs are migrated and verified');
($ok, $out) = run_check('compare');
ok($ok, 'every case gives the same rows, or is refused where it may be') or diag($out);
note($out);

$node->stop;
done_testing();
