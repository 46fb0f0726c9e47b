#!/usr/bin/env bash
# demo.sh: moves a SQLite file into a private PostgreSQL, and shows that it worked.
#
#   scripts/demo.sh [--keep] [--dump out.sql] [file.db]
#
#   file.db          the file to migrate; without it, a sample that is shipped
#   --keep           leave the server running, and say how to connect and stop it
#   --dump out.sql   also write a dump of the result, which restores on any
#                    PostgreSQL, without the extension
#
# Installs what it needs from Debian's or Ubuntu's packages (as root or by sudo),
# builds, and does all else in a temporary directory.  The file is only read.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() { sed -n '2,/^$/ { s/^# \{0,1\}//; p }' "${BASH_SOURCE[0]}"; }

dump=
file=
while [ $# -gt 0 ]; do
	case $1 in
		--keep) keep=1 ;;
		--dump)
			[ $# -ge 2 ] || die "--dump needs the name of a file to write"
			dump=$2
			shift
			;;
		--help | -h) usage; exit 0 ;;
		--) shift; break ;;
		-*) die "unknown option $1 (see --help)" ;;
		*) [ -z "$file" ] || die "one file at a time"; file=$1 ;;
	esac
	shift
done
[ $# -eq 0 ] || file=$1
file=$(realpath -e -- "${file:-$ROOT/samples/chinook.sqlite}") || exit 1
[ -f "$file" ] || die "$file is not a regular file"
[ -r "$file" ] || die "$file cannot be read by $(id -un)"
if [ -n "$dump" ]; then
	: >>"$dump" || exit 1
fi

# The file itself where the server's user can read it, else a private copy with
# its -wal or -journal (never its -shm), made again when the file changed meanwhile.
readable_file()
{
	local try before name suffix

	if as_server test -r "$file" &&
		{ [ ! -e "$file-wal" ] || as_server test -r "$file-wal"; }; then
		source=$file
		return
	fi
	name=${file##*/}
	source=$WORK/source/$name
	say "User $SERVER_USER, who runs the server, cannot read the file: migrating a private copy."
	for try in 1 2 3; do
		rm -rf "$WORK/source"
		mkdir "$WORK/source"
		before=$(stat -c '%n %i %s %y' "$file"*)
		for suffix in '' -wal -journal; do
			[ ! -e "$file$suffix" ] || cp -- "$file$suffix" "$source$suffix"
		done
		if [ "$before" = "$(stat -c '%n %i %s %y' "$file"*)" ]; then
			! is_root || chown -R "$SERVER_USER": "$WORK/source"
			return
		fi
		say "It changed while it was copied (attempt $try)."
	done
	die "the file is being written to: stop the application, or let $SERVER_USER read the file"
}

# Migrates, and prints the report: what it says of each table as psql shows it, its
# notes below, since they would make the table too wide to read.
report()
{
	run_psql demo -q -v file="$source" <<-'SQL'
		SET client_min_messages = warning;
		CREATE TEMPORARY TABLE report AS SELECT * FROM sqlite_mig.migrate(:'file');
		ALTER TABLE report ADD place int GENERATED ALWAYS AS IDENTITY;
		SELECT source_table, target_table, status, source_rows, target_rows, rejected_rows,
		       verified, sequence_value, target_bytes, elapsed
		FROM report ORDER BY place;

		\pset format unaligned
		\pset tuples_only
		\pset fieldsep ': '
		WITH note AS (
			SELECT 1 AS part, 0 AS place, 0 AS nr,
			       'left out, ' || concat_ws(' ', kind, coalesce(name, 'of ' || source_table)) AS about, note
			FROM sqlite_mig.migration_object WHERE status = 'left_out'
			UNION ALL
			SELECT CASE WHEN note ~ 'spelled in another way|runs from' THEN 3 ELSE 2 END, place, nr, source_table, note
			FROM report, unnest(notes) WITH ORDINALITY AS n (note, nr)
		), numbered AS (
			SELECT *, row_number() OVER (ORDER BY part, place, nr) AS n FROM note
		)
		SELECT '- ' || about, left(note, 300) FROM numbered WHERE n <= 12
		UNION ALL
		SELECT '- and ' || count(*) || ' more', 'see "notes" in the report and sqlite_mig.migration_object'
		FROM numbered WHERE n > 12 HAVING count(*) > 0;
	SQL
}

# The three proofs.  Each prints what it runs.
prove()
{
	local counts_sqlite counts_pg next statements

	# One statement for each side, written from the columns' recorded decisions:
	# least and greatest integer, total length of text, number of other values.
	mapfile -t statements < <(run_psql demo -A -t <<-'SQL'
		WITH big AS (
			SELECT m.migration_id, m.source_table, m.target_table
			FROM sqlite_mig.migration_table m
			ORDER BY m.migration_id DESC, m.target_rows DESC NULLS LAST LIMIT 1
		), col AS (
			SELECT c.source_column AS s, c.target_column AS t, a.attnum,
				   CASE WHEN a.atttypid = 'bigint'::regtype THEN '{min,max}'::text[]
						WHEN a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND c.misfits = 0
						THEN '{length}' ELSE '{count}' END AS how
			FROM big JOIN sqlite_mig.migration_column c USING (migration_id, source_table)
			JOIN pg_attribute a ON a.attrelid = big.target_table::regclass AND a.attname = c.target_column
			ORDER BY a.attnum LIMIT 4
		), part AS (
			SELECT attnum, f,
				   replace(format(CASE f WHEN 'length' THEN 'coalesce(sum(length("%1$s")), 0)' ELSE '%2$s("%1$s")' END,
								  replace(s, '"', '""'), f), E'\n', ' ') AS s,
				   replace(format(CASE f WHEN 'length' THEN 'coalesce(sum(length(%1$I)), 0)' ELSE '%2$s(%1$I)' END,
								  t, f), E'\n', ' ') AS t
			FROM col, unnest(how) AS f
		)
		SELECT unnest(ARRAY[
			format('SELECT count(*), %s FROM "%s"', string_agg(s, ', ' ORDER BY attnum, f DESC),
				   replace((SELECT source_table FROM big), '"', '""')),
			format('SELECT count(*), %s FROM %s', string_agg(t, ', ' ORDER BY attnum, f DESC),
				   (SELECT target_table FROM big)),
			(SELECT target_table FROM big)])
		FROM part HAVING count(*) > 0;
	SQL
	)
	if [ ${#statements[@]} -ne 3 ]; then
		say "There is no table to ask: nothing to prove."
		return
	fi
	step "1. The biggest table, asked by the sqlite3 program and by psql"
	say "${statements[0]}"
	counts_sqlite=$(sqlite_reader "${statements[0]}")
	say "  sqlite3:  $counts_sqlite"
	say "${statements[1]}"
	counts_pg=$(run_psql demo -A -t -c "${statements[1]}")
	say "  psql:     $counts_pg"
	[ "$counts_sqlite" = "$counts_pg" ] || die "the two differ"

	say
	step "2. Every value of every table compared once more, by checksum of whole rows"
	run_psql demo -q -v file="$source" <<-'SQL'
		\set ECHO queries
		SELECT count(*) AS tables, sum(source_rows) AS source_rows, sum(target_rows) AS target_rows,
		       bool_and(verified) AS all_verified FROM sqlite_mig.verify(:'file');
	SQL

	step "3. Without the extension: the rows stay, and the application's next INSERT works"
	# A table with an identity and no other unique key, so that a row can be doubled.
	next=$(run_psql demo -A -t <<-'SQL'
		SELECT replace(format('INSERT INTO %s (%s) SELECT %2$s FROM %1$s LIMIT 1 RETURNING %3$I AS new_id',
			   m.target_table,
			   string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attidentity = ''),
			   min(a.attname) FILTER (WHERE a.attidentity <> '')), E'\n', ' ')
		FROM sqlite_mig.migration_table m
		JOIN pg_attribute a ON a.attrelid = m.target_table::regclass
		WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND m.target_rows > 0
		GROUP BY m.target_table, m.target_rows
		HAVING count(*) FILTER (WHERE a.attidentity <> '') = 1 AND count(*) > 1
		   AND (SELECT count(*) FROM pg_index i WHERE i.indrelid = m.target_table::regclass AND i.indisunique) = 1
		ORDER BY m.target_rows DESC LIMIT 1;
	SQL
	)
	run_psql demo -q -v next="$next" -v has_next="$([ -z "$next" ] && echo 0 || echo 1)" \
		-v big="${statements[2]}" <<-'SQL'
		\set ECHO queries
		BEGIN;
		DROP EXTENSION sqlite_fdw_mig;
		\if :has_next
		:next;
		\endif
		SELECT count(*) FROM :big;
		ROLLBACK;
	SQL
}

# Asks the sqlite3 program, of a copy: reading a WAL file would create a -shm beside it.
sqlite_reader()
{
	local copy=$WORK/second suffix

	as_server mkdir -p "$copy"
	for suffix in '' -wal; do
		[ ! -e "$source$suffix" ] || as_server cp -- "$source$suffix" "$copy/file.db$suffix"
	done
	as_server sqlite3 -batch "$copy/file.db" "$1"
	as_server rm -r "$copy"
}

# pg_dump of what was migrated alone.  Schema "public" is there in every database,
# so its own CREATE is taken from the archive's list rather than from the text.
write_dump()
{
	local archive=$WORK/dump.archive

	as_server "$PG/pg_dump" -h "$WORK/s" -U postgres -Fc --no-owner --no-privileges -n public -f "$archive" demo
	as_server "$PG/pg_restore" -l "$archive" |
		awk '!/^[0-9]+; [0-9]+ [0-9]+ (SCHEMA - public |COMMENT - SCHEMA public |ACL - SCHEMA public )/' |
		as_server tee "$archive.list" >/dev/null
	as_server "$PG/pg_restore" --no-owner --no-privileges -L "$archive.list" -f - "$archive" >"$dump"
	say
	say "Dump written: psql -f '$dump' restores it into any PostgreSQL, without the extension."
}

setup_packages
setup_work
step "building against PostgreSQL $PG_VERSION"
build_and_install
start_cluster data maintenance_work_mem=256MB
run_psql postgres -q -c 'CREATE DATABASE demo'
readable_file

step "SELECT * FROM sqlite_mig.migrate('$source')"
run_psql demo -q -c 'CREATE EXTENSION sqlite_fdw_mig'
report
say
prove
[ -z "$dump" ] || write_dump
say
if [ -n "${keep:-}" ]; then
	KEEP=1
	say "The server keeps running.  To look around, and to stop it and remove everything:"
	say "  psql -h $WORK/s -U postgres demo"
	if is_root; then
		say "  runuser -u $SERVER_USER -- $PG/pg_ctl -D $WORK/data stop && rm -rf $WORK"
	else
		say "  $PG/pg_ctl -D $WORK/data stop && rm -rf $WORK"
	fi
else
	say "Done; the private server is stopped and removed.  Run it with --keep to look around."
fi
