package daemon

import (
	"reflect"
	"runtime"
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// The laws, as far as they can be checked at the moment of a write, with the
// world standing still.

// guardWrite looks at a write to the utmpx file.
func (w *simWorld) guardWrite(h *simHandle, p []byte, off int64) {
	size := int64(simLayout.Size())
	now := w.files.ReadFile(utmpName)
	at, _ := h.h.Info()
	is, err := w.files.Lookup(utmpName)
	switch {
	case h.name != utmpName:
		w.broken("3: %d bytes at %d are written to %s", len(p), off, h.name)
		return
	case !h.locked:
		w.broken("3: written without a lock")
	case err != nil || at.Generation != is.Generation:
		if w.replaced == h.under { // under the lock, nobody can help it
			w.broken("3: written to a file that was replaced")
		}
		return
	case int64(len(p)) != size || off%size != 0 || off+size > int64(len(now)):
		w.broken("3: %d bytes written at %d of %d", len(p), off, len(now))
		return
	}
	s := w.byRaw[string(now[off:off+size])]
	if s == nil {
		w.broken("3: a record is written over that is nobody's: %v", simLayout.Decode(string(now[off:off+size])))
		return
	}
	got := simLayout.Decode(string(p))
	want, _ := simLayout.Encode(endedRecord(s.rec, got.Time, got.Exit))
	if string(want) != string(p) {
		w.broken("3: the record of %v becomes %v", s, got)
	}
	w.tell("utmpd marks %v, ended %v", s, got.Time.Time())
	w.marking(s, got.Time)
}

// endedRecord is what a session's record becomes.
func endedRecord(r utmpx.Record, t utmpx.Time, exit utmpx.Exit) utmpx.Record {
	r.Type, r.Time, r.Exit = utmpx.DeadProcess, t, exit
	if runtime.GOOS != "solaris" && runtime.GOOS != "illumos" {
		r.User, r.Host = "", ""
	}
	return r
}

// marking checks that a session may be marked, when, and with what time.
func (w *simWorld) marking(s *simSession, t utmpx.Time) {
	if w.mistaken(s) {
		return
	}
	if s.lives() {
		w.broken("1: %v lives and is marked dead", s)
		return
	}
	s.marked = true
	got := t.Time()
	if got.Before(s.rec.Time.Time()) {
		w.broken("2: %v ends before it began: %v, %v", s, got, s.rec.Time.Time())
	}
	if len(w.steps) != s.steps {
		return
	}
	deaths := []time.Time{w.wallAt(s.proc.endAt)}
	if s.leader != nil {
		deaths = append(deaths, w.wallAt(s.leader.endAt))
	}
	for i := range deaths { // as a record holds it
		deaths[i] = utmpx.TimeOf(deaths[i]).Time()
		if login := s.rec.Time.Time(); deaths[i].Before(login) {
			deaths[i] = login
		}
	}
	first := slices.MinFunc(deaths, time.Time.Compare)
	if got.Before(first) || !s.nested && got.After(w.wallAt(time.Now())) {
		w.broken("2: %v ends at %v, its processes at %v, it is marked at %v", s, got, deaths, w.wallAt(time.Now()))
	}
	last := s.proc.endAt
	if s.leader != nil && s.leader.endAt.After(last) {
		last = s.leader.endAt
	}
	if w.disturbed != s.disturbed || s.began.Before(w.troubled) || w.notices != 0 || s.nested || s.display || w.maxFDs < 100 {
		return
	}
	end := int64(w.up(last) / (10 * time.Millisecond)) // as the starts of processes are told
	if slices.ContainsFunc(w.sessions, func(o *simSession) bool {
		return o != s && o.rec.Line == s.rec.Line && (o.leader != nil || max(int64(o.proc.start)-end, end-int64(o.proc.start)) <= 1)
	}) {
		return // the leader may be taken for this session's, and followed
	}
	if s.proc.reused && s.proc.seenBy == 0 {
		return // it was taken for the one that has its pid
	}
	// Nothing stood in utmpd's way.
	late := 200 * time.Millisecond
	if w.polling {
		late += time.Second
	}
	if time.Since(last) > w.grace+late {
		w.broken("2: %v was marked %v after its end", s, time.Since(last))
	}
	earliest := s.proc.endAt
	if s.leader != nil && s.leader.endAt.Before(earliest) {
		earliest = s.leader.endAt
	}
	if earliest.Sub(s.began) > 100*time.Millisecond && !w.polling && !slices.ContainsFunc(deaths, got.Equal) {
		w.broken("2: %v was watched and ends at %v, its processes at %v", s, got, deaths)
	}
}

// guardAppend looks at what is appended to the wtmpx file.
func (w *simWorld) guardAppend(h *simHandle, p []byte) {
	size := simLayout.Size()
	at, _ := h.h.Info()
	is, err := w.files.Lookup(wtmpName)
	switch {
	case h.name != wtmpName || !h.locked:
		w.broken("3: appended to %s, locked: %v", h.name, h.locked)
	case err != nil || at.Generation != is.Generation:
		if w.replaced == h.under {
			w.broken("3: appended to a file that was replaced")
		}
	case len(p)%size != 0 || at.Size%int64(size) != 0:
		w.broken("3: %d bytes appended to %d", len(p), at.Size)
	}
	end, old := len(w.history), err != nil || at.Generation != is.Generation
	if old {
		end = w.rotated // it stands before what the new file holds
	}
	for i := 0; i+size <= len(p); i += size {
		r := simLayout.Decode(string(p[i : i+size]))
		w.tell("utmpd appends the logout of line %q, pid %d, %v", r.Line, r.PID, r.Time.Time())
		w.logout(r, w.history[:end])
		w.history = slices.Insert(w.history, end, logEntry{rec: r, utmpd: true})
		if end++; old {
			w.rotated = end
		}
	}
}

// logout checks that a logout closes what stands open in a log, and is dead.
func (w *simWorld) logout(r utmpx.Record, log []logEntry) {
	if r.Type != utmpx.DeadProcess || r.Line == "" {
		w.broken("3: appended: %v", r)
		return
	}
	last, ok := open(log, r.Line)
	switch {
	case w.lossy: // nobody can know what stood there
	case !ok:
		w.broken("2: a logout of line %q, which is not open", r.Line)
	case last.of == nil:
		w.broken("2: a logout behind the login of %v", last.rec)
	case w.twins(last, r): // what says the same cannot be told apart
	case w.mistaken(last.of):
	case last.of.lives():
		w.broken("1: a logout behind the login of %v, which lives", last.of)
	case last.rec.PID != r.PID && last.of.rec.PID != r.PID:
		w.broken("2: a logout of pid %d behind the login of %v", r.PID, last.of)
	}
}

// mistaken reports whether a session lives and nobody could know. A display's
// may live by no process that its record names, and the pid became another's
// before utmpd saw it: that one's death is then the session's. And the clock may
// have been wrong for a while, in which the record was written.
func (w *simWorld) mistaken(s *simSession) bool {
	if !s.lives() {
		return false
	}
	if s.proc.seenBy != w.run.n {
		return s.display && s.proc.reused
	}
	first := w.offset(s.proc.seenFirst)
	if w.shared(s) || s.began.After(s.proc.seenFirst) { // seen for another's sake, or for a record before
		first = w.offset(time.Now())
	}
	bootTime := w.began.Round(0).Add(w.bootLate - w.upAtStart)
	return first-s.off > time.Minute && w.boot && !s.rec.Time.Time().Before(bootTime)
}

// shared reports whether a session's process is another's too.
func (w *simWorld) shared(s *simSession) bool {
	return slices.ContainsFunc(w.sessions, func(o *simSession) bool { return o != s && o.proc == s.proc })
}

// twins reports whether another session, of which r is the logout, says the same
// as a login in the log: the same line and user and second, or the same pid and
// nearly so. The login is not later than r, or it would be known for another's.
func (w *simWorld) twins(e logEntry, r utmpx.Record) bool {
	return slices.ContainsFunc(w.sessions, func(o *simSession) bool {
		later := e.rec.Time.Sec - o.rec.Time.Sec
		return o != e.of && o.rec.PID == r.PID && o.rec.Line == e.rec.Line && o.rec.User == e.rec.User &&
			(later == 0 || r.PID == e.rec.PID && -2 <= later && later <= 2) && !e.rec.Time.Time().After(r.Time.Time())
	})
}

// open returns the login that stands open on a line.
func open(log []logEntry, line string) (logEntry, bool) {
	for _, e := range slices.Backward(log) {
		switch {
		case e.rec.Type == utmpx.BootTime:
			return logEntry{}, false
		case e.rec.Line == line:
			return e, e.rec.Type == utmpx.UserProcess
		}
	}
	return logEntry{}, false
}

// guardTruncate looks at what is cut off.
func (w *simWorld) guardTruncate(h *simHandle, size int64) {
	at, _ := h.h.Info()
	whole := at.Size - at.Size%int64(simLayout.Size())
	switch {
	case h.name != wtmpName || !h.locked:
		w.broken("3: %s cut, locked: %v", h.name, h.locked)
	case w.tornLog != nil:
		w.broken("3: the record of a writer at work is cut off")
	case !h.torn && size != whole:
		w.broken("3: the log of %d bytes is cut to %d", at.Size, size)
	}
}

// The laws that can be checked once the world has been left alone.

// checkMarked checks that what is dead is marked. Those that still live may hide it.
func (w *simWorld) checkMarked(allDead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if w.slotOf(s) < 0 || s.lives() || s.display || s.cleaned {
			continue
		}
		if !allDead {
			if p := w.procs[s.proc.pid]; p != nil && !p.ended && (!w.seen(s) || p.start == s.proc.start) {
				continue // its pid is another's, of which it cannot be told apart
			}
			if p := w.terms[s.rec.Line]; p != nil && !p.ended {
				continue // the terminal has a session leader
			}
		}
		w.broken("2: %v is dead since %v, and not marked (all dead: %v)", s, time.Since(s.last()), allDead)
	}
}

// seen reports whether utmpd has surely looked at a session's process, for the
// sake of this session, in its present life.
func (w *simWorld) seen(s *simSession) bool {
	return s.proc.seenBy == w.run.n && s.proc.seenAt.After(s.began) && !w.shared(s)
}

func (s *simSession) last() time.Time {
	if s.leader != nil && s.leader.endAt.After(s.proc.endAt) {
		return s.leader.endAt
	}
	return s.proc.endAt
}

// checkLog checks that no login that utmpd has marked stands open.
func (w *simWorld) checkLog() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lossy {
		return
	}
	for _, e := range w.history {
		if e.of == nil || !e.of.marked || e.of.forgotten || e.rec.Line == "" {
			continue
		}
		apart := e.rec.Time.Sec - e.of.rec.Time.Sec
		if apart != 0 && (e.rec.PID != e.of.rec.PID || apart < -2 || apart > 2) {
			continue // of a login before the present one: in doubt nothing is appended
		}
		if last, ok := open(w.history, e.rec.Line); ok && last == e {
			w.broken("2: %v is marked, and its login stands open", e.of)
		}
	}
}

// checkEmpty checks that nothing is remembered when all sessions are gone.
func (w *simWorld) checkEmpty() {
	d := w.run.d
	t := reflect.ValueOf(d.table).Elem()
	for _, name := range []string{"sessions", "groups", "procs", "orphans", "due", "leading", "verify", "owed", "promised"} {
		if n := t.FieldByName(name).Len(); n != 0 {
			w.broken("5: %d %s are left in the table", n, name)
		}
	}
	if watched, _ := d.watcher.Stats(); watched != 0 {
		w.broken("5: %d processes are still watched", watched)
	}
	own := 1
	if w.polling {
		own = 0
	}
	if w.run.pidfds != own || len(w.run.handles) != 0 {
		w.broken("5: %d pidfds and %d files are left open", w.run.pidfds-own, len(w.run.handles))
	}
}
