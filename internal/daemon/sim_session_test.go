// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// simSession is one login, and what is true of it.
type simSession struct {
	n       int
	number  int          // of its line
	rec     utmpx.Record // as its owner wrote it last, decoded
	tty     *simTTY      // on which it is, nil if on none
	heldBy  int          // the run of utmpd that has that in view
	proc    *simProc     // ut_pid
	leader  *simProc     // by whom it lives on when proc has ended, nil if nobody
	parent  *simProc     // who wrote the login to the log, nil if proc did
	display bool

	shown       int      // who speaks for it on its display
	witness     *simProc // leads logind's session, nil if there is none
	witnessedBy int      // the run of utmpd that saw it
	followedBy  int      // the run that has, after that, looked at who speaks for it
	atRest      bool     // it lived on, shown, when the world had been left alone for long
	nameless    bool     // its record names nothing
	resolves    bool     // the name of its user does
	leading     bool     // its record names no process, which leads its line
	old         bool     // its record is two hours older

	contained   bool       // in a container; proc has ut_pid there alone
	namesake    *simProc   // has ut_pid here then, nil if nobody has
	ghost       bool       // dead before its record was written
	outerSeenBy int        // the run of utmpd that has seen in whose session proc runs
	outers      []*simProc // whom it saw then
	outerOfNext int        // the run that saw the next process with its pid below its leader

	disturbed int           // as the world was when it began
	began     time.Time     // when its record was written last
	steps     int           // of the clock by then
	off       time.Duration // of the clock then
	nested    bool          // on the terminal of a session that lives
	flipping  bool
	cleaned   bool // by its owner
	lost      int  // the run of utmpd in which its record was displaced, or marked by its owner without a logout
	marked    bool // by utmpd
	forgotten bool // utmpd lost its state after that, or there was no log just then

	readBy    int       // the run of utmpd that has read the record as it is now
	readAt    time.Time // by that run
	seenBy    int       // the run that has, after that, looked at proc while it lived
	seenSince time.Time // by that run
	judgedAt  time.Time // when utmpd last compared the record under the lock
}

func (s *simSession) String() string {
	return fmt.Sprintf("session %d (line %q, pid %d)", s.n, s.rec.Line, s.rec.PID)
}

// lives is the truth.
func (s *simSession) lives() bool {
	return !s.proc.ended || s.leader != nil && !s.leader.ended && !s.vanished()
}

// logEntry is a record of the wtmpx file, wherever it is now.
type logEntry struct {
	rec   utmpx.Record
	of    *simSession // of a login
	alone *simAlone   // of a login that stands alone
	utmpd bool
}

// simLines is how many terminals there are.
const simLines = 6

// Kinds of session, by the bits of an event's B.
const (
	kindShell    = iota // ut_pid leads the terminal: login(1)
	kindMonitor         // ut_pid is a monitor, a shell leads the terminal: sshd
	kindFTP             // no terminal, no ut_id
	kindDisplay         // an X display
	kindSessreg         // an X display whose ut_pid ends at once
	kindNoLine          // no ut_line
	kindSameProc        // ut_pid owns several records: tmux
	kindOtherID         // as kindShell, under another ut_id
	kinds
)

const (
	optReuse  = 1 << iota // take a pid that is free again
	optNoUsec             // the record's time is cut to seconds
	optNoLog              // nothing is written to the wtmpx file
	optNoLock             // the wtmpx file is appended to without a lock
	optLogPID             // login(1): its parent writes the wtmpx record, some ms before
	optReap               // a process that ends is reaped at once
	optTorn               // the record is not there at once
	opts
)

// login begins a session.
func (w *simWorld) login(line, kind, opt int) {
	s := &simSession{n: len(w.sessions) + 1, number: line, display: kind == kindDisplay || kind == kindSessreg}
	rec := loginRecord(s.n, line, kind)
	s.proc = w.loginProc(kind, opt)
	rec.PID = s.proc.pid
	if kind == kindFTP {
		rec.Line = fmt.Sprintf("vsftpd:%d", rec.PID)
	}
	s.proc.uid = cmp.Or(s.proc.uid, simUsers[rec.User])
	if kind == kindSameProc && len(w.sessions) > 0 {
		rec.ID = fmt.Sprintf("tm%d", s.n%50)
	}
	w.lead(s, rec.Line, kind)
	if kind == kindSessreg {
		p := s.proc
		time.AfterFunc(100*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone(p, true)
		})
	}
	w.sessions = append(w.sessions, s)
	if len(w.procs) > w.maxFDs {
		w.count("login beyond MAX_FDS")
	}
	if opt&optLogPID != 0 && opt&optNoLog == 0 {
		w.logFirst(s, rec, opt)
		return
	}
	w.write(s, rec, opt)
}

// logFirst begins a session as login(1) does: PAM writes the login to the log, from the
// parent of the process that writes the other record some milliseconds later.
func (w *simWorld) logFirst(s *simSession, rec utmpx.Record, opt int) {
	s.parent = w.spawn(w.freshPID())
	rec.Session = int64(s.parent.pid)
	s.rec, s.began = rec, time.Now()
	w.locked(wtmpName, func() {
		logged := rec
		logged.PID, logged.Session, logged.Time = s.parent.pid, 0, utmpx.TimeOf(w.wallAt(time.Now()))
		if opt&optNoUsec != 0 {
			logged.Time.Usec = 0
		}
		w.appendLog(logged, s)
	})
	late := time.Duration(1+s.n%7*s.n%7*40) * time.Millisecond
	time.AfterFunc(late, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if time.Now().Second() != time.Now().Add(-late).Second() {
			w.count("login in two seconds")
		}
		w.write(s, rec, opt|optNoLog)
	})
}

// orphan ends who wrote the login of a process that has ended: at once mostly.
func (w *simWorld) orphan(p *simProc) {
	if p.ended {
		return
	}
	for _, s := range w.sessions {
		if s.proc != p || s.parent == nil || s.parent.ended {
			continue
		}
		late := 15 * time.Millisecond
		if s.n%3 == 0 {
			w.count("login's parent outlives it")
			late = 20 * time.Second
		}
		time.AfterFunc(late, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.end(s.parent, true)
		})
	}
}

// loginRecord returns the record of the nth session, still without a process.
func loginRecord(n, line, kind int) utmpx.Record {
	rec := utmpx.Record{Type: utmpx.UserProcess, User: []string{"alice", "bob"}[n%2], Host: "10.0.0.7", Line: fmt.Sprintf("pts/%d", line)}
	rec.ID = fmt.Sprintf("ts/%d", line)
	switch kind {
	case kindOtherID:
		rec.ID = fmt.Sprintf("/%d", line)
		if n%2 == 0 { // that of another line: its record is displaced
			rec.ID = fmt.Sprintf("ts/%d", (line+1)%simLines)
		}
	case kindFTP:
		rec.ID = "" // the line has the pid
	case kindDisplay, kindSessreg:
		rec.Line, rec.ID = fmt.Sprintf(":%d", line%2), fmt.Sprintf(":%d", line%2)
	case kindNoLine:
		rec.Line, rec.ID = "", fmt.Sprintf("n%d", line)
	}
	return rec
}

// loginProc returns the process of a login that begins: the last session's,
// one with a pid that was used before, or a new one.
func (w *simWorld) loginProc(kind, opt int) *simProc {
	var p *simProc
	switch {
	case kind == kindSameProc && len(w.sessions) > 0 && w.sessions[len(w.sessions)-1].proc.number == 0:
		p = w.sessions[len(w.sessions)-1].proc
		w.count("pid of several records")
	case opt&optReuse != 0 && len(w.pool) > 0:
		pid := w.pool[len(w.pool)-1]
		w.pool = w.pool[:len(w.pool)-1]
		if w.procs[pid] == nil {
			p = w.spawn(pid)
		}
	}
	if p == nil || p.ended {
		p = w.spawn(w.freshPID())
	}
	return p
}

// lead has a session's process, or a leader of its own, lead the line.
func (w *simWorld) lead(s *simSession, line string, kind int) {
	terminal := strings.HasPrefix(line, "pts/")
	if terminal {
		s.tty = w.tty(line)
	}
	if old := w.terms[line]; terminal && old != nil && !old.ended {
		s.nested = true // a login within a session
		if p := s.proc; p != old && p.parent == nil && !old.below(p) {
			p.parent = old
		}
		w.count("login on a terminal that has a leader")
		return
	}
	leader := s.proc
	switch {
	case kind == kindMonitor || kind == kindSessreg:
		s.leader = w.spawn(w.freshPID())
		leader = s.leader
		leader.parent, leader.uid = s.proc, s.proc.uid
	case !terminal:
		return
	}
	w.led[line] = append(w.led[line], leader)
	if terminal {
		w.terms[line] = leader
	}
}

// write writes a session's records, with the time of now.
func (w *simWorld) write(s *simSession, rec utmpx.Record, opt int) {
	w.locked(utmpName, func() {
		if w.mixes(rec) || s.proc.ended && !s.nameless && !s.ghost { // its writer too
			return
		}
		if s.ghost {
			s.proc.endAt = time.Now()
		}
		rec.Time = utmpx.TimeOf(w.wallAt(time.Now()))
		if s.old {
			rec.Time.Sec -= 2 * 3600
		}
		if opt&optNoUsec != 0 {
			rec.Time.Usec = 0
		}
		raw, err := simLayout.Encode(rec)
		for err == nil && w.byRaw[string(raw)] != nil { // each login is one of its own
			rec.Time.Usec++
			raw, err = simLayout.Encode(rec)
		}
		if err != nil {
			panic(err)
		}
		s.rec = simLayout.Decode(string(raw))
		s.begins()
		s.disturbed, s.steps = w.disturbed, len(w.steps)
		s.off = w.offset(s.began)
		w.byRaw[string(raw)] = s
		s.cleaned, s.marked, s.forgotten = false, false, false
		w.tell("%v is recorded, %v", s, s.proc)
		w.put(raw, opt&optTorn != 0)
		if opt&optNoLog != 0 {
			return
		}
		add := func() {
			if !s.proc.ended {
				w.appendLog(w.logged(s), s)
			}
		}
		if opt&optNoLock != 0 && !w.blind(wtmpName) {
			w.count("wtmp appended to without a lock")
			add()
		} else {
			w.locked(wtmpName, add)
		}
	})
}

// logged returns the record of a session for the log. That of some without a line has the
// name of a display there, as with xrdp.
func (w *simWorld) logged(s *simSession) utmpx.Record {
	r := s.rec
	if r.Line == "" && r.PID != 0 && s.n%2 == 0 {
		w.count("login under another line in the log")
		r.Line = fmt.Sprintf(":1%d", s.n)
		if s.n%4 == 0 { // by PAM, before
			w.count("login under another line in the log, in another second")
			r.Time.Sec--
		}
	}
	return r
}

// begins notes that a session's record is there from now on.
func (s *simSession) begins() {
	s.began = time.Now()
	s.readBy, s.seenBy, s.heldBy, s.outerSeenBy, s.judgedAt = 0, 0, 0, 0, time.Time{}
}

// slotOf returns the slot of a session's record, -1 if it has none.
func (w *simWorld) slotOf(s *simSession) int {
	size := simLayout.Size()
	data := w.files.ReadFile(utmpName)
	for off := 0; off+size <= len(data); off += size {
		if string(data[off:off+size]) == s.rec.Raw() {
			return off / size
		}
	}
	return -1
}

// clean is the owner's cleaning: of the utmpx file, the wtmpx file, or both.
func (w *simWorld) clean(s *simSession, file, log bool) {
	switch {
	case s.lives(): // a flip
	case s.marked:
		w.count("owner cleans after utmpd")
	case time.Since(s.last()) < w.grace:
		w.count("owner cleans in the grace")
	default:
		w.count("owner cleans late, before utmpd")
	}
	dead := s.rec
	dead.Type, dead.User, dead.Host = utmpx.DeadProcess, "", ""
	if file {
		w.locked(utmpName, func() {
			dead.Time = utmpx.TimeOf(w.wallAt(time.Now()))
			slot := w.slotOf(s)
			raw, _ := simLayout.Encode(dead)
			if slot < 0 || len(raw) == 0 {
				return
			}
			w.tell("the owner cleans %v", s)
			s.cleaned = true
			if !log {
				w.loses(s, "record marked by its owner, and no logout")
			}
			w.files.Change(utmpName, func(data []byte) []byte { copy(data[slot*len(raw):], raw); return data })
			w.fileChanged()
		})
	}
	if log && s.rec.Line != "" {
		w.locked(wtmpName, func() {
			dead.Time = utmpx.TimeOf(w.wallAt(time.Now()))
			w.appendLog(dead, nil)
		})
	}
}

// markSoon has the owner of a record mark it within the grace, and write no logout.
func (w *simWorld) markSoon(s *simSession) {
	time.AfterFunc(20*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !s.lives() && !s.cleaned && !s.flipping {
			w.clean(s, true, false)
		}
	})
}

// loses notes that a session that utmpd knows has lost its record, and its login is open.
func (w *simWorld) loses(s *simSession, how string) {
	w.count(how)
	if w.run != nil && !w.run.dead && s.seenBy == w.run.n {
		s.lost = w.run.n
	}
}

// flip is mosh's way: USER, DEAD, USER, with the same bytes or new ones. If back,
// the record is that of a process that may be dead, and written back.
func (w *simWorld) flip(s *simSession, same, back bool) {
	if back && s.marked && !s.display && !s.lives() {
		w.unmark(s)
		return
	}
	if gone := s.proc.ended && (!back || s.display); gone || s.cleaned || s.flipping || w.slotOf(s) < 0 {
		return
	}
	s.flipping = true
	w.clean(s, true, !same && !back)
	w.disturb(0)
	time.AfterFunc(5*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !same && !s.proc.ended {
			w.count("flip, written anew")
			w.write(s, s.rec, 0)
			w.locked(utmpName, func() { s.flipping = false })
			return
		}
		w.locked(utmpName, func() { w.writeBack(s, back) })
	})
}

// writeBack ends a flip with the record's old bytes.
func (w *simWorld) writeBack(s *simSession, back bool) {
	s.flipping = false
	if !s.proc.ended || back {
		s.cleaned = false
		s.begins()
		w.count(fmt.Sprintf("flip, written back; process lives: %v", !s.proc.ended))
		w.put([]byte(s.rec.Raw()), false)
	}
}

// unmark has the owner of a record that utmpd has marked write it back, as one
// does who holds it in memory and knows nothing of that.
func (w *simWorld) unmark(s *simSession) {
	w.locked(utmpName, func() {
		if s.marked && w.slotOf(s) < 0 && w.holds(func(r utmpx.Record) bool {
			return r.Type == utmpx.DeadProcess && r.ID == s.rec.ID && r.Line == s.rec.Line && r.PID == s.rec.PID
		}) {
			w.disturb(0)
			w.count("flip, written back after utmpd marked it")
			s.marked = false
			s.begins()
			w.put([]byte(s.rec.Raw()), false)
		}
	})
}

// gone ends a process, and with it the terminal that it leads.
func (w *simWorld) gone(p *simProc, reaped bool) {
	if p == nil || p.reaped {
		return
	}
	w.tell("%v ends, reaped: %v", p, reaped)
	switch {
	case p.ended && reaped:
		w.count("zombie reaped")
	case !p.ended && !reaped:
		w.count("process a zombie")
	}
	if !p.ended && slices.ContainsFunc(w.sessions, func(s *simSession) bool { return s.proc == p && s.leader != nil && !s.leader.ended }) {
		w.count("ut_pid outlived by its leader")
	}
	w.orphan(p)
	w.end(p, reaped)
	if reaped {
		w.pool = append(w.pool, p.pid)
	}
	for line, leader := range w.terms {
		if leader == p && len(line)%2 == 1 { // some terminals outlive it
			w.hangUp(line)
		}
	}
}
