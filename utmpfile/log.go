// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// Log is a wtmpx log: records in the order in which they were written. Methods that
// write use the file of that name. Methods that read also use the files that were
// rotated away beside it: those with a number or a date after the name, such as
// wtmp.1 or wtmp-20260701, also compressed with gzip, bzip2, xz or zstd. Their order
// is that of their last change.
//
// The zero Log is this machine's. A Log keeps nothing open: every call opens the
// file that the name leads to at that moment. It may be used by several goroutines,
// and must not be copied after first use.
type Log struct {
	once   sync.Once
	file   *recfile.Log
	reader *logs.Log
}

// NewLog returns the wtmpx log with that name, "" for this machine's. It does no
// I/O. opts may be nil.
func NewLog(name string, opts *Options) *Log {
	if name == "" {
		_, name = Paths()
	}
	return &Log{
		file:   recfile.NewLog(name, recfile.Options{Layout: opts.layout()}),
		reader: logs.New(name, logs.Options{Layout: opts.layout(), Reuse: opts.reuse()}),
	}
}

// get returns the log, with this machine's files if no other was named.
func (l *Log) get() *Log {
	l.once.Do(func() {
		if l.file == nil {
			native := NewLog("", nil)
			l.file, l.reader = native.file, native.reader
		}
	})
	return l
}

// Name returns the log's name.
func (l *Log) Name() string { return l.get().file.Name() }

// Layout returns the layout of the log's records. An empty log has that of the
// [Options]. The error may be [ErrLayout].
func (l *Log) Layout() (*utmpx.Layout, error) {
	layout, err := l.get().file.Layout()
	return layout, public(err)
}

// Append writes records at the end of the log, all in one write.
//
// It holds a write lock on the whole file. If another program holds one, it waits
// until ctx ends and returns a [*LockedError]. A partial record at the end is filled up
// with NULs, so the log may be append-only; updwtmpx(3) cuts it off. A write of this
// call that falls short is cut off. Append does not sync: see [Log.Sync].
//
// A record of another layout is converted. A log of another system is written only if
// its [Options] have the layout, else the error is [ErrOtherLayout]. If the log is empty and no layout was set
// in its [Options], it gets the layout that the first record was read in. A Line that
// begins with /dev/ is [ErrLine], unless the record was read from a file.
//
// Source: updwtmpx(3) of glibc.
func (l *Log) Append(ctx context.Context, records ...utmpx.Record) error {
	for _, r := range records {
		if err := checkLine(r); err != nil {
			return fmt.Errorf("utmpfile: append to %s: %w", l.Name(), err)
		}
	}
	return public(l.get().file.Append(ctx, records...))
}

// Sync writes the log to disk, as fsync(2) does. It holds no lock and may block
// for as long as the disk takes.
func (l *Log) Sync() error { return public(l.get().file.Sync()) }

// Entry is one record of a log.
type Entry struct {
	utmpx.Record

	// Where it was read: its Position depends on that alone. An entry is copied for each
	// step of a loop, so that it has no more than this.
	run *logs.Run
	at  int // in the run's bytes
}

// Position returns the position after the entry, from which [Log.From] goes on.
// Changes to the Record make no difference.
func (e Entry) Position() Position {
	if e.run == nil {
		return Position{}
	}
	return Position{e.run.Position(e.at)}
}

// Forward yields the records of the log, the oldest first, up to the last one that
// is there when it is reached.
//
// An error does not end the iteration unless the loop ends there: it is yielded at
// its place among the records and names what could not be read there, such as bytes
// that hold no whole record ([*DamageError]), or a file rotated away whose compression is not supported ([ErrCompression]). If the log
// itself is missing, [io/fs.ErrNotExist] is yielded besides the records of rotated
// files. The iteration ends when ctx ends, with its error.
//
// If the log is rotated meanwhile, no record is left out and none comes twice. Forward
// takes no lock, and it leaves access times alone if the system allows that. Records that
// were read together share one block of memory: see [utmpx.Record.Detach], and Reuse of the
// [Options].
func (l *Log) Forward(ctx context.Context) iter.Seq2[Entry, error] {
	return l.From(ctx, Position{})
}

// Backward yields the records of the log, the last one first, as the log is when the
// iteration begins. In all else it is as [Log.Forward].
func (l *Log) Backward(ctx context.Context) iter.Seq2[Entry, error] {
	return entries(l.get().reader.RunsBackward(ctx), true)
}

// Since yields the records whose time is t or later, the oldest first. It leaves out
// rotated files that were last changed before t. In the others it looks for the
// beginning from the end, up to the first block of 512 records that are all earlier
// than t: where the clock was set back by much, older records are not found. In all
// else it is as [Log.Forward].
func (l *Log) Since(ctx context.Context, t time.Time) iter.Seq2[Entry, error] {
	return entries(l.get().reader.RunsSince(ctx, t), false)
}

// From yields the records after a position, the oldest first. If the position is in
// none of the files any more, because the file was deleted or damaged, it yields a
// [*GapError] and then the records that are later than the position. In all else it is
// as [Log.Forward].
func (l *Log) From(ctx context.Context, p Position) iter.Seq2[Entry, error] {
	return entries(l.get().reader.RunsFrom(ctx, p.p), false)
}

// Follow yields the records after a position, as [Log.From] does, and then waits for
// more, until ctx ends or the loop ends. It goes on across rotations, and waits while
// the log is missing. A call to [Log.End] before gives only what comes from now on.
//
// It learns of new records by inotify(7) and looks once in ten seconds besides;
// where there is no inotify, it looks once a second. An error is yielded when it is
// new; what failed is tried again.
func (l *Log) Follow(ctx context.Context, p Position) iter.Seq2[Entry, error] {
	return entries(l.get().reader.RunsFollow(ctx, p.p), false)
}

// entries returns what a reader yields as this package's entries and errors, those of each
// run backward if that is said. The records of a run are decoded into one variable: to clear
// another for each takes as long as to copy it.
func entries(runs logs.Runs, backward bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		runs(func(r *logs.Run, err error) bool {
			if err != nil {
				return yield(Entry{}, public(err))
			}
			e := Entry{run: r}
			size := r.Layout.Size()
			step := size
			if backward {
				e.at, step = len(r.Bytes)-step, -step
			}
			all := r.Text()
			for ; e.at >= 0 && e.at < len(all); e.at += step {
				r.Layout.DecodeTo(&e.Record, all[e.at:e.at+size])
				if !yield(e, nil) {
					return false
				}
			}
			return true
		})
	}
}

// End returns the position after the last record of the log.
func (l *Log) End(ctx context.Context) (Position, error) {
	p, err := l.get().reader.End(ctx)
	return Position{p}, public(err)
}
