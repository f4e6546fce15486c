// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHoldGivesUp: a terminal whose look-up hangs is not waited for, and not kept open once
// it has come.
func TestHoldGivesUp(t *testing.T) {
	was := holds
	t.Cleanup(func() { holds = was })
	synctest.Test(t, func(t *testing.T) {
		kernel := make(chan struct{})
		late := &Terminal{fd: -1}
		closed := false
		holds = &lookups[holding]{
			find:   func(*route, string) holding { <-kernel; return holding{terminal: late} },
			failed: noHold,
			drop:   func(h holding) { closed = h.terminal == late },
			given:  &given{},
		}
		if held, err := HoldTerminal("pts/1"); !errors.Is(err, errHangs) {
			t.Errorf("HoldTerminal: %v, %v; want %v", held, err, errHangs)
		}
		close(kernel)
		synctest.Wait()
		if !closed {
			t.Error("the terminal that came late stays open")
		}
	})
}

// TestLookupsGiveUp: a look-up that hangs is given up, costs the others nothing, and is
// done again once it has come back. So many hang at most.
func TestLookupsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := make(chan struct{})
		var mu sync.Mutex
		asked := map[string]int{}
		times := func(line string) int {
			mu.Lock()
			defer mu.Unlock()
			return asked[line]
		}
		dropped := 0
		l := &lookups[terminal]{failed: noTerminal, given: &given{}, find: func(_ *route, line string) terminal {
			mu.Lock()
			asked[line]++
			mu.Unlock()
			if line[0] == 'h' {
				<-kernel
			}
			return terminal{tty: 7}
		}, drop: func(terminal) {
			mu.Lock()
			dropped++
			mu.Unlock()
		}}
		check := func(lines []string, wants ...string) {
			t.Helper()
			for i, found := range l.look(lines) {
				got := "found"
				switch {
				case errors.Is(found.err, errHangs):
					got = "hangs"
				case found.err != nil:
					got = "refused"
				case found.tty != 7:
					got = "nothing"
				}
				if got != wants[i] {
					t.Errorf("%s: %s, want %s", lines[i], got, wants[i])
				}
			}
		}
		check([]string{"a", "h1", "b", "h1"}, "found", "hangs", "found", "hangs")
		check([]string{"h1", "c"}, "hangs", "found")
		if n := times("h1"); n != 1 {
			t.Errorf("the line that hangs was looked up %d times", n)
		}
		var many []string
		var wants []string
		for i := range MaxHanging {
			many, wants = append(many, fmt.Sprintf("h%d", i+1)), append(wants, "hangs")
		}
		check(append(many, "h0", "a"), append(wants, "refused", "refused")...)
		close(kernel)
		synctest.Wait()
		if dropped != MaxHanging {
			t.Errorf("%d late answers of %d were let go", dropped, MaxHanging)
		}
		check([]string{"h1", "a", "h0"}, "found", "found", "found")
		if n := times("h1"); n != 2 {
			t.Errorf("the line that hung was looked up %d times", n)
		}
	})
}

// TestLookupsTakeTurns: lines that take long, but not too long, are waited for one by one.
func TestLookupsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups[terminal]{failed: noTerminal, given: &given{}, find: func(_ *route, line string) terminal {
			time.Sleep(patience * 9 / 10)
			if line == "late" {
				time.Sleep(patience / 5)
			}
			return terminal{tty: 7}
		}, drop: func(terminal) {}}
		began := time.Now()
		for i, found := range l.look([]string{"a", "b", "late", "c", "d"}) {
			if hangs := errors.Is(found.err, errHangs); hangs != (i == 2) {
				t.Errorf("line %d: %+v", i, found)
			}
		}
		if took := time.Since(began); took != patience*46/10 {
			t.Errorf("it took %v", took)
		}
	})
}
