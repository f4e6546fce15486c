// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"iter"

	"utmpd.dev/utmpd/internal/session"
)

// Standing is how a session's record stands.
type Standing uint8

const (
	Unsettled Standing = iota // an answer is awaited
	Lives                     // a process of the session lives
	Doubtful                  // its process is dead or unknown, and its record stays
	Dead                      // its record is to be cleaned
)

// View is what the table knows of a session of the utmpx file.
type View struct {
	Slot     int
	Standing Standing
	Process  session.ID // by which it lives, as far as it is known
	Led      bool       // that is not the record's process
	Found    string     // what showed that it is dead; "": it has no process any more
	Leader   session.ID // of its line, if it is the process or below it
	Outer    session.ID // of its line, if it is above the process
}

// Views yields the sessions of the utmpx file, in the order of their slots.
func (t *Table) Views() iter.Seq[View] {
	return func(yield func(View) bool) {
		for s := range t.utmpx.each() {
			if !yield(s.view()) {
				return
			}
		}
	}
}

func (s *entry) view() View {
	v := View{Slot: int(s.place), Process: s.process(), Led: s.led, Found: s.found.String()}
	if s.sight != nil {
		v.Leader, v.Outer = s.sight.Leader, s.sight.Outer
	}
	switch s.state {
	case watched, unwatchedNow:
		v.Standing = Lives
	case cleaning:
		v.Standing = Dead
	case dying, done:
		v.Standing = Doubtful
	}
	return v
}

// Sum identifies the bytes of a record in a checkpoint.
func Sum(raw string) [16]byte { return sumOf(raw) }
