// SPDX-License-Identifier: BSD-2-Clause

// Package proc inspects processes: their identity, whether and how they ended,
// and which process leads the session on a terminal. All code about processes
// that depends on the kernel is in this package. On Linux a Process holds an
// open pidfd; elsewhere each call looks at the process.
package proc

import (
	"errors"
	"os"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

var (
	// ErrGone is returned for a pid that no process has. A zombie still has
	// its pid; see Process.Ended.
	ErrGone = errors.New("no such process")

	// ErrNoPidfd is returned if pidfd_open(2) is missing or forbidden.
	ErrNoPidfd = errors.New("no pidfd")
)

// MaxHanging is how many look-ups of lines may hang in the kernel. Each costs a thread.
const MaxHanging = 4

// Leader describes a terminal line and the leader of the session on it.
type Leader struct {
	Exists bool       // the terminal exists
	Found  bool       // a living session leader was found on it
	ID     session.ID // of the leader; its Inode is always unknown
}

// End reports that a process added to a Poller has ended.
type End struct {
	Key    uint64 // the key passed to Poller.Add
	Reaped bool   // the parent has waited for it; Status will not change any more

	// Since is zero if the end was found at once. Else it may have come at any time
	// after Since.
	Since time.Time
}

// Description is what everybody may know of a process.
type Description struct {
	ID      session.ID // its Inode is unknown
	Parent  int32
	Name    string // of its program, cut to 15 bytes
	Command string // with its arguments; the name in brackets if it shows none
	Stopped bool   // by a signal or a debugger
}

// Activity is what can be seen of the use of a terminal line.
type Activity struct {
	Exists  bool
	Unsure  string      // why it is not known whether it exists
	Used    time.Time   // when somebody last typed, exact to 8 s: the terminal's access time
	Leader  Description // of the session on it; zero: none was found
	Running Description // a process of the foreground job; zero: none was found
}

// Login is a session that logind has.
type Login struct {
	ID      string
	User    string
	Class   string
	Service string
	State   string
	TTY     string // as logind knows it, or the virtual terminal; "" for most logins by ssh
	Display string
	Host    string
	Began   time.Time
	Leader  int32
	Lives   bool     // the leader does, as far as is known
	LivesBy int32    // once the leader has ended: who leads a terminal of the session; 0: nobody
	Lines   []string // terminals that were made for it, found by who leads them
}

// nobody reports why the process that has a pid cannot be a session's, as far as the
// number tells.
func nobody(pid int32) session.Nobody {
	switch pid {
	case int32(os.Getpid()):
		return session.Ourselves
	case 1:
		return session.Init
	}
	return session.Somebody
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
