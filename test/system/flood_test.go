// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestFloodOfEnds writes 65,000 records of sessions that never were, as a member of group
// utmp can. utmpd marks them, but they do not fill the log, and what alice's session says
// there is not lost among them.
func TestFloodOfEnds(t *testing.T) {
	if !enterAlone(t, bookworm) {
		return
	}
	const many = 65000
	d := startUtmpd(t)
	real := dwell(t, "x/real")
	real.watched(t, d)
	all := make([]utmpx.Record, many)
	for i := range all {
		all[i] = user(fmt.Sprint("f/", i), 3_000_000+i)
		all[i].User = fmt.Sprint("ghost", i)
	}
	appendRecords(t, utmpFile, all...)
	d.waitLog(t, "session ended", "line=f/")
	died := real.kill(t)
	d.waitLog(t, "session ended", "line=x/real ")
	waitFor(t, generous, "the last record to be marked", func() bool {
		return slot(t, many).Type == utmpx.DeadProcess
	})
	real.mustGo(t, died)
	statusSays(t, "dying: 0")
	d.stop(t)
	lines, summed := 0, 0
	for line := range strings.Lines(d.logged()) {
		if n := 0; strings.Contains(line, "more than are logged one by one") {
			fmt.Sscanf(line[strings.Index(line, "sessions="):], "sessions=%d", &n)
			summed += n
		} else if strings.Contains(line, "session ended") {
			lines++
		}
	}
	t.Logf("%d lines, %d sessions in sums", lines, summed)
	if lines > 1100 || lines+summed != many+1 {
		t.Errorf("%d lines and %d sessions in sums, want at most 1100, and %d in all", lines, summed, many+1)
	}
}
