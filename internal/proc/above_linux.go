// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"strconv"
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

// TerminalMissing reports whether a pseudo terminal, pts/N, surely does not exist.
func TerminalMissing(line string) bool {
	if _, err := os.Lstat("/dev/pts/ptmx"); err != nil {
		return false // no devpts is there
	}
	_, err := os.Lstat("/dev/" + line)
	return os.IsNotExist(err)
}

// TerminalDevice reports whether a name below /dev is that of a character device. It follows
// no link.
func TerminalDevice(name string) bool {
	info, err := os.Lstat("/dev/" + name)
	return err == nil && info.Mode().Type() == os.ModeDevice|os.ModeCharDevice
}
