// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTerminalDevice(t *testing.T) {
	_, line := newTerminal(t)
	elsewhere, err := os.MkdirTemp("/dev/shm", "utmpd-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(elsewhere) })
	if err := os.Symlink("/dev", filepath.Join(elsewhere, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		line:   true,
		"null": false,
		"pts":  false,
		"none": false,
		"":     false,
		// Whoever can write in /dev/shm makes the daemon look where they like.
		"shm/" + filepath.Base(elsewhere) + "/link/" + line: false,
	} {
		if got := TerminalDevice(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
