// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// suite is a Debian release, by its code name.
type suite string

const (
	bookworm suite = "bookworm"
	trixie   suite = "trixie"

	// These have the programs of [trees], and are roots of their own.
	moreOf12 suite = "programs12"
	moreOf13 suite = "programs13"
)

var (
	suites     = []suite{bookworm, trixie}
	moreSuites = []suite{moreOf12, moreOf13}
)

func (s suite) title() string {
	return map[suite]string{bookworm: "Debian 12", trixie: "Debian 13", moreOf12: "Debian 12 with more programs", moreOf13: "Debian 13 with more programs"}[s]
}

// guestEnv carries a guestSpec to the test binary inside the guest.
const guestEnv = "UTMPD_SYSTEM_GUEST"

// longEnv selects the long form of the tests that have one.
const longEnv = "UTMPD_TEST_LONG"

func long() bool { return os.Getenv(longEnv) == "1" }

// guestLimit is how long one guest may run. A guest that hangs reports where.
func guestLimit() time.Duration {
	limit := 2 * time.Minute
	if long() {
		limit = time.Hour
	}
	return limit + soakLength()
}

// guestSpec passes the outside's choices to the guest.
type guestSpec struct {
	Suite          suite
	Root           string // the cached root file system
	Judge          string // Debian 12's, for who and last
	Test           string // the test binary, on the machine
	Utmpd, Utmpctl string // the programs under test, there
	Utmpd386       string // the same for 32 bits; "" where it was not built
	Base           string // a directory on the machine that the guest mounts over
	Args           []string
	HostNamespaces map[string]string
}

// unitEnv holds the shipped unit, for the tests in a guest.
const unitEnv = "UTMPD_SYSTEM_UNIT"

// guest is set only inside a guest.
var guest *guestSpec

// inside reports whether this process runs in a guest.
func inside() bool {
	if guest == nil && os.Getenv(guestEnv) != "" {
		guest = new(guestSpec)
		if err := json.Unmarshal([]byte(os.Getenv(guestEnv)), guest); err != nil {
			panic(err)
		}
	}
	return guest != nil
}

// enter runs the calling test in a guest of the suite. Inside the guest it
// returns true. On the machine it waits for the guest, takes over its result and
// returns false; the caller then returns at once. Tests that call enter run in
// parallel.
func enter(t *testing.T, s suite) bool {
	t.Helper()
	if !inside() {
		t.Parallel()
	}
	return enterAlone(t, s)
}

// enterAlone is enter for a test that needs the whole machine: no other guest
// runs at the same time.
func enterAlone(t *testing.T, s suite) bool {
	t.Helper()
	if inside() {
		return true
	}
	if host.utmpd == "" {
		t.Fatal("no guest without TestMain")
	}
	var names []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		names = append(names, "^"+regexp.QuoteMeta(name)+"$")
	}
	out, reported, err := runGuest(s, "-test.run", strings.Join(names, "/"), "-test.v", "-test.timeout", guestLimit().String())
	table.note(t.Name(), reported)
	switch {
	case err != nil:
		t.Errorf("in the guest: %v\n%s", err, out)
	case strings.Contains(out, "testing: warning: no tests to run"):
		t.Errorf("the guest did not find the test\n%s", out)
	default:
		t.Logf("in the guest:\n%s", out)
	}
	return false
}

// tryGuest reports whether this machine can run guests.
func tryGuest() error {
	dir, err := os.MkdirTemp("", "utmpd-system-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if host.utmpd, err = os.Executable(); err != nil {
		return err
	}
	host.dir, host.utmpctl = dir, host.utmpd
	if out, _, err := runGuest(bookworm, "-test.run", "^$"); err != nil {
		return fmt.Errorf("no guest: %v: %s", err, out)
	}
	host.dir, host.utmpd, host.utmpctl = "", "", ""
	return nil
}

// runGuest runs the test binary with args in a new guest. It returns what the
// guest printed and what it passed to [report].
func runGuest(s suite, args ...string) (printed string, reported []byte, err error) {
	base := filepath.Join(host.dir, "guest")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	spec := guestSpec{
		Suite: s, Root: host.roots[s], Judge: host.roots[bookworm], Test: self, Utmpd: host.utmpd, Utmpctl: host.utmpctl,
		Base: base, Args: args, HostNamespaces: make(map[string]string),
	}
	if other := filepath.Join(host.dir, "386", "utmpd"); exists(other) {
		spec.Utmpd386 = other
	}
	for _, ns := range []string{"mnt", "pid", "uts", "ipc", "net"} {
		spec.HostNamespaces[ns], _ = os.Readlink("/proc/self/ns/" + ns)
	}
	env, err := json.Marshal(spec)
	if err != nil {
		return "", nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	unit, err := os.ReadFile("../../init/systemd/utmpd.service")
	if err != nil {
		return "", nil, err
	}
	var out bytes.Buffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{
		guestEnv + "=" + string(env),
		longEnv + "=" + os.Getenv(longEnv), soakEnv + "=" + os.Getenv(soakEnv), soakSeedEnv + "=" + os.Getenv(soakSeedEnv),
		unitEnv + "=" + string(unit),
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "TERM=xterm", "LC_ALL=C.UTF-8", "TZ=UTC",
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	if os.Getenv(soakEnv) != "" { // show what happens while it happens
		both := io.MultiWriter(&out, os.Stderr)
		cmd.Stdout, cmd.Stderr = both, both
	}
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The guest is killed when the thread that started it ends, so keep the
	// thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	w.Close()
	if err != nil {
		return "", nil, err
	}
	reported, _ = io.ReadAll(r) // until the guest is gone
	err = cmd.Wait()
	return out.String(), reported, err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
