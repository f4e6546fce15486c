// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"

	"utmpd.dev/utmpd/internal/sysfile"
)

// AllBackward yields the records of all files of the log, the last one first, as
// the log is when the iteration begins.
//
// An error does not end the iteration: it stands for what could not be read, at
// its place among the records. If the log is rotated meanwhile, no record is left
// out and none comes twice.
//
// It takes no lock. Records share the memory of their block: see
// [utmpx.Record.Detach].
func (l *Log) AllBackward(ctx context.Context) iter.Seq2[Entry, error] {
	return l.RunsBackward(ctx).values(true)
}

// RunsBackward is [Log.AllBackward], if the records of a run are taken backward.
func (l *Log) RunsBackward(ctx context.Context) Runs {
	return func(yield func(*Run, error) bool) {
		l.backward(ctx, func(f *File, b block, err error) bool {
			if err != nil {
				return yield(nil, err)
			}
			return yield(f.run(b, nil), nil)
		})
	}
}

// RowsBackward is [Log.AllBackward] for records that are not decoded.
func (l *Log) RowsBackward(ctx context.Context) iter.Seq2[Rows, error] {
	reusing := *l
	reusing.reuse = true
	return func(yield func(Rows, error) bool) {
		reusing.backward(ctx, func(_ *File, b block, err error) bool { return yield(b.rows(), err) })
	}
}

// backward reads all files.
func (l *Log) backward(ctx context.Context, yield func(*File, block, error) bool) {
	files, err := l.Files(ctx)
	if err != nil && !yield(nil, block{}, err) || ctx.Err() != nil {
		return
	}
	if len(rotatedOf(files, l.name)) == len(files) && !yield(nil, block{}, sysfile.Wrap("open", l.name, fs.ErrNotExist)) {
		return
	}
	b := backward{log: l, ctx: ctx, yield: yield, left: files}
	for len(b.left) > 0 && b.next() {
	}
}

// backward reads a log from its end.
type backward struct {
	log   *Log
	ctx   context.Context
	yield func(f *File, b block, err error) bool
	left  []FileInfo // to be read, oldest first
	newer digest     // the first record of the file read last
}

func (b *backward) fail(err error) bool { return b.yield(nil, block{}, err) }

// next reads the newest file that is left, and reports whether to go on.
func (b *backward) next() bool {
	f, err := b.open()
	if err != nil {
		return b.fail(err) && b.ctx.Err() == nil
	}
	defer func() { f.Close() }()
	if f.first != (digest{}) && f.first == b.newer && !f.Compressed() {
		return true // a copy of the present file, which will be truncated next
	}
	b.newer = f.first
	from := f.End()
	if torn := f.TornEnd(); b.log.torn && torn != nil && f.Name() != b.log.name && !b.fail(torn) {
		return false
	}
	for {
		rest, more := b.file(f, from)
		if !more || rest == 0 {
			return more
		}
		// The file was truncated while it was read. What is left to read is in the
		// copy that was made before.
		c, err := b.copyOf(f, rest)
		if err != nil {
			return b.fail(err) && b.ctx.Err() == nil
		}
		f.Close()
		f, from = c, rest
	}
}

// open opens the newest file that is left. If its name leads to another file
// since it was listed, it is looked for under its new name.
func (b *backward) open() (*File, error) {
	n := len(b.left) - 1
	info := b.left[n]
	b.left = b.left[:n]
	f, err := b.log.Open(b.ctx, info.Name)
	if err == nil && f.Generation() == info.Generation {
		return f, nil
	}
	if err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files, err := b.log.Files(b.ctx)
	if err != nil {
		return nil, err
	}
	// Compressing makes another file with the same time.
	i := slices.IndexFunc(files, func(g FileInfo) bool {
		return g.Generation == info.Generation || g.Compressed && g.Modified.Equal(info.Modified)
	})
	if i < 0 {
		b.left = slices.DeleteFunc(files, func(g FileInfo) bool { return !g.Modified.Before(info.Modified) })
		return nil, sysfile.Wrap("open", info.Name, fs.ErrNotExist)
	}
	b.left = files[:i]
	return b.log.Open(b.ctx, files[i].Name)
}

// file yields the records of a file before an offset. It returns where it had to
// end because the file was truncated meanwhile, 0 if it read them all, and whether
// to go on.
func (b *backward) file(f *File, from int64) (rest int64, more bool) {
	rest = max(0, from)
	for d, err := range f.blocksBackward(from) {
		if errors.Is(err, errTruncated) {
			return rest, true
		}
		if err != nil {
			more := b.fail(err) && b.ctx.Err() == nil
			if !more || !IsDamage(err) {
				return 0, more
			}
			continue
		}
		if rest = d.off; !b.yield(f, d, nil) {
			return 0, false
		}
	}
	return 0, b.ctx.Err() == nil
}

// copyOf opens the copy that was made of f before f was truncated: the newest file
// that begins with the same record and has the bytes before off.
func (b *backward) copyOf(f *File, off int64) (*File, error) {
	files, err := b.log.Files(b.ctx)
	if err != nil {
		return nil, err
	}
	for i, info := range slices.Backward(files) {
		c, err := b.log.Open(b.ctx, info.Name)
		if err == nil && c.first == f.first && (c.Compressed() || c.end >= off) {
			b.left = files[:i]
			return c, nil
		}
		if err == nil {
			c.Close()
		}
	}
	return nil, sysfile.Wrap("read", f.name, errTruncated)
}
