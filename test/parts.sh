#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# parts.sh runs the parts of a test, one after another, whether they fail or not, and says
# how long each took. What a part writes is shown if it fails, with -v at once.
# The reasons of the failures are the last lines, ten at most.
#
#   parts.sh [-v] 'NAME: COMMAND'...
set -u
v=
if [ "${1:-}" = -v ]; then
	v=1
	shift
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/utmpd-parts-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# run runs part $n and sets result, seconds, and busy: the processor time.
run() {
	times >"$dir/times"
	seconds=$(date +%s)
	if [ $v ]; then
		{
			sh -c "$command" 2>&1
			echo $? >"$dir/status"
		} | tee "$dir/log.$n"
	else
		sh -c "$command" >"$dir/log.$n" 2>&1
		echo $? >"$dir/status"
	fi
	seconds=$(($(date +%s) - seconds))
	times >>"$dir/times"
	busy=$(tr ms '  ' <"$dir/times" | awk '
		{ t[NR] = 60*$1 + $2 + 60*$3 + $4 }
		END { printf "%.0f", t[4] - t[2] }')
	result=ok
	[ "$(cat "$dir/status")" = 0 ] || result=FAILED
}

# reasons prints what failed in log $1: a line for each failed test with the first things that
# it said, or the last lines.
reasons() {
	awk '
	function flush() {
		if (fail != "" && !(test in told)) print fail
		told[test] = 1
		fail = ""
		more = places = 0
	}
	/^[ \t]*--- FAIL: / {
		if ($3 !~ /\//) { flush(); fail = test = $3 }
		next
	}
	/^panic: |^fatal error: |^(GREEN|BROKEN|STALE|SLOW|FAIL:) |\[(build|setup) failed\]$/ {
		flush(); print; next
	}
	# The first line with a place may be a note only, so the second is shown too.
	fail != "" && places < 2 && /[a-z0-9_]+\.go:[0-9]+: / && !/in the guest: / {
		line = $0; sub(/^[ \t]+/, "", line)
		fail = fail " " substr(line, 1, 150)
		places++
		more = 1
		next
	}
	more && NF {
		more = 0
		if (!/^FAIL|^ *--- /) { sub(/^[ \t]+/, ""); fail = fail " " substr($0, 1, 150) }
	}
	END { flush() }' "$1" >"$dir/reasons"
	[ -s "$dir/reasons" ] || grep -v '^make.*: \*\*\* \|^[[:space:]]*$\|^FAIL\|^exit status' "$1" | tail -2 >"$dir/reasons"
	cut -c1-500 "$dir/reasons"
}

n=0
failed=
all=0
for part; do
	n=$((n + 1))
	name=${part%%: *}
	command=${part#*: }
	if [ $v ]; then
		printf '\n=== %s\n' "$command"
	else
		printf '%-14s ' "$name"
	fi
	run
	line=$(printf '%-6s %5d s, %5d s of a processor' $result "$seconds" "$busy")
	if [ $v ]; then
		printf '=== %s: %s\n' "$name" "$line"
	else
		echo "$line"
	fi
	printf '%-14s %s\n' "$name" "$line" >>"$dir/table"
	all=$((all + seconds))
	if [ $result = FAILED ]; then
		[ $v ] || cat "$dir/log.$n"
		echo "$name" >"$dir/name.$n"
		failed="$failed $n"
	elif [ ! $v ]; then
		# The table of test/system: programs and cases.
		sed -n '/^program  *Debian /,/^killed, ut_pid/p' "$dir/log.$n"
	fi
done

echo
cat "$dir/table"
printf '%-14s %-6s %5d s\n' all "$([ "$failed" ] && echo FAILED || echo ok)" $all
[ "$failed" ] || exit 0
set -- $failed
lines=$((10 / $#))
for n; do
	reasons "$dir/log.$n" | head -n $((lines > 0 ? lines : 1)) | sed "s,^,$(cat "$dir/name.$n"): ,"
done
exit 1
