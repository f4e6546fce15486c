// SPDX-License-Identifier: BSD-2-Clause

// Package proc knows one process as the kernel does: its identity, whether it
// has ended and how, and which process leads the session on a terminal. It is
// the only room that knows the kernel's ways here; on Linux a process is an
// open pidfd, elsewhere it is looked at when asked.
package proc

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrGone is returned for a pid under which no process lives. A zombie
	// is still there; Process.Ended tells.
	ErrGone = errors.New("no such process")

	// ErrNoPidfd is returned where pidfd_open(2) is missing or forbidden.
	ErrNoPidfd = errors.New("no pidfd")
)

// ticksPerSecond is USER_HZ, in which the kernel tells times to programs,
// whatever it counts in itself: 100 on every architecture that Go compiles for.
const ticksPerSecond = 100

// ID identifies a process for the life of the machine. Fields that are zero
// are unknown. The zero ID is no process.
type ID struct {
	PID   int32
	Start uint64 // in ticks of 10 ms since boot; field 22 of /proc/PID/stat
	Inode uint64 // of the pidfd in pidfs; Linux ≥ 6.9
}

// SinceBoot returns how long the machine had been up when the process started,
// in steps of 10 ms; 0 if that is unknown.
func (id ID) SinceBoot() time.Duration {
	return time.Duration(id.Start) * (time.Second / ticksPerSecond)
}

// Same reports whether both may be the same process: nothing known of one is
// known differently of the other.
func (id ID) Same(other ID) bool {
	differ := func(a, b uint64) bool { return a != 0 && b != 0 && a != b }
	return id.PID == other.PID && !differ(id.Start, other.Start) && !differ(id.Inode, other.Inode)
}

// Status is how a process ended, if the kernel told.
type Status struct {
	Known bool
	Wait  int32 // as wait(2) gives it
}

// Code returns the exit code, 0 to 255; 0 if a signal ended the process or the
// status is unknown.
func (s Status) Code() int {
	if !s.Known || s.Signal() != 0 {
		return 0
	}
	return int(s.Wait>>8) & 0xff
}

// Signal returns the number of the signal that ended the process; 0 if it
// exited by itself or the status is unknown.
func (s Status) Signal() int {
	if !s.Known {
		return 0
	}
	return int(s.Wait) & 0x7f
}

// String returns "exit 0", "signal KILL" or "unknown".
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

// Leader is what lives on a terminal line.
type Leader struct {
	Exists bool // there is such a terminal
	Found  bool // and a living session leader on it, which is ID
	ID     ID   // Inode unknown
}

// End tells that a process added to a Poller has ended.
type End struct {
	Key    uint64 // as given to Poller.Add
	Reaped bool   // its parent has waited for it; Status tells the most it ever will
}

// linePath returns the path of a ut_line, a name below /dev such as pts/3. ok
// is false for a line that leads elsewhere: an absolute one, one with an empty
// element or "." or "..", or with a NUL in it.
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
