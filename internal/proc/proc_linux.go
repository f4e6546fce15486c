// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is one process, from Open an open pidfd, from Find its pid and start
// time only. A Process is not safe for concurrent use.
type Process struct {
	id   ID
	fd   int32 // -1 from Find
	peek bool  // its stat showed us what needs ptrace access
}

// Open opens the process that lives under pid now, without blocking. It costs
// one descriptor until Close. A zombie can be opened.
//
// The error is ErrGone if there is none, ErrNoPidfd if the kernel has no
// pidfd_open(2) or forbids it, else the kernel's: EMFILE, ENFILE, ENOMEM, or
// EINVAL or ENOENT for the number of a thread that is no process.
//
// Source: pidfd_open(2); Linux ≥ 5.3.
func Open(pid int32) (*Process, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("proc: open %d: %w", pid, ErrGone)
	}
	fd, err := unix.PidfdOpen(int(pid), 0)
	if err != nil {
		return nil, fmt.Errorf("proc: open %d: %w", pid, openError(pid, err))
	}
	p := &Process{fd: int32(fd), id: ID{PID: pid, Inode: pidfsInode(fd)}}
	if s, err := readStat(pid); err == nil {
		// The number may have passed on between pidfd_open and here. While
		// the pidfd's process is not reaped, it has not.
		if _, reaped := p.Ended(); !reaped {
			p.id.Start, p.peek = s.start, s.startCode > 1
		}
	}
	return p, nil
}

// openError says what an error of pidfd_open(2) means.
func openError(pid int32, err error) error {
	switch err {
	case unix.ESRCH:
		return ErrGone
	case unix.ENOSYS, unix.EPERM, unix.EACCES, unix.ENODEV:
		return fmt.Errorf("%w: %w", ErrNoPidfd, err)
	case unix.EINVAL, unix.ENOENT:
		// The number of a thread; or that of a group or session whose leader
		// was reaped while others live on in it: no process.
		if unix.Kill(int(pid), 0) == unix.ESRCH {
			return ErrGone
		}
	}
	return err
}

// Find looks for the process that lives under pid now and keeps no descriptor.
// Its end is seen when asked for, by kill(2), by its state and start time in
// /proc if those can be read: absence from /proc is no proof, since hidepid
// hides the living. The error is ErrGone if there is none.
func Find(pid int32) (*Process, error) {
	p := &Process{fd: -1, id: ID{PID: pid}}
	if pid <= 0 || !signalable(pid) {
		return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
	}
	if s, err := readStat(pid); err == nil {
		p.id.Start, p.peek = s.start, s.startCode > 1
	}
	return p, nil
}

// ID returns the process's identity. Its inode is 0 before Linux 6.9 and from
// Find, its start 0 where /proc does not show the process.
func (p *Process) ID() ID { return p.id }

// Ended reports whether the process has ended, and whether its parent has
// waited for it too, which before Linux 6.9 is not told. It does not block. A
// process whose first thread has exited while others run has not ended.
func (p *Process) Ended() (ended, reaped bool) {
	if p.fd < 0 {
		return p.endedByPID()
	}
	set := []unix.PollFd{{Fd: p.fd, Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(set, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil { // unknown is not dead
			return false, false
		}
		return set[0].Revents&(unix.POLLIN|unix.POLLHUP) != 0, set[0].Revents&unix.POLLHUP != 0
	}
}

func (p *Process) endedByPID() (ended, reaped bool) {
	if !signalable(p.id.PID) {
		return true, true
	}
	s, err := readStat(p.id.PID)
	switch {
	case err != nil:
		return false, false
	case p.id.Start != 0 && s.start != p.id.Start:
		return true, true
	}
	return s.ended(), false
}

// Status returns how the process ended, as far as the kernel tells now: of a
// zombie only to who may trace it, of a reaped one since Linux 6.15.
func (p *Process) Status() Status {
	if p.fd >= 0 {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		if unix.IoctlPidfdInfo(int(p.fd), &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			return Status{Known: true, Wait: info.Exit_code}
		}
	}
	// Who may not trace the process reads 0, as if it had exited well. What
	// it was allowed to see of it when it lived tells of rules that bind
	// even the capable, such as Landlock's.
	if !p.peek {
		return Status{}
	}
	s, err := readStat(p.id.PID)
	if err != nil || !s.ended() || p.id.Start == 0 || s.start != p.id.Start || s.exitCode == 0 && !mayTraceAll() {
		return Status{}
	}
	return Status{Known: true, Wait: s.exitCode}
}

// Close releases the descriptor, if there is one.
func (p *Process) Close() error {
	if p.fd < 0 {
		return nil
	}
	fd := p.fd
	p.fd = -1
	if err := unix.Close(int(fd)); err != nil {
		return fmt.Errorf("proc: close %d: %w", p.id.PID, err)
	}
	return nil
}

// pidfsInode returns a pidfd's inode number, or 0 where pidfds have none of
// their own.
func pidfsInode(fd int) uint64 {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) != nil || int64(fs.Type) != unix.PID_FS_MAGIC || unix.Fstat(fd, &st) != nil {
		return 0
	}
	return uint64(st.Ino)
}

// Told reports what this kernel tells of processes: an inode for each, which is
// never another's (Linux ≥ 6.9), and how strangers' children ended (≥ 6.15). It
// tries, as far as that can be tried: a sandbox may forbid what the kernel can.
func Told() (inode, exit bool) {
	self, err := Open(int32(os.Getpid()))
	if err != nil {
		return false, false
	}
	defer self.Close()
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	return self.id.Inode != 0, unix.IoctlPidfdInfo(int(self.fd), &info) == nil && since(6, 15)
}

// since reports whether the kernel is of that version or later.
func since(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var is, isMinor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &is, &isMinor)
	return err == nil && (is > major || is == major && isMinor >= minor)
}

// signalable reports whether anything, a zombie included, has this pid.
func signalable(pid int32) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// mayTraceAll reports whether CAP_SYS_PTRACE is in force.
func mayTraceAll() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0
}

// BootID returns what names this boot of the machine and no other.
func BootID() (string, error) {
	const name = "/proc/sys/kernel/random/boot_id"
	buf := make([]byte, 128)
	n, err := readFile(name, buf)
	if err != nil {
		return "", fmt.Errorf("proc: read %s: %w", name, err)
	}
	id := strings.TrimSpace(string(buf[:n]))
	if id == "" {
		return "", fmt.Errorf("proc: read %s: %w", name, errors.New("is empty"))
	}
	return id, nil
}

// Boot returns when the machine was booted, by a wall clock that shows now. It
// moves when the clock is stepped. It is now itself if the kernel does not say.
func Boot(now time.Time) time.Time {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return now
	}
	return now.Add(-time.Duration(up.Nano()))
}
