// SPDX-License-Identifier: BSD-2-Clause

package boots

import (
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Checkpoint is what a [History] knows of the last boot, for a reader that goes on with
// the next record in another process. The boots before are left out, and so is what the
// records show of a clock that was set without a record.
type Checkpoint struct {
	From     time.Time  `json:"from"`
	Recorded bool       `json:"recorded,omitempty"`
	Ended    bool       `json:"ended,omitempty"`
	Leveled  bool       `json:"leveled,omitempty"`
	Stepped  int64      `json:"stepped_ns,omitempty"`
	Last     utmpx.Time `json:"last"`
	Most     utmpx.Time `json:"most"`
	Init     utmpx.Time `json:"init"`
	Apart    bool       `json:"apart,omitempty"`
	Hole     bool       `json:"hole,omitempty"`
	Sure     *time.Time `json:"sure,omitempty"`
	Old      *time.Time `json:"old,omitempty"`
}

// Checkpoint returns what [Resume] needs to go on after the records added. It is nil if
// there was no boot.
func (h *History) Checkpoint() *Checkpoint {
	n := len(h.boots)
	if n == 0 {
		return nil
	}
	b := h.boots[n-1]
	c := &Checkpoint{
		From: b.From, Recorded: b.Recorded, Ended: b.End != Open, Leveled: b.leveled, Stepped: int64(b.stepped),
		Last: h.last, Most: h.most, Init: h.init, Apart: h.apart, Hole: h.hole,
	}
	if !h.old.IsZero() {
		old := h.old
		c.Old = &old
	}
	if h.hole {
		sure := h.sure
		c.Sure = &sure
	}
	return c
}

// Resume returns a History that goes on after a checkpoint. nil is the beginning.
func Resume(c *Checkpoint) *History {
	h := &History{}
	if c == nil {
		return h
	}
	b := Boot{From: c.From, To: c.From, Recorded: c.Recorded, leveled: c.Leveled, stepped: time.Duration(c.Stepped)}
	if c.Ended {
		b.End = ShutDown
	}
	h.boots, h.found = []Boot{b}, true
	h.last, h.most, h.init, h.apart, h.hole = c.Last, c.Most, c.Init, c.Apart, c.Hole
	if c.Old != nil {
		h.old = *c.Old
	}
	if h.sure = h.alive(); c.Sure != nil {
		h.sure = *c.Sure
	}
	return h
}

// Latest returns the last boot so far, and how many there were; none is the zero Boot. Its
// To is the time of its end, or the last sign of life.
func (h *History) Latest() (b Boot, n int) {
	if n = len(h.boots); n == 0 {
		return Boot{}, 0
	}
	b = h.boots[n-1]
	if b.End == Open {
		b.To, b.Damaged = h.lastSign(), h.hole
	}
	return b, n
}

// Recent returns the boots that were not forgotten, oldest first. Of two boots that follow each
// other, the first has ended.
func (h *History) Recent() []Boot {
	b, n := h.Latest()
	if n == 0 {
		return nil
	}
	return append(slices.Clone(h.boots[:n-1]), b)
}

// Forget leaves out the boots before the last one, so that a History takes as little memory
// after years as at the beginning.
func (h *History) Forget() {
	if n := len(h.boots); n > 1 {
		h.boots = append(h.boots[:0], h.boots[n-1])
	}
}
