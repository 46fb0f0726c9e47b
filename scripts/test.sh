#!/usr/bin/env bash
# test.sh: builds the extension with warnings as errors and runs all its tests.
#
#   scripts/test.sh [--long] [--tap-jobs N] [name ...]
#
#   name     run only these: a regression test, an isolation spec, a TAP file
#            (t/005_bad_input.pl, or its number), "fuzz", "demo" or "bench"
#   --long   longer versions of the tests that have one (SFM_LONG=1)
#
# Installs what it needs, as demo.sh does; works in a temporary directory, in
# private clusters.  Ends with a line "N passed, N failed"; fails when a test did
# or when none ran.
#
# What tests find in the environment:
#   SFM_SAMPLE_DIR    SQLite files: those of samples/, and one made from each of samples/sql/*.sql
#   SFM_SHARED_DATA   a folder of further sample files beside the checkout, or empty
#   SFM_FAULTS_LIB    the library of a build in which a fault can be planted in each converter
#   SFM_FAULT_VFS     a library that makes SQLite's reads, locks and allocations fail
#   SFM_SMALL_DIR     a file system of 4 MB, where this runs as root; else empty
#   SFM_READONLY_DIR  a file system that is mounted read-only, with app.db in rollback/, in
#                     wal/ (with -wal and -shm) and in bare/ (WAL mode, without); or empty
#   SFM_LONG          1 with --long, else empty
#
# Isolation specs, which cannot read the environment, find SFM_SAMPLE_DIR in the
# setting sfm.sample_dir.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

long=
names=()
tap_jobs=$(nproc)
while [ $# -gt 0 ]; do
	case $1 in
		--long) long=1 ;;
		--tap-jobs) tap_jobs=$2; shift ;;
		--help | -h) sed -n '2,/^$/ { s/^# \{0,1\}//; p }' "${BASH_SOURCE[0]}"; exit 0 ;;
		-*) die "unknown option $1 (see --help)" ;;
		*) names+=("$1") ;;
	esac
	shift
done

passed=0
failed=0
unused_names=("${names[@]}")

# Whether a test was asked for by one of the given ways to name it.
wanted()
{
	local name way i found=1

	[ ${#names[@]} -gt 0 ] || return 0
	for i in "${!names[@]}"; do
		name=${names[i]}
		for way in "$@"; do
			if [ "$name" = "$way" ]; then
				unset 'unused_names[i]'
				found=0
			fi
		done
	done
	return $found
}

# ------------------------------------------------------------------- set-up

# Files the tests read: the shipped ones, and those written as SQL.
make_samples()
{
	local sql name

	SAMPLE_DIR=$WORK/samples
	as_server cp -R "$WORK/src/samples" "$SAMPLE_DIR"
	for sql in "$ROOT"/samples/sql/*.sql; do
		[ -e "$sql" ] || continue
		name=${sql##*/}
		as_server sqlite3 -init "$WORK/src/t/lib/sqlite3.init" -batch -bail "$SAMPLE_DIR/${name%.sql}.db" <"$sql" >/dev/null ||
			die "sqlite3 could not make a file of samples/sql/$name"
	done
}

# Mounts a file system of 4 MB, owned by the server's user, which only root can.
mount_small()
{
	as_server mkdir "$1"
	mount -t tmpfs -o "size=4m,mode=700,uid=$(id -u "$SERVER_USER"),gid=$(id -g "$SERVER_USER")" \
		sqlite_fdw_mig "$1" 2>/dev/null || return 1
	MOUNTS+=("$1")
}

# A file system that is soon full.
make_small_dir()
{
	SMALL_DIR=
	is_root || return 0
	mount_small "$WORK/small" || return 0
	SMALL_DIR=$WORK/small
}

# SQLite files on a file system that nobody can write to: a row, and in wal/ another one
# that only the -wal has, as a killed application leaves it.
make_readonly_dir()
{
	local dir=$WORK/readonly

	READONLY_DIR=
	is_root || return 0
	mount_small "$dir" || return 0
	as_server mkdir "$dir/rollback" "$dir/wal" "$dir/bare"
	as_server /usr/bin/python3 - "$dir" <<'PY'
import os, sqlite3, sys
for name, mode in (("rollback", "delete"), ("bare", "wal"), ("wal", "wal")):
    db = sqlite3.connect("%s/%s/app.db" % (sys.argv[1], name), isolation_level=None)
    db.execute("PRAGMA journal_mode = " + mode)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    db.execute("INSERT INTO t VALUES (1, 'in the file')")
    if name != "wal":
        db.close()
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("INSERT INTO t VALUES (2, 'in the -wal')")
os._exit(0)	# closes nothing
PY
	mount -o remount,ro "$dir"
	READONLY_DIR=$dir
}

# Compiles with the other compiler too; its driver does not know all of the
# flags that PostgreSQL was built with.
check_clang()
{
	copy_source clang
	make_in clang all CC=clang WERROR=1 \
		COPT='-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes'
}

# Runs a test program with the environment that tests are promised.
as_tester()
{
	as_server env PATH="$PG:$PATH" TMPDIR="$WORK/t" PGHOST="$WORK/s" PGUSER=postgres \
		SFM_SAMPLE_DIR="$SAMPLE_DIR" SFM_SHARED_DATA="$SHARED_DATA" \
		SFM_FAULTS_LIB="$WORK/faults/sqlite_fdw_mig.so" SFM_LONG="$long" \
		SFM_FAULT_VFS="$WORK/src/t/fault_vfs/fault_vfs.so" SFM_SMALL_DIR="$SMALL_DIR" SFM_READONLY_DIR="$READONLY_DIR" \
		PGOPTIONS="-c sfm.sample_dir=$SAMPLE_DIR" \
		PG_REGRESS="$PGXS_DIR/test/regress/pg_regress" "$@"
}

# --------------------------------------------- regression and isolation tests

# Adds up the lines of a pg_regress (15 has words, 16 on has TAP), given the
# number of tests it was to run: one that it never came to has failed.
count_regress()	# log expected-number
{
	local ok

	ok=$(grep -cE '^(ok [0-9]|test .* \.\.\. ok |     .* \.\.\. ok )' "$1" || true)
	passed=$((passed + ok))
	failed=$((failed + $2 - ok))
}

run_regress()	# title program database suffix folder
{
	local tests=() file name out=$WORK/$1 log=$WORK/$1.log

	for file in "$WORK/src/$5"/*."$4"; do
		name=${file##*/}
		name=${name%."$4"}
		[ -e "$file" ] && wanted "$name" "$5/$name.$4" && tests+=("$name")
	done
	[ ${#tests[@]} -gt 0 ] || return 0
	step "$1: ${#tests[@]} tests"
	as_server mkdir -p "$out"
	as_tester "$PGXS_DIR/$2" --inputdir="$WORK/src" --outputdir="$out" --bindir="$PG" \
		--dbname="$3" "${tests[@]}" 2>&1 | tee "$log" | grep -E '^(not )?ok|^test|^     ' || true
	[ ! -s "$out/regression.diffs" ] || cat "$out/regression.diffs"
	count_regress "$log" ${#tests[@]}
}

# ----------------------------------------------------------------- TAP tests

# The exit status goes to a file: with so many processes their numbers come round, and
# the shell then no longer knows one that has ended.
run_tap_file()	# name
{
	local status=0

	as_server mkdir -p "$WORK/tap/$1"
	as_tester env -u PGHOST -u PGUSER -u PGOPTIONS TESTDIR="$WORK/tap/$1" \
		TESTDATADIR="$WORK/tap/$1/tmp_check" TESTLOGDIR="$WORK/tap/$1/tmp_check/log" \
		PG_TEST_PORT_DIR="$WORK/ports" top_builddir="$WORK/tap/$1" \
		prove -v --nocolor --norc -I "$PGXS_DIR/test/perl" -I "$WORK/src/t/lib" \
		"$WORK/src/t/$1.pl" >"$WORK/tap/$1.log" 2>&1 || status=$?
	echo "$status" >"$WORK/tap/$1.status"
}

# The end of a log, without what the framework says of its doings.
tap_diagnosis()
{
	grep -vE '^(\[[0-9:.]+\]\([0-9.]+s\) )?(ok |#+ (Running|Checking port|Found port|Name:|Data dir|Backup dir|Archive dir|Connection|Log file|Postmaster PID|No postmaster|Stopping|Starting|Issuing|issuing)|(waiting|server) )' \
		"$1" | tail -n 60 | cut -c 1-500 | sed 's/^/    /' || true
}

# Counts a file's tests, prints one line, and all that tells about its failures.
report_tap_file()	# name exit-status
{
	local log=$WORK/tap/$1.log ok not_ok skipped seconds

	ok=$(grep -cE '^ok ' "$log" || true)
	not_ok=$(grep -E '^not ok ' "$log" | grep -cvE '# TODO' || true)
	skipped=$(sed -n 's/.*All 0 subtests passed.*//; s/^1\.\.0 # SKIP */skipped: /Ip' "$log")
	seconds=$(sed -n 's/^Files=1, Tests=[0-9]*, *\([0-9]*\) .*/\1/p' "$log")
	[ "$2" = 0 ] || [ "$not_ok" -gt 0 ] || not_ok=1
	passed=$((passed + ok))
	failed=$((failed + not_ok))
	if [ "$not_ok" = 0 ]; then
		say "ok      t/$1.pl: ${skipped:-$ok tests}, $seconds s"
	else
		say "FAILED  t/$1.pl: $ok passed, $not_ok failed"
		tap_diagnosis "$log"
		# What ended it early goes to the test's own log.
		! grep -q "^Dubious" "$log" || tap_diagnosis "$WORK/tap/$1/tmp_check/log/regress_log_$1"
	fi
}

run_tap()
{
	local file name tests=() running=() i

	for file in "$WORK"/src/t/[0-9]*.pl; do
		name=${file##*/}
		name=${name%.pl}
		[ -e "$file" ] && wanted "$name" "t/$name.pl" "${name%%_*}" && tests+=("$name")
	done
	[ ${#tests[@]} -gt 0 ] || return 0
	step "TAP: ${#tests[@]} files, $tap_jobs at a time"
	as_server mkdir -p "$WORK/ports" "$WORK/tap"
	! is_root || chmod 777 "$WORK/tap"	# the logs are written by the caller
	for name in "${tests[@]}"; do
		while [ "$(jobs -pr | wc -l)" -ge "$tap_jobs" ]; do
			sleep 0.2
		done
		set -m			# a process group of its own, which cleanup() can end
		run_tap_file "$name" &
		set +m
		running+=($!)
	done
	for i in "${!tests[@]}"; do
		name=${tests[i]}
		wait "${running[i]}" 2>/dev/null || true
		report_tap_file "$name" "$(cat "$WORK/tap/$name.status" 2>/dev/null || echo 255)"
	done
}

# ---------------------------------------------------------- fuzzing, the demo

# Counts and prints one result, with its log when it failed: result name status log.
result()
{
	if [ "$2" = 0 ]; then
		say "ok      $1"
		passed=$((passed + 1))
	else
		say "FAILED  $1"
		tail -n 60 "$3"
		failed=$((failed + 1))
	fi
}

run_fuzz()
{
	local status=0 seconds=20

	wanted fuzz || return 0
	[ -z "$long" ] || seconds=300
	step "fuzz: the parser against SQLite, then parser, translator and readers of values, $seconds s each"
	as_tester make -C "$WORK/src/fuzz" --no-print-directory PG_CONFIG="$SYSTEM_PG_CONFIG" \
		FILES="$(printf '%s ' "$SAMPLE_DIR"/*.{db,sqlite})" CHECK_SECONDS="$seconds" check \
		>"$WORK/fuzz.log" 2>&1 || status=$?
	result "fuzz" "$status" "$WORK/fuzz.log"
}

# The demo runs, twice in a row and beside another server, and its dump restores
# where the extension is not.
run_demo()
{
	local status log=$WORK/demo.log dump=$WORK/demo.sql

	wanted demo || return 0
	step "demo"
	status=0
	"$ROOT/scripts/demo.sh" >"$log" 2>&1 || status=$?
	result "demo.sh" "$status" "$log"
	status=0
	"$ROOT/scripts/demo.sh" --dump "$dump" "$ROOT/samples/django_apps.db" >"$log" 2>&1 || status=$?
	result "demo.sh --dump" "$status" "$log"
	status=0
	{
		run_psql postgres -q -c 'CREATE DATABASE restored' &&
			run_psql restored -q -o /dev/null <"$dump" &&
			[ "$(run_psql restored -At -c 'SELECT count(*) FROM auth_user')" = \
				"$(as_server sqlite3 "$SAMPLE_DIR/django_apps.db" 'SELECT count(*) FROM auth_user')" ]
	} >"$log" 2>&1 || status=$?
	result "its dump restores without the extension" "$status" "$log"
}

# The benchmark still runs, and finds rows loaded the fast way; its times say nothing here.
run_bench()
{
	local status=0

	wanted bench || return 0
	step "benchmark, quickly"
	"$ROOT/bench/run.sh" --quick >"$WORK/bench.log" 2>&1 || status=$?
	result "bench/run.sh --quick" "$status" "$WORK/bench.log"
}

# No server crashed, but where a test killed one of its processes, and where servers check
# themselves none found a fault of memory or an assertion that failed: those of palloc'd
# chunks are warnings in the log, which no test may see.
check_logs()
{
	local logs=() found=$WORK/found.log status=0

	for log in "$WORK/data.log" "$WORK"/tap/*/tmp_check/log/*.log; do
		[ ! -e "$log" ] || logs+=("$log")
	done
	[ ${#logs[@]} -gt 0 ] || return 0
	! grep -E 'PANIC: |TRAP: |: runtime error: |problem in alloc set|problem in slab|bad .* in alloc set|was terminated by signal [0-9]+' \
		"${logs[@]}" | grep -v 'signal 9: Killed' >"$found" || status=1
	result "no server crashed" "$status" "$found"
}

# ----------------------------------------------------------------------- main

setup_packages clang libclang-rt-dev python3 python3-xxhash perl libipc-run-perl "postgresql-%v-cron" \
	python3-sqlalchemy python3-alembic python3-django python3-psycopg2
need_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"	# the fuzzers' sanitizers
setup_work
PGXS_DIR=$(realpath "$(dirname "$("$SYSTEM_PG_CONFIG" --pgxs)")/..")
SHARED_DATA=$ROOT/../shared/data
SHARED_DATA=$(cd "$SHARED_DATA" 2>/dev/null && pwd -P) || SHARED_DATA=

step "building against PostgreSQL $PG_VERSION, warnings are errors: gcc, clang, and with planted faults"
build_and_install WERROR=1
check_clang
copy_source faults
make_in faults all FAULTS=1 WERROR=1
make_in src/t/fault_vfs all
make_samples
make_small_dir
make_readonly_dir
as_server mkdir "$WORK/t"

start_cluster data
run_regress regress test/regress/pg_regress contrib_regression sql sql
run_regress isolation test/isolation/pg_isolation_regress isolation_regression spec specs
run_tap
run_fuzz
run_demo
run_bench
check_logs

[ ${#unused_names[@]} -eq 0 ] || { say "no such test: ${unused_names[*]}"; failed=$((failed + 1)); }
[ $((passed + failed)) -gt 0 ] || { say "no test ran"; failed=1; }
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
