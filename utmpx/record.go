// SPDX-License-Identifier: BSD-2-Clause

// Package utmpx encodes and decodes the session records of Unix systems: the
// entries of the utmpx and wtmpx files, as glibc, musl, illumos and Solaris write
// them, in either byte order, on any machine.
//
// It does no I/O. Package [utmpd.dev/utmpd/utmpfile] reads and writes the files.
//
// A [Layout] converts between bytes and a [Record]. [Native] is the layout of this
// machine, [Detect] finds that of a file from elsewhere, and [ByName] returns one by
// name:
//
//	name            size  systems
//	glibc-384-le    384   x86, 32-bit ARM, mipsel, powerpc64le, riscv64
//	glibc-384-be    384   powerpc, sparc, mips, hppa
//	glibc-400-le    400   aarch64, alpha, loongarch64
//	glibc-400-be    400   s390x, big-endian aarch64
//	musl-400-le     400   musl 1.2, little-endian
//	musl-400-be     400   musl 1.2, big-endian
//	illumos-372-le  372   illumos and Solaris on x86
//	illumos-372-be  372   Solaris on SPARC
//
// [Foreign] lists the layouts of other systems, such as FreeBSD, NetBSD, OpenBSD and
// macOS. They are found by name, and never by Detect.
//
// A Record remembers the bytes that it was decoded from. Encoding it again gives the
// same bytes, whatever they were: unknown types, strings without a terminating NUL,
// bytes after a NUL, padding.
//
// The manual pages utmp(5) and utmpx(5) describe the fields; POSIX defines them in
// <utmpx.h>.
package utmpx

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Type is what a record means, ut_type. The numbers are those of Linux. Layouts of
// systems with other numbers translate (OLD_TIME and NEW_TIME on illumos). Numbers
// that are not listed here are kept.
//
// Source: bits/utmpx.h of glibc 2.41, utmpx.h of illumos.
type Type int16

// The types of POSIX; and RUN_LVL, ACCOUNTING and DOWN_TIME of Linux and illumos.
const (
	Empty        Type = 0  // EMPTY: no valid data
	RunLevel     Type = 1  // RUN_LVL: the run level changed; on Linux also the shutdown
	BootTime     Type = 2  // BOOT_TIME: the system was booted
	NewTime      Type = 3  // NEW_TIME: the clock after it was set
	OldTime      Type = 4  // OLD_TIME: the clock before it was set
	InitProcess  Type = 5  // INIT_PROCESS: a process that init started
	LoginProcess Type = 6  // LOGIN_PROCESS: a process that waits for a login
	UserProcess  Type = 7  // USER_PROCESS: a session
	DeadProcess  Type = 8  // DEAD_PROCESS: a session that has ended
	Accounting   Type = 9  // ACCOUNTING: not used on Linux
	DownTime     Type = 10 // DOWN_TIME: the system went down; illumos
)

var typeNames = [...]string{
	"EMPTY", "RUN_LVL", "BOOT_TIME", "NEW_TIME", "OLD_TIME", "INIT_PROCESS",
	"LOGIN_PROCESS", "USER_PROCESS", "DEAD_PROCESS", "ACCOUNTING", "DOWN_TIME",
}

// String returns the name in C, such as "USER_PROCESS", or "type 42" if there is none.
func (t Type) String() string {
	if t >= 0 && int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Time is the time in a record, ut_tv, since 1970-01-01 00:00:00 UTC. Layouts with
// seconds of 32 bits hold 0 to 4294967295 (the year 2106), as glibc reads them since
// 2.40. Decoding keeps any Usec, also outside 0 to 999999.
type Time struct {
	Sec  int64 // seconds
	Usec int64 // microseconds
}

// TimeOf returns t in microseconds. It cuts and does not round, so that the time in
// a record is never later than t.
func TimeOf(t time.Time) Time {
	return Time{Sec: t.Unix(), Usec: int64(t.Nanosecond() / 1000)}
}

// Time returns the time as a [time.Time] in local time. A Usec outside 0 to 999999
// counts as 0.
func (t Time) Time() time.Time {
	if t.Usec < 0 || t.Usec > 999_999 {
		return time.Unix(t.Sec, 0)
	}
	return time.Unix(t.Sec, t.Usec*1000)
}

// IsZero reports whether the time is not set: both fields are 0.
func (t Time) IsZero() bool { return t == Time{} }

// Exit is how the process of a DEAD_PROCESS record ended, ut_exit: by a signal or
// with a status. Most programs leave both 0.
type Exit struct {
	Termination int16 // e_termination: the signal
	Exit        int16 // e_exit: the exit status
}

// Record is one entry of a utmpx or wtmpx file. A decoded string ends at the first
// NUL or at the width of its field: in the layouts here, 32 bytes for Line and User,
// 4 for ID, and 256 for Host (illumos: 257).
//
// The operator == also compares the bytes that the records were decoded from.
// Compare field by field to find out whether two records mean the same.
type Record struct {
	Type    Type     // ut_type
	PID     int32    // ut_pid: the process of the session; in a RUN_LVL record the run level
	Line    string   // ut_line: the terminal without /dev/, such as "pts/3"
	ID      string   // ut_id: the entry's identifier, up to 4 bytes, such as "ts/3"
	User    string   // ut_user
	Host    string   // ut_host: where the login came from; in a BOOT_TIME record of Linux the kernel's release
	Session int64    // ut_session: the session ID of setsid(2), rarely set
	Time    Time     // ut_tv
	Exit    Exit     // ut_exit
	Addr    [16]byte // ut_addr_v6: the host's address, see [Record.IP]; not on illumos

	raw    string
	layout *Layout
}

// Raw returns the bytes that the record was decoded from, "" if it was not decoded.
// They do not follow when fields are changed: [Layout.Encode] returns bytes that do.
func (r Record) Raw() string { return r.raw }

// Layout returns the layout that the record was decoded in, nil if it was not decoded.
func (r Record) Layout() *Layout { return r.layout }

// IP returns Addr as an address: an IPv4 address if only its first 4 bytes are set,
// an IPv6 address otherwise. ok is false if no byte is set.
func (r Record) IP() (addr netip.Addr, ok bool) {
	if r.Addr == [16]byte{} {
		return netip.Addr{}, false
	}
	if [12]byte(r.Addr[4:]) == [12]byte{} {
		return netip.AddrFrom4([4]byte(r.Addr[:4])), true
	}
	return netip.AddrFrom16(r.Addr), true
}

// SetIP sets Addr so that [Record.IP] returns addr. The zero netip.Addr clears it.
func (r *Record) SetIP(addr netip.Addr) {
	r.Addr = [16]byte{}
	switch {
	case addr.Is4():
		a := addr.As4()
		copy(r.Addr[:], a[:])
	case addr.Is6():
		r.Addr = addr.As16()
	}
}

// Detach returns a copy of the record with memory of its own. Records that were read
// together share one block of memory, and each keeps all of it in use. A program that
// keeps few of them for long should keep detached copies.
func (r Record) Detach() Record {
	if r.raw == "" {
		return r
	}
	return r.layout.Decode(strings.Clone(r.raw)).with(r)
}

// with returns d with the fields of r. Strings that are equal keep d's memory.
func (d Record) with(r Record) Record {
	keep := func(dst *string, s string) {
		if *dst != s {
			*dst = strings.Clone(s)
		}
	}
	keep(&d.Line, r.Line)
	keep(&d.ID, r.ID)
	keep(&d.User, r.User)
	keep(&d.Host, r.Host)
	d.Type, d.PID, d.Session, d.Time, d.Exit, d.Addr = r.Type, r.PID, r.Session, r.Time, r.Exit, r.Addr
	return d
}

// String returns the type and every field that is set, for people to read. Strings are
// quoted and times in UTC. The format may change.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString(r.Type.String())
	str := func(name, s string) {
		if s != "" {
			fmt.Fprintf(&b, " %s=%q", name, s)
		}
	}
	str("line", r.Line)
	str("id", r.ID)
	str("user", r.User)
	str("host", r.Host)
	if r.PID != 0 {
		fmt.Fprintf(&b, " pid=%d", r.PID)
	}
	if r.Session != 0 {
		fmt.Fprintf(&b, " session=%d", r.Session)
	}
	if a, ok := r.IP(); ok {
		fmt.Fprintf(&b, " addr=%s", a)
	}
	if r.Exit != (Exit{}) {
		fmt.Fprintf(&b, " exit=%d/%d", r.Exit.Termination, r.Exit.Exit)
	}
	if !r.Time.IsZero() {
		fmt.Fprintf(&b, " time=%s", r.Time.Time().UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	return b.String()
}
