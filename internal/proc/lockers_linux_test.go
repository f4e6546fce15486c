// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockers finds a process by its OFD lock, and none by an open file alone, a lock of
// flock(2), or after the time is over.
func TestLockers(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "utmp"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	me := int32(os.Getpid())
	has := func(ctx context.Context) bool {
		pids, _ := Lockers(ctx, f.Name())
		return slices.Contains(pids, me)
	}
	if has(t.Context()) {
		t.Error("a file that is only open is locked")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if has(t.Context()) {
		t.Error("flock(2) locks records")
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}); err != nil {
		t.Fatal(err)
	}
	if !has(t.Context()) {
		t.Error("the holder of an OFD lock is not found")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if pids, all := Lockers(over, f.Name()); pids != nil || all {
		t.Errorf("after the time: %v, all %v", pids, all)
	}
	if pids, all := Lockers(t.Context(), f.Name()+"x"); pids != nil || all {
		t.Errorf("of no file: %v, all %v", pids, all)
	}
}
