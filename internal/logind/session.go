// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// Session is a session of logind.
//
// Source: org.freedesktop.login1(5), Session Objects.
type Session struct {
	ID         string // used again after logind has restarted
	Path       string // of its object on the bus
	User       string
	Leader     int32     // the process that made the session
	Since      time.Time // when it was made
	TTY        string    // without /dev/; for ssh always empty
	Display    string    // of X11
	Seat       string
	VT         int // of its seat; 0: none
	RemoteHost string
	Service    string // the PAM service: sshd, login, gdm-password
	Class      string // user, greeter, manager, background, ...
	State      string // active, online, closing; of when it was last asked, since no signal tells
	Scope      string // empty with elogind
}

// identity is what two sessions never share: the id alone is used again.
type identity struct {
	id     string
	leader int32
	since  int64
}

func (s Session) identity() identity { return identity{s.ID, s.Leader, s.Since.UnixMicro()} }

// Login reports whether somebody has logged in: not a greeter, a lock screen, a service
// manager, or a job in the background. Run0 is a su that has a session of its own.
//
// Source: org.freedesktop.login1(5), Class: user, user-early, user-incomplete, and since
// systemd 258 user-light and user-early-light.
func (s Session) Login() bool {
	return s.Service != session.Run0 && (s.Class == "user" || strings.HasPrefix(s.Class, "user-"))
}
