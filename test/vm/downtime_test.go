// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"encoding/json"
	"time"
)

// period is one boot in the output of `utmpctl downtime -json`.
type period struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	End       string    `json:"end"`
	Up        *float64  `json:"up_seconds"`
	Down      *float64  `json:"down_seconds"`
	Slept     *float64  `json:"suspended_seconds"`
	Exact     bool      `json:"exact"`
	Within    *float64  `json:"within_seconds"`
	KnownFrom string    `json:"known_from"`
}

// boots returns what utmpctl downtime tells.
func (m *machine) boots() []period {
	m.t.Helper()
	var out struct{ Boots []period }
	printed := m.sh("utmpctl downtime -json")
	if err := json.Unmarshal([]byte(printed), &out); err != nil {
		m.t.Fatalf("utmpctl downtime -json: %v\n%s", err, printed)
	}
	m.t.Logf("utmpctl downtime:\n%s", m.sh("utmpctl downtime"))
	if len(out.Boots) < 2 {
		m.t.Fatalf("utmpctl downtime shows %d boots:\n%s", len(out.Boots), printed)
	}
	return out.Boots
}

// downtime returns the last boot but one, after checking that the boots follow one another,
// that none has a negative duration, and that the last one is running.
func (m *machine) downtime() period {
	m.t.Helper()
	all := m.boots()
	n := len(all)
	for i, b := range all {
		if b.To.Before(b.From) || negativeSeconds(b.Up) || negativeSeconds(b.Down) {
			m.t.Errorf("a negative duration: boot %d of %d, %s to %s", i+1, n, b.From, b.To)
		}
		if i > 0 && b.From.Before(all[i-1].To) {
			m.t.Errorf("boot %d of %d begins at %s, before the end of the one before it", i+1, n, b.From)
		}
		if running := b.End == "running"; running != (i == n-1) {
			m.t.Errorf("boot %d of %d is said to have ended thus: %s", i+1, n, b.End)
		}
	}
	return all[n-2]
}

func negativeSeconds(s *float64) bool { return s != nil && *s < 0 }
