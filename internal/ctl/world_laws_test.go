// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/boots"
)

// claims are what utmpctl downtime says.
type claims struct {
	Boots []line `json:"boots"`
	Total sum    `json:"total"`
}

// checkDowntime compares what utmpctl says with what is true.
func (w *world) checkDowntime() {
	if len(w.wrong) > 0 || w.harm.unseen {
		return
	}
	w.present().to = w.now
	out := w.utmpctl("downtime", "-json")
	if w.harm.ever && out == "" {
		return // damage is all that there is
	}
	var c claims
	w.check(json.Unmarshal([]byte(out), &c))
	w.count("downtime checked")
	paired, wrong := w.pair(c.Boots)
	for i, p := range paired {
		if p.first >= 0 && p.first == p.last {
			w.countJudged(c.Boots[i], w.past[p.first])
		}
		if p.first < p.last {
			w.count("lines that damage has made of several boots")
		}
	}
	wrong = append(wrong, w.sums(c, paired)...)
	if len(wrong) > 0 {
		w.tell("utmpctl downtime: pairs %v", paired)
		for _, l := range c.Boots {
			w.tell("  %s", l)
		}
		w.wrong = append(w.wrong, wrong...)
	}
}

// span is the true boots that a line is: several only if the log's damage has taken the
// records between them. None is -1.
type span struct{ first, last int }

// pair finds which true boots each line is, so that as little as possible is wrong.
func (w *world) pair(lines []line) (paired []span, wrong []string) {
	tally := w.tally
	w.tally = map[string]int{} // what is only tried is not counted
	paired = w.bestPairs(lines)
	w.tally = tally
	for i, s := range paired {
		if s.first < 0 {
			if !w.wentOn(lines[i]) {
				wrong = append(wrong, fmt.Sprintf("7: a boot that never was: %s", lines[i]))
			}
			continue
		}
		wrong = append(wrong, w.line(lines[i], s)...)
		if i+1 < len(paired) && paired[i+1].first >= 0 {
			wrong = append(wrong, w.down(lines[i], s.last, paired[i+1].first)...)
		}
	}
	return paired, wrong
}

// bestPairs is pair, without what is wrong.
func (w *world) bestPairs(lines []line) []span {
	type best struct {
		cost  int
		pairs []span
	}
	none := span{-1, -1}
	// at[j] is the best for the lines so far, if the last one that is any boot is boot j-1 at its
	// end; nil pairs: there is none.
	at := make([]*best, len(w.past)+1)
	at[0] = &best{}
	for i := range lines {
		next := make([]*best, len(w.past)+1)
		better := func(j, cost int, before *best, s span) {
			if next[j] == nil || cost < next[j].cost {
				next[j] = &best{cost, append(before.pairs[:i:i], s)}
			}
		}
		for k, before := range at {
			if before == nil {
				continue
			}
			never := 1000
			if w.wentOn(lines[i]) {
				never = 5
			}
			better(k, before.cost+never, before, none)
			for _, s := range w.spans(lines[i], k) {
				cost := before.cost + 10*len(w.line(lines[i], s)) + s.last - s.first
				if n := len(before.pairs); n > 0 && before.pairs[n-1].first >= 0 {
					cost += 10 * len(w.down(lines[i-1], k-1, s.first))
				}
				better(s.last+1, cost, before, s)
			}
		}
		at = next
	}
	least := at[0]
	for _, b := range at {
		if b != nil && b.cost < least.cost {
			least = b
		}
	}
	return least.pairs
}

// spans returns the true boots that a line may be, from boot k on.
func (w *world) spans(l line, k int) (may []span) {
	for last := k; last < len(w.past); last++ {
		for first := last; first >= k; first-- {
			if s := (span{first, last}); w.isOf(l, s) {
				may = append(may, s)
			}
			if !w.past[first].hidden() {
				break
			}
		}
	}
	return may
}

// wentOn reports whether a line is the rest of a boot that, as far as anybody knows, may have
// ended in the damage: nothing says when it began. Behind more damage it may go on with later
// boots of which the beginning is lost.
func (w *world) wentOn(l line) bool {
	if l.Recorded {
		return false
	}
	for i, b := range w.past {
		if !b.hurt || l.From.Before(b.wallFrom()) || l.From.After(b.wallTo().Add(slack)) {
			continue
		}
		last := b
		for _, c := range w.past[i+1:] {
			if !c.hidden() || !l.Damaged || l.Exact {
				break
			}
			last = c
		}
		if !l.To.After(last.wallTo().Add(slack)) {
			return true
		}
	}
	return false
}

// isOf reports whether a line may be boots, by when the first began.
func (w *world) isOf(l line, s span) bool {
	b := w.past[s.first]
	if l.End == "running" {
		return b == w.present()
	}
	for _, off := range b.offs {
		from, to := b.from.Add(off), b.to.Add(off)
		switch {
		case l.From.Before(from.Add(-slack)):
		case l.Recorded && !l.From.After(from.Add(b.late+slack)):
			return true
		case !l.Recorded && !l.From.After(to.Add(slack)):
			return true
		}
	}
	return false
}

// told reports whether something knows that the boot was shut down.
func (b *trueBoot) told() bool { return b.toldLog || b.toldNote }

func (b *trueBoot) wallFrom() time.Time { return b.from.Add(b.offs[0]) }

func (b *trueBoot) wallTo() time.Time { return b.to.Add(b.offs[len(b.offs)-1]) }

const slack = 5 * time.Second

// line returns what is wrong with a line that is those boots.
func (w *world) line(l line, s span) (wrong []string) {
	b, last := w.past[s.first], w.past[s.last]
	over := last != w.present()
	texts := []string{last.wrongEnd(l, over), last.wrongTime(l, over), b.wrongUp(l, over)}
	if s.first < s.last {
		texts = []string{last.wrongEnd(l, over), w.wrongAcross(l, s)}
	}
	for _, text := range texts {
		if text != "" {
			wrong = append(wrong, fmt.Sprintf("7: boot %d to %d: %s: %s", s.first, s.last, text, l))
		}
	}
	var slept time.Duration
	for _, b := range w.past[s.first : s.last+1] {
		slept += b.slept
	}
	if l.Slept != nil && seconds2(l.Slept) > slept+time.Second {
		wrong = append(wrong, fmt.Sprintf("7: boot %d: slept for %v: %s", s.last, slept, l))
	}
	return wrong
}

// wrongEnd returns what is wrong with how a boot is said to have ended. over is false of
// the present boot.
func (b *trueBoot) wrongEnd(l line, over bool) string {
	switch {
	case !over && l.End != "running" && l.End != "unknown":
		return "it goes on"
	case !over:
	case l.End == "running":
		return "it is over"
	case l.End == "shut down" && b.crashed:
		return "it crashed"
	// A clock that was never set does not tell which boot an end in 1970 is of.
	case l.End == "crashed" && !b.crashed && b.told() && l.To.Year() > 1970 && !(b.hurt && b.killed):
		return "it did not crash"
	}
	return ""
}

// wrongTime returns what is wrong with the time of an end that is called exact.
func (b *trueBoot) wrongTime(l line, over bool) string {
	late := b.wallTo().Sub(l.To)
	if l.Exact && over && !b.mistaken() && (late < -slack || late > seconds2(l.Within)+slack) {
		return fmt.Sprintf("exact, but it ended at %v", b.wallTo())
	}
	return ""
}

// wrongUp returns what is wrong with how long a boot is said to have been up.
func (b *trueBoot) wrongUp(l line, over bool) string {
	if l.Up == nil || over && b.blind() {
		return ""
	}
	up, truth := seconds2(l.Up), b.to.Sub(b.from)-b.slept
	tol := slack + b.late + b.unseenBits()
	most := truth + tol
	if l.Slept == nil {
		most += b.slept
	}
	if up > most {
		return fmt.Sprintf("up for %v, and not for %v", truth, up)
	}
	least := l.UpLeast || over && (!l.Exact || b.mistaken()) || l.Slept == nil
	if !least && truth > up+seconds2(l.Within)+tol {
		return fmt.Sprintf("up for %v, and not %v", truth, up)
	}
	return ""
}

// blind reports whether the clock was set, and nothing that is left shows that.
func (b *trueBoot) blind() bool { return b.stepless || b.unseen >= boots.Late && !b.counted }

// unseenBits are steps that may be the time between the start of the kernel and a record.
func (b *trueBoot) unseenBits() time.Duration { return min(b.unseen, boots.Late) }

// countJudged counts what the laws could judge of a line.
func (w *world) countJudged(l line, b *trueBoot) {
	if b.crashed && l.End == "crashed" {
		w.count("crashes: judged")
	}
	if l.Exact && !b.mistaken() {
		w.count("ends: judged, exact")
	}
	if l.Up != nil && !b.blind() {
		w.count("times up: judged")
	}
}

// mistaken reports whether what is left of b looks like a crash at another time: utmpd
// was killed before, or a shutdown was noted nowhere.
func (b *trueBoot) mistaken() bool { return b.killed || !b.crashed && !b.told() }

func seconds2(s *float64) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(*s * float64(time.Second))
}

// merged reports whether the record of a boot looks like a second one of the boot before
// or after it: that one was over at once, and the clock had not gone on.
func (w *world) merged(b *trueBoot) bool {
	i := slices.Index(w.past, b)
	for _, k := range [...]int{i, i + 1} {
		stands := w.clocks == clockSaved || w.clocks == clockEpoch
		if k > 0 && k < len(w.past) && (w.past[k-1].aborted || stands) &&
			w.past[k].wallFrom().Sub(w.past[k-1].wallFrom()).Abs() < 8*time.Second {
			return true
		}
	}
	return false
}

// mustShow reports whether something of a boot is left. One whose clock began in 1970
// may have no place in time, nor be told from another one.
func (w *world) mustShow(b *trueBoot) bool {
	if i := slices.Index(w.past, b); !b.logged && i > 0 && b.wallFrom().Before(w.past[i-1].wallTo()) {
		return false // by the clocks, there is no room for it in the log
	}
	if b.gone || w.asNext(b) {
		return false
	}
	return (b.entered || b.logged) && !w.merged(b) && (b.from.Add(b.offs[0]).Year() > 1970 || w.clocks != clockEpoch)
}

// asNext reports whether of a boot no more is left than the time at which utmpctl boot ran, and
// of the next one no more than its record: by these they may be one, if the clock was set between.
func (w *world) asNext(b *trueBoot) bool {
	i := slices.Index(w.past, b)
	return !b.logged && !b.counted && i+1 < len(w.past) && w.past[i+1].aborted && w.past[i+1].logged
}

// down returns what is wrong with the downtime between boots j and k, and with what is
// told of no boot between them.
func (w *world) down(l line, j, k int) (wrong []string) {
	for i := j + 1; i < k; i++ {
		if w.mustShow(w.past[i]) {
			wrong = append(wrong, fmt.Sprintf("7: boot %d is missing after %s", i, l))
		}
		w.count("boots of which nothing is left")
	}
	if k != j+1 {
		if gone := func(b *trueBoot) bool { return b.gone || w.asNext(b) }; l.Down != nil && l.Exact && !l.DownMost && slices.ContainsFunc(w.past[j+1:k], gone) {
			wrong = append(wrong, fmt.Sprintf("7: boot %d: down across what is lost: %s", j, l))
		}
		return wrong
	}
	b := w.past[j]
	if b.crashed && l.End != "crashed" && (b.entered || b.logged) && !b.hurt {
		wrong = append(wrong, fmt.Sprintf("7: boot %d: the crash is lost: %s", j, l))
	}
	if text := w.wrongDown(l, b, w.past[k]); text != "" {
		wrong = append(wrong, fmt.Sprintf("7: boot %d: %s: %s", j, text, l))
	}
	return wrong
}

// wrongDown returns what is wrong with how long the system is said to have been down
// between two boots.
func (w *world) wrongDown(l line, b, next *trueBoot) string {
	if l.Down == nil {
		return ""
	}
	early := !w.present().entered && next.unseen >= boots.Late // the ledger does not have it yet
	if b.blind() || (next.blind() || early) && next != w.present() || (b.wallTo().Sub(b.to)-next.wallTo().Sub(next.to)).Abs() > time.Second {
		w.count("downtime between clocks of which nobody knows how they differ")
		return ""
	}
	w.count("times down: judged")
	truth, down := next.from.Sub(b.to), seconds2(l.Down)
	tol := slack + next.late + next.unseenBits()
	switch {
	case truth > down+tol:
		return fmt.Sprintf("down for %v", truth)
	case l.Exact && !l.DownMost && !b.mistaken() && truth < down-seconds2(l.Within)-tol:
		return fmt.Sprintf("down for %v only", truth)
	}
	return ""
}

func (l line) String() string {
	b, _ := json.Marshal(l)
	return string(b)
}

// sums returns what is wrong with the sums, where the clock was right and every boot is
// known: what is surely up and down, and what may be either, hold the truth.
func (w *world) sums(c claims, paired []span) (wrong []string) {
	if n := len(paired); w.clocks != clockRight || n == 0 || paired[n-1].last != len(w.past)-1 || c.Boots[n-1].End != "running" {
		return nil
	}
	up, down, tol, ok := w.truth(c, paired)
	if !ok {
		return nil
	}
	w.count("sums: judged")
	unknown := seconds2(&c.Total.Unknown)
	for _, s := range []struct {
		what        string
		told, truth time.Duration
	}{{"up", seconds2(&c.Total.Up), up}, {"down", seconds2(&c.Total.Down), down}} {
		if s.told > s.truth+tol || s.truth > s.told+unknown+tol {
			wrong = append(wrong, fmt.Sprintf("7: sum: %s %v, unknown %v, and in truth %v", s.what, s.told, unknown, s.truth))
		}
	}
	return wrong
}

// truth returns how long the system was up and down in all, and how much of that may lie
// elsewhere. ok is false if too little is known.
func (w *world) truth(c claims, paired []span) (up, down, tol time.Duration, ok bool) {
	for i, s := range paired {
		if s.first < 0 || i > 0 && s.first != paired[i-1].last+1 {
			return 0, 0, 0, false
		}
		for j := s.first; j <= s.last; j++ {
			b := w.past[j]
			if !b.known(c.Boots[i], w) {
				return 0, 0, 0, false
			}
			up += b.to.Sub(b.from) - b.slept
			tol += slack + b.late
			if i > 0 || j > s.first {
				down += b.from.Sub(w.past[j-1].to)
			}
		}
	}
	return up, down, tol, true
}

// known reports whether enough is known of a boot for the sums.
func (b *trueBoot) known(l line, w *world) bool {
	return (b.slept == 0 || l.Slept != nil) && (!b.mistaken() || b == w.present()) && (!b.hurt || l.Recorded)
}
