// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"container/heap"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// grace has the sessions that wait: for the end of their grace, or for the next try. It
// gives them out by the time that they wait for.
type grace struct{ heap dueHeap }

// beginGrace starts the grace of a session whose process has ended: its owner has
// GRACE_PERIOD to clean up. A death that an earlier run saw keeps its time.
func (t *Table) beginGrace(s *entry, seen bool) {
	if s.source == &t.waits {
		t.waited(s, seen)
		return
	}
	s.died, s.diedUp = t.now.Mono, t.now.Up
	if seen {
		s.last = t.now.Mono
	}
	if s.end == 0 {
		s.end, s.exact = wallOf(t.now.Wall), seen
		s.relabel(t.now)
	}
	t.report(session.Dying{Record: s.record(), End: s.end.time()})
	t.wait(s, t.now.Mono+t.set.Grace)
}

// wait has a session taken up again at due.
func (t *Table) wait(s *entry, due time.Duration) {
	t.setState(s, dying)
	s.due = due
	heap.Push(&t.grace.heap, s)
}

// graceOver goes on with a session that has waited long enough.
func (t *Table) graceOver(s *entry) {
	if s.alone {
		t.waits.due = append(t.waits.due, s)
		return
	}
	t.goOnDead(s)
}

// goOnDead asks for the evidence about a session, or cleans it if there is none to ask
// for.
func (t *Table) goOnDead(s *entry) {
	if q, any := t.question(s); any {
		t.gather(s, q)
		return
	}
	t.noLonger(s)
}

// pop returns the next session whose time has come, nil if there is none.
func (g *grace) pop(now time.Duration) *entry {
	if len(g.heap) == 0 || g.heap[0].due > now {
		return nil
	}
	return heap.Pop(&g.heap).(*entry)
}

// next returns when the first of the sessions wants to be taken up.
func (g *grace) next() (due time.Duration, ok bool) {
	if len(g.heap) == 0 {
		return 0, false
	}
	return g.heap[0].due, true
}

// remove takes a session out.
func (g *grace) remove(s *entry) {
	if s.index >= 0 {
		heap.Remove(&g.heap, int(s.index))
	}
}

// shorten applies a GRACE_PERIOD that is shorter now to the sessions that wait.
func (g *grace) shorten(now, period time.Duration) {
	for _, s := range g.heap {
		s.due = min(s.due, max(now, s.died+period))
	}
	heap.Init(&g.heap)
}

// dueHeap orders sessions by the time they wait for, and of one time by their keys.
type dueHeap []*entry

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].key < h[j].key
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

// Push is for container/heap.
func (h *dueHeap) Push(x any) {
	s := x.(*entry)
	s.index = int32(len(*h))
	*h = append(*h, s)
}

// Pop is for container/heap.
func (h *dueHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.index = -1
	return s
}
