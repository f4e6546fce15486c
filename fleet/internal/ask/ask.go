// SPDX-License-Identifier: BSD-2-Clause

// Package ask answers questions about all hosts of a fleet, from its streams.
package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/streams"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// Client asks.
type Client struct {
	nc *nats.Conn
	js jetstream.JetStream
	// Doubt, if it is set, is called with what was not believed.
	Doubt func(error)
}

// New returns a Client that asks over a connection.
func New(nc *nats.Conn, doubt func(error)) (*Client, error) {
	js, err := jetstream.New(nc)
	return &Client{nc: nc, js: js, Doubt: doubt}, err
}

// Streams returns how full the streams are.
func (c *Client) Streams(ctx context.Context) ([]streams.Use, error) { return streams.Look(ctx, c.js) }

// Filter chooses events. Zero fields choose all.
type Filter struct {
	Kinds []string
	Host  string // a pattern as that of path.Match
	User  string
	Since time.Time
	Until time.Time
	// Follow waits for more, until the context ends; with a zero Since it begins now.
	Follow bool
}

func (f *Filter) host(name string) bool {
	ok, err := path.Match(f.Host, name)
	return f.Host == "" || ok && err == nil
}

// Check reports a pattern that is none.
func (f *Filter) Check() error {
	if _, err := path.Match(f.Host, ""); err != nil {
		return fmt.Errorf("%q is not a pattern of names", f.Host)
	}
	return nil
}

// token returns the host's token, if the pattern is a name, else "*".
func (f *Filter) token() string {
	if f.Host == "" || strings.ContainsAny(f.Host, `*?[\`) {
		return "*"
	}
	return wire.Token(f.Host)
}

func (f *Filter) subjects() (all []string) {
	kinds := f.Kinds
	if len(kinds) == 0 {
		kinds = []string{"*"}
	}
	digit := "*"
	if f.User != "" {
		digit = wire.Digit(f.User)
	}
	for _, k := range kinds {
		all = append(all, wire.Prefix+"utmp."+f.token()+"."+k+"."+digit)
	}
	return all
}

// Event is an event of a host, as docs/events.md describes it.
type Event struct {
	Raw       []byte    `json:"-"` // of all fields
	Stored    time.Time `json:"-"` // by the server's clock
	ID        string
	Event     string
	Time      *time.Time
	Machine   string // the host
	Session   *string
	Line      *string
	User      *string
	Host      *string
	Addr      *string
	PID       *int32
	Login     *time.Time `json:"login_time"`
	EndedBy   string     `json:"ended_by"`
	Exact     *bool
	Least     *time.Time `json:"time_least"`
	Most      *time.Time `json:"time_most"`
	Shortest  *float64   `json:"lasted_least_seconds"`
	Longest   *float64   `json:"lasted_most_seconds"`
	KnownFrom *string    `json:"known_from"`
	Kernel    *string
}

// Events calls each for the events that a filter chooses, in the order in which they were
// stored.
func (c *Client) Events(ctx context.Context, f Filter, each func(*Event)) error {
	what := span{stream: wire.Events, subjects: f.subjects(), from: jetstream.DeliverAllPolicy}
	if !f.Follow {
		seen := map[eventKey]struct{}{}
		return c.read(ctx, what, func(m jetstream.Msg, stored time.Time) {
			e := c.chosen(m, &f)
			if e == nil {
				return
			}
			k := eventKey{e.Machine, e.ID}
			if _, twice := seen[k]; twice {
				return
			}
			seen[k] = struct{}{}
			e.Stored = stored
			each(e)
		})
	}
	var seen recent
	return c.follow(ctx, what, f.Since.IsZero(), func(m jetstream.Msg, stored time.Time) {
		if e := c.chosen(m, &f); e != nil && seen.add(e.Machine, e.ID, stored) {
			e.Stored = stored
			each(e)
		}
	})
}

// chosen returns the event if a filter chooses it, else nil.
func (c *Client) chosen(m jetstream.Msg, f *Filter) *Event {
	e, err := parse(m)
	switch {
	case err != nil:
		c.Doubt(err)
		return nil
	case !f.host(e.Machine) || f.User != "" && value(e.User) != f.User,
		e.Time != nil && (!f.Since.IsZero() && e.Time.Before(f.Since) || !f.Until.IsZero() && e.Time.After(f.Until)):
		return nil
	}
	return e
}

// parse reads an event. What a host says of another one is not believed: only its subject
// tells who it is.
func parse(m jetstream.Msg) (*Event, error) {
	host, err := wire.Name(wire.HostOf(m.Subject()))
	if err != nil {
		return nil, err
	}
	e := &Event{}
	if err := json.Unmarshal(m.Data(), e); err != nil {
		return nil, fmt.Errorf("host %q sent what is no event: %w", host, err)
	}
	if e.Machine != host || e.Event != wire.KindOf(m.Subject()) || e.ID == "" {
		return nil, fmt.Errorf("host %q sent an event %q of %q", host, e.Event, e.Machine)
	}
	e.Raw = m.Data()
	return e, nil
}

// value returns what a pointer points to, or zero.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
