#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh tests this code against the C libraries of other machines. It runs the
# tests of ../libc natively beside emulated C programs, and then with both sides
# emulated. It also runs the tests of utmpx and utmpfile, and of what utmpfile is made of,
# emulated.
#
# It needs x86-64 Debian for the cross compilers (see root.sh) and installs nothing.
# It names what is missing; with CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 that is a
# failure.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1

notrun() {
	echo "not run: $*"
	[ "${CI:-}" != true ] && [ "${UTMPD_TEST_REQUIRE_SYSTEM:-}" != 1 ] && return
	echo "FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 requires it"
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

# tell NAME COMMAND... runs a test and prints its output if it fails.
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

# Some tests cannot run emulated: those whose test binary starts itself, because the
# kernel does not use the emulator (../libc has the same tests with C programs), and
# on s390x those that need nanoseconds, which qemu's fstat does not return.
starts='TestLockedByAnotherProcess|TestWaitsForTheLock|TestSystemLocks'
while read -r machine _ emulator; do
	skip=$starts
	case $machine in
	musl-*) continue ;; # there is only a header to compare with
	i386) goarch=386 ;;
	armhf) goarch=arm ;;
	s390x) goarch=s390x skip="$skip|TestTouch|TestAccessTimes" ;;
	*) goarch=$machine ;;
	esac
	set -- -exec "$emulator" -skip "$skip"
	if [ $machine = i386 ]; then
		# Go's runtime cannot handle signals under qemu-i386; run natively instead.
		if ! "$dir/programs/i386/layout" >"$dir/out" 2>&1; then
			notrun "this code on i386: the kernel does not run 32-bit programs"
			continue
		fi
		set --
	fi
	tell "$machine's code" env GOARCH=$goarch go test -count=1 "$@" ./utmpx ./utmpfile ./internal/recfile
	[ $# = 0 ] || set -- -exec "$emulator"
	tell "$machine's code, its libc" env GOARCH=$goarch go test -count=1 -tags system "$@" -run "/^$machine\$" ./test/libc
done <"$dir/programs/machines"

if [ -n "$failed" ]; then
	echo "FAIL:$failed"
	exit 1
fi
