// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// containerCalls are those that container runtimes let a container without further rights
// make: everything that an ordinary program needs. All others are denied.
var containerCalls = []uint32{
	unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_ACCESS, unix.SYS_ALARM, unix.SYS_ARCH_PRCTL, unix.SYS_BIND, unix.SYS_BRK,
	unix.SYS_CAPGET, unix.SYS_CAPSET, unix.SYS_CHDIR, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_CLOCK_GETRES,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLONE, unix.SYS_CLOSE, unix.SYS_CONNECT,
	unix.SYS_DUP, unix.SYS_DUP2, unix.SYS_DUP3, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL,
	unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD, unix.SYS_EVENTFD2, unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_FACCESSAT, unix.SYS_FADVISE64, unix.SYS_FALLOCATE, unix.SYS_FCHDIR,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_FCNTL, unix.SYS_FDATASYNC,
	unix.SYS_FLOCK, unix.SYS_FORK, unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_FSYNC, unix.SYS_FTRUNCATE, unix.SYS_FUTEX,
	unix.SYS_GETCWD, unix.SYS_GETDENTS64, unix.SYS_GETEGID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETGROUPS,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETPGID, unix.SYS_GETPGRP, unix.SYS_GETRANDOM, unix.SYS_GETRESGID,
	unix.SYS_GETRESUID, unix.SYS_GETRLIMIT, unix.SYS_GETSID, unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_GETTID,
	unix.SYS_GETTIMEOFDAY, unix.SYS_GETUID, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_INIT, unix.SYS_INOTIFY_INIT1,
	unix.SYS_INOTIFY_RM_WATCH, unix.SYS_IOCTL, unix.SYS_KILL, unix.SYS_LCHOWN, unix.SYS_LINK, unix.SYS_LINKAT,
	unix.SYS_LISTEN, unix.SYS_LSEEK, unix.SYS_LSTAT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MKDIR, unix.SYS_MKDIRAT,
	unix.SYS_MKNOD, unix.SYS_MKNODAT, unix.SYS_MLOCK, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MSYNC,
	unix.SYS_MUNMAP, unix.SYS_NANOSLEEP, unix.SYS_NEWFSTATAT, unix.SYS_OPEN, unix.SYS_OPENAT, unix.SYS_PAUSE, unix.SYS_PIPE,
	unix.SYS_PIPE2, unix.SYS_POLL, unix.SYS_PPOLL, unix.SYS_PRCTL, unix.SYS_PREAD64, unix.SYS_PRLIMIT64, unix.SYS_PSELECT6,
	unix.SYS_PWRITE64, unix.SYS_READ, unix.SYS_READLINK, unix.SYS_READLINKAT, unix.SYS_READV, unix.SYS_RECVFROM,
	unix.SYS_RECVMSG, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_RESTART_SYSCALL, unix.SYS_RMDIR,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGSUSPEND,
	unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_YIELD, unix.SYS_SECCOMP, unix.SYS_SELECT,
	unix.SYS_SENDMSG, unix.SYS_SENDTO, unix.SYS_SETGID, unix.SYS_SETGROUPS, unix.SYS_SETITIMER, unix.SYS_SETPGID,
	unix.SYS_SETREGID, unix.SYS_SETRESGID, unix.SYS_SETRESUID, unix.SYS_SETREUID, unix.SYS_SETRLIMIT,
	unix.SYS_SETSID, unix.SYS_SETSOCKOPT, unix.SYS_SETUID, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_SHUTDOWN, unix.SYS_SIGALTSTACK, unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_STAT, unix.SYS_STATFS,
	unix.SYS_STATX, unix.SYS_SYMLINK, unix.SYS_SYMLINKAT, unix.SYS_SYNC, unix.SYS_SYSINFO, unix.SYS_TGKILL, unix.SYS_TIME,
	unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_GETTIME, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_DELETE,
	unix.SYS_TIMER_SETTIME, unix.SYS_TKILL, unix.SYS_TRUNCATE, unix.SYS_UMASK, unix.SYS_UNAME, unix.SYS_UNLINK,
	unix.SYS_UNLINKAT, unix.SYS_UTIME, unix.SYS_UTIMENSAT, unix.SYS_UTIMES, unix.SYS_VFORK, unix.SYS_WAIT4, unix.SYS_WAITID,
	unix.SYS_WRITE, unix.SYS_WRITEV,
}

// youngCalls are those that runtimes of the last years also allow.
var youngCalls = []uint32{
	unix.SYS_CLOSE_RANGE, unix.SYS_EPOLL_PWAIT2, unix.SYS_FACCESSAT2, unix.SYS_FCHMODAT2, unix.SYS_LANDLOCK_CREATE_RULESET,
	unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF, unix.SYS_MEMBARRIER, unix.SYS_OPENAT2, unix.SYS_PIDFD_OPEN,
	unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RSEQ,
}

// allowedOnly denies all but these calls.
func allowedOnly(errno unix.Errno, allowed ...[]uint32) []refusal {
	all := slices.Sorted(slices.Values(slices.Concat(allowed...)))
	var refused []refusal
	next := uint32(0)
	for _, n := range all {
		if n > next {
			refused = append(refused, refusal{First: next, Last: n - 1, Errno: errno})
		}
		next = n + 1
	}
	return append(refused, refusal{First: next, Last: 1 << 20, Errno: errno})
}

// TestInContainer runs utmpd behind the filters of container runtimes, which deny what they
// do not list: with EPERM, whether the kernel has the call or not, or with ENOSYS.
func TestInContainer(t *testing.T) {
	parallel(t)
	for _, c := range []struct {
		name    string
		refused []refusal
		says    []string
	}{
		{"now", allowedOnly(unix.ENOSYS, containerCalls, youngCalls), []string{"backend=pidfd"}},
		{"some years ago", allowedOnly(unix.EPERM, containerCalls), []string{"backend=polling", "landlock: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configure(t, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=1")
			p := &pair{d: startUtmpdRefused(t, c.refused)}
			for _, words := range c.says {
				p.d.waitLog(t, words)
			}
			p.lives, p.dies = dwell(t, "x/1"), dwell(t, "x/2")
			statusSays(t, "sessions: 2")
			beats(t)
			terminal := loginC(t)
			kill("the program", server).do(t, terminal)
			died := p.dies.kill(t)
			died.to = died.to.Add(time.Second) // when processes are checked once a second
			p.dies.mustGo(t, died)
			p.lives.mustStand(t)
			p.d.waitLog(t, "session left alone", "line="+terminal.entry.Line)
			(&dweller{entry: terminal.entry}).mustStand(t)
			p.d.stop(t)
			startUtmpdRefused(t, c.refused)
			p.lives.mustStand(t)
		})
	}
}
