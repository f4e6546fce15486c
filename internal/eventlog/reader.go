// SPDX-License-Identifier: BSD-2-Clause

// Package eventlog reads the events of a log: it joins the records of package logs with the
// judgement of package events, tells what is missing, and knows where reading goes on.
package eventlog

import (
	"fmt"
	"time"

	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// Reader takes the records of a log, oldest first, and what could not be read of it.
type Reader struct {
	Stream *events.Stream

	from logs.Position // where nothing was read: the place before the next record
	last last
	hole bool // something could not be read since
}

// New returns a Reader that goes on at a position, with what is known up to there.
func New(s *events.Stream, from logs.Position) *Reader { return &Reader{Stream: s, from: from} }

// last is the record read last, without its text: its bytes are kept here, since those
// that were read are overwritten.
type last struct {
	logs.Where
	gen snapshot.Generation
	at  utmpx.Time
	raw []byte // empty: there is none
}

func (l *last) take(e *logs.Entry) {
	l.Where, l.gen, l.at, l.raw = e.Where, e.Generation, e.Record.Time, append(l.raw[:0], e.Raw()...)
}

// Record takes a record, and calls emit for each event that follows. place returns an ID of
// the record: it is called only if there is an event.
func (r *Reader) Record(e logs.Entry, place func() string, emit func(events.Event)) {
	if r.hole && !r.follows(e) && !r.lastTime().IsZero() {
		emit(r.Stream.Lost(r.lastTime(), e.Record.Time.Time(), place()+"/gap"))
	}
	r.hole = false
	r.Stream.Add(e.Record, place, emit)
	r.last.take(&e)
}

// Hole notes that something could not be read here.
func (r *Reader) Hole() { r.hole = true }

// Gap takes the news that the record after which reading was to go on is gone, and returns
// the event that tells it. If no record follows yet, call Skip with the end of the log.
func (r *Reader) Gap(g *logs.GapError) events.Event {
	return r.Stream.Lost(g.After, g.Before, fmt.Sprintf("gap:%d.%06d", g.After.Unix(), g.After.Nanosecond()/1000))
}

// Skip makes a position the place where reading goes on.
func (r *Reader) Skip(to logs.Position) { r.from, r.last = to, last{} }

// Position returns the place after the record read last.
func (r *Reader) Position() logs.Position {
	if len(r.last.raw) > 0 {
		return r.last.After(string(r.last.raw), r.last.at)
	}
	return r.from
}

// follows reports whether a record begins where the one read last ended, so that nothing
// was between them.
func (r *Reader) follows(e logs.Entry) bool {
	n := int64(len(r.last.raw))
	return n > 0 && e.Generation == r.last.gen && e.Offset == r.last.Offset+n
}

// lastTime returns the time of the record read last; the zero time if there is none.
func (r *Reader) lastTime() time.Time {
	if len(r.last.raw) > 0 {
		return r.last.at.Time()
	}
	return r.from.Time()
}
