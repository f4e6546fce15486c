// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// The phases of a daemon's life: until it is ready; while the sessions die and are
// cleaned; after SIGTERM.
const (
	phaseStart = "start"
	phaseWork  = "work"
	phaseEnd   = "end"
)

// errNotHit means that the daemon did not make the call this time.
var errNotHit = errors.New("the point was not reached")

// verdict is what is wrong with a run, with the log as evidence.
type verdict struct {
	wrong []string
	log   string
}

func (v *verdict) Error() string {
	return strings.Join(v.wrong, "\n") + "\n--- utmpd's log:\n" + v.log
}

// try runs the daemon in a new world and strikes at the point; nil means none. It
// returns the counted calls. The error is errNotHit, or the violation of the laws.
func try(p *point) (map[at]int, error) {
	w, err := newWorld()
	if err != nil {
		return nil, err
	}
	defer w.close()
	tr := &tracer{strike: p, phase: phaseStart}
	wrong := w.play(tr)
	if p == nil || !tr.hit && !tr.hangs() {
		wrong = append(wrong, w.judge(true)...)
	}
	if len(wrong) > 0 {
		log, _ := os.ReadFile(w.in("log"))
		return tr.counts, &verdict{wrong, string(log)}
	}
	if p != nil && !tr.hit {
		return tr.counts, errNotHit
	}
	return tr.counts, nil
}

// play lets a world's sessions die under a traced daemon, and under a second one if the
// first was killed. It returns what is wrong in the end.
func (w *world) play(tr *tracer) (wrong []string) {
	d, err := w.start(tr)
	if err != nil {
		return []string{err.Error()}
	}
	defer d.kill()
	defer tr.lastFor(lasting, phaseStart).Stop()
	if err := w.work(d); err != nil {
		return []string{err.Error()}
	}
	tr.lift()
	alive := !d.over()
	if alive {
		if !tr.hangs() {
			wrong = append(wrong, d.leaks()...)
		}
		tr.setPhase(phaseEnd)
		if err := d.stop(); err != nil && !tr.mayEnd(d) {
			wrong = append(wrong, err.Error())
		}
	} else if err := d.ended(); !tr.mayEnd(d) {
		wrong = append(wrong, fmt.Sprintf("utmpd ended by itself: %v", err))
	}
	if alive && tr.hit && tr.strike.phase != phaseEnd && !tr.hangs() {
		wrong = append(wrong, w.judge(false)...) // no restart was needed
	}
	if tr.hit {
		wrong = append(wrong, w.heal()...)
	}
	return append(wrong, w.leftovers()...)
}

// work runs the work phase for as long as the daemon lives. The events of the sessions
// happen in any case.
func (w *world) work(d *daemon) error {
	ready, err := d.await("READY=1", patience, d.isReady)
	if err != nil {
		return err
	}
	if ready && !d.over() {
		_, _ = d.await("", 50*time.Millisecond, never) // what READY=1 does not wait for, and nothing waits for
		d.tr.setPhase(phaseWork)
		defer d.tr.lastFor(lasting, phaseWork).Stop()
		// The table and the status are written once a second, so this makes that
		// happen while sessions die.
		_, _ = d.await("", 800*time.Millisecond, never)
	}
	if err := w.die(d.tr); err != nil {
		return err
	}
	if ready && d.tr.hangs() {
		return w.workWithout(d)
	}
	if ready {
		_, err = d.await("every dead session to be cleaned", patience, w.done)
		_, _ = d.await("", 50*time.Millisecond, never) // by then written records are synced
	}
	return err
}

// workWithout waits for what utmpd does without the file that hangs.
func (w *world) workWithout(d *daemon) error {
	_, err := d.await("every dead session to be marked, though "+d.tr.strike.kind+" hangs", patience, func() bool {
		file, _ := w.read()
		return w.marked(file) || d.tr.hanging() && strings.HasSuffix(d.tr.strike.kind, " utmp")
	})
	return err
}

// lasting is how long a lasting error lasts: until the sessions have died and their
// grace periods are over.
const lasting = 3 * time.Second

// lastFor lifts the point's error after d, if it is in this phase.
func (tr *tracer) lastFor(d time.Duration, phase string) *time.Timer {
	if tr.strike == nil || tr.strike.phase != phase {
		return time.NewTimer(0)
	}
	return time.AfterFunc(d, tr.lift)
}

func never() bool { return false }

// heal starts utmpd once more, untraced, and returns what is wrong afterwards.
func (w *world) heal() (wrong []string) {
	d, err := w.start(nil)
	if err != nil {
		return []string{err.Error()}
	}
	defer d.kill()
	if ok, err := d.await("READY=1 after the restart", patience, d.isReady); err != nil || !ok {
		return []string{fmt.Sprintf("the restart: %v, %v", err, d.over())}
	}
	if _, err := d.await("every dead session to be cleaned after the restart", patience, w.done); err != nil {
		wrong = append(wrong, err.Error())
	}
	if err := d.stop(); err != nil {
		wrong = append(wrong, fmt.Sprintf("the restart: %v", err))
	}
	return append(wrong, w.judge(false)...)
}

// mayEnd reports whether the fault is a valid reason for the daemon to end.
func (tr *tracer) mayEnd(d *daemon) bool {
	if tr.strike == nil || !tr.hit {
		return false
	}
	if tr.strike.blow == killBefore || tr.strike.blow == killAfter {
		return d.status.Signaled()
	}
	p := *tr.strike
	if strings.HasPrefix(p.kind, byRuntime) {
		return true
	}
	// utmpd cannot start without its configuration and the lock on its pid file.
	return p.phase == phaseStart && d.status.ExitStatus() == 1 &&
		(strings.HasSuffix(p.kind, " conf") || strings.HasSuffix(p.kind, " run/utmpd.pid"))
}

// leaks waits until the daemon has no file descriptors other than those that it keeps,
// and returns the ones that it still has.
func (d *daemon) leaks() []string {
	var open []string
	_, _ = d.await("", patience, func() bool {
		open = nil
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.pid))
		if err != nil {
			return true
		}
		c := call{pid: d.pid, dir: d.w.dir}
		pidfds := 0
		for _, fd := range fds {
			n := 0
			fmt.Sscan(fd.Name(), &n)
			switch name := c.fd(n); name {
			case "utmp", "wtmp", "run", "state", "run/table.new.N", "run/status.new.N", "state/heartbeat.new.N", "conf", "run/table", "run/status", "run/metrics", "run/metrics.new.N", "state/heartbeat":
				open = append(open, "left open: "+name)
			case "pidfd":
				pidfds++
			}
		}
		living := 0
		for _, f := range fates {
			if f == lives {
				living++
			}
		}
		if pidfds > living {
			open = append(open, fmt.Sprintf("%d pidfds for %d living sessions", pidfds, living))
		}
		return len(open) == 0
	})
	return open
}
