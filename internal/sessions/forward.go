// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Forward finds the sessions of records that are added oldest first. Its memory grows with
// the sessions that are open.
type Forward struct {
	open  map[string]*begun             // by line
	by    map[process]map[string]*begun // the same, by process
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
}

// NewForward returns a Forward at the beginning of a log.
func NewForward() *Forward {
	return &Forward{open: map[string]*begun{}, by: map[process]map[string]*begun{}}
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
		for _, o := range sorted(f.by[process{r.PID, r.ID}]) {
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
	for _, o := range sorted(f.open) {
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
	p := process{o.login.PID, o.login.ID}
	if f.by[p] == nil {
		f.by[p] = map[string]*begun{}
	}
	f.by[p][o.login.Line] = o
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
	p := process{o.login.PID, o.login.ID}
	delete(f.open, o.login.Line)
	delete(f.by[p], o.login.Line)
	if len(f.by[p]) == 0 {
		delete(f.by, p)
	}
}

// system ends all sessions.
func (f *Forward) system(r *utmpx.Record, what meaning) {
	e := systemOf(r, what)
	if what == boot {
		e.system.life = f.life
	}
	for _, o := range sorted(f.open) {
		f.close(o, e)
	}
}

// sorted returns sessions in the order of their logins.
func sorted(open map[string]*begun) []*begun {
	return slices.SortedFunc(maps.Values(open), func(a, b *begun) int { return cmp.Compare(a.seq, b.seq) })
}
