// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"errors"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
)

// Errors that callers can tell apart with [errors.Is]. The error that a call returns
// wraps one of them and names the file. A missing file is [io/fs.ErrNotExist], a
// missing permission [io/fs.ErrPermission], a value that does not fit its field
// [utmpd.dev/utmpd/utmpx.ErrRange].
var (
	// ErrLocked: the context ended before the file could be locked. The error is
	// also a [*LockedError].
	ErrLocked = errLocked() // "locked"

	// ErrLayout: the file's content fits no layout, or not clearly one.
	ErrLayout = errLayout() // "not session records in any known layout"

	// ErrOtherLayout: the last records of a log are in a layout that neither this system
	// nor [Options] names. The C library's next record would destroy one after them.
	ErrOtherLayout = errOtherLayout() // "records of another system"

	// ErrTorn: the file has content, but less than one record.
	ErrTorn = errTorn() // "shorter than a record"

	// ErrTooLong: a utmpx file has more than 65536 records.
	ErrTooLong = errTooLong() // "more than 65536 records"

	// ErrNoRecord: the file has no record in that slot.
	ErrNoRecord = errNoRecord() // "no such record"

	// ErrNotRegular: the name leads to a directory, a device, a FIFO or a socket.
	ErrNotRegular = errNotRegular() // "not a regular file"

	// ErrSymlink: the name is a symbolic link that does not belong to root.
	ErrSymlink = errSymlink() // "symbolic link that is not root's"

	// ErrCompression: a rotated file is compressed in a format that is not supported.
	ErrCompression = errCompression() // "compressed in an unsupported format"

	// ErrLine: the name of a line is empty, or not that of a terminal without /dev/.
	ErrLine = errors.New("not the name of a line")

	// ErrUser: a login has no user.
	ErrUser = errors.New("no user")

	// ErrNoSession: no session is recorded on the line.
	ErrNoSession = errors.New("no session on this line")
)

func errLocked() error      { return sysfile.ErrLocked }
func errLayout() error      { return recfile.ErrLayout }
func errOtherLayout() error { return recfile.ErrOtherLayout }
func errTorn() error        { return recfile.ErrTorn }
func errTooLong() error     { return recfile.ErrTooLong }
func errNoRecord() error    { return recfile.ErrNoRecord }
func errNotRegular() error  { return sysfile.ErrNotRegular }
func errSymlink() error     { return sysfile.ErrSymlink }
func errCompression() error { return logs.ErrCompression }

// LockedError is the error of a call that waited for a lock until its context ended.
// It wraps [ErrLocked] and the cause.
type LockedError struct {
	Name  string // of the file
	PID   int32  // a process that holds the lock; 0 if the system does not tell
	Cause error  // why the call waits no longer: the context's error; nil if too many calls wait
}

// Error returns a text such as "utmpfile: lock /var/run/utmp: locked by process 4711:
// context deadline exceeded".
func (e *LockedError) Error() string { return (*recfile.LockedError)(e).Error() }

// Unwrap returns ErrLocked and the cause.
func (e *LockedError) Unwrap() []error { return (*recfile.LockedError)(e).Unwrap() }

// GapError reports that records of a log may be missing: the position from which
// reading was to go on is in none of its files any more.
type GapError struct {
	Name   string    // of the log
	After  time.Time // of the record before the position
	Before time.Time // of the next record there is; zero if there is none yet
}

// Error returns a text with both times.
func (e *GapError) Error() string { return (*logs.GapError)(e).Error() }

// DamageError reports bytes of a log in which no whole record is: a record that was
// torn, a block of NULs from a power failure. Reading goes on after it. A record
// without a time counts as damage.
type DamageError struct {
	Name     string // of the file
	From, To int64  // in bytes; in a compressed file, once decompressed
	Records  int64  // how many are lost at most
}

// Error returns a text with the place.
func (e *DamageError) Error() string { return (*logs.DamageError)(e).Error() }

// public returns err as one of this package's errors.
func public(err error) error {
	if err == nil {
		return nil
	}
	var gap *logs.GapError
	if errors.As(err, &gap) {
		return (*GapError)(gap)
	}
	var damage *logs.DamageError
	if errors.As(err, &damage) {
		return (*DamageError)(damage)
	}
	var locked *recfile.LockedError
	if errors.As(err, &locked) {
		return (*LockedError)(locked)
	}
	return err
}
