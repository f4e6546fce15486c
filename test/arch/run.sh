#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh holds this code against the C libraries of other machines: the tests of
# ../libc run here beside C programs that are emulated, then both are. The tests
# of utmpx and utmpfile run emulated also.
#
# It needs x86-64 Debian for its cross compilers (see root.sh), and nothing that
# is installed for it. What is missing is told by name, and is a failure if
# CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that nothing may be missing.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1

notrun() {
	echo "not run: $*"
	[ "${CI:-}" != true ] && [ "${UTMPD_TEST_REQUIRE_SYSTEM:-}" != 1 ] && return
	echo "FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that it must"
	exit 1
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/utmpd-arch-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

if ! root=$("$here/root.sh" 2>"$dir/why"); then
	notrun "tests of other machines: $(cat "$dir/why")"
	exit 0
fi
cat "$dir/why" >&2
mkdir "$dir/programs"
if ! "$here/compile.sh" "$root" "$dir/programs" 2>"$dir/why"; then
	notrun "tests of other machines: the cross compilers do not run: $(cat "$dir/why")"
	exit 0
fi
export UTMPD_LIBC_MACHINES="$dir/programs" CGO_ENABLED=0
failed=

# tell runs a test, and prints what it said if it failed.
tell() {
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok: $name"
	else
		cat "$dir/out"
		echo "FAIL: $name"
		failed="$failed $name"
	fi
}

tell "this machine's code, libc of all" go test -count=1 -tags system ./test/libc

# What cannot run emulated: a test binary that starts itself, since the kernel
# does not know the emulator (../libc has the same tests with C programs); and on
# s390x times to the nanosecond, of which qemu's fstat has none.
starts='TestLockedByAnotherProcess|TestWaitsForTheLock|TestSystemLocks'
while read -r machine _ emulator; do
	skip=$starts
	case $machine in
	musl-*) continue ;; # a header is all that there is to hold against
	i386) goarch=386 ;;
	armhf) goarch=arm ;;
	s390x) goarch=s390x skip="$skip|TestTouch|TestAccessTimes" ;;
	*) goarch=$machine ;;
	esac
	set -- -exec "$emulator" -skip "$skip"
	if [ $machine = i386 ]; then
		# Go's runtime cannot take signals under qemu-i386, but the kernel runs it.
		if ! "$dir/programs/i386/layout" >"$dir/out" 2>&1; then
			notrun "this code on i386: the kernel runs no 32-bit programs"
			continue
		fi
		set --
	fi
	tell "$machine's code" env GOARCH=$goarch go test -count=1 "$@" ./utmpx ./utmpfile
	[ $# = 0 ] || set -- -exec "$emulator"
	tell "$machine's code, its libc" env GOARCH=$goarch go test -count=1 -tags system "$@" -run "/^$machine\$" ./test/libc
done <"$dir/programs/machines"

if [ -n "$failed" ]; then
	echo "FAIL:$failed"
	exit 1
fi
