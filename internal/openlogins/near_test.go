// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestAppendOn has random logs: what the last records show of a line is what all of them do,
// however few are looked at, and with an older file before.
func TestAppendOn(t *testing.T) {
	near, logs := 0, 1000
	if testing.Short() {
		logs = 150
	}
	for seed := range uint64(logs) {
		rng := rand.New(rand.NewPCG(seed, 21))
		name := filepath.Join(t.TempDir(), "wtmp")
		recs := chance(rng, 1+rng.IntN(60))
		if rng.IntN(3) == 0 {
			put(t, name+".1", chance(rng, 1+rng.IntN(20))...)
		}
		put(t, name, recs...)
		if rng.IntN(4) == 0 { // damage; a torn end would be waited for
			b, err := os.ReadFile(name)
			check(t, err)
			at := rng.IntN(len(b))
			clear(b[at:min(len(b), at+rng.IntN(900))])
			check(t, os.WriteFile(name, b, 0o600))
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
	if near < logs {
		t.Errorf("of %d questions, the last records answered %d", 4*logs, near)
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

// TestAppendOnMeanwhile has the line's login end between any two calls until the log is locked,
// in the same file or in the next one.
func TestAppendOnMeanwhile(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		for when := 0; ; when++ {
			w := simWorld{simfile.New()}
			w.Write(t, "wtmp", raw(t, layout, boot(1), sess("pts/0", 2), sess("pts/1", 3)))
			calls, ended, locked := 0, false, false
			w.s.Inject(func(op simfile.Op) *simfile.Fault {
				if calls == when && !locked {
					ended = true
					end := raw(t, layout, dead("pts/0", 4))
					if rotate {
						w.Rename(t, "wtmp", "wtmp.1")
						w.Write(t, "wtmp", end)
					} else {
						w.Change(t, "wtmp", func(b []byte) []byte { return append(b, end...) })
					}
				}
				calls++
				locked = locked || op.Call == simfile.Lock || op.Call == simfile.TryLock
				return nil
			})
			asked := false
			err := openLog(w).AppendOn(t.Context(), "pts/0", func(at Login, open bool) []utmpx.Record {
				w.s.Inject(nil)
				if asked = true; open == ended {
					t.Errorf("rotated: %v; ended before call %d: %v; it is open: %v", rotate, when, ended, open)
				}
				return nil
			})
			if err != nil || !asked {
				t.Fatalf("rotated: %v, before call %d: %v, %v", rotate, when, asked, err)
			}
			if !ended {
				if when < 5 {
					t.Errorf("%d calls", when)
				}
				break
			}
		}
	}
}
