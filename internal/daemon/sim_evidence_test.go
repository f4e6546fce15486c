// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/watcher"
	"utmpd.dev/utmpd/utmpx"
)

// What speaks for a session, beside the process that its record names.

// users of the simulated machine, and one who has no session.
var simUsers = map[string]uint32{"alice": 1000, "bob": 1001}

const mallory = 1002

// above returns the ancestors of a process, the nearest first. One whose parent has ended
// is a child of process 1.
func (p *simProc) above() (all []*simProc) {
	for p = p.parent; p != nil && !p.ended && len(all) < 100; p = p.parent {
		all = append(all, p)
	}
	return all
}

// below reports whether a process descends from another.
func (p *simProc) below(o *simProc) bool { return slices.Contains(p.above(), o) }

func (p *simProc) id() session.ID { return session.ID{PID: p.pid, Start: p.start} }

// Look tells who leads the lines of records, as seen from their processes.
func (k simKernel) Look(sights []session.Sight, _ []watcher.Terminal) []session.Sighting {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err := k.enter("look", ""); err != nil {
		return nil
	}
	seen := make([]session.Sighting, len(sights))
	for i, q := range sights {
		seen[i].Key = q.Key
		p, l := k.w.procs[q.ID.PID], k.w.terms[q.Line]
		if p == nil || p.ended || !q.ID.Same(p.id()) || l == nil || l.ended || k.w.unnamed() || k.w.hidden() {
			continue
		}
		switch {
		case q.Led:
			seen[i].Leads = l == p
		case l == p || l.below(p):
			seen[i].Leader = l.id()
		case p.below(l):
			seen[i].Outer = l.id()
			k.w.noteOuter(p, l)
		}
	}
	return seen
}

// retryUnnamed is when utmpd looks up a line again at the latest.
const retryUnnamed = 6 * time.Second

// unnamed reports whether lines cannot be looked up just now.
func (w *simWorld) unnamed() bool { return time.Now().Before(w.unnamedUntil) }

// noteOuter notes that utmpd has seen in whose session a process runs. Of a session whose
// leader that is, and whose pid became the process's before utmpd looked, nobody could tell
// that the two are not one.
func (w *simWorld) noteOuter(p, leader *simProc) {
	for _, s := range w.sessions {
		switch {
		case s.proc == p:
			s.outerSeenBy = w.run.n
			s.outers = append(s.outers, leader)
		case s.leader == leader && s.rec.PID == p.pid && s.seenBy != w.run.n && !w.proven(s, p):
			s.outerOfNext = w.run.n
		}
	}
}

// Gather tells who leads the terminals, and who has which number in pid namespaces of
// his own, as /proc and /dev do.
func (k simKernel) Gather(questions []session.Question) []session.Evidence {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	if err := k.enter("gather", ""); err != nil {
		return nil
	}
	found := make([]session.Evidence, len(questions))
	numbers := k.w.numbers()
	for i, q := range questions {
		uid, known := simUsers[q.User]
		found[i] = session.Evidence{Key: q.Key, User: session.Owner{Known: known, UID: uid}}
		switch p := k.w.terms[q.Line]; {
		case q.Line != "" && k.w.unnamed():
			found[i].Unsure = "it hangs"
		case k.w.hidden():
			found[i].Hidden = k.w.there(q.Line)
		case p != nil && !p.ended:
			found[i].Leaders = []session.Candidate{p.candidate()}
		}
		k.w.gatherNamesakes(q, &found[i])
		if q.PID != 0 && !k.w.hidden() {
			found[i].Numbers, found[i].Mark = numbers, q.Mark
		}
		if q.Shown {
			found[i].Witness = k.w.witness(q)
		}
		found[i].Idle = q.Idle && k.w.idle(q.User)
	}
	return found
}

// gatherNamesakes tells who has a number in a pid namespace of his own.
func (w *simWorld) gatherNamesakes(q session.Question, e *session.Evidence) {
	e.Blind = q.PID != 0 && w.hidden()
	for _, s := range w.sessions {
		switch p := s.proc; {
		case p.number != q.PID || q.PID == 0 || p.ended:
		case e.Blind:
			w.count("container's process hidden")
		default:
			p.found = true
			e.Namesakes = append(e.Namesakes, p.candidate())
		}
	}
}

// numbers are those of living processes in pid namespaces of their own.
func (w *simWorld) numbers() *session.Numbers {
	var all session.Numbers
	for _, s := range w.sessions {
		if p := s.proc; p.number != 0 && !p.ended {
			all = append(all, p.number)
		}
	}
	slices.Sort(all)
	return &all
}

// hide has /proc hide the processes of others from utmpd, as one that is mounted with
// hidepid does: pidfds alone tell of them.
func (w *simWorld) hide(d time.Duration) {
	w.count("/proc hides processes")
	w.wasHidden = true
	w.hiddenUntil = time.Now().Add(d)
}

// hidden reports whether /proc hides processes just now.
func (w *simWorld) hidden() bool { return time.Now().Before(w.hiddenUntil) }

// there reports whether a terminal of that name exists.
func (w *simWorld) there(line string) bool { t := w.ttys[line]; return t != nil && !t.gone }

func (p *simProc) candidate() session.Candidate {
	c := session.Candidate{ID: p.id(), UID: p.uid, Foreign: p.foreign}
	for _, above := range p.above() {
		c.Above = append(c.Above, above.id())
	}
	return c
}

// contained begins a session in a container that has the machine's utmp file: its record
// has a number that means nothing here.
func (w *simWorld) contained(foreign bool, whose int) {
	s := &simSession{n: len(w.sessions) + 1, contained: true}
	number := w.freshPID()
	switch last := w.pick(whose); {
	case whose%3 == 0: // that of a young process here, which ends soon
		s.namesake = w.spawn(number)
		time.AfterFunc(time.Duration(1+whose%20)*time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone(s.namesake, true)
		})
		w.count("container's number is a young process's here")
	case whose%3 == 1 && last != nil && !last.proc.ended && last.proc.number == 0:
		number, s.namesake = last.proc.pid, last.proc
		w.count("container's number is a session's here")
	}
	s.proc = w.spawn(w.freshPID())
	s.proc.number, s.proc.foreign = number, foreign
	rec := loginRecord(s.n, 0, kindShell)
	rec.Line, rec.ID, rec.PID = fmt.Sprintf("pts/1%d", s.n), fmt.Sprintf("c%d", s.n), s.proc.number
	w.sessions = append(w.sessions, s)
	w.count(fmt.Sprintf("login in a container, of another user namespace: %v", foreign))
	w.write(s, rec, 0)
}

// nobodys are the processes that are nobody's session, by their pids.
var nobodys = []struct {
	pid int32
	why session.Nobody
}{{2, session.KernelThread}, {7, session.Ourselves}, {1, session.Init}}

// ghost writes the record of a session that ended long ago, whose pid is now that of a
// process that is nobody's.
func (w *simWorld) ghost(which int) {
	at := nobodys[which%len(nobodys)]
	if w.procs[at.pid] == nil {
		w.procs[at.pid] = &simProc{pid: at.pid, nobody: at.why, inode: uint64(at.pid)}
	}
	s := &simSession{n: len(w.sessions) + 1, ghost: true}
	s.proc = &simProc{pid: at.pid, ended: true, reaped: true, endAt: time.Now()}
	rec := loginRecord(s.n, 0, kindShell)
	rec.Line, rec.ID, rec.PID = fmt.Sprintf("pts/2%d", s.n), fmt.Sprintf("g%d", s.n), at.pid
	w.sessions = append(w.sessions, s)
	w.count("ut_pid is nobody's session")
	w.write(s, rec, optNoLog)
}

// getty has a getty wait on a terminal that nobody leads, as its record says.
func (w *simWorld) getty(s *simSession) {
	line := s.rec.Line
	if l := w.terms[line]; !strings.HasPrefix(line, "pts/") || l != nil && !l.ended || s.contained || s.ghost {
		return
	}
	w.locked(utmpName, func() {
		if l := w.terms[line]; l != nil && !l.ended {
			return
		}
		p := w.spawn(w.freshPID())
		w.tty(line)
		w.terms[line] = p
		w.gettys[line] = append(w.gettys[line], p)
		w.count("getty on the line of a session")
		rec := utmpx.Record{Type: utmpx.LoginProcess, PID: p.pid, Line: line, ID: "w" + strings.TrimPrefix(line, "pts/"), User: "LOGIN", Time: utmpx.TimeOf(w.wallAt(time.Now()))}
		raw, err := simLayout.Encode(rec)
		if err != nil {
			panic(err)
		}
		w.put(raw, false)
	})
}

// unknownGettys returns the gettys on a line whose records are not in the file: utmpd may
// take them for sessions.
func (w *simWorld) unknownGettys(line string) (unknown []*simProc) {
	for _, p := range w.gettys[line] {
		if !w.holds(func(r utmpx.Record) bool { return r.Type == utmpx.LoginProcess && r.PID == p.pid && r.Line == line }) {
			unknown = append(unknown, p)
		}
	}
	return unknown
}
