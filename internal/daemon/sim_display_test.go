// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Who speaks for the session on a display, by the bits of an event's B.
const (
	shownByNobody = iota // whom utmpd could see
	shownByX             // its X server, which ends with it
	shownByLogind        // logind, while it lasts, by a leader that may live on
	showns
)

// displayLines are the forms of the line.
var displayLines = []string{":%d", ":%d.0", "ws%d:0", "tty%d", "workstation%d.by.a.long.name.org"}

// showLogin begins a session on a display of its own. The process that writes its
// record ends at once, as sessreg's caller does.
func (w *simWorld) showLogin(form, shown, opt int) {
	s := &simSession{n: len(w.sessions) + 1, display: true, shown: shown}
	line := fmt.Sprintf(displayLines[form], 10+s.n%50)
	s.proc, s.leader = w.loginProc(kindSessreg, opt), w.spawn(w.freshPID())
	if form == 4 { // whom, does not show
		shown, s.shown = shownByNobody, shownByNobody
	}
	if shown == shownByLogind {
		s.witness = w.spawn(w.freshPID())
	}
	w.count([]string{"display shown by nobody", "display shown by an X server", "display shown by logind"}[shown])
	if form > 1 {
		w.count([]string{"display of another host", "virtual terminal", "display whose number is cut"}[form-2])
	}
	p := s.proc
	time.AfterFunc(100*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gone(p, true)
	})
	w.sessions = append(w.sessions, s)
	rec := utmpx.Record{Type: utmpx.UserProcess, PID: p.pid, Line: line, User: "dora"}
	w.write(s, rec, opt)
}

// nameless writes a record without process, line and id, for a session that lives by
// a process of its user, or by none.
func (w *simWorld) nameless(old, lives, resolves bool, opt int) {
	s := &simSession{n: len(w.sessions) + 1, nameless: true, resolves: resolves, old: old}
	s.proc = w.spawn(w.freshPID())
	login := w.wallAt(time.Now()).Add(-2 * time.Hour)
	s.leading = s.n%4 == 2 && lives // and, if old, was written by a clock that was behind
	if before := old && login.Before(w.bootTime()); before && !s.leading || !lives {
		defer w.gone(s.proc, true)
		w.count(fmt.Sprintf("nameless record of nobody; before the boot: %v", before))
	} else {
		w.count("nameless record of somebody")
	}
	w.sessions = append(w.sessions, s)
	rec := utmpx.Record{Type: utmpx.UserProcess, User: fmt.Sprintf("user%d", s.n)}
	if s.n%4 == 0 {
		w.count("record without a process, with a line")
		rec.Line = fmt.Sprintf(":6%d", s.n)
	}
	if s.leading {
		w.count(fmt.Sprintf("record without a process, whose line is led; before the boot: %v", old && login.Before(w.bootTime())))
		rec.Line = fmt.Sprintf("hvc%d", s.n)
		w.terms[rec.Line] = s.proc
		s.tty = w.tty(rec.Line)
	}
	w.write(s, rec, opt|optNoLog)
}

// mixes reports whether pututxline(3) could take a record without a line for another one
// than its own: one of the two has an id. Nothing writes such files.
func (w *simWorld) mixes(rec utmpx.Record) bool {
	return rec.Line == "" && w.holds(func(r utmpx.Record) bool {
		return r.Type >= utmpx.InitProcess && r.Type <= utmpx.DeadProcess && r.Line == "" && (r.ID == "") != (rec.ID == "")
	})
}

// witness returns who shows a session, as /proc and logind do.
func (w *simWorld) witness(q session.Question) (found session.Witness) {
	if w.unseen() {
		return session.Witness{Unknown: true}
	}
	for _, s := range w.sessions {
		if s.shows(q) && (s.shown == shownByLogind || !w.hidden()) {
			found = s.witnessed(w.run.n)
		}
	}
	found.Unknown = !found.Found && w.hidden()
	return found
}

// shows reports whether it can be seen that a session is the one that is asked for.
func (s *simSession) shows(q session.Question) bool {
	d, ok := session.ParseDisplay(s.rec.Line, s.rec.PID)
	if !ok {
		d, ok = session.ParseVT(s.rec.Line)
	}
	seen := s.shown == shownByX || s.shown == shownByLogind && !s.witness.ended
	return ok && d.Same(q.Display) && s.rec.User == q.User && seen && !s.leader.ended
}

// witnessed returns who speaks for a session to that run of utmpd.
func (s *simSession) witnessed(run int) session.Witness {
	s.witnessedBy = run
	p := s.leader
	if s.shown == shownByLogind {
		p = s.witness
	}
	return session.Witness{Found: true, Logind: s.shown == shownByLogind, ID: session.ID{PID: p.pid, Start: p.start}}
}

// unseen reports whether logind's files and /proc cannot be read just now.
func (w *simWorld) unseen() bool { return time.Now().Before(w.unseenUntil) }

// noteAtRest notes which sessions are shown when nothing has stood in utmpd's way for
// long: it must know who speaks for them.
func (w *simWorld) noteAtRest() {
	for _, s := range w.sessions {
		shown := s.shown != shownByNobody && !s.leader.ended && (s.witness == nil || !s.witness.ended)
		s.atRest = shown && s.proc.ended && !s.proc.reused && !s.cleaned && w.slotOf(s) >= 0
	}
}

// noteFollowed notes that utmpd looks at a living process that speaks for a session.
func (w *simWorld) noteFollowed(p *simProc) {
	for _, s := range w.sessions {
		if s.witnessedBy == w.run.n && (p == s.witness || p == s.leader) {
			s.followedBy = w.run.n
		}
	}
}

// idle reports whether a user can be seen to have no process.
func (w *simWorld) idle(user string) bool {
	for _, s := range w.sessions {
		if s.nameless && s.rec.User == user {
			return s.resolves && !s.lives() && !w.unseen() && !w.hidden()
		}
	}
	return false
}

// unknowable reports whether nobody can tell that a session lives. On a virtual
// terminal: utmpd did not run when its record was written, and whoever wrote it was
// gone when it was read. Of a nameless record: the clock was wrong, and is right.
func (w *simWorld) unknowable(s *simSession) bool {
	if s.nameless {
		return !s.leading && len(w.steps) > 0 && s.rec.Time.Time().Before(w.bootTime())
	}
	_, vt := session.ParseVT(s.rec.Line)
	return vt && s.shown == shownByNobody && s.seenBy != w.run.n
}

// staysDead reports whether the record of a session that is dead may stay.
func (w *simWorld) staysDead(s *simSession) bool {
	switch {
	case s.nameless:
		before := w.boot && s.rec.Time.Time().Before(w.bootTime()) && w.holds(func(r utmpx.Record) bool { return r.Type == utmpx.BootTime })
		alone := s.resolves && s.rec.Line == "" // for want of a process of its user
		return !s.old || !alone && !before || len(w.steps) > 0
	case s.shown != shownByNobody && (s.atRest || s.followedBy == w.run.n):
		return false
	}
	return s.display && !w.oldDisplay(s)
}
