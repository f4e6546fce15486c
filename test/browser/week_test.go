// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package browser

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"testing"
	"time"
)

// realWeek is the log of a whole machine that lived a week of its own time: see TestWeek of
// test/vm.
//
//go:embed testdata/week.wtmp.gz
var realWeek []byte

var monday = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)

// TestRealWeek looks at the page of a week that a real system, sshd, login and utmpd wrote,
// at two widths, light and dark, and on paper.
func TestRealWeek(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(realWeek))
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	name, span := reportOf(t, log, monday, monday.AddDate(0, 0, 7))
	for _, width := range []int{1400, 400} {
		b := open(t, name, width)
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprint(width, "-", scheme), func(t *testing.T) {
				b.t = t
				b.prefers(scheme)
				b.quiet()
				b.fits()
				b.legible()
				b.tidy()
				b.drawn(b.picture(fmt.Sprint("week-", width, "-", scheme), true), span, monday, monday.AddDate(0, 0, 7), 40)
			})
		}
		b.t = t
		if width == 1400 {
			file := b.printed("week")
			b.onPaper(file, span, 20, "Time line", "Who was on when", "crash, +1m00s", "198.51.100.7")
			paper(t, file, 1)
		}
	}
}

// tidy holds that a table that scrolls has rows of one line, and a caption in the window.
func (b *browser) tidy() {
	b.t.Helper()
	var tall []string
	b.eval(`[...document.querySelectorAll('.wide tbody tr')].filter(e => e.getBoundingClientRect().height > 40).map(e => e.textContent)
		.concat([...document.querySelectorAll('.wide caption')].filter(e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().right > innerWidth }).map(e => e.textContent))`, &tall)
	if len(tall) > 0 {
		b.t.Errorf("wrapped, or cut off: %q", tall)
	}
}
