// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// dropPages takes the pages of the program's file out of this process's memory: most of
// them only the start needed. They stay in the kernel's cache, and what is used again comes
// back by minor faults. A mapping that has pages of its own is left alone, because dropping
// such a page undoes what was written to it: relocations, or a debugger's breakpoints. If
// anything fails, the pages stay.
func dropPages() { dropPagesOf(reflect.ValueOf(dropPages).Pointer()) }

// dropPagesOf drops those of the file that is mapped at an address.
func dropPagesOf(at uintptr) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMappings(f, at) {
		// Not unix.Madvise: it takes a slice, and no slice of Go's has this memory.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct {
	start, end uintptr
	file       string // device and inode
}

// cleanMappings returns the mappings that are private, of a file, readable and not writable,
// resident, and of which no page is a copy, in memory or swapped out: those of the file that is
// mapped at an address. A library that is being loaded in another thread is left alone: its
// pages are written to soon. It leaves little for the collector, which has just run.
//
// Source: proc_pid_smaps(5).
func cleanMappings(smaps io.Reader, at uintptr) []mapping {
	var clean []mapping
	var m mapping
	var own string
	var program, resident, uncopied, unswapped bool
	end := func() {
		if program && resident && uncopied && unswapped {
			clean = append(clean, m)
		}
		program, resident, uncopied, unswapped = false, false, false, false
	}
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		key, rest, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		switch string(key) {
		case "Rss:":
			resident = !none(rest)
		case "Anonymous:":
			uncopied = none(rest)
		case "Swap:":
			unswapped = none(rest)
		default:
			if bytes.HasSuffix(key, []byte(":")) {
				continue
			}
			end()
			program = m.parse(key, rest)
			if m.start <= at && at < m.end {
				own = m.file
			}
		}
	}
	end()
	if lines.Err() != nil {
		return nil
	}
	return slices.DeleteFunc(clean, func(m mapping) bool { return m.file != own })
}

// none reports whether a size is 0.
func none(size []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(size, " "), []byte("0 ")) }

// parse sets a mapping from its line: the addresses, as 00400000-00715000, and permissions,
// offset, device, inode and name. It reports whether the mapping may be of a program's code or
// constants.
func (m *mapping) parse(addresses, of []byte) bool {
	from, to, _ := bytes.Cut(addresses, []byte("-"))
	start, err1 := strconv.ParseUint(string(from), 16, strconv.IntSize)
	end, err2 := strconv.ParseUint(string(to), 16, strconv.IntSize)
	perm, of, _ := bytes.Cut(of, []byte(" "))
	_, of, _ = bytes.Cut(of, []byte(" "))
	device, of, _ := bytes.Cut(of, []byte(" "))
	inode, _, _ := bytes.Cut(of, []byte(" "))
	*m = mapping{uintptr(start), uintptr(end), string(device) + " " + string(inode)}
	return err1 == nil && err2 == nil && bytes.HasPrefix(perm, []byte("r-")) && bytes.HasSuffix(perm, []byte("p")) && string(inode) != "0"
}
