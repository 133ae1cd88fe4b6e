#!/bin/bash
# What happens to a Debian machine with systemd when the package is installed, upgraded,
# removed, installed again, purged, or meets an install by hand. By `make package-test`,
# as root; some minutes. PREVIOUS is the commit whose package is upgraded from.
set -eu
cd "$(dirname "$0")/../.."

# The last commit whose package had the configuration file as one of its own.
PREVIOUS=${PREVIOUS:-3f2bde0}
GUEST=systemd,systemd-sysv,dbus,iproute2,nginx-light,needrestart,man-db,bash-completion,rpm

skip() {
	echo "skipped: $*"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can boot a machine of its own"
[ -d .git ] || [ -f .git ] || skip "this is no clone: there is no previous package to upgrade from"
missing=
for program in mmdebstrap systemd-nspawn lintian; do
	command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null || skip "this is no Debian:$missing"
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap systemd-container lintian ||
		skip "cannot install$missing"
fi

work=$(mktemp -d)
boot=
finish() {
	if [ -n "$boot" ]; then
		kill "$boot" 2>/dev/null || true # nspawn takes its machine along
		wait "$boot" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT

arch=$(dpkg --print-architecture)
git rev-parse -q --verify "$PREVIOUS^{commit}" >/dev/null || skip "this clone does not have the commit $PREVIOUS: fetch the whole history"
echo "building the packages of $PREVIOUS and of this tree"
mkdir "$work/previous"
git archive "$PREVIOUS" | tar -x -C "$work/previous"
make -s -C "$work/previous" package VERSION=v0.0.1 ARCHES="$arch" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
rm -rf dist/package-test
make -s package VERSION=v0.0.2 ARCHES="$arch" DIST=dist/package-test >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

lintian --allow-root --fail-on error,warning dist/package-test/*_"$arch".deb
echo "ok  lintian has no error and no warning"

echo "making a Debian machine"
mmdebstrap -q --variant=minbase --include=$GUEST bookworm "$work/root" >"$work/log" 2>&1 || {
	tail -n 3 "$work/log"
	skip "cannot get the packages of Debian"
}
mkdir "$work/root/try"
cp "$work"/previous/dist/*_"$arch".deb "$work/root/try/previous.deb"
cp dist/package-test/*_"$arch".deb "$work/root/try/this.deb"
cp "$work"/previous/dist/*."$(uname -m)".rpm "$work/root/try/previous.rpm"
cp dist/package-test/*."$(uname -m)".rpm "$work/root/try/this.rpm"
cp packaging/baton.service examples/nginx/nginx.conf "$work/root/try/"
cp test/package/machine.sh "$work/root/try/"

systemd-nspawn -q --register=no --keep-unit --private-network --capability=CAP_NET_ADMIN,CAP_NET_RAW \
	-D "$work/root" -M "baton-package-$$" -b >"$work/boot" 2>&1 &
boot=$!
init=
for _ in $(seq 600); do
	kill -0 "$boot" 2>/dev/null || { cat "$work/boot"; skip "a machine of its own does not boot here"; }
	init=$(pgrep -P "$boot" || true)
	[ -z "$init" ] || ! nsenter -t "$init" -a systemctl is-active -q multi-user.target 2>/dev/null || break
	sleep 0.2
done
nsenter -t "$init" -a /bin/bash /try/machine.sh
