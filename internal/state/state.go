// SPDX-License-Identifier: BSD-2-Clause

// Package state keeps what must survive a restart of the daemon: which
// processes it watched, which records it judged theirs, which logouts it still
// owes. The file is text that an auditor can read, ended by a checksum, and it
// is believed whole or not at all.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// header is the first line; a file of another version is not believed.
const header = "utmpd-table 1\n"

// Limits of a state. One beyond them is neither written nor believed. They hold as
// many sessions as a utmpx file may have, each with a logout that waits.
const (
	MaxSize    = 128 << 20 // bytes of the file
	MaxProcs   = 1 << 20
	MaxRecords = 1 << 20 // of all processes together
	MaxOwed    = 1 << 17
	MaxString  = 256  // bytes of a boot id or a layout's name
	MaxRaw     = 4096 // bytes of one raw record
)

// ErrCorrupt is the error of a state that must not be believed: cut short,
// changed, of another version, beyond the limits, or in a file that others
// could have written.
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

// Proc is a process that was watched.
type Proc struct {
	PID     int32
	Start   uint64    // start time, field 22 of /proc/PID/stat; 0 unknown
	Inode   uint64    // of its pidfd, where that identifies a process; 0 unknown
	Since   time.Time // when it was first seen alive
	Records []Record
}

// Record is an entry of the utmpx file that was judged a process's.
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

// piece is about how much encode hands over at once.
const piece = 32 << 10

// encode hands the state to write, piece by piece: of tens of thousands of
// processes it is megabytes. write keeps none of them.
func (s State) encode(write func([]byte) error) error {
	if err := s.check(); err != nil {
		return err
	}
	sum, size := sha256.New(), 0
	b := make([]byte, 0, piece+4*MaxRaw)
	flush := func(least int) error {
		if len(b) < least {
			return nil
		}
		sum.Write(b)
		size += len(b)
		err := write(b)
		b = b[:0]
		return err
	}
	b = append(b, header...)
	b = append(b, "boot "...)
	b = strconv.AppendQuote(b, s.BootID)
	b = appendTime(append(b, "\nalive "...), s.Alive)
	b = appendUint(append(b, "\nfile "...), s.File[0])
	b = appendUint(append(b, ' '), s.File[1])
	b = append(b, '\n')
	for i := range s.Procs {
		b = appendProc(b, &s.Procs[i])
		if err := flush(piece); err != nil {
			return err
		}
	}
	for i := range s.Owed {
		b = appendOwed(b, &s.Owed[i])
		if err := flush(piece); err != nil {
			return err
		}
	}
	if err := flush(0); err != nil {
		return err
	}
	b = hex.AppendEncode(append(b, "sha256 "...), sum.Sum(nil))
	b = append(b, '\n')
	if size+len(b) > MaxSize {
		return fmt.Errorf("larger than %d bytes", MaxSize)
	}
	return write(b)
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

// check holds a state to the limits, whether it is to be written or was read.
func (s *State) check() error {
	ok := len(s.BootID) <= MaxString && InCalendar(s.Alive) && len(s.Procs) <= MaxProcs && len(s.Owed) <= MaxOwed
	records := 0
	for i := range s.Procs {
		p := &s.Procs[i]
		records += len(p.Records)
		ok = ok && p.PID > 0 && InCalendar(p.Since) && records <= MaxRecords
		for j := range p.Records {
			r := &p.Records[j]
			ok = ok && r.Slot >= 0 && r.Slot <= math.MaxInt32 && InCalendar(r.Ended)
		}
	}
	for i := range s.Owed {
		o := &s.Owed[i]
		ok = ok && InCalendar(o.End) && len(o.Layout) <= MaxString && len(o.Login) <= MaxRaw
	}
	if !ok {
		return errors.New("beyond its limits")
	}
	return nil
}

// InCalendar reports whether a state can hold a time: one in the years 0 to 9999.
func InCalendar(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 0 && y <= 9999
}
