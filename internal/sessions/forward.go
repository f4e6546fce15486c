// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Forward finds the sessions of records that are added oldest first. Its memory grows with
// the sessions that are open: see Forget.
type Forward struct {
	open  map[string]*begun  // by line
	by    map[process]*begun // the same, by process: the first of those in a row
	here  place
	seq   int
	old   *utmpx.Time // of an OLD_TIME, if that was the record before
	life  utmpx.Time  // the last sign of life
	end   time.Time   // the time of the last record that has one
	ended int         // the number of that record
	done  []Session
}

// begun is a session without an end.
type begun struct {
	login utmpx.Record
	seq   int
	place place

	prev, next *begun // of the same process
}

// NewForward returns a Forward at the beginning of a log.
func NewForward() *Forward {
	return &Forward{open: map[string]*begun{}, by: map[process]*begun{}}
}

// Add takes the next record and returns the sessions that it ends. The list is valid until
// the next call.
func (f *Forward) Add(r *utmpx.Record) []Session {
	clear(f.done)
	f.done = f.done[:0]
	f.seq++
	what := meaningOf(r)
	f.clock(r, what)
	switch what {
	case login:
		f.login(r)
	case logout:
		f.close(f.open[r.Line], logoutOf(r))
	case vacant:
		f.close(f.open[r.Line], nextOf(r, ""))
	case lineless:
		var all []*begun
		for o := f.by[processOf(r)]; o != nil; o = o.next {
			all = append(all, o)
		}
		for _, o := range sorted(slices.Values(all)) {
			f.close(o, logoutOf(r))
		}
	case boot, ended:
		f.system(r, what)
	}
	f.alive(r, what)
	return f.done
}

// alive follows the signs of life.
func (f *Forward) alive(r *utmpx.Record, what meaning) {
	if what == boot || what == ended {
		f.life = utmpx.Time{}
	}
	if r.Time.Sec > 0 {
		f.end, f.ended = r.Time.Time(), f.seq
	}
	if what.alive() {
		f.life = r.Time
	}
}

// Damage notes that the log is damaged after the records that it has.
func (f *Forward) Damage() {
	f.old, f.life = nil, utmpx.Time{}
	f.here.holes++
}

// Open returns the sessions that have no end, in the order of their logins. To is zero.
func (f *Forward) Open() []Session {
	var all []Session
	for _, o := range sorted(maps.Values(f.open)) {
		s := Session{Login: o.login}
		finish(&s, nil, o.place.to(f.here))
		if s.End == Open {
			if s.open(s.From); f.ended >= o.seq {
				s.open(f.end)
			}
		}
		all = append(all, s)
	}
	return all
}

func (f *Forward) clock(r *utmpx.Record, what meaning) {
	if what == newClock {
		if f.old != nil {
			f.here.stepped += r.Time.Time().Sub(f.old.Time())
		} else {
			f.here.jumps++
		}
	}
	if f.old = nil; what == oldClock {
		at := r.Time
		f.old = &at
	}
}

func (f *Forward) login(r *utmpx.Record) {
	if o := f.open[r.Line]; o != nil {
		e := nextOf(r, r.User)
		if e.repeats(o.login.Time, o.login.PID, o.login.User, o.place.to(f.here)) {
			f.remove(o)
		} else {
			f.close(o, e)
		}
	}
	f.begin(&begun{login: r.Detach(), seq: f.seq, place: f.here})
}

// begin notes an open session.
func (f *Forward) begin(o *begun) {
	f.open[o.login.Line] = o
	p := processOf(&o.login)
	if o.next = f.by[p]; o.next != nil {
		o.next.prev = o
	}
	f.by[p] = o
}

// Forget forgets the logins that are open for longest if there are more than most, and
// reports whether there were. Their logouts will have no login.
func (f *Forward) Forget(most int) bool {
	if len(f.open) <= most {
		return false
	}
	for _, o := range sorted(maps.Values(f.open))[:len(f.open)-most*3/4] {
		f.remove(o)
	}
	return true
}

func (f *Forward) close(o *begun, e end) {
	if o == nil {
		return
	}
	f.done = append(f.done, Session{Login: o.login})
	finish(&f.done[len(f.done)-1], &e, o.place.to(f.here))
	f.remove(o)
}

func (f *Forward) remove(o *begun) {
	delete(f.open, o.login.Line)
	p := processOf(&o.login)
	switch {
	case o.prev != nil:
		o.prev.next = o.next
	case o.next != nil:
		f.by[p] = o.next
	default:
		delete(f.by, p)
	}
	if o.next != nil {
		o.next.prev = o.prev
	}
}

// system ends all sessions.
func (f *Forward) system(r *utmpx.Record, what meaning) {
	e := systemOf(r, what)
	if what == boot {
		e.system.life = f.life
	}
	for _, o := range sorted(maps.Values(f.open)) {
		f.close(o, e)
	}
}

// sorted returns sessions in the order of their logins.
func sorted(open iter.Seq[*begun]) []*begun {
	return slices.SortedFunc(open, func(a, b *begun) int { return cmp.Compare(a.seq, b.seq) })
}
