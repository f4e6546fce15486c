// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/test/sealed"
)

// machines are the machines that the tests run for.
var machines []machine

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir := sealed.Dir()
	if dir != "" || emulated() {
		var err error
		if machines, err = findMachines(dir); err != nil {
			return notRun(err)
		}
		return leaktest.Main(m)
	}
	dir, err := os.MkdirTemp("", "utmpd-libc-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := findMachines(dir); err != nil { // builds what is missing
		os.RemoveAll(dir)
		return notRun(err)
	}
	return sealed.Run(dir)
}

// emulated reports whether this program may run under an emulator, as ../arch/run.sh
// starts it. Then it cannot start itself, and so runs unsealed.
func emulated() bool { return os.Getenv(machinesEnv) != "" }

func TestSealed(t *testing.T) {
	if emulated() {
		t.Skip("under an emulator this program cannot start itself")
	}
	sealed.Test(t)
}

// notRun prints the names of the tests that did not run, with the reason. If CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("libc tests cannot run here: %v\n", why)
	names, err := exec.Command("/proc/self/exe", "-test.list", ".").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name := range strings.FieldsSeq(string(names)) {
		fmt.Printf("not run: %s\n", name)
	}
	if required() {
		fmt.Println("FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that they must")
		return 1
	}
	return 0
}

func required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("UTMPD_TEST_REQUIRE_SYSTEM") == "1"
}

// each runs a test for every machine whose libc implements utmpx.
func each(t *testing.T, f func(t *testing.T, m machine)) {
	for _, m := range machines {
		if m.libc == "" {
			continue // it has only the header
		}
		t.Run(m.name, func(t *testing.T) { f(t, m) })
	}
}
