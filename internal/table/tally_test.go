// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestTally checks that each session is counted under what it is.
func TestTally(t *testing.T) {
	w := newWorld(t)
	for slot, pid := range []int32{100, 101, 102} {
		w.start(pid)
		w.put(slot, w.login([]string{"pts/1", ":0", "pts/2"}[slot], pid))
	}
	w.put(3, utmpx.Record{Type: utmpx.UserProcess, User: "alice", Time: utmpx.TimeOf(w.now.Wall)})
	w.scan()
	want := func(when string, want Tally) {
		t.Helper()
		if got := w.table.Tally(); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	want("at first", Tally{Left: [reasons]int{Nameless: 1}})
	w.kill(101, session.Status{}) // after a moment: it may only have written the record
	w.start(200)
	w.leaders["pts/2"] = ledBy(w.procs[200].id)
	w.kill(102, session.Status{})
	w.pass(2 * time.Second)
	want("a display and a line that goes on", Tally{Led: 1, Left: [reasons]int{Nameless: 1, Display: 1}})
	w.kill(200, session.Status{})
	delete(w.leaders, "pts/2")
	w.kill(100, session.Status{})
	w.pass(2 * time.Second)
	want("after the ends", Tally{Left: [reasons]int{Nameless: 1, Display: 1}})
}
