// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// readings is a utmpx file that is only read.
type readings struct {
	File
	data []byte
	gen  snapshot.Generation
}

func (f *readings) Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	return snapshot.New(f.gen, utmpx.Native(), prev, f.data), nil
}

// TestSeen: what is kept of a file between its readings tells the same rivals as a look at
// all of its records.
func TestSeen(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	record := func() utmpx.Record {
		r := utmpx.Record{
			Type: utmpx.UserProcess, PID: rnd.Int32N(4) + 1, Line: fmt.Sprintf("pts/%d", rnd.IntN(6)),
			User: "ann", Time: utmpx.Time{Sec: 1000 + int64(rnd.IntN(3))},
		}
		if rnd.IntN(4) == 0 {
			r.Type = utmpx.DeadProcess
		}
		return r
	}
	file, l := &readings{gen: snapshot.Generation{Ino: 1}}, utmpx.Native()
	s, found := &seen{}, 0
	for range 2000 {
		switch n := len(file.data) / l.Size(); rnd.IntN(12) {
		case 0: // another file
			file.gen.Ino++
			file.data = nil
		case 1:
			file.data = file.data[:rnd.IntN(n+1)*l.Size()]
		case 2, 3, 4, 5:
			file.data, _ = l.AppendEncode(file.data, record())
		default:
			if n > 0 {
				at := rnd.IntN(n) * l.Size()
				if _, err := l.AppendEncode(file.data[at:at], record()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.read(file); err != nil {
			t.Fatal(err)
		}
		lost, own := record(), record()
		d := session.Debt{Login: lost}
		login := session.Login{Line: own.Line, PID: own.PID, Time: own.Time}
		want := false
		for _, o := range s.snap.All() {
			want = want || (o.PID != lost.PID || o.Line != lost.Line) && rivals(o, lost, login)
		}
		if got := s.rivals(d, login); got != want {
			t.Fatalf("%+v of %+v has rivals: %v, want %v", login, lost, got, want)
		}
		if want {
			found++
		}
	}
	if found < 50 {
		t.Errorf("there were %d rivals", found)
	}
}

// BenchmarkDoubts is a start that finds this many dead sessions whose records have whole
// seconds: each login in the log is in doubt, since the next session may have got the pid
// in that second. The time of one is to stay the same however many there are.
func BenchmarkDoubts(b *testing.B) {
	for _, n := range []int{1000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := utmpx.Native()
			file := &readings{gen: snapshot.Generation{Ino: 1}}
			login := func(i int) utmpx.Record {
				return utmpx.Record{Type: utmpx.UserProcess, PID: int32(i + 1), Line: fmt.Sprintf("pts/%d", i), User: "ann", Time: utmpx.Time{Sec: 1000}}
			}
			for i := range n {
				file.data, _ = l.AppendEncode(file.data, login(i))
			}
			c := New(Options{File: file, Gone: func(int32) bool { return true }})
			for b.Loop() {
				c.seen = &seen{}
				for first := 0; first < n; first += batch {
					of := make([]session.Result, min(batch, n-first))
					for i := range of {
						r := login(first + i)
						of[i] = session.Result{Logout: session.LogoutOwed, Login: session.Login{Line: r.Line, PID: r.PID, Time: r.Time}}
					}
					c.confirm(logins{func(i int) (session.Debt, bool) { return session.Debt{Login: login(first + i)}, true }, of, c.seen})
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/session")
		})
	}
}
