// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

const (
	// retryBusy, retryLog and retryFailed are the pauses before a clean is ordered again:
	// short after a lock that was waited for, longer after an error. A wtmpx file that
	// cannot be used may be locked or broken; it delays the clean for logPatience at most.
	retryBusy   = 100 * time.Millisecond
	retryLog    = 250 * time.Millisecond
	retryFailed = 2 * time.Second
	logPatience = 10 * time.Second
)

// logHealth is since when the wtmpx file fails, on Moment.Mono; -1: it does not.
type logHealth struct{ failing time.Duration }

func (l *logHealth) works() { l.failing = -1 }

func (l *logHealth) fails(at time.Duration) {
	if l.failing < 0 {
		l.failing = at
	}
}

// givenUp reports whether it has failed for so long that records are marked without it.
func (l *logHealth) givenUp(now time.Duration) bool {
	return l.failing >= 0 && now-l.failing >= logPatience
}

// retry is the pause before the next try. After it the patience may be at its end.
func (l *logHealth) retry(now time.Duration) time.Duration {
	return min(retryLog, max(retryBusy, l.failing+logPatience-now))
}

// clean orders a record to be marked.
func (t *Table) clean(s *entry) {
	if s.source == &t.waits {
		t.settle(s)
		return
	}
	t.setState(s, cleaning)
	s.due = t.now.Mono
	if s.proc != nil && s.proc.status.Known {
		s.status = s.proc.status
	}
	job := s.source.job(s)
	job.End, job.Status, job.SkipLog = s.end.time(), s.status, t.log.givenUp(t.now.Mono)
	if login := s.login.Time(); job.End.Before(login) {
		job.End = login
	}
	if !s.exact {
		job.After, job.Found = s.aliveUntil(), s.found.String()
	}
	job.Rivals = t.waits.rivals(s.line)
	if s.before != nil {
		job.Rivals = append(job.Rivals, *s.before)
	}
	if job.SkipLog {
		t.debts.leftOut(job)
		t.dirty = true
	}
	t.out.Clean = append(t.out.Clean, job)
}

// cleanOwing orders a record to be marked whose logout waits for the process that the
// open login names.
func (t *Table) cleanOwing(res session.Result) {
	job := res.Job
	job.SkipLog, job.Login = true, res.Login
	t.debts.leftOut(job)
	t.dirty = true
	t.out.Clean = append(t.out.Clean, job)
}

// cleaned goes on with the sessions of the jobs that came back.
func (t *Table) cleaned(ev Cleaned) {
	delayed := map[session.Outcome]session.Delayed{}
	t.out.Reports = slices.Grow(t.out.Reports, len(ev.Results))
	for _, res := range ev.Results {
		t.settleDebt(res)
		s := t.utmpx.sessionOf(res.Job)
		t.reportResult(res, delayed)
		if s != nil && s.state == cleaning {
			t.goOn(s, res)
		}
		if lostRecord(res, s) {
			t.outlivedJob(res.Job)
		}
	}
	for _, o := range []session.Outcome{session.Busy, session.Failed, session.LogFailed} {
		if r, ok := delayed[o]; ok {
			t.report(r)
		}
	}
}

// lostRecord reports whether the record of a job was another one when it was to be marked,
// or has become one since, and the logout may be missing. s has the record, if it is there.
func lostRecord(res session.Result, s *entry) bool {
	switch res.Outcome {
	case session.Changed:
		return res.Err == nil
	case session.LogFailed, session.Busy, session.Failed, session.Doubtful:
		return s == nil
	}
	return false
}

// goOn moves a session on by what became of its job.
func (t *Table) goOn(s *entry, res session.Result) {
	now := t.now.Mono
	switch res.Outcome {
	case session.Done:
		if !res.Job.SkipLog && res.Logout != session.LogoutOwed {
			t.log.works()
		}
		t.leaveAlone(s, true)
	case session.Changed:
		t.out.Rescan = true
		if res.Err == nil {
			t.leaveAlone(s, true)
			return
		}
		// The file is another one, or gone. The scan reports what it holds now. If the
		// old one returns, the time of death is still known.
		t.wait(s, now+retryFailed)
	case session.DryRun:
		s.left = true // what is known of it is for a run that writes
		t.leaveAlone(s, false)
	case session.Doubtful:
		t.cleanOwing(res)
	case session.Busy:
		t.wait(s, now+retryBusy)
	case session.LogFailed:
		t.log.fails(s.due) // the Cleaner may have waited for seconds
		t.wait(s, now+t.log.retry(now))
	case session.Failed:
		t.wait(s, now+retryFailed)
	}
}

// reportResult reports what became of a job. Of those that wait it keeps one report
// for each outcome in delayed.
func (t *Table) reportResult(res session.Result, delayed map[session.Outcome]session.Delayed) {
	switch {
	case res.Outcome == session.Done:
		t.counts.Cleaned++
		t.report(session.Ended{Job: res.Job, Logout: res.Logout})
	case res.Outcome == session.DryRun:
		t.report(session.WouldEnd{Job: res.Job, Logout: res.Logout})
	case res.Outcome == session.Doubtful: // ordered again
	case res.Outcome != session.Changed:
		delayed[res.Outcome] = session.Delayed{Sessions: delayed[res.Outcome].Sessions + 1, Err: res.Err}
	case res.Err == nil:
		t.report(session.EndedByOwner{Record: res.Job.Record})
	}
}
