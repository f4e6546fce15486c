// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"fmt"
	"time"
)

// ErrCompression is the error of a file in a compression that is not supported:
// that of compress(1), .Z.
var ErrCompression = errors.New("compressed in an unsupported format")

// errBomb is the error of a compressed file that holds more than any log that shrinks to
// its size.
var errBomb = fmt.Errorf("it holds more than %d times its size: if it is a log, decompress it before", maxRatio)

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
