#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# intruder.sh asks the services of the bus for what would lead out of utmpd's sandbox, and
# prints what became of each: "yes", or the error.
ask() {
	what=$1
	shift
	tell "$what" busctl --system --timeout=20 call -- "$@"
}
tell() {
	what=$1
	shift
	if answer=$("$@" 2>&1); then
		echo "$what: yes"
	else
		echo "$what: $(echo "$answer" | head -1)"
	fi
}
systemd() { what=$1; shift; ask "$what" org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "$@"; }
logind() { what=$1; shift; ask "$what" org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager "$@"; }
victim=$(loginctl list-sessions --no-legend | awk '$3 == "one" { print $1; exit }')
self=$(id -u)

systemd 'run a program as root' StartTransientUnit 'ssa(sv)a(sa(sv))' out.service fail 1 \
	ExecStart 'a(sasb)' 1 /bin/sh 3 /bin/sh -c 'touch /run/out' false 0
systemd 'start a unit' StartUnit ss debug-shell.service fail
systemd 'stop a unit' StopUnit ss ssh.service fail
systemd 'kill a unit' KillUnit ssi ssh.service all 9
systemd 'load the units anew' Reload
systemd 'enable a unit' EnableUnitFiles asbb 1 debug-shell.service false false
systemd 'set the environment' SetEnvironment as 1 A=b
logind 'power off' PowerOff b false
logind 'end a session' TerminateSession s "$victim"
logind 'kill a session' KillSession ssi "$victim" all 9
logind 'lock a session' LockSession s "$victim"
logind 'tell all' SetWallMessage sb 'all is lost' true
logind 'have a session' CreateSession 'uusssssussbssa(sv)' 0 $$ x tty user '' '' 0 '' '' false '' '' 0
logind 'have a manager of its own' SetUserLinger ubb "$self" true false
logind 'have a manager of another user' SetUserLinger ubb "$(id -u one)" true false
ask 'set the time' org.freedesktop.timedate1 /org/freedesktop/timedate1 org.freedesktop.timedate1 SetTime xbb 1000000000000000 false false
ask 'set the name of the machine' org.freedesktop.hostname1 /org/freedesktop/hostname1 org.freedesktop.hostname1 SetStaticHostname sb x false
for socket in systemd/private bus; do
	tell "reach that manager's $socket" busctl --address="unix:path=/run/user/$self/$socket" --timeout=20 call \
		org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Reload
done
ls -d /run/user/* >/dev/null 2>&1 && echo 'see /run/user: yes'
echo 'done'
