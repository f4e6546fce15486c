// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// dropPages takes the pages of the program's file out of this process's memory: most of
// them only the start needed. They stay in the kernel's cache, and what is used again comes
// back by minor faults. A mapping that has pages of its own is left alone, because dropping
// such a page undoes what was written to it: relocations, or a debugger's breakpoints. If
// anything fails, the pages stay.
func dropPages() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMappings(f) {
		// Not unix.Madvise: it takes a slice, and no slice of Go's has this memory.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// cleanMappings returns the mappings that are private, of a file, readable and not writable,
// resident, and of which no page is a copy, in memory or swapped out. It leaves little for the
// collector, which has just run.
//
// Source: proc_pid_smaps(5).
func cleanMappings(smaps io.Reader) []mapping {
	var clean []mapping
	var m mapping
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
			program = isProgram(rest) && m.parse(key)
		}
	}
	end()
	if lines.Err() != nil {
		return nil
	}
	return clean
}

// none reports whether a size is 0.
func none(size []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(size, " "), []byte("0 ")) }

// isProgram reports whether a mapping may be of a program's code or constants, by its
// permissions, offset, device, inode and name.
func isProgram(of []byte) bool {
	perm, of, _ := bytes.Cut(of, []byte(" "))
	_, of, _ = bytes.Cut(of, []byte(" "))
	_, inode, _ := bytes.Cut(of, []byte(" "))
	return bytes.HasPrefix(perm, []byte("r-")) && bytes.HasSuffix(perm, []byte("p")) && !none(inode)
}

// parse sets the addresses, as 00400000-00715000.
func (m *mapping) parse(s []byte) bool {
	from, to, _ := bytes.Cut(s, []byte("-"))
	start, err1 := strconv.ParseUint(string(from), 16, strconv.IntSize)
	end, err2 := strconv.ParseUint(string(to), 16, strconv.IntSize)
	*m = mapping{uintptr(start), uintptr(end)}
	return err1 == nil && err2 == nil
}
