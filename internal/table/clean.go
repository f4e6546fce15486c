// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// logGivenUp reports whether the wtmpx file has failed for so long that the
// utmpx file is marked without it.
func (t *Table) logGivenUp() bool {
	return t.logFailing >= 0 && t.now.Mono-t.logFailing >= logPatience
}

// cleaned goes on with the sessions of the jobs that came back.
func (t *Table) cleaned(ev Cleaned) {
	delayed := map[session.Outcome]Report{}
	t.out.Reports = slices.Grow(t.out.Reports, len(ev.Results))
	for _, res := range ev.Results {
		t.owe(res)
		s := t.at(res.Job.Slot)
		current := s != nil && s.state == cleaning && res.Job.Generation == t.snap.Generation() &&
			t.snap.Raw(res.Job.Slot) == res.Job.Record.Raw()
		t.tell(res, delayed)
		if current {
			t.goOn(s, res)
		}
	}
	for _, o := range []session.Outcome{session.Busy, session.Failed, session.LogFailed} {
		if r, ok := delayed[o]; ok {
			t.report(r)
		}
	}
}

// goOn moves a session on by what became of its job.
func (t *Table) goOn(s *entry, res session.Result) {
	switch res.Outcome {
	case session.Done:
		t.logWorks(res)
		t.leaveAlone(s, true)
	case session.Changed:
		t.out.Rescan = true
		if res.Err == nil {
			t.leaveAlone(s, true)
			return
		}
		// The file is another, or gone. What it holds now the scan will tell, and
		// if it comes back, the time of death is still known.
		t.wait(s, t.now.Mono+retryFailed)
	case session.DryRun:
		s.left = true // what is known of it is for a run that writes
		t.leaveAlone(s, false)
	case session.Busy:
		t.wait(s, t.now.Mono+retryBusy)
	case session.LogFailed:
		if t.logFailing < 0 {
			t.logFailing = t.now.Mono
		}
		// By the time of the retry the patience may be at its end.
		t.wait(s, t.now.Mono+min(retryLog, max(retryBusy, t.logFailing+logPatience-t.now.Mono)))
	case session.Failed:
		t.wait(s, t.now.Mono+retryFailed)
	}
}

// leaveAlone is the end of a session for the table, until its bytes change, or
// are the same again in a scan that begins after now.
func (t *Table) leaveAlone(s *entry, verify bool) {
	t.setState(s, done)
	t.unbind(s)
	t.leave(s)
	if verify {
		t.verify[int(s.slot)] = t.now.Mono
	}
}

// tell reports what a person wants to know of a job.
func (t *Table) tell(res session.Result, delayed map[session.Outcome]Report) {
	r := Report{
		Record: res.Job.Record, End: res.Job.End, Status: res.Job.Status,
		After: res.Job.After, Found: res.Job.Found, Logout: res.Logout, Err: res.Err,
	}
	switch res.Outcome {
	case session.Done:
		r.Kind = Ended
		t.counts.Cleaned++
	case session.DryRun:
		r.Kind = WouldEnd
	case session.Changed:
		if res.Err != nil {
			return
		}
		r.Kind = Owner
	default:
		r.Kind = Delayed
		r.Count = delayed[res.Outcome].Count + 1
		delayed[res.Outcome] = r
		return
	}
	t.report(r)
}

// aliveUntil returns when the session was last known alive, if its end is not:
// when its process last was, or its login.
func (s *entry) aliveUntil(r utmpx.Record) time.Time {
	if s.alive == 0 {
		return r.Time.Time()
	}
	return s.alive.time()
}

// promise names the jobs that leave the wtmpx file out for a record. There are
// several if the record was written back while one of them was out.
type promise struct {
	gen  snapshot.Generation
	slot int
	raw  string
}

// promised is the logout that they leave out, and how many of them are out.
type promised struct {
	owed session.Debt
	jobs int
}

func promiseOf(j session.Job) promise { return promise{j.Generation, j.Slot, j.Record.Raw()} }

// promise keeps the logout that a job leaves out from before the record is
// marked: a state that is saved then makes it good, whatever becomes of utmpd.
func (t *Table) promise(j session.Job) {
	out := t.promised[promiseOf(j)].jobs
	t.promised[promiseOf(j)] = promised{session.Debt{Login: j.Record.Detach(), End: j.End, Status: j.Status}, out + 1}
	t.dirty = true
}

// owe takes up what was promised, if the record was marked while the wtmpx file
// failed.
func (t *Table) owe(res session.Result) {
	if !res.Job.SkipLog {
		return
	}
	at := promiseOf(res.Job)
	p, ok := t.promised[at]
	if !ok {
		return
	}
	o := p.owed
	if p.jobs--; p.jobs > 0 {
		t.promised[at] = p
	} else {
		delete(t.promised, at)
	}
	t.dirty = true
	if res.Outcome != session.Done || res.Logout != session.LogoutOwed {
		return
	}
	if len(t.owed) >= OwedMost {
		t.report(Report{Kind: OwedLost, Record: o.Login, End: o.End})
		return
	}
	if len(t.owed) == 0 {
		t.owedNext = t.now.Mono + owedEvery
	}
	t.owed = append(t.owed, o)
}

// logWorks ends the failing of the wtmpx file, once a job went through it.
func (t *Table) logWorks(res session.Result) {
	if !res.Job.SkipLog && res.Logout != session.LogoutOwed {
		t.logFailing = -1
	}
}

// paid takes in what became of the logouts that waited.
func (t *Table) paid(ev Paid) {
	t.owedOut = false
	t.owedNext = t.now.Mono + owedEvery
	if n := t.owedTried - len(ev.Left); n > 0 {
		t.report(Report{Kind: OwedPaid, Count: n})
		t.dirty = true
	}
	t.owed = append(slices.Clone(ev.Left), t.owed[t.owedTried:]...)
	t.owedTried = 0
	if ev.Err == nil {
		t.logFailing = -1
	}
}

// reportUnwatched tells when the number of records that are not watched
// becomes another than none, or none again; not while answers are awaited.
func (t *Table) reportUnwatched() {
	n := t.counts.Unwatched
	if t.counts.Asking == 0 && (n == 0) != (t.over == 0) {
		t.report(Report{Kind: Unwatched, Count: n})
		t.over = n
	}
}
