#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh [FORMAT:ARCH...] builds packages in dist/: deb and rpm for amd64 and
# arm64, or only those named. The build is reproducible with the same compiler:
# file times are those of the source, the owner is root, and the programs contain
# no paths. (An rpm also depends on the version of rpmbuild. Packages built from the
# tarball differ from those built from the repository, because Go records whether the
# modules were vendored.)
#
# A deb is built by nfpm. go run fetches it at this version from the Go module proxy
# and checks it like any module. Later versions are not complete there. Set NFPM to use
# another program. An rpm is built by rpmbuild from utmpd.spec: nfpm would give its files
# absolute names, which cpio unpacks into the running system.
set -eu
cd "$(dirname "$0")/.."
umask 022
nfpm_version=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

GO=${GO:-go}
DIST=${DIST:-dist}
PACKAGE_VERSION=${PACKAGE_VERSION:-$(packaging/version.sh package)}
SOURCE_DATE_EPOCH=$(packaging/version.sh epoch)
export PACKAGE_VERSION SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
[ $# -gt 0 ] || set -- deb:amd64 deb:arm64 rpm:amd64 rpm:arm64

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$DIST"

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
	gzip -9nc >"$tree/usr/share/doc/utmpd/changelog.Debian.gz" <<-DEB
		utmpd ($PACKAGE_VERSION-1) unstable; urgency=medium

		  * See changelog.gz.

		 -- utmpd <utmpd@utmpd.dev>  $(date -R -d "@$SOURCE_DATE_EPOCH")
	DEB
	mkdir "$STAGE/config"
	mv "$tree/etc" "$STAGE/config/etc"
	export STAGE ARCH
	nfpm package --config packaging/nfpm.yaml --packager deb --target "$DIST/"
}

nfpm() {
	if [ -n "${NFPM:-}" ]; then
		"$NFPM" "$@"
	else
		GOFLAGS='' GOOS='' GOARCH='' "$GO" run "$nfpm_version" "$@"
	fi
}

# rpm builds the same with rpmbuild: this machine's, or that of a Debian root file
# system, which sees nothing but $tmp.
rpm() {
	case $ARCH in
	amd64) target=x86_64 ;;
	arm64) target=aarch64 ;;
	*) target=$ARCH ;;
	esac
	cp packaging/utmpd.spec "$tmp"
	cat >"$tmp/rpmbuild.sh" <<-SH
		rpmbuild -bb --quiet --nodeps --target $target-linux --dbpath "\$PWD/db" --define "_topdir \$PWD" \
			--define "_tmppath \$PWD" --define "utmpd_version $PACKAGE_VERSION" --define "utmpd_tree \$PWD/${tree#"$tmp"/}" utmpd.spec
	SH
	if command -v rpmbuild >/dev/null; then
		(cd "$tmp" && sh rpmbuild.sh)
	else
		root=$(packaging/root.sh rpm)
		# shellcheck disable=SC2016 # they are variables of the inner shell
		unshare --mount --propagation private sh -euc \
			'mount --bind "$1" "$2/data" && exec chroot "$2" sh -c "cd /data && exec sh rpmbuild.sh"' sh "$tmp" "$root"
	fi
	mv "$tmp/RPMS/$target/"*.rpm "$DIST/"
}

GOFLAGS='' "$GO" build -o "$tmp/native/utmpctl" ./cmd/utmpctl
for package; do
	format=${package%:*} ARCH=${package#*:}
	programs "$ARCH"
	lay_out "$format" "$ARCH"
	"$format"
done
