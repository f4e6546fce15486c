// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
)

const (
	// owedEvery is the pause between two attempts at the logouts that wait for the wtmpx
	// file.
	owedEvery = time.Second
	// OwedMost is how many of them are kept.
	OwedMost = 10_000
)

// debts are the logouts that wait for the wtmpx file.
type debts struct {
	owed     []session.Debt
	next     time.Duration // when they are tried again
	out      bool          // an attempt is under way
	tried    int           // with how many, from the first
	promised map[jobRecord]promisedDebt
}

func newDebts() debts { return debts{promised: map[jobRecord]promisedDebt{}} }

// jobRecord names the record of a job that leaves the wtmpx file out. Several such jobs
// may be out if the record was written back meanwhile.
type jobRecord struct {
	gen  snapshot.Generation
	slot int
	raw  string
}

// promisedDebt is a logout that jobs leave out, from before the record is marked: a
// checkpoint taken then has it, whatever becomes of utmpd.
type promisedDebt struct {
	debt session.Debt
	jobs int // how many are out
}

func recordOf(j session.Job) jobRecord { return jobRecord{j.Generation, j.Slot, j.Record.Raw()} }

// leftOut notes the logout that a job leaves out.
func (d *debts) leftOut(j session.Job) {
	out := d.promised[recordOf(j)].jobs
	debt := j.Debt()
	debt.Login, debt.Of, debt.Rivals = j.Record.Detach(), j.Login, nil
	d.promised[recordOf(j)] = promisedDebt{debt, out + 1}
}

// redeem takes back one promise for a job, and returns the logout. ok is false if there
// was none.
func (d *debts) redeem(j session.Job) (debt session.Debt, ok bool) {
	p, ok := d.promised[recordOf(j)]
	if !ok {
		return session.Debt{}, false
	}
	if p.jobs--; p.jobs > 0 {
		d.promised[recordOf(j)] = p
	} else {
		delete(d.promised, recordOf(j))
	}
	return p.debt, true
}

// settleDebt makes a debt of what was promised if the record was marked without its
// logout.
func (t *Table) settleDebt(res session.Result) {
	if !res.Job.SkipLog {
		return
	}
	debt, ok := t.debts.redeem(res.Job)
	if !ok {
		return
	}
	t.dirty = true
	if res.Outcome != session.Done || res.Logout != session.LogoutOwed {
		return
	}
	if debt.Of.Line != "" {
		t.await(debt)
		return
	}
	if t.debts.len()+len(t.waits.byKey) >= OwedMost {
		t.report(session.DebtLost{Debt: debt})
		return
	}
	t.debts.add(debt, t.now.Mono)
}

func (d *debts) len() int { return len(d.owed) }

// add takes up a debt.
func (d *debts) add(debt session.Debt, now time.Duration) {
	if len(d.owed) == 0 {
		d.next = now + owedEvery
	}
	d.owed = append(d.owed, debt)
}

// addNow takes up a debt that can be paid at once, as far as is known.
func (d *debts) addNow(debt session.Debt, now time.Duration) {
	if len(d.owed) == 0 {
		d.next = now
	}
	d.owed = append(d.owed, debt)
}

// waiting reports whether debts wait for their next attempt.
func (d *debts) waiting() bool { return len(d.owed) > 0 && !d.out }

// pay returns the debts to be paid now, nil if there are none.
func (d *debts) pay(now time.Duration) []session.Debt {
	if !d.waiting() || d.next > now {
		return nil
	}
	d.out, d.tried = true, len(d.owed)
	return slices.Clone(d.owed)
}

// paid takes in what became of the debts that were to be paid.
func (t *Table) paid(ev Paid) {
	waited := t.debts.waited()
	n := t.debts.paid(ev.Left, t.now.Mono)
	for _, d := range ev.Waiting {
		if waited[d.Of] { // and still cannot be judged, as while the utmpx file cannot be read
			t.debts.add(d, t.now.Mono)
			continue
		}
		t.await(d)
	}
	t.dirty = t.dirty || n > 0
	if ev.Err != nil { // those not left are given up, which the Cleaner has logged
		if len(ev.Left) > 0 {
			t.report(session.PaymentDelayed{Logouts: len(ev.Left), Err: ev.Err})
		}
		return
	}
	t.log.works()
	if n -= len(ev.Waiting) + ev.Closed; n > 0 || ev.Told > 0 {
		t.report(session.DebtsPaid{Logouts: n, Closed: ev.Told})
	}
}

// waited returns the logins of the debts out that have waited for their process.
func (d *debts) waited() map[session.Login]bool {
	all := map[session.Login]bool{}
	for _, debt := range d.owed[:d.tried] {
		if debt.Of.Line != "" {
			all[debt.Of] = true
		}
	}
	return all
}

// paid keeps what is left of an attempt, and returns how many were paid.
func (d *debts) paid(left []session.Debt, now time.Duration) int {
	n := d.tried - len(left)
	d.owed = append(slices.Clone(left), d.owed[d.tried:]...)
	for i := range left {
		d.owed[i].Rivals = nil // which are looked for again
	}
	d.out, d.tried, d.next = false, 0, now+owedEvery
	return n
}

// all returns the debts and the promises, which a later run must know.
func (d *debts) all() []session.Debt {
	all := slices.Clone(d.owed)
	if len(d.promised) == 0 {
		return all
	}
	order := func(a, b jobRecord) int {
		return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.raw, b.raw),
			cmp.Compare(a.gen.Dev, b.gen.Dev), cmp.Compare(a.gen.Ino, b.gen.Ino))
	}
	for _, at := range slices.SortedFunc(maps.Keys(d.promised), order) {
		all = append(all, d.promised[at].debt)
	}
	return all
}
