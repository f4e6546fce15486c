// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// The laws, as far as they can be checked at the moment of a write, with the
// world standing still.

// guardWrite looks at a write to the utmpx file.
func (w *simWorld) guardWrite(h *simHandle, p []byte, off int64) {
	if w.bridge != nil {
		w.bridge.guardWrite(h, p, off)
		return
	}
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
		w.comesBack(h, off)
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

// comesBack notes that a record is marked in a file that was replaced under the
// lock, and is as it was in the new one: utmpd may see its mark in the old one,
// and then knows no more of the record there than of any that it never saw.
func (w *simWorld) comesBack(h *simHandle, off int64) {
	was := make([]byte, simLayout.Size())
	_, _ = h.h.ReadAt(was, off)
	if s := w.byRaw[string(was)]; s != nil {
		w.count("marked in a file just replaced")
		s.seenSince = time.Now()
	}
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
	w.count("marks")
	switch {
	case s.nameless:
		w.count("marks: nameless")
	case s.followedBy == w.run.n:
		w.count("marks: a display's, by who spoke for it")
	}
	if w.mistaken(s) {
		w.count("marks: not judged, the session lives and nobody could know")
		return
	}
	if s.lives() {
		w.broken("1: %v lives and is marked dead", s)
		return
	}
	s.marked = true
	s.forgotten = s.forgotten || time.Now().Before(w.logAway)
	prompt := w.calm(s) && s.shown != shownByLogind && !s.nameless && !s.vanished() // else it is for a scan to find
	w.markedTime(s, t.Time(), prompt)
	w.markedLate(s, prompt)
}

// calm reports whether nothing stood in utmpd's way since a session began, or for
// so long before its end that all was as if nothing had.
func (w *simWorld) calm(s *simSession) bool {
	if w.disturbed == s.disturbed && !s.began.Before(w.troubled) && w.notices == 0 {
		return true
	}
	settled := latest(latest(w.troubled, w.disturbedAt), s.began).Add(5 * time.Second)
	return settled.Before(s.last())
}

// markedTime checks the time of an end. If nothing stood in utmpd's way, it is
// that of a process's end; else it may be that of the finding.
func (w *simWorld) markedTime(s *simSession, got time.Time, prompt bool) {
	login := s.rec.Time.Time()
	if got.Before(login) {
		w.broken("2: %v ends before it began: %v, %v", s, got, login)
	}
	if s.nameless { // the process of its user may have ended before it was written
		return
	}
	asRecorded := func(p *simProc) time.Time { return latest(utmpx.TimeOf(w.wallAt(p.endAt)).Time(), login) }
	var deaths []time.Time
	earliest := time.Now()
	for _, p := range s.procs() {
		deaths = append(deaths, asRecorded(p))
		if p.endAt.Before(earliest) {
			earliest = p.endAt
		}
	}
	if s.vanished() {
		deaths[len(deaths)-1] = latest(utmpx.TimeOf(w.wallAt(s.leaderEnd())).Time(), login)
	}
	w.markedBetween(s, got, deaths)
	// What was not seen alive has no time of death but the finding's; and so it
	// is without a pidfd.
	if !prompt || w.polling || w.maxFDs < 100 || s.contained || s.ghost || earliest.Sub(s.began) < 100*time.Millisecond {
		return
	}
	w.count("marks: time judged exactly")
	for _, p := range w.taken(s, s.last()) {
		if p.ended {
			deaths = append(deaths, asRecorded(p))
		}
	}
	if !slices.ContainsFunc(deaths, got.Equal) {
		w.broken("2: %v was watched and ends at %v, its processes at %v", s, got, deaths)
	}
}

// markedBetween checks that the time of an end lies between the first death and now.
func (w *simWorld) markedBetween(s *simSession, got time.Time, deaths []time.Time) {
	first := slices.MinFunc(deaths, time.Time.Compare)
	now := latest(w.wallAt(time.Now()), s.rec.Time.Time()) // which is some microseconds later at most, see write
	switch {
	case len(w.steps) != s.steps: // so that earlier and later mean nothing
		w.count("marks: time not judged, the clock was stepped")
	case w.unfollowed(s):
		w.count("marks: time not judged, of a container's, which was not known to live")
	case got.Before(first) || got.After(now):
		w.broken("2: %v ends at %v, its processes at %v, it is marked at %v", s, got, deaths, now)
	}
}

// markedLate checks that a session was marked in time: at once after its end if
// nothing stood in utmpd's way, else soon after that was over.
func (w *simWorld) markedLate(s *simSession, prompt bool) {
	late, noticed := 200*time.Millisecond, s.last()
	if w.polling {
		late += time.Second
		noticed = noticed.Add(time.Second)
	}
	if w.maxFDs < 100 { // beyond them it is looked at after each reading
		prompt = false
		late += w.scan
	}
	if s.nameless || s.shown == shownByLogind || s.vanished() {
		late += w.scan
	}
	from := latest(s.last(), s.began)
	if !prompt { // a try that failed is repeated after some seconds
		noticed = time.Now()
		late += 3 * time.Second
		from = latest(from, w.troubled)
		w.count("marks: deadline judged, from the end of the trouble on")
	} else {
		w.count("marks: deadline judged, from the death on")
	}
	from, more := w.keptUntil(s, from, noticed)
	late += more
	if time.Since(s.proc.endAt) < w.grace && !w.misdated(s) && !s.nameless && !w.unfollowed(s) {
		w.broken("2: %v was marked %v after its end, before its grace was over", s, time.Since(s.proc.endAt))
	}
	if time.Since(from) > w.grace+late {
		w.broken("2: %v was marked %v after its end, %v after all trouble", s, time.Since(s.last()), time.Since(from))
	}
}

// keptUntil returns when the last process that may be taken for a session's let go of it,
// if that is after from, and how much later that is noticed.
func (w *simWorld) keptUntil(s *simSession, from, noticed time.Time) (until time.Time, late time.Duration) {
	until = from
	for _, p := range w.taken(s, noticed) {
		switch {
		case p.ended:
			until = latest(until, p.endAt)
		case s.tty != nil && s.tty.gone: // a reading finds that
			until, late = latest(until, s.tty.goneAt), w.scan
		}
	}
	return until, late
}

// guardAppend looks at what is appended to the wtmpx file.
func (w *simWorld) guardAppend(h *simHandle, p []byte) {
	if w.bridge != nil {
		w.bridge.guardAppend(h, p)
		return
	}
	size := simLayout.Size()
	at, _ := h.h.Info()
	is, err := w.files.Lookup(wtmpName)
	w.guardEnd(h, len(p), at.Size, err == nil && at.Generation == is.Generation)
	p = w.filledUp(at.Size, p)
	if err != nil {
		is, _ = w.files.Lookup(wtmpName + ".away")
	}
	end, old := len(w.history), at.Generation != is.Generation
	if old {
		end = w.rotated // it is before what the new file holds
	}
	if len(p) == 2*size {
		w.stepRecords(simLayout.Decode(string(p[:size])), simLayout.Decode(string(p[size:])))
	}
	for i := 0; i+size <= len(p); i += size {
		r := simLayout.Decode(string(p[i : i+size]))
		switch step := r.Type == utmpx.OldTime || r.Type == utmpx.NewTime; {
		case !step:
			w.tell("utmpd appends the logout of line %q, pid %d, %v", r.Line, r.PID, r.Time.Time())
			w.logout(r, w.history[:end])
		case len(p) != 2*size:
			w.broken("3: appended, not as one of two: %v", r)
		}
		w.history = slices.Insert(w.history, end, logEntry{rec: r, utmpd: true})
		end = w.inserted(end, old)
	}
}

// guardEnd looks at where so many bytes are appended: to a log of that size, which has
// its name still or has not.
func (w *simWorld) guardEnd(h *simHandle, n int, size int64, named bool) {
	is := simLayout.Size()
	switch {
	case h.name != wtmpName || !h.locked:
		w.broken("3: appended to %s, locked: %v", h.name, h.locked)
	case !named:
		if w.replaced == h.under {
			w.broken("3: appended to a file that was replaced")
		}
	case (int(size)+n)%is != 0 || n < is:
		w.broken("3: %d bytes appended to %d", n, size)
	case size%int64(is) != 0 && w.tornLog != nil:
		w.broken("3: appended into the record of a writer at work")
	}
}

// filledUp returns what is appended behind what fills up the torn tail of a log of that
// size, which must be NULs.
func (w *simWorld) filledUp(size int64, p []byte) []byte {
	gap := padding(size)
	if len(bytes.Trim(p[:gap], "\x00")) > 0 {
		w.broken("3: a torn tail is filled up with %q", p[:gap])
	}
	return p[gap:]
}

// padding returns how many NULs fill up the torn tail of a log of that size.
func padding(size int64) int {
	is := simLayout.Size()
	return (is - int(size%int64(is))) % is
}

// inserted notes that a record was put into the history at end, in the old file or in
// the present one, and returns where the next one goes.
func (w *simWorld) inserted(end int, old bool) int {
	if end++; !old {
		return end
	}
	if w.lost == w.rotated { // that file is the one that was lost
		w.lost = end
	}
	w.rotated = end
	return end
}

// stepRecords checks the records of a step of the clock: one that there was, told once.
func (w *simWorld) stepRecords(o, n utmpx.Record) {
	if o.Type != utmpx.OldTime {
		return
	}
	now := time.Now()
	by := n.Time.Time().Sub(o.Time.Time())
	was := func(off time.Duration) bool { return w.offset(now)-off == by }
	switch {
	case n.Type != utmpx.NewTime || o.Line != "|" || n.Line != "{" || o.User != "date" || n.User != "date":
		w.broken("3: appended: %v, %v", o, n)
	case w.wallAt(now).Sub(n.Time.Time()).Abs() > 15*time.Second && len(w.steps) > 0 && now.Sub(w.steps[len(w.steps)-1].at) > 15*time.Second:
		w.broken("the clock's record has %v at %v", n.Time.Time(), w.wallAt(now))
	case now.Sub(w.steps[len(w.steps)-1].at) > 15*time.Second && !was(0) && !slices.ContainsFunc(w.steps, func(s clockStep) bool { return was(s.off) }):
		w.broken("a step of the clock by %v is recorded; there was none", by)
	}
	if w.recorded++; w.recorded > len(w.steps) {
		w.broken("%d steps of the clock are recorded, there were %d", w.recorded, len(w.steps))
	}
	w.count("clock step recorded")
	w.tell("utmpd appends a step of the clock by %v", by)
}

// logout checks that a logout closes a login that is open in a log, and is dead.
func (w *simWorld) logout(r utmpx.Record, log []logEntry) {
	w.count("logouts")
	if r.Type != utmpx.DeadProcess || r.Line == "" {
		w.broken("3: appended: %v", r)
		return
	}
	at, ok := open(log, r.Line)
	switch {
	case at < w.lost:
		w.count("logouts: not judged, nobody can know what stood in the log that was lost")
		return
	case !ok:
		w.broken("2: a logout of line %q, which is not open", r.Line)
		return
	case log[at].alone != nil:
		w.aloneLogout(r, log[at])
		return
	case log[at].of == nil:
		w.broken("2: a logout after the login of %v", log[at].rec)
		return
	}
	w.judgeLogout(r, log[at])
}

// judgeLogout checks that the logout r may close that login.
func (w *simWorld) judgeLogout(r utmpx.Record, last logEntry) {
	switch {
	case w.twins(last, r):
		w.count("logouts: not judged, two logins say the same")
	case w.mistaken(last.of):
		w.count("logouts: not judged, the session lives and nobody could know")
	case last.of.lives() && last.of.display && last.of.proc.reused && w.slotOf(last.of) < 0:
		w.count("logouts: not judged, of a display without a record, whose pid was taken over")
	case last.of.lives():
		w.broken("1: a logout after the login of %v, which lives", last.of)
	case last.writerLives() && w.misdated(last.of):
		w.count("logouts: not judged, the writer of the login seems to have started long after it")
	case last.writerLives():
		w.broken("1: a logout after the login of %v, whose writer lives", last.of)
	case last.of.rec.PID != r.PID && w.rivaled(last):
		w.count("logouts: not judged, two sessions of a user on the line within seconds, and both dead")
	case last.rec.PID != r.PID && last.of.rec.PID != r.PID:
		w.broken("2: a logout of pid %d after the login of %v", r.PID, last.of)
	default:
		w.count("logouts: judged")
		w.markedLogout(r, last.of)
	}
}

// markedLogout checks that a logout bears the mark of utmpd, whose bounds hold.
func (w *simWorld) markedLogout(r utmpx.Record, s *simSession) {
	within, ok := session.ParseMark(r)
	ended := latest(w.wallAt(s.last()), s.rec.Time.Time())
	if s.parent != nil {
		ended = latest(ended, latest(w.wallAt(s.parent.endAt), s.rec.Time.Time()))
	}
	if w.polling { // which sees an end up to a second late
		ended = ended.Add(time.Second)
	}
	switch {
	case !ok:
		w.broken("2: a logout with the host %q", r.Host)
	case !w.boundsKnown(r, s):
		w.count("logouts: bounds not judged")
	case within == 0 && !w.endsAt(s, r.Time.Time()):
		w.broken("7: %v ended at %v, and its logout says exactly %v", s, ended, r.Time.Time())
	case within == 0:
		w.count("logouts: exact")
	case r.Time.Time().Add(-within).After(ended):
		w.broken("7: %v ended at %v, and its logout at %v says within %v", s, ended, r.Time.Time(), within)
	default:
		w.count("logouts: in bounds")
	}
}

// endsAt reports whether one of a session's processes ended at a time, or at most so much
// before that polling saw it then.
func (w *simWorld) endsAt(s *simSession, at time.Time) bool {
	near := func(end time.Time) bool {
		late := at.Sub(latest(w.wallAt(end), s.rec.Time.Time()))
		return late >= -time.Microsecond && late < 2*time.Second
	}
	if s.parent != nil && near(s.parent.endAt) { // the login is over when its writer is gone, too
		return true
	}
	return s.vanished() && near(s.tty.goneAt) || slices.ContainsFunc(s.procs(), func(p *simProc) bool { return near(p.endAt) })
}

// simAway is when a run of utmpd was stopped. Its table may be saved then all the same, as
// in the instant in which it goes on.
type simAway struct {
	since, until time.Time
}

// endedAway reports whether a process of a session ended while a run of utmpd was
// stopped.
func (w *simWorld) endedAway(s *simSession) bool {
	return slices.ContainsFunc(w.aways, func(a simAway) bool {
		return slices.ContainsFunc(s.procs(), func(p *simProc) bool {
			return !p.endAt.Before(a.since.Add(-10*time.Millisecond)) && p.endAt.Before(a.until.Add(10*time.Millisecond))
		})
	})
}

// boundsKnown reports whether a logout's bounds are those of the session's processes: not
// those of another process or terminal by which its login stayed open. A getty's may be
// taken for it until its record is read. Where the pid alone is known, a table that is
// saved, or a file that is away, takes a zombie for alive then.
func (w *simWorld) boundsKnown(r utmpx.Record, s *simSession) bool {
	own := r.PID == s.rec.PID && w.slotOf(s) >= 0 && !s.nameless && !s.display && s.witness == nil && !w.pidAlone()
	return own && len(w.gettys[s.rec.Line]) == 0 && !w.endedAway(s) && len(w.steps) == s.steps && !w.unfollowed(s) && len(w.taken(s, time.Now())) == 0
}

// writerLives reports whether the process lives that wrote the login to the log alone.
func (e logEntry) writerLives() bool {
	p := e.of.parent
	return p != nil && !p.ended && e.rec.PID == p.pid
}

// open returns where the last record of a line is, or the boot after it, and
// whether that is a login; -1 if there is none.
func open(log []logEntry, line string) (at int, ok bool) {
	for i, e := range slices.Backward(log) {
		if e.rec.Type == utmpx.BootTime || e.rec.Line == line {
			return i, e.rec.Type == utmpx.UserProcess
		}
	}
	return -1, false
}

// guardTruncate looks at what is cut off.
func (w *simWorld) guardTruncate(h *simHandle, size int64) {
	at, _ := h.h.Info()
	switch {
	case h.name != wtmpName || !h.locked:
		w.broken("3: %s cut, locked: %v", h.name, h.locked)
	case w.tornLog != nil:
		w.broken("3: the record of a writer at work is cut off")
	case !h.torn:
		w.broken("3: the log of %d bytes is cut to %d", at.Size, size)
	}
}

// guardClose looks at what is left when a file is closed. If it was cut under
// the lock, between the last look and the write, nobody can help it.
func (w *simWorld) guardClose(h *simHandle) {
	if at, err := h.h.Info(); err == nil && h.torn && !h.dead && w.replaced == h.under && w.tornLog == nil && at.Size%int64(simLayout.Size()) != 0 {
		w.broken("3: a part of a record is left in %s", h.name)
	}
}

// takenBack forgets the last n records of utmpd's in the log.
func (w *simWorld) takenBack(n int) {
	for i := len(w.history) - 1; i >= 0 && n > 0; i-- {
		if !w.history[i].utmpd {
			continue
		}
		n--
		w.history = slices.Delete(w.history, i, i+1)
		if i < w.rotated {
			w.rotated--
		}
		if i < w.lost {
			w.lost--
		}
	}
}

// The laws that can be checked once the world has been left alone.

// checkMarked checks that what is dead is marked. Those that still live may hide it.
func (w *simWorld) checkMarked(allDead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.lives() || s.cleaned {
			continue
		}
		if w.slotOf(s) < 0 {
			if !allDead && s.marked {
				w.count("dead when left alone")
				w.count("dead when left alone: judged")
			}
			continue
		}
		if !allDead {
			w.count("dead when left alone")
		}
		if w.heldByNumber(s) {
			if !allDead {
				w.count("dead when left alone: not judged, its process was of another user namespace")
			}
			continue
		}
		if w.staysDead(s) {
			if !allDead {
				w.count("dead when left alone: not judged, a display that was not watched for a minute, or a nameless record")
			}
			continue
		}
		living := func(p *simProc) bool { return !p.ended }
		if !allDead && !s.contained && slices.ContainsFunc(w.namesakes(s), living) {
			w.count("dead when left alone: a living container's process has its number")
		}
		if !allDead && slices.ContainsFunc(w.taken(s, time.Now()), living) {
			w.count("dead when left alone: not judged, a living process may be taken for its own")
			continue
		}
		w.broken("2: %v is dead since %v, and not marked (all dead: %v)", s, time.Since(s.last()), allDead)
	}
}

// foreignKnown reports whether utmpd has found the process, which is in a user namespace
// of its own: its end proves nothing.
func (p *simProc) foreignKnown() bool { return p.foreign && (p.seenBy != 0 || p.found) }

// checkLog checks that no login that utmpd has marked is open.
func (w *simWorld) checkLog() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkAlone()
	for i, e := range w.history {
		if e.of != nil && i >= w.lost && w.mustClose(e) {
			w.count("logins of the displaced: judged")
			if last, ok := open(w.history, e.rec.Line); ok && last == i {
				w.broken("2: %v has lost its record and ended, and its login is open", e.of)
			}
		}
		if e.of == nil || !e.of.marked || e.rec.Line == "" {
			continue
		}
		w.count("logins of the marked")
		switch {
		case i < w.lost:
			w.count("logins of the marked: not judged, the log was lost")
			continue
		case e.of.forgotten:
			w.count("logins of the marked: not judged, without a log or a state")
			continue
		case w.utmpxTorn():
			w.count("logins of the marked: not judged, the utmpx file cannot be read")
			continue // a logout in doubt waits until it can
		case !w.plain(e):
			w.count("logins of the marked: not judged, of a login before the present one, or in doubt")
			continue // in doubt nothing is appended
		}
		w.count("logins of the marked: judged")
		if last, ok := open(w.history, e.rec.Line); ok && last == i {
			w.broken("2: %v is marked, and its login is open", e.of)
		}
	}
}

// utmpxTorn reports whether the utmpx file has been cut to less than a record.
func (w *simWorld) utmpxTorn() bool {
	size := len(w.files.ReadFile(utmpName))
	return size > 0 && size < simLayout.Size()
}

// mustClose reports whether utmpd must have closed a login whose session has lost its
// record: it knew of it all the time, and nothing stood in its way.
func (w *simWorld) mustClose(e logEntry) bool {
	s := e.of
	for _, trouble := range []string{"utmp cut", "utmp replaced", "utmp away", "wtmp away", "wtmp fails"} { // with the last, the login of the next may be missing
		if w.tally[trouble] > 0 {
			return false
		}
	}
	return s.lost == w.run.n && e.rec.Line == s.rec.Line && !s.lives() && !s.marked && !s.display && !s.proc.foreign && e.rec.Line != "" && len(w.steps) == 0 &&
		w.maxFDs > 100 && !w.wasFull && w.plain(e) && !slices.ContainsFunc(w.taken(s, time.Now()), func(p *simProc) bool { return !p.ended })
}

// plain reports whether a login in the log is beyond doubt that of its session's record.
func (w *simWorld) plain(e logEntry) bool {
	same := e.rec.PID == e.of.rec.PID && e.rec.Time == e.of.rec.Time
	if e.rec.Line != e.of.rec.Line && (!simNear(e.rec, e.of.rec) || w.sharesPID(e) || w.alivePID(e.rec.PID) || !w.sawEnd(e.of)) {
		return false // of which session it is does not show
	}
	if e.of.parent != nil && !e.of.parent.ended {
		return false // its writer lives
	}
	if w.alivePID(e.rec.PID) { // may have started too early to be told apart
		return same && e.rec.Time.Usec != 0
	}
	if same {
		return e.rec.Time.Usec != 0 || !w.rivaled(e)
	}
	if strings.Contains(e.rec.Line, ":") && e.of.rec.Session != int64(e.rec.PID) && e.rec.PID != e.of.rec.PID {
		return false // a display's
	}
	before := e.rec.Time.Time().Before(e.of.rec.Time.Time()) && (e.rec.Time.Usec != 0 || e.rec.Time.Sec < e.of.rec.Time.Sec)
	return before && simNear(e.rec, e.of.rec) && !w.rivaled(e)
}

// sawEnd reports whether utmpd surely saw the process of a session live and end.
func (w *simWorld) sawEnd(s *simSession) bool {
	return s.seenBy == w.run.n && s.proc.known.After(s.seenSince) && w.maxFDs > 100 && !w.wasFull && !w.pidAlone()
}

// sharesPID reports whether another login in the log has the pid of one.
func (w *simWorld) sharesPID(e logEntry) bool {
	return slices.ContainsFunc(w.history, func(o logEntry) bool {
		return o.rec.PID == e.rec.PID && o.rec.Type == utmpx.UserProcess && o.rec != e.rec
	})
}

func simNear(a, b utmpx.Record) bool {
	apart := a.Time.Sec - b.Time.Sec
	return -2 <= apart && apart <= 2
}

// alivePID reports whether a living process has that pid.
func (w *simWorld) alivePID(pid int32) bool { p := w.procs[pid]; return p != nil && !p.ended }

// rivaled reports whether a login may be that of another session than it is, by any
// record that one ever had.
func (w *simWorld) rivaled(e logEntry) bool {
	for raw, o := range w.byRaw {
		if o == e.of || o.rec.Line != e.rec.Line {
			continue
		}
		if r := simLayout.Decode(raw); r.Line == e.rec.Line && r.User == e.rec.User && simNear(r, e.rec) {
			return true
		}
	}
	return false
}

// checkEmpty checks that nothing is remembered when all sessions are gone.
func (w *simWorld) checkEmpty() {
	d := w.run.d
	for _, path := range []string{
		"utmpx.sessions", "utmpx.recheck", "processes.byPID", "processes.byToken", "processes.idle",
		"grace.heap", "evidence", "terminals.followed", "waits.byKey", "waits.stored", "waits.byName", "waits.told", "waits.due",
		"debts.owed", "debts.promised",
	} {
		t := reflect.ValueOf(d.table).Elem()
		for name := range strings.SplitSeq(path, ".") {
			t = t.FieldByName(name)
		}
		if n := t.Len(); n != 0 {
			w.broken("5: %d %s are left in the table", n, path)
		}
	}
	if watched, _ := d.watcher.Stats(); watched != 0 {
		w.broken("5: %d processes are still watched", watched)
	}
	own := 1
	if w.polling {
		own = 0
	}
	if w.run.pidfds != own || w.run.ptys != 0 || len(w.run.handles) != 0 {
		w.broken("5: %d pidfds, %d terminals and %d files are left open", w.run.pidfds-own, w.run.ptys, len(w.run.handles))
	}
}
