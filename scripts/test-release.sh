#!/usr/bin/env bash
# test-release.sh: all tests on another release of Debian, in a chroot.
#
#   scripts/test-release.sh trixie|sid [argument of test.sh ...]
#
# trixie carries PostgreSQL 17, sid 18.  Makes a minimal system by debootstrap in a
# temporary directory and runs test.sh there, which installs from Debian's packages
# what it needs.  Needs root or sudo, and a Debian mirror: the one that apt uses
# here, else deb.debian.org.  Mounts and processes live in namespaces of their own
# and end with the script; the directory is removed.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
	trixie | sid) suite=$1 ;;
	*) sed -n '2,/^$/ { s/^# \{0,1\}//; p }' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
shift

# The mirror of Debian's main archive that apt uses, when this is a Debian.
find_mirror()
{
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|//p' | sed -n '1s,/*$,,p'
}

remove_chroot()
{
	local status=$?

	trap - EXIT
	trap '' HUP INT TERM
	[ -z "$chroot" ] || as_root rm -rf --one-file-system "$chroot"
	exit "$status"
}

need_packages debootstrap tar
mirror=$(find_mirror)
mirror=${mirror:-http://deb.debian.org/debian}
proxy=
eval "$(apt-config shell proxy Acquire::http::Proxy)"

chroot=
trap remove_chroot EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chroot=$(mktemp -d "${TMPDIR:-/tmp}/sfm-$suite.XXXXXX")
chmod 755 "$chroot"

step "making a Debian $suite from $mirror"
log=$(mktemp)
as_root env ${proxy:+http_proxy="$proxy"} debootstrap --variant=minbase \
	--include=ca-certificates "$suite" "$chroot" "$mirror" >"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; rm -f "$log"; die "debootstrap failed"; }
rm -f "$log"

# What the inner system needs of the outer: the way to the mirror, the source, and
# the sample files beside the checkout.
as_root cp -L /etc/resolv.conf "$chroot/etc/resolv.conf" 2>/dev/null || true
as_root cp -L /etc/hosts "$chroot/etc/hosts"
[ -z "$proxy" ] || echo "Acquire::http::Proxy \"$proxy\";" | as_root tee "$chroot/etc/apt/apt.conf.d/01proxy" >/dev/null
as_root mkdir -p "$chroot/srv/sqlite_fdw_mig"
tar -C "$ROOT" -c --exclude=./.git . | as_root tar -C "$chroot/srv/sqlite_fdw_mig" -x --no-same-owner
if [ -d "$ROOT/../shared/data" ]; then
	as_root mkdir -p "$chroot/srv/shared"
	tar -C "$ROOT/../shared" -c data | as_root tar -C "$chroot/srv/shared" -x --no-same-owner
fi

step "running the tests in it"
as_root unshare --mount --pid --ipc --fork --kill-child /bin/sh -c '
	mount --make-rprivate /
	mount -t proc proc "$0/proc"
	mount --rbind /dev "$0/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm" || true
	exec chroot "$0" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LANG=C.UTF-8 TERM=dumb /srv/sqlite_fdw_mig/scripts/test.sh "$@"
' "$chroot" "$@"
