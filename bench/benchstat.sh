#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# benchstat.sh OLD NEW runs the microbenchmarks of two revisions in turns and compares
# them. BENCH selects benchmarks (default: all), COUNT is the number of runs (6), TIME
# the duration of each (0.2s).
set -eu
old=${1:?usage: benchstat.sh OLD NEW} new=${2:?usage: benchstat.sh OLD NEW}
version=v0.0.0-20260908200009-22c9c6c9d4da
packages='./utmpx ./internal/recfile ./internal/logs ./internal/snapshot ./internal/table ./internal/cleaner ./internal/state'
top=$(git rev-parse --show-toplevel)
dir=$(mktemp -d)
trap 'for r in old new; do git -C "$top" worktree remove --force "$dir/$r" 2>/dev/null || :; done; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

git -C "$top" worktree add --quiet --detach "$dir/old" "$old"
git -C "$top" worktree add --quiet --detach "$dir/new" "$new"
i=0
while [ $i -lt "${COUNT:-6}" ]; do
	for r in old new; do
		# shellcheck disable=SC2086
		(cd "$dir/$r" && go test -run '^$' -bench "${BENCH:-.}" -benchmem -benchtime "${TIME:-0.2s}" $packages) >>"$dir/$r.txt"
	done
	i=$((i + 1))
done
cd "$dir" && go run golang.org/x/perf/cmd/benchstat@$version old.txt new.txt
