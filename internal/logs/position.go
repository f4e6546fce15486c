// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Position is a place in a log, after one of its records. It does not depend on
// names and inodes: it holds the hash of the first record of the file, the
// offset, and the hash and the time of the record before it. So it is found again
// after the log was rotated, copied, truncated, or compressed; see [Log.From].
//
// The zero Position is the beginning of the log, before the oldest record of all
// its files. Positions are equal (==) if they are the same place.
type Position struct {
	first  digest
	offset int64 // in bytes, of the end of the record
	last   digest
	time   utmpx.Time // of the record
}

// digest is the hash of a record's bytes, the zero digest that of no record.
type digest [16]byte

// digestOf hashes a record. A user can choose some bytes of a record (by the
// name of his host), so the hash is one for which nobody finds a second input.
// Records of this kind of system are padded to one size; longer ones, of foreign
// layouts, are hashed whole.
func digestOf[T string | []byte](record T) (d digest) {
	var b [utmpx.MaxSize]byte
	whole := b[:]
	if len(record) > len(b) {
		whole = make([]byte, len(record))
	}
	copy(whole, record)
	sum := sha256.Sum256(whole)
	copy(d[:], sum[:])
	return d
}

// Position returns the place after the entry. The entry must be one that a File
// or a Log yielded, and its record unchanged.
func (e *Entry) Position() Position { return e.After(e.Raw(), e.Record.Time) }

// After returns the place after a record that is there, of which it gets the bytes and the
// time.
func (w *Where) After(raw string, at utmpx.Time) Position {
	if w.late != nil {
		return *w.late
	}
	return Position{first: w.first, offset: w.Offset + int64(len(raw)), last: digestOf(raw), time: at}
}

// Place returns the place of the entry itself. That is its Position, but for an entry that
// was written to a file read before: its Position is where to go on.
func (e *Entry) Place() Position {
	own := e.Where
	own.late = nil
	return own.After(e.Raw(), e.Record.Time)
}

// Late reports whether the entry was written to a file read before.
func (e *Entry) Late() bool { return e.late != nil }

// IsZero reports whether p is the beginning of the log.
func (p Position) IsZero() bool { return p == Position{} }

// SameRecord reports whether p and q are after the same record, wherever it is.
func (p Position) SameRecord(q Position) bool { return p.last == q.last && p.time == q.time }

// SameFile reports whether p and q are in the same file, whatever it is called.
func (p Position) SameFile(q Position) bool { return p.first == q.first }

// Time returns the time of the record before p. For the zero Position it is the
// zero time.
func (p Position) Time() time.Time {
	if p.IsZero() {
		return time.Time{}
	}
	return p.time.Time()
}

const (
	positionVersion = "1"
	positionStart   = "0" // the zero Position
)

// String returns p as text, such as "1:HASH:15360:HASH:1780000000:123456", which
// [ParsePosition] reads.
func (p Position) String() string {
	var space [128]byte
	return string(p.appendTo(space[:0]))
}

func (p *Position) appendTo(b []byte) []byte {
	if p.IsZero() {
		return append(b, positionStart...)
	}
	b = append(b, positionVersion+":"...)
	b = append(hex.AppendEncode(b, p.first[:]), ':')
	b = append(strconv.AppendInt(b, p.offset, 10), ':')
	b = append(hex.AppendEncode(b, p.last[:]), ':')
	b = append(strconv.AppendInt(b, p.time.Sec, 10), ':')
	return strconv.AppendInt(b, p.time.Usec, 10)
}

// MarshalText implements [encoding.TextMarshaler] by [Position.String].
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParsePosition].
func (p *Position) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePosition(string(text))
	return err
}

// ParsePosition reads what [Position.String] returned.
func ParsePosition(s string) (Position, error) {
	if s == positionStart {
		return Position{}, nil
	}
	f := strings.Split(s, ":")
	if len(f) != 6 || f[0] != positionVersion {
		return Position{}, fmt.Errorf("utmpfile: %q is not a position in a log", s)
	}
	var p Position
	var errs [5]error
	errs[0] = p.first.parse(f[1])
	p.offset, errs[1] = strconv.ParseInt(f[2], 10, 64)
	errs[2] = p.last.parse(f[3])
	p.time.Sec, errs[3] = strconv.ParseInt(f[4], 10, 64)
	p.time.Usec, errs[4] = strconv.ParseInt(f[5], 10, 64)
	if errors.Join(errs[:]...) != nil || p.String() != s {
		return Position{}, fmt.Errorf("utmpfile: %q is not a position in a log", s)
	}
	return p, nil
}

func (d *digest) parse(s string) error {
	b, err := hex.DecodeString(s)
	if err == nil && len(b) != len(d) {
		err = hex.ErrLength
	}
	copy(d[:], b)
	return err
}

// End returns the position after the last record of the log. If the present file
// has none, or is missing, that is in the newest file that has one.
func (l *Log) End(ctx context.Context) (Position, error) {
	files, err := l.Files(ctx)
	if err != nil {
		return Position{}, err
	}
	for _, info := range slices.Backward(files) {
		p, err := l.endOf(ctx, info.Name)
		if err != nil || !p.IsZero() {
			return p, err
		}
	}
	return Position{}, nil
}

// endOf returns the position after the last record of a file.
func (l *Log) endOf(ctx context.Context, name string) (Position, error) {
	f, err := l.Open(ctx, name)
	if err != nil {
		return Position{}, err
	}
	defer f.Close()
	for e, err := range f.Reuse().Backward(f.End()) {
		if IsDamage(err) {
			continue
		}
		if err != nil {
			return Position{}, err
		}
		return e.Position(), nil
	}
	return Position{}, nil
}

// holds reports whether p is in the file, at its offset. If the file cannot be
// read there, it is: its first record is that of p.
func (f *File) holds(p Position) bool {
	if f.first != p.first || f.compression == nil && p.offset > f.size {
		return false
	}
	ok, err := f.endsAt(p.last, p.offset)
	return ok || err != nil && !errors.Is(err, errTruncated) && !errors.Is(err, io.EOF)
}

// endsAt reports whether the record with a hash ends at an offset. Its layout may be
// any: two can be in one file.
func (f *File) endsAt(record digest, off int64) (bool, error) {
	longest := max(utmpx.MaxSize, f.layout.Size()) // a layout of another system may have more
	from := max(0, off-int64(longest))
	var b []byte
	var err error
	if f.compression != nil {
		u := &unpacked{f: f, keep: longest}
		defer u.close()
		b, err = u.at(from, off)
	} else {
		b = make([]byte, off-from)
		var n int
		if n, err = f.h.ReadAt(b, from); n == len(b) {
			err = nil
		} else if err == io.EOF {
			err = errTruncated
		}
	}
	if err != nil {
		return false, err
	}
	for _, size := range append([]int64{int64(f.layout.Size())}, sizes...) {
		if k := int64(len(b)) - size; k >= 0 && digestOf(b[k:]) == record {
			return true, nil
		}
	}
	return false, nil
}

// endsWith reports whether a record ends at an offset of a file that is not compressed.
func (f *File) endsWith(record []byte, off int64) (bool, error) {
	f.before = slices.Grow(f.before[:0], len(record))
	b := f.before[:len(record)]
	n, err := f.h.ReadAt(b, off-int64(len(b)))
	if n == len(b) {
		return bytes.Equal(b, record), nil
	}
	if err == io.EOF {
		err = errTruncated
	}
	return false, err
}

// search looks for the record before p by its bytes, wherever it is in the file,
// and returns the offset after it.
func (f *File) search(p Position) (off int64, found bool, err error) {
	for r, err := range f.Raw(0) {
		if IsDamage(err) {
			continue
		}
		if err != nil {
			return 0, false, err
		}
		if _, at, _ := r.Peek(); at == p.time && digestOf(r.Bytes) == p.last {
			return r.Offset + int64(len(r.Bytes)), true, nil
		}
	}
	return 0, false, nil
}

// later returns the offset of the first record later than t.
func (f *File) later(t utmpx.Time) (off int64, found bool, err error) {
	for r, err := range f.Raw(0) {
		if IsDamage(err) {
			continue
		}
		if err != nil {
			return 0, false, err
		}
		if _, at, _ := r.Peek(); at.Sec > t.Sec || at.Sec == t.Sec && at.Usec > t.Usec {
			return r.Offset, true, nil
		}
		off = r.Offset + int64(len(r.Bytes))
	}
	return off, false, nil
}
