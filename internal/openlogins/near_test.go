// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestAppendOn has random logs: what the last records show of a line is what all of them do,
// however few are looked at, and with an older file before.
func TestAppendOn(t *testing.T) {
	near := 0
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 21))
		name := filepath.Join(t.TempDir(), "wtmp")
		recs := chance(rng, 1+rng.IntN(60))
		if rng.IntN(3) == 0 {
			put(t, name+".1", chance(rng, 1+rng.IntN(20))...)
		}
		put(t, name, recs...)
		if rng.IntN(4) == 0 { // a torn record
			b, err := os.ReadFile(name)
			if err == nil {
				at := rng.IntN(len(b))
				err = os.WriteFile(name, append(b[:at:at], b[min(len(b), at+rng.IntN(300)):]...), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range []string{"pts/0", "pts/1", "tty1", "pts/9"} {
			all := New(name, recfile.Options{})
			logins, err := all.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, open := logins.On(line)
			l := New(name, recfile.Options{})
			l.near = rng.IntN(40)
			if rng.IntN(4) == 0 {
				l.near = maxNear
			}
			asked := false
			err = l.AppendOn(t.Context(), line, func(at Login, is bool) []utmpx.Record {
				if asked = true; at != want || is != open {
					t.Errorf("seed %d, %s, %d records: %v %v, want %v %v", seed, line, l.near, at, is, want, open)
				}
				return nil
			})
			if err != nil || !asked {
				t.Fatal(err, asked)
			}
			if l.now == nil {
				near++
			}
		}
	}
	if near < 3000 {
		t.Errorf("of 12000 questions, the last records answered %d", near)
	}
}

// chance returns records of few lines, by chance.
func chance(rng *rand.Rand, n int) (recs []utmpx.Record) {
	for i := range n {
		line := []string{"pts/0", "pts/1", "tty1", ""}[rng.IntN(4)]
		r := utmpx.Record{Type: utmpx.UserProcess, PID: 100 + rng.Int32N(5), Line: line, ID: "x", User: "alice", Time: utmpx.Time{Sec: epoch + int64(i)}}
		switch rng.IntN(9) {
		case 0, 1, 2:
			r.Type, r.User = utmpx.DeadProcess, ""
		case 3:
			r.Type, r.User = utmpx.LoginProcess, "LOGIN"
		case 4:
			r.Type, r.User = utmpx.InitProcess, ""
		case 5:
			if rng.IntN(4) == 0 {
				r = utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Time: r.Time}
			}
		case 6:
			r.User = ""
		}
		recs = append(recs, r)
	}
	return recs
}

// put writes a log.
func put(t *testing.T, name string, recs ...utmpx.Record) {
	t.Helper()
	var b []byte
	for _, r := range recs {
		p, err := utmpx.Native().Encode(r)
		check(t, err)
		b = append(b, p...)
	}
	check(t, os.WriteFile(name, b, 0o600))
}
