// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// openPTY opens a pseudo terminal and returns its line.
func openPTY(t *testing.T) (master *os.File, line string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return master, fmt.Sprintf("pts/%d", n)
}

// TestHoldTerminal gives the number of a terminal out again.
func TestHoldTerminal(t *testing.T) {
	master, line := openPTY(t)
	held, err := HoldTerminal(line)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if held.Gone() {
		t.Fatalf("%s is gone while it is open", line)
	}
	master.Close()
	if !held.Gone() {
		t.Fatalf("%s is closed, and not gone", line)
	}
	// Somebody else may be quicker. Then the number is in use all the same.
	again, other := openPTY(t)
	defer again.Close()
	if !held.Gone() {
		t.Errorf("%s is back, with %s opened", line, other)
	}
	if later, err := HoldTerminal(line); err == nil {
		defer later.Close()
		if later.Gone() {
			t.Errorf("the next %s is gone", line)
		}
	}
}

func TestHoldNoTerminal(t *testing.T) {
	for _, c := range []struct {
		name, line string
	}{
		{"none with that number", "pts/99999999"},
		{"not of a devpts", "null"},
		{"out of /dev", "../dev/null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			held, err := HoldTerminal(c.line)
			if !errors.Is(err, errNoLine) {
				t.Errorf("HoldTerminal(%q) = %v, %v, want %v", c.line, held, err, errNoLine)
			}
		})
	}
}
