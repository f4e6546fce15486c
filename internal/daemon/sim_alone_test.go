// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Logins that stand in the log alone.

// simAlone is one of them, and what is true of it.
type simAlone struct {
	rec    utmpx.Record
	proc   *simProc
	hidden *simProc    // by whom it lives on when proc has ended, whom nobody can see
	on     *simSession // in which it was typed
}

func (a *simAlone) lives() bool { return !a.proc.ended || a.hidden != nil && !a.hidden.ended }

// Kinds of them, by the bits of an event's B.
const (
	aloneFTP    = iota // the line contains the pid
	aloneLine          // a line of its own
	aloneWriter        // the same, and the process ends at once
	aloneSu            // su in a session on a terminal
	alones
)

// aloneLogin begins one.
func (w *simWorld) aloneLogin(n, kind, opt int) {
	a := &simAlone{rec: utmpx.Record{Type: utmpx.UserProcess, User: "root", Host: "10.0.0.9"}}
	if kind == aloneSu {
		if a.on = w.hostOf(n); a.on == nil {
			return
		}
		a.rec.Line = a.on.rec.Line
	}
	a.proc = w.loginProc(kindShell, opt&optReuse)
	a.rec.PID = a.proc.pid
	switch kind {
	case aloneFTP:
		a.rec.Line = fmt.Sprintf([]string{"ftpd%d", "vsftpd:%d"}[n%2], a.rec.PID)
	case aloneLine, aloneWriter:
		a.rec.Line = fmt.Sprintf("ftp%c", 'a'+n%20)
	case aloneSu:
		a.proc.parent = w.terms[a.rec.Line]
	}
	if kind == aloneWriter {
		a.hidden = w.spawn(w.freshPID())
		time.AfterFunc(time.Duration(n%60)*time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone(a.proc, true)
		})
	}
	w.count([]string{"login alone, its pid in the line", "login alone", "login alone, of a writer that ends", "login alone, on the line of a session"}[kind])
	w.alone = append(w.alone, a)
	w.locked(wtmpName, func() {
		if a.proc.ended {
			return
		}
		a.rec.Time = utmpx.TimeOf(w.wallAt(time.Now()))
		w.tell("root logs in on line %q in the log alone, %v", a.rec.Line, a.proc)
		n := len(w.history)
		w.appendLog(a.rec, nil)
		if len(w.history) > n { // the log did not fail
			w.history[n].alone = a
		}
	})
}

// hostOf returns a session that lives and leads its terminal, nil if there is none.
func (w *simWorld) hostOf(n int) *simSession {
	for i := range w.sessions {
		s := w.sessions[(n+i)%len(w.sessions)]
		l := w.terms[s.rec.Line]
		if s.lives() && !s.nested && !s.contained && strings.HasPrefix(s.rec.Line, "pts/") && l != nil && !l.ended && w.slotOf(s) >= 0 {
			return s
		}
	}
	return nil
}

// aloneEnds ends one: it is killed, with the session around it or without, or logs out.
func (w *simWorld) aloneEnds(n, how int) {
	if len(w.alone) == 0 {
		return
	}
	a := w.alone[len(w.alone)-1-n%min(5, len(w.alone))]
	w.gone(a.proc, how%3 != 0)
	w.gone(a.hidden, true)
	switch {
	case how%4 == 0:
		w.locked(wtmpName, func() {
			w.count("login alone, logs out")
			dead := a.rec
			dead.Type, dead.User, dead.Host, dead.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(w.wallAt(time.Now()))
			if at, ok := open(w.history, dead.Line); ok && w.history[at].alone == a {
				w.appendLog(dead, nil)
			}
		})
	case a.on != nil && how%8 != 1:
		w.count("login alone, killed with the session")
		w.gone(a.on.proc, true)
		w.gone(a.on.leader, true)
	}
}

// aloneLogout checks that the logout r may close a login that stands alone.
func (w *simWorld) aloneLogout(r utmpx.Record, last logEntry) {
	a := last.alone
	for _, o := range w.sessions {
		logged := slices.ContainsFunc(w.history, func(e logEntry) bool { return e.of == o })
		if o.rec.Line != r.Line || !o.lives() || !logged {
			continue
		}
		if w.slotOf(o) < 0 || o.readBy != w.run.n || w.mistaken(o) {
			w.count("logouts: not judged, of a line whose session lives and has no record")
			return
		}
		w.broken("1: a logout after the login of pid %d, on the line of %v, which lives", a.rec.PID, o)
	}
	switch {
	case a.lives() && a.proc.reused:
		w.count("logouts: not judged, the login's pid was taken over")
	case a.lives() && a.proc.ended && time.Now().Before(a.proc.endAt):
	case a.lives():
		w.broken("1: a logout after the login of pid %d on line %q, which stands alone and lives", a.rec.PID, a.rec.Line)
	case r.PID != a.rec.PID:
		w.broken("2: a logout of pid %d after the login of pid %d, which stands alone", r.PID, a.rec.PID)
	default:
		w.count("logouts: judged")
		w.count("logouts: of logins alone")
	}
}

// checkAlone checks that no login stands open in the log that stands alone and has ended,
// if nothing stood in utmpd's way.
func (w *simWorld) checkAlone() {
	for _, trouble := range []string{
		"utmp cut", "utmp replaced", "utmp away", "utmp fails", "wtmp away", "wtmp fails", "wtmp rotated", "notice lost", "restart without state", "restart with a stale state",
	} {
		if w.tally[trouble] > 0 {
			return
		}
	}
	if len(w.steps) > 0 || w.maxFDs < 100 || w.wasFull || w.polling || w.wasHidden {
		return
	}
	for i, e := range w.history {
		a := e.alone
		if a == nil || !w.mustCloseAlone(a) {
			continue
		}
		w.count("logins alone: judged")
		if a.on != nil {
			w.count("logins alone: judged, on the line of a session")
		}
		if last, ok := open(w.history, a.rec.Line); ok && last == i {
			w.broken("2: the login of pid %d on line %q stands alone and has ended, and is open", a.rec.PID, a.rec.Line)
		}
	}
}

// mustCloseAlone reports whether utmpd must have closed a login: it knew of it all the
// time, and its end is proven.
func (w *simWorld) mustCloseAlone(a *simAlone) bool {
	switch {
	case a.rec.Time.Usec == 0 && w.wallAt(a.proc.endAt).Unix() <= a.rec.Time.Sec:
		return false // by whole seconds, it may be that of the next process with its pid
	case a.hidden != nil, a.proc.reused, w.alivePID(a.rec.PID), w.runs > 1 && a.proc.seenBy != w.run.n:
		return false
	case a.on != nil:
		known := a.rec.Time.Time().Add(1200 * time.Millisecond)
		return w.runs == 1 && a.on.proc.endAt.After(known) && a.on.lost == 0 && !a.on.flipping && (w.slotOf(a.on) >= 0 || a.on.marked || a.on.cleaned)
	}
	seen := w.runs == 1 && a.proc.known.Sub(a.rec.Time.Time()) >= 63*time.Second
	return strings.Contains(a.rec.Line, fmt.Sprint(a.rec.PID)) || seen
}
