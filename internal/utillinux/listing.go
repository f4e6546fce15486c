// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"net/netip"
	"os/exec"
	"strings"
	"unicode"
	"unicode/utf8"

	"utmpd.dev/utmpd/utmpx"
)

// The widths of columns.
const (
	userColumn   = 8
	lineColumn   = 12
	hostColumn   = 16
	lengthColumn = 12
	// longestHost is how much of a host is shown: the field's last byte never is.
	longestHost = hostWidth - 1
	// longestUser is how much of an argument is compared with a user.
	longestUser = nameWidth
	// longestRow is more than a line has; with a longer one, the buffer is copied.
	longestRow = 512
)

// clockColumns are the widths of the columns with the login and the logout.
var clockColumns = [...][2]int{shortTime: {16, 7}, fullTime: {24, 26}, isoTime: {25, 27}, noTime: {0, 0}}

// list prints a line for a record, if it is wanted. It returns false if no more are.
func (l *last) list(r *utmpx.Record, line string, end int64, how ending) (more bool) {
	line = shortLine(line)
	if !l.wanted(r, line, end) {
		return true
	}
	separator := byte(' ')
	if l.tabs {
		separator = '\t'
	}
	if l.w.Available() < longestRow {
		l.w.Flush() // an error stays, and comes back at the end
	}
	b := l.columns(l.w.AvailableBuffer(), r, line, separator)
	b = l.appendTimes(b, r.Time.Sec, end, how, separator)
	if l.hostLast && !l.noHost {
		b = append(b, separator)
		n := len(b)
		b = append(b, l.host(r)...)
		l.disarm(b[n:])
	}
	n := len(b)
	for n > 0 && strings.IndexByte(spaces, b[n-1]) >= 0 {
		n--
	}
	b = append(b[:n], '\n')
	l.print(b)
	l.shown++
	return l.limit <= 0 || l.shown < l.limit
}

// columns appends the columns before the times.
func (l *last) columns(b []byte, r *utmpx.Record, line string, separator byte) []byte {
	n := len(b)
	b = l.appendName(b, r.User, userColumn)
	l.disarm(b[n:])
	b = append(b, separator)
	n = len(b)
	b = appendCut(b, line, lineColumn)
	l.disarm(b[n:])
	b = append(b, separator)
	if !l.noHost && !l.hostLast {
		n = len(b)
		b = l.appendName(b, l.host(r), hostColumn)
		l.disarm(b[n:])
		b = append(b, separator)
	}
	return b
}

// wanted reports whether the arguments and -p want a line. To -p, a login that is not known
// to end lasts forever.
func (l *last) wanted(r *utmpx.Record, line string, end int64) bool {
	if len(l.who) > 0 && !l.argued(r, line) {
		return false
	}
	if l.present == 0 {
		return true
	}
	return r.Time.Sec <= l.present && (end <= 0 || l.present <= end)
}

// appendTimes appends the columns with the login, the logout, and the time between them.
func (l *last) appendTimes(b []byte, begin, end int64, how ending, separator byte) []byte {
	widths := clockColumns[l.format]
	n := len(b)
	b = pad(l.zone.appendTime(b, begin, l.format), n+widths[0])
	b = append(b, separator)
	n = len(b)
	length := ""
	switch how {
	case loggedOut, wentDown, crashed:
		b = append(pad(l.appendEnd(b, end, how), n+widths[1]), separator)
		n = len(b)
		b = pad(appendDuration(b, end-begin), n+lengthColumn)
		if l.hostLast && !l.noHost {
			b = b[:n+lengthColumn] // a very long one loses its end
		}
		return b
	case noLogout, stillOn, running:
		words := open[how]
		switch l.format {
		case shortTime:
			b, length = append(b, words.first...), words.second
		case noTime:
			length = strings.TrimPrefix(words.second, "- ")
		default:
			b = append(b, words.both...)
		}
	}
	b = append(pad(b, n+widths[1]), separator)
	n = len(b)
	return pad(append(b, length...), n+lengthColumn)
}

// open are the words for what has no end, in the two columns where others have theirs, or
// in the first if it is wide.
var open = [...]struct{ first, second, both string }{
	noLogout: {"   gone", "- no logout", "  gone - no logout"},
	stillOn:  {"  still", "logged in", "  still logged in"},
	running:  {"  still", "running", "  still running"},
}

// appendEnd appends when or how something ended.
func (l *last) appendEnd(b []byte, end int64, how ending) []byte {
	if l.format == noTime {
		return b
	}
	b = append(b, "- "...)
	switch how {
	case wentDown:
		return append(b, "down"...)
	case crashed:
		return append(b, "crash"...)
	}
	return l.zone.appendEnd(b, end, l.format)
}

// pad appends spaces up to a length.
func pad(b []byte, n int) []byte {
	const blanks = "                                "
	for len(b) < n {
		b = append(b, blanks[:min(n-len(b), len(blanks))]...)
	}
	return b
}

// appendName appends a name, cut to the width of its column unless full names are
// wanted. Since 2.41 an asterisk shows that it was cut.
func (l *last) appendName(b []byte, s string, width int) []byte {
	if len(s) <= width || l.wide {
		n := len(b)
		return pad(append(b, s...), n+width)
	}
	if l.old {
		return append(b, s[:width]...)
	}
	return append(append(b, s[:width-1]...), '*')
}

func appendCut(b []byte, s string, width int) []byte {
	n := len(b)
	return pad(append(b, s[:min(len(s), width)]...), n+width)
}

// shortLine returns a line as it is shown: ftp and uucp without the number of a process.
func shortLine(line string) string {
	for _, service := range []string{"ftp", "uucp"} {
		if n := len(service); len(line) > n && line[:n] == service && '0' <= line[n] && line[n] <= '9' {
			return service
		}
	}
	return line
}

// host returns what is shown as the host.
func (l *last) host(r *utmpx.Record) string {
	if !l.names && !l.addresses {
		return r.Host[:min(len(r.Host), longestHost)]
	}
	addr := r.Addr
	if ipv4InIPv6 := netip.AddrFrom16(addr); ipv4InIPv6.Is4In6() {
		addr = [16]byte{addr[12], addr[13], addr[14], addr[15]}
	}
	if l.names && !l.addresses {
		if name, ok := l.lookUp(addr); ok {
			return name
		}
	}
	return string(appendAddress(nil, addr, 0))
}

// lookUp asks the system for the name of an address, through getent(1), since only the C
// library knows all the places where a name may be.
func (l *last) lookUp(addr [16]byte) (string, bool) {
	if name, ok := l.hosts[addr]; ok {
		return name, name != ""
	}
	name := ""
	out, err := exec.Command("getent", "hosts", string(appendAddress(nil, addr, 0))).Output()
	if f := strings.Fields(string(out)); err == nil && len(f) > 1 {
		name = f[1]
	}
	if l.hosts == nil {
		l.hosts = make(map[[16]byte]string)
	}
	l.hosts[addr] = name
	return name, name != ""
}

// argued reports whether an argument names a record's user or line. Of a user, only as
// much counts as a record has room for.
func (l *last) argued(r *utmpx.Record, line string) bool {
	for _, who := range l.who {
		if who[:min(len(who), longestUser)] == r.User || who == line || isTTY(who, line) {
			return true
		}
	}
	return false
}

// isTTY reports whether an argument is a line without its tty: 0 is tty0.
func isTTY(who, line string) bool {
	rest, ok := strings.CutPrefix(line, "tty")
	return ok && rest == who
}

// print writes a line. What a terminal could take for an order is written otherwise: a
// control character as an asterisk and a letter, as in *[, and what is no printable
// character of the locale as its bytes, in octal.
func (l *last) print(b []byte) {
	if !plain(b[:len(b)-1]) {
		b = l.cleaned(b)
	}
	_, _ = l.w.Write(b) // an error comes back from Flush
}

// passes reports whether a control character is printed as it is, as util-linux does. On
// a terminal, [last.disarm] has seen to those of records.
func passes(c byte) bool { return c == '\a' || c == '\t' || c == '\n' || c == '\r' }

// disarm takes out of b, which comes from a record, the control characters that pass, if
// it goes to a terminal: there a user or host could ring, or write over lines.
func (l *last) disarm(b []byte) {
	if !l.terminal {
		return
	}
	for i, c := range b {
		if passes(c) {
			b[i] = '?'
		}
	}
}

func (l *last) cleaned(b []byte) []byte {
	var to []byte
	for len(b) > 0 {
		n := 1
		switch c := b[0]; {
		case ' ' <= c && c <= '~' || passes(c):
			to = append(to, c)
		case c < utf8.RuneSelf:
			to = append(to, '*', c^0x40)
		default:
			r := utf8.RuneError
			if l.utf8 {
				r, n = utf8.DecodeRune(b)
			}
			if n > 1 && printable(r) {
				to = append(to, b[:n]...)
				break
			}
			for _, c := range b[:n] {
				to = append(to, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			}
		}
		b = b[n:]
	}
	return to
}

// printable reports whether iswprint(3) of the C library would: all assigned characters
// but controls and the separators of lines and paragraphs.
func printable(r rune) bool {
	switch {
	case unicode.Is(unicode.Cc, r), r == '\u2028', r == '\u2029':
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs, unicode.Cf, unicode.Co)
}
