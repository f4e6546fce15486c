// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ErrCompression is the error of a file in a compression that is not supported:
// that of compress(1), .Z.
var ErrCompression = errors.New("compressed in an unsupported format")

// wrap adds what was tried on which file, once: it takes a path error from below
// apart.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		err = se.Err
	}
	return fmt.Errorf("utmpfile: %s %s: %w", op, name, err)
}

// GapError reports that records may be missing: the record after which reading
// was to go on is in none of the files any more.
type GapError struct {
	Name   string    // of the log
	After  time.Time // of the record that was read last
	Before time.Time // of the next record there is; zero if there is none yet
}

func (e *GapError) Error() string {
	s := "utmpfile: read " + e.Name + ": the record read last is gone: records after " + e.After.UTC().Format(time.RFC3339) + " may be missing"
	if !e.Before.IsZero() {
		s = "utmpfile: read " + e.Name + ": the record read last is gone: records between " +
			e.After.UTC().Format(time.RFC3339) + " and " + e.Before.UTC().Format(time.RFC3339) + " may be missing"
	}
	return s
}

// errRotating ends a reading whose files change each time they are looked at.
var errRotating = errors.New("its files change all the time")
