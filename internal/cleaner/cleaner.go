// SPDX-License-Identifier: BSD-2-Clause

// Package cleaner cleans the records that the table orders to be cleaned, and
// reports the outcome of each.
//
// It never holds two locks at once, and writes in an order that makes a crash
// harmless. Under a lock of the utmpx file it compares the record. Under a lock of
// the wtmpx file it appends the logout, if the login is open there. Under a lock
// of the utmpx file it compares the record again and writes it. If utmpd is killed
// in between, it finds the record again at its next start. The login is closed
// then, and is not closed twice.
package cleaner

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// batch is how many records are cleaned under one lock.
	batch = 256
	// utmpxWait and wtmpxWait are how long a batch waits for a lock before it
	// fails. The next attempt takes over the place in the kernel's queue.
	utmpxWait = 5 * time.Second
	wtmpxWait = 3 * time.Second
	// payWait is how long owed logouts wait. It is short, because orders to clean
	// wait for them, and need the log's lock no more.
	payWait = 200 * time.Millisecond
)

// File is the utmpx file: a [recfile.File].
type File interface {
	Compare(ctx context.Context, gen snapshot.Generation, want []recfile.Swap) ([]bool, error)
	Swap(ctx context.Context, gen snapshot.Generation, swaps []recfile.Swap) ([]bool, error)
	Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error)
	Sync() error
}

// Log is the wtmpx log: an [openlogins.Log].
type Log interface {
	Append(ctx context.Context, choose func(*openlogins.Logins) []utmpx.Record) error
	Read(ctx context.Context) (*openlogins.Logins, error)
	Sync() error
}

// Options configure a Cleaner. All but DryRun, Opened, Half and Hangs are required.
type Options struct {
	File   File
	Log    Log
	Gone   func(pid int32) bool // no living process has that pid
	Opened func(OpenLogins)     // called in Run's goroutine; may block; nil: nobody wants to know
	DryRun bool                 // judge, but write nothing
	// Half reports whether a login is that of a terminal whose record is still to be written,
	// or was not: it is no second login of a session on another line. nil: none is.
	Half func(session.Login) bool
	// Hangs is told that a file, "utmpx" or "wtmpx", has not answered since then, and,
	// with a zero time, that it has. Run's goroutine calls it.
	Hangs  func(file string, since time.Time, until string)
	Logger *slog.Logger
}

// OpenLogins are logins that are open in the wtmpx file, the oldest first.
type OpenLogins struct {
	Logins []session.OpenLogin
	All    bool // all that are open, else those that have come since
}

// Cleaner cleans in the goroutine of [Cleaner.Run]. Make one with [New].
type Cleaner struct {
	opts Options
	wake chan struct{}

	mu    sync.Mutex
	queue []order
	look  bool // Look was called

	told  *openlogins.Logins // of which Opened has had the first logins,
	nTold uint64             // so many

	seen       *seen          // of the orders that are carried out
	file, log  desk           // all calls on the two files but for their syncs
	fileSync   desk           // those have desks of their own: on ext4 an append takes microseconds
	logSync    desk           // beside a sync, which takes milliseconds
	hanging    map[string]int // how many desks of a file hang
	wroteLog   atomic.Bool    // and not yet synced
	wroteFile  bool           // likewise
	syncFailed syncFailure
	refused    atomic.Bool // the log took no records the last time
}

// order is one call of Clean or Pay.
type order struct {
	jobs  []session.Job
	done  func([]session.Result)
	debts []session.Debt
	paid  func(Payment, error)
}

// Payment is what became of owed logouts. The others were written.
type Payment struct {
	Waiting []session.Debt // these wait for the process that the open login names, Of
	Closed  int            // of so many the login was not open
	Told    int            // of these, those that the log has called owed
}

// close counts a logout whose login is not open.
func (p *Payment) close(d *session.Debt) {
	p.Closed++
	if d.Told() {
		p.Told++
	}
}

// New returns a Cleaner that does nothing until [Cleaner.Run].
func New(opts Options) *Cleaner {
	c := &Cleaner{opts: opts, wake: make(chan struct{}, 1), hanging: map[string]int{}, seen: &seen{}}
	c.file.tell = func(since time.Time) {
		c.hangs("utmpx", since, "no record is marked until it does")
	}
	c.log.tell = func(since time.Time) {
		c.hangs("wtmpx", since, "records are marked without it, their logouts are written later")
	}
	c.file.stays, c.log.back = true, c.signal
	c.fileSync, c.logSync = c.file, c.log
	return c
}

// hangs passes on that a file does not answer, and that it does again: its calls and its sync.
func (c *Cleaner) hangs(file string, since time.Time, until string) {
	before := c.hanging[file]
	if c.hanging[file]++; since.IsZero() {
		c.hanging[file] -= 2
	}
	if c.opts.Hangs != nil && (before == 0 || c.hanging[file] == 0) {
		c.opts.Hangs(file, since, until)
	}
}

// Clean orders jobs. Run calls done with their results, in the same order. Clean
// does not block. The table bounds the queue: it orders no record again before it
// has the result.
func (c *Cleaner) Clean(jobs []session.Job, done func([]session.Result)) {
	c.enqueue(order{jobs: jobs, done: done})
}

// Pay orders owed logouts to be appended, each if its login is still open. Run
// calls paid with what became of them, or with the first error; then all are still owed, or none if it satisfies
// [recfile.TakesNothing]. Run writes to debts.
func (c *Cleaner) Pay(debts []session.Debt, paid func(Payment, error)) {
	c.enqueue(order{debts: debts, paid: paid})
}

// Look has Run read what was appended to the log, and tell which logins are open that
// were not told yet. It does not block. It costs a look at the file if nothing was.
func (c *Cleaner) Look() {
	c.mu.Lock()
	c.look = true
	c.mu.Unlock()
	c.signal()
}

func (c *Cleaner) enqueue(o order) {
	c.mu.Lock()
	c.queue = append(c.queue, o)
	c.mu.Unlock()
	c.signal()
}

func (c *Cleaner) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run carries out orders until ctx ends, which also ends a wait for a lock. It
// syncs what it wrote before it returns. A log that does not answer delays it by some
// seconds, a utmpx file that does not without limit.
func (c *Cleaner) Run(ctx context.Context) {
	defer c.finish()
	// Read the log's history now, so that the first death does not wait for it.
	c.tell(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		orders, look := c.take()
		c.carryOut(ctx, orders)
		if look {
			c.tell(ctx)
		}
	}
}

// take empties the queue and returns its orders.
func (c *Cleaner) take() (orders []order, look bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	orders, look = c.queue, c.look
	c.queue, c.look = nil, false
	return orders, look
}

// tell tells which logins are open that were not told yet. A log that cannot be read is
// read again at the next look, and one that does not answer when it does.
func (c *Cleaner) tell(ctx context.Context) {
	if c.log.busy() || c.logSync.long() {
		c.mu.Lock()
		c.look = true
		c.mu.Unlock()
		return
	}
	var open *openlogins.Logins
	var err error
	if hung := c.callLog(0, func() { open, err = c.opts.Log.Read(ctx) }); hung != nil || err != nil || c.opts.Opened == nil {
		return
	}
	all := open != c.told // the log was read from its start, as after a rotation
	if all {
		c.told, c.nTold = open, 0
	}
	var logins []session.OpenLogin
	if logins, c.nTold = open.Since(c.nTold); len(logins) > 0 {
		c.opts.Opened(OpenLogins{Logins: logins, All: all})
	}
}

// carryOut cleans for all orders together. Many sessions that ended while the last
// order was carried out then cost as many locks and syncs as one.
func (c *Cleaner) carryOut(ctx context.Context, orders []order) {
	defer func() { c.seen = &seen{} }() // another one: a call that hangs may still use it
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

// sync begins to make durable what was written. It holds no lock, and delays nothing. What is
// written while a file is being synced is synced after that, all together: Run comes here
// again once it is back.
func (c *Cleaner) sync() {
	c.log.free() // which tells that it answers again
	if c.logSync.free() && c.wroteLog.Swap(false) {
		c.logSync.begin(func() { c.synced("wtmpx", c.opts.Log.Sync()) }, c.signal)
	}
	if c.fileSync.free() && c.wroteFile {
		c.wroteFile = false
		c.fileSync.begin(func() { c.synced("utmpx", c.opts.File.Sync()) }, c.signal)
	}
}

// finish syncs, and waits for that and for a call on the log that is out: finishPatience for
// all, but for the utmpx file without limit.
func (c *Cleaner) finish() {
	limit := make(chan time.Time)
	timer := time.AfterFunc(finishPatience, func() { close(limit) })
	defer timer.Stop()
	for range 2 { // what was written while a sync was out needs another one
		c.sync()
		_ = c.log.wait(limit)
		if err := c.logSync.wait(limit); err != nil {
			c.synced("wtmpx", err)
		}
		_ = c.fileSync.wait(limit)
	}
}

// callLog has a call on the log carried out, as desk.call does. callFile does so on the utmpx
// file.
func (c *Cleaner) callLog(wait time.Duration, f func()) error {
	if err := c.logSync.beside(wait); err != nil {
		return err
	}
	return c.log.call(wait, f)
}

func (c *Cleaner) callFile(wait time.Duration, f func()) {
	_ = c.fileSync.beside(wait)
	_ = c.file.call(wait, f)
}

// syncFailure is the files that were not synced the last time.
type syncFailure struct {
	mu    sync.Mutex
	files map[string]bool
}

// synced logs the first of several failures to sync a file.
func (c *Cleaner) synced(file string, err error) {
	f := &c.syncFailed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		f.files = map[string]bool{}
	}
	if err != nil && !f.files[file] {
		c.opts.Logger.Warn("cannot sync the written records to disk", "error", err)
	}
	f.files[file] = err != nil
}
