// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// Leaders reports for each terminal line, such as pts/3, whether the terminal
// exists and which living process leads the session on it. It blocks for one
// pass over /proc, about 8 µs for each process, if any of the terminals exists.
// Processes in containers are left out: their terminals are not the machine's.
// If the error is not nil, a leader that was not found may still exist, for
// example because hidepid hides it, or because a line could not be looked up.
//
// Source: tty_nr and session in proc_pid_stat(5).
func Leaders(names []string) (map[string]Leader, error) {
	leaders := make(map[string]Leader, len(names))
	terminals := make(map[uint32][]string) // lines by device; a device may have several names
	var unsure error
	for i, t := range lines.look(names) {
		line := names[i]
		none := errors.Is(t.err, errNoLine)
		leaders[line] = Leader{Exists: !none}
		switch {
		case t.err == nil:
			terminals[t.tty] = append(terminals[t.tty], line)
		case !none:
			unsure = fmt.Errorf("proc: session leaders: %w", t.err)
		}
	}
	if len(terminals) == 0 {
		return leaders, unsure
	}
	err := eachLeader(func(s stat) {
		lines := terminals[s.tty]
		if len(lines) == 0 || s.session != s.pid || s.ended() || contained(s.pid) {
			return
		}
		for _, line := range lines {
			leaders[line] = Leader{Exists: true, Found: true, ID: session.ID{PID: s.pid, Start: s.start}}
		}
	})
	if err == nil && hidesOthers() {
		err = errHidden
	}
	if err != nil {
		return leaders, fmt.Errorf("proc: session leaders: %w", err)
	}
	return leaders, unsure
}

var errHidden = errors.New("/proc hides the processes of others (hidepid)")

// hidesOthers reports whether /proc hides the processes of other users. Process
// 1 always exists, so a /proc that does not show it hides others.
func hidesOthers() bool {
	_, err := readStat(1)
	return err != nil
}

// findTerminal looks up a line. /dev/console and /dev/tty0 are aliases of another
// terminal.
func findTerminal(way *route, line string) (t terminal) {
	for range 3 { // console → tty0 → tty1
		var fd int
		if fd, t.st, t.err = way.open(line); t.err != nil {
			return t
		}
		unix.Close(fd)
		major, minor := unix.Major(uint64(t.st.Rdev)), unix.Minor(uint64(t.st.Rdev))
		active, alias := activeTerminal(major, minor)
		if !alias {
			t.tty = deviceNumber(major, minor)
			return t
		}
		line = active
	}
	t.err = errNoLine
	return t
}

// deviceNumber encodes a device number as tty_nr in /proc/PID/stat does.
//
// Source: new_encode_dev in the kernel's linux/kdev_t.h.
func deviceNumber(major, minor uint32) uint32 {
	return minor&0xff | major<<8 | minor&^0xff<<12
}

// activeTerminal returns the terminal that /dev/console or /dev/tty0 is an alias
// of now. A process on an alias has the device number of that terminal.
func activeTerminal(major, minor uint32) (name string, ok bool) {
	var device string
	switch {
	case major == 5 && minor == 1:
		device = "console"
	case major == 4 && minor == 0:
		device = "tty0"
	default:
		return "", false
	}
	buf := make([]byte, 256)
	n, err := readFile("/sys/class/tty/"+device+"/active", buf)
	if err != nil {
		return "", false
	}
	words := strings.Fields(string(buf[:n])) // the last one is /dev/console
	if len(words) == 0 {
		return "", false
	}
	return words[len(words)-1], true
}

// contained reports whether a process is in a pid namespace below the one that
// /proc shows. Its terminal is then a container's, whose device number may equal
// that of a terminal of the machine.
//
// Source: NSpid in proc_pid_status(5); pid_namespaces(7).
func contained(pid int32) bool {
	s, err := readStatus(pid)
	return err == nil && s.contained
}

// eachStat calls yield with the stat of each process that /proc shows.
func eachStat(yield func(stat)) error {
	return eachPID(func(pid int32) {
		if s, gone := readStat(pid); gone == nil {
			yield(s)
		}
	})
}

// eachLeader calls yield with the stat of each process that leads a session, and of some
// others if it cannot be told without.
func eachLeader(yield func(stat)) error {
	leads := leadership()
	return eachPID(func(pid int32) {
		if !leads(pid) {
			return
		}
		if s, gone := readStat(pid); gone == nil {
			yield(s)
		}
	})
}

// getsid is the kernel's, but in tests.
var getsid = unix.Getsid

// leadership returns a function that reports whether a process may lead a session. That
// takes a tenth of what reading its stat takes. If the kernel does not say, it may lead one.
//
// Source: getsid(2). Security modules may deny it. It knows the numbers of utmpd's own pid
// namespace, of which /proc need not be.
func leadership() (leads func(pid int32) bool) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return func(int32) bool { return true }
	}
	return func(pid int32) bool {
		session, err := getsid(int(pid))
		return err != nil || session == int(pid)
	}
}

// eachPID calls yield with each process that /proc shows.
func eachPID(yield func(int32)) error {
	return eachProcess(func(pid int32, _ uint64) { yield(pid) })
}

// eachProcess calls yield with each process that /proc shows, in the order of their pids, and
// the inode of its directory.
//
// Source: getdents64(2); proc_pid_readdir in fs/proc/base.c of Linux 6.12.
func eachProcess(yield func(pid int32, inode uint64)) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer dir.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Getdents(int(dir.Fd()), buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return err
		}
		for entries := buf[:n]; len(entries) >= direntName; {
			size := int(binary.NativeEndian.Uint16(entries[16:]))
			if size < direntName || size > len(entries) {
				return io.ErrUnexpectedEOF
			}
			name, _, _ := bytes.Cut(entries[direntName:size], []byte{0})
			if pid, ok := number(name); ok && pid > 0 && pid <= math.MaxInt32 {
				yield(int32(pid), binary.NativeEndian.Uint64(entries))
			}
			entries = entries[size:]
		}
	}
}

// direntName is where the name begins in a struct linux_dirent64.
const direntName = 19
