// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Table repairs a utmpx file in place, under the lock that C libraries take. Slots that
// hold records stay as they are, byte for byte. A slot that holds none is marked as
// ended; records that stand elsewhere, as behind torn ones, are put there, and those for
// which there is no room at the end.
func Table(ctx context.Context, name string, o Options) (Report, error) {
	t := &tableRepair{name: name, o: o}
	err := t.run(ctx)
	return t.report, sysfile.Wrap("repair", name, err)
}

type tableRepair struct {
	name   string
	o      Options
	report Report
}

func (t *tableRepair) run(ctx context.Context) error {
	if !t.o.DryRun {
		unlock, err := lockDir(filepath.Dir(t.name))
		if err != nil {
			return err
		}
		defer unlock()
		if err := clean(t.name); err != nil {
			return err
		}
	}
	wait, cancel := context.WithTimeout(ctx, t.o.Patience)
	defer cancel()
	mode := sysfile.ReadWrite
	if t.o.DryRun {
		mode = sysfile.ReadUnseen
	}
	h, info, err := recfile.Hold(wait, sysfile.Kernel(), t.name, mode)
	if err != nil {
		return err
	}
	defer h.Close()
	was, layout, err := t.read(ctx, h, info)
	if err != nil {
		return err
	}
	to, err := t.content(was, layout)
	if err != nil {
		return err
	}
	if t.report.Right() || t.o.DryRun {
		return nil
	}
	if err := t.backup(was, info); err != nil {
		return err
	}
	if err := rewrite(h, was, to, layout.Size()); err != nil {
		return err
	}
	h.Close() // no lock is held while files are synced
	return errors.Join(syncFile(t.name), syncFile(t.report.Backup), syncDir(filepath.Dir(t.name)))
}

// moved is a record that does not stand in a slot.
type moved struct {
	utmpx.Record
	off, end int64
}

// read returns the bytes of the file, and its layout.
func (t *tableRepair) read(ctx context.Context, h sysfile.Handle, info sysfile.Info) ([]byte, *utmpx.Layout, error) {
	f, err := logs.New(t.name, logs.Options{}).Wrap(ctx, t.name, h)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if f.Compressed() {
		return nil, nil, ErrCompressed
	}
	if info.Size > recfile.MaxRecords*int64(f.Layout().Size()) {
		return nil, nil, recfile.ErrTooLong
	}
	b := make([]byte, info.Size)
	if n, err := h.ReadAt(b, 0); err != nil && (err != io.EOF || n < len(b)) {
		return nil, nil, err
	}
	return b, f.Layout(), nil
}

// between returns the records that stand in no slot, as package logs finds them.
func between(b []byte, layout *utmpx.Layout) (found []moved, err error) {
	f := grid.File{Size: int64(len(b)), Layout: layout, Chunk: int64(512 * layout.Size()),
		At: func(from, to int64) ([]byte, error) { return b[from:to], nil }}
	for p, err := range f.Forward(0) {
		if err != nil {
			return nil, err
		}
		if p.Layout == nil || p.Off%int64(layout.Size()) == 0 && grid.Alike(p.Layout, layout) {
			continue
		}
		size := int64(p.Layout.Size())
		for off := p.Off; off+size <= p.End; off += size {
			found = append(found, moved{p.Layout.Decode(string(b[off : off+size])), off, off + size})
		}
	}
	return found, nil
}

// passes bounds how often the file is looked at: what was between records that have got
// their slots may show further ones.
const passes = 20

// content returns what the file is to hold.
func (t *tableRepair) content(was []byte, layout *utmpx.Layout) ([]byte, error) {
	size := int64(layout.Size())
	t.report.Layout = layout
	t.report.Torn = int64(len(was)) % size
	t.report.Bytes += t.report.Torn
	b := was
	for range passes {
		found, err := between(b, layout)
		if err != nil {
			return nil, err
		}
		to := t.pass(b, layout, found)
		if string(to) == string(b) {
			break
		}
		b = to
	}
	slots := int64(len(b)) / size
	t.report.Records = slots - t.report.Parts // of which each is a slot that is marked as ended
	b = b[:slots*size]
	if !readsAs(layout, b[:min(len(b), recfile.HeadSize)]) {
		return nil, ErrUnsure
	}
	return b, nil
}

// pass puts records into slots.
func (t *tableRepair) pass(was []byte, layout *utmpx.Layout, found []moved) []byte {
	size := int64(layout.Size())
	to := append([]byte(nil), was[:int64(len(was))/size*size]...)
	had, free := t.slots(to, layout, found)
	var more []byte
	for _, m := range found {
		raw, err := layout.Encode(m.Record)
		if err != nil || !inSlot(layout, raw) {
			t.report.Unfit++
			continue
		}
		if !grid.Alike(m.Layout(), layout) {
			t.report.Converted++
		}
		if had[string(raw)] {
			continue // a repair that was killed put it there
		}
		had[string(raw)] = true
		t.report.Moved++
		if len(free) == 0 {
			more = append(more, raw...)
			continue
		}
		copy(to[free[0]:], raw)
		free = free[1:]
	}
	for _, off := range free {
		t.damage(off, off+size)
		copy(to[off:], ended(layout, t.o))
	}
	return append(to, more...)
}

// slots returns the records that stand in their slots, and the offsets of the slots that
// hold none.
func (t *tableRepair) slots(b []byte, layout *utmpx.Layout, found []moved) (had map[string]bool, free []int64) {
	had = map[string]bool{}
	size, next := int64(layout.Size()), 0
	for off := int64(0); off < int64(len(b)); off += size {
		for next < len(found) && found[next].end <= off {
			next++
		}
		slot := b[off : off+size]
		if next < len(found) && found[next].off < off+size || !inSlot(layout, slot) {
			free = append(free, off)
			continue
		}
		had[string(slot)] = true
	}
	return had, free
}

func (t *tableRepair) damage(from, to int64) {
	t.report.add(logs.DamageError{Name: t.name, From: from, To: to, Records: 1})
}

// inSlot reports whether a record, or nothing, is in a slot. Programs go by the type; what
// else is in it may be of a living session.
func inSlot(layout *utmpx.Layout, b []byte) bool {
	typ, _, _ := layout.Peek(b)
	return typ >= utmpx.Empty && typ <= utmpx.DownTime
}

// ended returns the record of a slot that holds none.
func ended(layout *utmpx.Layout, o Options) []byte {
	b, err := layout.Encode(utmpx.Record{Type: utmpx.DeadProcess, Time: utmpx.TimeOf(o.Now)})
	if err != nil {
		panic(err) // it fits every layout
	}
	return b
}

// backup writes the bytes of the file to a file beside it.
func (t *tableRepair) backup(was []byte, info sysfile.Info) error {
	tmp := t.name + unready
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, bare(err))
	}
	defer os.Remove(tmp)
	defer f.Close()
	if _, err := f.Write(was); err != nil {
		return noSpace(err, int64(len(was)))
	}
	notes, err := likeness(f, t.name, info)
	if err != nil {
		return err
	}
	t.report.Notes = notes
	for n := 1; ; n++ {
		name := t.name + ".damaged-" + t.o.Now.Format(stampForm)
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		err := os.Link(tmp, name)
		if err == nil {
			t.report.Backup = name
			return nil
		}
		if !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("name the backup %s: %w", name, bare(err))
		}
	}
}

// rewrite writes what differs, each record whole, and cuts off a part of one at the end.
func rewrite(h sysfile.Handle, was, to []byte, size int) error {
	for off := 0; off < len(to); off += size {
		slot := to[off : off+size]
		if off+size <= len(was) && string(was[off:off+size]) == string(slot) {
			continue
		}
		if _, err := h.WriteAt(slot, int64(off)); err != nil {
			return err
		}
	}
	if len(to) < len(was) {
		return h.Truncate(int64(len(to)))
	}
	return nil
}
