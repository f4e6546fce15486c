// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// dialSyslog opens the STREAMS device that syslog(3C) writes to.
func dialSyslog() (conn, error) {
	fd, err := unix.Open("/dev/conslog", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return stream(fd), nil
}

type stream int

// send sends one message with putmsg(2). Its control part is the struct log_ctl
// of <sys/strlog.h>: mid, sid (16 bits each), level (8), flags (16, at offset 6),
// ltime, ttime, seq_no, pri (32 bits each).
func (s stream) send(pri int, line []byte) error {
	const slConsole = 0x10
	var ctl [24]byte
	binary.NativeEndian.PutUint16(ctl[6:], slConsole)
	binary.NativeEndian.PutUint32(ctl[20:], uint32(pri))
	return unix.Putmsg(int(s), ctl[:], append(line[:len(line):len(line)], 0), 0)
}

func (s stream) Close() error { return unix.Close(int(s)) }
