// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

const (
	// holdAgain is the pause before terminals are tried again for which there was no room.
	holdAgain = time.Minute
	// holdSoon is that pause if one was let go meanwhile.
	holdSoon = time.Second
)

// terminals are the terminals of sessions as they were at first sight. Each costs a
// descriptor. A process that is to be watched comes first: for it a terminal is given up.
// What there is belongs to all owners alike, since an ordinary user can have thousands: where
// there is no room, whoever has most gives up the one that came last.
//
// One that is given up or refused waits, and is held as soon as there is room. That may be a
// later one with its number, which is as good: if that is gone, so is the one before.
type terminals struct {
	held    map[uint64]held // by the Key of their Sight
	shares  map[uint32]*share
	waiting map[uint64]waits
	none    bool      // the last attempt to hold one found no room
	room    bool      // one was let go since those that wait were tried
	tried   time.Time // when that was
}

// held is a terminal that is kept in view.
type held struct {
	Terminal
	line string
}

// share is what an owner has.
type share struct {
	n    int      // terminals
	keys []uint64 // in the order in which they came; some may be released already
}

// waits is a terminal for which there was no room.
type waits struct {
	line  string
	owner uint32
	known bool // its owner
}

func newTerminals() terminals {
	return terminals{held: map[uint64]held{}, shares: map[uint32]*share{}, waiting: map[uint64]waits{}}
}

// look carries out a Look. A terminal is held before anybody looks who leads it.
func (w *Watcher) look(sights []session.Sight) []session.Sighting {
	var taken map[uint64]bool
	for _, q := range sights {
		if q.Hold && w.held[q.Key].Terminal == nil && w.waiting[q.Key].line == "" && w.hold(q.Key, q.Line) {
			if taken == nil {
				taken = map[uint64]bool{}
			}
			taken[q.Key] = true
		}
	}
	terminals := make([]Terminal, len(sights))
	for i, q := range sights {
		terminals[i] = w.held[q.Key].Terminal
	}
	seen := w.kernel.Look(sights, terminals)
	for i := range seen {
		seen[i].Held = taken[seen[i].Key]
	}
	return seen
}

// hold holds a terminal, or has it wait. It reports false if there is none.
func (w *Watcher) hold(key uint64, line string) bool {
	t, err := w.kernel.Hold(line)
	if isFull(err) && w.mayDisplace(key) && w.giveUpTerminal() {
		t, err = w.kernel.Hold(line)
	}
	switch {
	case isFull(err):
		w.waiting[key] = waits{line: line}
		w.logNone(err)
	case err != nil:
		delete(w.waiting, key)
		w.log.Debug("no terminal to keep in view", "line", line, "error", err)
		return false
	case !w.makeRoom(t.Owner()):
		w.waiting[key] = waits{line, t.Owner(), true}
		w.logNone(nil)
		w.closeTerminal(t)
	default:
		w.none = false
		delete(w.waiting, key)
		w.held[key] = held{t, line}
		s := w.shares[t.Owner()]
		if s == nil {
			s = &share{}
			w.shares[t.Owner()] = s
		}
		s.n++
		s.keys = append(s.keys, key)
	}
	return true
}

// mayDisplace reports whether another terminal may be given up for one that the system has
// refused a descriptor. Whose a new one is, only a descriptor would tell.
func (w *Watcher) mayDisplace(key uint64) bool {
	it, tried := w.waiting[key]
	if !tried {
		return w.most() > 1
	}
	return it.known && w.most() > w.has(it.owner)+1
}

// makeRoom reports whether there is room for one more terminal of an owner. Another one who
// has more than he will have gives up one for it.
func (w *Watcher) makeRoom(owner uint32) bool {
	w.mu.Lock()
	limit := w.stats.limit
	w.mu.Unlock()
	if len(w.byToken)+len(w.held) < limit {
		return true
	}
	return w.most() > w.has(owner)+1 && w.giveUpTerminal()
}

// has returns how many terminals of an owner are held.
func (w *Watcher) has(owner uint32) int {
	if s := w.shares[owner]; s != nil {
		return s.n
	}
	return 0
}

// most returns how many terminals of one owner are held at most.
func (w *Watcher) most() int { return w.has(w.richest()) }

// richest returns the owner of whom most terminals are held.
func (w *Watcher) richest() (owner uint32) {
	for o, s := range w.shares {
		if n := w.has(owner); s.n > n || s.n == n && o < owner {
			owner = o
		}
	}
	return owner
}

// holdWaiting tries again to hold the terminals for which there was no room, until there is
// none: first one of those who have least.
func (w *Watcher) holdWaiting() {
	pause := holdAgain
	if w.room {
		pause = holdSoon
	}
	if len(w.waiting) == 0 || time.Since(w.tried) < pause {
		return
	}
	w.room, w.tried = false, time.Now()
	for _, key := range slices.SortedFunc(maps.Keys(w.waiting), w.before) {
		if !w.hold(key, w.waiting[key].line) {
			continue
		}
		if w.waiting[key].line != "" {
			break
		}
	}
}

// before compares two terminals that wait by when they are tried.
func (w *Watcher) before(a, b uint64) int {
	return cmp.Or(cmp.Compare(w.hasNow(a), w.hasNow(b)), cmp.Compare(a, b))
}

func (w *Watcher) hasNow(key uint64) int {
	if it := w.waiting[key]; it.known {
		return w.has(it.owner)
	}
	return 0
}

// logNone logs that no terminal can be held, once until one can be again.
func (w *Watcher) logNone(err error) {
	if !w.none {
		args := []any{"terminals", len(w.held), "watched", len(w.byToken)}
		if err != nil {
			args = append(args, "error", err)
		}
		w.log.Warn("cannot keep more terminals in view, a session may be kept by whoever gets the number of its terminal", args...)
	}
	w.none = true
}

// gather carries out a Gather. Whether a terminal is gone is looked at last: whoever got
// its number meanwhile does not count.
func (w *Watcher) gather(questions []session.Question) []session.Evidence {
	evidence := w.kernel.Gather(questions)
	inView := map[uint64]Terminal{}
	for _, q := range questions {
		if t := w.held[q.Held].Terminal; t != nil {
			inView[q.Key] = t
		}
	}
	for i := range evidence {
		if t := inView[evidence[i].Key]; t != nil {
			evidence[i].Gone = t.Gone()
		}
	}
	return evidence
}

// check looks at the terminals that are held. Those that wait tell nothing, also not that a
// session lives.
func (w *Watcher) check(keys []uint64) (looked, gone []uint64) {
	for _, key := range keys {
		t := w.held[key].Terminal
		if t == nil {
			continue
		}
		looked = append(looked, key)
		if t.Gone() {
			gone = append(gone, key)
		}
	}
	return looked, gone
}

func (w *Watcher) release(keys []uint64) {
	for _, key := range keys {
		delete(w.waiting, key)
		w.letGo(key)
	}
}

// giveUpTerminal has the terminal wait that came last of those of the owner who has most. It
// reports whether there was one.
func (w *Watcher) giveUpTerminal() bool {
	owner := w.richest()
	s := w.shares[owner]
	if s == nil {
		return false
	}
	last := len(s.keys) - 1
	for w.held[s.keys[last]].Terminal == nil {
		last--
	}
	key := s.keys[last]
	s.keys = s.keys[:last]
	w.waiting[key] = waits{w.held[key].line, owner, true}
	w.letGo(key)
	w.room = false // it is taken
	w.logNone(nil)
	return true
}

func (w *Watcher) letGo(key uint64) {
	t := w.held[key].Terminal
	if t == nil {
		return
	}
	delete(w.held, key)
	w.room = true
	s := w.shares[t.Owner()]
	if s.n--; s.n == 0 {
		delete(w.shares, t.Owner())
	} else if len(s.keys) > 2*s.n+64 {
		s.keys = slices.DeleteFunc(s.keys, func(key uint64) bool { return w.held[key].Terminal == nil })
	}
	w.closeTerminal(t)
}

func (w *Watcher) closeTerminal(t Terminal) {
	if err := t.Close(); err != nil {
		w.log.Warn("cannot close a terminal", "error", err)
	}
}

func (w *Watcher) releaseAll() { w.release(slices.Collect(maps.Keys(w.held))) }
