// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"context"
	"fmt"
	"sync"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// Log is a wtmpx log: records in the order in which they were written.
//
// The zero Log is this machine's. A Log keeps nothing open: every call opens the
// file that the name leads to at that moment. It may be used by several goroutines,
// and must not be copied after first use.
type Log struct {
	once sync.Once
	log  *recfile.Log
}

// NewLog returns the wtmpx log with that name, "" for this machine's. It does no
// I/O. opts may be nil.
func NewLog(name string, opts *Options) *Log {
	if name == "" {
		_, name = Paths()
	}
	return &Log{log: recfile.NewLog(name, recfile.Options{Layout: opts.layout()})}
}

// get returns the log, this machine's if no other was named.
func (l *Log) get() *recfile.Log {
	l.once.Do(func() {
		if l.log == nil {
			l.log = NewLog("", nil).log
		}
	})
	return l.log
}

// Name returns the log's name.
func (l *Log) Name() string { return l.get().Name() }

// Layout returns the layout of the log's records. An empty log has that of the
// [Options]. The error may be [ErrLayout].
func (l *Log) Layout() (*utmpx.Layout, error) {
	layout, err := l.get().Layout()
	return layout, public(err)
}

// Append writes records at the end of the log, all in one write.
//
// It holds a write lock on the whole file. If another program holds one, it waits
// until ctx ends and returns a [*LockedError]. A partial record at the end is cut off
// first, as updwtmpx(3) does, and so is a write of this call that falls short. Append
// does not sync: see [Log.Sync].
//
// A record of another layout is converted. If the log is empty and no layout was set
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
	return public(l.get().Append(ctx, records...))
}

// Sync writes the log to disk, as fsync(2) does. It holds no lock and may block
// for as long as the disk takes.
func (l *Log) Sync() error { return public(l.get().Sync()) }
