// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"strconv"
	"time"
)

// parseTime parses a date, a date with a time of day (both local), a time in RFC 3339, or
// a duration before now. "" is the zero time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, form := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return t, nil
		}
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit := units[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 20)
	if unit == 0 || err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time", s)
	}
	d := time.Duration(n) * unit
	if d/unit != time.Duration(n) {
		return time.Time{}, fmt.Errorf("%q is too long ago", s)
	}
	return now.Add(-d), nil
}
