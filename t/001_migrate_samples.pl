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

	# Each count and sequence of the report, by the sqlite3 program.
	my $counted = sqlite($copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'");
	my (@counts, @sequences);
	foreach my $table (@tables)
	{
		my $literal = literal($table->{source_table});
		(my $quoted = $table->{source_table}) =~ s/"/""/g;
		my $count = sqlite($copy, "SELECT count(*) FROM \"$quoted\"");
		push @counts, $table->{source_table}
		  if $count != $table->{source_rows} || $count != $table->{target_rows};

		next if !defined $table->{sequence_value};
		my $last = sqlite($copy, "SELECT max(0, coalesce((SELECT max(rowid) FROM \"$quoted\"), 0)"
			  . ($counted ? ", coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = $literal), 0)" : '') . ')');
		push @sequences, "$table->{source_table}: $table->{sequence_value} for $last"
		  if $last != $table->{sequence_value};
	}
	is(join(', ', @counts), '', "$name: the counts of the report are right");
	is(join(', ', @sequences), '', "$name: its sequences count on from where SQLite would");

	# The sequences themselves: what each would give next.
	my @next = rows($node, $db, q{
		SELECT m.source_table, m.sequence_value + 1 AS said, (xpath('//n/text()', query_to_xml(
		       'SELECT last_value + is_called::int AS n FROM ' || pg_get_serial_sequence(m.target_table, a.attname),
		       false, true, '')))[1]::text::bigint AS next
		FROM sqlite_mig.migration_table m
		JOIN pg_attribute a ON a.attrelid = m.target_table::regclass AND a.attidentity <> ''});
	is(scalar(@next), scalar(grep { defined $_->{sequence_value} } @tables), "$name: every sequence is in the report");
	is(join(', ', map { "$_->{source_table}: $_->{next}, not $_->{said}" } grep { $_->{next} != $_->{said} } @next),
		'', "$name: and the sequences are there");
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

$node->stop;
done_testing();
