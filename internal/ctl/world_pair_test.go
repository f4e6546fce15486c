// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWorldPairs lets three boots begin at one second, by a clock without a battery: which of
// them a line is shows only in what would be wrong with it.
func TestWorldPairs(t *testing.T) {
	from := time.Date(2030, 3, 1, 8, 0, 0, 0, time.UTC)
	fixed := time.Date(2023, 7, 10, 21, 44, 34, 0, time.UTC)
	w := &world{clocks: clockFixed, tally: map[string]int{}}
	for i := range 3 {
		b := &trueBoot{from: from.Add(time.Duration(i) * 10 * time.Hour), crashed: true, entered: true, logged: true}
		b.to = b.from.Add(time.Duration(i+1) * time.Hour)
		b.offs = []time.Duration{fixed.Sub(b.from)}
		w.past = append(w.past, b)
	}
	first, second := line{From: fixed, Recorded: true, End: "crashed"}, line{From: fixed, Recorded: true, End: "crashed"}
	running := line{From: fixed, Recorded: true, End: "running"}
	for _, tt := range []struct {
		name  string
		lines []line
		want  []span
		wrong int
	}{
		{"the log begins with the second boot", []line{second, running}, []span{{1, 1}, {2, 2}}, 0},
		{"all", []line{first, second, running}, []span{{0, 0}, {1, 1}, {2, 2}}, 0},
		{"one told twice", []line{first, second, second, running}, []span{{0, 0}, {1, 1}, {-1, -1}, {2, 2}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, wrong := w.pair(tt.lines)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(span{})); diff != "" && tt.wrong == 0 {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
			if len(wrong) != tt.wrong {
				t.Errorf("%d wrong, want %d: %q", len(wrong), tt.wrong, wrong)
			}
		})
	}
}
