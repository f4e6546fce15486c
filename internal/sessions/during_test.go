// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestDuring looks from 10:00 to 12:00.
func TestDuring(t *testing.T) {
	day := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	at := func(hour float64) time.Time { return day.Add(time.Duration(hour * float64(time.Hour))) }
	exact := func(from, to float64) Session {
		return Session{Login: utmpx.Record{User: "alice"}, From: at(from), To: at(to), End: Logout, Exact: true}
	}
	bounds := func(from, least, most float64) Session {
		s := Session{From: at(from), To: at(least), End: Crash, Least: at(least)}
		if most > 0 {
			s.Most = at(most)
		}
		return s
	}
	stepped := exact(9, 11)
	stepped.Stepped = time.Hour
	inside := exact(10, 12)
	inside.Stepped = time.Hour
	tests := []struct {
		name        string
		s           Session
		least, most float64 // hours
		ok          bool
	}{
		{"inside", exact(10.5, 11), 0.5, 0.5, true},
		{"from before", exact(9, 11), 1, 1, true},
		{"to after", exact(11, 14), 1, 1, true},
		{"all of it", exact(9, 14), 2, 2, true},
		{"before", exact(8, 9), 0, 0, true},
		{"after", exact(13, 14), 0, 0, true},
		{"still on", Session{From: at(11), End: StillOn}, 1, 1, true},
		{"still on, from before", Session{From: at(3), End: StillOn}, 2, 2, true},
		{"a crash", bounds(9, 10.5, 11), 0.5, 1, true},
		{"a crash, perhaps later", bounds(9, 11, 14), 1, 2, true},
		{"a crash, at any time", bounds(9, 11, 0), 1, 2, true},
		{"no login", Session{To: at(11), End: Logout, Exact: true}, 0, 0, false},
		{"clock set, partly outside", stepped, 0, 0, false},
		{"clock set", inside, 1, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			least, most, ok := tt.s.During(at(10), at(12))
			if ok != tt.ok || ok && (least.Hours() != tt.least || most.Hours() != tt.most) {
				t.Errorf("%v to %v, %v; want %v h to %v h, %v", least, most, ok, tt.least, tt.most, tt.ok)
			}
		})
	}
}
