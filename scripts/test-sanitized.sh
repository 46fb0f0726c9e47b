#!/usr/bin/env bash
# test-sanitized.sh: the tests with a server that checks itself.
#
#   scripts/test-sanitized.sh [--server DIR] [argument of test.sh ...]
#
#   --server DIR   build the server in DIR and leave it there, or use the one that is
#                  there already; without it the server is built in a temporary
#                  directory and removed
#
# Builds PostgreSQL from Debian's source package with assertions (which also check
# memory contexts) and AddressSanitizer, and the extension with UndefinedBehavior-
# Sanitizer besides, then runs test.sh with them: all regression, isolation and TAP
# tests, unless some are named.  What a sanitizer or an assertion reports is printed
# at the end, and fails the run even where no test noticed.
#
# Needs a Debian mirror with source packages: those that apt uses here.  Neither
# apt's own lists nor the installed PostgreSQL are written to.  Takes about ten
# minutes on two cores to build, and the tests several times as long as otherwise.
#
# Tests find SFM_SANITIZED=1 in the environment: what they say of resident memory
# or of limits to address space does not hold here.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The contrib modules that tests use.
CONTRIB=(amcheck citext hstore pg_visibility postgres_fdw test_decoding)

server=
arguments=()
while [ $# -gt 0 ]; do
	case $1 in
		--server) server=$2; shift ;;
		--help | -h) sed -n '2,/^$/ { s/^# \{0,1\}//; p }' "${BASH_SOURCE[0]}"; exit 0 ;;
		*) arguments+=("$1") ;;
	esac
	shift
done

# apt with lists of its own, of the source packages of the mirrors that apt uses.
private_apt()
{
	local program=$1

	shift
	as_server "$program" -q -o Dir::Etc::sourcelist="$WORK/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$WORK/apt/lists" -o Dir::Cache="$WORK/apt/cache" "$@"
}

# Fetches the newest version of Debian's source package that the mirrors have.
fetch_source()
{
	local version log=$WORK/apt.log

	as_server mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"
	apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' | sed -n 's/^Debian /deb-src /p' | sort -u |
		as_server tee "$WORK/apt/sources.list" >/dev/null
	private_apt apt-get update >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "apt-get update failed"; }
	for version in $(private_apt apt-cache showsrc --only-source "postgresql-$PG_VERSION" |
		sed -n 's/^Version: //p' | sort -rV); do
		if private_apt apt-get source --download-only "postgresql-$PG_VERSION=$version" >"$log" 2>&1
		then
			say "postgresql-$PG_VERSION $version"
			return
		fi
	done
	tail -n 20 "$log" >&2
	die "no source package of postgresql-$PG_VERSION can be had"
}

# A step of building the server: quiet unless it fails.
build_step()
{
	local log=$WORK/build.log

	ASAN_OPTIONS=detect_leaks=0 as_server nice "$@" >"$log" 2>&1 ||
		{ tail -n 60 "$log" >&2; die "could not build the server: $1 $2"; }
}

# Debian's patches place libraries in /usr/lib whatever the prefix is: without them.
build_server()
{
	local module

	need_packages dpkg-dev gcc make bison flex perl libicu-dev liblz4-dev libxml2-dev zlib1g-dev
	step "fetching the source of PostgreSQL $PG_VERSION"
	fetch_source
	step "building a server with assertions and AddressSanitizer"
	as_server sh -c "dpkg-source --skip-patches --no-check -x postgresql-*.dsc source" >"$WORK/unpack.log" 2>&1 ||
		{ cat "$WORK/unpack.log" >&2; die "could not unpack the source"; }
	as_server mkdir "$WORK/build"
	build_step sh -c "cd '$WORK/build' && ../source/configure --quiet --prefix='$server' \
		--enable-cassert --enable-debug --enable-tap-tests --with-icu --with-libxml --with-lz4 --without-readline \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address' LDFLAGS=-fsanitize=address"
	build_step make -s -C "$WORK/build" -j "$(nproc)"
	for module in "${CONTRIB[@]}"; do
		build_step make -s -C "$WORK/build/contrib/$module" install
	done
	# last, since its pg_config says that the server is complete
	build_step make -s -C "$WORK/build" install
	as_server rm -rf "$WORK/build" "$WORK/source"
}

choose_postgresql
need_packages gcc
if is_root; then
	id postgres >/dev/null 2>&1 && SERVER_USER=postgres || SERVER_USER=nobody
else
	SERVER_USER=$(id -un)
fi
setup_work
if [ -z "$server" ]; then
	server=$WORK/server
else
	mkdir -p "$server"
	server=$(cd "$server" && pwd -P)
	! is_root || chown "$SERVER_USER": "$server"
fi
[ -x "$server/bin/pg_config" ] || build_server

if [ ${#arguments[@]} -eq 0 ]; then
	for file in "$ROOT"/sql/*.sql "$ROOT"/specs/*.spec "$ROOT"/t/[0-9]*.pl; do
		file=${file##*/}
		arguments+=("${file%.*}")
	done
fi

reports=$WORK/reports
as_server mkdir "$reports"
common="log_path=$reports/report:abort_on_error=1:disable_coredump=1:print_stacktrace=1"
status=0
SFM_PG_CONFIG=$server/bin/pg_config SFM_SANITIZED=1 \
	COPT='-fsanitize=undefined -fno-sanitize-recover=undefined' \
	ASAN_OPTIONS="$common:detect_leaks=0:handle_abort=1:verify_asan_link_order=0" UBSAN_OPTIONS="$common" \
	"$ROOT/scripts/test.sh" "${arguments[@]}" || status=$?

for report in "$reports"/report*; do
	[ -e "$report" ] || continue
	step "reported"
	head -n 60 "$report"
	status=1
done
exit "$status"
