// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// host is what the machines share.
var host struct {
	dir    string            // of this run
	deb    string            // the package under test
	tools  string            // the directory with the emulator
	judge  string            // the directory with last and getutxent
	images map[string]string // the machines' directories, by system
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runOnHost(m))
}

func runOnHost(m *testing.M) int {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "utmpd-vm-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	host.dir = dir
	if err := prepare(); err != nil {
		return notRun(err)
	}
	code := m.Run()
	seen.print(os.Stdout)
	if code == 0 {
		if err := seen.write("../../docs/testing.md"); err != nil {
			fmt.Println("FAIL:", err)
			return 1
		}
	}
	return code
}

// prepare finds or builds the images and the package.
func prepare() error {
	host.images = make(map[string]string)
	if os.Geteuid() != 0 {
		return fmt.Errorf("not root: the images hold device nodes and setuid programs")
	}
	systems := []string{}
	want := func(system string) {
		if host.images[system] == "" {
			host.images[system] = "wanted"
			systems = append(systems, system)
		}
	}
	for _, r := range rows {
		if r.selected() {
			want(r.system)
		}
	}
	if test, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); names(test, "TestWeek") {
		want(weekly)
	}
	out, err := output("./images.sh", append([]string{"tools", "judge"}, systems...)...)
	if err != nil {
		return err
	}
	dirs := strings.Fields(out)
	host.tools, host.judge = dirs[0], dirs[1]
	for i, s := range systems {
		host.images[s] = dirs[i+2]
	}
	host.deb, err = thePackage()
	return err
}

// thePackage returns the deb for this architecture: the one that UTMPD_DEB names, or a new
// one.
func thePackage() (string, error) {
	if deb := os.Getenv("UTMPD_DEB"); deb != "" {
		return filepath.Abs(deb)
	}
	if _, err := output("env", "DIST="+host.dir, "../../packaging/build.sh", "deb:amd64"); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(host.dir, "utmpd_*_amd64.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("packaging/build.sh left %q, not one deb", debs)
	}
	return debs[0], nil
}

// output runs a program and returns what it printed. Its error contains standard error.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %v\n%s", name, err, strings.TrimSpace(why.String()))
	}
	return string(out), nil
}

// notRun prints that the tests did not run, with the reason. If CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("not run: whole machines: %v\n", why)
	if os.Getenv("CI") == "true" || os.Getenv("UTMPD_TEST_REQUIRE_SYSTEM") == "1" {
		fmt.Println("FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that they must")
		return 1
	}
	return 0
}
