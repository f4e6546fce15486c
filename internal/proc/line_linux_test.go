// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenLine(t *testing.T) {
	_, line := newTerminal(t)
	var way route // of all lines: they come from several directories
	defer way.end()
	for _, c := range []struct {
		name, line string
		found      bool
		none       bool
	}{
		{"a terminal", line, true, false},
		{"a device", "null", true, false},
		{"a terminal that is gone", "pts/999999", false, true},
		{"a directory", "pts", false, true},
		{"below a device", "null/x", false, true},
		{"nothing", "nothing-here", false, true},
		{"below nothing", "nothing/here", false, true},
		{"out of /dev", "../etc/passwd", false, true},
		{"a link", "fd", false, false},
		{"a link to a terminal", "stdin", false, false},
		{"below a link", "fd/0", false, false},
		{"another file system", "shm/x", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fd, st, err := way.open(c.line)
			if err == nil {
				unix.Close(fd)
			}
			if (err == nil) != c.found || errors.Is(err, errNoLine) != c.none {
				t.Errorf("open(%q) = %v", c.line, err)
			}
			if c.found && st.Mode&unix.S_IFMT != unix.S_IFCHR {
				t.Errorf("its mode is %o", st.Mode)
			}
		})
	}
}

// TestOpenBelow: the way before openat2(2) says the same of each element.
func TestOpenBelow(t *testing.T) {
	dev, err := os.OpenFile("/dev", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, c := range []struct {
		name, element string
		cross         bool
		want          error
	}{
		{"a device", "null", false, nil},
		{"a link", "fd", false, unix.ELOOP},
		{"nothing", "nothing-here", false, unix.ENOENT},
		{"a mount", "pts", false, unix.EXDEV},
		{"a mount that may be entered", "pts", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, open := range map[string]func(int, string, bool) (int, error){"openat2": openBelow, "openat": openBelowBefore} {
				fd, err := open(int(dev.Fd()), c.element, c.cross)
				if err == nil {
					unix.Close(fd)
				}
				if err != c.want {
					t.Errorf("by %s: %v, want %v", name, err, c.want)
				}
			}
		})
	}
}
