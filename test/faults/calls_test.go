// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// shape says what a call works on.
type shape int

const (
	onFD     shape = iota // a descriptor, the first argument
	onPath                // a path, the first argument
	onPathAt              // a path, the second argument, from the descriptor in the first
	onPathFD              // like onPathAt, or the descriptor alone if the path is empty or null
	onWatch               // inotify_add_watch
	onTarget              // epoll_ctl
	onNone
	onRuntime // made only by the Go runtime
)

// names are the calls that the tracer observes.
var names = map[int]struct {
	name string
	on   shape
}{
	unix.SYS_READ: {"read", onFD}, unix.SYS_WRITE: {"write", onFD},
	unix.SYS_PREAD64: {"pread64", onFD}, unix.SYS_PWRITE64: {"pwrite64", onFD},
	unix.SYS_CLOSE: {"close", onFD}, unix.SYS_FSTAT: {"fstat", onFD},
	unix.SYS_FSTATFS: {"fstatfs", onFD}, unix.SYS_FSYNC: {"fsync", onFD},
	unix.SYS_FTRUNCATE: {"ftruncate", onFD}, unix.SYS_FCHMOD: {"fchmod", onFD},
	unix.SYS_GETDENTS64: {"getdents64", onFD}, unix.SYS_FCNTL: {"fcntl", onFD},
	unix.SYS_IOCTL: {"ioctl", onFD}, unix.SYS_CONNECT: {"connect", onFD},
	unix.SYS_STAT: {"stat", onPath}, unix.SYS_LSTAT: {"lstat", onPath},
	unix.SYS_MKNOD: {"mknod", onPath}, unix.SYS_OPEN: {"open", onPath},
	unix.SYS_OPENAT: {"openat", onPathAt}, unix.SYS_UNLINKAT: {"unlinkat", onPathAt},
	unix.SYS_RENAMEAT: {"renameat", onPathAt}, unix.SYS_RENAMEAT2: {"renameat2", onPathAt},
	unix.SYS_LINKAT: {"linkat", onPathAt}, unix.SYS_FCHOWN: {"fchown", onFD}, unix.SYS_FLOCK: {"flock", onFD},
	unix.SYS_LLISTXATTR: {"llistxattr", onPath}, unix.SYS_LSEEK: {"lseek", onFD},
	unix.SYS_MKDIRAT: {"mkdirat", onPathAt}, unix.SYS_MKNODAT: {"mknodat", onPathAt},
	unix.SYS_FACCESSAT: {"faccessat", onPathAt}, unix.SYS_FACCESSAT2: {"faccessat2", onPathAt},
	unix.SYS_READLINKAT: {"readlinkat", onPathAt}, unix.SYS_FCHOWNAT: {"fchownat", onPathAt},
	unix.SYS_NEWFSTATAT: {"newfstatat", onPathFD}, unix.SYS_UTIMENSAT: {"utimensat", onPathFD},
	unix.SYS_INOTIFY_INIT1: {"inotify_init1", onNone}, unix.SYS_INOTIFY_ADD_WATCH: {"inotify_add_watch", onWatch},
	unix.SYS_INOTIFY_RM_WATCH: {"inotify_rm_watch", onNone},
	unix.SYS_EPOLL_CREATE1:    {"epoll_create1", onNone}, unix.SYS_EPOLL_CTL: {"epoll_ctl", onTarget},
	unix.SYS_EPOLL_WAIT: {"epoll_wait", onFD}, unix.SYS_EPOLL_PWAIT: {"epoll_pwait", onFD},
	unix.SYS_POLL: {"poll", onNone}, unix.SYS_PPOLL: {"ppoll", onNone},
	unix.SYS_PIDFD_OPEN: {"pidfd_open", onNone}, unix.SYS_KILL: {"kill", onNone},
	unix.SYS_SOCKET: {"socket", onNone}, unix.SYS_CAPGET: {"capget", onNone},
	unix.SYS_UNAME: {"uname", onNone}, unix.SYS_PRLIMIT64: {"prlimit64", onNone},
	unix.SYS_MMAP: {"mmap", onRuntime}, unix.SYS_CLONE: {"clone", onRuntime}, unix.SYS_EVENTFD2: {"eventfd2", onRuntime},
}

// byRuntime is the prefix of the kind of a call that the Go runtime makes for itself.
const byRuntime = "runtime "

// call is a system call of the daemon at its entry.
type call struct {
	pid  int
	regs *unix.PtraceRegs
	mem  *os.File // of the process
	dir  string   // files in it are named without it

	epoll *int // utmpd's own epoll descriptor, once known: it holds pidfds
}

// kind names the call by its action and its object. It is "" for the waiting of the Go
// runtime, which goes on all the time.
func (c call) kind() string {
	of, ok := names[int(c.regs.Orig_rax)]
	if !ok {
		return ""
	}
	object := c.object(of.on)
	switch of.on {
	case onTarget:
		if object != "pidfd" {
			return byRuntime + of.name // for every file that can wait
		}
		*c.epoll = int(c.regs.Rdi)
	case onRuntime:
		return byRuntime + of.name
	}
	if of.name == "epoll_pwait" && int(c.regs.Rdi) != *c.epoll || object == "eventfd" {
		return ""
	}
	if of.name == "epoll_create1" && !c.hasEpoll() { // the first is the runtime's
		return byRuntime + of.name
	}
	return strings.TrimSpace(of.name + " " + c.detail(of.name) + object)
}

// object names what the call works on; "" if that has no name.
func (c call) object(on shape) string {
	switch on {
	case onFD:
		return c.fd(int(c.regs.Rdi))
	case onPath:
		return c.path(c.regs.Rdi)
	case onPathAt, onWatch:
		return c.path(c.regs.Rsi)
	case onPathFD:
		if path := c.path(c.regs.Rsi); path != "" {
			return path
		}
		return c.fd(int(c.regs.Rdi))
	case onTarget:
		return c.fd(int(c.regs.Rdx))
	}
	return ""
}

// detail distinguishes calls of the same name.
func (c call) detail(name string) string {
	switch name {
	case "fcntl":
		return c.fcntl()
	case "openat":
		switch flags := c.regs.Rdx; {
		case flags&unix.O_CREAT != 0:
			return "creat "
		case flags&unix.O_APPEND != 0:
			return "append "
		case flags&unix.O_ACCMODE != 0:
			return "rdwr "
		}
	case "newfstatat":
		if c.regs.R10&unix.AT_SYMLINK_NOFOLLOW != 0 {
			return "nofollow "
		}
	case "ioctl":
		if c.regs.Rsi&0xffff == 0xff0b {
			return "PIDFD_GET_INFO "
		}
		return fmt.Sprintf("%#x ", c.regs.Rsi)
	}
	return ""
}

func (c call) fcntl() string {
	name, lock := map[uint64]string{
		unix.F_GETFL: "GETFL", unix.F_SETFL: "SETFL", unix.F_SETLK: "SETLK", unix.F_SETLKW: "SETLKW", unix.F_GETLK: "GETLK",
		unix.F_OFD_SETLK: "OFD_SETLK", unix.F_OFD_SETLKW: "OFD_SETLKW", unix.F_OFD_GETLK: "OFD_GETLK",
	}[c.regs.Rsi], ""
	if strings.Contains(name, "LK") {
		b := make([]byte, 2)
		_, _ = c.mem.ReadAt(b, int64(c.regs.Rdx))
		lock = map[uint16]string{unix.F_RDLCK: "read ", unix.F_WRLCK: "write ", unix.F_UNLCK: "unlock "}[binary.LittleEndian.Uint16(b)]
	}
	if name == "" {
		name = fmt.Sprint(c.regs.Rsi)
	}
	return name + " " + lock
}

var (
	inProc   = regexp.MustCompile(`^/proc/\d+`)
	numbered = regexp.MustCompile(`\.\d+`) // the names of temporary files
)

// path reads a path from the daemon's memory.
func (c call) path(at uint64) string {
	if at == 0 {
		return ""
	}
	b := make([]byte, 512)
	n, _ := c.mem.ReadAt(b, int64(at))
	s, _, _ := bytes.Cut(b[:n], []byte{0})
	return c.plain(string(s))
}

// plain turns a name into one that is the same in every run.
func (c call) plain(name string) string {
	name = strings.TrimSuffix(name, " (deleted)")
	if in, ok := strings.CutPrefix(name, c.dir); ok {
		return cmp.Or(numbered.ReplaceAllString(strings.TrimPrefix(in, "/"), ".N"), "DIR")
	}
	if strings.HasPrefix(name, "/dev/"+linePrefix) {
		return "/dev/LINE"
	}
	return inProc.ReplaceAllString(name, "/proc/PID")
}

// fd names the object of a descriptor.
func (c call) fd(fd int) string {
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, fd))
	if err != nil {
		return "bad descriptor"
	}
	for _, anon := range []string{"pidfd", "eventfd", "eventpoll", "inotify", "socket"} {
		if to == "anon_inode:["+anon+"]" || to == "anon_inode:"+anon || strings.HasPrefix(to, anon+":") {
			return anon
		}
	}
	return c.plain(to)
}

func (c call) hasEpoll() bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.pid))
	for _, name := range fds {
		if to, err := os.Readlink(name); err == nil && strings.Contains(to, "eventpoll") {
			return true
		}
	}
	return false
}
