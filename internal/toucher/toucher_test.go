// SPDX-License-Identifier: BSD-2-Clause

package toucher

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// pair returns the two ends of a socket.
func pair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []**os.File{&ours, &theirs} {
		if err := unix.SetNonblock(fds[i], true); err != nil {
			t.Fatal(err)
		}
		*f = os.NewFile(uintptr(fds[i]), "socket")
	}
	return ours, theirs
}

func TestTouch(t *testing.T) {
	ours, theirs := pair(t)
	ended := 0
	r := NewRemote(ours, func() { ended++ })
	results := []error{nil, &fs.PathError{Op: "open", Path: "wtmp", Err: syscall.ENOENT}, syscall.EPERM, errors.New("a link")}
	done := make(chan bool)
	go func() {
		left := results
		Serve(theirs, func(at time.Time) error {
			err := left[0]
			if left = left[1:]; time.Since(at) > time.Minute {
				err = errors.New("an old time")
			}
			return err
		})
		close(done)
	}()
	for _, want := range []error{nil, fs.ErrNotExist, fs.ErrPermission, syscall.EINVAL} {
		if err := r.Touch(time.Time{}); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("Touch: %v, want %v", err, want)
		}
	}
	ours.Close()
	<-done // the process ends with its other end
	theirs.Close()
	for range 2 {
		if err := r.Touch(time.Time{}); !errors.Is(err, ErrEnded) {
			t.Errorf("Touch of a process that ended: %v", err)
		}
	}
	if ended != 1 {
		t.Errorf("the end was told %d times", ended)
	}
}

// TestEnds checks that a process that dies before it answers is noticed.
func TestEnds(t *testing.T) {
	ours, theirs := pair(t)
	r := NewRemote(ours, func() {})
	go func() {
		_, _ = theirs.Read(make([]byte, 1))
		theirs.Close()
	}()
	if err := r.Touch(time.Time{}); !errors.Is(err, ErrEnded) {
		t.Errorf("Touch: %v, want %v", err, ErrEnded)
	}
}

// touches is a connection that asks for so many touches, and ends.
type touches struct {
	left  int
	after func() // each answer
}

func (c *touches) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(b, "\x01"), nil
}

func (c *touches) Write(b []byte) (int, error) {
	c.after()
	return len(b), nil
}

// TestGarbage: a process that nobody else has collect its garbage stays small.
func TestGarbage(t *testing.T) {
	var garbage []byte
	touch := func(time.Time) error {
		garbage = make([]byte, 856) // as a log's Touch, which also waits for the disk
		return nil
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // as GOGC=off
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most, touched := heap(), uint64(0), 0
	Serve(&touches{left: 10000, after: func() {
		if touched++; touched%100 == 0 {
			most = max(most, heap())
		}
	}}, touch)
	if touched != 10000 || most > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes in %d touches", before, most, touched)
	}
	runtime.KeepAlive(garbage)
}
