// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/snapshot"
)

const (
	openFlags    = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	noAccessTime = 0 // no flag leaves it as it is
)

// utimeOmit is UTIME_OMIT of sys/stat.h.
const utimeOmit = -2

func fillInfo(i *Info, fi fs.FileInfo) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	i.Generation = snapshot.Generation{Dev: st.Dev, Ino: st.Ino}
	i.UID, i.GID = st.Uid, st.Gid
	i.Accessed = time.Unix(st.Atim.Sec, st.Atim.Nsec)
}

// illumos takes OFD locks over whole files only, which is what is wanted here.
// Oracle's Solaris has none and answers EINVAL.
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

func (h *kernelHandle) Holder(kind LockKind) (int32, bool, error) {
	l := flockOf(kind)
	if err := h.fcntl(unix.F_OFD_GETLK, l); err != nil {
		return 0, false, err
	}
	return max(l.Pid, 0), l.Type != unix.F_UNLCK, nil
}

// SetAccessTime goes by name, since the call without one cannot be reached
// without libc's futimens. After a rotation it touches the new file, as wanted.
func (h *kernelHandle) SetAccessTime(t time.Time) error {
	at := unix.NsecToTimespec(t.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, h.name, []unix.Timespec{at, {Nsec: utimeOmit}}, 0)
}

func nativePaths(func(name string) bool) (file, log string) {
	return "/var/adm/utmpx", "/var/adm/wtmpx"
}
