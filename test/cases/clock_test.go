// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"math"
	"slices"
	"testing"
	"time"
)

// TestClockOf1970 has machines without a clock of their own. The network sets it a
// minute after each boot, unless power fails before.
func TestClockOf1970(t *testing.T) {
	day := func(d string) []rec {
		return []rec{boot(time.Unix(12, 0)), runlevel(time.Unix(20, 0)), login("debian", "pts/0", 900, on(d+" 08:10:00")), logout("pts/0", 900, on(d+" 09:00:00")), shutdown(on(d + " 16:49:00"))}
	}
	short := []rec{boot(time.Unix(12, 0)), runlevel(time.Unix(20, 0))}
	for _, test := range []struct {
		name string
		log  []rec
	}{
		{"every boot", slices.Concat(day("2016-06-28"), day("2016-06-29"), day("2016-06-30"))},
		{"one without network", slices.Concat(day("2016-06-28"), short, day("2016-06-29"), day("2016-06-30"))},
		{"the first without network", slices.Concat(short, day("2016-06-28"), day("2016-06-29"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			h, _ := logOf(t, x86.bytes(test.log...))
			if h.Total.From.Before(on("2016-06-28 00:00:00")) {
				t.Errorf("the sum begins %v", h.Total.From)
			}
			h.plausible(t, 3*24*time.Hour)
		})
	}
}

// plausible checks that no boot was up for longer than most, and that the sum adds up to
// what it spans.
func (h history) plausible(t *testing.T, most time.Duration) {
	t.Helper()
	for _, b := range h.Boots {
		if b.Up != nil && *b.Up > most.Seconds() || b.Up != nil && *b.Up < 0 || b.Down != nil && *b.Down < 0 {
			t.Errorf("the boot of %v: up %v, down %v", b.From, seconds(b.Up), seconds(b.Down))
		}
	}
	if sum := h.Total.Up + h.Total.Down + h.Total.Unknown; sum > most.Seconds() {
		t.Errorf("the sum is of %v", time.Duration(sum*1e9))
	}
}

// TestFixedEpoch has machines whose clock begins at the same second at every boot.
func TestFixedEpoch(t *testing.T) {
	const epoch = "2023-07-10 21:44:34"
	run := func(first, last string) []rec {
		return []rec{boot(on(epoch)), runlevel(on(first)), login("carol", ":0", 2266, on(first).Add(7*time.Second)), shutdown(on(last))}
	}
	both := slices.Concat(run("2023-07-30 14:49:59", "2023-08-20 10:00:00"), run("2023-08-20 10:01:00", "2023-08-31 10:00:00"))
	year2000 := []rec{boot(on("2000-01-01 00:00:10")), runlevel(on("2024-11-20 10:00:00")), login("alice", "pts/0", 1000, on("2024-11-20 10:05:00")), logout("pts/0", 1000, on("2024-11-20 11:00:00")), shutdown(on("2024-11-20 12:00:00"))}
	for _, test := range []struct {
		name string
		log  []rec
		most time.Duration
	}{
		{"the system's build date", slices.Concat([]rec{shutdown(on("2023-07-30 14:43:16"))}, both), 33 * 24 * time.Hour},
		{"after a rotation", both, 33 * 24 * time.Hour},
		{"the year 2000", year2000, 3 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			h, _ := logOf(t, x86.bytes(test.log...))
			for _, b := range h.Boots {
				if b.Up != nil && *b.Up > test.most.Seconds() {
					t.Errorf("the boot of %v: up %v", b.From, seconds(b.Up))
				}
			}
			if h.Total.Up > test.most.Seconds() {
				t.Errorf("up %v in all", seconds(&h.Total.Up))
			}
		})
	}
}

// TestWholeBootBehind has a boot between two others whose clock was behind throughout.
func TestWholeBootBehind(t *testing.T) {
	for name, at := range map[string]string{
		"a build date": "2023-07-10 21:44:34", "the year 2000": "2000-01-01 00:00:10", "a day": "2024-11-18 12:00:00", "two hours": "2024-11-19 17:00:00",
	} {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			began := on(at)
			behind := []rec{boot(began), runlevel(began.Add(9 * time.Second)), login("a", "pts/0", 1000, began.Add(10*time.Minute)), shutdown(began.Add(time.Hour))}
			h, _ := logOf(t, x86.bytes(slices.Concat(day("2024-11-18"), day("2024-11-19"), behind, day("2024-11-21"))...))
			b := h.from(t, at)
			if *b.Exact || b.Down != nil && !b.Most {
				t.Errorf("exact %v, down %v, at most: %v", *b.Exact, seconds(b.Down), b.Most)
			}
			all := 82 * time.Hour
			if sum := h.Total.Up + h.Total.Down + h.Total.Unknown; sum != all.Seconds() || h.Total.Down > 14*3600 {
				t.Errorf("down %v of %v, want 14h of %v", seconds(&h.Total.Down), seconds(&sum), all)
			}
		})
	}
}

// TestClockInLocalTime has a machine whose clock is two hours ahead until the network
// sets it, after the record of the boot.
func TestClockInLocalTime(t *testing.T) {
	d := func(s string) time.Time { return on("2024-11-20 " + s) }
	ahead := []rec{
		boot(d("08:00:00")), runlevel(d("08:00:10")), login("alice", "pts/0", 1000, d("08:10:00")), logout("pts/0", 1000, d("09:55:00")), shutdown(d("10:00:00")),
		boot(d("12:01:00")), runlevel(d("10:01:10")), login("alice", "pts/0", 1100, d("10:05:00")), logout("pts/0", 1100, d("10:29:00")), shutdown(d("10:30:00")),
		boot(d("12:31:00")), runlevel(d("10:31:10")), login("alice", "pts/0", 1200, d("10:35:00")), logout("pts/0", 1200, d("16:00:00")), shutdown(d("16:30:00")),
	}
	if !enter(t) {
		return
	}
	h, _ := logOf(t, x86.bytes(ahead...))
	for i, b := range h.Boots {
		if b.Down != nil && *b.Down > 3600 {
			t.Errorf("down %v after boot %d, truly a minute", seconds(b.Down), i+1)
		}
	}
	if h.Total.Down > 600 || h.Total.Up > 8.5*3600 {
		t.Errorf("in all: up %v, down %v, truly 8h28m and 2m", seconds(&h.Total.Up), seconds(&h.Total.Down))
	}
	if h.Total.Most == nil || *h.Total.Most < 0.9 {
		t.Errorf("available at most %v, truly 0.996", h.Total.Most)
	}
}

// TestSavedClock has a machine whose clock goes on at a boot where the last shutdown
// saved it. The running boot is eight hours shorter than its record says.
func TestSavedClock(t *testing.T) {
	if !enter(t) {
		return
	}
	b := machineBoot(t)
	wrong := b.Add(-8*time.Hour + 20*time.Second)
	var log []rec
	for _, days := range []int{2, 1} {
		began := b.AddDate(0, 0, -days)
		log = append(log, boot(began.Add(-8*time.Hour+20*time.Second)), login("pi", "pts/0", 900, began.Add(2*time.Minute)), logout("pts/0", 900, began.Add(time.Hour)), shutdown(began.Add(16*time.Hour)))
	}
	log = append(log, boot(wrong), login("pi", "pts/0", 901, b.Add(time.Minute)))
	w := newWorld(t, x86.bytes(boot(wrong)), x86.bytes(log...))
	h, _ := downtime(t, "-config", w.conf)
	running := h.Boots[len(h.Boots)-1]
	if running.Up == nil || math.Abs(*running.Up-time.Since(b).Seconds()) > 120 {
		t.Errorf("the running boot is up %v, the kernel says %v", seconds(running.Up), time.Since(b))
	}
	up := time.Since(b) + 2*16*time.Hour
	truth := up.Seconds() / (time.Since(b) + 2*24*time.Hour).Seconds()
	if h.Total.Least == nil || h.Total.Most == nil {
		t.Fatal("no availability")
	}
	// From 0 to 1 would be true, and no answer.
	if *h.Total.Least > truth || *h.Total.Most < truth || *h.Total.Least < truth-0.5 || *h.Total.Most-*h.Total.Least > 0.75 {
		t.Errorf("available %v to %v, truly %v", seconds(h.Total.Least), seconds(h.Total.Most), truth)
	}
}
