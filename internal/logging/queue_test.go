// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"bytes"
	"io"
	"log/slog"
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
		q := NewQueue(w, func(n int) error { lost += n; return nil })
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
		q := NewQueue(w, func(int) error { return nil })
		q.Write([]byte("a line\n"))
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != closeLimit {
			t.Errorf("Close took %v", took)
		}
		close(w.release)
	})
}

// refusing is a writer that fails until it is ready.
type refusing struct {
	bytes.Buffer
	ready bool
}

func (r *refusing) Write(p []byte) (int, error) {
	if !r.ready {
		return 0, io.ErrClosedPipe
	}
	return r.Buffer.Write(p)
}

// TestQueueRefuses: that lines were lost is told once the log takes lines again, and once.
func TestQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &refusing{}
		q := NewQueue(w, Lost(NewForeground(w, slog.LevelInfo, true).Handler()))
		q.Write([]byte("a line\n"))
		q.Write([]byte("another\n"))
		synctest.Wait()
		w.ready = true
		for _, line := range []string{"a third\n", "a fourth\n"} {
			q.Write([]byte(line))
			synctest.Wait()
		}
		q.Close()
		want := "a third\n<4>level=WARN msg=\"log lines lost\" lines=2\na fourth\n"
		if got := w.String(); got != want || q.Dropped() != 2 {
			t.Errorf("%q, dropped %d, want %q", got, q.Dropped(), want)
		}
	})
}
