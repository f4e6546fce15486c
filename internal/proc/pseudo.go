// SPDX-License-Identifier: BSD-2-Clause

package proc

import "utmpd.dev/utmpd/internal/session"

// LedTerminal is a pseudo terminal that has a session leader.
type LedTerminal struct {
	Line   string
	Leader session.ID // its Inode is unknown
	SSHD   bool       // the leader is still one of sshd's, by its name
	Above  []Ancestor // the leader's parent, its parent, and so on
}

// Ancestor is a process from which a session leader descends.
type Ancestor struct {
	PID  int32
	SSHD bool // it is one of sshd's, by its name
}
