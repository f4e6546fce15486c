// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
)

// TestGrownBetween: a log is copied, truncated and grows past the place that was read, while
// its first block is worked on. The rest is read from the copy, and then the log from its start.
func TestGrownBetween(t *testing.T) {
	const n = 6000 // records, of which the first block is a small part
	both(t, func(t *testing.T, w world) {
		var old, fresh []string
		for i := range n {
			old, fresh = append(old, fmt.Sprint("o", i+10)), append(fresh, fmt.Sprint("n", n+i+10))
		}
		for name, open := range map[string]func(world) *logs.Log{"kept": openLog, "reused": reusing} {
			for _, at := range []int{100, 2000} { // the second among blocks that were read together
				w.Write(t, "wtmp.1", nil)
				w.Remove(t, "wtmp.1")
				put(t, w, "wtmp", old...)
				read := 0
				got := lines(t, func(yield func(logs.Entry, error) bool) {
					for e, err := range open(w).From(t.Context(), logs.Position{}) {
						if read++; read == at {
							cut(t, w, "wtmp", "wtmp.1")
							add(t, w, "wtmp", fresh...)
						}
						if !yield(e, err) {
							return
						}
					}
				})
				if d := cmp.Diff(append(old[:n:n], fresh...), got); d != "" {
					t.Errorf("%s, record %d: -want +got\n%s", name, at, d)
				}
			}
		}
	})
}
