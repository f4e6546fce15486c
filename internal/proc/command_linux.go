// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// commandMost is how much of a process's arguments is read.
	commandMost = 4096
	// commandsPatience is how long the arguments of all may take that are asked for at once.
	commandsPatience = MaxHanging * patience
)

// stuck are the users of whose processes the arguments could not be read within a second.
// Root's are apart: no number of users keeps them from being read.
var stuck, stuckRoot given

// commands are the arguments of processes of one user.
type commands struct {
	of  map[int32]string // by pid; without those that are gone
	err error            // why they are not known
}

// process is a process with its real uid.
type process struct {
	pid int32
	uid uint32
}

// readCommands returns the arguments of processes by their pids, each ended by a zero byte.
// The kernel takes them from the memory of the process, and whoever runs in there can hold
// its lock for as long as he likes, by a page of a file system that does not answer. So each
// user has a second, and all have four; root comes first. unknown has those that took
// longer. Those that are in neither are gone.
//
// Source: get_mm_cmdline in the kernel's fs/proc/base.c.
func readCommands(asked []process) (known map[int32]string, unknown map[int32]bool) {
	of := map[string][]int32{} // by uid
	var uids []string
	slices.SortStableFunc(asked, func(a, b process) int { return int(min(a.uid, 1)) - int(min(b.uid, 1)) })
	for _, p := range asked {
		uid := strconv.FormatUint(uint64(p.uid), 10)
		if of[uid] == nil {
			uids = append(uids, uid)
		}
		of[uid] = append(of[uid], p.pid)
	}
	users := lookups[commands]{
		find:   func(_ *route, uid string) commands { return readAll(of[uid]) },
		failed: func(err error) commands { return commands{err: err} },
		drop:   func(commands) {},
	}
	known, unknown = map[int32]string{}, map[int32]bool{}
	began := time.Now()
	for _, uid := range uids {
		c := commands{err: errHangs}
		if users.given = &stuck; uid == "0" {
			users.given = &stuckRoot
		}
		if time.Since(began) < commandsPatience {
			c = users.look([]string{uid})[0]
		}
		if c.err != nil {
			for _, pid := range of[uid] {
				unknown[pid] = true
			}
		}
		for pid, text := range c.of {
			known[pid] = text
		}
	}
	return known, unknown
}

// readCommand reads the arguments of a process. Tests replace it.
var readCommand = func(pid int32, buf []byte) (int, error) {
	return readFile("/proc/"+strconv.Itoa(int(pid))+"/cmdline", buf)
}

// readAll reads the arguments of some processes one after the other, for a second at most.
func readAll(pids []int32) commands {
	c := commands{of: make(map[int32]string, len(pids))}
	buf := make([]byte, commandMost)
	began := time.Now()
	for _, pid := range pids {
		if time.Since(began) >= patience {
			return commands{err: errHangs} // whoever waited for it has given up
		}
		n, err := readCommand(pid, buf)
		switch err {
		case nil:
			c.of[pid] = string(buf[:n])
		case unix.ENOENT, unix.ESRCH: // it is gone
		default:
			return commands{err: err}
		}
	}
	return c
}
