// SPDX-License-Identifier: BSD-2-Clause

// Package proc inspects processes: their identity, whether and how they ended,
// and which process leads the session on a terminal. All code about processes
// that depends on the kernel is in this package. On Linux a Process holds an
// open pidfd; elsewhere each call looks at the process.
package proc

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrGone is returned for a pid that no process has. A zombie still has
	// its pid; see Process.Ended.
	ErrGone = errors.New("no such process")

	// ErrNoPidfd is returned if pidfd_open(2) is missing or forbidden.
	ErrNoPidfd = errors.New("no pidfd")
)

// ticksPerSecond is USER_HZ, the unit of times in /proc: 100 on every
// architecture that Go compiles for, whatever the kernel's own HZ is.
const ticksPerSecond = 100

// ID identifies a process until the next boot. A field that is zero is
// unknown. The zero ID is no process.
type ID struct {
	PID   int32
	Start uint64 // in ticks of 10 ms since boot; field 22 of /proc/PID/stat
	Inode uint64 // of the pidfd in pidfs; Linux ≥ 6.9
}

// SinceBoot returns the time from the boot to the start of the process, with a
// resolution of 10 ms; 0 if the start is unknown.
func (id ID) SinceBoot() time.Duration {
	return time.Duration(id.Start) * (time.Second / ticksPerSecond)
}

// Same reports whether both may be the same process: the pids are equal, and so
// is each other field that both know.
func (id ID) Same(other ID) bool {
	differ := func(a, b uint64) bool { return a != 0 && b != 0 && a != b }
	return id.PID == other.PID && !differ(id.Start, other.Start) && !differ(id.Inode, other.Inode)
}

// Status is how a process ended.
type Status struct {
	Known bool  // the kernel reported it
	Wait  int32 // in the encoding of wait(2)
}

// Code returns the exit code, 0 to 255. It is 0 if a signal ended the process
// or the status is unknown.
func (s Status) Code() int {
	if !s.Known || s.Signal() != 0 {
		return 0
	}
	return int(s.Wait>>8) & 0xff
}

// Signal returns the number of the signal that ended the process. It is 0 if
// the process exited by itself or the status is unknown.
func (s Status) Signal() int {
	if !s.Known {
		return 0
	}
	return int(s.Wait) & 0x7f
}

// String returns a text such as "exit 0", "signal KILL" or "unknown".
func (s Status) String() string {
	switch {
	case !s.Known:
		return "unknown"
	case s.Signal() == 0:
		return "exit " + strconv.Itoa(s.Code())
	}
	if name := unix.SignalName(unix.Signal(s.Signal())); name != "" {
		return "signal " + strings.TrimPrefix(name, "SIG")
	}
	return "signal " + strconv.Itoa(s.Signal())
}

// Leader describes a terminal line and the leader of the session on it.
type Leader struct {
	Exists bool // the terminal exists
	Found  bool // a living session leader was found on it
	ID     ID   // of the leader; its Inode is always unknown
}

// End reports that a process added to a Poller has ended.
type End struct {
	Key    uint64 // the key passed to Poller.Add
	Reaped bool   // the parent has waited for it; Status will not change any more
}

// linePath returns the path of a ut_line, a name below /dev such as pts/3. ok
// is false if the line is absolute, contains a NUL, or has an element that is
// empty, "." or "..": it could lead out of /dev.
func linePath(line string) (path string, ok bool) {
	if strings.IndexByte(line, 0) >= 0 {
		return "", false
	}
	for element := range strings.SplitSeq(line, "/") {
		if element == "" || element == "." || element == ".." {
			return "", false
		}
	}
	return "/dev/" + line, true
}
