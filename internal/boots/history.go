// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// End is how a boot ended.
type End int

// The ends of a boot.
const (
	Open     End = iota // nothing tells that it has
	ShutDown            // under control
	Crashed             // without: the next boot began, or a record says so
)

// String returns what a table says of it.
func (e End) String() string {
	return [...]string{"open", "shut down", "crashed"}[e]
}

const (
	// sameMoment is by how much two records of one moment may differ.
	sameMoment = 2 * time.Second
	// lateLogout is by how much a record may be older than the one before it
	// though the clock was not set: a logout is written when it is found.
	lateLogout = 10 * time.Minute
)

// earliest is when a clock may begin to be believed: before it there was no utmpx
// file. One without a battery begins in 1970.
var earliest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Boot is the time from one boot to its end.
type Boot struct {
	From    time.Time // of its record; without one, of the first record in it
	Told    bool      // it has a record of its own
	To      time.Time // when it ended, or was last known to be up
	End     End
	Exact   Exactness // of To
	By      Source    // what To is known from; "" for the record of a shutdown, and while Open
	Noted   bool      // its end has a record
	stepped time.Duration
}

// Up returns for how long the system was up, at least where the end is not
// exact. ok is false where the clock does not tell: it was set, and nobody
// recorded that.
func (b Boot) Up() (d time.Duration, ok bool) {
	return span(b.From.Add(b.stepped), b.To)
}

// Down returns for how long the system was down between b and the next boot, at
// most where b's end is not exact. ok is false where the clocks do not tell.
func (b Boot) Down(next Boot) (d time.Duration, ok bool) {
	if !next.Told {
		return 0, false
	}
	d, ok = span(b.To, next.From)
	if !ok && next.stepped > 0 {
		// It began with a clock that was behind, and that was set then.
		d, ok = span(b.To, next.From.Add(next.stepped))
	}
	return d, ok
}

// span is the time between two moments, if that can be.
func span(from, to time.Time) (time.Duration, bool) {
	d := to.Sub(from)
	if from.Before(earliest) || to.Before(earliest) || d < -sameMoment {
		return 0, false
	}
	return max(d, 0), true
}

// History takes the records of a log, oldest first, and knows the boots. The zero
// History is ready for use.
type History struct {
	boots []Boot
	last  utmpx.Time // of the last record in the boot
	most  utmpx.Time // the latest in it, since the clock was set
	old   time.Time  // of an OLD_TIME
	found bool
}

// Boots returns all boots, oldest first. The last one may be Open.
func (h *History) Boots() []Boot {
	if n := len(h.boots); n > 0 && h.boots[n-1].End == Open {
		h.boots[n-1].To = h.alive()
	}
	return h.boots
}

// Found reports whether there was any record.
func (h *History) Found() bool { return h.found }

// present returns the boot that goes on, and begins one if there is none: the log
// does not go back to its record, or has none.
func (h *History) present(at utmpx.Time) *Boot {
	if n := len(h.boots); n > 0 && h.boots[n-1].End == Open {
		return &h.boots[n-1]
	}
	h.boots = append(h.boots, Boot{From: at.Time(), To: at.Time()})
	h.last, h.most = at, at
	return &h.boots[len(h.boots)-1]
}

// Ordinary takes a record that is of no other kind than Login and Other.
func (h *History) Ordinary(at utmpx.Time, login bool) {
	h.found = true
	if at.Sec <= 0 {
		return
	}
	n := len(h.boots)
	if n == 0 || h.boots[n-1].End != Open {
		// Behind the end come the logouts that it caused. But who logs in then
		// does so in a boot of which there is no record.
		if n > 0 && !login {
			return
		}
		h.present(at)
	}
	h.last = at
	if later(at, h.most) {
		h.most = at
	}
}

// Add takes a record.
func (h *History) Add(r utmpx.Record) {
	kind := KindOf(r)
	if kind == Other || kind == Login {
		h.Ordinary(r.Time, kind == Login)
		return
	}
	h.found = true
	switch kind {
	case Began:
		h.began(r.Time)
	case BeganAgo:
		if n := len(h.boots); n > 0 && h.boots[n-1].End == Open && !h.boots[n-1].Told {
			h.boots[n-1].Told = true // and From is the first login in it
			h.Ordinary(r.Time, false)
			return
		}
		h.began(r.Time)
	case Ended:
		h.ended(r)
	case OldClock:
		h.old = r.Time.Time()
	case NewClock:
		if !h.old.IsZero() {
			h.present(r.Time).stepped += r.Time.Time().Sub(h.old)
		}
		h.last, h.most, h.old = r.Time, r.Time, time.Time{}
	}
}

func (h *History) began(at utmpx.Time) {
	if n := len(h.boots); n > 0 && h.boots[n-1].End == Open {
		b := &h.boots[n-1]
		if b.Told && absent(at.Time().Sub(b.From)) && absent(h.last.Time().Sub(b.From)) && !b.From.Before(earliest) {
			return // written by two
		}
		if !b.Told && absent(at.Time().Sub(b.From)) && !b.From.Before(earliest) {
			b.Told, b.From = true, at.Time() // init had something to record before it
			h.Ordinary(at, false)
			return
		}
		b.End, b.To, b.By = Crashed, h.alive(), FromRecords
	}
	h.boots = append(h.boots, Boot{From: at.Time(), To: at.Time(), Told: true})
	h.last, h.most, h.old = at, at, time.Time{}
}

// absent reports whether a difference is none to speak of.
func absent(d time.Duration) bool { return d.Abs() <= sameMoment }

// ended takes the record of an end. A later one in the same boot is the better
// one: first the run level is left, at last the system.
func (h *History) ended(r utmpx.Record) {
	e, by, crash := ParseCrash(r)
	n := len(h.boots)
	if n == 0 {
		h.present(r.Time)
		n = 1
	}
	b := &h.boots[n-1]
	b.To, b.End, b.Exact, b.By, b.Noted = r.Time.Time(), ShutDown, Exactness{Known: true}, "", true
	if crash {
		b.End, b.Exact, b.By = Crashed, e, by
	}
}

// alive is when the system was last known to be up in the present boot: the
// latest record of it, but if the clock was set back without a word, the last.
func (h *History) alive() time.Time {
	if last, most := h.last.Time(), h.most.Time(); most.Sub(last) > lateLogout {
		return last
	}
	return h.most.Time()
}

func later(a, b utmpx.Time) bool {
	return a.Sec > b.Sec || a.Sec == b.Sec && a.Usec > b.Usec
}
