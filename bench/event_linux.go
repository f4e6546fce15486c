// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// events is how many processes die, and how many sessions begin, in a run of event. The figure
// is the median, so it is not that of the first death, which reads each process once to learn
// its pid namespace.
const events = 3

// eventful is a daemon of event. The daemons of all runs wait at the same time, since each waits
// for more than a second after each event; what happens to one is over before the next one's
// turn, and no other watches the processes that die or log in.
type eventful struct {
	r              *running
	p              *place
	victims, fresh []int // pids of those that die, and log in
	before         time.Duration
	deaths, logins []float64
}

// event: one of N processes dies, or one session begins, and the daemon's processor time until
// it is idle again, with the saved table and the log.
func (b *bench) event() error {
	for _, n := range b.sizesOf("event") {
		if err := b.eventAt(n); err != nil {
			return err
		}
	}
	return b.busy(min(longSize, slices.Max(b.sizesOf("event"))))
}

func (b *bench) eventAt(n int) error {
	who := b.beside(floor)
	stay := max(0, n-events)
	crowd, err := b.newCrowd(stay + 2*b.runs*len(who)*events)
	if err != nil {
		return err
	}
	defer crowd.close()
	var all, noticing []*eventful // the floor does not notice logins
	defer func() {
		for _, e := range all {
			e.r.stop()
			e.p.close()
		}
	}()
	free := crowd.pids[stay:]
	err = b.turns(who, func(_ int, c contestant) error {
		e, err := b.newEventful(c, crowd.pids[:stay], free[:events], free[events:2*events])
		free = free[2*events:]
		if err == nil {
			all = append(all, e)
		}
		if err == nil && c.name != floor {
			noticing = append(noticing, e)
		}
		return err
	})
	if err != nil {
		return err
	}
	nap(after)
	for i := range events {
		if err := b.eventRound(all, func(e *eventful) error { return e.death(stay+1+i, i) }); err != nil {
			return err
		}
		for _, e := range all {
			e.deaths = append(e.deaths, e.used())
		}
		if err := b.eventRound(noticing, func(e *eventful) error { return e.login(stay+1+i, i) }); err != nil {
			return err
		}
		for _, e := range noticing {
			e.logins = append(e.logins, e.used())
		}
	}
	death := b.figure("event", n, "a death, processor", "ms", goal{Most: 0.5})
	login := b.figure("event", n, "a login, processor", "ms", goal{Most: 0.5})
	for _, e := range all {
		death.add(e.r.who, median(e.deaths))
	}
	for _, e := range noticing {
		login.add(e.r.who, median(e.logins))
	}
	return nil
}

// newEventful starts a daemon beside the processes that stay and its own that die.
func (b *bench) newEventful(c contestant, stay, victims, fresh []int) (*eventful, error) {
	pids := slices.Concat(stay, victims)
	p, err := b.newPlace(pids, "", keys...)
	if err != nil {
		return nil, err
	}
	r, err := b.ready(c, p, len(pids))
	if err != nil {
		p.close()
		return nil, err
	}
	return &eventful{r: r, p: p, victims: victims, fresh: fresh}, nil
}

// eventRound does something to each daemon in turn and waits until all are idle, with what they
// do later because of that.
func (b *bench) eventRound(all []*eventful, do func(e *eventful) error) error {
	for _, e := range all {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		e.before = processorTime(e.r.pid)
		e.r.at = time.Now()
		if err := do(e); err != nil {
			return err
		}
		if err := e.r.settles(); err != nil {
			return err
		}
	}
	nap(after)
	var running []*running
	for _, e := range all {
		running = append(running, e.r)
	}
	return settle(running...)
}

// used is the processor time in ms since the last event.
func (e *eventful) used() float64 { return millis(processorTime(e.r.pid) - e.before) }

func (e *eventful) death(slot, i int) error {
	if err := unix.Kill(e.victims[i], unix.SIGKILL); err != nil {
		return err
	}
	return e.r.await(10*time.Microsecond, func() bool { return e.p.marked(slot) })
}

func (e *eventful) login(slot, i int) error {
	watched := descriptors(e.r.pid)
	if err := e.p.login(slot, e.fresh[i]); err != nil {
		return err
	}
	return e.r.await(time.Millisecond, func() bool { return descriptors(e.r.pid) > watched })
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
