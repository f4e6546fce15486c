// SPDX-License-Identifier: BSD-2-Clause

package toucher

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/sysfile"
)

// longest is the length of the longest request: a mode, and what a rotated file's name
// has behind that of the log.
const longest = 64

// ServeFiles opens a file for each request, and hands it on. The request says for what, and
// the ending of a rotated file's name, for which open is asked to read alone. ServeFiles
// returns when the other end is closed.
func ServeFiles(conn *os.File, open func(ending string, mode sysfile.OpenMode) (*os.File, error)) {
	b := make([]byte, longest)
	for served := 1; ; served++ {
		n, err := conn.Read(b)
		if n == 0 || err != nil {
			return
		}
		f, err := openAsked(b[:n], open)
		if err := send(conn, answer(err), f); err != nil {
			return
		}
		if served%collectEvery == 0 {
			runtime.GC()
		}
	}
}

func openAsked(request []byte, open func(string, sysfile.OpenMode) (*os.File, error)) (*os.File, error) {
	mode, ending := sysfile.OpenMode(request[0]), string(request[1:])
	if ending != "" {
		if !rotated(ending) {
			return nil, syscall.EINVAL
		}
		mode = sysfile.ReadUnseen
	}
	return open(ending, mode)
}

// rotated reports whether a name with that ending is beside the file's own name, and is
// one that a rotation gives.
func rotated(ending string) bool {
	if ending[0] != '.' && ending[0] != '-' {
		return false
	}
	for _, c := range []byte(ending) {
		if c == '/' || c <= ' ' || c > '~' {
			return false
		}
	}
	return !strings.Contains(ending, "..")
}

// send sends a byte and, unless f is nil, a file, which it closes.
func send(conn *os.File, code byte, f *os.File) error {
	var rights []byte
	if f != nil {
		defer f.Close()
		if err := control(f, func(fd uintptr) { rights = unix.UnixRights(int(fd)) }); err != nil {
			return err
		}
	}
	iov := unix.Iovec{Base: &code}
	iov.SetLen(1)
	msg := unix.Msghdr{Iov: &iov}
	msg.SetIovlen(1)
	if rights != nil {
		msg.Control = &rights[0]
		msg.SetControllen(len(rights))
	}
	var errno syscall.Errno
	// Not unix.Sendmsg: on some machines that is socketcall(2), which the filter denies.
	err := control(conn, func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

func control(f *os.File, do func(fd uintptr)) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(do)
}

// errNoReply is like [ErrNobody].
var errNoReply = fmt.Errorf("toucher: the process that opens new files has not answered for %v", patience)

// Files is the other end of [ServeFiles]. It is safe for concurrent use.
type Files struct {
	name string // of the file
	mu   sync.Mutex
	conn *os.File
	owed bool // an answer
	gone bool
}

// NewFiles returns a Files for the file of that name, and a connected, non-blocking socket
// that keeps messages apart.
func NewFiles(name string, conn *os.File) *Files { return &Files{name: name, conn: conn} }

// Open has the file opened, or one beside it whose name has that ending too, and waits up
// to ten seconds. The error is that of the file, or [ErrNobody].
func (f *Files) Open(ending string, mode sysfile.OpenMode) (*os.File, error) {
	if len(ending) >= longest {
		return nil, syscall.ENAMETOOLONG
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil, ErrNobody
	}
	_ = f.conn.SetDeadline(time.Now().Add(patience))
	if f.owed {
		late, _, err := f.receive()
		if err != nil {
			return nil, err
		}
		late.Close() // a nil file too
	}
	if _, err := f.conn.Write(append([]byte{byte(mode)}, ending...)); err != nil {
		return nil, f.end()
	}
	f.owed = true
	file, code, err := f.receive()
	switch {
	case err != nil:
		return nil, err
	case code != 0:
		return nil, os.NewSyscallError("open", syscall.Errno(code))
	case file == nil:
		return nil, os.NewSyscallError("open", syscall.EMFILE) // the kernel has dropped it
	}
	return file, nil
}

// Ended reports whether a file was asked for in vain, since the other process has ended.
func (f *Files) Ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// receive takes the answer that is owed. The file is nil if there is none.
func (f *Files) receive() (*os.File, byte, error) {
	conn, err := f.conn.SyscallConn()
	if err != nil {
		return nil, 0, f.end()
	}
	var code [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		for failed = unix.EINTR; failed == unix.EINTR; {
			n, oobn, _, _, failed = unix.Recvmsg(int(fd), code[:], oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		}
		return failed != unix.EAGAIN
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, 0, errNoReply
	case err != nil || failed != nil || n == 0:
		return nil, 0, f.end()
	}
	f.owed = false
	return passed(oob[:oobn], f.name), code[0], nil
}

// passed returns the file that came with a message.
func passed(oob []byte, name string) *os.File {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), name)
}

func (f *Files) end() error {
	f.gone = true
	f.conn.Close()
	return ErrNobody
}
