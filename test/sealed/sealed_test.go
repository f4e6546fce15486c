// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package sealed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/leaktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(sleepEnv) != "" {
		for {
			_ = unix.Pause()
		}
	}
	if Dir() != "" {
		os.Exit(leaktest.Main(m))
	}
	dir, err := os.MkdirTemp("", "utmpd-sealed-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(Run(dir))
}

func TestSealed(t *testing.T) { Test(t) }

// sleepEnv makes the test binary a process that does nothing.
const sleepEnv = "UTMPD_TEST_SEALED_SLEEP"

// TestLeftovers expects leftovers to find a mount, a process that stands in the
// directory, and one whose program is there. Ordinary users have no mounts.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	if err := leftovers(dir); err != nil {
		t.Errorf("of an empty directory: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if b, err := os.ReadFile(self); err != nil || os.WriteFile(program, b, 0o700) != nil {
		t.Fatal(err)
	}
	inside, running := exec.Command(self), exec.Command(program)
	inside.Dir = dir
	want := []string{}
	for _, cmd := range []*exec.Cmd{inside, running} {
		cmd.Env = append(os.Environ(), sleepEnv+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
		defer end()
		want = append(want, fmt.Sprintf("process %d: ", cmd.Process.Pid))
	}
	if os.Geteuid() == 0 && os.Getenv(plainEnv) == "" {
		if err := unix.Mount("test", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
		want = append(want, "left mounted: "+dir)
	}
	found := fmt.Sprint(leftovers(dir))
	for _, w := range want {
		if !strings.Contains(found, w) {
			t.Errorf("not found: %s; only:\n%s", w, found)
		}
	}
	if n := strings.Count(found, "left "); n != len(want) {
		t.Errorf("%d things found, want %d:\n%s", n, len(want), found)
	}
}

// TestNothingOutlives leaves a mount, a process that ignores signals and a shared
// memory segment behind. Run fails at the end if the mount or the process still exists.
func TestNothingOutlives(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv(plainEnv) != "" {
		t.Skip("without namespaces they would remain")
	}
	here, err := os.MkdirTemp(Dir(), "left-")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("/bin/sh", "-c", `trap "" HUP TERM; "$0" >/dev/null 2>&1 </dev/null & `, self)
	orphan.Dir, orphan.Env = here, append(os.Environ(), sleepEnv+"=1")
	orphan.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := orphan.Run(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("test", here, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600); err != nil {
		t.Fatal(err)
	}
}
