// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/ledger"
	"utmpd.dev/utmpd/utmpx"
)

// TestLedger: the bounds of a crash are those that this machine's ledger knows, as those of
// utmpctl events are, also if the boot was entered after the agent began.
func TestLedger(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	boot := func(at time.Time) {
		h.write(utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12", Time: utmpx.TimeOf(at)})
	}
	book := filepath.Join(filepath.Dir(h.wtmp), ledger.File)
	enter := func(from, to time.Time, id string) {
		t.Helper()
		check(t, ledger.Append(context.Background(), book, boots.Past{Boot: id, From: from, To: to, Up: to.Sub(from), Slept: 0,
			End: boots.Crashed, Exact: boots.Exactness{Known: true, Within: time.Minute}, By: boots.FromHeartbeat}))
	}
	hour := func(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }
	boot(hour(0))
	enter(hour(0), hour(2), "11111111-1111-4111-8111-111111111111")
	boot(hour(3))
	a := h.agent(s, func(c *agent.Config) { c.Ledger = book })
	a.until(t)
	enter(hour(3), hour(5), "22222222-2222-4222-8222-222222222222")
	boot(hour(6))
	crashes := func() (all []string) {
		for _, m := range s.Stored(wire.Events) {
			var e struct {
				Event     string
				TimeLeast string `json:"time_least"`
				TimeMost  string `json:"time_most"`
				From      string `json:"known_from"`
			}
			check(t, json.Unmarshal(m.Data(), &e))
			if e.Event == "crash" {
				all = append(all, e.TimeLeast+" "+e.TimeMost+" "+e.From)
			}
		}
		return all
	}
	wait(t, func() bool { return len(crashes()) == 2 })
	want := "2026-07-01T10:00:00Z 2026-07-01T10:01:00Z heartbeat, 2026-07-01T13:00:00Z 2026-07-01T13:01:00Z heartbeat"
	if got := strings.ReplaceAll(strings.Join(crashes(), ", "), ".000000", ""); got != want {
		t.Errorf("crashes %s, want %s", got, want)
	}
}

// TestLastUnreadable: a last event in the stream that nobody can go on from, such as one of
// another program with this host's credentials, does not end the sending.
func TestLastUnreadable(t *testing.T) {
	for _, body := range []string{"no event", `{"id":"no position"}`} {
		s, h := lab.Start(t), newHost(t, "web1")
		h.grow(20)
		a := h.agent(s)
		h.arrives(s)
		a.stop()
		nc := s.Connect(keys.Host, "web1")
		m := nats.NewMsg(wire.Subject("web1", "login", "eve"))
		m.Data = []byte(body)
		if _, err := nc.RequestMsg(m, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		h.grow(5)
		h.note()
		h.agent(s).until(t)
		var got []string
		for _, m := range s.Stored(wire.Events) {
			var e struct{ ID string }
			if json.Unmarshal(m.Data(), &e) == nil && e.ID != "no position" {
				got = append(got, e.ID)
			}
		}
		if strings.Join(got, " ") != strings.Join(h.want, " ") {
			t.Errorf("%s: %d events, want %d", body, len(got), len(h.want))
		}
	}
}

// TestOnlyUnreadable: a stream that has of a host only what nobody can go on from gets the
// whole log.
func TestOnlyUnreadable(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	if _, err := s.Connect(keys.Host, "web1").Request(wire.Subject("web1", "login", "eve"), []byte("no event"), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	h.grow(20)
	h.note()
	h.agent(s).until(t)
	if n := len(s.Stored(wire.Events)); n != len(h.want)+1 {
		t.Errorf("%d events, want %d", n, len(h.want)+1)
	}
}

// TestLargest: an event of a record whose texts are as long as they can be, and of bytes that
// need the most to be told, is stored.
func TestLargest(t *testing.T) {
	for _, c := range []string{"\x01", "\xff", "\""} {
		s, h := lab.Start(t), newHost(t, strings.Repeat("\x01", 64))
		h.grow(4)
		h.n += 10
		r := utmpx.Record{Type: utmpx.UserProcess, PID: 1 << 30, Line: "pts/" + strings.Repeat("9", 28), ID: "x", User: strings.Repeat(c, 32), Host: strings.Repeat(c, 256), Time: utmpx.TimeOf(start.Add(time.Hour))}
		h.write(r)
		r.Type, r.User, r.Host, r.Time.Sec = utmpx.DeadProcess, "", "", r.Time.Sec+1
		h.write(r)
		h.agent(s)
		h.arrives(s)
		if n := len(h.want); n != 7 { // 4 logins, one of which ended, and these two
			t.Errorf("%q: %d events, want 7", c, n)
		}
	}
}
