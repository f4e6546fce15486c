// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Above returns the processes from which a process descends: its parent, its parent's
// parent, and so on, as far as they can be read.
func Above(pid int32) (above []int32) {
	for len(above) < generations {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/stat")
		if err != nil {
			return above
		}
		s, err := parseStat(line)
		if err != nil || s.parent <= 0 {
			return above
		}
		pid = s.parent
		above = append(above, pid)
	}
	return above
}

// RunsJob reports whether a child of a process leads a process group on a terminal, as a shell
// does below login(1), and what PAM's modules run does not. It reads a file for each thread of
// the process and each of its children, and may miss one while processes end. Where the
// kernel does not list children, it blocks for a pass over /proc, and if that cannot be read, one
// may.
//
// Source: ppid, pgrp and tty_nr in proc_pid_stat(5), proc_tid_children(5).
func RunsJob(pid int32) bool {
	isJob := func(s stat) bool { return s.parent == pid && s.group == s.pid && s.tty != 0 && !s.ended() }
	if _, err := listed(pid); err == nil {
		return slices.ContainsFunc(childrenOf(pid), func(child int32) bool {
			s, err := readStat(child)
			return err == nil && isJob(s)
		})
	}
	found := false
	err := eachStat(func(s stat) { found = found || isJob(s) })
	return found || err != nil
}

// MissingTerminals returns a function that reports whether a pseudo terminal, pts/N, surely
// does not exist. If another file system was mounted over /dev/pts since, as by a script that
// prepares a chroot, it knows of none: since Linux 4.7 each mount of a devpts has terminals of
// its own.
func MissingTerminals() func(line string) bool { return missingBelow("/dev") }

func missingBelow(dev string) func(line string) bool {
	var first unix.Stat_t
	known := unix.Stat(dev+"/pts", &first) == nil
	return func(line string) bool {
		var now unix.Stat_t
		if !known || unix.Stat(dev+"/pts", &now) != nil || now.Dev != first.Dev {
			return false
		}
		if _, err := os.Lstat(dev + "/pts/ptmx"); err != nil {
			return false // no devpts is there
		}
		_, err := os.Lstat(dev + "/" + line)
		return os.IsNotExist(err)
	}
}
