// SPDX-License-Identifier: BSD-2-Clause

package session

// Question asks what the machine knows of a session whose record is about to be
// cleaned.
type Question struct {
	Key  uint64 // names the question in its answer
	Line string // ut_line, if a terminal may have that name; else ""
	PID  int32  // ut_pid
	User string // ut_user

	Shown   bool    // who shows the session on Display is asked
	Display Display // with Shown
	Idle    bool    // whether the user has no process is asked
}

// Evidence answers a [Question]: facts alone. The table weighs them.
type Evidence struct {
	Key     uint64
	Hidden  bool // the terminal exists, and who leads it cannot be known
	Leaders []Leader

	Witness Witness
	Idle    bool // the user surely has no process
}

// Leader is a living process that leads the session on a terminal.
type Leader struct {
	ID ID // its Inode may be unknown
}
