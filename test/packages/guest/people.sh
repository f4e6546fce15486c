#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# people.sh has people log in, and types for them. Their files are in /srv/people.
#
# people.sh on NAME COMMAND...          runs COMMAND, which reads what NAME types
# people.sh say NAME TEXT               types TEXT
# people.sh shell NAME SHELL USER [TTY] waits until a shell of USER reads what NAME types,
#                                       on another terminal than TTY
# people.sh tty SHELL                   prints its terminal without /dev/
# people.sh leader SHELL                prints the process that logind takes for its session
set -eu
d=/srv/people
[ -d $d ] || {
	mkdir $d
	chmod 777 $d
}
what=$1
shift
case $what in
on)
	name=$1
	shift
	mkfifo $d/"$name".in
	[ -d /run/systemd/system ] || {
		TERM=vt100 HOME=/root setsid "$0" client "$name" "$@" </dev/null >/dev/null 2>&1 &
		exit 0
	}
	exec systemd-run -q --unit=on-"$name" --collect --setenv=TERM=vt100 --setenv=HOME=/root "$0" client "$name" "$@"
	;;
client)
	name=$1
	shift
	exec "$@" <>$d/"$name".in >$d/"$name".out 2>&1
	;;
say) echo "$2" >$d/"$1".in ;;
shell)
	tries=0
	rm -f $d/"$2".tty $d/"$2".pid $d/"$2".user
	until [ "$(cat $d/"$2".user 2>/dev/null || true)" = "$3" ] && [ "$(cat $d/"$2".tty)" != "${4:+/dev/$4}" ]; do
		tries=$((tries + 1))
		[ $tries -lt 150 ] || {
			cat $d/"$1".out >&2
			exit 1
		}
		# A slow login reads it again and again, also when this has seen the answer.
		echo "cd $d; rm -f .$2; tty >.$2; mv -f .$2 $2.tty; echo \$\$ >.$2; mv -f .$2 $2.pid; id -un >.$2; mv -f .$2 $2.user" >$d/"$1".in
		sleep 0.2
	done
	;;
tty) sed s,/dev/,, $d/"$1".tty ;;
leader)
	pid=$(cat $d/"$1".pid)
	session=$(sed -n 's,.*/session-\(.*\)\.scope.*,\1,p' /proc/"$pid"/cgroup)
	[ -d /run/systemd/system ] || session=$(tr '\0' '\n' </proc/"$pid"/environ | sed -n s/XDG_SESSION_ID=//p)
	loginctl show-session "$session" -p Leader --value
	;;
esac
