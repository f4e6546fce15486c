// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"errors"
	"time"

	"utmpd.dev/utmpd/internal/proc"
)

// batchSize is how many events are emitted at once, at about the most.
const batchSize = 1024

// loop is what Run's goroutine alone knows.
type loop struct {
	last    Token
	byToken map[Token]*watched
	byPID   map[int32]*watched // those that live, as far as is known
	polled  int                // how many of them have no pidfd
	events  []Event            // not emitted yet
	full    bool               // the last attempt to watch found no descriptor left
}

// watched is a process with a Token, until it is forgotten or reaped.
type watched struct {
	token   Token
	process Process
	polled  bool // has no pidfd, and lives
	ended   bool
}

func (it *watched) id() proc.ID { return it.process.ID() }

func newLoop() loop {
	return loop{byToken: make(map[Token]*watched), byPID: make(map[int32]*watched)}
}

// backing is how the end of a process can be learnt.
type backing uint8

const (
	byPidfd backing = iota
	byPolling
	notAtAll // no descriptor left
)

func (w *Watcher) carryOut(orders []Order) {
	for _, order := range orders {
		switch order.Op {
		case Watch:
			w.look(order.PID, true)
		case Check:
			w.look(order.PID, false)
		case Forget:
			if it := w.byToken[order.Token]; it != nil {
				w.drop(it)
			}
		case FindLeaders:
			leaders, err := w.kernel.Leaders(order.Lines)
			w.add(Event{Kind: Leaders, Leaders: leaders, Err: err})
		}
		if len(w.events) >= batchSize {
			w.flush()
		}
	}
}

// look answers who lives under pid, and goes on watching it if keep is set and
// there is room.
func (w *Watcher) look(pid int32, keep bool) {
	if it := w.byPID[pid]; it != nil {
		ended, reaped := it.process.Ended()
		if !ended {
			w.add(Event{Kind: Alive, PID: pid, Token: it.token, ID: it.id(), Kept: true})
			return
		}
		w.exited(it, reaped, w.now())
	}
	process, backing, err := w.open(pid)
	switch {
	case errors.Is(err, proc.ErrGone):
		w.add(Event{Kind: Gone, PID: pid})
		return
	case err != nil: // what cannot be seen is not dead
		w.log.Warn("cannot look at a process", "pid", pid, "error", err)
		w.add(Event{Kind: Alive, PID: pid, ID: proc.ID{PID: pid}})
		return
	}
	if ended, _ := process.Ended(); ended {
		w.add(Event{Kind: Gone, PID: pid, ID: process.ID(), Status: process.Status()})
		w.closeProcess(process)
		return
	}
	if keep {
		if token, ok := w.keep(process, backing); ok {
			w.add(Event{Kind: Alive, PID: pid, Token: token, ID: process.ID(), Kept: true})
			return
		}
	}
	w.add(Event{Kind: Alive, PID: pid, ID: process.ID()})
	w.closeProcess(process)
}

// open finds the process that lives under pid, by a pidfd if that can be.
func (w *Watcher) open(pid int32) (Process, backing, error) {
	how := byPolling
	if w.poller != nil {
		process, err := w.kernel.Open(pid)
		switch {
		case err == nil:
			return process, byPidfd, nil
		case errors.Is(err, proc.ErrGone):
			return nil, 0, err
		case errors.Is(err, proc.ErrNoPidfd): // forbidden since the start
			w.fallBack(err)
		case isFull(err):
			w.noteFull(err)
			how = notAtAll
		default: // the number of a thread has no pidfd, yet it can be looked at
			w.log.Debug("no pidfd for this process", "pid", pid, "error", err)
		}
	}
	process, err := w.kernel.Find(pid)
	return process, how, err
}

// keep gives process a token and watches it, unless there is no room.
func (w *Watcher) keep(process Process, how backing) (Token, bool) {
	w.mu.Lock()
	limit := w.stats.limit
	w.mu.Unlock()
	if how == notAtAll || len(w.byToken) >= limit {
		return 0, false
	}
	token := w.last + 1
	if how == byPidfd {
		if err := w.poller.Add(process, uint64(token)); err != nil {
			w.noteFull(err)
			return 0, false
		}
		w.full = false
	}
	w.last = token
	it := &watched{token: token, process: process, polled: how == byPolling}
	w.byToken[token], w.byPID[it.id().PID] = it, it
	if it.polled {
		w.polled++
	}
	return token, true
}

// noteFull says that no descriptors are left, once until there are.
func (w *Watcher) noteFull(err error) {
	if !w.full {
		w.log.Warn("cannot watch more processes", "watched", len(w.byToken), "error", err)
	}
	w.full = true
}

// ended handles what the poller told. Tokens that it does not know were
// forgotten meanwhile.
func (w *Watcher) ended(batch ends) {
	for _, end := range batch.ends {
		it := w.byToken[Token(end.Key)]
		switch {
		case it == nil:
		case !it.ended:
			w.exited(it, end.Reaped, batch.at)
		case end.Reaped:
			w.add(Event{Kind: Reaped, PID: it.id().PID, Token: it.token, ID: it.id(),
				Status: it.process.Status(), At: batch.at})
			w.drop(it)
		}
	}
}

// exited tells that it has ended. The pidfd of a zombie stays, for the status
// that comes when it is reaped.
func (w *Watcher) exited(it *watched, reaped bool, at time.Time) {
	reaped = reaped || it.polled
	w.add(Event{Kind: Exited, PID: it.id().PID, Token: it.token, ID: it.id(),
		Reaped: reaped, Status: it.process.Status(), At: at})
	w.bury(it)
	if reaped {
		w.drop(it)
	}
}

// poll looks at the processes without a pidfd.
func (w *Watcher) poll() {
	for _, it := range w.byPID {
		if !it.polled {
			continue
		}
		if ended, reaped := it.process.Ended(); ended {
			w.exited(it, reaped, w.now())
		}
	}
}

// bury takes it out of those that live.
func (w *Watcher) bury(it *watched) {
	if it.ended {
		return
	}
	it.ended = true
	delete(w.byPID, it.id().PID)
	if it.polled {
		w.polled--
	}
}

// drop forgets it and closes its descriptor.
func (w *Watcher) drop(it *watched) {
	w.bury(it)
	delete(w.byToken, it.token)
	w.closeProcess(it.process)
}

func (w *Watcher) closeProcess(process Process) {
	if err := process.Close(); err != nil {
		w.log.Warn("cannot close a process", "error", err)
	}
}

func (w *Watcher) closeAll() {
	for _, it := range w.byToken {
		w.drop(it)
	}
}

// tick returns the ticker's channel while there is anything to poll.
func (w *Watcher) tick(ticker *time.Ticker) <-chan time.Time {
	if w.polled == 0 {
		return nil
	}
	return ticker.C
}

// add keeps an event for the next flush.
func (w *Watcher) add(event Event) {
	if event.At.IsZero() {
		event.At = w.now()
	}
	w.events = append(w.events, event)
}

// flush emits the events kept.
func (w *Watcher) flush() {
	w.mu.Lock()
	w.stats.watched = len(w.byPID)
	w.mu.Unlock()
	if len(w.events) == 0 {
		return
	}
	events := w.events
	w.events = nil
	w.emit(events)
}
