// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
)

func reportCommand() command {
	return command{
		name:    "report",
		summary: "sum up boots, crashes and sessions, of a week or any time",
		about: `It prints text for a mail: when the system was down, who was on for how long,
and how sessions ended. Without -since it covers the last 7 days.
` + momentHelp,
		options: []option{
			{name: "text", help: "print text, which is the default"},
			sinceOption, untilOption,
			{name: "f", arg: "FILE", help: "read only FILE; repeat for further files, oldest first", many: true},
			configOption,
		},
		examples: []string{
			"report                                        # of the last week",
			"report -since 2026-11-01 -until 2026-11-30    # of a month",
		},
		run: makeReport,
	}
}

// summary is what a report says.
type summary struct {
	since, until time.Time
	sum          boots.Sum
	booted       bool // some boot is known
	users        map[string]*usage
	endings      map[sessions.Ending]int
	all          usage
	left         int // sessions of users beyond mostUsers
}

// usage is how long somebody was on.
type usage struct {
	sessions    int
	least, most time.Duration // of the sessions whose length is known
	unknown     int           // sessions whose length is not
	on          int           // that are still on
	last        time.Time     // the beginning of the last one
}

func (u *usage) add(s *sessions.Session, least, most time.Duration, known bool) {
	u.sessions++
	if known {
		u.least += least
		u.most += most
	} else {
		u.unknown++
	}
	if s.End == sessions.StillOn {
		u.on++
	}
	if s.From.After(u.last) {
		u.last = s.From
	}
}

func makeReport(in call) error {
	now := in.on.now()
	r := &summary{until: now, users: map[string]*usage{}, endings: map[sessions.Ending]int{}}
	for name, t := range map[string]*time.Time{"since": &r.since, "until": &r.until} {
		v := in.value(name)
		if v == "" {
			continue
		}
		var err error
		if *t, err = parseTime(v, now); err != nil {
			return &usageError{fmt.Errorf("report: -%s: %w", name, err), reportCommand().usage()}
		}
	}
	if r.until.After(now) {
		r.until = now
	}
	if in.value("since") == "" {
		r.since = r.until.AddDate(0, 0, -7)
	}
	if r.until.Before(r.since) {
		return &usageError{errors.New("report: -until is before -since, or -since is yet to come"), reportCommand().usage()}
	}
	problems := r.readBoots(in)
	log := &sessionLog{in: in, since: r.since, until: r.until}
	r.readSessions(log)
	if err := r.write(in.screen(), in.stdout); err != nil {
		return err
	}
	if err := log.err(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if problems {
		return errors.New("report: some files could not be read completely; see above")
	}
	return nil
}

// readBoots sums up the boots as `utmpctl downtime` does.
func (r *summary) readBoots(in call) (problems bool) {
	h, own, present, faults := readAll(in)
	for _, p := range faults {
		tell(in.stderr, p)
	}
	all := h.Boots()
	if own != nil {
		all, _ = own.amended(all, present) // reading the sessions tells the differences
	}
	ps, sum := boots.Periods(all, r.since, r.until, present)
	r.sum, r.booted = sum, len(ps) > 0
	return len(faults) > 0
}

// readSessions counts the sessions that `utmpctl last` shows.
func (r *summary) readSessions(log *sessionLog) {
	for s := range log.ahead() {
		if s.Within(r.since, r.until) == sessions.Off {
			continue
		}
		least, most, known := s.During(r.since, r.until)
		r.all.add(s, least, most, known)
		r.endings[s.End]++
		u := r.users[s.Login.User]
		switch {
		case u == nil && len(r.users) == mostUsers:
			r.left++
			continue
		case u == nil:
			u = new(usage)
			r.users[strings.Clone(s.Login.User)] = u // the session is overwritten
		}
		u.add(s, least, most, known)
	}
}

// reportedUsers is how many users a report names.
const reportedUsers = 40

func (r *summary) write(s screen, w io.Writer) error {
	zone, _ := r.until.Local().Zone()
	if _, err := fmt.Fprintf(w, "%s to %s (%s)\n", short(r.since), short(r.until), zone); err != nil {
		return err
	}
	if err := r.writeBoots(w); err != nil {
		return err
	}
	if r.all.sessions == 0 {
		_, err := fmt.Fprint(w, "\nno sessions\n")
		return err
	}
	return r.writeUsers(s, w)
}

func (r *summary) writeBoots(w io.Writer) error {
	if r.booted {
		return writeSum(w, r.sum)
	}
	_, err := fmt.Fprint(w, "\nno boots\n")
	return err
}

func (r *summary) writeUsers(s screen, w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s\n\n", count(r.all.sessions, "session", "sessions"), r.ended()); err != nil {
		return err
	}
	t := s.table(w, column{name: "USER", least: 4}, column{name: "SESSIONS", right: true}, column{name: "ON FOR", right: true},
		column{name: "NOW ON", right: true}, column{name: "LAST LOGIN"})
	names := slices.SortedFunc(maps.Keys(r.users), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.users[b].most, r.users[a].most), cmp.Compare(a, b))
	})
	for _, name := range names[:min(len(names), reportedUsers)] {
		t.row(r.users[name].cells(s.text(name))...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if n := len(names) - reportedUsers; n > 0 || r.left > 0 {
		if _, err := fmt.Fprintf(w, "and %s\n", count(max(0, n), "other user", "other users")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", count(len(names), "user", "users"), r.all.length())
	return err
}

// cells are the row of a user.
func (u *usage) cells(name string) []string {
	last := "before"
	if !u.last.IsZero() {
		last = short(u.last)
	}
	return []string{name, fmt.Sprint(u.sessions), u.length(), fmt.Sprint(u.on), last}
}

// length formats how long somebody was on: bounds if that is not known exactly.
func (u *usage) length() string {
	text := length(u.least, true)
	if u.most != u.least {
		text += " to " + length(roundUp(u.most), true)
	}
	if u.unknown > 0 {
		text += fmt.Sprintf(", and %d unknown", u.unknown)
	}
	return text
}

// ended says how the sessions ended, in the order in which endings are defined.
func (r *summary) ended() string {
	var parts []string
	for _, e := range sessions.Endings() {
		if n := r.endings[e]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e))
		}
	}
	return strings.Join(parts, ", ")
}
