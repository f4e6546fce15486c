// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// event is what utmpctl events -json tells of a login or a logout.
type event struct {
	Event   string
	Session string
	User    string
	Exact   *bool
	Least   *time.Time `json:"time_least"`
	Most    *time.Time `json:"time_most"`
	Signal  *int
	EndedBy string `json:"ended_by"`
}

// events runs utmpctl events as a collector does. next waits for an event; end has it end.
func (w world) events(t *testing.T) (next func() event, end func()) {
	t.Helper()
	cmd := exec.Command(utmpctl, "events", "-follow", "-json", "-config", w.conf, "-cursor", filepath.Join(w.dir, "cursor"), "-since", "1h")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := json.NewDecoder(out)
	next = func() (e event) {
		t.Helper()
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	return next, func() {
		t.Helper()
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("utmpctl events: %v", err)
		}
	}
}

// TestEvents has sessions that end as utmpd sees it, and as it does not: while it is stopped.
// A collector learns of each once, also if it was restarted meanwhile.
func TestEvents(t *testing.T) {
	if !enter(t) {
		return
	}
	start := x86.bytes(boot(machineBoot(t)))
	w := newWorld(t, start, start)
	d := w.start(t)
	next, stop := w.events(t)
	seen, unseen := sleeper(t), sleeper(t)
	w.add(t, login("alice", "pts/81", seen.Process.Pid, time.Now()), w.utmp, w.wtmp)
	w.add(t, login("bob", "pts/82", unseen.Process.Pid, time.Now()), w.utmp, w.wtmp)
	alice, bob := next(), next()
	if alice.Event == "boot" {
		alice, bob = bob, next()
	}
	if alice.Event != "login" || alice.User != "alice" || bob.Event != "login" || bob.User != "bob" {
		t.Fatalf("%+v, %+v", alice, bob)
	}
	w.judged(t)
	end(t, seen)
	for {
		e := next()
		if e.User != "alice" {
			continue // the witnesses
		}
		if e.Event != "logout" || e.EndedBy != "utmpd" || e.Session != alice.Session || e.Exact == nil || !*e.Exact || e.Signal == nil || *e.Signal != int(syscall.SIGKILL) {
			t.Errorf("%+v, want the end of %s, exact, and the signal", e, alice.Session)
		}
		break
	}
	stop()
	d.cmd.Process.Signal(syscall.SIGTERM)
	await(t, "utmpd's end", func() bool { return strings.Contains(d.logged(), `msg="utmpd ended"`) })
	alive := time.Now()
	end(t, unseen)
	died := time.Now()
	w.start(t)
	w.loggedOut(t, "pts/82")
	next, stop = w.events(t)
	e := next()
	if e.User != "bob" || e.Event != "logout" || e.EndedBy != "utmpd" || e.Session != bob.Session {
		t.Errorf("%+v, want the end of %s, by utmpd", e, bob.Session)
	}
	if e.Exact == nil || *e.Exact || e.Least == nil || e.Least.After(alive) || e.Most == nil || e.Most.Before(died.Truncate(time.Second)) {
		t.Errorf("%+v, want bounds with %v and %v between them", e, alive, died)
	}
	stop()
}
