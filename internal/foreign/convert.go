// SPDX-License-Identifier: BSD-2-Clause

package foreign

import (
	"cmp"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// Converter changes records, one after the other, so that a file of another system's layout holds
// them as its own programs write them, and read them. The zero value is ready for use.
type Converter struct {
	IDs int // how many identifiers the layout could not hold: others stand for them

	lines map[string]string // of the logins on FreeBSD, whose logouts have their identifiers alone
	ids   map[string]string // of the logins by their lines, for logouts that have the line alone
}

// mostLines is how many lines and identifiers are kept.
const mostLines = 1 << 16

// Convert changes a record for a layout. One that has that layout stays what it is, and so does
// one of which no layout is known.
func (c *Converter) Convert(r utmpx.Record, from, to *utmpx.Layout) utmpx.Record {
	switch {
	case from == nil || from == to:
		return r
	case to == utmpx.FreeBSD197:
		return c.toFreeBSD(r)
	case from == utmpx.FreeBSD197:
		r = c.fromFreeBSD(r, to)
	}
	if isLinux(to) && !isLinux(from) {
		r = toLinux(r)
	}
	if !holds(to, r.ID) {
		c.IDs++
		r.ID = shortID(r)
	}
	return r
}

// isLinux reports whether a layout is one of Linux's.
func isLinux(l *utmpx.Layout) bool {
	return !l.IsForeign() && l != utmpx.Illumos372LE && l != utmpx.Illumos372BE
}

// toLinux gives the records of the system the names by which last(1) there knows them. The last
// byte of a run level's line is the level.
func toLinux(r utmpx.Record) utmpx.Record {
	switch r.Type {
	case utmpx.BootTime:
		r.Line, r.User, r.ID = "~", "reboot", "~~"
	case utmpx.DownTime:
		r.Type, r.Line, r.User, r.ID = utmpx.RunLevel, "~", "shutdown", "~~"
	case utmpx.RunLevel:
		if level, ok := strings.CutPrefix(r.Line, "run-level "); ok && len(level) == 1 {
			r.PID, r.Line, r.User, r.ID = int32(level[0]), "~", "runlevel", "~~"
		}
	case utmpx.OldTime:
		r.Line, r.User = "|", "date"
	case utmpx.NewTime:
		r.Line, r.User = "{", "date"
	}
	return r
}

// toFreeBSD leaves out what pututxline(3) there does not write, and takes a shutdown for one. A
// login and its logout get the same identifier: nothing else tells there that they are a pair.
func (c *Converter) toFreeBSD(r utmpx.Record) utmpx.Record {
	if r.Type == utmpx.RunLevel && r.User == "shutdown" {
		r.Type = utmpx.DownTime
	}
	switch r.Type {
	case utmpx.BootTime, utmpx.DownTime, utmpx.OldTime, utmpx.NewTime:
		r.PID, r.Line, r.ID, r.User, r.Host = 0, "", "", "", ""
	case utmpx.LoginProcess:
		r.Host = ""
	case utmpx.UserProcess:
		if r.ID == "" {
			r.ID = r.Line[max(0, len(r.Line)-8):]
		}
		keep(&c.ids, r.Line, r.ID)
	case utmpx.DeadProcess:
		if r.ID == "" {
			r.ID = cmp.Or(c.ids[r.Line], r.Line[max(0, len(r.Line)-8):])
		}
	}
	return r
}

// keep adds to a map, unless that is large.
func keep(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	if len(*m) < mostLines {
		(*m)[strings.Clone(key)] = strings.Clone(value)
	}
}

// fromFreeBSD adds what programs of other systems look for: the line of a logout, and the names
// of the records that FreeBSD knows by their type.
func (c *Converter) fromFreeBSD(r utmpx.Record, to *utmpx.Layout) utmpx.Record {
	name := ""
	switch r.Type {
	case utmpx.UserProcess:
		keep(&c.lines, r.ID, r.Line)
	case utmpx.DeadProcess:
		if r.Line == "" {
			r.Line = c.lines[r.ID]
		}
	case utmpx.BootTime:
		name = "reboot"
	case utmpx.DownTime:
		name = "shutdown"
		if !to.IsForeign() {
			r.Type = utmpx.RunLevel
		}
	}
	if name != "" {
		r.Line, r.User, r.ID = "~", name, "~~"
	}
	return r
}

// holds reports whether a layout has room for an identifier.
func holds(l *utmpx.Layout, id string) bool {
	if len(id) <= 4 {
		return true // all have that, or none at all
	}
	_, err := l.Encode(utmpx.Record{ID: id})
	return err == nil
}

// shortID returns an identifier of four bytes: those at the end of the line, as programs of Linux
// take them, so that a login and its logout have the same.
func shortID(r utmpx.Record) string {
	id := r.ID
	if r.Line != "" {
		id = r.Line
	}
	return id[max(0, len(id)-4):]
}
