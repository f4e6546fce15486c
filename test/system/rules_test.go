// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestBusyLinesNotKept checks that with KEEP_BUSY_LINES=no a record is cleaned when
// its ut_pid dies, even if the shell on its line lives.
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

// TestDisplayLine checks an X display record whose process ended right away. sessreg
// wrote it, and its session lives.
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

// TestMoreThanMaxFDs checks that sessions beyond MAX_FDS are judged at each scan, and
// that the status shows their number.
func TestMoreThanMaxFDs(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	startUtmpd(t, "MAX_FDS=1", "SCAN_PERIOD=1")
	all := []*dweller{dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")}
	waitFor(t, generous, "the status to show 2 unwatched sessions", func() bool {
		b, _ := os.ReadFile("/run/utmpd/status")
		return strings.Contains(string(b), "\nunwatched: 2\n")
	})
	lives := dwell(t, "x/4")
	for _, w := range all {
		died := w.kill(t)
		// An unwatched session ends at the time at which it was found dead.
		waitFor(t, generous, "who to stop showing "+w.entry.Line, func() bool { return !whoShows(t, w.entry.Line) })
		died.to = time.Now()
		w.mustGo(t, died)
	}
	lives.mustStand(t)
}

// TestManyRecordsOfOneProcess checks a tmux server, which owns the entries of all its
// windows. tmux records the end of a window, utmpd the end of the server.
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
