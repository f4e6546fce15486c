// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
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

// readiness: the time from the start until utmpd tells systemd that it is ready, with one session;
// the floor is when it watches that.
func (b *bench) readiness() error {
	crowd, err := b.newCrowd(1)
	if err != nil {
		return err
	}
	defer crowd.close()
	took := b.figure("cold", 1, "start to ready", "ms", goal{Most: 9})
	return b.turns(b.beside(floor), func(_ int, c contestant) error {
		p, err := b.newPlace(crowd.pids, "", keys...)
		if err != nil {
			return err
		}
		defer p.close()
		p.notify = filepath.Join(p.ram, "notify")
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.notify, Net: "unixgram"})
		if err != nil {
			return err
		}
		defer l.Close()
		r, err := c.start(p)
		if err != nil {
			return err
		}
		defer r.stop()
		if c.name == floor {
			err = r.watches(1)
		} else {
			err = told(l, "READY=1")
		}
		took.add(c.name, millis(time.Since(r.at)))
		return err
	})
}

// told waits for a message with a line.
func told(l *net.UnixConn, line string) error {
	if err := l.SetReadDeadline(time.Now().Add(longest)); err != nil {
		return err
	}
	for b := make([]byte, 4096); ; {
		n, err := l.Read(b)
		if err != nil || slices.Contains(strings.Split(string(b[:n]), "\n"), line) {
			return err
		}
	}
}

// cold: the time from the start until a descriptor is open for each of N living sessions.
func (b *bench) cold() error {
	if err := b.readiness(); err != nil {
		return err
	}
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
