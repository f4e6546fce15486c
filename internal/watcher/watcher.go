// SPDX-License-Identifier: BSD-2-Clause

// Package watcher learns of the ends of processes. It carries out orders (watch
// this pid, forget it, who leads the session on this line) in a goroutine of
// its own and answers with events; no order makes its giver wait.
package watcher

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/proc"
)

// pollPeriod is how often processes without a pidfd are looked at.
const pollPeriod = time.Second

// Token names one watched process, not its pid, for the life of the Watcher. It
// is never used again; 0 is none.
type Token uint64

// Op is what an order asks for.
type Op uint8

const (
	// Watch asks who lives under PID now, and to keep watching it. The answer
	// is Alive, with the same Token as before if it is the process watched
	// already, or Gone. If the one watched under PID has ended, its Exited
	// comes before.
	Watch Op = iota + 1

	// Check asks the same, without watching.
	Check

	// Forget ends the watching of Token. There is no answer, and nothing more
	// is told of that Token.
	Forget

	// FindLeaders asks for the session leaders on Lines. The answer is
	// Leaders.
	FindLeaders
)

// Order is something for a Watcher to do.
type Order struct {
	Op    Op
	PID   int32    // of Watch and Check
	Token Token    // of Forget
	Lines []string // of FindLeaders, such as pts/3; the Watcher does not write to it
}

// Kind is what an event tells.
type Kind uint8

const (
	// Alive tells that the process ID lives under PID. If Kept, it is watched
	// as Token from here on; if not, it was there just now, and its end will
	// not be told: the limit is reached, or it was a Check.
	Alive Kind = iota + 1

	// Gone tells that no process lives under PID. A zombie is gone; Status
	// tells how it ended, if that is known.
	Gone

	// Exited tells that Token's process ended. Status is known if the kernel
	// told it; if not, and Reaped is false, a Reaped may follow.
	Exited

	// Reaped tells that the parent of Token's process has waited for it, and
	// the most of its Status that will ever be known. Nothing of Token
	// follows. Before Linux 6.9 it is never told.
	Reaped

	// Leaders answers FindLeaders.
	Leaders
)

// Event is something that a Watcher learnt.
type Event struct {
	Kind    Kind
	PID     int32
	Token   Token // 0 unless the process is, or was, watched
	ID      proc.ID
	Kept    bool // of Alive
	Reaped  bool // of Exited: no Reaped follows
	Status  proc.Status
	At      time.Time              // when it was seen
	Leaders map[string]proc.Leader // of Leaders: by line, one for each asked for
	Err     error                  // of Leaders: why a living leader may not be Found
}

// Options are what a Watcher is made with.
type Options struct {
	Kernel Kernel           // System() if nil
	Limit  int              // the most processes to watch, each of which costs a descriptor
	Emit   func([]Event)    // required
	Log    *slog.Logger     // none if nil
	Now    func() time.Time // the wall clock; time.Now if nil
}

// Watcher watches processes. Its methods may be called from any goroutine.
type Watcher struct {
	kernel Kernel
	emit   func([]Event)
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{} // holds one: there may be orders
	poller Poller        // nil where there are no pidfds

	mu     sync.Mutex
	orders []Order
	closed bool
	stats  stats

	loop // belongs to Run's goroutine
}

type stats struct {
	limit   int
	watched int
	backend string
}

// New returns a Watcher that does nothing until Run, which must be called to
// release what it holds: one descriptor.
//
// Emit is called in Run's goroutine with events in the order they were learnt,
// up to a thousand at a time, and keeps the slice. While it blocks, no order is
// carried out.
func New(options Options) *Watcher {
	w := &Watcher{
		kernel: options.Kernel,
		emit:   options.Emit,
		log:    options.Log,
		now:    options.Now,
		wake:   make(chan struct{}, 1),
		stats:  stats{limit: options.Limit, backend: "pidfd"},
		loop:   newLoop(),
	}
	if w.kernel == nil {
		w.kernel = System()
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.now == nil {
		w.now = time.Now
	}
	poller, err := w.kernel.NewPoller()
	if err != nil {
		w.fallBack(err)
		return w
	}
	w.poller = poller
	return w
}

// Do gives orders, to be carried out one after another. It does not block. The
// orders wait in memory; after Run has returned they are dropped.
func (w *Watcher) Do(orders []Order) {
	w.mu.Lock()
	if !w.closed {
		w.orders = append(w.orders, orders...)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// SetLimit changes the most processes to watch. Processes watched already stay
// so.
func (w *Watcher) SetLimit(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.limit = n
}

// Stats returns how many processes are watched, and how: "pidfd", or "polling"
// where there are none, in which case an end is seen up to a second late.
func (w *Watcher) Stats() (watched int, backend string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats.watched, w.stats.backend
}

// Run carries out orders and reports until ctx ends, then releases every
// descriptor and returns nil. Any other error leaves processes unwatched, for
// good. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	ends := make(chan ends)
	failed := make(chan error, 1)
	var waiter sync.WaitGroup
	done := make(chan struct{})
	if w.poller != nil {
		waiter.Go(func() { failed <- w.wait(ends, done) })
	}
	defer func() {
		w.close()
		close(done)
		waiter.Wait()
	}()
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case batch := <-ends:
			w.ended(batch)
		case <-w.wake:
			w.carryOut(w.takeOrders())
		case <-w.tick(ticker):
			w.poll()
		}
		w.flush()
	}
}

// ends are what one Wait returned, and when.
type ends struct {
	ends []proc.End
	at   time.Time
}

// gather is how far apart, at least, ends are passed on once they come thick and
// fast. What a batch sets going costs much more than one more end in it.
const gather = time.Millisecond

// wait passes on ends until the poller is closed, or done is. Ends that a failing
// poller does not tell of, it tells of once it works again.
func (w *Watcher) wait(to chan<- ends, done <-chan struct{}) error {
	failing := false
	var last time.Time
	near := 0 // batches in a row that came soon after one another
	for {
		batch, err := w.poller.Wait(nil)
		if errors.Is(err, os.ErrClosed) {
			return err
		}
		if err != nil && !failing {
			w.log.Error("cannot wait for processes, trying again", "period", pollPeriod, "error", err)
		}
		if failing = err != nil; failing {
			select {
			case <-time.After(pollPeriod):
			case <-done:
				return nil
			}
			continue
		}
		select {
		case to <- ends{batch, w.now()}:
		case <-done:
			return nil
		}
		if near++; time.Since(last) > gather {
			near = 0
		}
		last = time.Now()
		if near < 2 { // an end, and its reaping
			continue
		}
		select {
		case <-time.After(gather):
		case <-done:
			return nil
		}
	}
}

func (w *Watcher) takeOrders() []Order {
	w.mu.Lock()
	defer w.mu.Unlock()
	orders := w.orders
	w.orders = nil
	return orders
}

// close drops the orders and releases the descriptors.
func (w *Watcher) close() {
	w.mu.Lock()
	w.closed, w.orders = true, nil
	w.stats.watched = 0
	w.mu.Unlock()
	if w.poller != nil {
		w.poller.Close()
	}
	w.closeAll()
}

// fallBack says, once, that there are no pidfds.
func (w *Watcher) fallBack(err error) {
	w.mu.Lock()
	first := w.stats.backend != "polling"
	w.stats.backend = "polling"
	w.mu.Unlock()
	if first {
		w.log.Warn("no pidfds, looking at every process instead", "period", pollPeriod, "error", err)
	}
}

// isFull reports whether err says that no more descriptors are to be had.
func isFull(err error) bool {
	for _, full := range fullErrors {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}
