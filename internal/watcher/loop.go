// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"errors"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

// batchSize is about the largest number of events in one call of Emit.
const batchSize = 1024

// loop is the state of Run's goroutine.
type loop struct {
	last    session.Token
	byToken map[session.Token]*watched
	byPID   map[int32]*watched // those that have not ended; of several, the last
	living  int                // how many have not ended
	events  []Event            // not emitted yet
	polled  map[*watched]look  // those of them that have no pidfd
	full    bool               // the last attempt to watch found no descriptor left
	terminals
}

// look is what is known of a process without a pidfd.
type look struct {
	at     time.Time // when it was last surely alive
	unsure bool      // since then no more is known than that its pid is in use
}

// watched is a process with a Token. It exists until it is forgotten or reaped.
type watched struct {
	token   session.Token
	process Process
	polled  bool // has no pidfd
	ended   bool
}

func (it *watched) id() session.ID { return it.process.ID() }

func newLoop() loop {
	return loop{byToken: make(map[session.Token]*watched), byPID: make(map[int32]*watched), polled: make(map[*watched]look), terminals: newTerminals()}
}

// method is how the end of a process is found.
type method uint8

const (
	byPidfd method = iota
	byPolling
	notWatched // no descriptor left
)

// carryOut carries out orders in turn, but gathers evidence last, for all of them
// together: it takes one pass over /proc however much is asked, and newer evidence is
// better.
func (w *Watcher) carryOut(orders []Order) {
	gather, questions := false, []session.Question(nil)
	for _, order := range orders {
		switch order.Op {
		case Watch:
			w.watch(order.PID)
		case Forget:
			if it := w.byToken[order.Token]; it != nil {
				w.drop(it)
			}
		case Look:
			w.add(Event{Kind: Looked, Sightings: w.look(order.Sights)})
		case Gather:
			if gather = true; questions == nil {
				questions = slices.Clip(order.Questions)
				continue
			}
			questions = append(questions, order.Questions...)
		case Check:
			looked, gone := w.check(order.Terminals)
			w.add(Event{Kind: Checked, Terminals: looked, Gone: gone})
		case Release:
			w.release(order.Terminals)
		}
		if len(w.events) >= batchSize {
			w.flush()
		}
	}
	if gather {
		w.flush() // the other answers do not wait for it
		w.add(Event{Kind: Gathered, Evidence: w.gather(questions)})
	}
}

// watch carries out a Watch.
func (w *Watcher) watch(pid int32) {
	if it := w.byPID[pid]; it != nil {
		ended, reaped := it.process.Ended()
		if !ended && w.still(it) {
			w.add(Event{Kind: Alive, PID: pid, Token: it.token, ID: it.id(), Nobody: it.process.Nobody(), Unsure: it.process.Unsure()})
			return
		}
		if ended {
			w.endOfWatched(it, reaped)
		}
	}
	process, method, err := w.open(pid)
	switch {
	case errors.Is(err, proc.ErrGone):
		w.add(Event{Kind: Gone, PID: pid})
		return
	case err != nil: // its state is unknown: count it as alive
		w.log.Warn("cannot inspect a process, assuming that it is alive", "pid", pid, "error", err)
		w.add(Event{Kind: Alive, PID: pid, ID: session.ID{PID: pid}})
		return
	}
	if ended, _ := process.Ended(); ended {
		w.add(Event{Kind: Gone, PID: pid, ID: process.ID(), Status: process.Status()})
		w.closeProcess(process)
		return
	}
	token := w.keep(process, method)
	w.add(Event{Kind: Alive, PID: pid, Token: token, ID: process.ID(), Nobody: process.Nobody(), Unsure: process.Unsure()})
	if token == 0 {
		w.closeProcess(process)
	}
}

// still reports whether a living process that has the pid of a watched one is known to be
// that one, as far as that was ever known. Without a pidfd its start tells, unless /proc
// hides it: then it may be another, and must not be told to be the same.
func (w *Watcher) still(it *watched) bool {
	if !it.polled {
		return true
	}
	w.looked(it)
	return it.process.Unsure() == (it.id().Start == 0)
}

// endOfWatched reports the end of a process that a question has found.
func (w *Watcher) endOfWatched(it *watched, reaped bool) {
	if w.awaitEnd(it); !it.ended {
		since, hidden := w.sinceLook(it)
		w.exited(it, reaped, Event{Since: since, Hidden: hidden})
	}
}

// awaitEnd handles what the poller reports until that is the end of a process, which was
// seen to have ended. The poller knows when that was. It reports at once, but its
// goroutine may run later than this one.
func (w *Watcher) awaitEnd(it *watched) {
	if w.ended(); it.ended || it.polled {
		return
	}
	patience := time.NewTimer(pollPeriod)
	defer patience.Stop()
	for !it.ended {
		select {
		case <-w.died:
			w.ended()
		case <-patience.C:
			return
		}
	}
}

// open finds the process that has pid, with a pidfd if possible.
func (w *Watcher) open(pid int32) (Process, method, error) {
	how := byPolling
	if w.poller != nil {
		process, err := w.kernel.Open(pid)
		for isFull(err) && w.giveUpTerminal() {
			process, err = w.kernel.Open(pid)
		}
		switch {
		case err == nil:
			return process, byPidfd, nil
		case errors.Is(err, proc.ErrGone):
			return nil, 0, err
		case errors.Is(err, proc.ErrNoPidfd): // forbidden after the start
			w.fallBack(err)
		case isFull(err):
			w.logFull(err)
			how = notWatched
		default: // a thread's id has no pidfd, but it can be polled
			w.log.Debug("no pidfd for this process", "pid", pid, "error", err)
		}
	}
	process, err := w.kernel.Find(pid)
	return process, how, err
}

// keep watches process and returns its new token. It returns 0 if the limit is
// reached or no descriptor is left.
func (w *Watcher) keep(process Process, how method) session.Token {
	w.mu.Lock()
	limit := w.stats.limit
	w.mu.Unlock()
	if how == byPidfd && len(w.byToken)+len(w.held) >= limit {
		w.giveUpTerminal()
	}
	if how == notWatched || len(w.byToken) >= limit {
		return 0
	}
	token := w.last + 1
	if how == byPidfd {
		if err := w.poller.Add(process, uint64(token)); err != nil {
			w.logFull(err)
			return 0
		}
		w.full = false
	}
	w.last = token
	it := &watched{token: token, process: process, polled: how == byPolling}
	w.byToken[token], w.byPID[it.id().PID] = it, it
	w.living++
	if it.polled {
		w.polled[it] = look{at: someTime}
		w.looked(it)
	}
	return token
}

// logFull logs that no descriptor is left, once until one is free again.
func (w *Watcher) logFull(err error) {
	if !w.full {
		w.log.Warn("cannot watch more processes", "watched", len(w.byToken), "error", err)
	}
	w.full = true
}

// ended handles the ends that the poller has reported. It ignores unknown tokens:
// those processes were forgotten in the meantime.
func (w *Watcher) ended() {
	for _, batch := range w.takeEnds() {
		for _, end := range batch.ends {
			if it := w.byToken[session.Token(end.Key)]; it != nil {
				w.endOf(it, end, batch.at)
			}
		}
	}
}

// endOf handles what the poller reported of one process at that time.
func (w *Watcher) endOf(it *watched, end proc.End, at time.Time) {
	switch {
	case !it.ended:
		w.exited(it, end.Reaped, Event{At: at, Since: end.Since})
	case end.Reaped:
		w.add(Event{Kind: Reaped, PID: it.id().PID, Token: it.token, ID: it.id(),
			Status: it.process.Status(), At: at})
		w.drop(it)
	}
}

// exited reports the end of a process, of which when says the time. The pidfd of a zombie
// stays open until it is reaped, since the kernel may report the status only then.
func (w *Watcher) exited(it *watched, reaped bool, when Event) {
	reaped = reaped || it.polled
	w.add(Event{Kind: Exited, PID: it.id().PID, Token: it.token, ID: it.id(),
		Reaped: reaped, Status: it.process.Status(), At: when.At, Since: when.Since, Hidden: when.Hidden})
	w.bury(it)
	if reaped {
		w.drop(it)
	}
}

// poll checks the processes without a pidfd.
func (w *Watcher) poll() {
	for it := range w.polled {
		ended, reaped := it.process.Ended()
		if !ended {
			w.looked(it)
			continue
		}
		since, hidden := w.sinceLook(it)
		w.exited(it, reaped, Event{Since: since, Hidden: hidden})
	}
}

// looked notes that a process without a pidfd was found alive, or that its pid is in use.
func (w *Watcher) looked(it *watched) {
	last := w.polled[it]
	if last.unsure = it.process.Unsure(); !last.unsure {
		last.at = w.now()
	}
	w.polled[it] = last
}

// sinceLook returns since when a process may have ended that has not been reported: zero
// if that is now, by and large. A look that comes much later than it should finds what
// happened since the last one, and so does one after others that /proc hid it from.
func (w *Watcher) sinceLook(it *watched) (since time.Time, hidden bool) {
	last := w.polled[it]
	switch {
	case !it.polled: // the poller fails
		return someTime, false
	case !last.unsure && w.now().Sub(last.at) < pollLate:
		return time.Time{}, false
	}
	return last.at, last.unsure
}

// bury removes a process from the living ones.
func (w *Watcher) bury(it *watched) {
	if it.ended {
		return
	}
	it.ended = true
	w.living--
	delete(w.polled, it)
	if pid := it.id().PID; w.byPID[pid] == it {
		delete(w.byPID, pid)
	}
}

// drop stops watching a process and closes its descriptor.
func (w *Watcher) drop(it *watched) {
	w.bury(it)
	delete(w.byToken, it.token)
	w.room = true
	w.closeProcess(it.process)
}

func (w *Watcher) closeProcess(process Process) {
	if err := process.Close(); err != nil {
		w.log.Warn("cannot close a process", "error", err)
	}
}

func (w *Watcher) closeAll() {
	w.releaseAll()
	for _, it := range w.byToken {
		w.drop(it)
	}
}

// tick returns the ticker's channel while there is a process to poll, or a terminal waits.
func (w *Watcher) tick(ticker *time.Ticker) <-chan time.Time {
	if len(w.polled)+len(w.waiting) == 0 {
		return nil
	}
	return ticker.C
}

// add adds an event to the next flush.
func (w *Watcher) add(event Event) {
	if event.At.IsZero() {
		event.At = w.now()
	}
	w.events = append(w.events, event)
}

// flush emits the collected events.
func (w *Watcher) flush() {
	w.mu.Lock()
	w.stats.watched = w.living
	w.mu.Unlock()
	if len(w.events) == 0 {
		return
	}
	events := w.events
	w.events = nil
	w.emit(events)
}
