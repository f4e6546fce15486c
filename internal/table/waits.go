// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"iter"
	"slices"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// waits are the logouts that wait for a process: the one that their login in the wtmpx
// file names. While it lives, that login may be another session's. It is a source of
// sessions: each lives by that process, and is cleaned by its logout alone.
//
// They are not sessions of the utmpx file, so no count has them but that of the logouts
// that wait.
type waits struct {
	byKey  map[uint64]*waiting
	stored []session.Debt // of an earlier run, until the first reading
}

// waiting is one of them.
type waiting struct {
	entry *entry
	debt  session.Debt // Of is set
}

func newWaits() waits { return waits{byKey: map[uint64]*waiting{}} }

func (w *waits) record(s *entry) utmpx.Record { return w.byKey[s.key].debt.Login }

// job is never asked for: there is no record to be marked.
func (w *waits) job(s *entry) session.Job { return session.Job{Record: w.record(s)} }

// sum is never asked for: a checkpoint has the debt.
func (w *waits) sum(*entry) [16]byte { return [16]byte{} }

func (w *waits) len() int { return len(w.byKey) + len(w.stored) }

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

// unwatched returns how many processes are not watched.
func (w *waits) unwatched() (n int) {
	for _, at := range w.byKey {
		if at.entry.state == unwatchedNow {
			n++
		}
	}
	return n
}

// all returns the debts, which a later run must know.
func (w *waits) all() []session.Debt {
	all := slices.Clone(w.stored)
	for _, key := range sortedKeys(w.byKey) {
		all = append(all, w.byKey[key].debt)
	}
	return all
}

// await has a logout wait for the process that its login names.
func (t *Table) await(d session.Debt) {
	d.Login = d.Login.Detach()
	t.dirty = true
	if t.debts.len()+t.waits.len() >= OwedMost {
		t.report(session.DebtLost{Debt: d})
		return
	}
	t.opened++
	s := &entry{key: t.opened, source: &t.waits, pid: d.Of.PID, login: d.Of.Time, index: -1}
	t.waits.byKey[s.key] = &waiting{s, d}
	t.ask(s)
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

// waited goes on with a logout that waited for a process: that has ended, or proves to
// be another one than the login names. If the session's own was outlived by it, it has
// ended with it.
func (t *Table) waited(s *entry) {
	d := t.waits.byKey[s.key].debt
	if now := t.now.Wall; s.seen && d.End.Before(now) {
		d.End = now
	}
	t.unbind(s)
	t.leave(s)
	s.state = done
	delete(t.waits.byKey, s.key)
	t.debts.addNow(d, t.now.Mono)
	t.dirty = true
}
