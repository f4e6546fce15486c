// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// busyLogins is how many sessions begin, each busyPause: 20 in a minute.
	busyLogins = 7
	busyPause  = 3 * time.Second
	// jobs is how many sessions without a terminal logind has meanwhile for each of these, as
	// those of cron: each begins, changes once and ends.
	jobs = 3
)

// busy: sessions begin 20 times a minute beside a busy logind, which tells of them, too; the
// processor time of all that time for each of them. Login(1) writes the records, 10 ms
// after logind has told.
func (b *bench) busy(n int) error {
	crowd, err := b.newCrowd(n + b.runs*len(b.daemons())*2*busyLogins)
	if err != nil {
		return err
	}
	defer crowd.close()
	var all []*beside
	defer func() {
		for _, d := range all {
			d.r.stop()
			d.p.close()
			d.p.bus.close()
		}
	}()
	free := crowd.pids[n:]
	err = b.turns(b.daemons(), func(_ int, c contestant) error {
		d, err := b.newBeside(c, crowd.pids[:n], free[:busyLogins], free[busyLogins:2*busyLogins])
		free = free[2*busyLogins:]
		if err == nil {
			all = append(all, d)
		}
		return err
	})
	if err != nil {
		return err
	}
	nap(after)
	for _, d := range all {
		if err := d.r.settles(); err != nil {
			return err
		}
		d.before = processorTime(d.r.pid)
	}
	for i := range busyLogins {
		for _, d := range all { // each in its part of the pause
			if err := b.ctx.Err(); err != nil {
				return err
			}
			end := time.Now().Add(busyPause / time.Duration(len(all)))
			if err := d.round(n+1+i, i); err != nil {
				return err
			}
			nap(time.Until(end))
		}
	}
	nap(after)
	f := b.figure("event", n, "a login of 20 a minute beside a busy logind, processor", "ms", goal{Most: 0.5})
	for _, d := range all {
		f.add(d.r.who, millis(processorTime(d.r.pid)-d.before)/busyLogins)
	}
	return nil
}

// beside is a daemon beside a logind.
type beside struct {
	r      *running
	p      *place
	fresh  []int // pids of those that log in
	before time.Duration
}

// newBeside starts a daemon. Those that die make room for the records of the logins.
func (b *bench) newBeside(c contestant, stay, die, fresh []int) (*beside, error) {
	pids := slices.Concat(stay, die)
	p, err := b.newPlace(pids, "", keys...)
	if err != nil {
		return nil, err
	}
	if p.bus, err = newLogin1(b.tools.ram); err != nil {
		p.close()
		return nil, err
	}
	fail := func(err error) (*beside, error) {
		p.bus.close()
		p.close()
		return nil, err
	}
	r, err := b.ready(c, p, len(pids))
	if err != nil {
		return fail(err)
	}
	for i, pid := range die {
		if err = unix.Kill(pid, unix.SIGKILL); err == nil {
			err = r.await(time.Millisecond, func() bool { return p.marked(len(stay) + 1 + i) })
		}
		if err != nil {
			r.stop()
			return fail(err)
		}
	}
	return &beside{r: r, p: p, fresh: fresh}, nil
}

// round is one login, and what else logind does meanwhile.
func (d *beside) round(slot, i int) error {
	bus := d.p.bus
	for j := range jobs {
		job := logindSession{id: strconv.Itoa(100 + jobs*i + j), service: "cron", class: "background", leader: d.fresh[i]}
		for _, do := range []func(logindSession) error{bus.begin, bus.change, bus.end} {
			if err := do(job); err != nil {
				return err
			}
			nap(20 * time.Millisecond)
		}
	}
	s := logindSession{id: strconv.Itoa(1000 + i), service: "login", class: "user", leader: d.fresh[i], tty: fmt.Sprintf("pts/1%05d", slot-1)}
	if err := bus.begin(s); err != nil {
		return err
	}
	nap(10 * time.Millisecond)
	watched := descriptors(d.r.pid)
	if err := d.p.login(slot, d.fresh[i]); err != nil {
		return err
	}
	d.r.at = time.Now()
	return d.r.await(time.Millisecond, func() bool { return descriptors(d.r.pid) > watched })
}
