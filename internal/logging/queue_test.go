// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// stalled is a writer that blocks until it is released.
type stalled struct {
	bytes.Buffer
	release chan struct{}
}

func (s *stalled) Write(p []byte) (int, error) {
	<-s.release
	return s.Buffer.Write(p)
}

// TestQueue logs to a reader that hangs: nobody waits for it, what is kept is bounded, and
// no line is lost without being counted.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stalled{release: make(chan struct{})}
		lost := 0
		q := NewQueue(w, func(n int) { lost += n })
		began := time.Now()
		line := bytes.Repeat([]byte("x"), 1024)
		const many = 10000
		for range many {
			if n, err := q.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
			synctest.Wait()
		}
		if time.Since(began) != 0 {
			t.Error("the log's reader holds its writer up")
		}
		close(w.release)
		synctest.Wait()
		if got := w.Len() / len(line); got+lost != many || got > maxQueued/len(line) || got == 0 {
			t.Errorf("%d lines written, %d lost, of %d", got, lost, many)
		}
		q.Write([]byte("last\n"))
		if q.Close(); !bytes.HasSuffix(w.Bytes(), []byte("last\n")) {
			t.Error("Close does not write what waits")
		}
	})
}

// TestQueueClose: a reader that hangs does not keep the daemon from ending.
func TestQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stalled{release: make(chan struct{})}
		q := NewQueue(w, func(int) {})
		q.Write([]byte("a line\n"))
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != closeLimit {
			t.Errorf("Close took %v", took)
		}
		close(w.release)
	})
}
