// SPDX-License-Identifier: BSD-2-Clause

package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestTry: an open file keeps all others out, also in the same process, until it is
// closed. Closing another one changes nothing.
func TestTry(t *testing.T) {
	if runtime.GOOS == "solaris" {
		t.Skip("locks of one process do not conflict where OFD locks are missing")
	}
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second, third := open(), open(), open()
	if err := Try(first); err != nil {
		t.Fatal(err)
	}
	if err := Try(second); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	second.Close()
	if err := Try(third); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice, after another descriptor was closed: %v", err)
	}
	first.Close()
	if err := Try(third); err != nil {
		t.Errorf("not locked after the holder was closed: %v", err)
	}
	if err := Try(first); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a closed file: %v", err)
	}
}
