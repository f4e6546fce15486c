// SPDX-License-Identifier: BSD-2-Clause

// Package table is the table of processes: which records of the utmpx file name a
// session, which process each session lives by, and what is to be done when that
// process ends.
//
// The table is a pure state machine. What happens reaches it as an [Event] with its
// time, through [Table.Handle]; what it wants done it returns as [Actions]; what
// became of an action comes back as an event. It does no I/O, starts no goroutine,
// reads no clock and never waits. All waiting and retrying of the daemon is state
// of the table. The same events at the same times give the same actions.
//
// Calls go down this list of files:
//
//	table.go       the table, its events and its clock
//	utmpx.go       the utmpx file as a source of sessions: which began, changed, ended
//	sessions.go    a session, from its discovery to its end
//	processes.go   the processes that sessions live by: questions, answers, deaths
//	grace.go       the wait between a death and the clean
//	sights.go      who leads the line of a session whose process lives
//	terminals.go   the terminals of sessions, as they were at first sight
//	evidence.go    what is asked about a session whose process has died, and what follows
//	numbers.go     the numbers that processes have in other pid namespaces
//	judge.go       the judgement of that evidence
//	displays.go    sessions on displays, whose process may only have written the record
//	nameless.go    records that name neither process nor line
//	cleaning.go    orders to clean a record, and what became of them
//	debts.go       logouts that wait for the wtmpx file
//	waits.go       logouts that wait for a process
//	alone.go       logins that stand in the wtmpx file alone
//	checkpoint.go  what a later run must know
//	view.go        what people may want to know
package table

import (
	"cmp"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// Moment is a time on three clocks.
type Moment struct {
	Mono time.Duration // never steps and stands still during a suspend (CLOCK_MONOTONIC): by it the table waits
	Up   time.Duration // since the boot, suspends included (CLOCK_BOOTTIME): by it processes start
	Wall time.Time     // what records hold; it may be set
}

// Settings are the keys of the configuration that the table uses.
type Settings struct {
	Grace         time.Duration // GRACE_PERIOD
	KeepBusyLines bool          // KEEP_BUSY_LINES
}

// Table holds the sessions. Its methods are for one goroutine.
type Table struct {
	set       Settings
	utmpx     utmpxSource
	opened    uint64 // sessions opened so far
	processes processes
	unwatched unwatched
	grace     grace
	sights    sights
	terminals terminals
	evidence  evidence
	numbers   numbers
	fresh     []*entry // with a nameless record that was not judged yet
	log       logHealth
	debts     debts
	waits     waits
	earlier   earlier
	counts    Counts
	dirty     bool
	touched   touched

	// Of the present call of Handle.
	handles uint64 // which one it is
	now     Moment
	out     Actions
}

// New returns an empty table.
func New(set Settings) *Table {
	return &Table{
		set:       set,
		utmpx:     newUtmpxSource(),
		processes: newProcesses(),
		sights:    newSights(),
		terminals: terminals{followed: map[uint64]*entry{}},
		evidence:  evidence{},
		log:       logHealth{failing: -1},
		debts:     newDebts(),
		waits:     newWaits(),
	}
}

// Handle takes events that happened at now, in order, and returns what is to be
// done. What happened together is answered together. now.Mono must not be less
// than in the call before. The slices of the actions belong to the caller.
func (t *Table) Handle(now Moment, events ...Event) Actions {
	t.handles++
	t.now, t.out = now, Actions{}
	if len(events) > 1 {
		t.out.Reports = make([]session.Report, 0, len(events)) // most events cause one
	}
	for _, ev := range events {
		t.take(ev)
	}
	t.takeDue()
	t.forgetProcesses()
	t.reportUnwatched()
	return t.out
}

func (t *Table) take(ev Event) {
	switch ev := ev.(type) {
	case Scanned:
		t.scanned(ev)
	case NotRead:
		t.notRead()
	case LoggedIn:
		t.loggedIn(ev)
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
	case Looked:
		t.looked(ev)
	case Gathered:
		t.gathered(ev)
	case Checked:
		t.checked(ev)
	case Cleaned:
		t.cleaned(ev)
	case Paid:
		t.paid(ev)
	case Configured:
		t.set = ev.Settings
		t.grace.shorten(t.now.Mono, ev.Settings.Grace)
	case Tick:
	}
}

// takeDue does everything whose time has come.
func (t *Table) takeDue() {
	for s := t.grace.pop(t.now.Mono); s != nil; s = t.grace.pop(t.now.Mono) {
		t.graceOver(s)
	}
	t.judgeAlone()
	t.lookAgain()
	if t.unwatched.due && t.unwatched.next <= t.now.Mono {
		t.askUnwatched()
	}
	if pay := t.debts.pay(t.now.Mono); pay != nil {
		for i := range pay {
			pay[i].Rivals = t.waits.rivals(pay[i].Login.Line)
		}
		t.out.Pay = pay
	}
}

// Next returns when the table wants a [Tick], on the clock of Moment.Mono. ok is
// false if it wants none.
func (t *Table) Next() (at time.Duration, ok bool) {
	earlier := func(d time.Duration) {
		if !ok || d < at {
			at, ok = d, true
		}
	}
	if due, waits := t.grace.next(); waits {
		earlier(due)
	}
	if due, waits := t.sights.next(); waits {
		earlier(due)
	}
	if t.unwatched.due {
		earlier(t.unwatched.next)
	}
	if t.debts.waiting() {
		earlier(t.debts.next)
	}
	return at, ok
}

// Counts are how many sessions are in which state.
type Counts struct {
	Sessions  int // USER_PROCESS records
	Asking    int // of these: the process has been asked about
	Watched   int // the process is watched
	Unwatched int // the process lives and is not watched
	Dying     int // the process is dead, and the record waits to be cleaned
	Owed      int // logouts that wait for the wtmpx file, or for a process
	Waiting   int // of these, those that wait for a process
	Cleaned   int // records cleaned since the start
}

// Counts returns the present counts.
func (t *Table) Counts() Counts {
	c := t.counts
	c.Waiting = t.waits.owed()
	c.Owed = t.debts.len() + c.Waiting
	return c
}

// Dirty reports whether [Table.Checkpoint] would differ from the last one taken.
func (t *Table) Dirty() bool { return t.dirty }

func (t *Table) report(r session.Report) { t.out.Reports = append(t.out.Reports, r) }

func (t *Table) watch(pid int32) { t.out.Watch = append(t.out.Watch, pid) }

func (t *Table) forget(token session.Token) { t.out.Forget = append(t.out.Forget, token) }

// sortedKeys returns the keys of a map in their order: the table gives the same actions
// for the same events.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return sortedKeysIn(nil, m) }

// sortedKeysIn is sortedKeys for each event: a few keys fit into buf, which is empty and
// on the caller's stack.
func sortedKeysIn[K cmp.Ordered, V any](buf []K, m map[K]V) []K {
	keys := slices.Grow(buf, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
