// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"strings"
	"testing"

	"utmpd.dev/utmpd/test/sealed"
)

// TestIsolation checks that no namespace, mount or file of the machine is
// accessible in a guest.
func TestIsolation(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	for _, ns := range []string{"mnt", "pid", "uts", "ipc", "net"} {
		if got := readlink(t, "/proc/self/ns/"+ns); got == guest.HostNamespaces[ns] {
			t.Errorf("the guest is in the machine's %s namespace %s", ns, got)
		}
	}
	if _, err := os.Stat(guest.Base); !os.IsNotExist(err) {
		t.Errorf("the machine's %s is accessible: %v", guest.Base, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	proc := 0
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		at, options := f[4], f[5]
		switch {
		case at == "/", at == "/dev", at == "/dev/pts", at == "/proc", at == "/run", at == "/tmp":
		case at == "/proc/sys/kernel/ns_last_pid":
		case strings.HasPrefix(at, judgeRoot+"/"): // the guest's own, mounted for the judge
		case at == judgeRoot, at == testBinary, at == utmpdBinary, at == utmpctlBinary, at == utmpd386Binary, at == "/proc/sys":
			// These belong to the machine, so they must be read-only.
			if !strings.HasPrefix(options, "ro") {
				t.Errorf("%s is mounted %s", at, options)
			}
		default:
			t.Errorf("unexpected mount: %s", line)
		}
		if strings.HasSuffix(at, "/proc/sys") && strings.HasPrefix(options, "ro") {
			proc++
		}
	}
	if proc != 2 {
		t.Errorf("/proc/sys is read-only in %d places, want 2: here and for the judge", proc)
	}
}

func TestSealed(t *testing.T) { sealed.Test(t) }

func readlink(t *testing.T, name string) string {
	t.Helper()
	s, err := os.Readlink(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
