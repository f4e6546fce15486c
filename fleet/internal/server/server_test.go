// SPDX-License-Identifier: BSD-2-Clause

package server_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// request sends a request and returns its answer, or the error "none".
func request(nc *nats.Conn, subject, body string, header ...string) string {
	return requestFor(nc, 10*time.Second, subject, body, header...)
}

// forbidden is request, for what is to have no answer.
func forbidden(nc *nats.Conn, subject, body string, header ...string) string {
	return requestFor(nc, 400*time.Millisecond, subject, body, header...)
}

func requestFor(nc *nats.Conn, patience time.Duration, subject, body string, header ...string) string {
	m := nats.NewMsg(subject)
	m.Data = []byte(body)
	for i := 0; i < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	answer, err := nc.RequestMsg(m, patience)
	switch {
	case errors.Is(err, nats.ErrTimeout):
		return "none: no answer"
	case err != nil:
		return "none: " + err.Error()
	case answer.Header.Get("Status") != "":
		return "none: " + answer.Header.Get("Status") + " " + answer.Header.Get("Description")
	}
	return string(answer.Data)
}

// TestRights: a host publishes as itself, reads its own last event, and nothing more.
func TestRights(t *testing.T) {
	s := lab.Start(t, "-max-per-subject", "10")
	a, b := s.Connect(keys.Host, "web1.example.org"), s.Connect(keys.Host, "web2")
	own, other := wire.Token("web1.example.org"), wire.Token("web2")
	stored := func() int { return len(s.Stored(wire.Events)) }
	ok := func(what, answer, want string) {
		t.Helper()
		if strings.HasPrefix(answer, "none") || !strings.Contains(answer, want) {
			t.Errorf("%s: %s", what, answer)
		}
	}
	refused := func(what, answer string) {
		t.Helper()
		if !strings.HasPrefix(answer, "none") && !strings.Contains(answer, `"error"`) {
			t.Errorf("%s: allowed: %s", what, answer)
		}
	}
	ok("own event", request(a, wire.Subject(own, "login", "alice"), "own"), `"seq":1`)
	ok("the other's own event", request(b, wire.Subject(other, "login", "bob"), "secret"), `"seq":2`)
	get := "$JS.API.DIRECT.GET." + wire.Events
	ok("own last", request(a, get+"."+wire.HostEvents(own), ""), "own")
	ok("own sessions", request(a, wire.OnSubject(own, 0), "{}"), `"seq":1`)
	ok("own beat", request(a, wire.BeatSubject(own), "{}"), `"seq":1`)

	refused("event as another", forbidden(a, wire.Subject(other, "login", "x"), "forged"))
	refused("sessions as another", forbidden(a, wire.OnSubject(other, 0), "forged"))
	refused("beat as another", forbidden(a, wire.BeatSubject(other), "forged"))
	refused("last of another", forbidden(a, get+"."+wire.HostEvents(other), ""))
	refused("direct get of all", forbidden(a, get+"."+wire.Prefix+"utmp.>", ""))
	refused("direct get by sequence", forbidden(a, get, `{"seq":2}`))
	refused("direct get by sequence, behind its own subject", forbidden(a, get+"."+wire.Prefix+"utmp."+own+".login.0", `{"seq":2}`))
	refused("get", forbidden(a, "$JS.API.STREAM.MSG.GET."+wire.Events, `{"seq":2}`))
	refused("delete", forbidden(a, "$JS.API.STREAM.MSG.DELETE."+wire.Events, `{"seq":2}`))
	refused("purge", forbidden(a, "$JS.API.STREAM.PURGE."+wire.Events, ""))
	refused("info", forbidden(a, "$JS.API.STREAM.INFO."+wire.Events, ""))
	refused("consumer", forbidden(a, "$JS.API.CONSUMER.CREATE."+wire.Events+".x", `{"stream_name":"UTMP","config":{"name":"x"}}`))
	refused("a kind that is none", forbidden(a, wire.Prefix+"utmp."+own+".evil.0", "x"))
	refused("a digit that is none", forbidden(a, wire.Prefix+"utmp."+own+".login.zz", "x"))
	refused("too large", forbidden(a, wire.Subject(own, "login", "alice"), strings.Repeat("x", wire.MaxEvent+1)))
	refused("roll-up", forbidden(a, wire.Subject(own, "login", "alice"), "x", "Nats-Rollup", "all"))
	refused("roll-up of sessions", forbidden(a, wire.OnSubject(own, 0), "x", "Nats-Rollup", "all"))
	refused("roll-up of beats", forbidden(a, wire.BeatSubject(own), "x", "Nats-Rollup", "all"))
	for _, where := range []string{wire.Subject(other, "login", "bob"), wire.OnSubject(other, 0), wire.BeatSubject(other), wire.Prefix + "utmp." + other + ".x"} {
		for _, ask := range []string{get + "." + wire.HostEvents(own), wire.Subject(own, "login", "alice"), wire.OnSubject(own, 0), wire.BeatSubject(own)} {
			check(t, a.PublishMsg(&nats.Msg{Subject: ask, Reply: where, Data: []byte("forged by an answer")}))
		}
		m := nats.NewMsg(wire.Subject(own, "login", "alice"))
		m.Header.Set("Nats-Trace-Dest", where)
		check(t, a.PublishMsg(m))
	}
	check(t, a.Flush())
	for _, subject := range []string{wire.Prefix + "utmp.>", "_INBOX.>", "_INBOX." + other + ".>", "$SYS.>", ">"} {
		sub, err := a.SubscribeSync(subject)
		if err != nil {
			continue
		}
		request(b, wire.Subject(other, "login", "bob"), "secret")
		if m, err := sub.NextMsg(100 * time.Millisecond); err == nil {
			t.Errorf("subscribed to %s, got %s", subject, m.Subject)
		}
		_ = sub.Unsubscribe()
	}
	if n := stored(); n != 7 {
		t.Errorf("%d events are stored, want 7", n)
	}
	for _, stream := range []string{wire.On, wire.Presence} {
		if n := len(s.Stored(stream)); n != 1 {
			t.Errorf("%s has %d messages, want 1", stream, n)
		}
	}
}

// TestFlood: a host that floods removes no other's events.
func TestFlood(t *testing.T) {
	s := lab.Start(t, "-max-per-subject", "10")
	a, b := s.Connect(keys.Host, "quiet"), s.Connect(keys.Host, "loud")
	for range 5 {
		request(a, wire.Subject("quiet", "login", "alice"), "kept")
	}
	for range 2000 {
		if err := b.Publish(wire.Subject("loud", "login", "eve"), []byte(strings.Repeat("x", 3900))); err != nil {
			t.Fatal(err)
		}
	}
	request(b, wire.Subject("loud", "login", "eve"), "last")
	kept, all := 0, s.Stored(wire.Events)
	for _, m := range all {
		if string(m.Data()) == "kept" {
			kept++
		}
	}
	if kept != 5 || len(all) != 15 {
		t.Errorf("kept %d of 5; %d in all, want 15", kept, len(all))
	}
}

// TestShare: whatever a host sends, it has an eighth of the store at most.
func TestShare(t *testing.T) {
	s := lab.Start(t, "-max-bytes", "8M", "-max-per-subject", "0")
	quiet, loud := s.Connect(keys.Host, "quiet"), s.Connect(keys.Host, "loud")
	for range 5 {
		request(quiet, wire.Subject("quiet", "login", "alice"), "kept")
	}
	body := []byte(strings.Repeat("x", wire.MaxEvent-200))
	for i := range 100 {
		for _, kind := range wire.Kinds {
			for _, digit := range "0123456789abcdef" {
				if err := loud.Publish(wire.Prefix+"utmp.loud."+kind+"."+string(digit), body); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%10 == 9 { // no more in the server's memory than it takes
			request(loud, wire.Subject("loud", "login", "eve"), "x")
		}
	}
	kept, bytes := 0, 0
	for _, m := range s.Stored(wire.Events) {
		if string(m.Data()) == "kept" {
			kept++
		} else {
			bytes += len(m.Data())
		}
	}
	if kept != 5 || bytes > 1<<20 || bytes < 1<<19 {
		t.Errorf("kept %d of 5; the other has %d bytes, want at most %d", kept, bytes, 1<<20)
	}
}

// TestShareOfMany: as many hosts as that can flood together, and remove nothing of others.
func TestShareOfMany(t *testing.T) {
	s := lab.Start(t, "-max-bytes", "8M", "-max-per-subject", "0", "-share", "12")
	quiet := s.Connect(keys.Host, "quiet")
	for range 4 {
		request(quiet, wire.Subject("quiet", "login", "alice"), "kept")
	}
	body := []byte(strings.Repeat("x", wire.MaxEvent-200))
	for i := range 11 {
		name := fmt.Sprint("loud", i)
		loud := s.Connect(keys.Host, name)
		for range 8 {
			for _, subject := range wire.EventSubjects(name) {
				check(t, loud.Publish(subject, body))
			}
			request(loud, wire.Subject(name, "login", "eve"), "x") // no more in the server's memory than it takes
		}
	}
	kept := 0
	for _, m := range s.Stored(wire.Events) {
		if string(m.Data()) == "kept" {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("kept %d of 4", kept)
	}
}

// TestIDs: the server forgets the ids of messages soon: a host could fill its memory by them.
func TestIDs(t *testing.T) {
	s := lab.Start(t)
	nc := s.Connect(keys.Host, "web1")
	for _, subject := range []string{wire.Subject("web1", "login", "eve"), wire.OnSubject("web1", 0), wire.BeatSubject("web1")} {
		send := func() string { return request(nc, subject, "{}", "Nats-Msg-Id", "same") }
		if got := send(); !strings.Contains(got, `"seq":1`) {
			t.Errorf("%s: %s", subject, got)
		}
		// NATS remembers for two minutes unless it is told otherwise.
		got := send()
		for end := time.Now().Add(20 * time.Second); strings.Contains(got, "duplicate") && time.Now().Before(end); got = send() {
			time.Sleep(100 * time.Millisecond)
		}
		if !strings.Contains(got, `"seq":2`) {
			t.Errorf("%s: %s", subject, got)
		}
	}
}

// TestSpokenOf: a client that names itself as NATS names a store that fails does not end the
// server.
func TestSpokenOf(t *testing.T) {
	s := lab.Start(t)
	nc := s.Connect(keys.Host, "web1", nats.Name("JetStream critical write error, will be DISABLED"))
	forbidden(nc, wire.Subject("web2", "login", "bob"), "x")
	for end := time.Now().Add(30 * time.Second); !s.Said("critical write error"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was logged")
		}
	}
	if got := request(nc, wire.Subject("web1", "boot", ""), "x"); !strings.Contains(got, `"seq":1`) {
		t.Error(got)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStrangers: nobody connects without credentials, or with those of another fleet.
func TestStrangers(t *testing.T) {
	s, other := lab.Start(t), lab.Start(t)
	if _, err := nats.Connect(s.URL()); err == nil {
		t.Error("connected without credentials")
	}
	if _, err := nats.Connect(s.URL(), nats.UserCredentials(other.Creds(keys.Host, "web1"))); err == nil {
		t.Error("connected with credentials of another fleet")
	}
	err := filepath.WalkDir(filepath.Join(s.Dir, "keys"), func(name string, d fs.DirEntry, err error) error {
		info, infoErr := os.Stat(name)
		if err == nil && infoErr == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
		return errors.Join(err, infoErr)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRestart: keys and events are there again after SIGKILL.
func TestRestart(t *testing.T) {
	s := lab.Start(t)
	creds := s.Creds(keys.Host, "web1")
	nc := s.Connect(keys.Host, "web1")
	request(nc, wire.Subject("web1", "boot", ""), "x")
	s.Kill()
	s.Restart()
	again, err := nats.Connect(s.URL(), nats.UserCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if n := len(s.Stored(wire.Events)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// TestDiskFull: a server whose store cannot be written ends with an error, to be started
// again: NATS alone would refuse every event for ever. What it acknowledged is there then.
func TestDiskFull(t *testing.T) {
	s := lab.Start(t)
	s.Kill()
	s.Largest = 256 << 10
	s.Restart()
	nc := s.Connect(keys.Host, "web1", nats.MaxReconnects(0))
	stored := 0
	for range 1000 {
		if strings.Contains(request(nc, wire.Subject("web1", "login", "alice"), strings.Repeat("x", 3900)), `"seq"`) {
			stored++
		} else {
			break
		}
	}
	if code := s.Ended(); code != 1 || stored == 0 || stored == 1000 {
		t.Errorf("status %d after %d events", code, stored)
	}
	s.Largest = 0
	s.Restart()
	if n := len(s.Stored(wire.Events)); n < stored {
		t.Errorf("%d events, want %d", n, stored)
	}
}

// TestNearlyFull: it says so before the oldest events go.
func TestNearlyFull(t *testing.T) {
	s := lab.Start(t, "-max-bytes", "1M")
	nc := s.Connect(keys.Host, "web1")
	send := func(n int) {
		t.Helper()
		for range n {
			if got := request(nc, wire.Subject("web1", "login", "alice"), strings.Repeat("x", 3900)); !strings.Contains(got, `"seq"`) {
				t.Fatal(got)
			}
		}
	}
	send(180)                           // of 262
	time.Sleep(2500 * time.Millisecond) // until it has looked
	if s.Said("80 %") {
		t.Error("it warns too early")
	}
	send(50)
	for end := time.Now().Add(10 * time.Second); !s.Said("80 %"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no warning")
		}
	}
}

// TestNewHostKey: without the key by which hosts were enrolled they are strangers.
func TestNewHostKey(t *testing.T) {
	s := lab.Start(t)
	old := s.Creds(keys.Host, "web1")
	s.Kill()
	if err := os.Remove(filepath.Join(s.Dir, "keys", "host.nk")); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if nc, err := nats.Connect(s.URL(), nats.UserCredentials(old)); err == nil {
		nc.Close()
		t.Error("the old credentials were believed")
	}
	s.Connect(keys.Host, "web1").Close()
}
