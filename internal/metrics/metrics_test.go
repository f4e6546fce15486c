// SPDX-License-Identifier: BSD-2-Clause

package metrics

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var update = flag.Bool("update", false, "write testdata/metrics")

func full() Sample {
	at := time.Date(2026, 11, 29, 5, 40, 0, 250e6, time.UTC)
	return Sample{
		Up: true, Written: at, Within: 90 * time.Second, Started: at.Add(-time.Hour), Version: `1.0"\` + "\n\xff",
		Sessions: []Count{{"watched", 12}, {"left", 2}}, Left: []Count{{"hidden", 1}, {"dry run", 1}}, Led: 3, Recorded: 4,
		Owed: 5, Waiting: 1, Hung: map[string]bool{"wtmpx": true}, Late: 1, Readable: true, Notices: true, Logged: true,
		Cleaned: 7, Logouts: 6, LostLogouts: 1, DelayedLocked: 2, DelayedFailed: 3, DroppedLines: 9, Scans: 100, FailedScans: 4,
		ClockSteps: 1, HasPipe: true, Requests: 10, BadRequests: 1,
		LastScan: at, LastHeartbeat: at, LastClean: at, LastClockStep: at, Crash: Crash{at.Add(-48 * time.Hour), at.Add(-47 * time.Hour)},
	}
}

func textOf(s Sample) []byte {
	var t Text
	s.AppendTo(&t)
	return t.Bytes()
}

// TestText checks the text against the file in testdata, and that Prometheus' own parser
// takes it.
func TestText(t *testing.T) {
	text := textOf(full())
	if *update {
		if err := os.WriteFile("testdata/metrics", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	hangs := families["utmpd_file_hangs"].GetMetric()
	if len(hangs) != 2 || hangs[0].GetGauge().GetValue() != 0 || hangs[1].GetGauge().GetValue() != 1 {
		t.Errorf("utmpd_file_hangs: %v", hangs)
	}
	if v := families["utmpd_cleaned_total"].GetMetric()[0].GetCounter().GetValue(); v != 7 {
		t.Errorf("utmpd_cleaned_total: %v", v)
	}
	if v := families["utmpd_build_info"].GetMetric()[0].GetLabel()[0].GetValue(); v != `1.0"\`+"\n\uFFFD" {
		t.Errorf("version: %q", v)
	}
}

// TestEmpty checks that what is not known is left out, and that the rest is there.
func TestEmpty(t *testing.T) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(textOf(Sample{})))
	if err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{
		"utmpd_up": true, "utmpd_cleaned_total": true, "utmpd_requests_total": false, "utmpd_valid_until_timestamp_seconds": false,
		"utmpd_last_clean_timestamp_seconds": false, "utmpd_last_crash_timestamp_seconds": false,
	} {
		if _, ok := families[name]; ok != there {
			t.Errorf("%s is there: %v", name, ok)
		}
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "x 0\n"}, {-3, "x -3\n"}, {1764394800.25, "x 1764394800.25\n"}, {1e18, "x 1e+18\n"},
	} {
		var text Text
		text.Value("x", c.v)
		if got := string(text.Bytes()); got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
}
