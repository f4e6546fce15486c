// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/utmpx"
)

// exitDown is the exit status if utmpd does not run or hangs, as of a service's script.
const exitDown = 3

func statusCommand() command {
	return command{
		name:    "status",
		summary: "show whether utmpd runs and is well",
		about: `It exits with 0 if utmpd is well, 1 if something is wrong (it says what, and
what to do), 3 if utmpd does not run or hangs. With -check: 1 warning,
2 critical (it does not run or hangs), 3 unknown.`,
		options: []option{
			jsonOption,
			{name: "check", help: "print one line and exit as a plug-in of Nagios or Icinga does"},
			{name: "total", help: "count the sessions that utmpd has closed in the wtmp files, too"},
			configOption,
		},
		examples: []string{
			"status                   # in a terminal",
			"status -json | jq .well  # in a check",
		},
		apart: [][2]string{{"check", "json"}, {"check", "total"}},
		run:   showStatus,
	}
}

func showStatus(in call) error {
	if in.set["check"] {
		return checkStatus(in)
	}
	cfg, err := in.settings()
	if err != nil {
		return err
	}
	h, err := in.health(cfg.RunDir)
	if err != nil {
		return err
	}
	var t *total
	if in.set["total"] {
		t = new(total)
		err = t.count(in, cfg.WtmpxFile)
	}
	write := h.write
	if in.set["json"] {
		write = h.writeJSON
	}
	if err := errors.Join(err, write(in.stdout, in.screen(), t)); err != nil {
		return err
	}
	if n := h.exit(); n != exitOK {
		return exitStatus(n)
	}
	return nil
}

// health is how utmpd is doing.
type health struct {
	status.Written // zero if there is none
	now            time.Time
	runs           bool
	down           string // why it does not run or hangs; "": it is at work
	advice         string // with down
	troubles       []trouble
}

// trouble is something that is wrong, and what to do about it.
type trouble struct {
	What string `json:"what"`
	Do   string `json:"do"`
}

func (h *health) exit() int {
	switch {
	case h.down != "":
		return exitDown
	case len(h.troubles) > 0:
		return exitError
	}
	return exitOK
}

// health finds out how the utmpd is doing whose RUN_DIR that is.
func (c call) health(runDir string) (*health, error) {
	name := filepath.Join(runDir, "status")
	text, err := atomicfile.Read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	missing := err != nil
	h := &health{now: c.on.now()}
	locker, held, lockErr := pidfile.Look(filepath.Join(runDir, "utmpd.pid"))
	if missing {
		if lockErr == nil && held {
			h.runs, h.PID = true, locker
			h.trouble(fmt.Sprintf("utmpd runs as process %d, but %s is missing", locker, name), "restart utmpd")
			return h, nil
		}
		h.down, h.advice = fmt.Sprintf("utmpd does not run: there is no %s", name), "start it, or name its configuration with -config"
		return h, nil
	}
	if h.Written, err = status.Parse(text); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	h.judge(life{
		unlocked: errors.Is(lockErr, fs.ErrNotExist) || lockErr == nil && !held,
		locked:   lockErr == nil && held && locker == h.PID,
		gone:     !c.on.alive(int32(h.PID)),
		process:  c.on.describe(int32(h.PID)),
	})
	return h, nil
}

// life is what is known of the process that wrote a status.
type life struct {
	locked   bool // it has the lock of the pid file
	unlocked bool // nobody has it
	gone     bool // nothing has its pid
	process  proc.Description
}

// judge finds out whether utmpd runs, by its status and its process, and whether anything
// is wrong.
func (h *health) judge(l life) {
	other := l.process.Name
	switch {
	case h.State == status.Ended:
		h.down, h.advice = "utmpd does not run: it ended at "+short(h.At), "start it"
	case l.gone:
		h.down, h.advice = fmt.Sprintf("utmpd does not run: process %d is gone, and did not end as it should", h.PID), "start it; its log or the kernel's may say why it ended"
	case l.unlocked:
		h.down, h.advice = fmt.Sprintf("utmpd does not run: nobody has the lock of its pid file, and process %d is another one", h.PID), "start it"
	case !l.locked && other != "" && !strings.HasPrefix(other, "utmpd"):
		h.down, h.advice = fmt.Sprintf("utmpd does not run: process %d is another program now, %q", h.PID, other), "start it"
	case l.process.Stopped:
		h.runs = true
		h.down, h.advice = fmt.Sprintf("utmpd hangs: process %d is stopped by a signal or a debugger", h.PID), fmt.Sprintf("kill -CONT %d", h.PID)
	case h.now.After(h.ValidUntil):
		h.runs = true
		h.down, h.advice = fmt.Sprintf("utmpd hangs: process %d was to write its status by %s at the latest", h.PID, short(h.ValidUntil)), "see its log, whether RUN_DIR can be written, and restart it"
	default:
		h.runs = true
		h.findTroubles()
	}
}

func (h *health) trouble(what, do string) { h.troubles = append(h.troubles, trouble{what, do}) }

// findTroubles names what is wrong with a utmpd that is at work.
func (h *health) findTroubles() {
	if h.At.After(h.now.Add(time.Minute)) {
		h.trouble("the status is from the future: the clock was set back", "none needed, if the clock is right now")
	}
	if h.DryRun {
		h.trouble("utmpd runs with -n: it cleans no records", "start it without -n")
	}
	if rights := lacks(h.Missing); rights != "" {
		h.trouble("it may not: "+rights, "see PRIVILEGES in utmpd(8)")
	}
	if h.UtmpxError != "" {
		h.trouble("utmpx file: "+h.UtmpxError, "see that "+h.UtmpxFile+" exists, holds session records and can be read by utmpd")
	}
	if h.Hangs != "" {
		h.trouble("no answer: "+h.Hangs, "see to that file system; utmpd goes on when it answers")
	}
	if owed := h.LogoutsOwed - h.Waiting; owed > 0 {
		h.trouble(count(owed, "logout waits", "logouts wait")+" for "+h.WtmpxFile, "see who locks it, whether utmpd may write it and whether its disk is full; utmpd retries by itself")
	}
	if h.Unwatched > 0 && h.Backend == "pidfd" {
		h.trouble(count(h.Unwatched, "session is", "sessions are")+" not watched, only looked at now and then", "raise MAX_FDS, or the service's limit of open files, and restart utmpd")
	}
	if h.NoticeError != "" {
		h.trouble("no notice of changes: "+h.NoticeError, "raise fs.inotify.max_user_instances or max_user_watches; utmpd looks each second meanwhile")
	}
	if h.LogError != "" {
		h.trouble("log lines are lost: "+h.LogError, "see to the system's log; utmpctl status -json has the last lines")
	}
}

// lacks returns what utmpd lacks and could be given. What a later kernel would offer is no
// trouble.
func lacks(missing string) string {
	var all []string
	for what := range strings.SplitSeq(missing, "; ") {
		if what != "" && !strings.Contains(what, "(Linux ") {
			all = append(all, what)
		}
	}
	return strings.Join(all, "; ")
}

// total is how many sessions utmpd has closed, as the log tells.
type total struct {
	sessions int
	since    time.Time // of the first record
}

// count reads all files of the log.
func (t *total) count(in call, name string) error {
	log := logs.New(name, logs.Options{Torn: true})
	files, err := log.Files(in.ctx)
	errs := []error{err}
	for _, f := range files {
		errs = append(errs, t.read(in, log, f.Name))
	}
	return errors.Join(errs...)
}

func (t *total) read(in call, log *logs.Log, name string) error {
	f, err := log.Open(in.ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	var damage damages
	for record, err := range f.Raw(0) {
		if damage.add(err) {
			continue
		}
		if err != nil {
			return errors.Join(damage.err(), err)
		}
		typ, at, _ := record.Peek()
		if t.since.IsZero() && at.Sec != 0 {
			t.since = at.Time()
		}
		if typ != utmpx.DeadProcess {
			continue
		}
		if _, ours := session.ParseMark(record.Decode()); ours {
			t.sessions++
		}
	}
	damage.add(f.TornEnd())
	return damage.err()
}

// write prints what an operator wants to know, in lines that fit the screen.
func (h *health) write(w io.Writer, s screen, t *total) error {
	var b strings.Builder
	say := func(key, text string) { b.WriteString(s.paragraph(fmt.Sprintf("%-10s ", key), text)) }
	switch {
	case h.down != "":
		say("DOWN", h.down)
		say("to do", h.advice)
	case h.State == status.Starting:
		b.WriteString("utmpd is starting\n")
	case len(h.troubles) == 0:
		b.WriteString("utmpd is well\n")
	default:
		fmt.Fprintf(&b, "utmpd is at work, with %s\n", count(len(h.troubles), "trouble", "troubles"))
	}
	for _, tr := range h.troubles {
		say("TROUBLE", s.text(tr.What))
		say("to do", tr.Do)
	}
	if h.PID > 0 && !h.At.IsZero() {
		h.facts(say, s)
	}
	if t != nil {
		say("total", t.String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// facts prints what a status holds.
func (h *health) facts(say func(key, text string), s screen) {
	say("utmpd", fmt.Sprintf("%s, process %d, since %s", s.text(h.Version), h.PID, h.Started.Local().Format("2006-01-02 15:04:05 MST")))
	say("sessions", fmt.Sprintf("%d: %d watched, %d not watched, %d ended and not yet cleaned", h.Sessions, h.Watched, h.Unwatched, h.Dying))
	cleaned := fmt.Sprintf("%d since the start", h.Cleaned)
	if h.DryRun {
		cleaned = fmt.Sprintf("none (-n); %d would have been", h.WouldClean)
	}
	if !h.LastClean.IsZero() {
		cleaned += ", the last at " + short(h.LastClean)
	}
	say("cleaned", cleaned)
	if h.LogoutsOwed > 0 {
		say("logouts", fmt.Sprintf("%d owed, %d of them until a process has ended", h.LogoutsOwed, h.Waiting))
	}
	say("last scan", ever(h.LastScan)+", heartbeat "+ever(h.LastHeartbeat))
	say("files", s.text(h.UtmpxFile+", "+h.WtmpxFile))
}

func ever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return short(t)
}

func (t *total) String() string {
	if t.since.IsZero() {
		return "no records in the wtmp files"
	}
	return fmt.Sprintf("%s closed by utmpd in the wtmp files, since %s", count(t.sessions, "session", "sessions"), short(t.since))
}

// words returns the words of a text, those in pieces that are longer than a line has room.
func (s screen) words(text string, room int) (all []string) {
	for _, word := range strings.Fields(text) {
		for s.width > 0 && room >= 2 && s.columns(word) > room {
			n := 0
			for i, r := range word {
				if s.columns(word[:i]+string(r)) > room {
					break
				}
				n = i + len(string(r))
			}
			all, word = append(all, word[:n]), word[n:]
		}
		all = append(all, word)
	}
	return all
}

// paragraph folds a text so that it fits the screen, if it can; further lines are indented
// as the first.
func (s screen) paragraph(head, text string) string {
	var b strings.Builder
	b.WriteString(head)
	column := s.columns(head)
	indent := strings.Repeat(" ", column)
	for i, word := range s.words(text, s.width-column) {
		n := s.columns(word)
		switch {
		case i == 0:
		case s.width > 0 && column+1+n > s.width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// statusJSON is a status in JSON.
type statusJSON struct {
	Well     bool      `json:"well"`
	Running  bool      `json:"running"`
	Down     string    `json:"down,omitempty"` // why it does not run, or hangs
	Do       string    `json:"do,omitempty"`
	Troubles []trouble `json:"troubles"`

	State      *string    `json:"state"`
	Written    *time.Time `json:"written"`
	ValidUntil *time.Time `json:"valid_until"`
	PID        *int       `json:"pid"`
	Version    *string    `json:"version"`
	Started    *time.Time `json:"started"`
	DryRun     *bool      `json:"dry_run"`
	Utmpx      *string    `json:"utmpx"`
	Wtmpx      *string    `json:"wtmpx"`
	Sessions   *int       `json:"sessions"`
	Watched    *int       `json:"watched"`
	Unwatched  *int       `json:"unwatched"`
	Dying      *int       `json:"dying"`
	Cleaned    *int       `json:"cleaned"`
	WouldClean *int       `json:"would_clean"`
	Owed       *int       `json:"logouts_owed"`
	Waiting    *int       `json:"logouts_waiting"`
	Backend    *string    `json:"backend"`
	Scan       *time.Time `json:"last_scan"`
	Heartbeat  *time.Time `json:"last_heartbeat"`
	Clean      *time.Time `json:"last_clean"`
	Requests   *uint64    `json:"requests"`
	Bad        *uint64    `json:"bad_requests"`
	Missing    *string    `json:"missing"`
	UtmpxError *string    `json:"utmpx_error"`
	NoAnswer   *string    `json:"no_answer"`
	Notices    *string    `json:"notification_error"`
	LogError   *string    `json:"log_error"`
	LogLines   []string   `json:"log_lines"`
	Unknown    []string   `json:"unknown,omitempty"` // lines with keys of another version

	Total *int       `json:"cleaned_total,omitempty"`
	Since *time.Time `json:"cleaned_total_since,omitempty"`
}

func (h *health) writeJSON(w io.Writer, _ screen, t *total) error {
	out := statusJSON{Well: h.exit() == exitOK, Running: h.runs, Down: h.down, Do: h.advice, Troubles: h.troubles, LogLines: []string{}}
	if out.Troubles == nil {
		out.Troubles = []trouble{}
	}
	if h.PID > 0 {
		out.PID = &h.PID
	}
	if !h.At.IsZero() {
		h.fill(&out)
	}
	if t != nil {
		out.Total, out.Since = &t.sessions, known(t.since)
	}
	return printJSON(w, "", out)
}

// fill takes in what the status holds.
func (h *health) fill(out *statusJSON) {
	state := string(h.State)
	out.State, out.Version, out.Backend = &state, &h.Version, &h.Backend
	out.Written, out.ValidUntil, out.Started = known(h.At), known(h.ValidUntil), known(h.Started)
	out.Scan, out.Heartbeat, out.Clean = known(h.LastScan), known(h.LastHeartbeat), known(h.LastClean)
	out.DryRun, out.Utmpx, out.Wtmpx = &h.DryRun, &h.UtmpxFile, &h.WtmpxFile
	out.Sessions, out.Watched, out.Unwatched, out.Dying = &h.Sessions, &h.Watched, &h.Unwatched, &h.Dying
	out.Cleaned, out.WouldClean, out.Owed, out.Waiting = &h.Cleaned, &h.WouldClean, &h.LogoutsOwed, &h.Waiting
	if h.HasPipe {
		out.Requests, out.Bad = &h.Requests, &h.BadRequests
	}
	for _, text := range []struct {
		to   **string
		from *string
	}{{&out.Missing, &h.Missing}, {&out.UtmpxError, &h.UtmpxError}, {&out.NoAnswer, &h.Hangs}, {&out.Notices, &h.NoticeError}, {&out.LogError, &h.LogError}} {
		if *text.from != "" {
			*text.to = text.from
		}
	}
	for line := range strings.Lines(h.LogLines) {
		out.LogLines = append(out.LogLines, strings.TrimSuffix(line, "\n"))
	}
	out.Unknown = h.Unknown
}

// known returns nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
