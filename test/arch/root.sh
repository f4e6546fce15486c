#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# root.sh prints the directory of a cached file system that holds Debian's cross
# compilers, musl and qemu-user-static, and makes it if it is not there yet.
#
# The packages are fetched and unpacked, and nothing of them is run: no script
# of theirs gets a chance to register an emulator with the machine's kernel.
# Neither root nor mounts are needed. A cached root needs no network. Two runs
# side by side build once: the second waits.
#
#   UTMPD_CACHE     where the root is kept (~/.cache/utmpd)
#   DEBIAN_MIRROR   where packages come from (http://deb.debian.org/debian)
set -eu
umask 022

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The compilers come by their binaries' prefix, the libraries by Debian's names.
packages="dash coreutils gcc libc6-dev musl-dev musl-tools qemu-user-static
	gcc-i686-linux-gnu libc6-dev-i386-cross
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
	gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
	gcc-s390x-linux-gnu libc6-dev-s390x-cross
	gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross"
# musl of other byte orders and word sizes, for the compilers above.
foreign="musl-dev:s390x musl-dev:armhf"

say() { echo "cross root: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# What the root consists of decides its name, so a change here builds a new one.
key() {
	{ cat "$0" && echo "$mirror"; } | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(uname -m)" = x86_64 ] || die "the cross compilers are those of x86-64; this machine is $(uname -m)"
	[ -e /etc/debian_version ] || die "building it needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb flock; do
		command -v $program >/dev/null || die "building it needs $program"
	done
	[ -e $keyring ] || die "building it needs $keyring (package debian-archive-keyring)"
}

# configure gives apt a state of its own in $1, of a machine without packages.
configure() {
	mkdir -p "$1/etc/apt.conf.d" "$1/etc/preferences.d" "$1/state/lists/partial" "$1/cache/archives/partial"
	: >"$1/state/status"
	echo "deb [signed-by=$keyring] $mirror bookworm main" >"$1/etc/sources.list"
	cat >"$1/apt.conf" <<-CONF
		Dir::State "$1/state";
		Dir::State::status "$1/state/status";
		Dir::Cache "$1/cache";
		Dir::Etc "$1/etc";
		Dir::Log "$1";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; "s390x"; "armhf"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
	CONF
}

# build makes the root in $1/root.
build() {
	configure "$1/apt"
	export APT_CONFIG="$1/apt/apt.conf"
	apt-get -qq update || die "cannot read $mirror (no network? DEBIAN_MIRROR names another mirror)"
	# shellcheck disable=SC2086
	apt-get -qq --yes --download-only install $packages >&2 || die "cannot fetch packages from $mirror"
	# shellcheck disable=SC2086
	(cd "$1/apt/cache/archives" && apt-get -qq download $foreign) >&2 || die "cannot fetch $foreign from $mirror"
	mkdir -p "$1/root/work" "$1/root/tmp"
	for deb in "$1"/apt/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$1/root"
	done
	cd "$1/root"
	rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale
}

# The root is made beside its place, with the lock held, and renamed when whole.
dir=$cache/cross-$(key)
if [ ! -d "$dir" ]; then
	prerequisites
	mkdir -p "$cache"
	chmod 700 "$cache"
	(
		flock 9
		[ -d "$dir" ] && exit 0
		say "building it in $dir, once (about a minute, 2 GB)"
		rm -rf "$cache"/cross-*.new # left by a build that was killed
		trap 'rm -rf "$dir.new"' EXIT
		mkdir "$dir.new"
		build "$dir.new"
		mv "$dir.new/root" "$dir"
	) 9>"$cache/cross.lock"
fi
echo "$dir"
