#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh [FORMAT:ARCH...] builds the packages utmpfleet and utmpfleet-server in dist/: deb
# and rpm for amd64 and arm64, or only those named. They are built as those of utmpd are: see
# ../lib.sh.
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=/dev/null
. packaging/lib.sh
[ $# -gt 0 ] || set -- deb:amd64 deb:arm64 rpm:amd64 rpm:arm64

put() { # MODE FILE PATH
	mkdir -p "$(dirname "$STAGE/$3")"
	cp "$2" "$STAGE/$3"
	chmod "$1" "$STAGE/$3"
}

# programs ARCH builds the programs in $tmp/ARCH.
programs() {
	[ -d "$tmp/$1" ] || GOOS=linux GOARCH=$1 make -s fleet GO="$GO" BIN="$tmp/$1"
}

# lay_out NAME PROGRAM UNIT puts the files of a package below $STAGE.
lay_out() {
	doc=usr/share/doc/$1
	BIN=$tmp/$ARCH packaging/fleet/layout.sh "$1" "$2" "$3" "$STAGE"
	MODULE=fleet packaging/copyright.sh >"$STAGE/$doc/copyright"
}

# debian NAME PROGRAM UNIT adds what a deb has besides.
debian() {
	put 644 CHANGELOG.md "$doc/changelog"
	put 644 packaging/fleet/lintian-overrides "usr/share/lintian/overrides/$1"
	sed -i "s|PACKAGE|$1|g; s|PROGRAM|$2|g" "$STAGE/usr/share/lintian/overrides/$1"
	debian_changelog "$1" >"$STAGE/$doc/changelog.Debian"
	gzip -9n "$STAGE/$doc/changelog" "$STAGE/$doc/changelog.Debian"
	for script in postinst prerm postrm; do
		sed "s|UNIT|$3.service|g; s|STATE|$1|g" "packaging/fleet/$script" >"$tmp/$1.$script"
	done
	export STAGE ARCH SCRIPTS="$tmp/$1"
}

# same_time gives all files the time of the source.
same_time() { find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# definition NAME DEPENDS SUMMARY prints what nfpm reads.
definition() {
	sed 's/^\t*//' <<-YAML
		name: $1
		arch: $ARCH
		platform: linux
		version: $PACKAGE_VERSION
		version_schema: none
		release: "1"
		section: admin
		priority: optional
		maintainer: utmpd <utmpd@utmpd.dev>
		homepage: https://utmpd.dev
		license: BSD-2-Clause
		description: |-
		  $3
		contents:
		  - {src: $STAGE/, dst: /, type: tree}
		overrides:
		  deb:
		    $2
		    scripts: {postinstall: $SCRIPTS.postinst, preremove: $SCRIPTS.prerm, postremove: $SCRIPTS.postrm}
		deb: {compression: xz}
	YAML
}

# one NAME PROGRAM UNIT DEPENDS SUMMARY builds a deb.
one() {
	STAGE=$tmp/$1-$ARCH
	lay_out "$1" "$2" "$3"
	debian "$1" "$2" "$3"
	same_time
	definition "$1" "$4" "$5" >"$tmp/nfpm.yaml"
	nfpm package --config "$tmp/nfpm.yaml" --packager deb --target "$DIST/"
}

deb() {
	one utmpfleet usr/bin/utmpfleet utmpfleet-agent 'recommends: [utmpd]' 'ask all machines of a fleet who is logged in
		  An agent on each machine sends its logins, logouts, boots and crashes to
		  utmpfleet-server or to a NATS cluster. The program also asks there who is on,
		  who was, and which machines crashed.'
	one utmpfleet-server usr/sbin/utmpfleet-server utmpfleet-server "depends: ['utmpfleet (= $PACKAGE_VERSION-1)']" 'keep the logins and crashes of a fleet of machines
		  It keeps what the agents of utmpfleet send, and answers its questions. It is a
		  NATS server with JetStream in one program.'
}

# One spec describes both rpms. It does not end in .spec in the source, since rpmbuild -tb
# refuses a tarball with a second one.
rpm() {
	STAGE=$tmp/rpm-$ARCH
	lay_out utmpfleet usr/bin/utmpfleet utmpfleet-agent
	lay_out utmpfleet-server usr/sbin/utmpfleet-server utmpfleet-server
	same_time
	rpm_of packaging/fleet/utmpfleet.spec.in "$STAGE"
}

for package; do
	format=${package%:*} ARCH=${package#*:}
	programs "$ARCH"
	"$format"
done
