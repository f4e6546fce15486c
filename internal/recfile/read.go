// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"iter"
	"unsafe"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Entry is one record of a log, and where it stands.
type Entry struct {
	utmpx.Record
	Generation snapshot.Generation // of the file
	Offset     int64               // in it, in bytes
}

// Mark returns the place behind the entry, from which to read on.
func (e Entry) Mark() Mark {
	return Mark{Generation: e.Generation, Offset: e.Offset + int64(len(e.Raw()))}
}

// Mark is a place in a log: a file and the bytes before the place. The zero
// Mark is the beginning of whatever file the log's name leads to.
type Mark struct {
	Generation snapshot.Generation
	Offset     int64
}

// Mark returns the end of the log as it is now, behind the last whole record.
func (l *Log) Mark() (Mark, error) {
	h, info, err := l.open()
	if err != nil {
		return Mark{}, err
	}
	defer h.Close()
	layout, err := l.layout(h, info)
	if err != nil {
		return Mark{}, wrap("read", l.name, err)
	}
	return Mark{info.Generation, whole(info.Size, layout)}, nil
}

// whole is size without a partial record at the end.
func whole(size int64, l *utmpx.Layout) int64 { return size - size%int64(l.Size()) }

// Forward yields the log's records from the first to the last that stood there
// when the iteration began. It takes no lock, and reads in blocks of 512
// records. An error ends it. Records share the memory of their block: see
// [utmpx.Record.Detach].
func (l *Log) Forward() iter.Seq2[Entry, error] {
	return l.read(func(p part, yield yield) bool { return p.forward(0, p.end, yield) })
}

// Backward yields what [Log.Forward] does, from the last to the first.
func (l *Log) Backward() iter.Seq2[Entry, error] {
	return l.read(func(p part, yield yield) bool { return p.backward(p.end, yield) })
}

type yield = func(Entry, error) bool

// read opens the present log for one iteration.
func (l *Log) read(do func(p part, yield yield) bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		p, err := l.part(l.name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer p.close()
		do(p, yield)
	}
}

// part is one open file of a log: the present one, or one rotated away.
type part struct {
	h      sysfile.Handle
	name   string
	gen    snapshot.Generation
	layout *utmpx.Layout
	end    int64 // of the last whole record when it was opened
	l      *Log
}

// part opens a file of the log for reading.
func (l *Log) part(name string) (part, error) {
	h, err := l.sys.Open(name, sysfile.ReadUnseen)
	if err != nil {
		return part{}, wrap("open", name, err)
	}
	p := part{h: h, name: name, l: l}
	info, err := h.Info()
	if err == nil {
		p.gen = info.Generation
		p.layout, err = l.layout(h, info)
	}
	if err != nil {
		h.Close()
		return part{}, wrap("read", name, err)
	}
	p.end = whole(info.Size, p.layout)
	return p, nil
}

func (p part) close() {
	p.h.Close()
}

// load reads the records from off on, at most one block and none behind end.
// It returns fewer where the file was cut meanwhile.
func (p part) load(off, end int64) (string, error) {
	want := min(int64(blockRecords*p.layout.Size()), end-off)
	b, err := readFull(p.h, make([]byte, want), off)
	if err != nil {
		return "", wrap("read", p.name, err)
	}
	b = b[:whole(int64(len(b)), p.layout)]
	return unsafe.String(unsafe.SliceData(b), len(b)), nil // nothing writes to it any more
}

func (p part) entry(block string, i int, off int64) Entry {
	return Entry{
		Record:     p.layout.Decode(block[i : i+p.layout.Size()]),
		Generation: p.gen,
		Offset:     off + int64(i),
	}
}

// forward yields the records in off to end. It reports whether more is wanted.
func (p part) forward(off, end int64, yield yield) bool {
	for off < end {
		block, err := p.load(off, end)
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		if block == "" {
			return true
		}
		for i := 0; i < len(block); i += p.layout.Size() {
			if !yield(p.entry(block, i, off), nil) {
				return false
			}
		}
		off += int64(len(block))
	}
	return true
}

// backward yields the records before end.
func (p part) backward(end int64, yield yield) bool {
	for end > 0 {
		off := max(0, end-int64(blockRecords*p.layout.Size()))
		block, err := p.load(off, end)
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		for i := len(block) - p.layout.Size(); i >= 0; i -= p.layout.Size() {
			if !yield(p.entry(block, i, off), nil) {
				return false
			}
		}
		end = off
	}
	return true
}
