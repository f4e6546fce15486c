#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# guest.sh run|boot ROOT DIR COMMAND... runs COMMAND, or the systemd in ROOT (or the
# program $INIT) as process 1 with COMMAND as its arguments, with its own mounts, processes, network and boot clock.
# ROOT is read-only. Changes are kept in DIR for the next run with the same DIR. The
# guest ends with its process 1.
#
# The environment variable BOOT_ID sets the boot ID of a booted guest. The guest
# writes its process 1, as seen from outside, to DIR/pid.
set -eu
mode=$1 root=$2 dir=$3

# outside starts this script again in namespaces. The boot clock starts at one
# second, because no process may have started before the boot.
outside() {
	rm -rf "$dir/work"
	mkdir -p "$dir/upper" "$dir/work" "$dir/root"
	up=$(($(cut -d. -f1 /proc/uptime) - 1))
	# --kill-child: if this process is killed, the whole guest is killed.
	inside=yes unshare --kill-child --mount --propagation private --pid --fork --uts --ipc --net \
		--time --monotonic -$up --boottime -$up ${cgroup:+--cgroup} "$0" "$@"
}

# in_cgroup runs outside in a cgroup and removes the cgroup afterwards.
in_cgroup() {
	hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$hierarchy" ] || { echo "guest.sh: no cgroup2 file system is mounted" >&2; exit 1; }
	cgroup=$(mktemp -d "$hierarchy/utmpd-test-XXXXXX") # two runs may have the same pids
	trap 'find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null' EXIT
	status=0
	(
		sh -c 'echo $PPID' >"$cgroup/cgroup.procs"
		outside "$@"
	) || status=$?
	exit $status
}

devices() {
	mount -t tmpfs -o mode=755 dev "$1/dev"
	for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
		numbers=${device#*:}
		mknod -m 666 "$1/dev/${device%%:*}" c "${numbers%:*}" "${numbers#*:}"
	done
	mkdir "$1/dev/pts" "$1/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666,gid=5,mode=620 pts "$1/dev/pts"
	mount -t tmpfs shm "$1/dev/shm"
	ln -s pts/ptmx "$1/dev/ptmx"
	ln -s /proc/self/fd "$1/dev/fd"
	ln -s fd/0 "$1/dev/stdin"
	ln -s fd/1 "$1/dev/stdout"
	ln -s fd/2 "$1/dev/stderr"
}

inside() {
	r=$dir/root
	read -r pid rest </proc/self/stat # /proc still belongs to the machine, so this is the pid outside
	# volatile: dpkg syncs every file, which is not needed here.
	mount -t overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work,volatile" overlay "$r"
	mount -t proc proc "$r/proc"
	# What is set there, as by systemd-sysctl, would be set for the whole machine.
	mount --bind "$r/proc/sys" "$r/proc/sys"
	mount -o remount,bind,ro "$r/proc/sys"
	devices "$r"
	[ -z "${PACKAGES:-}" ] || { mkdir -p "$r/packages"; mount --bind "$PACKAGES" "$r/packages"; }
	hostname guest
	if [ "$mode" = boot ]; then
		mount -t sysfs -o ro sysfs "$r/sys"
		mount -t cgroup2 cgroup2 "$r/sys/fs/cgroup"
		mount -t tmpfs -o mode=755 run "$r/run"
		mount -t tmpfs tmp "$r/tmp"
		echo "$BOOT_ID" >"$r/run/boot_id"
		mount --bind "$r/run/boot_id" "$r/proc/sys/kernel/random/boot_id"
		echo "$pid" >"$dir/pid.new"
		mv "$dir/pid.new" "$dir/pid"
	fi
	cd "$r"
	mount --no-mtab --move . /
	shift 3
	# As on a machine, what is mounted later is mounted in the services' own namespaces too.
	case $mode:${INIT:-} in
	boot:) set -- /bin/sh -c 'mount --make-rshared / && exec /lib/systemd/systemd "$@"' sh "$@" ;;
	boot:*) # whose scripts, unlike systemd, do not know that they must not set the machine's clock
		set -- setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog "$INIT" "$@" ;;
	esac
	exec chroot . /usr/bin/env -i container=utmpd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

cgroup=
case $mode:${inside:-} in
run:) outside "$@" ;;
boot:) in_cgroup "$@" ;;
*) inside "$@" ;;
esac
