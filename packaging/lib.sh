# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# lib.sh is what build.sh and fleet/build.sh have in common. They source it in the
# directory of the source. $tmp is a directory of theirs.
umask 022
nfpm_version=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

GO=${GO:-go}
DIST=${DIST:-dist}
PACKAGE_VERSION=${PACKAGE_VERSION:-$(packaging/version.sh package)}
SOURCE_DATE_EPOCH=$(packaging/version.sh epoch)
export PACKAGE_VERSION SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C

mkdir -p "$DIST"

# A deb is built by nfpm. go run fetches it at this version from the Go module proxy
# and checks it like any module. Later versions are not complete there. Set NFPM to use
# another program.
nfpm() {
	if [ -n "${NFPM:-}" ]; then
		"$NFPM" "$@"
	else
		GOFLAGS='' GOOS='' GOARCH='' "$GO" run "$nfpm_version" "$@"
	fi
}

# debian_changelog NAME prints the changelog of a deb.
debian_changelog() {
	cat <<-DEB
		$1 ($PACKAGE_VERSION-1) unstable; urgency=medium

		  * See changelog.gz.

		 -- utmpd <utmpd@utmpd.dev>  $(date -R -d "@$SOURCE_DATE_EPOCH")
	DEB
}

# rpm_of SPEC TREE builds what SPEC describes, for ARCH, of the files in TREE, which is
# below $tmp. It uses rpmbuild: this machine's, or that of a Debian root file system, which
# sees nothing but $tmp. nfpm would give the files absolute names, which cpio unpacks into
# the running system.
rpm_of() {
	spec=${1##*/}
	spec=${spec%.in}
	case $ARCH in
	amd64) target=x86_64 ;;
	arm64) target=aarch64 ;;
	*) target=$ARCH ;;
	esac
	# shellcheck disable=SC2154 # tmp is of the script that sources this one
	cp "$1" "$tmp/$spec"
	cat >"$tmp/rpmbuild.sh" <<-SH
		rpmbuild -bb --quiet --nodeps --target $target-linux --dbpath "\$PWD/db" --define "_topdir \$PWD" \
			--define "_tmppath \$PWD" --define "utmpd_version $PACKAGE_VERSION" --define "utmpd_tree \$PWD/${2#"$tmp"/}" $spec
	SH
	if command -v rpmbuild >/dev/null; then
		(cd "$tmp" && sh rpmbuild.sh)
	else
		root=$(packaging/root.sh rpm)
		# shellcheck disable=SC2016 # they are variables of the inner shell
		unshare --mount --propagation private sh -euc \
			'mount --bind "$1" "$2/data" && exec chroot "$2" sh -c "cd /data && exec sh rpmbuild.sh"' sh "$tmp" "$root"
	fi
	for built in "$tmp/RPMS/$target/"*.rpm; do
		mv "$built" "$DIST/"
		echo "created package: $DIST/${built##*/}" # as nfpm says it
	done
}
