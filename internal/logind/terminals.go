// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"utmpd.dev/utmpd/internal/session"
)

// Terminal is a terminal that has a session leader.
type Terminal struct {
	Line   string // without /dev/
	Leader int32
	Start  uint64    // of the leader: see [session.ID]
	Since  time.Time // when the leader began, by the wall clock
	Begins bool      // the leader is sshd, which is to become the shell
	Above  []Process // the leader's parent, its parent, and so on
}

// Process is one that a session leader descends from.
type Process struct {
	PID  int32
	SSHD bool // it is sshd, by its name
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
	start  uint64
	since  time.Time
	begins bool
}

func (p place) leads() session.ID { return session.ID{PID: p.leader, Start: p.start} }

// many reports whether a session may have several terminals: sshd makes one for each
// channel. Where logind names one, it has that from a record, and it may be closed.
func many(s Session) bool { return s.Service == "sshd" || s.TTY == "" && s.VT == 0 }

// mayRecord reports whether the leader of the terminal is sshd that may record itself before it
// becomes the shell: only the child of a session's leader does, as for root.
func (t Terminal) mayRecord(leader int32) bool {
	return t.Begins && len(t.Above) > 0 && t.Above[0].PID == leader
}

func (t Terminal) makers() []int32 { return session.Makers(t.Above) }

// named returns the terminals that logind names for a session, as far as that counts.
func named(s Session) (lines []string) {
	if many(s) {
		return nil
	}
	if isLine(s.TTY) {
		lines = append(lines, s.TTY)
	}
	if s.VT > 0 {
		lines = append(lines, virtual(s.VT))
	}
	return lines
}

func virtual(vt int) string { return "tty" + strconv.Itoa(vt) }

// isLine reports whether a name can be that of a terminal. A display is none.
func isLine(name string) bool {
	return name != "" && len(name) <= lineWidth && !strings.ContainsFunc(name, func(r rune) bool {
		return r == ':' || unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}) && !strings.HasPrefix(name, "/") && !strings.Contains(name, "..")
}
