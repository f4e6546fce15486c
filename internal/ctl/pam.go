// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// pamWait is how long a login waits for each lock, and pamMost how long for all.
	pamWait = 2 * time.Second
	pamMost = 5 * time.Second
)

func pamCommand() command {
	return command{
		name:    "pam",
		summary: "record a session of PAM, for pam_exec(8)",
		about: `In a file of /etc/pam.d, with the path of utmpctl:
  session optional pam_exec.so quiet .../utmpctl pam
It does what login and logout do, as PAM_TYPE says: open_session, close_session.
Sessions without a terminal, su, sudo, cron, and those of programs that record
sessions themselves are left out. Errors go to the system's log. It exits 0.`,
		options: []option{
			{name: "pid", short: "p", arg: "PID", help: "the program that uses PAM (the caller)"},
			configOption,
		},
		examples: []string{
			"pam             # as pam_exec runs it",
			"pam -pid $PPID  # as a script runs it, which pam_exec runs",
		},
		run: func(in call) error {
			err := recordForPAM(in)
			if err != nil {
				logPAM(err)
				tell(in.stderr, err)
			}
			return nil // nobody is kept from logging in
		},
	}
}

// logPAM writes an error where the administrator looks: pam_exec shows none.
func logPAM(err error) {
	log, conn := logging.NewSyslog("utmpctl", slog.LevelInfo)
	log.Warn("a session is not recorded", "service", os.Getenv("PAM_SERVICE"), "user", os.Getenv("PAM_USER"), "line", os.Getenv("PAM_TTY"), "error", err)
	conn.Close()
}

// recordForPAM gives up after a while, whatever hangs.
func recordForPAM(in call) error {
	p := pamSession{
		service: os.Getenv("PAM_SERVICE"), user: os.Getenv("PAM_USER"), host: os.Getenv("PAM_RHOST"),
		tty: os.Getenv("PAM_TTY"), uid: os.Getuid(),
	}
	var err error
	if p.pid, err = in.process(); err != nil {
		return err
	}
	kind := os.Getenv("PAM_TYPE")
	if kind != "open_session" && kind != "close_session" {
		return errors.New("PAM_TYPE is neither open_session nor close_session: is this run by pam_exec?")
	}
	ctx, cancel := context.WithTimeout(in.ctx, pamMost)
	defer cancel()
	in.ctx, in.on.patience = ctx, pamWait
	done := make(chan error, 1)
	go func() {
		if !p.recorded(in.on.terminal) { // which reads the program's file
			done <- nil
			return
		}
		done <- p.record(in, kind == "open_session")
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("it takes too long: %w", context.Cause(ctx))
	}
}

// pamSession is a session as PAM describes it.
type pamSession struct {
	service, user, host, tty string
	uid                      int   // the real one of the program that uses PAM
	pid                      int32 // of that program, which closes the session
}

// noLogins are services whose sessions are no logins: somebody who is logged in becomes
// somebody else, or something is run for somebody.
var noLogins = []string{
	"su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l", "doas", "polkit-1", "pkexec", "systemd-run0",
	"cron", "crond", "atd", "systemd-user", "gdm-launch-environment",
}

// recorded reports whether the session is a login on a line, that its program does not
// record.
func (p *pamSession) recorded(terminal func(line string) bool) bool {
	switch {
	case p.uid != 0, slices.Contains(noLogins, p.service), strings.HasSuffix(p.service, "-greeter"):
		return false // with another real user, a logged-in user's program has become root
	case p.user == "" || !p.hasLine(terminal):
		return false
	}
	return !p.recordsItself()
}

// hasLine reports whether PAM_TTY names a terminal or a display: for many services it is a
// mere word, such as ssh or cron.
func (p *pamSession) hasLine(terminal func(line string) bool) bool {
	line := p.line()
	if strings.HasPrefix(line, ":") {
		d, ok := session.ParseDisplay(line, p.pid)
		return ok && d.Number >= 0
	}
	return line != "" && terminal(line)
}

func (p *pamSession) line() string { return strings.TrimPrefix(p.tty, "/dev/") }

// recordsItself reports whether the program writes the records of its sessions: then it
// contains the name of one of libc's functions for that. gdm's is the program above.
func (p *pamSession) recordsItself() bool {
	pids := []int32{p.pid}
	if strings.HasPrefix(p.service, "gdm") {
		if d := describe(p.pid); d.Parent > 1 {
			pids = append(pids, d.Parent)
		}
	}
	return slices.ContainsFunc(pids, func(pid int32) bool {
		f, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/exe")
		if err != nil {
			return false
		}
		defer f.Close()
		return writesRecords(f)
	})
}

// recordFunctions are those of libc and libutil that record a session.
var recordFunctions = []string{"pututxline", "pututline", "updwtmpx", "updwtmp", "logwtmp"}

// writesRecords searches the first 32 MB of a program for names of functions.
func writesRecords(program io.Reader) bool {
	b, err := io.ReadAll(io.LimitReader(program, 32<<20))
	return err == nil && slices.ContainsFunc(recordFunctions, func(name string) bool {
		return bytes.Contains(b, []byte("\x00"+name+"\x00"))
	})
}

// record writes the login, or the logout.
func (p *pamSession) record(in call, open bool) error {
	b, err := newBook(in)
	if err != nil {
		return err
	}
	if open {
		if err := in.on.canLive(p.pid, p.line()); err != nil {
			return err // the program was killed
		}
		_, err = b.begin(newSession(p.line(), p.user, p.host, p.pid, in.on.now()), true)
	} else {
		_, _, err = b.end(p.is, p.line(), p.pid)
	}
	if taken := new(takenError); errors.As(err, &taken) || errors.Is(err, errNoSession) {
		return nil // its program has recorded it, or the bridge, or it is within another session
	}
	return err
}

// is reports whether a record is that of the session. On a display, sessreg(1) may have given
// it another line, and the display as the host.
func (p *pamSession) is(r utmpx.Record) bool {
	return r.PID == p.pid && (r.Line == p.line() || isOfDisplay(r, p.line()))
}
