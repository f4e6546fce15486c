// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/snapshot"
)

const (
	openFlags    = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	noAccessTime = unix.O_NOATIME
)

func fillInfo(i *Info, fi fs.FileInfo) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	i.Generation = snapshot.Generation{Dev: uint64(st.Dev), Ino: st.Ino}
	i.UID, i.GID = st.Uid, st.Gid
	i.Accessed = time.Unix(st.Atim.Unix())
}

func flockOf(kind LockKind) *unix.Flock_t {
	l := &unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if kind == WriteLock {
		l.Type = unix.F_WRLCK
	}
	return l
}

func (h *kernelHandle) fcntl(cmd int, l *unix.Flock_t) error {
	return h.fd(func(fd uintptr) error {
		for {
			if err := unix.FcntlFlock(fd, cmd, l); err != unix.EINTR {
				return os.NewSyscallError("fcntl", err)
			}
		}
	})
}

func (h *kernelHandle) TryLock(kind LockKind) error {
	err := h.fcntl(unix.F_OFD_SETLK, flockOf(kind))
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	return err
}

func (h *kernelHandle) Lock(kind LockKind) error {
	return h.fcntl(unix.F_OFD_SETLKW, flockOf(kind))
}

func (h *kernelHandle) Unlock() error {
	return h.fcntl(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart})
}

// Holder asks with F_OFD_GETLK, which names the process of a POSIX lock, -1 for
// an OFD lock, and 0 for a process outside this pid namespace.
func (h *kernelHandle) Holder(kind LockKind) (int32, bool, error) {
	l := flockOf(kind)
	if err := h.fcntl(unix.F_OFD_GETLK, l); err != nil {
		return 0, false, err
	}
	return max(l.Pid, 0), l.Type != unix.F_UNLCK, nil
}

// SetAccessTime is futimens(3): utimensat without a path. The flag that would
// stand for it there (AT_EMPTY_PATH) is younger than the call.
func (h *kernelHandle) SetAccessTime(t time.Time) error {
	at, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	ts := [2]unix.Timespec{at, {Nsec: unix.UTIME_OMIT}}
	return h.fd(func(fd uintptr) error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, fd, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != 0 {
			return os.NewSyscallError("utimensat", errno)
		}
		return nil
	})
}

// nativePaths are glibc's: the x-files are used instead where they exist, each
// for itself.
//
// Source: TRANSFORM_UTMP_FILE_NAME in glibc's sysdeps/unix/sysv/linux/utmp_file.c.
func nativePaths(exists func(name string) bool) (file, log string) {
	file, log = "/var/run/utmp", "/var/log/wtmp"
	if exists(file + "x") {
		file += "x"
	}
	if exists(log + "x") {
		log += "x"
	}
	return file, log
}
