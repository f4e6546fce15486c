// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
)

// readBack returns what the files of the log show, the present one being f. It
// fails if f cannot be read. A rotated file that cannot be read is a gap.
func (l *Log) readBack(ctx context.Context, f *logs.File, files listing) (*state, error) {
	start, err := startOf(f.Reuse())
	if err != nil {
		return nil, err
	}
	p, err := l.plan(ctx, f, files.rotated)
	if err != nil {
		return nil, err
	}
	for i, s := range p.rotated {
		if i > 0 {
			p.logins.nextFile()
		}
		l.take(ctx, p.logins, s)
	}
	if !files.whole {
		p.logins.skip()
	}
	p.logins.nextFile()
	next := &state{Logins: p.logins, at: start, rotated: files.rotated}
	for e, err := range f.Forward(p.from) {
		switch {
		case logs.IsDamage(err): // see [Logins]
		case err != nil:
			return nil, err
		default:
			next.add(e)
		}
	}
	return next, ctx.Err()
}

// plan is what a reading begins with, and what it has to read then.
type plan struct {
	logins  *Logins
	rotated []span // oldest first
	from    int64  // in the present file
}

// plan decides what to read.
func (l *Log) plan(ctx context.Context, f *logs.File, rotated []logs.FileInfo) (plan, error) {
	if p, found := l.sinceLast(ctx, rotated); found {
		return p, nil
	}
	if l.wasEmpty(f, rotated) {
		return l.sinceBoot(ctx, l.now.openBefore(), nil, f, rotated)
	}
	return l.sinceBoot(ctx, l.now.openAfterGap(), l.now, f, rotated)
}

// wasEmpty reports whether the present file was empty at the last reading, and
// still exists. Then no record that was read is lost, and all files are read again:
// nothing proves the place in an empty file.
func (l *Log) wasEmpty(f *logs.File, rotated []logs.FileInfo) bool {
	if l.now == nil || l.now.at.offset > 0 {
		return false
	}
	at := l.now.at.generation
	return at == f.Generation() || slices.ContainsFunc(rotated, func(r logs.FileInfo) bool { return r.Generation == at })
}

// span is a rotated file from an offset on.
type span struct {
	logs.FileInfo
	from int64
}

// sinceLast plans to read from the place where the last reading stopped, if that
// is in a file rotated away since.
func (l *Log) sinceLast(ctx context.Context, rotated []logs.FileInfo) (plan, bool) {
	if l.now == nil {
		return plan{}, false
	}
	i, found := l.find(ctx, l.now.at, rotated)
	if !found {
		return plan{}, false
	}
	p := plan{logins: l.now.clone()}
	for _, file := range rotated[i:] {
		p.rotated = append(p.rotated, span{FileInfo: file})
	}
	p.rotated[0].from = l.now.at.offset
	return p, true
}

// sinceBoot plans to read from the last boot or shutdown. It begins with the logins
// that are taken for open until a record shows otherwise, and leaves out the files
// that last includes.
func (l *Log) sinceBoot(ctx context.Context, begin *Logins, last *state, f *logs.File, rotated []logs.FileInfo) (plan, error) {
	left := l.history
	from, reach, err := lastBoot(f, &left)
	if err != nil {
		return plan{}, err
	}
	p := plan{logins: begin, from: from}
	for _, file := range slices.Backward(rotated) {
		if reach != inOlder || last.includes(file) {
			break
		}
		s := span{FileInfo: file}
		if s.from, reach, err = l.lastBootIn(ctx, file, &left); err != nil {
			p.logins.skip()
			break
		}
		if reach == tooFar && file.Compressed {
			break
		}
		p.rotated = slices.Insert(p.rotated, 0, s)
	}
	if reach == tooFar {
		p.logins = newLogins()
		p.logins.capped = true
	}
	return p, ctx.Err()
}

// openBefore returns the logins of a reading as they were before all files, which are
// to be read again: what was open stays open until a record shows otherwise, and what
// could not be read before may still be unknown.
func (s *state) openBefore() *Logins {
	before := newLogins()
	for name, at := range s.lines {
		if at.open {
			at := *at
			at.file = before.file
			before.lines[name] = &at
		}
	}
	if s.gap != (gap{}) {
		before.gap = gap{from: s.gap.from, file: before.file}
	}
	before.file++
	before.opens = s.opens
	return before
}

// openAfterGap returns the logins of a reading, and that something after it could
// not be read. Without a reading there are none.
func (s *state) openAfterGap() *Logins {
	if s == nil {
		return newLogins()
	}
	known := s.clone()
	known.skip()
	return known
}

// includes reports whether a reading includes the records of a file, whatever its
// name is now.
func (s *state) includes(file logs.FileInfo) bool {
	return s != nil && slices.ContainsFunc(s.rotated, func(f logs.FileInfo) bool {
		f.Name = file.Name
		return f.Same(file)
	})
}

// reach is how far a search for the last boot or shutdown has come.
type reach int

const (
	inOlder reach = iota // not found, so it is in an older file or nowhere
	found
	tooFar // not found in as many records as are searched
)

// lastBoot returns the offset of the last boot or shutdown in a file, or of the
// oldest record that was searched. It takes the records searched from left.
func lastBoot(f *logs.File, left *int) (from int64, r reach, err error) {
	if f.Compressed() {
		return lastBootForward(f, left)
	}
	for e, err := range f.Backward(f.End()) {
		if logs.IsDamage(err) {
			continue
		}
		if err != nil {
			return 0, inOlder, err
		}
		if *left == 0 {
			return from, tooFar, nil
		}
		*left--
		from = e.Offset
		if boots.KindOf(e.Record).EndsLogins() {
			return from, found, nil
		}
	}
	return 0, inOlder, nil
}

// lastBootForward is lastBoot for a compressed file, which costs too much to read
// backward.
func lastBootForward(f *logs.File, left *int) (from int64, r reach, err error) {
	for record, err := range f.Raw(0) {
		if logs.IsDamage(err) {
			continue
		}
		if err != nil {
			return 0, inOlder, err
		}
		if *left == 0 {
			return 0, tooFar, nil
		}
		*left--
		if typ, _, line := record.Peek(); !boots.Ordinary(typ, line) && boots.KindOf(record.Decode()).EndsLogins() {
			from, r = record.Offset, found
		}
	}
	return from, r, nil
}

// lastBootIn is lastBoot for a rotated file.
func (l *Log) lastBootIn(ctx context.Context, file logs.FileInfo, left *int) (from int64, r reach, err error) {
	had := *left
	err = twice(ctx, func() error {
		f, err := l.openRotated(ctx, file)
		if err != nil {
			return err
		}
		defer f.Close()
		*left = had
		from, r, err = lastBoot(f.Reuse(), left)
		return err
	})
	return from, r, err
}

// take adds the records of a rotated file. A record that cannot be read is a gap,
// with all that follow it in the file.
func (l *Log) take(ctx context.Context, logins *Logins, s span) {
	err := twice(ctx, func() error {
		f, err := l.openRotated(ctx, s.FileInfo)
		if err != nil {
			return err
		}
		defer f.Close()
		for e, err := range f.Reuse().Forward(s.from) {
			if logs.IsDamage(err) {
				continue // see [Logins]
			}
			if err != nil {
				return err
			}
			logins.add(e.Record)
			s.from = e.Offset + int64(len(e.Raw()))
		}
		return nil
	})
	if err != nil {
		logins.skip()
	}
}

// errNotCompressed is the error of a file whose name only says that it is
// compressed.
var errNotCompressed = errors.New("not compressed, although its name says so")

// openRotated opens a file rotated away.
func (l *Log) openRotated(ctx context.Context, file logs.FileInfo) (*logs.File, error) {
	f, err := l.files.Open(ctx, file.Name)
	if err != nil {
		return nil, err
	}
	if file.Compressed && !f.Compressed() {
		f.Close()
		return nil, fmt.Errorf("utmpfile: read %s: %w", file.Name, errNotCompressed)
	}
	return f, nil
}
