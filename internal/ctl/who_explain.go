// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/state"
	judge "utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// knowledge is what utmpd knows of the sessions, as far as this user may read it.
type knowledge struct {
	health  *health
	err     error // why the status cannot be read
	saved   *session.Checkpoint
	why     error // why the table cannot be read
	entries map[[16]byte]session.Entry
	grace   time.Duration
}

// knowledge reads the status and the table in RUN_DIR.
func (c call) knowledge(cfg config.Config) knowledge {
	k := knowledge{grace: cfg.GracePeriod, entries: map[[16]byte]session.Entry{}}
	k.health, k.err = c.health(cfg.RunDir)
	owner := os.Geteuid()
	if info, err := os.Stat(cfg.RunDir); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			owner = int(st.Uid) // utmpd does not start if others may write there
		}
	}
	saved, err := state.LoadOf(filepath.Join(cfg.RunDir, "table"), owner)
	if err != nil {
		k.why = err
		return k
	}
	if boot, err := c.on.bootID(); err != nil || boot != saved.BootID {
		k.why = errors.New("it is of another boot")
		return k
	}
	k.saved = &saved.Checkpoint
	for _, e := range saved.Sessions {
		k.entries[e.Sum] = e
	}
	return k
}

// checkpoint returns what utmpd has saved of the sessions, nil if that is not known.
func (k knowledge) checkpoint() *session.Checkpoint {
	if k.saved == nil {
		return nil
	}
	return &session.Checkpoint{Alive: k.saved.Alive, Sessions: k.saved.Sessions}
}

// watch returns what utmpd does about a record now.
func (k knowledge) watch(p *presence) string {
	switch {
	case p.record == nil:
		return "the session has no record: utmpd does nothing about it"
	case k.err != nil:
		return "unknown: " + k.err.Error()
	case !k.health.runs:
		return "does not run"
	}
	e, listed := k.entries[judge.Sum(p.record.Raw())]
	switch {
	case listed && (e.End.IsZero() || e.Held) && p.ghost():
		return fmt.Sprintf("knew process %d when its table was saved, at %s", e.ID.PID, short(k.saved.Alive))
	case listed:
		return k.entry(e)
	case k.watchesAll(p):
		return "watches it, as all sessions (by its status)"
	case k.saved == nil:
		return fmt.Sprintf("unknown: its table cannot be read; it watches %d of %d sessions (by its status)", k.health.Watched, k.health.Sessions)
	case k.saved.Alive.Before(p.since):
		return fmt.Sprintf("unknown: its table was saved at %s, before this login; it watches %d of %d sessions (by its status)", short(k.saved.Alive), k.health.Watched, k.health.Sessions)
	}
	return "follows no process for this record, as its table says, saved at " + short(k.saved.Alive)
}

// watchesAll reports whether the status shows that all sessions are watched, and that it
// was written with this one's record.
func (k knowledge) watchesAll(p *presence) bool {
	h := k.health
	const precision = time.Millisecond // of the status
	return h.Sessions > 0 && h.Watched == h.Sessions && !p.since.After(h.LastScan.Add(precision))
}

// entry returns what utmpd has saved of a session.
func (k knowledge) entry(e session.Entry) string {
	switch {
	case e.Held:
		return fmt.Sprintf("keeps it while process %d lives, which has its number in another user namespace", e.ID.PID)
	case !e.End.IsZero() && e.Exact:
		return fmt.Sprintf("saw the end of process %d at %s (%v)", e.ID.PID, short(e.End), e.Status)
	case !e.End.IsZero():
		return fmt.Sprintf("found process %d dead at %s", e.ID.PID, short(e.End))
	case k.health.Unwatched == 0:
		return fmt.Sprintf("watches process %d, known since %s", e.ID.PID, short(e.Since))
	}
	return fmt.Sprintf("knows process %d; of its sessions %d are not watched, which ones is not known", e.ID.PID, k.health.Unwatched)
}

// next returns what utmpd will do with a record, and when.
func (k knowledge) next(p *presence) string {
	switch h := k.health; {
	case p.record == nil:
		return "nothing"
	case k.err != nil:
		return "unknown"
	case h.runs && h.down != "":
		return "unknown, while it hangs: see utmpctl status"
	case p.verdict.Standing == judge.Lives && !h.runs:
		return "nothing: the record stays, also when the session ends, until utmpd is started"
	case p.verdict.Standing == judge.Lives:
		return fmt.Sprintf("nothing, until process %d has ended", p.verdict.Process.PID)
	case p.verdict.Standing != judge.Dead:
		return k.stays(p)
	case !h.runs:
		return "the record stays until utmpd is started; then it is cleaned after " + k.grace.String()
	case h.DryRun:
		return "with -n it only logs that it would clean the record"
	}
	return k.cleans(p)
}

// stays returns when a record that is in doubt is looked at again.
func (k knowledge) stays(p *presence) string {
	switch {
	case !k.health.runs:
		return "the record stays"
	case strings.HasPrefix(p.verdict.reason, "its record names no process"), p.verdict.reason == "":
		return "the record stays until its owner changes it"
	}
	return "the record stays as long as that is so; it looks again with each scan"
}

// cleans returns when a ghost's record is cleaned.
func (k knowledge) cleans(p *presence) string {
	now, h := k.health.now, k.health
	if e, listed := k.entries[judge.Sum(p.record.Raw())]; listed && !e.End.IsZero() && !e.Held {
		due := e.End.Add(k.grace)
		if due.Before(now.Add(-late)) {
			return fmt.Sprintf("was to clean the record at %s, and is late: see utmpctl status and its log", short(due))
		}
		return "cleans the record at " + short(due)
	}
	scan := h.LastScan.Add(h.Within)
	return fmt.Sprintf("cleans the record %v after it sees the end: with the next scan, by %s, at the latest", k.grace, short(scan))
}

// late is how long after its time a record may be cleaned without a word: for a lock, and
// until the table is saved.
const late = 15 * time.Second

// state returns the verdict in a word.
func (p *presence) state() string {
	switch {
	case p.record == nil:
		return p.note()
	case !p.judged:
		return "not judged"
	case p.verdict.Standing == judge.Lives:
		return "lives"
	case p.verdict.Standing == judge.Dead:
		return "ghost"
	}
	return "in doubt"
}

// explain prints for each record why it is there.
func (a *attendance) explain() error {
	s := a.in.screen()
	var b strings.Builder
	for i, p := range a.all {
		if i > 0 {
			b.WriteByte('\n')
		}
		a.explainOne(&b, s, p)
	}
	if len(a.all) == 0 && a.trouble == nil {
		b.WriteString(a.nobody() + "\n")
	}
	var more strings.Builder
	if len(a.in.args) == 0 {
		a.sumUp(&more, s)
	}
	if b.Len() > 0 && more.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(more.String())
	_, err := io.WriteString(a.in.stdout, b.String())
	return err
}

func (a *attendance) explainOne(b *strings.Builder, s screen, p *presence) {
	head := s.whose(p.user)
	if p.line != "" {
		head += " on " + s.text(p.line)
	}
	if p.host != "" {
		head += " from " + s.text(p.host)
	}
	b.WriteString(s.paragraph("", head+": "+p.state()))
	say := func(key, text string) {
		if text != "" {
			b.WriteString(s.paragraph(fmt.Sprintf("  %-8s ", key), s.text(text)))
		}
	}
	say("login", a.loginOf(p))
	if a.own {
		say("process", a.processText(p))
		say("why", p.why())
		say("line", a.lineText(p))
		say("doing", p.doing().Command)
		if d, known := a.idle(p); known {
			say("idle", length(d, true))
		}
		say("logind", logindText(p))
		say("utmpd", a.daemon.watch(p))
		say("next", a.daemon.next(p))
	} else {
		say("process", fmt.Sprintf("%d there", p.pid))
	}
}

func (a *attendance) loginOf(p *presence) string {
	text := ever(p.since)
	if d := a.in.on.now().Sub(p.since); a.own && d >= 0 {
		text += ", " + length(d, true) + " ago"
	}
	if p.record != nil {
		text += fmt.Sprintf(", in slot %d", p.slot)
	}
	return text
}

// processText describes the record's process, and how that is known.
func (a *attendance) processText(p *presence) string {
	switch v := p.verdict; {
	case p.pid <= 0:
		return "the record names none"
	case p.record == nil && !p.login.Lives && !p.ghost():
		return fmt.Sprintf("%d, logind's leader, has ended; %d leads its terminal", p.pid, p.login.LivesBy)
	case p.record == nil && !p.login.Lives:
		return fmt.Sprintf("%d, logind's leader, has ended", p.pid)
	case p.record == nil:
		return fmt.Sprintf("%d, logind's leader: %s", p.pid, p.process.Command)
	case v.Standing == judge.Lives && !v.Led:
		return fmt.Sprintf("%d lives, by %s%s", p.pid, v.how, p.now())
	case v.Found != "":
		return fmt.Sprintf("%d: %s%s", p.pid, v.Found, p.now())
	case a.in.on.alive(p.pid):
		return fmt.Sprintf("%d is another process here%s", p.pid, p.now())
	}
	return fmt.Sprintf("%d is gone: no living process has that number", p.pid)
}

// now tells what the process is that has the record's pid.
func (p *presence) now() string {
	if p.process.Command == "" {
		return ""
	}
	return ": " + p.process.Command
}

// why returns the reason for a verdict that the process alone does not give.
func (p *presence) why() string {
	if p.record == nil {
		return ""
	}
	if p.verdict.reason == "" && p.verdict.Standing == judge.Dead {
		return "nothing speaks for the session: no leader of its line, no display, no process in a container"
	}
	return p.verdict.reason
}

// lineText tells about the line and who leads it.
func (a *attendance) lineText(p *presence) string {
	act := p.activity
	var text string
	switch {
	case p.line == "":
		return ""
	case act.Unsure != "":
		text = "unknown: " + act.Unsure
	case !act.Exists:
		text = "there is no terminal of that name"
	case act.Leader.ID.PID == 0 && a.hidden != nil:
		text = "the terminal exists; who leads it is not known"
	case act.Leader.ID.PID == 0:
		text = "the terminal exists, and nobody leads it"
	default:
		text = fmt.Sprintf("led by process %d, %s", act.Leader.ID.PID, act.Leader.Command)
		text += p.kinship(act.Leader.ID)
	}
	for _, q := range a.byLine[p.line] {
		if q != p {
			text += fmt.Sprintf("; process %d of %s has the line, too", q.pid, q.user)
		}
	}
	return text
}

// kinship tells how the leader of a line is related to the record's process.
func (p *presence) kinship(leader session.ID) string {
	switch v := p.verdict; {
	case p.record == nil:
	case leader.PID == p.pid:
		return ": the record's process"
	case v.Leader.PID != 0 && v.Leader.Same(leader):
		return ": below the record's process"
	case v.Outer.PID != 0 && v.Outer.Same(leader):
		return ": above the record's process"
	}
	return ""
}

func logindText(p *presence) string {
	if p.login == nil {
		return ""
	}
	text := fmt.Sprintf("session %s, leader %d, %s", p.login.ID, p.login.Leader, p.login.State)
	if p.login.Service != "" {
		text += ", of " + p.login.Service
	}
	return text
}

// ghostsOfLogind returns the sessions that are over and that logind has not noticed. If
// processes are hidden, none is known.
func (a *attendance) ghostsOfLogind() (ghosts []string) {
	var inhabited map[string]bool
	for _, p := range a.all {
		l := p.login
		if p.record != nil || l == nil || l.Lives || l.State != "closing" {
			continue
		}
		if inhabited == nil {
			var err error
			if inhabited, err = a.in.on.inhabited(); err != nil {
				return nil
			}
		}
		if !inhabited[l.ID] {
			ghosts = append(ghosts, fmt.Sprintf("%s of %s", l.ID, l.User))
		}
	}
	slices.Sort(ghosts)
	return slices.Compact(ghosts)
}

// sumUp prints what is not about one session.
func (a *attendance) sumUp(b *strings.Builder, s screen) {
	var others []string
	for _, t := range slices.Sorted(maps.Keys(a.others)) {
		if t != utmpx.Empty {
			others = append(others, fmt.Sprintf("%d %s", a.others[t], t))
		}
	}
	if len(others) > 0 {
		b.WriteString(s.paragraph("", "other records, which are no sessions: "+strings.Join(others, ", ")))
	}
	if ghosts := a.ghostsOfLogind(); len(ghosts) > 0 {
		b.WriteString(s.paragraph("", s.text(fmt.Sprintf("logind shows %s over, with no process left: %s",
			count(len(ghosts), "session that is", "sessions that are"), strings.Join(ghosts, ", ")))))
	}
	if h := a.daemon.health; a.own && h != nil && h.down != "" {
		b.WriteString(s.paragraph("", s.text(h.down)))
	}
	if a.own && a.daemon.why != nil && !errors.Is(a.daemon.why, os.ErrNotExist) {
		b.WriteString(s.paragraph("", s.text(fmt.Sprintf("what utmpd knows of each session is not known here: %v", a.daemon.why))))
	}
}
