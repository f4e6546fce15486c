// SPDX-License-Identifier: BSD-2-Clause

package ask_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// snapshot sends one of sessions "user line pid minutes", so many minutes before base.
func snapshot(t *testing.T, nc *nats.Conn, host string, base time.Time, sessions ...string) {
	t.Helper()
	all := wire.Sessions{Time: base, Sessions: []wire.Session{}}
	for _, text := range sessions {
		var s wire.Session
		var ago int
		if _, err := fmt.Sscan(text, &s.User, &s.Line, &s.PID, &ago); err != nil {
			t.Fatal(err)
		}
		since := base.Add(-time.Duration(ago) * time.Minute)
		s.Since = &since
		all.Sessions = append(all.Sessions, s)
	}
	b, err := all.Snapshot()
	check(t, err)
	put(t, nc, wire.PastSubject(wire.Token(host)), string(b))
}

// tells sends an event whose times are minutes from base.
func tells(t *testing.T, nc *nats.Conn, host string, base time.Time, kind, user string, fields map[string]any) {
	t.Helper()
	e := map[string]any{"schema": 1, "event": kind, "machine": host, "session": nil, "id": fmt.Sprint(kind, fields)}
	for k, v := range fields {
		if n, ok := v.(int); ok && strings.Contains(k, "time") {
			v = base.Add(time.Duration(n) * time.Minute)
		}
		e[k] = v
	}
	if user != "" {
		e["user"] = user
	}
	b, err := json.Marshal(e)
	check(t, err)
	put(t, nc, wire.Subject(wire.Token(host), kind, user), string(b))
}

// TestAt: who was on, of a snapshot and the events since.
func TestAt(t *testing.T) {
	s := lab.Start(t)
	a, b := s.Connect(keys.Host, "web1"), s.Connect(keys.Host, "db1")
	base := time.Now().UTC().Truncate(time.Second)
	snapshot(t, a, "web1", base, "alice pts/0 10 90000", "bob pts/1 11 600", "carol pts/2 12 500", "dave pts/3 13 400", "erin pts/4 14 0")
	// bob's login is known, too, and told twice: it is one session. carol's login is not.
	tells(t, a, "web1", base, "login", "bob", map[string]any{"session": "b", "line": "pts/1", "pid": 11, "time": -600})
	tells(t, a, "web1", base, "login", "erin", map[string]any{"session": "e", "line": "pts/4", "pid": 14, "time": 0})
	tells(t, a, "web1", base, "logout", "", map[string]any{"line": "pts/2", "pid": 12, "time": 10, "time_least": 10, "time_most": 10, "exact": true, "ended_by": "logout"})
	tells(t, a, "web1", base, "logout", "bob", map[string]any{"session": "b", "line": "pts/1", "pid": 11, "login_time": -600, "time": 20, "time_least": 20, "time_most": 20, "exact": true, "ended_by": "logout"})
	// dave's line is given to another.
	tells(t, a, "web1", base, "login", "fred", map[string]any{"session": "f", "line": "pts/3", "pid": 15, "time": 30})
	tells(t, a, "web1", base, "boot", "", map[string]any{"time": -90000}) // before
	tells(t, a, "web1", base, "crash", "", map[string]any{"time": 40, "time_least": 35, "time_most": 45})
	tells(t, a, "web1", base, "logout", "erin", map[string]any{"session": "e", "line": "pts/4", "pid": 14, "login_time": 0, "time": 40, "time_least": 35, "time_most": 45, "ended_by": "crash"})
	tells(t, a, "web1", base, "boot", "", map[string]any{"time": 45})
	// Of db1 there is a snapshot that is later than the events.
	tells(t, b, "db1", base, "login", "gina", map[string]any{"session": "g", "line": "pts/0", "pid": 1, "time": -3000})
	snapshot(t, b, "db1", base, "gina pts/0 1 3000", "hugo pts/1 2 2500")

	c, doubts := client(t, s)
	for _, q := range []struct {
		at      int
		filter  ask.Filter
		want    []string
		unknown []string
	}{
		{1, ask.Filter{Host: "web1"}, []string{"alice crash", "bob logout", "carol logout", "dave replaced", "erin crash"}, nil},
		{15, ask.Filter{Host: "web1"}, []string{"alice crash", "bob logout", "dave replaced", "erin crash"}, nil},
		{29, ask.Filter{Host: "web1"}, []string{"alice crash", "dave replaced", "erin crash"}, nil},
		{31, ask.Filter{}, []string{"alice crash", "erin crash", "fred open", "gina open", "hugo open"}, nil},
		{46, ask.Filter{}, []string{"fred open", "gina open", "hugo open"}, nil},
		{15, ask.Filter{User: "bob"}, []string{"bob logout"}, nil},
		{15, ask.Filter{User: "carol"}, nil, nil},
		{5, ask.Filter{User: "carol"}, []string{"carol logout"}, nil},
		{46, ask.Filter{User: "alice"}, nil, nil},
		// Before the snapshots: what had begun by then is known of them.
		{-2600, ask.Filter{Host: "db1"}, []string{"gina open"}, nil},
		{-2400, ask.Filter{Host: "db?"}, []string{"gina open", "hugo open"}, nil},
		{-100000, ask.Filter{}, nil, []string{"db1", "web1"}},
	} {
		got, unknown, err := c.At(t.Context(), q.filter, base.Add(time.Duration(q.at)*time.Minute))
		var texts []string
		for _, s := range got {
			texts = append(texts, *s.User+" "+s.EndedBy)
		}
		slices.Sort(texts)
		if diff := cmp.Diff(q.want, texts) + cmp.Diff(q.unknown, unknown); diff != "" || err != nil {
			t.Errorf("at %d, %+v: %v (-want +got)\n%s", q.at, q.filter, err, diff)
		}
	}
	if len(*doubts) > 0 {
		t.Errorf("%q", *doubts)
	}

	// Hosts say what they like.
	for _, body := range []string{"x", "null", "\x1f\x8b\x08", `{"sessions":[{"line":1}]}`, `{"unread":"why","sessions":[{"user":"forged","line":"pts/9"}]}`} {
		put(t, a, wire.PastSubject("web1"), body)
	}
	got, _, err := c.At(t.Context(), ask.Filter{Host: "web1"}, base.Add(15*time.Minute))
	if n := len(got); err != nil || len(*doubts) != 3 {
		t.Errorf("%d sessions, %v, %q", n, err, *doubts)
	}
}

// TestSnapshotForm: a snapshot is read as it was written, and one that is too large says so.
func TestSnapshotForm(t *testing.T) {
	for _, n := range []int{0, 3, 300, 100000} {
		in := wire.Sessions{Machine: "m", Time: time.Unix(1, 0).UTC(), Sessions: []wire.Session{}}
		for i := range n {
			in.Sessions = append(in.Sessions, wire.Session{User: fmt.Sprint("user", i), Line: fmt.Sprint("pts/", i), PID: int32(i * 7919)})
		}
		b, err := in.Snapshot()
		check(t, err)
		out, err := wire.ParseSnapshot(b)
		if err != nil || len(b) > wire.MaxSnapshot {
			t.Fatalf("%d sessions: %d bytes, %v", n, len(b), err)
		}
		if n == 100000 {
			in.Sessions, in.Unread = []wire.Session{}, "100000 sessions are too many for a snapshot"
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Errorf("%d sessions (-want +got)\n%s", n, diff)
		}
	}
}
