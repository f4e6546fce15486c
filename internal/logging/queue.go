// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	maxQueued  = 256 << 10   // bytes that wait for a reader
	closeLimit = time.Second // for what waits when the log is closed
)

// Queue is a writer that never blocks: a reader of the log that does not read, as a full
// pipe or a journal that hangs, must not hold the daemon up. Lines wait, at most 256 kB
// of them; later ones are dropped and counted. It must be closed.
type Queue struct {
	w    io.Writer
	lost func(lines int) error // logs that so many were dropped

	mu      sync.Mutex
	lines   [][]byte
	size    int // of the lines that wait, and of those that are being written
	dropped int // and not yet logged
	total   int // dropped since the start
	closed  bool
	wake    chan struct{}
	done    chan struct{} // closed when all is written after Close
}

// NewQueue returns a Queue to w. It calls lost, usually that of [Lost], in the goroutine that
// writes to w; what lost cannot log is told after a later line.
func NewQueue(w io.Writer, lost func(lines int) error) *Queue {
	q := &Queue{w: w, lost: lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues a line, or drops it. It never fails.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.size+len(line) > maxQueued {
		q.dropped++
		q.total++
		return len(line), nil
	}
	q.lines = append(q.lines, append([]byte(nil), line...))
	q.size += len(line)
	q.notify()
	return len(line), nil
}

// refused counts a line that was not written. It is told with the next line that is.
func (q *Queue) refused() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped++
	q.total++
}

// untold keeps the number of lines whose loss could not be logged.
func (q *Queue) untold(lines int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += lines
}

// Lost returns what logs to h how many lines were lost, and reports whether that was written.
func Lost(h slog.Handler) func(lines int) error {
	return func(lines int) error {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines lost", 0)
		r.AddAttrs(slog.Int("lines", lines))
		return h.Handle(context.Background(), r)
	}
}

// Dropped returns how many lines were dropped, or could not be written, since the start.
func (q *Queue) Dropped() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

func (q *Queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes what waits, each line with one call.
func (q *Queue) run() {
	defer close(q.done)
	for range q.wake {
		for {
			lines, dropped, closed := q.take()
			size := 0
			for _, line := range lines {
				if _, err := q.w.Write(line); err != nil {
					q.refused() // there is no other place to log that
				}
				size += len(line)
			}
			q.written(size)
			if dropped > 0 && q.lost(dropped) != nil {
				q.untold(dropped)
			}
			if len(lines) == 0 && closed {
				return
			}
			if len(lines) == 0 {
				break
			}
		}
	}
}

func (q *Queue) take() (lines [][]byte, dropped int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines, dropped = q.lines, q.dropped
	q.lines, q.dropped = nil, 0
	return lines, dropped, q.closed
}

func (q *Queue) written(size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= size
}

// Close waits until what was queued is written, at most a second. Lines after it are lost.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.notify()
	q.mu.Unlock()
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
	return nil
}
