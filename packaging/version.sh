#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# version.sh prints the version of this source, or its time:
#
#   package  the content of the file VERSION, which names the packages and the
#            tarball.
#   (none)   the version that the programs print. In a git checkout it also names
#            the commit, as 0.1.0+gHASH or 0.1.0+gHASH.dirty, unless the commit is
#            tagged "v" and VERSION and has no changes. Files that git does not
#            track do not count.
#   epoch    the time of the source in seconds, which every file in a package gets:
#            SOURCE_DATE_EPOCH if it is set, otherwise the time of the commit, or
#            outside a git checkout that of the file VERSION.
set -eu
cd "$(dirname "$0")/.."

# in_git reports whether this directory is a git checkout. A repository in a parent
# directory, in which a tarball was unpacked, does not count.
in_git() { [ -e .git ] && git rev-parse --quiet --verify HEAD >/dev/null 2>&1; }

build() {
	version=$(cat VERSION)
	dirty=
	in_git || { echo "$version"; return; }
	git diff --quiet HEAD || dirty=.dirty
	if [ -n "$dirty" ] || ! git tag --points-at HEAD | grep -qFx "v$version"; then
		version=$version+g$(git rev-parse --short=12 HEAD)$dirty
	fi
	echo "$version"
}

epoch() {
	if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
		echo "$SOURCE_DATE_EPOCH"
	elif in_git; then
		git log -1 --format=%ct
	else
		stat -c %Y VERSION
	fi
}

case ${1:-} in
"") build ;;
package) cat VERSION ;;
epoch) epoch ;;
*)
	echo "usage: version.sh [package|epoch]" >&2
	exit 2
	;;
esac
