# shellcheck shell=bash
# lib.sh: what demo.sh, test.sh, test-release.sh and the benchmark share.
#
# Sourced, never run.  It finds the project from its own place, installs missing
# Debian packages, and makes one temporary directory ($WORK) that holds everything
# else: a copy of the source to build in, a private PostgreSQL tree to install
# into, clusters, sockets.  Neither the checkout nor the system's PostgreSQL is
# written to, so that root and a user can take turns, a read-only checkout works,
# and an already running server never notices.
#
# The private tree works without root because PostgreSQL finds its library and
# share directories relative to the place of the running binary: the binaries are
# copied, all else is a link into the system's installation.
#
# PostgreSQL refuses to run as root.  As root, everything but apt-get therefore
# runs as another user ($SERVER_USER), otherwise as the caller: as_server().
#
# Settings from the environment:
#   SFM_PG_VERSION   major version to use, where several are installed
#   SFM_PG_CONFIG    pg_config of an installation that is not Debian's
#   TMPDIR           where $WORK is made

set -euo pipefail
export LC_ALL=C.UTF-8
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
MIN_VERSION=15

WORK=			# the temporary directory, made by setup_work
PG=				# directory of the private tree's binaries, made by private_tree
PG_VERSION=		# its major version
SERVER_USER=	# who runs PostgreSQL
APT_UPDATED=
CLUSTERS=()		# data directories of running clusters, for the cleanup
MOUNTS=()		# file systems mounted below $WORK, for the cleanup
KEEP=			# set: leave $WORK and its servers alone at the end

say()  { printf '%s\n' "$*"; }
step() { printf '\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '== %s\n' "$*"; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command as root.
as_root()
{
	if is_root; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root: run it as root, or install sudo ($*)"
	fi
}

# Runs a command as the user that PostgreSQL runs as, from $WORK, with a home
# directory that this user can read.
as_server()
{
	(
		cd "$WORK"
		export HOME=$WORK
		if is_root; then
			runuser -u "$SERVER_USER" -- "$@"
		else
			"$@"
		fi
	)
}

# ------------------------------------------------------------------ packages

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt_install()
{
	local log

	log=$(mktemp)
	if [ -z "$APT_UPDATED" ]; then
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			-o DPkg::Lock::Timeout=300 update >"$log" 2>&1 ||
			say "apt-get update failed; trying with the lists that are there"
		APT_UPDATED=1
	fi
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >>"$log" 2>&1
	then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "apt-get could not install: $*"
	fi
	rm -f "$log"
}

# Installs those of the named packages that are missing; needs no network when
# none is.  Debian's server package starts a cluster of its own when it is first
# installed: a drop-in prevents that and is taken away again.
need_packages()
{
	local missing=() package dropin=/etc/postgresql-common/createcluster.d/sqlite_fdw_mig.conf
	local server=

	for package in "$@"; do
		installed "$package" && continue
		missing+=("$package")
		case $package in postgresql-[0-9]*) server=1 ;; esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "please install: ${missing[*]}"
	step "installing ${missing[*]}"
	if [ -n "$server" ]; then
		installed postgresql-common || apt_install postgresql-common
		as_root mkdir -p "${dropin%/*}"
		echo 'create_main_cluster = false' | as_root tee "$dropin" >/dev/null
		(apt_install "${missing[@]}") || { as_root rm -f "$dropin"; exit 1; }
		as_root rm -f "$dropin"
	else
		apt_install "${missing[@]}"
	fi
}

# Reads version numbers, one a line; prints those from MIN_VERSION on, newest first.
newest_first() { awk -v min="$MIN_VERSION" '/^[0-9]+$/ && $1 >= min' | sort -rnu; }

available_versions()
{
	apt-cache pkgnames postgresql-server-dev- 2>/dev/null |
		sed 's/^postgresql-server-dev-//' | newest_first
}

# Sets PG_VERSION and SYSTEM_PG_CONFIG: what the environment says, else the
# newest server installed with its headers, else the newest server installed, else
# the newest that apt offers.
choose_postgresql()
{
	local v dir

	if [ -n "${SFM_PG_CONFIG:-}" ]; then
		SYSTEM_PG_CONFIG=$SFM_PG_CONFIG
		PG_VERSION=$("$SYSTEM_PG_CONFIG" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
		return
	fi
	PG_VERSION=${SFM_PG_VERSION:-}
	if [ -z "$PG_VERSION" ]; then
		dir=/usr/lib/postgresql
		PG_VERSION=$(for v in "$dir"/*/bin/pg_config; do
			[ -x "${v%/*}/postgres" ] || continue
			v=${v#"$dir"/}
			v=${v%%/*}
			if [ -e "$dir/$v/lib/pgxs/src/makefiles/pgxs.mk" ]; then echo "$v"; fi
		done | newest_first | sed -n 1p)
	fi
	if [ -z "$PG_VERSION" ]; then
		PG_VERSION=$(for v in "$dir"/*/bin/postgres; do
			v=${v#"$dir"/}
			echo "${v%%/*}"
		done | newest_first | sed -n 1p)
	fi
	if [ -z "$PG_VERSION" ]; then
		PG_VERSION=$(available_versions | sed -n 1p)
		if [ -z "$PG_VERSION" ]; then
			# A fresh machine or container has no package lists yet.
			as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y update >/dev/null 2>&1 || true
			APT_UPDATED=1
			PG_VERSION=$(available_versions | sed -n 1p)
		fi
	fi
	[ -n "$PG_VERSION" ] ||
		die "no PostgreSQL $MIN_VERSION or later is installed or offered by apt (see https://apt.postgresql.org)"
	[ "$PG_VERSION" -ge "$MIN_VERSION" ] || die "PostgreSQL $PG_VERSION is too old: $MIN_VERSION or later is needed"
	SYSTEM_PG_CONFIG=/usr/lib/postgresql/$PG_VERSION/bin/pg_config
}

# Chooses PostgreSQL, and installs it with what a build needs and the packages
# named.  %v in a name stands for the major version.
setup_packages()
{
	local packages=(gcc make libc6-dev libsqlite3-dev libxxhash-dev sqlite3)

	choose_postgresql
	if [ -z "${SFM_PG_CONFIG:-}" ]; then
		packages+=("postgresql-$PG_VERSION" "postgresql-client-$PG_VERSION" "postgresql-server-dev-$PG_VERSION")
	fi
	need_packages "${packages[@]}" "${@//%v/$PG_VERSION}"
	if ! is_root; then
		SERVER_USER=$(id -un)
	elif id postgres >/dev/null 2>&1; then
		SERVER_USER=postgres
	else
		SERVER_USER=nobody
	fi
}

# ------------------------------------------------- the temporary directory

# Makes $WORK, owned by the server's user and closed to all others: its sockets
# can then trust whoever reaches them.  A socket's path must stay under 107 bytes.
setup_work()
{
	local parent=${TMPDIR:-/tmp}

	[ ${#parent} -le 60 ] || parent=/tmp
	WORK=$(mktemp -d "$parent/sfm.XXXXXX")
	chmod 700 "$WORK"
	! is_root || chown "$SERVER_USER": "$WORK"
	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	as_server test -x "$WORK" || die "user $SERVER_USER cannot enter $WORK: set TMPDIR"
}

# Ends what still runs in the background, stops the clusters that were started
# here, by the pid in their own data directory, and removes $WORK.
cleanup()
{
	local status=$? data pid

	trap - EXIT
	trap '' HUP INT TERM
	for pid in $(jobs -pr); do
		# A group each (set -m): tests stop their own servers when told to end.
		kill -- "-$pid" 2>/dev/null || true
		for _ in {1..100}; do
			kill -0 -- "-$pid" 2>/dev/null || break
			sleep 0.1
		done
	done
	if [ -n "$WORK" ] && [ -z "$KEEP" ]; then
		for data in ${CLUSTERS[@]+"${CLUSTERS[@]}"}; do
			[ ! -e "$data/postmaster.pid" ] ||
				as_server "$PG/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
		done
		for data in ${MOUNTS[@]+"${MOUNTS[@]}"}; do
			umount "$data" || true
		done
		rm -rf --one-file-system "$WORK"
	fi
	exit "$status"
}

# A copy of the source without build products, owned by the server's user.
copy_source()	# name of the copy below $WORK
{
	as_server mkdir -p "$WORK/$1"
	tar -C "$ROOT" -c --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=./tmp_check --exclude=./tmp_check_iso --exclude=./output_iso \
		--exclude=./results --exclude=./log . |
		as_server tar -C "$WORK/$1" -x --no-same-owner
}

# Links every entry of one directory, "extension" apart, into another that exists.
link_entries() { as_server find "$1" -mindepth 1 -maxdepth 1 ! -name extension -exec ln -s -t "$2" {} +; }

# Makes the private PostgreSQL tree and sets PG to its binaries.
private_tree()
{
	local bindir libdir sharedir

	bindir=$("$SYSTEM_PG_CONFIG" --bindir)
	libdir=$("$SYSTEM_PG_CONFIG" --pkglibdir)
	sharedir=$("$SYSTEM_PG_CONFIG" --sharedir)
	INSTALL_ROOT=$WORK/pg
	PG=$INSTALL_ROOT$bindir
	as_server mkdir -p "$INSTALL_ROOT$bindir" "$INSTALL_ROOT$libdir" "$INSTALL_ROOT$sharedir/extension"
	as_server cp -RL "$bindir/." "$INSTALL_ROOT$bindir"
	link_entries "$libdir" "$INSTALL_ROOT$libdir"
	link_entries "$sharedir" "$INSTALL_ROOT$sharedir"
	link_entries "$sharedir/extension" "$INSTALL_ROOT$sharedir/extension"
	# An installed sqlite_fdw_mig must not be written through its link.
	as_server rm -f "$INSTALL_ROOT$libdir"/sqlite_fdw_mig* "$INSTALL_ROOT$sharedir"/extension/sqlite_fdw_mig*
	[ "$("$PG/pg_config" --sharedir)" = "$INSTALL_ROOT$sharedir" ] ||
		die "this PostgreSQL cannot be used from another place ($bindir)"
}

# Runs make in a copy of the source: make_in directory [arguments].  Quiet unless it fails.
make_in()
{
	local dir=$1 log

	shift
	log=$WORK/$dir.make.log
	if ! as_server make -s -C "$WORK/$dir" -j "$(nproc)" --no-print-directory with_llvm=no \
		PG_CONFIG="$SYSTEM_PG_CONFIG" "$@" >"$log" 2>&1
	then
		tail -n 60 "$log" >&2
		die "make $* failed"
	fi
}

# Builds the extension in $WORK/src and installs it into the private tree.
build_and_install()	# [arguments for make]
{
	copy_source src
	private_tree
	make_in src "$@"
	make_in src install DESTDIR="$INSTALL_ROOT" "$@"
}

# -------------------------------------------------------------- a cluster

# Makes and starts a cluster that listens on a Unix socket alone:
# start_cluster name [setting=value ...].  Its data is $WORK/name, its socket
# directory $WORK/s; the superuser is postgres.  It is made to be thrown away: it
# does not sync.
start_cluster()
{
	local data=$WORK/$1 setting

	shift
	as_server "$PG/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 \
		--locale=C.UTF-8 --no-sync >"$data.initdb.log" 2>&1 ||
		{ cat "$data.initdb.log" >&2; die "initdb failed"; }
	as_server mkdir -p -m 700 "$WORK/s"
	for setting in "listen_addresses=''" "unix_socket_directories='$WORK/s'" \
		'fsync=off' 'wal_level=minimal' 'max_wal_senders=0' 'max_wal_size=4GB' \
		'max_locks_per_transaction=1024' "log_destination=stderr" "$@"; do
		printf '%s\n' "$setting"
	done | as_server tee -a "$data/postgresql.conf" >/dev/null
	CLUSTERS+=("$data")
	as_server "$PG/pg_ctl" -D "$data" -l "$data.log" -w -t 60 start >/dev/null ||
		{ tail -n 20 "$data.log" >&2; die "PostgreSQL did not start"; }
}

# psql into that cluster, without the caller's settings: run_psql database [arguments].
run_psql()
{
	local db=$1

	shift
	as_server "$PG/psql" -X -v ON_ERROR_STOP=1 -h "$WORK/s" -U postgres -d "$db" "$@"
}
