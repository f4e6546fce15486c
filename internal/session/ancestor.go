// SPDX-License-Identifier: BSD-2-Clause

package session

// ancestor is a process from which the session leader of a terminal descends, as the rooms
// that find terminals have it.
type ancestor struct {
	PID  int32
	SSHD bool // it is one of sshd's, by its name
}

// Makers returns the processes of sshd that may lead the session for which a terminal was
// made: the parent of the terminal's leader or, if sshd has a process of the user in between,
// its parent. A terminal that a program in the session has made, as script, expect, tmux, sudo
// and cockpit do, has that program for its leader's parent. above are the leader's parent, its
// parent, and so on.
func Makers[A ~struct {
	PID  int32
	SSHD bool
}](above []A) (pids []int32) {
	for i := range above[:min(2, len(above))] {
		p := ancestor(above[i])
		if !p.SSHD {
			break
		}
		pids = append(pids, p.PID)
	}
	return pids
}
