// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/logs"
)

// cursor is where `utmpctl events` goes on: after which record, with what is known up to
// there, and how many of the events that follow were printed.
type cursor struct {
	Version  int             `json:"version"`
	Position logs.Position   `json:"position"`
	Printed  int             `json:"printed"`
	State    json.RawMessage `json:"state"`
}

const cursorVersion = 1

// readCursor reads a cursor, and the stream that goes on there. Without the file both are
// nil.
func readCursor(name string) (*cursor, *events.Stream, error) {
	// What could not be kept would be printed again and again.
	dir := filepath.Dir(name)
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	bad := func(why error) error {
		return fmt.Errorf("%s is not a cursor: %w; remove it to begin again", name, why)
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, nil, bad(err)
	}
	if c.Version != cursorVersion || c.Printed < 0 {
		return nil, nil, bad(fmt.Errorf("its version is %d, not %d", c.Version, cursorVersion))
	}
	s, err := events.Restore(c.State)
	if err != nil {
		return nil, nil, bad(err)
	}
	return &c, s, nil
}

// write replaces the file of the cursor. It waits for the disk: after a power loss the file
// has this cursor or the one before.
func (c cursor) write(name string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return atomicfile.WriteSync(name, 0o600, atomicfile.Bytes(append(b, '\n')))
}
