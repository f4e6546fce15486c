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
	Open     End = iota // no end is known
	ShutDown            // the system was shut down
	Crashed             // a record says so, or the next boot began without a shutdown
)

// String returns "open", "shut down" or "crashed".
func (e End) String() string {
	return [...]string{"open", "shut down", "crashed"}[e]
}

const (
	// sameMoment is the largest difference between two records of one moment.
	sameMoment = 2 * time.Second
	// lateLogout is how much older than the record before it a record may be
	// if the clock was not set: a logout is written when it is found.
	lateLogout = 10 * time.Minute
)

// earliest is the earliest time that is believed. A clock without a battery
// starts in 1970.
var earliest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Boot is one boot of the system, from its beginning to its end.
type Boot struct {
	From        time.Time // of its record, or of the first record in it if it has none
	Recorded    bool      // it has a record of its own
	To          time.Time // when it ended, or was last known to be up
	End         End
	Exact       Exactness     // of To
	By          Source        // of To; empty for a recorded shutdown and while Open
	EndRecorded bool          // its end has a record
	Ledger      bool          // a ledger told what the log does not
	Damaged     bool          // the record of its end may have been in a damaged part of the log
	holes       []hole        // in its time
	lostBefore  bool          // the log is damaged between the boot before and its beginning
	lostAfter   bool          // the log is damaged after its end, and no boot follows
	Slept       time.Duration // how long it was suspended
	SleptKnown  bool
	stepped     time.Duration // the sum of the recorded steps of the clock
	whole       bool          // and all of it: the log has no record of the boot
	counted     time.Time     // when it began, by the kernel's count; zero if unknown
	leveled     bool          // it has the record of a run level that followed none
	clock       settling
}

// Up returns how long the system was up; if the end is not exact, or if b is
// [Boot.Doubtful], the least it can be. ok is false if nothing is known.
func (b Boot) Up() (d time.Duration, ok bool) {
	if !b.set() {
		return span(b.began(), b.To)
	}
	if b.clock.settled == (utmpx.Time{}) {
		return 0, false
	}
	d, ok = span(b.clock.settled.Time(), b.To)
	return d, ok && d > 0
}

// Down returns how long the system was down between b and the next boot; if b's
// end is not exact, the most it can be. ok is false if the clocks do not agree.
func (b Boot) Down(next Boot) (d time.Duration, ok bool) {
	if !next.Recorded || next.Doubtful() {
		return 0, false
	}
	// A clock that was set soon after the beginning was wrong then. One that was set
	// later may have been as wrong at b's end.
	for _, by := range [...]time.Duration{next.clock.early, 0, next.stepped} {
		if d, ok = span(b.To, next.From.Add(by)); ok {
			break
		}
	}
	return d, ok && (b.Exact.Known || d > 0)
}

// span returns the time between two moments. ok is false if one of them cannot
// be believed, or to is before from.
func span(from, to time.Time) (d time.Duration, ok bool) {
	d = to.Sub(from)
	if unset(from) || unset(to) || d < -sameMoment {
		return 0, false
	}
	return max(d, 0), true
}

// History collects boots from the records of a log, which are added oldest
// first. The zero History is ready for use.
type History struct {
	boots []Boot
	last  utmpx.Time // of the last record in the boot
	most  utmpx.Time // the latest time in the boot since the clock was set
	init  utmpx.Time // of the last Init record, if no other record followed it; else zero
	apart bool       // the Init records up to that one are by two clocks
	level utmpx.Time // of the first run level, if that is one of the Init records; else zero
	old   time.Time  // of an OLD_TIME without its NEW_TIME; else zero
	hole  bool       // a damaged part of the log follows the boot's records, and nothing that shows that it went on
	sure  time.Time  // the boot's last sign of life before that part
	gap   bool       // a damaged part of the log follows the end of the boot
	found bool
}

// Boots returns all boots, oldest first. The last one may be Open.
func (h *History) Boots() []Boot {
	if b := h.open(); b != nil {
		b.To, b.Damaged = h.lastSign(), h.hole
	} else if n := len(h.boots); n > 0 {
		h.boots[n-1].lostAfter = h.gap
	}
	markRestarts(h.boots)
	markAhead(h.boots)
	return h.boots
}

// Found reports whether any record was added.
func (h *History) Found() bool { return h.found }

// open returns the last boot if it is Open, else nil.
func (h *History) open() *Boot {
	if n := len(h.boots); n > 0 && h.boots[n-1].End == Open {
		return &h.boots[n-1]
	}
	return nil
}

// present returns the boot that is Open. If there is none, it begins one without
// a record of its own.
func (h *History) present(at utmpx.Time) *Boot {
	if b := h.open(); b != nil {
		return b
	}
	h.boots = append(h.boots, Boot{From: at.Time(), To: at.Time(), lostBefore: h.gap})
	h.last, h.most, h.gap = at, at, false
	return &h.boots[len(h.boots)-1]
}

// Ordinary adds a record of kind Login or Other, by its type. A record without a
// user does not begin a boot, though its type may be that of a login.
func (h *History) Ordinary(at utmpx.Time, typ utmpx.Type) {
	h.ordinary(at, typ == utmpx.UserProcess, typ != utmpx.DeadProcess)
}

// ordinary adds a record of kind Login or Other. prompt is false of one that may be
// written long after its time, as a logout.
func (h *History) ordinary(at utmpx.Time, login, prompt bool) {
	h.found = true
	h.keepInit()
	if at.Sec <= 0 || h.open() != nil && unset(at.Time()) && !unset(h.most.Time()) {
		return // no time, or none of this clock
	}
	if h.open() == nil {
		// The logouts that an end causes follow it in the log. A login after
		// an end belongs to a new boot that has no record.
		if len(h.boots) > 0 && !login {
			return
		}
		h.present(at)
	}
	if prompt {
		if h.open().setBack(at) {
			h.most = at // the times before are by a clock that was ahead
		}
		if h.hole {
			h.passHole(at)
		}
	}
	h.seen(at)
}

// seen notes that the system was up at that time.
func (h *History) seen(at utmpx.Time) {
	h.open().clock.sees(h.last, at)
	h.last = at
	if later(at, h.most) {
		h.most = at
	}
}

// byInit adds an Init record. sysvinit writes them before BOOT_TIME, with the time of
// the new boot. So whether the last boot still went on shows with the next record.
func (h *History) byInit(at utmpx.Time) {
	h.found = true
	if at.Sec > 0 && h.open() != nil {
		if h.init != (utmpx.Time{}) && unset(at.Time()) && !unset(h.init.Time()) {
			h.keepInit() // such a clock starts at its first second at each boot: those before are the last one's
		}
		h.apart = h.apart || h.init != (utmpx.Time{}) && h.init.Time().Sub(at.Time()).Abs() > Late
		h.init = at
	}
}

// keepInit takes the Init records since the last other record as signs of life of the
// boot that is open.
func (h *History) keepInit() {
	if h.init != (utmpx.Time{}) {
		h.seen(h.init)
		if h.level != (utmpx.Time{}) {
			h.open().firstLevel(h.level)
		}
		h.dropInit()
	}
}

// dropInit forgets the Init records since the last other record.
func (h *History) dropInit() { h.init, h.apart, h.level = utmpx.Time{}, false, utmpx.Time{} }

// Add adds a record of any kind.
func (h *History) Add(r utmpx.Record) {
	kind := KindOf(r)
	switch kind {
	case Other, Login:
		switch r.Type {
		case utmpx.RunLevel:
			h.runLevel(r)
			return
		case utmpx.Empty:
			return // it says that nothing in it holds
		}
		h.ordinary(r.Time, kind == Login, kind == Login || r.Type == utmpx.LoginProcess)
		return
	case Init:
		h.byInit(r.Time)
		return
	}
	h.found = true
	if !kind.BeginsBoot() {
		h.keepInit()
	}
	switch kind {
	case Began:
		h.began(r.Time)
	case BeganEarlier:
		h.beganEarlier(r.Time)
	case Ended:
		h.ended(r)
	case OldClock:
		h.passHole(r.Time)
		h.old = r.Time.Time()
	case NewClock:
		h.passHole(r.Time)
		if !h.old.IsZero() {
			h.present(utmpx.TimeOf(h.old)).step(h.old, r.Time.Time())
		} else if b := h.open(); b != nil {
			b.clock.contradict(r.Time) // by how much it was set is not known
		}
		h.last, h.most, h.old = r.Time, r.Time, time.Time{}
	}
}

// runLevel adds the record of a run level other than those that end a boot.
func (h *History) runLevel(r utmpx.Record) {
	before := r.PID >> 8 & 0xff
	if b := h.open(); b != nil && before == 'N' && (b.leveled || h.init != (utmpx.Time{}) && b.late(r.Time)) {
		h.byInit(r.Time) // of the boot that follows, if its record does
		if !b.leveled && h.level == (utmpx.Time{}) {
			h.level = r.Time
		}
		return
	}
	// No other record shows the start where an init records run levels alone.
	h.ordinary(r.Time, before == 'N', true)
	if b := h.open(); b != nil && (before == 'N' || before == 0) && r.Time.Sec > 0 {
		b.firstLevel(r.Time)
	}
}

// beganEarlier adds a BeganEarlier record. If a boot without a record of its own
// is open, this is its record, and its first login stays its beginning.
func (h *History) beganEarlier(at utmpx.Time) {
	b := h.open()
	if b == nil || b.Recorded || b.lostBefore && at.Time().Sub(b.From) > Late {
		h.openHole(at)
		h.began(at)
		return
	}
	b.Recorded = true
	h.ordinary(at, false, false)
}

// began adds a Began record. The Init records before it are of this boot.
func (h *History) began(at utmpx.Time) {
	// Init records of another time are of another boot, though both began at one second.
	other := h.apart || h.init != (utmpx.Time{}) && h.init.Time().Sub(at.Time()).Abs() > Late
	h.keepLevel(at)
	h.dropInit()
	if b := h.open(); b != nil {
		again := same(at.Time(), b.From) && !b.From.Before(earliest) && !other
		switch {
		case again && b.Recorded && same(h.last.Time(), b.From):
			return // two programs have recorded this boot
		case again && !b.Recorded:
			b.Recorded, b.From = true, at.Time() // init wrote other records before this one
			h.ordinary(at, false, false)
			return
		}
		b.To = h.lastSign()
		if b.Damaged = h.hole; !b.Damaged {
			b.End, b.By = Crashed, FromRecords
		}
	}
	b := Boot{From: at.Time(), To: at.Time(), Recorded: true, lostBefore: h.hole || h.gap}
	h.hole, h.gap = false, false
	if n := len(h.boots); n > 0 {
		b.clock.ended = utmpx.TimeOf(h.boots[n-1].To)
	}
	h.boots = append(h.boots, b)
	h.last, h.most, h.old = at, at, time.Time{}
}

// keepLevel takes a run level among the Init records as a sign of life of the boot that is open,
// if it is not of the boot that begins at that time: the clock started elsewhere again.
func (h *History) keepLevel(at utmpx.Time) {
	if b := h.open(); b != nil && h.level != (utmpx.Time{}) && h.level.Time().Sub(at.Time()).Abs() > bootSettled {
		h.seen(h.level)
		b.firstLevel(h.level)
	}
}

// same reports whether two times mean one moment.
func same(a, b time.Time) bool { return a.Sub(b).Abs() <= sameMoment }

// ended adds the record of an end. Of several in one boot the last one counts:
// init records the change of the run level before the end of the system.
func (h *History) ended(r utmpx.Record) {
	e, by, crash := ParseCrash(r)
	h.gap = h.gap || h.hole && foundLater(r) // whole boots may be in the damage behind that end
	n := len(h.boots)
	if n == 0 {
		h.present(r.Time)
		n = 1
	}
	b := &h.boots[n-1]
	h.passHole(r.Time)
	h.endsAgain(r.Time.Time())
	if r.Time.Sec > 0 && b.End == Open {
		b.setBack(r.Time)
		b.clock.sees(h.last, r.Time)
	}
	b.To, b.End, b.Exact, b.By, b.EndRecorded = r.Time.Time(), ShutDown, Exactness{Known: true}, "", true
	if crash {
		b.End, b.Exact, b.By = Crashed, e, by
	}
}

// alive returns when the system was last known to be up in the open boot: the
// time of its latest record, or, if the clock was set back without a record of
// that, of its last one.
func (h *History) alive() time.Time {
	if last, most := h.last.Time(), h.most.Time(); most.Sub(last) > lateLogout {
		return last
	}
	return h.most.Time()
}

func later(a, b utmpx.Time) bool {
	return a.Sec > b.Sec || a.Sec == b.Sec && a.Usec > b.Usec
}
