// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// world is a machine small enough to read: a utmpx file, processes, terminals,
// and a table whose orders are carried out at once, but for cleaning, which a
// test may hold up.
type world struct {
	t      *testing.T
	table  *Table
	now    Moment
	gen    uint64
	file   []byte
	layout *utmpx.Layout

	procs     map[int32]*proc
	leaders   map[string]session.Evidence // by line
	sights    map[int32]session.Sighting  // by ut_pid
	namesakes map[int32][]session.Candidate
	numbers   *session.Numbers  // of other pid namespaces; nil: not all can be seen
	numbered  []int32           // those that were asked for
	inView    map[uint64]string // lines of terminals that are kept in view, by the Keys of their sights
	gone      map[string]bool   // lines whose terminal of first sight is gone
	unseen    bool              // no terminal can be kept in view
	hides     bool              // /proc hides processes, and there are no pidfds
	nobody    map[int32]session.Nobody
	witnesses map[string]session.Witness // by the display
	asked     int                        // how often for a witness
	working   map[string]bool            // users who have a process, or an unknown name
	maxFDs    int
	tokens    session.Token
	kept      map[session.Token]int32
	logErr    error           // the wtmpx file fails
	utmpxErr  error           // the utmpx file fails
	outcome   session.Outcome // of utmpxErr
	inFlight  []session.Job   // with hold, jobs wait here
	hold      bool
	dry       bool
	boot      time.Time
	cleaned   []session.Job
	doubt     session.Login // the open login, which may be another session's
	paid      []session.Debt
	inLog     session.OpenLogin // the last one that was appended
	log       []string
	forgotten []session.Token
	twins     map[*Table]*Table
	saved     saved
}

type proc struct {
	id      session.ID
	started time.Time
	token   session.Token
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		t: t, table: New(Settings{Grace: time.Second, KeepBusyLines: true}),
		now: Moment{Mono: time.Second, Up: 24 * time.Hour, Wall: epoch}, gen: 1, layout: utmpx.Glibc384LE,
		procs: map[int32]*proc{}, leaders: map[string]session.Evidence{}, sights: map[int32]session.Sighting{}, namesakes: map[int32][]session.Candidate{}, inView: map[uint64]string{}, gone: map[string]bool{}, nobody: map[int32]session.Nobody{}, witnesses: map[string]session.Witness{}, working: map[string]bool{}, maxFDs: 100, kept: map[session.Token]int32{}, twins: map[*Table]*Table{},
		boot: epoch.Add(-24 * time.Hour),
	}
}

// twin returns a second table that has taken in the same events as the first, nil if
// there is none. Both must want the same things in the same order.
func (w *world) twin() *Table {
	if w.table.handles == 0 && w.table.earlier == nil && w.table.Counts().Owed == 0 {
		w.twins[w.table] = New(w.table.set)
	}
	twin := w.twins[w.table]
	if twin == nil || twin.handles != w.table.handles { // a test has called Handle itself
		return nil
	}
	return twin
}

// start has a process live under a pid, as another than who had it before.
func (w *world) start(pid int32) {
	w.tokens++
	w.procs[pid] = &proc{id: session.ID{PID: pid, Start: uint64(w.now.Up / clockTick), Inode: uint64(w.tokens)}, started: w.now.Wall}
}

// leader is a process that leads a terminal, and started that long ago.
func (w *world) leader(pid int32, age time.Duration) session.Evidence {
	return ledBy(session.ID{PID: pid, Start: uint64((w.now.Up - age) / clockTick), Inode: uint64(pid)})
}

// ledBy is the evidence that a process leads the line.
func ledBy(id session.ID) session.Evidence {
	return session.Evidence{Leaders: []session.Candidate{{ID: id}}}
}

// looked answers sights.
func (w *world) looked(sights []session.Sight) Looked {
	var ev Looked
	for _, q := range sights {
		seen := w.sights[q.ID.PID]
		seen.Key, seen.Held = q.Key, q.Hold && !w.unseen
		if seen.Held {
			w.inView[q.Key] = q.Line
		}
		ev.Sightings = append(ev.Sightings, seen)
	}
	return ev
}

// gathered answers questions.
func (w *world) gathered(questions []session.Question) Gathered {
	var ev Gathered
	for _, q := range questions {
		e := w.leaders[q.Line]
		e.Key, e.Gone = q.Key, w.gone[w.inView[q.Held]]
		e.Namesakes = append(e.Namesakes, w.namesakes[q.PID]...)
		if q.PID != 0 {
			e.Numbers, e.Mark, w.numbered = w.numbers, q.Mark, append(w.numbered, q.PID)
		}
		if q.Shown {
			e.Witness = w.witnesses[q.Display.String()]
			w.asked++
		}
		e.Idle = q.Idle && !w.working[q.User]
		ev.Evidence = append(ev.Evidence, e)
	}
	return ev
}

// checked tells which terminals are gone.
func (w *world) checked(keys []uint64) Checked {
	ev := Checked{Terminals: keys}
	for _, key := range keys {
		if w.gone[w.inView[key]] {
			ev.Gone = append(ev.Gone, key)
		}
	}
	return ev
}

// release lets go of terminals, each once.
func (w *world) release(keys []uint64) {
	w.t.Helper()
	for _, key := range keys {
		if w.inView[key] == "" {
			w.t.Errorf("terminal %d is not in view", key)
		}
		delete(w.inView, key)
	}
}

// suspend lets time go by in which the machine sleeps.
func (w *world) suspend(d time.Duration) {
	w.now.Up += d
	w.now.Wall = w.now.Wall.Add(d)
}

// kill ends a process; the table gets an event if it watched it.
func (w *world) kill(pid int32, status session.Status) {
	p := w.procs[pid]
	delete(w.procs, pid)
	if p != nil && p.token != 0 {
		w.handle(Exited{Token: p.token, Status: status})
	}
}

func (w *world) put(slot int, r utmpx.Record) {
	w.t.Helper()
	b, err := w.layout.Encode(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if need := (slot + 1) * len(b); need > len(w.file) {
		w.file = append(w.file, make([]byte, need-len(w.file))...)
	}
	copy(w.file[slot*len(b):], b)
}

func (w *world) get(slot int) utmpx.Record {
	size := w.layout.Size()
	return w.layout.Decode(string(w.file[slot*size : (slot+1)*size]))
}

func (w *world) scan() { w.read(true) }

// read has the table read the file, by the period or on notice.
func (w *world) read(periodic bool) {
	snap := snapshot.New(snapshot.Generation{Dev: 1, Ino: w.gen}, w.layout, w.table.utmpx.snap, w.file)
	w.handle(Scanned{Snapshot: snap, Began: w.now.Mono, Periodic: periodic})
}

// pass lets time go by, ticking when the table wants it.
func (w *world) pass(d time.Duration) {
	end := w.now.Mono + d
	for {
		at, ok := w.table.Next()
		if !ok || at > end {
			break
		}
		step := max(0, at-w.now.Mono)
		w.now.Mono += step
		w.now.Up += step
		w.now.Wall = w.now.Wall.Add(step)
		w.handle(Tick{})
	}
	w.now.Wall = w.now.Wall.Add(end - w.now.Mono)
	w.now.Up += end - w.now.Mono
	w.now.Mono = end
}

func (w *world) handle(ev Event) {
	w.t.Helper()
	twin := w.twin()
	acts := w.table.Handle(w.now, ev)
	if twin != nil {
		if again := twin.Handle(w.now, ev); !reflect.DeepEqual(acts, again) {
			w.t.Errorf("two tables want different things after %T:\n%+v\n%+v", ev, acts, again)
		}
	}
	w.mustTellChanges(ev)
	for _, r := range acts.Reports {
		w.log = append(w.log, describe(r))
	}
	for _, token := range acts.Forget {
		w.forgotten = append(w.forgotten, token)
		if p := w.procs[w.kept[token]]; p != nil && p.token == token {
			p.token = 0
		}
		delete(w.kept, token)
	}
	for _, pid := range acts.Watch {
		w.watch(pid)
	}
	if acts.Look != nil {
		w.handle(w.looked(acts.Look))
	}
	if acts.Gather != nil {
		w.handle(w.gathered(acts.Gather))
	}
	if acts.Check != nil {
		w.handle(w.checked(acts.Check))
	}
	w.release(acts.Release)
	if acts.Clean != nil {
		w.inFlight = append(w.inFlight, acts.Clean...)
		if !w.hold {
			w.clean()
		}
	}
	if acts.Pay != nil {
		if w.logErr != nil {
			w.handle(Paid{Left: acts.Pay, Err: w.logErr})
		} else {
			w.paid = append(w.paid, acts.Pay...)
			w.handle(Paid{})
		}
	}
	if acts.Rescan {
		w.read(false)
	}
}

func (w *world) watch(pid int32) {
	p := w.procs[pid]
	if p == nil {
		w.handle(Gone{PID: pid})
		return
	}
	if p.token == 0 && len(w.kept) < w.maxFDs {
		w.tokens++
		p.token = w.tokens
		w.kept[p.token] = pid
	}
	w.handle(Alive{PID: pid, Token: p.token, ID: p.id, Nobody: w.nobody[pid], Unsure: w.hides, Started: p.started, Boot: w.boot})
}

// clean carries out the jobs that wait, as the Cleaner does.
func (w *world) clean() {
	var results []session.Result
	for _, j := range w.inFlight {
		res := session.Result{Job: j, Outcome: session.Done, Logout: session.Appended}
		switch {
		case w.utmpxErr != nil:
			res.Outcome, res.Err = w.outcome, w.utmpxErr
		case j.Generation.Ino != w.gen || w.get(j.Slot).Raw() != j.Record.Raw():
			res.Outcome = session.Changed
		case w.dry:
			res.Outcome = session.DryRun
		case j.SkipLog:
			res.Logout = session.LogoutOwed
		case w.logErr != nil:
			res.Outcome, res.Err = session.LogFailed, w.logErr
		case w.doubt.Line != "":
			res.Outcome, res.Logout, res.Login = session.Doubtful, session.LogoutOwed, w.doubt
		}
		if res.Outcome == session.Done {
			r := j.Record
			r.Type, r.User, r.Host, r.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(j.End)
			w.put(j.Slot, r)
			w.cleaned = append(w.cleaned, j)
		}
		results = append(results, res)
	}
	w.inFlight = nil
	w.handle(Cleaned{Results: results})
}

func describe(r session.Report) string {
	ended := func(what string, job session.Job) string {
		if job.Found != "" {
			return fmt.Sprintf("%s %s: %s", what, job.Record.Line, job.Found)
		}
		return what + " " + job.Record.Line
	}
	switch r := r.(type) {
	case session.Watching:
		return "watching " + r.Record.Line
	case session.Dying:
		return "dying " + r.Record.Line
	case session.Ended:
		return ended("ended", r.Job)
	case session.WouldEnd:
		return ended("would-end", r.Job)
	case session.LeftAlone:
		return fmt.Sprintf("left %s: %s", r.Record.Line, r.Reason)
	case session.EndedByOwner:
		return "owner " + r.Record.Line
	case session.Unwatched:
		return fmt.Sprintf("unwatched ×%d", r.Sessions)
	case session.Delayed:
		return fmt.Sprintf("delayed ×%d", r.Sessions)
	case session.DebtsPaid:
		if r.Closed > 0 {
			return fmt.Sprintf("paid ×%d, closed ×%d", r.Logouts, r.Closed)
		}
		return fmt.Sprintf("paid ×%d", r.Logouts)
	case session.PaymentDelayed:
		return fmt.Sprintf("payment delayed ×%d", r.Logouts)
	case session.DebtLost:
		return "lost " + r.Debt.Login.Line
	}
	panic(fmt.Sprintf("unknown report %T", r))
}

// login returns a session's record, logged in now.
func (w *world) login(line string, pid int32) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: pid, Line: line, ID: line[max(0, len(line)-4):], User: "alice", Host: "h", Time: utmpx.TimeOf(w.now.Wall)}
}

func (w *world) wantDead(slot int, end time.Time) {
	w.t.Helper()
	r := w.get(slot)
	if r.Type != utmpx.DeadProcess {
		w.t.Fatalf("slot %d is %v, want DEAD_PROCESS; log:\n%s", slot, r, strings.Join(w.log, "\n"))
	}
	if got := r.Time.Time(); !got.Equal(end) {
		w.t.Errorf("slot %d ended %v, want %v", slot, got, end)
	}
}

func (w *world) wantAlive(slot int) {
	w.t.Helper()
	if r := w.get(slot); r.Type != utmpx.UserProcess {
		w.t.Fatalf("slot %d is %v, want USER_PROCESS; log:\n%s", slot, r, strings.Join(w.log, "\n"))
	}
}

func (w *world) wantLog(want string) {
	w.t.Helper()
	if !slices.ContainsFunc(w.log, func(s string) bool { return strings.Contains(s, want) }) {
		w.t.Errorf("nothing reported with %q:\n%s", want, strings.Join(w.log, "\n"))
	}
}

// wantEmpty checks that nothing is remembered once all sessions are gone.
func (w *world) wantEmpty() {
	w.t.Helper()
	t := w.table
	if n := len(slices.Collect(t.utmpx.each())) + len(t.processes.byPID) + len(t.processes.byToken) + len(t.processes.idle) + len(t.grace.heap) + len(t.evidence) + len(t.fresh); n != 0 || len(w.kept) != 0 {
		w.t.Errorf("left over: sessions %d groups %d procs %d orphans %d due %d asked %d, watched %d",
			len(slices.Collect(t.utmpx.each())), len(t.processes.byPID), len(t.processes.byToken), len(t.processes.idle), len(t.grace.heap), len(t.evidence), len(w.kept))
	}
	if len(w.inView) != 0 || len(t.terminals.followed) != 0 {
		w.t.Errorf("%d terminals in view, %d followed", len(w.inView), len(t.terminals.followed))
	}
	if c := t.Counts(); c.Sessions != 0 || c.Watched != 0 || c.Unwatched != 0 || c.Dying != 0 {
		w.t.Errorf("counts of an empty table: %+v", c)
	}
}
