// SPDX-License-Identifier: BSD-2-Clause

//go:build !solaris

package logging

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// dialSyslog connects to the socket that syslog(3) writes to. Its path depends
// on the system.
func dialSyslog() (conn, error) {
	return dialSockets("/dev/log", "/var/run/syslog", "/var/run/log")
}

func dialSockets(paths ...string) (conn, error) { return dialWithin(sendLimit, paths...) }

// dialWithin limits how long a connection to a stream may take, which waits while others
// do. That to a datagram socket never waits, so no slow machine makes it fail.
func dialWithin(limit time.Duration, paths ...string) (conn, error) {
	var errs []error
	for _, path := range paths {
		for _, d := range []struct {
			network string
			net.Dialer
		}{{"unixgram", net.Dialer{}}, {"unix", net.Dialer{Timeout: limit}}} {
			c, err := d.Dial(d.network, path)
			if err == nil {
				return &socket{c, d.network == "unix"}, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

type socket struct {
	net.Conn
	stream bool // each line needs a newline at its end
}

func (s *socket) send(pri int, line []byte) error {
	b := fmt.Appendf(make([]byte, 0, len(line)+8), "<%d>%s", pri, line)
	if s.stream {
		b = append(b, '\n')
	}
	if err := s.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return err
	}
	_, err := s.Write(b)
	return err
}
