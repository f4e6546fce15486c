// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"errors"
	"fmt"

	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// lastRecords is how many records at the end of a log show how it goes on.
	lastRecords = 4
	// lastBytes has that many whole records of every layout, wherever they begin.
	lastBytes = (2*lastRecords + 1) * utmpx.MaxSize
)

// Takes returns nil if the log takes records, as far as it shows without a lock, and else
// the error that [Log.Append] would return, such as one of [TakesNothing].
func (l *Log) Takes() error {
	h, info, err := l.open()
	if err != nil {
		return err
	}
	defer h.Close()
	_, err = l.layoutAtEnd(h, info)
	return wrap("append to", l.name, err)
}

// layoutAtEnd returns the layout in which a log goes on. Its beginning may be damaged,
// of another machine, or cut off; what programs append to is its end. The error is
// [ErrOtherLayout] if the last records are in a layout that this system's C library
// does not write: its next record would destroy ours.
func (l *Log) layoutAtEnd(h sysfile.Handle, info sysfile.Info) (*utmpx.Layout, error) {
	block := TakeBlock()
	defer GiveBlock(block)
	known := l.detector.knownFor(info)
	if ok, err := l.goesOnIn(known, h, info.Size, *block); ok || err != nil {
		return known, err
	}
	first, undetected := l.detector.Of(h, info, *block)
	if undetected != nil && !errors.Is(undetected, ErrLayout) {
		return nil, undetected
	}
	if ok, err := l.goesOnIn(first, h, info.Size, *block); ok || err != nil {
		return first, err
	}
	p, err := readFull(h, (*block)[:min(HeadSize, info.Size)], max(0, info.Size-HeadSize))
	if err != nil {
		return nil, err
	}
	last := layoutOfLast(p, l.detector.expected, first)
	switch {
	case last == nil && l.isSystems(first):
		return first, nil // the end shows nothing
	case last == nil && undetected == nil:
		return nil, otherLayout(first)
	case last == nil:
		return nil, undetected
	case l.isSystems(last):
		return last, nil
	}
	return nil, otherLayout(last)
}

func otherLayout(l *utmpx.Layout) error {
	return fmt.Errorf("%w: the last ones are %s", ErrOtherLayout, l)
}

// isSystems reports whether this system's C library writes a layout: the expected one, or
// musl's where detection takes records for musl's.
func (l *Log) isSystems(layout *utmpx.Layout) bool {
	return layout == l.detector.expected || l.detector.guessed && (layout == utmpx.Musl400LE || layout == utmpx.Musl400BE)
}

// goesOnIn reports whether a layout is the system's and the last records, counted from
// the beginning of a file of that size, are in it.
func (l *Log) goesOnIn(layout *utmpx.Layout, h sysfile.Handle, size int64, block []byte) (bool, error) {
	if !l.isSystems(layout) {
		return false, nil
	}
	end := whole(size, layout)
	from := max(0, end-int64(lastRecords*layout.Size()))
	p, err := readFull(h, block[:end-from], from)
	fits, odd := layout.Fit(p)
	return fits > odd, err
}

// layoutOfLast returns the layout that most of the last records in p have, wherever they
// begin; nil if there are none. Of several it returns the earliest of preferred.
func layoutOfLast(p []byte, preferred ...*utmpx.Layout) *utmpx.Layout {
	end := len(p)
	for end > 0 && p[end-1] == 0 {
		end--
	}
	p = p[max(0, end-lastBytes):min(len(p), end+utmpx.MaxSize)]
	var best *utmpx.Layout
	most := 0
	for _, l := range append(preferred, utmpx.Layouts()...) {
		if l == nil {
			continue
		}
		if n := inARow(p, l); n > most {
			best, most = l, n
		}
	}
	return best
}

// inARow returns how many whole records of a layout are in p, counted where there are
// most: all at a multiple of its size from one another.
func inARow(p []byte, l *utmpx.Layout) (most int) {
	var n [utmpx.MaxSize]int
	for i := 0; i+l.Size() <= len(p); i++ {
		if isRecord(p[i:i+l.Size()], l) {
			n[i%l.Size()]++
			most = max(most, n[i%l.Size()])
		}
	}
	return most
}

// isRecord reports whether b is beyond doubt a record of a layout: it has a line, and
// nothing outside its fields or behind its strings.
func isRecord(b []byte, l *utmpx.Layout) bool {
	if fits, _ := l.Fit(b); fits == 0 {
		return false
	}
	r := l.Decode(string(b))
	if r.Line == "" {
		return false
	}
	plain, err := l.Encode(utmpx.Record{
		Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Exit: r.Exit, Session: r.Session, Time: r.Time, Addr: r.Addr,
	})
	return err == nil && string(plain) == string(b)
}
