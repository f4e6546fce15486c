// SPDX-License-Identifier: BSD-2-Clause

package notify

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// opensTold reports whether the kernel wakes this process for whoever opens an entry.
func opensTold(t *testing.T) bool {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range infos {
		text, _ := os.ReadFile(name)
		for _, m := range regexp.MustCompile(`(?m)^inotify .* mask:([0-9a-f]+)`).FindAllStringSubmatch(string(text), -1) {
			if mask, _ := strconv.ParseUint(m[1], 16, 32); mask&unix.IN_OPEN != 0 {
				return true
			}
		}
	}
	return false
}

// Whoever opens an entry is told of for a second after one was made, and wakes nobody later.
func TestEntries(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	news, done := make(chan bool, 100), make(chan error)
	go func() { done <- Entries(ctx, dir, func(opened bool) { news <- opened }) }()
	expect := func(want bool) {
		t.Helper()
		for late := time.After(10 * time.Second); ; {
			select {
			case opened := <-news:
				if opened == want {
					return
				}
			case <-late:
				t.Fatalf("no notice of something opened: %v", want)
			}
		}
	}
	entry := filepath.Join(dir, "entry")
	for range 2 {
		expect(false)
		if opensTold(t) {
			t.Error("whoever opens an entry wakes this process at rest")
		}
		if err := os.Mkdir(entry, 0o700); err != nil {
			t.Fatal(err)
		}
		expect(false)
		for began := time.Now(); !opensTold(t); time.Sleep(time.Millisecond) {
			if time.Since(began) > soon {
				t.Fatal("whoever opens the new entry is not told")
			}
		}
		if f, err := os.Open(entry); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
		expect(true)
		for began := time.Now(); opensTold(t); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("whoever opens an entry is told for ever")
			}
		}
		if err := os.Remove(entry); err != nil {
			t.Error(err)
		}
	}
	expect(false)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
