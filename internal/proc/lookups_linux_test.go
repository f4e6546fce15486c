// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

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
		l := newLookups(func(line string) terminal {
			mu.Lock()
			asked[line]++
			mu.Unlock()
			if line[0] == 'h' {
				<-kernel
			}
			return terminal{tty: 7}
		})
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
		for i := range maxHanging {
			many, wants = append(many, fmt.Sprintf("h%d", i+1)), append(wants, "hangs")
		}
		check(append(many, "h0", "a"), append(wants, "refused", "refused")...)
		close(kernel)
		synctest.Wait()
		check([]string{"h1", "a", "h0"}, "found", "found", "found")
		if n := times("h1"); n != 2 {
			t.Errorf("the line that hung was looked up %d times", n)
		}
	})
}
