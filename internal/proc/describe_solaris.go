// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"io/fs"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// Offsets into psinfo_t as a 64-bit program reads it.
//
// Source: sys/procfs.h of illumos; proc(5).
const (
	psinfoParent  = 12
	psinfoName    = 136
	psinfoCommand = 152
)

// Describe describes the process that has pid now, also a zombie. ok is false if /proc
// does not show it.
func Describe(pid int32) (d Description, ok bool) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(int(pid))+"/psinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return d, false
	}
	defer unix.Close(fd)
	var buf [psinfoSize]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return d, false
	}
	info, err := parsePsinfo(buf[:n])
	if err != nil {
		return d, false
	}
	return Description{
		ID:      session.ID{PID: info.pid, Start: ticks(info.start)},
		Parent:  word(buf[:], psinfoParent),
		Name:    text(buf[psinfoName:psinfoCommand]),
		Command: text(buf[psinfoCommand:psinfoWait]),
	}, true
}

// text returns a C string.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(bytes.TrimSpace(b))
}

// accessed returns the access time of a file.
func accessed(info fs.FileInfo) time.Time {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Atim.Unix())
	}
	return time.Time{}
}
