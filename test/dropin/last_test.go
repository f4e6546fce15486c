// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// lastOptions are options that change what is shown.
func lastOptions(r *rand.Rand) []string {
	var args []string
	for _, o := range []string{"-x", "-x", "-a", "-R", "-w", "-F", "-i", "--system", "--hostlast"} {
		if chance(r, 5) {
			args = append(args, o)
		}
	}
	if chance(r, 4) && len(args) == 0 {
		args = append(args, "--time-format", one(r, "short", "full", "iso", "notime"))
	}
	if inside == trixie && chance(r, 4) {
		args = append(args, one(r, "-T", "--tab-separated"))
	}
	if chance(r, 5) {
		args = append(args, one(r, "-n", "--limit=", "-")+fmt.Sprint(r.IntN(20)))
	}
	if chance(r, 4) {
		args = append(args, one(r, "-s", "-t", "-p"), time.Unix(1700000000+r.Int64N(200000), 0).UTC().Format("2006-01-02 15:04:05"))
	}
	if chance(r, 8) {
		args = append(args, one(r, "root", "alice", "reboot", "shutdown", "runlevel", "tty1", "1", "0", "pts/0", ":0", "ftp", "ftp12", "~", "pts", "system boot", "", "date", "S0", "p", "y1", "tty"))
	}
	return args
}

func TestLast(t *testing.T) {
	random(t, 2500, func(r *rand.Rand, dir string) call {
		c := call{argv: append([]string{one(r, "last", "last", "last", "last", "lastb")}, lastOptions(r)...), env: surroundings(r)}
		for i := range 1 + r.IntN(1+r.IntN(3)) {
			c.argv = append(c.argv, "-f", write(dir, fmt.Sprintf("wtmp.%d", i), log(r, 80)))
		}
		return c
	})
}

// TestLastOptions calls last in ways that a person would, right and wrong.
func TestLastOptions(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	dir := t.TempDir()
	f, g := write(dir, "f", log(r, 60)), write(dir, "g", log(r, 60))
	empty, zeros, odd := write(dir, "e", nil), write(dir, "z", make([]byte, 3*384)), write(dir, "o", []byte("xyz"))
	for _, args := range [][]string{
		{}, {"-f", "nothing"}, {"-f", f, "-f", "nothing"}, {"-f", "nothing", "-f", f}, {"-f", "/"}, {"-f", "/dev/null"}, {"-f", ""}, {"-f", empty}, {"-f", empty, "-x"},
		{"-f", zeros}, {"-f", zeros, "-x"}, {"-f", odd}, {"-f", f + "/x"},
		{"-n", "abc", "-f", f}, {"-n", "-5", "-f", f}, {"-n", "5x", "-f", f}, {"-n", "99999999999", "-f", f}, {"-n", "2147483648", "-f", f}, {"-n", "2147483647", "-f", f},
		{"-n", "", "-f", f}, {"-n", " 5", "-f", f}, {"-n", "+2", "-f", f}, {"-n", "5 ", "-f", f}, {"-n", "0x10", "-f", f}, {"-n", "010", "-f", f}, {"-n", "99999999999999999999", "-f", f},
		{"-5x", "-f", f}, {"-2", "-1", "-f", f}, {"-n5", "-2", "-f", f}, {"-2n5", "-f", f}, {"-x2", "-f", f}, {"-0", "-f", f}, {"-12", "-f", f}, {"-99999999999", "-f", f}, {"-4294967297", "-f", f},
		{"-n2", "-f", f, "-f", g}, {"-1", "-f", f, "-f", g, "-f", f}, {"-n0", "-f", f},
		{"--time-format", "foo", "-f", f}, {"--time-format", "f", "-f", f}, {"--time-format", "", "-f", f}, {"--time", "iso", "-f", f}, {"--ti", "iso", "-f", f}, {"--time-format=full", "-f", f},
		{"--full", "-f", f}, {"--fullt", "-f", f}, {"--ho", "-f", f}, {"--n", "-f", f}, {"--h"}, {"--f"}, {"--s=yesterday"}, {"--t", "iso", "-f", f}, {"--sys", "-f", f}, {"--sin"},
		{"-s", "foo"}, {"-t", "foo"}, {"-p", ""}, {"--present", "-f", f}, {"-N", "1"}, {"--limit=1", "-f", f}, {"--limit"}, {"--file=" + f}, {"-F", "--time-format", "iso"}, {"--time-format", "iso", "-F"},
		{"-F", "-F", "-f", f}, {"--dns=1"}, {"--help=1"}, {"--foo"}, {"--foo=bar"}, {"-z"}, {"-?"}, {"-:"}, {"-f"}, {"-xz"}, {"-"}, {"--", "-x", "-f", f}, {"alice", "-f", f}, {"alice", "root", "-x", "-f", f},
		{"-f", f, "--", "alice"}, {"-i", "-d", "-f", f}, {"-T", "-f", f}, {"--tab", "-f", f}, {"-a", "-R", "-f", f}, {"-w", "-a", "-F", "-x", "-f", f}, {"-s", "foo", "-z"}, {"-z", "-s", "foo"},
		{"-f" + f, "-xn3"}, {"-f", f, "-p", "now"}, {"-f", f, "-s", "-1000000days"}, {"-f", f, "-s", "tomorrow"}, {"-f", f, "-t", "today", "-F"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			compare(t, call{argv: append([]string{"last"}, args...), env: []string{"LC_ALL=C"}})
			compare(t, call{argv: append([]string{"lastb"}, args...), env: []string{"LC_ALL=C.UTF-8", "TZ=Asia/Tokyo"}})
			compare(t, call{argv: append([]string{"/x/y/last"}, args...), env: []string{"POSIXLY_CORRECT=1"}})
		})
	}
}

// TestNames asks for the names of addresses.
func TestNames(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	var b []byte
	for _, addr := range []string{"", "\x7f\x00\x00\x01", "\x01\x02\x03\x04", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01", "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"} {
		u := record(r, 1700000000)
		u.Addr = [16]byte{}
		copy(u.Addr[:], addr)
		b = append(b, u.bytes()...)
	}
	f := write(t.TempDir(), "f", b)
	for _, o := range []string{"-d", "-dw", "-da", "-di", "-dR"} {
		compare(t, call{argv: []string{"lastb", o, "-f", f}})
	}
}

// moments are times as people write them, and as they should not.
func moments(r *rand.Rand) string {
	at := time.Unix(r.Int64N(1<<31), 0).UTC()
	switch r.IntN(12) {
	case 0:
		return one(r, "now", "today", "yesterday", "tomorrow", "noon", "", "NOW", "now ", " now", "ago", "today 03:00", "@", "epoch")
	case 1, 2, 3:
		unit := func() string {
			return one(r, "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour", "hours", "d", "day", "days", "w", "week", "weeks", "month", "months", "y", "year", "years", "ms", "msec", "us", "usec", "", "x", "M", "mins", "sx")
		}
		span := func() string {
			return fmt.Sprint(r.IntN(1000)) + one(r, "", "", ".5", ".", ".25", ".999999", ",5", ". 5", ".+5", ".-5") + one(r, "", "", " ", "  ", "\t") + unit()
		}
		s := span()
		for chance(r, 3) {
			s += one(r, " ", "", "+", "-", ",") + span()
		}
		return one(r, "+", "-", "", "+ ", "++", "--") + s + one(r, "", "", " ago", " ", "  ago", "ago", " ago ")
	case 4:
		return "@" + one(r, "", " ", "-", "+", "0") + fmt.Sprint(r.IntN(1<<31)) + one(r, "", "", ".5", ".1234567", "x", " ")
	}
	format := one(r, "2006-01-02 15:04:05", "06-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "06-01-02 15:04", "2006-01-02", "06-01-02", "15:04:05", "15:04", "20060102150405",
		"2006-1-2 3:4:5", "2006-01-02  15:04", "2006/01/02", "02.01.2006", "2006-01", "200601021504", "2006-01-02 15", "Mon 2006-01-02", "Monday 2006-01-02 15:04:05", "Mon 15:04", "mon 20060102150405", "Mon, 2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05Z07:00")
	s := at.Format(format)
	switch r.IntN(6) {
	case 0:
		s += one(r, ".5", ".", ",123456", ".1234567", " ", "x", "Z", ".5 ", " UTC")
	case 1:
		s = one(r, " ", "+", "\t", "Sun ", "x", "sunday  ") + s
	case 2:
		b := []byte(s)
		b[r.IntN(len(b))] = byte(one(r, '0', '9', '3', '6', ' ', ':', '-', 'T'))
		s = string(b)
	}
	return s
}

// TestTimes compares what times mean, by the records around them: one at each of many
// distances, so that a difference of two seconds shows. A call takes less time than that.
func TestTimes(t *testing.T) {
	random(t, 1000, func(r *rand.Rand, dir string) call {
		s := moments(r)
		tz := one(r, zones...)
		probe := call{argv: []string{"last"}, env: []string{"TZ=" + tz}}
		var b []byte
		around := probe.meaning(dir, s)
		for _, d := range []int64{-100000000, -1000000, -86400, -3600, -1800, -60, -2, 2, 60, 1800, 3600, 86400, 1000000} {
			if sec := around + d; 0 < sec && sec < 1<<31 {
				u := record(r, sec)
				u.Type, u.PID = 7, 0
				u.Line, u.User = [32]byte{'p'}, [32]byte{'x'}
				b = append(b, u.bytes()...)
			}
		}
		probe.argv = append(probe.argv, one(r, "-s", "-t"), s, "-F", "-f", write(dir, "f", b))
		return probe
	})
}

// meaning returns the seconds of a time, as our program takes it, 0 if it does not: where
// to put records so that a difference shows.
func (c call) meaning(dir, s string) int64 {
	const parts = 1300 // three times, they make more than 31 bits
	login := raw{Type: 7, Line: [32]byte{'p'}, User: [32]byte{'x'}}.bytes()
	low, step := int64(0), int64(1)<<31/parts+1
	for ; ; step = step/parts + 1 {
		var b []byte
		for i := range int64(parts) {
			b = append(b, login...)
			binary.LittleEndian.PutUint32(b[len(b)-384+340:], uint32(min(low+i*step, 1<<31-1)))
		}
		out := call{argv: []string{"last", "-s", s, "-f", write(dir, "probe", b)}, env: c.env}.ours()
		before := int64(parts - strings.Count(out.Stdout, "x  "))
		if out.Status != 0 || before == parts && step > 1 {
			return 0
		}
		if low += max(before-1, 0) * step; step == 1 {
			return low + 1
		}
	}
}

// TestLong lists logs of many blocks, with a few options.
func TestLong(t *testing.T) {
	random(t, 12, func(r *rand.Rand, dir string) call {
		var b []byte
		for len(b) < 384*7000 {
			b = append(b, log(r, 3000)...)
		}
		return call{argv: append([]string{"last", "-f", write(dir, "wtmp", b)}, lastOptions(r)...), env: surroundings(r)}
	})
}
