// SPDX-License-Identifier: BSD-2-Clause

// Package table is the table of processes: which records of the utmpx file
// name a session, which process each of them lives by, and what is to be done
// when that process ends.
//
// The table is a pure state machine. What happens reaches it as an [Event] with
// its time, through [Table.Handle]; what it wants done it returns as [Actions];
// what became of an action comes back as an event. It does no I/O, starts no
// goroutine, reads no clock and never waits. All waiting and retrying of the
// daemon is state of the table.
package table

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// reuseSlack is how much later than its record a process must have started
	// to count as another one that got the pid. Many writers cut their time to
	// seconds, and BOOT_TIME, which vouches for the clock, is written some
	// seconds after the kernel started: this is room for both.
	reuseSlack = 60 * time.Second
	// bootEarly is how far BOOT_TIME may lie before the boot as the present
	// clock has it. More means that the clock was stepped since.
	bootEarly = 2 * time.Second
	// displayAge is how long the process of an X display's record must have
	// been seen alive before its death counts: sessreg's callers die at once
	// while the session lives.
	displayAge = time.Minute
	// recheckGap is the least time between two looks at the processes that are
	// not watched, however often the file changes.
	recheckGap = time.Second
	// clockTick is how coarse the start times of processes are.
	clockTick = 10 * time.Millisecond
	// retryHidden is the pause before the leader of a terminal is looked for
	// again where /proc hides processes.
	retryHidden = 5 * time.Second
	// retryBusy, retryLog and retryFailed are the pauses before a clean is
	// ordered again: short behind a lock that was waited for, longer behind an
	// error. A wtmpx file that cannot be had may be locked or failing; in
	// either case it is not for long that it holds anything up.
	retryBusy   = 100 * time.Millisecond
	retryLog    = 250 * time.Millisecond
	retryFailed = 2 * time.Second
	// logPatience is how long a failing wtmpx file holds up the utmpx file.
	logPatience = 10 * time.Second
	// owedEvery is the pause between two attempts at the logouts that wait
	// for the wtmpx file, and OwedMost how many of them are kept.
	owedEvery = time.Second
	OwedMost  = 10_000
)

// Moment is a time on both clocks: Mono never steps, Wall is what records hold.
type Moment struct {
	Mono time.Duration
	Wall time.Time
}

// Settings are the keys of the configuration that the table goes by.
type Settings struct {
	Grace         time.Duration // GRACE_PERIOD
	KeepBusyLines bool          // KEEP_BUSY_LINES
}

// Table holds the sessions. Its methods are for one goroutine.
type Table struct {
	set      Settings
	snap     *snapshot.Snapshot
	boot     utmpx.Time // of the BOOT_TIME record, zero if there is none
	bootSlot int
	sessions []*entry // by slot, nil where there is none, up to the last
	groups   map[int32]*group
	procs    map[session.Token]*process
	orphans  map[session.Token]*process // may have lost their last session in this Handle
	due      dueHeap
	leading  map[string]*lineAsked // who asked for the leader of a line
	verify   map[int]time.Duration // slots to look at again in a scan begun after this
	restored map[[16]byte]restored // by the record's sum; until the first scan

	unwatchedNext time.Duration // when the unwatched may be looked at again
	unwatchedDue  bool          // a scan asked for it
	logFailing    time.Duration // since when the wtmpx file fails; -1: it does not
	owed          []session.Debt
	owedNext      time.Duration
	owedOut       bool                 // an attempt is under way
	promised      map[promise]promised // of records that are to be marked without their logout
	owedTried     int                  // at how many, from the first

	counts  Counts
	over    int // unwatched records, as last reported
	dirty   bool
	handles uint64 // calls of Handle
	out     Actions
	now     Moment
}

// New returns an empty table.
func New(set Settings) *Table {
	return &Table{
		set:        set,
		groups:     map[int32]*group{},
		procs:      map[session.Token]*process{},
		orphans:    map[session.Token]*process{},
		leading:    map[string]*lineAsked{},
		verify:     map[int]time.Duration{},
		promised:   map[promise]promised{},
		logFailing: -1,
	}
}

// Handle takes in what happened at now, in order, and returns what is to be
// done: what happened together is answered together. Neither clock of now needs
// to differ from the call before; Mono must not be less. The actions' slices
// belong to the caller.
func (t *Table) Handle(now Moment, events ...Event) Actions {
	t.handles++
	t.now, t.out = now, Actions{}
	if len(events) > 1 {
		t.out.Reports = make([]Report, 0, len(events)) // most events are told of
	}
	for _, ev := range events {
		t.take(ev)
	}
	t.ripe()
	t.release()
	t.reportUnwatched()
	return t.out
}

func (t *Table) take(ev Event) {
	switch ev := ev.(type) {
	case Scanned:
		t.scanned(ev)
	case Requested:
		t.requested(ev)
	case Alive:
		t.alive(ev)
	case Gone:
		t.gone(ev)
	case Exited:
		t.exited(ev)
	case Reaped:
		t.reaped(ev)
	case Leaders:
		t.leaders(ev)
	case Cleaned:
		t.cleaned(ev)
	case Paid:
		t.paid(ev)
	case Configured:
		t.configure(ev.Settings)
	case Tick:
	}
}

// configure takes new settings. A grace that is shorter now is so for those who
// are in it, too.
func (t *Table) configure(set Settings) {
	t.set = set
	for _, s := range t.due {
		s.due = min(s.due, max(t.now.Mono, s.endMono+set.Grace))
	}
	heap.Init(&t.due)
}

// Next returns when the table wants a [Tick], on the clock of Moment.Mono.
func (t *Table) Next() (at time.Duration, ok bool) {
	earlier := func(d time.Duration) {
		if !ok || d < at {
			at, ok = d, true
		}
	}
	if len(t.due) > 0 {
		earlier(t.due[0].due)
	}
	if t.unwatchedDue {
		earlier(t.unwatchedNext)
	}
	if len(t.owed) > 0 && !t.owedOut {
		earlier(t.owedNext)
	}
	return at, ok
}

// Dirty reports whether [Table.State] would differ from when it was last taken.
func (t *Table) Dirty() bool { return t.dirty }

// ripe takes up everything whose time has come.
func (t *Table) ripe() {
	for len(t.due) > 0 && t.due[0].due <= t.now.Mono {
		s := heap.Pop(&t.due).(*entry)
		if line := t.record(s).Line; t.set.KeepBusyLines && maybeTerminal(line) {
			t.findLeader(s, line)
		} else {
			t.clean(s)
		}
	}
	if t.unwatchedDue && t.unwatchedNext <= t.now.Mono {
		t.lookAtUnwatched()
	}
	if len(t.owed) > 0 && !t.owedOut && t.owedNext <= t.now.Mono {
		t.owedOut, t.owedTried = true, len(t.owed)
		t.out.Pay = slices.Clone(t.owed)
	}
}

// lineAsked is a question for the leader of a line. The answer tells those who
// asked in one Handle; those who came later are to be told what was found later.
type lineAsked struct {
	in          uint64 // the Handle
	told, later []*entry
}

// findLeader asks who leads the session's terminal, once for all that ask.
func (t *Table) findLeader(s *entry, line string) {
	t.setState(s, askingLeader)
	q := t.leading[line]
	if q == nil {
		line = strings.Clone(line) // outlives the snapshot
		q = &lineAsked{in: t.handles}
		t.leading[line] = q
		t.out.FindLeaders = append(t.out.FindLeaders, line)
	}
	if q.in == t.handles {
		q.told = append(q.told, s)
	} else {
		q.later = append(q.later, s)
	}
}

// dueHeap orders the sessions that wait by the time they wait for.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

// Push is for container/heap.
func (h *dueHeap) Push(x any) {
	s := x.(*entry)
	s.index = int32(len(*h))
	*h = append(*h, s)
}

// Pop is for container/heap.
func (h *dueHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.index = -1
	return s
}
