// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// harm is what damages the log of a world, and what it knows of the log's records.
type harm struct {
	rng      *rand.Rand     // of its own: worlds without damage stay as they are
	everyFew bool           // the log is damaged at times
	of       []span         // of which boots each record of the present file tells
	done     bool           // to the present file
	ever     bool           // to any
	next     bool           // the end of the log is damaged
	unseen   bool           // a record is made of two, and nothing shows that
	recs     []utmpx.Record // of the present file, before it was damaged
	nothing  bool           // is whole in the present file
}

func (h *harm) chance(in int) bool { return h.rng.IntN(in) == 0 }

// tells reports whether what utmpctl downtime says is about the damage. A file in which nothing
// is a record is refused.
func (h *harm) tells(errs string) bool {
	return h.ever && strings.Contains(errs, "are damaged") || h.nothing && strings.Contains(errs, "not session records")
}

// wrote notes records of those boots at the end of the present file.
func (h *harm) wrote(n, first, last int) {
	for range n {
		h.of = append(h.of, span{first, last})
	}
	if n > 0 {
		h.next, h.nothing = false, false
	}
}

// renewed notes that another file is the present one, with records of boots up to last.
func (h *harm) renewed(n, last int) {
	h.of, h.recs, h.done, h.nothing = nil, nil, false, false
	h.wrote(n, 0, last)
}

// wroteBehind notes what utmpctl appended to a file of that size.
func (w *world) wroteBehind(size int) {
	each := utmpx.Native().Size()
	at := (size + each - 1) / each * each // utmpctl fills up a part of a record
	n := (len(w.read("wtmp")) - at) / each
	w.harm.wrote(n, max(0, len(w.past)-max(2, n)), len(w.past)-1)
}

// cutsTail is what a C library does before it appends: it cuts off what is behind the last
// multiple of a record's size.
func (w *world) cutsTail() {
	size := len(w.read("wtmp"))
	if over := size % utmpx.Native().Size(); over != 0 {
		w.check(os.Truncate(w.path("wtmp"), int64(size-over)))
		w.count("log damaged: a C library cut a record off")
		w.tell("the last record is cut off")
		n := len(w.harm.of) - 1
		w.loses(n, n, w.harm.recs)
		_, seen := w.readsLog()
		w.harm.unseen = w.harm.unseen || !seen
	}
}

// damages damages the present file at random, but so that its bytes show it.
func (w *world) damages() {
	h, size := &w.harm, utmpx.Native().Size()
	log, n := w.read("wtmp"), len(h.of)
	if !h.everyFew || h.done || n == 0 || len(log) != n*size || !h.chance(6) {
		return
	}
	var how string
	var left []byte
	var first, last int // the records that are lost
	switch from := h.rng.IntN(len(log)); h.rng.IntN(4) {
	case 0:
		how = "a block of NULs"
		from = from / 128 * 128 // a file system's blocks begin and end at such places
		to := min(len(log), from+128*(1+h.rng.IntN(32)))
		left, first, last = nulled(log, from, to)
	case 1:
		how = "NULs at the end"
		left, first, last = nulled(log, from/128*128, len(log))
	case 2:
		how = "missing bytes at the start"
		left, first, last = cut(log, 0, from)
	case 3:
		how = "missing bytes"
		left, first, last = cut(log, from, min(len(log)-1, from+1+h.rng.IntN(5*size)))
	}
	if first > last || len(left)/size <= first {
		return // nobody could see it
	}
	w.count("log damaged: " + how)
	w.tell("the log is damaged: %s: records %d to %d of %d are lost", how, first, last, n)
	h.done, h.ever, w.copied = true, true, nil
	h.recs, h.nothing = records(log), first == 0 && last == n-1
	w.loses(first, last, h.recs)
	w.write("wtmp", left)
	w.readsRest(log, first, last)
}

// nulled returns a log with NULs from one byte to another, and which records that takes;
// the first is behind the last if it takes none.
func nulled(log []byte, from, to int) (left []byte, first, last int) {
	left, first, last = slices.Clone(log), len(log), -1
	clear(left[from:to])
	size := utmpx.Native().Size()
	for i := range len(log) / size {
		if !bytes.Equal(log[i*size:(i+1)*size], left[i*size:(i+1)*size]) {
			first, last = min(first, i), i
		}
	}
	return left, first, last
}

// cut returns a log without some bytes, and which records that takes.
func cut(log []byte, from, to int) (left []byte, first, last int) {
	size := utmpx.Native().Size()
	if from >= to || (to-from)%size == 0 {
		return log, 0, -1
	}
	return slices.Concat(log[:from], log[to:]), from / size, (to - 1) / size
}

func records(log []byte) (all []utmpx.Record) {
	size := utmpx.Native().Size()
	for ; len(log) >= size; log = log[size:] {
		all = append(all, utmpx.Native().Decode(string(log[:size])))
	}
	return all
}

// loses notes which boots the damage of those records touches, and what it takes of them.
func (w *world) loses(first, last int, recs []utmpx.Record) {
	h := &w.harm
	for i := max(0, first-1); i <= min(last+1, len(h.of)-1); i++ {
		s := h.of[i]
		if i == 0 {
			s.first = max(0, s.first-1)
		}
		for _, b := range w.past[s.first : s.last+1] {
			b.hurt = true
		}
	}
	h.next = h.next || last >= len(h.of)-1
	for i := first; i <= last && i < len(recs); i++ {
		kind := boots.KindOf(recs[i])
		s := h.of[i]
		for j := s.first; j <= s.last; j++ {
			b := w.past[j]
			of := s.first == s.last || w.isOf(line{From: recs[i].Time.Time(), Recorded: true}, span{j, j})
			switch {
			case kind.BeginsBoot() && of && (b.logged || b.entered):
				b.logged, b.gone = false, true
			case kind == boots.OldClock || kind == boots.NewClock:
				b.stepless = true
			}
		}
	}
}

// hidden reports whether a boot may be part of the line of the one before: the damage, or
// something else, has taken the record of its beginning.
func (b *trueBoot) hidden() bool { return b.gone || b.hurt && !b.logged }

// readsLog returns the records of the present file, and whether damage is seen there.
func (w *world) readsLog() (got []utmpx.Record, damaged bool) {
	f, err := logs.New(w.path("wtmp"), logs.Options{}).Open(w.t.Context(), w.path("wtmp"))
	if err != nil {
		return nil, true // nothing but damage
	}
	defer f.Close()
	for r, err := range f.Raw(0) {
		switch {
		case err == nil:
			got = append(got, r.Decode().Detach())
		case logs.IsDamage(err):
			damaged = true
		default:
			w.check(err)
		}
	}
	return got, damaged
}

// readsRest checks that every whole record is read.
func (w *world) readsRest(log []byte, first, last int) {
	all := records(log)
	want := slices.Concat(all[:first], all[last+1:])
	got, seen := w.readsLog()
	w.harm.unseen = w.harm.unseen || !seen
	missing := 0
	for i, r := range want {
		alone := first == 1 && i == 0 || last == len(all)-2 && i == len(want)-1
		if alone || r.Time.Time().Year() < 1980 {
			continue // beside damage, it is not beyond doubt
		}
		if !slices.Contains(got, r) {
			missing++
		}
	}
	if missing > 0 {
		w.broken("7: of %d whole records, %d are not read", len(want), missing)
	}

}

// wrongAcross returns what is wrong with a line that is several boots: nobody can know that,
// but it must not be told as one of which all is known.
func (w *world) wrongAcross(l line, s span) string {
	var up time.Duration
	tol := slack
	for _, b := range w.past[s.first : s.last+1] {
		if b.blind() {
			return ""
		}
		up += b.to.Sub(b.from)
		tol += b.late + b.unseenBits()
	}
	switch {
	case l.Exact:
		return "exact, across damage"
	case l.Up != nil && !l.UpLeast && l.End != "unknown":
		return "up across damage"
	case seconds2(l.Up) > up+tol:
		return fmt.Sprintf("up for %v across damage", up)
	}
	return ""
}
