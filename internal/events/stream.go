// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// mostLines bounds how many lines a Stream keeps. A login beyond them is an event, but its
// logout knows nothing of it.
const mostLines = 65536

// Stream derives events from the records of a log, which are added oldest first. [NewStream]
// makes one.
type Stream struct {
	boots *boots.History
	open  map[string]login    // by line
	whole bool                // what is not in open is not open
	shut  map[string]struct{} // unless whole: the lines of which a later record is known

	old     *utmpx.Time   // of an OLD_TIME without its NEW_TIME
	stepped time.Duration // the sum of all steps of the clock
}

// login is an open login.
type login struct {
	Session
	at      utmpx.Time
	stepped time.Duration // the Stream's, then
	unsure  bool          // its logout may be missing: records were lost since
}

// NewStream returns a Stream at the beginning of a log.
func NewStream() *Stream {
	return &Stream{boots: new(boots.History), open: map[string]login{}, shut: map[string]struct{}{}}
}

// Add takes the next record, and calls emit for each event that follows. place returns an
// ID of the record: it is called only if there is an event. The record may be overwritten
// afterwards.
func (s *Stream) Add(r utmpx.Record, place func() string, emit func(Event)) {
	kind := boots.KindOf(r)
	switch kind {
	case boots.Began, boots.BeganEarlier:
		s.began(r, place, emit)
		return
	case boots.Ended:
		s.ended(r, place, emit)
		return
	}
	s.boots.Add(r)
	switch {
	case kind == boots.OldClock:
		s.old = &r.Time
	case kind == boots.NewClock:
		s.clock(r, place, emit)
	case r.Line == "" || r.Type < utmpx.InitProcess || r.Type > utmpx.DeadProcess:
	case r.Type == utmpx.UserProcess && r.User != "":
		s.login(r, place, emit)
	case r.Type == utmpx.DeadProcess || r.User == "":
		s.logout(r, place, emit)
	}
}

// Damage notes that records are missing here, and nobody knows how many.
func (s *Stream) Damage() {
	s.boots.Damage()
	s.whole = false
	clear(s.shut)
	for line, l := range s.open {
		l.unsure = true
		s.open[line] = l
	}
}

// Lost is [Stream.Damage] with the times of the records before and after, and the event that
// tells it. before is zero if there is no record after it yet.
func (s *Stream) Lost(after, before time.Time, id string) Event {
	s.Damage()
	return Event{ID: id, Kind: Gap, Time: after, From: after, To: before}
}

// detached returns a session with memory of its own.
func (s Session) detached() Session {
	s.Line, s.User, s.Host = strings.Clone(s.Line), strings.Clone(s.User), strings.Clone(s.Host)
	return s
}

func sessionOf(r utmpx.Record) Session {
	s := Session{Line: r.Line, User: r.User, Host: r.Host, PID: r.PID}
	if addr, ok := r.IP(); ok {
		s.Addr = addr
	}
	return s
}

func (s *Stream) login(r utmpx.Record, place func() string, emit func(Event)) {
	was, open := s.open[r.Line]
	if open && was.at == r.Time && was.PID == r.PID && was.User == r.User {
		return // recorded twice
	}
	id := place()
	if open {
		e := s.end(was, ByNext, r.Time.Time(), id)
		e.bound(was.Began, r.Time.Time())
		emit(e)
	}
	l := login{Session: sessionOf(r).detached(), at: r.Time, stepped: s.stepped}
	l.ID, l.Began = sessionID(r.Time, r.PID, r.Line), r.Time.Time()
	if open || len(s.open) < mostLines {
		s.open[l.Line] = l
	}
	delete(s.shut, l.Line)
	emit(Event{ID: id, Kind: Login, Time: l.Began, Exact: true, Session: l.Session})
}

// end returns the event of a session's end that no record of its own tells.
func (s *Stream) end(l login, by Ending, at time.Time, id string) Event {
	e := Event{ID: id + "/" + l.ID, Kind: Logout, Time: at, Exact: true, Session: l.Session, EndedBy: by}
	e.For = at.Sub(l.Began) - (s.stepped - l.stepped)
	e.ForKnown = e.For >= 0
	return e
}

func (s *Stream) logout(r utmpx.Record, place func() string, emit func(Event)) {
	l, open := s.open[r.Line]
	delete(s.open, r.Line)
	if open && l.unsure && r.PID != l.PID {
		open = false // another login of this line may have followed it
	}
	if !open {
		s.unknown(r, place, emit)
		return
	}
	s.shuts(r.Line)
	e := s.end(l, ByLogout, r.Time.Time(), "")
	e.ID = place()
	e.judge(r)
	emit(e)
}

// judge takes from a logout's record how the session ended.
func (e *Event) judge(r utmpx.Record) {
	e.EndedBy, e.Signal, e.Status = ByLogout, r.Exit.Termination, r.Exit.Exit
	within, ours := session.ParseMark(r)
	switch {
	case ours && within > 0:
		e.bound(e.Time.Add(-within), e.Time)
		fallthrough
	case ours:
		e.EndedBy = ByUtmpd
	case e.Signal != 0:
		e.EndedBy = ByKill
	}
}

// bound sets the bounds of a logout's time: no session ends before it began. A bound that
// the clocks contradict is unknown.
func (e *Event) bound(least, most time.Time) {
	if began := e.Session.Began; least.Before(began) {
		least = began
	}
	if most.Before(least) {
		most = time.Time{}
	}
	e.Exact, e.Least, e.Most = false, least, most
}

// unknown takes the logout of a login that is not known. It is an event if the login may
// have been in records that are missing.
func (s *Stream) unknown(r utmpx.Record, place func() string, emit func(Event)) {
	if s.whole || r.Type != utmpx.DeadProcess {
		return
	}
	if _, known := s.shut[r.Line]; known {
		return
	}
	s.shuts(r.Line)
	e := Event{ID: place(), Kind: Logout, Time: r.Time.Time(), Exact: true, Session: sessionOf(r).detached()}
	if _, ours := session.ParseMark(r); ours {
		e.Session.Host = "" // it is utmpd's mark
	}
	e.judge(r)
	emit(e)
}

// shuts notes that a line has no login.
func (s *Stream) shuts(line string) {
	if !s.whole && len(s.shut) < mostLines {
		s.shut[strings.Clone(line)] = struct{}{}
	}
}

// endAll ends all open logins. The events are in the order of the logins' times.
func (s *Stream) endAll(id string, end func(l login) Event, emit func(Event)) {
	for _, l := range slices.SortedFunc(maps.Values(s.open), func(a, b login) int {
		return cmp.Or(cmp.Compare(a.at.Sec, b.at.Sec), cmp.Compare(a.at.Usec, b.at.Usec), cmp.Compare(a.Line, b.Line))
	}) {
		emit(end(l))
	}
	clear(s.open)
	clear(s.shut)
	s.whole = true
}

// began takes the record of a boot.
func (s *Stream) began(r utmpx.Record, place func() string, emit func(Event)) {
	before, n := s.boots.Latest()
	s.boots.Add(r)
	b, now := s.boots.Latest()
	defer s.boots.Forget()
	switch {
	case now == n && b.Recorded == before.Recorded:
		return // two programs have recorded this boot
	case now > n:
		s.endBefore(before, n, r.Time.Time(), place(), emit)
	}
	s.old = nil
	emit(Event{ID: place(), Kind: Boot, Time: r.Time.Time(), Exact: true, Kernel: strings.Clone(r.Host)})
}

// endBefore ends the boot before one that began, if it has no end yet, and all sessions.
func (s *Stream) endBefore(before boots.Boot, n int, began time.Time, id string, emit func(Event)) {
	crash := Event{ID: id + "/crash", Kind: Crash, Time: before.To, Least: before.To, Most: began, By: boots.FromRecords}
	if began.Before(before.To) {
		crash.Most = time.Time{} // the clocks do not agree
	}
	by := ByCrash
	if before.Damaged {
		by = Unknown
	}
	if n > 0 && before.End == boots.Open && by == ByCrash {
		emit(crash)
	}
	s.endAll(id, func(l login) Event {
		e := s.end(l, by, crash.Time, id)
		if by == Unknown {
			e.bound(l.Began, crash.Most)
		} else {
			e.bound(crash.Least, crash.Most)
		}
		return e
	}, emit)
}

// ended takes the record of an end of the system. Of several for one boot the first one
// counts, but for that of a crash: it was found later, and is true.
func (s *Stream) ended(r utmpx.Record, place func() string, emit func(Event)) {
	before, n := s.boots.Latest()
	s.boots.Add(r)
	within, source, crashed := boots.ParseCrash(r)
	if n > 0 && before.End != boots.Open && !crashed {
		return
	}
	id := place()
	e := Event{ID: id, Kind: Shutdown, Time: r.Time.Time(), Exact: true, By: lateShutdown(r)}
	by := ByShutdown
	if crashed {
		e.Kind, e.By, by = Crash, source, ByCrash
		e.Exact, e.Least = within.Known && within.Within == 0, e.Time
		if within.Known {
			e.Most = e.Time.Add(within.Within)
		}
	}
	emit(e)
	s.endAll(id, func(l login) Event {
		end := s.end(l, by, e.Time, id)
		if !e.Exact {
			end.bound(e.Least, e.Most)
		}
		return end
	}, emit)
}

// lateShutdown returns from where the time of a shutdown is known that was recorded at the
// next boot.
func lateShutdown(r utmpx.Record) boots.Source {
	for _, by := range []boots.Source{boots.FromHeartbeat, boots.FromLedger} {
		if r.Host == boots.LateShutdownRecord(time.Time{}, by).Host {
			return by
		}
	}
	return ""
}

// clock takes the time after the clock was set.
func (s *Stream) clock(r utmpx.Record, place func() string, emit func(Event)) {
	e := Event{ID: place(), Kind: Clock, Time: r.Time.Time(), Exact: true, To: r.Time.Time()}
	if s.old != nil {
		e.From = s.old.Time()
		s.stepped += e.To.Sub(e.From)
	}
	s.old = nil
	emit(e)
}
