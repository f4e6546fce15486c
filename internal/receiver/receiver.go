// SPDX-License-Identifier: BSD-2-Clause

// Package receiver takes requests from programs by way of a named pipe: the
// ancestor's eight bytes, a command and a pid in native byte order, as illumos'
// pututxline(3C) writes them.
//
// Nothing that arrives is trusted. What is no request is skipped, counted, and
// logged at a bounded rate; a flood is taken in at a bounded pace.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	batchSize    = 1024                  // requests emitted at once, at most
	pace         = 10 * time.Millisecond // between reads, at least
	partialAfter = time.Second           // when the rest of a message is given up
	logPeriod    = 10 * time.Second      // between log lines, at least
)

// Request is what a program asks for. Both commands mean: look at this process
// and its records now.
type Request struct {
	Command Command
	PID     int32 // 1 to 4194304
}

// Command is what became of a record.
type Command int32

const (
	Add    Command = 1 // a USER_PROCESS record was written
	Remove Command = 2 // a DEAD_PROCESS record was written
)

// Stats counts what came through the pipe since it was opened.
type Stats struct {
	Requests    uint64 // well-formed, those of one pid in a batch counted each
	BadCommands uint64 // messages with a command that is none
	BadPIDs     uint64 // messages with a pid that is none
	Skipped     uint64 // bytes, of these messages and until the next good one
	Partials    uint64 // messages of which the rest did not come within a second
}

// Options are what a Receiver is made with.
type Options struct {
	Log *slog.Logger // none if nil
}

// Receiver is an open named pipe.
type Receiver struct {
	path string
	pipe source
	log  *slog.Logger

	mu    sync.Mutex // held for no longer than a copy or a deadline takes
	stats Stats
}

// source is where requests come from: the pipe, as a file parked in Go's
// poller, or a simulated one.
type source interface {
	Read(p []byte) (n int, err error)
	SetReadDeadline(t time.Time) error
	Close() error
}

// Open opens the named pipe at path, and creates it, mode 0600, if nothing is
// there. Anything else found there (a symbolic link, another type of file, a
// FIFO of another owner or one that others may read or write) is left as it is,
// and the error, which is ErrForeign, says what it is. Open does not block. It
// costs one descriptor until Close.
func Open(path string, options Options) (*Receiver, error) {
	file, err := openPipe(path)
	if err != nil {
		return nil, fmt.Errorf("receiver: open %s: %w", path, err)
	}
	return newReceiver(path, file, options), nil
}

func newReceiver(path string, pipe source, options Options) *Receiver {
	r := &Receiver{path: path, pipe: pipe, log: options.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Stats returns what came through so far. It may be called at any time.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close closes the pipe, which ends Run, and leaves it in its place: a writer
// that has it open keeps it.
func (r *Receiver) Close() error { return r.pipe.Close() }

// Run reads requests until ctx ends or Close, then returns nil. Any other error
// is the pipe's. It is called once.
//
// Emit is called in Run's goroutine with up to 1024 requests of as many pids,
// at most every 10 ms, and keeps the slice. While it blocks nothing is read;
// once the pipe is full, the writers' EAGAIN is theirs.
func (r *Receiver) Run(ctx context.Context, emit func([]Request)) error {
	defer context.AfterFunc(ctx, func() { r.setDeadline(ctx, time.Time{}) })()
	in := intake{receiver: r}
	buf := make([]byte, batchSize*messageSize)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
		r.setDeadline(ctx, in.deadline())
		n, err := r.pipe.Read(buf)
		if requests := in.take(buf[:n], time.Now()); len(requests) > 0 {
			emit(requests)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrClosed):
			return nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("receiver: read %s: %w", r.path, err)
		}
		pause.Reset(pace)
	}
}

// setDeadline ends a Read at t, if that is not zero, and at once if ctx has
// ended.
func (r *Receiver) setDeadline(ctx context.Context, t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		t = time.Unix(1, 0)
	}
	r.pipe.SetReadDeadline(t) // fails once closed, when Read does too
}

// intake is what Run remembers between reads.
type intake struct {
	receiver *Receiver
	decoder  decoder
	since    time.Time // of the last bytes, while a partial message waits
	logged   Stats     // as the log has told it
	loggedAt time.Time
}

// take decodes what a Read returned, nothing if its time ran out, and returns
// the requests in it, one of each pid.
func (in *intake) take(b []byte, now time.Time) []Request {
	var requests []Request
	at := make(map[int32]int)
	in.decoder.feed(b, func(request Request) {
		if i, ok := at[request.PID]; ok {
			requests[i] = request
			return
		}
		at[request.PID] = len(requests)
		requests = append(requests, request)
	})
	switch {
	case !in.decoder.partial():
		in.since = time.Time{}
	case len(b) > 0:
		in.since = now
	case now.Sub(in.since) >= partialAfter:
		in.decoder.dropPartial()
		in.since = time.Time{}
	}
	in.receiver.mu.Lock()
	in.receiver.stats = in.decoder.stats
	in.receiver.mu.Unlock()
	in.report(now)
	return requests
}

// deadline returns when there is something to do although nothing came; zero
// for never.
func (in *intake) deadline() time.Time {
	var due time.Time
	if !in.since.IsZero() {
		due = in.since.Add(partialAfter)
	}
	if in.unreported() {
		if next := in.loggedAt.Add(logPeriod); due.IsZero() || next.Before(due) {
			due = next
		}
	}
	return due
}

func (in *intake) unreported() bool {
	stats, logged := in.decoder.stats, in.logged
	stats.Requests, logged.Requests = 0, 0
	return stats != logged
}

// report logs what was dropped, unless it did so just now.
func (in *intake) report(now time.Time) {
	if !in.unreported() || now.Sub(in.loggedAt) < logPeriod && !in.loggedAt.IsZero() {
		return
	}
	in.logged, in.loggedAt = in.decoder.stats, now
	total := in.logged
	in.receiver.log.Warn("dropped what is no request", "pipe", in.receiver.path,
		"commands", total.BadCommands, "pids", total.BadPIDs, "bytes", total.Skipped,
		"partial", total.Partials, "good", total.Requests)
}
