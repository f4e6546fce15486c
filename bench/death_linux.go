// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// keys are the settings of every measurement: no grace period, and no periodic work.
var keys = []string{"GRACE_PERIOD=0", "SCAN_PERIOD=604800", "WTMPX_UPDATE_FREQ=604800"}

const (
	// deaths is the number of processes that die in a run of one, apart, and as many again
	// in quick succession.
	deaths = 200
	// between is the pause between two deaths, long enough for a sync, and brief the one in
	// quick succession: most die while utmpd syncs the files for the one before.
	between = 5 * time.Millisecond
	brief   = time.Millisecond
	// longSize is the number of sessions with a long wtmp.
	longSize = 1000
)

// one: one of N sessions dies; the time until its DEAD_PROCESS record. Then the same with
// a long log after the logins.
func (b *bench) one() error {
	for _, n := range b.sizesOf("one") {
		if err := b.oneAt(n, "", ""); err != nil {
			return err
		}
	}
	history, err := b.history()
	if err != nil {
		return err
	}
	return b.oneAt(min(longSize, slices.Max(b.sizesOf("one"))), fmt.Sprintf(", wtmp of %d", b.log), history)
}

// oneAt measures deaths beside n sessions that stay.
func (b *bench) oneAt(n int, where, history string) error {
	who := b.beside(floor)
	crowd, err := b.newCrowd(n + b.runs*len(who)*2*deaths)
	if err != nil {
		return err
	}
	defer crowd.close()
	half := b.figure("one", n, "to its record"+where, "ms", goal{Other: floor, Times: 1, Plus: 0.3})
	most := b.figure("one", n, "to its record, 99 of 100"+where, "ms", goal{Other: floor, Times: 3})
	halfOf := b.figure("one", n, "each ms, to its record"+where, "ms", goal{Other: floor, Times: 1, Plus: 0.3})
	mostOf := b.figure("one", n, "each ms, to its record, 99 of 100"+where, "ms", goal{Other: floor, Times: 3})
	return b.turns(who, func(_ int, c contestant) error {
		apart, quick, err := b.oneRun(c, crowd, n, history)
		if err != nil {
			return err
		}
		for _, f := range []struct {
			half, most *figure
			took       []time.Duration
		}{{half, most, apart}, {halfOf, mostOf, quick}} {
			slices.Sort(f.took)
			f.half.add(c.name, millis(f.took[len(f.took)/2]))
			f.most.add(c.name, millis(f.took[len(f.took)*99/100]))
		}
		return nil
	})
}

// oneRun returns how long several deaths after one start took, apart and in quick succession.
func (b *bench) oneRun(c contestant, crowd *crowd, n int, history string) (apart, quick []time.Duration, err error) {
	n += 2 * deaths
	p, err := b.newPlace(crowd.pids[len(crowd.pids)-n:], history, keys...)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	r, err := b.ready(c, p, n)
	if err != nil {
		return nil, nil, err
	}
	defer r.stop()
	if c.name != floor { // which does not look at lines again a second after the start
		nap(after)
		if err := r.settles(); err != nil {
			return nil, nil, err
		}
	}
	for i := range deaths {
		r.at = time.Now()
		if err := crowd.killOne(); err != nil {
			return nil, nil, err
		}
		slot := n - i
		if err := r.await(10*time.Microsecond, func() bool { return p.marked(slot) }); err != nil {
			return nil, nil, err
		}
		apart = append(apart, time.Since(r.at))
		if err := r.await(time.Millisecond, func() bool { return p.appended() > i }); err != nil {
			return nil, nil, err
		}
		nap(between)
	}
	quick, err = quickDeaths(r, crowd, p, n-deaths)
	return apart, quick, err
}

// quickDeaths kills one process each [brief], whether the record of the one before is right or
// not. slot is that of the first, and the others come before it.
func quickDeaths(r *running, crowd *crowd, p *place, slot int) (took []time.Duration, err error) {
	var died [deaths]time.Time
	var failed error
	killed, waiting := 0, make([]int, 0, deaths)
	r.at = time.Now()
	err = r.await(10*time.Microsecond, func() bool {
		if killed < deaths && time.Since(r.at) >= time.Duration(killed)*brief {
			died[killed] = time.Now()
			failed = crowd.killOne()
			waiting = append(waiting, killed)
			killed++
		}
		waiting = slices.DeleteFunc(waiting, func(i int) bool {
			right := p.marked(slot - i)
			if right {
				took = append(took, time.Since(died[i]))
			}
			return right
		})
		return failed != nil || killed == deaths && len(waiting) == 0
	})
	return took, errors.Join(failed, err)
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
	for _, n := range b.sizesOf("all") {
		took := b.figure("all", n, "to the last record", "s", goal{Other: floorSync, Times: 1.5})
		used := b.figure("all", n, "processor", "s", goal{Other: floorSync, Times: 2.5})
		err := b.turns(b.beside(floorSync), func(_ int, c contestant) error {
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
