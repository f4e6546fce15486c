// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// closer is the host of the logouts that utmpd has appended to a log.
const closer = "utmpd"

// Mark returns the host of a logout that utmpd appends to the wtmpx file, so that readers
// can tell it from a program's own: "utmpd", or "utmpd-90s" if the session ended up to 90
// seconds before the logout's time. after is when it was last known alive, zero if end is
// exact. last(1) shows the host of the login; utmpdump(1) shows this one.
func Mark(end, after time.Time) string {
	if after.IsZero() || !after.Before(end) {
		return closer
	}
	// Rounded up, so that the end still lies within it.
	within := (end.Sub(after) + time.Second - 1) / time.Second
	return closer + "-" + strconv.FormatInt(int64(within), 10) + "s"
}

// ParseMark reports whether utmpd has appended a logout, and how long before the logout's
// time the session may have ended; 0 means that the time is exact.
func ParseMark(logout utmpx.Record) (within time.Duration, ok bool) {
	if logout.Type != utmpx.DeadProcess {
		return 0, false
	}
	return ParseMarkOf(logout.Host)
}

// ParseMarkOf is [ParseMark] for the host of a DEAD_PROCESS record.
func ParseMarkOf(host string) (within time.Duration, ok bool) {
	text, ok := strings.CutPrefix(host, closer)
	if !ok || text == "" {
		return 0, ok
	}
	digits, unit := strings.CutSuffix(text[1:], "s")
	n, err := strconv.ParseUint(digits, 10, 31)
	if text[0] != '-' || !unit || err != nil {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
