// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// machine is the state of the files that the tests must never change.
type machine map[string]string

var machineFiles = []string{
	"/run/utmp", "/run/utmpx", "/var/run/utmp", "/var/run/utmpx",
	"/var/log/wtmp", "/var/log/wtmpx", "/var/log/lastlog", "/var/log/btmp",
	"/run/utmpd", "/var/lib/utmpd", "/etc/default/utmpd",
	"/etc/passwd", "/etc/group", "/etc/hostname",
	"/var/lib/dpkg/status", "/proc/self/mountinfo",
}

func readMachine() machine {
	m := make(machine)
	for _, name := range machineFiles {
		var st syscall.Stat_t
		if err := syscall.Stat(name, &st); err != nil {
			m[name] = err.Error()
			continue
		}
		state := fmt.Sprintf("inode %d mode %o owner %d:%d", st.Ino, st.Mode, st.Uid, st.Gid)
		if st.Mode&syscall.S_IFMT == syscall.S_IFREG {
			b, err := os.ReadFile(name)
			state += fmt.Sprintf(" mtime %d.%09d %d bytes sha256 %x %v", st.Mtim.Sec, st.Mtim.Nsec, len(b), sha256.Sum256(b), err)
		}
		if strings.HasPrefix(name, "/proc/") {
			b, _ := os.ReadFile(name)
			state = string(b)
		}
		m[name] = state
	}
	return m
}

func (m machine) diff(now machine) string {
	var b strings.Builder
	for _, name := range machineFiles {
		if m[name] != now[name] {
			fmt.Fprintf(&b, "%s\n\tbefore: %s\n\tafter:  %s\n", name, m[name], now[name])
		}
	}
	return b.String()
}

// TestIsolation checks that no namespace, mount or file of the machine is
// accessible in a guest. The end of the run checks that the machine's files have
// not changed.
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
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		at, options := f[4], f[5]
		switch {
		case at == "/", at == "/dev", at == "/dev/pts", at == "/proc", at == "/run", at == "/tmp":
		case strings.HasPrefix(at, judgeRoot+"/"): // the guest's own, mounted for the judge
		case at == judgeRoot, at == testBinary, at == utmpdBinary, at == utmpctlBinary:
			// These come from the machine's file systems, so they must be read-only.
			if !strings.HasPrefix(options, "ro") {
				t.Errorf("%s is mounted %s", at, options)
			}
		default:
			t.Errorf("unexpected mount: %s", line)
		}
	}
}

func readlink(t *testing.T, name string) string {
	t.Helper()
	s, err := os.Readlink(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
