// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Terminal is a terminal that has a session leader.
type Terminal struct {
	Line   string // without /dev/
	Leader int32
	Since  time.Time // when the leader began, by the wall clock
	Above  []Process // the leader's parent, its parent, and so on
}

// Process is one that a session leader descends from.
type Process struct {
	PID      int32
	Terminal bool // it has a controlling terminal
}

// widths of what a record holds, in every layout.
const (
	lineWidth = 32
	userWidth = 32
	hostWidth = 256
)

// place is a terminal of a session.
type place struct {
	line   string
	leader int32 // of the terminal, if it was found by that
	since  time.Time
}

// many reports whether a session may have several terminals: sshd makes one for each
// channel. Where logind names one, it has that from a record, and it may be closed.
func many(s Session) bool { return s.Service == "sshd" || s.TTY == "" && s.VT == 0 }

// places returns the terminals of a session: the one that logind names, its virtual
// terminal, or for a session from elsewhere those whose session leaders descend from it.
func places(s Session, all []Terminal) []place {
	switch {
	case many(s):
	case s.TTY != "" && isLine(s.TTY):
		return []place{{line: s.TTY, since: s.Since}}
	case s.VT > 0:
		return []place{{line: "tty" + strconv.Itoa(s.VT), since: s.Since}}
	default:
		return nil
	}
	if s.Seat != "" {
		return nil
	}
	var found []place
	for _, t := range all {
		if t.of(s.Leader) && isLine(t.Line) {
			found = append(found, place{t.Line, t.Leader, t.Since})
		}
	}
	return found
}

// of reports whether the process made the terminal for a login: its session leader is
// that process, its child, or its grandchild, as with sshd's process of the user in
// between. A terminal within that terminal, as sudo, screen and script make, is deeper, or
// has a process of the outer terminal above it.
func (t Terminal) of(leader int32) bool {
	if t.Leader == leader {
		return true
	}
	for depth, p := range t.Above {
		switch {
		case p.PID == leader:
			return true
		case p.Terminal || depth > 0:
			return false
		}
	}
	return false
}

// isLine reports whether a name can be that of a terminal. A display is none.
func isLine(name string) bool {
	return name != "" && len(name) <= lineWidth && !strings.ContainsFunc(name, func(r rune) bool {
		return r == ':' || unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}) && !strings.HasPrefix(name, "/") && !strings.Contains(name, "..")
}

// id returns the ut_id of a line: without "tty", its last four bytes. Init, getty and sshd
// use the same.
func id(line string) string {
	name := strings.TrimPrefix(line, "tty")
	return name[max(0, len(name)-4):]
}
