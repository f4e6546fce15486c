// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// one puts alice on pts/0 with pid 100, watched, a minute ago.
func one(t *testing.T) *world {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	w.pass(time.Minute)
	return w
}

func TestDeath(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *world)
	}{
		{"watched: cleaned after the grace, with the time of death", func(w *world) {
			died := w.now.Wall
			w.kill(100, session.Status{Known: true, Wait: 9})
			w.pass(999 * time.Millisecond)
			w.wantAlive(0)
			w.pass(time.Millisecond)
			w.wantDead(0, died)
			if got := w.cleaned[0].Status.Exit(); got != (utmpx.Exit{Termination: 9}) {
				w.t.Errorf("exit %v", got)
			}
		}},
		{"the owner cleans within the grace", func(w *world) {
			w.kill(100, session.Status{})
			w.pass(500 * time.Millisecond)
			r := w.get(0)
			r.Type, r.User = utmpx.DeadProcess, ""
			w.put(0, r)
			w.scan()
			w.wantLog("owner pts/0")
			w.pass(time.Hour)
			if len(w.cleaned) != 0 {
				w.t.Error("cleaned all the same")
			}
		}},
		{"the owner cleans between the judgement and the lock", func(w *world) {
			w.hold = true
			w.kill(100, session.Status{})
			w.pass(time.Second)
			r := w.login("pts/0", 200)
			w.start(200)
			w.put(0, r)
			w.clean()
			w.wantAlive(0)
			w.pass(time.Hour)
			w.wantAlive(0)
		}},
		{"pid reused at once: the old one is dead", func(w *world) {
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.start(100)
			w.pass(time.Second)
			w.wantDead(0, died)
		}},
		{"pid reused, the notice of the death comes after the new record", func(w *world) {
			token := w.procs[100].token
			w.start(100)
			w.put(1, w.login("pts/1", 100)) // by the new process
			w.scan()
			w.handle(Exited{Token: token})
			w.pass(time.Second)
			w.wantDead(0, w.now.Wall.Add(-time.Second))
			w.wantAlive(1)
		}},
		{"the line's leader lives on", func(w *world) {
			w.leaders["pts/0"] = w.leader(101, 30*time.Second)
			w.procs[101] = &proc{id: w.leaders["pts/0"].Leaders[0].ID}
			w.kill(100, session.Status{})
			w.pass(time.Hour)
			w.wantAlive(0)
			w.wantLog("left pts/0: its line still has a session leader, pid 101")
			delete(w.leaders, "pts/0")
			died := w.now.Wall
			w.kill(101, session.Status{})
			w.pass(time.Second)
			w.wantDead(0, died)
		}},
		{"a leader that came after the death is another session's", func(w *world) {
			w.kill(100, session.Status{})
			w.leaders["pts/0"] = w.leader(101, -500*time.Millisecond)
			w.pass(time.Second)
			w.wantDead(0, w.now.Wall.Add(-time.Second))
		}},
		{"KEEP_BUSY_LINES=no", func(w *world) {
			w.handle(Configured{Settings{Grace: time.Second}})
			w.leaders["pts/0"] = w.leader(101, time.Hour)
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.wantDead(0, w.now.Wall.Add(-time.Second))
		}},
		{"GRACE_PERIOD set shorter", func(w *world) {
			w.handle(Configured{Settings{Grace: time.Hour, KeepBusyLines: true}})
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.handle(Configured{Settings{Grace: 3 * time.Second, KeepBusyLines: true}})
			w.pass(time.Second)
			w.wantAlive(0)
			w.pass(time.Second)
			w.wantDead(0, died)
		}},
		{"GRACE_PERIOD set longer counts for the next death", func(w *world) {
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.handle(Configured{Settings{Grace: time.Hour, KeepBusyLines: true}})
			w.pass(time.Second)
			w.wantDead(0, died)
		}},
		{"/proc hides the leader: it stays while the terminal does", func(w *world) {
			w.leaders["pts/0"] = session.Evidence{Hidden: true}
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			w.wantAlive(0)
			w.leaders["pts/0"] = session.Evidence{}
			w.pass(retryHidden)
			w.wantDead(0, died)
		}},
		{"utmpd did not run: between then and now, at the latest", func(w *world) {
			since := w.now
			w.pass(20 * time.Second)
			late := Exited{Token: w.procs[100].token, Late: true, Since: since.Mono, SinceWall: since.Wall}
			died := w.now.Wall
			delete(w.procs, 100)
			w.handle(late)
			w.pass(time.Minute)
			w.wantDead(0, died)
			if job := w.cleaned[0]; !job.After.Equal(since.Wall) || job.Found == "" {
				w.t.Errorf("%+v, want it known alive until %v, and why", job, since.Wall)
			}
		}},
		{"/proc hid its process when it ended: between its login and now", func(w *world) {
			w.hides = true
			w.start(101)
			login := w.now.Wall
			w.put(1, w.login("pts/1", 101))
			w.pass(time.Second)
			w.scan() // a zombie would look the same
			w.pass(20 * time.Second)
			token := w.procs[101].token
			delete(w.procs, 101)
			w.handle(Exited{Token: token, Late: true, Hidden: true, Since: -time.Hour, SinceWall: time.Unix(0, 1)})
			died := w.now.Wall
			w.pass(time.Minute)
			w.wantDead(1, died)
			if job := w.cleaned[0]; !job.After.Equal(login) || job.Found != foundHidden.String() {
				w.t.Errorf("%+v, want it known alive until %v, and why", job, login)
			}
		}},
		{"its line cannot be looked up: it stays until that is possible", func(w *world) {
			w.leaders["pts/0"] = session.Evidence{Unsure: "it hangs"}
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			w.wantAlive(0)
			w.wantLog("it hangs")
			w.leaders["pts/0"] = session.Evidence{}
			w.pass(retryHidden)
			w.wantDead(0, died)
		}},
		{"the clock is stepped back: never before the login", func(w *world) {
			w.now.Wall = w.now.Wall.Add(-time.Hour)
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.wantDead(0, epoch)
		}},
		{"the file is replaced by one with the same records, elsewhere", func(w *world) {
			died := w.now.Wall
			w.kill(100, session.Status{})
			w.pass(500 * time.Millisecond)
			r := w.get(0)
			w.gen++
			w.file = nil
			w.put(3, r)
			w.scan()
			w.pass(500 * time.Millisecond)
			w.wantDead(3, died)
		}},
		{"the file is replaced while the job is out", func(w *world) {
			died := w.now.Wall
			w.hold = true
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.gen++
			w.hold = false
			w.scan() // orders it again; the old job returns as changed
			w.pass(time.Second)
			w.wantDead(0, died)
		}},
		{"the same bytes are written back after we cleaned", func(w *world) {
			r := w.get(0)
			w.kill(100, session.Status{})
			w.pass(time.Second)
			w.start(100)
			w.put(0, r)
			w.procs[100].started = epoch
			w.pass(time.Second)
			w.scan()
			w.wantAlive(0)
			w.kill(100, session.Status{})
			w.pass(time.Second)
			if w.get(0).Type != utmpx.DeadProcess {
				w.t.Error("a record written back is never looked at again")
			}
		}},
		{"another holds the lock for an hour", func(w *world) {
			died := w.now.Wall
			w.utmpxErr, w.outcome = errors.New("locked"), session.Busy
			w.kill(100, session.Status{})
			w.pass(time.Hour)
			w.wantAlive(0)
			w.wantLog("delayed ×1")
			w.utmpxErr = nil
			w.pass(retryBusy)
			w.wantDead(0, died)
		}},
		{"the wtmpx file fails: marked after ten seconds, made good later", func(w *world) {
			died := w.now.Wall
			w.logErr = errors.New("no space")
			w.kill(100, session.Status{})
			w.pass(time.Second + logPatience - time.Millisecond)
			w.wantAlive(0)
			w.pass(time.Second)
			w.wantDead(0, died)
			if w.table.Counts().Owed != 1 {
				w.t.Fatalf("owed %d", w.table.Counts().Owed)
			}
			w.pass(time.Hour)
			w.logErr = nil
			w.pass(owedEvery)
			w.wantLog("paid")
			if w.table.Counts().Owed != 0 || w.table.log.failing >= 0 {
				w.t.Error("still owed, or still failing")
			}
		}},
		{"a dry run says it once", func(w *world) {
			w.dry = true
			w.kill(100, session.Status{})
			w.pass(time.Hour)
			w.scan()
			w.pass(time.Hour)
			w.wantAlive(0)
			n := 0
			for _, l := range w.log {
				if l == "would-end pts/0" {
					n++
				}
			}
			if n != 1 {
				w.t.Errorf("said %d times: %q", n, w.log)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := one(t)
			w.wantAlive(0)
			tt.run(w)
			w.file, w.hold, w.dry = nil, false, false
			w.inFlight = nil
			w.scan()
			w.pass(time.Minute)
			w.wantEmpty()
		})
	}
}

func TestFirstSight(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *world) // puts the record in slot 0
		dead bool
		log  string
	}{
		{name: "dead already", dead: true, run: func(w *world) { w.put(0, w.login("pts/0", 100)) }},
		{name: "lives", run: func(w *world) { w.start(100); w.put(0, w.login("pts/0", 100)) }},
		{name: "its process started long before", run: func(w *world) {
			w.start(100)
			w.pass(time.Hour)
			w.put(0, w.login("pts/0", 100))
		}},
		{name: "pid reused: started later than the record, and BOOT_TIME vouches for the clock", dead: true,
			log: "started later", run: func(w *world) {
				w.put(1, utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", Time: utmpx.TimeOf(w.boot)})
				w.put(0, w.login("pts/0", 100))
				w.pass(reuseSlack + time.Second)
				w.start(100)
			}},
		{name: "the same within the slack proves nothing", run: func(w *world) {
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
			w.put(0, w.login("pts/0", 100))
			w.pass(reuseSlack)
			w.start(100)
		}},
		{name: "the same without a BOOT_TIME proves nothing", run: func(w *world) {
			w.put(0, w.login("pts/0", 100))
			w.pass(time.Hour)
			w.start(100)
		}},
		{name: "the clock was stepped forward since the boot: proves nothing", run: func(w *world) {
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
			w.put(0, w.login("pts/0", 100))
			w.start(100)
			w.boot = w.boot.Add(time.Hour)
			w.procs[100].started = w.procs[100].started.Add(time.Hour)
		}},
		{name: "the record has no time", run: func(w *world) {
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
			w.start(100)
			r := w.login("pts/0", 100)
			r.Time = utmpx.Time{}
			w.put(0, r)
		}},
		{name: "pid 0", log: "left pts/0: its record names no process", run: func(w *world) { w.put(0, w.login("pts/0", 0)) }},
		{name: "pid -1", log: "names no process", run: func(w *world) { w.put(0, w.login("pts/0", -1)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.run(w)
			w.scan()
			found := w.now.Wall
			w.pass(time.Hour)
			if tt.dead {
				w.wantDead(0, found)
			} else {
				w.wantAlive(0)
			}
			w.wantLog(tt.log)
		})
	}
}

func TestManyRecordsOfOneProcess(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	for i := range 300 {
		w.put(i, w.login("pts/"+string(rune('a'+i%26)), 100))
	}
	w.scan()
	if len(w.kept) != 1 {
		t.Fatalf("%d descriptors", len(w.kept))
	}
	w.pass(time.Minute)
	died := w.now.Wall
	w.kill(100, session.Status{})
	w.pass(time.Second)
	for i := range 300 {
		w.wantDead(i, died)
	}
	w.scan()
	w.wantEmpty()
}

func TestMaxFDs(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 2
	for i := range int32(5) {
		w.start(100 + i)
		w.put(int(i), w.login("pts/"+string(rune('0'+i)), 100+i))
	}
	w.scan()
	if c := w.table.Counts(); c.Watched != 2 || c.Unwatched != 3 {
		t.Fatalf("counts %+v", c)
	}
	w.wantLog("unwatched ×3")
	w.pass(time.Minute)
	for i := range int32(5) {
		w.kill(100+i, session.Status{})
	}
	w.start(103) // reused: judged by its identity, not its pid
	w.pass(time.Minute)
	w.scan()
	found := w.now.Wall
	w.pass(2 * time.Second)
	for i := 2; i < 5; i++ {
		w.wantDead(i, found)
	}
}

func TestUnwatchedAreWatchedWhenThereIsRoom(t *testing.T) {
	w := newWorld(t)
	w.maxFDs = 1
	w.start(100)
	w.start(101)
	w.put(0, w.login("pts/0", 100))
	w.put(1, w.login("pts/1", 101))
	w.scan()
	w.maxFDs = 2
	w.pass(recheckGap)
	w.scan()
	if c := w.table.Counts(); c.Watched != 2 || c.Unwatched != 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestUnwatchedAreAskedAgain: a request asks about a process that is not watched, and so
// does the period, also if the file cannot be read.
func TestUnwatchedAreAskedAgain(t *testing.T) {
	for name, ev := range map[string]Event{
		"request":               Requested{PIDs: []int32{100, 7, -1}},
		"the file was not read": NotRead{},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.maxFDs = 0
			w.start(100)
			w.put(0, w.login("pts/0", 100))
			w.scan()
			w.pass(time.Minute)
			w.scan() // so that the next look at the unwatched is not yet due
			w.kill(100, session.Status{})
			found := w.now.Wall
			w.handle(ev)
			w.pass(time.Second)
			w.wantDead(0, found)
		})
	}
}

func TestRestart(t *testing.T) {
	tests := []struct {
		name    string
		between func(w *world)
		check   func(w *world)
	}{
		{"lives on", func(*world) {}, func(w *world) { w.wantAlive(0) }},
		{"died meanwhile: the end is the finding, known alive before", func(w *world) { w.kill(100, session.Status{}) },
			func(w *world) { w.wantDead(0, w.now.Wall.Add(-time.Second)) }},
		{"died and its pid was reused by a process as old as the record allows", func(w *world) { w.kill(100, session.Status{}); w.start(100) },
			func(w *world) { w.wantDead(0, w.now.Wall.Add(-time.Second)); w.wantLog("another process has its pid") }},
		{"the record is another one with the same pid, lives", func(w *world) {
			w.kill(100, session.Status{})
			w.start(100)
			w.put(0, w.login("pts/0", 100))
		}, func(w *world) { w.wantAlive(0) }},
		{"the file was rewritten in the same order", func(w *world) { w.gen++ }, func(w *world) { w.wantAlive(0) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := one(t)
			st := w.table.Checkpoint(w.now)
			if w.table.Dirty() {
				t.Error("dirty after State")
			}
			for _, p := range w.procs {
				p.token = 0
			}
			w.kept = map[session.Token]int32{}
			w.table = New(w.table.set)
			w.now.Mono = 0
			tt.between(w)
			w.table.Restore(st)
			w.scan()
			w.pass(time.Second)
			tt.check(w)
		})
	}
}

func TestRestartInGrace(t *testing.T) {
	w := one(t)
	died := w.now.Wall
	w.kill(100, session.Status{Known: true, Wait: 3 << 8})
	w.pass(500 * time.Millisecond)
	st := w.table.Checkpoint(w.now)
	w.table = New(w.table.set)
	w.table.Restore(st)
	w.scan()
	w.pass(time.Second)
	w.wantDead(0, died)
	if got := w.cleaned[0].Status.Exit(); got != (utmpx.Exit{Exit: 3}) {
		t.Errorf("exit %v", got)
	}
}

func TestReapedBringsTheStatus(t *testing.T) {
	w := one(t)
	token := w.procs[100].token
	w.kill(100, session.Status{})
	w.pass(100 * time.Millisecond)
	w.handle(Reaped{Token: token, Status: session.Status{Known: true, Wait: 15}})
	w.pass(time.Second)
	if got := w.cleaned[0].Status; got != (session.Status{Known: true, Wait: 15}) {
		t.Errorf("status %v", got)
	}
}

// TestSameActions: many sessions that begin, end and move together give the same actions
// in the same order each time. The world checks that with every event.
func TestSameActions(t *testing.T) {
	w := newWorld(t)
	const many = 60
	for i := range many {
		w.start(int32(100 + i))
		w.put(i, w.login(fmt.Sprintf("pts/%d", i), int32(100+i)))
	}
	w.scan()
	if w.twin() == nil {
		t.Fatal("there is no second table")
	}
	w.pass(time.Minute)
	w.gen, w.file = 2, nil // another file, without records
	w.scan()
	w.gen = 3
	for i := range many {
		w.put(many-1-i, w.login(fmt.Sprintf("pts/%d", i), int32(100+i)))
	}
	w.scan()
	for i := range many {
		w.procs[int32(100+i)] = nil
		w.hold = i%2 == 0
		w.scan()
	}
	w.hold = false
	w.logErr, w.utmpxErr = errors.New("no space"), nil
	w.handle(Requested{PIDs: []int32{100, 130, 101}})
	w.pass(20 * time.Second)
	w.clean()
	w.pass(20 * time.Second)
	w.logErr = nil
	w.pass(20 * time.Second)
	w.file = nil
	w.scan()
	if w.twin() == nil {
		t.Fatal("the second table was lost")
	}
}
