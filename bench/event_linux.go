// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"os"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// events is how many processes die, and how many sessions begin, in a run of event. The figure
// is the median, so it is not that of the first death, which reads each process once to learn
// its pid namespace.
const events = 3

// event: one of N processes dies, or one session begins, and the daemon's processor time until
// it is idle again, with the saved table and the log.
func (b *bench) event() error {
	for _, n := range b.sizesOf("event") {
		who := b.beside(floor)
		crowd, err := b.newCrowd(n + 2*b.runs*len(who)*events)
		if err != nil {
			return err
		}
		death := b.figure("event", n, "a death, processor", "ms", goal{Most: 0.5})
		login := b.figure("event", n, "a login, processor", "ms", goal{Most: 0.5})
		err = b.turns(who, func(_ int, c contestant) error {
			deaths, logins, err := b.eventRun(c, crowd, n)
			if err == nil {
				death.add(c.name, median(deaths))
			}
			if err == nil && c.name != floor { // which does not notice logins
				login.add(c.name, median(logins))
			}
			return err
		})
		crowd.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// eventRun returns the processor times of several deaths and of as many logins.
func (b *bench) eventRun(c contestant, crowd *crowd, n int) (deaths, logins []float64, err error) {
	p, err := b.newPlace(crowd.pids[len(crowd.pids)-n:], "", keys...)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	r, err := b.ready(c, p, n)
	if err != nil {
		return nil, nil, err
	}
	defer r.stop()
	nap(after)
	for i := range events {
		slot := n - i
		used, err := b.costs(r, func() error {
			r.at = time.Now()
			if err := crowd.killOne(); err != nil {
				return err
			}
			return r.await(10*time.Microsecond, func() bool { return p.marked(slot) })
		})
		if err != nil {
			return nil, nil, err
		}
		deaths = append(deaths, used)
		if c.name == floor {
			continue
		}
		watched := descriptors(r.pid)
		used, err = b.costs(r, func() error {
			r.at = time.Now()
			if err := p.login(slot, crowd.pids[0]); err != nil {
				return err
			}
			crowd.pids = crowd.pids[1:]
			return r.await(time.Millisecond, func() bool { return descriptors(r.pid) > watched })
		})
		if err != nil {
			return nil, nil, err
		}
		logins = append(logins, used)
	}
	return deaths, logins, nil
}

// costs returns the processor time in ms that a contestant uses for what do does, and for what
// it does later because of that.
func (b *bench) costs(r *running, do func() error) (float64, error) {
	before := processorTime(r.pid)
	if err := do(); err != nil {
		return 0, err
	}
	if r.who != floor {
		nap(after)
	}
	err := r.settles()
	return millis(processorTime(r.pid) - before), err
}

// login writes the record of a session.
func (p *place) login(slot, pid int) error {
	f, err := os.OpenFile(p.utmp, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r := layout.Decode(string(p.view[slot*layout.Size() : (slot+1)*layout.Size()]))
	r.Type, r.PID, r.User, r.Host, r.Time = utmpx.UserProcess, int32(pid), "alice", "desk.example.org", utmpx.TimeOf(time.Now())
	data, err := layout.Encode(r)
	if err == nil {
		_, err = f.WriteAt(data, int64(slot*layout.Size()))
	}
	return err
}
