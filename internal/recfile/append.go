// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Append writes the records after the last one, in one write that the kernel
// puts at the end (O_APPEND). It holds a write lock on the whole file for the
// call, and gives up with a [LockedError] when ctx ends first. A partial record
// at the end is filled up with NULs, so that the records are where updwtmpx(3) looks
// for the last one: at a multiple of a record's size. A short write is taken back.
// Nothing is synced. The errors of [TakesNothing] will not pass by themselves.
func (l *Log) Append(ctx context.Context, recs ...utmpx.Record) error {
	if len(recs) == 0 {
		return nil
	}
	locked, err := l.hold(ctx)
	if err != nil {
		return err
	}
	defer locked.h.Close()
	return locked.Append(recs...)
}

// LockedLog is the present file of a log while [Log.Locked] holds its write lock.
type LockedLog struct {
	log    *Log
	h      sysfile.Handle
	gen    snapshot.Generation
	size   int64
	layout *utmpx.Layout
}

// Locked calls do while it holds a write lock on the log's present file. It gives
// up with a [LockedError] when ctx ends before it has the lock. It returns what
// do returns.
func (l *Log) Locked(ctx context.Context, do func(*LockedLog) error) error {
	locked, err := l.hold(ctx)
	if err != nil {
		return err
	}
	defer locked.h.Close()
	return do(&locked)
}

// hold locks the log's present file. The caller closes the handle.
func (l *Log) hold(ctx context.Context) (LockedLog, error) {
	h, info, err := l.lock(ctx, sysfile.AppendOnly, snapshot.Generation{})
	if err != nil {
		return LockedLog{}, wrap("append to", l.name, err)
	}
	layout, err := l.layoutAtEnd(h, info)
	if err == nil {
		info.Size, err = l.waitForWholeRecord(h, info, layout)
	}
	if err != nil {
		h.Close()
		return LockedLog{}, wrap("append to", l.name, err)
	}
	return LockedLog{log: l, h: h, gen: info.Generation, size: info.Size, layout: layout}, nil
}

// Handle returns the locked file, to read from. Closing it drops the lock.
func (l *LockedLog) Handle() sysfile.Handle { return l.h }

// Mark is how far a log reaches: its present file, and that file's end.
type Mark struct {
	Generation snapshot.Generation
	Size       int64 // in bytes
}

// Mark returns the end of the file, as it was when it was locked.
func (l *LockedLog) Mark() Mark { return Mark{l.gen, l.size} }

// Append writes the records as [Log.Append] does. It may be called once.
func (l *LockedLog) Append(recs ...utmpx.Record) error {
	if len(recs) == 0 {
		return nil
	}
	layout := l.layoutFor(recs[0])
	torn := int(l.size % int64(layout.Size()))
	gap := (layout.Size() - torn) % layout.Size()
	p := make([]byte, gap, gap+len(recs)*layout.Size())
	for _, r := range recs {
		var err error
		if p, err = layout.AppendEncode(p, r); err != nil {
			return wrap("append to", l.log.name, err)
		}
	}
	return wrap("append to", l.log.name, l.write(p))
}

// layoutFor returns the layout in which r is appended. An empty log, as a rotation
// leaves it, shows no layout. The program that wrote the record that r was made
// from will write to this file in the same layout.
func (l *LockedLog) layoutFor(r utmpx.Record) *utmpx.Layout {
	if read := r.Layout(); l.log.detector.guessed && whole(l.size, l.layout) == 0 && read != nil {
		return read
	}
	return l.layout
}

// write appends p in one write. It cuts nothing: the file may be append-only.
func (l *LockedLog) write(p []byte) error {
	n, err := l.h.Append(p)
	if n == len(p) && err == nil {
		return nil
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	return takeBack(l.h, l.size, n, err)
}

// takeBack cuts off the n bytes of a short write. If a writer without locks has
// appended to them, it leaves them: that record must stay.
func takeBack(h sysfile.Handle, size int64, n int, cause error) error {
	if n <= 0 {
		return cause
	}
	info, err := h.Info()
	switch {
	case err == nil && info.Size == size+int64(n):
		err = h.Truncate(size)
	case err == nil:
		err = errors.New("another writer has appended to them")
	}
	if err != nil {
		return fmt.Errorf("%w; take back %d bytes: %w", cause, n, err)
	}
	return cause
}

const (
	growthPause  = 5 * time.Millisecond
	growthChecks = 20  // pauses without growth after which a partial record is torn
	growthMost   = 100 // pauses in all
)

// waitForWholeRecord returns the size of the locked file once it is a multiple of
// the record's, or once it stays the same for 0.1 s. The kernel lets a file grow
// page by page. So a partial record at the end may be that of a writer without
// locks that is still at work, and would be lost if something was put into it.
func (l *Log) waitForWholeRecord(h sysfile.Handle, info sysfile.Info, layout *utmpx.Layout) (size int64, err error) {
	size = info.Size
	if torn := (tail{info.Generation, size}); l.torn.is(torn) {
		return size, nil // it stood still when the log was locked before
	}
	same := 0
	for range growthMost {
		if size%int64(layout.Size()) == 0 || same == growthChecks {
			break
		}
		same++
		time.Sleep(growthPause)
		now, err := h.Info()
		if err != nil {
			return 0, err
		}
		if now.Size != size {
			size, same = now.Size, 0
		}
	}
	if same == growthChecks {
		l.torn.set(tail{info.Generation, size})
	}
	return size, nil
}

// tail is the end of a log.
type tail struct {
	gen  snapshot.Generation
	size int64
}

// tornTail is the last end with a partial record that was seen to be torn.
type tornTail struct {
	mu sync.Mutex
	at tail
}

func (t *tornTail) is(at tail) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at == at
}

func (t *tornTail) set(at tail) {
	t.mu.Lock()
	t.at = at
	t.mu.Unlock()
}
