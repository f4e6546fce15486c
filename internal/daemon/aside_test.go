// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestAside checks that a look that does not come back is waited for once, that no other is
// begun until it is back, and that its error is not lost.
func TestAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names aside
		server, moved := make(chan struct{}), errors.New("moved")
		begun := 0
		look := func(want error, most time.Duration) {
			t.Helper()
			began := time.Now()
			err := names.look(func() error { begun++; <-server; return moved })
			if took := time.Since(began); err != want || took > most {
				t.Errorf("error %v after %v, want %v after %v at most", err, took, want, most)
			}
		}
		look(nil, asidePatience)
		look(nil, 0)
		synctest.Wait()
		if begun != 1 {
			t.Errorf("%d looks were begun, want 1", begun)
		}
		close(server)
		synctest.Wait()
		look(moved, 0)
		look(moved, 0)
		if begun != 2 {
			t.Errorf("%d looks were begun, want 2", begun)
		}
	})
}
