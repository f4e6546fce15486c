// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOutletHangs: a signal ends a command whose output hangs, also in what is neither a pipe
// nor a terminal, as a file of a server that is gone. A full eventfd takes more once it was read.
func TestOutletHangs(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "file")
	defer f.Close()
	if _, err := f.Write(binary.NativeEndian.AppendUint64(nil, math.MaxUint64-1)); err != nil {
		t.Fatal(err)
	}
	ctx, signal := context.WithCancel(t.Context())
	c := call{ctx: ctx, stdout: f}
	o := c.outlet(c.writeSize())
	defer o.close()
	if err := o.add([]byte("a line.\n")); err != nil {
		t.Fatal(err)
	}
	signal()
	flushed := make(chan error, 1)
	go func() { flushed <- o.flush() }()
	select {
	case err = <-flushed:
	case <-time.After(20 * time.Second):
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if _, err := f.Read(make([]byte, 8)); err != nil { // ends the write
		t.Fatal(err)
	}
}
