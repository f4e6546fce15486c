// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/snapshot"
)

// position is the place up to which a log was read. It holds the records that
// prove it: another one before the place, or at the beginning of the file, is
// another history.
type position struct {
	generation snapshot.Generation // of the file
	offset     int64
	first      string    // the file's first record
	last       []byte    // the record before the place
	modified   time.Time // the file, when it was opened: an empty one shows nothing else
}

// startOf returns the beginning of a file.
func startOf(f *logs.File) (position, error) {
	first, err := recordAt(f, 0)
	return position{generation: f.Generation(), first: first, modified: f.Modified()}, err
}

// recordAt returns the record at an offset, "" where there is none.
func recordAt(f *logs.File, off int64) (string, error) {
	for e, err := range f.Forward(off) {
		if logs.IsDamage(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		return strings.Clone(e.Raw()), nil
	}
	return "", nil
}

// moveBehind moves the place behind a record of the file.
func (p *position) moveBehind(e logs.Entry) {
	raw := e.Raw()
	if e.Offset == 0 {
		p.first = strings.Clone(raw)
	}
	p.offset, p.last = e.Offset+int64(len(raw)), append(p.last[:0], raw...)
}

// before returns the offset of the record before the place, 0 if there is none.
func (p position) before() int64 { return max(0, p.offset-int64(len(p.last))) }

// mayBeIn reports whether the place can be in the present file: the record before
// it is still to be compared. A file that was empty must not have been changed.
func (p position) mayBeIn(f *logs.File) bool {
	if p.generation != f.Generation() || p.offset > f.Size() {
		return false
	}
	return p.offset > 0 || p.modified.Equal(f.Modified())
}

// isIn reports whether the place is in a file rotated away, under whatever name,
// compressed or copied. Nothing proves it of a file that was empty.
func (p position) isIn(f *logs.File) (bool, error) {
	if p.offset == 0 || !f.Compressed() && p.offset > f.Size() {
		return false, nil
	}
	first, err := recordAt(f, 0)
	if err != nil || first != p.first {
		return false, err
	}
	last, err := recordAt(f, p.before())
	return last == string(p.last), err
}

// find returns which of the files contains the place.
func (l *Log) find(ctx context.Context, p position, files []logs.FileInfo) (int, bool) {
	for i, file := range slices.Backward(files) {
		found := false
		err := twice(ctx, func() error {
			f, err := l.openRotated(ctx, file)
			if err != nil {
				return err
			}
			defer f.Close()
			found, err = p.isIn(f.Reuse())
			return err
		})
		if err == nil && found {
			return i, true
		}
	}
	return 0, false
}
