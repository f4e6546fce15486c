// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
)

// Forward yields the records of the present file, as [File.Forward] does.
func (l *Log) Forward(ctx context.Context) iter.Seq2[Entry, error] {
	return l.present(ctx, func(f *File) iter.Seq2[Entry, error] { return f.Forward(0) })
}

// Backward yields the records of the present file, the last one first, as
// [File.Backward] does.
func (l *Log) Backward(ctx context.Context) iter.Seq2[Entry, error] {
	return l.present(ctx, func(f *File) iter.Seq2[Entry, error] { return f.Backward(f.End()) })
}

// present opens the present file for one iteration.
func (l *Log) present(ctx context.Context, read func(*File) iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := l.Open(ctx, l.name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		read(f)(yield)
	}
}

// From yields the records after a position, up to the last one in the log: the
// rest of the file that holds the position, the files rotated after it, and the
// present one. It looks for the position in all files of the log, newest first;
// else for the record before it, in any place.
//
// An error does not end the iteration: it stands for what could not be read, at
// its place among the records. If the position is not found, a [GapError] comes
// first, and then what begins with the first record later than the position. If
// the log is rotated meanwhile, no record is left out and none comes twice.
//
// It takes no lock. Records share the memory of their block: see
// [utmpx.Record.Detach].
func (l *Log) From(ctx context.Context, p Position) iter.Seq2[Entry, error] {
	return l.RunsFrom(ctx, p).values(false)
}

// Runs is an iteration over records that were read together, for one who decodes them. A run
// is overwritten once it goes on.
type Runs func(yield func(r *Run, err error) bool)

// Run is some records in a row.
type Run struct {
	Rows
	first      digest // see Where
	late       *Position
	generation snapshot.Generation // of the file
}

// run returns records of a block as a run.
func (f *File) run(b block, late *Position) *Run {
	return &Run{b.rows(), f.first, late, f.info.Generation}
}

// Raw returns the bytes of the record at byte i, as long as they are in memory.
func (r *Run) Raw(i int) string { return text(r.Bytes[i : i+r.Layout.Size()]) }

// Text returns the bytes of all records, as long as they are in memory.
func (r *Run) Text() string { return text(r.Bytes) }

// Where returns where the record at byte i is.
func (r *Run) Where(i int) Where {
	return Where{Offset: r.Offset + int64(i), first: r.first, late: r.late}
}

// Position returns the place after the record at byte i.
func (r *Run) Position(i int) Position {
	raw, where := r.Raw(i), r.Where(i)
	_, at, _ := r.Layout.Peek(r.Bytes[i:])
	return where.After(raw, at)
}

// values yields the entries, those of each run backward if that is said.
func (runs Runs) values(backward bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		runs(func(r *Run, err error) bool {
			if err != nil {
				return yield(Entry{}, err)
			}
			for i := range r.Each(backward) {
				e := Entry{Where: r.Where(i), Generation: r.generation}
				r.Layout.DecodeTo(&e.Record, r.Raw(i))
				if !yield(e, nil) {
					return false
				}
			}
			return true
		})
	}
}

// Each yields where each record begins in the bytes, the last one first if that is said.
func (r *Run) Each(backward bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		size := r.Layout.Size()
		for n := 0; n < len(r.Bytes); n += size {
			i := n
			if backward {
				i = len(r.Bytes) - size - n
			}
			if !yield(i) {
				return
			}
		}
	}
}

// RunsFrom is [Log.From].
func (l *Log) RunsFrom(ctx context.Context, p Position) Runs {
	return l.runs(&reading{log: l, ctx: ctx, from: p})
}

// runs runs a copy of a reading.
func (l *Log) runs(what *reading) Runs {
	return func(yield func(*Run, error) bool) {
		r := *what
		if r.yield = yield; r.run() && r.missing {
			yield(nil, sysfile.Wrap("open", l.name, fs.ErrNotExist))
		}
	}
}

// Since yields the records whose time is t or later, in the order in which they
// were written. If the clock was set, their times are not in order. In a plain
// file the beginning is looked for backward, up to the first block of 512
// records with none so late; files last changed before t are left out. Else it is
// as [Log.From].
func (l *Log) Since(ctx context.Context, t time.Time) iter.Seq2[Entry, error] {
	return l.RunsSince(ctx, t).values(false)
}

// RunsSince is [Log.Since].
func (l *Log) RunsSince(ctx context.Context, t time.Time) Runs {
	return l.runs(&reading{log: l, ctx: ctx, since: t})
}

// reading reads a log across its files, and goes on where it was when they
// change.
type reading struct {
	log   *Log
	ctx   context.Context
	since time.Time // leave out earlier records; zero: read after from
	from  Position
	last  Run // the last record read, with memory of its own; empty: none was
	yield func(*Run, error) bool

	crossed crossing  // the rotated file read last
	changes int       // of the files since a record was read
	gap     *GapError // to be reported before the next record
	missing bool      // there is no present file
}

// position returns where to go on.
func (r *reading) position() Position {
	if len(r.last.Bytes) == 0 {
		return r.from
	}
	return r.last.Position(0)
}

// outcome is how the reading of one file ended.
type outcome int

const (
	finished outcome = iota // the file was read to its end
	stopped                 // the caller wants no more
	changed                 // the files are not those of the plan any more
)

// changesMost is how often a reading plans again because the files changed, without
// a record in between.
const changesMost = 100

// run reads to the end of the log. It reports whether the caller wants more.
func (r *reading) run() bool {
	for r.changes = 0; r.changes < changesMost; r.changes++ {
		p, err := r.plan()
		if err != nil && !r.yield(nil, err) {
			return false
		}
		if p.stale {
			continue
		}
		if !r.late(p) {
			return false
		}
		switch r.read(p) {
		case stopped:
			return false
		case finished:
			return r.endGap()
		}
	}
	return r.yield(nil, sysfile.Wrap("read", r.log.name, errRotating))
}

// read reads the files of a plan.
func (r *reading) read(p plan) outcome {
	for _, s := range p.steps {
		out := finished
		if s.err != nil {
			out = r.fail(s.err)
		} else {
			out = r.file(p, s)
		}
		if out != finished {
			return out
		}
	}
	if !r.unchanged(p) {
		return changed
	}
	return finished
}

// fail yields an error, which does not end the reading unless ctx has ended.
func (r *reading) fail(err error) outcome {
	if !r.yield(nil, err) || r.ctx.Err() != nil {
		return stopped
	}
	return finished
}

// file yields the records of one file.
func (r *reading) file(p plan, s step) outcome {
	f, out := r.open(s)
	if f == nil {
		return out
	}
	defer f.Close()
	checked := false
	for b, err := range f.after(s.off, s.before) {
		if errors.Is(err, errTruncated) {
			return changed
		}
		if err != nil {
			if out := r.fail(err); out != finished || !IsDamage(err) {
				return out
			}
			continue
		}
		// Once the first block is in memory, it is known to follow the files before
		// it: a copy made before the file was truncated would be among them.
		if !checked && !r.unchanged(p) {
			return changed
		}
		checked = true
		size := b.layout.Size()
		if !r.emit(f.run(b, nil)) {
			return stopped
		}
		at := len(b.data) - size
		r.last = Run{Rows: Rows{b.layout, append(r.last.Bytes[:0], b.data[at:]...), b.off + int64(at)}, first: f.first}
	}
	if s.Name != r.log.name {
		if torn := f.TornEnd(); r.log.torn && torn != nil {
			if out := r.fail(torn); out != finished {
				return out
			}
		}
		r.crossed = crossing{f.Generation(), f.end}
	}
	return finished
}

// open opens the file of a step. If it returns none, it returns what to do.
func (r *reading) open(s step) (*File, outcome) {
	f, err := r.log.Open(r.ctx, s.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, changed
	}
	if err != nil {
		return nil, r.fail(err)
	}
	if f.Generation() != s.Generation || s.first != (digest{}) && f.first != s.first || !f.Compressed() && f.size < s.off {
		f.Close()
		return nil, changed
	}
	return f, finished
}

// crossing is a file that was read to its end before the present one.
type crossing struct {
	gen snapshot.Generation
	end int64
}

// late yields what was written to the rotated file read last, after it was read: by
// a program that had opened it before it was rotated, and waited for a lock. From
// such a record on, reading goes on where it is now.
func (r *reading) late(p plan) bool {
	i := slices.IndexFunc(p.rotated, func(f FileInfo) bool { return f.Generation == r.crossed.gen })
	if i < 0 || p.rotated[i].Compressed || p.rotated[i].Size <= r.crossed.end {
		return true
	}
	if slices.ContainsFunc(p.steps, func(s step) bool { return s.Generation == r.crossed.gen }) {
		return true // it is to be read anyway
	}
	f, err := r.log.Open(r.ctx, p.rotated[i].Name)
	if err != nil {
		return true // the next reading looks again
	}
	defer f.Close()
	if f.Generation() != r.crossed.gen {
		return true
	}
	here := r.position()
	for b, err := range f.blocks(r.crossed.end) {
		if IsDamage(err) {
			continue
		}
		if err != nil {
			return true
		}
		for i := 0; i < len(b.data); i += b.layout.Size() {
			one := block{b.data[i : i+b.layout.Size()], b.off + int64(i), b.layout}
			r.crossed.end = one.off + int64(len(one.data))
			if !r.yield(f.run(one, &here), nil) {
				return false
			}
		}
	}
	return true
}

// unchanged reports whether the files rotated away are those of the plan.
func (r *reading) unchanged(p plan) bool {
	files, err := r.log.Files(r.ctx)
	if err != nil {
		return p.unlisted
	}
	return slices.EqualFunc(p.rotated, rotatedOf(files, r.log.name), FileInfo.Same)
}

// emit yields records, but for those before since.
func (r *reading) emit(all *Run) bool {
	r.changes = 0
	if g := r.gap; g != nil {
		r.gap = nil
		_, at, _ := all.Layout.Peek(all.Bytes)
		g.Before = at.Time()
		if !r.yield(nil, g) {
			return false
		}
	}
	if r.since.IsZero() {
		return r.yield(all, nil)
	}
	from, size := 0, all.Layout.Size()
	for i := 0; i <= len(all.Bytes); i += size {
		if i < len(all.Bytes) {
			if _, at, _ := all.Layout.Peek(all.Bytes[i:]); !at.Time().Before(r.since) {
				continue
			}
		}
		part := *all
		part.Rows = Rows{all.Layout, all.Bytes[from:i], all.Offset + int64(from)}
		if from = i + size; len(part.Bytes) > 0 && !r.yield(&part, nil) {
			return false
		}
	}
	return true
}

// endGap reports a gap after which there is no record yet.
func (r *reading) endGap() bool {
	g := r.gap
	if g == nil {
		return true
	}
	r.gap = nil
	if end, err := r.log.End(r.ctx); err == nil {
		r.from = end
	}
	return r.yield(nil, g)
}

// errTruncated ends the reading of a file that lost records while it was read.
var errTruncated = errors.New("truncated while it was read")

// after yields the records from an offset to the file's end. before is the hash
// of the record before, if it is known. If the file does not go on as it was
// before, because it was truncated, the error is errTruncated.
func (f *File) after(off int64, before digest) iter.Seq2[block, error] {
	if f.compression != nil {
		return f.decompressed(off)
	}
	return func(yield func(block, error) bool) {
		var last []byte // the record before, once it was read here
		loads := f.loads
		for b, err := range f.blocks(off) {
			// Once a block is in memory, it is known to follow the one before it; so is
			// each that was read together with it.
			if err == nil && loads != f.loads && (last != nil || before != (digest{})) {
				var same bool
				if last != nil {
					same, err = f.endsWith(last, off)
				} else {
					same, err = f.endsAt(before, off)
				}
				if err == nil && !same {
					err = errTruncated
				}
			}
			if err != nil {
				if !yield(block{}, err) || !IsDamage(err) {
					return
				}
				continue
			}
			loads = f.loads
			if !yield(b, nil) {
				return
			}
			last = append(last[:0], b.data[len(b.data)-b.layout.Size():]...)
			off = b.off + int64(len(b.data))
		}
	}
}
