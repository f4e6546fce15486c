// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"strconv"
	"strings"
)

// Display is where a graphical session shows itself, as ut_line names it: an X
// display or a virtual terminal of the machine.
type Display struct {
	Host   string // of an X display; empty: this machine
	Number int    // of the X display; -1: unknown, or this is a virtual terminal
	VT     int    // of the virtual terminal; 0: this is an X display
}

// Witness is the living process that speaks for the session on a display.
type Witness struct {
	Found   bool
	Logind  bool // it leads logind's session there; else it is the X server
	Unknown bool // there may be another one; if none was found: there may be one
	ID      ID   // of the process; its Inode is unknown
}

const (
	// displayMost is the greatest number of an X display: its TCP port is 6000 more.
	displayMost = 65535 - 6000
	// vtMost is the greatest number of a virtual terminal.
	//
	// Source: MAX_NR_CONSOLES in the kernel's uapi/linux/vt.h.
	vtMost = 63
	// serverPID is the least number that an FTP server's line is believed to have for a
	// pid of another process than ut_pid, as in ftp:1234.
	serverPID = 100
	// lineBytes is how many bytes ut_line has on most systems.
	lineBytes = 32
)

// ParseDisplay returns the X display that ut_line names: [host]:number[.screen].
// The line of a server whose own process is recorded, such as vsftpd:1234 with its
// pid or xrdp:11, is none. A line that begins with a colon always is one. One that fills
// its field may have lost its number, or a part of it: the name of the host was long.
//
// Source: X(7), DISPLAY NAMES.
func ParseDisplay(line string, pid int32) (d Display, ok bool) {
	if fillsLine(line) {
		return Display{Number: -1}, true
	}
	colon := strings.LastIndexByte(line, ':')
	if colon < 0 {
		return Display{}, false
	}
	number, screen, hasScreen := strings.Cut(line[colon+1:], ".")
	n, isNumber := digits(number)
	if _, isScreen := digits(screen); hasScreen && !isScreen || n > displayMost {
		isNumber = false
	}
	host := strings.TrimSuffix(line[:colon], ":") // DECnet: two colons
	switch {
	case !isNumber:
		return Display{Number: -1}, line[0] == ':'
	case host == "unix":
		host = ""
	case host == "":
	case strings.ContainsAny(host, "/ \t"), host == "xrdp", n == int(pid) && pid > 0, n >= serverPID && isFTP(host):
		return Display{}, false
	}
	return Display{Host: strings.ToLower(host), Number: n}, true
}

// MayBeDisplay reports whether a line is worth a look by [ParseDisplay].
func MayBeDisplay(line string) bool { return strings.IndexByte(line, ':') >= 0 || fillsLine(line) }

// fillsLine reports whether a line may have been cut. No device has so long a name.
func fillsLine(line string) bool {
	return len(line) >= lineBytes && strings.IndexByte(line, '/') < 0
}

func isFTP(name string) bool { return name == "ftp" || strings.HasSuffix(name, "ftpd") }

// ParseVT returns the virtual terminal that ut_line names, such as tty7.
func ParseVT(line string) (d Display, ok bool) {
	number, ok := strings.CutPrefix(line, "tty")
	n, isNumber := digits(number)
	if !ok || !isNumber || n < 1 || n > vtMost || number[0] == '0' {
		return Display{}, false
	}
	return Display{Number: -1, VT: n}, true
}

// digits parses a number that has digits only, and not many.
func digits(text string) (n int, ok bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// Same reports whether both are the same X display, or the same virtual terminal.
func (d Display) Same(other Display) bool { return d == other && (d.VT != 0 || d.Number >= 0) }

// String returns its name, without a screen: host:0, :0, tty7.
func (d Display) String() string {
	if d.VT != 0 {
		return "tty" + strconv.Itoa(d.VT)
	}
	return d.Host + ":" + strconv.Itoa(d.Number)
}
