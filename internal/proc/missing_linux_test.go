// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMissingTerminals: a terminal is missing if its devpts is there and it is not. Of another
// file system in that place, here one in memory behind a link, nothing is known.
func TestMissingTerminals(t *testing.T) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, dev := t.TempDir(), t.TempDir()
	other, err := os.MkdirTemp("/dev/shm", "utmpd-test-")
	check(err)
	defer os.RemoveAll(other)
	for _, d := range []string{dir, other} {
		check(os.WriteFile(filepath.Join(d, "ptmx"), nil, 0o600))
	}
	pts := filepath.Join(dev, "pts")
	check(os.Symlink(dir, pts))
	check(os.WriteFile(filepath.Join(dir, "0"), nil, 0o600))
	missing := missingBelow(dev)
	want := func(when, line string, want bool) {
		t.Helper()
		if got := missing(line); got != want {
			t.Errorf("%s: %s is missing: %v, want %v", when, line, got, want)
		}
	}
	want("at first", "pts/0", false)
	want("at first", "pts/1", true)
	check(os.Remove(pts))
	check(os.Symlink(other, pts))
	want("below another file system", "pts/0", false)
	check(os.Remove(pts))
	want("without a devpts", "pts/0", false)
	check(os.Symlink(dir, pts))
	want("again", "pts/1", true)
}
