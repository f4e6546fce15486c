// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// saved is what a file would hold of a table: a checkpoint, and changes to it.
type saved struct {
	of      *Table
	c       session.Checkpoint
	changes int // how many were applied, of all tables
	slots   int // how many slots they told of
}

// save has the file hold what the table knows now.
func (s *saved) save(t *Table, now Moment) {
	ch, ok := t.Changes(now)
	if s.of != t && ok {
		panic("changes to no checkpoint")
	}
	s.of = t
	if !ok {
		s.c = t.Checkpoint(now)
		return
	}
	s.c.Apply(ch)
	s.changes++
	s.slots += len(ch.Gone) + len(ch.Sessions)
}

// differs compares what a file holds with a checkpoint. What was seen of a line and a process
// while it lived is in no file.
func (s *saved) differs(want session.Checkpoint) string {
	same := func(a, b session.Entry) bool {
		a.Sight, b.Sight, a.Fits, b.Fits = nil, nil, false, false
		return a == b
	}
	if len(want.Owed)+len(s.c.Owed) == 0 && want.Alive.Equal(s.c.Alive) && slices.EqualFunc(want.Sessions, s.c.Sessions, same) {
		return "" // as nearly always, and cmp takes its time
	}
	return cmp.Diff(want, s.c,
		cmpopts.IgnoreFields(session.Entry{}, "Sight", "Fits"), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b utmpx.Record) bool { return a == b }))
}

// mustTellChanges checks after each event of each test that changes lead to what a
// checkpoint has.
func (w *world) mustTellChanges(ev Event) {
	w.t.Helper()
	if w.table.counts.Sessions > 2000 {
		return
	}
	dirty := w.table.dirty
	w.saved.save(w.table, w.now)
	if d := w.saved.differs(w.table.Checkpoint(w.now)); d != "" {
		w.t.Errorf("after %T, changes lead elsewhere than the checkpoint (-want +got)\n%s", ev, d)
	}
	w.table.dirty = dirty
}

// TestChangesAreSmall: of a thousand sessions, one login and one death are told, and not the
// rest.
func TestChangesAreSmall(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 2000
	for i := range 1000 {
		w.start(int32(100 + i))
		w.put(i, w.login(fmt.Sprint("pts/", i), int32(100+i)))
	}
	w.scan()
	w.pass(time.Hour)
	w.saved.save(w.table, w.now)
	w.saved.slots, w.saved.changes = 0, 0
	w.start(5000)
	w.put(1000, w.login("pts/1000", 5000))
	w.scan()
	w.kill(100, session.Status{})
	w.pass(time.Second)
	w.read(false)
	if w.saved.changes < 4 {
		t.Errorf("%d changes: the test sees nothing", w.saved.changes)
	}
	if w.saved.slots > 2*w.saved.changes {
		t.Errorf("%d changes told of %d slots", w.saved.changes, w.saved.slots)
	}
}

// TestChangesAfterAStep: once the clock was set or the machine slept, all times read
// differently, and only a checkpoint can tell.
func TestChangesAfterAStep(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 20 * time.Millisecond} {
		w := one(t)
		if _, ok := w.table.Changes(w.now); !ok {
			t.Error("no changes without a step")
		}
		w.now.Wall = w.now.Wall.Add(step)
		if _, ok := w.table.Changes(w.now); ok {
			t.Errorf("changes after a step of %v", step)
		}
	}
}

// TestManyChanges: the slots that are noted have a bound.
func TestManyChanges(t *testing.T) {
	w := one(t)
	for range 10 * touchedMost {
		w.table.touch(w.table.utmpx.at(0))
	}
	if n := cap(w.table.touched.slots); n > 2*touchedMost {
		t.Errorf("room for %d slots", n)
	}
	if _, ok := w.table.Changes(w.now); ok {
		t.Error("changes, though there were too many to note")
	}
}
