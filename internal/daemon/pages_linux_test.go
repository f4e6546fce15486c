// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestCleanMappings: what may be dropped is private, of a file, not writable, resident, and
// without copied pages.
func TestCleanMappings(t *testing.T) {
	const clean = "Rss: 8 kB\nPrivate_Dirty: 0 kB\nAnonymous: 0 kB\nSwap: 0 kB\nVmFlags: rd ex\n"
	tests := []struct {
		name, head, body string
		want             bool
	}{
		{"text", "r-xp 00000000 fe:00 99 /usr/sbin/utmpd", clean, true},
		{"constants", "r--p 00001000 fe:00 99 /usr/sbin/utmpd", clean, true},
		{"a name that was removed, with a colon", "r--p 00001000 fe:00 99 /tmp/a: (deleted)", clean, true},
		{"a library's", "r-xp 00000000 fe:00 98 /lib/libc.so", clean, false},
		{"of another file system", "r-xp 00000000 fe:01 99 /lib/libc.so", clean, false},
		{"data", "rw-p 00001000 fe:00 99 /usr/sbin/utmpd", clean, false},
		{"shared", "r--s 00001000 fe:00 99 /usr/sbin/utmpd", clean, false},
		{"not readable", "---p 00001000 fe:00 99 /usr/sbin/utmpd", clean, false},
		{"of no file", "r-xp 00000000 00:00 0 [vdso]", clean, false},
		{"not resident", "r-xp 00000000 fe:00 99 /usr/sbin/utmpd", "Rss: 0 kB\nAnonymous: 0 kB\nSwap: 0 kB\n", false},
		{"relocated or with a breakpoint", "r-xp 00000000 fe:00 99 /usr/sbin/utmpd", "Rss: 8 kB\nAnonymous: 4 kB\nSwap: 0 kB\n", false},
		{"the same, swapped out", "r-xp 00000000 fe:00 99 /usr/sbin/utmpd", "Rss: 8 kB\nAnonymous: 0 kB\nSwap: 4 kB\n", false},
		{"a kernel that tells of no copies", "r-xp 00000000 fe:00 99 /usr/sbin/utmpd", "Rss: 8 kB\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			others := "c000000000-c000400000 rw-p 00000000 00:00 0 \nRss: 8 kB\nAnonymous: 8 kB\nSwap: 8 kB\n"
			own := "00800000-00801000 r-xp 00000000 fe:00 99 /usr/sbin/utmpd\nRss: 0 kB\n"
			got := cleanMappings(strings.NewReader(others+"00400000-00402000 "+tt.head+"\n"+tt.body+others+own), 0x800fff)
			if !tt.want && len(got) == 0 || tt.want && len(got) == 1 && got[0].start == 0x400000 && got[0].end == 0x402000 {
				return
			}
			t.Errorf("got %x, want it dropped: %v", got, tt.want)
		})
	}
}

// TestDropPages: a clean mapping leaves memory and has the same bytes after it; one with a
// page that was written keeps what was written, also where it is not writable any more.
func TestDropPages(t *testing.T) {
	size := 4 * os.Getpagesize()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped := func(prot int) []byte {
		m, err := unix.Mmap(int(f.Fd()), 0, size, prot, unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Munmap(m) })
		return m
	}
	clean, copied := mapped(unix.PROT_READ), mapped(unix.PROT_READ|unix.PROT_WRITE)
	copied[0] = 'y'
	if err := unix.Mprotect(copied, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if clean[0] != 'x' || !resident(t, clean) { // read: now it is in memory
		t.Fatal("a page that was read is not in memory")
	}
	dropPagesOf(uintptr(unsafe.Pointer(&clean[0])))
	if resident(t, clean) {
		t.Error("the clean mapping is still in memory")
	}
	if !bytes.Equal(clean, bytes.Repeat([]byte("x"), size)) {
		t.Error("the clean mapping lost its bytes")
	}
	if copied[0] != 'y' {
		t.Error("the copied page lost its byte")
	}
}

// resident reports whether this process has a mapping in memory, by its smaps.
func resident(t *testing.T, m []byte) bool {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, from, ok := strings.Cut("\n"+string(smaps), fmt.Sprintf("\n%08x-", uintptr(unsafe.Pointer(&m[0]))))
	if !ok {
		t.Fatal("no such mapping")
	}
	_, rss, _ := strings.Cut(from, "\nRss:")
	return strings.Fields(rss)[0] != "0"
}
