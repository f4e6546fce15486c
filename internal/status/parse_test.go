// SPDX-License-Identifier: BSD-2-Clause

package status

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestParse: what was written is read, with all fields that are shown.
func TestParse(t *testing.T) {
	ended := full()
	ended.State, ended.Within, ended.HasPipe, ended.Requests, ended.BadRequests = Ended, 0, false, 0, 0
	for _, want := range []Status{full(), ended} {
		w, err := Parse(want.Append(nil, written))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*time.Time{&want.Started, &want.LastScan, &want.LastHeartbeat, &want.LastClean} {
			*at = at.Truncate(time.Millisecond)
		}
		if d := cmp.Diff(want, w.Status); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if !w.At.Equal(written) || w.Unknown != nil {
			t.Errorf("written %v, unknown %q", w.At, w.Unknown)
		}
		if valid := written.Add(want.Within + late); want.State != Ended && !w.ValidUntil.Equal(valid) {
			t.Errorf("valid until %v, want %v", w.ValidUntil, valid)
		}
	}
}

func TestParseOthers(t *testing.T) {
	const least = "state: running\nwritten: 2026-11-28T02:05:04.000Z\npid: 7\n"
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"the least", least, true},
		{"a key of a later version", least + "sessions bridged: 3\n", true},
		{"empty", "", false},
		{"no pid", "state: running\nwritten: 2026-11-28T02:05:04.000Z\n", false},
		{"a line without a key", least + "hello\n", false},
		{"a number that is none", least + "watched: many\n", false},
		{"a time that is none", least + "last scan: soon\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := Parse([]byte(tt.text))
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, ErrForm) {
				t.Errorf("%v", err)
			}
			if tt.ok && w.PID != 7 {
				t.Errorf("pid %d", w.PID)
			}
		})
	}
}

// FuzzParse states: nothing makes it panic, and what it reads, written again, reads the
// same.
func FuzzParse(f *testing.F) {
	f.Add(full().Append(nil, written))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(w.Append(nil, w.At))
		if w.Within < 0 || w.Within > time.Hour || w.LogError == "" && w.LogLines != "" || !w.HasPipe && w.BadRequests > 0 || w.WouldClean != 0 && !w.DryRun || w.Waiting < 0 ||
			!w.HasLogind && (w.Recorded != 0 || w.LogindError != "") {
			return // no daemon writes that
		}
		if err != nil {
			t.Fatal(err)
		}
		again.Unknown, w.Unknown = nil, nil
		again.ValidUntil, w.ValidUntil = time.Time{}, time.Time{}
		if w.State == Ended || w.Within == 0 {
			again.Within, w.Within = 0, 0
		}
		if d := cmp.Diff(w, again); d != "" {
			t.Errorf("(-first +again)\n%s", d)
		}
	})
}
