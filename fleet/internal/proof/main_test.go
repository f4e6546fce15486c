// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"flag"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/fleetctl"
	"utmpd.dev/utmpd/fleet/internal/lab"
)

var long = flag.Bool("long", os.Getenv("UTMPD_TEST_LONG") != "", "everything at its full length")

// role is what a process of these tests is, if it is not the test.
const role = "UTMPFLEET_PROOF"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "utmpfleet":
		go endWithParent()
		os.Exit(fleetctl.Main(os.Args[1:], os.Stdout, os.Stderr))
	case "node":
		go endWithParent()
		os.Exit(node())
	case "crowd":
		os.Exit(crowd())
	}
	os.Exit(lab.Main(m))
}

// endWithParent ends this process when the other end of its standard input is closed.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// program is utmpfleet itself, if that counts: this one is larger.
var program string

// process is one that the tests start, and that ends with them.
type process struct {
	*exec.Cmd
	kill func() // SIGKILL, and waits
}

// spawn starts this program in a role.
func spawn(t testing.TB, as string, stdout, stderr io.Writer, env []string, args ...string) *process {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	if program != "" && as == "utmpfleet" {
		c.Path = program
	}
	c.Env = append(append(os.Environ(), role+"="+as), env...)
	c.Stdout, c.Stderr = stdout, stderr
	if testing.Verbose() && stderr == nil {
		c.Stderr = os.Stderr
	}
	_, err := c.StdinPipe()
	check(t, err)
	check(t, c.Start())
	p := &process{Cmd: c, kill: sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})}
	t.Cleanup(p.kill)
	return p
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait waits until something is so.
func wait(t testing.TB, what string, until func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !until(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in 90 s this did not happen: %s", what)
		}
	}
}
