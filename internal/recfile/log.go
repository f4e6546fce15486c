// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"fmt"
	"io"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Log is a wtmpx log: records in the order in which they were written, of which
// none ever changes. It keeps no file open; every call goes to the file that the
// name leads to then. It may be used by many goroutines. A log that is missing
// is [fs.ErrNotExist] and is not created, as libc does not create it.
type Log struct{ opened }

// NewLog names a wtmpx log. It does no I/O.
func NewLog(name string, opts Options) *Log {
	l := &Log{}
	l.init(name, opts)
	return l
}

// Name returns the log's name.
func (l *Log) Name() string { return l.name }

// Layout returns the layout that the log shows, or that an empty one gets.
func (l *Log) Layout() (*utmpx.Layout, error) { return l.layoutNow() }

// Append writes the records behind the last one, in one write that the kernel
// puts at the end (O_APPEND). It holds a write lock on the whole file for the
// call, and gives up with a [LockedError] when ctx ends first. A partial record
// at the end is cut off first, as updwtmpx(3) does; a write that falls short is
// taken back. Nothing is synced.
func (l *Log) Append(ctx context.Context, recs ...utmpx.Record) error {
	if len(recs) == 0 {
		return nil
	}
	h, info, err := l.lock(ctx, sysfile.AppendOnly, snapshot.Generation{})
	if err != nil {
		return wrap("append to", l.name, err)
	}
	defer h.Close()
	layout, err := l.layout(h, info)
	if err == nil {
		info.Size, err = settle(h, info.Size, layout)
	}
	if err == nil {
		err = appendTo(h, info.Size, l.begun(info.Size, layout, recs), recs)
	}
	return wrap("append to", l.name, err)
}

// begun returns the layout of a log of size bytes once recs are in it. One that
// is empty, as after a rotation, shows none; who wrote the record that the first
// comes from will go on in that file.
func (l *Log) begun(size int64, layout *utmpx.Layout, recs []utmpx.Record) *utmpx.Layout {
	if read := recs[0].Layout(); l.detector.guessed && whole(size, layout) == 0 && read != nil {
		return read
	}
	return layout
}

// appendTo appends to the locked file h of size bytes.
func appendTo(h sysfile.Handle, size int64, l *utmpx.Layout, recs []utmpx.Record) error {
	p := make([]byte, 0, len(recs)*l.Size())
	for _, r := range recs {
		var err error
		if p, err = l.AppendEncode(p, r); err != nil {
			return err
		}
	}
	if torn := size % int64(l.Size()); torn > 0 {
		size -= torn
		if err := h.Truncate(size); err != nil {
			return fmt.Errorf("cut off a partial record: %w", err)
		}
	}
	n, err := h.Append(p)
	if n == len(p) && err == nil {
		return nil
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	return takeBack(h, size, n, err)
}

const (
	settlePause  = 5 * time.Millisecond
	settleChecks = 20  // pauses without growth, after which a torn tail is one
	settleMost   = 100 // pauses in all
)

// settle returns the size of the locked file once it is a whole number of
// records, or stays what it is. The kernel lets a file grow page by page: what
// looks like a torn tail may be the record of a writer who takes no lock and has
// not come to its end, and to cut it would lose it. The writer may be preempted
// between two pages. A tail that is torn for good costs 0.1 s, once.
func settle(h sysfile.Handle, size int64, l *utmpx.Layout) (int64, error) {
	same := 0
	for range settleMost {
		if size%int64(l.Size()) == 0 || same == settleChecks {
			break
		}
		same++
		time.Sleep(settlePause)
		info, err := h.Info()
		if err != nil {
			return 0, err
		}
		if info.Size != size {
			size, same = info.Size, 0
		}
	}
	return size, nil
}

// takeBack cuts off the n bytes that were written of more, unless a writer that
// takes no lock has come behind them: its record is not ours to cut.
func takeBack(h sysfile.Handle, size int64, n int, cause error) error {
	if n <= 0 {
		return cause
	}
	info, err := h.Info()
	switch {
	case err == nil && info.Size == size+int64(n):
		err = h.Truncate(size)
	case err == nil:
		err = fmt.Errorf("another writer is behind it")
	}
	if err != nil {
		return fmt.Errorf("%w; take back %d bytes: %w", cause, n, err)
	}
	return cause
}

// Sync makes the log durable. It holds no lock, and may take long.
func (l *Log) Sync() error { return l.sync() }

// Holder returns a process that holds a lock on the log which stops a writer
// now, as [File.Holder] does.
func (l *Log) Holder() (pid int32, ok bool, err error) { return l.holder() }

// Touch sets the log's access time to t, leaves its modification time, and makes
// both durable, whatever the mount options delay. It takes no lock. It needs the
// file's owner or the right to act as such: without it, the error is
// [fs.ErrPermission]; see [Log.ReadOne].
func (l *Log) Touch(t time.Time) error {
	h, _, err := l.open()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.SetAccessTime(t); err != nil {
		return wrap("set the access time of", l.name, err)
	}
	return wrap("sync", l.name, h.Sync())
}

// ReadOne reads a byte of the log, so that the kernel sets its access time where
// the mount options make it do so. Every other call leaves the access time as it
// is, where the system permits it. An empty log is no error.
func (l *Log) ReadOne() error {
	h, err := l.sys.Open(l.name, sysfile.ReadOnly)
	if err != nil {
		return wrap("open", l.name, err)
	}
	defer h.Close()
	_, err = readFull(h, make([]byte, 1), 0)
	return wrap("read", l.name, err)
}
