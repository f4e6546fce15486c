#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# copyright.sh prints the copyright file of the packages: the licence of utmpd and
# the licences of the modules that are linked into the programs.
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
section 'Linked into the programs, of the Go project, the runtime and the standard library:' "$("$GO" env GOROOT)/LICENSE"
"$GO" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/... | sort -u |
	while read -r module version; do
		dir=vendor/$module
		[ -d "$dir" ] || dir=$("$GO" list -m -f '{{.Dir}}' "$module")
		section "Linked into the programs, $module $version:" "$dir/LICENSE"
	done
