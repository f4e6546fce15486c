// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"iter"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// waits are the logouts that wait for a process. It is a source of sessions: each lives
// by that process, and is cleaned by its logout alone. There are three kinds.
//
// The open login names another process than the record did: while that lives, the login
// may be another session's.
//
// The record is not the session's any more: its owner has marked it, or another one has
// taken its place while its process lived. Its owner has the grace to write the logout.
//
// There never was a record: the login stands in the log alone, see alone.go.
//
// They are not sessions of the utmpx file, so no count has them. Those of the first kind
// count as logouts that wait.
type waits struct {
	byKey  map[uint64]*waiting
	byLine map[string][]*waiting     // those of the second kind
	shared map[string][]utmpx.Record // what rivals has returned of a line, until that changes
	owing  int                       // those of the first kind
	// unwatched is how many live and are not watched. Counted, as owing: many may come
	// and go between two readings.
	unwatched int
	stored    []session.Debt // of an earlier run, until the first reading
	storedAt  time.Time      // when that run has saved them
	logins
}

// waiting is one of them.
type waiting struct {
	entry *entry
	debt  session.Debt // Of is set in the first kind
	login              // of the third kind
}

// ownerWrites is how long an owner has at least to write its logout after it has marked
// its record: most do that at once.
const ownerWrites = time.Second

func newWaits() waits {
	return waits{byKey: map[uint64]*waiting{}, byLine: map[string][]*waiting{}, shared: map[string][]utmpx.Record{}, logins: newLogins()}
}

func (w *waits) record(s *entry) utmpx.Record { return w.byKey[s.key].debt.Login }

// job is never asked for: there is no record to be marked.
func (w *waits) job(s *entry) session.Job { return session.Job{Record: w.record(s)} }

// sum is never asked for: a checkpoint has the debt.
func (w *waits) sum(*entry) [16]byte { return [16]byte{} }

// owed returns how many are of the first kind.
func (w *waits) owed() int { return w.owing + len(w.stored) }

// each yields all of them, in the order in which they came.
func (w *waits) each() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, key := range sortedKeys(w.byKey) {
			if at := w.byKey[key]; at != nil && !yield(at.entry) {
				return
			}
		}
	}
}

// all returns the debts, which a later run must know.
func (w *waits) all(now Moment) []session.Debt {
	all := slices.Clone(w.stored)
	for _, key := range sortedKeys(w.byKey) {
		at := w.byKey[key]
		d := at.debt
		if d.Of.Line == "" {
			d.By, d.End = at.entry.id, at.entry.end.time()
			d.By.PID = at.entry.pid
			if at.entry.state != watched && at.entry.alive != 0 && (d.End.IsZero() || !at.entry.exact) {
				d.After = at.entry.aliveUntil()
			}
		}
		if at.entry.alone {
			if at.entry.id.PID == 0 {
				continue // a later run finds it in the log
			}
			d.Since = at.entry.seenSince(now)
			if at.entry.seen && !d.After.IsZero() {
				d.Since = d.After.Add(-at.entry.knownFor(now))
			}
		}
		all = append(all, d)
	}
	return all
}

// await has a logout wait for a process: the one that its login names, or the session's.
func (t *Table) await(d session.Debt) {
	d.Login, d.Rivals = d.Login.Detach(), nil // which are looked for when it is paid
	t.dirty = true
	switch {
	case d.Alone:
		t.awaitAlone(d)
	case d.Of.Line == "":
		t.keep(&entry{
			line: d.Login.Line, user: d.Login.User, pid: d.By.PID, id: d.By, login: d.Login.Time, end: wallOf(d.End), exact: d.After.IsZero(), alive: wallOf(d.After),
		}, d)
	case t.debts.len()+len(t.waits.byKey) >= OwedMost:
		t.report(session.DebtLost{Debt: d})
	default:
		t.keep(&entry{pid: d.Of.PID, login: d.Of.Time}, d)
	}
}

// awaitStored takes up those of an earlier run. The first reading has told when this
// boot was.
func (t *Table) awaitStored() {
	stored := t.waits.stored
	t.waits.stored = nil
	for _, d := range stored {
		t.await(d)
	}
}

// outlived keeps a session that has lost its record: its owner has marked it, or another
// one has taken its place.
func (t *Table) outlived(s *entry) {
	switch s.state {
	case asking, watched, unwatchedNow, dying, gathering:
	default:
		return
	}
	term := s.term
	s.term = 0
	t.terminals.unfollow(term)
	kept := &entry{
		line: s.line, user: s.user, pid: s.pid, id: s.id, led: s.led, leads: s.leads, term: term, login: s.login,
		seen: s.seen, sure: s.sure, since: s.since, last: s.last, alive: s.alive, looked: s.looked, end: s.end, exact: s.exact, status: s.status,
	}
	if s.onVT() {
		kept.seenOn = *s.sight
		kept.sight = &kept.seenOn
	}
	t.keep(kept, session.Debt{Login: s.record().Detach()})
}

// outlivedJob does the same for a session whose record was another one when it was to be
// marked.
func (t *Table) outlivedJob(j session.Job) {
	if r := j.Record; r.PID > 0 {
		d := j.Debt()
		d.By = session.ID{PID: r.PID}
		t.await(d)
	}
}

// keep takes in a session of its own. Of those that have lost their record, one is kept
// for each process and line, with the latest record: some programs mark theirs and write
// it again many times. Displays are not kept, since who shows them cannot be known for sure,
// but for a login on a virtual terminal: the next getty puts its own record in its place.
func (t *Table) keep(s *entry, d session.Debt) {
	if len(t.waits.byKey) >= OwedMost || d.Of.Line == "" && t.keptAlready(s, d) {
		t.release(s)
		return
	}
	t.opened++
	s.key, s.source, s.index = t.opened, &t.waits, -1
	t.waits.byKey[s.key] = &waiting{entry: s, debt: d}
	if _, shown := s.display(); d.Of.Line == "" && (shown && !s.onVT() || s.line == "") {
		delete(t.waits.byKey, s.key)
		t.release(s)
		return
	}
	t.followTerminal(s)
	if d.Of.Line != "" {
		t.waits.owing++
	} else {
		t.waits.byLine[s.line] = append(t.waits.byLine[s.line], t.waits.byKey[s.key])
		delete(t.waits.shared, s.line)
	}
	t.ask(s)
}

func (w *waits) count(in state, n int) {
	if in == unwatchedNow {
		w.unwatched += n
	}
}

// remove takes one out.
func (w *waits) remove(s *entry) {
	at := w.byKey[s.key]
	delete(w.byKey, s.key)
	if at.debt.Of.Line != "" {
		w.owing--
		return
	}
	if s.alone {
		w.removeAlone(at)
		return
	}
	w.review = true // of those that waited for this one
	delete(w.shared, s.line)
	rest := slices.DeleteFunc(w.byLine[s.line], func(o *waiting) bool { return o == at })
	if w.byLine[s.line] = rest; len(rest) == 0 {
		delete(w.byLine, s.line)
	}
}

// sharesLeader reports whether what o lives by may be s's too, whose record names the same
// process. o has lost that record before, as when a program marks it and writes it again;
// or the process has written two, and o lives by the leader of the line already.
func (w *waits) sharesLeader(o, s *entry) bool {
	return (o.led || o.source == w) && o.source.record(o).PID == s.source.record(s).PID
}

// rivals returns the records of the sessions of a line that have lost theirs: the login
// in the log may be theirs, and they are judged by themselves. Those who ask share what
// is returned: of many sessions of one line, each asks.
func (w *waits) rivals(line string) []utmpx.Record {
	all := w.byLine[line]
	if len(all) > 0 && w.shared[line] == nil {
		recs := make([]utmpx.Record, len(all))
		for i, at := range all {
			recs[i] = at.debt.Login
		}
		w.shared[line] = recs
	}
	return slices.Clip(w.shared[line])
}

func (t *Table) keptAlready(s *entry, d session.Debt) bool {
	g := t.processes.byPID[s.pid]
	if g == nil {
		return false
	}
	for o := g.first; o != nil; o = o.next {
		if o.source == &t.waits && !o.alone && o.line == s.line && o.user == s.user {
			t.waits.byKey[o.key].debt.Login, o.login = d.Login, s.login
			delete(t.waits.shared, o.line)
			// This record is later than the key of o tells, and than what is being gathered.
			t.numbers = numbers{upTo: t.opened, asked: t.numbers.asked}
			return true
		}
	}
	return false
}

// waited goes on with a logout whose process has ended, or proves to be another one than
// was meant.
func (t *Table) waited(s *entry, seen bool) {
	s.died, s.diedUp = t.now.Mono, t.now.Up
	if seen {
		s.last = t.now.Mono
	}
	if s.end == 0 {
		s.end, s.exact = wallOf(t.now.Wall), seen
		s.relabel(t.now)
	}
	if t.waits.byKey[s.key].debt.Of.Line == "" {
		t.wait(s, t.now.Mono+max(t.set.Grace, ownerWrites))
		return
	}
	t.settle(s)
}

// settle has the logout of a session written that waits no longer.
func (t *Table) settle(s *entry) {
	d := t.waits.byKey[s.key].debt
	if s.proc != nil && s.proc.status.Known {
		s.status = s.proc.status
	}
	switch end := s.end.time(); {
	case d.Of.Line == "":
		t.waits.over(s)
		d.By, d.End, d.Status = s.id, end, s.status
		d.By.PID = s.pid
		if login := s.login.Time(); end.Before(login) {
			d.End = login
		}
		if !s.exact {
			d.After = s.aliveUntil()
		}
		if s.alone {
			d.Since = s.seenSince(t.now)
		}
	case s.seen && d.End.Before(end): // it has outlived the session's own process
		d.End = end
	}
	t.giveUp(s)
	t.debts.addNow(d, t.now.Mono)
}

// giveUp forgets one that waits.
func (t *Table) giveUp(s *entry) {
	t.grace.remove(s)
	delete(t.evidence, s.key)
	t.unbind(s)
	t.leave(s)
	t.release(s)
	t.setState(s, done)
	t.waits.remove(s)
}
