#!/usr/bin/env bash
# run.sh: measures the migration beside what else one would reach for.
#
#   bench/run.sh [--quick] [--rounds N] [--scale F] [--databases A,B] [--contestants A,B]
#                [--data DIR] [--wal LEVEL] [--fsync on|off] [--settings A=B,C=D] [--no-compare]
#
#   --quick        a minute: scale 0.01, one round; shows that the benchmark still runs
#   --rounds N     rounds, in each of which every contestant runs once (default 5)
#   --scale F      size of the databases, 1: as make_data.py says (default 1)
#   --databases    of wide, narrow, blob, app, many; also rows-N, tables-N, columns-N
#                  (default: the first five)
#   --contestants  see contest.py (default: all)
#   --data DIR     where the SQLite files are made and kept (default: with the rest,
#                  in a temporary directory that goes away)
#   --wal LEVEL    wal_level of the server (default replica, as installed)
#   --fsync        whether the server syncs (default off: disks are not what is measured)
#   --settings     further settings of the server, separated by commas
#   --no-compare   values are not compared, which takes long for many rows
#
# Installs what it needs, as scripts/demo.sh does: also pgloader and ogr_fdw.  All
# contestants run in one private cluster with the same settings, which are printed.
# Prints medians, spreads, ratios, peak memory, and what each contestant changed or
# lost.  Fails when a contestant of ours failed, or loaded rows the slow way.

. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

rounds=5
scale=1
databases=
contestants=
data=
wal=replica
fsync=off
settings=
compare=
while [ $# -gt 0 ]; do
	case $1 in
		--quick) rounds=1 scale=0.01 ;;
		--rounds) rounds=$2; shift ;;
		--scale) scale=$2; shift ;;
		--databases) databases=${2//,/ }; shift ;;
		--contestants) contestants=${2//,/ }; shift ;;
		--data) data=$2; shift ;;
		--wal) wal=$2; shift ;;
		--fsync) fsync=$2; shift ;;
		--settings) settings=${2//,/ }; shift ;;
		--no-compare) compare=--no-compare ;;
		--help | -h) sed -n '2,/^$/ { s/^# \{0,1\}//; p }' "${BASH_SOURCE[0]}"; exit 0 ;;
		*) die "unknown option $1 (see --help)" ;;
	esac
	shift
done
databases=${databases:-wide narrow blob app many}

setup_packages python3 pgloader "postgresql-%v-ogr-fdw"
setup_work
step "building"
build_and_install
as_server gcc -O2 -Wall -Wextra -o "$WORK/step" "$WORK/src/bench/step.c" -lsqlite3

step "making the SQLite files at scale $scale"
data=${data:-$WORK/data}
if [ "${data#"$WORK"}" != "$data" ]; then
	as_server mkdir -p "$data"
	as_server python3 "$WORK/src/bench/make_data.py" --scale "$scale" "$data" $databases
else
	mkdir -p "$data"
	data=$(cd "$data" && pwd -P)
	python3 "$ROOT/bench/make_data.py" --scale "$scale" "$data" $databases
	as_server test -r "$data/${databases%% *}.db" || die "user $SERVER_USER cannot read $data"
fi

# shellcheck disable=SC2086
start_cluster pgdata "wal_level=$wal" "fsync=$fsync" shared_buffers=1GB max_locks_per_transaction=4096 \
	autovacuum=off checkpoint_timeout=1h max_wal_size=16GB $settings
status=0
as_server env PATH="$PG:$PATH" PGHOST="$WORK/s" PGUSER=postgres python3 "$WORK/src/bench/contest.py" \
	--rounds "$rounds" --data "$data" --work "$WORK" --step "$WORK/step" --scale "$scale" \
	--databases "$databases" --contestants "$contestants" ${compare:+"$compare"} || status=$?
exit "$status"
