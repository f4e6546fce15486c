// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	l, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestPoller(t *testing.T) {
	const key = 1<<63 | 5<<32 | 7 // Wait must return all 64 bits
	l := newPoller(t)
	c := start(t, "exit:0")
	p := open(t, c.pid())
	if err := l.Add(p, key); err != nil {
		t.Fatal(err)
	}
	wait := func(want End) {
		t.Helper()
		got, err := l.Wait(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]End{want}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	c.end(t, unix.SIGKILL)
	wait(End{Key: key})
	if !kernelAtLeast(t, 6, 9) {
		t.Skip("before Linux 6.9 the kernel does not report that a process was reaped")
	}
	c.Wait()
	wait(End{Key: key, Reaped: true})

	// The dead process is still open, but must not be reported again: the
	// next end is the other's.
	other := start(t, "exit:0")
	p2 := open(t, other.pid())
	if err := l.Add(p2, 8); err != nil {
		t.Fatal(err)
	}
	other.end(t, unix.SIGKILL)
	wait(End{Key: 8})
}

func TestPollerAddsTheDead(t *testing.T) {
	l := newPoller(t)
	c := start(t, "exit:0")
	p := open(t, c.pid())
	c.end(t, unix.SIGKILL)
	c.Wait()
	if err := l.Add(p, 1); err != nil {
		t.Fatal(err)
	}
	got, err := l.Wait(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]End{{Key: 1, Reaped: kernelAtLeast(t, 6, 9)}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPollerClose(t *testing.T) {
	l := newPoller(t)
	failed := make(chan error)
	go func() {
		_, err := l.Wait(nil)
		failed <- err
	}()
	l.Close()
	if err := <-failed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait: %v, want %v", err, os.ErrClosed)
	}
	p := open(t, int32(os.Getpid()))
	if err := l.Add(p, 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Add: %v, want %v", err, os.ErrClosed)
	}
}

// What has ended when a Poller is closed is reported all the same.
func TestPollerReportsLast(t *testing.T) {
	l := newPoller(t)
	c := start(t, "exit:0")
	if err := l.Add(open(t, c.pid()), 1); err != nil {
		t.Fatal(err)
	}
	c.end(t, unix.SIGKILL)
	c.Wait()
	l.Close()
	got, err := l.Wait(nil)
	if err != nil || len(got) != 1 || got[0].Key != 1 {
		t.Errorf("Wait: %v, %v", got, err)
	}
	if _, err := l.Wait(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait: %v, want %v", err, os.ErrClosed)
	}
}

func TestPollerAddFound(t *testing.T) {
	p, err := Find(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := newPoller(t).Add(p, 1); !errors.Is(err, ErrNoPidfd) {
		t.Errorf("Add: %v, want %v", err, ErrNoPidfd)
	}
}

// TestPollerLate: what is found after a time in which this process may not have run has
// bounds; what comes later has none.
func TestPollerLate(t *testing.T) {
	for name, before := range map[string]func(*Poller){
		"nothing":           func(*Poller) {},
		"interrupted":       func(l *Poller) { l.disturbed = true },
		"not run":           func(l *Poller) { l.awake = l.awake.Add(-time.Hour) },
		"the machine slept": func(l *Poller) { l.slept -= time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			l := newPoller(t)
			for i, late := range []bool{name != "nothing", false} {
				c := start(t, "exit:0")
				if err := l.Add(open(t, c.pid()), uint64(i)); err != nil {
					t.Fatal(err)
				}
				if !late {
					l.isAwake()
				}
				c.end(t, unix.SIGKILL)
				if late {
					before(l)
				}
				awake := l.awake
				ends, err := l.Wait(nil)
				if err != nil || len(ends) == 0 {
					t.Fatal(ends, err)
				}
				if got := ends[0].Since; late && !got.Equal(awake) || !late && !got.IsZero() {
					t.Errorf("%d: since %v, late %v", i, got, late)
				}
				c.Wait()
			}
		})
	}
}
