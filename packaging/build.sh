#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# build.sh [FORMAT:ARCH...] builds packages in dist/: deb and rpm for amd64 and
# arm64, or only those named. The build is reproducible with the same compiler:
# file times are those of the source, the owner is root, and the programs contain
# no paths. (Packages built from the tarball differ from those built from the
# repository, because Go records whether the modules were vendored.)
#
# go run fetches nfpm at this version from the Go module proxy and checks it like
# any module. Later versions are not complete there. Set NFPM to use another
# program.
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

# documents FORMAT adds the documentation, which install.sh does not install.
documents() {
	doc=$tree/usr/share/doc/utmpd
	mkdir -p "$doc"
	packaging/copyright.sh >"$doc/copyright"
	cp README.md docs/architecture.md docs/events.md docs/events.schema.json docs/monitoring.md docs/dashboard.png "$doc"
	mkdir -p "$doc/contrib/grafana" "$doc/contrib/prometheus"
	cp contrib/grafana/utmpd.json "$doc/contrib/grafana"
	cp contrib/prometheus/utmpd.rules.yml contrib/prometheus/utmpd.rules.test.yml "$doc/contrib/prometheus"
	[ "$1" = deb ] || return 0
	gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
	gzip -9nc >"$doc/changelog.Debian.gz" <<-DEB
		utmpd ($PACKAGE_VERSION-1) unstable; urgency=medium

		  * See changelog.gz.

		 -- utmpd <utmpd@utmpd.dev>  $(date -R -d "@$SOURCE_DATE_EPOCH")
	DEB
	mkdir -p "$tree/usr/share/lintian/overrides"
	cp packaging/deb/lintian-overrides "$tree/usr/share/lintian/overrides/utmpd"
	mkdir -p "$tree/usr/share/pam-configs"
	cp packaging/deb/pam-config "$tree/usr/share/pam-configs/utmpd"
}

# lay_out FORMAT ARCH puts the package's files below $STAGE: tree, doc, and config
# for the files that an administrator may change.
lay_out() {
	STAGE=$tmp/stage-$1-$2
	tree=$STAGE/tree
	case $1 in
	deb) init='systemd sysv' zsh=/usr/share/zsh/vendor-completions ;;
	rpm) init='systemd' zsh=/usr/share/zsh/site-functions ;;
	esac
	DESTDIR=$tree PREFIX=/usr INIT=$init ZSHDIR=$zsh BIN=$tmp/$2 NATIVE=$tmp/native packaging/install.sh install
	# Root starts the daemon, which switches to the user utmpd even if no service
	# manager does so.
	sed -i 's/^#RUN_AS=$/RUN_AS=utmpd/' "$tree/etc/default/utmpd"
	gzip -9n "$tree"/usr/share/man/man8/*.8 "$tree"/usr/share/man/man1/*.1
	mkdir "$STAGE/config"
	mv "$tree/etc" "$STAGE/config/etc"
	documents "$1"
	mkdir "$STAGE/doc"
	mv "$tree/usr/share/doc" "$tree/usr/share/man" "$STAGE/doc"
}

nfpm() {
	if [ -n "${NFPM:-}" ]; then
		"$NFPM" "$@"
	else
		GOFLAGS='' GOOS='' GOARCH='' "$GO" run "$nfpm_version" "$@"
	fi
}

GOFLAGS='' "$GO" build -o "$tmp/native/utmpctl" ./cmd/utmpctl
for package; do
	format=${package%:*} ARCH=${package#*:}
	programs "$ARCH"
	lay_out "$format" "$ARCH"
	export STAGE ARCH
	nfpm package --config packaging/nfpm.yaml --packager "$format" --target "$DIST/"
done
