// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The types of records.
const (
	typeLevel = 1
	typeBoot  = 2
	typeInit  = 5
	typeGetty = 6
	typeUser  = 7
	typeDead  = 8
)

// rec is a record's content. The cases have an encoder of their own, so that no mistake
// of the one under test hides itself.
type rec struct {
	typ                  int16
	pid                  int32
	line, id, user, host string
	at                   time.Time
	session              int32
}

// form is how a C library lays out its records.
type form struct {
	size      int
	order     binary.ByteOrder
	wide      bool // 64-bit session and time
	sec, usec int
}

var (
	x86     = form{384, binary.LittleEndian, false, 340, 344}
	aarch64 = form{400, binary.LittleEndian, true, 344, 352}
	s390x   = form{400, binary.BigEndian, true, 344, 352}
)

func (f form) bytes(records ...rec) []byte {
	var file []byte
	for _, r := range records {
		b := make([]byte, f.size)
		f.order.PutUint16(b[0:], uint16(r.typ))
		f.order.PutUint32(b[4:], uint32(r.pid))
		for _, s := range []struct {
			at, width int
			text      string
		}{{8, 32, r.line}, {40, 4, r.id}, {44, 32, r.user}, {76, 256, r.host}} {
			copy(b[s.at:s.at+s.width], s.text)
		}
		sec, usec := r.at.Unix(), r.at.Nanosecond()/1000
		if f.wide {
			f.order.PutUint64(b[336:], uint64(r.session))
			f.order.PutUint64(b[f.sec:], uint64(sec))
			f.order.PutUint64(b[f.usec:], uint64(usec))
		} else {
			f.order.PutUint32(b[336:], uint32(r.session))
			f.order.PutUint32(b[f.sec:], uint32(sec))
			f.order.PutUint32(b[f.usec:], uint32(usec))
		}
		file = append(file, b...)
	}
	return file
}

// records reads a file of x86 records from its start; what is left at its end is no
// record.
func records(t *testing.T, name string) []rec {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []rec
	for c := range slices.Chunk(b, x86.size) {
		if len(c) < x86.size {
			break
		}
		text := func(at, width int) string {
			s, _, _ := bytes.Cut(c[at:at+width], []byte{0})
			return string(s)
		}
		all = append(all, rec{
			typ: int16(binary.LittleEndian.Uint16(c)), pid: int32(binary.LittleEndian.Uint32(c[4:])),
			line: text(8, 32), id: text(40, 4), user: text(44, 32), host: text(76, 256),
			at: time.Unix(int64(binary.LittleEndian.Uint32(c[340:])), 1000*int64(binary.LittleEndian.Uint32(c[344:]))).UTC(),
		})
	}
	return all
}

func (r rec) String() string {
	return fmt.Sprintf("[%d] %d line %q id %q user %q host %q %s", r.typ, r.pid, r.line, r.id, r.user, r.host, r.at.Format(time.RFC3339Nano))
}

// on is a time in UTC, such as "2024-11-20 08:00:00".
func on(s string) time.Time {
	at, err := time.Parse(time.DateTime, s)
	if err != nil {
		panic(err)
	}
	return at
}

const release = "6.1.0-10-amd64"

func boot(at time.Time) rec {
	return rec{typ: typeBoot, line: "~", id: "~~", user: "reboot", host: release, at: at}
}

func shutdown(at time.Time) rec {
	return rec{typ: typeLevel, line: "~", id: "~~", user: "shutdown", host: release, at: at}
}

func runlevel(at time.Time) rec {
	return rec{typ: typeLevel, pid: '5', line: "~", id: "~~", user: "runlevel", host: release, at: at}
}

// login takes its record out at no end.
func login(user, line string, pid int, at time.Time) rec {
	return rec{typ: typeUser, pid: int32(pid), line: line, id: line[max(0, len(line)-4):], user: user, host: "desk.example", at: at}
}

func (r rec) withID(id string) rec { r.id = id; return r }

func logout(line string, pid int, at time.Time) rec {
	return rec{typ: typeDead, pid: int32(pid), line: line, at: at}
}

// day is a day of a machine: on from 8 to 18 o'clock, alice at it from 8:10 to 17.
func day(date string) []rec {
	return []rec{boot(on(date + " 08:00:00")), login("alice", "pts/0", 1000, on(date+" 08:10:00")), logout("pts/0", 1000, on(date+" 17:00:00")), shutdown(on(date + " 18:00:00"))}
}

// machineBoot is when the kernel was started, as the wall clock says now.
func machineBoot(t *testing.T) time.Time {
	t.Helper()
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		t.Fatal(err)
	}
	return time.Now().Add(-time.Duration(up.Nano()))
}
