// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"strconv"
	"syscall"

	"utmpd.dev/utmpd/utmpx"
)

// Status is how a process ended, if the kernel reported it.
type Status struct {
	Known bool
	Wait  int32 // as wait(2) returns it
}

// Code returns the exit code, 0 to 255. It is 0 if a signal ended the process or
// the status is unknown.
func (s Status) Code() int {
	if !s.Known || s.Signal() != 0 {
		return 0
	}
	return int(s.Wait>>8) & 0xff
}

// Signal returns the number of the signal that ended the process. It is 0 if the
// process exited by itself or the status is unknown.
func (s Status) Signal() int {
	if !s.Known {
		return 0
	}
	return int(s.Wait) & 0x7f
}

// Exit returns the status as a record holds it. It is zero if the status is
// unknown.
func (s Status) Exit() utmpx.Exit {
	if !s.Known {
		return utmpx.Exit{}
	}
	return utmpx.Exit{Termination: int16(s.Wait & 0x7f), Exit: int16(s.Wait >> 8 & 0xff)}
}

// String returns "exit 0", "signal KILL", "signal 42" or "unknown".
func (s Status) String() string {
	switch {
	case !s.Known:
		return "unknown"
	case s.Signal() == 0:
		return "exit " + strconv.Itoa(s.Code())
	}
	if name := signalNames[syscall.Signal(s.Signal())]; name != "" {
		return "signal " + name
	}
	return "signal " + strconv.Itoa(s.Signal())
}

// signalNames has the signals of POSIX, whose numbers differ between systems.
var signalNames = map[syscall.Signal]string{
	syscall.SIGABRT: "ABRT", syscall.SIGALRM: "ALRM", syscall.SIGBUS: "BUS",
	syscall.SIGCHLD: "CHLD", syscall.SIGCONT: "CONT", syscall.SIGFPE: "FPE",
	syscall.SIGHUP: "HUP", syscall.SIGILL: "ILL", syscall.SIGINT: "INT",
	syscall.SIGIO: "IO", syscall.SIGKILL: "KILL", syscall.SIGPIPE: "PIPE",
	syscall.SIGPROF: "PROF", sigPWR: "PWR", syscall.SIGQUIT: "QUIT",
	syscall.SIGSEGV: "SEGV", syscall.SIGSTOP: "STOP", syscall.SIGSYS: "SYS",
	syscall.SIGTERM: "TERM", syscall.SIGTRAP: "TRAP", syscall.SIGTSTP: "TSTP",
	syscall.SIGTTIN: "TTIN", syscall.SIGTTOU: "TTOU", syscall.SIGURG: "URG",
	syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2", syscall.SIGVTALRM: "VTALRM",
	syscall.SIGWINCH: "WINCH", syscall.SIGXCPU: "XCPU", syscall.SIGXFSZ: "XFSZ",
}
