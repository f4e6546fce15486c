// SPDX-License-Identifier: BSD-2-Clause

// Package receiver receives requests from programs through a named pipe. A
// request has eight bytes: a command and a pid in native byte order, as illumos'
// pututxline(3C) writes them to its utmpd.
//
// Input is not trusted. Invalid messages are skipped, counted, and logged at a
// limited rate. The pipe is read at a limited rate.
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
	batchSize    = 1024                  // the most requests in one call of emit
	pace         = 10 * time.Millisecond // the least time between two reads
	partialAfter = time.Second           // an incomplete message is dropped after this time
	logPeriod    = 10 * time.Second      // the least time between two log lines
)

// Request is a program's request. Both commands ask to check the process and
// its records now.
type Request struct {
	Command Command
	PID     int32 // 1 to 4194304
}

// Command is what the program did with a record.
type Command int32

const (
	Add    Command = 1 // a USER_PROCESS record was written
	Remove Command = 2 // a DEAD_PROCESS record was written
)

// Stats counts the messages since the pipe was opened.
type Stats struct {
	Requests    uint64 // valid requests, including repeated ones of one pid
	BadCommands uint64 // messages with an unknown command
	BadPIDs     uint64 // messages with an invalid pid
	Skipped     uint64 // bytes of invalid messages, up to the next valid one
	Partials    uint64 // messages still incomplete after a second
}

// Options configure a Receiver.
type Options struct {
	Log *slog.Logger // discards if nil
}

// Receiver is an open named pipe.
type Receiver struct {
	path string
	pipe source
	log  *slog.Logger

	mu    sync.Mutex // guards stats and the order of setDeadline
	stats Stats
}

// source is the pipe: an os.File, or a simulated one in tests.
type source interface {
	Read(p []byte) (n int, err error)
	SetReadDeadline(t time.Time) error
	Close() error
}

// Open opens the named pipe at path. If nothing is there it creates one with
// mode 0600. If something else is there (a symbolic link, another type of file, a
// FIFO of another owner, or one that others may read or write) Open leaves it
// unchanged, and the error wraps ErrForeign and says what it found. Open does not
// block. The Receiver holds one descriptor until Close.
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

// Stats returns the counters. It may be called from any goroutine.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close closes the pipe, which ends Run. It does not remove the FIFO, so that a
// program that has it open can keep writing to it.
func (r *Receiver) Close() error { return r.pipe.Close() }

// Run reads requests until ctx ends or Close is called, and then returns nil. Any
// other error is the pipe's. Run must be called only once.
//
// Run calls emit in its own goroutine, at most every 10 ms, with up to 1024
// requests, each of another pid. emit may keep the slice. While it blocks,
// nothing is read; once the pipe is full, writers get EAGAIN.
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

// setDeadline makes a Read end at t, or never if t is zero. If ctx has ended, it
// ends at once.
func (r *Receiver) setDeadline(ctx context.Context, t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		t = time.Unix(1, 0)
	}
	r.pipe.SetReadDeadline(t) // fails only after Close, and then Read fails too
}

// intake is Run's state between reads.
type intake struct {
	receiver *Receiver
	decoder  decoder
	since    time.Time // when the last bytes of an incomplete message came; else zero
	logged   Stats     // the last ones logged
	loggedAt time.Time
}

// take decodes the result of a Read, which is empty after its deadline. It
// returns the requests, the last one of each pid.
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

// deadline returns when there is work to do even if nothing is received; zero
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

// report logs what was dropped, at most once in logPeriod.
func (in *intake) report(now time.Time) {
	if !in.unreported() || now.Sub(in.loggedAt) < logPeriod && !in.loggedAt.IsZero() {
		return
	}
	in.logged, in.loggedAt = in.decoder.stats, now
	total := in.logged
	in.receiver.log.Warn("dropped invalid requests", "pipe", in.receiver.path,
		"commands", total.BadCommands, "pids", total.BadPIDs, "bytes", total.Skipped,
		"partial", total.Partials, "good", total.Requests)
}
