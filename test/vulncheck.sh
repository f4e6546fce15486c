#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vulncheck.sh looks for known vulnerabilities in what the programs call. Where the
# database cannot be fetched, it says so and does not fail.
set -u
cd "$(dirname "$0")/.." || exit 1
out=$(go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./cmd/... 2>&1) && {
	echo "$out"
	exit 0
}
echo "$out" >&2
case $out in
*'fetching vulnerabilities:'*)
	echo 'not run: known vulnerabilities: the database cannot be had' >&2
	exit 0
	;;
esac
exit 1
