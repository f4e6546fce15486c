#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh runs every fuzz target, one after another, for a number of inputs or for a
# duration (in Go's notation):
#   fuzz.sh 50000x [WORKERS]
#   fuzz.sh 10m [WORKERS]
#   fuzz.sh ci [WORKERS]      50000x, but 10000x for targets of fewer than 2,500 a second
# A finding is kept in the package's testdata and fails the run. With a duration, Go
# before 1.27 sometimes also fails with "context deadline exceeded" and no finding
# (go.dev/issue/75804).
set -u
cd "$(dirname "$0")/.." || exit 1
time=${1:-50000x}
workers=${2:-2}
failed=0

# What takes most of the time with 50000x, by far.
slow=' check/FuzzLog ctl/FuzzDump grid/FuzzForged grid/FuzzDirections grid/FuzzOnce logs/FuzzForwardIsBackward recordjson/FuzzIdentity repair/FuzzTable sessions/FuzzDirections '

# inputs prints the value of -fuzztime for target $2 in directory $1.
inputs() {
	case $time:$slow in
	ci:*" ${1##*/}/$2 "*) echo 10000x ;;
	ci:*) echo 50000x ;;
	*) echo "$time" ;;
	esac
}

for file in $(git ls-files '*_test.go' 2>/dev/null || find . -name '*_test.go'); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		pkg=./$(dirname "$file")
		echo "fuzz $pkg $target"
		# Minimising interesting inputs can otherwise take all the time.
		# In the package's directory, since the fleet is a module of its own.
		out=$(cd "$pkg" && go test -run xxx_none -fuzz "^$target\$" -fuzztime "$(inputs "$pkg" "$target")" -fuzzminimizetime 10x -parallel "$workers" . 2>&1)
		if [ $? -ne 0 ]; then
			echo "$out"
			failed=1
		else
			echo "$out" | grep 'execs:' | tail -1
		fi
	done
done
exit $failed
