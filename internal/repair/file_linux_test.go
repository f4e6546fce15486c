// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTimesOfReplaced checks that the times of the open file are set, and not those of one
// that somebody else has put under its name.
func TestTimesOfReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, name); err != nil {
		t.Fatal(err)
	}
	then := time.Unix(1_000_000_000, 123_456_789)
	if err := setTimes(f, then, then); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || !info.ModTime().Equal(then) {
		t.Errorf("the open file was not set: %v, %v", info.ModTime(), err)
	}
	if info, err := os.Stat(victim); err != nil || info.ModTime().Equal(then) {
		t.Errorf("the other's times were set: %v", err)
	}
}

// TestLeaseEnds: a program that is started meanwhile has the descriptor until it is executed,
// and the lease would bar who opens the file to write.
func TestLeaseEnds(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var starting sync.WaitGroup
	starting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = exec.Command("/bin/true").Run()
			}
		}
	})
	for range 5000 {
		if got := unwritten(name); got == writersUnknown {
			t.Skip("there are no leases here")
		}
		f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Error(err)
			break
		}
		f.Close()
	}
	close(done)
	starting.Wait()
}
