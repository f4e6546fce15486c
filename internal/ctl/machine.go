// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

// machine is the system that utmpctl works on. Tests replace it.
type machine struct {
	now        func() time.Time
	up         func() (up, slept time.Duration) // since the kernel started; 0 if unknown
	initStart  func() time.Duration             // of process 1, by the same clock; 0 if unknown
	bootID     func() (string, error)
	hostname   func() string // "" if unknown
	release    func() string // kernel release
	initsystem func() initsystem.Writes
	runLevel   func() byte                        // that systemd starts for; 0: unknown
	volatile   func(file string) bool             // the file cannot be from before this boot
	makeFile   func(file string) error            // creates an empty file for the group utmp; fs.ErrExist if it exists
	alive      func(pid int32) bool               // also true if unknown
	describe   func(pid int32) proc.Description   // zero if unknown
	open       func(pid int32) (p found, ok bool) // false: no living process has it
	look       func([]session.Sight) []session.Sighting
	gather     func([]session.Question) []session.Evidence
	activities func(lines []string) (map[string]proc.Activity, error)
	logins     func() ([]proc.Login, error)
	inhabited  func() (ids map[string]bool, err error) // sessions of logind that have a process
	led        func(lines []string) []bool             // the lines that have, or may have, a session leader
	within     func(pid, of int32) bool                // a process is the other one's descendant, or may be
	parent     func() int32                            // the process that called utmpctl
	lineOf     func(pid int32) string                  // of its terminal; "": none
	terminal   func(line string) bool                  // it is a terminal's
	owner      func(fs.FileInfo) check.Owner           // of a file
	wtmpdb     func(context.Context) ([]byte, error)   // what `wtmpdb last` prints; nil: there is none
	patience   time.Duration                           // maximum wait for a lock: a boot must not hang
}

// thisMachine returns the system that the program runs on.
func thisMachine() machine {
	return machine{
		now:        time.Now,
		up:         kernelUp,
		initStart:  proc.InitStart,
		bootID:     proc.BootID,
		hostname:   hostname,
		release:    release,
		initsystem: writes,
		runLevel:   runLevel,
		volatile:   volatile,
		makeFile:   makeFile,
		alive:      alive,
		describe:   describe,
		open:       open,
		look:       proc.Look,
		gather:     proc.Gather,
		activities: proc.Activities,
		logins:     proc.Logins,
		inhabited:  proc.Inhabited,
		led:        led,
		within:     proc.Within,
		parent:     func() int32 { return int32(os.Getppid()) },
		lineOf:     proc.LineOf,
		terminal:   proc.TerminalDevice,
		owner:      ownerOf,
		wtmpdb:     wtmpdb,
		patience:   10 * time.Second,
	}
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}

func kernelUp() (up, slept time.Duration) {
	now := clock.Read()
	return now.Up, now.Slept
}

// uptime returns how long the system has been up: since process 1 started, since a
// container's start is its boot. It is 0 if unknown.
func (m machine) uptime() time.Duration {
	up, _ := m.up()
	return max(0, up-m.initStart())
}

// makeFile creates a utmpx file as tmpfiles.d and sysvinit do: 0664 root:utmp. If that
// group does not exist or may not be set, the file gets the group of the process. The file
// gets its name only when it is complete, even if the program is killed.
func makeFile(name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if gid, ok := utmpGroup(); ok {
		if err := f.Chown(-1, int(gid)); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	if err := f.Chmod(0o664); err != nil {
		return err
	}
	return os.Link(f.Name(), name)
}

// utmpGroup returns the group utmp.
func utmpGroup() (gid uint32, ok bool) {
	g, err := user.LookupGroup("utmp")
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err == nil
}

func alive(pid int32) bool {
	p, err := proc.Find(pid)
	if err != nil {
		return !errors.Is(err, proc.ErrGone)
	}
	defer p.Close()
	ended, _ := p.Ended()
	return !ended
}

func describe(pid int32) proc.Description {
	d, _ := proc.Describe(pid)
	return d
}

// found is a process that lives.
type found struct {
	id     session.ID
	nobody session.Nobody // why it cannot be a session's
	how    string         // how it was asked whether it lives
}

func open(pid int32) (f found, ok bool) {
	how := "pidfd"
	p, err := proc.Open(pid)
	if err != nil && !errors.Is(err, proc.ErrGone) {
		how = "kill(2) and /proc"
		p, err = proc.Find(pid)
	}
	if err != nil {
		return found{id: session.ID{PID: pid}, how: "nothing"}, !errors.Is(err, proc.ErrGone)
	}
	defer p.Close()
	ended, _ := p.Ended()
	return found{p.ID(), p.Nobody(), how}, !ended
}

func led(lines []string) []bool {
	found, err := proc.Leaders(lines)
	all := make([]bool, len(lines))
	for i, line := range lines {
		l := found[line]
		all[i] = l.Found || err != nil && l.Exists
	}
	return all
}
