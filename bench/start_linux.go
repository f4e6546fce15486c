// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"time"
)

// stale: N sessions have died before the start; the time from the start to the last record.
// Their pids belong to no process.
func (b *bench) stale() error {
	first := sysctl("kernel/pid_max") + 1
	for _, n := range b.sizesOf("stale") {
		pids := make([]int, n)
		for i := range pids {
			pids[i] = first + i
		}
		took := b.figure("stale", n, "start to the last record", "ms", goal{Other: floorSync, Times: 1.5})
		used := b.figure("stale", n, "processor", "ms", goal{Other: floorSync, Times: 2.5})
		err := b.turns(b.beside(floorSync), func(_ int, c contestant) error {
			p, err := b.newPlace(pids, "", keys...)
			if err != nil {
				return err
			}
			defer p.close()
			r, err := c.start(p)
			if err != nil {
				return err
			}
			defer r.stop()
			if err := r.await(50*time.Microsecond, p.allDone()); err != nil {
				return err
			}
			took.add(c.name, millis(time.Since(r.at)))
			err = r.settles()
			used.add(c.name, millis(processorTime(r.pid)))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cold: the time from the start until a descriptor is open for each of N living sessions.
func (b *bench) cold() error {
	for _, n := range b.sizesOf("cold") {
		crowd, err := b.newCrowd(n)
		if err != nil {
			return err
		}
		took := b.figure("cold", n, "start to all watched", "ms", goal{Other: floor, Times: 1.5})
		used := b.figure("cold", n, "processor", "ms", goal{})
		err = b.turns(b.beside(floor), func(_ int, c contestant) error {
			p, err := b.newPlace(crowd.pids, "", keys...)
			if err != nil {
				return err
			}
			defer p.close()
			r, err := c.start(p)
			if err != nil {
				return err
			}
			defer r.stop()
			if err := r.watches(n); err != nil {
				return err
			}
			took.add(c.name, millis(time.Since(r.at)))
			err = r.settles()
			used.add(c.name, millis(processorTime(r.pid)))
			return err
		})
		crowd.close()
		if err != nil {
			return err
		}
	}
	return nil
}
