// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// readyEnv names to the detached process the descriptor on which it reports. A Go
// program cannot fork without exec, so the daemon is the same program, started
// again.
const readyEnv = "UTMPD_READY_FD"

// readyWord is the last thing that the daemon reports, after its warnings, when it
// is ready. A report that ends otherwise says why it is not.
const readyWord = "ready\n"

// detach starts the daemon in a session of its own, away from the terminal, and
// waits until it is ready or has failed.
func detach(args []string, stderr io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	defer null.Close()
	closeInherited()
	child, err := os.StartProcess(exe, append([]string{"utmpd"}, args...), &os.ProcAttr{
		Env:   append(os.Environ(), readyEnv+"=3"),
		Files: []*os.File{null, null, null, w},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	w.Close()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return awaitReady(child, r, stderr)
}

// awaitReady reads the report of a daemon that was started. It returns why the
// daemon is not ready, and prints its warnings if it is.
func awaitReady(child *os.Process, r io.Reader, stderr io.Writer) error {
	word, err := io.ReadAll(r)
	warned, ready := strings.CutSuffix(string(word), readyWord)
	switch {
	case err != nil:
		return fmt.Errorf("detach: %w", err)
	case ready:
		fmt.Fprint(stderr, warned)
		return nil
	case len(word) > 0:
		_, _ = child.Wait()
		return errors.New(strings.TrimSpace(string(word)))
	}
	state, err := child.Wait()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return fmt.Errorf("the daemon ended before it was ready: %v", state)
}

// closeInherited keeps the open files of this process, except the first three, out
// of the daemon, which would hold a shell's lock or pipe for ever.
func closeInherited() {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if n, err := strconv.Atoi(fd.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
}

// detachedFD returns the descriptor on which to report, if this process is the
// daemon that detach started.
func detachedFD() (fd int, ok bool) {
	fd, err := strconv.Atoi(os.Getenv(readyEnv))
	if err != nil || fd < 3 {
		return 0, false
	}
	os.Unsetenv(readyEnv)
	return fd, true
}

// detached is the daemon's life in a session of its own.
func detached(f flags, fd int) int {
	syscall.CloseOnExec(fd)
	_ = os.Chdir("/") // so that it keeps no file system busy
	report := os.NewFile(uintptr(fd), "ready")
	early := &warnings{}
	l := syslogLog(early)
	defer l.Close()
	err := serve(f, l, func() {
		fmt.Fprint(report, early.take(), readyWord)
		report.Close()
	})
	if err != nil {
		l.Error("utmpd ends", "error", err)
		fmt.Fprintln(report, err) // unless ready has closed it
		return exitError
	}
	return exitOK
}
