// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package browser

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/test/sealed"
)

// host is where things are on the machine. The browser sees dir as /data.
var host struct{ dir, root string }

// pictures is a directory for what the pages look like; "" keeps nothing.
var pictures = os.Getenv("UTMPD_TEST_PICTURES")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	if os.Geteuid() != 0 {
		return notRun(errors.New("not root: the browser runs in a root file system of its own"))
	}
	out, err := exec.Command("./root.sh").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return notRun(err)
	}
	host.root = strings.TrimSpace(string(out))
	if dir := sealed.Dir(); dir != "" {
		host.dir = dir
		if err := mount(); err != nil {
			fmt.Println("FAIL:", err)
			return 1
		}
		defer unmount()
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "utmpd-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := sealed.Build(dir, "cmd/utmpctl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		return 1
	}
	if pictures != "" {
		return sealed.Run(dir, pictures)
	}
	return sealed.Run(dir)
}

func TestSealed(t *testing.T) { sealed.Test(t) }

// mount gives the root what the browser needs. The namespace ends with the tests.
func mount() error {
	for _, m := range []struct{ source, target, kind string }{{host.dir, "data", ""}, {"proc", "proc", "proc"}, {"tmp", "tmp", "tmpfs"}, {"/dev", "dev", ""}} {
		flags := uintptr(0)
		if m.kind == "" {
			flags = unix.MS_BIND
		}
		target := filepath.Join(host.root, m.target)
		if err := unix.Mount(m.source, target, m.kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	return nil
}

func unmount() {
	for _, name := range []string{"dev", "tmp", "proc", "data"} {
		_ = unix.Unmount(filepath.Join(host.root, name), unix.MNT_DETACH)
	}
}

// notRun prints the names of the tests that did not run, with the reason. If CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("the tests in a browser cannot run here: %v\n", why)
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

// utmpctl runs the built utmpctl, in UTC, and returns its output.
func utmpctl(t *testing.T, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(filepath.Join(host.dir, "utmpctl"), args...)
	cmd.Env = []string{"TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("utmpctl %q: %v\n%s", args, err, &errs)
	}
	return string(out)
}
