# More locks than the server has room for: an error before anything moves, which
# names the value to set.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use SqliteMig;
use Test::More;

my $node = new_cluster('locks', 'max_locks_per_transaction = 10', 'max_connections = 10');
my $file = make_sqlite(
	join("\n", map { "CREATE TABLE t$_ (id INTEGER PRIMARY KEY, v TEXT UNIQUE);" } 1 .. 400),
	'many.db');
new_database($node, 'locks');

my $error = statement_fails($node, 'locks', 'SELECT * FROM ' . call_sql('migrate', $file),
	'53400', qr/migrating 400 tables needs about \d+ locks/,
	'too few locks are found beforehand');
like($error, qr/HINT:  Set max_locks_per_transaction to \d+ or more/, 'and the value to set is named');
nothing_left($node, 'locks', 'nothing was made');

my ($value) = $error =~ /max_locks_per_transaction to (\d+)/;
$node->append_conf('postgresql.conf', "max_locks_per_transaction = $value");
$node->restart;
is(scalar(migrate($node, 'locks', $file)), 400, 'with that value the same call works');

done_testing();
