// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

const alice, bob = 1000, 1001

func TestJudge(t *testing.T) {
	own, other := session.ID{PID: 7, Start: 1}, session.ID{PID: 8, Start: 2}
	as := func(uid uint32, change func(*candidate)) candidate {
		c := candidate{Candidate: session.Candidate{ID: own, UID: uid}, earlier: true}
		if change != nil {
			change(&c)
		}
		return c
	}
	user := func(uid uint32) session.Owner { return session.Owner{Known: true, UID: uid} }
	leader := func(cs ...candidate) facts { return facts{user: user(alice), leaders: cs} }
	namesake := func(cs ...candidate) facts { return facts{user: user(alice), namesakes: cs} }
	for _, test := range []struct {
		name string
		facts
		want outcome
		by   int32
	}{
		{"nobody", facts{}, dead, 0},
		{"a leader of root's", leader(as(0, nil)), livesOn, 7},
		{"of the record's user", leader(as(alice, nil)), livesOn, 7},
		{"of another user", leader(as(bob, nil)), dead, 0},
		{"of the terminal's owner", facts{user: user(alice), owner: user(bob), leaders: []candidate{as(bob, nil)}}, livesOn, 7},
		{"of a user whose name is not known", facts{leaders: []candidate{as(bob, nil)}}, livesOn, 7},
		{"that began after the death", leader(as(0, func(c *candidate) { c.earlier = false })), dead, 0},
		{"that was below, of whatever user", leader(as(bob, func(c *candidate) { c.own = own; c.Foreign = true; c.others = true })), livesOn, 7},
		{"that took the terminal from one below", leader(as(0, func(c *candidate) { c.own = other; c.others = true })), livesOn, 8},
		{"that was above", leader(as(alice, func(c *candidate) { c.outer = true })), dead, 0},
		{"of another record", leader(as(alice, func(c *candidate) { c.others = true })), dead, 0},
		{"in another user namespace", leader(as(alice, func(c *candidate) { c.Foreign = true })), dead, 0},
		{"in another devpts", leader(as(0, func(c *candidate) { c.Elsewhere = true })), dead, 0},
		{"all are weighed", leader(as(bob, nil), as(alice, func(c *candidate) { c.ID = other })), livesOn, 8},
		{"hidden", facts{hidden: true}, unknown, 0},
		{"its line is a link", facts{unsure: "a link"}, unknown, 0},
		{"another user's, the others hidden", facts{hidden: true, user: user(alice), leaders: []candidate{as(bob, nil)}}, unknown, 0},
		{"of another terminal with its number", facts{gone: true, user: user(alice), leaders: []candidate{as(0, nil)}}, dead, 0},
		{"that was below, and now leads that one", facts{gone: true, leaders: []candidate{as(0, func(c *candidate) { c.own = own })}}, dead, 0},
		{"that was below, in another devpts all the time", facts{gone: true, leaders: []candidate{as(0, func(c *candidate) { c.own = own; c.Elsewhere = true })}}, livesOn, 7},
		{"hidden, and the terminal is gone", facts{hidden: true, gone: true}, dead, 0},
		{"a namesake of root's", namesake(as(0, nil)), livesOn, 7},
		{"of another user's", namesake(as(bob, nil)), dead, 0},
		{"that began too late", namesake(as(0, func(c *candidate) { c.earlier = false })), dead, 0},
		{"in a user namespace", namesake(as(alice, func(c *candidate) { c.Foreign = true })), heldBy, 7},
		{"in a user namespace, and one of root's", namesake(as(alice, func(c *candidate) { c.Foreign = true }), as(0, func(c *candidate) { c.ID = other })), livesOn, 8},
		{"namesakes hidden, never seen", facts{blind: true}, unknown, 0},
		{"namesakes hidden, was seen", facts{blind: true, seen: true}, dead, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := judge(test.facts); got.what != test.want || got.by.PID != test.by {
				t.Errorf("%+v, want %v by %d", got, test.want, test.by)
			}
		})
	}
}

// TestLoginWithinSession: bob's login(1) runs in alice's session. The shell in which it
// was typed keeps alice's record, and not his.
func TestLoginWithinSession(t *testing.T) {
	w := newWorld(t)
	w.start(100) // alice's sshd
	w.start(101) // her shell
	w.start(102) // bob's
	shell := w.procs[101].id
	w.sights[100] = session.Sighting{Leader: shell}
	w.sights[102] = session.Sighting{Outer: shell}
	w.leaders["pts/0"] = session.Evidence{Leaders: []session.Candidate{{ID: shell, UID: alice}}}
	w.put(0, w.login("pts/0", 100))
	w.put(1, w.login("pts/0", 102))
	w.scan()
	w.pass(time.Minute)
	died := w.now.Wall
	w.kill(102, session.Status{})
	w.pass(time.Minute)
	w.wantDead(1, died)
	w.kill(100, session.Status{}) // the monitor: alice lives on
	w.pass(time.Minute)
	w.wantAlive(0)
}

// TestLeaderBelowAnotherRecord: a dead record and a living one name a line. Its leader
// descends from the living one's process.
func TestLeaderBelowAnotherRecord(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.start(101)
	w.put(0, w.login("pts/0", 99)) // no such process
	w.put(1, w.login("pts/0", 100))
	w.leaders["pts/0"] = session.Evidence{Leaders: []session.Candidate{{ID: w.procs[101].id, Above: []session.ID{w.procs[100].id}}}}
	w.scan()
	w.pass(time.Minute)
	w.wantDead(0, epoch)
	w.wantAlive(1)
}

// TestGettyKeepsNothing: a getty waits on the line of a dead record, whether its own
// record is read before or after.
func TestGettyKeepsNothing(t *testing.T) {
	w := newWorld(t)
	w.start(200)
	waits := utmpx.Record{Type: utmpx.LoginProcess, PID: 200, Line: "ttyS0", ID: "tyS0", User: "LOGIN", Time: utmpx.TimeOf(w.now.Wall)}
	w.put(0, waits)
	w.put(1, w.login("ttyS0", 99)) // no such process
	w.leaders["ttyS0"] = ledBy(w.procs[200].id)
	w.scan()
	w.pass(time.Minute)
	w.wantDead(1, epoch)

	w = newWorld(t)
	w.start(200)
	w.put(0, utmpx.Record{})
	w.put(1, w.login("ttyS0", 99))
	w.leaders["ttyS0"] = ledBy(w.procs[200].id)
	w.scan()
	w.pass(time.Minute)
	w.wantAlive(1)
	w.put(0, waits)
	w.scan()
	w.pass(time.Minute)
	if r := w.get(1); r.Type != utmpx.DeadProcess {
		t.Errorf("slot 1 is %v once the getty's record is read", r)
	}
}

// TestSightAgain: the shell leads the terminal only after the record was written.
func TestSightAgain(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(500 * time.Millisecond)
	w.start(101)
	shell := w.procs[101].id
	w.sights[100] = session.Sighting{Leader: shell}
	w.pass(time.Minute)
	w.kill(100, session.Status{})
	w.leaders["pts/0"] = session.Evidence{User: session.Owner{Known: true, UID: alice}, Leaders: []session.Candidate{{ID: shell, UID: bob}}}
	w.pass(time.Minute)
	w.wantAlive(0)
}

// TestContainer: a record has a number that only a container knows.
func TestContainer(t *testing.T) {
	for _, test := range []struct {
		name    string
		foreign bool
	}{{"same user namespace", false}, {"another user namespace", true}} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(5000)
			w.put(0, w.login("pts/0", 25))
			w.leaders["pts/0"] = session.Evidence{Namesakes: []session.Candidate{{ID: w.procs[5000].id, Foreign: test.foreign}}}
			w.scan()
			w.pass(time.Minute)
			w.wantAlive(0)
			died := w.now.Wall
			delete(w.leaders, "pts/0")
			w.kill(5000, session.Status{})
			w.pass(time.Minute)
			if test.foreign {
				w.wantAlive(0)
				w.wantLog("proves nothing")
				return
			}
			w.wantDead(0, died)
		})
	}
}

// TestContainerWithYoungNamesake: a process that began when the login did has the number
// here, and ends. Only one that was seen on the line was the session's.
func TestContainerWithYoungNamesake(t *testing.T) {
	for _, test := range []struct {
		name  string
		line  string
		began time.Duration // of the container's process, after the login
		seen  bool
		dead  bool
	}{
		{name: "on a terminal", line: "pts/0"},
		{name: "on none", line: "ftpd"},
		{name: "the pid is in the line", line: "ftpd25"},
		{name: "the container's process began too late", line: "ftpd", began: 2 * time.Minute, dead: true},
		{name: "the one here led the line", line: "pts/0", seen: true, dead: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
			w.start(25)
			w.put(0, w.login(test.line, 25))
			if test.seen {
				w.sights[25] = session.Sighting{Leader: w.procs[25].id}
			}
			w.scan()
			w.pass(test.began)
			w.start(5000)
			w.namesakes[25] = []session.Candidate{{ID: w.procs[5000].id}}
			w.pass(10 * time.Minute)
			died := w.now.Wall
			w.kill(25, session.Status{})
			w.pass(time.Minute)
			if test.dead {
				w.wantDead(0, died)
				return
			}
			w.wantAlive(0)
			died = w.now.Wall
			delete(w.namesakes, 25)
			w.kill(5000, session.Status{})
			w.pass(time.Minute)
			w.wantDead(0, died)
		})
	}
}

// TestHiddenEnd: /proc hides a container's process until it has ended. Nobody knows when.
func TestHiddenEnd(t *testing.T) {
	w := newWorld(t)
	w.put(0, w.login("ftpd", 25))
	w.leaders["ftpd"] = session.Evidence{Blind: true}
	w.scan()
	w.pass(time.Minute)
	w.wantAlive(0)
	from := w.now.Wall
	delete(w.leaders, "ftpd")
	w.pass(time.Minute)
	if r := w.get(0); r.Type != utmpx.DeadProcess || r.Time.Time().Before(from.Add(-retryHidden)) {
		t.Errorf("%v, want its end when it was judged", r)
	}
}

// TestForeignNamesakeSetsNoEnd: a user forges a namesake of a session that ended. While it
// lives it keeps the record, and the end stays the session's.
func TestForeignNamesakeSetsNoEnd(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.now.Wall = w.now.Wall.Add(time.Hour) // it began long before the login
	w.put(0, w.login("ftpd", 100))
	w.now.Wall = w.now.Wall.Add(-time.Hour)
	w.scan()
	w.start(5000)
	w.leaders["ftpd"] = session.Evidence{Namesakes: []session.Candidate{{ID: w.procs[5000].id, Foreign: true}}}
	w.pass(2 * time.Hour)
	died := w.now.Wall
	w.kill(100, session.Status{})
	w.pass(time.Minute)
	w.wantAlive(0)
	delete(w.leaders, "ftpd")
	w.kill(5000, session.Status{})
	w.pass(time.Minute)
	w.wantDead(0, died)
}

// TestForeignNamesakeLater: the same, and meanwhile utmpd is started again, or the file is
// away for a moment. What was known of the session's own end is not forgotten.
func TestForeignNamesakeLater(t *testing.T) {
	restart := func(w *world, _ func()) { w.restart() }
	away := func(w *world, meanwhile func()) {
		was := w.file
		w.file = nil
		w.gen++
		w.scan()
		meanwhile()
		w.file = was
		w.gen++
	}
	for _, tt := range []struct {
		name    string
		maxFDs  int
		between func(w *world, meanwhile func())
		gone    bool // the namesake ends meanwhile
	}{
		{"a restart", 100, restart, false},
		{"a restart, unwatched", 0, restart, false},
		{"the file is away", 100, away, false},
		{"the file is away, unwatched", 0, away, false},
		{"both", 100, func(w *world, _ func()) { away(w, w.restart) }, false},
		{"the namesake ends before a restart", 0, restart, true},
		{"the namesake ends while the file is away", 100, away, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.maxFDs = tt.maxFDs
			w.start(5000)
			w.pass(time.Minute)
			w.start(100)
			w.put(0, w.login("ftpd", 100))
			w.scan()
			w.namesakes[100] = []session.Candidate{{ID: w.procs[5000].id, Foreign: true}}
			alive := w.now.Wall
			w.pass(time.Minute)
			died := w.now.Wall
			w.kill(100, session.Status{Known: true, Wait: 9})
			w.scan() // finds it dead, if it was not watched
			w.pass(time.Minute)
			w.scan()
			w.wantAlive(0)
			end := func() {
				delete(w.namesakes, 100)
				w.kill(5000, session.Status{Known: true})
			}
			meanwhile := func() {
				if tt.gone {
					end()
				}
			}
			if tt.between(w, meanwhile); tt.gone && w.procs[5000] != nil {
				end()
			}
			w.scan()
			w.pass(time.Minute)
			if !tt.gone {
				w.wantAlive(0)
				end()
				w.scan()
				w.pass(time.Minute)
			}
			w.wantDead(0, died)
			job := w.cleaned[0]
			if tt.maxFDs > 0 && (!job.After.IsZero() || job.Status.Wait != 9) {
				t.Errorf("alive until %v, %v", job.After, job.Status)
			}
			if tt.maxFDs == 0 && !job.After.Equal(alive) {
				t.Errorf("alive until %v, want %v", job.After, alive)
			}
		})
	}
}

// TestNobodysProcess: the process under ut_pid can be no session's.
func TestNobodysProcess(t *testing.T) {
	for _, test := range []struct {
		name  string
		why   session.Nobody
		leads bool
		found string
	}{
		{"a kernel thread", session.KernelThread, false, "its pid is a kernel thread's"},
		{"utmpd", session.Ourselves, false, "its pid is utmpd's own"},
		{"process 1", session.Init, false, "its pid is 1"},
		{"process 1 leads the line", session.Init, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.table = New(Settings{Grace: time.Second}) // KEEP_BUSY_LINES=no
			w.start(1)
			w.nobody[1] = test.why
			w.put(0, w.login("console", 1))
			if test.leads {
				w.leaders["console"] = ledBy(w.procs[1].id)
			}
			w.scan()
			w.pass(time.Minute)
			if test.leads {
				w.wantAlive(0)
				return
			}
			w.wantDead(0, epoch)
			if got := w.cleaned[0].Found; got != test.found {
				t.Errorf("found %q, want %q", got, test.found)
			}
		})
	}
}
