#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh shows that the tests can fail. Each patch here breaks one law or one
# decision of docs/architecture.md. With the patch applied, the code must build, and
# the test that the patch names must fail.
#
#   run.sh [NAME...]     runs all patches, or those named (without .patch)
#
# A patch begins with
#   Breaks: what the patch breaks
#   Test: the arguments of go test; a system test needs root; -C DIR is first, if it is
#         in another module
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1

# Without names, one process for each processor takes its share.
if [ $# -eq 0 ]; then
	set -- $(cd "$here" && ls ./*.patch | sed 's,^\./,,; s,\.patch$,,')
	all=$#
	shares=$(getconf _NPROCESSORS_ONLN)
	[ "$shares" -le "$all" ] || shares=$all
	pids=
	for share in $(seq "$shares"); do
		names=$(printf '%s\n' "$@" | awk -v n="$shares" -v i="$share" 'NR % n == i % n')
		"$here/run.sh" $names &
		pids="$pids $!"
	done
	status=0
	for pid in $pids; do
		wait "$pid" || status=1
	done
	[ $status = 0 ] && echo "all killed: $all"
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

failed=0
for name; do
	patch="$here/$name.patch"
	args=$(sed -n 's/^Test: //p' "$patch" | head -1)
	in=
	case $args in
	'-C '*)
		in=$(expr "$args" : '\(-C [^ ]*\)')
		args=${args#"$in"}
		;;
	*system*)
		if [ "$(id -u)" != 0 ]; then
			echo "not run: $name: its test needs root"
			failed=$((failed + 1))
			continue
		fi
		;;
	esac
	if ! git apply "$patch"; then
		echo "STALE  $name: does not apply"
		failed=$((failed + 1))
		continue
	fi
	if ! eval "go build ./internal/... ./utmpx ./utmpfile && go test $in -count=1 -timeout 120s $args -run xxx_none" >out 2>&1; then
		cat out
		echo "BROKEN $name: does not build"
		failed=$((failed + 1))
	elif eval "go test $in -count=1 -timeout 120s $args" >out 2>&1; then
		echo "GREEN  $name: no test notices"
		failed=$((failed + 1))
	else
		echo "killed $name by $(grep -a -m1 -o -e '--- FAIL: [^ ]*' -e 'panic: .*' out | head -1)"
	fi
	git apply -R "$patch" || exit 1
done
[ "$failed" = 0 ] && echo "all killed: $#" && exit 0
echo "$failed of $# not killed"
exit 1
