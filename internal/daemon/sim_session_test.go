package daemon

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// simSession is one login, and what is true of it.
type simSession struct {
	n       int
	rec     utmpx.Record // as its owner wrote it last, decoded
	proc    *simProc     // ut_pid
	leader  *simProc     // by whom it lives on when proc has ended, nil if nobody
	display bool

	disturbed int           // as the world was when it began
	began     time.Time     // when its record was written last
	steps     int           // of the clock by then
	off       time.Duration // of the clock then
	nested    bool          // on the terminal of a session that lives
	flipping  bool
	cleaned   bool // by its owner
	marked    bool // by utmpd
	forgotten bool // utmpd lost its state after that
}

func (s *simSession) String() string {
	return fmt.Sprintf("session %d (line %q, pid %d)", s.n, s.rec.Line, s.rec.PID)
}

// lives is the truth.
func (s *simSession) lives() bool {
	return !s.proc.ended || s.leader != nil && !s.leader.ended
}

// logEntry is a record of the wtmpx file, wherever it is by now.
type logEntry struct {
	rec   utmpx.Record
	of    *simSession // of a login
	utmpd bool
}

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
	optLogPID             // the wtmpx record has another pid
	optReap               // a process that ends is reaped at once
	optTorn               // the record is not there at once
	opts
)

// login begins a session.
func (w *simWorld) login(line, kind, opt int) {
	s := &simSession{n: len(w.sessions) + 1}
	rec := utmpx.Record{Type: utmpx.UserProcess, User: []string{"alice", "bob"}[s.n%2], Host: "10.0.0.7", Line: fmt.Sprintf("pts/%d", line)}
	rec.ID = fmt.Sprintf("ts/%d", line)
	switch kind {
	case kindOtherID:
		rec.ID = fmt.Sprintf("/%d", line)
	case kindFTP:
		rec.Line, rec.ID = fmt.Sprintf("vsftpd:%d", s.n), ""
	case kindDisplay, kindSessreg:
		rec.Line, rec.ID = fmt.Sprintf(":%d", line%2), fmt.Sprintf(":%d", line%2)
		s.display = true
	case kindNoLine:
		rec.Line, rec.ID = "", fmt.Sprintf("n%d", line)
	}
	switch {
	case kind == kindSameProc && len(w.sessions) > 0:
		s.proc = w.sessions[len(w.sessions)-1].proc
		rec.ID = fmt.Sprintf("tm%d", s.n%50)
	case opt&optReuse != 0 && len(w.pool) > 0:
		pid := w.pool[len(w.pool)-1]
		w.pool = w.pool[:len(w.pool)-1]
		if w.procs[pid] == nil {
			s.proc = w.spawn(pid)
		}
	}
	if s.proc == nil || s.proc.ended {
		s.proc = w.spawn(w.freshPID())
	}
	rec.PID = s.proc.pid
	old := w.terms[rec.Line]
	switch terminal := strings.HasPrefix(rec.Line, "pts/"); {
	case terminal && old != nil && !old.ended:
		s.nested = true // a login within a session
	case kind == kindMonitor || kind == kindSessreg:
		s.leader = w.spawn(w.freshPID())
		fallthrough
	case terminal:
		w.terms[rec.Line] = s.proc
		if s.leader != nil {
			w.terms[rec.Line] = s.leader
		}
		if !terminal {
			delete(w.terms, rec.Line)
		}
	}
	if kind == kindSessreg {
		p := s.proc
		time.AfterFunc(100*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone(p, true)
		})
	}
	w.sessions = append(w.sessions, s)
	w.write(s, rec, opt)
}

// write writes a session's records, with the time of now.
func (w *simWorld) write(s *simSession, rec utmpx.Record, opt int) {
	w.locked(utmpName, func() {
		if s.proc.ended { // its writer too
			return
		}
		rec.Time = utmpx.TimeOf(w.wallAt(time.Now()))
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
		s.disturbed, s.began, s.steps = w.disturbed, time.Now(), len(w.steps)
		s.off = w.offset(s.began)
		w.byRaw[string(raw)] = s
		s.cleaned, s.marked, s.forgotten = false, false, false
		w.tell("%v is recorded, %v", s, s.proc)
		w.put(raw, opt&optTorn != 0)
		if opt&optNoLog != 0 {
			return
		}
		logged := s.rec
		if opt&optLogPID != 0 {
			logged.PID += 100_000
		}
		add := func() {
			if !s.proc.ended {
				w.appendLog(logged, s)
			}
		}
		if opt&optNoLock != 0 && w.at != simfile.Append && w.at != simfile.Truncate {
			add()
		} else {
			w.locked(wtmpName, add)
		}
	})
}

// put writes a record where pututxline(3) would, as the world's owners of
// records do. If torn, its second half comes a moment later, under the same lock.
func (w *simWorld) put(raw []byte, torn bool) {
	r := simLayout.Decode(string(raw))
	size := simLayout.Size()
	w.files.Change(utmpName, func(data []byte) []byte {
		data = data[:len(data)/size*size]
		at := len(data)
		for off := 0; off < len(data); off += size {
			old := simLayout.Decode(string(data[off : off+size]))
			if old.Type < utmpx.InitProcess || old.Type > utmpx.DeadProcess {
				continue
			}
			if old.ID != "" && r.ID != "" && old.ID == r.ID || (old.ID == "" || r.ID == "") && old.Line == r.Line {
				at = off
				break
			}
		}
		if at == len(data) {
			data = append(data, make([]byte, size)...)
		}
		copy(data[at:], raw)
		return data
	})
	w.fileChanged()
	if !torn {
		return
	}
	// The first half alone stands there for whoever reads without a lock.
	w.disturbed++
	whole := w.files.ReadFile(utmpName)
	at := bytes.Index(whole, raw)
	if at < 0 {
		return
	}
	w.files.Change(utmpName, func(data []byte) []byte { clear(data[at+size/8 : at+size]); return data })
	h, err := w.files.As(ownerPID+2).Open(utmpName, 1)
	if err != nil {
		panic(err)
	}
	locked := h.TryLock(1) == nil
	finish := func() {
		if !w.exists(utmpName) {
			h.Close()
			return
		}
		w.files.Change(utmpName, func(data []byte) []byte {
			if at+size <= len(data) && bytes.HasPrefix(data[at:], raw[:size/8]) {
				copy(data[at:], raw)
			}
			return data
		})
		h.Close()
		w.fileChanged()
		w.retry()
	}
	if !locked {
		finish()
		return
	}
	time.AfterFunc(30*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		finish()
	})
}

// appendLog appends to the wtmpx file, cutting a torn tail as updwtmpx(3) does.
func (w *simWorld) appendLog(r utmpx.Record, of *simSession) {
	raw, err := simLayout.Encode(r)
	if err != nil {
		panic(err)
	}
	if !w.exists(wtmpName) || time.Now().Before(w.logFailsUntil) {
		return
	}
	w.files.Change(wtmpName, func(data []byte) []byte {
		if w.tornLog == nil {
			data = data[:len(data)/len(raw)*len(raw)]
		} else { // it comes in between, as O_APPEND has it
			data = append(data, w.tornLog...)
			w.tornLog = nil
		}
		return append(data, raw...)
	})
	w.history = append(w.history, logEntry{rec: simLayout.Decode(string(raw)), of: of})
}

// appendTorn appends a record of a line of its own in two parts, without a lock.
// The second never comes if the writer dies.
func (w *simWorld) appendTorn(dies bool) {
	if w.at == simfile.Append || w.at == simfile.Truncate || w.tornLog != nil || !w.exists(wtmpName) || time.Now().Before(w.logFailsUntil) {
		return
	}
	raw, _ := simLayout.Encode(utmpx.Record{Type: utmpx.UserProcess, Line: "hvc0", ID: "hvc0", User: "carol", PID: 77,
		Time: utmpx.TimeOf(w.wallAt(time.Now()))})
	size := len(raw)
	clean := false
	w.files.Change(wtmpName, func(data []byte) []byte {
		if clean = len(data)%size == 0; clean {
			data = append(data, raw[:100]...)
		}
		return data
	})
	if dies || !clean {
		return
	}
	w.tornLog = raw[100:]
	w.disturbed++
	time.AfterFunc(40*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.tornLog != nil {
			w.files.Change(wtmpName, func(data []byte) []byte { return append(data, w.tornLog...) })
			w.tornLog = nil
		}
		w.history = append(w.history, logEntry{rec: simLayout.Decode(string(raw))})
	})
}

// slotOf returns where a session's record stands, -1 if it does not.
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

// flip is mosh's way: USER, DEAD, USER, with the same bytes or new ones.
func (w *simWorld) flip(s *simSession, same bool) {
	if s.proc.ended || s.cleaned || s.flipping || w.slotOf(s) < 0 {
		return
	}
	s.flipping = true
	w.clean(s, true, !same)
	w.disturbed++
	time.AfterFunc(5*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !same {
			w.write(s, s.rec, 0)
			w.locked(utmpName, func() { s.flipping = false })
			return
		}
		w.locked(utmpName, func() {
			s.flipping = false
			if !s.proc.ended {
				s.cleaned = false
				w.put([]byte(s.rec.Raw()), false)
			}
		})
	})
}

// gone ends a process, and with it the terminal that it leads.
func (w *simWorld) gone(p *simProc, reaped bool) {
	if p == nil || p.reaped {
		return
	}
	w.tell("%v ends, reaped: %v", p, reaped)
	w.end(p, reaped)
	if reaped {
		w.pool = append(w.pool, p.pid)
	}
	for line, leader := range w.terms {
		if leader == p && len(line)%2 == 1 { // some terminals outlive it
			delete(w.terms, line)
		}
	}
}

// replace puts another file in the place of the utmpx file.
func (w *simWorld) replace(turned, empty bool) {
	if !w.exists(utmpName) {
		return
	}
	w.disturbed++
	w.replaced++
	data := w.files.ReadFile(utmpName)
	size := simLayout.Size()
	if turned { // the same records in other slots
		recs := slices.Collect(slices.Chunk(data[:len(data)/size*size], size))
		slices.Reverse(recs)
		data = slices.Concat(recs...)
	}
	if empty {
		data = nil
	}
	w.files.WriteFile(utmpName, data)
	w.fileChanged()
}

// remove takes a file away for a while. Whoever would write to it does not.
func (w *simWorld) remove(name string, d time.Duration) {
	if !w.exists(name) || w.tornLog != nil {
		return
	}
	w.disturb(d + w.scan)
	w.lossy = w.lossy || name == wtmpName // what ends meanwhile has no logout, as with libc
	w.replaced++
	w.files.Rename(name, name+".away")
	w.fileChanged()
	back := func() {
		if w.exists(name + ".away") {
			w.replaced++
			w.files.Rename(name+".away", name)
			w.fileChanged()
		}
	}
	w.restore = append(w.restore, back)
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		back()
	})
}

// rotate puts an empty wtmpx file in the place of the present one, which is
// kept, or lost, or cut.
func (w *simWorld) rotate(how int) {
	if !w.exists(wtmpName) || w.tornLog != nil {
		return
	}
	data := w.files.ReadFile(wtmpName)
	w.disturbed++
	w.replaced++
	if how == 3 { // copied and cut
		w.shiftLogs()
		w.files.WriteFile(wtmpName+".1", data)
		w.files.Change(wtmpName, func([]byte) []byte { return nil })
		return
	}
	if how == 2 {
		w.lossy = true
		w.files.Remove(wtmpName)
	} else {
		w.shiftLogs()
		w.files.Rename(wtmpName, wtmpName+".1")
	}
	w.files.WriteFile(wtmpName, nil)
}

func (w *simWorld) shiftLogs() {
	for i := w.oldLogs; i > 0; i-- {
		w.files.Rename(fmt.Sprintf("%s.%d", wtmpName, i), fmt.Sprintf("%s.%d", wtmpName, i+1))
	}
	w.oldLogs++
}
