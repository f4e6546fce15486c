// SPDX-License-Identifier: BSD-2-Clause

package proc

import "testing"

// TestIsTerminal has the drivers of a machine with a serial line.
func TestIsTerminal(t *testing.T) {
	const drivers = `/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/console         /dev/console    5       1 system:console
/dev/ptmx            /dev/ptmx       5       2 system
/dev/vc/0            /dev/vc/0       4       0 system:vtmaster
serial               /dev/ttyS       4 64-67 serial
usbserial            /dev/ttyUSB   188 0-511 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
unknown              /dev/tty        4 1-63 console
`
	for _, tt := range []struct {
		name         string
		major, minor uint32
		want, guess  bool // guess: without the file
	}{
		{"null", 1, 3, false, false},
		{"tty", 5, 0, false, false},
		{"console", 5, 1, true, true},
		{"ptmx", 5, 2, false, false},
		{"tty0", 4, 0, false, true},
		{"tty1", 4, 1, true, true},
		{"tty63", 4, 63, true, true},
		{"ttyS0", 4, 64, true, true},
		{"ttyS4, which is none", 4, 68, false, true},
		{"ttyUSB3", 188, 3, true, true},
		{"pts/300", 136, 300, true, true},
		{"a master", 128, 0, false, true},
		{"a sound card", 116, 2, false, true},
	} {
		if got := isTerminal(drivers, tt.major, tt.minor); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := isTerminal("", tt.major, tt.minor); got != tt.guess {
			t.Errorf("%s, without the drivers: %v", tt.name, got)
		}
	}
}

// TestTerminalName has other devices of this machine, and other names of a terminal.
func TestTerminalName(t *testing.T) {
	for _, name := range []string{"", "null", "zero", "tty", "ptmx", "pts/ptmx", "pts", "pts/999999", "fd/0", "stdin", "../dev/console", "/dev/console"} {
		if TerminalDevice(name) {
			t.Errorf("%q is a terminal", name)
		}
	}
	master, own := openPTY(t)
	defer master.Close()
	for name, want := range map[string]bool{own: true, "/dev/" + own: false, "pts/" + own: false, "pts/../" + own: false, "./" + own: false, own + "/": false, "pts/" + own[3:]: false} {
		if TerminalDevice(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
