// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// Writers of each kind (C programs and goroutines), readers of each kind and one cleaner,
// all on the same two files.
const writers = 3

// together is one run of all of them.
type together struct {
	m        machine
	utmp     string
	wtmp     string
	file     *recfile.File
	log      *recfile.Log
	sessions int // of each writer

	mu      sync.Mutex
	cleaned map[moment]bool // swapped and appended by the cleaner
}

// A moment is a stage in a writer's life. Every byte of its record is known, so that a torn or
// foreign record is detected.
type moment struct {
	writer, session int
	stage           stage
}

type stage int

const (
	in      stage = iota // USER_PROCESS, by the writer
	cleaned              // DEAD_PROCESS, by the cleaner
	out                  // DEAD_PROCESS, by the writer
)

func (a moment) before(b moment) bool {
	return a.session < b.session || a.session == b.session && a.stage < b.stage
}

func (a moment) record() utmpx.Record {
	fill := func(n int) string { return strings.Repeat(string(rune('a'+(a.session*3+int(a.stage))%26)), n) }
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000*a.writer + a.session), Line: fmt.Sprint("w/", a.writer),
		ID: fmt.Sprint("w", a.writer), User: fill(32), Host: fill(256), Session: int64(a.session),
		Time: utmpx.Time{Sec: start + int64(a.session), Usec: int64(a.stage)},
		Exit: utmpx.Exit{Termination: int16(a.writer), Exit: int16(a.stage)},
	}
	if a.stage != in {
		r.Type = utmpx.DeadProcess
	}
	copy(r.Addr[:], fill(16))
	return r
}

// momentOf returns the moment of a record, from a few fields, and whether all its bytes are
// those of that moment.
func (g *together) momentOf(r utmpx.Record) (moment, bool) {
	a := moment{writer: int(r.Exit.Termination), session: int(r.Session), stage: stage(r.Exit.Exit)}
	if a.writer < 0 || a.writer >= 2*writers || a.stage < in || a.stage > out {
		return a, false
	}
	want, err := g.m.layout.Encode(a.record())
	return a, err == nil && r.Raw() == string(want)
}

// TestTogether checks that libc and this code can write the same files at the same time.
// Nothing is lost, nothing is torn, and nothing goes back in time.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		first := encode(t, m.layout, boot)
		g := &together{m: m, utmp: create(t, first), wtmp: create(t, first), sessions: 500, cleaned: make(map[moment]bool)}
		if m.slow {
			g.sessions = 200
		}
		// No layout is given: the boot record shows it.
		g.file, g.log = recfile.NewFile(g.utmp, m.options()), recfile.NewLog(g.wtmp, m.options())

		ctx, done := context.WithCancel(t.Context())
		var readers, all sync.WaitGroup
		readers.Go(func() { g.watch(t, ctx) })
		readers.Go(func() { g.libcWatches(t, ctx) })
		readers.Go(func() { g.clean(t, ctx) })
		readers.Go(func() { g.follow(t, ctx) })
		for w := range writers {
			all.Go(func() { g.libcWrites(t, w) })
			all.Go(func() { g.write(t, writers+w) })
		}
		all.Wait()
		done()
		readers.Wait()
		if !t.Failed() {
			g.checkFile(t)
			g.checkLog(t)
			t.Logf("%d sessions, %d of them cleaned in between", 2*writers*g.sessions, len(g.cleaned))
		}
	})
}

// life is everything that a writer writes, in order.
func (g *together) life(writer int) []utmpx.Record {
	var recs []utmpx.Record
	for s := 1; s <= g.sessions; s++ {
		recs = append(recs, moment{writer, s, in}.record(), moment{writer, s, out}.record())
	}
	return recs
}

func (g *together) libcWrites(t *testing.T, writer int) {
	var b []byte
	for _, r := range g.life(writer) {
		raw, err := g.m.layout.Encode(r)
		if err != nil {
			t.Error(err)
			return
		}
		b = append(b, raw...)
	}
	p, err := g.m.command("both", g.utmp, g.wtmp)
	if err == nil {
		_, err = p.in.Write(b)
		err = errors.Join(p.wait(), err)
	}
	if err != nil {
		t.Error(err)
	}
}

func (g *together) write(t *testing.T, writer int) {
	for _, r := range g.life(writer) {
		_, err := g.file.Put(t.Context(), r)
		if err == nil {
			err = g.log.Append(t.Context(), r)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// seen holds the last moment that a reader has seen of each writer.
type seen map[int]moment

// next processes the records of one pass over the utmpx file.
func (s seen) next(g *together, r utmpx.Record) error {
	a, ok := g.momentOf(r)
	if !ok {
		return fmt.Errorf("torn or foreign: %v", r)
	}
	if last, known := s[a.writer]; known && a.before(last) {
		return fmt.Errorf("%+v after %+v", a, last)
	}
	s[a.writer] = a
	return nil
}

// watch reads without locks. A finding counts if it persists under a lock.
func (g *together) watch(t *testing.T, ctx context.Context) {
	var prev *snapshot.Snapshot
	last := make(seen)
	for ctx.Err() == nil {
		s, err := g.file.Snapshot(prev)
		if err != nil {
			t.Error(err)
			return
		}
		var want []recfile.Swap
		for slot := range s.Changed(prev) {
			want = append(want, recfile.Swap{Slot: slot, Old: s.Record(slot)})
		}
		prev = s
		stands, err := g.file.Compare(t.Context(), s.Generation(), want)
		if err != nil {
			t.Error(err)
			return
		}
		for i, w := range want {
			if !stands[i] || w.Slot == 0 {
				continue
			}
			if err := last.next(g, w.Old); err != nil {
				t.Errorf("Snapshot: slot %d: %v", w.Slot, err)
				return
			}
		}
	}
}

// libcWatches reads what getutxent returns, in repeated passes.
func (g *together) libcWatches(t *testing.T, ctx context.Context) {
	p, err := g.m.command("watch", g.utmp)
	if err != nil {
		t.Error(err)
		return
	}
	stop := context.AfterFunc(ctx, func() { p.in.Close() })
	defer stop()
	defer func() {
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	}()
	last := make(seen)
	raw := make([]byte, g.m.layout.Size())
	for {
		if _, err := io.ReadFull(p.out, raw); err == io.EOF {
			return
		} else if err != nil {
			t.Error(err)
			return
		}
		r := g.m.layout.Decode(string(raw))
		if r.Type == utmpx.BootTime {
			continue
		}
		if err := last.next(g, r); err != nil {
			t.Errorf("getutxent: %v", err)
			return
		}
	}
}
