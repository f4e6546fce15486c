// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/eventlog"
	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var start = time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)

// host is one with a private log, of which every event that it ever had is known.
type host struct {
	t    *testing.T
	name string
	wtmp string
	n    int
	want []string // the events' ids
	all  *eventlog.Reader
	from logs.Position
}

func newHost(t *testing.T, name string) *host {
	dir := t.TempDir()
	h := &host{t: t, name: name, wtmp: filepath.Join(dir, "wtmp"), all: eventlog.New(events.NewStream(), logs.Position{})}
	check(t, os.WriteFile(h.wtmp, nil, 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "utmp"), nil, 0o600))
	return h
}

// grow adds so many logins, each with its logout, in a boot each ten of which one crashes.
func (h *host) grow(logins int) {
	h.t.Helper()
	for range logins {
		h.n++
		at := utmpx.TimeOf(start.Add(time.Duration(h.n) * 2 * time.Second))
		r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(1000 + h.n), Line: fmt.Sprint("pts/", h.n%7), ID: "x", User: fmt.Sprint("user", h.n%5), Host: "desk", Time: at}
		h.write(r)
		switch {
		case h.n%10 == 0:
			h.write(utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12", Time: at})
		case h.n%3 == 0:
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
			r.Time.Sec++
			h.write(r)
		}
	}
}

func (h *host) write(r utmpx.Record) {
	h.t.Helper()
	b, err := utmpx.Native().Encode(r)
	check(h.t, err)
	f, err := os.OpenFile(h.wtmp, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	check(h.t, err)
	_, err = f.Write(b)
	check(h.t, err)
	check(h.t, f.Close())
}

// note notes the events of what was written since the last time.
func (h *host) note() {
	h.t.Helper()
	for e, err := range logs.New(h.wtmp, logs.Options{}).From(h.t.Context(), h.from) {
		check(h.t, err)
		h.all.Record(e, func() string { return e.Place().String() }, func(e events.Event) { h.want = append(h.want, e.ID) })
		h.from = e.Position()
	}
}

// running is an agent that runs.
type running struct {
	stop func()
	idle chan struct{}
	log  *lines
}

// lines is a log that can be waited on.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if testing.Verbose() {
		os.Stderr.Write(p)
	}
	return l.b.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

func (h *host) agent(s *lab.Server, change ...func(*agent.Config)) *running {
	h.t.Helper()
	r := &running{idle: make(chan struct{}, 1), log: &lines{}}
	cfg := agent.Config{Host: h.name, URL: s.URL(), Creds: s.Creds(keys.Host, h.name), Wtmp: h.wtmp, Utmp: filepath.Join(filepath.Dir(h.wtmp), "utmp"),
		Machine: "m-" + h.name, Boot: "b-1", Beat: time.Minute, Answer: 2 * time.Second, Retry: time.Second, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Waiting: func() {
			select {
			case r.idle <- struct{}{}:
			default:
			}
		}}
	for _, f := range change {
		f(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx, cfg) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(r.stop)
	return r
}

// ids returns the ids of a host's events in the stream, and checks that they have its name.
func ids(t *testing.T, s *lab.Server, name string) (all []string) {
	t.Helper()
	for _, m := range s.Stored(wire.Events) {
		if wire.HostOf(m.Subject()) != wire.Token(name) {
			continue
		}
		var e struct {
			ID, Machine, Event string
			MachineID          string `json:"machine_id"`
			BootID             string `json:"boot_id"`
		}
		check(t, json.Unmarshal(m.Data(), &e))
		if !strings.HasPrefix(e.MachineID, "m-") || !strings.HasPrefix(e.BootID, "b-") {
			t.Errorf("of which machine and boot: %s", m.Data())
		}
		if e.Machine != name || e.Event != wire.KindOf(m.Subject()) {
			t.Errorf("%s: %s", m.Subject(), m.Data())
		}
		all = append(all, e.ID)
	}
	return all
}

// arrives waits until the stream has exactly the host's events, in order.
func (h *host) arrives(s *lab.Server) {
	h.t.Helper()
	h.note()
	var diff string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got := ids(h.t, s, h.name)
		if diff = cmp.Diff(h.want, got); diff == "" {
			return
		}
		if len(got) > len(h.want) {
			break
		}
	}
	h.t.Fatalf("%d events wanted (-want +got)\n%s", len(h.want), diff)
}

// TestAll: everything is sent once, in order, also what comes later, and by an agent that
// was started again.
func TestAll(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1.example.org")
	h.grow(50)
	a := h.agent(s)
	h.arrives(s)
	h.grow(20)
	h.arrives(s)
	a.stop()
	h.grow(20)
	h.agent(s)
	h.arrives(s)
}

// TestServerKilled: the server is killed while events are sent, and comes back.
func TestServerKilled(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(10)
	h.agent(s)
	h.arrives(s)
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(20 * time.Millisecond)
			s.Kill()
		}()
		h.grow(100)
		<-done
		h.grow(20)
		s.Restart()
		h.grow(20)
	}
	h.arrives(s)
}

// TestServerLost: a server that lost power has not all that it acknowledged. It is sent
// again.
func TestServerLost(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(30)
	h.agent(s)
	h.arrives(s)
	s.Kill()
	saved := t.TempDir()
	check(t, os.CopyFS(filepath.Join(saved, "store"), os.DirFS(filepath.Join(s.Dir, "store"))))
	s.Restart()
	h.grow(30)
	h.arrives(s)
	s.Kill()
	check(t, os.RemoveAll(filepath.Join(s.Dir, "store")))
	check(t, os.CopyFS(filepath.Join(s.Dir, "store"), os.DirFS(filepath.Join(saved, "store"))))
	s.Restart()
	h.arrives(s)
}

// TestRotated: the log is rotated while the agent is away, in each way.
func TestRotated(t *testing.T) {
	for _, c := range []struct {
		name   string
		rotate func(t *testing.T, h *host)
	}{
		{"renamed", func(t *testing.T, h *host) { check(t, os.Rename(h.wtmp, h.wtmp+".1")) }},
		{"copied and truncated, and grown past", func(t *testing.T, h *host) {
			b, err := os.ReadFile(h.wtmp)
			check(t, err)
			check(t, os.WriteFile(h.wtmp+".1", b, 0o600))
			check(t, os.Truncate(h.wtmp, 0))
			h.grow(100)
		}},
		{"compressed", func(t *testing.T, h *host) {
			b, err := os.ReadFile(h.wtmp)
			check(t, err)
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			_, err = w.Write(b)
			check(t, errors.Join(err, w.Close()))
			check(t, os.WriteFile(h.wtmp+".1.gz", z.Bytes(), 0o600))
			check(t, os.Remove(h.wtmp))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, h := lab.Start(t), newHost(t, "web1")
			h.grow(20)
			a := h.agent(s)
			h.arrives(s)
			a.stop()
			h.grow(7)
			h.note()
			c.rotate(t, h)
			h.grow(13)
			h.agent(s)
			h.arrives(s)
		})
	}
}

// TestRotatedMeanwhile: the log is rotated while the agent runs and the server is away.
func TestRotatedMeanwhile(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(20)
	h.agent(s)
	h.arrives(s)
	s.Kill()
	h.grow(10)
	h.note()
	check(t, os.Rename(h.wtmp, h.wtmp+".1"))
	h.grow(10)
	s.Restart()
	h.arrives(s)
}

// TestGap: what was rotated away unsent is told as a gap, once.
func TestGap(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(20)
	a := h.agent(s)
	h.arrives(s)
	a.stop()
	before := len(h.want)
	check(t, os.Remove(h.wtmp))
	h.grow(3)
	for range 3 {
		a = h.agent(s)
		wait(t, func() bool { return len(ids(t, s, "web1")) >= before+5 })
		<-a.idle
		a.stop()
	}
	got := ids(t, s, "web1")[before:]
	if len(got) != 5 || !strings.HasPrefix(got[0], "gap:") || slices.ContainsFunc(got[1:], func(id string) bool { return strings.HasPrefix(id, "gap") }) {
		t.Errorf("%q", got)
	}
}

// TestTwoHosts: of two machines with one name the second one sends nothing, and says so.
func TestTwoHosts(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*agent.Config)
	}{
		{"another machine", func(c *agent.Config) { c.Machine = "m-other" }},
		{"a clone", func(c *agent.Config) { c.Boot = "b-other" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, h, twin := lab.Start(t), newHost(t, "web1"), newHost(t, "web1")
			h.grow(20)
			b, err := os.ReadFile(h.wtmp)
			check(t, err)
			check(t, os.WriteFile(twin.wtmp, b, 0o600))
			h.grow(10)
			h.agent(s)
			h.arrives(s)
			twin.n = h.n + 100
			twin.grow(10)
			other := twin.agent(s, c.change)
			wait(t, func() bool { return other.log.has("another machine sends events by this name") })
			h.arrives(s)
			h.grow(5)
			h.arrives(s)
		})
	}
}

// TestNotTwoHosts: a machine that booted again, or was given a new id, is no other one.
func TestNotTwoHosts(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(20)
	a := h.agent(s)
	h.arrives(s)
	a.stop()
	h.grow(5)
	a = h.agent(s, func(c *agent.Config) { c.Boot = "b-2" })
	h.arrives(s)
	a.stop()
	h.grow(5)
	h.agent(s, func(c *agent.Config) { c.Machine = "m-new"; c.Boot = "b-3" })
	h.arrives(s)
}

// TestMark: a stream that has forgotten a host does not get its history again, but what
// follows the mark. If the stream has anything of the host, the mark does not count.
func TestMark(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	mark := func(c *agent.Config) {
		c.Mark, c.Settled = filepath.Join(filepath.Dir(h.wtmp), "mark"), time.Nanosecond
	}
	h.grow(20)
	a := h.agent(s, mark)
	h.arrives(s)
	h.grow(1)
	h.arrives(s)
	wait(t, func() bool { // a mark is of a time that is over
		h.grow(1)
		h.arrives(s)
		_, err := os.Stat(filepath.Join(filepath.Dir(h.wtmp), "mark"))
		return err == nil
	})
	a.stop()
	marked, before := *h, len(h.want)
	h.grow(5)
	h.agent(s, mark).until(t)
	h.arrives(s)

	empty := lab.Start(t)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(h.wtmp), "mark"))
	check(t, err)
	at, err := logs.ParsePosition(strings.TrimSpace(string(b)))
	check(t, err)
	h.agent(empty, mark).until(t)
	got := ids(t, empty, h.name)
	if diff := cmp.Diff(h.want[len(h.want)-len(got):], got); diff != "" || len(got) < len(h.want)-before || len(got) > len(h.want)-before+4 || at.IsZero() {
		t.Errorf("%d of %d events, %d after the mark; %v (-want +got)\n%s", len(got), len(h.want), len(marked.want), at, diff)
	}
}

func wait(t *testing.T, until func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !until(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen in 30 s")
		}
	}
}
