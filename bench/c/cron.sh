#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# cron.sh UTMP does what is put into a crontab against ghosts: asks who(1) for the pids, and
# rewrites the file without the sessions whose process is dead. Whoever reads or writes the
# file meanwhile is not waited for.
set -eu
LC_ALL=C
export LC_ALL
dead=$(who -u "$1" | awk '{ print $7 }' | while read -r pid; do
	kill -0 "$pid" 2>/dev/null || echo "$pid"
done)
[ -n "$dead" ] || exit 0
utmpdump "$1" 2>/dev/null | DEAD="$dead" awk '
	BEGIN { n = split(ENVIRON["DEAD"], pids); for (i = 1; i <= n; i++) dead[pids[i]] = 1 }
	/^\[7\]/ && (substr($2, 2) + 0) in dead { sub(/^\[7\]/, "[8]") }
	{ print }' >"$1.new"
utmpdump -r <"$1.new" >"$1" 2>/dev/null
rm "$1.new"
