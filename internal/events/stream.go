// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// Bounds of what a Stream keeps in mind.
const (
	mostLines = 65536 // without a login
	mostOpen  = 16384 // logins without an end
)

// Stream derives events from the records of a log, which are added oldest first. [NewStream]
// makes one. What a session is, and how it ended, package sessions says; what a boot is,
// package boots.
type Stream struct {
	// Ledger has boots that are over, oldest first. What the log does not tell of them is
	// told when the record of a later boot is added.
	Ledger []boots.Past

	boots    *boots.History
	sessions *sessions.Forward
	firstID  map[string]string   // by line: of a login that was recorded twice, the ID of the first record
	whole    bool                // no login is missing
	shut     map[string]struct{} // unless whole: the lines of which a later record is known
	old      *utmpx.Time         // of an OLD_TIME, if that was the record before
}

// NewStream returns a Stream at the beginning of a log.
func NewStream() *Stream {
	return &Stream{boots: new(boots.History), sessions: sessions.NewForward(), firstID: map[string]string{}, shut: map[string]struct{}{}}
}

// Add takes the next record, and calls emit for each event that follows. place returns an
// ID of the record: it is called only if there is an event. The record may be overwritten
// afterwards.
func (s *Stream) Add(r utmpx.Record, place func() string, emit func(Event)) {
	kind := boots.KindOf(r)
	was := s.sessions.On(r.Line)
	ended := s.sessions.Add(&r)
	switch kind {
	case boots.Began, boots.BeganEarlier:
		s.began(r, ended, place, emit)
	case boots.Ended:
		s.ended(r, ended, place, emit)
	default:
		s.boots.Add(r)
		s.ordinary(r, ended, place, emit)
	}
	switch {
	case kind == boots.NewClock:
		s.clock(r, place, emit)
	case kind == boots.OldClock:
		s.old = &r.Time
		return
	case !sessions.IsLogin(&r):
	case was != nil && len(ended) == 0: // it was recorded twice
		if _, has := s.firstID[r.Line]; !has {
			s.firstID[strings.Clone(r.Line)] = sessionID(was.Time, was.PID, was.Line)
		}
	default:
		delete(s.shut, r.Line)
		session := s.session(r)
		emit(Event{ID: place(), Kind: Login, Time: session.Began, Exact: true, Session: session})
		if s.sessions.Forget(mostOpen) {
			s.whole = false // what ends now may have no login
			maps.DeleteFunc(s.firstID, func(line string, _ string) bool { return s.sessions.On(line) == nil })
		}
	}
	s.old = nil
}

// ordinary takes the ends of sessions that a record of their line, or of their process,
// tells, and a logout without a login.
func (s *Stream) ordinary(r utmpx.Record, ended []sessions.Session, place func() string, emit func(Event)) {
	for _, e := range ended {
		id := place()
		if len(ended) > 1 || sessions.IsLogin(&r) {
			id += "/" + s.session(e.Login).ID
		}
		s.end(e, id, emit)
	}
	if len(ended) == 0 && r.Type == utmpx.DeadProcess && r.Line != "" {
		s.unknown(r, place, emit)
	}
}

// Damage notes that records are missing here, and nobody knows how many.
func (s *Stream) Damage() {
	s.boots.Damage()
	s.sessions.Damage()
	s.whole, s.old = false, nil
	clear(s.shut)
}

// Lost is [Stream.Damage] with the times of the records before and after, and the event that
// tells it. before is zero if there is no record after it yet.
func (s *Stream) Lost(after, before time.Time, id string) Event {
	s.Damage()
	return Event{ID: id, Kind: Gap, Time: after, From: after, To: before}
}

// session returns the session of a login. Its memory is its own.
func (s *Stream) session(r utmpx.Record) Session {
	b := sessionOf(r)
	b.Began = r.Time.Time()
	if b.ID = s.firstID[r.Line]; b.ID == "" {
		b.ID = sessionID(r.Time, r.PID, r.Line)
	}
	return b
}

func sessionOf(r utmpx.Record) Session {
	s := Session{Line: strings.Clone(r.Line), User: strings.Clone(r.User), Host: strings.Clone(r.Host), PID: r.PID}
	if addr, ok := r.IP(); ok {
		s.Addr = addr
	}
	return s
}

// end emits the end of a session.
func (s *Stream) end(of sessions.Session, id string, emit func(Event)) {
	of.Amend(s.Ledger)
	e := Event{ID: id, Kind: Logout, Time: of.To, Exact: of.Exact, Least: of.Least, Most: of.Most, Session: s.session(of.Login),
		EndedBy: of.End, Signal: of.Exit.Termination, Status: of.Exit.Exit, By: of.By}
	e.Shortest, e.Longest, e.Lasted = of.Lasted(of.To)
	s.shuts(e.Session.Line)
	delete(s.firstID, e.Session.Line)
	emit(e)
}

// unknown takes the logout of a login that is not known. It is an event if the login may
// have been in records that are missing.
func (s *Stream) unknown(r utmpx.Record, place func() string, emit func(Event)) {
	if _, known := s.shut[r.Line]; known || s.whole {
		return
	}
	s.shuts(r.Line)
	of := sessions.Orphan(&r)
	e := Event{ID: place(), Kind: Logout, Time: of.To, Exact: of.Exact, Least: of.Least, Most: of.Most, Session: sessionOf(r),
		EndedBy: of.End, Signal: of.Exit.Termination, Status: of.Exit.Exit}
	if of.End == sessions.Utmpd {
		e.Session.Host = "" // it is utmpd's mark
	}
	emit(e)
}

// shuts notes that a line has no login.
func (s *Stream) shuts(line string) {
	if !s.whole && len(s.shut) < mostLines {
		s.shut[strings.Clone(line)] = struct{}{}
	}
}

// endAll emits the ends of all sessions. No login is open then.
func (s *Stream) endAll(ended []sessions.Session, id string, emit func(Event)) {
	for _, e := range ended {
		s.end(e, id+"/"+s.session(e.Login).ID, emit)
	}
	clear(s.firstID)
	clear(s.shut)
	s.whole = true
}

// began takes the record of a boot.
func (s *Stream) began(r utmpx.Record, ended []sessions.Session, place func() string, emit func(Event)) {
	before, n := s.boots.Latest()
	s.boots.Add(r)
	b, now := s.boots.Latest()
	last, lost := s.known(now > n && n > 0)
	s.boots.Forget()
	id := place()
	switch {
	case now == n || n == 0 || before.End != boots.Open:
	case last.Ledger:
		emit(endOf(last, id))
	case !before.Damaged:
		e := Event{ID: id + "/crash", Kind: Crash, Time: before.To, Least: before.To, Most: r.Time.Time(), By: boots.FromRecords}
		if e.Most.Before(e.Least) {
			e.Most = time.Time{} // the clocks do not agree
		}
		emit(e)
	}
	s.endAll(ended, id, emit)
	for _, l := range lost {
		id := fmt.Sprintf("%s/ledger/%d", id, l.From.Unix())
		emit(Event{ID: id, Kind: Boot, Time: l.From, Exact: true, By: boots.FromLedger})
		emit(endOf(l, id))
	}
	if now > n || b.Recorded != before.Recorded { // else two programs have recorded this boot
		emit(Event{ID: id, Kind: Boot, Time: r.Time.Time(), Exact: true, Kernel: strings.Clone(r.Host)})
	}
}

// known returns the boot before the last one with the end that the ledger knows, and those
// between the two that only the ledger knows.
func (s *Stream) known(another bool) (last boots.Boot, lost []boots.Boot) {
	all := s.boots.Recent()
	if !another || len(s.Ledger) == 0 || len(all) < 2 {
		return last, nil
	}
	all = all[len(all)-2:]
	var near []boots.Past
	for _, p := range s.Ledger {
		if !p.To.Before(all[0].From) && !p.To.After(all[1].From.Add(boots.Late)) {
			near = append(near, p)
		}
	}
	amended, _ := boots.Amend(all, near, nil)
	return amended[0], amended[1 : len(amended)-1]
}

// endOf returns the end of a boot that the ledger knows.
func endOf(b boots.Boot, id string) Event {
	if b.End == boots.ShutDown {
		return Event{ID: id + "/shutdown", Kind: Shutdown, Time: b.To, Exact: true, By: boots.FromLedger}
	}
	e := Event{ID: id + "/crash", Kind: Crash, Time: b.To, Exact: b.Exact.Known && b.Exact.Within == 0, Least: b.To, By: b.By}
	if e.By == "" {
		e.By = boots.FromLedger
	}
	if b.Exact.Known {
		e.Most = b.To.Add(b.Exact.Within)
	}
	return e
}

// ended takes the record of an end of the system. Of several for one boot the first one
// counts, but for that of a crash: it was found later, and is true.
func (s *Stream) ended(r utmpx.Record, ended []sessions.Session, place func() string, emit func(Event)) {
	before, n := s.boots.Latest()
	s.boots.Add(r)
	within, source, crashed := boots.ParseCrash(r)
	id := place()
	e := Event{ID: id, Kind: Shutdown, Time: r.Time.Time(), Exact: true, By: lateShutdown(r)}
	if crashed {
		e.Kind, e.By = Crash, source
		e.Exact, e.Least = within.Known && within.Within == 0, e.Time
		if within.Known {
			e.Most = e.Time.Add(within.Within)
		}
	}
	if n == 0 || before.End == boots.Open || crashed {
		emit(e)
	}
	s.endAll(ended, id, emit)
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
	}
	emit(e)
}
