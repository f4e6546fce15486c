// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/test/sealed"
)

// worldEnv holds the directory of a case, in the processes of its namespaces.
const worldEnv = "UTMPD_CASES_WORLD"

// callEnv makes the test binary one of the programs in programs.
const callEnv = "UTMPD_CASES_PROGRAM"

// utmpd and utmpctl are the programs under test.
var utmpd, utmpctl string

func TestMain(m *testing.M) {
	if name := os.Getenv(callEnv); name != "" {
		programs[name](os.Args[1:])
		os.Exit(0)
	}
	flag.Parse()
	dir := sealed.Dir()
	utmpd, utmpctl = filepath.Join(dir, "utmpd"), filepath.Join(dir, "utmpctl")
	switch world := os.Getenv(worldEnv); {
	case world != "" && os.Getpid() == 1:
		os.Exit(beInit(world))
	case dir != "":
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		os.Exit(notRun())
	}
	dir, err := os.MkdirTemp("", "utmpd-cases-")
	if err == nil {
		err = sealed.Build(dir, "cmd/utmpd", "cmd/utmpctl")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	os.Exit(sealed.Run(dir))
}

func TestSealed(t *testing.T) {
	if os.Getenv(worldEnv) == "" {
		sealed.Test(t)
	}
}

// notRun says why the cases do not run. That is a failure where they must.
func notRun() int {
	fmt.Println("the cases were not run: namespaces need root")
	return sealed.NotRun()
}

// enter runs the calling test again in a world of its own, beside others. There it
// returns true. Outside it waits, takes over the result, and returns false.
func enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(worldEnv) != "" {
		return true
	}
	t.Parallel()
	var names []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		names = append(names, "^"+regexp.QuoteMeta(name)+"$")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", strings.Join(names, "/"), "-test.v", "-test.timeout", "2m")
	cmd.Env = append(os.Environ(), worldEnv+"="+t.TempDir(), "TZ=UTC", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Errorf("the case did not run:\n%s", out)
	}
	return false
}

// beInit is process 1 of a world: it mounts what the world has of its own, runs the
// test, reaps, and returns the test's exit status.
func beInit(dir string) int {
	if err := mounts(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			fmt.Println(err)
			return 1
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == cmd.Process.Pid:
			return 1
		}
	}
}

// mounts gives the world its own /proc, its own terminals, and a run in memory.
func mounts(dir string) error {
	run := filepath.Join(dir, "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o755); err != nil {
		return err
	}
	for _, m := range []struct {
		from, to, kind, data string
		flags                uintptr
	}{
		{"", "/", "", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", "", 0},
		{"devpts", "/dev/pts", "devpts", "newinstance,ptmxmode=0666", 0},
		{"/dev/pts/ptmx", "/dev/ptmx", "", "", unix.MS_BIND},
		{"run", run, "tmpfs", "mode=0755", 0},
	} {
		if err := unix.Mount(m.from, m.to, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.from, m.to, err)
		}
	}
	return nil
}

// await waits until ok holds. A case that waits for half a minute has failed.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
