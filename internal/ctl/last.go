// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/moments"
	"utmpd.dev/utmpd/internal/sessions"
)

func lastCommand() command {
	return command{
		name:    "last",
		summary: "show who was on, from when to when, and how each session ended",
		about: `Newest first, from the wtmp file and its rotated files. NAME is a user or line.
` + moments.Help,
		options: []option{
			{name: "n", arg: "N", help: "show the newest N"},
			{name: "since", short: "s", arg: "T", help: "show who was on at T or later"},
			{name: "until", short: "t", arg: "T", help: "show who was on at T or before"},
			{name: "user", arg: "USER", help: "show sessions of USER", many: true},
			{name: "line", arg: "LINE", help: "show sessions on LINE", many: true},
			{name: "host", arg: "HOST", help: "show sessions from HOST, a name or an address", many: true},
			{name: "ended-by", arg: "WHAT", help: "as utmpd, killed, crash, gone; see utmpctl-last(8)", many: true, among: endings()},
			{name: "count", help: "print how many, and whose"},
			jsonOption,
			{name: "f", arg: "FILE", help: "read FILE of any system; repeat, oldest first", many: true},
			configOption,
		},
		args: argument{name: "[NAME...]", help: "name", most: 1 << 16},
		examples: []string{
			"last -n 10 alice",
			"last -ended-by utmpd -since 'this month'  # ghosts, and whose",
		},
		run: showLast,
	}
}

// listing is one run of `utmpctl last`.
type listing struct {
	in           call
	most         int // 0: all
	since, until time.Time
	of           wanted
	endings      map[sessions.Ending]bool // empty: all
	now          time.Time

	shown int
	users map[string]*int
	other int    // sessions of users who are not among the first that were found
	user  string // counted last
	log   *sessionLog
	n     *int
}

func showLast(in call) error {
	v := &listing{in: in, of: in.wanted(), now: in.on.now(), endings: map[sessions.Ending]bool{}, users: map[string]*int{}}
	if err := v.options(); err != nil {
		return &usageError{fmt.Errorf("last: %w", err), lastCommand().usage()}
	}
	defer collectLate()()
	out := in.outlet(fastWrite)
	defer out.close()
	p := v.printer(writing{out})
	log := &sessionLog{in: in, since: v.since, until: v.until}
	v.log = log
	for s := range log.all() {
		if v.wants(s) {
			v.count(s.Login.User)
			p.session(s)
		}
		if v.shown == v.most && v.most > 0 || out.err != nil {
			break
		}
	}
	if err := p.end(); err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	if v.shown == 0 && v.since.IsZero() && v.until.IsZero() && len(v.endings) == 0 {
		v.hint()
	}
	if err := log.err(); err != nil {
		return fmt.Errorf("last: %w", err)
	}
	return nil
}

// hint says what a name may be that is no user's and no line's.
func (v *listing) hint() {
	for _, name := range v.in.args {
		if _, err := os.Stat(name); err == nil {
			tell(v.in.stderr, fmt.Sprintf("last: no session of a user or on a line %q, but there is a file; to read it: -f %[1]s", name))
		}
	}
}

// collectLate lets a command that keeps little, and forgets much, collect memory at 16 MB
// and not at 4; but as often as it takes to stay below 64 MB with the program. The function
// that it returns ends that.
func collectLate() (end func()) {
	percent, limit := debug.SetGCPercent(400), debug.SetMemoryLimit(44<<20)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// writing is an outlet as an io.Writer.
type writing struct{ *outlet }

func (w writing) Write(b []byte) (int, error) { return len(b), w.add(b) }

// options takes the options, and refuses what makes no sense.
func (v *listing) options() (err error) {
	if n := v.in.value("n"); n != "" {
		if v.most, err = strconv.Atoi(n); err != nil || v.most < 1 {
			return fmt.Errorf("-n: %q is not a number of sessions", n)
		}
	}
	for name, t := range map[string]*time.Time{"since": &v.since, "until": &v.until} {
		if *t, err = moments.Parse(v.in.value(name), v.now); err != nil {
			return fmt.Errorf("-%s: %w", name, err)
		}
	}
	if !v.until.IsZero() && v.until.Before(v.since) {
		return errors.New("-until is before -since")
	}
	for _, name := range v.in.args {
		if strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/dev/") {
			return fmt.Errorf("%q is neither a user nor a line; to read a file: -f %[1]s", name)
		}
	}
	for _, name := range v.in.values["ended-by"] {
		v.endings[sessions.Ending(name)] = true
	}
	return nil
}

// endings returns the names of the endings.
func endings() (all []string) {
	for _, e := range sessions.Endings() {
		all = append(all, string(e))
	}
	return all
}

// wants reports whether a session is to be shown.
func (v *listing) wants(s *sessions.Session) bool {
	if len(v.endings) > 0 && !v.endings[s.End] {
		return false
	}
	if !v.since.IsZero() || !v.until.IsZero() {
		if s.Within(v.since, v.until) == sessions.Off {
			return false
		}
	}
	return v.of.has(s)
}

// wanted is whose sessions a call names.
type wanted struct {
	users, lines, hosts []string
	names               []string // users or lines
	all                 bool
}

func (c call) wanted() wanted {
	w := wanted{users: c.values["user"], lines: c.values["line"], hosts: c.values["host"], names: c.args}
	w.all = len(w.users)+len(w.lines)+len(w.hosts)+len(w.names) == 0
	return w
}

// has reports whether a session is of the users, lines and hosts that the call names.
func (w *wanted) has(s *sessions.Session) bool {
	if w.all {
		return true
	}
	named := func(names []string, is func(string) bool) bool {
		return len(names) == 0 || slices.ContainsFunc(names, is)
	}
	line := func(name string) bool {
		name = strings.TrimPrefix(name, "/dev/")
		return name == s.Login.Line || "tty"+name == s.Login.Line
	}
	user := func(name string) bool { return name == s.Login.User }
	return named(w.users, user) && named(w.lines, line) &&
		named(w.hosts, func(name string) bool { return name == s.Login.Host || name == address(s) }) &&
		named(w.names, func(name string) bool { return user(name) || line(name) })
}

// address returns the host's address; "" if there is none.
func address(s *sessions.Session) string {
	if s.Login.Addr == ([16]byte{}) {
		return "" // at once: IP copies the record
	}
	ip, _ := s.Login.IP()
	return ip.String()
}

// printer prints sessions in one form.
type printer interface {
	session(s *sessions.Session)
	end() error
}

func (v *listing) printer(w io.Writer) printer {
	switch s := v.in.screen(); {
	case v.in.set["json"] && v.in.set["count"]:
		return &counts{v, w, true}
	case v.in.set["count"]:
		return &counts{v, w, false}
	case v.in.set["json"]:
		return &sessionLines{w: w, now: v.now}
	default:
		return newSessionTable(v, s, w)
	}
}

// counts prints how many sessions there are, and whose.
type counts struct {
	v    *listing
	w    io.Writer
	json bool
}

func (c *counts) session(*sessions.Session) {}

func (c *counts) end() error {
	if c.json {
		return c.asJSON()
	}
	s := c.v.in.screen()
	for _, user := range c.v.byCount() {
		if _, err := fmt.Fprintf(c.w, "%d %s\n", *c.v.users[user], s.text(user)); err != nil {
			return err
		}
	}
	if c.v.other > 0 {
		if _, err := fmt.Fprintf(c.w, "%d of others: no more than %d users are counted each\n", c.v.other, mostUsers); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(c.w, "%d in all\n", c.v.shown)
	return err
}

// count counts a session of a user.
func (v *listing) count(user string) {
	v.shown++
	if v.n == nil || v.user != user {
		v.n = v.counter(user)
		v.user = strings.Clone(user)
	}
	*v.n++
}

// mostUsers is how many users are counted, each for himself.
const mostUsers = 1 << 16

func (v *listing) counter(user string) *int {
	n := v.users[user]
	if n == nil && len(v.users) == mostUsers {
		return &v.other
	}
	if n == nil {
		n = new(int)
		v.users[strings.Clone(user)] = n // assigning would keep this user's bytes, which are overwritten
	}
	return n
}

// byCount returns the users, those with most sessions first.
func (v *listing) byCount() []string {
	return slices.SortedFunc(maps.Keys(v.users), func(a, b string) int {
		return cmp.Or(cmp.Compare(*v.users[b], *v.users[a]), cmp.Compare(a, b))
	})
}

// usersMost is how many users the last line of the table names.
const usersMost = 5

// total returns the last line of the table: how many sessions, and whose.
func (v *listing) total(s screen) string {
	all := v.byCount()
	text := count(v.shown, "session", "sessions")
	for i, user := range all {
		switch {
		case i == usersMost && v.other > 0:
			return text + fmt.Sprintf(", and of more than %d other users", len(all)-i)
		case i == usersMost:
			return text + fmt.Sprintf(", and of %s", count(len(all)-i, "other user", "other users"))
		case i == 0:
			text += ": "
		default:
			text += ", "
		}
		text += fmt.Sprintf("%d %s", *v.users[user], s.text(user))
	}
	return text
}
