// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// oddNames are users, lines and file names that look like something else.
var oddNames = []string{"0", "1", ":0", ":0.0", "::1", "a b", " a", "b ", "tty", "ttyS0", "S0", "pts/0", "/0", "-", "+", "still", "system boot", "reboot", "REBOOT", "Alice", "alice", "root", "~", "~~", "{", "|", "pts/", "p", "tty1", "1", "12345678901234567890123456789012", "123456789012345678901234567890123", "éa", "\xffa", "a\x1b[1m", "LOGIN", "", "ftp", "ftpd99", "uucp", "%d", "pts/10", "console"}

// anyWay are options of last in any order and combination, also twice, in short and long
// form, apart or together.
func anyWay(r *rand.Rand, dir string, now int64) []string {
	at := func() string {
		return one(r, time.Unix(1700000000+r.Int64N(200000), 0).UTC().Format("2006-01-02 15:04:05"), time.Unix(now-r.Int64N(400000), 0).UTC().Format("2006-01-02 15:04"), "now", "today", "yesterday", "tomorrow", "-5days", "-90min", "+1h", "20231115120000", "10:00", "2023-11-15")
	}
	var groups [][]string
	letters := "xaRwFi"
	if inside == trixie {
		letters += "T"
	}
	long := []string{"--system", "--hostlast", "--nohostname", "--fullnames", "--fulltimes", "--ip", "--sys", "--fullt", "--fulln", "--no", "--i"}
	for range r.IntN(5) {
		switch r.IntN(9) {
		case 0, 1, 2:
			g := "-"
			for range 1 + r.IntN(3) {
				g += string(letters[r.IntN(len(letters))])
			}
			groups = append(groups, []string{g})
		case 3:
			groups = append(groups, []string{one(r, long...)})
		case 4:
			groups = append(groups, []string{one(r, "--time-format=", "--time=", "--time-f=") + one(r, "short", "full", "iso", "notime", "notime", "full", "iso")})
		case 5:
			groups = append(groups, []string{one(r, "-n", "-xn", "--limit", "-Fn"), fmt.Sprint(r.IntN(9))})
		case 6:
			groups = append(groups, []string{one(r, "-", "-x", "-F") + fmt.Sprint(r.IntN(30))})
		case 7:
			groups = append(groups, []string{one(r, "-s", "-t", "-p", "-p", "--since", "--until", "--present", "-xp", "-Fs"), at()})
		case 8:
			if inside == trixie {
				groups = append(groups, []string{one(r, "-T", "--tab-separated", "--tab")})
			}
		}
	}
	for range r.IntN(1 + r.IntN(3)) {
		groups = append(groups, []string{one(r, oddNames...)})
	}
	for i := range 1 + r.IntN(1+r.IntN(3)) {
		name := fmt.Sprint(one(r, "wtmp", "a b", "x\x1by", "ü", "btmp.", "wtmp-2023"), i)
		path := write(dir, name, oddLog(r, now))
		groups = append(groups, one(r, []string{"-f", path}, []string{"-f" + path}, []string{"--file=" + path}, []string{"--fi", path}, []string{"-xf", path}))
	}
	r.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	var args []string
	for _, g := range groups {
		if strings.HasPrefix(g[0], "-") || g[0] == "" || !strings.HasPrefix(g[0], "+") {
			args = append(args, g...)
		}
	}
	return args
}

// oddLog is a log with odd names, of which some are on lines that others have had, near
// now or not.
func oddLog(r *rand.Rand, now int64) []byte {
	if chance(r, 3) {
		return log(r, 60)
	}
	sec := one(r, now-300000, now-3000, int64(1700000000), 1700000000)
	var b []byte
	for range r.IntN(60) {
		u := record(r, sec)
		if chance(r, 2) {
			u.Line = [32]byte{}
			copy(u.Line[:], one(r, oddNames...))
		}
		if chance(r, 2) {
			u.User = [32]byte{}
			copy(u.User[:], one(r, oddNames...))
		}
		if chance(r, 4) {
			u.Host = [256]byte{}
			copy(u.Host[:], one(r, oddNames...))
		}
		b = append(b, u.bytes()...)
		sec += r.Int64N(one(r, int64(1), 60, 4000, 40000, 90000))
		if chance(r, 15) {
			sec -= r.Int64N(100000)
		}
	}
	return b
}

// TestAnyWay compares last and lastb with options as they come, and odd names.
func TestAnyWay(t *testing.T) {
	random(t, 2000, func(r *rand.Rand, dir string) call {
		// Of the second in which the day began, the two may differ: nobody asks about that.
		return call{argv: append([]string{one(r, "last", "last", "lastb")}, anyWay(r, dir, time.Now().Unix())...), env: surroundings(r)}
	})
}

// TestFullFields asks for names that fill their field, and for longer ones.
func TestFullFields(t *testing.T) {
	user, line, tty := strings.Repeat("u", 32), strings.Repeat("l", 32), "tty"+strings.Repeat("x", 29)
	var b []byte
	for _, names := range [][2]string{{user, "pts/0"}, {user[1:], "pts/1"}, {"alice", line}, {"alice", tty}, {"bob", tty[:31]}, {"bob", "ftp12"}, {"tty", "pts/0"}} {
		u := raw{Type: 7, Sec: 1700000000}
		copy(u.User[:], names[0])
		copy(u.Line[:], names[1])
		b = append(b, u.bytes()...)
	}
	f := write(t.TempDir(), "f", b)
	for _, name := range []string{user, line, tty, tty[3:], tty[3:31], tty[:31], "ftp", "ftp12", "tty", "alice"} {
		for _, more := range []string{"", "z", "zzz", "zzzzzzzz"} {
			for _, program := range []string{"last", "lastb"} {
				compare(t, call{argv: []string{program, "-w", "-f", f, name + more}, env: []string{"TZ=UTC"}})
			}
		}
	}
}

// TestPresent asks with -p for the past and for what is yet to come: what the system has
// begun and not ended, before 1970 too.
func TestPresent(t *testing.T) {
	system := func(typ int16, user, line string, sec int32) []byte {
		u := raw{Type: typ, Sec: sec, PID: '5'}
		copy(u.User[:], user)
		copy(u.Line[:], line)
		return u.bytes()
	}
	for _, from := range []int32{-700000000, 1, 1700000000} {
		var b []byte
		for i, down := range []bool{false, true, false} {
			at := from + int32(i)*10000
			b = append(b, system(2, "reboot", "~", at)...)
			b = append(b, system(1, "runlevel", "~", at+10)...)
			b = append(b, system(3, "date", "|", at+20)...)
			b = append(b, system(4, "date", "{", at+30)...)
			b = append(b, system(7, "alice", "pts/0", at+40)...)
			if down {
				b = append(b, system(1, "shutdown", "~", at+5000)...)
			}
		}
		f := write(t.TempDir(), "f", b)
		for _, present := range []string{"now", "+1h", "tomorrow", "yesterday", "2023-11-14 22:15:00", "2023-11-15 03:00:00", "1970-01-01 00:00:15"} {
			compare(t, call{argv: []string{"last", "-xF", "-p", present, "-f", f}, env: []string{"TZ=UTC"}})
		}
	}
}
