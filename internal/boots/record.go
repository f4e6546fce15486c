// SPDX-License-Identifier: BSD-2-Clause

// Package boots tells from the records of a wtmpx log when the system was up, how
// each boot ended, and for how long it was down; and, at a new boot, what is to
// be recorded of the end of the last one. It does no I/O and reads no clock.
package boots

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Kind is what a record says of the system.
type Kind int

// The kinds of record.
const (
	Other    Kind = iota // nothing but that it was up
	Login                // somebody logged in
	Began                // the system was booted
	BeganAgo             // the system was booted, and may have been used since
	Ended                // the system goes down, or, as was found later, went down
	OldClock             // the clock before it was set
	NewClock             // the clock after that
)

// Ordinary reports whether a record with that type, and with that first byte in
// its line, tells nothing of boots and clocks: so nearly all do, and need not be
// decoded for it.
func Ordinary(t utmpx.Type, line byte) bool {
	return (t == utmpx.UserProcess || t == utmpx.DeadProcess || t == utmpx.LoginProcess || t == utmpx.InitProcess) && line != '~'
}

// KindOf tells what a record says of the system. As last(1) does, it goes by the
// user where the line is that of the system, whatever the type.
//
// Source: last(1) of util-linux and sysvinit; what systemd, sysvinit, busybox,
// OpenRC, s6-linux-init and illumos write.
func KindOf(r utmpx.Record) Kind {
	if strings.HasPrefix(r.Line, "~") {
		switch {
		case r.User == "shutdown":
			return Ended
		case r.User == "reboot" && r.Type != utmpx.RunLevel:
			return Began
		case r.User == "reboot" && r.ID != "":
			return BeganAgo // OpenRC's init, at the end of its start
		case r.User == "reboot":
			return Ended // s6-linux-init's last act before a reboot
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
	}
	return Other
}

// Source is what the time of an end is known from.
type Source string

// The sources, as they stand in a record.
const (
	FromHeartbeat Source = "heartbeat"
	FromAccess    Source = "access-time"
	FromRecords   Source = "last-record"
)

// Exactness tells where in time an end lies that was found later: between the
// time of its record and Within later, if that is Known.
type Exactness struct {
	Known  bool
	Within time.Duration
}

// The beginning of ut_host in a record of an end that was found at the next boot.
// The host of a shutdown is the release of the kernel, or empty.
const (
	crashHost    = "crash+"
	shutdownHost = "shutdown,"
)

// system is the record of something that the system itself did.
func system(t utmpx.Type, user, host string, at time.Time) utmpx.Record {
	return utmpx.Record{Type: t, Line: "~", ID: "~~", User: user, Host: host, Time: utmpx.TimeOf(at)}
}

// BootRecord is a BOOT_TIME as systemd and sysvinit write it: release is the
// kernel's.
func BootRecord(at time.Time, release string) utmpx.Record {
	return system(utmpx.BootTime, "reboot", release, at)
}

// ShutdownRecord is that of a controlled end, as systemd and sysvinit write it.
func ShutdownRecord(at time.Time, release string) utmpx.Record {
	return system(utmpx.RunLevel, "shutdown", release, at)
}

// LateShutdownRecord is that of a controlled end which nobody had recorded.
func LateShutdownRecord(at time.Time, by Source) utmpx.Record {
	return ShutdownRecord(at, shutdownHost+string(by))
}

// CrashRecord is that of an end without control. To last(1) and its like it is a
// shutdown, at which all sessions end; its host tells the difference, such as
// crash+60s,heartbeat or crash+?,last-record. The first sixteen bytes of it,
// which last shows, have all but the source.
func CrashRecord(at time.Time, e Exactness, by Source) utmpx.Record {
	within := "?"
	if e.Known {
		// Rounded up: the end lies within it.
		within = strconv.FormatInt(int64((e.Within+time.Second-1)/time.Second), 10) + "s"
	}
	return ShutdownRecord(at, fmt.Sprintf("%s%s,%s", crashHost, within, by))
}

// ParseCrash tells whether the record of an end is that of a crash, and how exact
// its time is.
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
	case FromHeartbeat, FromAccess, FromRecords:
	default:
		by = "" // another's words are not passed on
	}
	return e, by, true
}
