// SPDX-License-Identifier: BSD-2-Clause

package session

import "testing"

func TestParseDisplay(t *testing.T) {
	display := func(host string, number int) *Display { return &Display{Host: host, Number: number} }
	const pid = 1234
	for _, c := range []struct {
		name, line string
		want       *Display // nil: no display
	}{
		{"of this machine", ":0", display("", 0)},
		{"with a screen", ":0.0", display("", 0)},
		{"with two digits", ":11", display("", 11)},
		{"over a socket", "unix:0", display("", 0)},
		{"of an X terminal", "ws12:0", display("ws12", 0)},
		{"of an X terminal with a domain", "WS12.example.org:0.1", display("ws12.example.org", 0)},
		{"of a forwarding", "host:10.0", display("host", 10)},
		{"of a forwarding by ssh", "localhost:10.0", display("localhost", 10)},
		{"of an IPv4 address", "10.0.0.7:0", display("10.0.0.7", 0)},
		{"of an IPv6 address", "[::1]:0", display("[::1]", 0)},
		{"of an IPv6 address without brackets", "fe80::7:0", display("fe80::7", 0)},
		{"of DECnet", "vax::0", display("vax", 0)},
		{"a colon alone", ":", display("", -1)},
		{"of a form not known", ":S.0", display("", -1)},
		{"beyond what a display can have", ":70000", display("", -1)},
		{"vsftpd's own pid", "vsftpd:1234", nil},
		{"vsftpd's other pid", "vsftpd:1230", nil},
		{"an FTP server", "ftp:123", nil},
		{"an X terminal named as an FTP server is", "ftp:0", display("ftp", 0)},
		{"xrdp's, whose sesman is recorded", "xrdp:11", nil},
		{"any server's own pid", "webd:1234", nil},
		{"a pid beyond what a display can have", "webd:70000", nil},
		{"a pid without a colon", "ftpd1234", nil},
		{"a virtual terminal", "tty7", nil},
		{"a terminal", "pts/0", nil},
		{"a terminal with a window", "pts/0:S.1", nil},
		{"a path with a number", "pts/0:1", nil},
		{"CDE's name", "dtlocal", nil},
		{"a host alone", "ws12:", nil},
		{"a host and a screen alone", "ws12:.0", nil},
		{"a screen that is none", "ws12:0.a", nil},
		{"a screen missing", "ws12:0.", nil},
		{"a sign", "ws12:+1", nil},
		{"a number without end", "ws12:99999999999999999999", nil},
		{"blanks", "a b:0", nil},
		{"without its number, since the host's name is long", "very-long-workstation.example.or", display("", -1)},
		{"with a part of its number", "a-long-workstation.example.org:1", display("", -1)},
		{"a byte less", "very-long-workstation.example.o", nil},
		{"a path of 32 bytes", "serial/by-id-usb-FTDI_FT232R_USB", nil},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := ParseDisplay(c.line, pid)
			if ok != (c.want != nil) || ok && d != *c.want {
				t.Errorf("ParseDisplay(%q) = %+v, %v, want %+v", c.line, d, ok, c.want)
			}
		})
	}
}

func TestParseVT(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       int // 0: none
	}{
		{"the first", "tty1", 1},
		{"the last", "tty63", 63},
		{"beyond the last", "tty64", 0},
		{"whichever is active", "tty0", 0},
		{"a zero before it", "tty07", 0},
		{"a serial line", "ttyS0", 0},
		{"a BSD pseudo-terminal", "ttyp0", 0},
		{"no number", "tty", 0},
		{"a number alone", "7", 0},
		{"a display", ":7", 0},
		{"nothing", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := ParseVT(c.line)
			if ok != (c.want != 0) || ok && (d != Display{Number: -1, VT: c.want}) {
				t.Errorf("ParseVT(%q) = %+v, %v, want %d", c.line, d, ok, c.want)
			}
		})
	}
}

func TestDisplaySame(t *testing.T) {
	parse := func(line string) Display { d, _ := ParseDisplay(line, 1); return d }
	vt, _ := ParseVT("tty7")
	for _, c := range []struct {
		name string
		a, b Display
		same bool
	}{
		{"one with a screen", parse(":0"), parse(":0.0"), true},
		{"over a socket", parse(":0"), parse("unix:0"), true},
		{"hosts in capitals", parse("WS12:0"), parse("ws12:0.0"), true},
		{"other numbers", parse(":0"), parse(":1"), false},
		{"other hosts", parse(":0"), parse("ws12:0"), false},
		{"two that are not known", parse(":"), parse(":"), false},
		{"a virtual terminal", vt, vt, true},
		{"a virtual terminal and a display", vt, parse(":7"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.a.Same(c.b); got != c.same {
				t.Errorf("%v.Same(%v) = %v", c.a, c.b, got)
			}
		})
	}
}
