#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# roots.sh SUITE... prints, one a line, the directories of cached root file systems
# with util-linux's last, lastb and utmpdump in /usr/bin, and builds those that are
# not there yet. bookworm has Debian's own, of util-linux 2.38. Debian 13 has none, so
# trixie has those that Debian's source of util-linux 2.41 makes with its compiler and
# C library. Both have all time zones and a few locales.
#
# Nothing of the machine is used but its apt, dpkg-deb and perl, as in
# ../rootfs/rootfs.sh. A cached root needs no network.
#
#   UTMPD_CACHE     where the roots are kept (~/.cache/utmpd)
#   DEBIAN_MIRROR   where packages come from (http://deb.debian.org/debian)
set -eu
umask 022

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
rootfs=$(cd "$(dirname "$0")/../rootfs" && pwd)
. "$rootfs/mmdebstrap.sh"

say() { echo "dropin roots: $*" >&2; }
die() {
	say "$*"
	exit 1
}

packages() {
	case $1 in
	bookworm) echo util-linux,tzdata,locales ;;
	trixie) echo gcc,libc6-dev,make,pkgconf,tzdata,locales ;;
	*) die "unknown root $1: bookworm and trixie are known" ;;
	esac
}

# What a root consists of decides its name, so a change here builds a new one.
key() {
	{ cat "$0" "$rootfs/mmdebstrap.sh" && echo "$1 $mirror"; } | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(id -u)" = 0 ] || die "building $1 needs root: device nodes and mounts"
	[ -e /etc/debian_version ] || die "building $1 needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb perl unshare flock tar xz; do
		command -v $program >/dev/null || die "building $1 needs $program"
	done
	[ -e $keyring ] || die "building $1 needs $keyring (package debian-archive-keyring)"
}

# fetch leaves the source of trixie's util-linux in $1/util-linux, with the apt
# that get_mmdebstrap has set up there.
fetch() {
	echo "deb-src [signed-by=$keyring] $mirror trixie main" >"$1/apt/etc/sources.list"
	APT_CONFIG=$1/apt/apt.conf apt-get -qq update || die "cannot read $mirror"
	(cd "$1/apt" && APT_CONFIG=$1/apt/apt.conf apt-get -qq source --download-only util-linux) ||
		die "cannot fetch the source of util-linux from $mirror"
	mkdir "$1/util-linux"
	tar -xf "$1"/apt/util-linux_*.orig.tar.xz -C "$1/util-linux" --strip-components 1
}

# customize prints the hook that finishes a root: the locales, and in trixie the
# programs, made from the source in $2.
customize() {
	cat <<-'HOOK'
		set -eu
		for name in de_DE.UTF-8 tr_TR.UTF-8 de_DE.ISO-8859-1; do
			chroot "$1" localedef -i ${name%%.*} -f ${name#*.} $name
		done
	HOOK
	[ "$1" = trixie ] && cat <<-HOOK
		cp -a '$2/util-linux' "\$1/tmp/source"
		chroot "\$1" sh -c '
			set -eu
			cd /tmp/source
			./configure --disable-all-programs --enable-last --enable-utmpdump --disable-nls --disable-asciidoc --disable-poman
			make -j2 last utmpdump
			cp last utmpdump /usr/bin
			ln -s last /usr/bin/lastb
		' >/dev/null 2>"$2/errors" || { cat "$2/errors" >&2; exit 1; }
		rm -rf "\$1/tmp/source" "\$1"/usr/lib/gcc "\$1"/usr/libexec/gcc "\$1"/usr/include
	HOOK
	cat <<-'HOOK'
		cd "$1"
		rm -rf var/lib/apt/lists/* var/cache/* usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n etc/localtime
		mkdir -p data
		: >var/log/wtmp
		: >var/log/btmp
	HOOK
}

# build makes the root of suite $1 in $2, a directory of its own.
build() {
	get_mmdebstrap "$2"
	[ "$1" = bookworm ] || fetch "$2"
	unshare --mount --propagation private perl "$2/mmdebstrap" --quiet \
		--mode=root --variant=essential --format=directory \
		--include="$(packages "$1")" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--customize-hook="$(customize "$1" "$2")" \
		"$1" "$2/root" \
		"deb [signed-by=$keyring] $mirror $1 main" >&2 ||
		die "mmdebstrap could not build $1 from $mirror; see above"
}

# root prints the directory of suite $1, after building it if need be. It is built
# beside its place, with the lock held, and renamed when whole.
root() {
	packages "$1" >/dev/null
	dir=$cache/dropin-$1-$(key "$1")
	if [ ! -d "$dir" ]; then
		prerequisites "$1"
		mkdir -p "$cache"
		chmod 700 "$cache" # the roots hold setuid programs
		(
			flock 9
			[ -d "$dir" ] && exit 0
			say "building $1 in $dir, once"
			trap 'rm -rf "$dir.new"' EXIT
			rm -rf "$cache"/dropin-*.new # left by builds that were killed
			mkdir "$dir.new"
			build "$1" "$dir.new"
			mv "$dir.new/root" "$dir"
		) 9>"$cache/dropin.lock"
	fi
	echo "$dir"
}

[ $# -gt 0 ] || die "usage: roots.sh SUITE... (bookworm, trixie)"
for name; do
	root "$name"
done
