#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# rootfs.sh ROOT... prints, one a line, the directories of cached Debian root
# file systems, and builds those that are not there yet.
#
# Nothing of the machine is used but its apt, dpkg-deb and perl: apt keeps its
# state in a private directory, mmdebstrap is unpacked and not installed, and
# all mounts are made in a mount namespace that ends with the build. A cached
# root needs no network. Two runs side by side build once: the second waits.
#
#   UTMPD_CACHE     where the roots are kept (~/.cache/utmpd)
#   DEBIAN_MIRROR   where packages come from (http://deb.debian.org/debian)
set -eu
umask 022

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
. "$(dirname "$0")/mmdebstrap.sh"

# What the tests run inside, by suite. tcc compiles their C programs.
# "-packages" is a machine on which the packages are checked and installed:
# systemd, and in Debian 13 also what judges packages and service files, the shells
# that complete, and what reads the metrics. "-sessions" is a machine with logind on
# which people log in, and with programs that read the records of that; trixie-elogind has
# elogind and sysvinit instead.
common=openssh-server,openssh-client,dropbear-bin,login,passwd,busybox,tmux,screen,libutempter0,vsftpd,util-linux,procps
machine=systemd,adduser,passwd,login,logrotate,util-linux,mount,procps
users=openssh-server,openssh-client,libpam-wtmpdb,wtmpdb,cron,sudo,tmux,screen,python3-minimal
readers=busybox,finger,python3-psutil
packages() {
	case $1 in
	bookworm) echo "$common,shellinabox,tcc,libc6-dev" ;;
	trixie) echo "$common" ;;
	bookworm-packages) echo "$machine,dbus,libpam-systemd" ;; # which sysvinit-core conflicts with
	trixie-packages) echo "$machine,sysvinit-core,orphan-sysvinit-scripts,lintian,rpm,rpmlint,libxml2-utils,shellcheck,mandoc,zsh,fish,prometheus,prometheus-node-exporter" ;;
	bookworm-sessions) echo "$machine,dbus,libpam-systemd,${users%%libpam-wtmpdb*}${users##*wtmpdb,},$readers" ;;
	trixie-sessions) echo "$machine,dbus,libpam-systemd,polkitd,$users,$readers,lightdm,xvfb" ;;
	trixie-elogind) echo "sysvinit-core,orphan-sysvinit-scripts,elogind,libpam-elogind,adduser,mount,procps,dbus,$users,$readers" ;;
	*) die "unknown root $1: bookworm and trixie are known, both with -packages and -sessions, and trixie-elogind" ;;
	esac
}

say() { echo "rootfs: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# What a root consists of decides its name, so a change here builds a new one.
key() {
	{ cat "$0" "$(dirname "$0")/mmdebstrap.sh" && echo "$1 $mirror"; } | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(id -u)" = 0 ] || die "building $1 needs root: setuid files, device nodes and mounts"
	[ -e /etc/debian_version ] || die "building $1 needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb perl unshare flock; do
		command -v $program >/dev/null || die "building $1 needs $program"
	done
	[ -e $keyring ] || die "building $1 needs $keyring (package debian-archive-keyring)"
}

# build makes the root of suite $1 in $2, a directory of its own.
build() {
	get_mmdebstrap "$2"
	case $1 in
	*-packages) people=true ;;
	*) people=$(customize) ;;
	esac
	unshare --mount --propagation private perl "$2/mmdebstrap" --quiet \
		--mode=root --variant=essential --format=directory \
		--include="$(packages "$1")" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		--customize-hook="$people" \
		--customize-hook='cd "$1" && rm -rf var/lib/apt/lists/* var/cache/* usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n' \
		"${1%%-*}" "$2/root" \
		"deb [signed-by=$keyring] $mirror ${1%%-*} main" >&2 ||
		die "mmdebstrap could not build $1 from $mirror; see above"
}

# customize prints the hook that gives the root its people: alice, who logs in
# with a key or the password "alice", and is in no special group. The shell
# profile is bare, so that a prompt is a prompt.
customize() {
	cat <<-'HOOK'
		set -eu
		chroot "$1" useradd -m -s /bin/sh alice
		echo alice:alice | chroot "$1" chpasswd
		chroot "$1" sh -c '
			set -eu
			mkdir -m 700 -p /root/.ssh
			ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
			! type dropbearkey >/dev/null 2>&1 || {
				mkdir -m 700 -p /etc/dropbear
				dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key >/dev/null 2>&1
			}
			for home in /root /home/alice; do
				mkdir -m 700 -p $home/.ssh
				cp /root/.ssh/id_ed25519.pub $home/.ssh/authorized_keys
				chmod 600 $home/.ssh/authorized_keys
				touch $home/.hushlogin
			done
			chown -R alice: /home/alice
		'
	HOOK
}

# root prints the directory of suite $1, after building it if need be. It is
# built beside its place, with the lock held, and renamed when whole.
root() {
	packages "$1" >/dev/null
	dir=$cache/$1-$(key "$1")
	if [ ! -d "$dir" ]; then
		prerequisites "$1"
		mkdir -p "$cache"
		chmod 700 "$cache" # the roots hold setuid programs
		(
			flock 9
			[ -d "$dir" ] && exit 0
			say "building $1 in $dir, once"
			trap 'rm -rf "$dir.part"' EXIT
			rm -rf "$cache"/*.part # left by builds that were killed
			mkdir "$dir.part"
			build "$1" "$dir.part"
			mv "$dir.part/root" "$dir"
		) 9>"$cache/lock"
	fi
	echo "$dir"
}

[ $# -gt 0 ] || die "usage: rootfs.sh ROOT... (bookworm, trixie, both with -packages and -sessions, trixie-elogind)"
for name; do
	root "$name"
done
