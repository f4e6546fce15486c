// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/watcher"
)

// simTTY is a terminal. Once it is gone, another one may get its number.
type simTTY struct {
	gone   bool
	goneAt time.Time
	owner  uint32
}

// stranger is a process of nobody's session that leads a terminal.
type stranger struct {
	proc *simProc
	tty  *simTTY
}

// tty returns the terminal that has a number now. If there was none, there is one from
// now on.
func (w *simWorld) tty(line string) *simTTY {
	at := w.ttys[line]
	if at == nil || at.gone {
		if at != nil {
			w.count("terminal's number given out again")
		}
		at = &simTTY{owner: uint32(len(w.ttys)) % 3}
		w.ttys[line] = at
	}
	return at
}

// hangUp has the terminal of a line go: its other side was closed.
func (w *simWorld) hangUp(line string) {
	delete(w.terms, line)
	if at := w.ttys[line]; at != nil && !at.gone {
		at.gone, at.goneAt = true, time.Now()
	}
}

// vanish has a terminal go whose leader lives on: that of the last such session, or of the
// last whose ut_pid has ended.
func (w *simWorld) vanish(outlived bool) {
	for _, s := range slices.Backward(w.sessions) {
		alone := s.tty == nil || s.tty.gone || s.leader == nil || s.leader.ended || w.terms[s.rec.Line] != s.leader
		if !alone && (s.proc.ended || !outlived) {
			w.vanishes(s)
			return
		}
	}
}

func (w *simWorld) vanishes(s *simSession) {
	if s.proc.ended {
		w.count("terminal gone, and its leader lives: followed")
	}
	w.count("terminal gone, and its leader lives")
	w.tell("the terminal of %v goes, and %v lives on", s, s.leader)
	w.hangUp(s.rec.Line)
}

// vanished reports whether a session's terminal went before its leader did.
func (s *simSession) vanished() bool {
	return s.tty != nil && s.tty.gone && s.leader != nil && (!s.leader.ended || s.tty.goneAt.Before(s.leader.endAt))
}

// leaderEnd returns when the session no longer lived by the leader of its terminal; zero
// if it does.
func (s *simSession) leaderEnd() time.Time {
	if s.vanished() {
		return s.tty.goneAt
	}
	return s.leader.endAt
}

// inView reports whether utmpd surely has the terminal of a session in view: it knows when
// that is gone. A file that is away, or another one, is a new first sight.
func (w *simWorld) inView(s *simSession) bool {
	for _, trouble := range []string{"utmp cut", "utmp replaced", "utmp away"} {
		if w.tally[trouble] > 0 {
			return false
		}
	}
	return s.heldBy == w.run.n && w.maxFDs > 100 && !w.wasFull
}

// notItsOwn returns the processes that may be taken for a session's though they are not:
// root's that lead its terminal, and, if utmpd does not have that in view, those that lead
// another one with its number, or led it once.
func (w *simWorld) notItsOwn(s *simSession) (procs []*simProc) {
	seen := w.inView(s)
	if s.vanished() && !seen {
		procs = append(procs, s.leader)
	}
	for _, o := range w.strangers[s.rec.Line] {
		if !seen || o.tty == s.tty {
			procs = append(procs, o.proc)
		}
	}
	return procs
}

// takeOver has a process of another user lead a terminal that nobody leads any more. It
// began while the session on it lived. If the terminal is another one now, it may be of
// root, who may keep any record.
func (w *simWorld) takeOver(s *simSession, root bool) {
	line := s.rec.Line
	if l := w.terms[line]; !strings.HasPrefix(line, "pts/") || l != nil && !l.ended || s.lives() || s.contained || s.ghost {
		return
	}
	at := w.tty(line)
	p := w.spawn(w.freshPID())
	p.uid = mallory
	if root && at != s.tty && s.tty != nil {
		p.uid = 0
		w.count("terminal's number taken by root")
		w.strangers[line] = append(w.strangers[line], stranger{p, at})
	}
	p.start = s.proc.start
	w.terms[line] = p
	w.count("terminal taken over by another user")
	w.tell("another user's %v leads line %q", p, line)
}

// Hold keeps the terminal of a line in view.
func (k simKernel) Hold(line string) (watcher.Terminal, error) {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err := k.enter("hold", ""); err != nil {
		return nil, err
	}
	at := k.w.ttys[line]
	switch {
	case time.Now().Before(k.w.fullUntil):
		return nil, syscall.EMFILE
	case k.w.unnamed():
		return nil, syscall.EAGAIN
	case at == nil || at.gone:
		return nil, proc.ErrGone
	}
	for _, s := range k.w.sessions {
		if s.tty == at && s.readBy == k.n && time.Since(s.readAt) < 2*time.Second { // else it is for another one's sake
			if s.proc.ended && k.w.hidden() {
				continue // whether its leader leads that very terminal is not seen
			}
			s.heldBy = k.n
		}
	}
	k.w.count("terminal in view")
	k.ptys++
	return &ttyHandle{simRun: k.simRun, at: at}, nil
}

// ttyHandle is a terminal held by utmpd.
type ttyHandle struct {
	*simRun
	at     *simTTY
	closed bool
}

func (h *ttyHandle) Owner() uint32 { return h.at.owner }

func (h *ttyHandle) Gone() bool {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.at.gone
}

func (h *ttyHandle) Close() error {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.closed {
		return os.ErrClosed
	}
	h.closed = true
	h.ptys--
	return nil
}
