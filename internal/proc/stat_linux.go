// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// stat is what this package uses of /proc/PID/stat.
type stat struct {
	pid       int32
	state     byte
	session   int32
	tty       uint32 // as the kernel encodes device numbers for programs
	threads   int64
	start     uint64 // ticks since boot
	startCode uint64 // 1 for readers without ptrace access, 0 for a zombie
	exitCode  int32  // 0 for readers without ptrace access
}

var errStat = errors.New("not in the form of /proc/PID/stat")

// ended reports whether the process is a zombie or less. Of one whose first
// thread has exited while others run, the state is Z too.
func (s stat) ended() bool {
	switch s.state {
	case 'Z', 'X', 'x':
		return s.threads <= 1
	}
	return false
}

// parseStat reads a line of /proc/PID/stat. Fields count from 1; the second,
// the program's name, may hold anything but its last closing parenthesis.
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
	field := 2
	for word := range bytes.FieldsSeq(line[end+1:]) {
		field++
		if field == 3 {
			s.state = word[0]
			continue
		}
		n, ok := number(word)
		if !ok {
			return stat{}, errStat
		}
		switch field {
		case 6:
			s.session = int32(n)
		case 7:
			s.tty = uint32(n) // printed as a signed int
		case 20:
			s.threads = n
		case 22:
			s.start = uint64(n)
		case 26:
			s.startCode = uint64(n)
		case 52:
			s.exitCode = int32(n)
		}
	}
	if field < 22 {
		return stat{}, errStat
	}
	return s, nil
}

// number reads a decimal number, signed or an unsigned one of up to 64 bits,
// whose bits it keeps.
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
	if err == nil && s.pid != pid { // another pid namespace's /proc
		return stat{}, errStat
	}
	return s, err
}

// readFile fills buf from the start of a file of /proc, in one read.
func readFile(name string, buf []byte) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return retry(func() (int, error) { return unix.Read(fd, buf) })
}

// retry calls again what a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
