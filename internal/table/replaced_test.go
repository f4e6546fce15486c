// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"errors"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// TestAnotherFileForAWhile: when a record is to be cleaned, the utmpx file's name
// leads to another file, and then to the old one again. The time of death is not
// lost.
func TestAnotherFileForAWhile(t *testing.T) {
	w := newWorld(t)
	w.start(100)
	w.put(0, w.login("pts/0", 100))
	w.scan()
	died := w.now.Wall
	w.outcome, w.utmpxErr = session.Changed, errors.New("another file has taken its place")
	w.kill(100, session.Status{Known: true, Wait: 9})
	w.pass(30 * time.Second)
	w.wantAlive(0)
	w.utmpxErr = nil
	w.pass(retryFailed)
	w.wantDead(0, died)
	if len(w.cleaned) != 1 {
		t.Errorf("cleaned %d times", len(w.cleaned))
	}
}
