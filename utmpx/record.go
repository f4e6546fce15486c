// SPDX-License-Identifier: BSD-2-Clause

// Package utmpx reads and writes the session records of Unix systems: the
// entries of the utmpx and wtmpx files, in the layouts of glibc, musl, illumos
// and Solaris, in either byte order, on any machine.
//
// The package is a codec. It does no I/O; package utmpfile does.
//
// A [Layout] turns bytes into a [Record] and back. A record remembers the bytes
// it came from, so that what is read and written back is the same bytes,
// whatever they were: unknown types, strings without a terminating NUL, bytes
// behind a NUL, padding.
package utmpx

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Type is what a record stands for, ut_type. The numbers are those of Linux;
// where a system counts otherwise (OLD_TIME and NEW_TIME on illumos) its layout
// translates. Other numbers than those named here are kept as they are.
//
// Source: utmpx.h of glibc 2.41 and of illumos.
type Type int16

// The types of POSIX, and RUN_LVL, ACCOUNTING and DOWN_TIME of Linux and illumos.
const (
	Empty        Type = 0  // EMPTY: no valid data
	RunLevel     Type = 1  // RUN_LVL: change of run level; on Linux also the shutdown
	BootTime     Type = 2  // BOOT_TIME: the system was booted
	NewTime      Type = 3  // NEW_TIME: the clock after it was set
	OldTime      Type = 4  // OLD_TIME: the clock before it was set
	InitProcess  Type = 5  // INIT_PROCESS: started by init
	LoginProcess Type = 6  // LOGIN_PROCESS: waits for a user to log in
	UserProcess  Type = 7  // USER_PROCESS: a session
	DeadProcess  Type = 8  // DEAD_PROCESS: a session that has ended
	Accounting   Type = 9  // ACCOUNTING
	DownTime     Type = 10 // DOWN_TIME: illumos; when the system went down
)

var typeNames = [...]string{
	"EMPTY", "RUN_LVL", "BOOT_TIME", "NEW_TIME", "OLD_TIME", "INIT_PROCESS",
	"LOGIN_PROCESS", "USER_PROCESS", "DEAD_PROCESS", "ACCOUNTING", "DOWN_TIME",
}

// String returns the C name, USER_PROCESS, or "type 42" where there is none.
func (t Type) String() string {
	if t >= 0 && int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Time is a record's ut_tv: seconds and microseconds since 1970-01-01 UTC.
// Layouts with 32 bits of seconds hold 0 to 4294967295 (the year 2106).
// Usec is kept as found, also outside 0 to 999999.
type Time struct {
	Sec  int64
	Usec int64
}

// TimeOf returns t in microseconds, cut and not rounded, so that a record is
// never later than the moment it tells of.
func TimeOf(t time.Time) Time {
	return Time{Sec: t.Unix(), Usec: int64(t.Nanosecond() / 1000)}
}

// Time returns the moment in local time. Usec outside 0 to 999999 counts as 0.
func (t Time) Time() time.Time {
	if t.Usec < 0 || t.Usec > 999_999 {
		return time.Unix(t.Sec, 0)
	}
	return time.Unix(t.Sec, t.Usec*1000)
}

// IsZero reports whether no time is set.
func (t Time) IsZero() bool { return t == Time{} }

// Exit is ut_exit of a DEAD_PROCESS record: the signal that ended the process,
// or the status it ended with.
type Exit struct {
	Termination int16 // e_termination
	Exit        int16 // e_exit
}

// Record is one entry of a utmpx or wtmpx file. Strings end at the first NUL
// or at the width of their field. Records compare with ==, the bytes they were
// decoded from included; compare fields to tell whether they say the same.
type Record struct {
	Type    Type     // ut_type
	PID     int32    // ut_pid
	Line    string   // ut_line: the terminal without /dev/
	ID      string   // ut_id: inittab's id, up to 4 bytes
	User    string   // ut_user
	Host    string   // ut_host; in a BOOT_TIME record of Linux the kernel's release
	Session int64    // ut_session
	Time    Time     // ut_tv
	Exit    Exit     // ut_exit
	Addr    [16]byte // ut_addr_v6, network order; an IPv4 address in the first 4 bytes. Not on illumos.

	raw    string
	layout *Layout
}

// Raw returns the bytes the record was decoded from, "" for one made by hand.
// Changed fields are not in it: see [Layout.Encode].
func (r Record) Raw() string { return r.raw }

// Layout returns the layout the record was decoded in, nil for one made by hand.
func (r Record) Layout() *Layout { return r.layout }

// IP returns ut_addr_v6 as an address: IPv4 if only its first 4 bytes are set.
// ok is false if none is set.
func (r Record) IP() (addr netip.Addr, ok bool) {
	if r.Addr == [16]byte{} {
		return netip.Addr{}, false
	}
	if [12]byte(r.Addr[4:]) == [12]byte{} {
		return netip.AddrFrom4([4]byte(r.Addr[:4])), true
	}
	return netip.AddrFrom16(r.Addr), true
}

// SetIP sets Addr as [Record.IP] reads it.
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

// Detach returns the record without the memory it shares with other records
// of the same read. Keep a detached copy of what outlives a snapshot.
func (r Record) Detach() Record {
	if r.raw == "" {
		return r
	}
	return r.layout.Decode(strings.Clone(r.raw)).with(r)
}

// with takes over r's fields that differ from those decoded.
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

// String is for people: the type, and every field that is set, strings quoted.
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
