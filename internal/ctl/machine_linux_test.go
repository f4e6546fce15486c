// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMakeFileWhole: nobody ever sees a utmpx file that is not as it should be,
// not even after a kill, and none that could not be made so stays.
func TestMakeFileWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "utmp")
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_ATTRIB|unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	err = makeFile(name)
	if seen := changes(t, fd, "utmp"); len(seen) > 1 {
		t.Errorf("utmp changed after it was there: %x", seen)
	}
	want := []string{"utmp"}
	if err != nil { // of a user who is not in its group
		want = nil
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	if got := strings.Join(names, " "); got != strings.Join(want, " ") {
		t.Errorf("makeFile: %v; there is %q, want %q", err, got, want)
	}
	if err == nil {
		info, err := os.Stat(name)
		if err != nil || info.Mode() != 0o664 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
}

// changes are the inotify events of a name.
func changes(t *testing.T, fd int, name string) []uint32 {
	t.Helper()
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err == unix.EAGAIN {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var masks []uint32
	for b = b[:n]; len(b) > 0; {
		e := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		end := unix.SizeofInotifyEvent + int(e.Len)
		if unix.ByteSliceToString(b[unix.SizeofInotifyEvent:end]) == name {
			masks = append(masks, e.Mask)
		}
		b = b[end:]
	}
	return masks
}
