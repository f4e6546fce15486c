// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// seen is the utmpx file as it was last read while orders are carried out. A start may find
// tens of thousands of logins in doubt, a batch of which is confirmed at a time: the next
// reading, and the search for the records of a line, cost what changed.
type seen struct {
	snap *snapshot.Snapshot // nil: no records
	of   *snapshot.Snapshot // of which slots tells
	// slots are those whose record has had a line. One may be there twice, or have
	// another line by now.
	slots map[string][]int
}

// read reads the file. After an error there are no records, unless they are too many.
func (s *seen) read(file File) error {
	snap, err := file.Snapshot(s.of)
	if s.snap = snap; snap == nil {
		return err
	}
	if s.slots == nil {
		s.slots = make(map[string][]int, snap.Len())
	}
	for slot := range snap.Changed(s.of) {
		if slot >= snap.Len() {
			continue
		}
		line := snap.Record(slot).Line
		if slot >= s.of.Len() || s.of.Record(slot).Line != line {
			line = strings.Clone(line) // without the record
			s.slots[line] = append(s.slots[line], slot)
		}
	}
	s.of = snap
	return nil
}

// rivals reports whether another record fits a login as well as that of d: one of the
// utmpx file, or one that a living session had there.
func (s *seen) rivals(d session.Debt, login session.Login) bool {
	if s.rivalsOn(d.Login.Line, d, login) || login.Line != d.Login.Line && s.rivalsOn(login.Line, d, login) {
		return true
	}
	return slices.ContainsFunc(d.Rivals, func(o utmpx.Record) bool { return !follows(d.Login, o, login) && rivals(o, d.Login, login) })
}

// rivalsOn is rivals for the records of one line of the utmpx file.
func (s *seen) rivalsOn(line string, d session.Debt, login session.Login) bool {
	for _, slot := range s.slots[line] {
		if slot >= s.snap.Len() {
			continue
		}
		o := s.snap.Record(slot)
		if o.PID == d.Login.PID && o.Line == d.Login.Line {
			continue // it is as dead as d
		}
		if rivals(o, d.Login, login) {
			return true
		}
	}
	return false
}
