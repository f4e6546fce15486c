// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: a room that gets no answer for long is named, and that is news once.
// TestPaceOfWork checks that work that hangs is named, also while nothing else happens.
func TestPaceOfWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		p := pace{news: func() { told.Add(1) }}
		for range 3 {
			p.begin("saving", slow)()
		}
		begun := time.Now()
		note := p.begin("the note", slow)
		table := p.begin("the table", 2*slow)
		for _, c := range []struct {
			name string
			wait time.Duration
			do   func()
			late string
			told int64
		}{
			{"at work", slow - 1, func() {}, "", 0},
			{"one for too long", 2, func() {}, "the note since " + begun.Format(time.RFC3339), 1},
			{"both", slow, func() {}, "the note since " + begun.Format(time.RFC3339) + ", the table since " + begun.Format(time.RFC3339), 3},
			{"one is done", 0, note, "the table since " + begun.Format(time.RFC3339), 4},
			{"still", slow, func() {}, "the table since " + begun.Format(time.RFC3339), 5},
			{"all are done", 0, table, "", 6},
			{"at rest", time.Hour, func() {}, "", 6},
		} {
			time.Sleep(c.wait)
			c.do()
			synctest.Wait()
			if late, _ := p.look(); late != c.late || told.Load() != c.told {
				t.Errorf("%s: %q, told %d times; want %q, %d", c.name, late, told.Load(), c.late, c.told)
			}
		}
	})
}

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
