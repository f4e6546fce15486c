#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# root.sh prints the directory of a cached Debian 13 root file system with Chromium,
# without a window system, and builds it if it is not there yet.
#
# Nothing of the machine is used but its apt, dpkg-deb and perl, as in
# ../rootfs/rootfs.sh. A cached root needs no network.
#
#   UTMPD_CACHE     where the root is kept (~/.cache/utmpd)
#   DEBIAN_MIRROR   where packages come from (http://deb.debian.org/debian)
set -eu
umask 022

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
rootfs=$(cd "$(dirname "$0")/../rootfs" && pwd)
. "$rootfs/mmdebstrap.sh"

say() { echo "browser root: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# What the root consists of decides its name, so a change here builds a new one.
key() {
	{ cat "$0" "$rootfs/mmdebstrap.sh" && echo "$mirror"; } | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(id -u)" = 0 ] || die "building needs root: device nodes and mounts"
	[ -e /etc/debian_version ] || die "building needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb perl unshare flock; do
		command -v $program >/dev/null || die "building needs $program"
	done
	[ -e $keyring ] || die "building needs $keyring (package debian-archive-keyring)"
}

# build makes the root in $1, a directory of its own.
build() {
	get_mmdebstrap "$1"
	unshare --mount --propagation private perl "$1/mmdebstrap" --quiet \
		--mode=root --variant=essential --format=directory \
		--include=chromium-headless-shell,fonts-dejavu-core,poppler-utils \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--customize-hook='cd "$1" && rm -rf var/lib/apt/lists/* var/cache/apt usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n && mkdir -p data' \
		trixie "$1/root" \
		"deb [signed-by=$keyring] $mirror trixie main" >&2 ||
		die "mmdebstrap could not build it from $mirror; see above"
}

# It is built beside its place, with the lock held, and renamed when whole.
dir=$cache/browser-$(key)
if [ ! -d "$dir" ]; then
	prerequisites
	mkdir -p "$cache"
	chmod 700 "$cache" # the roots hold setuid programs
	(
		flock 9
		[ -d "$dir" ] && exit 0
		say "building it in $dir, once"
		trap 'rm -rf "$dir.new"' EXIT
		rm -rf "$cache"/browser-*.new # left by builds that were killed
		mkdir "$dir.new"
		build "$dir.new"
		mv "$dir.new/root" "$dir"
	) 9>"$cache/browser.lock"
fi
echo "$dir"
