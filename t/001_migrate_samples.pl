# Each sample database, migrated with defaults, arrives whole: every table is
# verified, and an independent reader of both sides finds no difference in any
# value, key, index and foreign key.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Basename qw(basename);
use SqliteMig;
use Test::More;

my $node = new_cluster('samples', 'fsync = off');
my $number = 0;

foreach my $file (source_files())
{
	my $name = basename($file);
	my $db = new_database($node, 'sample_' . ++$number);
	my @tables = eval { migrate($node, $db, $file) };

	if ($@)
	{
		fail("$name migrates");
		diag($@);
		next;
	}
	my $copy = source_copy($file, "$number.db");
	is(scalar(@tables), sqlite($copy, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
		  . "AND type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"), "$name: every table is in the report");
	is(join(', ', map { $_->{source_table} } grep { !$_->{verified} } @tables),
		'', "$name: every table is verified");
	compare_with_source($node, $db, $file, "$name: the independent comparison agrees");

	# Each count of the report, by the sqlite3 program.
	my @wrong;
	foreach my $table (@tables)
	{
		(my $quoted = $table->{source_table}) =~ s/"/""/g;
		my $count = sqlite($copy, "SELECT count(*) FROM \"$quoted\"");
		push @wrong, $table->{source_table}
		  if $count != $table->{source_rows} || $count != $table->{target_rows};
	}
	is(join(', ', @wrong), '', "$name: the counts of the report are right");
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

$node->stop;
done_testing();
