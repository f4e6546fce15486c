// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"crypto/sha256"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// source is where sessions are found. It knows the record of each, which the
// judgement of the table does not need.
type source interface {
	// record returns a session's record as the source has it now.
	record(s *entry) utmpx.Record
	// job returns an order to clean that record, without how the session ended.
	job(s *entry) session.Job
	// sum identifies the record's bytes in a checkpoint.
	sum(s *entry) [16]byte
}

// utmpxSource is the utmpx file as a source of sessions. Each USER_PROCESS record is
// one; its place is its slot.
type utmpxSource struct {
	snap     *snapshot.Snapshot
	sessions []*entry // by slot, nil where there is none, up to the last

	gettys   map[int]getty // by slot: those that wait for a login
	waiting  map[getty]int // how many of each
	boot     utmpx.Time    // of the BOOT_TIME record; zero if there is none
	bootSlot int

	// recheck has the slots whose record was written or seen changed, and when: one
	// that holds the old bytes in a scan begun later was written back.
	recheck map[int]time.Duration
}

func newUtmpxSource() utmpxSource {
	return utmpxSource{gettys: map[int]getty{}, waiting: map[getty]int{}, recheck: map[int]time.Duration{}}
}

// getty is the process of a LOGIN_PROCESS record, and its line.
type getty struct {
	line string
	pid  int32
}

func (u *utmpxSource) record(s *entry) utmpx.Record { return u.snap.Record(int(s.place)) }

func (u *utmpxSource) job(s *entry) session.Job {
	return session.Job{Generation: u.snap.Generation(), Slot: int(s.place), Record: u.record(s)}
}

func (u *utmpxSource) sum(s *entry) [16]byte { return sumOf(u.snap.Raw(int(s.place))) }

func sumOf(raw string) (sum [16]byte) {
	full := sha256.Sum256([]byte(raw))
	copy(sum[:], full[:])
	return sum
}

// scanned takes in a reading of the file: the sessions that ended, changed and began.
func (t *Table) scanned(ev Scanned) {
	prev, next := t.utmpx.snap, ev.Snapshot
	if prev.Generation() != next.Generation() || prev.Layout() != next.Layout() {
		t.replaced(next)
	} else {
		t.changed(prev, next)
	}
	t.recheckSlots(ev.Began)
	if next.Len() > 0 && t.earlier != nil {
		t.earlier = nil // it was about the records that were there at the start
		t.touched.all = true
	}
	t.awaitStored()
	t.checkTerminals(ev.Periodic)
	t.scannedAlone(prev != next || ev.Periodic)
	t.unwatched.scanned(t.counts.Unwatched+t.waits.unwatched, ev.Periodic, t.now.Mono)
	t.reviewAll(ev.Periodic)
}

// notRead asks again about the processes that are not watched, as a scan would.
func (t *Table) notRead() {
	t.unwatched.scanned(t.counts.Unwatched+t.waits.unwatched, true, t.now.Mono)
}

// reviewAll judges nameless records when they are new, and, at a periodic scan, all that
// were left alone and may not stay so.
func (t *Table) reviewAll(periodic bool) {
	fresh := t.fresh
	t.fresh = nil
	if !periodic {
		for _, s := range fresh {
			t.judgeNameless(s)
		}
		return
	}
	for s := range t.utmpx.each() {
		switch {
		case s.review && s.left || s.ledAlive():
			t.reviewDisplay(s)
		case s.review:
			t.judgeNameless(s)
		}
	}
}

// changed takes in a later state of the same file.
func (t *Table) changed(prev, next *snapshot.Snapshot) {
	u := &t.utmpx
	var slots []int
	var before map[int]*utmpx.Record // of sessions that ended, and were displaced on their line
	for slot := range next.Changed(prev) {
		if s := u.at(slot); s != nil {
			byOwner := slot < next.Len() && next.Record(slot).Type != utmpx.UserProcess
			if byOwner || slot < next.Len() && t.displaced(s, next.Record(slot)) {
				t.outlived(s)
			} else if s.state == dying || s.state == gathering {
				if before == nil {
					before = map[int]*utmpx.Record{}
				}
				r := s.record().Detach()
				before[slot] = &r
			}
			t.overOn(s)
			t.close(s, byOwner)
		}
		delete(u.recheck, slot)
		u.dropGetty(slot)
		slots = append(slots, slot)
	}
	u.snap = next
	for _, slot := range slots {
		if slot == u.bootSlot {
			u.boot = utmpx.Time{}
		}
		if slot < next.Len() {
			t.readSlot(slot)
		}
		if s := u.at(slot); s != nil {
			s.before = before[slot]
		}
	}
}

// displaced reports whether a session goes on though r has taken the place of its record.
// If its process has ended, and r is a login on the same line, that login has ended it in
// the log too.
func (t *Table) displaced(s *entry, r utmpx.Record) bool {
	ended := s.state == dying || s.state == gathering
	return r.PID != s.pid && !(ended && r.Line == s.line)
}

// replaced takes in another file. A session whose record is there with the same
// bytes, in whatever slot, goes on.
func (t *Table) replaced(next *snapshot.Snapshot) {
	u := &t.utmpx
	t.touched.all = true // slots are of the other file
	if next.Len() == 0 && t.counts.Sessions > 0 {
		t.keepForLater() // the file may come back
	}
	old := t.byBytes()
	u.snap, u.boot = next, utmpx.Time{}
	u.sessions, u.recheck = make([]*entry, 0, next.Len()), map[int]time.Duration{}
	u.gettys, u.waiting = map[int]getty{}, map[getty]int{}
	for slot := range next.Len() {
		s := old[next.Raw(slot)]
		if s == nil || s.state == done && !s.left && s.id.PID == 0 {
			t.readSlot(slot)
			continue
		}
		delete(old, next.Raw(slot))
		s.place = int32(slot)
		u.put(s)
		if s.state == cleaning || s.state == done && !s.left {
			t.wait(s, t.now.Mono) // its Job named the other file
		}
	}
	for _, s := range slices.SortedFunc(maps.Values(old), byKey) {
		t.close(s, false)
	}
}

// byBytes indexes the sessions by the bytes of their records. Of two with the same
// bytes one is kept; the other is closed, and opened again if it is still there.
func (t *Table) byBytes() map[string]*entry {
	m := make(map[string]*entry, t.counts.Sessions)
	for s := range t.utmpx.each() {
		raw := t.utmpx.snap.Raw(int(s.place))
		if m[raw] != nil {
			t.close(s, false)
			continue
		}
		m[raw] = s
	}
	return m
}

// readSlot takes in the record that a slot holds now.
func (t *Table) readSlot(slot int) {
	u := &t.utmpx
	r := u.snap.Record(slot)
	switch r.Type {
	case utmpx.BootTime:
		u.boot, u.bootSlot = r.Time, slot
	case utmpx.LoginProcess:
		u.putGetty(slot, getty{strings.Clone(r.Line), r.PID})
		t.gettyWaits(r.Line, r.PID)
	case utmpx.UserProcess:
		s := t.newEntry(u, int32(slot), r)
		u.put(s)
		t.open(s, r.Raw())
		t.recorded(s, r)
	}
}

// recheckSlots looks again at records that were written or seen changed before a
// scan began. One that still holds the old bytes was written back, and is a new
// session.
func (t *Table) recheckSlots(began time.Duration) {
	u := &t.utmpx
	var few [4]int
	for _, slot := range sortedKeysIn(few[:0], u.recheck) {
		if began <= u.recheck[slot] {
			continue
		}
		delete(u.recheck, slot)
		s := u.at(slot)
		if s == nil || s.state != done && s.state != cleaning {
			continue
		}
		t.close(s, false)
		t.readSlot(slot)
	}
}

// recheckAfter has the record of a session looked at again in a scan begun after now.
func (u *utmpxSource) recheckAfter(s *entry, now time.Duration) { u.recheck[int(s.place)] = now }

// waitsOn reports whether the process of a LOGIN_PROCESS record of that line has a pid.
func (u *utmpxSource) waitsOn(line string, pid int32) bool {
	return u.waiting[getty{line, pid}] > 0
}

func (u *utmpxSource) putGetty(slot int, g getty) {
	u.gettys[slot] = g
	u.waiting[g]++
}

func (u *utmpxSource) dropGetty(slot int) {
	g, ok := u.gettys[slot]
	if !ok {
		return
	}
	delete(u.gettys, slot)
	if u.waiting[g]--; u.waiting[g] == 0 {
		delete(u.waiting, g)
	}
}

// at returns the session in a slot, nil if there is none.
func (u *utmpxSource) at(slot int) *entry {
	if slot >= len(u.sessions) {
		return nil
	}
	return u.sessions[slot]
}

// put puts a session into its slot.
func (u *utmpxSource) put(s *entry) {
	if n := int(s.place) + 1 - len(u.sessions); n > 0 {
		u.sessions = append(u.sessions, make([]*entry, n)...)
	}
	u.sessions[s.place] = s
}

// clear empties the slot of a session, unless another one has it now.
func (u *utmpxSource) clear(s *entry) {
	if u.at(int(s.place)) != s {
		return
	}
	u.sessions[s.place] = nil
	n := len(u.sessions)
	for n > 0 && u.sessions[n-1] == nil {
		n--
	}
	u.sessions = u.sessions[:n]
}

// sessionOf returns the session of the record that a job names, nil if the record or the
// file is another one now.
func (u *utmpxSource) sessionOf(job session.Job) *entry {
	s := u.at(job.Slot)
	if s == nil || job.Generation != u.snap.Generation() || u.snap.Raw(job.Slot) != job.Record.Raw() {
		return nil
	}
	return s
}

// each yields every session, in the order of the slots.
func (u *utmpxSource) each() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, s := range u.sessions {
			if s != nil && !yield(s) {
				return
			}
		}
	}
}
