// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// maxHistory bounds how many records are searched for the last boot. They
	// take 3 GB, and some seconds to read.
	maxHistory = 1 << 23
	// maxLocked is how many records may be read under a lock: those that came
	// between the reading and the locking.
	maxLocked = 512
	// maxRotations is how often a reading begins again because the log was
	// rotated meanwhile.
	maxRotations = 3
)

// errRotated is the error of a log that was rotated at each of maxRotations
// readings.
var errRotated = errors.New("it was rotated again and again while it was read")

// Log is a wtmpx log with the logins that are open in it. It is for one
// goroutine, but for Sync, which may run beside the other methods. It remembers at most 65,536 lines, and searches at most 8,388,608
// records for the last boot.
type Log struct {
	file    *recfile.Log
	files   *logs.Log
	history int    // maxHistory, but for tests
	near    int    // maxNear, but for tests
	now     *state // of the last reading; nil: none succeeded
}

// state is what a reading has found.
type state struct {
	*Logins
	at      position
	rotated []logs.FileInfo // the files rotated away whose records it includes
}

// New names a log. It does no I/O.
func New(name string, o recfile.Options) *Log {
	file := recfile.NewLog(name, o)
	return &Log{
		file:    file,
		files:   logs.New(name, logs.Options{System: o.System, Detector: file.Detector()}),
		history: maxHistory,
		near:    maxNear,
	}
}

// Sync makes the log durable. It holds no lock, and may take long.
func (l *Log) Sync() error { return l.file.Sync() }

// Append appends the records that choose returns; choose may return none. It
// sees the logins that are open at the end of the log. No writer that locks the
// log can write between the call of choose and the append. choose must not block,
// and must not keep its argument.
//
// Append reads the log before it takes the lock. If more than 512 records come
// meanwhile, it drops the lock and begins again. Lock, write and errors are those
// of [recfile.Log.Append].
func (l *Log) Append(ctx context.Context, choose func(*Logins) []utmpx.Record) error {
	// The patience is for the lock. A reading that is cut short would begin again.
	reading := context.WithoutCancel(ctx)
	for {
		if _, err := l.Read(reading); err != nil {
			return err
		}
		upToDate := false
		err := l.file.Locked(ctx, func(locked *recfile.LockedLog) (err error) {
			upToDate, err = l.appendLocked(reading, locked, choose)
			return err
		})
		if upToDate || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return &recfile.LockedError{Name: l.file.Name(), Cause: context.Cause(ctx)}
		}
	}
}

// appendLocked does what needs the lock. It reports false if the log is another
// one than was read, or too much has come since.
func (l *Log) appendLocked(ctx context.Context, locked *recfile.LockedLog, choose func(*Logins) []utmpx.Record) (bool, error) {
	f, err := l.files.Wrap(ctx, l.file.Name(), locked.Handle())
	if err != nil {
		return false, err
	}
	defer f.Close()
	if ok, err := l.goOn(f, maxLocked); !ok || err != nil {
		return false, err
	}
	recs := choose(l.now.Logins)
	if len(recs) == 0 {
		return true, nil
	}
	err = locked.Append(recs...)
	// The next reading finds these records, and any that a writer without locks has
	// put before them. Only of an empty file must it know who changed it.
	if l.now.at.offset == 0 && f.Refresh() == nil {
		l.now.at.modified = f.Modified()
	}
	return err == nil, err
}

// Read returns the logins that are open now. They are valid until the next call
// of Read or Append. It takes no lock. If it fails, what was known before stays.
func (l *Log) Read(ctx context.Context) (*Logins, error) {
	for range maxRotations {
		ok, err := l.read(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			return l.now.Logins, nil
		}
	}
	return nil, fmt.Errorf("utmpfile: read %s: %w", l.file.Name(), errRotated)
}

// read goes on where the last reading stopped, or reads back to the last boot. It
// reports false if the log was rotated meanwhile.
func (l *Log) read(ctx context.Context) (bool, error) {
	f, err := l.files.Open(ctx, l.file.Name())
	if err != nil {
		return false, err
	}
	defer f.Close()
	if ok, err := l.goOn(f, math.MaxInt64); ok || err != nil {
		return ok, err
	}
	before := l.list(ctx)
	next, err := l.readBack(ctx, f, before)
	if err != nil {
		return false, err
	}
	after := l.list(ctx)
	if after.present != f.Generation() || !before.same(after) {
		return false, ctx.Err()
	}
	l.now = next
	return true, ctx.Err()
}

// goOn reads on in the present file, if that contains the place where the last
// reading stopped, and if at most limit records came since. Record and place are
// taken in together, so an error leaves what is known true up to there.
func (l *Log) goOn(f *logs.File, limit int64) (bool, error) {
	if l.now == nil || !l.now.at.mayBeIn(f) || (f.End()-l.now.at.offset)/int64(f.Layout().Size()) > limit {
		return false, nil
	}
	before := l.now.at.before()
	proved := before == l.now.at.offset // by the record before the place
	for e, err := range f.Reuse().Forward(before) {
		switch {
		case err != nil && !logs.IsDamage(err):
			return false, err
		case !proved && (err != nil || e.Offset != before || e.Raw() != string(l.now.at.last)):
			return false, nil
		case !proved:
			proved = true
		case err != nil: // damage: see [Logins]
		default:
			l.now.add(e)
		}
	}
	return proved, nil
}

// add takes the next record.
func (s *state) add(e logs.Entry) {
	s.Logins.add(e.Record)
	s.at.moveBehind(e)
}

// listing is what files a log had at one moment.
type listing struct {
	rotated []logs.FileInfo
	present snapshot.Generation // zero: missing
	whole   bool                // no file is left out because of an error
}

// list lists the files. An error leaves files out.
func (l *Log) list(ctx context.Context) listing {
	var files []logs.FileInfo
	err := twice(ctx, func() (err error) {
		files, err = l.files.Files(ctx)
		return err
	})
	at := listing{rotated: files, whole: err == nil}
	if n := len(files); n > 0 && files[n-1].Name == l.file.Name() {
		at.rotated, at.present = files[:n-1], files[n-1].Generation
	}
	return at
}

// same reports whether no file was rotated between two listings. Names and inodes
// of the present file do not show it: copying and truncating keeps both. But the
// rotated files change their names before that.
func (a listing) same(b listing) bool {
	return a.whole == b.whole && slices.EqualFunc(a.rotated, b.rotated, logs.FileInfo.Same)
}

// twice calls read a second time if it fails, so that one bad read does not hide
// a file for as long as the daemon runs.
func twice(ctx context.Context, read func() error) error {
	err := read()
	if err != nil && ctx.Err() == nil {
		err = read()
	}
	return err
}
