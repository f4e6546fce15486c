// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	random(t, 1500, func(r *rand.Rand, dir string) call {
		b := log(r, 60)
		c := call{argv: []string{"utmpdump"}, env: surroundings(r)}
		if chance(r, 4) {
			c.stdin = b
		} else {
			c.argv = append(c.argv, write(dir, "wtmp", b))
		}
		return c
	})
}

// lines are text for utmpdump -r: what it prints, with faults, and lines that only look
// like it. A field that is missing is among TestDifferences.
func lines(r *rand.Rand) []byte {
	var b bytes.Buffer
	for range r.IntN(30) {
		field := func(s string) string {
			return strings.Map(func(c rune) rune {
				if c == '[' || c == ']' || c == 0 {
					return '?'
				}
				return c
			}, s)
		}
		at := one(r, "2023-11-14T22:13:20,123456+00:00", "Wed Aug 28 03:00:00 2013 GMT", fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d,%06d+00:00", 1900+r.IntN(250), r.IntN(15), r.IntN(34), r.IntN(26), r.IntN(62), r.IntN(64), r.IntN(1000000)),
			"Sat Feb 29 1:2:3 2020", "2023", "", " ", "x", "sun mar 3 1:2:3 2000", "2023-1-4T2:3:4,1", "9999-12-31T23:59:59,9", field(text(r, "y")))
		line := fmt.Sprintf("[%d] [%05d] [%-4.4s] [%-8s] [%-12s] [%-20s] [%-15s] [%s]",
			one(r, 7, 8, 2, r.IntN(70000)-200), one(r, r.IntN(100000), 1, -1-r.IntN(9999), 99999999999), one(r, "ts/0", "1", "~~", "ab cd"),
			field(text(r, "alice", "root")), field(text(r, "pts/0", "tty1")), field(text(r, "host", "")),
			one(r, "0.0.0.0", "10.0.0.1", "2001:db8::1", "::ffff:1.2.3.4", "1.2.3", "x", "::", "fe80::1%eth0", "1:2:3:4:5:6:7::", "01.2.3.4", ""), at)
		switch r.IntN(15) {
		case 0:
			line = one(r, "", "junk", " "+line, "[x]"+line, "["+line, line[:r.IntN(12)])
		case 1:
			line += one(r, "junk", "[]", " ", "\r", "\x00x")
		case 2:
			line = strings.Replace(line, "] [", one(r, "]   [", "]x   [", "]\t["), 1+r.IntN(2))
		}
		if strings.Count(line, "\n") == 0 {
			b.WriteString(line + "\n")
		}
	}
	s := b.Bytes()
	if chance(r, 5) {
		s = bytes.TrimSuffix(s, []byte("\n"))
	}
	return s
}

func TestUndump(t *testing.T) {
	random(t, 1500, func(r *rand.Rand, dir string) call {
		c := call{argv: []string{"utmpdump", one(r, "-r", "--reverse", "--rev")}, env: []string{"TZ=" + one(r, zones...), "LC_ALL=" + one(r, "C", "C.UTF-8", "POSIX")}}
		if chance(r, 2) {
			c.stdin = lines(r)
		} else {
			c.argv = append(c.argv, write(dir, "text", lines(r)))
		}
		return c
	})
}

// TestDumpOptions calls utmpdump in ways that a person would.
func TestDumpOptions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	dir := t.TempDir()
	f := write(dir, "f", log(r, 20))
	for _, args := range [][]string{
		{}, {f, "nothing"}, {"nothing"}, {""}, {"-"}, {"/"}, {"--", "-r"}, {"-z"}, {"--foo"}, {"--foo=bar"}, {"-o"}, {"--output"}, {"-o", "/nothing/x", f},
		{"-f"}, {"--fol"}, {"-r", "nothing"}, {"--rev=x"}, {"--version=3"}, {"-ff"}, {"-rz"}, {"-f", "nothing"}, {"-fr", "nothing"}, {"-:"}, {"-?"},
		{"-r", f}, {"-o", "/dev/full", f}, {f, "-o", "/dev/null"}, {"-o/dev/null", f}, {"--out=/dev/null", f}, {"-", "-z"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			compare(t, call{argv: append([]string{"utmpdump"}, args...), env: []string{"LC_ALL=C"}})
			compare(t, call{argv: append([]string{"/x/y/utmpdump"}, args...), env: []string{"POSIXLY_CORRECT=1"}})
		})
	}
}
