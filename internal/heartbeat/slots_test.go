// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// beatNote is the note of a beat so many minutes after the first.
func beatNote(minutes int) Note {
	return Note{BootID: "b", Time: noteTime.Add(time.Duration(minutes) * time.Minute), Every: time.Minute, State: Running,
		Steps: []Step{{time.Hour, time.Duration(minutes)}}}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// TestBeatsInPlace: the beats of a daemon write one file, of which each reader finds the last
// note; a note of somebody else, or one that is not a beat, is replaced and not written into.
func TestBeatsInPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, NoteFile)
	k := newKeeper(path)
	holds := func(name string, want Note) {
		t.Helper()
		n, err := ReadNote(path)
		if err != nil || !n.Time.Equal(want.Time) || n.State != want.State || len(n.Steps) != len(want.Steps) {
			t.Errorf("%s: %+v, %v, want %+v", name, n, err, want)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			t.Errorf("%s: files %v, %v", name, files, err)
		}
	}
	write := func(name string, n Note) uint64 {
		t.Helper()
		if err := k.write(n); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		holds(name, n)
		return inode(t, path)
	}
	first := write("the first", beatNote(0))
	for i := 1; i < 6; i++ {
		if write("a later beat", beatNote(i)) != first {
			t.Error("a later beat made a file")
		}
		if b, err := os.ReadFile(path); err != nil || bytes.IndexByte(b, 0) >= 0 {
			t.Errorf("no text: %q, %v", b, err)
		}
	}
	// A clock that was set back: the later note counts.
	write("set back", beatNote(-100))

	other := Note{BootID: "b", Time: noteTime.Add(time.Hour), State: Shutdown}
	type replacement struct {
		name string
		do   func() error
	}
	all := []replacement{
		{"by utmpctl", func() error { return WriteNote(path, other) }},
		{"by a link", func() error {
			return errors.Join(os.Rename(path, dir+".victim"), os.Symlink(dir+".victim", path))
		}},
		{"by a pipe", func() error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)) }},
		{"removed", func() error { return os.Remove(path) }},
		{"cut", func() error { return os.Truncate(path, 100) }},
		{"by another utmpd", func() error { return newKeeper(path).write(beatNote(50)) }},
	}
	for i, replaced := range append(all, all...) {
		if i == len(all) {
			write("one more, for the other slot", beatNote(6))
		}
		write("before a file replaced "+replaced.name, beatNote(7))
		if err := replaced.do(); err != nil {
			t.Fatal(err)
		}
		write(replaced.name, beatNote(8))
		first := write("after it", beatNote(9))
		if write("after that", beatNote(10)) != first {
			t.Errorf("%s: each beat makes a file", replaced.name)
		}
	}
	if n, err := ReadNote(dir + ".victim"); err != nil || !n.Time.Equal(beatNote(7).Time) {
		t.Errorf("written through a link: %v, %v", n, err)
	}
	last := Note{BootID: "b", Time: noteTime.Add(2 * time.Hour), Every: time.Minute, State: Stopped}
	write("the end", last)
	if b, err := os.ReadFile(path); err != nil || len(b) >= slotSize {
		t.Errorf("the last note: %q, %v", b, err)
	}
}

// TestSlotTorn: a power failure leaves any sectors of the slot that was written, and any
// damage: the reader finds the note before, or the new one, and nothing else.
func TestSlotTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), NoteFile)
	k := newKeeper(path)
	files := make([][]byte, 5)
	for i := range files {
		if err := k.write(beatNote(i)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = b
	}
	fresh, step := 0, 1
	if testing.Short() {
		step = 7
	}
	check := func(what string, at int, torn []byte, old, now Note) {
		n, err := parseFile(torn)
		switch {
		case err != nil:
			t.Errorf("%s at %d: %v", what, at, err)
		case n.Time.Equal(now.Time) && n.Steps[0] == now.Steps[0]:
			fresh++
		case !n.Time.Equal(old.Time) || n.Steps[0] != old.Steps[0]:
			t.Errorf("%s at %d: %+v", what, at, n)
		}
	}
	for i := 1; i < len(files); i++ {
		before, after := files[i-1], files[i]
		old, now := beatNote(i-1), beatNote(i)
		slot := int(k.offset()) // of the last one
		if (len(files)-1-i)%2 == 1 {
			slot = slotSize - slot
		}
		if bytes.Equal(before[slot:slot+slotSize], after[slot:slot+slotSize]) {
			t.Fatal("the slot is the other one")
		}
		for cut := 0; cut <= slotSize; cut += step {
			check("new, then old", cut, join(before[:slot], after[slot:slot+cut], before[slot+cut:]), old, now)
			check("old, then new", cut, join(before[:slot+cut], after[slot+cut:]), old, now)
			check("new, then zeros", cut, join(before[:slot], after[slot:slot+cut], make([]byte, slotSize-cut), before[slot+slotSize:]), old, now)
		}
		for at := slot; at < slot+slotSize; at += step {
			torn := bytes.Clone(after)
			torn[at] ^= 1 << (at % 8)
			check("a bit", at, torn, old, now)
		}
	}
	if fresh == 0 {
		t.Error("a whole slot was never taken")
	}
	// A file with both slots damaged is none.
	if n, err := parseFile(make([]byte, 2*slotSize)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("zeros: %v, %v", n, err)
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestBeatFails: an error names the file, and the next beat replaces it.
func TestBeatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, NoteFile)
	k := newKeeper(path)
	if err := k.write(beatNote(0)); err == nil || !bytes.Contains([]byte(err.Error()), []byte(dir)) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := k.write(beatNote(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := k.write(beatNote(4)); err == nil {
		t.Error("written without a directory")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.write(beatNote(5)); err != nil {
		t.Error(err)
	}
	if n, err := ReadNote(path); err != nil || !n.Time.Equal(beatNote(5).Time) {
		t.Errorf("%+v, %v", n, err)
	}
}

// FuzzSlots checks that no file panics, and that a damaged slot leaves the other one.
func FuzzSlots(f *testing.F) {
	path := filepath.Join(f.TempDir(), NoteFile)
	k := newKeeper(path)
	for i := range 2 {
		if err := k.write(beatNote(i)); err != nil {
			f.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:100], 0)
	f.Add(whole[slotSize:slotSize+300], 0)
	f.Add([]byte("utmpd-heartbeat 3\nbeat 18446744073709551615 00000000\n"), slotSize)
	f.Fuzz(func(t *testing.T, in []byte, at int) {
		if at < 0 || at > slotSize || len(in) > slotSize {
			return
		}
		// Within one slot.
		b := bytes.Clone(whole)
		end := slotSize
		if at == slotSize {
			end = 2 * slotSize
		}
		copy(b[at:end], in)
		n, err := parseFile(b)
		if err != nil {
			t.Fatal(err)
		}
		if !n.Time.Equal(beatNote(0).Time) && !n.Time.Equal(beatNote(1).Time) {
			t.Errorf("%+v", n)
		}
		_, _ = parseFile(in)
	})
}
