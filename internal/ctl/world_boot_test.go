// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/utmpx"
)

// begin is the start of a boot, until the system is up.
func (w *world) begin(b *trueBoot) {
	w.passes(w.between(500*time.Millisecond, 5*time.Second))
	if w.init == initSysvRoot {
		w.count("init was first")
		w.records(utmpx.Record{Type: utmpx.InitProcess, PID: 200, ID: "si", Time: utmpx.TimeOf(w.wall())})
		w.bootRecord()
	}
	if w.chance(30) {
		w.count("boot that ends before utmpctl boot runs")
		b.aborted = true
		return
	}
	if w.off != 0 && w.chance(3) {
		w.set() // by a script, before anything of ours runs
	}
	if w.init == initSysv || w.init == initSysvRoot {
		w.records(utmpx.Record{Type: utmpx.DeadProcess, PID: 200, ID: "si", Time: utmpx.TimeOf(w.wall())})
	}
	w.passes(w.between(100*time.Millisecond, 5*time.Second))
	w.utmpctlBoot(b)
	w.passes(w.between(100*time.Millisecond, 5*time.Second))
	if w.init == initSystemd || w.init == initSysv {
		w.bootRecord()
	}
	if w.off != 0 && w.chance(3) {
		w.set()
	}
	w.comesUp()
}

// comesUp is the rest of the start: utmpd, the run level, the network with its time.
func (w *world) comesUp() {
	if !w.chance(10) {
		w.utmpdStarts()
	}
	w.passes(w.between(100*time.Millisecond, 20*time.Second))
	switch w.init {
	case initSystemd, initSysv, initSysvRoot:
		r := w.record(utmpx.RunLevel, "runlevel")
		r.PID = 'N'<<8 | '2'
		w.records(r)
	case initOpenRC:
		w.records(w.record(utmpx.RunLevel, "reboot"))
		w.loggedNow()
	}
	if w.off != 0 && !w.chance(6) {
		w.passes(w.between(time.Second, 2*time.Minute))
		w.set()
	}
}

// set sets the clock right.
func (w *world) set() { w.step(-w.off) }

// bootRecord is that of the system.
func (w *world) bootRecord() {
	r := w.record(utmpx.BootTime, "reboot")
	w.records(r)
	w.write("utmp", encode(w.t, r))
	w.loggedNow()
}

func (w *world) loggedNow() {
	b := w.present()
	b.late = max(b.late, w.now.Sub(b.from))
	b.logged = true
}

func (w *world) utmpctlBoot(b *trueBoot) {
	stamp := w.read("state/boot")
	w.utmpctl("boot")
	if w.chance(10) {
		w.count("utmpctl boot again, without its stamp")
		if stamp == nil {
			_ = os.Remove(w.path("state/boot"))
		} else {
			w.write("state/boot", stamp)
		}
		w.utmpctl("boot")
	} else if w.chance(5) {
		w.utmpctl("boot")
	}
	b.entered = true
	if n := len(w.past); n > 1 && w.past[n-2].told() {
		w.past[n-2].toldLog = w.past[n-2].toldLog || w.init != initSysvRoot // where it comes too late
		w.past[n-2].toldNote = w.past[n-2].entered                          // the ledger takes only what the stamp tells of
	}
	b.logged = b.logged || w.init == initNone
	b.late = max(b.late, w.now.Sub(b.from))
}

func (w *world) utmpdStarts() {
	if w.utmpd {
		return
	}
	w.utmpd, w.beat, w.present().killed = true, w.now, false
	if n := w.noted; n != nil && n.BootID == w.boot && n.Init == w.lab.init { // of an earlier run in this boot
		before := clock.Reading{Wall: n.Time, Up: n.Up}
		if by := (clock.Reading{Wall: w.wall(), Up: w.kernel()}).Since(before).By(); by.Abs() >= clock.Least {
			w.noteStep(before)
		}
	}
	w.beats(heartbeat.Running)
	w.tell("utmpd starts")
}

// lives is what happens while the system is up.
func (w *world) lives() {
	if w.present().aborted {
		return
	}
	for n := w.rng.IntN(12); n > 0; n-- {
		w.passes(w.between(time.Second, 3*24*time.Hour))
		w.happens()
		w.damages()
	}
	w.passes(w.between(100*time.Millisecond, 2*time.Hour))
}

func (w *world) happens() {
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		r := login(fmt.Sprintf("pts/%d", w.rng.IntN(3)), 900, "09:00")
		r.Time = utmpx.TimeOf(w.wall())
		w.records(r)
	case 3:
		r := login("pts/0", 900, "09:00")
		r.Type, r.User, r.Time = utmpx.DeadProcess, "", utmpx.TimeOf(w.wall())
		w.records(r)
	case 4:
		w.sleeps(w.between(10*time.Second, 40*time.Hour))
	case 5:
		if w.off != 0 {
			w.set()
		}
	case 6:
		w.rotate()
	case 7:
		w.accessed = w.wall() // somebody reads the log
	case 8:
		w.utmpdEnds()
	case 9:
		w.utmpdStarts()
	case 10:
		w.copies()
	case 11:
		w.checkDowntime()
	}
}

// sleeps suspends the machine. utmpd's heart beats when that is over.
func (w *world) sleeps(d time.Duration) {
	w.count("suspended")
	w.tell("suspended for %v", d)
	w.now, w.beat = w.now.Add(d), w.beat.Add(d)
	w.slept += d
	w.present().slept += d
	if w.utmpd {
		w.beats(heartbeat.Running)
	}
	w.sync()
}

// copies keeps a copy of the log, if it is whole in one file.
func (w *world) copies() {
	w.copied, w.copiedAt = w.read("wtmp"), len(w.past)
	if w.exists("wtmp.1") || w.chance(2) || w.harm.done {
		w.copied = nil
	}
}

func (w *world) utmpdEnds() {
	if !w.utmpd {
		return
	}
	w.utmpd = false
	if w.chance(4) {
		w.present().killed = true
		w.count("utmpd killed in the boot")
		w.tell("utmpd is killed")
		return
	}
	w.count("utmpd stopped in the boot")
	w.tell("utmpd is stopped")
	w.beats(heartbeat.Stopped)
}

// rotate has the log rotated; nothing is deleted.
func (w *world) rotate() {
	w.count("log rotated")
	w.tell("the log is rotated")
	for n := 99; n > 0; n-- {
		from, to := fmt.Sprintf("wtmp.%d", n), fmt.Sprintf("wtmp.%d", n+1)
		if w.exists(from) {
			w.check(os.Rename(w.path(from), w.path(to)))
		}
	}
	w.check(os.Rename(w.path("wtmp"), w.path("wtmp.1")))
	w.write("wtmp", nil)
	w.harm.renewed(0, 0)
	w.accessed = w.wall()
	w.copied = nil
}

// ends ends the boot.
func (w *world) ends() {
	b := w.present()
	b.crashed = b.aborted || w.chance(2)
	if b.crashed {
		w.count("crash")
	} else {
		w.count("shutdown")
		w.shutsDown(b)
	}
	b.to = w.now
	w.tell("boot %d is over; crashed: %v", len(w.past)-1, b.crashed)
	w.utmpd = false
	w.damages()
	w.now = w.now.Add(w.between(2*time.Second, 10*24*time.Hour))
}

func (w *world) shutsDown(b *trueBoot) {
	if w.utmpd {
		w.utmpd = false
		w.beats(heartbeat.Stopped)
	}
	w.passes(w.between(100*time.Millisecond, 3*time.Second))
	if w.chance(6) {
		w.count("utmpctl shutdown did not run")
	} else {
		w.utmpctl("shutdown")
		b.toldNote, b.toldLog, b.counted = true, true, true
	}
	if w.system.Shutdown {
		w.records(w.record(utmpx.RunLevel, "shutdown"))
		b.toldLog = true
	}
	w.saved = w.wall()
	w.passes(w.between(100*time.Millisecond, 3*time.Second))
}
