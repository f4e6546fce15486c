// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// TestUsual: the line of a usual session is the one that its cells make.
func TestUsual(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	local := time.Local
	time.Local = berlin
	t.Cleanup(func() { time.Local = local })
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, berlin)
	one := func(r *rand.Rand) *sessions.Session {
		of := func(usual string, others ...string) string {
			if r.IntN(12) > 0 {
				return usual
			}
			return others[r.IntN(len(others))]
		}
		seldom := func() bool { return r.IntN(25) == 0 }
		days := []time.Time{ // the clocks change on the second and the third
			time.Date(2026, 7, 1, 0, 0, 0, 0, berlin), time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)}
		from := days[max(0, r.IntN(20)-17)].Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
		length := time.Duration(r.ExpFloat64() * float64(4*time.Hour))
		s := &sessions.Session{From: from, To: from.Add(length).Truncate(time.Millisecond), Exact: true, End: sessions.Logout}
		s.Login = utmpx.Record{User: of("alice", "", "b", "\x1b[1m", "grüße", "a-name-that-is-longer-than-those-before"),
			Line: of("pts/12", "", "tty1", "\n", "a line"), Host: of("desk", "", "2001:db8::1", "\xff", "a.host.whose.name.is.longer.than.all.before")}
		if s.Login.Host == "" && r.IntN(2) == 0 {
			s.Login.Addr = [16]byte{192, 0, 2, 1}
		}
		if seldom() {
			s.From = time.Time{}
		}
		if seldom() {
			s.To = time.Time{}
		}
		if seldom() {
			s.To = s.From.Add(-time.Duration(r.Int64N(int64(time.Hour))))
		}
		if seldom() {
			s.Exact = false
		}
		if s.Least, s.Most = s.To, s.To; seldom() {
			s.Most = s.To.Add(time.Minute)
		}
		if seldom() {
			s.Jumped = true
		}
		if seldom() {
			s.Stepped = time.Duration(r.Int64N(int64(time.Hour))) - 30*time.Minute
		}
		if seldom() {
			s.Exit = utmpx.Exit{Termination: int16(r.IntN(16)), Exit: int16(r.IntN(3))}
		}
		if seldom() {
			s.End = sessions.Endings()[r.IntN(len(sessions.Endings()))]
		}
		if seldom() {
			s.By = []boots.Source{fromWtmpdb, boots.FromLedger}[r.IntN(2)]
		}
		return s
	}
	for _, width := range []int{0, 200, 100, 99, 80, 66, 65, 40} {
		for seed := range uint64(6) {
			var got, want bytes.Buffer
			v := &listing{now: now, shown: 1, users: map[string]*int{}}
			of := func(w *bytes.Buffer) *sessionTable {
				return newSessionTable(v, screen{width: width, unicode: seed%2 == 0}, w)
			}
			a, b := of(&got), of(&want)
			r := rand.New(rand.NewPCG(seed, uint64(width)))
			usual, n := 0, 4*tableFirst
			for range n {
				s := one(r)
				if a.usual(s) {
					usual++
				} else {
					a.any(s)
				}
				b.any(s)
			}
			if err := a.end(); err != nil {
				t.Fatal(err)
			}
			if err := b.end(); err != nil {
				t.Fatal(err)
			}
			if roomy := width == 0 || width >= 80; (usual > n/8) != roomy || usual == n {
				t.Errorf("width %d: %d of %d are usual", width, usual, n)
			}
			x, y := bytes.Split(got.Bytes(), []byte("\n")), bytes.Split(want.Bytes(), []byte("\n"))
			if len(x) != len(y) {
				t.Fatalf("width %d, seed %d: %d lines, want %d", width, seed, len(x), len(y))
			}
			for i := range x {
				if !bytes.Equal(x[i], y[i]) {
					t.Fatalf("width %d, seed %d, line %d:\n%s\nwant\n%s", width, seed, i, x[i], y[i])
				}
			}
		}
	}
}
