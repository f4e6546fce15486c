#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install.sh install|uninstall installs the programs, manual pages, completions,
# configuration and service files, or removes them. `make install` and the packages
# use it. It neither overwrites nor removes an existing configuration.
#
#   DESTDIR  prefix of every path (empty)
#   PREFIX   directory of programs, manual pages and completions (/usr/local)
#   BINDIR   directory of utmpctl, which is for every user ($PREFIX/bin)
#   SBINDIR  directory of utmpd ($PREFIX/sbin)
#   LIBEXECDIR  directory of directories of other programs ($PREFIX/libexec)
#   ETC      directory of the configuration (/etc)
#   BIN      directory of the programs to install (bin)
#   NATIVE   directory of programs that run on this machine and print the
#            completions ($BIN)
#   INIT     init systems to install service files for, separated by blanks:
#            systemd, openrc, runit, s6, sysv, smf, or none (the default)
#   UNITDIR, SYSUSERSDIR, MANDIR, BASHDIR, ZSHDIR, FISHDIR  see below
set -eu
cd "$(dirname "$0")/.."
umask 022

: "${DESTDIR:=}" "${PREFIX:=/usr/local}" "${ETC:=/etc}" "${BIN:=bin}" "${NATIVE:=$BIN}" "${INIT:=none}"
: "${BINDIR:=$PREFIX/bin}" "${SBINDIR:=$PREFIX/sbin}" "${LIBEXECDIR:=$PREFIX/libexec}" "${MANDIR:=$PREFIX/share/man}"
: "${BASHDIR:=$PREFIX/share/bash-completion/completions}"
: "${ZSHDIR:=$PREFIX/share/zsh/site-functions}"
: "${FISHDIR:=$PREFIX/share/fish/vendor_completions.d}"
case $PREFIX in # packages install units below /usr/lib, administrators in /etc
/usr) : "${UNITDIR:=/usr/lib/systemd/system}" "${CATALOGDIR:=/usr/lib/systemd/catalog}" "${SYSUSERSDIR:=/usr/lib/sysusers.d}" ;;
*) : "${UNITDIR:=/etc/systemd/system}" "${CATALOGDIR:=/usr/lib/systemd/catalog}" "${SYSUSERSDIR:=/etc/sysusers.d}" ;;
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
	*) die "INIT=$init: unknown; use systemd, openrc, runit, s6, sysv, smf or none" ;;
	esac
done

# put MODE SOURCE PATH installs one file. If SOURCE is "-", it reads standard input.
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

# link TARGET PATH makes a symbolic link.
link() {
	to=$DESTDIR$2
	rm -f "$to"
	[ "$action" = install ] || return 0
	mkdir -p "$(dirname "$to")"
	ln -s "$1" "$to"
}

# service installs a file and adjusts the programs' paths in it.
service() {
	sed "s|/usr/sbin/utmpd|$SBINDIR/utmpd|g; s|/usr/bin/utmpctl|$BINDIR/utmpctl|g" "$2" | put "$1" - "$3"
}

# own DIR... removes directories that belong to the service alone, with everything
# in them, on uninstall.
own() {
	[ "$action" = install ] || for dir; do rm -rf "$DESTDIR$dir"; done
}

programs() {
	for program in "$SBINDIR/utmpd" "$BINDIR/utmpctl"; do
		name=${program##*/}
		[ "$action" = uninstall ] || [ -x "$BIN/$name" ] || die "$BIN/$name does not exist; run make build first"
		put 755 "$BIN/$name" "$program"
		service 644 "man/$name.8" "$MANDIR/man8/$name.8"
	done
	for page in man/utmpctl-*.8; do
		service 644 "$page" "$MANDIR/man8/${page##*/}"
	done
	put 644 man/utmpd-files.5 "$MANDIR/man5/utmpd-files.5"
}

# Programs that replace those of util-linux, where nobody else has them. They are
# utmpctl by other names, and in nobody's way: neither in PATH nor in a manual.
replacements() {
	target=$BINDIR/utmpctl
	[ "$BINDIR $LIBEXECDIR" != "$PREFIX/bin $PREFIX/libexec" ] || target=../../bin/utmpctl
	for program in last lastb utmpdump; do
		link "$target" "$LIBEXECDIR/utmpd/$program"
	done
	for page in last utmpdump; do
		put 644 man/$page.1 "$MANDIR/man1/utmpd-$page.1"
	done
	[ "$action" = install ] || rmdir "$DESTDIR$LIBEXECDIR/utmpd" 2>/dev/null || true
}

completions() {
	for shell in "bash $BASHDIR/utmpctl" "zsh $ZSHDIR/_utmpctl" "fish $FISHDIR/utmpctl.fish"; do
		text=
		[ "$action" = uninstall ] || text=$("$NATIVE/utmpctl" completion "${shell%% *}")
		printf '%s\n' "$text" | put 644 - "${shell#* }" # not echo: some change backslashes
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
			put 644 init/systemd/utmpd.catalog "$CATALOGDIR/utmpd.catalog"
			put 644 init/systemd/sysusers.conf "$SYSUSERSDIR/utmpd.conf"
			;;
		openrc | sysv)
			service 755 "init/$init/utmpd" "$ETC/init.d/utmpd"
			service 755 "init/$init/utmpd-boot" "$ETC/init.d/utmpd-boot"
			;;
		runit)
			service 755 init/runit/utmpd/run "$ETC/sv/utmpd/run"
			service 755 init/runit/utmpd/finish "$ETC/sv/utmpd/finish"
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
		smf) # site directories, so that the system's own files stay
			put 644 init/smf/utmpd.xml /lib/svc/manifest/site/utmpd.xml
			service 755 init/smf/site-utmpd /lib/svc/method/site-utmpd
			;;
		esac
	done
}

programs
replacements
completions
configuration
services
