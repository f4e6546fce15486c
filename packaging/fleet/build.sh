#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh [ARCH...] builds the debs utmpfleet and utmpfleet-server in dist/, for amd64 and
# arm64, or only those named. They are built as that of utmpd is: see ../build.sh.
set -eu
cd "$(dirname "$0")/../.."
umask 022
nfpm_version=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

GO=${GO:-go}
DIST=${DIST:-dist}
PACKAGE_VERSION=${PACKAGE_VERSION:-$(packaging/version.sh package)}
SOURCE_DATE_EPOCH=$(packaging/version.sh epoch)
export PACKAGE_VERSION SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
[ $# -gt 0 ] || set -- amd64 arm64

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$DIST"

put() { # MODE FILE PATH
	mkdir -p "$(dirname "$STAGE/$3")"
	cp "$2" "$STAGE/$3"
	chmod "$1" "$STAGE/$3"
}

# lay_out NAME PROGRAM UNIT puts the files of a package below $STAGE.
lay_out() {
	STAGE=$tmp/$1-$ARCH doc=usr/share/doc/$1
	put 755 "$tmp/$ARCH/$1" "$2"
	put 644 "fleet/systemd/$3.service" "usr/lib/systemd/system/$3.service"
	put 644 "man/$1.8" "usr/share/man/man8/$1.8"
	put 644 docs/fleet.md "$doc/fleet.md"
	put 644 CHANGELOG.md "$doc/changelog"
	put 644 packaging/fleet/lintian-overrides "usr/share/lintian/overrides/$1"
	sed -i "s|PACKAGE|$1|g; s|PROGRAM|$2|g" "$STAGE/usr/share/lintian/overrides/$1"
	MODULE=fleet packaging/copyright.sh >"$STAGE/$doc/copyright"
	cat >"$STAGE/$doc/changelog.Debian" <<-DEB
		$1 ($PACKAGE_VERSION-1) unstable; urgency=medium

		  * See changelog.gz.

		 -- utmpd <utmpd@utmpd.dev>  $(date -R -d "@$SOURCE_DATE_EPOCH")
	DEB
	gzip -9n "$STAGE/usr/share/man/man8/$1.8" "$STAGE/$doc/changelog" "$STAGE/$doc/changelog.Debian"
	for script in postinst prerm postrm; do
		sed "s|UNIT|$3.service|g; s|STATE|$1|g" "packaging/fleet/$script" >"$tmp/$1.$script"
	done
	[ "$1" != utmpfleet ] || { mkdir "$STAGE/etc" && mkdir "$STAGE/etc/utmpfleet"; }
	find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	export STAGE ARCH SCRIPTS="$tmp/$1"
}

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

nfpm() {
	if [ -n "${NFPM:-}" ]; then
		"$NFPM" "$@"
	else
		GOFLAGS='' GOOS='' GOARCH='' "$GO" run "$nfpm_version" "$@"
	fi
}

for ARCH; do
	GOOS=linux GOARCH=$ARCH make -s fleet GO="$GO" BIN="$tmp/$ARCH"
	lay_out utmpfleet usr/bin/utmpfleet utmpfleet-agent
	definition utmpfleet 'recommends: [utmpd]' 'ask all machines of a fleet who is logged in
		  An agent on each machine sends its logins, logouts, boots and crashes to
		  utmpfleet-server or to a NATS cluster. The program also asks there who is on,
		  who was, and which machines crashed.' >"$tmp/nfpm.yaml"
	nfpm package --config "$tmp/nfpm.yaml" --packager deb --target "$DIST/"
	lay_out utmpfleet-server usr/sbin/utmpfleet-server utmpfleet-server
	definition utmpfleet-server "depends: ['utmpfleet (= $PACKAGE_VERSION-1)']" 'keep the logins and crashes of a fleet of machines
		  It keeps what the agents of utmpfleet send, and answers its questions. It is a
		  NATS server with JetStream in one program.' >"$tmp/nfpm.yaml"
	nfpm package --config "$tmp/nfpm.yaml" --packager deb --target "$DIST/"
done
