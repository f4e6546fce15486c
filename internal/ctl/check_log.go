// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/repair"
	"utmpd.dev/utmpd/internal/sysfile"
)

// log checks a log.
func (c *checking) log(t target, to string, found func(check.Finding)) error {
	log := logs.New(to, logs.Options{Torn: true, Other: otherForm})
	f, err := log.Open(c.in.ctx, to)
	if errors.Is(err, recfile.ErrLayout) {
		found(noRecords(t, "move it away"))
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	c.p = c.in.progress("check "+t.name, f.Size())
	defer c.p.end()
	s := &scanned{name: t.name, size: f.Size(), p: c.p}
	o := check.Options{Layout: f.Layout(), Failed: t.kind == check.BtmpFile}
	bytes := f.Bytes()
	defer bytes.Close()
	s.bytes = bytes
	switch {
	case f.Compressed():
		s.size, s.p.w = -1, nil
	case f.Other():
		s.size = -1 // it tells damage at its end itself
		o.Modified = f.Modified()
	default:
		o.Modified = f.Modified()
	}
	if f.Size() > 0 && sameFile(to, c.own[1]) {
		otherSystem(f.Layout(), found)
	}
	for _, left := range repair.Left(to) {
		found(check.Finding{Kind: check.LeftBehind, Severity: check.Warning, Text: fmt.Sprintf("a repair was interrupted and left %q", filepath.Base(left)),
			Advice: "programs may have written there: `utmpctl repair` takes that along"})
	}
	l := check.NewLog(o, found)
	err = s.scan(c.in.ctx, f.Reuse(), l)
	l.End()
	if err == nil && sameFile(to, c.own[1]) {
		c.boots(found)
	}
	return err
}

// boots compares the boots of this machine's log, with its rotated files, with the ledger. It
// has something to say only of what follows the first boot of the log: what is before may have
// been rotated away.
func (c *checking) boots(found func(check.Finding)) {
	own := &recorder{in: c.in, cfg: c.cfg}
	ledger := own.ledger()
	if len(ledger) == 0 {
		return
	}
	h, _, present, _ := readAll(c.in) // what cannot be read is found where that file is checked
	if !h.Found() {
		return
	}
	all, differ := boots.Amend(h.Boots(), ledger, present)
	for _, b := range all {
		switch {
		case b.Lost():
			found(check.Finding{Kind: check.LostBoot, Severity: check.Warning, At: b.From,
				Text:   fmt.Sprintf("neither it nor a rotated file has the boot from %s to %s, which %s has", moment(b.From), moment(b.To), own.ledgerFile()),
				Advice: "records were taken out, or an older copy came back; `utmpctl downtime` shows the boot"})
		case b.Ledger:
			found(check.Finding{Kind: check.LostBoot, Severity: check.Note, At: b.To,
				Text:   fmt.Sprintf("no record tells that the boot of %s %s at %s, as %s does", moment(b.From), ended(b.End.String()), moment(b.To), own.ledgerFile()),
				Advice: "`utmpctl boot` came too late to record that, or the record was taken out"})
		}
	}
	for _, d := range differ {
		found(check.Finding{Kind: check.OtherEnd, Severity: check.Warning, At: d.Log.To,
			Text: fmt.Sprintf("the boot of %s %s at %s by the log, and %s at %s by %s", moment(d.Log.From), ended(d.Log.End.String()), moment(d.Log.To),
				ended(d.Ledger.End.String()), moment(d.Ledger.To), own.ledgerFile()),
			Advice: "the clock was wrong, or a record was changed"})
	}
}

// moment formats a time as the other findings do.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// scanned is the reading of a log.
type scanned struct {
	name  string
	size  int64 // -1: unknown
	bytes io.ReaderAt
	p     *progress
	end   int64 // of what was read
}

// scan feeds a check with all records. A part of a record at the end may be that of a
// writer at work: it is looked at again.
func (s *scanned) scan(ctx context.Context, f *logs.File, l *check.Log) error {
	for range 10 {
		if err := s.rest(f, l); err != nil {
			return err
		}
		if s.size < 0 || s.end >= s.size {
			return nil
		}
		was := s.size
		select {
		case <-ctx.Done():
			return sysfile.Wrap("check", s.name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
		if err := f.Refresh(); err != nil {
			return err
		}
		if s.size = f.Size(); s.size == was {
			break
		}
	}
	l.Partial(s.end, s.size)
	return nil
}

// rest reads from where it stopped.
func (s *scanned) rest(f *logs.File, l *check.Log) error {
	n := 0
	for e, err := range f.Raw(s.end) {
		if err != nil {
			var damage *logs.DamageError
			if !errors.As(err, &damage) {
				return err
			}
			l.Damage(check.Part{From: damage.From, To: damage.To, Size: s.size, Bytes: s.bytes})
			s.end = damage.To
			continue
		}
		l.Record(e.Layout, e.Bytes, e.Offset)
		s.end = e.Offset + int64(len(e.Bytes))
		if n++; n&0xfff == 0 {
			s.p.at(s.end)
		}
	}
	return nil
}
