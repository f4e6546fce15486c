// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"io"
	"strings"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Put writes r over the record that pututxline(3) would choose, or appends it, and
// returns its slot. It holds a write lock on the whole file for the search and the
// write, and gives up with a [LockedError] when ctx ends first. Nothing is synced.
// A partial record at the end is overwritten.
//
// Source: POSIX.1-2024 pututxline; the order of search is glibc's.
func (f *File) Put(ctx context.Context, r utmpx.Record) (slot int, err error) {
	return f.PutUnless(ctx, r, utmpx.Record{}, nil)
}

// PutUnless is [File.Put] unless a record of the file is taken, as that function says, which
// is called under the lock. If over is a record of a file, r goes over that one, whatever
// pututxline would choose, and it must still be there byte for byte. Else the error is
// [ErrTaken], and nothing is written.
func (f *File) PutUnless(ctx context.Context, r, over utmpx.Record, taken func(at utmpx.Record) bool) (slot int, err error) {
	h, info, err := f.lock(ctx, sysfile.ReadWrite, snapshot.Generation{})
	if err != nil {
		return 0, wrap("put a record into", f.name, err)
	}
	defer h.Close()
	slot, err = f.put(h, info, r, over, taken)
	return slot, wrap("put a record into", f.name, err)
}

func (f *File) put(h sysfile.Handle, info sysfile.Info, r, over utmpx.Record, taken func(at utmpx.Record) bool) (int, error) {
	l, err := f.layout(h, info)
	if err != nil {
		return 0, err
	}
	to, err := l.Encode(r)
	if err != nil {
		return 0, err
	}
	slot, old, err := f.find(h, info, l, r, over, taken)
	if err != nil {
		return 0, err
	}
	off := int64(slot) * int64(l.Size())
	if old != "" {
		return slot, overwrite(h, off, old, to)
	}
	n, err := h.WriteAt(to, off)
	if err == nil && n < len(to) {
		err = io.ErrShortWrite
	}
	if err != nil && n > 0 {
		h.Truncate(off) // as glibc does: no torn record for the next to find
	}
	return slot, err
}

// find returns the slot in which r belongs, and its bytes; "" after the last record. With
// taken, it looks at all records.
func (f *File) find(h sysfile.Handle, info sysfile.Info, l *utmpx.Layout, r, over utmpx.Record, taken func(at utmpx.Record) bool) (slot int, old string, err error) {
	found := -1
	here := func(at utmpx.Record) bool { return matches(at, r) }
	if over.Raw() != "" {
		here = func(at utmpx.Record) bool { return at.Raw() == over.Raw() }
	}
	block := TakeBlock()
	defer GiveBlock(block)
	size := l.Size()
	end := info.Size / int64(size) * int64(size)
	for off := int64(0); off < end; {
		p, err := readFull(h, (*block)[:min(int64(blockRecords*size), end-off)], off)
		if err != nil {
			return 0, "", err
		}
		if len(p) < size {
			break
		}
		text := string(p)
		for i := 0; i+size <= len(text); i += size {
			at := l.Decode(text[i : i+size])
			switch {
			case taken != nil && taken(at):
				return 0, "", ErrTaken
			case found < 0 && here(at):
				found, old = slot, strings.Clone(at.Raw())
			}
			if found >= 0 && taken == nil {
				return found, old, nil
			}
			slot++
		}
		off += int64(len(p) / size * size)
	}
	switch {
	case found >= 0:
		return found, old, nil
	case over.Raw() != "":
		return 0, "", ErrTaken
	}
	return slot, "", nil
}

// matches reports whether r goes over the record at. Types of which a system has
// one record are compared alone; other records by ut_id if both have one, else by
// ut_line.
func matches(at, r utmpx.Record) bool {
	switch r.Type {
	case utmpx.RunLevel, utmpx.BootTime, utmpx.NewTime, utmpx.OldTime:
		return at.Type == r.Type
	}
	if !isProcess(at.Type) || !isProcess(r.Type) {
		return false
	}
	if at.ID != "" && r.ID != "" {
		return at.ID == r.ID
	}
	return at.Line == r.Line
}

func isProcess(t utmpx.Type) bool { return t >= utmpx.InitProcess && t <= utmpx.DeadProcess }
