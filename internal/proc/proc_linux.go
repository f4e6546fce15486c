// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// Process is one process. One from Open holds a pidfd; one from Find knows only
// its pid and start time. A Process is not safe for concurrent use.
type Process struct {
	id      session.ID
	fd      int32 // the pidfd; -1 from Find
	peek    bool  // its stat showed fields that need ptrace access
	kthread bool
	unsure  bool
}

// Open opens the process that has pid now, also if it is a zombie. It does not
// block. The Process holds one descriptor until Close.
//
// The error wraps ErrGone if no process has pid, ErrNoPidfd if pidfd_open(2) is
// missing or forbidden, and else the kernel's error: EMFILE, ENFILE, ENOMEM, or,
// if pid is the id of a thread other than a process's first, EINVAL or ENOENT.
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
	p := &Process{fd: int32(fd), id: session.ID{PID: pid, Inode: pidfsInode(fd)}}
	if s, err := readStat(pid); err == nil {
		// Another process may have got the pid since pidfd_open. It cannot
		// have while the pidfd's process is not reaped.
		if _, reaped := p.Ended(); !reaped {
			p.id.Start, p.peek, p.kthread = s.start, s.startCode > 1, s.kernelThread()
		}
	}
	return p, nil
}

// openError translates an error of pidfd_open(2).
func openError(pid int32, err error) error {
	switch err {
	case unix.ESRCH:
		return ErrGone
	case unix.ENOSYS, unix.EPERM, unix.EACCES, unix.ENODEV:
		return fmt.Errorf("%w: %w", ErrNoPidfd, err)
	case unix.EINVAL, unix.ENOENT:
		// pid is a thread's id, or the id of a process group or session
		// whose leader was reaped and that still has members. The latter
		// is no process, and kill(2) fails.
		if unix.Kill(int(pid), 0) == unix.ESRCH {
			return ErrGone
		}
	}
	return err
}

// Find finds the process that has pid now, also if it is a zombie. It holds no
// descriptor: Ended asks kill(2) and, if it can be read, /proc/PID/stat for the
// state and the start time. A process missing from /proc counts as alive, since
// hidepid hides living processes. The error wraps ErrGone if no process has
// pid.
func Find(pid int32) (*Process, error) {
	p := &Process{fd: -1, id: session.ID{PID: pid}}
	if pid <= 0 || !signalable(pid) {
		return nil, fmt.Errorf("proc: find %d: %w", pid, ErrGone)
	}
	s, err := readStat(pid)
	if p.unsure = err != nil; !p.unsure {
		p.id.Start, p.peek, p.kthread = s.start, s.startCode > 1, s.kernelThread()
	}
	return p, nil
}

// Unsure reports whether the last look, by Find or Ended, told no more than that the pid
// is in use: /proc hides the process. It may be another one, or a zombie. A Process from
// Open is always sure.
func (p *Process) Unsure() bool { return p.unsure }

// ID returns the process's identity. Its Inode is 0 before Linux 6.9 and from
// Find. Its Start is 0 if /proc does not show the process.
func (p *Process) ID() session.ID { return p.id }

// Nobody reports why the process cannot be a session's.
func (p *Process) Nobody() session.Nobody {
	if p.kthread {
		return session.KernelThread
	}
	return nobody(p.id.PID)
}

// Ended reports whether the process has ended, and whether its parent has
// waited for it. It does not block. A process whose first thread has exited
// while others run has not ended. Before Linux 6.9 a pidfd does not show that a
// process was reaped: reaped is then always false for a Process from Open.
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
		if err != nil { // the state is unknown: count it as alive
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
	p.unsure = err != nil
	switch {
	case err != nil && !signalable(p.id.PID): // it was reaped just now
		return true, true
	case err != nil:
		return false, false
	case p.id.Start != 0 && s.start != p.id.Start:
		return true, true
	}
	return s.ended(), false
}

// Status returns how the process ended, if the kernel reports it now. For a
// zombie it does if the caller may trace it, for a reaped process since Linux
// 6.15 and if the Process is from Open.
func (p *Process) Status() session.Status {
	if p.fd >= 0 {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		if unix.IoctlPidfdInfo(int(p.fd), &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			return session.Status{Known: true, Wait: info.Exit_code}
		}
	}
	// exit_code reads 0 without ptrace access, as if the process had
	// succeeded. Capabilities do not prove access: Landlock denies it to
	// the capable too. peek does: it was read while the process lived.
	if !p.peek {
		return session.Status{}
	}
	s, err := readStat(p.id.PID)
	if err != nil || !s.ended() || p.id.Start == 0 || s.start != p.id.Start || s.exitCode == 0 && !mayTraceAll() {
		return session.Status{}
	}
	return session.Status{Known: true, Wait: s.exitCode}
}

// Close closes the pidfd, if there is one.
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

// pidfsInode returns a pidfd's inode number, or 0 if the kernel has no pidfs:
// all pidfds then share one inode.
func pidfsInode(fd int) uint64 {
	var st unix.Stat_t
	if !onPidfs(fd) || unix.Fstat(fd, &st) != nil {
		return 0
	}
	return uint64(st.Ino)
}

// pidfs is whether pidfds are on pidfs, as the first of them told.
var pidfs atomic.Pointer[bool]

func onPidfs(fd int) bool {
	if known := pidfs.Load(); known != nil {
		return *known
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	is := int64(fs.Type) == unix.PID_FS_MAGIC
	pidfs.Store(&is)
	return is
}

// Supports reports whether each process has a unique inode number (Linux ≥ 6.9)
// and whether the exit status of other programs' children can be read
// (≥ 6.15). It tries both as far as possible, since a sandbox may forbid them.
func Supports() (inode, exit bool) {
	self, err := Open(int32(os.Getpid()))
	if err != nil {
		return false, false
	}
	defer self.Close()
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	return self.id.Inode != 0, unix.IoctlPidfdInfo(int(self.fd), &info) == nil && since(6, 15)
}

// since reports whether the kernel has that version or a later one.
func since(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var is, isMinor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &is, &isMinor)
	return err == nil && (is > major || is == major && isMinor >= minor)
}

// signalable reports whether any process, also a zombie, has this pid.
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

// BootID returns a string that identifies this boot of the machine.
//
// Source: /proc/sys/kernel/random/boot_id in random(4).
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

// Contained reports whether this process is in a container: in a pid namespace other
// than the kernel's first one, whose inode is fixed.
//
// Source: PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h.
func Contained() bool {
	to, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && to != "pid:[4026531836]"
}

// InitStart returns how long the kernel had run when process 1 started. In a
// container this can be any length. It is 0 if it is unknown.
func InitStart() time.Duration {
	st, err := readStat(1)
	if err != nil {
		return 0
	}
	return session.ID{Start: st.start}.SinceBoot()
}

// Boot returns when the machine was booted: now less CLOCK_BOOTTIME. The result
// moves when the wall clock is stepped. It is now itself if the clock cannot be
// read.
func Boot(now time.Time) time.Time {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return now
	}
	return now.Add(-time.Duration(up.Nano()))
}
