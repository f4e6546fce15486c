// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"time"

	"utmpd.dev/utmpd/internal/logs"
)

// Position is a place in a log, after one of its records. It does not depend on names
// and inodes: it holds hashes of the file's first record and of the record before the
// position, its offset, and the time of that record. So it is found again after the
// log was rotated, copied and truncated, or compressed.
//
// The zero Position is the beginning of the log, before the oldest record of all its
// files. Positions are equal (==) if they are the same place. A Position can be kept
// as text, also in JSON.
type Position struct{ p logs.Position }

// IsZero reports whether p is the beginning of the log.
func (p Position) IsZero() bool { return p.p.IsZero() }

// Time returns the time of the record before p, the zero time for the zero Position.
func (p Position) Time() time.Time { return p.p.Time() }

// String returns p as text of printable ASCII characters without blanks.
func (p Position) String() string { return p.p.String() }

// MarshalText implements [encoding.TextMarshaler]. It never fails.
func (p Position) MarshalText() ([]byte, error) { return p.p.MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler]. It reads what
// [Position.MarshalText] returned.
func (p *Position) UnmarshalText(text []byte) error { return p.p.UnmarshalText(text) }
