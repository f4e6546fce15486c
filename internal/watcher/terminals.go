// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"maps"
	"slices"

	"utmpd.dev/utmpd/internal/session"
)

// terminals are the terminals of sessions as they were at first sight. Each costs a
// descriptor. A process that is to be watched comes first: for it the last terminal is
// given up.
type terminals struct {
	held map[uint64]Terminal // by the Key of their Sight
	keys []uint64            // in the order in which they came; some may be released already
	none bool                // the last attempt to hold one found no room
}

func newTerminals() terminals { return terminals{held: map[uint64]Terminal{}} }

// look carries out a Look. A terminal is held before anybody looks who leads it.
func (w *Watcher) look(sights []session.Sight) []session.Sighting {
	var taken map[uint64]bool
	for _, q := range sights {
		if q.Hold && w.held[q.Key] == nil && w.hold(q) {
			if taken == nil {
				taken = map[uint64]bool{}
			}
			taken[q.Key] = true
		}
	}
	seen := w.kernel.Look(sights)
	for i := range seen {
		seen[i].Held = taken[seen[i].Key]
	}
	return seen
}

// hold holds the terminal of a record just seen, if it has one and there is room.
func (w *Watcher) hold(q session.Sight) bool {
	w.mu.Lock()
	limit := w.stats.limit
	w.mu.Unlock()
	if len(w.byToken)+len(w.held) >= limit {
		w.logNone(nil)
		return false
	}
	t, err := w.kernel.Hold(q.Line)
	switch {
	case err == nil:
		w.none = false
		w.held[q.Key] = t
		w.keys = append(w.keys, q.Key)
	case isFull(err):
		w.logNone(err)
	default:
		w.log.Debug("no terminal to keep in view", "line", q.Line, "error", err)
	}
	return err == nil
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
	held := map[uint64]Terminal{}
	for _, q := range questions {
		if t := w.held[q.Held]; t != nil {
			held[q.Key] = t
		}
	}
	for i := range evidence {
		if t := held[evidence[i].Key]; t != nil {
			evidence[i].Gone = t.Gone()
		}
	}
	return evidence
}

// gone returns which of the terminals are gone.
func (w *Watcher) gone(keys []uint64) (gone []uint64) {
	for _, key := range keys {
		if t := w.held[key]; t != nil && t.Gone() {
			gone = append(gone, key)
		}
	}
	return gone
}

func (w *Watcher) release(keys []uint64) {
	for _, key := range keys {
		w.letGo(key)
	}
	if len(w.keys) > 2*len(w.held)+64 {
		w.keys = slices.DeleteFunc(w.keys, func(key uint64) bool { return w.held[key] == nil })
	}
}

// giveUpTerminal lets go of the terminal that came last. It reports whether there was one.
func (w *Watcher) giveUpTerminal() bool {
	for n := len(w.keys); n > 0; n = len(w.keys) {
		key := w.keys[n-1]
		w.keys = w.keys[:n-1]
		if w.held[key] != nil {
			w.letGo(key)
			w.logNone(nil)
			return true
		}
	}
	return false
}

func (w *Watcher) letGo(key uint64) {
	t := w.held[key]
	if t == nil {
		return
	}
	delete(w.held, key)
	if err := t.Close(); err != nil {
		w.log.Warn("cannot close a terminal", "error", err)
	}
}

func (w *Watcher) releaseAll() { w.release(slices.Collect(maps.Keys(w.held))) }
