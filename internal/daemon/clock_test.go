// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestStepRecords appends the records of steps of the clock to a log.
func TestStepRecords(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	at := func(r utmpx.Record, d time.Duration) utmpx.Record { r.Time = utmpx.TimeOf(noon.Add(d)); return r }
	login := utmpx.Record{Type: utmpx.UserProcess, PID: 7, Line: "pts/0", ID: "ts/0", User: "alice"}
	theirs := utmpx.Record{Type: utmpx.NewTime, Line: "{", User: "date"}
	step := func(from, to time.Duration) clock.Step {
		return clock.Step{Old: noon.Add(from), New: noon.Add(to)}
	}
	tests := []struct {
		name  string
		log   []utmpx.Record
		steps []clock.Step
		want  []string // OLD_TIME and NEW_TIME that were appended
		torn  []byte   // at its start
	}{
		{name: "empty log", steps: []clock.Step{step(0, time.Hour)}, want: []string{"| 12:00", "{ 13:00"}},
		{"damaged log", []utmpx.Record{at(login, 0)}, []clock.Step{step(0, time.Hour)}, []string{"| 12:00", "{ 13:00"}, bytes.Repeat([]byte{0xff}, 100)},
		{"damaged log, recorded by another", []utmpx.Record{at(theirs, time.Hour-time.Second)}, []clock.Step{step(0, time.Hour)}, nil, bytes.Repeat([]byte{0xff}, 100)},
		{"a login", []utmpx.Record{at(login, 0)}, []clock.Step{step(0, -time.Hour)}, []string{"| 12:00", "{ 11:00"}, nil},
		{"recorded by another", []utmpx.Record{at(theirs, time.Hour-time.Second), at(login, 0)}, []clock.Step{step(0, time.Hour)}, nil, nil},
		{"another's of long ago", []utmpx.Record{at(theirs, 30*time.Minute)}, []clock.Step{step(0, time.Hour)}, []string{"| 12:00", "{ 13:00"}, nil},
		{"two, near to each other", nil, []clock.Step{step(0, time.Hour), step(time.Hour, time.Hour+30*time.Second)},
			[]string{"| 12:00", "{ 13:00", "| 13:00", "{ 13:00"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "wtmp")
			var b []byte
			for _, r := range tt.log {
				p, err := utmpx.Native().Encode(r)
				if err != nil {
					t.Fatal(err)
				}
				b = append(b, p...)
			}
			b = append(tt.torn, b...)
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			wtmpx, log := recfile.NewLog(name, recfile.Options{}), logs.New(name, logs.Options{})
			var r stepRecords
			for _, s := range tt.steps {
				wrote, err := r.append(t.Context(), wtmpx, log, s)
				if err != nil || wrote != (tt.want != nil) {
					t.Errorf("wrote %v, error %v", wrote, err)
				}
			}
			var got []string
			n := 0
			for e, err := range log.Forward(t.Context()) {
				if logs.IsDamage(err) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if n++; n > len(tt.log) {
					got = append(got, e.Record.Line+" "+e.Record.Time.Time().UTC().Format("15:04"))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "wtmp")
	_, err := new(stepRecords).append(t.Context(), recfile.NewLog(missing, recfile.Options{}), logs.New(missing, logs.Options{}), step(0, time.Hour))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing log: %v", err)
	}
}
