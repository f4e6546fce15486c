// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// few are the calls that remain to a process that only opens files and sets an access
// time: those by which it opens a file and hands it on, and those that Go's runtime makes
// for itself.
var few = slices.Concat([]uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_SENDMSG, unix.SYS_READLINKAT, unix.SYS_FSYNC,
	unix.SYS_FCNTL, unix.SYS_STATX, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	unix.SYS_FUTEX, unix.SYS_CLONE, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RESTART_SYSCALL,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_TGKILL, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MPROTECT, unix.SYS_MINCORE,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRANDOM,
}, oldStats, fewHere)

// fewProgram returns a filter that denies all but few, opening a file that exists, and
// utimensat(2) of an open file.
func fewProgram(arch string) ([]unix.SockFilter, error) {
	m, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("no seccomp filter for %s", arch)
	}
	prog := begin(arch, m)
	for _, call := range few {
		prog = append(prog, skipUnless(unix.BPF_JEQ, call), allowed)
	}
	return slices.Concat(prog,
		only(unix.SYS_UTIMENSAT, openFileOnly()...),
		only(unix.SYS_OPENAT, load(argument(2)), and(unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_TMPFILE), skipIf(unix.BPF_JEQ, 0), denied, allowed),
		[]unix.SockFilter{denied}), nil
}

// EnterFew is [Enter] for a process that only opens files, and sets access times. Threads cannot be told from processes, but neither gets more than this one has.
func EnterFew(dirs Dirs) []error {
	var errs []error
	// First, since the filter denies its calls.
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		errs = append(errs, err)
	} else if _, err := restrictFiles(dirs); err != nil {
		errs = append(errs, err)
	}
	prog, err := fewProgram(runtime.GOARCH)
	if err == nil {
		err = install(prog)
	}
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}
