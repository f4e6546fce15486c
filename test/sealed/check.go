// SPDX-License-Identifier: BSD-2-Clause

package sealed

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Test fails if the tests of the calling suite could change the machine's files. It
// skips where tests do not run sealed: on other systems and for ordinary users.
func Test(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("sealing needs root and Linux")
	}
	dir := Dir()
	if dir == "" {
		t.Fatal("the tests of this suite do not run sealed")
	}
	if os.Getenv(plainEnv) != "" {
		t.Skip("root may not create namespaces here")
	}
	readOnly(t, dir)
	if tmp := os.TempDir(); !below(tmp, dir) {
		t.Errorf("temporary files go to %s, not below %s", tmp, dir)
	}
	if err := create(filepath.Join(t.TempDir(), "utmpd-test")); err != nil {
		t.Error(err)
	}
}

// readOnly checks that the machine's files cannot be changed or added to.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	home, _ := os.UserHomeDir()
	here, _ := os.Getwd()
	for _, name := range []string{"/", "/etc", "/run", "/usr/bin", "/var/log", "/var/lib", "/dev", "/dev/shm", filepath.Dir(dir), home, here} {
		if err := create(filepath.Join(name, "utmpd-test")); !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("a file in %s: %v, want %v", name, err, syscall.EROFS)
		}
	}
	for _, name := range []string{"/etc/passwd", "/var/lib/dpkg/status", "/var/log/wtmp", "/run/utmp", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("open %s: %v, want %v", name, err, syscall.EROFS)
		}
	}
}

// create makes a file, and removes it again.
func create(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(name))
}
