// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"fmt"
	"slices"
	"time"
)

// keys are the settings of every measurement: no grace period, and no periodic work.
var keys = []string{"GRACE_PERIOD=0", "SCAN_PERIOD=604800", "WTMPX_UPDATE_FREQ=604800"}

const (
	// deaths is the number of processes that die one after the other in a run of one.
	// The figure is the median.
	deaths = 9
	// between is the pause between two deaths, long enough for a sync. A process that
	// dies during a sync waits for it.
	between = 50 * time.Millisecond
	// longSize is the number of sessions with a long wtmp.
	longSize = 1000
)

// one: one of N sessions dies; the time until its DEAD_PROCESS record. Then the same with
// a long log after the logins.
func (b *bench) one() error {
	for _, n := range b.sizes {
		if err := b.oneAt(n, "to its record", ""); err != nil {
			return err
		}
	}
	history, err := b.history()
	if err != nil {
		return err
	}
	return b.oneAt(min(longSize, slices.Max(b.sizes)), fmt.Sprintf("to its record, wtmp of %d", b.log), history)
}

func (b *bench) oneAt(n int, what, history string) error {
	who := b.everyone()
	crowd, err := b.newCrowd(n + b.runs*len(who)*deaths)
	if err != nil {
		return err
	}
	defer crowd.close()
	f := b.figure("one", n, what, "ms", goal{Other: floor, Times: 1.5, Plus: 0.5})
	return b.turns(who, func(_ int, c contestant) error {
		took, err := b.oneRun(c, crowd, n, history)
		if err == nil {
			f.add(c.name, millis(took))
		}
		return err
	})
}

// oneRun returns the median of several deaths after one start.
func (b *bench) oneRun(c contestant, crowd *crowd, n int, history string) (time.Duration, error) {
	p, err := b.newPlace(crowd.pids[len(crowd.pids)-n:], history, keys...)
	if err != nil {
		return 0, err
	}
	defer p.close()
	r, err := b.ready(c, p, n)
	if err != nil {
		return 0, err
	}
	defer r.stop()
	var all []time.Duration
	for i := range deaths {
		r.at = time.Now()
		if err := crowd.killOne(); err != nil {
			return 0, err
		}
		slot := n - i
		if err := r.await(10*time.Microsecond, func() bool { return p.marked(slot) }); err != nil {
			return 0, err
		}
		all = append(all, time.Since(r.at))
		if err := r.await(time.Millisecond, func() bool { return p.appended() > i }); err != nil {
			return 0, err
		}
		nap(between)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// ready starts a contestant and returns when it watches all n sessions and is idle.
func (b *bench) ready(c contestant, p *place, n int) (*running, error) {
	r, err := c.start(p)
	if err != nil {
		return nil, err
	}
	if err = r.watches(n); err == nil {
		err = r.settles()
	}
	if err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// after is how long deferred work of utmpd may take to start: it saves the table at most
// once a second.
const after = 1200 * time.Millisecond

// all: N processes die at once; the time until the last record is in both files, and the
// processor time, including later work.
func (b *bench) all() error {
	for _, n := range b.sizes {
		took := b.figure("all", n, "to the last record", "s", goal{Other: floorSync, Times: 1.5})
		used := b.figure("all", n, "processor", "s", goal{Other: floorSync, Times: 3})
		err := b.turns(b.everyone(), func(_ int, c contestant) error {
			t, cpu, err := b.allRun(c, n)
			if err == nil {
				took.add(c.name, seconds(t))
				used.add(c.name, seconds(cpu))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) allRun(c contestant, n int) (took, cpu time.Duration, err error) {
	crowd, err := b.newCrowd(n)
	if err != nil {
		return 0, 0, err
	}
	defer crowd.close()
	p, err := b.newPlace(crowd.pids, "", keys...)
	if err != nil {
		return 0, 0, err
	}
	defer p.close()
	r, err := b.ready(c, p, n)
	if err != nil {
		return 0, 0, err
	}
	defer r.stop()
	before := processorTime(r.pid)
	r.at = time.Now()
	if err := crowd.killAll(); err != nil {
		return 0, 0, err
	}
	if err := r.await(200*time.Microsecond, p.allDone()); err != nil {
		return 0, 0, err
	}
	took = time.Since(r.at)
	if c.name == ours || c.name == peer {
		nap(after)
	}
	err = r.settles()
	return took, processorTime(r.pid) - before, err
}
