// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/archive"
	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// scan feeds a history with all records of a file.
func scan(ctx context.Context, f *archive.File, h *boots.History) error {
	defer f.Close()
	return f.Scan(ctx, func(l *utmpx.Layout, record []byte) {
		typ, at, line := l.Peek(record)
		if boots.Ordinary(typ, line) {
			h.Ordinary(at, typ == utmpx.UserProcess)
			return
		}
		h.Add(l.Decode(string(record)))
	})
}

// past is what the log says about the last boots, and the position up to which it was read.
type past struct {
	boots    []boots.Boot
	mark     recfile.Mark // after the last record
	accessed time.Time    // before it was read
	problems []string
}

// readPast reads back to the last boot but one, through rotated files if necessary. If the
// log does not exist, the error is fs.ErrNotExist.
func readPast(ctx context.Context, log *recfile.Log) (past, error) {
	var p past
	info, err := sysfile.Kernel().Lookup(log.Name())
	if err != nil {
		return p, fmt.Errorf("read %s: %w", log.Name(), err)
	}
	p.accessed = info.Accessed
	// Take the mark first: anything appended later makes it outdated.
	if p.mark, err = log.Mark(); err != nil {
		return p, err
	}
	var t tail
	for e, err := range log.Backward() {
		if err != nil {
			return p, err
		}
		if !t.back(e.Record) || ctx.Err() != nil {
			break
		}
	}
	older, err := log.Rotated()
	if err != nil {
		p.problems = append(p.problems, err.Error())
	}
	for _, name := range slices.Backward(older) {
		if t.enough() || ctx.Err() != nil {
			break
		}
		if err := t.file(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.problems = append(p.problems, err.Error())
			break // older files no longer follow on
		}
	}
	p.boots = t.history()
	return p, context.Cause(ctx)
}

// enoughBoots is the number of boots to read: the last one, and the one before it in case
// the last is the present one.
const enoughBoots = 2

// tail collects records from the last to the first until there are enough boots.
type tail struct {
	items []item // last record first
	began int
}

// item is a record, shortened unless it is one of the system.
type item struct {
	at     utmpx.Time
	login  bool
	record *utmpx.Record
}

func itemOf(r utmpx.Record) (item, boots.Kind) {
	kind := boots.KindOf(r)
	if kind == boots.Other || kind == boots.Login {
		return item{at: r.Time, login: kind == boots.Login}, kind
	}
	d := r.Detach()
	return item{record: &d}, kind
}

func (t *tail) enough() bool { return t.began >= enoughBoots }

// back adds the record before those it has, and reports whether it needs more.
func (t *tail) back(r utmpx.Record) bool {
	it, kind := itemOf(r)
	t.items = append(t.items, it)
	if kind.BeginsBoot() {
		t.began++
	}
	return !t.enough()
}

// file adds the end of the previous file, which is read forward because it may be
// compressed.
func (t *tail) file(ctx context.Context, name string) error {
	f, err := archive.OpenOwn(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var items []item
	var starts []int
	err = f.Scan(ctx, func(l *utmpx.Layout, record []byte) {
		it, kind := itemOf(l.Decode(string(record)))
		if kind.BeginsBoot() {
			if starts = append(starts, len(items)); len(starts) > enoughBoots {
				items = slices.Delete(items, 0, starts[1])
				first := starts[1]
				starts = slices.Delete(starts, 0, 1)
				for i := range starts {
					starts[i] -= first
				}
			}
		}
		items = append(items, it)
	})
	slices.Reverse(items)
	t.items = append(t.items, items...)
	t.began += len(starts)
	return err
}

func (t *tail) history() []boots.Boot {
	var h boots.History
	for _, it := range slices.Backward(t.items) {
		if it.record == nil {
			h.Ordinary(it.at, it.login)
			continue
		}
		h.Add(*it.record)
	}
	return h.Boots()
}
