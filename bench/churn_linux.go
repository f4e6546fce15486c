// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

const (
	churnPairs = 20
	// A pair of runs takes twice as long beside more sessions than manyForChurn.
	manyForChurn = 4000
	fewPairs     = 8
	churnLines   = 100
	churnTime    = 500 * time.Millisecond
)

// churned is the report of the C program about its sessions.
type churned struct {
	n                 int
	took, cpu, median float64 // seconds
}

// churn: sessions come and go through pututxline(3) beside N sessions that stay, with and
// without utmpd, in pairs.
func (b *bench) churn() error {
	for _, n := range b.sizesOf("churn") {
		crowd, err := b.newCrowd(n)
		if err != nil {
			return err
		}
		pairs := max(churnPairs, b.runs)
		if n > manyForChurn {
			pairs = max(fewPairs, b.runs)
		}
		if b.runs < 5 {
			pairs = b.runs
		}
		err = b.churnAt(crowd, n, pairs)
		crowd.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) churnAt(crowd *crowd, n, pairs int) error {
	rate := b.figure("churn", n, "logins and logouts", "1/s", goal{})
	call := b.figure("churn", n, "one pututxline", "µs", goal{})
	slower := b.figure("churn", n, "one pututxline slower by", "%", goal{Most: 5})
	each := b.figure("churn", n, "processor for a session", "µs", goal{})
	share := b.figure("churn", n, "of what libc uses for it", "%", goal{Most: 10})
	for pair := range pairs {
		for _, c := range b.daemons() {
			alone, beside, cpu, err := b.churnPair(crowd, n, &c, pair%2 == 0)
			if err != nil {
				return err
			}
			if c.name == ours {
				rate.add(floor, float64(alone.n)/alone.took)
				call.add(floor, alone.median*1e6)
				each.add(floor, alone.cpu/float64(alone.n)*1e6)
			}
			rate.add(c.name, float64(beside.n)/beside.took)
			call.add(c.name, beside.median*1e6)
			slower.add(c.name, 100*(beside.median/alone.median-1))
			each.add(c.name, seconds(cpu)/float64(beside.n)*1e6)
			share.add(c.name, 100*seconds(cpu)/beside.cpu)
		}
	}
	mean, off := interval(slower.Runs[ours])
	if !math.IsInf(off, 0) {
		slower.What += fmt.Sprintf(" (mean %.1f ± %.1f)", mean, off)
	}
	return nil
}

// churnPair runs the C program alone and beside a daemon, in this order if aloneFirst.
func (b *bench) churnPair(crowd *crowd, n int, c *contestant, aloneFirst bool) (alone, beside churned, cpu time.Duration, err error) {
	if aloneFirst {
		if alone, _, err = b.churnRun(crowd, n, nil); err != nil {
			return alone, beside, 0, err
		}
	}
	if beside, cpu, err = b.churnRun(crowd, n, c); err == nil && !aloneFirst {
		alone, _, err = b.churnRun(crowd, n, nil)
	}
	return alone, beside, cpu, err
}

// churnRun runs the C program once, alone or beside a daemon. It returns the daemon's
// processor time until it is idle again.
func (b *bench) churnRun(crowd *crowd, n int, c *contestant) (churned, time.Duration, error) {
	var got churned
	if err := b.ctx.Err(); err != nil {
		return got, 0, err
	}
	p, err := b.newPlace(crowd.pids, "", "SCAN_PERIOD=604800", "WTMPX_UPDATE_FREQ=604800")
	if err != nil {
		return got, 0, err
	}
	defer p.close()
	var r *running
	var before time.Duration
	if c != nil {
		if r, err = b.ready(*c, p, n); err != nil {
			return got, 0, err
		}
		defer r.stop()
		before = processorTime(r.pid)
	}
	cmd := exec.Command(b.tools.churn, p.utmp, p.wtmp, strconv.Itoa(churnLines), fmt.Sprint(churnTime.Seconds()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.Output()
	if err == nil {
		_, err = fmt.Sscan(string(said), &got.n, &got.took, &got.cpu, &got.median)
	}
	if err != nil || got.n == 0 {
		return got, 0, fmt.Errorf("the churn program printed %q: %w", said, err)
	}
	if r == nil {
		return got, 0, nil
	}
	r.at = time.Now()
	err = r.settles()
	return got, processorTime(r.pid) - before, err
}
