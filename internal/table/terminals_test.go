// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// TestTerminalOfFirstSight: the terminal of a session is gone, and root's process, which
// is older than that, leads another one with its number.
func TestTerminalOfFirstSight(t *testing.T) {
	for _, c := range []struct {
		name         string
		unseen, dead bool
	}{
		{"in view", false, true},
		{"no room for it", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.unseen = c.unseen
			w.start(100)
			w.put(0, w.login("pts/0", 100))
			w.scan()
			w.pass(time.Minute)
			w.gone["pts/0"] = true
			w.start(200)
			w.leaders["pts/0"] = ledBy(w.procs[200].id)
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			if c.dead {
				w.wantDead(0, died)
			} else {
				w.wantAlive(0)
			}
		})
	}
}

// TestFollowedTerminalGoes: a session lives on by the leader of its terminal, which goes
// before him. A scan finds that.
func TestFollowedTerminalGoes(t *testing.T) {
	for _, c := range []struct {
		name  string
		early bool // the record is read before its process ends
	}{
		{"its process was seen", true},
		{"its process was never seen", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(101)
			w.leaders["pts/0"] = ledBy(w.procs[101].id)
			w.sights[101] = session.Sighting{Leads: true}
			w.put(0, w.login("pts/0", 100))
			if c.early {
				w.start(100)
				w.scan()
				w.pass(time.Minute)
				w.kill(100, session.Status{})
			} else {
				w.scan()
			}
			w.pass(time.Minute)
			w.wantAlive(0)
			w.scan()
			w.pass(time.Minute)
			w.wantAlive(0)
			w.gone["pts/0"] = true
			w.pass(time.Minute)
			w.wantAlive(0)
			found := w.now.Wall
			w.scan()
			w.pass(time.Minute)
			w.wantDead(0, found)
			if job := w.cleaned[0]; job.Found != "its terminal is gone" || !job.After.Equal(found.Add(-2*time.Minute)) {
				t.Errorf("found %q, alive until %v, want 2 minutes before %v", job.Found, job.After, found)
			}
			w.put(0, w.get(0))
			w.scan()
			if len(w.inView) != 0 || len(w.table.terminals.followed) != 0 {
				t.Errorf("in view: %v, followed: %v", w.inView, w.table.terminals.followed)
			}
		})
	}
}

// TestTerminalsAreLookedAtSeldom: the file changes ever so often.
func TestTerminalsAreLookedAtSeldom(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.start(101)
	w.leaders["pts/0"] = ledBy(w.procs[101].id)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(time.Minute)
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	checks := 0
	for range 100 {
		w.now.Mono += recheckGap / 10
		checks += len(w.table.Handle(w.now, Scanned{Snapshot: w.table.utmpx.snap, Began: w.now.Mono}).Check)
	}
	if checks < 10 || checks > 11 {
		t.Errorf("looked at %d times in ten seconds", checks)
	}
}

// TestTerminalOfALostRecord: a session loses its record, and keeps its terminal in view
// until its logout is written.
func TestTerminalOfALostRecord(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(time.Minute)
	w.start(200)
	w.put(0, w.login("pts/1", 200)) // the same slot
	w.scan()
	if len(w.inView) != 2 {
		t.Fatalf("in view: %v", w.inView)
	}
	w.gone["pts/0"] = true
	w.leaders["pts/0"] = ledBy(w.procs[200].id)
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	if len(w.inView) != 1 || len(w.paid) != 1 {
		t.Errorf("in view: %v; paid: %v", w.inView, w.paid)
	}
}

// TestTerminalOfARecordThatIsGone: the file holds the record no more, though its process
// lives.
func TestTerminalOfARecordThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(time.Minute)
	w.file = nil
	w.scan()
	w.pass(time.Minute)
	w.wantEmpty()
}
