// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outlet is standard output for a command that writes much, or for long. A reader may take
// as long as it wants: the outlet waits for it, and loses nothing. Only the end of the
// context ends the wait, so that a signal ends a command whose reader hangs.
type outlet struct {
	ctx   context.Context
	w     io.Writer
	most  int // how many bytes are written at once, unless one piece has more
	b     []byte
	in    int // how many pieces b holds
	taken int // how many were written
	err   error

	hand chan []byte // to the goroutine that writes
	back chan error
}

const (
	// atomicWrite is what a pipe takes as a whole or not at all (POSIX allows 512; Linux has
	// 4096, illumos 5120). So a reader never sees part of a line from a writer that ended.
	atomicWrite = 4096
	// fastWrite is for files and filters, of which each write costs a system call.
	fastWrite = 256 << 10
)

// writeSize returns atomicWrite if standard output is a pipe or a socket, or not known, and
// fastWrite if it is something else, as a file.
func (c call) writeSize() int {
	if f, ok := c.stdout.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
			return fastWrite
		}
	}
	return atomicWrite
}

// outlet returns standard output. close must be called.
func (c call) outlet(most int) *outlet {
	o := &outlet{ctx: c.ctx, w: c.stdout, most: most, hand: make(chan []byte), back: make(chan error, 1)}
	go func() {
		for b := range o.hand {
			_, err := o.w.Write(b)
			o.back <- err
		}
	}()
	return o
}

// add adds a piece, such as a line, that is written as a whole. It keeps nothing of it, unless
// it returns an error: then the piece must not be changed any more.
func (o *outlet) add(piece []byte) error {
	if o.err != nil {
		return o.err // its bytes may be in use still
	}
	if len(o.b) > 0 && len(o.b)+len(piece) > o.most {
		if err := o.flush(); err != nil {
			return err
		}
	}
	o.in++
	if len(o.b) == 0 && len(piece) >= o.most {
		return o.write(piece) // to copy it would take as long as to make it
	}
	o.b = append(o.b, piece...)
	return nil
}

// flush writes what was added. After an error it does nothing.
func (o *outlet) flush() error {
	if o.err != nil {
		return o.err
	}
	if err := o.write(o.b); err != nil {
		return err
	}
	o.b = o.b[:0]
	return nil
}

// write writes the pieces.
func (o *outlet) write(b []byte) error {
	if len(b) > 0 {
		o.hand <- b // also for a file: its server may be gone
		o.err = o.wait()
	}
	if o.err == nil {
		o.taken, o.in = o.taken+o.in, 0
	}
	return o.err
}

// wait waits until the bytes are written.
func (o *outlet) wait() error {
	select {
	case err := <-o.back:
		return err
	case <-o.ctx.Done():
	}
	select {
	case err := <-o.back:
		return err
	case <-time.After(lastWrite):
		return o.ctx.Err() // the goroutine stays in the system call, with its bytes
	}
}

// lastWrite is how long a reader may take once the command is told to end.
const lastWrite = 100 * time.Millisecond

// watch calls stop when the reader of a pipe has gone, so that a command that waits for news
// ends with it, and not at the next news.
func (o *outlet) watch(stop func()) {
	f, ok := o.w.(*os.File)
	if !ok {
		return
	}
	fd := []unix.PollFd{{Fd: int32(f.Fd())}} // no events are asked for: POLLERR comes without
	go func() {
		for {
			n, err := unix.Poll(fd, -1)
			if err == unix.EINTR {
				continue
			}
			if n > 0 && fd[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				stop()
			}
			return
		}
	}()
}

// close ends the goroutine, unless it hangs.
func (o *outlet) close() { close(o.hand) }

// gone reports whether the error of an outlet is that its reader has gone, or that the
// command was told to end: nothing that anybody must be told.
func gone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled)
}

// onTerminal reports whether what is written is seen on a terminal.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
