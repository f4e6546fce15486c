// SPDX-License-Identifier: BSD-2-Clause

//go:build linux || solaris

package filelock

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHeld: a look shows the lock of another open file, and takes none.
func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	holder, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	looker, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer looker.Close()
	want := func(want bool) {
		t.Helper()
		held, err := Held(looker)
		if held != want || err != nil {
			t.Errorf("held %v, %v, want %v", held, err, want)
		}
	}
	want(false)
	if err := Try(holder); err != nil { // the look has taken no lock
		t.Fatal(err)
	}
	want(true)
	holder.Close()
	want(false)
}
