// SPDX-License-Identifier: BSD-2-Clause

package receiver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// simPipe is a simulated source.
type simPipe struct{ net.Conn }

func (p simPipe) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = os.ErrClosed
	}
	return n, err
}

// rig is a running Receiver with a simulated pipe.
type rig struct {
	*Receiver
	t      *testing.T
	writer net.Conn

	got     sync.Mutex
	log     bytes.Buffer
	batches [][]Request
	at      []time.Time
}

// Write receives the log.
func (r *rig) Write(p []byte) (int, error) {
	r.got.Lock()
	defer r.got.Unlock()
	return r.log.Write(p)
}

func (r *rig) emit(requests []Request) {
	r.got.Lock()
	defer r.got.Unlock()
	r.batches, r.at = append(r.batches, requests), append(r.at, time.Now())
}

// logged returns the number of lines in the log, and the log.
func (r *rig) logged() (int, string) {
	synctest.Wait()
	r.got.Lock()
	defer r.got.Unlock()
	return strings.Count(r.log.String(), "\n"), r.log.String()
}

// inBubble calls test in a synctest bubble with a running Receiver.
func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		reader, writer := net.Pipe()
		r := &rig{t: t, writer: writer}
		r.Receiver = newReceiver("pipe", simPipe{reader}, Options{Log: slog.New(slog.NewTextHandler(r, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx, r.emit) }()
		test(r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.Close()
		writer.Close()
	})
}

// write writes b to the pipe and waits until the Receiver has handled it.
func (r *rig) write(b ...[]byte) {
	r.t.Helper()
	if _, err := r.writer.Write(slices.Concat(b...)); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(2 * pace)
	synctest.Wait()
}

func (r *rig) want(want ...[]Request) {
	r.t.Helper()
	r.got.Lock()
	defer r.got.Unlock()
	if diff := cmp.Diff(want, r.batches); diff != "" {
		r.t.Errorf("batches (-want +got):\n%s", diff)
	}
	r.batches, r.at = nil, nil
}

func TestRun(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.write(message(1, 77))
		r.want([]Request{{Add, 77}})
		r.write(message(1, 77), message(2, 78), message(2, 77)) // the last one of 77 counts
		r.want([]Request{{Remove, 77}, {Remove, 78}})
		r.write(message(9, -9))
		r.want()
		if diff := cmp.Diff(Stats{Requests: 4, BadCommands: 1, Skipped: 1}, r.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestPartial(t *testing.T) {
	for _, test := range []struct {
		name    string
		pause   time.Duration
		want    [][]Request
		partial uint64
	}{
		{"the rest comes in time", 900 * time.Millisecond, [][]Request{{{Add, 77}}}, 0},
		{"the rest comes too late", 1100 * time.Millisecond, nil, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.write(message(1, 77)[:3])
				time.Sleep(test.pause)
				synctest.Wait()
				if got := r.Stats().Partials; got != test.partial {
					t.Errorf("%d partial messages, want %d", got, test.partial)
				}
				if test.partial == 0 {
					r.write(message(1, 77)[3:])
				}
				r.want(test.want...)
				r.write(message(2, 78)) // the next message is decoded again
				r.want([]Request{{Remove, 78}})
			})
		})
	}
}

// TestLogRate checks that dropped messages are logged at most every ten seconds.
func TestLogRate(t *testing.T) {
	inBubble(t, func(r *rig) {
		began := time.Now()
		for time.Since(began) < 25*time.Second {
			r.write(message(9, -9), message(1, -1))
		}
		if n, log := r.logged(); n != 3 {
			t.Errorf("%d lines in 25 s, want 3:\n%s", n, log)
		}
		time.Sleep(logPeriod) // the last ones are logged although nothing follows
		if n, log := r.logged(); n != 4 {
			t.Errorf("%d lines after 35 s, want 4:\n%s", n, log)
		}
		time.Sleep(10 * logPeriod)
		if n, log := r.logged(); n != 4 {
			t.Errorf("%d lines after a time without input, want 4:\n%s", n, log)
		}
	})
}

func TestNothingDroppedNothingLogged(t *testing.T) {
	inBubble(t, func(r *rig) {
		for pid := range int32(100) {
			r.write(message(1, pid+1))
		}
		time.Sleep(10 * logPeriod)
		if n, log := r.logged(); n > 0 {
			t.Errorf("logged, want nothing: %s", log)
		}
	})
}

// TestFlood checks that a flood is read in batches of at most 1024, one every
// 10 ms at most.
func TestFlood(t *testing.T) {
	const n = 20_000
	inBubble(t, func(r *rig) {
		var flood []byte
		for pid := range int32(n) {
			flood = append(flood, message(1, pid+1)...)
		}
		r.write(flood)
		r.got.Lock()
		defer r.got.Unlock()
		var total int
		for i, batch := range r.batches {
			total += len(batch)
			if len(batch) > batchSize {
				t.Errorf("a batch of %d requests, want at most %d", len(batch), batchSize)
			}
			if i > 0 && r.at[i].Sub(r.at[i-1]) < pace {
				t.Errorf("batch %d came %v after the one before, want at least %v", i, r.at[i].Sub(r.at[i-1]), pace)
			}
		}
		if total != n {
			t.Errorf("%d of %d requests received", total, n)
		}
	})
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := newReceiver("pipe", brokenPipe{broken}, Options{})
	if err := r.Run(t.Context(), nil); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "receiver: read pipe: ") {
		t.Errorf("Run: %v, want %v with its prefix", err, broken)
	}
}

type brokenPipe struct{ err error }

func (p brokenPipe) Read([]byte) (int, error)        { return 0, p.err }
func (p brokenPipe) SetReadDeadline(time.Time) error { return nil }
func (p brokenPipe) Close() error                    { return nil }
