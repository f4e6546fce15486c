// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/moments"
)

// question is what the commands that ask have in common.
type question struct {
	*call
	where
	filter       ask.Filter
	since, until string
	json         bool
}

func prepare(in *call, users, times bool) *question {
	q := &question{call: in}
	q.options(in, defaultServerDir+"/reader.creds")
	in.flags.BoolVar(&q.json, "json", false, "print JSON, an object a line")
	in.flags.StringVar(&q.filter.Host, "host", "", "only hosts whose names are like `PATTERN`, such as 'web*'")
	if users {
		in.flags.StringVar(&q.filter.User, "user", "", "only `USER`")
	}
	if times {
		in.flags.StringVar(&q.since, "since", "", "ignore everything before `T`")
		in.flags.StringVar(&q.until, "until", "", "ignore everything after `T`")
	}
	return q
}

// ask connects, and closes the connection afterwards.
func (q *question) ask(do func(*ask.Client) error) error {
	for _, t := range []struct {
		text string
		to   *time.Time
	}{{q.since, &q.filter.Since}, {q.until, &q.filter.Until}} {
		var err error
		if *t.to, err = moments.Parse(t.text, time.Now()); err != nil {
			return usageError{err}
		}
	}
	if err := q.filter.Check(); err != nil {
		return usageError{err}
	}
	var opts []nats.Option
	if q.filter.Follow {
		opts = again(q.call)
	}
	c, closeIt, err := q.client(q.call, opts...)
	if err != nil {
		return err
	}
	defer closeIt()
	return do(c)
}

var errUnknown = errors.New("of some hosts it is not known")

// prepareWho is the command who.
func prepareWho(in *call) func([]string) error {
	q := prepare(in, true, false)
	at := in.flags.String("at", "", "show who was on at `T`")
	return func([]string) error {
		if *at == "" {
			return q.ask(q.who)
		}
		return q.askAt(*at)
	}
}

// prepareAt is the command at.
func prepareAt(in *call) func([]string) error {
	q := prepare(in, true, false)
	return func(args []string) error { return q.askAt(args[0]) }
}

func (q *question) askAt(text string) error {
	t, err := moments.Parse(text, time.Now())
	if err != nil {
		return usageError{err}
	}
	return q.ask(func(c *ask.Client) error { return q.whoAt(c, t) })
}

// whoJSON is a line of `who -json`.
type whoJSON struct {
	Machine string    `json:"machine"`
	State   ask.State `json:"state"`
	Known   time.Time `json:"known_at"`
	wire.Session
}

func (q *question) who(c *ask.Client) error {
	hosts, err := c.Who(q.ctx, q.filter)
	if err != nil {
		return err
	}
	t := newTable(q.stdout, "MACHINE", "USER", "LINE", "SINCE", "FROM", "KNOWN")
	unread := false
	for _, h := range hosts {
		if h.Unread != "" {
			unread = true
			fmt.Fprintf(q.stderr, "utmpfleet: %s: %s\n", text(h.Name), text(h.Unread))
		}
		known := "now"
		if h.State == ask.Silent {
			known = "last known " + moment(&h.Known)
		}
		for _, s := range h.Sessions {
			if !q.json {
				t.row(h.Name, s.User, s.Line, moment(s.Since), s.Host, known)
			} else if err := line(q.stdout, whoJSON{h.Name, h.State, h.Known.UTC(), s}); err != nil {
				return err
			}
		}
	}
	if !q.json {
		err = t.end()
	}
	if err == nil && unread {
		err = errUnknown
	}
	return err
}

func (q *question) whoAt(c *ask.Client, at time.Time) error {
	on, unknown, err := c.At(q.ctx, q.filter, at)
	if err != nil {
		return err
	}
	if err := q.sessions(on); err != nil {
		return err
	}
	if len(unknown) > 0 {
		fmt.Fprintf(q.stderr, "utmpfleet: the first that is known is later: %s\n", text(strings.Join(unknown, " ")))
		return errUnknown
	}
	return nil
}

// prepareLast is the command last.
func prepareLast(in *call) func([]string) error {
	q := prepare(in, true, true)
	return func([]string) error {
		return q.ask(func(c *ask.Client) error {
			all, err := c.Last(q.ctx, q.filter)
			if err != nil {
				return err
			}
			return q.sessions(all)
		})
	}
}

func (q *question) sessions(all []*ask.Session) error {
	if q.json {
		for _, s := range all {
			if err := line(q.stdout, s); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(q.stdout, "MACHINE", "USER", "LINE", "FROM", "LOGIN", "LOGOUT", "ENDED BY")
	for _, s := range all {
		to := ""
		if s.To != nil {
			to = bounds(s.To, s.Least, s.Most, s.Exact)
		}
		t.row(s.Machine, value(s.User), value(s.Line), value(s.Host), moment(s.From), to, s.EndedBy)
	}
	return t.end()
}

// prepareEvents is the command events.
func prepareEvents(in *call) func([]string) error {
	q := prepare(in, true, true)
	in.flags.BoolVar(&q.filter.Follow, "follow", false, "go on with what happens; without -since, begin now")
	kind := in.flags.String("type", "", "only events of `TYPE`: "+strings.Join(wire.Kinds, ", "))
	return func([]string) error {
		if q.filter.Follow && q.until != "" {
			return usageError{errors.New("-until does not go with -follow")}
		}
		if *kind != "" {
			if !slices.Contains(wire.Kinds, *kind) {
				return usageError{fmt.Errorf("-type: %q is none of %s", *kind, strings.Join(wire.Kinds, ", "))}
			}
			q.filter.Kinds = []string{*kind}
		}
		return q.ask(q.events)
	}
}

// prepareCrashes is the command crashes.
func prepareCrashes(in *call) func([]string) error {
	q := prepare(in, false, true)
	q.filter.Kinds = []string{"crash"}
	return func([]string) error { return q.ask(q.events) }
}

func (q *question) events(c *ask.Client) error {
	t := newTable(q.stdout, "MACHINE", "TIME", "EVENT", "USER", "LINE", "DETAIL")
	var failed error
	err := c.Events(q.ctx, q.filter, func(e *ask.Event) {
		if q.json {
			failed = errors.Join(failed, rawLine(q.stdout, e.Raw))
			return
		}
		at, detail := moment(e.Time), e.EndedBy
		if e.Exact != nil {
			at = bounds(e.Time, e.Least, e.Most, *e.Exact)
		}
		for _, p := range []*string{e.KnownFrom, e.Kernel, e.Host} {
			if detail == "" {
				detail = value(p)
			}
		}
		t.row(e.Machine, at, e.Event, value(e.User), value(e.Line), detail)
		if q.filter.Follow {
			failed = errors.Join(failed, t.end()) // each is shown as it comes
		}
	})
	if !q.json {
		failed = errors.Join(failed, t.end())
	}
	return errors.Join(err, failed)
}

// prepareHosts is the command hosts.
func prepareHosts(in *call) func([]string) error {
	q := prepare(in, false, false)
	return func([]string) error { return q.ask(q.hosts) }
}

// hostJSON is a line of `hosts -json`.
type hostJSON struct {
	Machine  string     `json:"machine"`
	State    ask.State  `json:"state"`
	Known    time.Time  `json:"known_at"`
	Sessions *int       `json:"sessions"` // null: it could not be read
	Booted   *time.Time `json:"booted"`
	Crashes  int        `json:"crashes"`
	Gaps     int        `json:"gaps"`
}

func (q *question) hosts(c *ask.Client) error {
	hosts, err := c.Who(q.ctx, q.filter)
	if err != nil {
		return err
	}
	all := map[string]*hostJSON{}
	for _, h := range hosts {
		j := &hostJSON{Machine: h.Name, State: h.State, Known: h.Known.UTC()}
		if n := len(h.Sessions); h.Unread == "" {
			j.Sessions = &n
		}
		all[h.Name] = j
	}
	f := q.filter
	f.Kinds = []string{"boot", "crash", "gap"}
	err = c.Events(q.ctx, f, func(e *ask.Event) {
		j := all[e.Machine]
		if j == nil {
			j = &hostJSON{Machine: e.Machine, State: ask.Silent, Known: e.Stored.UTC()}
			all[e.Machine] = j
		}
		switch e.Event {
		case "boot":
			j.Booted = e.Time
		case "crash":
			j.Crashes++
		case "gap":
			j.Gaps++
		}
	})
	if err != nil {
		return err
	}
	t := newTable(q.stdout, "MACHINE", "STATE", "SESSIONS", "BOOTED", "CRASHES", "GAPS", "LAST KNOWN")
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		j := all[name]
		if q.json {
			if err := line(q.stdout, j); err != nil {
				return err
			}
			continue
		}
		n := "?"
		if j.Sessions != nil {
			n = fmt.Sprint(*j.Sessions)
		}
		t.row(name, string(j.State), n, moment(j.Booted), fmt.Sprint(j.Crashes), fmt.Sprint(j.Gaps), moment(&j.Known))
	}
	if q.json {
		return nil
	}
	return t.end()
}

// value returns what a pointer points to, or "".
func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
