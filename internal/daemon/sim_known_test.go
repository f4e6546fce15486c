// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// What utmpd can know, and what it cannot: no law can demand what nobody could
// tell. Each way out here is counted, see simTally.

// noteRead notes which records utmpd reads.
func (w *simWorld) noteRead(h *simHandle, p []byte, off int64) {
	size := simLayout.Size()
	if h.name != utmpName || off%int64(size) != 0 {
		return
	}
	if h.locked {
		return
	}
	h.reads++
	h.found = h.found[:0]
	for ; len(p) >= size; p = p[size:] {
		s := w.byRaw[string(p[:size])]
		switch {
		case s == nil:
		case h.read:
			s.judgedAt = time.Now()
		default:
			h.found = append(h.found, s)
		}
	}
}

// noteScan notes that a file is closed. If it was read as the Scanner reads it,
// first for its layout and then for its records, the table hears of those next.
func (w *simWorld) noteScan(h *simHandle) {
	if h.name != utmpName || h.locked || h.read || h.reads < 2 {
		return
	}
	for _, s := range h.found {
		if s.readBy != h.n {
			s.readBy, s.readAt = h.n, time.Now()
		}
	}
}

// noteSeen notes that utmpd looks at a living process: for the sake of each
// session whose record it has read. Where another record has the same pid, that
// is sure only of a later moment: at this one it may have been for that one's sake.
func (w *simWorld) noteSeen(p *simProc) {
	for _, s := range w.sessions {
		if s.proc == p && s.readBy == w.run.n && s.seenBy != w.run.n && (time.Now().After(s.readAt) || !w.samePID(s)) {
			s.seenBy, s.seenSince = w.run.n, time.Now()
		}
	}
}

func (w *simWorld) samePID(s *simSession) bool {
	return slices.ContainsFunc(w.sessions, func(o *simSession) bool { return o != s && o.rec.PID == s.rec.PID })
}

// twin reports whether another record of its line has had a session's pid: then nobody
// can know which of the two the process was that was seen below who leads the line.
func (w *simWorld) twin(s *simSession) bool {
	return slices.ContainsFunc(w.sessions, func(o *simSession) bool {
		return o != s && o.rec.PID == s.rec.PID && o.rec.Line == s.rec.Line
	})
}

// mistaken reports whether a session lives and nobody could know. A display's
// may live by no process that its record names, and the pid became another's
// before utmpd saw it for the record's sake, or while it had no descriptor to keep it by:
// that one's death is then the session's. So is it where that other
// one runs below who leads the terminal, as a login within a session does. And the clock may
// have been wrong for a while, in which the record was written. And a login may stand
// in the log alone, of which the process is gone and only the leader of the terminal
// lives.
func (w *simWorld) mistaken(s *simSession) bool {
	if !s.lives() {
		return false
	}
	return s.hiddenBehind(w) || s.proc.ended && (s.readBy == 0 || w.lostUnseen(s) || s.outerOfNext == w.run.n) || w.misdated(s) || w.unknowable(s) || s.display && s.proc.reused && (s.seenBy != w.run.n || w.wasFull)
}

// hiddenBehind reports whether utmpd saw a process here with the number of a container's,
// and /proc hid that one.
func (s *simSession) hiddenBehind(w *simWorld) bool { return s.namesake != nil && w.wasHidden }

// heldByNumber reports whether a process of another user namespace kept the record of a
// session whose own process utmpd had not seen: its end proves nothing.
func (w *simWorld) heldByNumber(s *simSession) bool {
	held := func(p *simProc) bool { return p.foreignKnown() }
	return s.proc.foreignKnown() || s.seenBy != w.run.n && slices.ContainsFunc(w.namesakes(s), held)
}

// lostUnseen reports whether a session lost its record while utmpd did not run.
func (w *simWorld) lostUnseen(s *simSession) bool { return w.slotOf(s) < 0 && s.readBy != w.run.n }

// misdated reports whether by the clock, as it was at some time since a record
// was written, its process may have seemed to have started too long after that:
// the clock was slow when the record was written, and right, as the BOOT_TIME
// record has it, when utmpd first looked. Which time that was is not known.
func (w *simWorld) misdated(s *simSession) bool {
	if !w.boot || s.rec.Time.Time().Before(w.bootTime()) {
		return false
	}
	right := func(off time.Duration) bool {
		late := w.bootLate - off
		return off-s.off > time.Minute && -2*time.Second <= late && late <= 58*time.Second
	}
	return right(w.offset(s.began)) || slices.ContainsFunc(w.steps, func(step clockStep) bool {
		return !step.at.Before(s.began) && right(step.off)
	})
}

// taken returns the processes that utmpd may take for a session's when its own
// have ended, where that was noticed by then: who has led its terminal, and who
// got the pid of a process that utmpd had not seen, or in the same tick of the
// clock by which the starts of processes are told.
func (w *simWorld) taken(s *simSession, noticed time.Time) []*simProc {
	tick := uint64(w.up(noticed)/(10*time.Millisecond)) + 1
	procs := s.procs()
	for _, p := range slices.Concat(w.led[s.rec.Line], w.unknownGettys(s.rec.Line)) {
		if outer := s.outerSeenBy == w.run.n && slices.Contains(s.outers, p) && !w.twin(s); p.start <= tick && !outer && !slices.Contains(procs, p) {
			procs = append(procs, p)
		}
	}
	unseen := s.seenBy != w.run.n || w.pidAlone()
	for i := 0; i < len(procs); i++ {
		for _, p := range w.had[procs[i].pid] {
			after := p.start > procs[i].start && unseen && procs[i] == s.proc && !w.proven(s, p)
			if (after || p.start == procs[i].start) && !slices.Contains(procs, p) {
				procs = append(procs, p)
			}
		}
	}
	return slices.Concat(procs[len(s.procs()):], w.notItsOwn(s), w.namesakes(s))
}

// namesakes returns the processes of containers that have the number of a session's
// process, and those of the machine that have a container's.
func (w *simWorld) namesakes(s *simSession) (all []*simProc) {
	for _, o := range w.sessions {
		if o != s && o.contained && o.proc.number == s.rec.PID && !w.proven(s, o.proc) {
			all = append(all, o.proc)
		}
	}
	if s.contained {
		all = append(all, w.had[s.rec.PID]...)
	}
	return all
}

// pidAlone reports whether utmpd may have known no more of a process than its pid: it had
// no pidfd, and /proc hid the rest.
func (w *simWorld) pidAlone() bool {
	return w.wasHidden && (w.polling || w.maxFDs < 100 || w.wasFull)
}

// bootTime is that of the BOOT_TIME record.
func (w *simWorld) bootTime() time.Time { return w.began.Round(0).Add(w.bootLate - w.upAtStart) }

// proven reports whether it can be seen that a process is not the one that a
// record meant: it started too long after, the clock was never wrong, and the
// BOOT_TIME record that says so is in the file.
func (w *simWorld) proven(s *simSession, p *simProc) bool {
	started := w.began.Round(0).Add(time.Duration(p.start)*10*time.Millisecond - w.upAtStart)
	return w.boot && len(w.steps) == 0 && !w.wasHidden && !s.rec.Time.Time().Before(w.bootTime()) && w.holds(func(r utmpx.Record) bool { return r.Type == utmpx.BootTime }) && started.Sub(s.rec.Time.Time()) > time.Minute
}

// holds reports whether the utmpx file holds such a record.
func (w *simWorld) holds(such func(utmpx.Record) bool) bool {
	for p := range slices.Chunk(w.files.ReadFile(utmpName), simLayout.Size()) {
		if len(p) == simLayout.Size() && such(simLayout.Decode(string(p))) {
			return true
		}
	}
	return false
}

// unfollowed reports whether utmpd did not know by which process a container's session
// lived: it ended before that was found, or was of another user namespace while a process
// here had the number, whose end then counts.
func (w *simWorld) unfollowed(s *simSession) bool {
	return s.contained && (s.seenBy != w.run.n || s.namesake != nil && s.proc.foreign || s.proc.endAt.Sub(s.seenSince) < w.grace+time.Second)
}

// procs are those by which a session truly lives or lived.
func (s *simSession) procs() []*simProc {
	if s.leader == nil {
		return []*simProc{s.proc}
	}
	return []*simProc{s.proc, s.leader}
}

// last returns when the last of a session's processes ended.
func (s *simSession) last() (t time.Time) {
	if s.leader != nil {
		t = s.leaderEnd()
	}
	return latest(t, s.proc.endAt)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// oldDisplay reports whether a display's process was surely watched for a
// minute by the present run. Otherwise its record stays. Of a process that /proc hid only
// its pid was seen.
func (w *simWorld) oldDisplay(s *simSession) bool {
	return s.seenBy == w.run.n && s.proc.known.Sub(s.seenSince) > 61*time.Second && w.maxFDs > 100 && !w.wasFull && !w.pidAlone() &&
		!w.misdated(s)
}

// twins reports whether another session, of which r is the logout, says the same as a
// login in the log: the same line, user, process and time. A record whose line the log
// does not have says as little with another line and within two seconds.
func (w *simWorld) twins(e logEntry, r utmpx.Record) bool {
	return slices.ContainsFunc(w.sessions, func(o *simSession) bool {
		same := o.rec.Line == e.rec.Line && e.rec.Time == o.rec.Time || o.rec.Line != e.rec.Line && simNear(e.rec, o.rec)
		return o != e.of && o.rec.PID == r.PID && e.rec.PID == r.PID && o.rec.User == e.rec.User && same
	})
}
