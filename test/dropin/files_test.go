// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// raw is a record as it is in a file: every field, with all its bytes.
type raw struct {
	Type        int16
	_           [2]byte
	PID         int32
	Line        [32]byte
	ID          [4]byte
	User        [32]byte
	Host        [256]byte
	Termination int16
	Exit        int16
	Session     int32
	Sec, Usec   int32
	Addr        [16]byte
	_           [20]byte
}

func (r raw) bytes() []byte {
	b, _ := binary.Append(make([]byte, 0, 384), binary.LittleEndian, r)
	return b
}

// one of the values, each as likely.
func one[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// chance is true once in n times.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// text is a name with what hostile and foreign programs put into names, and now and then
// one that fills the field.
func text(r *rand.Rand, usual ...string) string {
	switch r.IntN(12) {
	case 0:
		return one(r, "", "a\tb", "x\x1b[31mred", "bell\a", "\x7f", "ümläut", "日本語ユーザ", "\xff\xfe", "\xc3", "a[b]c", "new\nline", "tr  ", " sp", "€uro", "\u202etrl", "\u0085nel", "\u00a0", "a\\b", "*", "%s%n", "e\u0301", "\U0001f600")
	case 1:
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return string(b)
	case 2:
		return string(bytes.Repeat([]byte(one(r, "a", "long-name.", "ä", "8")), 1+r.IntN(70)))
	}
	return one(r, usual...)
}

// fill puts a string into a field. What is behind its NUL may be anything.
func fill(r *rand.Rand, field []byte, s string) {
	if chance(r, 20) {
		for i := range field {
			field[i] = byte(r.IntN(256))
		}
	}
	n := copy(field, s)
	if n < len(field) {
		field[n] = 0
	}
}

// record is any record, at a time.
func record(r *rand.Rand, sec int64) raw {
	var u raw
	u.Type = int16(one(r, 7, 7, 7, 7, 8, 8, 8, 2, 1, 6, 5, r.IntN(12), r.IntN(12)))
	line, user, host := names(r, u.Type)
	u.PID = one(r, int32(r.IntN(5000)), int32(r.IntN(5000)), 1, 0, -1, int32(r.Uint32()))
	if u.Type == 1 {
		u.PID = one(r, '5', '3', '0', '6', int32(r.IntN(100000)))
	}
	fill(r, u.Line[:], line)
	fill(r, u.ID[:], one(r, "ts/0", "1", "", "~~", "ts/1", text(r, "x")))
	fill(r, u.User[:], user)
	fill(r, u.Host[:], host)
	u.Termination, u.Exit, u.Session = int16(r.IntN(20)), int16(r.IntN(300)), r.Int32N(9999)
	u.Sec = int32(sec)
	u.Usec = one(r, int32(r.IntN(1000000)), int32(r.IntN(1000000)), 0, int32(r.Uint32()))
	switch r.IntN(6) {
	case 0:
		copy(u.Addr[:], []byte{10, 0, 0, byte(r.IntN(256))})
	case 1:
		copy(u.Addr[:], one(r, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04", "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"))
	case 2:
		for i := range u.Addr {
			u.Addr[i] = byte(r.IntN(256)) & byte(one(r, 0, 0xff))
		}
	}
	return u
}

// names are the line, user and host of a record of a type, and now and then others.
func names(r *rand.Rand, typ int16) (line, user, host string) {
	line = one(r, "pts/0", "pts/1", "pts/2", "tty1", "tty2", ":0", "ftp12", "ftpd99", "uucp3")
	user = one(r, "root", "alice", "bob", "daemon", "nobody", "")
	host = text(r, "", "host.example.com", "a.very.long.host.name.example.com", "10.0.0.1", ":0", "2001:db8::1")
	switch typ {
	case 1, 2, 3, 4:
		line, user = "~", map[int16]string{1: one(r, "runlevel", "shutdown", "shutdown"), 2: "reboot", 3: "date", 4: "date"}[typ]
		host = one(r, "6.1.0-13-amd64", host)
		if typ >= 3 {
			line = one(r, "~", "|", "{", "")
		}
	case 6:
		user = "LOGIN"
	case 8:
		user = one(r, "", "", user)
	}
	if chance(r, 15) {
		line = text(r, "pts/7", "", "~", "~~", "|", "{", "tty", "null", "ttyS0", "console")
	}
	if chance(r, 15) {
		user = text(r, "LOGIN", "reboot", "shutdown", "runlevel", "date", "", "rebootx", "LOGINx", "LOGI", "dates", "shutdown1", "runlevel5", "reboo")
	}
	return line, user, host
}

// log is a file of records: a history with clock steps and odd times, and now and then
// damaged.
func log(r *rand.Rand, most int) []byte {
	sec := one(r, int64(1700000000), 1700000000, int64(r.Uint32()), 1, 1<<31-5000, 951782400, 1711846800-3000, 1698541200-3000)
	var b []byte
	for range r.IntN(most) {
		b = append(b, record(r, sec).bytes()...)
		switch r.IntN(30) {
		case 0:
			sec += r.Int64N(200000) - 100000
		case 1:
			sec += r.Int64N(100 * 86400)
		case 2:
			sec = int64(r.Uint32())
		case 3:
		default:
			sec += r.Int64N(one(r, int64(60), 4000, 40000, 90000))
		}
	}
	switch r.IntN(12) {
	case 0:
		b = b[:r.IntN(len(b)+1)]
	case 1:
		b = append(make([]byte, r.IntN(500)), b...)
	case 2:
		b = append(b, make([]byte, r.IntN(500))...)
	case 3:
		for i := 0; i < len(b) && i < 384; i++ {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
	}
	return b
}

// write makes a file in a directory and returns its name.
func write(dir, name string, b []byte) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		panic(err)
	}
	return path
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Caracas", "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30", "", ":Europe/London", "nowhere/atall", "UTC-14", "America/St_Johns", "Antarctica/Troll", "XYZ3"}

var locales = []string{"C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8", "POSIX"}

// surroundings are a zone and a locale.
func surroundings(r *rand.Rand) []string {
	var env []string
	if !chance(r, 10) {
		env = append(env, "TZ="+one(r, zones...))
	}
	if !chance(r, 5) {
		env = append(env, fmt.Sprintf("%s=%s", one(r, "LC_ALL", "LANG", "LC_CTYPE"), one(r, locales...)))
	}
	return env
}

// TestRaw keeps the layout of this file that of the machine's.
func TestRaw(t *testing.T) {
	if n := len(raw{}.bytes()); n != 384 {
		t.Errorf("a record has %d bytes, want 384", n)
	}
}
