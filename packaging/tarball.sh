#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tarball.sh builds dist/utmpd-VERSION.tar.gz from the commit that is checked out:
# the source, and its modules in vendor/. The tarball needs neither git nor a network
# to build, and is reproducible. Its programs print VERSION without a commit, so
# publish only the tarball of a tagged commit.
set -eu
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC
GO=${GO:-go}
DIST=${DIST:-dist}

epoch=$(git log -1 --format=%ct)
name=utmpd-$(git show HEAD:VERSION)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir -p "$tmp/$name" "$DIST"
git archive --format=tar HEAD | tar -x -C "$tmp/$name"
(cd "$tmp/$name" && GOFLAGS='' "$GO" mod vendor && packaging/copyright.sh source >packaging/debian/copyright)
chmod -R u=rwX,go=rX "$tmp/$name"
tar -C "$tmp" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -c "$name" |
	gzip -9n >"$DIST/$name.tar.gz"
echo "$DIST/$name.tar.gz"
