# Every kind of table that PostgreSQL can insert into is a target: partitioned ones,
# foreign partitions in another server included, inherited, unlogged ones, those under
# row-level security; for owners, other roles, and superusers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run ();
use SqliteMig;
use Test::More;

my $node = new_cluster('kinds', 'fsync = off');
my $far = new_cluster('far', 'fsync = off');
my $db = new_database($node, 'kinds');

sub definition
{
	my ($schema) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $node->installed_command('pg_dump'), '-s', '-n', $schema, '-d', $node->connstr($db) ],
		'>', \$out, '2>', \$err) or die $err;
	$out =~ s/^\\(un)?restrict .*$//mg;
	return $out;
}

my $file = make_sqlite(<<'SQL', 'orders.db');
	CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, referrer INT REFERENCES customer);
	CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customer, placed DATETIME, region TEXT, total NUMERIC);
	INSERT INTO customer SELECT value, 'c' || value, 1 + (value * 7) % 100 FROM generate_series(1, 100);
	INSERT INTO orders SELECT value, 1 + (value * 13) % 100, datetime('2023-12-30', value || ' hours'),
		CASE value % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'south' WHEN 2 THEN 'else' END, value / 4.0 FROM generate_series(1, 400);
SQL
chmod 0644, $file;
my $sum = "SELECT count(*) || '|' || sum(id) || '|' || total(customer_id) || '|' || sum(total) || '|' || count(region) FROM orders";
my $counted = sqlite($file, $sum);
$counted =~ s/\.0(?=\||$)//g;

sub loaded_right
{
	my ($schema, $title, %args) = @_;
	my @report = eval { migrate($node, $db, $file, target_schema => "'$schema'", %args) };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', map { "$_->{source_table}:$_->{target_rows}:$_->{verified}" } sort { $a->{source_table} cmp $b->{source_table} } @report),
		'customer:100:1 orders:400:1', "$title: loaded and verified") or diag($@);
	is($node->safe_psql($db, "SELECT count(*) || '|' || sum(id) || '|' || sum(customer_id) || '|' || trim_scale(sum(total)) || '|' || count(region) FROM $schema.orders"),
		$counted, "$title: the rows are SQLite's");
	return @report;
}

my %orders = (
	hash => 'PARTITION BY HASH (id)',
	range => 'PARTITION BY RANGE (placed)',
	list => 'PARTITION BY LIST (region)');
my %parts = (
	hash => join(';', map { "CREATE TABLE hash.o$_ PARTITION OF hash.orders FOR VALUES WITH (MODULUS 3, REMAINDER $_)" } 0 .. 2),
	range => "CREATE TABLE range.early PARTITION OF range.orders FOR VALUES FROM (MINVALUE) TO ('2024-01-01');"
	  . "CREATE TABLE range.late PARTITION OF range.orders FOR VALUES FROM ('2024-01-01') TO ('2024-01-10') PARTITION BY HASH (id);"
	  . "CREATE TABLE range.late0 PARTITION OF range.late FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
	  . "CREATE TABLE range.rest PARTITION OF range.orders DEFAULT",
	list => "CREATE TABLE list.north PARTITION OF list.orders FOR VALUES IN ('north', NULL);"
	  . "CREATE TABLE list.rest (total numeric(10,2), region text, dropped int, placed timestamp, customer_id int CONSTRAINT other_name REFERENCES list.customer, id int NOT NULL);"
	  . "ALTER TABLE list.rest DROP COLUMN dropped; ALTER TABLE list.orders ATTACH PARTITION list.rest DEFAULT");
foreach my $kind (sort keys %orders)
{
	$node->safe_psql($db, <<"SQL");
		CREATE SCHEMA $kind;
		CREATE TABLE $kind.customer (id int PRIMARY KEY, name varchar(20), referrer int REFERENCES $kind.customer);
		CREATE TABLE $kind.orders (id int NOT NULL, customer_id int REFERENCES $kind.customer, placed timestamp, region text, total numeric(10,2)) $orders{$kind};
		CREATE INDEX ON $kind.orders (customer_id);
		$parts{$kind};
		CREATE FUNCTION $kind.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.total := -1; RETURN NEW; END';
		CREATE TRIGGER stamp BEFORE INSERT ON $kind.orders FOR EACH ROW EXECUTE FUNCTION $kind.stamp();
SQL
	my $before = definition($kind);
	my @report = loaded_right($kind, "partitioned by $kind");
	ok((grep { $_->{source_table} eq 'orders' } @report)[0]{target_bytes} >= 400 * 24, "partitioned by $kind: the size is that of the partitions");
	is(definition($kind), $before, "partitioned by $kind: pg_dump sees no difference, names of partitions' constraints included");
	is($node->safe_psql($db, "SELECT count(DISTINCT tableoid) > 1 FROM $kind.orders"), 't', "partitioned by $kind: rows are in several partitions");
	loaded_right($kind, "partitioned by $kind, again", if_exists => "'truncate'");
}
$node->safe_psql($db, 'ALTER TABLE hash.orders ADD PRIMARY KEY (id)');
loaded_right('hash', 'upsert into partitions', if_exists => "'upsert'");
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'hash'", include => "'{orders}'", if_exists => "'append'"),
	'23505', qr/rows for table hash.orders clash on unique key orders_pkey\n.*\(id\)=\(1\): source row and target row/s, 'a clash in a partition names the table and its key');

# A parent that partitions reference.
$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA up;
	CREATE TABLE up.customer (id int PRIMARY KEY, name text, referrer int) PARTITION BY HASH (id);
	CREATE TABLE up.c0 PARTITION OF up.customer FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE up.c1 PARTITION OF up.customer FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	ALTER TABLE up.customer ADD FOREIGN KEY (referrer) REFERENCES up.customer DEFERRABLE;
	CREATE TABLE up.orders (id int PRIMARY KEY, customer_id int REFERENCES up.customer, placed timestamp, region text, total numeric(10,2));
SQL
my $up = definition('up');
my $keys = "SELECT string_agg(concat_ws(' ', conname, conrelid::regclass, confrelid::regclass, condeferrable), ';' ORDER BY conname, conrelid::regclass::text, confrelid::regclass::text) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'up'::regnamespace";
my $keys_before = $node->safe_psql($db, $keys);
loaded_right('up', 'a partitioned parent that references itself');
is(definition('up'), $up, 'a partitioned parent: pg_dump sees no difference');
is($node->safe_psql($db, $keys), $keys_before, 'a partitioned parent: the foreign keys of its partitions have their names');

# Inheritance: what inherits from a target is not the target.
$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA inherited;
	CREATE TABLE inherited.customer (id int PRIMARY KEY, name text, referrer int REFERENCES inherited.customer);
	CREATE TABLE inherited.base (id int, customer_id int);
	CREATE TABLE inherited.orders (placed timestamp, region text, total numeric(10,2)) INHERITS (inherited.base);
	CREATE TABLE inherited.vip (level int) INHERITS (inherited.customer);
	INSERT INTO inherited.vip VALUES (1000, 'vip', NULL, 1);
SQL
loaded_right('inherited', 'inherited tables');
loaded_right('inherited', 'inherited tables, again', if_exists => "'truncate'");
is($node->safe_psql($db, 'SELECT count(*) FROM inherited.vip'), '1', 'a table that inherits from the target keeps its rows');

# Unlogged; a foreign key to a table outside the source.
$node->safe_psql($db, <<'SQL');
	CREATE SCHEMA various;
	CREATE TABLE various.region (name text PRIMARY KEY);
	INSERT INTO various.region VALUES ('north'), ('south'), ('else');
	CREATE UNLOGGED TABLE various.customer (id int PRIMARY KEY, name text, referrer int REFERENCES various.customer);
	CREATE UNLOGGED TABLE various.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int REFERENCES various.customer,
		placed timestamptz, region text REFERENCES various.region, total numeric(10,2), note text DEFAULT 'n', seq serial, uid uuid DEFAULT gen_random_uuid(), at timestamptz DEFAULT now());
SQL
my @report = loaded_right('various', 'unlogged tables');
is((grep { $_->{source_table} eq 'orders' } @report)[0]{sequence_value}, 400, 'its identity counts on');
is($node->safe_psql($db, "SELECT relpersistence FROM pg_class WHERE oid = 'various.orders'::regclass"), 'u', 'it is still unlogged');
is($node->safe_psql($db, 'SELECT count(DISTINCT uid), count(DISTINCT seq), count(*) FILTER (WHERE note = \'n\') FROM various.orders'), '400|400|400', 'defaults are evaluated a row');

# Foreign partitions: one logical table over two servers.
$far->safe_psql('postgres', 'CREATE TABLE orders_far (id int, customer_id int, placed timestamp, region text, total numeric(10,2))');
my ($host, $port) = ($far->host, $far->port);
$node->safe_psql($db, <<"SQL");
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER far;
	CREATE SCHEMA spread;
	CREATE TABLE spread.customer (id int PRIMARY KEY, name text, referrer int);
	CREATE TABLE spread.orders (id int, customer_id int, placed timestamp, region text, total numeric(10,2)) PARTITION BY HASH (id);
	CREATE TABLE spread.near PARTITION OF spread.orders FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE FOREIGN TABLE spread.orders_far PARTITION OF spread.orders FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER far OPTIONS (schema_name 'public');
SQL
loaded_right('spread', 'a foreign partition');
my $there = $far->safe_psql('postgres', 'SELECT count(*) FROM orders_far');
ok($there > 0 && $there < 400, 'some of the rows are on the other server');
is($there + $node->safe_psql($db, 'SELECT count(*) FROM spread.near'), 400, 'and the rest here');

# -------------------------------------------------------------------------- other roles

$node->safe_psql($db, <<"SQL");
	CREATE ROLE app; CREATE ROLE loader; CREATE ROLE filer IN ROLE pg_read_server_files;
	GRANT app TO filer;
	CREATE SERVER source FOREIGN DATA WRAPPER sqlite_fdw_mig OPTIONS (database '$file');
	GRANT USAGE ON FOREIGN SERVER source TO app, loader;
	CREATE SCHEMA owned AUTHORIZATION app;
	GRANT USAGE ON SCHEMA owned TO loader;
	SET ROLE app;
	CREATE TABLE owned.orders (id int PRIMARY KEY, customer_id int, placed timestamp, region text, total numeric(10,2));
	CREATE TABLE owned.customer (id int PRIMARY KEY, name text, referrer int REFERENCES owned.customer);
	ALTER TABLE owned.orders ADD FOREIGN KEY (customer_id) REFERENCES owned.customer;
	CREATE INDEX ON owned.orders (region);
	GRANT SELECT, INSERT ON owned.orders, owned.customer TO loader;
SQL
my $by_server = 'SELECT string_agg(source_table || target_rows || verified, \' \' ORDER BY source_table) FROM ' . call_sql('migrate', 'source', target_schema => "'owned'");
my $owned = definition('owned');
my $oids = "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class WHERE relnamespace = 'owned'::regnamespace";
my $oids_before = $node->safe_psql($db, $oids);
is($node->safe_psql($db, "SET ROLE loader; $by_server"), 'customer100true orders400true', 'a role with SELECT and INSERT loads in foreign-key order');
is($node->safe_psql($db, $oids), $oids_before, 'with all in place');
$node->safe_psql($db, 'TRUNCATE owned.customer, owned.orders');
is($node->safe_psql($db, "SET ROLE app; $by_server"), 'customer100true orders400true', 'the owner loads');
isnt($node->safe_psql($db, $oids), $oids_before, 'with indexes out of the way');
is(definition('owned'), $owned, 'and all is as before');
$node->safe_psql($db, 'TRUNCATE owned.customer, owned.orders; ALTER TABLE owned.customer ADD first int; ALTER TABLE owned.customer ADD FOREIGN KEY (referrer) REFERENCES owned.orders');
statement_fails($node, $db, "SET ROLE loader; $by_server", '23503', qr/HINT:  For a role that does not own the table its foreign keys stay in place/,
	'a cycle needs the owner, says the hint');
$node->safe_psql($db, 'ALTER TABLE owned.customer DROP CONSTRAINT customer_referrer_fkey1');
# an owner who may no longer reference the parent keeps the key in place
$node->safe_psql($db, 'CREATE ROLE second; GRANT USAGE ON SCHEMA owned TO second; ALTER TABLE owned.customer OWNER TO second; GRANT SELECT, INSERT ON owned.customer TO app');
is($node->safe_psql($db, "SET ROLE app; $by_server"), 'customer100true orders400true', 'keys and parents with different owners');
$node->safe_psql($db, 'ALTER TABLE owned.customer OWNER TO app; TRUNCATE owned.customer, owned.orders');

# Row-level security: the power of an INSERT by the caller, no more.
$node->safe_psql($db, <<'SQL');
	ALTER TABLE owned.orders ENABLE ROW LEVEL SECURITY;
	CREATE POLICY reads ON owned.orders FOR SELECT TO loader USING (true);
	CREATE POLICY writes ON owned.orders FOR INSERT TO loader WITH CHECK (id < 1000);
SQL
like($node->safe_psql($db, "SET ROLE loader; SELECT string_agg(source_table || target_rows || verified || notes::text, ' ' ORDER BY source_table) FROM "
		  . call_sql('migrate', 'source', target_schema => "'owned'")),
	qr/customer100true.* orders400true.*row-level security applies to role loader/, 'rows that policies let in are loaded');
$node->safe_psql($db, 'TRUNCATE owned.customer, owned.orders; DROP POLICY writes ON owned.orders; CREATE POLICY writes ON owned.orders FOR INSERT TO loader WITH CHECK (id < 300)');
statement_fails($node, $db, "SET ROLE loader; $by_server", '42501', qr/new row violates row-level security policy/, 'rows that a policy refuses are an error');
$node->safe_psql($db, 'DROP POLICY writes ON owned.orders; DROP POLICY reads ON owned.orders; CREATE POLICY writes ON owned.orders FOR INSERT TO loader WITH CHECK (true); CREATE POLICY reads ON owned.orders FOR SELECT TO loader USING (id < 300)');
my ($rc, $out, $err) = $node->psql($db, "SET ROLE loader; $by_server");
like($err, qr/verification of table owned.orders failed.*policy/s, 'rows that cannot be read back fail the verification');
is($node->safe_psql($db, 'SELECT count(*) FROM owned.orders'), '0', 'nothing is left');
is($node->safe_psql($db, "SET ROLE app; $by_server"), 'customer100true orders400true', 'policies do not apply to the owner');
$node->safe_psql($db, 'TRUNCATE owned.customer, owned.orders; ALTER TABLE owned.orders DISABLE ROW LEVEL SECURITY; DROP POLICY reads ON owned.orders; DROP POLICY writes ON owned.orders');

# A superuser runs no code of others.
my $by_super = 'SELECT string_agg(source_table || target_rows || verified, \' \' ORDER BY source_table) FROM '
  . call_sql('migrate', $file, target_schema => "'owned'");
$node->safe_psql($db, 'ALTER TABLE owned.orders ADD CHECK (total >= 0 AND lower(region) <> \'x\'), ADD note text DEFAULT now()::text');
is($node->safe_psql($db, $by_super), 'customer100true orders400true', "a superuser loads another's tables with checks made of PostgreSQL's own functions");
$node->safe_psql($db, "TRUNCATE owned.customer, owned.orders; SET ROLE app; CREATE FUNCTION owned.evil(anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RAISE ''it ran as %'', current_user; END'; CREATE DOMAIN owned.d AS int CHECK (owned.evil(VALUE)); CREATE FUNCTION owned.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''it ran''; END'");
my %code = (
	'a check' => [ 'ADD CONSTRAINT evil CHECK (owned.evil(id))', 'DROP CONSTRAINT evil' ],
	'a check by way of SQL' => [ 'ADD CONSTRAINT evil CHECK (query_to_xml(\'SELECT 1\', true, true, \'\') IS NOT NULL)', 'DROP CONSTRAINT evil' ],
	'a domain' => [ 'ALTER id TYPE owned.d', 'ALTER id TYPE int' ],
	'a generated column' => [ 'ADD evil boolean GENERATED ALWAYS AS (owned.evil(id)) STORED', 'DROP evil' ],
	'a default' => [ 'ADD evil boolean, ALTER evil SET DEFAULT owned.evil(1)', 'DROP evil' ],
);
sub refused
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	statement_fails($node, $db, $by_super, '42501', qr/table owned.orders holds code of its owner.*HINT:  SET ROLE app/s, "a superuser: $what is refused");
}
foreach my $what (sort keys %code)
{
	$node->safe_psql($db, "SET ROLE app; ALTER TABLE owned.orders $code{$what}[0]");
	refused($what);
	$node->safe_psql($db, "ALTER TABLE owned.orders $code{$what}[1]");
}
foreach my $what ('INDEX evil ON owned.orders (owned.evil(id))', 'INDEX evil ON owned.orders (id) WHERE owned.evil(id)',
	'POLICY evil ON owned.orders USING (owned.evil(id))', 'RULE evil AS ON INSERT TO owned.orders DO ALSO SELECT owned.evil(1)')
{
	$node->safe_psql($db, "SET ROLE app; CREATE $what");
	refused($what);
	$what =~ /^(\w+) evil/;
	$node->safe_psql($db, $1 eq 'INDEX' ? 'DROP INDEX owned.evil' : "DROP $1 evil ON owned.orders");
}
$node->safe_psql($db, 'SET ROLE app; CREATE TRIGGER evil BEFORE INSERT ON owned.orders FOR EACH ROW EXECUTE FUNCTION owned.evil()');
statement_fails($node, $db, 'SELECT * FROM ' . call_sql('migrate', $file, target_schema => "'owned'", fire_triggers => 'true'), '42501',
	qr/holds code of its owner/, 'a superuser: a trigger that is to fire is refused');
is($node->safe_psql($db, $by_super), 'customer100true orders400true', 'a superuser: one that does not fire is not');
$node->safe_psql($db, 'DROP TRIGGER evil ON owned.orders; TRUNCATE owned.customer, owned.orders');
$node->safe_psql($db, "ALTER FUNCTION owned.evil(anyelement) OWNER TO app; SET ROLE app; ALTER TABLE owned.orders ADD CONSTRAINT evil CHECK (owned.evil(id))");
statement_fails($node, $db, "SET ROLE app; $by_server", 'P0001', qr/it ran as app/, 'after SET ROLE it runs, with the rights of its owner');

$node->stop;
$far->stop;
done_testing();
