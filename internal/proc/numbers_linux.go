// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// ownNumbers tells which number a process has in its own pid namespace. That never changes, and
// reading it takes ten times as long as listing the process. So what a pass over /proc has read
// is kept for the next one, which a machine with many processes needs at each death of a session
// that led no terminal. It costs 16 bytes for each process.
//
// A process is known again by its pid and the inode of its directory, which the kernel makes
// when the directory is first looked at. It makes another one for another process with that
// pid, and may do so for the same process when memory is short; then it is read again.
//
// Source: proc_fill_cache and proc_pid_make_inode in fs/proc/base.c of Linux 6.12;
// pid_namespaces(7).
type ownNumbers struct {
	read   func(pid int32) (status, error)
	before []ownNumber // of the last pass, in the order of their pids
	now    []ownNumber
	denied bool // a process may not be read
	failed bool // a process that may be read could not be, as if no descriptor is left
}

type ownNumber struct {
	pid    int32
	number int32 // in its own namespace; 0: that is the one that /proc shows
	inode  uint64
}

// lastNumbers are those of the last pass.
var lastNumbers struct {
	sync.Mutex
	all []ownNumber
}

// knownNumbers returns the numbers for a pass.
func knownNumbers() *ownNumbers {
	lastNumbers.Lock()
	defer lastNumbers.Unlock()
	return &ownNumbers{read: readStatus, before: lastNumbers.all}
}

// keep keeps the numbers for the next pass.
func (n *ownNumbers) keep() {
	lastNumbers.Lock()
	defer lastNumbers.Unlock()
	lastNumbers.all = n.now
}

// of returns the number of a process in its own namespace, 0 if that is the one that /proc
// shows or if it is not known. Processes must come in the order of their pids, as /proc lists
// them; those that do not are read.
func (n *ownNumbers) of(pid int32, inode uint64) int32 {
	for len(n.before) > 0 && n.before[0].pid < pid {
		n.before = n.before[1:]
	}
	if len(n.before) > 0 && n.before[0].pid == pid && n.before[0].inode == inode && inode > noInode {
		n.now = append(n.now, n.before[0])
		return n.before[0].number
	}
	s, err := n.read(pid)
	if n.note(err) {
		return 0
	}
	known := ownNumber{pid: pid, inode: inode}
	if s.contained {
		known.number = s.number
	}
	n.now = append(n.now, known)
	return known.number
}

// note reports whether a process could not be read, and notes why. One that has ended is no
// news, nor is a file that is no process's.
func (n *ownNumbers) note(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err != nil
	}
	switch errno {
	case unix.ENOENT, unix.ESRCH:
	case unix.EACCES, unix.EPERM:
		n.denied = true
	default:
		n.failed = true
	}
	return true
}

// noInode is what the kernel lists if it has no memory for an inode.
const noInode = 1

// foreign returns the numbers of the processes of other pid namespaces that this pass has seen,
// nil if it could not read all.
func (n *ownNumbers) foreign() *session.Numbers {
	if n.denied || n.failed {
		return nil
	}
	var all session.Numbers
	for _, p := range n.now {
		if p.number != 0 {
			all = append(all, p.number)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return &all
}
