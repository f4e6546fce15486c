// SPDX-License-Identifier: BSD-2-Clause

package notify

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// noticed runs an Inotify for a file, which may be missing. want waits for a
// notice and fails the test without one.
func noticed(t *testing.T, name string) (n *Inotify, want func(what string)) {
	t.Helper()
	n = NewInotify(name)
	return n, noticedBy(t, n)
}

func noticedBy(t *testing.T, n *Inotify) (want func(what string)) {
	t.Helper()
	notices := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- n.Run(ctx, func() {
			select {
			case notices <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	want = func(what string) {
		t.Helper()
		select {
		case <-notices:
		case <-time.After(10 * time.Second):
			t.Fatalf("no notice: %s", what)
		}
		// One change may cause several notices.
		for quiet := false; !quiet; {
			select {
			case <-notices:
			case <-time.After(50 * time.Millisecond):
				quiet = true
			}
		}
	}
	want("at the start")
	return want
}

// TestAppends: a log that is appended to gives a notice, the heartbeat of its times none.
func TestAppends(t *testing.T) {
	name := filepath.Join(t.TempDir(), "wtmp")
	write(t, name, "1")
	want := noticedBy(t, NewAppends(name))
	got := make(chan struct{})
	go func() { want("the write"); close(got) }()
	if err := os.Chtimes(name, time.Now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-got:
		t.Error("a notice of the access time")
	case <-time.After(100 * time.Millisecond):
	}
	write(t, name, "23")
	<-got
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	want("rotated away")
	write(t, name, "4")
	want("created again")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInotify(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "utmp")
	_, want := noticed(t, name)
	steps := []struct {
		name string
		do   func() error
	}{
		{"created late", func() error { write(t, name, "1"); return nil }},
		{"written to", func() error {
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("2")
			return err
		}},
		{"replaced by rename", func() error { write(t, name+".new", "3"); return os.Rename(name+".new", name) }},
		{"the new one written to", func() error { write(t, name, "45"); return nil }},
		{"truncated", func() error { return os.Truncate(name, 0) }},
		{"rotated away", func() error { return os.Rename(name, name+".1") }},
		{"created again", func() error { write(t, name, "6"); return nil }},
		{"removed", func() error { return os.Remove(name) }},
		{"created a third time", func() error { write(t, name, "7"); return nil }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatal(err)
		}
		want(s.name)
	}
}

// TestInotifyIsSilent checks that there is no notice for other files of the
// directory, nor for the file once it is renamed.
func TestInotifyIsSilent(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "utmp")
	write(t, name, "1")
	n, want := noticed(t, name)
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	want("rotated away")
	write(t, name, "2")
	want("created again")
	// On a busy machine the notice of the last step may come only now, once. One of another file
	// comes each time.
	for attempt := 1; ; attempt++ {
		got := make(chan struct{})
		go func() { want("the last write"); close(got) }()
		write(t, name+".1", "3")
		write(t, filepath.Join(dir, "other"), "4")
		select {
		case <-got:
			if attempt == 5 {
				t.Fatal("a notice for another file")
			}
			continue
		case <-time.After(100 * time.Millisecond):
		}
		write(t, name, "5")
		<-got
		break
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == 0 || n.dir == 0 {
		t.Errorf("watch of the file %d, of the directory %d, want both", n.file, n.dir)
	}
}

// TestInotifyDirectoryComesLate checks directories on the path that are created
// late, one by one or all at once, and removed again.
func TestInotifyDirectoryComesLate(t *testing.T) {
	top := filepath.Join(t.TempDir(), "var")
	dir := filepath.Join(top, "run")
	name := filepath.Join(dir, "utmp")
	_, want := noticed(t, name)
	make := func(dir string) {
		t.Helper()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		make(top)
		want("one directory")
		make(dir)
		want("the other")
		write(t, name, "1")
		want("created in a late directory")
		write(t, name, "2")
		want("written there")
		if err := os.RemoveAll(top); err != nil {
			t.Fatal(err)
		}
		want("all is gone")
		make(top)
		make(dir)
		write(t, name, "1")
		want("all at once")
		write(t, name, "2")
		want("written there")
		if err := os.RemoveAll(top); err != nil {
			t.Fatal(err)
		}
		want("all is gone")
	}
}
