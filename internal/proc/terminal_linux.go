// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudo terminal as it was when it was opened, whoever has its number
// now. It does not open the terminal as a program does that uses it. It is not safe for
// concurrent use.
type Terminal struct {
	fd    int
	owner uint32
}

// HoldTerminal opens the pseudo terminal of a line, as session.PseudoTerminal knows it,
// whoever may read or write it. It holds one descriptor until Close. The error is the
// kernel's, or that the line names no pseudo terminal.
//
// It gives up after a second if the kernel does not answer.
//
// Source: O_PATH in open(2). A number that is given out again has the same inode number.
func HoldTerminal(line string) (*Terminal, error) {
	h := holds.look([]string{line})[0]
	if h.err != nil {
		return nil, fmt.Errorf("proc: hold %w", h.err)
	}
	return h.terminal, nil
}

// holding is a terminal that was opened, or why it was not.
type holding struct {
	terminal *Terminal
	err      error
}

func noHold(err error) holding { return holding{err: err} }

func (h holding) drop() {
	if h.err == nil {
		_ = h.terminal.Close()
	}
}

func openTerminal(way *route, line string) holding {
	fd, st, err := way.open(line)
	if err != nil {
		return noHold(err)
	}
	var on unix.Statfs_t
	if err := unix.Fstatfs(fd, &on); err != nil || int64(on.Type) != unix.DEVPTS_SUPER_MAGIC {
		// Elsewhere a name may be removed while the terminal is in use.
		unix.Close(fd)
		return noHold(fmt.Errorf("%s: %w", line, errors.Join(err, errNoLine)))
	}
	return holding{terminal: &Terminal{fd, st.Uid}}
}

// Gone reports whether the terminal is gone for good: its other side was closed. It does
// not block.
func (t *Terminal) Gone() bool {
	var st unix.Stat_t
	return unix.Fstat(t.fd, &st) == nil && st.Nlink == 0
}

// now returns the terminal as a look-up of its line would, unless it is gone.
func (t *Terminal) now() (found terminal) {
	if found.err = unix.Fstat(t.fd, &found.st); found.err == nil && found.st.Nlink == 0 {
		found.err = errNoLine
	}
	rdev := uint64(found.st.Rdev)
	found.tty = deviceNumber(unix.Major(rdev), unix.Minor(rdev))
	return found
}

// Owner returns the user that it belonged to when it was opened.
func (t *Terminal) Owner() uint32 { return t.owner }

// Close closes the descriptor.
func (t *Terminal) Close() error {
	if err := unix.Close(t.fd); err != nil {
		return fmt.Errorf("proc: close a terminal: %w", err)
	}
	return nil
}
