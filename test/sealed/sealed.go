// SPDX-License-Identifier: BSD-2-Clause

// Package sealed runs the tests of a suite where they cannot change the machine.
//
// For root on Linux that is a process in its own mount, pid and ipc namespaces. There
// all files are read-only except those below the suite's directory, and no process or
// mount outlives the tests. What others change on the machine meanwhile does not matter.
// For ordinary users and on other systems the tests run without namespaces.
//
// TestMain prepares what the tests need, on the machine, and then calls [Run], which
// starts the test binary again. In that process [Dir] returns the suite's directory:
//
//	if dir := sealed.Dir(); dir != "" {
//		os.Exit(m.Run())
//	}
//	dir := ... // make it, and prepare what the tests need
//	os.Exit(sealed.Run(dir))
package sealed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// env names the suite's directory to the processes that Run starts.
const env = "UTMPD_TEST_SEALED"

// plainEnv is set if root may not create namespaces here.
const plainEnv = "UTMPD_TEST_SEALED_PLAIN"

// Dir returns the suite's directory in the process that runs the tests, and "" in the
// one that prepares.
func Dir() string { return os.Getenv(env) }

// Run runs the tests with dir as the suite's directory, removes it, and returns the exit
// status. Temporary files are created below dir. The directories in writable stay
// writable too. A process or mount that is left below dir is a failure.
func Run(dir string, writable ...string) int {
	return end(dir, func() (int, error) { return run(dir, writable, false) })
}

// RunAmongAll is Run in the pid namespace of the caller, for tests of processes that are
// in no other: the kernel's threads. The tests must end the processes that they start.
func RunAmongAll(dir string, writable ...string) int {
	return end(dir, func() (int, error) { return run(dir, writable, true) })
}

// end runs the tests, removes dir and returns the exit status.
func end(dir string, tests func() (int, error)) int {
	status, err := tests()
	err = errors.Join(err, leftovers(dir), os.RemoveAll(dir))
	if err != nil {
		fmt.Printf("--- FAIL: %v\n", err)
		return 1
	}
	return status
}

// run returns the exit status of the tests.
func run(dir string, writable []string, amongAll bool) (int, error) {
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o1777); err != nil {
		return 1, err
	}
	cmd, err := again()
	if err != nil {
		return 1, err
	}
	cmd.Env = append(cmd.Env, env+"="+dir, "TMPDIR="+tmp)
	err = start(cmd, append(writable, dir), amongAll)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// again is the command that starts this program again, with the same arguments.
func again() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	for _, arg := range os.Args[1:] {
		// This file is in a directory of the go command, which is read-only. Without
		// it, the go command does not cache the result.
		if !strings.HasPrefix(arg, "-test.testlogfile=") {
			cmd.Args = append(cmd.Args, arg)
		}
	}
	cmd.Env = os.Environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd, nil
}

// below reports whether a file is dir or lies in it.
func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
