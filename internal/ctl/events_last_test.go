// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

// told is the end of a session, as two commands tell it.
type told struct {
	Line    string
	PID     int
	From    *time.Time
	To      *time.Time
	Least   *time.Time `json:"to_least"`
	Most    *time.Time `json:"to_most"`
	EndedBy string     `json:"ended_by"`
	Exact   bool
	Short   *float64 `json:"lasted_least_seconds"`
	Long    *float64 `json:"lasted_most_seconds"`

	// What events calls otherwise.
	Event     string
	Login     *time.Time `json:"login_time"`
	Time      *time.Time `json:"time"`
	TimeLeast *time.Time `json:"time_least"`
	TimeMost  *time.Time `json:"time_most"`
}

// TestEventsAreThoseOfLast: last and events tell the same ends of the same sessions.
func TestEventsAreThoseOfLast(t *testing.T) {
	for seed := range uint64(20) {
		name := filepath.Join(t.TempDir(), "wtmp")
		if err := os.WriteFile(name, someLog(t, rand.New(rand.NewPCG(seed, 6))), 0o600); err != nil {
			t.Fatal(err)
		}
		var last, events []string
		for line := range bytes.Lines(ran(t, "last", "-json", "-f", name)) {
			if s := toldIn(t, line); s.EndedBy != "open" && s.EndedBy != "gone" {
				last = append(last, s.text())
			}
		}
		for line := range bytes.Lines(ran(t, "events", "-json", "-f", name)) {
			if s := toldIn(t, line); s.Event == "logout" && s.Login != nil {
				s.From, s.To, s.Least, s.Most = s.Login, s.Time, s.TimeLeast, s.TimeMost
				events = append(events, s.text())
			}
		}
		slices.Sort(last)
		slices.Sort(events)
		if diff := cmp.Diff(last, events); diff != "" || len(last) == 0 {
			t.Fatalf("seed %d, %d sessions (-last +events)\n%s", seed, len(last), diff)
		}
	}
}

func toldIn(t *testing.T, line []byte) (s told) {
	t.Helper()
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return s
}

func (s told) text() string {
	b, err := json.Marshal([]any{s.Line, s.PID, s.From, s.To, s.Least, s.Most, s.EndedBy, s.Exact, s.Short, s.Long})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// someLog returns the log of a machine to which everything happens.
func someLog(t *testing.T, rng *rand.Rand) []byte {
	var recs []utmpx.Record
	now := at("08:00")
	recs = append(recs, boots.BootRecord(now, "6.12"))
	for range 200 {
		now = now.Add(time.Duration(1+rng.IntN(4000)) * time.Second)
		r := login(fmt.Sprint("pts/", rng.IntN(4)), 100+rng.Int32N(6), "08:00")
		switch k := rng.IntN(40); {
		case k < 18:
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", [...]string{"", "", "utmpd", "utmpd-90s"}[rng.IntN(4)]
			r.Exit.Termination = int16(9 * rng.IntN(2))
		case k == 18:
			r = boots.BootRecord(now, "6.12")
		case k == 19:
			r = boots.ShutdownRecord(now, "6.12")
		case k == 20:
			r = boots.CrashRecord(now, boots.Exactness{Known: rng.IntN(2) == 0, Within: time.Minute}, boots.FromHeartbeat)
		case k == 21:
			r.Type, r.User = utmpx.LoginProcess, "LOGIN"
		case k == 22:
			recs = append(recs, utmpx.Record{Type: utmpx.OldTime, Line: "|", User: "date", Time: utmpx.TimeOf(now)})
			now = now.Add(time.Hour)
			r = utmpx.Record{Type: utmpx.NewTime, Line: "{", User: "date"}
		}
		r.Time = utmpx.TimeOf(now)
		recs = append(recs, r)
	}
	return encode(t, recs...)
}
