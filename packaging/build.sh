#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh [FORMAT:ARCH...] builds packages in dist/: deb and rpm for amd64 and
# arm64, or only those named. The build is reproducible with the same compiler:
# file times are those of the source, the owner is root, and the programs contain
# no paths. (An rpm also depends on the version of rpmbuild. Packages built from the
# tarball differ from those built from the repository, because Go records whether the
# modules were vendored.) lib.sh says with what.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=/dev/null
. packaging/lib.sh
[ $# -gt 0 ] || set -- deb:amd64 deb:arm64 rpm:amd64 rpm:arm64

# programs ARCH builds the programs in $tmp/ARCH.
programs() {
	[ -d "$tmp/$1" ] || GOOS=linux GOARCH=$1 make -s build GO="$GO" BIN="$tmp/$1"
}

# lay_out FORMAT ARCH puts the package's files below $STAGE/tree.
lay_out() {
	STAGE=$tmp/stage-$1-$2
	tree=$STAGE/tree
	BIN=$tmp/$2 NATIVE=$tmp/native packaging/layout.sh "$1" "$tree"
}

# deb builds what lay_out laid out, with the changelog of the package and with config
# for the files that an administrator may change.
deb() {
	debian_changelog utmpd | gzip -9n >"$tree/usr/share/doc/utmpd/changelog.Debian.gz"
	mkdir "$STAGE/config"
	mv "$tree/etc" "$STAGE/config/etc"
	export STAGE ARCH
	nfpm package --config packaging/nfpm.yaml --packager deb --target "$DIST/"
}

rpm() {
	rpm_of packaging/utmpd.spec "$tree"
}

GOFLAGS='' "$GO" build -o "$tmp/native/utmpctl" ./cmd/utmpctl
for package; do
	format=${package%:*} ARCH=${package#*:}
	programs "$ARCH"
	lay_out "$format" "$ARCH"
	"$format"
done
