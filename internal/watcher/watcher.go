// SPDX-License-Identifier: BSD-2-Clause

// Package watcher reports the ends of processes. It takes orders (watch this
// pid, forget it, gather what is known of this session), carries them out
// in its own goroutine, and answers with events. Giving an order never blocks.
package watcher

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

// pollPeriod is the time between two looks at the processes without a pidfd.
const pollPeriod = time.Second

// pollLate is the time between two looks that shows that utmpd did not run meanwhile.
const pollLate = 3 * pollPeriod

// someTime is when a process was last known to be alive of which nothing else is known.
var someTime = time.Unix(0, 1)

// Op is the kind of an order.
type Op uint8

const (
	// Watch watches the process that has PID now. The answer is Alive or
	// Gone. If that process is watched already, the answer has the same Token
	// as before. If the process watched under PID has ended, its Exited
	// precedes the answer.
	Watch Op = iota + 1

	// Forget stops watching the process of Token. There is no answer, and no
	// further event has that Token.
	Forget

	// Look looks who leads the lines of records just seen. The answer is Looked.
	Look

	// Gather gathers evidence about sessions. The answer is Gathered, one for all that
	// wait together. It comes after the answers to the other orders that wait then.
	Gather

	// Check looks which terminals are gone. The answer is Checked.
	Check

	// Release lets go of terminals. There is no answer.
	Release
)

// Order is one order to a Watcher.
type Order struct {
	Op        Op
	PID       int32              // for Watch
	Token     session.Token      // for Forget
	Questions []session.Question // for Gather; the Watcher does not write to them
	Sights    []session.Sight    // for Look, likewise
	Terminals []uint64           // for Check and Release, likewise: the Keys of their Sights
}

// Kind is the kind of an event.
type Kind uint8

const (
	// Alive: the process ID has PID and is alive. If Token is not 0, it is
	// watched. If Token is 0, the limit is reached or no descriptor is left,
	// and its end will not be reported.
	Alive Kind = iota + 1

	// Gone: no process has PID, or only a zombie, whose Status is then set if
	// it is known.
	Gone

	// Exited: the process of Token has ended. Its Status is set if the kernel
	// reported it. If Reaped is false, a Reaped may follow.
	Exited

	// Reaped: the parent of the process has waited for it. The Status is
	// final. It is the last event with that Token. There is none before
	// Linux 6.9.
	Reaped

	// Looked is the answer to Look.
	Looked

	// Gathered is the answer to Gather.
	Gathered

	// Checked is the answer to Check.
	Checked
)

// Event is what a Watcher reports.
type Event struct {
	Kind      Kind
	PID       int32
	Token     session.Token // 0 if the process is not and was not watched
	ID        session.ID
	Unsure    bool // of Alive: no more is known than that the pid is in use
	Reaped    bool // of Exited: no Reaped follows
	Status    session.Status
	At        time.Time          // when it was seen, by Options.Now
	Since     time.Time          // of Exited: zero if it came at At; else it came after this, and utmpd did not run
	Hidden    bool               // of Exited with Since: or it did, and /proc hid the process meanwhile
	Evidence  []session.Evidence // of Gathered: one for each question
	Sightings []session.Sighting // of Looked, likewise
	Nobody    session.Nobody     // of Alive: why the process is nobody's session
	Terminals []uint64           // of Checked: those that were looked at
	Gone      []uint64           // of Checked: those of them that are gone
}

// Options configure a Watcher.
type Options struct {
	Kernel Kernel           // System() if nil
	Limit  int              // how many processes and terminals to watch at most; each costs a descriptor
	Emit   func([]Event)    // required; see New
	Log    *slog.Logger     // discards if nil
	Now    func() time.Time // the wall clock; time.Now if nil
}

// Watcher watches processes. Its methods are safe for concurrent use.
type Watcher struct {
	kernel Kernel
	emit   func([]Event)
	log    *slog.Logger
	now    func() time.Time
	wake   chan struct{} // signals orders; has a buffer of one
	died   chan struct{} // signals ends; has a buffer of one
	poller Poller        // nil without pidfds

	mu     sync.Mutex
	orders []Order
	ends   []ends // not handled yet; each process ends once and is reaped once
	closed bool
	stats  stats

	began time.Time    // by the monotonic clock, too
	busy  atomic.Int64 // since how many ns after began Run's goroutine is at work; 0 if it waits

	loop // only Run's goroutine uses it
}

type stats struct {
	limit   int
	watched int
	backend string
}

// New returns a Watcher. It does nothing until Run is called, and holds one
// descriptor, which Run closes.
//
// Run's goroutine calls Emit with events in the order in which they were seen,
// about a thousand at a time at most. Emit may keep the slice. While it blocks,
// no order is carried out.
func New(options Options) *Watcher {
	w := &Watcher{
		kernel: options.Kernel,
		emit:   options.Emit,
		log:    options.Log,
		now:    options.Now,
		began:  time.Now(),
		wake:   make(chan struct{}, 1),
		died:   make(chan struct{}, 1),
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

// Do adds orders to the queue. They are carried out one after another. Do does
// not block: the queue has no limit. After Run has returned, Do drops them.
func (w *Watcher) Do(orders []Order) {
	w.mu.Lock()
	if !w.closed {
		w.orders = append(w.orders, orders...)
	}
	w.mu.Unlock()
	signal(w.wake)
}

// signal makes the next receive from c succeed. c has a buffer of one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SetLimit changes how many processes and terminals to watch at most. Those that are
// watched already stay watched.
func (w *Watcher) SetLimit(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.limit = n
}

// Stats returns how many living processes are watched, and by which backend:
// "pidfd", or "polling" without pidfds. Polling sees an end up to a second late.
func (w *Watcher) Stats() (watched int, backend string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats.watched, w.stats.backend
}

// Run carries out orders and emits events until ctx ends. It then reports the ends that
// came before, closes every descriptor and returns nil. After an error nothing is watched any more. Run
// must be called only once.
func (w *Watcher) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	var waiter sync.WaitGroup
	done := make(chan struct{})
	if w.poller != nil {
		waiter.Go(func() { failed <- w.wait(done) })
	}
	defer func() {
		w.stop()
		close(done)
		waiter.Wait()
		w.lastEnds()
		w.closeAll()
	}()
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-w.died:
			w.begin()
			w.ended()
		case <-w.wake:
			w.begin()
			w.carryOut(w.takeOrders())
		case <-w.tick(ticker):
			w.begin()
			w.poll()
		}
		w.holdWaiting()
		w.flush()
		w.busy.Store(0)
	}
}

func (w *Watcher) begin() { w.busy.Store(max(1, int64(time.Since(w.began)))) }

// Busy returns since when the Watcher has been at work without a pause: zero if it waits for
// orders and ends. What takes long is the kernel, which does not answer.
func (w *Watcher) Busy() time.Time {
	if since := w.busy.Load(); since != 0 {
		return w.began.Add(time.Duration(since))
	}
	return time.Time{}
}

// ends is the result of one Wait and when it returned.
type ends struct {
	ends []proc.End
	at   time.Time
}

// gather is the least time between two batches of ends while many processes
// end. Handling a batch costs much more than one more end in it does.
const gather = time.Millisecond

// wait queues ends until the poller or done is closed. It never waits for Run's
// goroutine: an end has the time at which it came, even while evidence is
// gathered. While the poller fails, it retries; the poller then reports the ends
// in between.
func (w *Watcher) wait(done <-chan struct{}) error {
	failing := false
	var last time.Time
	near := 0 // batches in a row, each at most gather after the one before
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
		w.mu.Lock()
		w.ends = append(w.ends, ends{batch, w.now()})
		w.mu.Unlock()
		signal(w.died)
		if near++; time.Since(last) > gather {
			near = 0
		}
		last = time.Now()
		if near < 2 { // two batches are usual: the end of a process, then its reaping
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

func (w *Watcher) takeEnds() []ends {
	w.mu.Lock()
	defer w.mu.Unlock()
	ends := w.ends
	w.ends = nil
	return ends
}

// stop drops the orders and closes the poller.
func (w *Watcher) stop() {
	w.mu.Lock()
	w.closed, w.orders = true, nil
	w.stats.watched = 0
	w.mu.Unlock()
	if w.poller != nil {
		w.poller.Close()
	}
}

// lastEnds reports what has ended before Run does: whoever is not among them was alive.
func (w *Watcher) lastEnds() {
	w.ended()
	w.poll()
	w.flush()
}

// fallBack switches to polling and logs that once.
func (w *Watcher) fallBack(err error) {
	w.mu.Lock()
	first := w.stats.backend != "polling"
	w.stats.backend = "polling"
	w.mu.Unlock()
	if first {
		w.log.Warn("pidfds are not available, polling every process instead", "period", pollPeriod, "error", err)
	}
}

// isFull reports whether err means that no descriptor is left.
func isFull(err error) bool {
	for _, full := range fullErrors {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}
