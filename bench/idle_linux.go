// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// idler is one of many daemons that run at the same time. An idle daemon does not disturb
// the others.
type idler struct {
	n      int
	silent bool // no heartbeat and no scan
	logind bool // it is on the bus
	who    string
	r      *running
	p      *place
	before usage
}

// rest is the time from the last start to the measurement: utmpd returns the memory of its start
// after five seconds. Go's collector would run by itself two minutes after that, which is later.
const rest = 30 * time.Second

// idleness: the resources of an idle utmpd.
func (b *bench) idleness() error {
	crowd, err := b.newCrowd(slices.Max(b.sizesOf("idle")))
	if err != nil {
		return err
	}
	defer crowd.close()
	bus, err := newLogin1(b.tools.ram)
	if err != nil {
		return err
	}
	defer bus.close()
	var all []*idler
	defer func() {
		for _, i := range all {
			i.r.stop()
			i.p.close()
		}
	}()
	for range b.runs {
		for _, n := range b.sizesOf("idle") {
			for _, c := range b.daemons() {
				for _, kind := range []idler{{}, {silent: true}, {logind: true}, {silent: true, logind: true}} {
					if kind.logind && c.name != ours {
						continue
					}
					i, err := b.newIdler(c, crowd.pids[:n], kind, bus)
					if err != nil {
						return err
					}
					all = append(all, i)
				}
			}
		}
	}
	if err := b.wait(min(b.idle, rest)); err != nil {
		return err
	}
	for _, i := range all {
		i.before = usageOf(i.r.pid)
	}
	if err := b.wait(b.idle); err != nil {
		return err
	}
	b.reportIdle(all)
	return nil
}

func (b *bench) newIdler(c contestant, pids []int, kind idler, bus *login1) (*idler, error) {
	keys := []string{"LOGIND=no"}
	if kind.logind {
		keys = nil
	}
	if kind.silent {
		keys = append(keys, "SCAN_PERIOD=604800", "WTMPX_UPDATE_FREQ=604800")
	}
	if !kind.logind {
		bus = nil
	}
	i, err := b.startIdler(c, pids, bus, keys...)
	if i != nil {
		i.silent, i.logind = kind.silent, kind.logind
	}
	return i, err
}

// startIdler starts a daemon and returns when it watches all pids.
func (b *bench) startIdler(c contestant, pids []int, bus *login1, keys ...string) (*idler, error) {
	p, err := b.newPlace(pids, "", keys...)
	if err != nil {
		return nil, err
	}
	p.bus = bus
	r, err := c.start(p)
	if err != nil {
		return nil, err
	}
	if err := r.watches(len(pids)); err != nil {
		r.stop()
		p.close()
		return nil, err
	}
	return &idler{n: len(pids), who: c.name, r: r, p: p}, nil
}

// reportIdle computes the figures from the usage of all daemons.
func (b *bench) reportIdle(all []*idler) {
	over := fmt.Sprintf("in %.0f s", b.idle.Seconds())
	for _, n := range b.sizesOf("idle") {
		// During a heartbeat a few threads wait for the disk.
		cpu := b.figure("idle", n, "processor "+over, "ms", goal{Most: 1.5})
		memory := b.figure("idle", n, "resident", "MB", goal{Most: 5 + float64(min(n, 1000))/1000 + float64(max(0, n-1000))/1500})
		switches := b.figure("idle", n, "threads woken "+over, "times", goal{})
		// Go's own monitor runs about once a minute.
		silent := b.figure("idle", n, "the same with no heartbeat due", "times", goal{Most: 2})
		cpuBeside := b.figure("idle", n, "processor beside logind", "ms", goal{Most: 1.5})
		beside := b.figure("idle", n, "threads woken beside logind", "times", goal{})
		silentBeside := b.figure("idle", n, "beside logind with no heartbeat due", "times", goal{Most: 2})
		for _, i := range all {
			if i.n != n {
				continue
			}
			now := usageOf(i.r.pid)
			woken := float64(now.switches - i.before.switches)
			switch {
			case i.silent && i.logind:
				silentBeside.add(i.who, woken)
				continue
			case i.logind:
				beside.add(i.who, woken)
				cpuBeside.add(i.who, millis(now.cpu-i.before.cpu))
				continue
			case i.silent:
				silent.add(i.who, woken)
				continue
			}
			cpu.add(i.who, millis(now.cpu-i.before.cpu))
			memory.add(i.who, float64(now.resident)/1e6)
			switches.add(i.who, woken)
		}
	}
}

// wait sleeps, unless interrupted.
func (b *bench) wait(d time.Duration) error {
	select {
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// scansEach is the number of scans in a run of scan, one per second.
const scansEach = 1

// scan: the processor time of a periodic scan that finds no change, compared with one
// reading of the file. All daemons run at the same time.
func (b *bench) scan() error {
	crowd, err := b.newCrowd(slices.Max(b.sizesOf("scan")))
	if err != nil {
		return err
	}
	defer crowd.close()
	for _, n := range b.sizesOf("scan") {
		if err := b.scanAt(crowd.pids[:n]); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) scanAt(pids []int) error {
	n := len(pids)
	f := b.figure("scan", n, "processor of one", "ms", goal{Other: floor, Times: 2, Plus: 0.37})
	var all []*idler
	defer func() {
		for _, i := range all {
			i.r.stop()
			i.p.close()
		}
	}()
	for _, c := range b.daemons() {
		i, err := b.startIdler(c, pids, nil, "SCAN_PERIOD=1", "WTMPX_UPDATE_FREQ=604800")
		if err != nil {
			return err
		}
		all = append(all, i)
		r := i.r
		nap(after) // the first saving of the table
		if err := r.settles(); err != nil {
			return err
		}
		for range b.runs {
			before := processorTime(r.pid)
			if err := b.wait(scansEach * time.Second); err != nil {
				return err
			}
			f.add(c.name, millis(processorTime(r.pid)-before)/scansEach)
		}
	}
	for range b.runs {
		took, err := readOnce(all[0].p.utmp)
		if err != nil {
			return err
		}
		f.add(floor, millis(took))
		nap(100 * time.Millisecond)
	}
	return nil
}

// readOnce returns the processor time of reading a file in blocks of 64 kB.
func readOnce(name string) (time.Duration, error) {
	block := make([]byte, 64<<10)
	before := ownTime()
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for err == nil {
		_, err = f.Read(block)
	}
	if err != io.EOF {
		return 0, err
	}
	return ownTime() - before, nil
}
