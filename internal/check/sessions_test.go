// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// TestSessionsAgree: where a logout is found to have no login, package sessions, which
// defines what a session is, ends no session with it. The reverse need not be: a second
// logout is ordinary.
func TestSessionsAgree(t *testing.T) {
	found := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 11))
		f := sessions.NewForward()
		ended := map[int64]bool{}
		alone := map[int64]string{}
		l := NewLog(Options{Layout: layout}, func(x Finding) {
			if x.Kind == NoLogin {
				alone[x.From] = x.Text
			}
		})
		for i := range int64(60) {
			r := random(rng, i)
			b := encode(t, layout, r)
			off := i * int64(len(b))
			l.Record(layout, b, off)
			decoded := layout.Decode(string(b))
			ended[off] = len(f.Add(&decoded)) > 0
		}
		for off, text := range alone {
			if found++; ended[off] {
				t.Errorf("seed %d, byte %d: %s, and a session ended there", seed, off, text)
			}
		}
	}
	if found < 200 {
		t.Errorf("only %d logouts without a login", found)
	}
}

func random(rng *rand.Rand, i int64) utmpx.Record {
	n := rng.IntN(4)
	r := utmpx.Record{PID: int32(100 + rng.IntN(12)), Line: fmt.Sprint("pts/", n), ID: fmt.Sprint("ts/", n), Time: utmpx.Time{Sec: start + 1000 + 97*i}}
	switch rng.IntN(12) {
	case 0, 1, 2, 3, 4:
		r.Type, r.User, r.Host = utmpx.UserProcess, "alice", "desk"
	case 5:
		r.Type, r.User = utmpx.LoginProcess, "LOGIN"
	case 6:
		if rng.IntN(4) == 0 {
			return boot(1000 + 97*i)
		}
		fallthrough
	default:
		r.Type = utmpx.DeadProcess
	}
	return r
}
