// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// aloneAge is how long the process of a login in the log alone must have been seen alive
// before its death counts: some programs name one that ends at once. It is a minute, and a
// second by which a death is found late where processes are polled.
const aloneAge = time.Minute + time.Second

// fileBack is how long a login waits for a utmpx file without records to have them again.
const fileBack = time.Minute

// logins are the logins that stand in the wtmpx file alone, the third kind of what waits.
// FTP servers write them, and su(1) and sudo(8), through PAM, on the line of the user. One
// is closed when its process has ended, nobody leads its line, and no session has the line,
// if one of these holds, too:
//
//   - The line contains the pid, and the process began when the login did.
//   - The process was seen alive for a minute.
//   - The session of the line has ended after the login.
//
// In doubt it stays open. It is judged again when a reading of the utmpx file brings
// something new.
type logins struct {
	byName map[string]*waiting // by line; a later login replaces the one before
	told   []LoggedIn          // before the first reading
	nTold  int                 // how many logins are in told
	read   bool                // there was a reading
	due    []*entry            // their grace is over
	parked int                 // how many wait for the end of a session of their line
	review bool                // those are to be judged again
}

// login is what belongs to one of them.
type login struct {
	pid    bool     // the line contains the pid
	fresh  bool     // it was appended a moment before utmpd read it
	parked bool     // it waits for the end of a session of its line
	waited bool     // it has waited for the records of the utmpx file to come back
	ended  wallTime // when the session of its line has ended, if that was seen
}

func newLogins() logins { return logins{byName: map[string]*waiting{}} }

// loggedIn takes in logins of the log.
func (t *Table) loggedIn(ev LoggedIn) {
	l := &t.waits.logins
	if !l.read { // which of them stand alone is not known yet
		if n := l.nTold + len(ev.Logins); n <= 1<<16 {
			l.told, l.nTold = append(l.told, ev), n
		}
		return
	}
	var maybe []session.OpenLogin
	for _, in := range ev.Logins {
		if at := l.byName[in.Line]; at != nil && at.debt.Login.PID == in.PID && at.debt.Login.Time == in.Time {
			continue
		}
		t.dropAlone(in.Line) // which has ended it
		if t.mayStandAlone(in) {
			maybe = append(maybe, in)
		}
	}
	if len(maybe) == 0 {
		return
	}
	has := t.claimsOn(maybe)
	for _, in := range maybe {
		if !has.own(in) && !has.later(in) && len(t.waits.byKey) < OwedMost {
			t.keepAlone(in, !ev.All && t.justNow(in.Time))
		}
	}
}

// mayStandAlone reports whether a login may be that of a session without a record. Who
// shows a display cannot be known for sure, nor what a login is that seems to be older than
// this boot.
func (t *Table) mayStandAlone(in session.OpenLogin) bool {
	_, shown := session.ParseDisplay(in.Line, in.PID)
	booted := t.now.Wall.Add(-t.now.Up - bootEarly)
	return in.PID > 1 && in.User != "" && in.Line != "" && !shown && !in.Time.Time().Before(booted)
}

// justNow reports whether a login was written by one who has just begun.
func (t *Table) justNow(at utmpx.Time) bool {
	age := t.now.Wall.Sub(at.Time())
	return age > -loginTakes && age < loginTakes
}

// scannedAlone takes note of a reading of the utmpx file.
func (t *Table) scannedAlone(news bool) {
	l := &t.waits.logins
	told := l.told
	l.read, l.told, l.nTold = true, nil, 0
	for _, ev := range told {
		t.loggedIn(ev)
	}
	l.review = l.review || news
}

// recorded drops a login that proves to be that of a record: some programs write the log
// first.
func (t *Table) recorded(s *entry, r utmpx.Record) {
	if at := t.waits.byName[s.line]; at != nil && sameLogin(r, at.debt.Login.User, at.debt.Login.PID, at.debt.Login.Time) {
		if at.login.fresh && nearby(r.Time, at.debt.Login.Time) {
			s.diedBefore(at.entry)
		}
		t.giveUp(at.entry)
	}
}

// diedBefore takes over the death of its process that was seen before the record was read:
// the login in the log was known when it was made, and its process watched.
func (s *entry) diedBefore(in *entry) {
	if in.end == 0 || !in.exact || !in.sure || in.hazy || in.led || in.pid != s.pid || s.end != 0 {
		return
	}
	s.id, s.fits = in.id, in.fits
	s.seen, s.sure, s.since, s.last, s.alive, s.looked = true, true, in.since, in.last, in.alive, in.looked
	s.end, s.exact, s.status = in.end, true, in.status
	if in.proc != nil && in.proc.status.Known {
		s.status = in.proc.status
	}
}

// sameLogin reports whether a login in the log may be that of a record of its line or its
// process. The Cleaner judges then to whom it belongs.
func sameLogin(r utmpx.Record, user string, pid int32, at utmpx.Time) bool {
	return r.User == user && (nearby(r.Time, at) || r.PID == pid)
}

// nearby reports whether two times may be of one login. A later one with the same pid is
// another's.
func nearby(a, b utmpx.Time) bool { return a.Sec-b.Sec >= -2 && a.Sec-b.Sec <= 2 }

// keepAlone takes in a login.
func (t *Table) keepAlone(in session.OpenLogin, fresh bool) {
	raw, err := utmpx.Native().Encode(utmpx.Record{
		Type: utmpx.UserProcess, PID: in.PID, Line: in.Line, ID: in.ID, User: in.User, Time: in.Time,
	})
	if err != nil {
		return // no such record can be written
	}
	r := utmpx.Native().Decode(string(raw))
	t.addAlone(&entry{line: r.Line, user: r.User, pid: r.PID, login: r.Time}, session.Debt{Login: r, Alone: true}, fresh)
}

// awaitAlone takes one up that an earlier run has known.
func (t *Table) awaitAlone(d session.Debt) {
	if t.waits.byName[d.Login.Line] != nil || len(t.waits.byKey) >= OwedMost {
		return
	}
	s := &entry{
		line: d.Login.Line, user: d.Login.User, pid: d.By.PID, id: d.By, login: d.Login.Time,
		end: wallOf(d.End), exact: d.After.IsZero() && !d.End.IsZero(), status: d.Status,
		led: d.By.PID != d.Login.PID, fits: true,
	}
	if !d.Since.IsZero() {
		alive := d.After
		if alive.IsZero() {
			alive = t.waits.storedAt
		}
		s.seen, s.sure, s.last, s.alive = true, s.id.Known(), t.now.Mono, wallOf(alive)
		s.since = s.last - alive.Sub(d.Since)
	}
	d.By, d.End, d.After, d.Status, d.Since = session.ID{}, time.Time{}, time.Time{}, session.Status{}, time.Time{}
	t.addAlone(s, d, false)
}

func (t *Table) addAlone(s *entry, d session.Debt, fresh bool) {
	t.opened++
	s.key, s.source, s.index, s.alone = t.opened, &t.waits, -1, true
	at := &waiting{entry: s, debt: d, login: login{pid: hasPID(d.Login.Line, d.Login.PID), fresh: fresh}}
	t.waits.byKey[s.key], t.waits.byName[s.line] = at, at
	t.ask(s)
}

// hasPID reports whether the name of a line contains a pid, as ftpd1234 does. The number
// of a terminal is none.
func hasPID(line string, pid int32) bool {
	if strings.HasPrefix(line, "tty") || strings.Contains(line, "/") {
		return false
	}
	noDigit := func(r rune) bool { return r < '0' || r > '9' }
	return slices.Contains(strings.FieldsFunc(line, noDigit), strconv.Itoa(int(pid)))
}

// livesAlone goes on with a login whose process lives. One whose line contains the pid is
// watched only if the process began when the login did.
func (t *Table) livesAlone(s *entry) {
	if s.alone && !s.led && !s.fits && t.waits.byKey[s.key].pid {
		t.giveUp(s)
	}
}

// judgeAlone goes on with the logins whose grace is over, and with those that wait for the
// end of a session if one may have ended.
func (t *Table) judgeAlone() {
	due := t.waits.takeAlone()
	if len(due) == 0 {
		return
	}
	logins := make([]session.OpenLogin, len(due))
	for i, s := range due {
		r := t.waits.record(s)
		logins[i] = session.OpenLogin{Login: session.Login{Line: r.Line, PID: r.PID, Time: r.Time}, User: r.User}
	}
	has := t.claimsOn(logins)
	var over map[string]wallTime // asked for seldom
	for i, s := range due {
		if has.any(logins[i]) {
			t.park(s)
			continue
		}
		if over == nil && !t.waits.byKey[s.key].pid && !s.seenFor(aloneAge) {
			over = t.endedOn(logins)
		}
		t.leaveParked(s)
		t.judgeOne(s, over)
	}
}

// takeAlone returns the logins that are to be judged now.
func (w *waits) takeAlone() (due []*entry) {
	due = w.due
	if w.review && w.parked > 0 {
		for s := range w.each() {
			if s.alone && w.byKey[s.key].parked {
				due = append(due, s)
			}
		}
	}
	w.due, w.review = nil, false
	return due
}

// judgeOne goes on with a login whose line and process no session has. While the utmpx file
// has no records, it shows neither that a session has ended nor that none has the line.
func (t *Table) judgeOne(s *entry, over map[string]wallTime) {
	at := t.waits.byKey[s.key]
	byItself := at.pid || s.seenFor(aloneAge)
	blind := !byItself && t.utmpx.snap.Len() == 0
	switch {
	case blind && !at.waited: // the file may come back
		at.waited = true
		t.wait(s, t.now.Mono+fileBack)
	case !blind && t.mayClose(s, over):
		t.goOnDead(s)
	default:
		t.giveUp(s)
	}
}

// mayClose reports whether the login of a process that has ended may be closed if nobody
// leads its line. over is when sessions of lines have ended.
func (t *Table) mayClose(s *entry, over map[string]wallTime) bool {
	at := t.waits.byKey[s.key]
	switch {
	case at.pid:
		return s.fits || at.fresh && !s.seen
	case s.seenFor(aloneAge):
		return true
	}
	ended := max(over[s.line], at.ended)
	if ended.time().Before(s.login.Time()) {
		return false
	}
	if !s.exact {
		s.end = min(s.end, ended)
	}
	return true
}

// park has a login wait for the end of a session that has its line or its process.
func (t *Table) park(s *entry) {
	if at := t.waits.byKey[s.key]; !at.parked {
		at.parked = true
		t.waits.parked++
	}
	t.setState(s, dying)
}

func (t *Table) leaveParked(s *entry) {
	if at := t.waits.byKey[s.key]; at.parked {
		at.parked = false
		t.waits.parked--
	}
}

// dropAlone forgets the login of a line.
func (t *Table) dropAlone(line string) {
	if at := t.waits.byName[line]; at != nil {
		t.giveUp(at.entry)
	}
}

func (w *waits) removeAlone(at *waiting) {
	if at.parked {
		w.parked--
	}
	delete(w.byName, at.entry.line)
	w.due = slices.DeleteFunc(w.due, func(s *entry) bool { return s == at.entry })
}

// over notes that a session that had lost its record has ended: a login of its line may
// have waited for that.
func (w *waits) over(s *entry) {
	if at := w.byName[s.line]; at != nil && !s.alone {
		at.ended = s.end
	}
}

// overOn notes that a session has no record any more: a login of its line was typed in it,
// and ends with it. Its record may be overwritten before that login is judged.
func (t *Table) overOn(s *entry) {
	at := t.waits.byName[s.line]
	if at == nil {
		return
	}
	end := s.end
	if end == 0 {
		end = wallOf(t.now.Wall)
	}
	at.ended = max(at.ended, end, wallOf(at.entry.login.Time()))
}

// seenSince returns when the process was first seen alive, by the present clock; zero if it
// was not.
func (s *entry) seenSince(now Moment) time.Time {
	if !s.seen {
		return time.Time{}
	}
	return now.Wall.Add(-s.knownFor(now))
}

// claims are the sessions to which lines or processes belong.
type claims struct {
	lines map[string][]utmpx.Record
	pids  map[int32][]utmpx.Record
}

// claimsOn returns the sessions that have the line or the process of logins: by a record of
// the utmpx file, or by one that they have lost.
func (t *Table) claimsOn(logins []session.OpenLogin) claims {
	c := claims{make(map[string][]utmpx.Record, len(logins)), make(map[int32][]utmpx.Record, len(logins))}
	for _, in := range logins {
		c.lines[in.Line], c.pids[in.PID] = nil, nil
	}
	for s := range t.utmpx.each() {
		c.take(s)
	}
	for line := range c.lines {
		for _, at := range t.waits.byLine[line] {
			c.take(at.entry)
		}
	}
	return c
}

func (c *claims) take(s *entry) {
	_, line := c.lines[s.line]
	_, pid := c.pids[s.pid]
	if !line && !pid && !s.led {
		return
	}
	r := s.source.record(s)
	if line {
		c.lines[s.line] = append(c.lines[s.line], r)
	}
	if _, named := c.pids[r.PID]; named {
		c.pids[r.PID] = append(c.pids[r.PID], r)
	}
}

// any reports whether a session has the line of a login, or one of its user the process.
func (c *claims) any(in session.OpenLogin) bool {
	its := func(r utmpx.Record) bool { return r.User == in.User }
	return len(c.lines[in.Line]) > 0 || slices.ContainsFunc(c.pids[in.PID], its)
}

// own reports whether a login may be that of a session which has its line or its process.
func (c *claims) own(in session.OpenLogin) bool {
	may := func(r utmpx.Record) bool { return sameLogin(r, in.User, in.PID, in.Time) }
	return slices.ContainsFunc(c.lines[in.Line], may) || slices.ContainsFunc(c.pids[in.PID], may)
}

// later reports whether all sessions of a login's line have begun after it: it was left
// open by one before them.
func (c *claims) later(in session.OpenLogin) bool {
	began := func(r utmpx.Record) bool { return r.Time.Sec <= in.Time.Sec+2 }
	return len(c.lines[in.Line]) > 0 && !slices.ContainsFunc(c.lines[in.Line], began)
}

// endedOn returns when sessions have last ended on the lines of logins, as records of the
// utmpx file show: one that is dead, or waits for the next login.
func (t *Table) endedOn(logins []session.OpenLogin) map[string]wallTime {
	ended := make(map[string]wallTime, len(logins))
	for _, in := range logins {
		ended[in.Line] = 0
	}
	for _, r := range t.utmpx.snap.All() {
		if r.Type != utmpx.DeadProcess && r.Type != utmpx.LoginProcess {
			continue
		}
		if last, asked := ended[r.Line]; asked {
			ended[r.Line] = max(last, wallOf(r.Time.Time()))
		}
	}
	return ended
}
