#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ordinary.sh runs go test with the arguments given. Run by root, the test programs run as
# an ordinary user all the same, as they do where distributions build packages: some of what
# root may do would otherwise hide faults. They are built by root, in a copy of the sources
# that everybody may read.
set -eu
if [ "${1:-}" = -run ]; then # go test calls this for each test program
	shift
	dir=$(mktemp -d "$ORDINARY/test-XXXXXX")
	cp "$1" "$dir/"
	program=$dir/$(basename "$1")
	shift
	mkdir "$dir/home" "$dir/tmp"
	chown -R 65534:65534 "$dir"
	status=0
	HOME=$dir/home TMPDIR=$dir/tmp setpriv --reuid 65534 --regid 65534 --clear-groups "$program" "$@" || status=$?
	rm -rf "$dir"
	exit $status
fi
[ "$(id -u)" = 0 ] || exec go test "$@"
ORDINARY=$(mktemp -d "${TMPDIR:-/tmp}/utmpd-ordinary-XXXXXX")
export ORDINARY
trap 'rm -rf "$ORDINARY"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$ORDINARY"
mkdir "$ORDINARY/src"
cd "$(dirname "$0")/.."
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$ORDINARY/src"
chmod -R a+rX "$ORDINARY/src"
cd "$ORDINARY/src"
# What others have built is then found in the build cache, wherever this directory is.
export GOFLAGS="${GOFLAGS:-} -trimpath -buildvcs=false"
go test -exec "$ORDINARY/src/test/ordinary.sh -run" "$@"
