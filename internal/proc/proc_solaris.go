// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// Process is one process, identified by its pid and start time. It holds no
// descriptor: Ended and Status read /proc/PID/psinfo. A Process is not safe for
// concurrent use.
type Process struct {
	id    session.ID
	began time.Time // pr_start, to the nanosecond
}

// psinfo holds the fields of psinfo_t that this package uses. Any user may read
// them.
type psinfo struct {
	threads int32 // pr_nlwp; 0 for a zombie
	pid     int32
	session int32
	tty     uint64
	start   time.Time // pr_start: the wall clock at the start; later steps of the clock do not change it
	wait    int32     // pr_wstat; set for a zombie only
}

// Offsets into psinfo_t as a 64-bit program reads it. Go compiles for no other.
//
// Source: sys/procfs.h of illumos; proc(5).
const (
	psinfoThreads = 4
	psinfoPID     = 8
	psinfoSession = 20
	psinfoTTY     = 72
	psinfoStart   = 88
	psinfoWait    = 232
	psinfoSize    = 288 // up to pr_lwp
)

func (i psinfo) ended() bool { return i.threads == 0 }

func parsePsinfo(b []byte) (psinfo, error) {
	if len(b) < psinfoSize {
		return psinfo{}, errors.New("shorter than psinfo_t")
	}
	long := func(at int) int64 { return int64(binary.NativeEndian.Uint64(b[at:])) }
	return psinfo{
		threads: word(b, psinfoThreads),
		pid:     word(b, psinfoPID),
		session: word(b, psinfoSession),
		tty:     uint64(long(psinfoTTY)),
		start:   time.Unix(long(psinfoStart), long(psinfoStart+8)),
		wait:    word(b, psinfoWait),
	}, nil
}

// word returns a 32-bit number at an offset.
func word(b []byte, at int) int32 { return int32(binary.NativeEndian.Uint32(b[at:])) }

func readPsinfo(pid int32) (psinfo, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(int(pid))+"/psinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return psinfo{}, err
	}
	defer unix.Close(fd)
	var buf [psinfoSize]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return psinfo{}, err
	}
	return parsePsinfo(buf[:n])
}

// Find finds the process that has pid now, also if it is a zombie. The error
// wraps ErrGone if no process has pid.
func Find(pid int32) (*Process, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
	}
	info, err := readPsinfo(pid)
	if err != nil {
		if !signalable(pid) {
			return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
		}
		return &Process{id: session.ID{PID: pid}}, nil
	}
	return &Process{id: session.ID{PID: pid, Start: ticks(info.start)}, began: info.start}, nil
}

// ID returns the process's identity. Its Inode is always 0.
func (p *Process) ID() session.ID { return p.id }

// Unsure reports false: psinfo is open to all.
func (p *Process) Unsure() bool { return false }

// Ended reports whether the process has ended, and whether its parent has
// waited for it. It does not block.
func (p *Process) Ended() (ended, reaped bool) {
	info, err := readPsinfo(p.id.PID)
	switch {
	case err != nil: // a failed read does not prove the end
		gone := !signalable(p.id.PID)
		return gone, gone
	case !p.began.IsZero() && !info.start.Equal(p.began):
		return true, true
	}
	return info.ended(), false
}

// Nobody reports why the process cannot be a session's.
func (p *Process) Nobody() session.Nobody { return nobody(p.id.PID) }

// Status returns how the process ended. The kernel reports it for a zombie only.
func (p *Process) Status() session.Status {
	info, err := readPsinfo(p.id.PID)
	if err != nil || !info.ended() || p.began.IsZero() || !info.start.Equal(p.began) {
		return session.Status{}
	}
	return session.Status{Known: true, Wait: info.wait}
}

// Close does nothing.
func (p *Process) Close() error { return nil }

func signalable(pid int32) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// booted returns when the kernel's own process started.
func booted() (time.Time, error) {
	info, err := readPsinfo(0)
	return info.start, err
}

// ticks returns the number of 10 ms ticks from the boot to start; 0 if the time
// of the boot is unknown.
func ticks(start time.Time) uint64 {
	boot, err := booted()
	if err != nil || start.Before(boot) {
		return 0
	}
	return uint64(start.Sub(boot) / session.Tick)
}

// BootID returns a string that identifies this boot of the machine: the time at
// which the kernel's own process started, in nanoseconds.
func BootID() (string, error) {
	boot, err := booted()
	if err != nil {
		return "", fmt.Errorf("proc: read /proc/0/psinfo: %w", err)
	}
	return strconv.FormatInt(boot.UnixNano(), 10), nil
}

// Boot returns when the machine was booted, by the wall clock at the boot. It
// returns now if the kernel does not report it.
func Boot(now time.Time) time.Time {
	if boot, err := booted(); err == nil {
		return boot
	}
	return now
}

// Contained returns false: zones are not told apart.
func Contained() bool { return false }

// InitStart returns 0: a zone has a boot of its own in /proc/0.
func InitStart() time.Duration { return 0 }

// Leaders reports for each terminal line, such as pts/3, whether the terminal
// exists and which living process leads the session on it. It blocks for one
// pass over /proc if any of the terminals exists.
func Leaders(lines []string) (map[string]Leader, error) {
	leaders := make(map[string]Leader, len(lines))
	terminals := make(map[uint64][]string)
	for _, line := range lines {
		path, ok := linePath(line)
		var st unix.Stat_t
		ok = ok && unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR
		leaders[line] = Leader{Exists: ok}
		if ok {
			terminals[st.Rdev] = append(terminals[st.Rdev], line)
		}
	}
	if len(terminals) == 0 {
		return leaders, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return leaders, fmt.Errorf("proc: session leaders: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.ParseInt(entry.Name(), 10, 32)
		if err != nil {
			continue
		}
		info, err := readPsinfo(int32(pid))
		if err != nil || info.ended() || info.session != info.pid {
			continue
		}
		for _, line := range terminals[info.tty] {
			leaders[line] = Leader{Exists: true, Found: true, ID: session.ID{PID: info.pid, Start: ticks(info.start)}}
		}
	}
	return leaders, nil
}

// Leaving is known on Linux alone.
func Leaving(int) bool { return false }
