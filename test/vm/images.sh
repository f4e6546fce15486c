#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# images.sh SYSTEM... prints, one per line, the directories of the images that the
# machines use, and builds those that do not exist yet:
#
#   tools              run PROGRAM..., for qemu (of Debian 13: under Debian 12's,
#                      Linux 6.12 panics) and mke2fs
#   judge              run last (of Debian 12; 13 has none), and getutxent
#   debian12-systemd   vmlinuz, initrd, root.img, var.img: a machine
#   debian13-systemd
#   debian12-sysvinit
#   debian12-openrc
#
# As in ../rootfs, this uses only the machine's apt, dpkg-deb and perl. A cached
# image needs no network. If two runs need the same image, one builds it and the
# other waits. A change of the sources of an image causes a new build.
#
#   UTMPD_CACHE     directory of the cache (~/.cache/utmpd)
#   DEBIAN_MIRROR   source of the packages (http://deb.debian.org/debian)
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${UTMPD_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/utmpd}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
. "$here/../rootfs/mmdebstrap.sh"

# The packages that sessions and the programs that check them need.
common=linux-image-cloud-amd64,initramfs-tools,zstd,udev,kmod,login,passwd,util-linux,procps,iproute2,openssh-server,openssh-client,busybox,python3-psutil,logrotate,adduser
packages() {
	case $1 in
	tools) echo qemu-system-x86,qemu-utils,e2fsprogs,libc-bin ;;
	judge) echo util-linux,tcc,libc6-dev,libc-bin ;;
	*-systemd) echo "$common,systemd-sysv,dbus,libpam-systemd" ;;
	*-sysvinit) echo "$common,sysvinit-core,sysv-rc,initscripts,startpar,sysvinit-utils,ifupdown,inetutils-syslogd" ;;
	*-openrc) echo "$common,sysvinit-core,openrc,initscripts,sysvinit-utils,ifupdown,inetutils-syslogd" ;;
	esac
}

suite() {
	case $1 in
	judge | debian12-systemd | debian12-sysvinit | debian12-openrc) echo bookworm ;;
	tools | debian13-systemd) echo trixie ;;
	*) die "unknown $1: tools, judge, debian12-systemd, debian13-systemd, debian12-sysvinit, debian12-openrc" ;;
	esac
}

say() { echo "vm images: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# The sources of an image determine its name.
key() {
	case $1 in
	tools) parts= ;;
	judge) parts=testdata/getutxent.c ;;
	*) parts="testdata/customize.sh agent/main.go" ;;
	esac
	# shellcheck disable=SC2086
	(cd "$here" && cat images.sh ../rootfs/mmdebstrap.sh $parts && echo "$1 $mirror") | sha256sum | cut -c1-12
}

prerequisites() {
	[ "$(id -u)" = 0 ] || die "building $1 needs root: setuid files, device nodes and mounts"
	[ "$(uname -m)" = x86_64 ] || die "the machines need an x86-64 host; this one is $(uname -m)"
	[ -e /etc/debian_version ] || die "building $1 needs Debian's apt-get and dpkg-deb; this machine is not Debian"
	for program in apt-get dpkg-deb perl unshare flock go; do
		command -v $program >/dev/null || die "building $1 needs $program"
	done
	[ -e $keyring ] || die "building $1 needs $keyring (package debian-archive-keyring)"
}

# mmdebstrap SYSTEM VARIANT DIR OPTIONS... makes DIR/root with
# DIR/mmdebstrap.
mmdebstrap() {
	name=$1 variant=$2 new=$3
	shift 3
	unshare --mount --propagation private perl "$new/mmdebstrap" --quiet \
		--mode=root --variant="$variant" --format=directory \
		--include="$(packages "$name")" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' \
		"$@" \
		"$(suite "$name")" "$new/root" \
		"deb [signed-by=$keyring] $mirror $(suite "$name") main" >&2 ||
		die "mmdebstrap could not build $name from $mirror; see above"
	(cd "$new/root" && rm -rf var/lib/apt/lists/* var/cache/apt/* usr/share/doc usr/share/man usr/share/info usr/share/locale)
}

# build_programs makes a file system of programs, and a script that runs them.
build_programs() {
	mmdebstrap "$1" extract "$2"
	mkdir "$2/made"
	mv "$2/root" "$2/made/root"
	cat >"$2/made/run" <<-'RUN'
		#!/bin/sh
		# run PROGRAM ARGUMENT... runs a program of root with its own libraries.
		root=$(dirname "$0")/root
		lib=$root/usr/lib/x86_64-linux-gnu
		export QEMU_MODULE_DIR=$lib/qemu
		for dir in usr/bin usr/sbin bin sbin; do
			program=$root/$dir/$1
			[ ! -e "$program" ] || break
		done
		shift
		loader=$root/usr/lib64/ld-linux-x86-64.so.2
		[ -e "$loader" ] || loader=$root/lib64/ld-linux-x86-64.so.2
		exec "$loader" --library-path "$lib:$root/lib/x86_64-linux-gnu:$lib/pulseaudio" "$program" "$@"
	RUN
	chmod +x "$2/made/run"
}

# The C program that uses the C library is compiled here and runs on every machine.
build_judge() {
	build_programs judge "$1"
	cp "$here/testdata/getutxent.c" "$1/made/root/tmp"
	chroot "$1/made/root" /usr/bin/tcc -Wall -Werror -o /getutxent /tmp/getutxent.c
	mv "$1/made/root/getutxent" "$1/made"
}

# build_machine makes the file systems of a machine, with kernel and initrd. /var has
# a file system of its own because of its mount options.
build_machine() {
	name=$1 new=$2
	(cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$new/agent" ./test/vm/agent)
	mmdebstrap "$name" minbase "$new" \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" && printf "MODULES=list\nCOMPRESS=zstd\n" >"$1/etc/initramfs-tools/conf.d/small"' \
		--customize-hook="copy-in $new/agent /usr/local/sbin" \
		--customize-hook="sh $here/testdata/customize.sh \"\$1\""
	mkdir "$new/made" "$new/var"
	cp "$new"/root/boot/vmlinuz-* "$new/made/vmlinuz"
	cp "$new"/root/boot/initrd.img-* "$new/made/initrd"
	basename "$new"/root/boot/vmlinuz-* | sed s/vmlinuz-// >"$new/made/kernel"
	rm -rf "$new"/root/boot/*
	mv "$new"/root/var/* "$new/var"
	"$tools/run" mke2fs -q -t ext4 -d "$new/root" -L root "$new/made/root.img" 2G
	"$tools/run" mke2fs -q -t ext4 -d "$new/var" -L var "$new/made/var.img" 512M
}

# image prints the directory of $1 and builds the image if necessary: in a temporary
# directory, with the lock held, renamed when it is complete.
image() {
	suite "$1" >/dev/null
	dir=$cache/vm-$1-$(key "$1")
	if [ ! -d "$dir" ]; then
		prerequisites "$1"
		mkdir -p "$cache"
		chmod 700 "$cache" # the roots hold setuid programs
		(
			flock 9
			[ -d "$dir" ] && exit 0
			say "making $1 in $dir, once"
			rm -rf "$cache"/vm-*.new # left by builds that were killed
			trap 'rm -rf "$dir.new"' EXIT
			mkdir "$dir.new"
			get_mmdebstrap "$dir.new"
			case $1 in
			tools) build_programs tools "$dir.new" ;;
			judge) build_judge "$dir.new" ;;
			*) build_machine "$1" "$dir.new" ;;
			esac
			mv "$dir.new/made" "$dir"
		) 9>"$cache/vm.lock"
	fi
	echo "$dir"
}

[ $# -gt 0 ] || die "usage: images.sh SYSTEM..."
tools=$(image tools)
for system; do
	image "$system"
done
