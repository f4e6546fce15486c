// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/moments"
	"utmpd.dev/utmpd/internal/sessions"
)

func reportCommand() command {
	return command{
		name:    "report",
		summary: "sum up boots, crashes and sessions, of a week or any time",
		about: `It prints text for a mail: when the system was down, who was on for how long,
and how sessions ended. Without -since it covers the last 7 days.
` + moments.Help,
		options: []option{
			{name: "text", help: "print text, which is the default"},
			jsonOption,
			{name: "html", arg: "FILE", help: "write a page with a time line to FILE; - is standard output"},
			sinceOption, untilOption,
			{name: "f", arg: "FILE", help: "read only FILE; repeat for further files, oldest first", many: true},
			configOption,
		},
		examples: []string{
			"report -json  # of the last week, for a script",
			"report -html nov.html -since 2026-11-01 -until 2026-11-30",
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

	*picture // nil: only text is asked for
}

// usage is how long somebody was on.
type usage struct {
	sessions    int
	least, most time.Duration // of the sessions whose length is known
	unknown     int           // sessions whose length is not
	on          int           // that are still on
	last        time.Time     // the beginning of the last one

	drawn       strip // of a picture
	days, maybe rows
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
	r := &summary{users: map[string]*usage{}, endings: map[sessions.Ending]int{}}
	if err := r.options(in); err != nil {
		return &usageError{fmt.Errorf("report: %w", err), reportCommand().usage()}
	}
	file := in.value("html")
	progress := in.progress("report", r.until.Unix()-r.since.Unix())
	var told bytes.Buffer
	if file != "" {
		r.picture = newPicture(in, r.since, r.until)
		in.stderr = io.MultiWriter(in.stderr, &told)
	}
	in.stderr = progress.between(in.stderr)
	problems := r.readBoots(in)
	log := &sessionLog{in: in, since: r.since, until: r.until}
	r.readSessions(log, progress)
	unread := log.err()
	if file != "" {
		r.note(told.String())
		if err := writePage(r, file, in.stdout); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	if err := r.print(in, file == ""); err != nil {
		return err
	}
	if unread != nil {
		return fmt.Errorf("report: %w", unread)
	}
	if problems {
		return errors.New("report: some files could not be read completely; see above")
	}
	return nil
}

// print prints the report as JSON or, if that is asked for or all, as text.
func (r *summary) print(in call, all bool) error {
	switch {
	case in.set["json"]:
		return r.writeJSON(in.stdout)
	case in.set["text"] || all:
		return r.write(in.screen(), in.stdout)
	}
	return nil
}

// options sets the time that the report covers.
func (r *summary) options(in call) error {
	now := in.on.now()
	r.until = now
	for name, t := range map[string]*time.Time{"since": &r.since, "until": &r.until} {
		v := in.value(name)
		if v == "" {
			continue
		}
		var err error
		if *t, err = moments.Parse(v, now); err != nil {
			return fmt.Errorf("-%s: %w", name, err)
		}
	}
	if r.until.After(now) {
		r.until = now
	}
	if in.value("since") == "" {
		r.since = r.until.AddDate(0, 0, -7)
	}
	if r.until.Before(r.since) {
		return errors.New("-until is before -since, or -since is yet to come")
	}
	var both []string
	for _, o := range []struct {
		name string
		set  bool
	}{{"-json", in.set["json"]}, {"-text", in.set["text"]}, {"-html -", in.value("html") == "-"}} {
		if o.set {
			both = append(both, o.name)
		}
	}
	if len(both) > 1 {
		return fmt.Errorf("%s and %s both write to standard output", both[0], both[1])
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
	if r.picture != nil {
		r.periods = ps
	}
	return len(faults) > 0
}

// readSessions counts the sessions that `utmpctl last` shows.
func (r *summary) readSessions(log *sessionLog, progress *progress) {
	defer progress.end()
	for s := range log.all() {
		progress.at(r.until.Unix() - s.From.Unix())
		if s.Within(r.since, r.until) == sessions.Off {
			continue
		}
		least, most, known := s.During(r.since, r.until)
		r.all.add(s, least, most, known)
		r.endings[s.End]++
		user := usageOf(r.users, s.Login.User, &r.left)
		if user != nil {
			user.add(s, least, most, known)
		}
		if r.picture != nil {
			r.draw(s, user, least, most, known)
		}
	}
}

// usageOf returns that of a name. It is nil, and counted as left, if there are too many.
func usageOf(all map[string]*usage, name string, left *int) *usage {
	u := all[name]
	switch {
	case u != nil:
	case len(all) == mostUsers:
		*left++
	default:
		u = new(usage)
		all[strings.Clone(name)] = u // the session is overwritten
	}
	return u
}

// reportedUsers is how many users a report names.
const reportedUsers = 40

func (r *summary) write(s screen, w io.Writer) error {
	zone, _ := r.until.Local().Zone()
	if _, err := fmt.Fprint(w, s.folded(fmt.Sprintf("%s to %s (%s)", short(r.since), short(r.until), zone))); err != nil {
		return err
	}
	if err := r.writeBoots(s, w); err != nil {
		return err
	}
	if r.all.sessions == 0 {
		_, err := fmt.Fprint(w, "\nno sessions\n")
		return err
	}
	return r.writeUsers(s, w)
}

func (r *summary) writeBoots(s screen, w io.Writer) error {
	if r.booted {
		return writeSum(s, w, r.sum)
	}
	_, err := fmt.Fprint(w, "\nno boots\n")
	return err
}

func (r *summary) writeUsers(s screen, w io.Writer) error {
	if _, err := fmt.Fprintf(w, "\n%s\n", s.folded(count(r.all.sessions, "session", "sessions")+": "+r.ended())); err != nil {
		return err
	}
	t := s.table(w, column{name: "USER", least: 4}, column{name: "SESSIONS", right: true}, column{name: "ON FOR", right: true},
		column{name: "NOW ON", right: true}, column{name: "LAST LOGIN"})
	names := byTime(r.users)
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
	_, err := fmt.Fprint(w, s.folded(count(len(names), "user", "users")+": "+r.all.length()))
	return err
}

// byTime returns the names, those with most time first.
func byTime(all map[string]*usage) []string {
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].most, all[a].most), cmp.Compare(a, b))
	})
}

// cells are the row of a user.
func (u *usage) cells(name string) []string {
	last := "before"
	if !u.last.IsZero() {
		last = short(u.last)
	}
	return []string{name, fmt.Sprint(u.sessions), u.length(), fmt.Sprint(u.on), last}
}

// atLeast formats the least that somebody was on, which is no more than that.
func (u *usage) atLeast() string {
	if u.most != u.least {
		return length(u.least.Truncate(time.Second), true)
	}
	return length(u.least, true)
}

// length formats how long somebody was on: bounds if that is not known exactly.
func (u *usage) length() string {
	text := u.atLeast()
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
