// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Lockers returns the processes through whose descriptors a lock on the file is held, at
// most eight. The kernel tells that for OFD locks too, of which it names no holder
// elsewhere. all is false if descriptors of some processes could not be read, or ctx
// ended before all were.
//
// Source: proc_pid_fdinfo(5).
func Lockers(ctx context.Context, file string) (pids []int32, all bool) {
	const most = 8
	info, err := os.Stat(file)
	if err != nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, false
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	all = err == nil
	inode := ":" + strconv.FormatUint(st.Ino, 10) + " "
	for _, name := range names {
		pid, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		if ctx.Err() != nil || len(pids) >= most {
			return pids, false
		}
		holds, seen := locks(ctx, name, filepath.Base(file), inode)
		if holds {
			pids = append(pids, int32(pid))
		}
		all = all && seen
	}
	return pids, all
}

// locks reports whether a process has a descriptor of that name and inode with a lock. seen
// is false if its descriptors cannot be read; a process that is gone has none.
func locks(ctx context.Context, pid, base, inode string) (holds, seen bool) {
	dir := "/proc/" + pid
	fds, err := os.ReadDir(dir + "/fdinfo")
	if err != nil {
		return false, os.IsNotExist(err)
	}
	seen = true
	for _, fd := range fds {
		if ctx.Err() != nil {
			return false, false
		}
		// The link is only read: what it leads to may hang.
		to, err := os.Readlink(dir + "/fd/" + fd.Name())
		if err != nil {
			seen = seen && os.IsNotExist(err)
			continue
		}
		if filepath.Base(strings.TrimSuffix(to, " (deleted)")) != base {
			continue
		}
		b, err := os.ReadFile(dir + "/fdinfo/" + fd.Name())
		if err != nil {
			seen = seen && os.IsNotExist(err)
			continue
		}
		for line := range strings.Lines(string(b)) {
			// A line of a waiting lock has an arrow.
			if strings.HasPrefix(line, "lock:") && strings.Contains(line, inode) && !strings.Contains(line, "->") &&
				!strings.Contains(line, "FLOCK") {
				return true, true
			}
		}
	}
	return false, seen
}
