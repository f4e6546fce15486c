// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// hole is a time of a boot of which the log is damaged. The boot may have ended there, and
// the next one begun: the records after the hole are then of that one.
type hole struct {
	from, to time.Time     // the records around it
	stepped  time.Duration // the steps of the clock before it
	later    time.Duration // those after it
	last     bool          // no other one follows in the boot
}

// Damage notes that the log is damaged between the records added before and after.
func (h *History) Damage() {
	b := h.open()
	if b == nil {
		h.gap = true
		return
	}
	h.dropInit() // of which boot they are, the damage hides
	if !h.hole {
		h.hole, h.sure = true, h.alive()
	}
}

// passHole adds a record after the damage that shows that a boot went on. Which one, the
// damage hides.
func (h *History) passHole(at utmpx.Time) {
	if b := h.open(); h.hole && b != nil && at.Sec > 0 {
		b.holes = append(b.holes, hole{from: h.sure, to: at.Time(), stepped: b.stepped})
		h.hole = false
	}
}

// openHole takes back the last hole's end if it was just before at: the records between are
// of the boot that begins at at.
func (h *History) openHole(at utmpx.Time) {
	b := h.open()
	if b == nil || len(b.holes) == 0 {
		return
	}
	if last := b.holes[len(b.holes)-1]; at.Time().Sub(last.to).Abs() < Late {
		b.holes = b.holes[:len(b.holes)-1]
		h.hole, h.sure = true, last.from
	}
}

// endsAgain adds another record of an end. Behind damage it may be that of another boot.
func (h *History) endsAgain(at time.Time) {
	if b := &h.boots[len(h.boots)-1]; b.End != Open && h.gap {
		b.holes = append(b.holes, hole{from: b.To, to: at, stepped: b.stepped})
		h.gap = false
	}
}

// lastSign returns when the open boot was last known to be up.
func (h *History) lastSign() time.Time {
	if h.hole {
		return h.sure
	}
	return h.alive()
}

// Holed reports whether the log is damaged between b's records: they may be of two boots
// or more.
func (b Boot) Holed() bool { return len(b.holes) > 0 }

// hides reports whether the log is damaged where the records of a later boot may have been.
func (b Boot) hides() bool { return b.Damaged || b.lostAfter || b.Holed() }

// lost returns how much of the time between two moments lies in b's holes.
func (b Boot) lost(from, to time.Time) (d time.Duration) {
	for _, h := range b.holes {
		d += max(0, earlier(h.to, to).Sub(latest(h.from, from)))
	}
	return d
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
