// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/test/sealed"
)

// suite is a root file system with the real programs.
type suite string

const (
	bookworm suite = "bookworm" // util-linux 2.38
	trixie   suite = "trixie"   // util-linux 2.41
)

var suites = []suite{bookworm, trixie}

// guestEnv names the suite to the process that runs the tests inside its root.
const guestEnv = "UTMPD_TEST_DROPIN"

// inside is the suite whose root this process has.
var inside suite

func TestMain(m *testing.M) {
	flag.Parse()
	if inside = suite(os.Getenv(guestEnv)); inside != "" {
		os.Exit(m.Run())
	}
	os.Exit(onHost(m))
}

func onHost(m *testing.M) int {
	if f := flag.Lookup("test.list"); f.Value.String() != "" {
		return m.Run()
	}
	if dir := sealed.Dir(); dir != "" {
		return runSuites(dir)
	}
	if os.Geteuid() != 0 {
		return notRun(errors.New("not root: the real programs run in root file systems of their own"))
	}
	for _, s := range suites {
		if _, err := root(s); err != nil {
			return notRun(err)
		}
	}
	dir, err := os.MkdirTemp("", "utmpd-dropin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := sealed.Build(dir, "cmd/utmpctl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		return 1
	}
	return sealed.Run(dir)
}

// root returns the root file system of a suite, and builds it if need be.
func root(s suite) (string, error) {
	var out, why bytes.Buffer
	cmd := exec.Command("./roots.sh", string(s))
	cmd.Stdout, cmd.Stderr = &out, &why
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("no root file system of %s: %s", s, strings.TrimSpace(why.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// runSuites runs the tests in each root. dir becomes its /data.
func runSuites(dir string) int {
	status := 0
	for _, s := range suites {
		r, err := root(s)
		if err == nil {
			err = runInside(s, r, dir)
		}
		if err != nil {
			fmt.Printf("FAIL: in %s: %v\n", s, err)
			status = 1
		}
	}
	return status
}

func runInside(s suite, root, dir string) error {
	for _, mount := range []struct{ source, target, kind string }{{dir, "data", ""}, {"proc", "proc", "proc"}, {"tmp", "tmp", "tmpfs"}} {
		flags := uintptr(0)
		if mount.kind == "" {
			flags = unix.MS_BIND
		}
		target := filepath.Join(root, mount.target)
		if err := unix.Mount(mount.source, target, mount.kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		defer func() { _ = unix.Unmount(target, unix.MNT_DETACH) }()
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "self"), self, 0o700); err != nil {
		return err
	}
	fmt.Printf("in %s:\n", s)
	cmd := exec.Command("/data/self", os.Args[1:]...)
	cmd.Err = nil // it is not found outside the root
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/data"
	cmd.Env = []string{guestEnv + "=" + string(s), "TMPDIR=/data/tmp", "PATH=/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// notRun prints the names of the tests that did not run, with the reason. If CI=true
// or UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("the drop-in tests cannot run here: %v\n", why)
	names, err := exec.Command("/proc/self/exe", "-test.list", ".").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name := range strings.FieldsSeq(string(names)) {
		fmt.Printf("not run: %s\n", name)
	}
	return sealed.NotRun()
}
