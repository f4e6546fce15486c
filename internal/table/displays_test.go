// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// witness is a process that shows a session, and has lived for an hour.
func (w *world) witness(pid int32, logind bool) session.Witness {
	w.start(pid)
	p := w.procs[pid]
	p.id.Start -= uint64(time.Hour / clockTick)
	p.started = p.started.Add(-time.Hour)
	return session.Witness{Found: true, Logind: logind, ID: session.ID{PID: pid, Start: p.id.Start}}
}

// TestDisplays has the process of a record that was just written end after a while.
func TestDisplays(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		lived      time.Duration
		dead       bool
	}{
		{name: "a display", line: ":0", lived: time.Second},
		{name: "a display with a screen", line: ":0.0", lived: time.Second},
		{name: "a display of an X terminal", line: "ws12:0", lived: time.Second},
		{name: "a display of a forwarding", line: "localhost:10.0", lived: time.Second},
		{name: "a virtual terminal", line: "tty7", lived: time.Second},
		{name: "nearly a minute", line: "ws12:0", lived: displayAge - time.Second},
		{name: "a minute", line: ":0", lived: displayAge, dead: true},
		{name: "a minute, an X terminal", line: "ws12:0", lived: displayAge, dead: true},
		{name: "a minute, a virtual terminal", line: "tty7", lived: displayAge, dead: true},
		{name: "an FTP server", line: "vsftpd:100", lived: time.Second, dead: true},
		{name: "xrdp", line: "xrdp:11", lived: time.Second, dead: true},
		{name: "a serial line", line: "ttyS0", lived: time.Second, dead: true},
		{name: "a pseudo-terminal", line: "pts/0", lived: time.Second, dead: true},
		{name: "no display", line: "dtlocal", lived: time.Second, dead: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(100)
			w.put(0, w.login(tt.line, 100))
			w.scan()
			w.pass(tt.lived)
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Second)
			if tt.dead {
				w.wantDead(0, died)
				return
			}
			w.wantAlive(0)
			w.wantLog("left " + tt.line + ": the process of a display's record was not seen alive for a minute")
			for range 3 {
				w.pass(time.Hour)
				w.scan()
			}
			w.wantAlive(0)
			if n := strings.Count(strings.Join(w.log, "\n"), "left "); n != 1 {
				t.Errorf("reported %d times: %q", n, w.log)
			}
		})
	}
}

// TestVTLogin has a login on a virtual terminal end within a minute, who was seen to
// lead it.
func TestVTLogin(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sight func(id session.ID) session.Sighting
		dead  bool
	}{
		{"leads the line", func(id session.ID) session.Sighting { return session.Sighting{Leader: id} }, true},
		{"runs in the session on it", func(id session.ID) session.Sighting { return session.Sighting{Outer: session.ID{PID: 50, Start: 1}} }, false},
		{"is not on it", func(session.ID) session.Sighting { return session.Sighting{} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(100)
			w.sights[100] = tt.sight(w.procs[100].id)
			w.put(0, w.login("tty1", 100))
			w.scan()
			w.pass(10 * time.Second)
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			if tt.dead {
				w.wantDead(0, died)
			} else {
				w.wantAlive(0)
			}
		})
	}
}

// TestDisplayPIDInUse: the pid of a display's record is in use for more than a minute, by
// one process or by two. Its end counts only if it was surely one.
func TestDisplayPIDInUse(t *testing.T) {
	hidden := func(w *world) { w.hides, w.procs[100].id = true, session.ID{PID: 100} }
	nameless := func(w *world) { w.procs[100].id = session.ID{PID: 100} } // a pidfd, before Linux 6.9
	for _, tt := range []struct {
		name        string
		maxFDs      int
		first, then func(w *world)
		restart     bool // in between
		soon        bool // it ends a second after the second look
		dead        bool
	}{
		{name: "seen twice", dead: true},
		{name: "seen twice, the second time soon before", soon: true, dead: true},
		{name: "hidden, then seen", first: hidden},
		{name: "seen, then hidden", then: hidden},
		{name: "hidden", first: hidden, then: hidden},
		{name: "hidden, polled", maxFDs: 1, first: hidden, then: hidden},
		{name: "hidden, polled, and a restart", maxFDs: 1, first: hidden, then: hidden, restart: true},
		{name: "the pid alone", first: nameless, then: nameless},
		{name: "the pid alone, then more", first: nameless},
		{name: "more, then the pid alone", then: nameless},
		{name: "more, then the pid alone, watched", then: func(w *world) { w.maxFDs = 1; nameless(w) }, soon: true},
		{name: "the pid alone, watched", maxFDs: 1, first: nameless, then: nameless, dead: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.maxFDs = tt.maxFDs
			w.start(100)
			w.put(0, w.login(":13", 100))
			id := w.procs[100].id
			for i, look := range []func(*world){tt.first, tt.then} {
				w.hides, w.procs[100].id = false, id
				if look != nil {
					look(w)
				}
				w.scan()
				if i > 0 && tt.soon {
					w.pass(time.Second)
					continue
				}
				w.pass(displayAge)
				if tt.restart {
					w.restart()
					w.scan()
				}
			}
			w.kill(100, session.Status{})
			w.hides = false
			w.scan()
			w.pass(time.Minute)
			if dead := w.get(0).Type == utmpx.DeadProcess; dead != tt.dead {
				t.Errorf("dead: %v, want %v", dead, tt.dead)
			}
		})
	}
}

// TestDisplayHeld: the process of a virtual terminal's record ends, and one in another user
// namespace has its number, and ends. That one shows nothing of the session.
func TestDisplayHeld(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lived   time.Duration
		shown   bool // by an X server, which ends
		restart bool
		dead    bool
	}{
		{name: "at once", lived: time.Second},
		{name: "at once, and a restart", lived: time.Second, restart: true},
		{name: "after a minute", lived: displayAge, dead: true},
		{name: "after a minute, and a restart", lived: displayAge, restart: true, dead: true},
		{name: "who showed it has ended", lived: time.Second, shown: true, dead: true},
		{name: "who showed it has ended, and a restart", lived: time.Second, shown: true, restart: true, dead: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(5000)
			w.pass(time.Minute)
			w.start(100)
			w.put(0, w.login("tty11", 100))
			w.scan()
			w.pass(tt.lived)
			if tt.shown {
				w.witnesses["tty11"] = w.witness(300, false)
			}
			w.namesakes[100] = []session.Candidate{{ID: w.procs[5000].id, Foreign: true}}
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			if tt.shown {
				delete(w.witnesses, "tty11")
				died = w.now.Wall
				w.kill(300, session.Status{})
				w.pass(time.Minute)
			}
			w.scan()
			w.wantAlive(0)
			if tt.restart {
				w.restart()
				w.scan()
				w.pass(time.Minute)
				w.wantAlive(0)
			}
			delete(w.namesakes, 100)
			w.kill(5000, session.Status{})
			w.pass(time.Minute)
			if !tt.dead {
				w.wantAlive(0)
				w.wantLog("not seen alive for a minute")
				return
			}
			w.wantDead(0, died)
		})
	}
}

// TestDisplayFoundDead has the process of a record be gone when it is found.
func TestDisplayFoundDead(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		age        time.Duration
		witness    session.Witness
		dead       bool
	}{
		{name: "a display", line: ":0", age: time.Hour},
		{name: "a virtual terminal, just now", line: "tty7", age: time.Second},
		{name: "a virtual terminal, long ago", line: "tty7", age: time.Hour, dead: true},
		{name: "a virtual terminal, long ago, nobody knows", line: "tty7", age: time.Hour, witness: session.Witness{Unknown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.witnesses[tt.line] = tt.witness
			w.put(0, w.login(tt.line, 100))
			w.pass(tt.age)
			w.scan()
			found := w.now.Wall
			w.pass(time.Minute)
			if tt.dead {
				w.wantDead(0, found)
			} else {
				w.wantAlive(0)
			}
		})
	}
}

// TestDisplayWitness has the process that wrote a record end, while somebody speaks
// for its session.
func TestDisplayWitness(t *testing.T) {
	none := session.Witness{}
	for _, tt := range []struct {
		name, line string
		logind     bool
		end        func(w *world) // of what speaks for it
		dead       bool
		found      string
	}{
		{name: "the X server lives", line: ":0", end: func(*world) {}},
		{name: "the X server ends", line: ":0", dead: true, end: func(w *world) {
			w.witnesses[":0"] = none
			w.kill(200, session.Status{})
		}},
		{name: "the X server of a virtual terminal ends", line: "tty7", dead: true, end: func(w *world) {
			w.witnesses["tty7"] = none
			w.kill(200, session.Status{})
		}},
		{name: "the X server ends, and another one starts", line: ":0", dead: true, end: func(w *world) {
			w.kill(200, session.Status{})
			w.start(201)
			w.witnesses[":0"] = session.Witness{Found: true, ID: w.procs[201].id}
			w.witnesses[":0"] = session.Witness{Found: true, ID: session.ID{PID: 201, Start: w.procs[201].id.Start + 100}}
		}},
		{name: "the X server ends, and another one has lived long", line: ":0", end: func(w *world) {
			w.witnesses[":0"] = w.witness(201, false)
			w.kill(200, session.Status{})
		}},
		{name: "logind's session lives", line: "ws12:0", logind: true, end: func(*world) {}},
		{name: "logind's session ends with its leader", line: "ws12:0", logind: true, dead: true, end: func(w *world) {
			w.witnesses["ws12:0"] = none
			w.kill(200, session.Status{})
		}},
		{name: "logind's leader ends, and the X server goes on", line: ":0", logind: true, dead: true, end: func(w *world) {
			w.witnesses[":0"] = w.witness(201, false)
			w.kill(200, session.Status{})
		}},
		{name: "logind's session is gone, and its leader lives", line: ":0", logind: true, dead: true,
			found: "logind has no session", end: func(w *world) {
				w.witnesses[":0"] = none
				w.scan()
			}},
		{name: "logind cannot be asked", line: ":0", logind: true, end: func(w *world) {
			w.witnesses[":0"] = session.Witness{Unknown: true}
			w.scan()
		}},
		{name: "logind's session is another one", line: ":0", logind: true, end: func(w *world) {
			w.witnesses[":0"] = w.witness(201, true)
			w.scan()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(100)
			w.witnesses[tt.line] = w.witness(200, tt.logind)
			w.put(0, w.login(tt.line, 100))
			w.scan()
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			w.wantAlive(0)
			w.wantLog("lives, pid 200")
			w.scan()
			w.pass(time.Hour)
			ended := w.now.Wall
			tt.end(w)
			w.pass(time.Minute)
			if !tt.dead {
				w.scan()
				w.wantAlive(0)
				return
			}
			w.wantDead(0, ended)
			w.wantLog("ended " + tt.line)
			w.wantLog(tt.found)
			w.file = nil
			w.scan()
			w.pass(time.Minute)
			w.wantEmpty()
		})
	}
}

// TestDisplayReviewed: a record that was left alone is looked at again by the
// periodic scans, and by nothing else.
func TestDisplayReviewed(t *testing.T) {
	w := newWorld(t)
	w.put(0, w.login("ws12:0", 100))
	w.scan()
	w.pass(time.Hour)
	if w.asked != 1 {
		t.Fatalf("asked %d times, want 1", w.asked)
	}
	w.table.Checkpoint(w.now)
	w.read(false)
	w.scan()
	if w.asked != 2 {
		t.Errorf("asked %d times, want 2", w.asked)
	}
	if w.table.Dirty() {
		t.Error("the table has changed")
	}
	w.witnesses["ws12:0"] = w.witness(200, true)
	w.scan()
	w.wantLog("logind's session on its display lives, pid 200")
	ended := w.now.Wall
	w.witnesses["ws12:0"] = session.Witness{}
	w.kill(200, session.Status{})
	w.pass(time.Minute)
	w.wantDead(0, ended)
}

// TestDisplayRestarted: a witness is known to the next run.
func TestDisplayRestarted(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.witnesses[":0"] = w.witness(200, true)
	w.put(0, w.login(":0", 100))
	w.scan()
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	c := w.table.Checkpoint(w.now)
	w.table = New(w.table.set)
	w.table.Restore(c)
	w.scan()
	w.wantAlive(0)
	ended := w.now.Wall
	w.witnesses[":0"] = session.Witness{}
	w.scan()
	w.pass(time.Minute)
	w.wantDead(0, ended)
}

// TestDisplayLeftAlone: of the process of a record that is left alone, nothing is
// kept, least of all a descriptor.
func TestDisplayLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login(":0", 100))
	w.scan()
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	w.wantAlive(0)
	if len(w.kept)+len(w.table.processes.byToken)+len(w.table.processes.byPID) != 0 {
		t.Errorf("kept: watched %v, processes %v, pids %v", w.kept, w.table.processes.byToken, w.table.processes.byPID)
	}
	w.file = nil
	w.scan()
	w.wantEmpty()
}

// TestDisplayClosedWhileAsked: the answer about a record that is gone changes nothing.
func TestDisplayClosedWhileAsked(t *testing.T) {
	w := newWorld(t)
	w.put(0, w.login(":0", 100))
	w.scan()
	w.pass(time.Minute)
	s := w.table.utmpx.at(0)
	w.table.Handle(w.now, Scanned{Snapshot: w.table.utmpx.snap, Began: w.now.Mono, Periodic: true}) // asks again
	w.file = nil
	w.scan()
	w.wantEmpty()
	w.handle(Gathered{Evidence: []session.Evidence{{Key: s.key | reviewKey, Witness: w.witness(200, true)}}})
	w.wantEmpty()
}
