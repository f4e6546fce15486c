// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"utmpd.dev/utmpd/internal/session"
)

// Change is what makes a later [State] of one, in the same file of records and the same
// boot. In the file it follows the state or the change before it, and has a checksum of
// itself and of theirs: none can be missing, or be another file's.
type Change struct {
	session.Changes
	Own Splice
}

// Splice is a change to the records of the bridge to logind: New take the place of Old of
// them, from At on.
type Splice struct {
	At, Old int
	New     []session.OwnRecord
}

// SpliceOf returns what makes to of from.
func SpliceOf(from, to []session.OwnRecord) Splice {
	s := Splice{Old: len(from), New: to}
	for s.Old > 0 && len(s.New) > 0 && from[s.At] == s.New[0] {
		s.At, s.Old, s.New = s.At+1, s.Old-1, s.New[1:]
	}
	for s.Old > 0 && len(s.New) > 0 && from[s.At+s.Old-1] == s.New[len(s.New)-1] {
		s.Old, s.New = s.Old-1, s.New[:len(s.New)-1]
	}
	if s.Old == 0 && len(s.New) == 0 {
		return Splice{}
	}
	return s
}

// change is the first line of a change.
const change = "change\n"

// AppendText appends the change to b, which ends with the checksum of what it follows.
func (c Change) AppendText(b []byte) ([]byte, error) {
	if len(b) < sumLine {
		return b, errors.New("state: change to nothing")
	}
	var after [sha256.Size]byte
	if _, err := hex.Decode(after[:], b[len(b)-sumLine+len(sumWord):len(b)-1]); err != nil {
		return b, errors.New("state: change to nothing")
	}
	whole := len(b)
	_, err := c.encode(after, func(p []byte) error {
		b = append(b, p...)
		return nil
	})
	if err != nil {
		return b[:whole], fmt.Errorf("state: %w", err)
	}
	return b, nil
}

// encode hands the change to write, as State.encode does, and returns its checksum. after is
// that of what it follows.
func (c Change) encode(after [sha256.Size]byte, write func([]byte) error) (sum [sha256.Size]byte, err error) {
	if !withinLimits(c.Alive, c.Sessions, c.Owed, c.Own.New) || slices.ContainsFunc(c.Gone, func(n int) bool { return !validSlot(n) }) {
		return sum, errLimits
	}
	e := newEncoder(512, write)
	e.sum.Write(after[:])
	e.b = appendTime(append(e.b, change+"alive "...), c.Alive)
	e.b = append(e.b, '\n')
	for _, slot := range c.Gone {
		e.b = append(strconv.AppendInt(append(e.b, "gone "...), int64(slot), 10), '\n')
		e.flush(piece)
	}
	e.sessions(c.Sessions)
	e.owed(c.Owed)
	if c.Own.Old > 0 || len(c.Own.New) > 0 {
		e.b = strconv.AppendInt(append(e.b, "own from "...), int64(c.Own.At), 10)
		e.b = strconv.AppendInt(append(e.b, " old "...), int64(c.Own.Old), 10)
		e.b = append(e.b, '\n')
		e.own(c.Own.New)
	}
	err = e.end()
	e.sum.Sum(sum[:0])
	return sum, err
}

// replay applies the changes that follow the state. sum is its checksum.
func (s *State) replay(sum [sha256.Size]byte, journal []byte) error {
	var all []session.Changes
	for n := 1; len(journal) > 0; n++ {
		text, rest := split(journal)
		if len(rest) == 0 && torn(text) {
			break
		}
		var c Change
		var err error
		if c, sum, err = parseChange(sum, text); err == nil {
			err = s.splice(c.Own)
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", n, err)
		}
		all, journal = append(all, c.Changes), rest
	}
	s.Apply(all...)
	return s.check()
}

// torn reports whether a change may be the beginning of one, and is not all of it.
func torn(text []byte) bool {
	if len(text) < len(change) {
		return strings.HasPrefix(change, string(text))
	}
	at := bytes.Index(text, []byte("\n"+sumWord)) + 1
	return bytes.HasPrefix(text, []byte(change)) && (at == 0 || len(text) < at+sumLine)
}

func parseChange(after [sha256.Size]byte, text []byte) (c Change, sum [sha256.Size]byte, err error) {
	if !bytes.HasPrefix(text, []byte(change)) || len(text) < len(change)+sumLine {
		return c, sum, fmt.Errorf("does not begin with %q", change)
	}
	n, spliced, proc := 1, false, session.Entry{}
	var s State // which has the same lines
	for line := range strings.Lines(string(text[len(change) : len(text)-sumLine])) {
		n++
		f := fields{rest: line}
		switch {
		case n == 2:
			c.Alive = f.word("alive ").time('\n')
		case strings.HasPrefix(line, "gone ") && len(s.Sessions)+len(s.Owed) == 0 && !spliced:
			c.Gone = append(c.Gone, int(f.word("gone ").uint('\n', 31)))
		case strings.HasPrefix(line, "own from ") && !spliced:
			spliced = true
			c.Own.At = int(f.word("own from ").uint(' ', 31))
			c.Own.Old = int(f.word("old ").uint('\n', 31))
		default:
			if err := s.line(n+4, line, &proc); err != nil {
				return c, sum, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		if f.bad || f.rest != "" {
			return c, sum, fmt.Errorf("line %d: not understood", n)
		}
	}
	c.Sessions, c.Owed, c.Own.New = s.Sessions, s.Owed, s.Own
	// As for a state, there is one way to write each.
	var again []byte
	sum, err = c.encode(after, func(p []byte) error {
		again = append(again, p...)
		return nil
	})
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("changed, or not as utmpd writes it")
	}
	return c, sum, err
}

// splice applies a change to the records of the bridge.
func (s *State) splice(c Splice) error {
	if c.At > len(s.Own) || c.Old > len(s.Own)-c.At {
		return errors.New("it is of other records of the bridge")
	}
	if c.Old > 0 || len(c.New) > 0 {
		s.Own = slices.Replace(s.Own, c.At, c.At+c.Old, c.New...)
	}
	return nil
}
