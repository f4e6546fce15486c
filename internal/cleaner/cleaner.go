// SPDX-License-Identifier: BSD-2-Clause

// Package cleaner carries out the table's orders to clean, and reports what
// became of each.
//
// The order of writing is what makes a crash harmless, with no two locks ever
// held together: under the utmpx lock the record is compared; under the wtmpx
// lock the logout is appended, if the login stands open there; under the utmpx
// lock the record is compared again and written. Killed in between, utmpd finds
// the record at its next start, and the login closed, and does not close it twice.
package cleaner

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// batch is how many records are cleaned together: what is held under one lock.
	batch = 256
	// utmpxWait and wtmpxWait are how long a lock is waited for before the
	// table is told. The wait goes on where it was at the next attempt.
	utmpxWait = 5 * time.Second
	wtmpxWait = 3 * time.Second
	// payWait is the same for logouts that are owed. Nothing but they need the
	// log's lock by then, so nothing else should wait for it.
	payWait = 200 * time.Millisecond
)

// File is the utmpx file: a recfile.File.
type File interface {
	Compare(ctx context.Context, gen snapshot.Generation, want []recfile.Swap) ([]bool, error)
	Swap(ctx context.Context, gen snapshot.Generation, swaps []recfile.Swap) ([]bool, error)
	Sync() error
}

// Log is the wtmpx log: an [openlogins.Log].
type Log interface {
	Append(ctx context.Context, choose func(*openlogins.Logins) []utmpx.Record) error
	Read(ctx context.Context) (*openlogins.Logins, error)
	Sync() error
}

// Options are a Cleaner's settings; all but DryRun must be set.
type Options struct {
	File   File
	Log    Log
	DryRun bool // judge, and write nothing
	Logger *slog.Logger
}

// Cleaner cleans. Make one with [New].
type Cleaner struct {
	opts Options
	wake chan struct{}

	mu    sync.Mutex
	queue []order

	wroteFile, wroteLog bool // and not synced yet
	syncBad             bool
}

// order is what Clean or Pay was called with.
type order struct {
	jobs  []session.Job
	done  func([]session.Result)
	debts []session.Debt
	paid  func(error)
}

// New returns a Cleaner that does nothing until [Cleaner.Run].
func New(opts Options) *Cleaner {
	return &Cleaner{opts: opts, wake: make(chan struct{}, 1)}
}

// Clean orders jobs to be done, and calls done with a result for each, in their
// order, from the goroutine of Run. It does not block. The queue is bounded by
// the table, which orders no record again before its result.
func (c *Cleaner) Clean(jobs []session.Job, done func([]session.Result)) {
	c.enqueue(order{jobs: jobs, done: done})
}

// Pay orders logouts to be written, each if its login still stands open. paid is
// called with nil if all were taken care of, and with the error if one was not.
func (c *Cleaner) Pay(debts []session.Debt, paid func(error)) {
	c.enqueue(order{debts: debts, paid: paid})
}

func (c *Cleaner) enqueue(o order) {
	c.mu.Lock()
	c.queue = append(c.queue, o)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run carries out orders until ctx ends; a wait for a lock ends with it. What
// was written is synced before it returns.
func (c *Cleaner) Run(ctx context.Context) {
	defer c.sync()
	// The log's history is read now, so that the first death does not wait for it.
	_, _ = c.opts.Log.Read(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		c.carryOut(ctx, c.take())
	}
}

// take returns the orders that have come.
func (c *Cleaner) take() []order {
	c.mu.Lock()
	defer c.mu.Unlock()
	orders := c.queue
	c.queue = nil
	return orders
}

// carryOut cleans for all orders together, so that what died while the last
// ones were synced costs as many locks and syncs as one.
func (c *Cleaner) carryOut(ctx context.Context, orders []order) {
	var jobs []session.Job
	for _, o := range orders {
		if jobs == nil {
			jobs = o.jobs[:len(o.jobs):len(o.jobs)]
			continue
		}
		jobs = append(jobs, o.jobs...)
	}
	results := c.clean(ctx, jobs)
	for i := range results {
		results[i].Job = jobs[i]
	}
	for _, o := range orders {
		if o.done != nil {
			o.done(results[:len(o.jobs):len(o.jobs)])
			results = results[len(o.jobs):]
		}
		if o.paid != nil {
			o.paid(c.pay(ctx, o.debts))
		}
	}
	c.sync()
}

// clean does the jobs in batches of one file and one kind. A lock that one of
// them waited for in vain is not waited for again by the next: the table is to
// hear of it in time.
func (c *Cleaner) clean(ctx context.Context, jobs []session.Job) []session.Result {
	results := make([]session.Result, len(jobs))
	var held held
	for first := 0; first < len(jobs); {
		n := first + 1
		for n < len(jobs) && n-first < batch && jobs[n].Generation == jobs[first].Generation && jobs[n].SkipLog == jobs[first].SkipLog {
			n++
		}
		if !held.fail(jobs[first], results[first:n]) {
			c.cleanBatch(ctx, jobs[first:n], results[first:n])
			held.note(results[first:n])
		}
		first = n
	}
	return results
}

// held is what became of jobs whose lock was not to be had, on either file.
type held struct{ file, log session.Result }

// note remembers it of a batch.
func (h *held) note(results []session.Result) {
	for _, r := range results {
		switch {
		case !errors.Is(r.Err, sysfile.ErrLocked):
		case r.Outcome == session.Busy:
			h.file = r
		case r.Outcome == session.LogFailed:
			h.log = r
		}
	}
}

// fail gives the results of a batch that begins with job and would wait for the
// same lock. It reports whether there is one.
func (h *held) fail(job session.Job, results []session.Result) bool {
	r := h.file
	if r.Err == nil && !job.SkipLog {
		r = h.log
	}
	for i := range results {
		results[i] = r
	}
	return r.Err != nil
}

func (c *Cleaner) cleanBatch(ctx context.Context, jobs []session.Job, results []session.Result) {
	gen := jobs[0].Generation
	swaps := make([]recfile.Swap, len(jobs))
	for i, j := range jobs {
		swaps[i] = recfile.Swap{Slot: j.Slot, Old: j.Record, New: Dead(j.Record, j.End, j.Status.Exit())}
	}
	still, err := c.locked(ctx, func(ctx context.Context) ([]bool, error) { return c.opts.File.Compare(ctx, gen, swaps) })
	if err != nil {
		fail(results, err)
		return
	}
	if err := c.logouts(ctx, jobs, still, results); err != nil {
		for i := range results {
			results[i] = session.Result{Outcome: session.LogFailed, Err: err}
			if !still[i] {
				results[i] = session.Result{Outcome: session.Changed}
			}
		}
		return
	}
	if c.opts.DryRun {
		settle(results, still, still, session.DryRun)
		return
	}
	written, err := c.locked(ctx, func(ctx context.Context) ([]bool, error) {
		return c.opts.File.Swap(ctx, gen, pick(swaps, still))
	})
	c.wroteFile = true
	settle(results, still, spread(written, still), session.Done)
	if err != nil {
		failRest(results, spread(written, still), still, err)
	}
}

// locked gives f a bounded time to wait for the utmpx lock.
func (c *Cleaner) locked(ctx context.Context, f func(context.Context) ([]bool, error)) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, utmpxWait)
	defer cancel()
	return f(ctx)
}

// logouts closes in the log the logins that stand open there, of the jobs whose
// record still stands. A missing log is skipped, as libc does.
func (c *Cleaner) logouts(ctx context.Context, jobs []session.Job, still []bool, results []session.Result) error {
	if jobs[0].SkipLog {
		for i := range results {
			results[i].Logout = session.LogoutOwed
		}
		return nil
	}
	choose := func(logins *openlogins.Logins) []utmpx.Record {
		var recs []utmpx.Record
		chosen := map[string]bool{}
		for i, j := range jobs {
			if !still[i] {
				continue
			}
			results[i].Logout = judge(logins, j.Record, j.End)
			if results[i].Logout != session.Appended {
				continue
			}
			if chosen[j.Record.Line] { // by another record of the same login
				results[i].Logout = session.Closed
				continue
			}
			chosen[j.Record.Line] = true
			recs = append(recs, Dead(j.Record, j.End, j.Status.Exit()))
		}
		return recs
	}
	err := c.append(ctx, wtmpxWait, choose)
	if errors.Is(err, fs.ErrNotExist) {
		for i := range results {
			results[i].Logout = session.NoLogout
		}
		return nil
	}
	return err
}

// append waits no longer than that for the log's lock.
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
		c.wroteLog = c.wroteLog || len(recs) > 0
		return recs
	})
}

// pay writes the logouts owed, as many batches as it takes.
func (c *Cleaner) pay(ctx context.Context, debts []session.Debt) error {
	for len(debts) > 0 {
		n := min(batch, len(debts))
		err := c.append(ctx, payWait, func(logins *openlogins.Logins) []utmpx.Record {
			var recs []utmpx.Record
			chosen := map[string]bool{}
			for _, d := range debts[:n] {
				if judge(logins, d.Login, d.End) == session.Appended && !chosen[d.Login.Line] {
					chosen[d.Login.Line] = true
					recs = append(recs, Dead(d.Login, d.End, d.Status.Exit()))
				}
			}
			return recs
		})
		// A log that is missing may be on its way, as in a rotation.
		if err != nil {
			return err
		}
		debts = debts[n:]
	}
	return nil
}

// sync makes durable what was written, with no lock held.
func (c *Cleaner) sync() {
	var errs []error
	if c.wroteLog {
		errs = append(errs, c.opts.Log.Sync())
	}
	if c.wroteFile {
		errs = append(errs, c.opts.File.Sync())
	}
	c.wroteLog, c.wroteFile = false, false
	err := errors.Join(errs...)
	if err != nil && !c.syncBad {
		c.opts.Logger.Warn("cannot sync the written records to disk", "error", err)
	}
	c.syncBad = err != nil
}
