// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// TestLeftAloneIsBounded: a file full of records that are left alone does not
// fill the log, which says how many lines it leaves out.
func TestLeftAloneIsBounded(t *testing.T) {
	var out bytes.Buffer
	p := newLogSink(slog.New(slog.NewTextHandler(&out, nil)))
	for range 1000 {
		p.report(table.Report{Kind: table.Left, Record: utmpx.Record{Line: "pts/0"}, Reason: "its record names no process"})
	}
	p.report(table.Report{Kind: table.Ended, Record: utmpx.Record{Line: "pts/1"}})
	p.close()
	if got := strings.Count(out.String(), "\n"); got != leftMost+2 {
		t.Errorf("%d lines", got)
	}
	for _, want := range []string{"suppressed=900", `"session ended"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing with %s", want)
		}
	}
}
