// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"container/heap"
	"crypto/sha256"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// state is where a session stands.
type state uint8

const (
	none         state = iota
	asking             // who lives under its pid has been asked
	watched            // bound to a watched process
	unwatched          // its process lived when last asked, but is not watched
	grace              // its process is dead; its due time is awaited
	askingLeader       // who leads its terminal has been asked
	cleaning           // a Job is out
	done               // cleaned, changed or left alone: nothing more until the bytes change
)

// entry is one USER_PROCESS record. Its bytes are those in the snapshot.
//
// There may be tens of thousands: its fields are no larger than they need be, and
// in an order that leaves no gaps.
type entry struct {
	prev, next *entry     // in the list of its pid's group, if joined
	proc       *process   // in state watched and, while its status may still come, after
	id         session.ID // of the process, once known

	since time.Duration // when it was first seen alive, by the clock that does not step
	last  time.Duration // when it last was, by the same; while it is watched it is now
	alive wallTime      // when it last was, by the wall clock

	end     wallTime      // when it died, or was found dead
	endMono time.Duration // the same moment, or the finding, by the clock that does not step
	due     time.Duration
	why     string // what told that it is dead, or why it stays
	sum     [16]byte
	status  session.Status

	slot  int32
	pid   int32 // of the process it lives by: ut_pid, or the leader of its line
	ask   int32 // the answer that counts, see group
	index int32 // in the heap, -1 if not there

	state  state
	led    bool // pid is the leader's
	left   bool // alone, for good: done, and to stay so for these bytes
	joined bool // in its pid's group
	seen   bool // the process was seen alive
	exact  bool // end is the death's time, not the finding's
	summed bool // sum is set
}

// group is all sessions that live by one pid, and the count of questions asked
// and answered about it: an answer settles only those who asked before it was
// given.
type group struct {
	first            *entry
	askedIn          uint64 // the Handle that last asked
	issued, answered int32
}

// process is a watched process.
type process struct {
	token  session.Token
	status session.Status
	pid    int32
	refs   int32
	dead   bool
}

func (t *Table) record(s *entry) utmpx.Record { return t.snap.Record(int(s.slot)) }

// sumOf is what stands for a record's bytes in the state.
func sumOf(raw string) (sum [16]byte) {
	full := sha256.Sum256([]byte(raw))
	copy(sum[:], full[:])
	return sum
}

// scanned compares the snapshot with the one before.
func (t *Table) scanned(ev Scanned) {
	prev, next := t.snap, ev.Snapshot
	if prev.Generation() != next.Generation() || prev.Layout() != next.Layout() {
		t.moved(next)
	} else {
		t.changed(prev, next)
	}
	t.again(ev)
	if t.snap.Len() > 0 {
		t.restored = nil // it told of the records that were there at the start
	}
	t.unwatchedDue = t.counts.Unwatched > 0
	if ev.Periodic {
		t.unwatchedNext = t.now.Mono
	}
}

// changed takes in a later state of the same file.
func (t *Table) changed(prev, next *snapshot.Snapshot) {
	var slots []int
	for slot := range next.Changed(prev) {
		if s := t.at(slot); s != nil {
			t.reportOwner(s, next)
			t.drop(s)
		}
		delete(t.verify, slot)
		slots = append(slots, slot)
	}
	t.snap = next
	for _, slot := range slots {
		if slot == t.bootSlot {
			t.boot = utmpx.Time{}
		}
		if slot < next.Len() {
			t.found(slot)
		}
	}
}

// moved takes in another file. What is known of a record is kept if the new
// file holds the same bytes, in whatever slot.
func (t *Table) moved(next *snapshot.Snapshot) {
	if next.Len() == 0 && t.counts.Sessions > 0 {
		t.remember() // it may come back
	}
	old := t.byBytes()
	t.snap, t.boot = next, utmpx.Time{}
	t.sessions, t.verify = make([]*entry, 0, next.Len()), map[int]time.Duration{}
	for slot := range next.Len() {
		s := old[next.Raw(slot)]
		if s == nil || s.state == done && !s.left && s.id.PID == 0 {
			t.found(slot)
			continue
		}
		delete(old, next.Raw(slot))
		s.slot = int32(slot)
		t.place(s)
		if s.state == cleaning || s.state == done && !s.left {
			t.wait(s, t.now.Mono) // its Job named the file that was
		}
	}
	for _, s := range old {
		t.drop(s)
	}
}

// byBytes indexes the sessions by their records' bytes: in a file that
// replaces another, what is known of a record is kept, wherever it stands now.
func (t *Table) byBytes() map[string]*entry {
	m := make(map[string]*entry, t.counts.Sessions)
	for s := range t.each() {
		raw := t.snap.Raw(int(s.slot))
		if m[raw] != nil { // doubled: one keeps what is known, the other is asked anew
			t.drop(s)
			continue
		}
		m[raw] = s
	}
	return m
}

// found takes in the record that a slot now holds.
func (t *Table) found(slot int) {
	r := t.snap.Record(slot)
	switch r.Type {
	case utmpx.BootTime:
		t.boot, t.bootSlot = r.Time, slot
	case utmpx.UserProcess:
		s := &entry{slot: int32(slot), pid: r.PID, index: -1}
		t.place(s)
		if r.PID <= 0 {
			t.setState(s, done)
			t.report(Report{Kind: Left, Record: r, Reason: "its record names no process"})
			return
		}
		t.restore(s, r)
		t.ask(s)
	}
}

// again looks once more at slots whose record was written or seen changed
// since: one that still holds the old bytes in a scan begun later was written
// back, and is a session anew.
func (t *Table) again(ev Scanned) {
	for slot, after := range t.verify {
		if ev.Began <= after {
			continue
		}
		delete(t.verify, slot)
		s := t.at(slot)
		if s == nil || s.state != done && s.state != cleaning {
			continue
		}
		t.drop(s)
		t.found(slot)
	}
}

// reportOwner tells, for those who follow everything, that a dead process's
// record was cleaned by its owner before its grace had passed.
func (t *Table) reportOwner(s *entry, next *snapshot.Snapshot) {
	if (s.state == grace || s.state == askingLeader) && int(s.slot) < next.Len() {
		if r := next.Record(int(s.slot)); r.Type != utmpx.UserProcess {
			t.report(Report{Kind: Owner, Record: t.record(s)})
		}
	}
}

// ask has the Watcher look at the session's pid. Sessions of one pid that ask
// in one Handle share the question.
func (t *Table) ask(s *entry) {
	t.setState(s, asking)
	g := t.join(s)
	t.askGroup(s.pid, g)
	s.ask = g.issued
}

func (t *Table) askGroup(pid int32, g *group) {
	if g.askedIn == t.handles {
		return
	}
	g.askedIn = t.handles
	g.issued++
	t.out.Watch = append(t.out.Watch, pid)
}

// join enters the session in the group of its pid.
func (t *Table) join(s *entry) *group {
	g := t.groups[s.pid]
	if g == nil {
		g = &group{}
		t.groups[s.pid] = g
	}
	if s.joined {
		return g
	}
	s.joined, s.prev, s.next = true, nil, g.first
	if g.first != nil {
		g.first.prev = s
	}
	g.first = s
	return g
}

// leave takes the session out of the group of its pid.
func (t *Table) leave(s *entry) {
	if !s.joined {
		return
	}
	g := t.groups[s.pid]
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		g.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.joined, s.prev, s.next = false, nil, nil
	t.dropGroup(s.pid, g)
}

func (t *Table) dropGroup(pid int32, g *group) {
	if g.first == nil && g.issued == g.answered {
		delete(t.groups, pid)
	}
}

// drop forgets a session: its record is gone or another.
func (t *Table) drop(s *entry) {
	t.unbind(s)
	t.leave(s)
	if s.index >= 0 {
		heap.Remove(&t.due, int(s.index))
	}
	t.clear(s)
	t.count(s.state, -1)
	t.counts.Sessions--
	t.dirty = true
}

// setState moves the session on, and counts.
func (t *Table) setState(s *entry, to state) {
	if s.state == none {
		t.counts.Sessions++
	}
	t.count(s.state, -1)
	t.count(to, 1)
	s.state = to
	t.dirty = true
}

func (t *Table) count(in state, n int) {
	switch in {
	case asking:
		t.counts.Asking += n
	case watched:
		t.counts.Watched += n
	case unwatched:
		t.counts.Unwatched += n
	case grace, askingLeader, cleaning:
		t.counts.Dying += n
	}
}

// wait has the session taken up by ripe, at due.
func (t *Table) wait(s *entry, due time.Duration) {
	t.setState(s, grace)
	s.due = due
	heap.Push(&t.due, s)
}

func (t *Table) bind(s *entry, p *process) {
	if s.proc == p {
		return
	}
	t.unbind(s)
	s.proc = p
	p.refs++
}

func (t *Table) unbind(s *entry) {
	p := s.proc
	if p == nil {
		return
	}
	s.proc = nil
	if p.refs--; p.refs == 0 {
		t.orphans[p.token] = p
	}
}

// release has the Watcher forget processes that no session lives by. One whose
// pid is being asked about waits: the answer may bind it again.
func (t *Table) release() {
	for token, p := range t.orphans {
		if p.refs > 0 {
			delete(t.orphans, token)
			continue
		}
		if g := t.groups[p.pid]; !p.dead && g != nil && g.issued > g.answered {
			continue
		}
		delete(t.orphans, token)
		delete(t.procs, token)
		t.out.Forget = append(t.out.Forget, token)
	}
}

// maybeTerminal reports whether ut_line can name a device below /dev.
func maybeTerminal(line string) bool {
	return line != "" && line[0] != ':' && line[0] != '/' && !strings.Contains(line, "..")
}

func (t *Table) report(r Report) { t.out.Reports = append(t.out.Reports, r) }
