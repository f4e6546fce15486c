// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// NoteFile is the name of the note in STATE_DIR.
const NoteFile = "heartbeat"

const noteHeader = "utmpd-heartbeat 3"

// MaxSteps is the largest number of steps in a note.
const MaxSteps = 8

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
	Init   time.Duration // when process 1 started, by the kernel's clock; 0 if unknown
	Time   time.Time     // wall clock, to the nanosecond; UnmarshalText returns UTC
	Up     time.Duration // since the kernel started, suspends included; 0 if unknown
	Slept  time.Duration // the suspends' part of Up
	Every  time.Duration // time between two beats; 0 if there were no beats
	State  State
	Steps  []Step // of the wall clock in this boot, the last ones
}

// Step is one step of the wall clock.
type Step struct {
	Up time.Duration // when it was noticed, as Note.Up
	By time.Duration // the new time less the old one
}

// SameStart reports whether two times at which process 1 started, by the kernel's
// clock, mean the same process. A container keeps the boot id of its host, but has
// a process 1 of its own.
func SameStart(a, b time.Duration) bool { return a == 0 || b == 0 || a == b }

// MarshalText returns a header, a line for each field but the last, and one for
// each step. It returns an error if the year is outside 0 to 9999, the boot id is
// longer than 256 bytes, a duration is negative, there are too many steps, or the
// state is unknown.
func (n Note) MarshalText() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "%s\nboot %q\ninit %s\ntime %s\nup %s\nslept %s\nevery %s\nstate %s\n",
		noteHeader, n.BootID, n.Init, n.Time.UTC().Format(time.RFC3339Nano), n.Up, n.Slept, n.Every, n.State)
	for _, s := range n.Steps {
		b = fmt.Appendf(b, "step %s %s\n", s.Up, s.By)
	}
	return b, nil
}

func (n Note) check() error {
	y := n.Time.UTC().Year()
	if y < 0 || y > 9999 || len(n.BootID) > 256 || min(n.Every, n.Init, n.Up, n.Slept) < 0 || len(n.Steps) > MaxSteps {
		return errors.New("heartbeat: note out of range")
	}
	if n.State != Running && n.State != Stopped && n.State != Shutdown {
		return fmt.Errorf("heartbeat: note in state %q", n.State)
	}
	return nil
}

// UnmarshalText parses the text that MarshalText returns, or that of an earlier
// version. For any other text the error wraps ErrCorrupt and n is unchanged.
func (n *Note) UnmarshalText(b []byte) error {
	m, err := parse(string(b))
	if err != nil {
		return fmt.Errorf("heartbeat: %w: %w", ErrCorrupt, err)
	}
	*n = m
	return nil
}

func parse(text string) (Note, error) {
	header, rest, _ := strings.Cut(text, "\n")
	marshal := Note.MarshalText
	if header == oldHeader {
		marshal = Note.marshalOld
	}
	var n Note
	for line := range strings.Lines(rest) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if err := n.set(key, value); err != nil {
			return n, fmt.Errorf("%q: %w", key, err)
		}
	}
	// Each note has exactly one form, so this checks everything else.
	again, err := marshal(n)
	if err == nil && string(again) != text {
		err = errors.New("not in the form in which notes are written")
	}
	return n, err
}

// set sets the field that a line is about.
func (n *Note) set(key, value string) (err error) {
	switch key {
	case "boot":
		n.BootID, err = strconv.Unquote(value)
	case "time":
		n.Time, err = time.Parse(time.RFC3339Nano, value)
	case "init":
		n.Init, err = time.ParseDuration(value)
	case "up":
		n.Up, err = time.ParseDuration(value)
	case "slept":
		n.Slept, err = time.ParseDuration(value)
	case "every":
		n.Every, err = time.ParseDuration(value)
	case "state":
		n.State = State(value)
	case "step":
		up, by, _ := strings.Cut(value, " ")
		var s Step
		if s.Up, err = time.ParseDuration(up); err == nil {
			s.By, err = time.ParseDuration(by)
		}
		n.Steps = append(n.Steps, s)
	default:
		err = errors.New("unknown")
	}
	return err
}

// oldHeader is that of the version before, which had five lines.
const oldHeader = "utmpd-heartbeat 2"

func (n Note) marshalOld() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s\nboot %q\ntime %s\nevery %s\nstate %s\n",
		oldHeader, n.BootID, n.Time.UTC().Format(time.RFC3339Nano), n.Every, n.State), nil
}

// ReadNote reads the note at path. It does not follow a symbolic link. The error
// wraps fs.ErrNotExist if there is no file and [ErrCorrupt] if it is no note.
func ReadNote(path string) (Note, error) {
	b, err := atomicfile.Read(path)
	if errors.Is(err, atomicfile.ErrUnfit) {
		return Note{}, fmt.Errorf("heartbeat: %w: %w", ErrCorrupt, err)
	}
	if err != nil {
		return Note{}, fmt.Errorf("heartbeat: %w", err)
	}
	n, err := parseFile(b)
	if err != nil {
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
	return failed(noteAt(path).WriteSync(atomicfile.Bytes(b)))
}

func noteAt(path string) *atomicfile.File { return atomicfile.New(path, 0o644) }
