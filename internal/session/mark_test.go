// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

func TestMark(t *testing.T) {
	end := time.Unix(1_780_000_000, 0)
	for _, c := range []struct {
		name   string
		after  time.Time
		host   string
		within time.Duration
	}{
		{"exact", time.Time{}, "utmpd", 0},
		{"known alive at the end", end, "utmpd", 0},
		{"bounds", end.Add(-90 * time.Second), "utmpd-90s", 90 * time.Second},
		{"rounded up", end.Add(-89*time.Second - 1), "utmpd-90s", 90 * time.Second},
		{"years", end.AddDate(-9, 0, 0), "utmpd-283996800s", 283996800 * time.Second},
	} {
		host := Mark(end, c.after)
		if host != c.host {
			t.Errorf("%s: %q, want %q", c.name, host, c.host)
		}
		if within, ok := ParseMark(utmpx.Record{Type: utmpx.DeadProcess, Host: host}); !ok || within != c.within {
			t.Errorf("%s: %v %v, want %v", c.name, within, ok, c.within)
		}
	}
	for _, host := range []string{"", "utmpd2", "utmpd-", "utmpd-s", "utmpd-9", "utmpd--9s", "utmpd-99999999999999s", "utmpd.example.org"} {
		if _, ok := ParseMark(utmpx.Record{Type: utmpx.DeadProcess, Host: host}); ok {
			t.Errorf("%q is a mark", host)
		}
	}
	if _, ok := ParseMark(utmpx.Record{Type: utmpx.UserProcess, Host: "utmpd"}); ok {
		t.Error("the host of a login is a mark")
	}
}
