// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// lab is a machine with files of its own, whose clock and boots are the test's.
type lab struct {
	t       *testing.T
	dir     string
	clock   time.Time
	booted  time.Time
	boot    string
	system  initsystem.Writes
	level   byte // that systemd starts for
	living  map[int32]bool
	durable bool          // its utmp outlives a boot
	wtmpdb  string        // what `wtmpdb last` prints
	init    time.Duration // from the kernel's start to that of process 1
	slept   time.Duration
	wait    time.Duration
	scene   scene
	caller  int32            // of utmpctl
	on      map[int32]string // the terminals of processes
}

// day is the day of the tests.
const day = "2026-07-01 "

// at is a moment of that day, or with a date of its own of another.
func at(s string) time.Time {
	if len(s) <= len("15:04:05") {
		s = day + s
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(form, s, time.UTC); err == nil {
			return t
		}
	}
	panic("no time: " + s)
}

func newLab(t *testing.T, more ...string) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), wait: time.Minute}
	l.write("wtmp", nil)
	if err := os.Mkdir(l.path("state"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("UTMPX_FILE=%s\nWTMPX_FILE=%s\nSTATE_DIR=%s\n", l.path("utmp"), l.path("wtmp"), l.path("state"))
	l.write("conf", []byte(conf+strings.Join(more, "\n")+"\n"))
	return l
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) write(name string, b []byte) {
	l.t.Helper()
	l.check(os.WriteFile(l.path(name), b, 0o600))
}

func (l *lab) read(name string) []byte {
	l.t.Helper()
	b, err := os.ReadFile(l.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l.check(err)
	return b
}

// starts begins a boot: its clock shows when; utmp is gone.
func (l *lab) starts(boot, when string) {
	l.boot, l.booted = boot, at(when)
	l.clock = l.booted.Add(20 * time.Second)
	if !l.durable {
		_ = os.Remove(l.path("utmp"))
	}
}

// container begins a boot of a container on a kernel that has run for so long.
func (l *lab) container(boot, when string, up time.Duration) {
	l.starts(boot, when)
	l.init = up
}

// old leaves a note in STATE_DIR as the version before did.
func (l *lab) old(name, when string, every time.Duration) {
	l.write("state/"+name, fmt.Appendf(nil, "utmpd-heartbeat 2\nboot %q\ntime %s\nevery %s\nstate running\n",
		l.boot, at(when).Format(time.RFC3339Nano), every))
}

// until lets time pass.
func (l *lab) until(when string) { l.clock = at(when) }

func (l *lab) machine() machine {
	return machine{
		now:        func() time.Time { return l.clock },
		up:         func() (up, slept time.Duration) { return l.init + l.clock.Sub(l.booted), l.slept },
		initStart:  func() time.Duration { return l.init },
		bootID:     func() (string, error) { return l.boot, nil },
		hostname:   func() string { return "lab" },
		release:    func() string { return "6.1.0" },
		initsystem: func() initsystem.Writes { return l.system },
		runLevel:   func() byte { return l.level },
		volatile:   func(string) bool { return !l.durable },
		makeFile: func(name string) error {
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o664)
			if err == nil {
				err = f.Close()
			}
			return err
		},
		alive:    func(pid int32) bool { return l.living[pid] },
		parent:   func() int32 { return l.caller },
		lineOf:   func(pid int32) string { return l.on[pid] },
		terminal: func(line string) bool { return strings.HasPrefix(line, "pts/") },
		owner:    ownerAsRoot,
		wtmpdb:   func(context.Context) ([]byte, error) { return []byte(l.wtmpdb), nil },
		patience: l.wait,
		led:      func(lines []string) []bool { return make([]bool, len(lines)) },
		open: func(pid int32) (found, bool) {
			f := found{id: session.ID{PID: pid}, how: "pidfd"}
			if pid == 1 {
				f.nobody = session.Init
			}
			return f, l.living[pid]
		},
		look:   func(sights []session.Sight) []session.Sighting { return l.scene.look(sights) },
		gather: func(qs []session.Question) []session.Evidence { return l.scene.gather(qs) },
		activities: func([]string) (map[string]proc.Activity, error) {
			return l.scene.lines, l.scene.hidden
		},
		describe:  func(pid int32) proc.Description { return l.scene.processes[pid] },
		logins:    func() ([]proc.Login, error) { return l.scene.logins, nil },
		inhabited: func() (map[string]bool, error) { return l.scene.inhabited, l.scene.hidden },
	}
}

// try runs a command and returns its status and what it said.
func (l *lab) try(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(l.t.Context(), append([]string{args[0], "-config", l.path("conf")}, args[1:]...), &out, &errs, l.machine())
	return status, out.String(), errs.String()
}

func (l *lab) do(args ...string) string {
	l.t.Helper()
	status, out, errs := l.try(args...)
	if status != 0 {
		l.t.Fatalf("utmpctl %v: status %d\n%s%s", args, status, out, errs)
	}
	return out + errs
}

func system(typ utmpx.Type, user, when string) utmpx.Record {
	return utmpx.Record{Type: typ, Line: "~", ID: "~~", User: user, Host: "6.1.0", Time: utmpx.TimeOf(at(when))}
}

func login(line string, pid int32, when string) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: pid, Line: line, ID: line[max(0, len(line)-4):], User: "alice", Host: "desk", Time: utmpx.TimeOf(at(when))}
}

func encode(t testing.TB, recs ...utmpx.Record) []byte {
	t.Helper()
	var b []byte
	for _, r := range recs {
		p, err := utmpx.Native().Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p...)
	}
	return b
}

// logs appends records as other programs do.
func (l *lab) logs(recs ...utmpx.Record) {
	l.t.Helper()
	l.write("wtmp", append(l.read("wtmp"), encode(l.t, recs...)...))
}

// beats leaves the heartbeat's note, as utmpd does.
func (l *lab) beats(when string, state heartbeat.State) {
	l.t.Helper()
	l.check(heartbeat.WriteNote(filepath.Join(l.path("state"), heartbeat.NoteFile),
		heartbeat.Note{BootID: l.boot, Init: l.init, Time: at(when), Up: max(0, l.init+at(when).Sub(l.booted)), Slept: l.slept,
			Every: time.Minute, State: state}))
}

// accessed sets the log's access time.
func (l *lab) accessed(when string) {
	l.t.Helper()
	l.check(os.Chtimes(l.path("wtmp"), at(when), time.Time{}))
}

// holds compares the records of a file, a line each.
func (l *lab) holds(name string, want ...string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.lines(name)); diff != "" {
		l.t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// lines returns the records of a file, a line each, without what is damaged.
func (l *lab) lines(name string) (lines []string) {
	l.t.Helper()
	for e, err := range logs.New(l.path(name), logs.Options{}).Forward(l.t.Context()) {
		if errors.Is(err, fs.ErrNotExist) {
			return append(lines, "missing")
		}
		if logs.IsDamage(err) {
			continue // a torn record
		}
		l.check(err)
		lines = append(lines, text(e.Record))
	}
	return lines
}

// text is a record in a few words.
func text(r utmpx.Record) string {
	when := r.Time.Time().UTC().Format("2006-01-02 15:04:05")
	s := strings.TrimPrefix(when, day) + " " + strings.TrimSuffix(r.Type.String(), "_PROCESS") + " " + r.User
	if r.Line != "~" {
		s += " " + r.Line
	}
	if r.Line == "~" && r.Host != "6.1.0" {
		s += " " + r.Host
	}
	return s
}

// lock holds a write lock on a file.
func lock(t *testing.T, name string) (unlock func()) {
	t.Helper()
	h, err := sysfile.Kernel().Open(name, sysfile.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.TryLock(sysfile.WriteLock); err != nil {
		t.Fatal(err)
	}
	return func() { h.Close() }
}
