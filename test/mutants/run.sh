#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh shows that the tests can fail. Each patch here breaks one law or one
# decision of docs/architecture.md. With the patch applied, the code must build, and
# the test that the patch names must fail. A test that does not end in time has not
# failed: that could be the machine.
#
#   run.sh [NAME...]     runs all patches, or those named (without .patch)
#   run.sh -share N      runs one in N, others each day, so that N days run all; and those
#                        that the last 25 commits changed, which most likely concern the
#                        code at hand
#
# A patch begins with
#   Breaks: what the patch breaks
#   Test: the arguments of go test; a system test needs root; -C DIR is first, if it is
#         in another module
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1

share=
if [ "${1:-}" = -share ]; then
	case ${2:-} in
	'' | *[!0-9]* | 0*)
		echo "usage: run.sh [-share N | NAME...]" >&2
		exit 2
		;;
	esac
	share=$2
	shift 2
fi

# names prints all patches, without .patch. Tests with a real system are slow and so come
# first.
names() {
	(cd "$here" && { grep -l '^Test: .*system' ./*.patch; grep -L '^Test: .*system' ./*.patch; }) |
		sed 's,^\./,,; s,\.patch$,,'
}

# today prints those of its input that are in today's share or were changed lately.
today() {
	{
		git log -25 --format= --name-only -- . 2>/dev/null | sed -n 's,^test/mutants/\(.*\)\.patch$,\1,p'
		echo :
		cat
	} | awk -v n="$share" -v day=$(($(date +%s) / 86400)) '
		$0 == ":" { listed = 1; next }
		!listed { changed[$0] = 1; next }
		(++i % n == day % n || $0 in changed)'
}

# Without names, one process for each processor takes one patch after another.
if [ $# -eq 0 ]; then
	if [ "$share" ]; then
		set -- $(names | today)
	else
		set -- $(names)
	fi
	echo "$# of $(names | wc -l) patches"
	UTMPD_MUTANTS_TAKEN=$(mktemp -d "${TMPDIR:-/tmp}/utmpd-mutants-XXXXXX") || exit 1
	export UTMPD_MUTANTS_TAKEN
	pids=
	for worker in $(seq "$(getconf _NPROCESSORS_ONLN)"); do
		"$here/run.sh" "$@" &
		pids="$pids $!"
	done
	status=0
	for pid in $pids; do
		wait "$pid" || status=1
	done
	taken=$(ls "$UTMPD_MUTANTS_TAKEN" | grep -vc '^failed$')
	if [ "$taken" -ne $# ]; then
		echo "only $taken of $# were run"
		status=1
	fi
	# Once more, where they are found.
	cat "$UTMPD_MUTANTS_TAKEN/failed" 2>/dev/null
	rm -rf "$UTMPD_MUTANTS_TAKEN"
	[ $status = 0 ] && echo "all killed: $#"
	exit $status
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/utmpd-mutants-XXXXXX") || exit 1

# leave kills processes that a broken utmpd has left, by their program under $dir.
leave() {
	for exe in /proc/[0-9]*/exe; do
		pid=${exe#/proc/}
		case $(readlink "$exe" 2>/dev/null) in
		"$dir"/*) kill -9 "${pid%/exe}" ;;
		esac
	done
	rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' HUP INT TERM
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$dir" || exit 1
cd "$dir" || exit 1
mkdir tmp || exit 1
export TMPDIR="$dir/tmp"
# Makes git apply treat this directory as the top level, wherever it is.
git init -q . || exit 1
# What is not broken is then found in the build cache, wherever this directory is.
export GOFLAGS="${GOFLAGS:-} -trimpath -buildvcs=false"

# builds reports whether the test can be run. A test of a package compiles what it tests;
# others build programs or read files themselves, and would fail if that failed.
builds() {
	case $args in
	*./internal/* | *./utmp*) ;;
	*) go build ./... >out 2>&1 || return 1 ;;
	esac
}

failed=0
ran=0
fail() {
	echo "$*"
	[ -z "${UTMPD_MUTANTS_TAKEN:-}" ] || echo "$*" >>"$UTMPD_MUTANTS_TAKEN/failed"
	failed=$((failed + 1))
}
for name; do
	# Another process may have taken it.
	if [ -n "${UTMPD_MUTANTS_TAKEN:-}" ]; then
		mkdir "$UTMPD_MUTANTS_TAKEN/$name" 2>/dev/null || continue
	fi
	ran=$((ran + 1))
	patch="$here/$name.patch"
	args=$(sed -n 's/^Test: //p' "$patch" | head -1)
	in=
	timeout=2m
	case $args in
	'-C '*)
		in=$(expr "$args" : '\(-C [^ ]*\)')
		args=${args#"$in"}
		;;
	*system*)
		if [ "$(id -u)" != 0 ]; then
			fail "not run: $name: its test needs root"
			continue
		fi
		timeout=10m
		;;
	esac
	if ! git apply "$patch"; then
		fail "STALE  $name: does not apply"
		continue
	fi
	start=$(date +%s)
	if ! builds; then
		cat out
		fail "BROKEN $name: does not build"
	elif eval "go test $in -vet=off -failfast -count=1 -timeout $timeout $args" >out 2>&1; then
		fail "GREEN  $name: no test notices"
	elif grep -a -q '^panic: test timed out\|^\*\*\* Test killed' out; then
		tail -20 out
		fail "SLOW   $name: its test did not end in time"
	elif grep -a -q '^FAIL.*s$' out && ! grep -a -q '^FAIL.* failed\]$' out; then
		by=$(grep -a -m1 -o -e '--- FAIL: [^ ]*' -e 'panic: .*' -e 'fatal error: .*' -e 'exit status .*' -e 'signal: .*' out | head -1)
		echo "killed $name by $by, $(($(date +%s) - start)) s"
	else
		cat out
		fail "BROKEN $name: does not build, or no test ran"
	fi
	git apply -R "$patch" || exit 1
done
[ -n "${UTMPD_MUTANTS_TAKEN:-}" ] || [ "$failed" != 0 ] || echo "all killed: $ran"
[ "$failed" = 0 ] || exit 1
