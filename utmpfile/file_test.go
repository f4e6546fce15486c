// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestZeroValues(t *testing.T) {
	file, log := utmpfile.Paths()
	var f utmpfile.File
	var l utmpfile.Log
	if f.Name() != file || utmpfile.NewFile("", nil).Name() != file || l.Name() != log || utmpfile.NewLog("", nil).Name() != log {
		t.Errorf("zero values are %q and %q, want %q and %q", f.Name(), l.Name(), file, log)
	}
}

func TestSnapshotAndRead(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		t.Run(l.Name(), func(t *testing.T) {
			want := []utmpx.Record{boot, session("pts/0", "alice", 1), {}, session("pts/1", "bob", 2)}
			f := utmpfile.NewFile(write(t, filepath.Join(t.TempDir(), "utmp"), l, want...), &utmpfile.Options{Layout: l})
			got, err := f.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			for slot := range got {
				one, err := f.Read(slot)
				if err != nil || one != got[slot] {
					t.Errorf("Read(%d) = %v, %v, want %v", slot, one, err, got[slot])
				}
				got[slot] = plain(got[slot])
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(utmpx.Record{})); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			for _, slot := range []int{-1, 4} {
				if _, err := f.Read(slot); !errors.Is(err, utmpfile.ErrNoRecord) {
					t.Errorf("Read(%d): %v, want ErrNoRecord", slot, err)
				}
			}
			if got, err := f.Layout(); err != nil || got.Size() != l.Size() {
				t.Errorf("Layout() = %v, %v", got, err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	content := func(name, s string) {
		t.Helper()
		if err := os.WriteFile(in(name), []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content("text", strings.Repeat("no record at all\n", 1000))
	content("torn", "\x07")
	write(t, in("long"), utmpx.Native(), boot)
	err := os.Truncate(in("long"), int64(70_000*utmpx.Native().Size()))
	if err = errors.Join(err, os.Symlink(in("torn"), in("link"))); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(in("link"), 4711, 4711); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		want error
	}{
		{"missing", fs.ErrNotExist},
		{".", utmpfile.ErrNotRegular},
		{"link", utmpfile.ErrSymlink},
		{"text", utmpfile.ErrLayout},
		{"torn", utmpfile.ErrTorn},
		{"long", utmpfile.ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := utmpfile.NewFile(in(tt.name), nil).Snapshot()
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), filepath.Clean(in(tt.name))) {
				t.Errorf("error %v, want %v and the file's name", err, tt.want)
			}
		})
	}
}

func TestPut(t *testing.T) {
	r := files(t, utmpx.Native())
	alice, bob := session("pts/0", "alice", 1), session("pts/1", "bob", 2)
	gone := alice
	gone.Type, gone.User = utmpx.DeadProcess, ""
	later := session("pts/0", "carol", 3)
	for i, put := range []struct {
		rec  utmpx.Record
		slot int
	}{{boot, 0}, {alice, 1}, {bob, 2}, {gone, 1}, {boot, 0}, {later, 1}} {
		if slot, err := r.File.Put(t.Context(), put.rec); slot != put.slot || err != nil {
			t.Errorf("put %d: slot %d, %v, want %d", i, slot, err, put.slot)
		}
	}
	got, _ := contents(t, r)
	if d := cmp.Diff([]utmpx.Record{boot, later, bob}, got, cmp.AllowUnexported(utmpx.Record{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if err := errors.Join(r.File.Sync(), r.Log.Sync()); err != nil {
		t.Error(err)
	}
}

// A line with /dev/ is refused, unless it stands in a file already.
func TestLineWithDev(t *testing.T) {
	r := files(t, utmpx.Native())
	rec := session("/dev/pts/0", "alice", 1)
	if _, err := r.File.Put(t.Context(), rec); !errors.Is(err, utmpfile.ErrLine) {
		t.Errorf("Put: %v", err)
	}
	if err := r.Log.Append(t.Context(), boot, rec); !errors.Is(err, utmpfile.ErrLine) {
		t.Errorf("Append: %v", err)
	}
	if file, log := contents(t, r); len(file)+len(log) != 0 {
		t.Errorf("written: %v, %v", file, log)
	}
	old := write(t, filepath.Join(t.TempDir(), "utmp"), utmpx.Native(), rec)
	read, err := utmpfile.NewFile(old, nil).Read(0)
	if err == nil {
		err = r.Log.Append(t.Context(), read)
	}
	if err != nil {
		t.Errorf("a record that was read: %v", err)
	}
}

// hold locks a file for writing until the test ends.
func hold(t *testing.T, name string) {
	t.Helper()
	h, err := sysfile.Kernel().Open(name, sysfile.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.TryLock(sysfile.WriteLock); err != nil {
		t.Fatal(err)
	}
}

func TestLocked(t *testing.T) {
	r := files(t, utmpx.Native())
	if err := r.Login(t.Context(), utmpfile.Session{Line: "pts/0", User: "alice"}); err != nil {
		t.Fatal(err)
	}
	hold(t, r.File.Name())
	hold(t, r.Log.Name())
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no patience")
	cancel(why)
	_, putErr := r.File.Put(ctx, boot)
	for _, tt := range []struct {
		name, file string
		err        error
	}{
		{"Put", r.File.Name(), putErr},
		{"Append", r.Log.Name(), r.Log.Append(ctx, boot)},
		{"Login", r.File.Name(), r.Login(ctx, utmpfile.Session{Line: "pts/1", User: "bob"})},
		{"Logout", r.File.Name(), r.Logout(ctx, "pts/0", at(9))},
	} {
		var locked *utmpfile.LockedError
		if !errors.As(tt.err, &locked) || locked.Name != tt.file || !errors.Is(tt.err, utmpfile.ErrLocked) || !errors.Is(tt.err, why) {
			t.Errorf("%s: %v, want a LockedError of %s that wraps the cause", tt.name, tt.err, tt.file)
		}
	}
}

// TestManyGoroutines uses one Recorder from many goroutines. No record is lost.
func TestManyGoroutines(t *testing.T) {
	const goroutines, rounds = 8, 20
	r := files(t, utmpx.Native())
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			line := fmt.Sprint("pts/", g)
			for i := range rounds {
				err := r.Login(t.Context(), utmpfile.Session{Line: line, User: "alice", Time: at(int64(2 * i))})
				err = errors.Join(err, r.Logout(t.Context(), line, at(int64(2*i+1))))
				_, readErr := r.File.Snapshot()
				if err := errors.Join(err, readErr); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	file, log := contents(t, r)
	if len(file) != goroutines || len(log) != 2*goroutines*rounds {
		t.Errorf("%d records in the file, want %d; %d in the log, want %d", len(file), goroutines, len(log), 2*goroutines*rounds)
	}
	for slot, rec := range file {
		if rec.Type != utmpx.DeadProcess || rec.User != "" {
			t.Errorf("slot %d: %v", slot, rec)
		}
	}
}
