// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// maxLines bounds the lines that are remembered.
const maxLines = 1 << 16

// Login is a login that is open: the last record of its line.
type Login struct {
	PID  int32
	ID   string
	User string
	Time utmpx.Time
}

// Logins is which logins are open at one place in a log. It follows from the
// records before that place:
//
//   - A login opens its line, and replaces one that was open there.
//   - A DEAD_PROCESS record, or one without a user, closes it.
//   - A boot or a shutdown closes all lines, as last(1) shows them.
//   - What is damaged is left out, and is no gap: a login that stood there is one that
//     no program can show, so it needs no logout.
//   - A login stays open when the log is rotated. The first record of its line in
//     the next file decides again.
//
// The order of the records counts, and never their time.
type Logins struct {
	lines   map[string]*line  // those with a record since the last boot or shutdown
	file    int               // number of the file from which records come
	ended   int               // file of the last boot or shutdown; 0: none
	gap     gap               // zero: none
	capped  bool              // a bound was met, so lines without an entry are unknown
	since   utmpx.Time        // time of the first record after the last boot, shutdown or gap
	latest  utmpx.Time        // time of the last record
	unused  []line            // memory for lines; no two Logins share it
	byPID   map[int32][]*line // those that have had an open login of a process; nil until it is asked for
	indexed int               // lines in byPID
	opens   uint64            // counts the logins so far
}

// line is what the records of a line have shown.
type line struct {
	name string
	open bool
	Login
	file int    // of its last record
	nth  uint64 // of the logins so far, if it is open
}

// gap is a part of a log that could not be read, from the time of the record
// before it on. That time is zero at the beginning of the log.
type gap struct {
	from utmpx.Time
	file int // the last one before the gap; 0: there is no gap
}

// On returns the login that is open on a line.
func (l *Logins) On(name string) (Login, bool) {
	if at := l.lines[name]; at != nil && at.open {
		return at.Login, true
	}
	return Login{}, false
}

// OfProcess returns the line on which a process has its only open login, but for the line of
// that name.
func (l *Logins) OfProcess(pid int32, but string) (name string, login Login, ok bool) {
	if l.byPID == nil {
		l.byPID = make(map[int32][]*line, len(l.lines))
		for _, at := range l.lines {
			l.index(at)
		}
	}
	var only *line
	for _, at := range l.byPID[pid] {
		switch {
		case !at.open || at.PID != pid || at.name == but:
		case only != nil:
			return "", Login{}, false
		default:
			only = at
		}
	}
	if only == nil {
		return "", Login{}, false
	}
	return only.name, only.Login, true
}

// index enters a line under the process of its open login. It is not taken out again: who
// looks for it looks at the line too. What is asked for each logout must not cost as much as
// there are lines, so all is entered anew only when half of it is old.
func (l *Logins) index(at *line) {
	if !at.open || slices.Contains(l.byPID[at.PID], at) {
		return
	}
	if l.indexed > 2*len(l.lines)+64 {
		l.byPID, l.indexed = nil, 0
		return
	}
	l.byPID[at.PID] = append(l.byPID[at.PID], at)
	l.indexed++
}

// Since returns the logins that are open and came after the first n ones, in their order,
// and how many have come by now.
func (l *Logins) Since(n uint64) (opened []session.OpenLogin, now uint64) {
	if n == l.opens {
		return nil, n
	}
	var lines []*line
	for _, at := range l.lines {
		if at.open && at.nth > n {
			lines = append(lines, at)
		}
	}
	slices.SortFunc(lines, func(a, b *line) int { return cmp.Compare(a.nth, b.nth) })
	for _, at := range lines {
		opened = append(opened, session.OpenLogin{
			Login: session.Login{Line: at.name, PID: at.PID, Time: at.Time}, ID: at.ID, User: at.User,
		})
	}
	return opened, l.opens
}

// Knows reports whether any record of the line is known.
func (l *Logins) Knows(name string) bool { return l.lines[name] != nil }

// Mentioned reports whether the present file has a record of the line, or a boot
// or shutdown. It is true of all lines once a bound was met.
func (l *Logins) Mentioned(name string) bool {
	at := l.lines[name]
	return at != nil && at.file == l.file || l.ended == l.file || l.capped
}

// Complete reports whether all logins are known that can be open: those since
// the last boot or shutdown, or since the beginning of the log.
func (l *Logins) Complete() bool { return l.gap == (gap{}) && !l.capped }

// MayBeOpen reports whether a login on a line at that time may be open without
// being known: it would be in a gap, and no record after the gap is of its line.
func (l *Logins) MayBeOpen(name string, at utmpx.Time) bool {
	if l.gap == (gap{}) || l.capped || at.Sec == 0 {
		return false
	}
	if at.Sec <= l.gap.from.Sec || at.Sec >= l.since.Sec {
		return false
	}
	last := l.lines[name]
	return last == nil || last.file <= l.gap.file
}

// Len returns the number of open logins.
func (l *Logins) Len() (n int) {
	for _, at := range l.lines {
		if at.open {
			n++
		}
	}
	return n
}

// newLogins returns those of an empty log.
func newLogins() *Logins { return &Logins{lines: map[string]*line{}, file: 1} }

// Of returns those of a log that has these records.
func Of(recs ...utmpx.Record) *Logins {
	l := newLogins()
	for _, r := range recs {
		l.add(r)
	}
	return l
}

// clone returns a copy that can be changed.
func (l *Logins) clone() *Logins {
	c := *l
	c.byPID, c.indexed = nil, 0
	c.lines = maps.Clone(l.lines)
	c.unused = make([]line, len(l.lines))
	for name, at := range l.lines {
		c.lines[name] = c.newLine(*at)
	}
	return &c
}

// nextFile says that the next records come from another file. As long as all is
// known, lines without a login need not be remembered for it.
func (l *Logins) nextFile() {
	l.file++
	if l.Complete() {
		maps.DeleteFunc(l.lines, func(_ string, at *line) bool { return !at.open })
	}
}

// skip says that the records between the last one and the next could not be
// read.
func (l *Logins) skip() {
	if l.gap.file == 0 {
		l.gap.from = l.latest
	}
	l.gap.file = l.file
	l.since = utmpx.Time{}
	l.file++
}

// add takes the next record.
func (l *Logins) add(r utmpx.Record) {
	l.latest = r.Time
	if boots.KindOf(r).EndsLogins() {
		clear(l.lines)
		l.byPID, l.indexed = nil, 0
		l.ended, l.gap, l.capped, l.since = l.file, gap{}, false, r.Time
		return
	}
	if l.since.IsZero() {
		l.since = r.Time
	}
	if at := l.line(r.Line); at != nil {
		if at.add(r, l.file) {
			l.opens++
			at.nth = l.opens
			if l.byPID != nil {
				l.index(at)
			}
		}
	}
}

// line returns the entry of a line, a new one if it has none. It returns nil if
// there are too many, or if the name is empty.
func (l *Logins) line(name string) *line {
	at := l.lines[name]
	if at != nil || name == "" {
		return at
	}
	if len(l.lines) >= maxLines {
		l.capped = true
		return nil
	}
	at = l.newLine(line{name: strings.Clone(name)})
	l.lines[at.name] = at
	return at
}

// newLine returns memory for a line. It takes some at once: a log has many.
func (l *Logins) newLine(at line) *line {
	if len(l.unused) == 0 {
		l.unused = make([]line, 16)
	}
	p := &l.unused[0]
	l.unused = l.unused[1:]
	*p = at
	return p
}

// add takes the next record of the line, and reports whether it is a login.
func (at *line) add(r utmpx.Record, file int) bool {
	first := at.file != file
	at.file = file
	switch {
	case r.Type == utmpx.UserProcess && r.User != "":
		at.open = true
		at.Login = Login{PID: r.PID, ID: strings.Clone(r.ID), User: strings.Clone(r.User), Time: r.Time}
		return true
	case first, r.Type == utmpx.DeadProcess, isProcess(r.Type) && r.User == "":
		at.open, at.Login = false, Login{}
	}
	return false
}

func isProcess(t utmpx.Type) bool { return t >= utmpx.InitProcess && t <= utmpx.DeadProcess }
