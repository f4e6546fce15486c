// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	judge "utmpd.dev/utmpd/internal/table"
)

// verdict is what the daemon's own judgement says of a record now.
type verdict struct {
	judge.View
	how    string // how it was asked whether the process lives; "": it was not, or it does not
	reason string // why the record stays, or lives by another process
}

// assessment is one judgement of a utmpx file. The table judges, as in the daemon: it is
// given the file and, if it is known, what the daemon has saved, and its questions are
// answered at once. It is never told that a record was cleaned, so nothing is.
type assessment struct {
	on      machine
	table   *judge.Table
	now     judge.Moment
	how     map[int32]string
	reasons map[string]string // by the bytes of the record
	next    session.Token
	acts    judge.Actions
}

// roundsMost is how often the table may ask on. Each death leads to another question or
// two; a chain of leaders that end meanwhile is short.
const roundsMost = 32

// assess judges the sessions of a snapshot, by their slots.
func (m machine) assess(snap *snapshot.Snapshot, keepBusy bool, known *session.Checkpoint) map[int]verdict {
	up, _ := m.up()
	a := &assessment{
		on: m, table: judge.New(judge.Settings{KeepBusyLines: keepBusy}),
		now: judge.Moment{Mono: time.Second, Up: up, Wall: m.now()},
		how: map[int32]string{}, reasons: map[string]string{},
	}
	if known != nil {
		a.table.Restore(*known)
	}
	a.handle(judge.Scanned{Snapshot: snap, Periodic: true})
	for range roundsMost {
		events := a.answers()
		if len(events) == 0 {
			break
		}
		a.handle(events...)
	}
	verdicts := map[int]verdict{}
	for v := range a.table.Views() {
		verdicts[v.Slot] = verdict{View: v, how: a.how[v.Process.PID], reason: a.reasons[snap.Raw(v.Slot)]}
	}
	return verdicts
}

func (a *assessment) handle(events ...judge.Event) {
	a.acts = a.table.Handle(a.now, events...)
	for _, r := range a.acts.Reports {
		if left, ok := r.(session.LeftAlone); ok {
			a.reasons[left.Record.Raw()] = left.Reason
		}
	}
}

// answers answers what the table asks. Looks come before what is gathered later.
func (a *assessment) answers() (events []judge.Event) {
	if a.acts.Look != nil {
		events = append(events, judge.Looked{Sightings: a.on.look(a.acts.Look)})
	}
	for _, pid := range a.acts.Watch {
		events = append(events, a.ask(pid))
	}
	if a.acts.Gather != nil {
		events = append(events, judge.Gathered{Evidence: a.on.gather(a.acts.Gather)})
	}
	if a.acts.Check != nil {
		events = append(events, judge.Checked{}) // it holds no terminal
	}
	return events
}

func (a *assessment) ask(pid int32) judge.Event {
	p, lives := a.on.open(pid)
	if !lives {
		return judge.Gone{PID: pid}
	}
	a.how[pid] = p.how
	a.next++
	boot := a.now.Wall.Add(-a.now.Up)
	alive := judge.Alive{PID: pid, Token: a.next, ID: p.id, Nobody: p.nobody, Boot: boot}
	if p.id.Start != 0 {
		alive.Started = boot.Add(p.id.SinceBoot())
	}
	return alive
}
