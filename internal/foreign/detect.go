// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"bytes"
	"math/bits"
	"slices"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// Detect returns the form of a file that begins with head: the only one that it can have;
// nil if there is none, or more than one, or if records of the systems that have utmpd are
// in it.
func Detect(head []byte) *Form {
	var fit []*Form
	for _, f := range forms {
		if f.fits(head) {
			fit = append(fit, f)
		}
	}
	best := slices.IndexFunc(fit, func(f *Form) bool {
		return !slices.ContainsFunc(fit, func(g *Form) bool { return g != f && !f.beats(g, head) })
	})
	if best < 0 || !fit[best].ordered(head) {
		return nil
	}
	// Between two records of macOS may be what looks like one of Linux.
	own := grid.Survey(head)
	if n, _ := fit[best].spread(head, asIs); own.Aligned > 0 || 2*int64(own.Moved) > n {
		return nil
	}
	return fit[best]
}

// looked is how many bytes decide at first: most files of other systems are not looked at
// any further.
const looked = 1 << 12

// fits reports whether nine of ten bytes, without zeros, are records of the form, and what is
// sure is more than what is odd.
func (f *Form) fits(head []byte) bool {
	if len(head) > looked && !f.mostly(head[:looked]) {
		return false
	}
	return f.mostly(head)
}

func (f *Form) mostly(head []byte) bool {
	if f.bare(head) {
		return true
	}
	n := f.count(head)
	if f.begins(head) && n.first {
		return n.sure+n.undated > n.odd && n.good >= n.junk
	}
	return f.enough(n, head) && n.sure >= 9*n.odd && n.good >= 9*n.bad && (n.bad == 0 && n.sized || n.sure >= few)
}

// counts are what a file has, read in a form.
type counts struct {
	good, junk int64 // bytes of records and of damage that are not 0
	bad        int64 // bytes of damage, but for zeros where whole records could be
	sure, odd  int64 // records that can be nothing else, and others
	undated    int64 // records of a clock that was not set
	named      int64 // of the sure ones, those on a line that is named as such
	first      bool  // a record is where the first one is due
	sized      bool  // that, or two stand in a row: they have the form's size
}

func (f *Form) count(head []byte) (n counts) {
	c := logs.Content{Size: int64(len(head)), At: func(from, to int64) ([]byte, error) { return head[from:to], nil }}
	for p := range f.Forward(c, 0) {
		size := p.End - p.Off
		filled := size - int64(bytes.Count(head[p.Off:p.End], []byte{0}))
		switch {
		case p.Records == nil && p.End == c.Size && size < int64(f.most()):
			// It goes on behind the head, or it is torn.
		case p.Records == nil:
			n.junk += filled
			if n.bad += filled; zeros(head, p.Off, p.End) < f.most() {
				n.bad += size - filled // records of another size do not stand for this one
			}
		default:
			n.first = n.first || p.Off == 0 || p.Off == int64(f.layout.Size()) && f.signed
			n.sized = n.sized || n.first || size > int64(f.layout.Size()) || f.trimmed
			n.good += filled
			for b := p.Records; len(b) > 0; b = b[f.layout.Size():] {
				f.weigh(&n, b[:f.layout.Size()])
			}
		}
	}
	return n
}

// zeros returns how many zeros stand together before, in and after a part of a file.
func zeros(head []byte, from, to int64) int {
	before := len(head[:from]) - len(bytes.TrimRight(head[:from], "\x00"))
	return before + len(head[from:]) - len(bytes.TrimLeft(head[from:], "\x00"))
}

// weigh counts a record.
func (f *Form) weigh(n *counts, b []byte) {
	if blank(b) {
		return
	}
	switch r := f.decode(b); {
	case f.strictWhole(b):
		n.sure++
		if terminal(r.Line) {
			n.named++
		}
	case !f.vague(r, b):
		n.odd++
	case r.Type != utmpx.Empty:
		n.undated++
	}
}

// begins reports whether the file begins with a signature that is nothing else.
func (f *Form) begins(head []byte) bool {
	return f.header(head) && f.layout.Canonical(head[:f.layout.Size()])
}

// bare reports whether the file is a signature alone: nobody has logged in yet. One of 516
// bytes may as well be the beginning of one of 520.
func (f *Form) bare(head []byte) bool {
	return len(head) == f.layout.Size() && len(head) > utmpx.NetBSD516LE.Size() && f.begins(head)
}

// few records stand for a form only if nothing is between them.
const few = 8

// enough reports whether the sure records make a file. Of the short ones without a type, one
// could be anything, unless there is nothing but such on lines that are named as such; and one
// of 36 bytes may be the beginning of one of 40.
func (f *Form) enough(n counts, head []byte) bool {
	size := f.layout.Size()
	if size > utmpx.NetBSD40LE.Size() || n.sure >= 3 {
		return n.sure > 0
	}
	whole := int(n.sure) * size
	if n.named < n.sure || whole < utmpx.NetBSD40LE.Size() {
		return false
	}
	rest := head[whole:]
	return len(rest) < size && (len(rest) == 0 || !blank(rest))
}

// beats reports whether the times of f's records lie much closer together than those of g:
// in the wrong byte order they are anywhere. Where g has one record, f beats it if only g
// leaves bytes over.
func (f *Form) beats(g *Form, head []byte) bool {
	n, a := f.spread(head, asIs)
	m, b := g.spread(head, asIs)
	if n > 0 && m == 1 {
		return len(head)%f.layout.Size() == 0 && len(head)%g.layout.Size() != 0
	}
	return n > 1 && m > 1 && a < b/8
}

// ordered reports whether nothing speaks for the other byte order: a time of 32 bits can be
// one in both, and damage can hide all records of the right one.
func (f *Form) ordered(head []byte) bool {
	if f.layout.Size() > utmpx.NetBSD36LE.Size() {
		return true
	}
	_, a := f.spread(head, asIs)
	_, b := f.spread(head, swapped)
	return a < b/8
}

func asIs(sec int64) int64 { return sec }

func swapped(sec int64) int64 { return int64(bits.ReverseBytes32(uint32(sec))) }

// spread returns how many records there are, and within how many seconds.
func (f *Form) spread(head []byte, as func(sec int64) int64) (n, within int64) {
	c := logs.Content{Size: int64(len(head)), At: func(from, to int64) ([]byte, error) { return head[from:to], nil }}
	first, last := int64(1)<<62, int64(0)
	for p := range f.Forward(c, 0) {
		for b := p.Records; len(b) > 0; b = b[f.layout.Size():] {
			if at := as(f.decode(b[:f.layout.Size()]).Time.Sec); at > 0 {
				n, first, last = n+1, min(first, at), max(last, at)
			}
		}
	}
	return n, last - first
}
