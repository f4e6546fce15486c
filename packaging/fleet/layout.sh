#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# layout.sh NAME PROGRAM UNIT TREE puts the files of a package of the fleet below TREE.
# build.sh uses it, and adds what needs the modules of the fleet. This needs none: the unit
# tests of utmpd call it, also where packages are built without a network.
#
#   BIN  directory of the programs
set -eu
cd "$(dirname "$0")/../.."
umask 022

put() { # MODE FILE PATH
	mkdir -p "$(dirname "$tree/$3")"
	cp "$2" "$tree/$3"
	chmod "$1" "$tree/$3"
}

tree=$4 doc=usr/share/doc/$1
put 755 "$BIN/$1" "$2"
put 644 "fleet/systemd/$3.service" "usr/lib/systemd/system/$3.service"
put 644 "man/$1.8" "usr/share/man/man8/$1.8"
# With what it links to.
for name in fleet.md events.md events.schema.json; do
	put 644 "docs/$name" "$doc/$name"
done
gzip -9n "$tree/usr/share/man/man8/$1.8"
[ "$1" != utmpfleet ] || { mkdir -p "$tree/etc" && mkdir "$tree/etc/utmpfleet"; }
