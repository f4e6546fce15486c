#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# version.sh prints a version of this source, or its time:
#
#   package  what the file VERSION says. Packages and the tarball are called so.
#   (none)   what the programs print: the same, and in a git checkout that is not
#            the commit tagged "v" and VERSION, or was changed since, also which
#            commit it is: 0.1.0+gHASH, or 0.1.0+gHASH.dirty. Files that git does
#            not know do not count.
#   epoch    the time of the source in seconds, which every file in a package
#            gets: of the commit, or outside a git checkout of the file VERSION.
#            SOURCE_DATE_EPOCH comes first if it is set.
set -eu
cd "$(dirname "$0")/.."

# in_git: a git repository further up, in which a tarball was unpacked, is another's.
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
