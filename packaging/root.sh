#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# root.sh NAME prints the directory of a cached Debian root file system, and
# builds it if it is not there yet. rpm has rpmbuild, for machines without it. source
# has what distributors build packages with from the release tarball: dpkg-buildpackage,
# debhelper, rpmbuild, Go from Debian's backports, lintian and autopkgtest; and log2ram, of which the tests use the files.
# programs12 and programs13 are Debian with programs that record sessions, for test/system.
# elogind has OpenRC, elogind and sshd; rdp12 has xrdp and a client.
#
# Nothing of the machine is used but its apt, dpkg-deb and perl, as in
# ../test/rootfs/rootfs.sh. A cached root needs no network.
#
#   UTMPD_CACHE     where the roots are kept (~/.cache/utmpd)
#   DEBIAN_MIRROR   where packages come from (http://deb.debian.org/debian)
set -eu
umask 022

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
rootfs=$(cd "$(dirname "$0")/../test/rootfs" && pwd)
# shellcheck source=/dev/null
. "$rootfs/mmdebstrap.sh"

say() { echo "packaging root: $*" >&2; }
die() {
	say "$*"
	exit 1
}

packages() {
	case $1 in
	rpm) echo rpm ;;
	source) echo build-essential,debhelper,dpkg-dev,fakeroot,golang-1.26-go,rpm,lintian,autopkgtest,adduser,openssh-server,openssh-client,procps,log2ram ;;
	openrc*) echo "sysvinit-core,openrc,$machine" ;;
	runit*) echo "runit-init,runit,s6,$machine" ;;
	programs12) echo "openssh-server,openssh-client,login,passwd,procps,util-linux,mosh,xterm,rxvt-unicode,pterm,xvfb,xdm,inetutils-telnetd,telnet,rsh-redone-server,rsh-redone-client,tinysshd,ucspi-tcp,byobu,tmux,libutempter0,sudo,python3-utmp,konsole,cockpit-ws,cockpit-bridge,lightdm,xdotool,dbus" ;;
	programs13) echo openssh-client,login,passwd,procps,util-linux,sudo,mosh,xterm,pterm,xvfb ;;
	elogind) echo "sysvinit-core,openrc,elogind,libpam-elogind,dbus,$machine,passwd,openssh-server,openssh-client,python3-minimal,$readers" ;;
	rdp12) echo "systemd,dbus,libpam-systemd,$machine,login,passwd,xrdp,tigervnc-standalone-server,freerdp2-x11,xvfb,$readers" ;;
	policies) echo apparmor,checkpolicy,semodule-utils,policycoreutils,selinux-policy-default ;;
	*) die "usage: root.sh rpm|source|openrc12|openrc13|runit13|elogind|rdp12|policies|programs12|programs13" ;;
	esac
}

machine=initscripts,adduser,mount,procps,util-linux
readers=busybox,finger,python3-psutil

suite() {
	case $1 in
	*12) echo bookworm ;;
	*) echo trixie ;;
	esac
}

# What a root consists of decides its name, so a change here builds a new one.
key() {
	{ packages "$1" && cat "$rootfs/mmdebstrap.sh" && echo "$1 $mirror"; } | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(id -u)" = 0 ] || die "building it needs root: device nodes and mounts"
	[ -e /etc/debian_version ] || die "building it needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb perl unshare flock; do
		command -v $program >/dev/null || die "building it needs $program"
	done
	[ -e $keyring ] || die "building it needs $keyring (package debian-archive-keyring)"
}

# build makes the root $1 in $2, a directory of its own.
build() {
	get_mmdebstrap "$2"
	suite=$(suite "$1")
	# shellcheck disable=SC2016 # mmdebstrap expands $1
	unshare --mount --propagation private perl "$2/mmdebstrap" --quiet \
		--mode=root --variant=essential --format=directory \
		--include="$(packages "$1")" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--customize-hook='cd "$1" && rm -rf var/lib/apt/lists/* var/cache/apt usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n && mkdir -p data' \
		"$suite" "$2/root" \
		"deb [signed-by=$keyring] $mirror $suite main" \
		"deb [signed-by=$keyring] $mirror $suite-backports main" >&2 ||
		die "mmdebstrap could not build it from $mirror; see above"
}

# It is built beside its place, with the lock held, and renamed when whole.
[ $# = 1 ] || die "usage: root.sh NAME"
packages "$1" >/dev/null
dir=$cache/packaging-$1-$(key "$1")
if [ ! -d "$dir" ]; then
	prerequisites
	mkdir -p "$cache"
	chmod 700 "$cache" # the roots hold setuid programs
	(
		flock 9
		[ -d "$dir" ] && exit 0
		say "building it in $dir, once"
		trap 'rm -rf "$dir.new"' EXIT
		rm -rf "$cache"/packaging-*.new # left by builds that were killed
		mkdir "$dir.new"
		build "$1" "$dir.new"
		mv "$dir.new/root" "$dir"
	) 9>"$cache/packaging.lock"
fi
echo "$dir"
