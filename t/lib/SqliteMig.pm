# SqliteMig.pm: what the TAP tests share.
#
# A cluster with the extension in a database, the sqlite3 program to make source
# files, migrate() with its rows as Perl data, and the independent comparison.
# Expected values never come from here: they are written in the tests, or asked
# from the sqlite3 program and Python's sqlite3.

package SqliteMig;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  new_cluster new_database source_files source_copy sqlite make_sqlite
  literal call_sql migrate rows statement_fails compare_with_source
  nothing_left in_schema pass_on peak_private
);

# A started cluster; each further argument is a line for postgresql.conf.
sub new_cluster
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
	$node->append_conf('postgresql.conf', "$_\n")
	  foreach ('max_locks_per_transaction = 512', @conf);
	$node->start;
	return $node;
}

# A database with the extension in it.
sub new_database
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE \"$db\"");
	$node->safe_psql($db, 'CREATE EXTENSION sqlite_fdw_mig');
	return $db;
}

# The sample files, those of a shared folder that the checkout lacks included.
sub source_files
{
	my %found;

	foreach my $dir ($ENV{SFM_SHARED_DATA}, $ENV{SFM_SAMPLE_DIR})
	{
		next if !$dir;
		$found{ basename($_) } = $_ foreach glob("$dir/*.{db,sqlite,gpkg,mbtiles}");
	}
	return map { $found{$_} } sort keys %found;
}

# A copy of a file (and of its -wal) that a test may write to; returns its path.
sub source_copy
{
	my ($file, $name) = @_;
	my $copy = PostgreSQL::Test::Utils::tempdir() . '/' . ($name // basename($file));

	copy($file, $copy) or die "cannot copy $file: $!";
	if (-e "$file-wal")
	{
		copy("$file-wal", "$copy-wal") or die "cannot copy $file-wal: $!";
	}
	return $copy;
}

# Runs SQL by the sqlite3 program; returns what it prints, without the last newline.
sub sqlite
{
	my ($file, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'sqlite3', '-init', dirname(__FILE__) . '/sqlite3.init', '-batch', '-bail', $file ], \$sql, \$out, \$err)
	  or die "sqlite3: $err";
	chomp $out;
	return $out;
}

# A new file made from SQL; returns its path.
sub make_sqlite
{
	my ($sql, $name) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/' . ($name // 'source.db');

	sqlite($file, $sql);
	return $file;
}

# A string as an SQL literal; undef is NULL.
sub literal
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	$text =~ s/'/''/g;
	return "'$text'";
}

# A call of one of the functions: named arguments as SQL expressions.
sub call_sql
{
	my ($function, $source, %args) = @_;

	return "sqlite_mig.$function("
	  . join(', ', literal($source), map { "$_ => $args{$_}" } sort keys %args) . ')';
}

# The rows of a query, as hashes.
sub rows
{
	my ($node, $db, $query) = @_;
	my $out = $node->safe_psql($db, "SELECT to_json(q) FROM ($query) q");

	return map { JSON::PP::decode_json($_) } split /\n/, $out;
}

# migrate() with these arguments: its rows, or dies with the server's error.
sub migrate
{
	my ($node, $db, $source, %args) = @_;

	return rows($node, $db, 'SELECT * FROM ' . call_sql('migrate', $source, %args));
}

# A test that a statement fails with this SQLSTATE and a message like that.
sub statement_fails
{
	my ($node, $db, $sql, $sqlstate, $message, $title, %params) = @_;
	my ($rc, $out, $err) =
	  $node->psql($db, "\\set VERBOSITY verbose\n$sql", on_error_stop => 1, %params);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = ok($rc != 0 && $err =~ /ERROR:  \Q$sqlstate\E: / && $err =~ $message, $title);
	diag("expected $sqlstate and $message, got status $rc: " . ($err || $out)) if !$ok;
	return $err;
}

# Names of what is in a schema: relations, types and functions.
sub in_schema
{
	my ($node, $db, $schema) = @_;

	return $node->safe_psql($db, <<"SQL");
		SELECT relkind::text || ' ' || relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname = '$schema'
		UNION ALL SELECT 'function ' || proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		WHERE nspname = '$schema'
		ORDER BY 1
SQL
}

# A test that a failed call left nothing: no relation in public, no schema, server
# or history row of its own.
sub nothing_left
{
	my ($node, $db, $title) = @_;
	my $found = $node->safe_psql($db, <<'SQL');
		SELECT 'relation ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'sqlite_mig')
		UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
		WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public', 'sqlite_mig')
		UNION ALL SELECT 'server ' || srvname FROM pg_foreign_server
		UNION ALL SELECT 'run ' || id FROM sqlite_mig.migration
SQL

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($found, '', $title);
}

# The tests that a program printed as TAP, as tests of our own.
sub pass_on
{
	my ($tap) = @_;
	my ($good, $title, @said);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $line (split(/\n/, $tap), 'end')
	{
		if ($line =~ /^#(.*)/)
		{
			push @said, $1;
			next;
		}
		ok($good, $title) or diag(join("\n", @said)) if defined $title;
		Test::More->builder->skip($1) if $line =~ /^ok \d+ # SKIP (.*)/;
		($good, $title, @said) = $line =~ /^(not )?ok \d+ - (.*)/ ? (!$1, $2) : ();
	}
}

# A test that compare.py finds no difference between a file and a schema.
sub compare_with_source
{
	my ($node, $db, $file, $title, $schema) = @_;
	my $program = dirname(dirname(__FILE__)) . '/compare.py';
	my ($out, $err) = ('', '');
	my $ok;

	{
		local $ENV{PGHOST} = $node->host;
		local $ENV{PGPORT} = $node->port;
		local $ENV{PGDATABASE} = $db;
		local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
		$ok = IPC::Run::run([ 'python3', $program, '--schema', $schema // 'public', $file ],
			\'', \$out, \$err);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($ok, $title) or diag($out . $err);
	note($out) if $ok;
	return $ok;
}

# What a process has in memory less what it shares with others, in kB.  Needs /proc.
sub private_memory
{
	my ($pid) = @_;
	my ($anonymous) = (eval { slurp_file("/proc/$pid/status") } // '') =~ /^RssAnon:\s+(\d+) kB/m;

	return $anonymous // 0;
}

# The background worker that reads the file for a backend; 0: none.
sub reader_of
{
	my ($pid) = @_;

	foreach my $name (glob '/proc/[0-9]*/cmdline')
	{
		return $name =~ /(\d+)/ ? $1 : 0 if (eval { slurp_file($name) } // '') =~ /sqlite_fdw_mig reader for PID $pid\b/;
	}
	return 0;
}

# The greatest private memory of a backend, and of its reader, while it runs one call,
# in kB, sampled while the call goes on.  A test that the call succeeds, or that it
# fails with this error.
sub peak_private
{
	my ($node, $db, $sql, $title, $error) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $psql = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($db) ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timer(600));
	my ($peak, $reader, $samples) = (0, 0, 0);

	$title //= 'memory';
	$in .= "SET client_min_messages = warning; SELECT pg_backend_pid();\n";
	$psql->pump until $out =~ /^(\d+)\n/;
	my $pid = $1;
	$in .= "$sql;\n\\echo finished\n";
	until ($out =~ /^finished$/m)
	{
		$psql->pump_nb;
		$reader ||= reader_of($pid) if $samples++ % 10 == 0;
		my $now = private_memory($pid) + ($reader ? private_memory($reader) : 0);
		$peak = $now if $now > $peak;
		select(undef, undef, undef, 0.005);
	}
	$in .= "\\q\n";
	$psql->finish;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$error ? like($err, $error, "$title: the error is the one expected") : is($err, '', "$title: the call succeeds");
	note("$title: $peak kB" . ($reader ? ', with its reader' : ''));
	return $peak;
}

1;
