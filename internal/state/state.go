// SPDX-License-Identifier: BSD-2-Clause

// Package state keeps what must survive a restart of the daemon: which processes
// it watched, which records it took for theirs, which logouts it still owes. The
// file is text that an auditor can read. It holds a state, which ends with a checksum
// and is believed whole or not at all, and after it the changes since, see [Change].
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// header is the first line; a file of another version is not believed.
const header = "utmpd-table 1\n"

// Limits of a state. A state beyond them is neither written nor believed. They
// hold as many sessions as a utmpx file may have, each with a logout that waits.
const (
	MaxSize     = 128 << 20 // bytes of the file
	MaxSessions = 1 << 20
	MaxOwed     = 1 << 17
	MaxOwn      = 1 << 17
	MaxString   = 256 // bytes of a boot id
)

// ErrCorrupt is the error of a state that must not be believed: cut short,
// changed, of another version, beyond the limits, or in a file that others
// could have written.
var ErrCorrupt = errors.New("not a state to believe")

// State is what the daemon knew at one moment. Times are kept to the nanosecond,
// in UTC. The zero time is no time.
type State struct {
	BootID string
	File   snapshot.Generation // the utmpx file that slots refer to
	session.Checkpoint

	Own []session.OwnRecord // the records that the bridge to logind has written
}

// AppendText appends the state as its file holds it. It fails if the state is
// beyond the limits or has a time outside the years 0 to 9999. The exception is a
// logout that ended at such a time, as a hostile record can have it end: it is
// left out, so that the rest is saved.
func (s State) AppendText(b []byte) ([]byte, error) {
	err := s.encode(func(p []byte) error {
		b = append(b, p...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return b, nil
}

// encode hands the state to write, piece by piece: of tens of thousands of processes it
// is megabytes. write must not keep the pieces.
func (s State) encode(write func([]byte) error) error {
	_, err := s.encodeSum(write)
	return err
}

// encodeSum is encode, and returns the checksum.
func (s State) encodeSum(write func([]byte) error) (sum [sha256.Size]byte, err error) {
	if err := s.check(); err != nil {
		return sum, err
	}
	e := newEncoder(piece+4*maxRaw, write)
	e.b = s.appendHead(e.b)
	e.sessions(s.Sessions)
	e.owed(s.Owed)
	e.own(s.Own)
	err = e.end()
	e.sum.Sum(sum[:0])
	return sum, err
}

const (
	piece  = 32 << 10          // about how many bytes an encoder hands over at once
	maxRaw = 2 * utmpx.MaxSize // room for a record in hexadecimal digits
)

// encoder sums up the text in b and hands it over. After an error it does nothing.
type encoder struct {
	write func([]byte) error
	sum   hash.Hash
	size  int
	b     []byte
	err   error
}

func newEncoder(room int, write func([]byte) error) *encoder {
	return &encoder{write: write, sum: sha256.New(), b: make([]byte, 0, room)}
}

func (e *encoder) sessions(all []session.Entry) {
	for i := range all {
		if i == 0 || !sameProc(&all[i-1], &all[i]) {
			e.b = appendProc(e.b, &all[i])
		}
		e.b = appendRecord(e.b, &all[i])
		e.flush(piece)
	}
}

func (e *encoder) owed(all []session.Debt) {
	for i := range all {
		if storable(&all[i]) {
			e.b = appendOwed(e.b, &all[i])
			e.flush(piece)
		}
	}
}

func (e *encoder) own(all []session.OwnRecord) {
	for i := range all {
		e.b = appendOwn(e.b, &all[i])
		e.flush(piece)
	}
}

// flush hands over what there is, if it is at least that much.
func (e *encoder) flush(least int) {
	if len(e.b) < least || e.err != nil {
		return
	}
	e.sum.Write(e.b)
	e.size += len(e.b)
	e.err = e.write(e.b)
	e.b = e.b[:0]
}

// end writes what there is, and the line with the checksum, the last one.
func (e *encoder) end() error {
	e.flush(1)
	if e.err != nil {
		return e.err
	}
	e.b = hex.AppendEncode(append(e.b, sumWord...), e.sum.Sum(nil))
	e.b = append(e.b, '\n')
	if e.size+len(e.b) > MaxSize {
		return fmt.Errorf("larger than %d bytes", MaxSize)
	}
	return e.write(e.b)
}

func (s State) appendHead(b []byte) []byte {
	b = append(b, header...)
	b = append(b, "boot "...)
	b = strconv.AppendQuote(b, s.BootID)
	b = appendTime(append(b, "\nalive "...), s.Alive)
	b = appendUint(append(b, "\nfile "...), s.File.Dev)
	b = appendUint(append(b, ' '), s.File.Ino)
	return append(b, '\n')
}

// MarshalBinary returns what AppendText appends.
func (s State) MarshalBinary() ([]byte, error) {
	return s.AppendText(nil)
}

// sameProc reports whether one proc line serves two sessions.
func sameProc(a, b *session.Entry) bool {
	return a.ID == b.ID && a.Since.Equal(b.Since) && a.Alive.Equal(b.Alive)
}

func appendProc(b []byte, s *session.Entry) []byte {
	b = strconv.AppendInt(append(b, "proc "...), int64(s.ID.PID), 10)
	b = appendUint(append(b, " start "...), s.ID.Start)
	b = appendUint(append(b, " inode "...), s.ID.Inode)
	b = appendTime(append(b, " since "...), s.Since)
	if !s.Alive.IsZero() {
		b = appendTime(append(b, " alive "...), s.Alive)
	}
	return append(b, '\n')
}

func appendRecord(b []byte, s *session.Entry) []byte {
	b = strconv.AppendInt(append(b, "record "...), int64(s.Slot), 10)
	b = hex.AppendEncode(append(b, " sum "...), s.Sum[:])
	role, end := " pid", " ended "
	switch {
	case s.Led && s.Held:
		role = " held"
	case s.Led && s.Logind:
		role = " logind"
	case s.Led:
		role = " leader"
	}
	if !s.End.IsZero() && !s.Exact {
		end = " found "
	}
	b = appendTime(append(append(b, role...), end...), s.End)
	return append(appendStatus(b, s.Status), '\n')
}

func appendOwed(b []byte, d *session.Debt) []byte {
	b = strconv.AppendQuote(append(b, "owed layout "...), d.Login.Layout().Name())
	b = append(b, " login x"...)
	b = hex.AppendEncode(b, []byte(d.Login.Raw()))
	b = appendTime(append(b, " ended "...), d.End)
	b = appendStatus(b, d.Status)
	if !d.After.IsZero() {
		b = appendTime(append(b, " alive "...), d.After)
	}
	if d.By.PID != 0 {
		b = strconv.AppendInt(append(b, " by "...), int64(d.By.PID), 10)
		b = appendUint(append(b, " start "...), d.By.Start)
		b = appendUint(append(b, " inode "...), d.By.Inode)
	}
	if d.Alone {
		b = appendTime(append(b, " since "...), d.Since)
	}
	if d.Of.Line != "" {
		b = strconv.AppendQuote(append(b, " of "...), d.Of.Line)
		b = strconv.AppendInt(append(b, " pid "...), int64(d.Of.PID), 10)
		b = strconv.AppendInt(append(b, " at "...), d.Of.Time.Sec, 10)
		b = strconv.AppendInt(append(b, ' '), d.Of.Time.Usec, 10)
	}
	return append(b, '\n')
}

func appendOwn(b []byte, o *session.OwnRecord) []byte {
	b = strconv.AppendQuote(append(b, "own "...), o.Line)
	b = strconv.AppendInt(append(b, " pid "...), int64(o.PID), 10)
	b = strconv.AppendInt(append(b, " at "...), o.Time.Sec, 10)
	b = strconv.AppendInt(append(b, ' '), o.Time.Usec, 10)
	b = strconv.AppendQuote(append(b, " id "...), o.ID)
	b = strconv.AppendQuote(append(b, " user "...), o.User)
	if o.Led.PID != 0 {
		b = strconv.AppendInt(append(b, " led "...), int64(o.Led.PID), 10)
		b = appendUint(append(b, " start "...), o.Led.Start)
	}
	return append(b, '\n')
}

// appendStatus appends the wait status, -1 if it is unknown.
func appendStatus(b []byte, s session.Status) []byte {
	wait := int64(-1)
	if s.Known {
		wait = int64(s.Wait)
	}
	return strconv.AppendInt(append(b, " wait "...), wait, 10)
}

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}
	return t.UTC().AppendFormat(b, time.RFC3339Nano)
}

// check holds a state to the limits, whether it is to be written or was read.
func (s *State) check() error {
	if len(s.BootID) > MaxString || !withinLimits(s.Alive, s.Sessions, s.Owed, s.Own) {
		return errLimits
	}
	return nil
}

var errLimits = errors.New("beyond its limits")

func withinLimits(alive time.Time, sessions []session.Entry, owed []session.Debt, own []session.OwnRecord) bool {
	ok := inCalendar(alive) && len(sessions) <= MaxSessions && len(owed) <= MaxOwed && len(own) <= MaxOwn
	for i := range sessions {
		p := &sessions[i]
		ok = ok && p.ID.PID > 0 && validSlot(p.Slot) && inCalendar(p.Since) && inCalendar(p.Alive) && inCalendar(p.End)
	}
	return ok
}

func validSlot(n int) bool { return n >= 0 && n <= math.MaxInt32 }

// storable reports whether a file can hold the logout.
func storable(d *session.Debt) bool {
	return inCalendar(d.End) && inCalendar(d.After) && inCalendar(d.Since) && d.Login.Layout() != nil
}

// inCalendar reports whether a file can hold a time: one in the years 0 to 9999.
func inCalendar(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 0 && y <= 9999
}
