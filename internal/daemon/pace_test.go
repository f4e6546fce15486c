// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a room that gets no answer for long is named, and that is news once.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var since time.Time
		p := pace{rooms: []paced{
			{"reading", func() time.Time { return since }},
			{"asking", func() time.Time { return time.Time{} }},
		}}
		want := func(when, late string, changed bool) {
			t.Helper()
			if got, news := p.look(); got != late || news != changed {
				t.Errorf("%s: %q, changed: %v; want %q, %v", when, got, news, late, changed)
			}
		}
		want("at rest", "", false)
		since = time.Now()
		named := "reading since " + since.Format(time.RFC3339)
		time.Sleep(slow)
		want("at work", "", false)
		time.Sleep(time.Second)
		want("for too long", named, true)
		time.Sleep(time.Hour)
		want("still", named, false)
		since = time.Time{}
		want("at rest again", "", true)
	})
}
