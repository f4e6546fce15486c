// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// NoteFile is the name of the note in STATE_DIR.
const NoteFile = "heartbeat"

const (
	noteHeader = "utmpd-heartbeat 2"
	maxNote    = 4096
)

// ErrCorrupt is the error of a file that WriteNote has not written.
var ErrCorrupt = errors.New("not a heartbeat's note")

// State is what was to follow a note.
type State string

// The states of a note.
const (
	Running  State = "running"  // another beat was to follow
	Stopped  State = "stopped"  // the daemon was stopped; the system went on
	Shutdown State = "shutdown" // the system was being shut down
)

// Note is the last sign of life. If it is from an earlier boot and Running, the
// system crashed between Time and Time+Every.
type Note struct {
	BootID string
	Time   time.Time     // wall clock, to the nanosecond; UnmarshalText returns UTC
	Every  time.Duration // time between two beats; 0 if there were no beats
	State  State
}

// MarshalText returns five lines: header, boot, time, period and state. It returns
// an error if the year is outside 0 to 9999, the boot id is longer than 256
// bytes, the period is negative, or the state is unknown.
func (n Note) MarshalText() ([]byte, error) {
	t := n.Time.UTC()
	if y := t.Year(); y < 0 || y > 9999 || len(n.BootID) > 256 || n.Every < 0 {
		return nil, errors.New("heartbeat: note out of range")
	}
	if n.State != Running && n.State != Stopped && n.State != Shutdown {
		return nil, fmt.Errorf("heartbeat: note in state %q", n.State)
	}
	return fmt.Appendf(nil, "%s\nboot %q\ntime %s\nevery %s\nstate %s\n",
		noteHeader, n.BootID, t.Format(time.RFC3339Nano), n.Every, n.State), nil
}

// UnmarshalText parses the text that MarshalText returns. For any other text the
// error wraps ErrCorrupt and n is unchanged.
func (n *Note) UnmarshalText(b []byte) error {
	var m Note
	var err error
	l := strings.Split(string(b), "\n")
	if len(l) != 6 {
		return fmt.Errorf("heartbeat: %w", ErrCorrupt)
	}
	boot, _ := strings.CutPrefix(l[1], "boot ")
	if m.BootID, err = strconv.Unquote(boot); err != nil {
		return fmt.Errorf("heartbeat: %w: boot", ErrCorrupt)
	}
	at, _ := strings.CutPrefix(l[2], "time ")
	if m.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return fmt.Errorf("heartbeat: %w: time", ErrCorrupt)
	}
	every, _ := strings.CutPrefix(l[3], "every ")
	if m.Every, err = time.ParseDuration(every); err != nil {
		return fmt.Errorf("heartbeat: %w: period", ErrCorrupt)
	}
	state, _ := strings.CutPrefix(l[4], "state ")
	m.State = State(state)
	// Each note has exactly one form, so this checks everything else.
	if again, err := m.MarshalText(); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("heartbeat: %w", ErrCorrupt)
	}
	*n = m
	return nil
}

// ReadNote reads the note at path. It does not follow a symbolic link. The error
// wraps fs.ErrNotExist if there is no file and [ErrCorrupt] if it is no note.
func ReadNote(path string) (Note, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return Note{}, fmt.Errorf("heartbeat: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Note{}, fmt.Errorf("heartbeat: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Note{}, fmt.Errorf("heartbeat: %w: %s is not a regular file", ErrCorrupt, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return Note{}, fmt.Errorf("heartbeat: %w", err)
	}
	var n Note
	if err := n.UnmarshalText(b); err != nil {
		return Note{}, fmt.Errorf("%w, in %s", err, path)
	}
	return n, nil
}

// WriteNote replaces the note at path, with mode 0644 less the umask, and waits for
// the disk. A power failure leaves the old note or the new one, complete. Several
// processes may write the note at the same time.
func WriteNote(path string, n Note) error {
	b, err := n.MarshalText()
	if err != nil {
		return err
	}
	if err := atomicfile.WriteSync(path, 0o644, atomicfile.Bytes(b)); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}
