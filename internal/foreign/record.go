// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"slices"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// Limits of what a record holds.
const (
	earliest = 631152000 // 1990
	latest   = 1<<32 - 1
	last     = 1 << 34 // of a clock that is wrong: 2514
	maxPID   = 1 << 22
)

// odd reports whether the record at the beginning of b, where one is due, is one: of a type
// that the system has, at a time that can be. At another time it must be sound in all else.
func (f *Form) odd(b []byte) bool {
	b = f.whole(b)
	if len(b) == 0 {
		return false
	}
	if blank(b) {
		return f.slots && !f.trimmed
	}
	r := f.decode(b)
	if !dated(r) {
		return f.vague(r, b)
	}
	return f.known(r.Type) && r.Time.Usec >= 0 && r.Time.Usec < 1e6 &&
		texts(r) && (hasType(f.layout) || f.layout.Canonical(b))
}

// vague reports whether a record is one that says nothing for the form: a slot that was given
// back, or a record by a clock that had not been set.
func (f *Form) vague(r utmpx.Record, b []byte) bool {
	switch {
	case !hasType(f.layout), dated(r), r.Time.Sec < 0, r.Time.Sec > last:
		return false
	case r.Type == utmpx.Empty:
		return f.signed && r.Line == "" && r.User == "" && r.Host == "" && r.Time.Sec == 0 && f.sound(r, b)
	}
	return f.sound(r, b)
}

// strict reports whether the record at the beginning of b can be nothing else.
func (f *Form) strict(b []byte) bool {
	b = f.whole(b)
	return len(b) > 0 && f.strictWhole(b)
}

func (f *Form) strictWhole(b []byte) bool {
	if !f.timed(b) {
		return false // most are none: they are not decoded
	}
	r := f.decode(b)
	return r.Type != utmpx.Empty && dated(r) && f.sound(r, b)
}

// sound reports whether all of a record but its time is as its system writes it.
func (f *Form) sound(r utmpx.Record, b []byte) bool {
	return f.known(r.Type) && r.Time.Usec >= 0 && r.Time.Usec < 1e6 && r.PID >= 0 && r.PID <= maxPID &&
		texts(r) && f.made(r) && f.layout.Canonical(b)
}

// dated reports whether a record's time is one of a clock that is right.
func dated(r utmpx.Record) bool { return r.Time.Sec >= earliest && r.Time.Sec <= latest }

// timed reports whether the highest bytes of the time are those of a time since 1990.
func (f *Form) timed(b []byte) bool {
	at := f.time
	for _, i := range at[:len(at)-4] {
		if b[i] != 0 {
			return false
		}
	}
	return f.layout == utmpx.FreeBSD197 || b[at[len(at)-4]] >= earliest>>24
}

// known reports whether the system has a type.
func (f *Form) known(t utmpx.Type) bool { return t >= utmpx.Empty && t <= utmpx.DownTime }

// hasType reports whether the layout has a field for the type.
func hasType(l *utmpx.Layout) bool { return l.Size() > 400 || l == utmpx.FreeBSD197 }

// made reports whether a record has what those who write it put there. logwtmpx(3) of NetBSD,
// by which init and ftpd record, writes no process and no ID.
func (f *Form) made(r utmpx.Record) bool {
	switch {
	case !hasType(f.layout):
		return r.Line != "" && (r.User != "" || r.Host == "")
	case f.layout == utmpx.FreeBSD197:
		return freebsd(r)
	}
	switch r.Type {
	case utmpx.UserProcess:
		return r.Line != "" && r.User != ""
	case utmpx.DeadProcess:
		return r.Line != "" || r.ID != "" && r.PID > 0
	case utmpx.InitProcess, utmpx.LoginProcess:
		return r.PID > 0 && (r.Line != "" || r.ID != "")
	}
	return true
}

// freebsd reports whether a record has the fields that pututxline(3) of FreeBSD writes for
// its type, and no others.
//
// Source: utxdb.c of FreeBSD 14.
func freebsd(r utmpx.Record) bool {
	switch r.Type {
	case utmpx.UserProcess:
		return r.Line != "" && r.User != "" && (r.PID > 0 || r.ID != "")
	case utmpx.DeadProcess:
		return r.PID > 0 || r.ID != "" // utx(8) rm names no process, nor do old records
	case utmpx.InitProcess:
		return r.PID > 0
	case utmpx.LoginProcess:
		return r.Host == ""
	}
	return r.PID == 0 && r.Line == "" && r.User == "" && r.Host == "" && r.ID == ""
}

// texts reports whether the strings are text in any encoding. NetBSD and illumos write "system
// boot" as a line, and "old time"; no terminal has a space.
func texts(r utmpx.Record) bool {
	for _, s := range [...]string{r.Line, r.User, r.Host} {
		for i := range len(s) {
			if s[i] < 0x20 || s[i] == 0x7f {
				return false
			}
		}
	}
	switch r.Type {
	case utmpx.BootTime, utmpx.DownTime, utmpx.RunLevel, utmpx.OldTime, utmpx.NewTime:
		return true
	}
	return !strings.Contains(r.Line, " ")
}

// terminal reports whether a line is one that the BSDs name, or that of the system.
func terminal(line string) bool {
	switch line {
	case "~", "|", "{":
		return true
	}
	return slices.ContainsFunc([]string{"tty", "pts/", "cons", "ftp"}, func(s string) bool { return strings.HasPrefix(line, s) })
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
