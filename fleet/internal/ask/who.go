// SPDX-License-Identifier: BSD-2-Clause

package ask

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

// State is what is known of a host.
type State string

// The states of a host.
const (
	Present State = "present" // its agent is connected
	Silent  State = "silent"  // what it said last may no longer be so
)

// Host is a host, as far as it has said who is on.
type Host struct {
	Name     string
	State    State
	Known    time.Time // when it said last who is on, by the server's clock
	Unread   string    // why it could not say
	Sessions []wire.Session

	split bool // into pieces
}

// Who returns the hosts that a pattern chooses, by name, with the sessions of a user or of
// all.
func (c *Client) Who(ctx context.Context, f Filter) ([]*Host, error) {
	present := map[string]bool{} // by the server's clock: it removes a beat that is too old
	err := c.read(ctx, span{stream: wire.Presence, subjects: []string{wire.BeatSubject(f.token())}, from: jetstream.DeliverLastPerSubjectPolicy}, func(m jetstream.Msg, _ time.Time) {
		present[wire.HostOf(m.Subject())] = true
	})
	if err != nil {
		return nil, err
	}
	hosts, more := map[string]*Host{}, map[string][]wire.Sessions{}
	err = c.read(ctx, span{stream: wire.On, subjects: []string{wire.Prefix + "utmp_on." + f.token() + ".*"}, from: jetstream.DeliverLastPerSubjectPolicy}, func(m jetstream.Msg, at time.Time) {
		token := wire.HostOf(m.Subject())
		name, err := wire.Name(token)
		if err != nil || !f.host(name) {
			return
		}
		var piece wire.Sessions
		if f.User != "" && !mayHave(m.Data(), f.User) {
			// Decoding is most of the time that a question takes.
		} else if err := json.Unmarshal(m.Data(), &piece); err != nil {
			c.Doubt(fmt.Errorf("host %q sent what are no sessions: %w", name, err))
			return
		}
		if !strings.HasSuffix(m.Subject(), ".0") {
			more[token] = append(more[token], piece)
			return
		}
		h := hosts[token]
		if h == nil {
			h = &Host{Name: name, State: Silent}
			hosts[token] = h
		}
		if present[token] {
			h.State = Present
		}
		h.Known, h.Unread, h.split = at, piece.Unread, piece.Split
		h.add(piece.Sessions, f.User)
	})
	all := make([]*Host, 0, len(hosts))
	for token, h := range hosts {
		if h.split {
			for _, piece := range more[token] {
				h.add(piece.Sessions, f.User)
			}
		}
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// mayHave reports whether a piece has a session of a user, or says that it has not all.
func mayHave(piece []byte, user string) bool {
	name, err := json.Marshal(user)
	return err != nil || bytes.Contains(piece, append([]byte(`"user":`), name...)) || bytes.Contains(piece, []byte(`"unread"`)) || bytes.Contains(piece, []byte(`"split"`))
}

// add adds sessions of a piece. While pieces change, one can be in two of them.
func (h *Host) add(piece []wire.Session, user string) {
	for _, s := range piece {
		same := func(o wire.Session) bool { return o.Line == s.Line && o.PID == s.PID && o.User == s.User }
		if (user == "" || s.User == user) && !slices.ContainsFunc(h.Sessions, same) {
			h.Sessions = append(h.Sessions, s)
		}
	}
}

// Session is a session of the past, or one that is on.
type Session struct {
	Machine  string     `json:"machine"`
	User     *string    `json:"user"`
	Line     *string    `json:"line"`
	Host     *string    `json:"host"`
	Addr     *string    `json:"addr"`
	PID      *int32     `json:"pid"`
	From     *time.Time `json:"from"`
	To       *time.Time `json:"to"`
	Least    *time.Time `json:"to_least"`
	Most     *time.Time `json:"to_most"`
	Exact    bool       `json:"exact"`
	EndedBy  string     `json:"ended_by"`
	Shortest *float64   `json:"lasted_least_seconds"`
	Longest  *float64   `json:"lasted_most_seconds"`
}

// Last returns the sessions that a filter chooses, the newest first. A session without an
// end is "open": its host has not told the end, or not yet.
func (c *Client) Last(ctx context.Context, f Filter) ([]*Session, error) {
	since, until := f.Since, f.Until
	f.Kinds, f.Since, f.Until = []string{"login", "logout"}, time.Time{}, time.Time{}
	var p pairs
	err := c.Events(ctx, f, func(e *Event) { p.add(e) })
	all := p.all
	all = slices.DeleteFunc(all, func(s *Session) bool {
		end := cmp.Or(s.Most, s.To)
		return !since.IsZero() && end != nil && end.Before(since) || !until.IsZero() && s.From != nil && s.From.After(until)
	})
	newestFirst(all)
	return all, err
}

func newestFirst(all []*Session) {
	slices.SortStableFunc(all, func(a, b *Session) int { return value(cmp.Or(b.From, b.To)).Compare(value(cmp.Or(a.From, a.To))) })
}

// pairs are sessions of which logins and logouts tell.
type pairs struct {
	all  []*Session
	open map[string]*Session // by host and session
}

// add takes a login or logout.
func (p *pairs) add(e *Event) {
	if e.Event == "login" {
		s := &Session{}
		p.all = append(p.all, s)
		p.begin(e, s)
		return
	}
	s := p.open[e.Machine+"\x00"+value(e.Session)]
	if s == nil || e.Session == nil {
		s = &Session{}
		p.all = append(p.all, s)
	}
	s.end(e)
}

// begin takes a login, whose session is s.
func (p *pairs) begin(e *Event, s *Session) {
	*s = Session{Machine: e.Machine, User: e.User, Line: e.Line, Host: e.Host, Addr: e.Addr, PID: e.PID, From: e.Time, EndedBy: "open"}
	if p.open == nil {
		p.open = map[string]*Session{}
	}
	p.open[e.Machine+"\x00"+value(e.Session)] = s
}

// end takes a logout, which has all that the login told.
func (s *Session) end(e *Event) {
	*s = Session{
		Machine: e.Machine, User: e.User, Line: e.Line, Host: e.Host, Addr: e.Addr, PID: e.PID,
		From: e.Login, To: e.Time, Least: e.Least, Most: e.Most, Exact: value(e.Exact), EndedBy: e.EndedBy,
		Shortest: e.Shortest, Longest: e.Longest,
	}
}
