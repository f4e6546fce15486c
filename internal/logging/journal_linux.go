// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// JournalSocket is where the journal takes datagrams.
//
// Source: systemd's "Native Journal Protocol".
const JournalSocket = "/run/systemd/journal/socket"

// dialJournal returns a connection to the journal's socket. Each write is one datagram; one
// that is too large goes by a sealed memory file. It blocks while the journal does not
// read. The socket is looked up at each write, so a journal that was replaced is found.
func dialJournal(name string) (io.WriteCloser, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return nil, fmt.Errorf("logging: %s: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("logging: socket: %w", err)
	}
	return journalConn{fd, &unix.SockaddrUnix{Name: name}}, nil
}

type journalConn struct {
	fd int
	to *unix.SockaddrUnix
}

func (c journalConn) Write(b []byte) (int, error) {
	err := again(func() error { return unix.Sendto(c.fd, b, unix.MSG_NOSIGNAL, c.to) })
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = c.large(b)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c journalConn) Close() error { return unix.Close(c.fd) }

// large sends b in a memory file that nobody can change any more, as the journal demands.
func (c journalConn) large(b []byte) error {
	fd, err := unix.MemfdCreate("utmpd-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return again(func() error { return unix.Sendmsg(c.fd, nil, unix.UnixRights(fd), c.to, unix.MSG_NOSIGNAL) })
}

// again calls f until no signal interrupts it.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
