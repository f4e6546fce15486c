// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// stat holds the fields of /proc/PID/stat that this package uses.
type stat struct {
	pid       int32
	state     byte
	parent    int32
	group     int32
	session   int32
	tty       uint32 // device number, see deviceNumber
	front     int32  // the process group in the foreground of that terminal; -1: none
	flags     uint32 // PF_*
	threads   int64
	start     uint64 // ticks since boot
	startCode uint64 // 1 without ptrace access, 0 for a zombie
	exitCode  int32  // 0 without ptrace access
	sshd      bool   // it is called as sshd calls its processes
}

var errStat = errors.New("not in the form of /proc/PID/stat")

// ended reports whether the process is a zombie or dead. A process whose first
// thread has exited while others run is in state Z too, but has not ended.
func (s stat) ended() bool {
	switch s.state {
	case 'Z', 'X', 'x':
		return s.threads <= 1
	}
	return false
}

// kernelThread reports whether the process is one of the kernel's own. Nothing else
// tells: in a pid namespace process 2 is like any other.
//
// Source: PF_KTHREAD in the kernel's linux/sched.h.
func (s stat) kernelThread() bool { return s.flags&0x00200000 != 0 }

// parseStat parses a line of /proc/PID/stat. The second field, the program's
// name in parentheses, may contain any byte, so the last closing parenthesis
// ends it.
//
// Source: proc_pid_stat(5).
func parseStat(line []byte) (stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, errStat
	}
	var s stat
	pid, ok := number(bytes.TrimSpace(line[:open]))
	if !ok {
		return stat{}, errStat
	}
	s.pid = int32(pid)
	switch string(line[open+1 : end]) {
	case "sshd", "sshd-session", "sshd-auth":
		s.sshd = true
	}
	field := 2 // fields count from 1, as in the manual page
	for word := range bytes.FieldsSeq(line[end+1:]) {
		field++
		if !s.set(field, word) {
			return stat{}, errStat
		}
	}
	if field < 22 {
		return stat{}, errStat
	}
	return s, nil
}

// set assigns a field by its number. It reports whether word is valid there.
func (s *stat) set(field int, word []byte) bool {
	if field == 3 {
		s.state = word[0]
		return true
	}
	n, ok := number(word)
	switch field {
	case 4:
		s.parent = int32(n)
	case 5:
		s.group = int32(n)
	case 6:
		s.session = int32(n)
	case 7:
		s.tty = uint32(n) // printed as a signed int
	case 8:
		s.front = int32(n)
	case 9:
		s.flags = uint32(n)
	case 20:
		s.threads = n
	case 22:
		s.start = uint64(n)
	case 26:
		s.startCode = uint64(n)
	case 52:
		s.exitCode = int32(n)
	}
	return ok
}

// number parses a decimal number: a signed one, or an unsigned one of up to 64
// bits, which is returned as the int64 with the same bits.
func number(word []byte) (int64, bool) {
	negative := len(word) > 0 && word[0] == '-'
	if negative {
		word = word[1:]
	}
	if len(word) == 0 || len(word) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if negative {
		n = -n
	}
	return int64(n), true
}

// readStat reads /proc/PID/stat.
func readStat(pid int32) (stat, error) {
	var name [32]byte
	path := append(name[:0], "/proc/"...)
	path = strconv.AppendInt(path, int64(pid), 10)
	path = append(path, "/stat"...)
	var buf [1024]byte
	n, err := readFile(string(path), buf[:])
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(buf[:n])
	if err == nil && s.pid != pid { // this /proc belongs to another pid namespace
		return stat{}, errStat
	}
	return s, err
}

// readFile reads the start of a file into buf with one read(2).
func readFile(name string, buf []byte) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return retry(func() (int, error) { return unix.Read(fd, buf) })
}

// retry repeats call while it fails with EINTR.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Leaving reports whether the process has ended but for threads that the kernel does not
// let go: they are in a call on a file system that does not answer. Until they return,
// its files stay open, and their locks held.
func Leaving(pid int) bool {
	s, err := readStat(int32(pid))
	return err == nil && s.state == 'Z' && s.threads > 1
}
