#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# version.sh prints the version of this source: that of the file VERSION, which
# a release tarball has, or what git knows. With "package" it is one that deb and
# rpm can compare: a tag's own; what comes after it, later; what came before any
# tag, earlier than all, and in the order of the commits' times. With "epoch" it
# is the time of the source, in seconds, which everything in a package gets.
set -eu
cd "$(dirname "$0")/.."

described() {
	if [ -e VERSION ]; then
		cat VERSION
	else
		git describe --tags --always --dirty 2>/dev/null || echo unknown
	fi
}

epoch() {
	if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
		echo "$SOURCE_DATE_EPOCH"
	elif [ -e VERSION ]; then
		stat -c %Y VERSION
	else
		git log -1 --format=%ct
	fi
}

case ${1:-} in
"") described ;;
epoch) epoch ;;
package)
	version=$(described)
	case $version in
	v[0-9]*) echo "${version#v}" | sed 's/-\([0-9]*-g\)/+\1/; s/-\(alpha\|beta\|rc\)/~\1/; s/-/./g' ;;
	*) echo "0~$(TZ=UTC date -d "@$(epoch)" +%Y%m%d%H%M%S).$(echo "$version" | sed 's/-/./g')" ;;
	esac
	;;
*)
	echo "usage: version.sh [package|epoch]" >&2
	exit 2
	;;
esac
