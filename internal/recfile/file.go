// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"errors"
	"fmt"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// MaxRecords is how many records of a utmpx file are read. A file can be long and
// sparse for no good reason. A machine can have this many sessions, and the memory
// for them.
const MaxRecords = 1 << 16

// batch is the most records that are judged or written under one lock.
const batch = 256

// File is a utmpx file: one record for each session, in slots. It keeps no file
// open; each call opens the file that the name leads to. It may be used by many
// goroutines.
type File struct{ opened }

// NewFile names a utmpx file. It does no I/O, and the file need not exist.
func NewFile(name string, opts Options) *File {
	f := &File{}
	f.init(name, opts)
	return f
}

// Name returns the file's name.
func (f *File) Name() string { return f.name }

// Snapshot reads the whole file. It takes no lock, so a record that is being
// written may be torn. What equals prev, which may be nil, is shared with it; if
// nothing changed, prev itself is returned. Bytes after the last whole record are
// left out. An empty file is an empty snapshot. If the file has more than
// [MaxRecords], the snapshot has the first ones, and comes with [ErrTooLong].
//
// Errors: [fs.ErrNotExist], [sysfile.ErrNotRegular], [sysfile.ErrSymlink], [ErrLayout], and
// [ErrTorn] if the file has bytes but no whole record.
func (f *File) Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	h, info, err := f.open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if err := f.apartFrom(info.Generation); err != nil {
		return nil, wrap("read", f.name, err)
	}
	l, err := f.layout(h, info)
	if err != nil {
		return nil, wrap("read", f.name, err)
	}
	if info.Size > 0 && info.Size < int64(l.Size()) {
		return nil, wrap("read", f.name, tornHint(info.Size, l))
	}
	b := snapshot.NewBuilder(info.Generation, l, prev)
	block := TakeBlock()
	defer GiveBlock(block)
	end := min(info.Size, int64(MaxRecords*l.Size()))
	for off := int64(0); off < end; {
		want := min(int64(blockRecords*l.Size()), end-off)
		p, err := readFull(h, (*block)[:want], off)
		if err != nil {
			return nil, wrap("read", f.name, err)
		}
		if len(p) == 0 {
			break // cut meanwhile
		}
		b.Write(p)
		off += int64(len(p))
	}
	if whole(info.Size, l) > end {
		err = wrap("read", f.name, ErrTooLong)
	}
	return b.Snapshot(), err
}

// Check reports what is wrong with the file, as [File.Snapshot] does, and
// [ErrEmpty] if it holds no record.
func (f *File) Check() error {
	s, err := f.Snapshot(nil)
	if err == nil && s.Len() == 0 {
		err = wrap("read", f.name, ErrEmpty)
	}
	return err
}

// Layout returns the layout that the file shows, or that an empty one gets.
func (f *File) Layout() (*utmpx.Layout, error) { return f.layoutNow() }

func (o *opened) layoutNow() (*utmpx.Layout, error) {
	h, info, err := o.open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	l, err := o.layout(h, info)
	return l, wrap("read", o.name, err)
}

// Read returns the record in a slot, counted from 0, under no lock. A slot that
// the file does not have is [ErrNoRecord], also [ErrEmpty] if it has none at all.
func (f *File) Read(slot int) (utmpx.Record, error) {
	h, info, err := f.open()
	if err != nil {
		return utmpx.Record{}, err
	}
	defer h.Close()
	l, err := f.layout(h, info)
	if err != nil {
		return utmpx.Record{}, wrap("read", f.name, err)
	}
	p := make([]byte, l.Size())
	if slot < 0 || int64(slot) >= info.Size/int64(l.Size()) {
		err = ErrNoRecord
		switch {
		case info.Size == 0:
			err = fmt.Errorf("%w: %w", ErrNoRecord, ErrEmpty)
		case info.Size < int64(l.Size()):
			err = fmt.Errorf("%w: %w", ErrNoRecord, tornHint(info.Size, l))
		}
	} else if p, err = readFull(h, p, int64(slot)*int64(l.Size())); err == nil && len(p) < l.Size() {
		err = ErrNoRecord
	}
	if err != nil {
		return utmpx.Record{}, wrap(fmt.Sprintf("read slot %d of", slot), f.name, err)
	}
	return l.Decode(string(p)), nil
}

// Swap is one record to compare or to replace.
type Swap struct {
	Slot int
	Old  utmpx.Record // as read: what counts is its Raw, byte for byte
	New  utmpx.Record // not used by Compare
}

// Compare reports which slots still hold Old, byte for byte. It holds a read lock
// for at most 256 records at a time, so that no writer is at work in them.
//
// Errors: [ErrReplaced] if the name no longer leads to gen, where gen is not
// zero; a [LockedError] if ctx ends first. The answers for the records judged
// before the error are given with it, false for the others.
func (f *File) Compare(ctx context.Context, gen snapshot.Generation, want []Swap) ([]bool, error) {
	return f.each(ctx, sysfile.ReadUnseen, gen, want, func(h sysfile.Handle, want []Swap, _ [][]byte, same []bool, block []byte) (int, error) {
		return compare(h, want, same, block)
	})
}

// Swap writes New over each slot that still holds Old, byte for byte, and reports
// which. It holds a write lock for at most 256 records at a time, and syncs
// nothing. New is encoded in Old's layout. If one does not fit, nothing is
// written.
//
// Errors: as for [File.Compare]; the answers given with one are true for what
// was written before it.
func (f *File) Swap(ctx context.Context, gen snapshot.Generation, swaps []Swap) ([]bool, error) {
	return f.each(ctx, sysfile.ReadWrite, gen, swaps, func(h sysfile.Handle, swaps []Swap, to [][]byte, done []bool, block []byte) (int, error) {
		for i, s := range swaps {
			ok, err := same(h, s, block)
			if err == nil && ok {
				err = overwrite(h, offset(s), s.Old.Raw(), to[i])
			}
			if err != nil {
				return i, err
			}
			done[i] = ok
		}
		return len(swaps), nil
	})
}

// each calls do for all swaps, in batches, each under its own lock. do sets done
// for each swap, and returns the one at which it failed; it may use block.
func (f *File) each(ctx context.Context, mode sysfile.OpenMode, gen snapshot.Generation, swaps []Swap,
	do func(h sysfile.Handle, swaps []Swap, to [][]byte, done []bool, block []byte) (int, error)) ([]bool, error) {
	done := make([]bool, len(swaps))
	op := "compare"
	if mode == sysfile.ReadWrite {
		op = "write"
	}
	to, err := encodeAll(swaps, mode)
	if err != nil {
		return done, wrap(op, f.name, err)
	}
	block := TakeBlock()
	defer GiveBlock(block)
	for first := 0; first < len(swaps); first += batch {
		h, info, err := f.lock(ctx, mode, gen)
		if err != nil {
			return done, wrap(op, f.name, err)
		}
		gen = info.Generation
		last := min(first+batch, len(swaps))
		n, err := do(h, swaps[first:last], to[first:last], done[first:last], *block)
		h.Close()
		if err != nil {
			return done, wrap(fmt.Sprintf("%s slot %d of", op, swaps[first+n].Slot), f.name, err)
		}
	}
	return done, nil
}

// encodeAll encodes what is to be written, before any lock is taken.
func encodeAll(swaps []Swap, mode sysfile.OpenMode) ([][]byte, error) {
	to := make([][]byte, len(swaps))
	var room []byte // for all of them
	for i, s := range swaps {
		l := s.Old.Layout()
		if l == nil || s.Slot < 0 {
			return nil, fmt.Errorf("slot %d: the old record was not read from a file", s.Slot)
		}
		if mode == sysfile.ReadUnseen {
			continue
		}
		if cap(room)-len(room) < l.Size() {
			room = make([]byte, 0, (len(swaps)-i)*l.Size())
		}
		n, err := len(room), error(nil)
		if room, err = l.AppendEncode(room, s.New); err != nil {
			return nil, fmt.Errorf("slot %d: %w", s.Slot, err)
		}
		to[i] = room[n:]
	}
	return to, nil
}

func offset(s Swap) int64 { return int64(s.Slot) * int64(len(s.Old.Raw())) }

// compare reports which slots of a batch hold Old. Records that are close to each
// other, as those of a mass logout, are read at once.
func compare(h sysfile.Handle, want []Swap, same []bool, block []byte) (int, error) {
	var wanted int
	from, end := offset(want[0]), int64(0)
	for _, s := range want {
		wanted += len(s.Old.Raw())
		from, end = min(from, offset(s)), max(end, offset(s)+int64(len(s.Old.Raw())))
	}
	if span := end - from; span > int64(min(len(block), 4*wanted)) {
		return compareEach(h, want, same, block)
	}
	p, err := readFull(h, block[:end-from], from)
	if err != nil {
		return 0, err
	}
	for i, s := range want {
		at, old := int(offset(s)-from), s.Old.Raw()
		same[i] = at+len(old) <= len(p) && string(p[at:at+len(old)]) == old
	}
	return len(want), nil
}

func compareEach(h sysfile.Handle, want []Swap, is []bool, block []byte) (n int, err error) {
	for i, s := range want {
		if is[i], err = same(h, s, block); err != nil {
			return i, err
		}
	}
	return len(want), nil
}

// same reports whether the slot holds Old. A slot that is cut off does not.
func same(h sysfile.Handle, s Swap, block []byte) (bool, error) {
	p, err := readFull(h, block[:len(s.Old.Raw())], offset(s))
	return string(p) == s.Old.Raw(), err
}

// overwrite writes a record over old. It restores old after a short write.
func overwrite(h sysfile.Handle, off int64, old string, to []byte) error {
	n, err := h.WriteAt(to, off)
	if err == nil || n == 0 {
		return err
	}
	if _, back := h.WriteAt([]byte(old[:n]), off); back != nil {
		return errors.Join(err, fmt.Errorf("put the old record back: %w", back))
	}
	return err
}

// Sync makes the file durable. It takes no lock, and may take long.
func (f *File) Sync() error { return f.sync() }

// Holder returns a process that holds a lock on the file which stops a writer
// now. ok is false if there is none, or if the system does not know: it does for
// POSIX locks of fcntl(2) only.
func (f *File) Holder() (pid int32, ok bool, err error) { return f.holder() }
