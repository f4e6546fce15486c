// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// slow is how long a room may be at work without a pause before utmpd says so. A pass over
// the processes of a large machine takes a second, and a file of a million records as long.
const slow = 10 * time.Second

// pace shows whether the rooms get on. It is looked at whenever the status is set: at each
// event, and at each heartbeat.
type pace struct {
	rooms []paced
	late  string // as last looked at
	lateN int    // so many of them
	news  func() // called when work takes too long, again as long as it does, and when it is done

	mu    sync.Mutex
	works []*work // in the order in which they began
}

// paced is a room that reads. It is at work without a pause at most as long as it is slow.
type paced struct {
	what string
	busy func() time.Time // since when it has been at work; zero if it waits
}

// work is what a room does that writes, and waits for a file system.
type work struct {
	what  string
	since time.Time
	timer *time.Timer // fires when it takes too long
	late  bool
}

// begin begins a work that may take patience. It is called by the room, which calls done
// once the work is done. A machine at rest has no event by which anybody would look, so the
// work itself sees to it. It may be called by any goroutine.
func (p *pace) begin(what string, patience time.Duration) (done func()) {
	w := &work{what: what, since: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.works = append(p.works, w)
	w.timer = time.AfterFunc(patience, func() { p.overdue(w) })
	return func() { p.end(w) }
}

func (p *pace) overdue(w *work) {
	p.mu.Lock()
	out := slices.Contains(p.works, w)
	if out {
		w.late = true
		w.timer.Reset(slow)
	}
	p.mu.Unlock()
	if out && p.news != nil {
		p.news()
	}
}

func (p *pace) end(w *work) {
	p.mu.Lock()
	w.timer.Stop()
	p.works = slices.DeleteFunc(p.works, func(other *work) bool { return other == w })
	late := w.late
	p.mu.Unlock()
	if late && p.news != nil {
		p.news()
	}
}

// look returns what takes longer than it may, and whether that has changed.
func (p *pace) look() (late string, changed bool) {
	all := p.lateWorks()
	for _, r := range p.rooms {
		if since := r.busy(); !since.IsZero() && time.Since(since) > slow {
			all = append(all, r.what+" since "+since.Format(time.RFC3339))
		}
	}
	late = strings.Join(all, ", ")
	changed = late != p.late
	p.late, p.lateN = late, len(all)
	return late, changed
}

func (p *pace) lateWorks() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.works {
		if w.late {
			all = append(all, w.what+" since "+w.since.Format(time.RFC3339))
		}
	}
	return all
}

// checkPace returns which rooms the system does not answer. It logs that, and that they go
// on.
func (d *daemon) checkPace() string {
	late, changed := d.pace.look()
	switch {
	case !changed:
	case late == "":
		d.reading.toggles.Log(slog.LevelInfo, "answers", "the system answers again")
	default:
		d.reading.toggles.Log(slog.LevelWarn, "late", "the system does not answer", "waiting", late)
	}
	return late
}

func joinNonEmpty(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), ", ")
}
