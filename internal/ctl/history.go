// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// scan feeds a history with all records of a file of a log. Damage is a problem, and
// what follows it is read.
func scan(ctx context.Context, log *logs.Log, name string, h *boots.History) error {
	f, err := log.Open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	var damage damages
	for record, err := range f.Raw(0) {
		if damage.add(err) {
			h.Damage()
			continue
		}
		if err != nil {
			return errors.Join(damage.err(), err)
		}
		typ, at, line := record.Peek()
		if boots.Ordinary(typ, line) {
			h.Ordinary(at, typ)
			continue
		}
		h.Add(record.Decode())
	}
	damage.add(f.TornEnd())
	return damage.err()
}

// damages are the damaged places of a file.
type damages struct {
	first []error
	n     int
}

// newFile is what is done with another system's file.
const newFile = "`utmpctl dump -to LAYOUT FILE` makes a new file of"

// damagesMost is how many of them are named.
const damagesMost = 10

// add reports whether err is damage, and keeps it.
func (d *damages) add(err error) bool {
	if !logs.IsDamage(err) {
		return false
	}
	if d.n++; d.n <= damagesMost {
		d.first = append(d.first, err)
	}
	return true
}

// err names the places, and what to do.
func (d *damages) err() error {
	if d.n == 0 {
		return nil
	}
	named := slices.Clone(d.first)
	if d.n > damagesMost {
		named = append(named, fmt.Errorf("and %d more damaged places", d.n-damagesMost))
	}
	rest := "`utmpctl repair FILE` takes the damage out"
	if logs.IsOtherDamage(d.first[0]) {
		rest = newFile + " them" // repair leaves other systems' files alone
	}
	return errors.Join(append(named, errors.New("every other record was read; "+rest))...)
}

// past is what the log says about the last boots, and the position up to which it was read.
type past struct {
	boots    []boots.Boot
	mark     recfile.Mark // the end of the present file
	accessed time.Time    // before it was read
	problems []string
	unread   bool // a part could not be read
	damaged  bool // and one of what was read is damaged
}

// readPast reads back to the last boot but one, through rotated files if necessary. If the
// log does not exist, the error is fs.ErrNotExist.
func readPast(ctx context.Context, log *logs.Log) (past, error) {
	var p past
	info, err := sysfile.Kernel().Lookup(log.Name())
	if err != nil {
		return p, fmt.Errorf("read %s: %w", log.Name(), err)
	}
	p.accessed = info.Accessed
	var t tail
	// The present file comes first: anything appended to the log later, to this
	// file or to another, makes the mark outdated.
	if p.mark, err = t.read(ctx, log, log.Name()); err != nil {
		return p, err
	}
	files, err := log.Files(ctx)
	if err != nil {
		p.unread = true
		p.problems = append(p.problems, err.Error())
	}
	for _, f := range slices.Backward(files) {
		if t.enough() {
			break
		}
		if f.Generation == p.mark.Generation {
			continue
		}
		if _, err := t.read(ctx, log, f.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.unread = true
			p.problems = append(p.problems, err.Error())
			break // older files no longer follow on
		}
	}
	if err := t.damage.err(); err != nil {
		p.damaged = true
		p.problems = append(p.problems, strings.Split(err.Error(), "\n")...)
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

	damage damages // in what was read
}

// item is a record, shortened unless it is one of the system.
type item struct {
	at     utmpx.Time
	typ    utmpx.Type
	record *utmpx.Record
	damage bool // it is a damaged part, and no record
}

func itemOf(r utmpx.Record) (item, boots.Kind) {
	kind := boots.KindOf(r)
	if (kind == boots.Other || kind == boots.Login) && r.Type != utmpx.RunLevel {
		return item{at: r.Time, typ: r.Type}, kind
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

// read adds the file before those it has, as far back as it needs, and returns the mark at
// the file's end.
func (t *tail) read(ctx context.Context, log *logs.Log, name string) (recfile.Mark, error) {
	f, err := log.Open(ctx, name)
	if err != nil {
		return recfile.Mark{}, err
	}
	defer f.Close()
	mark := recfile.Mark{Generation: f.Generation(), Size: f.Size()}
	for e, err := range f.Reuse().Backward(f.End()) {
		if t.damage.add(err) {
			t.items = append(t.items, item{damage: true})
			continue
		}
		if err != nil {
			return mark, err
		}
		if !t.back(e.Record) {
			break
		}
	}
	return mark, nil
}

func (t *tail) history() []boots.Boot {
	var h boots.History
	for _, it := range slices.Backward(t.items) {
		switch {
		case it.damage:
			h.Damage()
		case it.record == nil:
			h.Ordinary(it.at, it.typ)
		default:
			h.Add(*it.record)
		}
	}
	return h.Boots()
}
