// SPDX-License-Identifier: BSD-2-Clause

// Package boots derives from the records of a wtmpx log when the system was up,
// how each boot ended, and how long the system was down. At a new boot it decides
// what to record of the end of the last one. It does no I/O and reads no clock.
package boots

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Kind is what a record means for the history of boots.
type Kind int

// The kinds of record.
const (
	Other        Kind = iota // the system was up
	Login                    // a user logged in
	Init                     // init started or ended a script; before a boot's record it belongs to that boot
	Began                    // the system was booted
	BeganEarlier             // the system was booted; logins may precede this record
	Ended                    // the system goes down, or was later found to have gone down
	OldClock                 // the clock before it was set
	NewClock                 // the clock after it was set
)

// BeginsBoot reports whether a record of this kind marks the beginning of a
// boot.
func (k Kind) BeginsBoot() bool { return k == Began || k == BeganEarlier }

// EndsLogins reports whether a record of this kind closes all logins before it,
// as last(1) shows them: the beginning and the end of a boot both do.
func (k Kind) EndsLogins() bool { return k.BeginsBoot() || k == Ended }

// Ordinary reports whether a record is of kind Login or Other for certain, given
// its type and the first byte of its line. Most records are, and then need not be
// decoded.
func Ordinary(t utmpx.Type, line byte) bool {
	switch t {
	case utmpx.UserProcess, utmpx.LoginProcess:
		return line != '~'
	case utmpx.DeadProcess, utmpx.InitProcess:
		return line != '~' && line != 0
	}
	return false
}

// KindOf returns the kind of a record. Like last(1), it decides by the user, and
// not by the type, if the line begins with "~".
//
// Source: last(1) of util-linux and sysvinit; what systemd, sysvinit, busybox,
// OpenRC, s6-linux-init and illumos write.
func KindOf(r utmpx.Record) Kind {
	if strings.HasPrefix(r.Line, "~") {
		if kind := systemKind(r); kind != Other {
			return kind
		}
	}
	switch r.Type {
	case utmpx.BootTime:
		return Began
	case utmpx.DownTime:
		return Ended
	case utmpx.RunLevel:
		if level := r.PID & 0xff; level == '0' || level == '6' {
			return Ended
		}
	case utmpx.OldTime:
		return OldClock
	case utmpx.NewTime:
		return NewClock
	case utmpx.UserProcess:
		if r.User != "" {
			return Login
		}
	case utmpx.InitProcess, utmpx.DeadProcess:
		if r.Line == "" && r.User == "" {
			return Init
		}
	}
	return Other
}

// systemKind returns the kind of a record of the system's line "~" by its user;
// Other if the user does not decide.
func systemKind(r utmpx.Record) Kind {
	switch {
	case r.User == "shutdown":
		return Ended
	case r.User != "reboot":
		return Other
	case r.Type != utmpx.RunLevel:
		return Began
	case r.ID != "":
		return BeganEarlier // OpenRC's init writes it at the end of the start
	}
	return Ended // s6-linux-init writes it just before a reboot
}

// Source is where the time of an end comes from.
type Source string

// The sources, as CrashRecord writes them.
const (
	FromHeartbeat Source = "heartbeat"
	FromAccess    Source = "access-time"
	FromRecords   Source = "last-record"
	FromLedger    Source = "ledger"
)

// Exactness bounds the time of an end that was found later. If Known, the end
// lies between the time of its record and Within after it.
type Exactness struct {
	Known  bool
	Within time.Duration
}

// Prefixes of ut_host in the record of an end that was found at the next boot.
// In other records of a shutdown, ut_host is the kernel's release or empty.
const (
	crashHost    = "crash+"
	shutdownHost = "shutdown,"
)

// system returns a record about the system itself, not a session.
func system(t utmpx.Type, user, host string, at time.Time) utmpx.Record {
	return utmpx.Record{Type: t, Line: "~", ID: "~~", User: user, Host: host, Time: utmpx.TimeOf(at)}
}

// BootRecord returns a BOOT_TIME record as systemd and sysvinit write it.
// release is the kernel's.
func BootRecord(at time.Time, release string) utmpx.Record {
	return system(utmpx.BootTime, "reboot", release, at)
}

// ShutdownRecord returns the record of a shutdown as systemd and sysvinit write
// it. release is the kernel's.
func ShutdownRecord(at time.Time, release string) utmpx.Record {
	return system(utmpx.RunLevel, "shutdown", release, at)
}

// RunLevelRecord returns the record of the first run level of a boot, a digit, as systemd
// writes it.
//
// Source: utmp_put_runlevel in systemd's utmp-wtmp.c.
func RunLevelRecord(at time.Time, level byte, release string) utmpx.Record {
	r := system(utmpx.RunLevel, "runlevel", release, at)
	r.PID = int32(level)
	return r
}

// LateShutdownRecord returns the record of a shutdown that was found at the next
// boot.
func LateShutdownRecord(at time.Time, by Source) utmpx.Record {
	return ShutdownRecord(at, shutdownHost+string(by))
}

// CrashRecord returns the record of a crash. It is that of a shutdown, so that
// last(1) and similar programs end all sessions there. Only the host differs: for
// example crash+60s,heartbeat or crash+?,last-record. last shows its first
// sixteen bytes, which contain all but the source.
func CrashRecord(at time.Time, e Exactness, by Source) utmpx.Record {
	within := "?"
	if e.Known {
		// Rounded up, so that the end still lies within it.
		within = strconv.FormatInt(int64((e.Within+time.Second-1)/time.Second), 10) + "s"
	}
	return ShutdownRecord(at, fmt.Sprintf("%s%s,%s", crashHost, within, by))
}

// foundLater reports whether r is the record of an end that was found at the next boot.
func foundLater(r utmpx.Record) bool {
	return strings.HasPrefix(r.Host, crashHost) || strings.HasPrefix(r.Host, shutdownHost)
}

// ParseCrash parses a record that CrashRecord has made. ok is false for any
// other record. by is empty if the source is not known to this package.
func ParseCrash(r utmpx.Record) (e Exactness, by Source, ok bool) {
	text, ok := strings.CutPrefix(r.Host, crashHost)
	if !ok || KindOf(r) != Ended {
		return Exactness{}, "", false
	}
	within, source, _ := strings.Cut(text, ",")
	if n, err := strconv.ParseUint(strings.TrimSuffix(within, "s"), 10, 31); err == nil && strings.HasSuffix(within, "s") {
		e = Exactness{Known: true, Within: time.Duration(n) * time.Second}
	}
	switch by = Source(source); by {
	case FromHeartbeat, FromAccess, FromRecords, FromLedger:
	default:
		by = "" // text from elsewhere must not reach a terminal
	}
	return e, by, true
}
