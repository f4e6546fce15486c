#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install.sh install|uninstall puts the programs and what goes with them where
# they belong, or takes them away again. `make install` and the packages use it.
# A configuration that is there is neither written over nor removed.
#
#   DESTDIR  put before every path (empty)
#   PREFIX   programs, manual pages, completions (/usr/local)
#   SBINDIR  programs ($PREFIX/sbin)
#   ETC      the configuration (/etc)
#   BIN      the programs that are installed (bin)
#   NATIVE   the same for this machine, which print the completions ($BIN)
#   INIT     service files for: systemd, openrc, runit, s6, sysv, smf; several
#            with blanks between; none (the default)
#   UNITDIR, SYSUSERSDIR, MANDIR, BASHDIR, ZSHDIR, FISHDIR  see below
set -eu
cd "$(dirname "$0")/.."
umask 022

: "${DESTDIR:=}" "${PREFIX:=/usr/local}" "${ETC:=/etc}" "${BIN:=bin}" "${NATIVE:=$BIN}" "${INIT:=none}"
: "${SBINDIR:=$PREFIX/sbin}" "${MANDIR:=$PREFIX/share/man}"
: "${BASHDIR:=$PREFIX/share/bash-completion/completions}"
: "${ZSHDIR:=$PREFIX/share/zsh/site-functions}"
: "${FISHDIR:=$PREFIX/share/fish/vendor_completions.d}"
case $PREFIX in # what a package brings is below /usr/lib, what a person does in /etc
/usr) : "${UNITDIR:=/usr/lib/systemd/system}" "${SYSUSERSDIR:=/usr/lib/sysusers.d}" ;;
*) : "${UNITDIR:=/etc/systemd/system}" "${SYSUSERSDIR:=/etc/sysusers.d}" ;;
esac

die() {
	echo "install: $*" >&2
	exit 1
}

case ${1:-} in
install | uninstall) action=$1 ;;
*) die "usage: install.sh install|uninstall" ;;
esac

for init in $INIT; do
	case $init in
	none | systemd | openrc | runit | s6 | sysv | smf) ;;
	*) die "INIT=$init: systemd, openrc, runit, s6, sysv, smf and none are known" ;;
	esac
done

# put MODE SOURCE PATH; a SOURCE of "-" is standard input.
put() {
	to=$DESTDIR$3
	if [ "$action" = uninstall ]; then
		rm -f "$to"
		return
	fi
	mkdir -p "$(dirname "$to")"
	rm -f "$to.new"
	cat "$2" >"$to.new"
	chmod "$1" "$to.new"
	mv "$to.new" "$to"
}

# service puts a file in which the programs may be named by their path.
service() {
	sed "s|/usr/sbin/\(utmp[cd]\)|$SBINDIR/\1|g" "$2" | put "$1" - "$3"
}

# own names directories of the service alone: what is left there goes with it.
own() {
	[ "$action" = install ] || for dir; do rm -rf "$DESTDIR$dir"; done
}

programs() {
	for program in utmpd utmpctl; do
		[ "$action" = uninstall ] || [ -x "$BIN/$program" ] || die "$BIN/$program is not there: make build"
		put 755 "$BIN/$program" "$SBINDIR/$program"
		put 644 man/$program.8 "$MANDIR/man8/$program.8"
	done
}

completions() {
	for shell in "bash $BASHDIR/utmpctl" "zsh $ZSHDIR/_utmpctl" "fish $FISHDIR/utmpctl.fish"; do
		text=
		[ "$action" = uninstall ] || text=$("$NATIVE/utmpctl" completion "${shell%% *}")
		echo "$text" | put 644 - "${shell#* }"
	done
}

configuration() {
	config=$ETC/default/utmpd
	if [ "$action" = install ] && [ ! -e "$DESTDIR$config" ]; then
		put 644 init/default/utmpd "$config"
	fi
}

services() {
	for init in $INIT; do
		case $init in
		none) ;;
		systemd)
			for unit in utmpd utmpd-boot utmpd-shutdown; do
				service 644 init/systemd/$unit.service "$UNITDIR/$unit.service"
			done
			put 644 init/systemd/sysusers.conf "$SYSUSERSDIR/utmpd.conf"
			;;
		openrc | sysv)
			service 755 "init/$init/utmpd" "$ETC/init.d/utmpd"
			service 755 "init/$init/utmpd-boot" "$ETC/init.d/utmpd-boot"
			;;
		runit)
			service 755 init/runit/utmpd/run "$ETC/sv/utmpd/run"
			service 755 init/runit/utmpd/log/run "$ETC/sv/utmpd/log/run"
			service 644 init/runit/core-services/04-utmpd.sh "$ETC/runit/core-services/04-utmpd.sh"
			service 644 init/runit/shutdown.d/45-utmpd.sh "$ETC/runit/shutdown.d/45-utmpd.sh"
			own "$ETC/sv/utmpd"
			;;
		s6)
			(cd init/s6 && find . -type f) | while read -r file; do
				mode=644
				[ ! -x "init/s6/$file" ] || mode=755
				service $mode "init/s6/$file" "$ETC/s6-rc/source/${file#./}"
			done
			own "$ETC/s6-rc/source/utmpd" "$ETC/s6-rc/source/utmpd-boot" "$ETC/s6-rc/source/utmpd-log"
			;;
		smf) # beside the files of the same names that the system has
			put 644 init/smf/utmpd.xml /lib/svc/manifest/site/utmpd.xml
			service 755 init/smf/site-utmpd /lib/svc/method/site-utmpd
			;;
		esac
	done
}

programs
completions
configuration
services
