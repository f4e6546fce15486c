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

// ErrCorrupt is the error of a note that is not as WriteNote leaves it.
var ErrCorrupt = errors.New("not a heartbeat's note")

// State is what the writer of a note knew of what would come.
type State string

// The states of a note.
const (
	Running  State = "running"  // another beat was to follow
	Stopped  State = "stopped"  // the daemon ended under control, and the system went on
	Shutdown State = "shutdown" // the system was about to end under control
)

// Note is the last sign of life. If it is of another boot and Running, the
// system went down between Time and Time+Every, without a controlled end.
type Note struct {
	BootID string
	Time   time.Time     // wall clock, to the nanosecond, in UTC once read
	Every  time.Duration // between two beats; 0 if no beats were going on
	State  State
}

// MarshalText returns five lines: a header, boot, time, period, state. It fails
// for a year outside 0 to 9999, a boot id of more than 256 bytes, a negative
// period and an unknown state.
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

// UnmarshalText reads what MarshalText wrote, byte for byte; anything else is
// ErrCorrupt and leaves n as it was.
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
	// There is one way to write each note; this compares all the rest.
	if again, err := m.MarshalText(); err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("heartbeat: %w", ErrCorrupt)
	}
	*n = m
	return nil
}

// ReadNote reads the note at path. The errors that can be told are
// fs.ErrNotExist and [ErrCorrupt]. It follows no symbolic link.
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

// WriteNote replaces the note at path, mode 0644 less the umask, and waits for the
// disk: a power loss leaves the old note or the new one, whole. Several processes
// may write a note at once.
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
