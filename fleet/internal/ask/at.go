// SPDX-License-Identifier: BSD-2-Clause

package ask

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

// slack is how long before a snapshot was stored an event may be that it does not know of:
// programs write utmp and wtmp one after the other.
const slack = 2 * time.Minute

// fewHosts is up to how many hosts are asked for one by one.
const fewHosts = 64

// At returns the sessions that were on at a time. Of one whose end has bounds around it,
// Exact is false. unknown are the hosts of which nothing is known before that time.
//
// It begins with the snapshot that a host sent before that time, and reads the events since.
// Of a host that sent none within a day before, it reads all.
func (c *Client) At(ctx context.Context, f Filter, at time.Time) (on []*Session, unknown []string, err error) {
	if err := f.Check(); err != nil {
		return nil, nil, err
	}
	q := &atQuestion{c: c, f: f, at: at, seen: map[eventKey]struct{}{}, hosts: map[string]*hostAt{}}
	since := at.Add(-wire.SnapshotReach)
	if err := q.snapshots(ctx, []string{f.token()}, since, at); err != nil {
		return nil, nil, err
	}
	begun := q.hosts
	if err := q.events(ctx, []string{f.token()}, since.Add(-slack)); err != nil {
		return nil, nil, err
	}
	names, err := q.names(ctx)
	if err != nil {
		return nil, nil, err
	}
	for name := range q.hosts {
		names[name] = struct{}{}
	}
	q.hosts = map[string]*hostAt{}
	var tokens []string
	for name := range names {
		if h := begun[name]; h != nil && h.snapshot != nil {
			q.hosts[name] = h
		} else if f.host(name) {
			tokens = append(tokens, wire.Token(name))
		}
	}
	if len(tokens) > 0 {
		if err := q.others(ctx, tokens); err != nil {
			return nil, nil, err
		}
	}
	return q.answer()
}

type eventKey struct{ host, id string }

// atQuestion is the question who was on.
type atQuestion struct {
	c     *Client
	f     Filter
	at    time.Time
	only  map[string]bool // tokens; nil: all
	seen  map[eventKey]struct{}
	hosts map[string]*hostAt
}

// hostAt is what is known of the sessions of a host.
type hostAt struct {
	snapshot *wire.Sessions
	stored   time.Time
	known    time.Time // of the first event
	pairs
	bare []*Session // of the snapshot, of which no event has told yet
}

// names returns the hosts that have ever sent a snapshot.
func (q *atQuestion) names(ctx context.Context) (map[string]struct{}, error) {
	s, err := q.c.js.Stream(ctx, wire.Past)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", wire.Past, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(wire.PastSubject(q.f.token())))
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", wire.Past, err)
	}
	all := map[string]struct{}{}
	for subject := range info.State.Subjects {
		if name, err := wire.Name(wire.HostOf(subject)); err == nil {
			all[name] = struct{}{}
		}
	}
	return all, nil
}

// others asks for hosts from the beginning.
func (q *atQuestion) others(ctx context.Context, tokens []string) error {
	q.only = map[string]bool{}
	for _, t := range tokens {
		q.only[t] = true
	}
	q.seen = map[eventKey]struct{}{}
	if len(tokens) > fewHosts {
		tokens = []string{q.f.token()}
	}
	// One that is later than the time knows sessions that had begun before it.
	if err := q.snapshots(ctx, tokens, time.Time{}, time.Time{}); err != nil {
		return err
	}
	return q.events(ctx, tokens, time.Time{})
}

// snapshots reads the last snapshot of each host before the time; without one, the first
// after it.
func (q *atQuestion) snapshots(ctx context.Context, tokens []string, since, until time.Time) error {
	var subjects []string
	for _, t := range tokens {
		subjects = append(subjects, wire.PastSubject(t))
	}
	return q.c.read(ctx, span{stream: wire.Past, subjects: subjects, since: since, until: until}, func(m jetstream.Msg, stored time.Time) {
		h, name := q.host(m.Subject())
		if h == nil || h.snapshot != nil && stored.After(q.at) {
			return
		}
		s, err := wire.ParseSnapshot(m.Data())
		switch {
		case err != nil:
			q.c.Doubt(fmt.Errorf("host %q sent what is no snapshot: %w", name, err))
		case s.Unread == "":
			h.take(&s, stored, name, q.f.User)
		}
	})
}

// host returns the host of a subject; nil if it is not asked for.
func (q *atQuestion) host(subject string) (*hostAt, string) {
	token := wire.HostOf(subject)
	name, err := wire.Name(token)
	if err != nil || !q.f.host(name) || q.only != nil && !q.only[token] {
		return nil, name
	}
	h := q.hosts[name]
	if h == nil {
		h = &hostAt{}
		q.hosts[name] = h
	}
	return h, name
}

func (h *hostAt) take(s *wire.Sessions, stored time.Time, name, user string) {
	*h = hostAt{snapshot: s, stored: stored, known: h.known}
	for _, one := range s.Sessions {
		if user != "" && one.User != user {
			continue
		}
		p := &Session{Machine: name, User: &one.User, Line: &one.Line, Host: &one.Host, PID: &one.PID, From: one.Since, EndedBy: "open"}
		if one.Addr != "" {
			p.Addr = &one.Addr
		}
		h.all, h.bare = append(h.all, p), append(h.bare, p)
	}
}

// events reads the events since a time by the server's clock.
func (q *atQuestion) events(ctx context.Context, tokens []string, since time.Time) error {
	var subjects []string
	digit := "*"
	if q.f.User != "" {
		digit = wire.Digit(q.f.User)
	}
	for _, t := range tokens {
		for _, kind := range []string{"login", "logout"} {
			subjects = append(subjects, wire.Prefix+"utmp."+t+"."+kind+"."+digit)
		}
		if digit != "*" && digit != wire.Digit("") {
			subjects = append(subjects, wire.Subject(t, "logout", "")) // whose login is not known
		}
		for _, kind := range []string{"boot", "shutdown", "crash"} {
			subjects = append(subjects, wire.Subject(t, kind, ""))
		}
	}
	return q.c.read(ctx, span{stream: wire.Events, subjects: subjects, since: since}, func(m jetstream.Msg, stored time.Time) {
		h, name := q.host(m.Subject())
		if h == nil {
			return
		}
		e, err := parse(m)
		if err != nil {
			q.c.Doubt(err)
			return
		}
		k := eventKey{name, e.ID}
		if _, twice := q.seen[k]; twice {
			return
		}
		q.seen[k] = struct{}{}
		if h.snapshot == nil || !stored.Before(h.stored.Add(-slack)) || h.stored.After(q.at) {
			h.add(e, q.f.User)
		}
	})
}

// add takes an event.
func (h *hostAt) add(e *Event, user string) {
	if e.Time != nil && (h.known.IsZero() || e.Time.Before(h.known)) {
		h.known = *e.Time
	}
	switch e.Event {
	case "login":
		if user != "" && value(e.User) != user {
			return
		}
		if s := h.bareOf(func(s *Session) bool { return s.is(e, e.Time) }); s != nil {
			h.begin(e, s)
			return
		}
		if e.Time != nil {
			if s := h.bareOf(func(s *Session) bool { return value(s.Line) == value(e.Line) && h.over(s, e.Time) }); s != nil {
				s.ended(h, e, "replaced")
			}
		}
		h.pairs.add(e)
	case "logout":
		if e.Session == nil || h.open[e.Machine+"\x00"+*e.Session] == nil {
			if s := h.bareOf(func(s *Session) bool { return s.is(e, e.Login) }); s != nil {
				from, who := s.From, s.User
				s.end(e)
				s.From, s.User = cmp.Or(s.From, from), cmp.Or(s.User, who)
				return
			}
		}
		if user == "" || value(e.User) == user {
			h.pairs.add(e)
		}
	default:
		how := map[string]string{"boot": "unknown"}[e.Event]
		for e.Time != nil {
			s := h.bareOf(func(s *Session) bool { return h.over(s, e.Time) })
			if s == nil {
				return
			}
			s.ended(h, e, cmp.Or(how, e.Event))
		}
	}
}

// bareOf takes a session of the snapshot of which no event has told.
func (h *hostAt) bareOf(is func(*Session) bool) *Session {
	i := slices.IndexFunc(h.bare, is)
	if i < 0 {
		return nil
	}
	s := h.bare[i]
	h.bare = slices.Delete(h.bare, i, i+1)
	return s
}

// over reports whether something that ends a session came after it was on.
func (h *hostAt) over(s *Session, at *time.Time) bool {
	return at.After(h.snapshot.Time) && (s.From == nil || at.After(*s.From))
}

// is reports whether an event, by its line, process and user and a login at from, is of a
// session that utmp told. A time that both know differs little: two records were written.
func (s *Session) is(e *Event, from *time.Time) bool {
	if value(s.Line) != value(e.Line) || value(e.User) != "" && value(e.User) != value(s.User) || value(e.PID) != 0 && value(s.PID) != 0 && *e.PID != *s.PID {
		return false
	}
	if s.From == nil {
		return true
	}
	if from == nil {
		return e.Time == nil || !e.Time.Before(*s.From)
	}
	return s.From.Sub(*from).Abs() < time.Minute
}

// ended ends a session of whose end nothing but this event tells.
func (s *Session) ended(h *hostAt, e *Event, how string) {
	s.To, s.EndedBy = e.Time, how
	s.Least, s.Most = cmp.Or(e.Least, &h.snapshot.Time), cmp.Or(e.Most, e.Time)
}

// answer chooses who was on.
func (q *atQuestion) answer() (on []*Session, unknown []string, err error) {
	for name, h := range q.hosts {
		for _, s := range h.all {
			switch end := cmp.Or(s.Most, s.To); {
			case end != nil && !end.After(q.at), s.From != nil && s.From.After(q.at):
			case s.From == nil && (end != nil || h.snapshot == nil || h.snapshot.Time.After(q.at)): // not known
			default:
				on = append(on, s)
			}
		}
		before := h.snapshot != nil && !h.stored.After(q.at) || !h.known.IsZero() && !h.known.After(q.at)
		if !before && (h.snapshot != nil || !h.known.IsZero()) {
			unknown = append(unknown, name)
		}
	}
	slices.SortFunc(on, func(a, b *Session) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(value(a.Line), value(b.Line)))
	})
	newestFirst(on)
	slices.Sort(unknown)
	return on, unknown, nil
}
