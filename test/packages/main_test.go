// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"utmpd.dev/utmpd/test/sealed"
)

// nfpm is the module that build.sh would run. The tests keep it in the cache.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

// host is what the tests share on the machine.
var host struct {
	dir   string            // of this run; a machine sees it as /packages
	dist  string            // the packages of this source
	newer string            // the amd64 packages of a later version
	bin   string            // the programs of this source
	nfpm  string            // the program that builds them
	roots map[string]string // the cached root file systems, by name
}

const (
	debian12 = "bookworm-packages" // with systemd
	debian13 = "trixie-packages"   // with systemd and the tools that check packages
	bare12   = "bookworm"          // without systemd
	people12 = "bookworm-sessions" // with logind, programs to log in, and readers of records
	people13 = "trixie-sessions"

	elogind13 = "trixie-elogind" // with sysvinit and elogind instead

	source13 = "source" // with what builds packages from the tarball
	openrc12 = "openrc12"
	openrc13 = "openrc13"
	runit13  = "runit13" // and s6
	openrcEl = "elogind" // OpenRC, elogind and sshd
	rdp12    = "rdp12"   // xrdp and a client
	policies = "policies"
)

func TestMain(m *testing.M) {
	if who := os.Getenv(sessionEnv); who != "" {
		os.Exit(session(who))
	}
	if dir, sync, ok := strings.Cut(os.Getenv(floorEnv), " "); ok {
		if err := floor(dir, sync == "true"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if n, err := strconv.Atoi(os.Getenv(latencyEnv)); err == nil {
		if err := measure(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	if err := prerequisites(); err != nil {
		return notRun(err)
	}
	if dir := sealed.Dir(); dir != "" {
		host.dir, host.dist, host.newer = dir, filepath.Join(dir, "dist"), filepath.Join(dir, "newer")
		host.bin = filepath.Join(dir, "bin")
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "utmpd-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := buildPackages(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		return 1
	}
	writable, err := writable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sealed.Run(dir, writable...)
}

// writable are directories that the tests write to besides their own: the go
// command's caches, as they build, and the cgroups, as they boot machines.
func writable() ([]string, error) {
	caches, err := output("go", "env", "GOCACHE", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return nil, err
	}
	all := strings.Fields(caches)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			all = append(all, f[1])
		}
	}
	return all, nil
}

func TestSealed(t *testing.T) { sealed.Test(t) }

// buildPackages builds the packages that the tests install.
func buildPackages(dir string) error {
	if out, err := build("../..", filepath.Join(dir, "dist"), nil); err != nil {
		return fmt.Errorf("packaging/build.sh: %v\n%s", err, out)
	}
	if out, err := build("../..", filepath.Join(dir, "newer"), []string{"PACKAGE_VERSION=99"}, "deb:amd64", "rpm:amd64"); err != nil {
		return fmt.Errorf("packaging/build.sh: %v\n%s", err, out)
	}
	cmd := exec.Command("make", "-s", "build", "BIN="+filepath.Join(dir, "bin"))
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %v\n%s", err, out)
	}
	return nil
}

// build builds all packages of the source in a directory.
func build(source, dist string, env []string, which ...string) (string, error) {
	cmd := exec.Command("packaging/build.sh", which...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), append([]string{"DIST=" + dist, "NFPM=" + host.nfpm}, env...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func prerequisites() error {
	if os.Geteuid() != 0 {
		return errors.New("not root: the machines in which packages are installed need namespaces and mounts")
	}
	host.roots = make(map[string]string)
	for _, name := range []string{debian12, debian13, bare12, people12, people13, elogind13} {
		out, err := output("../rootfs/rootfs.sh", name)
		if err != nil {
			return fmt.Errorf("no root file system %s: %w", name, err)
		}
		host.roots[name] = out
	}
	for _, name := range []string{source13, openrc12, openrc13, runit13, openrcEl, rdp12, policies} {
		out, err := output("../../packaging/root.sh", name)
		if err != nil {
			return fmt.Errorf("no root file system %s: %w", name, err)
		}
		host.roots[name] = out
	}
	cache := filepath.Dir(host.roots[debian12])
	_, version, _ := strings.Cut(nfpm, "@")
	host.nfpm = filepath.Join(cache, "nfpm-"+version, "nfpm")
	if _, err := os.Stat(host.nfpm); err == nil {
		return nil
	}
	cmd := exec.Command("go", "install", nfpm)
	cmd.Env = append(os.Environ(), "GOBIN="+filepath.Dir(host.nfpm), "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s: %v\n%s", nfpm, err, out)
	}
	return nil
}

// output runs a command and returns what it prints, or an error with its standard error.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &why
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %s", err, strings.TrimSpace(why.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// notRun prints the names of the tests that did not run, with the reason. If CI=true or
// UTMPD_TEST_REQUIRE_SYSTEM=1 requires them, that is a failure.
func notRun(why error) int {
	fmt.Printf("the tests of packages cannot run here: %v\n", why)
	names, err := output("/proc/self/exe", "-test.list", ".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name := range strings.FieldsSeq(names) {
		fmt.Printf("not run: %s\n", name)
	}
	if os.Getenv("CI") == "true" || os.Getenv("UTMPD_TEST_REQUIRE_SYSTEM") == "1" {
		fmt.Println("FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that they must")
		return 1
	}
	return 0
}
