// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestStartTellsOfDamage: what is wrong with the wtmpx file is said at the start.
func TestStartTellsOfDamage(t *testing.T) {
	l := utmpx.Native()
	r, err := l.Encode(utmpx.Record{Type: utmpx.UserProcess, PID: 4711, Line: "pts/1", User: "alice", Time: utmpx.Time{Sec: 1_780_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	torn := string(r) + string(r) + string(r[:100]) + string(r) + string(r)
	for content, want := range map[string]string{
		torn:                              "is damaged; what is around the damage is read",
		strings.Repeat("no record\n", 99): "the wtmpx file cannot be read",
		string(r) + string(r):             "",
	} {
		var out bytes.Buffer
		files := simfile.New()
		files.WriteFile("/wtmp", []byte(content))
		d := &daemon{log: logger{Logger: slog.New(slog.NewTextHandler(&out, nil))}, wtmpx: recfile.NewLog("/wtmp", recfile.Options{System: files})}
		d.on.files, d.cfg.WtmpxFile = files, "/wtmp"
		d.logDamage()
		if got := out.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
