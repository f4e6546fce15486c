// SPDX-License-Identifier: BSD-2-Clause

// Package toucher is a process of its own that sets the wtmpx file's access time. It
// alone keeps CAP_FOWNER, with which code could change any file's mode. It learns the
// names of utmpd's two files when it is started. From then on it takes one byte, which says no more
// than that it is time, and answers one.
//
// On Linux it also opens what has come to these names since the sandbox was entered, and
// hands it on: utmpd itself can open no other files in their directories, which hold the
// group's other logs.
package toucher

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// refused is the answer for an error without a number.
const refused = byte(syscall.EINVAL)

// collectEvery is how many requests of [Serve], and of each ServeFiles, come between two
// collections of the process's garbage. With GOGC=off it has no other.
const collectEvery = 256

// Serve touches once for each byte that it reads, and answers 0 or the number of the
// error. It returns when the other end is closed.
func Serve(conn io.ReadWriter, touch func(t time.Time) error) {
	b := make([]byte, 1)
	for served := 1; ; served++ {
		if n, err := conn.Read(b); n == 0 || err != nil {
			return
		}
		b[0] = answer(touch(time.Now()))
		if _, err := conn.Write(b); err != nil {
			return
		}
		if served%collectEvery == 0 {
			runtime.GC()
		}
	}
}

func answer(err error) byte {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno) && errno > 0 && errno < 256:
		return byte(errno)
	}
	return refused
}

// patience limits the wait for an answer. The file's disk may hang.
const patience = 10 * time.Second

// The errors of [Remote.Touch] besides those of the file.
var (
	ErrEnded = errors.New("toucher: the process that sets the access time of wtmpx has ended; until a restart, the time of a crash is known from the heartbeat's note alone")
	ErrSlow  = fmt.Errorf("toucher: the process that sets the access time of wtmpx has not answered for %v", patience)
)

// ErrNobody is the error where a file is to be opened that has come to its name since the
// sandbox was entered.
var ErrNobody = errors.New("toucher: the process that opens new files has ended: utmpd must be started again")

// Remote is the other end of the process. One goroutine may use it.
type Remote struct {
	conn  *os.File
	ended func() // called once when the process has ended
	owed  bool   // an answer
	gone  bool
}

// NewRemote returns a Remote for a connected, non-blocking socket. It calls ended once,
// when it learns that the process has ended.
func NewRemote(conn *os.File, ended func()) *Remote { return &Remote{conn: conn, ended: ended} }

// Touch has the access time set, to the present of the other process, and waits up to
// ten seconds. The error is that of the file, [ErrSlow], or [ErrEnded].
func (r *Remote) Touch(time.Time) error {
	if r.gone {
		return ErrEnded
	}
	_ = r.conn.SetDeadline(time.Now().Add(patience))
	if r.owed {
		if _, err := r.read(); err != nil {
			return err
		}
	}
	if _, err := r.conn.Write([]byte{1}); err != nil {
		return r.end()
	}
	r.owed = true
	code, err := r.read()
	switch {
	case err != nil:
		return err
	case code != 0:
		return os.NewSyscallError("toucher: set the access time of wtmpx", syscall.Errno(code))
	}
	return nil
}

// read reads the answer that is owed.
func (r *Remote) read() (byte, error) {
	var b [1]byte
	switch _, err := r.conn.Read(b[:]); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, ErrSlow
	case err != nil:
		return 0, r.end()
	}
	r.owed = false
	return b[0], nil
}

func (r *Remote) end() error {
	r.gone = true
	r.conn.Close()
	r.ended()
	return ErrEnded
}
