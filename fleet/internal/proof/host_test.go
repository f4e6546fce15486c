// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpx"
)

// host is one with private files. What it must have told is noted as its log is written, and
// not read from the log by the code that the agent uses.
type host struct {
	t    testing.TB
	name string
	dir  string
	n    int
	now  time.Time
	want []string
}

func newHost(t testing.TB, name string) *host {
	t.Helper()
	h := &host{t: t, name: name, dir: t.TempDir(), now: time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)}
	for _, f := range []string{"utmp", "wtmp"} {
		check(t, os.WriteFile(h.file(f), nil, 0o600))
	}
	check(t, os.WriteFile(h.file("machine-id"), []byte(name+"\n"), 0o600))
	h.write(utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}, "boot")
	return h
}

func (h *host) file(name string) string { return filepath.Join(h.dir, name) }

// write appends a record a second later than the one before, which tells these events.
func (h *host) write(r utmpx.Record, tells ...string) {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	r.Time = utmpx.TimeOf(h.now)
	b, err := utmpx.Native().Encode(r)
	check(h.t, err)
	f, err := os.OpenFile(h.file("wtmp"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	check(h.t, err)
	_, err = f.Write(b)
	check(h.t, err)
	check(h.t, f.Close())
	h.want = append(h.want, tells...)
}

// happen is so many logins with their ends. Of eleven, one is ended by a crash, one by a
// shutdown, and after one the clock is set back by an hour.
func (h *host) happen(logins int) {
	h.t.Helper()
	boot := utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}
	for range logins {
		h.n++
		user, line := fmt.Sprint("user", h.n%40), fmt.Sprint("pts/", h.n%9)
		in, out := fmt.Sprint("login ", h.n), fmt.Sprint("logout ", h.n)
		h.write(utmpx.Record{Type: utmpx.UserProcess, PID: int32(h.n), Line: line, ID: line[4:], User: user, Host: "desk.example.org"}, in)
		switch h.n % 11 {
		case 3:
			h.write(boot, "crash", out, "boot")
			continue
		case 6:
			h.write(utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: "6.12"}, "shutdown", out)
			h.write(boot, "boot")
			continue
		}
		h.write(utmpx.Record{Type: utmpx.DeadProcess, PID: int32(h.n), Line: line, ID: line[4:]}, out)
		if h.n%11 == 9 {
			h.write(utmpx.Record{Type: utmpx.OldTime, Line: "|", User: "date"})
			h.now = h.now.Add(-time.Hour)
			h.write(utmpx.Record{Type: utmpx.NewTime, Line: "{", User: "date"}, "clock")
		}
	}
}

// agent starts the host's agent, a process of its own.
func (h *host) agent(s *lab.Server, url string) *process {
	h.t.Helper()
	creds := s.Creds(keys.Host, h.name)
	return spawn(h.t, "utmpfleet", nil, nil, nil, "agent", "-server", url, "-creds", creds, "-wtmp", h.file("wtmp"), "-utmp", h.file("utmp"), "-machine-id", h.file("machine-id"), "-retry", "1s")
}

// told returns what a stream's messages say of a host, and checks that no event is there
// twice or has another host's name.
func told(t testing.TB, stored []jetstream.Msg, name string) (all []string) {
	t.Helper()
	ids := map[string]bool{}
	for _, m := range stored {
		if wire.HostOf(m.Subject()) != wire.Token(name) {
			continue
		}
		var e struct {
			ID, Machine, Event string
			PID                int
		}
		check(t, json.Unmarshal(m.Data(), &e))
		if e.Machine != name || e.Event != wire.KindOf(m.Subject()) || ids[e.ID] {
			t.Errorf("%s: %s", m.Subject(), m.Data())
		}
		ids[e.ID] = true
		if e.Event == "login" || e.Event == "logout" {
			e.Event = fmt.Sprint(e.Event, " ", e.PID)
		}
		all = append(all, e.Event)
	}
	return all
}

// arrived reports whether the stream has all that the host must have told, and nothing more.
func (h *host) arrived(stored []jetstream.Msg) bool {
	h.t.Helper()
	got := told(h.t, stored, h.name)
	if n := min(len(got), len(h.want)); len(got) > len(h.want) || !slices.Equal(h.want[:n], got[:n]) {
		h.t.Fatalf("%s: %d events wanted (-want +got)\n%s", h.name, len(h.want), cmp.Diff(h.want, got))
	}
	return len(got) == len(h.want)
}

// arrives waits until the stream has it.
func (h *host) arrives(s *lab.Server) {
	h.t.Helper()
	wait(h.t, "all events are in the stream", func() bool { return h.arrived(s.Stored(wire.Events)) })
}
