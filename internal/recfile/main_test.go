// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

// lockEnv makes the test binary a process that locks the file named there.
const lockEnv = "UTMPFILE_TEST_LOCK"

func TestMain(m *testing.M) {
	if name := os.Getenv(lockEnv); name != "" {
		os.Exit(lockChild(name, os.Getenv(lockEnv+"_KIND") == "read"))
	}
	os.Exit(leaktest.Main(m))
}

// lockProcess runs a process that holds a POSIX lock on a file, as any libc's
// pututxline would, until unlock is called.
func lockProcess(t *testing.T, name string, read bool) (pid int32, unlock func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), lockEnv+"="+name)
	if read {
		cmd.Env = append(cmd.Env, lockEnv+"_KIND=read")
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := false
	unlock = func() {
		if done {
			return
		}
		done = true
		in.Close()
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("process that locks: %v", err)
		}
	}
	t.Cleanup(unlock)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("process that locks says %q, %v", line, err)
	}
	return int32(cmd.Process.Pid), unlock
}

func sayLocked() int {
	fmt.Println("locked")
	io.Copy(io.Discard, os.Stdin)
	return 0
}
