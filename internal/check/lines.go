// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// lines pairs logins with logouts, line by line, within each boot.
type lines struct {
	found  func(Finding)
	layout *utmpx.Layout
	all    map[string]*line
	first  bool // no boot's record yet: logins may be in the file rotated before
	down   bool // the system goes down: what still ends was closed already
	full   bool // there were more lines than are kept
	waited int  // how many more lines come before the next sweep
}

// Bounds of what is kept.
const (
	mostLines = 1 << 16
	mostNest  = 4 // logins within logins on one line
)

// line is what is known of one line.
type line struct {
	open    [mostNest]login // the login, and those within it
	n       int
	getty   bool       // its last record is one of init's or a getty's
	free    bool       // a login may be in the file rotated before
	closed  utmpx.Time // of the last logout
	pid     int32      // of the last logout
	other   int32      // of the login that it ended
	touched int64      // offset of the last record; -1: none
	before  int64      // of the record before that
}

// login is a login that is open.
type login struct {
	pid int32
	at  utmpx.Time
	off int64
}

// of returns the state of a line in this boot.
func (ls *lines) of(name string) *line {
	if l := ls.all[name]; l != nil {
		return l
	}
	if len(ls.all) >= mostLines {
		// A sweep looks at all lines: it must not be made for each.
		if ls.waited--; ls.waited < 0 {
			ls.sweep()
			ls.waited = mostLines / 4
		}
	}
	l := &line{free: ls.first, touched: -1, before: -1}
	if len(ls.all) < mostLines {
		ls.all[strings.Clone(name)] = l
	}
	return l
}

// sweep forgets lines on which nothing is open, such as those that FTP servers name
// after each process.
func (ls *lines) sweep() {
	for name, l := range ls.all {
		if l.n == 0 {
			delete(ls.all, name)
		}
	}
	ls.full = true
}

// top returns the login that is open on a line, the innermost one.
func (ls *lines) top(name string) *login {
	if l := ls.all[name]; l != nil && l.n > 0 {
		return &l.open[l.n-1]
	}
	return nil
}

func (ls *lines) login(name string, pid int32, at utmpx.Time, off int64) {
	if name == "" {
		return
	}
	ls.down = false
	l := ls.of(name)
	l.getty, l.touched = false, off
	if n := l.n; n > 0 && (l.open[n-1].pid == pid || near(l.open[n-1].at, at, 2)) {
		l.open[n-1] = login{pid, at, off} // two programs recorded it
		return
	}
	if l.n == mostNest {
		ls.unended(name, l.open[0])
		copy(l.open[:], l.open[1:])
		l.n--
	}
	l.open[l.n] = login{pid, at, off}
	l.n++
}

func (ls *lines) getty(r *utmpx.Record) {
	if r.Line == "" {
		return
	}
	l := ls.of(r.Line)
	// A getty waits: who was here is gone.
	l.n, l.getty, l.closed, l.pid = 0, true, r.Time, r.PID
}

// doubled is for how many seconds after a logout another program may record it again.
const doubled = 60

// logout closes a login, and those within it. It reports whether there is none.
func (ls *lines) logout(name string, pid int32, at utmpx.Time, off int64) (alone bool) {
	if name == "" {
		return false
	}
	l := ls.of(name)
	l.before, l.touched = l.touched, off
	again := l.pid != 0 && (pid == l.pid || pid == l.other) || l.closed.Sec > 0 && near(l.closed, at, doubled)
	was, top := l.n, int32(0)
	if was > 0 {
		top = l.open[was-1].pid
		l.n = was - 1
		for i := was - 1; i >= 0; i-- {
			if l.open[i].pid == pid {
				l.n = i
			}
		}
	}
	alone = was == 0 && !again && !l.getty && !ls.down && !ls.full
	l.getty, l.closed, l.pid, l.other = false, at, pid, top
	if alone && l.free {
		l.free, alone = false, false
	}
	return alone
}

// alone reports a logout that has no login.
func (ls *lines) alone(r *utmpx.Record, off int64) {
	if _, ours := session.ParseMark(*r); ours {
		return
	}
	f := Finding{Kind: NoLogin, Severity: Note, From: off, To: off + int64(r.Layout().Size()), At: at(r.Time),
		Text:   fmt.Sprintf("a logout on line %q, process %d, without a login", r.Line, r.PID),
		Advice: "some programs record logouts alone; so do log cleaners that cut out the records of a user: a logout has none"}
	if l := ls.all[r.Line]; l != nil && l.before >= 0 {
		f.Text += fmt.Sprintf(" since the line's record at byte %d", l.before)
	}
	if r.PID > 0 && strings.HasPrefix(r.Line, "pts/") {
		f.Severity = Warning
	}
	ls.found(f)
}

// closeAll ends all logins, as a boot and a shutdown do.
func (ls *lines) closeAll(boot bool) {
	ls.end()
	clear(ls.all)
	ls.down, ls.full, ls.waited = !boot, false, 0
	if boot {
		ls.first = false
	}
}

// end reports logins that have no end though their lines went on, in the log's order.
func (ls *lines) end() {
	type open struct {
		line string
		login
	}
	var all []open
	for name, l := range ls.all {
		for i := range l.n - 1 {
			all = append(all, open{name, l.open[i]})
		}
	}
	slices.SortFunc(all, func(a, b open) int { return cmp.Compare(a.off, b.off) })
	for _, o := range all {
		ls.unended(o.line, o.login)
	}
}

// unended reports a login that has no end though its line went on.
func (ls *lines) unended(line string, o login) {
	ls.found(Finding{Kind: NoLogout, Severity: Note, From: o.off, To: o.off + int64(ls.layout.Size()), At: at(o.at),
		Text:   fmt.Sprintf("the login on line %q, process %d, has no end", line, o.pid),
		Advice: "its program was killed; utmpd records such ends"})
}

func near(a, b utmpx.Time, seconds int64) bool {
	d := a.Sec - b.Sec
	return d <= seconds && -d <= seconds
}
