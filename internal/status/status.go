// SPDX-License-Identifier: BSD-2-Clause

// Package status keeps a small file of "key: value" lines by which the daemon
// shows how it does.
package status

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// Pair is one line.
type Pair struct{ Key, Value string }

// Append appends the pairs as the file holds them, in their order. What is not
// printable in a value is quoted as in Go, so that each pair is one line and
// none reaches a terminal as more than text.
func Append(b []byte, pairs []Pair) []byte {
	for _, p := range pairs {
		b = append(b, printable(p.Key)...)
		b = append(b, ": "...)
		b = append(b, printable(p.Value)...)
		b = append(b, '\n')
	}
	return b
}

func printable(s string) string {
	for _, r := range s {
		if r == unicode.ReplacementChar || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// Write replaces the file at path, mode 0644 less the umask, so that a reader finds
// the old one or the new one, whole.
func Write(path string, pairs []Pair) error {
	if err := atomicfile.Write(path, 0o644, atomicfile.Bytes(Append(nil, pairs))); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

const (
	period = time.Second      // between two writings, at least
	retry  = 10 * time.Second // after one that failed
)

// Writer writes what it was last told when that changed, at most once a second.
type Writer struct {
	write func([]Pair) error
	fail  func(error)
	wake  chan struct{}

	// Of the goroutine in Run alone.
	written []Pair
	failing bool

	mu   sync.Mutex
	next func() []Pair // nil: nothing was said yet
}

// NewWriter returns a Writer that hands its pairs to write (usually [Write] and
// the service manager's status), and to fail the first error of a row of them
// and nil when it works again. Neither is called before Run.
func NewWriter(write func([]Pair) error, fail func(error)) *Writer {
	return &Writer{write: write, fail: fail, wake: make(chan struct{}, 1)}
}

// Set says what the status is now: what pairs returns, which is called when it is
// to be written, in the goroutine of Run, or not at all. It does not block, and is
// safe for concurrent use.
func (w *Writer) Set(pairs func() []Pair) {
	w.mu.Lock()
	w.next = pairs
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, then what is not yet written, and returns. What
// could not be written is tried again every ten seconds.
func (w *Writer) Run(ctx context.Context) {
	defer w.flush()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for ok := false; !ok; {
			wait := period
			if ok = w.flush(); !ok {
				wait = retry
			}
			if !sleep(ctx, wait) {
				return
			}
		}
	}
}

// flush writes what is not yet written and reports whether nothing is left.
func (w *Writer) flush() bool {
	w.mu.Lock()
	said := w.next
	w.mu.Unlock()
	if said == nil {
		return true
	}
	next := said()
	if slices.Equal(next, w.written) {
		return true
	}
	err := w.write(next)
	if (err != nil) != w.failing {
		w.failing = err != nil
		w.fail(err)
	}
	if err != nil {
		return false
	}
	w.written = next
	return true
}

// sleep waits for d and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
