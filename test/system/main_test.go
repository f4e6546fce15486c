// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/test/sealed"
)

// host is what the tests share on the machine; a guest has its own copy.
var host struct {
	dir     string           // of this run
	utmpd   string           // the daemon under test
	utmpctl string           // the operator's tool under test
	roots   map[suite]string // the cached root file systems
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(guestEnv); spec != "" && os.Getpid() == 1 {
		guestInit(spec)
	}
	if os.Getenv(refusedEnv) != "" {
		execRefused()
	}
	if os.Getenv(heldEnv) != "" {
		execHeld()
	}
	flag.Parse()
	if inside() {
		os.Exit(m.Run())
	}
	os.Exit(runOnHost(m))
}

func runOnHost(m *testing.M) int {
	if f := flag.Lookup("test.list"); f.Value.String() != "" {
		return m.Run()
	}
	if dir := sealed.Dir(); dir != "" {
		return runSealed(m, dir)
	}
	if err := prerequisites(); err != nil {
		return notRun(err)
	}
	dir, err := os.MkdirTemp("", "utmpd-system-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	err = errors.Join(sealed.Build(dir, "cmd/utmpd", "cmd/utmpctl"), sealed.BuildFor(filepath.Join(dir, "386"), "386", "cmd/utmpd"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		return 1
	}
	return sealed.Run(dir)
}

// runSealed runs the tests in the sealed process, with what runOnHost prepared in dir
// and in the cache.
func runSealed(m *testing.M, dir string) int {
	if err := findRoots(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	host.dir, host.utmpd, host.utmpctl = dir, filepath.Join(dir, "utmpd"), filepath.Join(dir, "utmpctl")
	code := m.Run()
	table.print(os.Stdout)
	return code
}

// prerequisites finds or builds the root file systems and tries a guest. Its error
// names what is missing.
func prerequisites() error {
	if os.Geteuid() != 0 {
		return errors.New("not root: guests need namespaces and mounts")
	}
	if err := findRoots(); err != nil {
		return err
	}
	return tryGuest()
}

func findRoots() error {
	host.roots = make(map[suite]string)
	for _, s := range slices.Concat(suites, moreSuites) {
		script := "../rootfs/rootfs.sh"
		if slices.Contains(moreSuites, s) {
			script = "../../packaging/root.sh"
		}
		cmd := exec.Command(script, string(s))
		var out, why bytes.Buffer
		cmd.Stdout = &out
		cmd.Stderr = &why
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("no root file system of %s: %s", s.title(), strings.TrimSpace(why.String()))
		}
		host.roots[s] = strings.TrimSpace(out.String())
	}
	return nil
}

// notRun prints the names of the tests that did not run, with the reason. If CI=true
// or UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("system tests cannot run here: %v\n", why)
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
