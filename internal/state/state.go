// SPDX-License-Identifier: BSD-2-Clause

// Package state saves what must survive a restart of the daemon: which processes it
// watched, which records belong to them, and which logouts it still has to write. The
// file is text that an auditor can read. It ends with a checksum, and is used as a
// whole or not at all.
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
)

// header is the first line. A file of another version is not used.
const header = "utmpd-table 1\n"

// Limits of a state. A state beyond them is neither written nor used. They suffice for
// as many sessions as a utmpx file may have, each with a logout that waits.
const (
	MaxSize    = 128 << 20 // bytes of the file
	MaxProcs   = 1 << 20
	MaxRecords = 1 << 20 // of all processes together
	MaxOwed    = 1 << 17
	MaxString  = 256  // bytes of a boot id or a layout's name
	MaxRaw     = 4096 // bytes of one raw record
)

// ErrCorrupt is the error of a state that must not be used: cut short, changed, of
// another version, beyond the limits, or in a file that others could have written.
var ErrCorrupt = errors.New("not a state to believe")

// State is what the daemon knew at one moment. Times are kept to the
// nanosecond, in UTC; the zero time is no time.
type State struct {
	BootID string
	Alive  time.Time // when all of this was last known to be so
	File   [2]uint64 // device and inode of the utmpx file that slots refer to
	Procs  []Proc
	Owed   []Owed
}

// Proc is a process that was watched, with its records.
type Proc struct {
	PID     int32
	Start   uint64    // start time, field 22 of /proc/PID/stat; 0 unknown
	Inode   uint64    // of its pidfd, where that identifies a process; 0 unknown
	Since   time.Time // when it was first seen alive
	Records []Record
}

// Record is an entry of the utmpx file that belongs to a process.
type Record struct {
	Slot   int
	Sum    [16]byte  // of the record's bytes; which sum is the caller's choice
	Leader bool      // the process is watched in ut_pid's place
	Ended  time.Time // when the process ended, zero while it lives
	Found  bool      // Ended is when it was found dead, not when it died
	Wait   int32     // its wait status once it ended; -1 unknown
}

// Owed is a logout that could not be appended to the wtmpx file.
type Owed struct {
	Layout string    // names how the bytes are laid out
	Login  []byte    // the raw record of the login that must still stand open
	End    time.Time // when its session ended
	Wait   int32     // the wait status; -1 unknown
}

// AppendText appends the state as its file holds it. Its only errors are a
// state beyond the limits and a time outside the years 0 to 9999.
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
	if err := s.check(); err != nil {
		return err
	}
	e := &encoder{write: write, sum: sha256.New(), b: make([]byte, 0, piece+4*MaxRaw)}
	e.b = s.appendHead(e.b)
	for i := range s.Procs {
		e.b = appendProc(e.b, &s.Procs[i])
		e.flush(piece)
	}
	for i := range s.Owed {
		e.b = appendOwed(e.b, &s.Owed[i])
		e.flush(piece)
	}
	e.flush(0)
	return e.end()
}

// piece is about how many bytes an encoder hands over at once.
const piece = 32 << 10

// encoder sums up the text in b and hands it over. After an error it does nothing.
type encoder struct {
	write func([]byte) error
	sum   hash.Hash
	size  int
	b     []byte
	err   error
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

// end writes the line with the checksum, the last one.
func (e *encoder) end() error {
	if e.err != nil {
		return e.err
	}
	e.b = hex.AppendEncode(append(e.b, "sha256 "...), e.sum.Sum(nil))
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
	b = appendUint(append(b, "\nfile "...), s.File[0])
	b = appendUint(append(b, ' '), s.File[1])
	return append(b, '\n')
}

// MarshalBinary returns what AppendText appends.
func (s State) MarshalBinary() ([]byte, error) {
	return s.AppendText(nil)
}

func appendProc(b []byte, p *Proc) []byte {
	b = strconv.AppendInt(append(b, "proc "...), int64(p.PID), 10)
	b = appendUint(append(b, " start "...), p.Start)
	b = appendUint(append(b, " inode "...), p.Inode)
	b = appendTime(append(b, " since "...), p.Since)
	b = append(b, '\n')
	for i := range p.Records {
		r := &p.Records[i]
		b = strconv.AppendInt(append(b, "record "...), int64(r.Slot), 10)
		b = hex.AppendEncode(append(b, " sum "...), r.Sum[:])
		role, end := " pid", " ended "
		if r.Leader {
			role = " leader"
		}
		if r.Found {
			end = " found "
		}
		b = appendTime(append(append(b, role...), end...), r.Ended)
		b = strconv.AppendInt(append(b, " wait "...), int64(r.Wait), 10)
		b = append(b, '\n')
	}
	return b
}

func appendOwed(b []byte, o *Owed) []byte {
	b = strconv.AppendQuote(append(b, "owed layout "...), o.Layout)
	b = hex.AppendEncode(append(b, " login x"...), o.Login)
	b = appendTime(append(b, " ended "...), o.End)
	b = strconv.AppendInt(append(b, " wait "...), int64(o.Wait), 10)
	return append(b, '\n')
}

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}
	return t.UTC().AppendFormat(b, time.RFC3339Nano)
}

// check compares a state with the limits, both before it is written and after it was
// read.
func (s *State) check() error {
	ok := len(s.BootID) <= MaxString && InCalendar(s.Alive) && len(s.Procs) <= MaxProcs && len(s.Owed) <= MaxOwed
	records := 0
	for i := range s.Procs {
		records += len(s.Procs[i].Records)
		ok = ok && records <= MaxRecords && s.Procs[i].ok()
	}
	for i := range s.Owed {
		ok = ok && s.Owed[i].ok()
	}
	if !ok {
		return errors.New("beyond its limits")
	}
	return nil
}

func (p *Proc) ok() bool {
	for i := range p.Records {
		r := &p.Records[i]
		if r.Slot < 0 || r.Slot > math.MaxInt32 || !InCalendar(r.Ended) {
			return false
		}
	}
	return p.PID > 0 && InCalendar(p.Since)
}

func (o *Owed) ok() bool {
	return InCalendar(o.End) && len(o.Layout) <= MaxString && len(o.Login) <= MaxRaw
}

// InCalendar reports whether a state can hold a time: one in the years 0 to 9999.
func InCalendar(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 0 && y <= 9999
}
