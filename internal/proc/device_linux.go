// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TerminalDevice reports whether a name below /dev is that of a terminal on which somebody
// can be: no other device, as /dev/null, and none that is another terminal for each process,
// as /dev/tty. It is looked up as a record's line is, and is none if that tells nothing.
func TerminalDevice(name string) bool {
	found := lines.look([]string{name})[0]
	if found.err != nil {
		return false
	}
	drivers, _ := os.ReadFile("/proc/tty/drivers")
	return isTerminal(string(drivers), unix.Major(found.st.Rdev), unix.Minor(found.st.Rdev))
}

// isTerminal finds a device's number in /proc/tty/drivers. If that is empty, it could not be
// read: then any number may be a terminal's, but those that never are.
//
// Source: drivers/tty/tty_io.c and fs/proc/proc_tty.c in the kernel; its devices.txt.
func isTerminal(drivers string, major, minor uint32) bool {
	if drivers == "" {
		return major != memMajor && !(major == ttyAuxMajor && (minor == 0 || minor == 2))
	}
	for line := range strings.Lines(drivers) {
		words := strings.Fields(line)
		if len(words) < 5 || words[2] != strconv.Itoa(int(major)) {
			continue
		}
		first, last, isRange := strings.Cut(words[3], "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.ParseUint(first, 10, 32)
		to, errTo := strconv.ParseUint(last, 10, 32)
		if errFrom != nil || errTo != nil || uint64(minor) < from || uint64(minor) > to {
			continue
		}
		switch words[4] {
		case "system:/dev/tty", "system", "system:vtmaster", "pty:master":
			return false
		}
		return true
	}
	return false
}

const (
	memMajor    = 1 // null, zero, random and the like
	ttyAuxMajor = 5 // 0 is /dev/tty, 1 the console, 2 ptmx
)
