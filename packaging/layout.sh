#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# layout.sh deb|rpm TREE puts the files of a package below TREE: what install.sh
# installs, and the documentation. build.sh, debian/rules and utmpd.spec use it.
#
#   BIN, NATIVE        as for install.sh
#   SOURCE_DATE_EPOCH  if set, the time of all files
set -eu
cd "$(dirname "$0")/.."
umask 022

tree=$2 doc=$2/usr/share/doc/utmpd
case $1 in
deb) init='systemd sysv' zsh=/usr/share/zsh/vendor-completions changelog=changelog.gz ;;
rpm) init='systemd' zsh=/usr/share/zsh/site-functions changelog=CHANGELOG.md ;;
*)
	echo "usage: layout.sh deb|rpm TREE" >&2
	exit 2
	;;
esac
DESTDIR=$tree PREFIX=/usr INIT=$init ZSHDIR=$zsh packaging/install.sh install
# Root starts the daemon, which switches to the user utmpd even if no service
# manager does so.
sed -i 's/^#RUN_AS=$/RUN_AS=utmpd/' "$tree/etc/default/utmpd"
gzip -9n "$tree"/usr/share/man/man*/*

mkdir -p "$doc"
packaging/copyright.sh >"$doc/copyright"
# Where they are in the source, so that their links hold, but for two of which packages
# have their own.
cp -r docs contrib "$doc"
for name in README CONTRIBUTING SECURITY; do
	sed "s|](LICENSE)|](copyright)|g; s|](CHANGELOG.md)|]($changelog)|g" $name.md >"$doc/$name.md"
done
if [ "$1" = deb ]; then
	gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
	mkdir -p "$tree/usr/share/lintian/overrides" "$tree/usr/share/pam-configs"
	cp packaging/deb/lintian-overrides "$tree/usr/share/lintian/overrides/utmpd"
	cp packaging/deb/pam-config "$tree/usr/share/pam-configs/utmpd"
else
	cp CHANGELOG.md "$doc"
fi
[ -z "${SOURCE_DATE_EPOCH:-}" ] || find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
