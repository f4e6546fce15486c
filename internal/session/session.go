// SPDX-License-Identifier: BSD-2-Clause

// Package session has the plain values that several rooms speak of: the process
// that a session lives by, how it ended, the order to clean its record and what
// became of that, and what is saved of it for a later run. It holds no state,
// does no I/O and imports package utmpx alone, so that every room may import it.
package session

import (
	"cmp"
	"time"
)

// Tick is the unit of [ID.Start]: USER_HZ, in which Linux reports times to
// programs, is 100 on every architecture that Go compiles for.
const Tick = 10 * time.Millisecond

// Token names one watched process, not its pid, as long as the daemon runs. It
// is never used again. 0 names none.
type Token uint64

// ID identifies a process as long as the machine is up. A field that is zero is
// unknown. The zero ID is no process.
type ID struct {
	PID   int32
	Start uint64 // in ticks since boot: field 22 of /proc/PID/stat
	Inode uint64 // of the pidfd in pidfs, Linux 6.9 and later
}

// SinceBoot returns how long the machine had been up when the process started,
// in steps of [Tick]. It is 0 if the start is unknown.
func (id ID) SinceBoot() time.Duration { return time.Duration(id.Start) * Tick }

// Same reports whether id and other may be the same process. If both inodes are
// known, they decide: no two processes of a boot have the same one, while the
// start time of one process reads differently in another time namespace.
// Otherwise the start times decide, and where one of them is unknown, the pid.
func (id ID) Same(other ID) bool {
	switch {
	case id.PID != other.PID:
		return false
	case id.Inode != 0 && other.Inode != 0:
		return id.Inode == other.Inode
	case id.Start != 0 && other.Start != 0:
		return id.Start == other.Start
	}
	return true
}

// Known reports whether more is known of a process than its pid, which may become another's.
func (id ID) Known() bool { return id.Start != 0 || id.Inode != 0 }

// Proves reports whether id, of which Same holds for other, can only be the same process: it
// says more than the pid, and of that something which other says too.
func (id ID) Proves(other ID) bool {
	return id.Inode != 0 && other.Inode != 0 || id.Start != 0 && other.Start != 0
}

// Compare orders processes by their pids, and those of one pid by the rest. Few share one,
// so the pids nearly always decide.
func (id ID) Compare(other ID) int {
	switch {
	case id.PID != other.PID:
		return cmp.Compare(id.PID, other.PID)
	case id.Start != other.Start:
		return cmp.Compare(id.Start, other.Start)
	}
	return cmp.Compare(id.Inode, other.Inode)
}

// Or returns id, with each unknown field taken from other, the same process.
func (id ID) Or(other ID) ID {
	return ID{
		PID:   cmp.Or(id.PID, other.PID),
		Start: cmp.Or(id.Start, other.Start),
		Inode: cmp.Or(id.Inode, other.Inode),
	}
}
