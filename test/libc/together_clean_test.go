// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"context"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// clean marks the sessions that it finds as dead, whoever wrote them, and appends a logout if
// the login is open in the log.
func (g *together) clean(t *testing.T, ctx context.Context) {
	var prev *snapshot.Snapshot
	wtmp := openlogins.New(g.wtmp, g.m.options())
	for ctx.Err() == nil {
		s, err := g.file.Snapshot(prev)
		if err != nil {
			t.Error(err)
			return
		}
		var swaps []recfile.Swap
		for slot := range s.Changed(prev) {
			if a, ok := g.momentOf(s.Record(slot)); ok && a.stage == in {
				swaps = append(swaps, recfile.Swap{Slot: slot, Old: s.Record(slot), New: moment{a.writer, a.session, cleaned}.record()})
			}
		}
		prev = s
		done, err := g.file.Swap(t.Context(), s.Generation(), swaps)
		if err != nil {
			t.Error(err)
			return
		}
		for i, swap := range swaps {
			if done[i] && !g.logout(t, wtmp, swap) {
				return
			}
		}
	}
}

// logout appends the logout if the login is the last of its line.
func (g *together) logout(t *testing.T, wtmp *openlogins.Log, swap recfile.Swap) bool {
	a, _ := g.momentOf(swap.Old)
	err := wtmp.Append(t.Context(), func(logins *openlogins.Logins) []utmpx.Record {
		last, open := logins.On(swap.Old.Line)
		if !open || last.Time != swap.Old.Time {
			return nil
		}
		a.stage = cleaned
		g.mu.Lock()
		defer g.mu.Unlock()
		g.cleaned[a] = true
		return []utmpx.Record{swap.New}
	})
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// follow reads the log continuously while it grows. It must find every record, in the final
// order.
func (g *together) follow(t *testing.T, ctx context.Context) {
	var found []byte
	var read logs.Position
	log := logs.New(g.wtmp, logs.Options{})
	for last := false; !last; {
		last = ctx.Err() != nil
		for e, err := range log.From(t.Context(), read) {
			if err != nil {
				t.Error(err)
				return
			}
			found = append(found, e.Raw()...)
			read = e.Position()
		}
	}
	sameBytes(t, g.m.layout, "log as followed", found, content(t, g.wtmp))
}

// checkFile checks that the file holds the last record of each writer, and no other.
func (g *together) checkFile(t *testing.T) {
	s, err := g.file.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 1+2*writers {
		t.Errorf("utmpx holds %d records, want %d", s.Len(), 1+2*writers)
	}
	last := make(map[moment]bool)
	for slot, r := range s.All() {
		a, ok := g.momentOf(r)
		if slot > 0 && (!ok || a.session != g.sessions || a.stage != out) {
			t.Errorf("slot %d ends as %v", slot, r)
		}
		last[a] = true
	}
	if len(last) != s.Len() {
		t.Errorf("a writer has two records: %v", last)
	}
}

// checkLog checks that the log holds every record once, those of each writer in order, and
// each logout of the cleaner between its login and the writer's own logout. libc, and this
// code forward and backward, must read the same.
func (g *together) checkLog(t *testing.T) {
	raw := content(t, g.wtmp)
	sameBytes(t, g.m.layout, "getutxent", g.m.feed(t, nil, "all", g.wtmp), raw)
	var forward, backward []utmpx.Record
	for e, err := range logs.New(g.wtmp, logs.Options{}).Forward(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		forward = append(forward, e.Record)
	}
	for e, err := range logs.New(g.wtmp, logs.Options{}).Backward(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		backward = append(backward, e.Record)
	}
	slices.Reverse(backward)
	sameBytes(t, g.m.layout, "Forward", rawOf(forward), raw)
	sameBytes(t, g.m.layout, "Backward", rawOf(backward), raw)

	lives := make([][]moment, 2*writers)
	for _, r := range forward[1:] {
		a, ok := g.momentOf(r)
		if !ok {
			t.Fatalf("torn or foreign: %v", r)
		}
		lives[a.writer] = append(lives[a.writer], a)
	}
	for w, life := range lives {
		var want []moment
		for s := 1; s <= g.sessions; s++ {
			want = append(want, moment{w, s, in})
			if g.cleaned[moment{w, s, cleaned}] {
				want = append(want, moment{w, s, cleaned})
			}
			want = append(want, moment{w, s, out})
		}
		if !slices.Equal(life, want) {
			t.Errorf("writer %d's records in the log: %v, want %v", w, life, want)
		}
	}
}

func rawOf(recs []utmpx.Record) (b []byte) {
	for _, r := range recs {
		b = append(b, r.Raw()...)
	}
	return b
}
