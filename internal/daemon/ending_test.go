// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/table"
)

// reported is a sink that counts.
type reported struct{ ended int }

func (s *reported) report(r session.Report) {
	if _, ok := r.(session.Ended); ok {
		s.ended++
	}
}

func (s *reported) close() {}

// What a room still does after the end is reported. A room that a file system holds up
// does not hold up the end.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name string
		late time.Duration // of the room's result, and of its end
		want bool
	}{
		{"a late result", time.Second, true},
		{"a room that hangs", time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counts := &reported{}
				d := &daemon{table: table.New(table.Settings{}), inputs: make(chan []input), done: make(chan struct{}), sinks: []sink{counts}}
				d.on.up, d.on.wall = func(time.Time) time.Duration { return 0 }, func(at time.Time) time.Time { return at }
				d.rooms.Go(func() {
					time.Sleep(tt.late)
					d.cleaned([]session.Result{{Outcome: session.Done}})
				})
				if got := d.drain(); got != tt.want {
					t.Errorf("drain: %v, want %v", got, tt.want)
				}
				close(d.done)
				if want := map[bool]int{true: 1}[tt.want]; counts.ended != want {
					t.Errorf("%d reports, want %d", counts.ended, want)
				}
				d.rooms.Wait()
			})
		})
	}
}
