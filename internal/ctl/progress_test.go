// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestProgress: it shows itself after a second, then five times a second at most, and
// erases its line.
func TestProgress(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(0, 0)
	p := &progress{w: &out, what: "check wtmp", total: 200, next: clock.Add(time.Second), now: func() time.Time { return clock }}
	for n := range int64(200) {
		p.at(n)
		clock = clock.Add(10 * time.Millisecond)
	}
	p.end()
	const want = "\r\x1b[Kcheck wtmp: 50 %\r\x1b[Kcheck wtmp: 60 %\r\x1b[Kcheck wtmp: 70 %\r\x1b[Kcheck wtmp: 80 %\r\x1b[Kcheck wtmp: 90 %\r\x1b[K"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestProgressQuiet: nothing is shown where standard error is no terminal, or of work that
// is soon done.
func TestProgressQuiet(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if p := (call{stderr: w, on: machine{now: time.Now}}).progress("check wtmp", 1000); p.w != nil {
		t.Error("it shows itself in a pipe")
	}
	var out strings.Builder
	p := &progress{w: &out, what: "check wtmp", total: 10, next: time.Now().Add(time.Hour), now: time.Now}
	p.at(5)
	p.end()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}
