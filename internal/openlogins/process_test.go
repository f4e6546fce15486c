// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestOfProcess compares what is kept by process with what a look at each line finds, after
// each of many records.
func TestOfProcess(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := newLogins()
	anew := 0
	for n := range 20000 {
		r := utmpx.Record{Type: utmpx.UserProcess, User: "alice", Line: "pts/" + strconv.Itoa(rng.IntN(6)), PID: rng.Int32N(40), Time: utmpx.Time{Sec: int64(n)}}
		switch rng.IntN(200) {
		case 0:
			r = utmpx.Record{Type: utmpx.BootTime, Line: "~", User: "reboot", Time: r.Time}
		case 1:
			l.nextFile()
		case 2:
			l = l.clone()
		}
		if rng.IntN(3) == 0 && r.Type == utmpx.UserProcess {
			r.Type, r.User = utmpx.DeadProcess, ""
		}
		had := l.byPID != nil
		l.add(r)
		if had && l.byPID == nil && r.Type == utmpx.UserProcess {
			anew++
		}
		but := "pts/" + strconv.Itoa(rng.IntN(6))
		for pid := range int32(40) {
			var want []string
			for _, at := range l.lines {
				if at.open && at.PID == pid && at.name != but {
					want = append(want, at.name)
				}
			}
			name, login, ok := l.OfProcess(pid, but)
			if ok != (len(want) == 1) || ok && (name != want[0] || login.PID != pid) {
				t.Fatalf("record %d, process %d, but %s: %q, %v, want of %q", n, pid, but, name, ok, want)
			}
		}
	}
	if anew == 0 {
		t.Error("what is old was never let go")
	}
}
