// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Options of the commands login and logout.
var (
	lineOption = option{name: "line", short: "l", arg: "LINE", help: "the terminal, or another name (that of the process)"}
	pidOption  = option{name: "pid", short: "p", arg: "PID", help: "the process that the session lives by (the caller)"}
	idOption   = option{name: "id", arg: "ID", help: "ut_id (the last four bytes of LINE without tty)"}
)

func loginCommand() command {
	return command{
		name:    "login",
		summary: "record a session that no program records",
		about: `It writes what login(1) would, and nothing if the line has a session already.
When the process ends, utmpd records the logout. For the utmp group or root.`,
		options: []option{
			lineOption,
			{name: "user", short: "u", arg: "NAME", help: "who has logged in (the caller's user)"},
			{name: "host", arg: "HOST", blank: true, help: "from where; an IP address is recorded as such, too"},
			pidOption, idOption, jsonOption, configOption,
		},
		examples: []string{
			"login -user alice           # in the script that then runs her shell",
			"login -line :10 -pid 4711   # of an X session, by its process",
		},
		run: func(in call) error {
			w, err := whichSession(in)
			if err != nil {
				return err
			}
			if w.line = cmp.Or(w.line, in.on.lineOf(w.pid)); w.line == "" {
				return fmt.Errorf("process %d has no terminal; name a line with -line", w.pid)
			}
			if err := in.on.canLive(w.pid, w.line); err != nil {
				return err
			}
			name := in.value("user")
			if name == "" {
				who, err := user.Current()
				if err != nil {
					return fmt.Errorf("who are you? name the user with -user: %w", err)
				}
				name = who.Username
			}
			b, err := newBook(in)
			if err != nil {
				return err
			}
			said := b.answer()
			r := newSession(w.line, name, in.value("host"), w.pid, in.on.now())
			r.ID = w.id
			r, err = b.begin(r, in.value("line") == "")
			taken := new(takenError)
			before := errors.As(err, &taken)
			if before {
				b.note(err.Error())
				r, err = taken.by, nil
			}
			if err != nil || !in.set["json"] {
				return err
			}
			said.of(r)
			return printJSON(in.stdout, "  ", loginAnswer{before, *said})
		},
	}
}

func logoutCommand() command {
	return command{
		name:    "logout",
		summary: "record the end of a session that login recorded",
		about: `Run it from the process that ran login, or name that with -pid: the session of
another process that lives stays.`,
		options: []option{lineOption, pidOption, idOption, jsonOption, configOption},
		examples: []string{
			"logout                      # in the script that ran login",
			"logout -line :10 -pid 4711",
		},
		run: func(in call) error {
			w, err := whichSession(in)
			if err != nil {
				return err
			}
			if w.line == "" && in.value("id") == "" && in.value("pid") == "" {
				return fmt.Errorf("process %d has no terminal; name a line with -line", w.pid)
			}
			b, err := newBook(in)
			if err != nil {
				return err
			}
			said := b.answer()
			r, dead, err := b.end(w.is, w.line, w.pid)
			if errors.Is(err, errNoSession) {
				return fmt.Errorf("%s: %w", cmp.Or(w.line, w.id, fmt.Sprint("process ", w.pid)), err)
			}
			if err != nil || !in.set["json"] {
				return err
			}
			said.of(r)
			return printJSON(in.stdout, "  ", logoutAnswer{*said, dead.Time.Time().UTC()})
		},
	}
}

// answer is what login and logout print with -json.
type answer struct {
	Session json.RawMessage `json:"session"` // the fields of its record, as dump prints them
	Notes   []string        `json:"notes"`
}

type loginAnswer struct {
	Before bool `json:"recorded_before"` // and nothing was written: Session is what is there
	answer
}

type logoutAnswer struct {
	answer
	Ended time.Time `json:"ended"`
}

// answer returns an answer which takes the notes, if JSON is asked for.
func (b *book) answer() *answer {
	a := &answer{Notes: []string{}}
	if b.in.set["json"] {
		b.note = func(text string) { a.Notes = append(a.Notes, text) }
	}
	return a
}

// of sets the session. The bytes of a record that was read are left out: its process may be
// another one now.
func (a *answer) of(r utmpx.Record) {
	a.Session = recordjson.Append(nil, utmpx.Record{Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Session: r.Session, Time: r.Time, Exit: r.Exit, Addr: r.Addr})
}

// which names a session.
type which struct {
	line, id string
	pid      int32
}

// whichSession returns what the options say, else the process that called utmpctl and its
// terminal.
func whichSession(in call) (which, error) {
	w := which{line: strings.TrimPrefix(in.value("line"), "/dev/"), id: in.value("id")}
	if w.line != "" && !isLine(w.line) {
		return w, fmt.Errorf("-line: %q is no name of a line", w.line)
	}
	if session.FieldText(w.id, 4) != w.id {
		return w, fmt.Errorf("-id: %q is no ut_id: that has four bytes", w.id)
	}
	var err error
	w.pid, err = in.process()
	if err == nil && w.line == "" && w.id == "" {
		w.line = in.on.lineOf(w.pid)
	}
	return w, err
}

// isLine reports whether a text can be a ut_line: what reads the records looks for it below
// /dev, and prints it.
func isLine(text string) bool {
	return filepath.IsLocal(text) && path.Clean(text) == text && session.FieldText(text, 32) == text
}

// process returns the process of -pid, else the one that called utmpctl.
func (c call) process() (pid int32, err error) {
	v := c.value("pid")
	if v == "" {
		return c.on.parent(), nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("-pid: %q is no process ID", v)
	}
	return int32(n), nil
}

// canLive returns an error if no session can live by a process, as utmpd judges: one that it
// would end at once. The shell of a container can be process 1.
func (m machine) canLive(pid int32, line string) error {
	p, lives := m.open(pid)
	switch {
	case !lives:
		return fmt.Errorf("process %d does not exist: the session would end at once", pid)
	case p.nobody == session.Init && m.lineOf(pid) == line:
		return nil
	case p.nobody == session.Init:
		return fmt.Errorf("process %d is init, and no session: it would end at once", pid)
	case p.nobody != session.Somebody:
		return fmt.Errorf("process %d is no session: it would end at once", pid)
	}
	return nil
}

// is reports whether a record is that of the session to end.
func (w which) is(r utmpx.Record) bool {
	if w.line == "" && w.id == "" {
		return r.PID == w.pid
	}
	return (w.line == "" || r.Line == w.line) && (w.id == "" || r.ID == w.id)
}
