// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	judge "utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

func whoCommand() command {
	return command{
		name:    "who",
		summary: "show who is on, since when, from where, and what they do",
		about: `A record whose session has ended is marked as a ghost. With -v it says of each
record whether its session lives, how that is known, and what utmpd will do.
-at reads the wtmp file and its rotated files. T is a time: 03:00, 2026-07-01,
"2026-07-01 12:30", "yesterday 03:00", "2 hours ago", 12h.`,
		options: []option{
			{name: "v", help: "explain each record"},
			{name: "count", help: "print the number of sessions alone; ghosts do not count"},
			jsonOption,
			{name: "at", arg: "T", help: "show who was on at T"},
			{name: "f", arg: "FILE", help: "read FILE, of any machine, and nothing else"},
			configOption,
		},
		examples: []string{
			"who -v pts/3             # why is that entry there?",
			"who -at 'tuesday 03:00'  # who was on then?",
		},
		args:  argument{name: "[USER|LINE]", help: "the user or line to show", most: 1},
		apart: [][2]string{{"v", "count"}},
		run:   who,
	}
}

// presence is a session of the present, as who shows it.
type presence struct {
	user, line, host string
	record           *utmpx.Record // nil: only logind has the session
	slot             int
	since            time.Time
	pid              int32 // of the record, or logind's leader
	login            *proc.Login
	judged           bool // verdict is known
	verdict          verdict
	activity         proc.Activity
	process          proc.Description // that has pid now
	lives            proc.Description // by which the session lives
}

// ghost reports whether the session has ended, though it is recorded.
func (p *presence) ghost() bool {
	if p.record == nil {
		return !p.login.Lives && p.login.LivesBy == 0
	}
	return p.judged && p.verdict.Standing == judge.Dead
}

// attendance is all that who knows.
type attendance struct {
	in      call
	cfg     config.Config
	file    *recfile.File
	snap    *snapshot.Snapshot
	own     bool // the file is this machine's own
	all     []*presence
	byLine  map[string][]*presence
	parents map[int32]int32    // of processes that were looked at
	others  map[utmpx.Type]int // records that are no session's
	daemon  knowledge
	hidden  error // why processes may be hidden
	trouble error // what could not be read
}

func newAttendance(in call) *attendance {
	return &attendance{in: in, others: map[utmpx.Type]int{}, byLine: map[string][]*presence{}, parents: map[int32]int32{}}
}

func who(in call) error {
	if in.value("at") != "" {
		return whoAt(in)
	}
	a := newAttendance(in)
	if err := a.read(); err != nil {
		return err
	}
	if a.own {
		a.assess()
		a.addLogins()
		a.watchActivity()
	}
	a.choose()
	switch {
	case len(a.all) == 0 && a.trouble == nil && !a.in.set["count"] && !a.in.set["json"] && !a.in.set["v"]:
		_, a.trouble = fmt.Fprintln(in.stdout, a.nobody())
	case in.set["count"] && a.trouble != nil: // no number is better than a wrong one
	case in.set["count"]:
		_, err := fmt.Fprintln(in.stdout, a.count())
		a.trouble = errors.Join(a.trouble, err)
	case in.set["json"]:
		a.trouble = errors.Join(a.trouble, a.writeJSON())
	case in.set["v"]:
		a.trouble = errors.Join(a.trouble, a.explain())
	default:
		a.trouble = errors.Join(a.trouble, a.writeTable())
	}
	if a.hidden != nil && !in.set["count"] {
		tell(in.stderr, fmt.Sprintf("who: some processes cannot be seen, as root they can: %v", a.hidden))
	}
	return a.trouble
}

// read reads the utmpx file.
func (a *attendance) read() error {
	var err error
	if a.cfg, err = a.in.settings(); err != nil {
		return err
	}
	name := a.in.value("f")
	a.own = name == ""
	if a.own {
		name = a.cfg.UtmpxFile
	} else if name, err = typed(name); err != nil {
		return err
	}
	a.file = recfile.NewFile(name, recfile.Options{})
	a.snap, err = a.file.Snapshot(nil)
	switch {
	case errors.Is(err, recfile.ErrTooLong):
		a.trouble = err // what was read is shown
	case errors.Is(err, fs.ErrNotExist) && a.own:
		a.trouble = fmt.Errorf("%w: no session is recorded until `utmpctl boot` or utmpd creates it", err) // logind may have sessions
		return nil
	case err != nil:
		return err
	}
	for slot, r := range a.snap.All() {
		if r.Type != utmpx.UserProcess {
			a.others[r.Type]++
			continue
		}
		a.add(&presence{user: r.User, line: r.Line, host: hostOf(r), record: &r, slot: slot, since: r.Time.Time(), pid: r.PID})
	}
	return nil
}

func (a *attendance) add(p *presence) {
	a.all = append(a.all, p)
	a.byLine[p.line] = append(a.byLine[p.line], p)
}

// hostOf returns where a login came from.
func hostOf(r utmpx.Record) string {
	if ip, ok := r.IP(); ok && r.Host == "" {
		return ip.String()
	}
	return r.Host
}

// assess judges the records.
func (a *attendance) assess() {
	a.daemon = a.in.knowledge(a.cfg)
	verdicts := a.in.on.assess(a.snap, a.cfg.KeepBusyLines, a.daemon.checkpoint())
	for _, p := range a.all {
		p.verdict, p.judged = verdicts[p.slot], true
		if !a.in.set["count"] {
			p.process = a.in.on.describe(p.pid)
			if p.verdict.Standing == judge.Lives {
				p.lives = a.in.on.describe(p.verdict.Process.PID)
			}
		}
	}
	if slices.ContainsFunc(a.all, (*presence).ghost) {
		a.dropEnded()
	}
}

// dropEnded leaves out the ghosts whose record is another one by now: their owner, or
// utmpd, has cleaned it since it was read.
func (a *attendance) dropEnded() {
	now, err := a.file.Snapshot(a.snap)
	if err != nil && !errors.Is(err, recfile.ErrTooLong) {
		return
	}
	ended := func(p *presence) bool {
		return p.ghost() && (p.slot >= now.Len() || now.Raw(p.slot) != p.record.Raw())
	}
	a.all = slices.DeleteFunc(a.all, ended)
	for line, all := range a.byLine {
		a.byLine[line] = slices.DeleteFunc(all, ended)
	}
}

// addLogins adds the sessions that only logind has.
func (a *attendance) addLogins() {
	logins, err := a.in.on.logins()
	if err != nil {
		a.trouble = errors.Join(a.trouble, err)
	}
	if len(logins) > 0 && errors.Is(a.trouble, fs.ErrNotExist) {
		a.trouble = nil
	}
	for i := range logins {
		l := &logins[i]
		recorded := a.records(l)
		if recorded && len(l.Lines) < 2 || !l.Lives && l.LivesBy == 0 && l.State == "closing" && !a.in.set["v"] {
			continue
		}
		for _, line := range linesOf(l) {
			if line == "" && !a.in.set["v"] || a.recordsLine(l, line) {
				continue
			}
			a.add(&presence{user: l.User, line: line, host: l.Host, since: l.Began, pid: l.Leader, login: l, process: a.in.on.describe(l.Leader)})
		}
	}
}

// linesOf returns the terminals of a session. Without one it is no login, as that of a
// command by ssh: its line is empty.
func linesOf(l *proc.Login) []string {
	switch {
	case len(l.Lines) > 0:
		return l.Lines
	case l.TTY != "" && l.Service != "sshd": // whose terminal may be gone before the session
		return []string{l.TTY}
	}
	return []string{l.Display}
}

// recordsLine reports whether a living record is that of one terminal of a session.
func (a *attendance) recordsLine(l *proc.Login, line string) bool {
	return line != "" && slices.ContainsFunc(a.byLine[line], func(p *presence) bool {
		return p.record != nil && !p.ghost() && p.user == l.User
	})
}

// records reports whether a living record is that of logind's session: by its process, or
// the user and the terminal or display. A session may have several.
func (a *attendance) records(l *proc.Login) (found bool) {
	display, shown := session.ParseDisplay(l.Display, 0)
	for _, p := range a.all {
		if p.record == nil || p.ghost() {
			continue
		}
		on, isDisplay := session.ParseDisplay(p.line, p.pid)
		switch {
		case p.pid == l.Leader, a.below(p.pid, l.Leader):
		case p.user != l.User:
			continue
		case p.line == l.TTY, slices.Contains(l.Lines, p.line), shown && isDisplay && on.Same(display):
		default:
			continue
		}
		p.login, found = l, true
	}
	return found
}

// below reports whether a process descends from another one.
func (a *attendance) below(pid, from int32) bool {
	for range 64 {
		if pid <= 1 || from <= 1 {
			return false
		}
		parent, known := a.parents[pid]
		if !known {
			parent = a.in.on.describe(pid).Parent
			a.parents[pid] = parent
		}
		if pid = parent; pid == from {
			return true
		}
	}
	return false
}

// watchActivity looks what happens on the terminals.
func (a *attendance) watchActivity() {
	if a.in.set["count"] {
		return
	}
	var lines []string
	for line := range a.byLine {
		if line != "" {
			lines = append(lines, line)
		}
	}
	seen, err := a.in.on.activities(lines)
	if len(a.all) > 0 {
		a.hidden = err
	}
	for _, p := range a.all {
		p.activity = seen[p.line]
	}
}

// choose leaves those that were asked for, and sorts them: by user, then by line with
// numbers by their value.
func (a *attendance) choose() {
	if len(a.in.args) > 0 {
		name := strings.TrimPrefix(a.in.args[0], "/dev/")
		a.all = slices.DeleteFunc(a.all, func(p *presence) bool { return p.user != name && p.line != name })
	}
	slices.SortStableFunc(a.all, func(p, q *presence) int {
		return cmp.Or(cmp.Compare(p.user, q.user), byNumbers(p.line, q.line), p.since.Compare(q.since))
	})
}

// byNumbers compares texts with their first number by its value: pts/2 before pts/10.
func byNumbers(a, b string) int {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	i, j := strings.IndexFunc(a, digit), strings.IndexFunc(b, digit)
	if i < 0 || j < 0 || a[:i] != b[:j] {
		return strings.Compare(a, b)
	}
	m, errA := strconv.Atoi(a[i:])
	n, errB := strconv.Atoi(b[j:])
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(m, n)
}

// nobody says that there is no session.
func (a *attendance) nobody() string {
	if len(a.in.args) > 0 {
		return "no session: no user and no line is called " + a.in.screen().text(a.in.args[0])
	}
	return "nobody is on"
}

// count returns how many sessions there are. What may be one counts.
func (a *attendance) count() (n int) {
	for _, p := range a.all {
		if !p.ghost() {
			n++
		}
	}
	return n
}

// idle returns for how long nobody has typed. known is false if that is not known.
func (a *attendance) idle(p *presence) (d time.Duration, known bool) {
	if p.ghost() || p.activity.Used.IsZero() {
		return 0, false
	}
	return max(0, a.in.on.now().Sub(p.activity.Used)), true
}

// doing returns what runs in the foreground of the session's terminal or, if it has none
// that can be seen, the process by which it lives.
func (p *presence) doing() proc.Description {
	switch {
	case p.ghost():
	case p.activity.Running.ID.PID != 0:
		return p.activity.Running
	case p.activity.Leader.ID.PID != 0:
		return p.activity.Leader
	case p.record == nil:
		return p.process
	default:
		return p.lives
	}
	return proc.Description{}
}

// note returns what is particular about a session.
func (p *presence) note() string {
	switch {
	case p.record == nil && p.ghost():
		return "logind only, ended"
	case p.record == nil && !p.login.Lives:
		return fmt.Sprintf("logind only, lives by %d", p.login.LivesBy)
	case p.record == nil:
		return "logind only"
	case !p.judged:
		return ""
	case p.ghost():
		return "ghost"
	case p.verdict.Standing == judge.Lives && p.verdict.Led:
		return fmt.Sprintf("lives by %d", p.verdict.Process.PID)
	case p.verdict.Standing != judge.Lives:
		return "in doubt"
	}
	return ""
}

// writeTable prints a line for each session. A column that nobody has is left out.
func (a *attendance) writeTable() error {
	s := a.in.screen()
	zone := a.in.on.now().Local().Format("MST")
	cols := []column{
		{name: "USER", least: 8}, {name: "LINE", least: 8}, {name: "FROM", least: 8}, {name: "SINCE (" + zone + ")"},
		{name: "IDLE", right: true}, {name: "WHAT", least: 8}, {name: "NOTE"},
	}
	var rows [][]string
	clock := s.days(a.in.on.now())
	for _, p := range a.all {
		since, idle := "never", ""
		if !p.since.IsZero() {
			since = string(clock.appendAny(nil, p.since))
		}
		if d, known := a.idle(p); known {
			idle = length(d, true)
		}
		rows = append(rows, []string{s.whose(p.user), s.text(p.line), s.text(p.host), since, idle, s.text(p.doing().Command), p.note()})
	}
	used := make([]bool, len(cols))
	for i := range cols {
		used[i] = i < 2 || slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" })
	}
	t := s.table(a.in.stdout, only(cols, used)...)
	for _, r := range rows {
		t.row(only(r, used)...)
	}
	return t.flush()
}

// whose returns what may be printed of a user's name; a mark if a record has none.
func (s screen) whose(user string) string {
	if user == "" {
		return "?"
	}
	return s.text(user)
}

// only returns the elements that are used.
func only[T any](all []T, used []bool) (some []T) {
	for i, v := range all {
		if used[i] {
			some = append(some, v)
		}
	}
	return some
}
