// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestBusyLinesNotKept: with KEEP_BUSY_LINES=no a record goes with its ut_pid,
// though the shell on its line lives.
func TestBusyLinesNotKept(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t, "KEEP_BUSY_LINES=no")
	s := loginC(t)
	w := &dweller{entry: s.entry}
	died := death{from: time.Now()}
	kill("the program", server).do(t, s)
	waitFor(t, generous, "the program's death", func() bool { return !alive(s.server) })
	died.to = time.Now()
	w.mustGo(t, died)
	if !alive(s.shell) {
		t.Error("the shell has not outlived the program")
	}
}

// TestDisplayLine: the record of an X display whose process ended right away is
// sessreg's, and its session lives.
func TestDisplayLine(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	w, sentinel := dwell(t, ":0"), dwell(t, "x/1")
	w.watched(t, d)
	w.kill(t)
	sentinel.mustGo(t, sentinel.kill(t))
	settle(t)
	w.mustStand(t)
}

// TestMoreThanMaxFDs: sessions beyond MAX_FDS are judged at each scan, and the
// status tells how many those are.
func TestMoreThanMaxFDs(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t, "MAX_FDS=1", "SCAN_PERIOD=1")
	all := []*dweller{dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")}
	waitFor(t, generous, "the status to tell of 2 unwatched sessions", func() bool {
		b, _ := os.ReadFile("/run/utmpd/status")
		return strings.Contains(string(b), "\nunwatched: 2\n")
	})
	lives := dwell(t, "x/4")
	for _, w := range all {
		died := w.kill(t)
		// Who was not watched has its end when it is found.
		waitFor(t, generous, "who to show "+w.entry.Line+" no more", func() bool { return !whoShows(t, w.entry.Line) })
		died.to = time.Now()
		w.mustGo(t, died)
	}
	lives.mustStand(t)
}

// TestManyRecordsOfOneProcess: a tmux server owns the entries of all its
// windows; a window's end is its own affair, the server's end is utmpd's.
func TestManyRecordsOfOneProcess(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t)
	s := loginMultiplexer(startTmux)(t)
	windows := []*dweller{{entry: s.entry}}
	for range 3 {
		before := entries(t)
		s.tm.typeln(t, "tmux new-window")
		windows = append(windows, &dweller{entry: awaitEntry(t, before, "a tmux window")})
		s.tm.ready(t)
	}
	died := death{from: time.Now()}
	kill("a window's shell", shell).do(t, s)
	waitFor(t, generous, "tmux to log its window out", func() bool { return !whoShows(t, s.entry.Line) })
	for _, w := range windows[1:] {
		w.mustStand(t)
	}
	kill("the server", server).do(t, s)
	waitFor(t, generous, "the server's death", func() bool { return !alive(s.server) })
	died.to = time.Now()
	for _, w := range windows[1:] {
		w.mustGo(t, died)
	}
	if got := logouts(t, s.entry); got != 1 {
		t.Errorf("wtmp holds %d logouts for the window that ended by itself", got)
	}
}
