// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// clean does jobs in batches of one file and one kind. After one batch times out
// on a lock, the rest fail at once, so that the table hears of it in time.
func (c *Cleaner) clean(ctx context.Context, jobs []session.Job) []session.Result {
	results := make([]session.Result, len(jobs))
	var out timedOut
	for first := 0; first < len(jobs); {
		n := first + 1
		for n < len(jobs) && n-first < batch && jobs[n].Generation == jobs[first].Generation && jobs[n].SkipLog == jobs[first].SkipLog {
			n++
		}
		if r, ok := out.resultOf(jobs[first]); ok {
			fill(results[first:n], r)
		} else {
			c.cleanBatch(ctx, jobs[first:n], results[first:n])
			out.observe(results[first:n])
		}
		first = n
	}
	return results
}

// timedOut is the result of a job that did not get the lock of the utmpx file or
// of the log; zero if all got it.
type timedOut struct{ file, log session.Result }

// observe takes in the results of a batch.
func (t *timedOut) observe(results []session.Result) {
	for _, r := range results {
		switch {
		case !errors.Is(r.Err, sysfile.ErrLocked):
		case r.Outcome == session.Busy:
			t.file = r
		case r.Outcome == session.LogFailed:
			t.log = r
		}
	}
}

// resultOf returns the result of a job that would wait for such a lock again.
func (t *timedOut) resultOf(job session.Job) (session.Result, bool) {
	if t.file.Err == nil && !job.SkipLog {
		return t.log, t.log.Err != nil
	}
	return t.file, t.file.Err != nil
}

// cleanBatch does jobs of one file and one kind, at most batch of them.
func (c *Cleaner) cleanBatch(ctx context.Context, jobs []session.Job, results []session.Result) {
	gen := jobs[0].Generation
	swaps := make([]recfile.Swap, len(jobs))
	for i, j := range jobs {
		swaps[i] = recfile.Swap{Slot: j.Slot, Old: j.Record, New: Dead(j.Record, j.End, j.Status.Exit())}
	}
	same, err := c.withFileLock(ctx, func(ctx context.Context) ([]bool, error) { return c.opts.File.Compare(ctx, gen, swaps) })
	if err != nil {
		fill(results, session.Result{Outcome: outcomeOf(err), Err: err})
		return
	}
	if err := c.logOut(ctx, jobs, same, results); err != nil {
		fill(results, session.Result{Outcome: session.LogFailed, Err: err})
		markChanged(results, same)
		return
	}
	if c.opts.DryRun {
		setOutcome(results, session.DryRun)
		markChanged(results, same)
		return
	}
	doubtful := leaveOut(results, same)
	swapped, err := c.withFileLock(ctx, func(ctx context.Context) ([]bool, error) {
		return c.opts.File.Swap(ctx, gen, pick(swaps, same))
	})
	c.wroteFile = true
	written := spread(swapped, same)
	setOutcome(results, session.Done)
	markChanged(results, written)
	if err != nil {
		markFailed(results, same, written, err)
	}
	for _, i := range doubtful {
		results[i].Outcome = session.Doubtful
	}
}

// withFileLock bounds how long f waits for the lock of the utmpx file. A file that does
// not answer it waits for: nothing else can be done with its records.
func (c *Cleaner) withFileLock(ctx context.Context, f func(context.Context) ([]bool, error)) (same []bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, utmpxWait)
	defer cancel()
	c.callFile(utmpxWait, func() { same, err = f(ctx) })
	return same, err
}

// logOut appends the logouts of those jobs whose record is the same. It skips a
// missing log, as libc does, and one that takes no records.
func (c *Cleaner) logOut(ctx context.Context, jobs []session.Job, same []bool, results []session.Result) error {
	if jobs[0].SkipLog {
		setLogout(results, session.LogoutOwed)
		return nil
	}
	err := c.settle(ctx, wtmpxWait, logins{
		debt: func(i int) (session.Debt, bool) { return jobs[i].Debt(), same[i] },
		of:   results,
		file: c.seen,
	})
	if errors.Is(err, fs.ErrNotExist) || c.takesNothing(err) {
		setLogout(results, session.NoLogout)
		return nil
	}
	return err
}

// takesNothing reports whether err means that the log takes no records, and logs that
// once until the log takes some again.
func (c *Cleaner) takesNothing(err error) bool {
	switch {
	case recfile.TakesNothing(err):
		c.LogRefuses(err)
		return true
	case err == nil:
		c.refused.Store(false)
	}
	return false
}

// LogRefuses logs an error of [recfile.TakesNothing], unless the log is known to take no
// records.
func (c *Cleaner) LogRefuses(err error) {
	if c.refused.CompareAndSwap(false, true) {
		c.opts.Logger.Warn("the wtmpx file takes no records: no logouts are written", "error", err)
	}
}

// pay appends owed logouts, in as many batches as it takes. It does not skip a missing log: a rotation may be about to create it.
// The error of a log that takes no records satisfies [recfile.TakesNothing]: nothing is
// owed to it.
func (c *Cleaner) pay(ctx context.Context, debts []session.Debt) (paid Payment, err error) {
	for len(debts) > 0 {
		n := min(batch, len(debts))
		if closed, err := c.allClosed(ctx, debts[:n]); closed && !c.takesNothing(err) {
			for i := range debts[:n] {
				paid.close(&debts[i])
			}
			debts = debts[n:]
			continue
		}
		results := make([]session.Result, n)
		err := c.settle(ctx, payWait, logins{
			debt: func(i int) (session.Debt, bool) { return debts[i], true },
			of:   results,
			file: c.seen,
		})
		if c.takesNothing(err) || err != nil {
			return Payment{}, err
		}
		for i, r := range results {
			switch r.Logout {
			case session.Appended:
			case session.LogoutOwed:
				debts[i].Of = r.Login
				paid.Waiting = append(paid.Waiting, debts[i])
			default:
				paid.close(&debts[i])
			}
		}
		debts = debts[n:]
	}
	return paid, nil
}

// allClosed reports whether no login of these is open, so that no lock is needed: that is
// so for every session whose owner has cleaned up.
func (c *Cleaner) allClosed(ctx context.Context, debts []session.Debt) (bool, error) {
	var closed bool
	var err error
	if hangs := c.callLog(0, func() { closed, err = c.findClosed(ctx, debts) }); hangs != nil {
		return false, hangs
	}
	return closed, err
}

func (c *Cleaner) findClosed(ctx context.Context, debts []session.Debt) (bool, error) {
	open, err := c.opts.Log.Read(ctx)
	if err != nil {
		return false, err
	}
	for _, d := range debts {
		if logout, _ := judge(open, d); logout == session.Appended || logout == session.LogoutOwed {
			return false, nil
		}
	}
	return true, nil
}

// logins are the logins of sessions that have ended, to be closed in the log.
type logins struct {
	debt func(i int) (d session.Debt, wanted bool)
	of   []session.Result // Logout and Login are set
	file *seen            // used by one call on the log's desk at a time
}

// settle appends the logouts of sessions. Where a login is another session's while its
// process lives, it appends none: the result is LogoutOwed, with that login. If the log
// does not answer, l stays as it is. What is appended later all the same is closed for
// whoever looks then.
func (c *Cleaner) settle(ctx context.Context, wait time.Duration, l logins) error {
	own := logins{l.debt, slices.Clone(l.of), l.file}
	var err error
	if hangs := c.callLog(2*wait, func() { err = c.settleAll(ctx, wait, own) }); hangs != nil {
		return hangs
	}
	copy(l.of, own.of)
	return err
}

// settleAll is settle, for as long as the log takes.
func (c *Cleaner) settleAll(ctx context.Context, wait time.Duration, l logins) error {
	doubts, wrote := false, make([]bool, len(l.of))
	err := c.append(ctx, wait, func(open *openlogins.Logins) []utmpx.Record {
		var chosen logouts
		for i := range l.of {
			if d, wanted := l.debt(i); wanted {
				n := len(chosen.recs)
				l.of[i].Logout, l.of[i].Login = chosen.add(open, d)
				doubts = doubts || l.of[i].Logout == session.LogoutOwed
				wrote[i] = len(chosen.recs) > n
			}
		}
		return chosen.recs
	})
	if err == nil && doubts {
		err = c.settleDoubts(ctx, wait, l)
	}
	for i := range l.of {
		if wrote[i] && l.of[i].Logout == session.Closed { // a second one was not its own
			l.of[i].Logout = session.Appended
		}
	}
	return err
}

// settleDoubts appends the logouts of the logins in doubt that nothing speaks against.
func (c *Cleaner) settleDoubts(ctx context.Context, wait time.Duration, l logins) error {
	if !c.confirm(l) {
		return nil
	}
	return c.append(ctx, wait, func(open *openlogins.Logins) []utmpx.Record {
		var chosen logouts
		for i := range l.of {
			if login := l.of[i].Login; login.Line != "" && l.of[i].Logout == session.Appended {
				d, _ := l.debt(i)
				l.of[i].Logout, l.of[i].Login = chosen.addOf(open, d, login), session.Login{}
			}
		}
		return chosen.recs
	})
}

// confirm looks for what speaks against each login in doubt: a record that fits it as
// well, a living process with its pid. It reports whether nothing does for some; their
// Logout is Appended then. It holds no lock.
func (c *Cleaner) confirm(l logins) (some bool) {
	err := l.file.read(c.opts.File)
	// A file that is missing, or shorter than a record, holds none.
	unread := l.file.snap == nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, recfile.ErrTorn)
	for i := range l.of {
		if l.of[i].Logout != session.LogoutOwed {
			continue
		}
		login := l.of[i].Login
		d, _ := l.debt(i)
		switch {
		case unread:
		case l.file.rivals(d, login), c.half(d, login):
			l.of[i].Logout, l.of[i].Login = session.Closed, session.Login{}
		case login == d.Of, login.PID <= 0, c.opts.Gone(login.PID):
			l.of[i].Logout, some = session.Appended, true
		}
	}
	return some
}

// half reports whether a login on another line than that of d is one of [Options].Half.
func (c *Cleaner) half(d session.Debt, login session.Login) bool {
	return c.opts.Half != nil && login.Line != d.Login.Line && login != d.Of && c.opts.Half(login)
}

// follows reports whether the record r took the place of the login's own record o, and names
// that process as the leader of its session: both are of one session, as a display manager's
// script records it first. Whether that process lives is asked next.
func follows(r, o utmpx.Record, login session.Login) bool {
	return o.PID == login.PID && o.Line == r.Line && r.Session != 0 && r.Session == int64(login.PID)
}

// logouts are the logouts to append under one lock, at most one for each line.
type logouts struct {
	recs  []utmpx.Record
	lines map[string]bool
}

// add adds the logout of a session, if its login is open and no other record of
// the same login has added it. The logout of a login in doubt waits, and so does that of a
// second login of the session's process on another line.
func (l *logouts) add(open *openlogins.Logins, d session.Debt) (session.Logout, session.Login) {
	logout, doubt := judge(open, d)
	if logout != session.Appended {
		return logout, doubt
	}
	if logout = l.addRecord(Logout(d)); d.Of.Line == "" && !d.Alone {
		if second, ok := elsewhere(open, d); ok {
			return session.LogoutOwed, second
		}
	}
	return logout, doubt
}

// addOf adds the logout of a session whose login is known, if that is still open.
func (l *logouts) addOf(open *openlogins.Logins, d session.Debt, login session.Login) session.Logout {
	if !isOpen(open, login) {
		return session.Closed
	}
	r := Logout(d)
	r.Line = login.Line
	return l.addRecord(r)
}

func (l *logouts) addRecord(r utmpx.Record) session.Logout {
	if l.lines[r.Line] {
		return session.Closed
	}
	if l.lines == nil {
		l.lines = map[string]bool{}
	}
	l.lines[r.Line] = true
	l.recs = append(l.recs, r)
	return session.Appended
}

// append appends the records that choose returns. It waits for the log's lock no
// longer than wait. In a dry run it only calls choose.
func (c *Cleaner) append(ctx context.Context, wait time.Duration, choose func(*openlogins.Logins) []utmpx.Record) error {
	if c.opts.DryRun {
		logins, err := c.opts.Log.Read(ctx)
		if err == nil {
			choose(logins)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return c.opts.Log.Append(ctx, func(logins *openlogins.Logins) []utmpx.Record {
		recs := choose(logins)
		if len(recs) > 0 {
			c.wroteLog.Store(true)
		}
		return recs
	})
}
