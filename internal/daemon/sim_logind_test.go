// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// simBridge is the logind of a simulated world, and those who log in there. All their
// records are its own: what utmpd writes is judged here.
type simBridge struct {
	w        *simWorld
	away     bool // logind is not on the bus
	deaf     bool // signals are lost
	nextID   int
	sessions []*lgSession // all that ever were
	heard    []*lgSession // that utmpd was told of
	news     chan struct{}
	moved    func()               // a terminal has come or gone
	records  map[string]*lgRecord // by their bytes
	sshd     map[*simProc]bool    // the processes of sshd
	inner    map[string]*simProc  // lines of terminals that programs have made, and who does
	lists    int                  // how often utmpd has asked for the sessions
	passes   int                  // and looked at processes
	unlisted bool                 // the kernel lists no children
	forgot   bool                 // utmpd may not know any more which records are its own
	over     bool                 // nothing happens to utmpd any more
	strike   int                  // when to kill utmpd: after the next login in the log, or the next record
	working  map[int32]bool       // the leaders that are login(1), before it starts the shell
}

// lgSession is a session of logind, and who is behind it.
type lgSession struct {
	it        logind.Session
	owner     int // who records it
	leader    *simProc
	child     *simProc // that a display manager names in its record
	terminals []*lgTerminal
	listed    bool // logind has it
	began     bool // logind had it
}

// lgTerminal is a terminal of a session.
type lgTerminal struct {
	of     *lgSession
	line   string
	tty    *simTTY
	shell  *simProc
	opened time.Time
	closed bool // its owner has cleaned its record
}

// pid is the one in the record of its owner.
func (t *lgTerminal) pid() int32 {
	switch {
	case t.of.owner == lgSSHRoot:
		return t.shell.pid
	case t.of.child != nil:
		return t.of.child.pid
	}
	return t.of.leader.pid
}

// lgRecord is a record of a session.
type lgRecord struct {
	rec    utmpx.Record
	at     *lgTerminal
	bridge bool // utmpd wrote it
	marked bool // by utmpd
}

// Who records a session, and when.
const (
	lgSSH       = iota // sshd, before the shell leads the terminal
	lgSSHNever         // nobody
	lgSSHRoot          // sshd's child as in Debian 12 for root, once it leads the terminal, before it is the shell
	lgSSHBare          // nobody: it has no terminal
	lgSSHScript        // nobody: it has none, but for one that a program in it has made
	lgCockpit          // nobody: its terminal is no device, and a program in it has made one
	lgLogin            // nobody, as in Debian 13
	lgLoginOld         // login(1), once its PAM modules are done, before it starts the shell
	lgLoginPAM         // pam_lastlog in the log alone, before logind has the session
	lgGDMNever         // nobody
	lgGDM              // its child, without an id, late
	lgLightDM          // its child, under another id, late
	lgGDMShown         // its child, on a line with the display's name, late
	lgOwners
)

func (s *lgSession) ssh() bool   { return s.owner <= lgSSHScript }
func (s *lgSession) login() bool { return s.owner >= lgLogin && s.owner <= lgLoginPAM }

// bare reports whether a session has no terminal of its own.
func (s *lgSession) bare() bool { return s.owner >= lgSSHBare && s.owner <= lgCockpit }

func newSimBridge(w *simWorld) *simBridge {
	return &simBridge{w: w, records: map[string]*lgRecord{}, inner: map[string]*simProc{}, sshd: map[*simProc]bool{}, working: map[int32]bool{}, moved: func() {}, news: make(chan struct{}, 1)}
}

// lives is the truth: of a session on one terminal.
func (t *lgTerminal) lives() bool {
	return !t.tty.gone && (!t.of.leader.ended || !t.shell.ended)
}

func (t *lgTerminal) String() string {
	return fmt.Sprintf("session %s on %s, leader %d", t.of.it.ID, t.line, t.of.leader.pid)
}

// machine is logind as utmpd meets it.
func (b *simBridge) machine() *logindMachine {
	return &logindMachine{
		listen: b.listen,
		ptys: func(ctx context.Context, notice func(opened bool)) error {
			b.w.mu.Lock()
			b.moved = func() { notice(false); notice(true) }
			b.w.mu.Unlock()
			notice(false)
			<-ctx.Done()
			return nil
		},
		terminals: func() ([]proc.LedTerminal, error) {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			b.passes++
			return b.led(), nil
		},
		near: b.near,
		above: func(pid int32) (above []int32) {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			if p := b.w.procs[pid]; p != nil {
				for _, a := range p.above() {
					above = append(above, a.pid)
				}
			}
			return above
		},
		session: func(pid int32) string {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			return b.sessionOf(b.w.procs[pid])
		},
		device: func(name string) bool { return name != "web console" },
		shell: func(leader int32) bool {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			return !b.working[leader]
		},
		missing: func(line string) bool {
			b.w.mu.Lock()
			defer b.w.mu.Unlock()
			return !b.w.there(line)
		},
	}
}

func (b *simBridge) listen(ctx context.Context, wake <-chan struct{}, report func(logind.View)) {
	for ctx.Err() == nil {
		b.w.mu.Lock()
		v := logind.View{Known: !b.away}
		for _, s := range b.heard {
			v.Sessions = append(v.Sessions, s.it)
		}
		b.w.mu.Unlock()
		report(v)
		select {
		case <-ctx.Done():
		case <-b.news:
		case <-wake:
			b.w.mu.Lock()
			b.lists++
			b.list()
			b.w.mu.Unlock()
		}
	}
}

// list has utmpd know what logind knows. The world is locked.
func (b *simBridge) list() {
	if b.away {
		return
	}
	b.heard = slices.DeleteFunc(slices.Clone(b.sessions), func(s *lgSession) bool { return !s.listed })
}

// signal tells utmpd of what is new with a session.
func (b *simBridge) signal() {
	if b.deaf {
		b.w.count("signal lost")
		return
	}
	b.list()
	b.notice()
}

// hear begins or ends that signals are lost. A bus that has dropped some for want of room ends
// the connection, or the source has dropped them itself and knows.
func (b *simBridge) hear(not bool) {
	b.deaf = not
	if !not {
		b.signal()
	}
}

// notice has utmpd look at what it was told.
func (b *simBridge) notice() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// sessionOf returns the session in whose control group a process is.
func (b *simBridge) sessionOf(p *simProc) string {
	for _, s := range b.sessions {
		if p != nil && !p.ended && s.began && (p == s.leader || slices.ContainsFunc(s.terminals, func(t *lgTerminal) bool { return p == t.shell })) {
			return s.it.ID
		}
	}
	return ""
}

// near is [proc.LedBelow].
func (b *simBridge) near(leaders []int32) (led []proc.LedTerminal, ok bool) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.passes++
	if b.unlisted {
		return nil, false
	}
	for _, t := range b.led() {
		if slices.ContainsFunc(session.Makers(t.Above), func(pid int32) bool { return slices.Contains(leaders, pid) }) {
			led = append(led, t)
		}
	}
	return led, true
}

// led returns the terminals that somebody leads. The world is locked.
func (b *simBridge) led() (led []proc.LedTerminal) {
	for line, p := range b.w.terms {
		if p == nil || p.ended || !strings.HasPrefix(line, "pts/") {
			continue
		}
		t := proc.LedTerminal{Line: line, Leader: p.id(), SSHD: b.sshd[p]}
		for _, a := range p.above() {
			t.Above = append(t.Above, proc.Ancestor{PID: a.pid, SSHD: b.sshd[a]})
		}
		led = append(led, t)
	}
	return led
}

// login begins a session.
func (b *simBridge) login(owner, line, late int) {
	w := b.w
	for b.nextID++; slices.ContainsFunc(b.sessions, func(s *lgSession) bool { return s.listed && s.it.ID == fmt.Sprint(b.nextID) }); {
		b.nextID++
	}
	s := &lgSession{owner: owner, leader: w.spawn(b.pid()), listed: true}
	s.leader.uid = simUsers["alice"]
	s.it = logind.Session{
		ID: fmt.Sprint(b.nextID), Path: fmt.Sprintf("/s%d", b.nextID), User: "alice", Leader: s.leader.pid,
		Since: w.wallAt(time.Now()), Class: "user", State: "active", Service: "sshd", RemoteHost: "192.0.2.7",
	}
	switch {
	case s.ssh():
	case owner == lgCockpit:
		s.it.Service, s.it.TTY = "cockpit", "web console"
	case s.login():
		s.it.Service, s.it.RemoteHost = "login", ""
		s.it.TTY = fmt.Sprintf("tty%d", 1+line)
	default:
		s.it.Service, s.it.RemoteHost, s.it.Seat, s.it.VT = "gdm-password", "", "seat0", 10+line
	}
	if name := s.line(); name != "" && owner != lgCockpit {
		if l := w.terms[name]; l != nil && !l.ended || b.inUse(name) {
			w.gone(s.leader, true)
			return
		}
	}
	b.sessions = append(b.sessions, s)
	b.sshd[s.leader] = s.ssh()
	if !s.login() {
		b.begin(s, line, late)
		return
	}
	s.listed = false // getty waits
	b.put(nil, utmpx.Record{Type: utmpx.LoginProcess, PID: s.leader.pid, Line: s.it.TTY, ID: strings.TrimPrefix(s.it.TTY, "tty"), User: "LOGIN"}, false)
	w.locked(utmpName, func() {
		if s.leader.ended {
			return
		}
		if owner != lgLoginPAM {
			s.listed = true
			b.begin(s, line, late)
			return
		}
		w.locked(wtmpName, func() {
			if s.leader.ended {
				return
			}
			w.appendLog(utmpx.Record{Type: utmpx.UserProcess, User: "alice", PID: s.leader.pid, Line: s.it.TTY, Time: utmpx.TimeOf(w.wallAt(time.Now()))}, nil)
			b.after(time.Duration(1+late%1500)*time.Millisecond, func() {
				if !s.leader.ended {
					s.listed = true
					b.begin(s, line, late)
				}
			})
		})
	})
}

// begin has logind make the session, which then has a terminal.
func (b *simBridge) begin(s *lgSession, line, late int) {
	s.it.Since, s.began = b.w.wallAt(time.Now()), true
	b.w.count(fmt.Sprintf("login by owner %d", s.owner))
	b.w.tell("session %s of owner %d begins: leader %d", s.it.ID, s.owner, s.leader.pid)
	b.signal()
	b.after(time.Duration(8+late%300)*time.Millisecond, func() {
		switch {
		case s.leader.ended, s.owner == lgSSHBare:
		case s.bare():
			b.script(s, line)
		default:
			b.terminal(s, line)
		}
	})
}

// pid is sometimes one that was another's, but not within the second in which that one began:
// logind's time of a session and the kernel's of a process are compared no closer.
func (b *simBridge) pid() int32 {
	w := b.w
	if n := len(w.pool); n > 0 && len(b.sessions)%2 == 0 {
		pid := w.pool[n-1]
		w.pool = w.pool[:n-1]
		young := func(p *simProc) bool {
			return w.up(time.Now())-time.Duration(p.start)*10*time.Millisecond <= leaderLate+20*time.Millisecond
		}
		if w.procs[pid] == nil && !slices.ContainsFunc(w.had[pid], young) {
			return pid
		}
	}
	return w.freshPID()
}

// line is the terminal that logind names, "" if none.
func (s *lgSession) line() string {
	if s.it.VT > 0 {
		return fmt.Sprintf("tty%d", s.it.VT)
	}
	return s.it.TTY
}

// inUse reports whether a terminal belongs to a session.
func (b *simBridge) inUse(line string) bool {
	return slices.ContainsFunc(b.sessions, func(s *lgSession) bool {
		return s.line() == line && (!s.leader.ended || s.listed) || slices.ContainsFunc(s.terminals, func(t *lgTerminal) bool { return t.line == line && !t.tty.gone })
	})
}

func (b *simBridge) after(d time.Duration, do func()) {
	time.AfterFunc(d, func() {
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		do()
	})
}

// terminal opens a terminal of a session, and has its owner record it.
func (b *simBridge) terminal(s *lgSession, number int) {
	w := b.w
	line := s.line()
	if line == "" {
		for line = fmt.Sprintf("pts/%d", number); b.inUse(line); line = fmt.Sprintf("pts/%d", number) {
			number++
		}
	}
	delete(b.inner, line)
	t := &lgTerminal{of: s, line: line, tty: w.tty(line), opened: time.Now()}
	s.terminals = append(s.terminals, t)
	t.shell = w.spawn(w.freshPID())
	t.shell.parent, t.shell.uid = s.leader, s.leader.uid
	if s.ssh() && s.owner != lgSSHRoot { // a process of the user's is in between
		between := w.spawn(w.freshPID())
		between.parent, between.uid = s.leader, s.leader.uid
		t.shell.parent, b.sshd[between] = between, true
		b.after(time.Hour, func() { w.end(between, true) })
	}
	user := utmpx.Record{Type: utmpx.UserProcess, User: "alice", PID: s.leader.pid, Line: line}
	switch s.owner {
	case lgSSH:
		user.ID, user.Host = "ts/"+strings.TrimPrefix(line, "pts/"), "192.0.2.7"
		b.put(t, user, true)
	case lgSSHRoot:
		user.ID, user.Host, user.PID = "ts/"+strings.TrimPrefix(line, "pts/"), "192.0.2.7", t.shell.pid
		b.sshd[t.shell] = true
		b.later(t, user, time.Duration(1+number*5)*time.Millisecond)
	case lgLoginOld:
		user.ID = strings.TrimPrefix(line, "tty")
		b.working[user.PID] = true
		b.later(t, user, time.Duration(number)*1500*time.Millisecond)
	case lgGDM, lgLightDM, lgGDMShown:
		s.child = t.shell
		user.PID = s.child.pid
		display := fmt.Sprintf(":%d", number)
		switch s.owner {
		case lgLightDM:
			user.ID = display
		case lgGDMShown:
			user.ID, user.Line = display, display
		}
		b.later(t, user, time.Duration(1+int(s.leader.pid)*7%40)*time.Second)
	}
	w.terms[line] = t.shell
	w.led[line] = append(w.led[line], t.shell)
	w.tell("%v opens, shell %d", t, t.shell.pid)
	b.moved()
}

// script has a program in a session without a terminal make one, and lead it by its child.
func (b *simBridge) script(s *lgSession, number int) {
	w := b.w
	line := ""
	for line = fmt.Sprintf("pts/%d", number); b.inUse(line) || b.inner[line] != nil && !b.inner[line].ended; line = fmt.Sprintf("pts/%d", number) {
		number++
	}
	w.tty(line)
	script, shell := w.spawn(w.freshPID()), w.spawn(w.freshPID())
	script.parent, shell.parent = s.leader, script
	script.uid, shell.uid = s.leader.uid, s.leader.uid
	w.terms[line] = shell
	w.led[line] = append(w.led[line], shell)
	b.inner[line] = shell
	w.count("terminal made by a program")
	w.tell("a program in session %s opens %s, led by %d", s.it.ID, line, shell.pid)
	b.moved()
	b.after(time.Duration(5+number)*time.Minute, func() {
		w.end(script, true)
		w.end(shell, true)
		if b.inner[line] == shell {
			w.hangUp(line)
			b.moved()
		}
	})
}

func (b *simBridge) later(t *lgTerminal, r utmpx.Record, d time.Duration) {
	b.after(d, func() {
		if p := b.w.procs[r.PID]; p != nil && !p.ended && !t.tty.gone {
			b.put(t, r, true)
		}
	})
}

// put has the owner of a session write its record.
func (b *simBridge) put(t *lgTerminal, r utmpx.Record, log bool) {
	w := b.w
	w.locked(utmpName, func() {
		if p := w.procs[r.PID]; t != nil && t.tty.gone || p == nil || p.ended {
			return
		}
		r.Time = utmpx.TimeOf(w.wallAt(time.Now()))
		raw, err := simLayout.Encode(r)
		if err != nil {
			panic(err)
		}
		w.tell("its owner writes %v", r)
		if t != nil {
			b.records[string(raw)] = &lgRecord{rec: simLayout.Decode(string(raw)), at: t}
		}
		w.put(raw, false)
		if log {
			w.locked(wtmpName, func() {
				if p := w.procs[r.PID]; p != nil && !p.ended && (t == nil || !t.tty.gone) {
					at, isOpen := open(w.history, r.Line)
					waits := t != nil && (t.of.owner == lgSSHRoot || t.of.owner == lgLoginOld && time.Since(t.opened) < 9*time.Second)
					if isOpen && waits && w.history[at].utmpd && b.loginOf(t, w.history[at].rec) {
						w.broken("2: a login twice: utmpd has not waited for %v", r)
					}
					w.appendLog(r, nil)
				}
				if t != nil {
					b.sshd[t.shell] = false // it becomes the shell
					delete(b.working, r.PID)
				}
			})
		}
	})
}

// clean has sshd close what it finds recorded on a terminal, whoever wrote that.
func (b *simBridge) clean(t *lgTerminal) {
	w := b.w
	w.locked(utmpName, func() {
		size := simLayout.Size()
		data := w.files.ReadFile(utmpName)
		for off := 0; off+size <= len(data); off += size {
			r := simLayout.Decode(string(data[off : off+size]))
			if r.Type != utmpx.UserProcess || r.Line != t.line || r.PID != t.of.leader.pid && r.PID != t.pid() {
				continue
			}
			r.Type, r.User, r.Host, r.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(w.wallAt(time.Now()))
			raw, _ := simLayout.Encode(r)
			w.files.Change(utmpName, func(data []byte) []byte { copy(data[off:], raw); return data })
			t.closed = true
			w.count("owner cleans")
			w.tell("the owner of %v cleans", t)
			w.fileChanged()
			w.locked(wtmpName, func() { w.appendLog(r, nil) })
			return
		}
	})
}

// close ends a terminal: its shell, and then the terminal itself.
func (b *simBridge) close(t *lgTerminal, cleaned bool) {
	b.w.end(t.shell, true)
	if !t.tty.gone {
		b.w.tell("%v closes", t)
		b.w.hangUp(t.line)
		b.moved()
	}
	if cleaned {
		b.clean(t)
	}
}

// leave ends a session in one of several ways.
func (b *simBridge) leave(s *lgSession, how int) {
	w := b.w
	ssh := s.ssh()
	switch how {
	case 0: // as it should
		for _, t := range s.terminals {
			if !t.tty.gone {
				b.close(t, ssh)
			}
		}
		w.gone(s.leader, true)
		b.remove(s)
	case 1: // its leader alone is killed: logind shows it as closing
		w.count("leader killed")
		w.gone(s.leader, true)
		s.it.State = "closing"
		b.signal()
	case 2: // all of it is killed
		w.count("all killed")
		w.gone(s.leader, true)
		for _, t := range s.terminals {
			b.close(t, false)
		}
		b.remove(s)
	case 3: // one terminal closes
		for _, t := range s.terminals {
			if ssh && !t.tty.gone {
				w.count("terminal closed, its connection goes on")
				b.close(t, s.owner == lgSSH || s.owner == lgSSHRoot)
				if number, err := strconv.Atoi(strings.TrimPrefix(t.line, "pts/")); err == nil && len(b.sessions)%2 == 1 { // with a fresh pid
					w.count("its number is another connection's at once")
					b.login(lgSSHNever, number, 0)
				}
				return
			}
		}
	}
}

func (b *simBridge) remove(s *lgSession) {
	s.listed = false
	b.signal()
}

// restart has logind restart: what ended meanwhile is gone without a signal, and its ids
// begin again.
func (b *simBridge) restart(d time.Duration) {
	if b.away {
		return
	}
	b.w.count("logind restarts")
	b.away = true
	b.notice()
	b.after(d, func() {
		b.away = false
		b.nextID = 0
		for _, s := range b.sessions {
			if s.leader.ended {
				s.listed = false
			}
		}
		b.list()
		b.notice()
	})
}

// guardWrite judges a write of utmpd's to the utmpx file.
func (b *simBridge) guardWrite(h *simHandle, p []byte, off int64) {
	w := b.w
	size := int64(simLayout.Size())
	now := w.files.ReadFile(utmpName)
	if h.name != utmpName || !h.locked || int64(len(p)) != size || off%size != 0 || off > int64(len(now)) {
		w.broken("3: %d bytes written at %d of %s, locked: %v", len(p), off, h.name, h.locked)
		return
	}
	var old utmpx.Record
	if off < int64(len(now)) {
		old = simLayout.Decode(string(now[off : off+size]))
	}
	is := simLayout.Decode(string(p))
	if is.Type == utmpx.UserProcess {
		b.guardRecord(is, old, now)
		return
	}
	b.guardMark(old, is, now)
}

// guardRecord judges a session that utmpd records.
func (b *simBridge) guardRecord(is, old utmpx.Record, file []byte) {
	w := b.w
	w.tell("utmpd records %v", is)
	w.count("recorded")
	t := b.terminalOf(is)
	switch {
	case t == nil:
		w.broken("1: recorded, and nobody's: %v", is)
		return
	case t.closed:
		w.broken("2: recorded again after its owner has closed it: %v", t)
	case t.of.ssh() && is.Time.Time().Before(w.wallAt(t.opened).Add(-11*time.Second)):
		w.broken("7: recorded as from %v, and opened at %v: %v", is.Time, w.wallAt(t.opened), t)
	}
	waits := old.Type == utmpx.LoginProcess && (old.PID == is.PID || old.Line == is.Line)
	if waits {
		w.count("getty's record taken over")
	}
	if old.Type != utmpx.DeadProcess && old.Type != utmpx.Empty && !waits {
		w.broken("3: written over a record that is not utmpd's: %v", old)
	}
	for _, r := range recordsIn(file) {
		if r.Type == utmpx.UserProcess && r.Line == is.Line && r.Raw() != old.Raw() {
			w.broken("2: recorded, and has a record: %v", r)
		}
	}
	b.records[is.Raw()] = &lgRecord{rec: is, at: t, bridge: true}
	b.killAfter(strikeRecord, "killed after a record")
}

const (
	strikeLogin  = 1
	strikeRecord = 2
)

// killAfter has utmpd killed before its next call, if that is to happen there.
func (b *simBridge) killAfter(where int, name string) {
	if b.strike != where {
		return
	}
	b.strike = 0
	b.w.count(name)
	b.w.run.killAt = b.w.run.calls + 1
}

// terminalOf returns the terminal that a record of utmpd's is of, nil if there was none
// lately.
func (b *simBridge) terminalOf(r utmpx.Record) *lgTerminal {
	for _, s := range slices.Backward(b.sessions) {
		for _, t := range slices.Backward(s.terminals) {
			if t.line == r.Line && s.leader.pid == r.PID && (!t.tty.gone || time.Since(t.tty.goneAt) < 10*time.Second) {
				return t
			}
		}
	}
	return nil
}

func recordsIn(file []byte) (all []utmpx.Record) {
	for p := range slices.Chunk(file, simLayout.Size()) {
		if len(p) == simLayout.Size() {
			all = append(all, simLayout.Decode(string(p)))
		}
	}
	return all
}

// guardMark judges a record that utmpd marks dead.
func (b *simBridge) guardMark(old, is utmpx.Record, file []byte) {
	w := b.w
	rec := b.records[old.Raw()]
	want, _ := simLayout.Encode(endedRecord(old, is.Time, is.Exit))
	switch {
	case rec == nil:
		w.broken("3: a record is written over that is nobody's: %v", old)
		return
	case string(want) != is.Raw():
		w.broken("3: %v becomes %v", old, is)
	}
	w.tell("utmpd marks %v", old)
	if !rec.at.lives() {
		rec.marked = true
		w.count("marked")
		return
	}
	others := slices.ContainsFunc(recordsIn(file), func(r utmpx.Record) bool {
		o := b.records[r.Raw()]
		return o != nil && !o.bridge && o.at.of == rec.at.of
	})
	if !rec.bridge || !others {
		w.broken("1: %v lives and is marked dead", rec.at)
		return
	}
	w.count("withdrawn")
}

// guardAppend judges what utmpd appends to the log.
func (b *simBridge) guardAppend(h *simHandle, p []byte) {
	w := b.w
	if h.name != wtmpName || !h.locked {
		w.broken("3: appended to %s, locked: %v", h.name, h.locked)
	}
	for _, r := range recordsIn(p) {
		at, isOpen := open(w.history, r.Line)
		w.tell("utmpd appends %v", r)
		switch {
		case r.Type == utmpx.UserProcess:
			w.count("logins appended")
			t := b.terminalOf(r)
			if b.logsLater(r) {
				w.count("a login that the log had refused")
			} else if t == nil {
				w.broken("1: a login of nobody: %v", r)
			} else if isOpen && b.loginOf(t, w.history[at].rec) {
				w.broken("2: a login twice: %v after %v", r, w.history[at].rec)
			}
			b.killAfter(strikeLogin, "killed after a login in the log")
		case !isOpen:
			w.broken("2: a logout of line %q, which is not open", r.Line)
		default:
			w.count("logouts appended")
			b.guardLogout(w.history[at].rec)
		}
		w.history = append(w.history, logEntry{rec: r, utmpd: true})
	}
}

// logsLater reports whether a login is that of a record that utmpd wrote when the log took none,
// and is not in it.
func (b *simBridge) logsLater(r utmpx.Record) bool {
	same := func(o utmpx.Record) bool {
		return o.Type == r.Type && o.Line == r.Line && o.PID == r.PID && o.Time == r.Time && o.User == r.User
	}
	if slices.ContainsFunc(b.w.history, func(e logEntry) bool { return same(e.rec) }) {
		return false
	}
	for _, o := range b.records {
		if o.bridge && same(o.rec) {
			return true
		}
	}
	return false
}

// loginOf reports whether a login in the log is one of a terminal, by whoever.
func (b *simBridge) loginOf(t *lgTerminal, login utmpx.Record) bool {
	at := login.Time.Time()
	return (login.PID == t.of.leader.pid || login.PID == t.pid()) && login.Line == t.line && !at.Before(b.w.wallAt(t.opened).Add(-2*time.Second))
}

// guardLogout judges the logout that closes a login.
func (b *simBridge) guardLogout(login utmpx.Record) {
	for _, o := range b.records {
		if o.bridge && o.rec.Line == login.Line && o.rec.PID == login.PID && o.rec.Time == login.Time && !o.at.lives() {
			return // its terminal is over, and its connection has another one with that number
		}
	}
	for _, s := range b.sessions {
		for _, t := range s.terminals {
			pid := login.PID == s.leader.pid || login.PID == t.pid()
			began := !login.Time.Time().Before(s.it.Since.Add(-time.Second))
			if pid && (login.Line == t.line || strings.HasPrefix(login.Line, ":")) && began && t.lives() {
				if b.openLogins(t) > 1 && login.PID == s.leader.pid {
					b.w.count("login of a withdrawn record closed")
					continue
				}
				b.w.broken("1: a logout after the login of %v, which lives", t)
			}
		}
	}
}

// openLogins counts the open logins of a terminal, on whatever line.
func (b *simBridge) openLogins(t *lgTerminal) (n int) {
	lines := map[string]utmpx.Record{}
	for _, e := range b.w.history {
		lines[e.rec.Line] = e.rec
	}
	for line, r := range lines {
		mine := r.PID == t.of.leader.pid || r.PID == t.pid()
		if r.Type == utmpx.UserProcess && mine && (line == t.line || strings.HasPrefix(line, ":")) && !r.Time.Time().Before(b.w.wallAt(t.opened).Add(-2*time.Second)) {
			n++
		}
	}
	return n
}

// check judges the file once the world has been left alone: each session that lives has
// one record on each of its terminals.
func (b *simBridge) check() {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	all := recordsIn(w.files.ReadFile(utmpName))
	for _, s := range b.sessions {
		for _, t := range s.terminals {
			n, bridged := 0, 0
			for _, r := range all {
				if o := b.records[r.Raw()]; o != nil && o.at == t && r.Type == utmpx.UserProcess {
					n++
					if o.bridge {
						bridged++
					}
				}
			}
			b.judge(t, n, bridged)
			if t.lives() && n == 1 && b.openLogins(t) > 1 && !b.forgot {
				w.broken("2: %v has %d open logins", t, b.openLogins(t))
			}
		}
	}
}

func (b *simBridge) judge(t *lgTerminal, n, bridged int) {
	w := b.w
	switch {
	case !t.lives():
		if n > 0 && b.doubtful(t.line, t.of.owner == lgGDMShown) {
			w.count("over, and its display's record is left alone")
		} else if n > 0 && b.shared(t) {
			w.count("over, and kept by who leads its line now")
		} else if n > 0 && b.pidUsed(t) {
			w.count("over, and its pid is another's")
		} else if n > 0 && b.forgot && !t.of.leader.ended {
			w.count("over, and its connection is not: utmpd did not know its own record")
		} else if n > 0 {
			w.broken("2: %v is over, and has %d records", t, n)
		}
	case t.closed:
	case n == 2 && bridged == 1 && b.forgot:
		w.count("doubled: utmpd did not know its own record")
	case n == 2 && bridged == 1 && t.of.it.Seat != "" && t.of.leader.ended && !t.of.listed:
		w.count("doubled: its leader was killed before its child has written, and logind has forgotten it") // nothing shows whose child that is
	case n > 1:
		w.broken("2: %v has %d records", t, n)
	case n == 0 && !t.of.leader.ended && !t.shell.ended && t.of.listed:
		if b.leftBehind(t) {
			w.broken("2: %v has no record: the line has that of a terminal that is gone", t)
		}
		if b.shared(t) || b.named(t) { // the record of the one before is in the way
			w.count("not recorded: the line has a record")
			return
		}
		w.broken("2: %v lives and has no record", t)
	case n == 1:
		w.count("right at the end")
	}
}

// inLog reports whether the log has the login of a record that utmpd wrote, or its owner has
// written one too: the login is its own affair then.
func (b *simBridge) inLog(o *lgRecord) bool {
	for _, other := range b.records {
		if other.at == o.at && !other.bridge {
			return true
		}
	}
	return slices.ContainsFunc(b.w.history, func(e logEntry) bool {
		exact := e.rec.Line == o.rec.Line && e.rec.PID == o.rec.PID && e.rec.Time == o.rec.Time
		return e.rec.Type == utmpx.UserProcess && (exact || b.loginOf(o.at, e.rec) || e.rec.PID == o.at.pid())
	})
}

// mustClose reports whether a login must be closed when all is over: not if somebody has
// displaced its record before utmpd marked it, which other worlds judge, and not if PAM has
// appended it and its process was killed before logind knew the session.
func (b *simBridge) mustClose(login utmpx.Record) bool {
	for _, o := range b.records {
		if o.rec.Line == login.Line && o.rec.PID == login.PID && o.rec.Time == login.Time {
			return o.marked
		}
	}
	return !slices.ContainsFunc(b.sessions, func(s *lgSession) bool { return s.owner == lgLoginPAM && s.leader.pid == login.PID && !s.began })
}

// halfDone reports whether utmpd was killed after it had written a login to the log, and
// found no terminal for it later.
func (b *simBridge) halfDone(line string) bool {
	e := b.w.history[slices.IndexFunc(b.w.history, func(e logEntry) bool { return e.rec.Line == line })]
	for _, o := range b.w.history {
		if o.rec.Line == line {
			e = o
		}
	}
	for _, o := range b.records {
		if o.rec.Line == line && o.rec.PID == e.rec.PID && o.rec.Time == e.rec.Time {
			return false
		}
	}
	b.w.count("killed between login and record, and the terminal closed")
	return e.utmpd
}

// doubtful reports whether the record of a line is left alone if its process was not seen
// alive for a minute by one run: it may be a display's.
func (b *simBridge) doubtful(line string, display bool) bool {
	return display || strings.HasPrefix(line, ":") || strings.HasPrefix(line, "tty") && b.w.runs > 1
}

// shared reports whether the line of a terminal has the record of another session.
func (b *simBridge) shared(t *lgTerminal) bool {
	for _, r := range recordsIn(b.w.files.ReadFile(utmpName)) {
		if o := b.records[r.Raw()]; o != nil && r.Type == utmpx.UserProcess && r.Line == t.line && (o.at != t || b.follower(t)) {
			return true
		}
	}
	return false
}

// leftBehind reports whether the line of a terminal has the record of another one of a
// connection that goes on, and which utmpd has written.
func (b *simBridge) leftBehind(t *lgTerminal) bool {
	if b.forgot {
		return false
	}
	return slices.ContainsFunc(recordsIn(b.w.files.ReadFile(utmpName)), func(r utmpx.Record) bool {
		o := b.records[r.Raw()]
		return o != nil && r.Type == utmpx.UserProcess && r.Line == t.line && o.bridge && o.at != t && o.at.tty.gone && !o.at.of.leader.ended
	})
}

// named reports whether the record of a session that ended within the same second names the
// pid of one that lives.
func (b *simBridge) named(t *lgTerminal) bool {
	for _, r := range recordsIn(b.w.files.ReadFile(utmpName)) {
		if o := b.records[r.Raw()]; o != nil && r.Type == utmpx.UserProcess && r.PID == t.of.leader.pid && o.at.of != t.of && t.of.it.Since.Sub(r.Time.Time()) < time.Second {
			return true
		}
	}
	return false
}

// pidUsed reports whether the pid of a session that is over is another's, which utmpd may
// take for the session's.
func (b *simBridge) pidUsed(t *lgTerminal) bool {
	for _, old := range []*simProc{t.of.leader, t.of.child, t.shell} {
		if old != nil && old.ended && b.w.alivePID(old.pid) {
			return true
		}
	}
	return false
}

// follower reports whether another session is on the line of one that is over.
func (b *simBridge) follower(t *lgTerminal) bool {
	return slices.ContainsFunc(b.sessions, func(s *lgSession) bool {
		return slices.ContainsFunc(s.terminals, func(o *lgTerminal) bool { return o != t && o.line == t.line && o.lives() })
	})
}

// checkLog judges the log when all is over: no login is open.
func (b *simBridge) checkLog() {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := map[string]bool{}
	for _, e := range w.history {
		lines[e.rec.Line] = e.rec.Type == utmpx.UserProcess && b.mustClose(e.rec)
		if lines[e.rec.Line] && len(w.had[e.rec.PID]) > 1 { // whose it was may be in doubt: nothing is appended
			w.count("the log at the end: not judged, a pid was another's too")
			lines[e.rec.Line] = false
		}
	}
	for _, o := range b.records {
		if o.bridge && !b.forgot && !b.inLog(o) {
			w.broken("2: the login of %v was never in the log, and it has taken records since", o.rec)
		}
	}
	for line, isOpen := range lines {
		if isOpen && !b.doubtful(line, false) && !(b.forgot && b.halfDone(line)) {
			w.broken("2: the login of line %q is open, and all is over", line)
		}
	}
}
