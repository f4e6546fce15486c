#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# racy.sh prints the packages of this module whose files start goroutines, or are made for
# several: in the others the race detector finds nothing, and takes ten times as long as the
# tests themselves. -v prints the others. test/house is left out: it asks the go command about
# this module, which no other user's go has.
cd "$(dirname "$0")/.." || exit 1
racy='^[[:space:]]*go (func|[a-z][A-Za-z.]*\()|"sync"|"sync/atomic"|"testing/synctest"'
go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r path dir; do
	case $path in */test/house) continue ;; esac
	if grep -qE "$racy" "$dir"/*.go; then
		[ "${1:-}" = -v ] || echo "$path"
	elif [ "${1:-}" = -v ]; then
		echo "$path"
	fi
done
