// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// scene gathers what does not need the log. It reports false if the utmpx file cannot be
// read: then nothing is written.
func (r *Recorder) scene(v View) (Scene, bool) {
	snap, err := r.opts.File.Snapshot(r.snap)
	switch {
	case errors.Is(err, recfile.ErrEmpty): // holds no record
	case err != nil && !errors.Is(err, recfile.ErrTooLong):
		r.snap = nil
		if !errors.Is(err, fs.ErrNotExist) { // which the daemon logs
			r.fail("the utmpx file cannot be read to record a session", err)
		}
		return Scene{}, false
	}
	r.take(snap)
	s := Scene{
		Now: r.opts.Machine.Now(), View: v, Terminals: r.terminals, Records: r.records, index: r.index,
		Living: make(map[Session]bool), Began: make(map[Session]time.Time), NoDevice: make(map[string]bool), Gone: make(map[string]bool), NoShell: make(map[Session]bool),
	}
	newest := make(map[int32]time.Time) // of two sessions with one leader, the other's has ended
	for _, it := range v.Sessions {
		if it.Login() && !it.Since.Before(newest[it.Leader]) {
			newest[it.Leader] = it.Since
		}
	}
	leaders := make(map[int32]bool)
	for _, it := range v.Sessions {
		if !it.Login() || it.Since.Before(newest[it.Leader]) {
			continue
		}
		began, lives := r.opts.Machine.Lives(it)
		if !lives {
			continue
		}
		s.Living[it], leaders[it.Leader] = true, true
		if !began.IsZero() {
			s.Began[it] = began
		}
		for _, line := range named(it) {
			if !r.opts.Machine.Device(line) {
				s.NoDevice[line] = true
			}
		}
		if byLogin(it) && s.Now.Sub(it.Since) < loginMost && !r.opts.Machine.Shell(it.Leader) {
			s.NoShell[it] = true
		}
	}
	s.Above = r.descent(s, leaders)
	s.In = r.inSessions(s)
	r.findGone(s.Gone)
	return s, true
}

// take takes in the records of the utmpx file. They stay decoded while something is waited for.
func (r *Recorder) take(snap *snapshot.Snapshot) {
	if snap == r.snap && r.index != nil {
		return
	}
	r.snap, r.records = snap, make([]utmpx.Record, 0, snap.Len())
	for _, rec := range snap.All() {
		r.records = append(r.records, rec)
	}
	r.index = indexOf(r.records)
}

// descent returns from which processes those of the records descend that lead neither a
// session nor a terminal. A record's is found once, while its process is sure to be that one.
func (r *Recorder) descent(s Scene, leaders map[int32]bool) map[int32][]int32 {
	if len(leaders) == 0 {
		return nil
	}
	for _, t := range s.Terminals {
		leaders[t.Leader] = true
	}
	above, of := make(map[int32][]int32), make(map[session.OpenLogin][]int32)
	for _, rec := range s.Records {
		if rec.Type != utmpx.UserProcess || leaders[rec.PID] {
			continue
		}
		found, before := r.above[mark(rec)]
		if !before {
			found = r.opts.Machine.Above(rec.PID)
		}
		above[rec.PID], of[mark(rec)] = found, found
	}
	r.above = of
	return above
}

// inSessions returns in which sessions the processes of records are, if a record of the
// Recorder's is of one on a seat whose leader has died.
func (r *Recorder) inSessions(s Scene) map[int32]string {
	left := make(map[int32]bool)
	for _, it := range s.View.Sessions {
		left[it.Leader] = left[it.Leader] || s.left(it)
	}
	lines := make(map[string]bool)
	for _, o := range r.own {
		if left[o.PID] {
			lines[o.Line] = true
		}
	}
	in := make(map[int32]string)
	for _, rec := range s.Records {
		if len(lines) > 0 && rec.Type == utmpx.UserProcess && !left[rec.PID] && (lines[rec.Line] || display(rec)) {
			in[rec.PID] = r.opts.Machine.Session(rec.PID)
		}
	}
	return in
}

// findGone fills in which terminals of own records have been gone for a while.
func (r *Recorder) findGone(gone map[string]bool) {
	now := time.Now()
	since := make(map[string]time.Time)
	for _, o := range r.own {
		if !session.PseudoTerminal(o.Line) || !r.opts.Machine.Gone(o.Line) {
			continue
		}
		since[o.Line] = now
		if before, ok := r.gone[o.Line]; ok {
			since[o.Line] = before
		}
		gone[o.Line] = !since[o.Line].Add(goneFor).After(now)
	}
	r.gone = since
}

// lookFresh is how old a look at terminals may be when something is written: a second pass over
// /proc would take as long as that.
const lookFresh = 5 * time.Millisecond

// decideAgain decides before something is written: with the terminals, records and logins
// of this very moment.
func (r *Recorder) decideAgain(ctx context.Context, v View, orders []Order) ([]Order, time.Time) {
	if r.terminals != nil && slices.ContainsFunc(orders, func(o Order) bool { return !r.fresh(o) }) {
		r.findTerminals()
	}
	open, known := r.openLogins(ctx)
	s, ok := r.scene(v)
	if !ok {
		return nil, time.Time{}
	}
	s.Open, s.OpenKnown = open, known
	return r.bridge.Decide(s)
}

// openLogins returns the logins that are open in the log. One that is missing, or takes no
// records, gets none. Of one that cannot be read, none is known: it is read again under its lock.
func (r *Recorder) openLogins(ctx context.Context) (open []session.OpenLogin, known bool) {
	logins, err := r.opts.Log.Read(ctx)
	if err != nil {
		return nil, !errors.Is(err, fs.ErrNotExist) && !recfile.TakesNothing(err)
	}
	open, _ = logins.Since(0)
	return open, true
}
