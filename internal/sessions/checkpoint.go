// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"fmt"
	"maps"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Checkpoint is what a [Forward] needs to go on in another process.
type Checkpoint struct {
	Open    []OpenLogin   `json:"open"` // in the order of the logins
	Stepped time.Duration `json:"stepped_ns"`
	Jumps   int           `json:"jumps,omitempty"`
	Holes   int           `json:"holes,omitempty"`
	Old     *utmpx.Time   `json:"old,omitempty"`
	Life    utmpx.Time    `json:"life"`
	End     time.Time     `json:"end"`
	Ended   int           `json:"ended"`
	Seq     int           `json:"seq"`
}

// OpenLogin is a login without an end: the bytes of its record, and where the clock was.
type OpenLogin struct {
	Layout  string        `json:"layout"`
	Record  []byte        `json:"record"`
	Seq     int           `json:"seq"`
	Stepped time.Duration `json:"stepped_ns,omitempty"`
	Jumps   int           `json:"jumps,omitempty"`
	Holes   int           `json:"holes,omitempty"`
}

// Checkpoint returns what [Resume] needs to go on after the records added.
func (f *Forward) Checkpoint() Checkpoint {
	c := Checkpoint{Open: []OpenLogin{}, Stepped: f.here.stepped, Jumps: f.here.jumps, Holes: f.here.holes,
		Old: f.old, Life: f.life, End: f.end, Ended: f.ended, Seq: f.seq}
	for _, o := range sorted(maps.Values(f.open)) {
		o.login = decoded(o.login)
		c.Open = append(c.Open, OpenLogin{Layout: o.login.Layout().Name(), Record: []byte(o.login.Raw()), Seq: o.seq,
			Stepped: o.place.stepped, Jumps: o.place.jumps, Holes: o.place.holes})
	}
	return c
}

// decoded returns a record as if it had been read from a file.
func decoded(r utmpx.Record) utmpx.Record {
	if r.Layout() != nil {
		return r
	}
	l := utmpx.Glibc400LE // the one that holds all times
	b, err := l.Encode(r)
	if err != nil {
		return l.Decode(string(make([]byte, l.Size()))) // no file has such a record
	}
	return l.Decode(string(b))
}

// Resume returns a Forward that goes on after a checkpoint.
func Resume(c Checkpoint) (*Forward, error) {
	f := NewForward()
	for _, o := range c.Open {
		l, err := utmpx.ByName(o.Layout)
		if err != nil {
			return nil, err
		}
		if len(o.Record) != l.Size() {
			return nil, fmt.Errorf("a record of %s with %d bytes", l, len(o.Record))
		}
		f.begin(&begun{login: l.Decode(string(o.Record)), seq: o.Seq, place: place{o.Stepped, o.Jumps, o.Holes}})
	}
	f.here = place{c.Stepped, c.Jumps, c.Holes}
	f.old, f.life, f.end, f.ended, f.seq = c.Old, c.Life, c.End, c.Ended, c.Seq
	return f, nil
}

// On returns the login that is open on a line, nil if there is none.
func (f *Forward) On(line string) *utmpx.Record {
	if o := f.open[line]; o != nil {
		return &o.login
	}
	return nil
}

// IsLogin reports whether a record begins a session.
func IsLogin(r *utmpx.Record) bool { return meaningOf(r) == login }

// Orphan returns the session of a logout whose login is not known. It has no From.
func Orphan(r *utmpx.Record) Session {
	return orphan(*r, logoutOf(r))
}
