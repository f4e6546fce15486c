// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

func TestNameless(t *testing.T) {
	boot := func(w *world) { w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)}) }
	for _, tt := range []struct {
		name   string
		record func(r *utmpx.Record) // by default one of alice's, of now
		before func(w *world)
		after  time.Duration // until the periodic scan
		dead   bool
		found  string
	}{
		{name: "just now", after: time.Minute},
		{name: "nearly an hour ago", after: idleAge - time.Second},
		{name: "an hour ago", after: idleAge, dead: true, found: "its user has none"},
		{name: "an hour ago, its user has a process or no name that resolves", after: 30 * time.Hour,
			before: func(w *world) { w.working["alice"] = true }},
		{name: "of no known time, just now", after: time.Minute, record: func(r *utmpx.Record) { r.Time = utmpx.Time{} }},
		{name: "of no known time, an hour ago", after: idleAge, dead: true, record: func(r *utmpx.Record) { r.Time = utmpx.Time{} }},
		{name: "with a line", after: 30 * time.Hour, record: func(r *utmpx.Record) { r.Line = "pts/0" }},
		{name: "with an id", after: 30 * time.Hour, record: func(r *utmpx.Record) { r.ID = "ts/0" }},
		{name: "with a line, before the boot", after: time.Minute, dead: true, found: "older than this boot", before: boot,
			record: func(r *utmpx.Record) { r.Line = "pts/0"; r.Time.Sec -= 25 * 3600 }},
		{name: "with a line that another record has now, before the boot", after: time.Minute, dead: true, found: "older than this boot",
			before: func(w *world) {
				boot(w)
				w.start(100)
				w.put(2, w.login("pts/0", 100))
				w.leaders["pts/0"] = ledBy(w.procs[100].id)
			},
			record: func(r *utmpx.Record) { r.Line = "pts/0"; r.Time.Sec -= 25 * 3600 }},
		{name: "of a display, before the boot", after: time.Minute, dead: true, found: "older than this boot", before: boot,
			record: func(r *utmpx.Record) { r.Line, r.ID = ":5", ":5"; r.Time.Sec -= 25 * 3600 }},
		{name: "with a line, before the boot, without a BOOT_TIME", after: time.Minute,
			record: func(r *utmpx.Record) { r.Line = "pts/0"; r.Time.Sec -= 25 * 3600 }},
		{name: "with a line, KEEP_BUSY_LINES=no", after: time.Minute,
			before: func(w *world) { w.table = New(Settings{Grace: time.Second}) },
			record: func(r *utmpx.Record) { r.Line = "pts/0" }},
		{name: "with pid -1", after: 30 * time.Hour, record: func(r *utmpx.Record) { r.PID = -1 }},
		{name: "KEEP_BUSY_LINES=no", after: time.Minute, dead: true, before: func(w *world) {
			w.working["alice"] = true
			w.table = New(Settings{Grace: time.Second})
		}},
		{name: "before the boot", after: time.Minute, dead: true, found: "older than this boot",
			before: func(w *world) { w.working["alice"] = true; boot(w) },
			record: func(r *utmpx.Record) { r.Time.Sec -= 25 * 3600 }},
		{name: "before the boot, without a BOOT_TIME", after: time.Minute,
			before: func(w *world) { w.working["alice"] = true },
			record: func(r *utmpx.Record) { r.Time.Sec -= 25 * 3600 }},
		{name: "before BOOT_TIME, when the clock was ahead", after: time.Minute,
			before: func(w *world) { w.working["alice"] = true; w.boot = w.now.Wall.Add(time.Hour); boot(w) }},
		{name: "before the boot by a clock that was behind", after: time.Minute,
			before: func(w *world) { w.working["alice"] = true; w.boot = time.Unix(10, 0); boot(w) },
			record: func(r *utmpx.Record) { r.Time = utmpx.Time{Sec: 60} }},
		{name: "in the seconds before BOOT_TIME", after: time.Minute,
			before: func(w *world) { w.working["alice"] = true; w.boot = w.boot.Add(5 * time.Second); boot(w) },
			record: func(r *utmpx.Record) { r.Time.Sec -= 24*3600 - 2 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := utmpx.Record{Type: utmpx.UserProcess, User: "alice", Time: utmpx.TimeOf(w.now.Wall)}
			if tt.record != nil {
				tt.record(&r)
			}
			w.put(0, r)
			if tt.before != nil {
				tt.before(w)
			}
			w.scan()
			w.pass(tt.after)
			w.scan()
			w.pass(time.Minute)
			if !tt.dead {
				w.wantAlive(0)
				w.wantLog("its record names no process")
				if n := strings.Count(strings.Join(w.log, "\n"), "left "); n != 1 {
					t.Errorf("reported %d times: %q", n, w.log)
				}
			} else {
				if w.get(0).Type != utmpx.DeadProcess {
					t.Errorf("%v; log:\n%s", w.get(0), strings.Join(w.log, "\n"))
				}
				w.wantLog(tt.found)
			}
			w.file = nil
			w.scan()
			w.pass(time.Minute)
			w.wantEmpty()
		})
	}
}

// TestNamelessOnNotice: a record that comes while utmpd runs is judged at once.
func TestNamelessOnNotice(t *testing.T) {
	w := newWorld(t)
	w.table = New(Settings{Grace: time.Second})
	w.put(0, utmpx.Record{Type: utmpx.UserProcess, User: "alice", Time: utmpx.TimeOf(w.now.Wall)})
	w.read(false)
	w.pass(time.Second)
	w.wantDead(0, w.now.Wall.Add(-time.Second))
}

// TestNamelessOfAWrongClock: BOOT_TIME may have been written after the clock was set, and a
// record before that. Its session lives while somebody leads its line or shows its display.
func TestNamelessOfAWrongClock(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		lives      func(w *world)
		end        func(w *world)
	}{
		{"a leader", "pts/0", func(w *world) { w.leaders["pts/0"] = ledBy(w.procs[100].id) }, func(w *world) { delete(w.leaders, "pts/0") }},
		{"an X server", ":5", func(w *world) { w.witnesses[":5"] = session.Witness{Found: true, ID: w.procs[100].id} }, func(w *world) { delete(w.witnesses, ":5") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(100)
			tt.lives(w)
			w.put(0, utmpx.Record{Type: utmpx.UserProcess, User: "alice", Line: tt.line, Time: utmpx.Time{Sec: 60}})
			w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
			w.scan()
			w.pass(time.Minute)
			w.scan()
			w.pass(time.Minute)
			w.wantAlive(0)
			tt.end(w)
			w.kill(100, session.Status{})
			w.pass(time.Minute)
			if r := w.get(0); r.Type != utmpx.DeadProcess {
				t.Errorf("after the end: %v; log:\n%s", r, strings.Join(w.log, "\n"))
			}
		})
	}
	t.Run("/proc hides who shows the display", func(t *testing.T) {
		w := newWorld(t)
		w.witnesses[":5"] = session.Witness{Unknown: true}
		w.put(0, utmpx.Record{Type: utmpx.UserProcess, User: "alice", Line: ":5", Time: utmpx.Time{Sec: 60}})
		w.put(1, utmpx.Record{Type: utmpx.BootTime, Time: utmpx.TimeOf(w.boot)})
		w.scan()
		w.pass(time.Minute)
		w.wantAlive(0)
		delete(w.witnesses, ":5") // nobody does
		w.scan()
		w.pass(time.Minute)
		if r := w.get(0); r.Type != utmpx.DeadProcess {
			t.Errorf("when that can be seen: %v", r)
		}
	})
}
