// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"errors"
	"fmt"

	"utmpd.dev/utmpd/internal/sysfile"
)

// Errors that callers can tell apart. A missing file is [fs.ErrNotExist].
var (
	// ErrReplaced: the name leads to another file than the expected one.
	ErrReplaced = errors.New("another file has taken its place")
	// ErrTorn: the file has bytes, but no whole record.
	ErrTorn = errors.New("shorter than a record")
	// ErrEmpty: the file holds no record.
	ErrEmpty = errors.New("empty file")
	// ErrTooLong: the file holds more records than [MaxRecords].
	ErrTooLong = fmt.Errorf("more than %d records", MaxRecords)
	// ErrLayout: the content fits no known layout.
	ErrLayout = errors.New("not session records in any known layout")
	// ErrOtherLayout: the log goes on in a layout that this system does not write.
	ErrOtherLayout = errors.New("records of another system")
	// ErrNoRecord: there is no record in that slot.
	ErrNoRecord = errors.New("no such record")
	// ErrTaken: a record that may not be displaced is in the way.
	ErrTaken = errors.New("a record is in the way")
)

// TakesNothing reports whether err, of [Log.Append] or [Log.Locked], means that the log
// takes no record until somebody puts another file in its place: it is no regular file,
// such as a link to /dev/null, or holds something else than this system's records.
func TakesNothing(err error) bool {
	return errors.Is(err, sysfile.ErrNotRegular) || errors.Is(err, ErrOtherLayout) || errors.Is(err, ErrLayout)
}

// LockedError is the error of a call whose context ended before it got its
// lock. It wraps [sysfile.ErrLocked] and the context's cause.
type LockedError struct {
	Name  string
	PID   int32 // a process that holds the lock; 0: unknown
	Cause error // the cause of the context's end; nil if too many calls wait already
}

func (e *LockedError) Error() string {
	s := "utmpfile: lock " + e.Name + ": locked"
	if e.PID > 0 {
		s += fmt.Sprintf(" by process %d", e.PID)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns ErrLocked and the cause.
func (e *LockedError) Unwrap() []error {
	if e.Cause == nil {
		return []error{sysfile.ErrLocked}
	}
	return []error{sysfile.ErrLocked, e.Cause}
}

// wrap adds what was tried on which file, once: see [sysfile.Wrap]. A [LockedError] says
// that already.
func wrap(op, name string, err error) error {
	var locked *LockedError
	if errors.As(err, &locked) {
		return err
	}
	return sysfile.Wrap(op, name, err)
}
