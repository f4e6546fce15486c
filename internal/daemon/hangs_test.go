// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/logging"
)

// TestSlowDiskIsBounded: a disk on which each sync takes longer than a call may does not fill
// the log, and the lines of one file are not taken from the other's.
func TestSlowDiskIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		d := &daemon{inputs: make(chan []input), done: make(chan struct{})}
		close(d.done) // nobody takes what is for the status
		d.reading = &reading{log: log, toggles: logging.NewLimiter(log, toggleMost, hourPeriod)}
		for range 900 { // an hour, but for the instant in which the next one begins
			d.fileHangs("wtmpx", time.Now(), "records are marked without it")
			time.Sleep(3*time.Second - time.Millisecond)
			d.fileHangs("wtmpx", time.Time{}, "")
			time.Sleep(time.Second)
		}
		d.fileHangs("utmpx", time.Now(), "no record is marked until it does")
		d.reading.toggles.Close()
		if n := strings.Count(out.String(), "file=wtmpx"); n != 2*toggleMost {
			t.Errorf("%d lines in an hour, want %d", n, 2*toggleMost)
		}
		if n := strings.Count(out.String(), "suppressed=890"); n != 2 {
			t.Errorf("%d sums name what was left out:\n%s", n, out.String())
		}
		if !strings.Contains(out.String(), "file=utmpx") || !strings.Contains(d.hangs.String(), "utmpx since") {
			t.Errorf("the other file is not named; the status: %q", d.hangs.String())
		}
	})
}
