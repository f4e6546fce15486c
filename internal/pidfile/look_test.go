// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package pidfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

// TestLook: the pid and the lock of another process, as long as that runs.
func TestLook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	if _, _, err := Look(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	pid, kill := hold(t, path)
	if got, held, err := Look(path); got != pid || !held || err != nil {
		t.Errorf("pid %d, held %v, %v, want %d, true", got, held, err, pid)
	}
	kill()
	if got, held, err := Look(path); got != pid || held || err != nil {
		t.Errorf("after its end: pid %d, held %v, %v, want %d, false", got, held, err, pid)
	}
	if _, _, err := Look(filepath.Dir(path)); !errors.Is(err, ErrNotPidFile) {
		t.Errorf("a directory: %v", err)
	}
}
