#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# copyright.sh [source] prints the copyright file of the packages: the licence of utmpd
# and the licences of the modules that are linked into the programs. With "source" it
# prints that of the release tarball: those of all modules in vendor/. MODULE=fleet is for
# the packages of the fleet, whose programs are of that module.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}

section() {
	printf '\n%s\n\n' "$1"
	sed 's/^/    /; s/ *$//' "$2"
}

echo 'utmpd: https://utmpd.dev'
cat <<'TEXT'

The licences below are reproduced as their holders distribute them. On Debian, the
Apache License 2.0 is also in /usr/share/common-licenses/Apache-2.0.
TEXT
section 'Its licence, BSD-2-Clause:' LICENSE
cd "${MODULE:-.}"
# licence MODULE prints the name of its licence's file.
licence() {
	dir=vendor/$1
	[ -d "$dir" ] || dir=$("$GO" list -m -f '{{.Dir}}' "$1")
	echo "$dir/LICENSE"
}

# Debian's packages of Go have no LICENSE. The project's modules have the same.
go=$("$GO" env GOROOT)/LICENSE
[ -e "$go" ] || go=$(licence golang.org/x/sys)
section 'Linked into the programs, of the Go project, the runtime and the standard library:' "$go"
modules() {
	if [ "${1:-}" = source ]; then
		sed -n 's/^# //p' vendor/modules.txt
	else
		"$GO" list -deps -f '{{with .Module}}{{if and (not .Main) .Version}}{{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/... | grep -v '^utmpd\.dev/'
	fi | sort -u
}

where='Linked into the programs'
[ "${1:-}" != source ] || where='In vendor/'
modules "$@" | while read -r module version; do
	section "$where, $module $version:" "$(licence "$module")"
done
